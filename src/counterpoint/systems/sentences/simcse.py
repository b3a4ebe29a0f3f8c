"""SimCSE: a text is its own positive, and dropout makes the difference; or inference pairs with contradictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from counterpoint.config import Config
from counterpoint.data import Example
from counterpoint.heads import projection
from counterpoint.methods import Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import run_with_fit, sample, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.systems.sentences._start import figure, start
from counterpoint.training import TrainConfig
from counterpoint.views import delete_words

_STEPS = 100


def _trained(examples: list[Example], seed: int) -> float:
    return figure(trained(simcse(), start(), examples, steps=_STEPS, seed=seed, learning_rate=3e-4))


def _texts(seed: int) -> list[str]:
    return [e.positives[0] for e in sample(64 * _STEPS, 1000 + seed)]


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    generator = torch.Generator().manual_seed(seed)
    dropout = _trained([Example(text) for text in _texts(seed)], seed)
    deletion = _trained([Example(text, (delete_words(text, 0.1, generator),)) for text in _texts(seed)], seed)
    return ((dropout, deletion), (dropout, figure(start()))), {}


def _included(config: Config, output: Path, say: Say) -> Figures:
    say("a small BERT is pretrained as a masked language model, then by SimCSE")
    before = figure(start())
    encoder = trained(config, start(), [Example(t) for t in _texts(0)], steps=_STEPS, seed=0, learning_rate=3e-4)
    encoder.save(output / "model")
    return {"start: MRR@10": before, "SimCSE: MRR@10": figure(encoder)}


def supervised() -> Config:
    """Gao et al. 2021, section 4, equation 5: entailments as positives, contradictions as shared negatives."""
    return replace(
        simcse(),
        name="SimCSE supervised",
        takes=Takes("text", "text"),
        train=TrainConfig(epochs=3, batch_size=512, learning_rate=5e-5),
    )


@system(
    "SimCSE",
    title="SimCSE: Simple Contrastive Learning of Sentence Embeddings",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_simcse.py::test_two_encodings_of_a_text_differ_by_dropout_only",
    variants={"SimCSE supervised": supervised},
    run=run_with_fit(_included),
    claims=(
        Claim("Dropout alone is a better view than deleting words", "MRR@10", "10% of the words of one view deleted"),
        Claim("Training on unlabelled texts improves the start", "MRR@10", "the start, not fine-tuned"),
    ),
    measure=_measure,
    setup="A small BERT (2 layers of 256, mean pooling) pretrained as a masked language model on 16,000 descriptions "
    f"of the included corpus; {_STEPS} steps of 64 descriptions, learning rate 3e-4 (a small model takes more than "
    "BERT's 3e-5). Tested on 1,500 held-out titles, each to find its own description among 1,500: no judged "
    "similarities are included. The supervised claim needs inference pairs, which are not included either.",
)
def simcse() -> Config:
    """Gao et al. 2021, section 3, equation 1: temperature 0.05, an MLP with tanh in training only."""
    return Config(
        "SimCSE",
        lambda: InfoNCE(0.05),
        TrainConfig(epochs=1, batch_size=64, learning_rate=3e-5, schedule="linear", warmup=0.0),
        head=lambda width: projection(width, last=nn.Tanh),
        takes=Takes("text"),
    )
