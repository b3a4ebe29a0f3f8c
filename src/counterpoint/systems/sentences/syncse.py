"""SynCSE: a language model writes what follows from a sentence and what contradicts it, and SimCSE learns from both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.generating import Generator, Rules, triplets_written
from counterpoint.generating.triplets import CONTRADICTED, ENTAILED
from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, simcse, supervised, without_contradictions
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import INFERENCES, alignment_of_like
from counterpoint.testbeds.triplets import TOLD_APART


def premises(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the texts that the others were written of, each once."""
    del encoder, seed
    there = list(dict.fromkeys(data.anchor.tolist()))
    return replace(Data.alone(data.anchors, source=data.source), anchor=data.anchor.new_tensor(there))


def rules() -> Rules:
    """In place of a language model: of a sentence a quarter of the words left out, or one with a `not` in it."""

    def write(prompt: str, draw: random.Random) -> str:
        asked, text = prompt.rsplit("\n", 1)
        words = text.split()
        if asked.strip() in _ASKED:
            return " ".join(words[:1] + [word for word in words[1:] if draw.random() >= 0.25])
        words.insert(draw.randint(1, len(words)), "not")
        return " ".join(words)

    return Rules(write, name="left out or not")


_ASKED = {prompt.replace("{text}", "").strip() for prompt in ENTAILED}


def unlabelled() -> Recipe:
    """SimCSE on the sentences of which something was written, and dropout alone."""
    return simcse().varied("SimCSE on the premises", takes=Takes("text", "text"), prepare=(premises,))


def by_rules() -> Recipe:
    """Rules write, in place of people."""
    return syncse().varied("SynCSE by rules", prepare=(premises, triplets_written(Generator(rules()))))


def entailments_alone() -> Recipe:
    """No contradictions."""
    return syncse().varied("SynCSE without contradictions", prepare=(without_contradictions,))


def with_generator(
    generator: Generator, entailed: Sequence[str] = ENTAILED, contradicted: Sequence[str] = CONTRADICTED
) -> Recipe:
    """All of it, on texts alone: the generator writes the triplets, by prompts that are drawn from two pools."""
    written = triplets_written(generator, entailed, contradicted)
    return syncse().varied("SynCSE", takes=Takes("text"), prepare=(written,))


@system(
    "SynCSE",
    title="Contrastive Learning of Sentence Embeddings from Scratch",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_syncse.py::test_a_generator_writes_what_is_trained_on",
    claims=(
        Claim(
            "Written entailments and contradictions are better than the sentences without them",
            spearman,
            "SimCSE on the same sentences",
            INFERENCES,
            Trained(unlabelled),
            off=Trained(by_rules),
            ceiling=CEILING,
        ),
        Claim(
            "Written contradictions are a part of it",
            spearman,
            "entailments alone",
            INFERENCES,
            Trained(entailments_alone),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(by_rules)),
    sample=TOLD_APART,
    setup="People's entailments and contradictions in SNLI stand for ChatGPT's, a good generator; with the mechanism "
    "off rules write of the same premises: a quarter of the words left out, or a `not` put in. So the paper's main "
    "finding, that what a language model writes is about as good as what people do, cannot be measured here, nor the "
    "pools of prompts. `with_generator` is all of the paper's first variant (partial) with a language model of one's "
    "own; its prompts are ours, and there are no examples in them. In the second (from scratch) the model writes the "
    "sentences, too: `counterpoint generate` does. The loss is that of supervised SimCSE; the masked language "
    "modelling that the released script adds to it, with a weight of 0.1, is left out, as a causal start has none. "
    "Otherwise as supervised SimCSE here: the first layer of SmolLM2, 200 steps of 64, the last weights.",
)
def syncse() -> Recipe:
    """Zhang et al. 2023 and their code: SimCSE on written triplets, 512 a batch, the MLP kept at test."""
    return supervised().varied("SynCSE", takes=Takes("text", "text", ("tuples",)))
