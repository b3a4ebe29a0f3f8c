"""DiscSent: a sentence's vector tells which of two came first, which comes next, and what a conjunction said."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.procedures import Discourse
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse, sent2vec
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.running import BROWN, PACKAGES_BY_TABLE, order_told
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig
from counterpoint.views import discourse

asked = discourse()
"""Two neighbours; three and five candidates; a conjunction of nine kinds."""


def in_any_order(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: sentences have changed places, so that neighbours have nothing to do with each other."""
    del encoder
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return replace(data, anchor=data.anchor[order])


def discsent() -> Recipe:
    """Jernite et al. 2017 and their code: the sum of three cross-entropies."""
    train = TrainConfig(epochs=5, batch_size=96, learning_rate=1e-2, weight_decay=0.0, clip=0.0, schedule="constant")
    stage = Stage(Discourse.objective, train, procedure=Discourse, prepare=(asked,))
    # both sides are sentences: no prompt tells them apart
    return Recipe("DiscSent", (stage,), Takes("text"), prompts={"document": ""}, adapt=unscaled)


def without_order() -> Recipe:
    """Nothing can be told of a sentence's neighbours."""
    return discsent().varied("DiscSent, any order", prepare=(in_any_order, asked))


system(
    "DiscSent",
    title="Discourse-Based Objectives for Fast Unsupervised Sentence Representation Learning",
    year=2017,
    family="sentences",
    mechanism="tests/systems/test_discsent.py::test_loss_is_that_of_a_naive_loop_over_questions",
    claims=(
        Claim(
            "What order, next sentences and conjunctions teach makes better features",
            transfer,
            "the words' vectors as they are",
            BROWN,
            Untrained(discsent),
            off=Trained(without_order),
            ceiling=distilcse.CEILING,
            floors=(),
        ),
        Claim(
            "It is better than guessing words",
            transfer,
            "CBOW: a window of five",
            BROWN,
            Trained(sent2vec.window),
            off=Trained(without_order),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(order_told, off=Trained(without_order)),
    sample=PACKAGES_BY_TABLE,
    setup="The Brown corpus in order, 57,340 sentences as one text whose paragraphs are not marked, for Wikipedia, the "
    "Gutenberg corpus and BookCorpus: windows of eight sentences take the place of a paragraph's first three and five "
    "later ones, and always hold the five that follow. Words are the tokens of the house's table (stems, each once a "
    "sentence), averaged, in 256 dimensions: their bag of words, with 512 for sentences; encoders with a GRU are not "
    "measured. Nine groups of conjunctions, an option of their code, for its phrases one by one; its misspelt "
    "'nevertheless' is spelled right. A batch of 96 has some 32 questions of each kind, theirs 32. AdamW "
    "stands in for Adagrad. Models that guess whole neighbours (SkipThought) are not trained here: a window of words "
    "stands in for what guesses words. How long training takes is not judged. The ceiling is all-MiniLM-L6-v2. Three "
    "of their tasks, with 500 texts for a probe each.",
)(discsent)
