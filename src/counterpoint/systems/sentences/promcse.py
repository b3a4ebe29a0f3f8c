"""PromCSE: a frozen model with prefixes that learn by SimCSE's loss, and of inference pairs by an energy hinge, too."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.encoders.adapting import tanh_layer
from counterpoint.encoders.wrapping import with_prefix
from counterpoint.geometry import Cosine
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective, Triplet
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import _captions
from counterpoint.systems.sentences.simcse import CEILING, cls_with_dropout, simcse
from counterpoint.systems.sentences.simcse import supervised as simcse_supervised
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.prefixes import PREFIXED_INFERENCES, PREFIXED_LIKENESS, PREFIXED_SENTENCES, UNSEEN_CAPTIONS
from counterpoint.testbeds.texts import INFERENCES, SENTENCES, alignment_of_like

LENGTH, SHORTER = 16, 12
"""Of the prefix, unsupervised and supervised."""
MARGIN, WEIGHT = 0.2, 10.0
"""Of the hinge."""


def prefixed(encoder: nn.Module) -> nn.Module:
    """[CLS] of a frozen model with a prefix in each layer."""
    return with_prefix(cls_with_dropout(encoder), LENGTH)


def prefixed_with_mlp(encoder: nn.Module) -> nn.Module:
    """[CLS] of one, behind the MLP, which learns and is kept at test."""
    return with_prefix(tanh_layer(cls_with_dropout(encoder)), SHORTER)


def with_hinge() -> Objective:
    """SimCSE's loss, and the hardest negative of each row must be a margin below its positive."""
    return InfoNCE(0.05) + WEIGHT * Triplet(MARGIN, mining="hard", geometry=Cosine())


def supervised() -> Recipe:
    """Entailments and contradictions, with the energy hinge."""
    train = replace(simcse_supervised().stages[-1].train, epochs=10, batch_size=256, learning_rate=1e-2)
    return simcse_supervised().varied("PromCSE supervised", adapt=prefixed_with_mlp, train=train, objective=with_hinge)


def without_hinge() -> Recipe:
    """The same prefixes by SimCSE's loss alone."""
    return supervised().varied("PromCSE supervised without hinge", objective=lambda: InfoNCE(0.05))


EVERY_WEIGHT = Richer(Trained(simcse), SENTENCES)
"""SimCSE at its own rate."""


@system(
    "PromCSE",
    title="Improved Universal Sentence Embeddings with Prompt-based Contrastive Learning and Energy-based Learning",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_promcse.py::test_loss_is_simcse_s_and_only_prefixes_and_the_head_learn",
    variants={"PromCSE supervised": supervised},
    claims=(
        Claim(
            "Prefixes of a frozen model are better than training all of it by the same loss",
            spearman,
            "SimCSE, at its own rate",
            PREFIXED_SENTENCES,
            EVERY_WEIGHT,
            ceiling=CEILING,
        ),
        Claim(
            "Of inference pairs, too, with an energy hinge beside the loss",
            spearman,
            "SimCSE supervised, at its own rate",
            PREFIXED_INFERENCES,
            Richer(Trained(simcse_supervised), INFERENCES),
            system=Trained(supervised),
            ceiling=CEILING,
        ),
        Claim(
            "The energy hinge improves the prefixes",
            spearman,
            "the same prefixes without hinge",
            PREFIXED_INFERENCES,
            Trained(without_hinge),
            system=Trained(supervised),
            ceiling=CEILING,
        ),
        Claim(
            "On captions of pictures that it has not seen a frozen model with prefixes is better than a trained one",
            _captions.ANOTHER,
            "SimCSE supervised, at its own rate",
            UNSEEN_CAPTIONS,
            Richer(Trained(simcse_supervised), INFERENCES),
            system=Trained(supervised),
            ceiling=_captions.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=EVERY_WEIGHT),
    sample=PREFIXED_LIKENESS,
    setup="As SimCSE here. Prefixes are trained at the rates that the authors give, 0.03 on sentences and 0.01 on "
    "inference pairs, and SimCSE at its own here: no rate was chosen. A prefix has no place, so that a text's "
    "positions stay what they are, where the authors' code shifts them by the prefix; one mask of dropout is drawn for "
    "the texts that share a row of a forward. The one layer that there is has one prefix. RoBERTa's masked language "
    "modelling beside the loss is left out. Multi30k's captions, each found by another one of its picture, stand in "
    "for CxC-STS. SNLI's premises are captions of such pictures, too: pictures of which one is trained on are left "
    "out, and it is no other domain, where CxC-STS is one. Batches of 64 for 256.",
)
def promcse() -> Recipe:
    """Jiang et al. 2022 and their code: SimCSE's loss and head, a frozen model, and a prefix in each layer."""
    train = replace(simcse().stages[-1].train, batch_size=256, learning_rate=3e-2)
    return simcse().varied("PromCSE", adapt=prefixed, train=train)
