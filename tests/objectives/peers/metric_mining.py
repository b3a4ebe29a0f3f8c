"""pytorch-metric-learning: miners, distances, reducers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives.peers.metric_learning import LOSSES, NORMALISED, as_triplets, of_triplets, part
from objectives.peers.rows import LABEL, Batch, Gap, Peer, Row, labelled, paired


def mined(miner: Any, name: str = "ContrastiveLoss", **options: Any) -> Any:
    """Their loss of what their miner leaves, as a mean over it."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        more = {k: v() if callable(v) else v for k, v in options.items()}
        peer = part("losses", name, reducer=part("reducers", "MeanReducer"), **more)
        return peer(b.z, b.label, miner()(b.z, b.label))

    return theirs


def cosine() -> Any:
    return part("distances", "CosineSimilarity")


def packaged(b: SimpleNamespace) -> torch.Tensor:
    """Anchor, positive, negative, in turn."""
    z = b.z.unflatten(0, (3, -1)).transpose(0, 1).flatten(0, 1)
    label = b.label.unflatten(0, (3, -1)).T.flatten()
    peer = part("losses", "TripletMarginLoss", margin=0.4, reducer=part("reducers", "MeanReducer"))
    return peer(z, label, part("miners", "EmbeddingsAlreadyPackagedAsTriplets")(z, label))


def angular(seed: int) -> Batch:
    """All triplets of the batch whose angle at the negative is above 20 degrees."""
    batch = labelled(seed)
    z = batch.names["z"]
    n = range(len(z))
    chosen = []
    for a, p, o in ((a, p, o) for a in n for p in n for o in n):
        if a != p and LABEL[a] == LABEL[p] and LABEL[a] != LABEL[o]:
            middle = (z[a] + z[p]) / 2
            angle = torch.atan((z[a] - z[p]).norm() / (2 * (z[o] - middle).norm()))
            if angle > math.radians(20):
                chosen.append((a, p, o))
    anchors, positives, others = torch.tensor(chosen).T
    owned = Points(torch.stack([z[positives], z[others]], 1), positive=torch.tensor([[1.0, 0.0]] * len(chosen)))
    batch.names |= {"anchors": z[anchors], "owned": owned}
    return Batch("anchors, owned=owned", batch.names, [z])


def angular_triplets(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "TripletMarginLoss", margin=0.4, reducer=part("reducers", "MeanReducer"))
    return peer(b.z, b.label, part("miners", "AngularMiner", angle=20)(b.z, b.label))


def reduced(reducer: str, **options: Any) -> Any:
    """Their contrastive loss of the positives alone, under a reducer of theirs."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        peer = part("losses", "ContrastiveLoss", pos_margin=0.9, distance=cosine(), neg_margin=2.0)
        peer.reducer = part("reducers", "MultipleReducers", reducers={"pos_loss": part("reducers", reducer, **options)})
        return peer(b.z, b.label)

    return theirs


def summed(b: SimpleNamespace) -> torch.Tensor:
    return part("losses", "SupConLoss", temperature=0.1, reducer=part("reducers", "SumReducer"))(b.z, b.label)


def unreduced(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "SupConLoss", temperature=0.1, reducer=part("reducers", "DoNothingReducer"))
    return (peer(b.z, b.label)["loss"]["losses"] * torch.arange(len(b.z))).sum()


def weighted_classes(seed: int) -> Batch:
    batch = labelled(seed)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)
    batch.names |= {"class_weight": weight}
    return batch


def class_weighted(b: SimpleNamespace) -> torch.Tensor:
    reducer = part("reducers", "ClassWeightedReducer", weights=b.class_weight)
    # theirs divides by the number of points, a weighted mean by the sum of the weights
    total = b.class_weight[b.label].mean()
    return part("losses", "SupConLoss", temperature=0.1, reducer=reducer)(b.z, b.label) / total


def distance_weighted(b: SimpleNamespace) -> torch.Tensor:
    """The expectation of their draw: their own weights, caught before the draw, on a contrastive loss."""
    from pytorch_metric_learning.miners import distance_weighted_miner as module

    caught = {}

    class Catch:
        @staticmethod
        def get_random_triplet_indices(labels: torch.Tensor, ref_labels: torch.Tensor, weights: torch.Tensor) -> Any:
            caught["weights"] = weights
            none = labels[:0]
            return none, none, none

    before, module.lmu = module.lmu, Catch
    try:
        part("miners", "DistanceWeightedMiner")(b.z, b.label)
    finally:
        module.lmu = before
    # a row whose negatives are all too far has no weights
    weight = caught["weights"].nan_to_num()
    d = torch.cdist(F.normalize(b.z, dim=1), F.normalize(b.z, dim=1), compute_mode="donot_use_mm_for_euclid_dist")
    return (weight * F.relu(1 - d)).sum(1)[weight.sum(1) > 0].mean()


def drawn_evenly(b: SimpleNamespace) -> torch.Tensor:
    """So many draws from every bin that their frequencies are the expectation."""
    torch.manual_seed(0)
    miner = part("miners", "UniformHistogramMiner", num_bins=4, pos_per_bin=100_000, neg_per_bin=100_000)
    peer = part("losses", "ContrastiveLoss", reducer=part("reducers", "MeanReducer"))
    return peer(b.z, b.label, miner(b.z, b.label))


def distances(name: str, **options: Any) -> Any:
    """An InfoNCE over their matrix of scores or distances, higher being closer."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        peer = part("distances", name, **options)
        matrix = peer(b.q, b.k)
        return F.cross_entropy(matrix if peer.is_inverted else -matrix, torch.arange(len(b.q)))

    return theirs


