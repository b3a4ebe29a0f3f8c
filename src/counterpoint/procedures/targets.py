"""Mixing of points that have a number for a target: mixtures between targets are ordered as the targets are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures._base import Call, Procedure, every_point


class MixTargets(Procedure):
    """Hard positives and hard negatives of points with a number for a target (SupReMix).

    All points of a batch become queries, of length one. Every point `j` of another target gives a hard negative of `i`,
    `a z_i + (1 - a) z_j`, `a ~ Beta(alpha, beta)`, with the target `a y_i + (1 - a) y_j`. Every two points of which one
    has a lower and the other a higher target, both less than `window` away from `y_i`, give a hard positive,
    `b z_j + (1 - b) z_k` with the `b` that mixes their targets to `y_i`. They are owned keys with a column of their
    targets, by which a relation may weigh them; they are shorter than one and have no gradient, so that an objective on
    them compares by `Dot`. Source: Wu et al. 2023, "Mixup Your Own Pairs", section 3; the window, the shares and the
    lengths are those of the authors' code.

    Args:
        column: The target.
        window: In units of the target, above 0.
        shares: `alpha` and `beta`, above 0; (2, 8) is theirs.
        positives: Whether there are hard positives.
        negatives: Whether there are hard negatives.

    Raises:
        InputError: for numbers out of their range, or no mixtures; in a call, if the column is lacking.

    Examples:
        >>> points = Points(torch.eye(3), age=torch.tensor([0.0, 1.0, 2.0]))
        >>> (call,) = MixTargets("age", negatives=False)([{"queries": points}], lambda model: {})
        >>> call["owned"].columns["valid"].tolist()  # only the second has a target between two others
        [[False], [True], [False]]
        >>> call["owned"].z[1, 0].tolist()
        [0.5, 0.0, 0.5]
    """

    def __init__(
        self,
        column: str,
        *,
        window: float = 5.0,
        shares: tuple[float, float] = (2.0, 8.0),
        positives: bool = True,
        negatives: bool = True,
    ) -> None:
        super().__init__()
        if min(window, *shares) <= 0 or not (positives or negatives):
            raise InputError(
                f"a window of {window}, shares of {shares}, positives {positives}, negatives {negatives}",
                fix="give numbers above 0, and at least one kind of mixtures",
            )
        self.column, self.window, self.shares = column, window, shares
        self.positives, self.negatives = positives, negatives

    def change(self, call: Call) -> Call:
        """The call with its mixtures."""
        points = every_point(call)
        if self.column not in points.columns:
            raise InputError(f"the target is the column {self.column!r}, which is lacking", fix="give it to the points")
        points = points.with_z(F.normalize(points.z, dim=1))
        y = points.columns[self.column].to(points.z)
        parts = [self._between(points.z.detach(), y)] if self.positives else []
        parts += [self._toward(points.z.detach(), y)] if self.negatives else []
        rest = {name: value for name, value in call.items() if name != "keys"}
        z, target, positive, valid = (torch.cat(column, 1) for column in zip(*parts, strict=True))
        return {
            **rest,
            "queries": points,
            "owned": Points(z, {self.column: target, "positive": positive, "valid": valid}),
        }

    def _between(self, z: Float[Tensor, "n d"], y: Float[Tensor, " n"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gap = y[None] - y[:, None]
        low, high = (gap < 0) & (gap > -self.window), (gap > 0) & (gap < self.window)
        i, j, k = (low[:, :, None] & high[:, None]).nonzero().T
        share = ((y[k] - y[i]) / (y[k] - y[j]))[:, None]
        mixed, valid = _rows(share * z[j] + (1 - share) * z[k], i, len(z))
        return mixed, y[:, None].expand(valid.shape), torch.ones_like(mixed[..., 0]), valid

    def _toward(self, z: Float[Tensor, "n d"], y: Float[Tensor, " n"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n = len(z)
        share = torch.distributions.Beta(*self.shares).sample((n, n)).to(z)
        mixed = share[..., None] * z[:, None] + (1 - share[..., None]) * z[None]
        target = share * y[:, None] + (1 - share) * y[None]
        return mixed, target, torch.zeros_like(target), y[None] != y[:, None]


def _rows(
    values: Float[Tensor, "m d"], row: Int[Tensor, " m"], n: int
) -> tuple[Float[Tensor, "n s d"], Bool[Tensor, "n s"]]:
    """Values side by side in their rows, which come in order; where a row has fewer than another, 0 and False."""
    count = torch.bincount(row, minlength=n)
    place = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    width = int(count.max())
    rows = values.new_zeros(n, width, values.shape[1])
    rows[row, place] = values
    return rows, torch.arange(width, device=row.device) < count[:, None]
