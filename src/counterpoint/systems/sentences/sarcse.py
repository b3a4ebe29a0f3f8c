"""SARCSE: a text's vector must tell the states of its tokens, rare ones above all."""

from __future__ import annotations

import math
from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders import ReconstructionBeside
from counterpoint.encoders.adapting import with_dropout
from counterpoint.encoders.wrapping import with_filters
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective, Part, WeightedErrors
from counterpoint.pretraining import with_rarity
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import on_captions
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Figure, Made, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

TEMPERATURE, FREQUENT, LENGTH = 0.05, 1e-3, 32
"""Of contrast; a token's share of all at which it weighs half; tokens that are told."""


def convolved(encoder: nn.Module) -> nn.Module:
    """Filters over the states of a text's tokens make its vector, and dropout its views."""
    return with_filters(with_dropout(encoder))


def loss() -> Objective:
    """The contrast of vectors, and what they leave unsaid of tokens."""
    return Part(InfoNCE(TEMPERATURE), 0, -LENGTH) + Part(WeightedErrors("rarity"), -LENGTH)


def told(encoder: nn.Module) -> nn.Module:
    """A vector, and how far tokens are from what it tells."""
    return ReconstructionBeside(encoder, LENGTH)


def without_reconstruction() -> Recipe:
    """Contrast alone, of vectors from the same filters."""
    about = {"objective": lambda: InfoNCE(TEMPERATURE), "around": None, "prepare": ()}
    return sarcse().varied("SimCSE with filters", **about)


def all_alike() -> Recipe:
    """Frequent tokens weigh as much as others."""
    return sarcse().varied("SARCSE, all tokens alike", prepare=(with_rarity(math.inf, LENGTH),))


def _rare_in_common(made: Made) -> float:
    from scipy.stats import spearmanr

    texts = made.test.anchors[made.test.anchor[:200]]
    words = [set(text.lower().split()) for text in texts.texts]
    often = Counter(word for text in words for word in text)
    names = {word: i for i, word in enumerate(often)}
    weight = torch.tensor([math.log(len(words) / n) for n in often.values()])
    there = torch.zeros(len(words), len(names))
    for row, text in zip(there, words, strict=True):
        row[[names[word] for word in text]] = 1
    size = there @ weight
    shared = (there * weight) @ there.T / (size[:, None] * size).sqrt().clamp_min(1e-6)
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(texts)).float(), dim=1)
    i, j = torch.triu_indices(len(z), len(z), 1)
    return float(spearmanr((z @ z.T)[i, j], shared[i, j]).statistic)


rare_in_common = Figure("correlation of likeness with rare words in common", _rare_in_common)
"""Spearman's, over all pairs of 200 test texts: words in common count by the logarithm of how few texts have them."""


@system(
    "SARCSE",
    title="Self-Adaptive Reconstruction with Contrastive Learning for Unsupervised Sentence Embeddings",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_sarcse.py::test_loss_is_that_of_a_naive_loop_over_texts_and_tokens",
    claims=(
        on_captions("Reconstruction beside contrast improves on SimCSE", "SimCSE", Trained(simcse)),
        on_captions(
            "It is the reconstruction that does it, not the network that it needs",
            "SimCSE with the same filters",
            Trained(without_reconstruction),
        ),
        on_captions("Rare tokens that weigh more are better than all alike", "all tokens alike", Trained(all_alike)),
        Claim(
            "Reconstruction improves on SimCSE by what people say of pairs",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            off=Trained(without_reconstruction),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(rare_in_common, off=Trained(without_reconstruction)),
    sample=LIKENESS,
    setup="Of the paper its abstract was read and what public summaries tell of it, and there is no code to read: no "
    "formula here is the authors'. Theirs, as told: the last states of all tokens but the special ones go to an auto-"
    "encoder, whose encoder is a TextCNN of heights 3, 4 and 5, merged into one; all tokens are reconstructed; the "
    "loss of a token is less the more frequent it is; dropout makes both views, as in SimCSE. Ours: 100 filters of "
    "each height, the greatest value of each and one linear layer for the vector (Kim 2014 but for the layer); no "
    "further layer before the contrast; a decoder of two layers that knows the vector and a token's place; mean "
    "squared errors of states brought to mean 0 and variance 1, which have no gradient; weights of 1 / (1 + p / "
    "0.001) for a token with a share of p of all tokens to train on (Arora et al. 2017), of which each text's sum to "
    "1; the mean over both views, and as much weight as the contrast has. The rest is as SimCSE here, and captions of"
    " pictures stand in for STS in the first three claims: is the nearest of all captions one of the same picture? "
    "The second and third claim are our reading of what the two parts of the loss are for. The start is the first "
    "layer of SmolLM2, for RoBERTa; 32 tokens of a text are told. That small batches are enough, which a summary "
    "tells too, is not measured.",
)
def sarcse() -> Recipe:
    """Liu et al. 2024 as others tell it: SimCSE of a TextCNN's vectors, which a decoder makes token states of."""
    about = {"objective": loss, "head": None, "around": told, "prepare": (with_rarity(FREQUENT, LENGTH),)}
    return simcse().varied("SARCSE", **about, adapt=convolved)
