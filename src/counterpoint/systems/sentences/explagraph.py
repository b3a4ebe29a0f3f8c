"""ExplaGraph CL: a generator of graphs learns to tell its graphs from ones that fall apart, go in circles or lie."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import Continuation, ContrastedContinuation, MarginContinuation, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.graphs import GRAPHS, TITLE_GRAPHS, structure, told_apart, truth
from counterpoint.training import TrainConfig
from counterpoint.views import graph_edits
from counterpoint.views.meaning import Thesaurus


def contrasted(data: Data, encoder: nn.Module) -> ContrastedContinuation:
    """Graphs are written, and told from wrong ones as wholes."""
    return ContrastedContinuation(transformer(encoder), data)


def margins(data: Data, encoder: nn.Module) -> MarginContinuation:
    """Graphs are written, and their tokens are likelier than wrong ones."""
    return MarginContinuation(transformer(encoder), data)


def written(data: Data, encoder: nn.Module) -> Continuation:
    """Graphs are written."""
    return Continuation(transformer(encoder), data)


def max_margin() -> Recipe:
    """The paper's other loss."""
    return explagraph_cl().varied("ExplaGraph CL, max-margin", task=margins, objective=MarginContinuation.objective)


def cross_entropy() -> Recipe:
    """The generator alone."""
    return explagraph_cl().varied("a generator of graphs", task=written, objective=Continuation.objective, prepare=())


def with_thesaurus(thesaurus: Thesaurus) -> Recipe:
    """All of it: a graph says the same when its concepts are in other words."""
    return explagraph_cl().varied("ExplaGraph CL", prepare=(graph_edits(thesaurus),))


@system(
    "ExplaGraph CL",
    title="Explanation Graph Generation via Pre-trained Language Models: An Empirical Study with Contrastive Learning",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_explagraph.py::test_loss_is_that_of_a_naive_loop_over_graphs",
    variants={"ExplaGraph CL, max-margin": max_margin},
    claims=(
        Claim(
            "A generator that is contrasted with wrong graphs knows better which are connected and acyclic",
            structure,
            "cross-entropy alone",
            GRAPHS,
            Trained(cross_entropy),
            ceiling=1.0,
            floors=("untrained",),
        ),
        Claim(
            "And which have the right relations",
            truth,
            "cross-entropy alone",
            GRAPHS,
            Trained(cross_entropy),
            ceiling=1.0,
            floors=("untrained",),
        ),
        Claim(
            "So does one with a margin between their tokens and those of wrong graphs",
            structure,
            "cross-entropy alone",
            GRAPHS,
            Trained(cross_entropy),
            system=Trained(max_margin),
            ceiling=1.0,
            floors=("untrained",),
        ),
    ),
    signal=Signal(told_apart, off=Trained(cross_entropy)),
    sample=TITLE_GRAPHS,
    setup="The authors' code and the graphs that they published were read. Graphs are drawn from UMLS's semantic "
    "network, after two concepts each, in place of ExplaGraphs' after a belief, an argument and whether it "
    "supports it. A BERT in miniature from random weights stands in for T5 large: it reads the concepts in both "
    "directions and the graph from left to right, with one set of weights, so that its states before each token "
    "are those of a decoder. It takes 300 steps of 8 at 2e-3, for 15 epochs at 3e-5. After so few it writes hardly "
    "any connected graph: in place of their structural and semantic accuracy of what is written stands how often a "
    "right graph is likelier than a wrong one, by the mean of its tokens; `evaluate_graphs` is there for those who "
    "train longer. A graph that says the same has its edges in another order; theirs has synonyms for its "
    "concepts, as `with_thesaurus` makes it. Wrong graphs are those of rules, one of each of the five kinds that "
    "the published ones show: the people's errors, which the paper finds best, and those that a model makes of "
    "them are left out. Padding counts neither in means of states nor of tokens, as it does in theirs; where a row "
    "has several wrong graphs their margins are averaged; theirs is as many rows, each with its own cross-entropy.",
)
def explagraph_cl() -> Recipe:
    """Saha et al. 2022 and their code: cross-entropy, and InfoNCE with a graph's own wrong versions."""
    train = TrainConfig(epochs=15, batch_size=8, learning_rate=3e-5, weight_decay=0.0, warmup=0.0, schedule="linear")
    stage = Stage(ContrastedContinuation.objective, train, task=contrasted, prepare=(graph_edits(),))
    return Recipe("ExplaGraph CL", (stage,), Takes("text", "text"))
