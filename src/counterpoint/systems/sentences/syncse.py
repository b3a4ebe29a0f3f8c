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
from counterpoint.systems.sentences.simcse import simcse, supervised, without_contradictions
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


def syncse() -> Recipe:
    """Zhang et al. 2023 and their code: SimCSE on written triplets, 512 a batch, the MLP kept at test."""
    return supervised().varied("SynCSE", takes=Takes("text", "text", ("tuples",)))


def unlabelled() -> Recipe:
    """SimCSE on the sentences of which something was written, and dropout alone."""
    return simcse().varied("SimCSE on the premises", takes=Takes("text", "text"), prepare=(premises,))


def by_rules() -> Recipe:
    """Rules write, in place of a language model."""
    return syncse().varied("SynCSE by rules", prepare=_WRITTEN)


def entailments_alone() -> Recipe:
    """Rules write no contradictions."""
    return syncse().varied("SynCSE by rules, no contradictions", prepare=(*_WRITTEN, without_contradictions))


def with_generator(
    generator: Generator, entailed: Sequence[str] = ENTAILED, contradicted: Sequence[str] = CONTRADICTED
) -> Recipe:
    """All of it, on texts alone: the generator writes the triplets, by prompts that are drawn from two pools."""
    written = triplets_written(generator, entailed, contradicted)
    return syncse().varied("SynCSE", takes=Takes("text"), prepare=(written,))


_WRITTEN = (premises, triplets_written(Generator(rules())))
PEOPLE = Trained(syncse)
"""SNLI's own triplets."""


system(
    "SynCSE",
    title="Contrastive Learning of Sentence Embeddings from Scratch",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_syncse.py::test_a_generator_writes_what_is_trained_on",
    claims=(
        Claim(
            "Entailments and contradictions that are written of sentences are better than the sentences without them",
            spearman,
            "SimCSE on the same sentences",
            INFERENCES,
            Trained(unlabelled),
            system=Trained(by_rules),
            ceiling=PEOPLE,
        ),
        Claim(
            "Written contradictions are a part of it",
            spearman,
            "written entailments alone",
            INFERENCES,
            Trained(entailments_alone),
            system=Trained(by_rules),
            ceiling=PEOPLE,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(unlabelled), system=Trained(by_rules)),
    sample=TOLD_APART,
    setup="What is measured is written by rules of SNLI's premises, for want of a good language model: what follows is "
    "the premise with a quarter of the words left out, what contradicts it has a `not` put in. That is a far weaker "
    "writer than ChatGPT, and people's own entailments and contradictions of these premises are the ceiling. So the "
    "paper's main finding, that what a language model writes is about as good as what people do, is not measured here, "
    "nor are the pools of prompts. `with_generator` is all of the paper's first variant (partial) with a language "
    "model of one's own; its prompts are ours, and there are no examples in them. In the second (from scratch) the "
    "model writes the sentences, too: `counterpoint generate` does. The method itself takes triplets that are written "
    "already, and its loss is that of supervised SimCSE; the masked language modelling that the released script adds "
    "to it, with a weight of 0.1, is left out, as a causal start has none. Otherwise as supervised SimCSE here: the "
    "first layer of SmolLM2, 200 steps of 64, the last weights.",
)(syncse)
