"""Replaced-token detection and a contrast of whole texts at once."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import Features, pool
from counterpoint.encoders.features import concat
from counterpoint.objectives import InfoNCE, Objective, Only, Sum
from counterpoint.points import Points
from counterpoint.pretraining.replaced import ReplacedTokens
from counterpoint.training.payload import Arguments, Payload

_TEXTS = 2
"""The term of whole texts, after those of `ReplacedTokens`."""


class ReplacedAndContrasted(ReplacedTokens):
    """ELECTRA's two terms and SimCSE's: `L_MLM(generator) + 50 L_Disc(encoder) + w L_contrast(encoder)`.

    The encoder reads each text three times: once with tokens replaced, and twice as it is, with dropout of its own each
    time. Of the latter both pooled vectors are each other's positives, `-log exp(cos(z_i, z'_i) / t) / sum_j
    exp(cos(z_i, z'_j) / t)`, the mean over the texts of the batch.

    Source: the second phase of Zhong et al. 2023, "Bag of Tricks for Effective Language Model Pretraining and
    Downstream Adaptation: A Case Study on GLUE", as its abstract tells: replaced-token detection combined with
    "sentence embedding contrastive learning", for which Gao et al. 2021 (SimCSE), equation 1, stand here.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = ReplacedAndContrasted(small_transformer(texts, layers=1, width=64, vocab_size=60), texts, share=0.5)
        >>> payload = task.payload(torch.arange(2))
        >>> (payload.arguments(task(payload.inputs))["queries"].columns["term"] == 2).sum().item()
        2
    """

    @classmethod
    def objective(cls, weight: float = 1.0, temperature: float = 0.05) -> Objective:
        """The sum of the class.

        Args:
            weight: w, of the contrast.
            temperature: t, of its cosines.
        """
        return Sum(super().objective(), Only("term", _TEXTS, InfoNCE(temperature)), weights=(1.0, weight))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts for both."""
        given = super().payload(rows, among)
        # beyond tokens, and the answers of whether one was replaced
        number = len(self._table) + 2 + rows

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            call = given.arguments(z[:, 2:])
            mine = number.to(z.device)
            columns = {"sample": mine, "term": torch.full_like(mine, _TEXTS)}
            sides = {}
            for i, side in enumerate(("queries", "keys")):
                tokens: Points = call[side]
                vectors = F.pad(z[:, i], (0, tokens.z.shape[1] - z.shape[2]))
                sides[side] = Points.cat([tokens, Points(vectors.to(tokens.z), columns)])
            return {**call, **sides}

        return replace(given, arguments=arguments)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Both vectors of each text, then what `ReplacedTokens` gives."""
        asked = super().forward(features)
        whole = {name: value for name, value in self._on_device(features).items() if name in ("input_ids", "offsets")}
        twice = concat([whole, whole])
        z = pool(self.encoder._hidden(twice), twice["offsets"], self.encoder.pooling)
        both = torch.stack(list(z.chunk(2)), 1).to(asked)
        return torch.cat([F.pad(both, (0, asked.shape[2] - both.shape[2])), asked], 1)
