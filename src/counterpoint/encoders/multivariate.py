"""Texts as Gaussians, whose divergence is the inner product of two vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind
from counterpoint.errors import InputError


class MultivariateEncoder(Wrapper):
    """A mean and a variance of each dimension, `m = A h + a` and `s = softplus_beta(B h + b)`, as one vector.

    The inner product of a query's and a document's vector is `-KL(N(m_q, s_q) || N(m_d, s_d))` but for what belongs to
    the query alone, `(k + sum log s_q) / 2`, and so orders documents as the divergence does, in any index:

    - a query: `[s + m^2, m, 1]`;
    - a document: `[-1 / (2 s), m / s, -sum(log s + m^2 / s) / 2]`,

    of `2 k + 1` dimensions. Features have one more key, `asked` (n,): which texts are queries.

    Source: Zamani and Bendersky 2023, "Multivariate Representation Learning for Information Retrieval". The trace is
    that of diagonal covariances, `sum s_q / s_d`, where the paper prints a quotient of products, and so are the
    vectors.

    Args:
        encoder: Of the vector `h`, which both layers read.
        size: `k`; 381 is theirs, which makes about as many numbers as BERT has dimensions.
        beta: Of `softplus_beta(x) = log(1 + exp(beta x)) / beta`, above 0.
        spread: Whether variances are learned; else all are 1, and the order is that of the means' distance.

    Raises:
        InputError: A size below 1, or a `beta` that is not above 0.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = MultivariateEncoder(StaticEncoder.from_corpus(["a cat", "two dogs"], dim=4), size=3)
        >>> encoder.encode(["a cat"], kind="query").shape
        (1, 7)
    """

    def __init__(self, encoder: TextEncoder, size: int = 381, beta: float = 5.0, *, spread: bool = True) -> None:
        if size < 1 or not 0 < beta < float("inf"):
            raise InputError(f"{size} dimensions, and beta {beta}", fix="give 1 or more, and a beta above 0")
        super().__init__(encoder)
        self.size, self.beta, self.spread = size, beta, spread
        self.normalize, self.similarity, self.width = False, "dot", 2 * size + 1
        self.mean = nn.Linear(encoder.dim, size)
        self.variance = nn.Linear(encoder.dim, size) if spread else nn.Identity()

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`."""
        features = super().tokenize(texts, kind)
        return {**features, "asked": torch.full((len(texts),), kind == "query")}

    def gaussians(self, features: Features) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Mean and variance of each text, with gradient."""
        h = self.encoder(features)
        mean: Tensor = self.mean(h)
        return mean, F.softplus(self.variance(h), beta=self.beta) if self.spread else torch.ones_like(mean)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        mean, variance = self.gaussians(features)
        query = torch.cat([variance + mean.square(), mean, torch.ones_like(mean[:, :1])], 1)
        alone = (variance.log() + mean.square() / variance).sum(1, keepdim=True)
        document = torch.cat([-0.5 / variance, mean / variance, -0.5 * alone], 1)
        return torch.where(features["asked"].bool()[:, None], query, document)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)


def as_gaussians(encoder: nn.Module, *, spread: bool = True) -> nn.Module:
    """An encoder of texts whose vectors become Gaussians (`MultivariateEncoder`); one of Gaussians stays.

    Args:
        encoder: Is within what comes back.
        spread: See `MultivariateEncoder`.

    Raises:
        InputError: It encodes no texts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> as_gaussians(StaticEncoder.from_corpus(["a cat"], dim=4)).dim
        763
    """
    if isinstance(encoder, MultivariateEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("there is no encoder of texts to make Gaussians of", fix="give a table or a transformer")
    return MultivariateEncoder(encoder, spread=spread).to(encoder.device)
