"""Masked language modelling, and a contrast in which a text's vector finds spans of the text itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder, lengths, pool, take
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.objectives import Objective, SupCon
from counterpoint.points import Points
from counterpoint.pretraining._base import at_places, beside_guesses, spread, with_texts
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.relation import Relation, same
from counterpoint.training.payload import Arguments, Payload

LENGTHS = ((1, 1), (4, 16), (16, 64), (64, 128))
"""Least and most words: a word, a phrase, a sentence, a paragraph."""


class SpanPrediction(MaskedLM):
    """COSTA: a text's vector is near the spans of its own text and far from other texts and theirs.

    Of each text spans of each of four sizes are drawn, anywhere in it. With `z_i = g(h_i)`, a projector of what the
    encoder pools, and `s_p` the mean of the states of a span's tokens, a text loses the mean over its own spans of
    `-log exp(z_i . s_p / t) / sum_j exp(z_i . v_j / t)`, where v are all spans of the batch, its own among them, and
    the other texts' `z_j`. The loss is that mean over texts, times w, and the mean over masked tokens (`MaskedLM`), all
    of one reading. A size's spans have `l + B (L - l)` words, rounded down, B of Beta(4, 2), and at most all of the
    text. The projector is dropped afterwards.

    Source: Ma et al. 2022, "Pre-train a Discriminative Text Encoder for Dense Retrieval via Contrastive Span
    Prediction" (COSTA), as its abstract and a caption of its figure tell, and others of it: no decoder, a projector on
    the text and means over spans of four sizes, a contrast by groups, masked language modelling beside. Inner products,
    the lengths, and that a text's own spans compete with each other are our reading.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        spans: Of each size.
        sizes: Least and most words of each.
        bias: Whether tokens have one.
        **options: See `MaskedLM`. Without `whole_words` a token is a word.

    Raises:
        InputError: As `MaskedLM`; no spans, or sizes that are none.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = SpanPrediction(small_transformer(texts, layers=1, width=16, vocab_size=60), texts)
        >>> payload = task.payload(torch.arange(2))
        >>> keys = payload.arguments(task(payload.inputs))["keys"]
        >>> (keys.columns["text"] == 1).sum().item()  # two texts, each with twenty spans
        42
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        spans: int = 5,
        sizes: Sequence[tuple[int, int]] = LENGTHS,
        bias: bool = True,
        **options: Any,
    ) -> None:
        if spans < 1 or not sizes or not all(1 <= least <= most for least, most in sizes):
            raise InputError(f"{spans} spans of each of {list(sizes)} words", fix="give 1 or more, the least first")
        super().__init__(encoder, texts, bias=bias, **options)
        width = int(encoder.model.config.hidden_size)
        self.projector = projection(width, hidden=(width,))
        self._sizes = torch.tensor(sizes).repeat_interleave(spans, 0)

    @classmethod
    def objective(cls, weight: float = 1.0, temperature: float = 0.1) -> Objective:
        """The sum of the class.

        Args:
            weight: w, of the contrast.
            temperature: t, of its products.
        """
        own = Relation(same("label"), ignored=same("sample"))
        contrast = SupCon(temperature, layout="one-way", relation=own, geometry=Dot())
        return beside_guesses(super().objective(), contrast, weight)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts with some tokens masked, and spans of them."""
        features = take(self._features, rows)
        given = super().payload(rows, among)
        number = len(self._sizes)
        # both take the same texts
        inputs = {**given.inputs, "spans": self._drawn(features)}

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            mine = rows.to(z.device)
            texts, spans = z[:, 0], z[:, 1 : 1 + number].flatten(0, 1)
            of = mine.repeat_interleave(number)
            keys = [Points(texts, label=mine, sample=mine), Points(spans, label=of, sample=torch.full_like(of, -1))]
            queries = Points(texts, label=mine, sample=mine)
            return with_texts(given.arguments(z[:, 1 + number :]), queries, Points.cat(keys))

        return replace(given, inputs=inputs, arguments=arguments)

    def _drawn(self, features: Features) -> Int[Tensor, "n s 2"]:
        """Of each text the places of the first token of each span, and of the first after it."""
        ids, found = features["input_ids"], []
        free = ~torch.isin(ids, self._special)
        begins = torch.ones_like(free) if self._begins is None else self._begins[ids].clone()
        begins[features["offsets"][:-1] + 1 - (free[features["offsets"][:-1]]).long()] = True
        least, most = self._sizes.T
        for start, end in pairwise(features["offsets"].tolist()):
            inside = free[start:end].nonzero()[:, 0]
            first = inside[begins[start:end][inside]]
            if not len(first):
                found.append(torch.tensor([[0, 1]]).expand(len(least), 2))
                continue
            after = torch.cat([first[1:], inside[-1:] + 1])
            share = torch.distributions.Beta(4.0, 2.0).sample(least.shape)
            words = (least + (share * (most - least)).long()).clamp_max(len(first))
            at = (torch.rand(len(words)) * (len(first) - words + 1)).long()
            found.append(torch.stack([first[at], after[at + words - 1]], 1))
        return torch.stack(found)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Each text's projected vector, its spans' means, then the transformed states of its masked places."""
        features = self._on_device(features)
        states = self.encoder._hidden(features)
        h, there = at_places(states, features, features["at"])
        guesses = spread(self.transform(h), there)
        z = self.projector(pool(states, features["offsets"], self.encoder.pooling).to(guesses))
        counts = lengths(features)
        place = torch.arange(int(counts.max()), device=counts.device)
        x = spread(states, place < counts[:, None])
        first, after = features["spans"].unbind(2)
        within = (place >= first[..., None]) & (place < after[..., None])
        means = (within / (after - first)[..., None]).to(x) @ x
        return torch.cat([z[:, None], means.to(guesses), guesses], 1)
