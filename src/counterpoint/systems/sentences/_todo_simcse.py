"""SimCSE: a text is its own positive, and dropout makes the difference; or inference pairs with contradictions."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import run_with_fit, sample, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.systems.sentences._start import figure, start
from counterpoint.training import TrainConfig
from counterpoint.views import delete_words

_STEPS = 100


def _trained(recipe: Recipe, examples: list[Example], seed: int) -> float:
    return figure(trained(recipe, start(), rows_of(examples), steps=_STEPS, seed=seed, learning_rate=3e-4))


def _texts(seed: int) -> list[str]:
    return [e.positives[0] for e in sample(64 * _STEPS, 1000 + seed)]


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    generator = torch.Generator().manual_seed(seed)
    texts = _texts(seed)
    dropout = _trained(simcse(), [Example(text) for text in texts], seed)
    pairs = [Example(text, (delete_words(text, 0.1, generator),)) for text in texts]
    deletion = _trained(simcse().varied("word deletion", takes=Takes("text", "text")), pairs, seed)
    return ((dropout, deletion), (dropout, figure(start()))), {}


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    say("a small BERT is pretrained as a masked language model, then by SimCSE")
    before = figure(start())
    texts = rows_of([Example(text) for text in _texts(0)])
    encoder = trained(method, start(), texts, steps=_STEPS, seed=0, learning_rate=3e-4)
    encoder.save(output / "model")
    return {"start: MRR@10": before, "SimCSE: MRR@10": figure(encoder)}


def supervised() -> Recipe:
    """Gao et al. 2021, section 4, equation 5: entailments as positives, contradictions as shared negatives."""
    train = TrainConfig(epochs=3, batch_size=512, learning_rate=5e-5)
    return simcse().varied("SimCSE supervised", takes=Takes("text", "text"), train=train)


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
def simcse() -> Recipe:
    """Gao et al. 2021, section 3, equation 1: temperature 0.05, an MLP with tanh in training only."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=3e-5, schedule="linear", warmup=0.0)
    stage = Stage(lambda: InfoNCE(0.05), train, head=lambda width: projection(width, last=nn.Tanh))
    return Recipe("SimCSE", (stage,), Takes("text"))
