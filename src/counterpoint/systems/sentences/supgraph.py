"""SupGraph-CP: tokens of one class's texts are made alike over their graph, before a classifier of few texts learns."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.mixture import marked
from counterpoint.encoders.adapting import unscaled
from counterpoint.encoders.wrapping import token_table
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.pretraining.token_graph import TokenGraph, settled
from counterpoint.procedures import AgainstClasses, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.related import KNOWN_REVIEWS, REVIEWS, TWO_SECTIONS, accuracy_of_task, classes_apart
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

CLASSES, STEPS = 6, 80
"""Places of the classifier, of which a task has two; steps of all tokens."""
of_related, of_itself = marked("related"), marked("related", mark=False)
"""Texts of the related task, and of the task itself."""


def ready(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: token vectors are what they have become, and classes no more than the classifier has."""
    del seed
    settled(encoder)
    if (there := int(data.columns["label"].max()) + 1) > CLASSES:
        raise InputError(f"{there} classes", file=data.source or None, fix=f"give texts of {CLASSES} or fewer")
    return data


def graph(data: Data, encoder: nn.Module) -> TokenGraph:
    """Of the tokens of labelled texts."""
    return TokenGraph(encoder, data.anchors[data.anchor].texts, data.columns["label"])


def by_class() -> InfoNCE:
    """Cross-entropy."""
    return InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))


def logits(width: int) -> nn.Module:
    """One linear layer."""
    return projection(width, out=CLASSES)


def against_classes(_width: int) -> Procedure:
    """The loss of a classifier."""
    return AgainstClasses(CLASSES)


def tokens_alone(encoder: nn.Module) -> nn.Module:
    """The mean of token vectors, of any length."""
    return unscaled(token_table(encoder))


def supgraph() -> Recipe:
    """Mukherjee et al. 2021 and their code: 80 steps of all anchors at 0.005, then a classifier of the mean."""
    train = TrainConfig(steps=STEPS, batch_size=1_000_000, learning_rate=5e-3, warmup=0.0, weight_decay=0.0, clip=0.0)
    tokens = Stage(TokenGraph.objective, train, prepare=(of_related,), task=graph)
    fine = Stage(
        by_class,
        replace(train, batch_size=32),
        head=logits,
        procedure=against_classes,
        prepare=(of_itself, ready),
        views=1,
    )
    return Recipe("SupGraph-CP", (tokens, fine), Takes("text", schemas=("labelled",)), adapt=tokens_alone)


def of_examples() -> Recipe:
    """Texts of one class attract each other in place of their tokens, for as many steps."""
    first, fine = supgraph().stages
    train = replace(first.train, batch_size=256)
    texts = Stage(lambda: SupCon(0.1), train, prepare=(of_related,), views=1)
    return supgraph().varied("example-level contrast", stages=(texts, fine))


def fine_tuned() -> Recipe:
    """The classifier alone, for as many steps as both stages have."""
    return supgraph().varied("fine-tuning", stages=supgraph().stages[1:])


def other_classes() -> Recipe:
    """Classes of other texts of the related task."""
    first, fine = supgraph().stages
    wrong = replace(first, prepare=(of_related, shuffled("label")))
    return supgraph().varied("SupGraph-CP, classes of others", stages=(wrong, fine))


_CEILING = Richer(Trained(fine_tuned), KNOWN_REVIEWS)


system(
    "SupGraph-CP",
    title="Supervised Graph Contrastive Pretraining for Text Classification",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_supgraph.py::test_loss_is_that_of_a_naive_loop_over_neighbours_of_a_class",
    claims=(
        Claim(
            "Tokens that are contrasted over the graph of a related task's classes make a better classifier than texts",
            accuracy_of_task,
            "texts of the related task, contrasted by class",
            REVIEWS,
            Trained(of_examples),
            off=Trained(other_classes),
            ceiling=_CEILING,
        ),
        Claim(
            "And a better one than none",
            accuracy_of_task,
            "the classifier alone, for as many steps",
            REVIEWS,
            Trained(fine_tuned),
            off=Trained(other_classes),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(classes_apart, off=Trained(other_classes)),
    sample=TWO_SECTIONS,
    setup="Sentences of MR stand in for both tasks, 4,000 of the related one and 100 of the task itself, in place of "
    "tweets of disasters and reviews of other products; token vectors that guessed words from their neighbours in "
    "the same sentences for GloVe; and a linear classifier of their mean, all of it learned, for LSTMs and "
    "attention. 80 steps of all anchors at 0.005, as theirs, and as many of 32 for the classifier at the same "
    "rate, or 160 of these alone. Of the paper its abstract was read, and the authors' code, of whose two "
    "builders of graphs the newer is here, with neighbours of a token's own class and tokens of the others; the "
    "loss is their mean, where theirs sums; dropout is for training alone. Theirs are two classes; of more all "
    "others are the other one here. A column `related`, 0 or 1, tells both tasks' texts apart; without it each "
    "stage has all. Zero-shot transfer and the teacher of transformers are left out. The ceiling has 4,000 more "
    "texts of the task to learn from.",
)(supgraph)
