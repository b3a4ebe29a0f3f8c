"""Masked language modelling of two maskings of a text, and a contrast of what both say of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder, pool
from counterpoint.geometry import Cosine, Dot, Geometry, Parts
from counterpoint.objectives import InfoNCE, Objective, Only, Sum
from counterpoint.points import Points
from counterpoint.pretraining._base import at_places, spread, transform
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.payload import Arguments, Payload

_TOKENS, _TEXTS = 0, 1
"""The terms."""
_QUERY, _KEY = 0, 1
"""The parts of a point: what it is as a query, and as a key."""


class MaskedAndContrasted(MaskedLM):
    """A masked LM that reads two maskings of each text, whose vectors are contrasted: `L_MLM + w L_con`.

    `L_MLM` is the mean over the masked places of both. `L_con` is NT-Xent: with `h` what the encoder pools of states,
    `-log exp(cos(h_i, h'_i) / t) / sum_j exp(cos(h_i, h_j) / t)`, j over all other maskings of the batch, both of a
    text as queries.

    Args:
        encoder: Its model is trained; its tokenizer must have a mask token.
        texts: The corpus, or what its tokenizer makes of it.
        bias: Whether tokens have one.
        **options: See `MaskedLM`.

    Raises:
        InputError: As `MaskedLM`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = MaskedAndContrasted(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.5)
        >>> payload = task.payload(torch.arange(2))
        >>> (payload.arguments(task(payload.inputs))["queries"].columns["term"] == 1).sum().item()
        2
    """

    similarity: ClassVar[Geometry] = Cosine()
    """Of a query's part and a key's."""

    def __init__(
        self, encoder: TransformerEncoder, texts: Sequence[str] | Features, *, bias: bool = True, **options: Any
    ) -> None:
        super().__init__(encoder, texts, bias=bias, **options)

    @classmethod
    def objective(cls, weight: float = 1.0, temperature: float = 0.05) -> Objective:
        """The sum of the class.

        Args:
            weight: w, of the contrast.
            temperature: t, of its similarities.
        """
        guessed = InfoNCE(1.0, geometry=Parts(_QUERY, _KEY, Dot()))
        contrast = InfoNCE(temperature, layout="views", geometry=Parts(_QUERY, _KEY, cls.similarity))
        return Sum(Only("term", _TOKENS, guessed), Only("term", _TEXTS, contrast), weights=(1.0, weight))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Two maskings of each of these texts."""
        given = super().payload(rows.repeat(2), among)
        # beyond the tokens
        number = len(self._table) + rows

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            call = given.arguments(z[:, 2:])
            mine = number.to(z.device)
            known, sides = {"sample": mine, "term": torch.full_like(mine, _TEXTS)}, {}
            for side, texts in zip(("queries", "keys"), z[:, :2].chunk(2), strict=True):
                tokens: Points = call[side]
                term = torch.full_like(tokens.columns["sample"], _TOKENS)
                # a token is a query or a key, and so has nothing to be in the other part
                both = F.pad(tokens.z, (0, z.shape[2] - tokens.z.shape[1]))[:, None].expand(-1, 2, -1)
                told = Points(both, {**tokens.columns, "term": term})
                sides[side] = Points.cat([told, Points(texts.to(both), known)])
            return {**call, **sides}

        return replace(given, arguments=arguments)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Of each text what it is as a query and as a key, then the transformed states of its chosen places."""
        features = self._on_device(features)
        states = self.encoder._hidden(features)
        hidden, there = at_places(states, features, features["at"])
        texts = self._compared(pool(states, features["offsets"], self.encoder.pooling))
        guesses = spread(self.transform(hidden), there)
        width = max(texts.shape[2], self._keys()[0].shape[1])
        return torch.cat([F.pad(part, (0, width - part.shape[2])).to(texts) for part in (texts, guesses)], 1)

    def _compared(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n 2 k"]:
        """What texts are as queries, and as keys."""
        return torch.stack([h, h], 1)


class WordDistributions(MaskedAndContrasted):
    """The same with distributions over the vocabulary, which a perceptron makes of a text's vector.

    With `u` the pooled state, theirs the first token's, behind a layer of its own, GELU and LayerNorm, and `e_v`, `b_v`
    the input embedding and the bias of token v, as for the guesses, a masking says `p(v) = exp(e_v . u + b_v) / sum_w
    exp(e_w . u + b_w)`, all words at once. The similarity of two is minus the Kullback-Leibler divergence, `s(p, q) =
    -sum_v p(v) log(p(v) / q(v))`, p of the query; the contrast is NT-Xent of `s / t`.

    No distribution leaves the forward: with `m = sum_v p(v) (e_v, b_v)` a text is `(m, -sum_v p(v) log p(v), 1)` as a
    query and `(u, 1, 1, -log sum_w exp(e_w . u + b_w))` as a key, and the inner product of two is s. So memory is that
    of a chunk's distributions, and what is compared are vectors of about the encoder's width.

    Source: Ma et al. 2022, "A Contrastive Pre-training Approach to Learn Discriminative Autoencoder for Dense
    Retrieval" (CPADE), as its abstract and others tell of it: an MLP decoder that is not autoregressive makes word
    distributions, those of two masked versions of a text are pulled close and those of others pushed away. That the
    divergence is Kullback and Leibler's, p of the query, its temperature and the embeddings for an output layer are our
    reading.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = WordDistributions(small_transformer(texts, layers=1, width=16, vocab_size=60), texts, share=0.5)
        >>> payload = task.payload(torch.arange(2))
        >>> queries, keys = task(payload.inputs).detach()[:2, :2].unbind(1)
        >>> scores = queries @ keys.T  # of a text with itself 0, with another less
        >>> bool(scores.diag().abs().max() < 1e-4), bool(scores[0, 1] < 0)
        (True, True)
    """

    similarity: ClassVar[Geometry] = Dot()

    def __init__(self, encoder: TransformerEncoder, texts: Sequence[str] | Features, **options: Any) -> None:
        super().__init__(encoder, texts, **options)
        width = int(encoder.model.config.hidden_size)
        self.decoder = transform(width, width)

    @classmethod
    def objective(cls, weight: float = 1.0, temperature: float = 1.0) -> Objective:
        """See `MaskedAndContrasted`.

        Args:
            weight: w, of the contrast.
            temperature: t, of its divergences.
        """
        return super().objective(weight, temperature)

    def _compared(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n 2 k"]:
        table, u = self._keys()[0], self.decoder(h)
        one = torch.ones_like(u[:, :1])
        if self.bias is not None:
            u = torch.cat([u, one], 1)
        logits = (u @ table.T).float()
        total = logits.logsumexp(1, keepdim=True)
        p = (logits - total).exp()
        # sum_v p log p, whose logarithms are the logits less their total
        order = (p * logits).sum(1, keepdim=True) - total
        mean = p.to(table) @ table
        query = torch.cat([mean, -order.to(mean), one], 1)
        key = torch.cat([u, one, -total.to(u)], 1)
        return torch.stack([query, key], 1)
