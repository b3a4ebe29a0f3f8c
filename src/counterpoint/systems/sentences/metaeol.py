"""MetaEOL: a language model is asked for a sentence in one word, for several tasks, and what it says is averaged."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from counterpoint.encoders import TemplateMean
from counterpoint.encoders.wrapping import in_each_template
from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import ANOTHER, CEILING
from counterpoint.systems.sentences.simcse import simcse
from counterpoint.testbeds import Made, Richer, Trained, Untrained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.captioned import CAPTIONED
from counterpoint.testbeds.language_model import FEW_CAPTIONS, FEW_PACKAGES

ONE = ('This sentence : "{}" means in one word:"[MASK]',)
"""PromptEOL (Jiang et al. 2023)."""
TASKS = {
    "classification": (
        'Texts are sorted into fields such as science, health or sport. This sentence : "{}" belongs in one word:"',
        'A statement is either opinion or fact. This sentence : "{}" can be called in one word:"',
    ),
    "sentiment": (
        'Reviews are rated from very bad to very good. This sentence : "{}" gives a rating in one word:"',
        'A diary tells of joy, sadness, anger, fear or love. This sentence : "{}" shows a feeling in one word:"',
    ),
    "paraphrase": (
        'Two sentences are compared: do they say the same? This sentence : "{}" means in one word:"',
        'A phrase may be a synonym in its context. This sentence : "{}" means in one word:"',
    ),
    "extraction": (
        'News are read for their most important fact. This sentence : "{}" has its key fact in one word:"',
        'Abstracts are read for entities and relations. This sentence : "{}" is mainly on this, in one word:"',
    ),
}
"""Meta tasks, each with two prompts."""
EARLIER = 24
"""After which layer of SmolLM2's thirty."""


def templates(*tasks: str) -> tuple[str, ...]:
    """All prompts of some meta tasks: what is asked is the next token."""
    return tuple(f"{prompt}[MASK]" for task in tasks for prompt in TASKS[task])


def metaeol() -> Recipe:
    """Lei et al. 2024 and their code: the last token's last state, averaged over eight prompts of four meta tasks."""
    prompted = partial(in_each_template, templates=templates(*TASKS))
    return Recipe("MetaEOL", (), Takes("nothing"), adapt=prompted)


def one_prompt() -> Recipe:
    """PromptEOL: one prompt, of no task."""
    return metaeol().varied("PromptEOL", adapt=partial(in_each_template, templates=ONE))


def one_task() -> Recipe:
    """The two prompts of the paraphrase task, which ask what a sentence means."""
    return metaeol().varied("MetaEOL, one task", adapt=partial(in_each_template, templates=templates("paraphrase")))


def earlier_layer() -> Recipe:
    """The states after an earlier layer."""
    prompted = partial(in_each_template, templates=templates(*TASKS), layer=EARLIER)
    return metaeol().varied("MetaEOL, an earlier layer", adapt=prompted)


def _apart(made: Made) -> float:
    encoder, texts = made.encoder, list(made.test.anchors[made.test.anchor].texts)[:32]
    assert isinstance(encoder, TemplateMean)
    with torch.inference_mode():
        z = F.normalize(encoder.each(encoder.tokenize(texts)), dim=2)
    return float((z - z.mean(0)).square().sum(2).mean())


apart = Figure("how far a sentence's vectors of several prompts are apart", _apart)
"""The mean squared distance of unit vectors from their mean over the prompts, over 32 test texts; 0 for one prompt."""


system(
    "MetaEOL",
    title="Meta-Task Prompting Elicits Embedding from Large Language Models",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_metaeol.py::test_a_vector_is_the_mean_of_what_a_model_says_next_over_all_prompts",
    claims=(
        Claim(
            "Averaged over several meta tasks the last token says more of a sentence than with one prompt",
            ANOTHER,
            "one prompt (PromptEOL)",
            FEW_CAPTIONS,
            Untrained(one_prompt),
            system=Untrained(metaeol),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "Four meta tasks say more than one",
            ANOTHER,
            "the paraphrase task alone",
            FEW_CAPTIONS,
            Untrained(one_task),
            system=Untrained(metaeol),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "An earlier layer than the last says more",
            ANOTHER,
            "the last layer",
            FEW_CAPTIONS,
            Untrained(metaeol),
            system=Untrained(earlier_layer),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "It is as good as what was trained by contrast without labels",
            ANOTHER,
            "SimCSE of the first layer; as good as within 0.02",
            FEW_CAPTIONS,
            Richer(Trained(simcse), CAPTIONED),
            system=Untrained(metaeol),
            ceiling=CEILING,
            floors=("raw",),
            margin=0.02,
        ),
    ),
    signal=Signal(apart, off=Untrained(one_prompt), system=Untrained(metaeol)),
    sample=FEW_PACKAGES,
    setup="Nothing is trained, so that seeds differ by their test alone. SmolLM2-135M, tuned to instructions, stands "
    "in for LLaMA-2 and Mistral of 7 billion parameters and more: how much it knows of these tasks is little. Captions "
    "of twenty pictures stand in for STS: is the nearest of all captions one of the same picture? The four meta tasks "
    "and what their two prompts each ask are the paper's; the words are ours and far fewer, as each sentence is read "
    "eight times on a processor. The authors' code ends each sentence with a full stop, and turns double quotes within "
    "it into single ones; here it stands as it is. That layers before the last do better is told by summaries of the "
    f"paper; the layer itself is not known here, and {EARLIER} of 30 was taken without trying others. SimCSE is "
    "trained from the first layer, and so is the ceiling, whose positives are captions of one picture.",
)(metaeol)
