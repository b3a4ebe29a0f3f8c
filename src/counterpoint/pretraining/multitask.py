"""Pre-training for retrieval by several tasks at once: five decoders of one encoder, each behind a text's vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder, take
from counterpoint.encoders.features import concat, from_ids
from counterpoint.errors import InputError, refuse_string
from counterpoint.pretraining.contextual import ContextDecoding
from counterpoint.training.payload import Payload

_WHOLE, _HALF, _APART = 0, 1, 2
"""What the encoder reads of a passage."""


class MASTER(ContextDecoding):
    """MASTER: from a passage's vector five decoders guess it, its questions, what follows it, and parts of it.

    The encoder reads each passage three times, and guesses what it does not see of it each time: with 30% of the words
    masked; its first half alone, likewise; and with half of the words masked. Each decoder has weights of its own and
    reads, behind the vector of

    - the first: the passage, its keywords masked; its questions, half of the words masked; its continuation, likewise;
    - the second: the second half of the passage, its keywords masked;
    - the third: the passage with exactly those words masked that the encoder has seen.

    Keywords are half of the tokens, words drawn one after another with a chance of one over how often each is in all
    passages. The loss is the sum of eight means: of three kinds of guesses by the encoder, and of five decoders.

    Source: Zhou et al. 2022, "MASTER: Multi-task Pre-trained Bottlenecked Masked Autoencoders are Better Dense
    Retrievers", and the authors' code.

    Args:
        encoder: See `ContextDecoding`; its tokenizer puts a special token at both ends of a text.
        texts: The passages.
        questions: Of each; they are read one after another, with the tokenizer's separator between them.
        continuations: Of each, such as what a language model goes on with.
        share: Of the words, where 30% are masked.
        hidden_share: Where half are.
        layers: Of each decoder.
        **options: See `ContextDecoding`.

    Raises:
        InputError: As `ContextDecoding`, or not as many of each, or a tokenizer with other special tokens.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus of", "two texts or so"]
        >>> encoder = small_transformer(texts, layers=1, width=16, vocab_size=60)
        >>> task = MASTER(encoder, texts, [["how small"], ["how many", "texts"]], ["which is", "and ends"])
        >>> payload = task.payload(torch.arange(2))
        >>> len(payload.inputs["at"])  # three readings of each
        6
    """

    terms = ("masked", "half", "apart", "itself", "questions", "continuation", "next", "overlap")
    weights = (1.0,) * 8

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        continuations: Sequence[str],
        *,
        share: float = 0.3,
        hidden_share: float = 0.5,
        layers: int = 2,
        **options: Any,
    ) -> None:
        refuse_string(texts, "texts")
        refuse_string(questions, "questions")
        refuse_string(continuations, "continuations")
        if not len(texts) == len(questions) == len(continuations):
            numbers = f"{len(texts)} passages, {len(questions)} with questions, {len(continuations)} with continuations"
            raise InputError(numbers, fix="give each passage both")
        tokenizer = encoder.tokenizer
        if tokenizer.num_special_tokens_to_add() != 2 or tokenizer.sep_token is None:
            raise InputError("the tokenizer does not put a special token at both ends of a text", fix="give a BERT")
        super().__init__(encoder, texts, decoders=5, share=share, layers=layers, **options)
        self._hidden_share = hidden_share
        asked = [f" {tokenizer.sep_token} ".join(own) for own in questions]
        self._others = [encoder.tokenize(side) for side in (asked, list(continuations))]
        ids = self._features["input_ids"].tolist()
        self._times = Counter(tuple(ids[i] for i in word) for text in self._words(self._features) for word in text)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Three readings of these passages, one after the other, with what each decoder reads behind its own."""
        del among
        whole = take(self._features, rows)
        first, second = _halves(whole)
        asked, follows = (take(other, rows) for other in self._others)
        apart = self.drawn(whole, self._hidden_share)
        rest = ~apart & ~torch.isin(whole["input_ids"], self._special)
        chosen = torch.cat([self._choose(whole), self._choose(first), apart])
        inputs, target = self._with_masks(concat([whole, first, whole]), chosen)
        decoded = (
            (_WHOLE, whole, self._keywords(whole)),
            (_WHOLE, asked, self.drawn(asked, self._hidden_share)),
            (_WHOLE, follows, self.drawn(follows, self._hidden_share)),
            (_HALF, second, self._keywords(second)),
            (_APART, whole, rest),
        )
        n, targets = len(rows), [target]
        terms = [torch.arange(3).repeat_interleave(n)[:, None].expand(-1, target.shape[1])]
        for i, (reading, features, hidden) in enumerate(decoded):
            reads, at, answers = (_placed(side, reading) for side in self.read(features, hidden))
            inputs |= {f"reads {i}": reads, f"asked {i}": at}
            targets.append(answers)
            terms.append(torch.full_like(answers, 3 + i))
        return self._payload(inputs, torch.cat(targets, 1), torch.cat(terms, 1))

    def _words(self, features: Features) -> list[list[list[int]]]:
        """Of each text its words, each as the places of its tokens among all."""
        ids, special = features["input_ids"], torch.isin(features["input_ids"], self._special).tolist()
        begins = [True] * len(ids) if self._begins is None else self._begins[ids].tolist()
        found = []
        for start, end in pairwise(features["offsets"].tolist()):
            words = list[list[int]]()
            for i in range(start, end):
                if special[i]:
                    continue
                if begins[i] or not words:
                    words.append([])
                words[-1].append(i)
            found.append(words)
        return found

    def _keywords(self, features: Features) -> Bool[Tensor, " t"]:
        """Rare words rather than common ones: a share of the tokens, rounded, or a few more for the last word."""
        ids, chosen = features["input_ids"].tolist(), torch.zeros(len(features["input_ids"]), dtype=torch.bool)
        for words in self._words(features):
            most = max(1, round(self._hidden_share * sum(map(len, words))))
            often = torch.tensor([float(max(1, self._times[tuple(ids[i] for i in word)])) for word in words])
            # the first of so many clocks to ring, each at a rate of one over how often the word is there
            for k in (torch.empty(len(words)).exponential_() * often).argsort().tolist():
                if most <= 0:
                    break
                chosen[words[k]] = True
                most -= len(words[k])
        chosen[len(chosen) // 2] |= not chosen.any()
        return chosen


def _halves(features: Features) -> tuple[Features, Features]:
    """The first and the second half of each text, each with its special tokens."""
    first, second, ids = [], [], features["input_ids"].tolist()
    for start, end in pairwise(features["offsets"].tolist()):
        middle = start + 1 + (end - start - 2) // 2
        first.append([*ids[start:middle], ids[end - 1]])
        second.append([ids[start], *ids[middle:end]])
    return from_ids(first), from_ids(second)


def _placed(x: Int[Tensor, "n k"], reading: int) -> Int[Tensor, "three_n k"]:
    """At one of three readings of each text; -1 at the others."""
    out = torch.full((3, *x.shape), -1)
    out[reading] = x
    return out.flatten(0, 1)
