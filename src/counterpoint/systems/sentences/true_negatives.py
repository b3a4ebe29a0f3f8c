"""Pre-training on true negatives: a masked LM is not punished for guessing a synonym."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective
from counterpoint.pretraining import MaskedLM, TrueNegatives, neighbour_tokens, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import CEILING, minilm
from counterpoint.systems.sentences.mae_lm import texts_of
from counterpoint.testbeds import Figure, Made, Trained
from counterpoint.testbeds.scratch import SCRATCH, guesser
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig


@cache
def _vectors() -> tuple[dict[str, int], Tensor]:
    """MiniLM's tokens and their vectors."""
    encoder = minilm().encoder
    return encoder.tokenizer.get_vocab(), encoder.model.get_input_embeddings().weight.detach().float()


def word_vector(word: str) -> Tensor | None:
    """That of all-MiniLM-L6-v2's table, where the word is one token there."""
    tokens, table = _vectors()
    return table[tokens[word]] if word in tokens else None


def corrected(data: Data, encoder: nn.Module) -> TrueNegatives:
    """Guesses among a word's neighbours are left out."""
    model = transformer(encoder)
    return TrueNegatives(model, texts_of(data), synonyms=neighbour_tokens(model, word_vector))


def regularised(data: Data, encoder: nn.Module) -> TrueNegatives:
    """Nothing is left out."""
    return TrueNegatives(transformer(encoder), texts_of(data))


def by_chance(data: Data, encoder: nn.Module) -> TrueNegatives:
    """Each word has the neighbours of another one."""
    model = transformer(encoder)
    table = neighbour_tokens(model, word_vector)
    words = (table[:, 0] >= 0).nonzero()[:, 0]
    order = words[torch.randperm(len(words), generator=torch.Generator().manual_seed(0))]
    table[order] = table[order.roll(1)]
    return TrueNegatives(model, texts_of(data), synonyms=table)


def masked(data: Data, encoder: nn.Module) -> MaskedLM:
    """Every guess that is not the word itself is wrong."""
    return MaskedLM(transformer(encoder), texts_of(data), bias=True)


def guessing() -> Objective:
    """No distance of guesses."""
    return TrueNegatives.objective(0.0)


def soft() -> Recipe:
    """Soft regularisation in place of the correction."""
    return hard().varied("True Negatives, soft", task=regularised, objective=TrueNegatives.objective)


def any_words() -> Recipe:
    """The correction with neighbours of other words."""
    return hard().varied("True Negatives, any words", task=by_chance)


def mlm() -> Recipe:
    """A masked language model."""
    return hard().varied("masked LM", task=masked, objective=MaskedLM.objective)


def _alike(made: Made) -> float:
    encoder = guesser(made)
    table = neighbour_tokens(encoder, word_vector)
    token, at = (table >= 0).nonzero(as_tuple=True)
    vectors = encoder.model.get_input_embeddings().weight.detach().float().cpu()
    return float(torch.cosine_similarity(vectors[token], vectors[table[token, at]]).mean())


neighbours_alike = Figure("cosine of the token vectors of neighbours", _alike)
"""The mean, over all words of the vocabulary and their neighbours."""


@system(
    "True Negatives",
    title="Language Model Pre-training on True Negatives",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_true_negatives.py::test_loss_is_that_of_a_naive_loop_over_guesses_that_are_no_synonyms",
    variants={"True Negatives, soft": soft},
    claims=(
        Claim(
            "Not to punish guesses of synonyms makes better features than a masked language model",
            transfer,
            "a masked language model",
            SCRATCH,
            Trained(mlm),
            off=Trained(any_words),
            ceiling=CEILING,
        ),
        Claim(
            "So does drawing guesses towards the word in the table of vectors",
            transfer,
            "a masked language model",
            SCRATCH,
            Trained(mlm),
            system=Trained(soft),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(neighbours_alike, off=Trained(mlm)),
    sample=LIKENESS,
    setup="Of the paper its abstract and others' summaries were read, and there is no code: what is left out, and that "
    "the distance is a cosine in the embedding layer, are as they tell. Of our own reading are the weight of the "
    "distance, 1, that the guess stands in it as its token vector, the mean over the places that are left, five "
    "neighbours and all settings of training, which are BERT's. The token vectors of all-MiniLM-L6-v2 stand in for "
    "word2vec's; WordNet, the paper's other table, is no part of the data here (`synonym_tokens` makes it). A token "
    "that begins a word counts as that word. Two layers of 64 from random weights, 500 steps on 28,000 short "
    "sentences, and probes of frozen mean vectors on MR, SUBJ and TREC in place of GLUE and SQuAD. Their ELECTRA, "
    "their distance of whole sentences and their robustness are not measured.",
)
def hard() -> Recipe:
    """Zhang et al. 2022, hard correction of a masked LM with BERT's settings."""
    train = TrainConfig(epochs=1, batch_size=256, learning_rate=1e-4, weight_decay=0.01, schedule="linear", clip=1.0)
    return Recipe("True Negatives", (Stage(guessing, train, task=corrected),), Takes("text"))
