"""Masked language modelling in which a guess that means the same as the masked token does not count as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.objectives import Alignment, Objective, Only, Sum
from counterpoint.points import Points
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Arguments, Payload

_GUESSED, _ALIKE = 0, 1
"""Terms."""
_ROWS = 1024
"""Places whose guesses are found at once."""


class TrueNegatives(MaskedLM):
    """A masked LM whose false negatives are corrected: wrong guesses that could as well stand there.

    With x the masked token and g the model's guess, the likeliest token as the model is, a place whose g is not x but
    among the synonyms of x is left out of the mean of the loss, with all its gradient: *hard correction*. One place
    stays if it would be all. *Soft regularisation* adds `w mean(1 - cos(e_g, e_x))`, over all chosen places, of the
    vectors of both in the encoder's table, which it moves towards each other; g itself has no gradient. `objective`
    makes the sum for any w, 0: without.

    Source: Zhang et al. 2022, "Language Model Pre-training on True Negatives", as its abstract and others tell of it:
    a table of synonyms, from WordNet or word2vec, shields gradients; the distance is that of guess and original in the
    embedding layer. That the guess stands in it as its token vector, rather than as an expectation, is our reading.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        synonyms: Of each token, -1: no more; `synonym_tokens` and `neighbour_tokens` make them. None: nothing is left
            out.
        bias: Whether tokens have one.
        **options: See `MaskedLM`.

    Raises:
        InputError: As `MaskedLM`, or the table is of another vocabulary.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> encoder = small_transformer(texts, layers=1, width=16, vocab_size=60)
        >>> size = encoder.model.config.vocab_size
        >>> any_word = torch.arange(size).expand(size, size)
        >>> task = TrueNegatives(encoder, texts, synonyms=any_word, share=0.9)
        >>> payload = task.payload(torch.arange(2))
        >>> terms = payload.arguments(task(payload.inputs))["queries"].columns["term"]
        >>> bool((terms == 0).sum() < (terms == 1).sum())  # of all wrong guesses none is asked for
        True
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        synonyms: Int[Tensor, "v k"] | None = None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(encoder, texts, bias=bias, **options)
        if synonyms is not None and len(synonyms) != len(self._table):
            raise InputError(
                f"synonyms of {len(synonyms):,} tokens, and the encoder has {len(self._table):,}",
                fix="make the table of this encoder",
            )
        self._synonyms = synonyms

    @classmethod
    def objective(cls, regularisation: float = 1.0) -> Objective:
        """Softmax over the vocabulary, and so much of the cosine distance of guesses.

        Args:
            regularisation: w; 0: no such term.
        """
        guessed = Only("term", _GUESSED, super().objective())
        if not regularisation:
            return guessed
        # the squared distance of unit vectors is twice the cosine's
        return Sum(guessed, Only("term", _ALIKE, Alignment()), weights=(1.0, regularisation / 2))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens masked; what the model guesses there decides what is asked."""
        given = super().payload(rows, among)
        at = given.inputs["at"]
        number = (len(self._table) + rows[:, None] * self.encoder.max_seq_length + at)[at >= 0]

        def arguments(z: Tensor) -> Arguments:
            call = given.arguments(z)
            return {**call, **self._corrected(call["queries"], call["keys"], number.to(z.device))}

        return replace(given, arguments=arguments)

    def _corrected(self, asked: Points, vocabulary: Points, number: Int[Tensor, " p"]) -> dict[str, Points]:
        """Both terms: places that are left, and all places with their guess.

        Args:
            asked: States of the masked places.
            vocabulary: This process's share of the tokens.
            number: Of each place, another one in the whole batch, and of no token.
        """
        gold = asked.columns["sample"]
        with torch.no_grad():
            keys = self._keys()[0].float()
            guess = torch.cat([(q.float() @ keys.T).argmax(1) for q in asked.z.split(_ROWS)])
        table, left = self._table, torch.ones_like(gold, dtype=torch.bool)
        if self._synonyms is not None:
            left = ~((self._synonyms.to(gold.device)[gold] == guess[:, None]).any(1) & (guess != gold))
            left[0] |= ~left.any()
        width = asked.z.shape[1] - table.shape[1]
        pairs = [torch.nn.functional.pad(table[tokens], (0, width)) for tokens in (guess, gold)]
        found = []
        for tokens, z in zip((asked[left], vocabulary), pairs, strict=True):
            term = torch.full_like(tokens.columns["sample"], _GUESSED)
            alike = Points(z.to(tokens.z), {"sample": number, "term": torch.full_like(number, _ALIKE)})
            found.append(Points.cat([tokens.with_columns(term=term), alike]))
        return {"queries": found[0], "keys": found[1]}
