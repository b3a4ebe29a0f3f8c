"""Whitening in groups of dimensions that are drawn anew."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


class GroupWhitening(nn.Module):
    """Dimensions in random groups, each whitened over the batch: uncorrelated, of variance 1, as near as can be (ZCA).

    Of each group's centred values `x` with covariance `U S U^T` it is `x U S^(-1/2) U^T`; the dimensions are then where
    they were. The groups are drawn in each call, so each view has its own in a `PerView`. The matrix counts as a
    constant: the gradient passes through `x` and its mean alone.

    Source: Zhuo et al. 2023, "Whitening-based Contrastive Learning of Sentence Embeddings", section 3.2 (shuffled group
    whitening), and the authors' code, whose matrix has no gradient.

    Args:
        size: Dimensions of a group, 1 or more; the batch needs more rows, and the dimension must be a multiple.

    Raises:
        InputError: for a size below 1; in a call, for a dimension that is no multiple, or too few or equal rows.

    Examples:
        >>> z = GroupWhitening(2)(torch.randn(50, 4) @ torch.randn(4, 4))
        >>> torch.allclose(z.square().mean(0), torch.ones(4), atol=1e-4)
        True
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 1:
            raise InputError(f"groups of {size} dimensions, they must have 1 or more", fix="6 is common")
        self.size = size

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """All rows, whitened together."""
        n, d = x.shape
        if d % self.size:
            raise InputError(f"{d} dimensions are no groups of {self.size}", fix="choose a size that divides them")
        order = torch.randperm(d).to(x.device)
        centred = (x - x.mean(0))[:, order].unflatten(1, (-1, self.size))
        with torch.no_grad():
            # in single precision small variances are lost beside large ones
            wide = centred if x.device.type == "mps" else centred.double()
            s, u = torch.linalg.eigh(torch.einsum("ngi,ngj->gij", wide, wide) / n)
            if bool((s[:, 0] <= 1e-12 * s[:, -1]).any()):
                raise InputError(
                    f"{n} rows cannot be whitened in groups of {self.size}: their covariance is singular",
                    fix="use a larger batch or smaller groups",
                )
            matrix = (u * s.rsqrt()[:, None]) @ u.transpose(1, 2)
        white = torch.einsum("ngi,gij->ngj", centred, matrix.to(centred))
        return white.flatten(1)[:, torch.argsort(order)]
