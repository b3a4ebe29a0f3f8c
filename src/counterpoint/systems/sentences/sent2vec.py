"""Sent2Vec: a sentence is the mean of its words and n-grams, and each word is guessed from the rest of its sentence."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.adapting import unscaled
from counterpoint.encoders.wrapping import token_table, with_ngrams
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import LeftOutWords
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.bags import BAGS, SMALL_BAGS
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig

WORDS, WIDTH, BUCKETS = 20_000, 100, 50_000
"""At most; of vectors; of n-grams."""
BLOCKED, WINDOW = 2, 5
"""Tokens that are in no n-gram in training; words on each side, of a bag that has a window."""


def words(data: Data, seed: int) -> StaticEncoder:
    """What it starts from where it is given nothing: a random table, whose rare words are longer."""
    texts = data.anchors[data.anchor].texts
    return StaticEncoder.from_corpus(texts, vocab_size=WORDS, dim=WIDTH, seed=seed, prompts={})


def means(encoder: nn.Module) -> nn.Module:
    """The mean of tokens and bigrams, of any length."""
    return unscaled(with_ngrams(encoder, BUCKETS))


def mean_of_words(encoder: nn.Module) -> nn.Module:
    """The mean of tokens alone."""
    return unscaled(token_table(encoder))


def from_the_rest(data: Data, encoder: nn.Module) -> LeftOutWords:
    """Each word from its whole sentence."""
    return LeftOutWords(encoder, data.anchors[data.anchor].texts, blocked=BLOCKED)


def from_near(data: Data, encoder: nn.Module) -> LeftOutWords:
    """Each word from five to either side, drawn ones by their frequency to the power of 3/4."""
    return LeftOutWords(encoder, data.anchors[data.anchor].texts, power=0.75, window=WINDOW)


def mixed(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the words of all sentences change places, so that the rest of one tells nothing of it.

    Sentences stay as long as they are.
    """
    del encoder
    texts = [text.split() for text in data.anchors[data.anchor].texts]
    words = [word for text in texts for word in text]
    drawn = iter(torch.randperm(len(words), generator=torch.Generator().manual_seed(seed)).tolist())
    return Data.alone(Items("text", [" ".join(words[next(drawn)] for _ in text) for text in texts]), source=data.source)


def words_alone() -> Recipe:
    """No n-grams."""
    return sent2vec().varied("Sent2Vec, unigrams", adapt=mean_of_words)


def window() -> Recipe:
    """The mean of word vectors that a window has taught, without n-grams."""
    return sent2vec().varied("CBOW", adapt=mean_of_words, task=from_near)


def of_mixed_words() -> Recipe:
    """The rest of a sentence says nothing of a word."""
    return sent2vec().varied("Sent2Vec, words mixed", prepare=(mixed,))


@system(
    "Sent2Vec",
    title="Unsupervised Learning of Sentence Embeddings using Compositional n-Gram Features",
    year=2017,
    family="sentences",
    mechanism="tests/systems/test_sent2vec.py::test_loss_is_that_of_a_naive_loop_over_left_out_words",
    variants={"Sent2Vec, unigrams": words_alone},
    claims=(
        Claim(
            "Vectors that are learned to make up a sentence tell better how alike sentences are than means of words",
            spearman,
            "CBOW: a window of five, no n-grams",
            BAGS,
            Trained(window),
            off=Trained(of_mixed_words),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "They are better features for other tasks",
            transfer,
            "CBOW: a window of five, no n-grams",
            BAGS,
            Trained(window),
            off=Trained(of_mixed_words),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "Bigrams improve the features",
            transfer,
            "unigrams alone",
            BAGS,
            Trained(words_alone),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(words_alone)),
    sample=SMALL_BAGS,
    setup="28,000 sentences of SNLI and STS-B for Wikipedia, books or tweets. Words are the tokens of the house's "
    "table: stems, parts of rare words, each word once a sentence (its last place), where theirs are words of a "
    "tokenised text as they are. 100 dimensions and the defaults of their code (10 drawn words, a threshold of 1e-4, 2 "
    "tokens in no n-gram) for the 700 of their models. 50,000 buckets of bigrams for 2,000,000. AdamW on batches of "
    "256 sentences stands in for a step of gradient descent for each word, whose rate falls in a line here, too. "
    "Vectors of words start as random ones that are longer the rarer the word, where theirs start small: from there "
    "AdamW makes all sentences alike within some steps. Bigrams start as theirs. CBOW "
    "is the same training with a window of five, all words of it, where word2vec draws its size and leaves frequent "
    "words out of it, too. Given a transformer, it takes its token vectors alone. The ceiling is all-MiniLM-L6-v2. "
    "Three of their tasks, with 500 texts for a probe each.",
)
def sent2vec() -> Recipe:
    """Pagliardini et al. 2018 and their code: whole sentences, bigrams, negative sampling."""
    train = TrainConfig(epochs=5, batch_size=64, learning_rate=2e-2, weight_decay=0.0, warmup=0.0, schedule="linear")
    stage = Stage(LeftOutWords.objective, train, task=from_the_rest)
    return Recipe("Sent2Vec", (stage,), Takes("text"), start=words, adapt=means)
