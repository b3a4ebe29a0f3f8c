"""What the rest of the library may ask of an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from counterpoint.encoders.features import Features, Kind


@runtime_checkable
class Encoder(Protocol):
    """Texts in, vectors out. Encoders are `torch.nn.Module`s; everything downstream uses only this.

    Training: `tokenize` a data set once, `take` each batch from the features, `concat` its columns, and
    call the encoder on them once. Inference: `encode`.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
        >>> isinstance(encoder, Encoder), encoder(encoder.tokenize(["small"])).shape
        (True, torch.Size([1, 8]))
    """

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """Token ids of `texts`, each after the prompt of its `kind`."""

    def forward(self, features: Features) -> Float[Tensor, "n d"]:
        """One vector a text, with gradient."""

    def encode(self, texts: Iterable[str], *, kind: Kind = None, **options: Any) -> Float[np.ndarray, "n d"]:
        """One float32 vector a text, without gradient, in the order of `texts`."""

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a model folder that `load` and sentence-transformers read."""
