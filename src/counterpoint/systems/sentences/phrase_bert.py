"""Phrase-BERT: a phrase is near to its paraphrase and to where it stands, and far from what only shares its words."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled, with_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective, Triplet
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Arm, Richer, Trained, Untrained
from counterpoint.testbeds.phrases import ALL_PHRASES, PHRASES, TITLES_AS_PHRASES, meaning_or_words, shared_words
from counterpoint.training import TrainConfig

MARGIN = 5.0


def loss() -> Objective:
    """Distances of vectors as they are, each triplet by itself."""
    return Triplet(MARGIN, relation=Relation(negative=own_mined))


def plain(encoder: nn.Module) -> nn.Module:
    """With dropout, and vectors of any length: a margin of 5 is none for those of length one."""
    return with_dropout(unscaled(encoder))


def phrase_bert() -> Recipe:
    """Wang et al. 2021 and their code: triplets of both kinds, mixed, in one run with Sentence-BERT's triplet loss."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=2e-5, weight_decay=0.01, schedule="linear", warmup=0.1)
    takes = Takes("text", "text", schemas=("tuples",))
    return Recipe("Phrase-BERT", (Stage(loss, train),), takes, adapt=plain)


def _of_kind(data: Data, kind: int) -> Data:
    return data[data.columns["kind"] == kind]


def only_paraphrases(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: rows of kind 0."""
    del encoder, seed
    return _of_kind(data, 0)


def only_contexts(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: rows of kind 1."""
    del encoder, seed
    return _of_kind(data, 1)


def any_negative(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the negative of another row, which shares no word but by chance."""
    del encoder
    assert data.negatives is not None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return replace(data, negatives=data.negatives[order])


def paraphrases() -> Recipe:
    """Without contexts."""
    return phrase_bert().varied("Phrase-BERT, paraphrases", prepare=(only_paraphrases,))


def contexts() -> Recipe:
    """Without paraphrases."""
    return phrase_bert().varied("Phrase-BERT, contexts", prepare=(only_contexts,))


def other_negatives() -> Recipe:
    """Negatives that do not share the anchor's words."""
    return phrase_bert().varied("Phrase-BERT, any negatives", prepare=(any_negative,))


def _better(text: str, against: str, baseline: Arm, off: Arm | None = None) -> Claim:
    ceiling = Richer(Trained(paraphrases), ALL_PHRASES)
    return Claim(text, meaning_or_words, against, PHRASES, baseline, off=off, ceiling=ceiling, floors=())


system(
    "Phrase-BERT",
    title="Phrase-BERT: Improved Phrase Embeddings from BERT with an Application to Corpus Exploration",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_phrase_bert.py::test_loss_is_that_of_a_naive_loop_over_triplets",
    claims=(
        _better(
            "Triplets make phrases tell by meaning, not by words", "the start", Untrained(), Trained(other_negatives)
        ),
        _better("Contexts improve on paraphrases alone", "paraphrases alone", Trained(paraphrases)),
        _better("Paraphrases improve on contexts alone", "contexts alone", Trained(contexts)),
        Claim(
            "Nearest phrases share fewer words",
            shared_words,
            "the start",
            PHRASES,
            Untrained(),
            ceiling=Richer(Trained(paraphrases), ALL_PHRASES),
            floors=(),
            better="lower",
        ),
    ),
    signal=Signal(meaning_or_words, off=Trained(other_negatives)),
    sample=TITLES_AS_PHRASES,
    setup="The first layer of SmolLM2 with dropout of 0.1, mean-pooled, stands in for Sentence-BERT, which was trained "
    "on inference pairs and judgements before. How other captions of a picture begin stands in for generated "
    "paraphrases, and captions for a corpus of books, a word in brackets in place of the phrase; what ends a phrase is "
    "a list of words and not a parser. The negative of a paraphrase is a phrase of another picture that shares a word, "
    "where theirs is the paraphrase of a phrase with a word changed. Batches of 32 for 16, and the weights are the "
    "last, not the best on held-out triplets. The paper's sets of phrases, and its topic model, are not measured. The "
    "test's phrases are alike if they are of one picture, and are chosen so that words mislead: no word in common "
    "where they are, one where they are not; what compares words tells none. The ceiling is paraphrases alone, "
    "with the test's pictures among them.",
)(phrase_bert)
