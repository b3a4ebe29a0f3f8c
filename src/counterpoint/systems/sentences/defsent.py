"""SBERT and DefSent: the same model taught by inference pairs and by definitions of words, and both together."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.adapting import frozen_tokens, unscaled, with_dropout
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import AgainstTable, PairFeatures, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.systems.sentences.infersent import CLASSES, infersent
from counterpoint.systems.sentences.simcse import CEILING
from counterpoint.testbeds import Arm, Richer, Trained
from counterpoint.testbeds.combined import Combined
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import DEFINITIONS, TITLE_WORDS, VERDICTS, transfer
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig


def loss() -> InfoNCE:
    """Cross-entropy of the words."""
    return InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))


def token_vectors(encoder: nn.Module) -> Tensor:
    """Those of a transformer."""
    assert isinstance(encoder, TransformerEncoder)
    table: Tensor = encoder.model.get_input_embeddings().weight
    return table


def against_tokens(_width: int) -> Procedure:
    """All of the vocabulary."""
    return AgainstTable(token_vectors)


def defined_words(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: definitions of words of one token, labelled by it."""
    del seed
    if not isinstance(encoder, TransformerEncoder):
        raise InputError("words are guessed by a transformer", fix="give one for a base, such as minilm")
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    # with a blank before, as within a sentence
    ids = [encoder.tokenizer.encode(f" {word}", add_special_tokens=False) for word in data.others.texts]
    unknown = encoder.tokenizer.unk_token_id
    token = torch.tensor([found[0] if len(found) == 1 and found[0] != unknown else -1 for found in ids])
    label = token[data.positives[:, 0]]
    if not bool((label >= 0).any()):
        raise InputError("none of the words is a token", file=data.source or None, fix="give pairs (definition, word)")
    return replace(data, others=None, positives=None, columns={"label": label})[label >= 0]


def plain(encoder: nn.Module) -> nn.Module:
    """Vectors of any length, and dropout where the model knows none."""
    return with_dropout(unscaled(encoder))


def with_frozen_tokens(encoder: nn.Module) -> nn.Module:
    """The same, and token vectors stay what they are."""
    return frozen_tokens(plain(encoder))


def other_words() -> Recipe:
    """Words of other definitions."""
    return defsent().varied("DefSent, words of others", prepare=(defined_words, shuffled("label")))


def softmax(width: int) -> Procedure:
    """One linear layer on both vectors and their difference."""
    return PairFeatures(nn.Linear(3 * width, CLASSES), product=False)


def sbert() -> Recipe:
    """Reimers and Gurevych 2019: three-way cross-entropy of inference pairs on [u; v; |u - v|]."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=2e-5, schedule="linear")
    return infersent().varied("SBERT", procedure=softmax, train=train, adapt=plain)


def defsent() -> Recipe:
    """Tsukagoshi et al. 2021 and their code: the cross-entropy of a word, given its definition, over the vocabulary."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=1.13e-5, weight_decay=0.0, schedule="constant", clip=0.0)
    stage = Stage(loss, train, procedure=against_tokens, prepare=(defined_words,), views=1)
    return Recipe("DefSent", (stage,), Takes("text", "text", ("pairs",)), adapt=with_frozen_tokens)


BY_PAIRS, BY_WORDS = Trained(sbert), Richer(Trained(defsent), DEFINITIONS)
"""Each by itself."""


def _mean(text: str, against: str, alone: Arm) -> Claim:
    """Of both together, against one: two of its kind may be better than one, too."""
    two, both = Combined((alone, alone)), Combined((BY_PAIRS, BY_WORDS))
    return Claim(text, spearman, against, VERDICTS, alone, system=both, off=two, ceiling=CEILING)


def _beside(text: str, against: str, alone: Arm) -> Claim:
    """The same of both side by side, by probes."""
    two, both = (Combined(arms, "concatenation") for arms in ((alone, alone), (BY_PAIRS, BY_WORDS)))
    return Claim(text, transfer, against, VERDICTS, alone, system=both, off=two, ceiling=distilcse.CEILING)


system(
    "SBERT+DefSent Comparison",
    title="Comparison and Combination of Sentence Embeddings Derived from Different Supervision Signals",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_defsent.py::test_loss_is_the_cross_entropy_of_a_naive_loop_over_the_vocabulary",
    variants={"SBERT": sbert},
    claims=(
        _mean(
            "The mean of both models' vectors says better how alike sentences are than that of inference pairs",
            "SBERT",
            BY_PAIRS,
        ),
        _mean("And better than that of definitions", "DefSent", BY_WORDS),
        _beside(
            "Both vectors side by side are better features for other tasks than those of inference pairs",
            "SBERT",
            BY_PAIRS,
        ),
        _beside("And than those of definitions", "DefSent", BY_WORDS),
    ),
    signal=Signal(
        alignment_of_like,
        off=Combined((BY_PAIRS, Richer(Trained(other_words), DEFINITIONS))),
        system=Combined((BY_PAIRS, BY_WORDS)),
    ),
    sample=TITLE_WORDS,
    setup="Its method is DefSent; the variant SBERT is trained on inference pairs. The first layer of SmolLM2 stands "
    "in for BERT and RoBERTa, mean-pooled. It has no prediction layer of BERT's kind: a word's logit is the product "
    "of the sentence's vector with the frozen vector of its token, without the dense layer, normalisation and "
    "bias before it. 12,182 definitions of WordNet whose word is one token stand in for Oxford's dictionary, and "
    "19,666 pairs of SNLI for SNLI and MNLI; 200 steps of 64 for an epoch of 16, at a rate that stays after "
    "warm-up for DefSent as in its code. Of the paper its abstract and the code of DefSent were seen: how it averages "
    "is not known, and vectors are averaged as they are pooled. Two models with other seeds stand beside each "
    "combination, since any two may be better than one. Training on both at once, the probing tasks and STS by "
    "source and by overlap are not measured. The ceiling is the same model trained on STS-B's judgements, or "
    "all-MiniLM-L6-v2 on other tasks.",
)(defsent)
