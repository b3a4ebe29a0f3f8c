"""Mixing of points that have a number for a target: mixtures between targets are ordered as the targets are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure
from counterpoint.procedures.mixing import beta


class MixTargets(Procedure):
    """Hard positives and hard negatives of points with a number for a target (SupReMix).

    All points of a batch become queries. A hard negative of `i` is `normalise(a z_i + (1 - a) z_j)` with a point of
    another target, `a ~ Beta(alpha, alpha)`, and has the target `a y_i + (1 - a) y_j`. A hard positive is
    `normalise(b z_j + (1 - b) z_k)` of a point with a lower and one with a higher target, with the `b` that mixes their
    targets to `y_i`. They are owned keys with a column of their targets, by which a relation may weigh them. The
    gradient flows through the mixtures. Source: Wu et al. 2023, "Mixup Your Own Pairs", section 3.

    Args:
        column: The target.
        positives: Hard positives for each point.
        negatives: Hard negatives for each point.
        alpha: Above 0.

    Raises:
        InputError: for numbers out of their range; in a call, if the column is lacking.

    Examples:
        >>> points = Points(torch.eye(3), age=torch.tensor([0.0, 1.0, 2.0]))
        >>> (call,) = MixTargets("age", positives=1, negatives=2)([{"queries": points}], lambda model: {})
        >>> call["owned"].columns["valid"][:, 0].tolist()  # only the second has a target between two others
        [False, True, False]
        >>> torch.equal(call["owned"].z[1, 0], F.normalize(torch.tensor([1.0, 0.0, 1.0]), dim=0))
        True
    """

    def __init__(self, column: str, *, positives: int = 4, negatives: int = 16, alpha: float = 2.0) -> None:
        super().__init__()
        if min(positives, negatives) < 0 or positives + negatives < 1 or alpha <= 0:
            raise InputError(
                f"{positives} positives and {negatives} negatives, mixed with alpha {alpha}",
                fix="give 0 or more, and an alpha above 0",
            )
        self.column, self.positives, self.negatives, self.alpha = column, positives, negatives, alpha

    def change(self, call: Call) -> Call:
        """The call with its mixtures."""
        points = Points.cat([as_points(call[side]) for side in ("queries", "keys") if side in call])
        if self.column not in points.columns:
            raise InputError(f"the target is the column {self.column!r}, which is lacking", fix="give it to the points")
        z, y = F.normalize(points.z, dim=1), points.columns[self.column].to(points.z)
        gap = y[None] - y[:, None]
        low, some_low = _drawn(gap < 0, self.positives)
        high, some_high = _drawn(gap > 0, self.positives)
        # the lowest and the highest target have none on one side; what is drawn there must be finite
        found = (some_low & some_high)[:, None].expand_as(low)
        between = torch.where(found, (y[high] - y[:, None]) / torch.where(found, y[high] - y[low], 1.0), 0.5)
        other, some_other = _drawn(gap != 0, self.negatives)
        share = beta(len(y) * self.negatives, self.alpha).to(y).view(len(y), self.negatives)
        toward = share[..., None] * z[:, None] + (1 - share)[..., None] * z[other]
        mixed = torch.cat([between[..., None] * z[low] + (1 - between)[..., None] * z[high], toward], 1)
        target = torch.cat([y[:, None].expand_as(between), share * y[:, None] + (1 - share) * y[other]], 1)
        valid = torch.cat([found, some_other[:, None].expand_as(other)], 1)
        positive = torch.zeros_like(target)
        positive[:, : self.positives] = 1.0
        owned = Points(F.normalize(mixed, dim=2), {self.column: target, "positive": positive, "valid": valid})
        return {**{k: v for k, v in call.items() if k != "keys"}, "queries": points, "owned": owned}


def _drawn(allowed: Bool[Tensor, "n m"], number: int) -> tuple[Int[Tensor, "n s"], Bool[Tensor, " n"]]:
    """So many of the allowed for each row, with replacement; anything, and False, where there are none."""
    some = allowed.any(1)
    weight: Float[Tensor, "n m"] = (allowed | ~some[:, None]).float()
    if not number:
        return torch.zeros((len(allowed), 0), dtype=torch.long, device=allowed.device), some
    return torch.multinomial(weight, number, replacement=True), some
