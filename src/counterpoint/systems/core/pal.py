"""PAL: positives are a graph; whoever adds edges, be it views, labels or an oracle's answers, chooses the method."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Takes
from counterpoint.negatives.answers import Partner, asked, at_random, nearest, of_one_class
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import OMNIGLOT, Trained
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.tuning import class_margin

SHARE = 0.4
"""Questions for each picture."""


def _graph(name: str, partner: Partner, share: float = SHARE, *, shuffled: bool = False) -> Recipe:
    """Half of the steps without answers, half with the edges that they add."""
    before = simclr().stages[0]
    after = replace(before, prepare=(asked(partner, share, shuffled=shuffled),))
    return Recipe(name, (before, after), Takes("image", schemas=("labelled",)), simclr().start)


def pal() -> Recipe:
    """Cabannes et al. 2023, section 3: a contrastive loss on a graph, whose edges the learner asks for as it trains."""
    return _graph("PAL", nearest)


def passive() -> Recipe:
    """As many questions about pairs that nobody chose."""
    return _graph("PAL, random questions", at_random)


def unanswered() -> Recipe:
    """SimCLR in the same two halves: every picture is an edge to itself."""
    return _graph("SimCLR in two halves", at_random, 0.0)


def every_answer() -> Recipe:
    """All pictures with a partner of their class: the graph of the labels."""
    return _graph("every answer", of_one_class, 1.0)


def wrong_answers() -> Recipe:
    """As many edges as the system has, between pictures that nobody asked about."""
    return _graph("wrong answers", nearest, shuffled=True)


BED = replace(OMNIGLOT, ceiling=Trained(every_answer))
system(
    "PAL",
    title="Active Self-Supervised Learning: A Few Low-Cost Relationships Are All You Need",
    year=2023,
    family="core",
    mechanism="tests/systems/test_pal.py::test_simclr_and_supcon_are_choices_of_the_graph",
    variants={"PAL, random questions": passive},
    claims=(
        Claim(
            "A few answers of an oracle improve on self-supervision",
            recall_within(),
            "SimCLR in as many steps, no answers",
            BED,
            Trained(unanswered),
            off=Trained(wrong_answers),
        ),
        Claim(
            "Questions chosen by the model are worth more than random ones",
            recall_within(),
            "as many random questions",
            BED,
            Trained(passive),
            off=Trained(wrong_answers),
        ),
    ),
    signal=Signal(class_margin, off=Trained(wrong_answers)),
    setup=f"An oracle answers {SHARE} questions a picture, whether two are of one class. The learner trains for "
    "half of the steps, asks once about each drawn picture and its nearest neighbour as it then sees them, and "
    "goes on with a new head; nothing is concluded from two answers. The graph is sampled: a picture with an "
    "answer is paired with that partner in place of itself, so that all methods see as many pictures, and edges "
    "of the graph are never negatives in a batch. Measured on characters of new alphabets: on CIFAR-10 a probe gains "
    "little even from all answers (0.449 against 0.438 without any). The paper gives no main experiment; SimCLR's "
    "form of the loss stands for VICReg's and others'. At the ceiling all pictures have a partner of their class. "
    "Of random questions one in ninety is answered yes, so that they add next to nothing.",
)(pal)
