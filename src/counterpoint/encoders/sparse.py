"""Sparse codes of frozen vectors: few of many dimensions are on, and how many may be chosen anew at any time."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError


class SparseAutoencoder(nn.Module):
    """`z = ReLU(TopK(W (x - b) + c))`, from which `W' z + b` is the vector again: encoder and decoder are tied.

    `forward` gives `W (x - b) + c`, all of it, for training (`counterpoint.procedures.SparseCodes`); `encode_items` the
    code. `k` may be changed afterwards: the code grows or shrinks without training. Sources: Wen et al. 2025, "Beyond
    Matryoshka", and the authors' code (the matrix and both offsets); Gao et al. 2024, "Scaling and evaluating sparse
    autoencoders" (TopK).

    Args:
        width: Of the vectors.
        latents: Dimensions of the code.
        k: How many of them are on, at most; where fewer are above 0, as many as these.

    Raises:
        InputError: More are to be on than there are.

    Examples:
        >>> encoder = SparseAutoencoder(2, 4, k=1)
        >>> with torch.no_grad():
        ...     _ = encoder.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))
        >>> code = encoder.encode_items(Items("vector", torch.tensor([[3.0, -4.0]])))
        >>> code.tolist(), encoder.decode(torch.from_numpy(code)).tolist()
        ([[0.0, 0.0, 0.0, 4.0]], [[0.0, -4.0]])
    """

    modality = "vector"

    def __init__(self, width: int, latents: int, *, k: int) -> None:
        super().__init__()
        if not 0 < k <= latents:
            raise InputError(f"{k} of {latents} latents are to be on", fix="give a k from 1 to as many as there are")
        self.dim, self.k = latents, k
        self.weight = nn.Parameter(torch.empty(latents, width))
        # as a linear layer's
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.offset, self.bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(latents))

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n m"]:
        """`W (x - b) + c`, with gradient."""
        return F.linear(x - self.offset, self.weight, self.bias)

    def decode(self, z: Float[Tensor, "n m"]) -> Float[Tensor, "n d"]:
        """`W' z + b`, with gradient."""
        return z @ self.weight + self.offset

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n m"]:
        """The code of each item, float32, without gradient."""
        del kind
        with torch.inference_mode():
            return np.asarray(sparse(self(items.tensor), self.k).numpy())


def sparse(scores: Float[Tensor, "n m"], k: int) -> Float[Tensor, "n m"]:
    """The `k` greatest of each row, where they are above 0; the others are 0.

    Examples:
        >>> sparse(torch.tensor([[1.0, 3.0, 2.0], [-1.0, -2.0, 5.0]]), 2).tolist()
        [[0.0, 3.0, 2.0], [0.0, 0.0, 5.0]]
    """
    top = scores.topk(k, dim=1)
    return torch.zeros_like(scores).scatter(1, top.indices, top.values).relu()
