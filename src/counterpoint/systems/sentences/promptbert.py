"""PromptBERT: a sentence is what [MASK] says in a template, and another template makes its positive."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders import TemplateEncoder
from counterpoint.encoders.adapting import with_dropout
from counterpoint.encoders.wrapping import in_templates
from counterpoint.methods import Recipe
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import ANOTHER
from counterpoint.systems.sentences._captions import CEILING as CAPTION_CEILING
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Made, Trained, Untrained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.captioned import CAPTIONED
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES
from counterpoint.views import another_template

TEMPLATES = ('This sentence of "{}" means [MASK].', 'This sentence : "{}" means [MASK].')
"""Of an anchor, and at test; of its positive."""


def denoised(encoder: nn.Module) -> nn.Module:
    """In templates, whose own vectors are taken off in training."""
    return in_templates(with_dropout(encoder), TEMPLATES, denoise=True)


def prompted(encoder: nn.Module) -> nn.Module:
    """In templates, as they are."""
    return in_templates(with_dropout(encoder), TEMPLATES)


def noisy() -> Recipe:
    """Two templates, of which nothing is taken off."""
    return promptbert().varied("PromptBERT, not denoised", adapt=prompted)


def one_template() -> Recipe:
    """Both sides in the first template, of which nothing is taken off: dropout alone is the view."""
    return promptbert().varied("PromptBERT, one template", adapt=prompted, view=None)


def _apart(made: Made) -> float:
    encoder, items = made.encoder, made.test.anchors[made.test.anchor]
    assert isinstance(encoder, TemplateEncoder)
    other = TemplateEncoder(encoder.encoder, encoder.templates[1:])
    first, second = (torch.from_numpy(one.encode_items(items)) for one in (encoder, other))
    return float((1 - F.cosine_similarity(first, second)).mean())


apart = Figure("how far a sentence in one template is from itself in the other", _apart)
"""1 less the cosine, over test sentences."""


@system(
    "PromptBERT",
    title="PromptBERT: Improving BERT Sentence Embeddings with Prompts",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_promptbert.py::test_loss_is_that_of_a_naive_loop_over_denoised_masks",
    claims=(
        Claim(
            "Two templates, denoised, improve on dropout alone",
            ANOTHER,
            "SimCSE",
            CAPTIONED,
            Trained(simcse),
            off=Trained(one_template),
            ceiling=CAPTION_CEILING,
        ),
        Claim(
            "Denoising is better than templates as they are",
            ANOTHER,
            "two templates, not denoised",
            CAPTIONED,
            Trained(noisy),
            ceiling=CAPTION_CEILING,
        ),
        Claim(
            "Two templates are better than one",
            ANOTHER,
            "one template",
            CAPTIONED,
            Trained(one_template),
            system=Trained(noisy),
            ceiling=CAPTION_CEILING,
        ),
        Claim(
            "Before training the last token of a template says more of a sentence than the sentence's own states",
            ANOTHER,
            "the start's mean of all states",
            CAPTIONED,
            Untrained(simcse),
            system=Untrained(one_template),
            ceiling=CAPTION_CEILING,
            floors=("raw",),
        ),
        Claim(
            "It improves on dropout alone by what people say of pairs",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            off=Trained(one_template),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(apart, off=Trained(one_template)),
    sample=LIKENESS,
    setup="In the first four claims captions of pictures stand in for STS: is the nearest of all captions one of the "
    "same picture? The start is the first layer of SmolLM2, where the authors begin with BERT, whose prompts are "
    "meaningful as it has learned to fill in masks: this one is causal and knows no mask token, so templates end "
    "before it, and their last token is asked; nor has it a [CLS], for which the mean of all states stands. One "
    "layer's last token says little of a sentence (a 2-layer BERT, after 1,000 steps of filling in masks, said less). "
    "Batches of 64 for 256; a rate of 5e-4 for so few layers. What a template says by itself is encoded for each text, "
    "with dropout of its own, where the authors' code has one for all texts of a length. It is not taken off at test, "
    "as there. They end sentences with a full stop at test; these are as they are. The ceiling is told which captions "
    "are of one picture, of those to train on; in the last claim STS-B's judgements.",
)
def promptbert() -> Recipe:
    """Jiang et al. 2022 and their code, unsupervised: one template for anchors, another for positives, denoised."""
    train = replace(simcse().stages[-1].train, batch_size=256, learning_rate=1e-5)
    return simcse().varied("PromptBERT", adapt=denoised, view=(None, another_template()), train=train)
