"""HybridPQA: a dense vector and weights of the vocabulary from one pass, each in a softmax of its own, scores added."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.encoders.adapting import first_token, two_towers
from counterpoint.encoders.lexicon import beside_expansions
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import FLOPS, InfoNCE, Objective, Part
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Make, Richer, Seen, Trained
from counterpoint.testbeds.expanded import EXPANDED, FEW_EXPANDED, SEEN_EXPANDED, Half, expanded, found_by_half
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig

DENSE, TERMS, TEMPERATURE, STEPS = 768, 512, 0.5, 1699
"""Dimensions of the dense part, tokens that weigh, of both softmaxes, until the regulariser is whole."""
BIAS = -1.0
"""What a token's weight begins with: below 0, so that vectors that are alike by chance do not count."""


def question_and_evidence(encoder: nn.Module) -> nn.Module:
    """Two encoders, each of which gives its first token and then the weights of its vocabulary."""
    towers, beside = two_towers(first_token(encoder)), partial(beside_expansions, dense=DENSE, keep=TERMS, bias=BIAS)
    towers.query, towers.document = beside(towers.query), beside(towers.document)  # type: ignore[arg-type]
    return towers


def of_dense() -> Objective:
    """Products of the first 768 dimensions, all contexts of the batch."""
    return Part(InfoNCE(TEMPERATURE, geometry=Dot()), 0, DENSE)


def of_sparse(steps: int) -> Objective:
    """Products of the weights, all contexts of the batch, and how many products a search would take."""
    return Part(InfoNCE(TEMPERATURE, geometry=Dot()) + FLOPS(3e-4, 1e-4, ramp=steps), DENSE)


def of_both(steps: int = STEPS) -> Objective:
    """Both losses; the sum of both scores is in none."""
    return of_sparse(steps) + of_dense()


def on_titles() -> Recipe:
    """The same, its regulariser whole when the steps of the testbed are over."""
    return hybridpqa().varied("HybridPQA", objective=partial(of_both, EXPANDED.steps))


def longer() -> Recipe:
    """Of more steps."""
    return hybridpqa().varied("HybridPQA, longer", objective=partial(of_both, SEEN_EXPANDED.steps))


def dense_alone() -> Recipe:
    """Only the dense part learns by itself; weights of tokens are what becomes of them."""
    return hybridpqa().varied("HybridPQA, dense alone", objective=of_dense)


def sparse_alone() -> Recipe:
    """Only the weights of tokens learn by themselves."""
    return hybridpqa().varied("HybridPQA, sparse alone", objective=partial(of_sparse, EXPANDED.steps))


_TOP, _BOTH = found("ndcg@10"), Trained(on_titles)


def _more(half: Half, rival: Make) -> Claim:
    """Than a rival that is trained by one loss and ranks by one score, as does the untrained floor."""
    return Claim(
        f"Both scores together find more than those of a {half} retriever that was trained alone",
        found_by_half(half),
        f"the {half} loss and score alone, same steps",
        EXPANDED,
        Trained(rival),
        system=Seen(_BOTH, _TOP),
        ceiling=Seen(Richer(Trained(longer), SEEN_EXPANDED), _TOP),
        floors=("untrained",),
    )


@system(
    "HybridPQA",
    title="Efficient and Interpretable Information Retrieval for Product Question Answering with Heterogeneous Data",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_hybridpqa.py::test_loss_is_that_of_a_naive_loop_over_both_parts",
    claims=(_more("sparse", sparse_alone), _more("dense", dense_alone)),
    signal=Signal(expanded, off=Trained(dense_alone), system=_BOTH),
    sample=FEW_EXPANDED,
    setup="Titles of packages stand in for questions about products, their descriptions for evidence, and BM25's "
    "first four for a product's own candidates; theirs are ranked among the few candidates of a product, here all "
    "3,000 descriptions are. Two tables of token vectors, which begin as copies, stand in for two BERTs: the dense "
    "part is then the mean of a text's token vectors, brought to mean 0 and variance 1 as BERT's last layer leaves "
    "its states, and a token expands to the same tokens in every text. Of a transformer, the method takes the first "
    "token, and the products of all states with the token vectors that it reads, without the layer that BERT's "
    "language model has before them. All of the 4,000 tokens but special ones may weigh; theirs leaves stop words "
    "out. Both scores count the same, as by their weight of 0.5. The regulariser is whole after their 1,699 steps, "
    "on the testbed after its own. Gradients are not gathered over four batches. Weights begin with a bias of -1. "
    "Both rivals are trained by their loss alone, with everything else the same, and rank by its score, as does "
    "what is untrained; theirs of sparse vectors keeps 128 terms and takes 200 steps less. Copies of an answer are "
    "no negatives. BM25 finds more than any of these tables. The ceiling has the test's titles among its training "
    "titles.",
)
def hybridpqa() -> Recipe:
    """The authors' configuration: batch 8, four negatives, 1e-5, temperature 0.5, 512 terms, 3e-4 and 1e-4."""
    train = TrainConfig(steps=STEPS, batch_size=8, learning_rate=1e-5, schedule="linear", warmup=200 / STEPS)
    stage = Stage(of_both, train, prepare=(bm25_negatives(4),))
    return Recipe("HybridPQA", (stage,), Takes("text", "text"), similarity="dot", adapt=question_and_evidence)
