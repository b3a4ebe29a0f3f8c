"""sentence-transformers: the dense losses."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives.peers.rows import LABEL, Batch, Peer, Row, labelled, normal, paired, triplets

MODEL = torch.nn.Sequential(torch.nn.Identity())
ALL = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


def peer(name: str, **options: Any) -> Any:
    """A loss of theirs; it needs no model where it is given embeddings."""
    losses = importlib.import_module("sentence_transformers.sentence_transformer.losses")
    return getattr(losses, name)(MODEL, **options)


def from_embeddings(name: str, *names: str, **options: Any) -> Any:
    """Their loss of the named embeddings; the last name is that of the labels, if there are any."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        *columns, labels = (getattr(b, n, None) for n in names)
        return peer(name, **options).compute_loss_from_embeddings(columns, labels)

    return theirs


def bare(module: str, name: str, **attributes: Any) -> Any:
    """A loss of theirs without its models, which it would only ask for embeddings."""
    found = importlib.import_module(f"sentence_transformers.sentence_transformer.losses.{module}")
    loss = getattr(found, name).__new__(getattr(found, name))
    torch.nn.Module.__init__(loss)
    for key, value in attributes.items():
        setattr(loss, key, value)
    return loss


def stub(*embeddings: torch.Tensor) -> Any:
    """A model that gives these embeddings, one a call."""
    left = iter(embeddings)
    return lambda features: {"sentence_embedding": next(left)}


def scored(seed: int) -> Batch:
    """Pairs with grades, some equal, that single precision holds exactly."""
    batch = paired(seed, 9, 4)
    score = torch.tensor([0.0, 0.25, 0.25, 1.0, 0.5, 0.5, 0.5, 0.0, 0.875], dtype=torch.float64)
    batch.names |= {"score": score, "graded": Points(batch.leaves[0], score=score)}
    batch.call = "graded, k"
    return batch


def judged(seed: int) -> Batch:
    """Pairs that match or do not."""
    batch = paired(seed, 8)
    k = batch.leaves[1]
    match = torch.tensor([1, 0, 1, 0, 0, 1, 1, 0])
    batch.names |= {"match": match, "pairs": Points(k[:, None], positive=match[:, None].double())}
    batch.call = "q, owned=pairs"
    return batch


def with_hard_negatives(seed: int) -> Batch:
    """Everybody sees everybody's."""
    batch = paired(seed)
    q, k = batch.leaves
    h = normal(len(q), 5, seed=seed + 99)
    sample = torch.arange(len(q))
    keys = Points.cat([Points(k, sample=sample), Points(h, sample=torch.full((len(q),), -1))])
    batch.names |= {"h": h, "queries": Points(q, sample=sample), "keys": keys}
    return Batch("queries, keys", batch.names, [q, k, h])


def taught(seed: int) -> Batch:
    """A query, three candidates, a teacher's scores of them."""
    batch = triplets(seed, s=3)
    q, h = batch.leaves
    teacher = normal(len(q), 3, seed=seed + 77).detach()
    batch.names |= {f"h{i}": h[:, i] for i in range(3)} | {"teacher": teacher}
    batch.call = "q, owned=owned, guide=Guide(owned=teacher)"
    return batch


def opened(seed: int) -> Batch:
    batch = triplets(seed)
    h = batch.leaves[1]
    batch.names |= {"p": h[:, 0], "n": h[:, 1]}
    return batch


def guided(seed: int) -> Batch:
    """Two models' embeddings of the same pairs."""
    batch = paired(seed)
    guide = [F.normalize(normal(7, 4, seed=seed + i).detach(), dim=1) for i in (60, 70)]
    batch.names |= {"guide_q": guide[0], "guide_k": guide[1]}
    batch.call = "q, k, guide=Guide(guide_q, guide_k)"
    return batch


