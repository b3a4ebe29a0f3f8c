"""CET: a ranker and a model of what was labelled, trained side by side, each of which weighs the other's pairs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from counterpoint.data.items import Data
from counterpoint.encoders import KernelCrossEncoder, Readers, StaticEncoder
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Takes
from counterpoint.negatives import lexical, mine
from counterpoint.negatives.rules import Rule, uniform
from counterpoint.objectives import InfoNCE, InversePropensity, Objective
from counterpoint.procedures import Coupled
from counterpoint.systems.registry import Claim, Figures, Say, system
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds import Made, Parts
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import Lexical
from counterpoint.testbeds.ranked import Reranked
from counterpoint.testbeds.texts import SMALL_TITLES
from counterpoint.testbeds.unmarked import FEW_COPIES, no_copy, with_copies
from counterpoint.training import CrossLists, TrainConfig, train
from counterpoint.training.lists import whole

_TOP = found("ndcg@10")
_NEAR, _DEPTH, _QUERIES = 4, 20, 200
"""Of the first so many one is a negative; so many are put in order, of so many test queries."""
_TRAIN = TrainConfig(steps=200, batch_size=32, learning_rate=2e-2, weight_decay=0.0, validations=1, dtype="float32")


def pairwise() -> Objective:
    """`-log softmax` of the positive beside its one negative: all pairs weigh the same."""
    return InfoNCE(1.0, geometry=Dot())


def weighted() -> Objective:
    """The same, weighed by what the other model says of the negative; a sum of both models' means, not their mean."""
    return 2 * InversePropensity(10.0)


def triples(data: Data, seed: int, keep: tuple[Rule, ...] = ()) -> Data:
    """Each row with one negative, drawn from the first that BM25 finds; rows that have none are left out.

    Args:
        data: Pairs; a document is a negative where it is not marked.
        seed: Of the draws.
        keep: Rules for who knows more than the marks.
    """
    assert data.others is not None
    ranker = lexical(list(data.others.texts))
    mined = mine(data, [ranker], depth=_NEAR, keep=keep, draw=uniform, seed=seed)
    assert mined.negatives is not None
    return mined[mined.negatives[:, 0] >= 0]


def reader(data: Data, seed: int) -> KernelCrossEncoder:
    """Kernels over random token vectors, where each token counts the same: it counts the words that both have."""
    assert data.others is not None
    texts = [*whole(data.anchors), *whole(data.others)]
    model = KernelCrossEncoder(StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=32, seed=seed, prompts={}))
    torch.nn.init.ones_(model.importance.weight)
    return model


def plain(model: KernelCrossEncoder, data: Data, seed: int, *, steps: int = _TRAIN.steps) -> KernelCrossEncoder:
    """A copy of it, trained on triples that all weigh the same."""
    model = copy.deepcopy(model)
    train(model, CrossLists(data, model), pairwise(), replace(_TRAIN, steps=steps, seed=seed))
    return model


def coupled(model: KernelCrossEncoder, data: Data, seed: int, *, steps: int = _TRAIN.steps) -> Readers:
    """A copy of it, trained beside another one that begins with other vectors; the first ranks."""
    width = model.embedding.weight.shape
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.embedding.weight.copy_(torch.randn(width, generator=torch.Generator().manual_seed(seed + 1)))
    both = Readers(copy.deepcopy(model), other)
    train(both, CrossLists(data, both), weighted(), replace(_TRAIN, steps=steps, seed=seed), procedure=Coupled())
    return both


def compared(seed: int) -> dict[str, float]:
    """nDCG@10 of held-out titles, the first of BM25 put in order by the same reader, trained in three ways."""
    train_part, test = SMALL_TITLES.parts(seed)
    collection = test if isinstance(test, Collection) else pairs(test)
    parts: Parts = (with_copies(train_part, seed), collection.asking(_QUERIES))
    start, labelled = reader(parts[0], seed), triples(parts[0], seed)
    of = {
        "untrained": start,
        "baseline": plain(start, labelled, seed),
        "system": coupled(start, labelled, seed),
        "ceiling": plain(start, triples(parts[0], seed, (no_copy,)), seed),
    }
    made = {name: Made(name, Reranked(model.score, _DEPTH), parts, seed) for name, model in of.items()}
    return {"raw": _TOP.of(Made("BM25", Lexical(), parts, seed)), **{name: _TOP.of(one) for name, one in made.items()}}