MINED_CONTRASTIVE = (
    'Mined(Pairs(0.0, over="terms", geometry=unit, relation=labels), {miner})'
    ' + Mined(Pairs(negative=-1.0, over="terms", geometry=unit, relation=labels), {miner})'
)

MINERS: list[Row | Gap] = [
    Row(
        "AngularMiner", 'Triplet(0.4, over="terms", geometry=unit)', angular_triplets, angular,
        note="the angle at the negative needs the distance of the other two: triplets are chosen "
        "first, plain torch, and "
        "are queries with owned keys",
    ),
    Row(
        "BatchEasyHardMiner (easy positive, semi-hard negative)",
        'Mined(Triplet(0.4, geometry=unit, relation=labels), pick(positive="easy", negative="semi-hard"))',
        mined(lambda: part("miners", "BatchEasyHardMiner"), "TripletMarginLoss", margin=0.4), labelled,
    ),
    Row(
        "BatchEasyHardMiner (semi-hard positive, hard negative)",
        'Mined(Triplet(0.4, geometry=unit, relation=labels), pick(positive="semi-hard", negative="hard"))',
        mined(
            lambda: part("miners", "BatchEasyHardMiner", pos_strategy="semihard", neg_strategy="hard"),
            "TripletMarginLoss", margin=0.4,
        ),
        labelled,
    ),
    Row(
        "BatchHardMiner", 'Triplet(0.4, mining="hard", geometry=unit, relation=labels)',
        mined(lambda: part("miners", "BatchHardMiner"), "TripletMarginLoss", margin=0.4), labelled,
        note="in front of other losses: `Mined(..., pick(\"hard\", \"hard\"))`",
    ),
    Row(
        "DistanceWeightedMiner",
        "Mined(Pairs(negative=-1.0, geometry=unit, relation=labels), by_distance(5))",
        distance_weighted, labelled, against="the weights theirs draws with", own="by_distance",
        note="theirs draws negatives at random; ours weighs them by the chance to be drawn",
    ),
    Row(
        "EmbeddingsAlreadyPackagedAsTriplets", "Triplet(0.4, geometry=unit)",
        packaged, as_triplets,
        note="ready triplets are queries with owned keys",
    ),
    Row(
        "HDCMiner",
        MINED_CONTRASTIVE.format(miner="hardest_share(0.5)").replace("Mined(", "MinedTogether("),
        mined(lambda: part("miners", "HDCMiner")), labelled, own="hardest_share",
    ),
    Row(
        "MultiSimilarityMiner",
        'Mined(Pairs(1.0, over="terms", relation=labels), near_the_other_side(0.1))'
        ' + Mined(Pairs(negative=0.0, over="terms", relation=labels), near_the_other_side(0.1))',
        mined(lambda: part("miners", "MultiSimilarityMiner"), distance=cosine, pos_margin=1.0, neg_margin=0.0),
        labelled,
        own="near_the_other_side",
    ),
    Row(
        "PairMarginMiner", MINED_CONTRASTIVE.format(miner="beyond(-0.2, -0.8)"),
        mined(lambda: part("miners", "PairMarginMiner")), labelled, own="beyond",
    ),
    Row(
        "TripletMarginMiner (semihard)",
        'Triplet(0.2, shape=lambda v: F.relu(v) * (v < 0.2), over="active", geometry=unit, relation=labels)',
        mined(
            lambda: part("miners", "TripletMarginMiner", margin=0.2, type_of_triplets="semihard"),
            "TripletMarginLoss", margin=0.2,
        ),
        labelled,
    ),
    Row(
        "TripletMarginMiner (hard)",
        'Triplet(0.2, shape=lambda v: F.relu(v) * (v >= 0.2), over="active", geometry=unit, relation=labels)',
        mined(
            lambda: part("miners", "TripletMarginMiner", margin=0.2, type_of_triplets="hard"),
            "TripletMarginLoss", margin=0.2,
        ),
        labelled,
    ),
    Row(
        "UniformHistogramMiner",
        MINED_CONTRASTIVE.format(miner="even_scores(4)").replace("Mined(", "MinedTogether("),
        drawn_evenly, labelled, own="even_scores", rtol=0.02,
        note="theirs draws from each bin at random; ours weighs bins alike (compared to 2%, with 100,000 draws a bin)",
    ),
]  # fmt: skip

