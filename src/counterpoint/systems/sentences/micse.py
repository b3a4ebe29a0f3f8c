"""miCSE: both dropouts of a sentence are to attend alike, which is to help most where sentences are few."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.encoders import AttentionBeside, TransformerEncoder
from counterpoint.heads import Halves
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import Procedure, SampledAttention
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import ANOTHER
from counterpoint.systems.sentences._captions import CEILING as CAPTION_CEILING
from counterpoint.systems.sentences.simcse import CEILING, mlp, simcse
from counterpoint.testbeds import Made, Trained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.captioned import CAPTIONED, FEW_CAPTIONED
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

TEMPERATURE, WEIGHT, POINTS = 0.05, 1e-3, 150
"""Of contrast; of the other term; of each slice."""


def loss() -> Objective:
    """InfoNCE, less what one view's attention tells of the other's."""
    return SampledAttention.beside(InfoNCE(TEMPERATURE), WEIGHT)


def attention(_width: int) -> Procedure:
    """Some entries of each slice."""
    return SampledAttention(POINTS)


def head(width: int) -> nn.Module:
    """SimCSE's layer; attention stays as it is."""
    return Halves(mlp(width), nn.Identity(), at=width)


def _agreement(made: Made) -> float:
    encoder = made.encoder
    assert isinstance(encoder, TransformerEncoder)
    inputs, beside = encoder.inputs(made.test.anchors[made.test.anchor[:100]]), AttentionBeside(encoder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(made.seed)
        beside.train()
        x, y = (beside(inputs)[:, beside.dim :].unflatten(1, (beside.shape[0], -1)).flatten(0, 1) for _ in range(2))
        encoder.eval()
    both = (x > 0) & (y > 0)
    logs = [torch.where(both, side.clamp_min(torch.finfo(side.dtype).tiny).log(), 0.0) for side in (x, y)]
    a, b = (torch.where(both, s - s.sum(1, keepdim=True) / both.sum(1, keepdim=True), 0.0) for s in logs)
    square = (a * b).sum(1).square() / (a.square().sum(1) * b.square().sum(1))
    return float(-0.5 * (1 - square).log().mean())


agreement = Figure("information that attention under one dropout has of that under another", _agreement)
"""In nats, over the slices of 100 test sentences, as miCSE takes it, of all entries."""


def micse() -> Recipe:
    """Klein and Nabi 2022 and their code, of BERT-base on 1,000 sentences: SimCSE less the information of attention."""
    train = replace(simcse().stages[-1].train, epochs=500, learning_rate=1e-5)
    about = {"objective": loss, "head": head, "procedure": attention, "around": AttentionBeside, "train": train}
    return simcse().varied("miCSE", **about)


system(
    "miCSE",
    title="miCSE: Mutual Information Contrastive Learning for Low-shot Sentence Embeddings",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_micse.py::test_loss_is_that_of_a_naive_loop_over_texts_and_slices",
    claims=(
        Claim(
            "Where sentences are few, attention that agrees improves on dropout alone",
            ANOTHER,
            "SimCSE",
            FEW_CAPTIONED,
            Trained(simcse),
            ceiling=CAPTION_CEILING,
        ),
        Claim(
            "Where they are many it is as good",
            ANOTHER,
            "SimCSE; as good as within 0.01",
            CAPTIONED,
            Trained(simcse),
            ceiling=CAPTION_CEILING,
            margin=0.01,
        ),
        Claim(
            "It improves on dropout alone by what people say of pairs",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(agreement, off=Trained(simcse)),
    sample=LIKENESS,
    setup="As SimCSE here, and captions of pictures in place of STS in the first two claims, 500 of them where they "
    "are few: is the nearest of all captions one of the same picture? The settings are those of their code for 1,000 "
    "sentences of BERT-base, a tenth of a percent of theirs, with which all claims are measured: with more it weighs "
    "the information less. All arms take as many steps, 200 of 64. The start is the first layer of SmolLM2, whose one "
    "layer stands in for the eighth to eleventh of BERT's: slices are of one head and one layer, not of two. It is "
    "causal: what follows a token has no attention, as padding has none, and makes the scale smaller; and attention "
    "itself is not dropped, so that views differ by the dropout of token vectors alone. In their code what is padding "
    "attends to tokens and is counted, too; here it is not. Attention of the first 32 tokens is compared, texts are "
    "not cut there. Where both views' attention is the same but for rounding, the information is held at what the "
    "precision of numbers gives, where theirs is infinite. The weights are the last, not those of the best score on "
    "STS-B's development part.",
)(micse)