@dataclass(frozen=True)
class Weights:
    """How much pairs with a negative count for the ranker, on average.

    Attributes:
        unmarked: Of those whose negative is an answer that nobody has marked.
        others: Of the rest.
    """

    unmarked: float
    others: float


def weights(both: Readers, data: Data) -> Weights:
    """What the second model of two makes of triples: `1 / (1 - sigmoid(S(q, d-) / 10))`.

    Args:
        both: Ranker and model of what was labelled.
        data: Triples of a training part whose copies are called "copy".
    """
    assert data.others is not None and data.negatives is not None  # noqa: PT018 - triples
    negative = data.negatives[:, 0].tolist()
    queries, documents = whole(data.anchors), whole(data.others)
    asked = [queries[i] for i in data.anchor.tolist()]
    said = both.models[1].score(asked, [documents[i] for i in negative])  # type: ignore[operator]
    weight = 1 / (1 - torch.from_numpy(said).div(10).sigmoid())
    unmarked = torch.tensor([data.others.names[i] == "copy" for i in negative])
    return Weights(float(weight[unmarked].mean()), float(weight[~unmarked].mean()))


def diagnosed(method: Recipe, output: Path, say: Say) -> Figures:
    """How much pairs count after some steps on few titles: those whose negative is an answer, and the others."""
    del method
    data = triples(FEW_COPIES.parts(0)[0], 0)
    both = coupled(reader(data, 0), data, 0, steps=60)
    both.save(output / "ranker")
    counted = weights(both, data)
    say(f"{len(data):,} triples; of an unmarked answer a pair weighs {counted.unmarked:.2f}, else {counted.others:.2f}")
    return {
        "weight where the negative is an unmarked answer": counted.unmarked,
        "weight of other pairs": counted.others,
    }


@system(
    "CET",
    title="Hard Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_cet.py::test_each_model_s_loss_is_weighed_by_what_the_other_says_of_the_negative",
    claims=(
        Claim(
            "Where many of the nearest negatives are answers that nobody has marked, a ranker that is trained beside a "
            "model of what was labelled, each weighing the other's pairs, ranks better than without weights",
            "ndcg@10 of the reranked",
            "the same ranker on the same triples, all with a weight of 1",
            floors=("untrained",),
            check=compared,
        ),
    ),
    sample=FEW_COPIES,
    run=diagnosed,
    setup="The paper's text was not to be had: its abstract was, and its code, whose loss, weights and temperature of "
    "10 (the script's; the argument's default is 2) these are, with 32 pairs a batch. Only the negative's score "
    "makes a weight, of the other model without dropout, neither cut off nor normalised. Kernels on the cosines "
    "of every two tokens, from scratch, stand in for two BERTs: as these they differ in nothing but where they "
    "begin, 200 steps at 2e-2 in place of 3e-6. Both learn under one optimiser without decay. 4,000 titles with "
    "descriptions stand in for MS MARCO: beside each description is a copy in seven tenths of its words that is "
    f"as good an answer, and that nobody has marked; one negative is drawn for each title of the first {_NEAR} "
    f"that BM25 finds, theirs of a trained retriever's top. BM25's first {_DEPTH} are put in order for {_QUERIES} "
    "held-out titles. BM25's own order is shown, and is no floor: the reader knows no lengths and begins as a "
    "count of shared words, which is. The ceiling learns with all labels restored: no copy is a negative.",
)
def cet() -> Recipe:
    """Cai et al. 2022 and their code; what is trained are rankers, and no encoder."""
    return Recipe("CET", (), Takes("nothing"))