DISTANCES: list[Row | Gap] = [
    Row("CosineSimilarity", "InfoNCE(1.0, geometry=Cosine())", distances("CosineSimilarity"), paired),
    Row(
        "DotProductSimilarity", "InfoNCE(1.0, geometry=Dot())",
        distances("DotProductSimilarity", normalize_embeddings=False), paired, note=NORMALISED,
    ),
    Row("LpDistance", "InfoNCE(1.0, geometry=Euclidean(normalized=True))", distances("LpDistance"), paired),
    Row(
        "LpDistance (p=3, power=2)", "InfoNCE(1.0, geometry=Lp(3, power=2, normalized=True))",
        distances("LpDistance", p=3, power=2), paired, own="Lp",
    ),
    Row(
        "SNRDistance", "InfoNCE(1.0, geometry=NoiseToSignal(normalized=True))", distances("SNRDistance"), paired,
        own="NoiseToSignal",
    ),
    Row(
        "BatchedDistance", "InfoNCE(1.0, geometry=Euclidean(normalized=True))(q, k, block=2)",
        distances("LpDistance"), paired, note="`block=` is an argument of every objective; compared with `LpDistance`",
    ),
]  # fmt: skip

POSITIVES = 'Pairs(0.9, shape={shape}, over="{over}", relation=labels)'
REDUCERS: list[Row | Gap] = [
    Row("MeanReducer", POSITIVES.format(shape="F.relu", over="terms"), reduced("MeanReducer"), labelled),
    Row("AvgNonZeroReducer", POSITIVES.format(shape="F.relu", over="active"), reduced("AvgNonZeroReducer"), labelled),
    Row("PerAnchorReducer", POSITIVES.format(shape="F.relu", over="rows"), reduced("PerAnchorReducer"), labelled),
    Row(
        "ThresholdReducer",
        POSITIVES.format(shape="lambda v: F.relu(v) * (v > 0.2) * (v < 0.8)", over="active"),
        reduced("ThresholdReducer", low=0.2, high=0.8), labelled,
    ),
    Row("SumReducer", 'SupCon(0.1)(points, reduction="none").sum()', summed, labelled),
    Row(
        "DoNothingReducer", 'SupCon(0.1)(points, reduction="none") @ torch.arange(len(points)).double()',
        unreduced, labelled, note="one value a row, here weighted by hand to compare gradients",
    ),
    Row(
        "ClassWeightedReducer", "SupCon(0.1)(points.with_columns(weight=class_weight[label]))", class_weighted,
        weighted_classes, note="theirs divides by the number of points, ours by the sum of the weights",
    ),
    Row(
        "DivisorReducer", 'Pairs(-1.0, -1.4, over="active", geometry=unit)', of_triplets("MarginLoss"), as_triplets,
        note="serves `MarginLoss` and `ProxyAnchorLoss`, whose divisors are counts of active or present terms",
    ),
    Row(
        "MultipleReducers",
        'Pairs(0.0, over="terms", geometry=unit, relation=labels)'
        ' + Pairs(negative=-1.0, over="active", geometry=unit, relation=labels)',
        lambda b: part(
            "losses", "ContrastiveLoss",
            reducer=part(
                "reducers", "MultipleReducers",
                reducers={
                    "pos_loss": part("reducers", "MeanReducer"), "neg_loss": part("reducers", "AvgNonZeroReducer"),
                },
            ),
        )(b.z, b.label),
        labelled,
    ),
]  # fmt: skip

PEER = Peer(
    "pytorch-metric-learning",
    "2.9",
    "pytorch_metric_learning",
    tables={"losses": LOSSES, "miners": MINERS, "distances": DISTANCES, "reducers": REDUCERS},
)
