"""Demo-tuning: learned vectors in place of demonstrations, whose [MASK] is to be like that after a real one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders import DemonstrationEncoder
from counterpoint.encoders.adapting import unscaled, with_dropout
from counterpoint.encoders.wrapping import with_demonstrations
from counterpoint.heads import Several
from counterpoint.methods import Recipe
from counterpoint.objectives import Alignment, Objective, Only, Part
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.lm_supcon import CLASSES, TEMPLATES, guessed, lm_supcon, prompt_tuned
from counterpoint.testbeds import Made, Richer, Trained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.classifiers import accuracy
from counterpoint.testbeds.few_shot import PROMPTED_QUESTIONS, PROMPTED_SECTIONS, SIXTEEN_QUESTIONS, WORDS, its_words
from counterpoint.training import TrainConfig
from counterpoint.views import Demonstrated, demonstrated_by

VIRTUAL, WEIGHT = 2, 1.0
"""Vectors of each class; of the alignment."""
REAL = Demonstrated(shown=1)
"""The second view: after one real demonstration, of a class that is drawn."""


def virtually(encoder: nn.Module) -> nn.Module:
    """In one template, after learned vectors of each class."""
    return with_demonstrations(unscaled(with_dropout(encoder)), TEMPLATES[:1], WORDS, virtual=VIRTUAL)


def twice(_width: int) -> nn.Module:
    """The mask's state, and that again, which words are asked of."""
    return Several(nn.Identity(), nn.Identity())


def loss() -> Objective:
    """Cross-entropy of the first view's words, and twice one less the cosine of both views."""
    return Only("view", 0, Part(guessed(), -CLASSES)) + WEIGHT * Part(Alignment(), 0, -CLASSES)


def virtual_alone() -> Recipe:
    """Without a second view."""
    return demo_tuning().varied("Demo-tuning, virtual alone", head=None, objective=guessed, view=None, views=1)


def _alike(made: Made) -> float:
    encoder, items = made.encoder, made.test.anchors[made.test.anchor[:200]]
    assert isinstance(encoder, DemonstrationEncoder)
    seen = encoder.inputs(items)
    with torch.inference_mode():
        virtual, real = (encoder(view) for view in (seen, REAL(items, seen, encoder, None, range(len(items)))))
    return float(F.cosine_similarity(virtual, real).mean())


alike = Figure("cosine of [MASK] after virtual demonstrations and after a real one", _alike)
"""Of test texts; of one class, drawn for each, the demonstration is real."""


_CEILING = Richer(Trained(prompt_tuned), PROMPTED_QUESTIONS)


@system(
    "Demo-tuning",
    title="Contrastive Demonstration Tuning for Pre-trained Language Models",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_demo_tuning.py::test_loss_is_that_of_a_naive_loop_over_virtual_and_real_demonstrations",
    claims=(
        Claim(
            "Learned vectors in place of demonstrations make a prompted classifier more accurate",
            accuracy(its_words),
            "prompt-tuning",
            SIXTEEN_QUESTIONS,
            Trained(prompt_tuned),
            off=Trained(virtual_alone),
            ceiling=_CEILING,
        ),
        Claim(
            "That they are aligned with real demonstrations is a part of it",
            accuracy(its_words),
            "learned vectors that are not aligned",
            SIXTEEN_QUESTIONS,
            Trained(virtual_alone),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(alike, off=Trained(virtual_alone)),
    sample=PROMPTED_SECTIONS,
    setup="The set-up is that of LM-SupCon: one layer of SmolLM2 in place of RoBERTa, causal, so that demonstrations, "
    "learned or real, precede the text and templates end before the mask; a word's logit is the product of the state "
    "with its token vector; token vectors stay, learned ones are trained at the rate of all. The loss is the authors' "
    "but for a constant of 2: their code has minus twice the cosine of both masks, which neither stops a gradient nor "
    "has a predictor. Batches of 16 for 8, 400 steps for 800, a rate of 5e-4 for so few layers. Prompt-tuning without "
    "demonstrations is the baseline, as one layer finds nothing among six; it takes as many steps, and encodes each "
    "text once where this encodes it twice. Its combination with P-tuning is not measured. The ceiling is "
    "prompt-tuning on all training questions.",
)
def demo_tuning() -> Recipe:
    """Liang et al. 2022 and their code: cross-entropy of words after virtual demonstrations, aligned with real ones."""
    train = TrainConfig(steps=800, batch_size=8, learning_rate=1e-5, weight_decay=0.0, warmup=0.0, schedule="linear")
    about = {"train": train, "head": twice, "objective": loss, "view": (None, REAL), "prepare": (demonstrated_by,)}
    return lm_supcon().varied("Demo-tuning", adapt=virtually, **about)