def stacked(seed: int) -> Batch:
    """A row that is a pair: its query against keys and queries, its key against keys, as one vector of two halves."""
    batch = guided(seed)

    def rows(q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
        none = torch.zeros_like(k)
        keys = [torch.cat([k, none], 1), torch.cat([q, none], 1), torch.cat([none, k], 1)]
        return torch.cat([q, k], 1), torch.cat(keys)

    pair, keys = rows(*batch.leaves)
    guide_pair, guide_keys = rows(batch.names["guide_q"], batch.names["guide_k"])
    n = torch.arange(len(pair))
    batch.names |= {
        "pair": Points(pair, sample=n),
        "keys": Points(keys, sample=torch.cat([n, torch.full((2 * len(pair),), -1)])),
        "guide_pair": guide_pair,
        "guide_keys": guide_keys,
    }
    batch.call = "pair, keys, guide=Guide(guide_pair, guide_keys)"
    return batch


def gist(module: str, name: str, **options: Any) -> Any:
    def theirs(b: SimpleNamespace) -> torch.Tensor:
        loss = bare(
            module,
            name,
            temperature=0.1,
            margin_strategy="absolute",
            margin=0.1,
            gather_across_devices=False,
            similarity_fct=torch.nn.CosineSimilarity(dim=-1),
            cross_entropy_loss=torch.nn.CrossEntropyLoss(),
            must_retokenize=False,
            **options,
        )
        if name.startswith("Cached"):
            loss.mini_batch_size, loss.show_progress_bar = 3, False
            return loss.calculate_loss([[b.q], [b.k]], [[b.guide_q], [b.guide_k]])
        found = importlib.import_module(f"sentence_transformers.sentence_transformer.losses.{module}")
        before, found.embed_columns = found.embed_columns, lambda model, features: model
        loss.model, loss.guide = [b.q, b.k], [b.guide_q, b.guide_k]
        try:
            return loss([{}, {}], None)
        finally:
            found.embed_columns = before

    return theirs


def classified(seed: int) -> Batch:
    """Pairs with one of three verdicts, and a linear layer with bias on `(u, v, |u - v|)`."""
    batch = paired(seed, d=4)
    q, k = batch.leaves
    label = torch.tensor([0, 1, 2, 2, 1, 0, 1])
    features = torch.cat([q, k, (q - k).abs(), torch.ones_like(q[:, :1])], 1)
    w = normal(3, 13, seed=seed + 5)
    batch.names |= {"verdicts": Points(features, label=label), "label": label, "w": w}
    return Batch("verdicts", batch.names, [q, k], [w])


def softmax(b: SimpleNamespace) -> torch.Tensor:
    layer = lambda features: features @ b.w[:, :-1].T + b.w[:, -1]  # noqa: E731
    layer.weight = b.w
    loss = bare(
        "softmax",
        "SoftmaxLoss",
        num_labels=3,
        concatenation_sent_rep=True,
        concatenation_sent_difference=True,
        concatenation_sent_multiplication=False,
        loss_fct=torch.nn.CrossEntropyLoss(),
        classifier=layer,
    )
    found = importlib.import_module("sentence_transformers.sentence_transformer.losses.softmax")
    before, found.embed_columns = found.embed_columns, lambda model, features: [b.q, b.k]
    loss.model = None
    try:
        return loss([{}, {}], b.label)
    finally:
        found.embed_columns = before


def tension(b: SimpleNamespace) -> torch.Tensor:
    loss = bare("contrastive_tension", "ContrastiveTensionLoss", criterion=torch.nn.BCEWithLogitsLoss(reduction="sum"))
    loss.model1, loss.model2 = stub(b.q), stub(b.k)
    return loss([{}, {}], b.match)


def tension_in_batch(b: SimpleNamespace) -> torch.Tensor:
    loss = bare(
        "contrastive_tension",
        "ContrastiveTensionLossInBatchNegatives",
        similarity_fct=importlib.import_module("sentence_transformers.util").cos_sim,
        cross_entropy_loss=torch.nn.CrossEntropyLoss(),
        logit_scale=b.log_scale,
    )
    loss.model1, loss.model2 = stub(b.q), stub(b.k)
    return loss([{}], None)


def with_temperature(seed: int) -> Batch:
    batch = paired(seed)
    log_scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    batch.names["log_scale"] = log_scale
    return Batch(batch.call, batch.names, batch.leaves, [log_scale])


def decoded(seed: int) -> Batch:
    """States of a decoder, a vocabulary of 6, the tokens to be said; 0 is padding."""
    h, w = normal(8, 5, seed=seed), normal(6, 5, seed=seed + 1)
    token = torch.tensor([1, 4, 2, 0, 3, 5, 0, 1])
    names = {
        "h": h,
        "w": w,
        "token": token,
        "states": Points(h, label=torch.where(token == 0, -1, token)),
        "vocabulary": Points(w, label=torch.arange(6)),
    }
    return Batch("states, vocabulary", names, [h, w])


def denoised(b: SimpleNamespace) -> torch.Tensor:
    """Two sentences of four tokens; the first token starts each and is not predicted."""
    loss = bare("denoising_auto_encoder", "DenoisingAutoEncoderLoss", need_retokenization=False)
    loss.encoder = stub(torch.zeros(2, 5))
    loss.decoder = lambda **_: ((b.h @ b.w.T).unflatten(0, (2, 4)),)
    loss.tokenizer_decoder = SimpleNamespace(pad_token_id=0)
    ids = torch.cat([torch.ones(2, 1, dtype=torch.long), b.token.unflatten(0, (2, 4))], 1)
    return loss([{"attention_mask": torch.ones(2, 4)}, {"input_ids": ids}], None)


def layered(seed: int) -> Batch:
    """Embeddings of the last layer and of an earlier one."""
    batch = paired(seed)
    q, k = batch.leaves
    q1, k1 = normal(7, 5, seed=seed + 30), normal(7, 5, seed=seed + 40)
    final = torch.cat([q, k]).detach()
    # a dot product with an axis is a coordinate, so a softmax over axes is one over coordinates
    axes = Points(torch.eye(5, dtype=torch.float64), sample=torch.full((5,), -1))
    early = Points(torch.cat([q1, k1]), sample=torch.arange(14))
    batch.names |= {"q1": q1, "k1": k1, "early": early, "final": final, "axes": axes}
    return Batch("", batch.names, [q, k, q1, k1])


def adaptive(b: SimpleNamespace, inner: Any = None) -> torch.Tensor:
    """Their formula: the loss of the last layer, that of the earlier one, and 0.3 KL of softmaxes over coordinates."""

    def infonce(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(F.normalize(q, dim=1) @ F.normalize(k, dim=1).T / 0.05, torch.arange(len(q)))

    inner = inner or infonce
    teacher = F.softmax(b.final / 0.3, dim=1)
    student = F.log_softmax(torch.cat([b.q1, b.k1]) / 0.3, dim=1)
    divergence = (teacher * (teacher.log() - student)).sum(1).mean()
    return inner(b.q, b.k) + inner(b.q1, b.k1) + 0.3 * divergence


def adaptive_2d(b: SimpleNamespace) -> torch.Tensor:
    def infonce(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return sum(
            F.cross_entropy(F.normalize(q[:, :d], dim=1) @ F.normalize(k[:, :d], dim=1).T / 0.05, torch.arange(len(q)))
            for d in (5, 3)
        )

    return adaptive(b, infonce)


def matryoshka(b: SimpleNamespace) -> torch.Tensor:
    plain = peer("MultipleNegativesRankingLoss")
    return sum(
        plain.compute_loss_from_embeddings([F.normalize(z[:, :d], dim=1) for z in (b.q, b.k)], None) for d in (5, 3)
    )


def orthogonal(b: SimpleNamespace) -> torch.Tensor:
    return sum(peer("GlobalOrthogonalRegularizationLoss").compute_loss_from_embeddings([b.z]).values())


def mega_batch(b: SimpleNamespace) -> torch.Tensor:
    return peer("MegaBatchMarginLoss", use_mini_batched_version=False).calculate_loss([[b.q], [b.k]])


def cached(name: str) -> Any:
    return lambda b: peer(name, mini_batch_size=3).calculate_loss([[b.q], [b.k]])


def towards(seed: int) -> Batch:
    """A student and its teacher, which has no gradient."""
    batch = paired(seed)
    q, k = batch.leaves
    batch.names["k"] = k.detach()
    return Batch("q, k", batch.names, [q])


def distilled(metric: str, name: str = "EmbedDistillLoss") -> Any:
    options = {"distance_metric": metric} if metric else {}
    return lambda b: peer(name, **options).compute_loss_from_embeddings([b.q], [b.k])


def batch_triplets(name: str, method: str, **options: Any) -> Any:
    return lambda b: getattr(peer(name, **options), method)(b.label, b.z)


def all_have_positives(seed: int) -> Batch:
    return labelled(seed, LABEL, 4)


SQUARED = "shape=lambda v: F.relu(v) ** 2"
ADAPTIVE = (
    "{0}(q, k) + {0}(q1, k1) + 0.3 * DistillKL(0.3, guide_temperature=0.3, geometry=Dot(), guide_geometry=Dot())"
    "(early, axes, guide=Guide(final, axes.z))"
)
STEP = "their step over layers needs a Transformer; here the embeddings of two layers"

LOSSES = [
    Row("AdaptiveLayerLoss", ADAPTIVE.format("InfoNCE()"), adaptive, layered, against="a loop", note=STEP),
    Row(
        "AnglELoss", "CoSENT(geometry=Angle())", from_embeddings("AnglELoss", "q", "k", "score"), scored, own="Angle",
    ),
    Row(
        "BatchAllTripletLoss", 'Triplet(5.0, over="active", relation=labels)',
        batch_triplets("BatchAllTripletLoss", "batch_all_triplet_loss"), labelled,
    ),
    Row(
        "BatchHardSoftMarginTripletLoss", 'Triplet(0.0, mining="hard", shape=F.softplus, relation=labels)',
        batch_triplets("BatchHardSoftMarginTripletLoss", "batch_hard_triplet_soft_margin_loss"), labelled,
    ),
    Row(
        "BatchHardTripletLoss", 'Triplet(5.0, mining="hard", relation=labels)',
        batch_triplets("BatchHardTripletLoss", "batch_hard_triplet_loss"), labelled,
    ),
    Row(
        "BatchSemiHardTripletLoss", 'Triplet(5.0, mining="semi-hard", over="terms", relation=labels)',
        batch_triplets("BatchSemiHardTripletLoss", "batch_semi_hard_triplet_loss"), labelled,
    ),
    Row(
        "CachedGISTEmbedLoss", "Mined(InfoNCE(0.1, geometry=Dot(), guide_geometry=Dot()), below_the_guide(0.1))",
        gist("cached_gist_embed", "CachedGISTEmbedLoss", contrast_anchors=True, contrast_positives=True), stacked,
        note="caching is `cached` around any objective; the row as of `GISTEmbedLoss`",
    ),
    Row(
        "CachedMultipleNegativesRankingLoss", "InfoNCE(0.05)(q, k, block=3)",
        cached("CachedMultipleNegativesRankingLoss"), paired, note="caching is `cached` around any objective",
    ),
    Row(
        "CachedMultipleNegativesSymmetricRankingLoss", 'InfoNCE(0.05, layout="symmetric")(q, k, block=3)',
        cached("CachedMultipleNegativesSymmetricRankingLoss"), paired, note="caching is `cached` around any objective",
    ),
    Row("CoSENTLoss", "CoSENT(0.05)", from_embeddings("CoSENTLoss", "q", "k", "score"), scored, own="CoSENT"),
    Row(
        "ContrastiveLoss", f'0.5 * Pairs(1.0, 0.5, {SQUARED}, over="terms")',
        from_embeddings("ContrastiveLoss", "q", "k", "match"), judged,
    ),
    Row(
        "ContrastiveTensionLoss", 'len(q) * Pairs(0.0, 0.0, shape=F.softplus, over="terms", geometry=Dot())',
        tension, judged, note="theirs is a sum; two models of their own give `q` and `k`",
    ),
    Row(
        "ContrastiveTensionLossInBatchNegatives", 'InfoNCE(Temperature(0.05), layout="symmetric")',
        tension_in_batch, with_temperature,
    ),
    Row(
        "CosineSimilarityLoss", "PairRegression()", from_embeddings("CosineSimilarityLoss", "q", "k", "score"), scored,
        own="PairRegression",
    ),
    Row(
        "DenoisingAutoEncoderLoss", "InfoNCE(1.0, geometry=Dot(), relation=labels)", denoised, decoded,
        note="the loss is a classification of the decoder's states among the vocabulary's vectors",
    ),
    Row(
        "DistillKLDivLoss", "DistillKL(1.0, geometry=Dot())",
        from_embeddings("DistillKLDivLoss", "q", "h0", "h1", "h2", "teacher"), taught,
        note="theirs multiplies by the squared temperature", own="DistillKL",
    ),
    Row("EmbedDistillLoss", "0.5 * Alignment()", distilled("cosine"), towards),
    Row("EmbedDistillLoss (l2)", "Alignment(1.0, geometry=Dot())", distilled("l2"), towards),
    Row(
        "GISTEmbedLoss", "Mined(InfoNCE(0.1, geometry=Dot(), guide_geometry=Dot()), below_the_guide(0.1))",
        gist("gist_embed", "GISTEmbedLoss", contrast_anchors=True, contrast_positives=True), stacked,
        note="a row is a pair: its query against keys and queries, its key against keys",
    ),
    Row(
        "GISTEmbedLoss (contrast_anchors=False, contrast_positives=False)",
        "Mined(InfoNCE(0.1), below_the_guide(0.1))",
        gist("gist_embed", "GISTEmbedLoss", contrast_anchors=False, contrast_positives=False), guided,
    ),
    Row(
        "GlobalOrthogonalRegularizationLoss",
        "Pairs(negative=0.0, shape=lambda v: v)(z).square()"
        " + F.relu(Pairs(negative=0.0, shape=torch.square)(z) - 1 / z.shape[1])",
        orthogonal, labelled,
    ),
    Row(
        "MarginMSELoss", "MarginMSE()", from_embeddings("MarginMSELoss", "q", "h0", "h1", "h2", "teacher"), taught,
        own="MarginMSE",
    ),
    Row("MatryoshkaLoss", "Matryoshka(InfoNCE(), [5, 3])", matryoshka, paired),
    Row("Matryoshka2dLoss", ADAPTIVE.format("Matryoshka(InfoNCE(), [5, 3])"), adaptive_2d, layered, against="a loop",
        note=STEP),
    Row(
        "MegaBatchMarginLoss", "Pairs(0.8) + Pooled(push=Pool(0.3, math.inf), outer=F.relu)", mega_batch, paired,
    ),
    Row("MSELoss", "1 / 5 * Alignment(geometry=Dot())", distilled("", "MSELoss"), towards, note="5: the dimension"),
    Row(
        "MultipleNegativesRankingLoss", "InfoNCE(0.05)", from_embeddings("MultipleNegativesRankingLoss", "q", "k",
        ""), paired,
    ),
    Row(
        "MultipleNegativesRankingLoss (four directions)", 'InfoNCE(0.05, layout="joint")',
        from_embeddings("MultipleNegativesRankingLoss", "q", "k", "", directions=ALL, partition_mode="joint"), paired,
    ),
    Row(
        "MultipleNegativesRankingLoss (hard negatives)", "InfoNCE(0.05)",
        from_embeddings("MultipleNegativesRankingLoss", "q", "k", "h", ""), with_hard_negatives,
        note="everybody's, so they are keys that match nobody; owned keys are seen by one query",
    ),
    Row(
        "MultipleNegativesSymmetricRankingLoss", 'InfoNCE(0.05, layout="symmetric")',
        from_embeddings("MultipleNegativesSymmetricRankingLoss", "q", "k", ""), paired,
    ),
    Row(
        "OnlineContrastiveLoss",
        f'MinedTogether(Pairs(1.0, 0.5, {SQUARED}), among_the_other_side)(q, owned=pairs, reduction="none").sum()',
        from_embeddings("OnlineContrastiveLoss", "q", "k", "match"), judged, note="theirs is a sum",
        own="among_the_other_side",
    ),
    Row("SoftmaxLoss", "Proxies(InfoNCE(1.0, geometry=Dot()), classes=3, dim=3 * 4 + 1)", softmax, classified,
        note="on `(u, v, |u - v|, 1)`, the 1 for the bias"),
    Row("TripletLoss", "Triplet(5.0)", from_embeddings("TripletLoss", "q", "p", "n", ""), opened),
]  # fmt: skip

PEER = Peer("sentence-transformers", "6.2", "sentence_transformers", tables={"dense losses": LOSSES})
