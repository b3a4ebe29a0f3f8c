"""Sub-Sentence Encoder: a text is encoded once, and each of its propositions has a vector of its own."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders import EachProposition
from counterpoint.encoders.adapting import with_dropout
from counterpoint.encoders.wrapping import with_propositions
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective, SupCon
from counterpoint.procedures import Procedure, SeveralVectors
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.propositions import (
    ALL_PROPOSITIONS,
    PARTS_OF_TITLES,
    PROPOSITIONS,
    likeness_within,
    opening_and_rest,
)
from counterpoint.training import TrainConfig
from counterpoint.views import in_propositions

TEMPERATURE = 0.1


def loss() -> Objective:
    """Each proposition against all others of the batch, those of its own text among them."""
    return SupCon(TEMPERATURE)


def several(_width: int) -> Procedure:
    """The propositions of both texts of a pair."""
    return SeveralVectors()


def whole(text: str) -> tuple[str, ...]:
    """A text that can be split, as one proposition."""
    return (text,) if opening_and_rest(text) else ()


def with_layers(encoder: nn.Module) -> nn.Module:
    """Propositions behind two layers, which are kept at test."""
    return with_propositions(with_dropout(encoder))


def bare(encoder: nn.Module) -> nn.Module:
    """Propositions as the mean of their tokens."""
    return with_propositions(with_dropout(encoder), mlp=False)


def pooled() -> Recipe:
    """A sentence encoder, trained on the same pairs as whole texts; at test it pools a proposition's tokens."""
    return sub_sentence().varied("sentence encoder", adapt=bare, prepare=(in_propositions(whole),))


def whole_texts() -> Recipe:
    """The same behind the two layers."""
    return sub_sentence().varied("Sub-Sentence Encoder, whole texts", prepare=(in_propositions(whole),))


def sub_sentence() -> Recipe:
    """Chen et al. 2023 and their code: the supervised contrastive loss of all propositions of a batch."""
    train = TrainConfig(
        epochs=20, batch_size=32, learning_rate=2e-5, weight_decay=0.01, schedule="linear", warmup=0.0, clip=0.0
    )
    stage = Stage(loss, train, procedure=several, prepare=(in_propositions(opening_and_rest),), around=EachProposition)
    return Recipe("Sub-Sentence Encoder", (stage,), Takes("text", "text", ("pairs",)), adapt=with_layers)


_CEILING = Richer(Trained(sub_sentence), ALL_PROPOSITIONS)


system(
    "Sub-Sentence Encoder",
    title="Sub-Sentence Encoder: Contrastive Learning of Propositional Semantic Representations",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_sub_sentence.py::test_loss_is_that_of_a_naive_loop_over_propositions",
    claims=(
        Claim(
            "Vectors of propositions find what says the same better than a sentence encoder's states of the same words",
            recall_within(1),
            "a sentence encoder trained on the same pairs, pooled over the proposition",
            PROPOSITIONS,
            Trained(pooled),
            off=Trained(whole_texts),
            ceiling=_CEILING,
        ),
        Claim(
            "And better than the encoder that it begins with",
            recall_within(1),
            "the start, not fine-tuned, pooled over the proposition",
            PROPOSITIONS,
            Untrained(pooled),
            ceiling=_CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(likeness_within, off=Trained(whole_texts)),
    sample=PARTS_OF_TITLES,
    setup="Openings of captions and what follows them stand in for propositions that a T5 of their own extracts: they "
    "are words of the text as they stand, without an alignment of lemmas, and two a text. Openings of captions of one "
    "picture are taken to say the same, and so is the rest, where they ask a model of inference; so no proposition is "
    "without a positive. 7,400 pairs of captions stand in for 240,000 of sentences on one event. The loss is the one "
    "that their code computes, at a temperature of 0.1: its argument of 0.01 is not used. The first layer of SmolLM2, "
    "which is causal, with dropout of 0.1, stands in for MiniLM and T5: an opening is encoded before the rest is seen. "
    "The layers after pooling are as wide as it. The rate falls in a line without their ten steps of warm-up. Found "
    "among all propositions of the test, by the nearest one, in place of recall@k of sentences, documents and "
    "clusters; similarity under conditions and attribution are not measured. Where the mechanism is off, the pair's "
    "whole texts are contrasted. The ceiling has the test's pictures to train on, too.",
)(sub_sentence)
