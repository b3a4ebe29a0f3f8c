"""Mixing of labelled features: positives that lean to another class, and points of another class that lean to this."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures._base import Call, Procedure, every_point
from counterpoint.procedures.mixing import beta
from counterpoint.relation import Columns, Pairs, Rule


class MixHardPairs(Procedure):
    """Two mixtures of each labelled point join the batch, and a network's view of every vector is put behind it.

    - A hard positive, `a z_p + (1 - a) z_n`: of the least similar point of the same class and the most similar one of
      another, `a ~ Beta(alpha, alpha)`.
    - A hard negative, `b z_j + (1 - b) z_i`: of a random point and a little of this one, `b` the same, but at least
      `least`.

    All are queries: columns are `label`, of the first part, `other`, of the second, and the first's `share`, by which
    `shares` weighs them. Source: Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models
    via Contrast-Regularized Fine-Tuning", section 4.1 and algorithm 1.

    Args:
        network: Behind `z` stands `network(z)`, where contrast is taken; from the vectors' dimension.
        alpha: Above 0; 1 is theirs.
        least: From 0 to 1; 0.8 is theirs.
        hard: Else the other point of the same class and the one of another are any: a control.

    Raises:
        InputError: for numbers out of their range; in a call, for points without labels.

    Examples:
        >>> points = Points(torch.eye(4), label=torch.tensor([0, 0, 1, 1]))
        >>> (call,) = MixHardPairs(nn.Linear(4, 2))([{"queries": points}], lambda model: {})
        >>> tuple(call["queries"].z.shape), call["queries"].columns["label"][:8].tolist()
        ((12, 6), [0, 0, 1, 1, 0, 0, 1, 1])
    """

    def __init__(self, network: nn.Module, *, alpha: float = 1.0, least: float = 0.8, hard: bool = True) -> None:
        super().__init__()
        if alpha <= 0 or not 0 <= least <= 1:
            raise InputError(f"alpha is {alpha} and the least share {least}", fix="1 and 0.8 are common")
        self.network, self.alpha, self.least, self.hard = network, alpha, least, hard

    def change(self, call: Call) -> Call:
        """The call with its mixtures, on one side."""
        points = every_point(call)
        if "label" not in points.columns:
            raise InputError("pairs are mixed by class, which the points lack", fix="pass Points(z, label=...)")
        z, y = points.z, points.columns["label"]
        score, alike = F.normalize(z.detach(), dim=1), y[:, None] == y
        score = score @ score.T if self.hard else torch.rand(len(y), len(y)).to(score)
        # a point that is alone in its class stands for itself
        furthest = score.masked_fill(~alike, torch.inf).argmin(1)
        nearest = score.masked_fill(alike, -torch.inf).argmax(1)
        drawn = torch.randperm(len(z)).to(z.device)
        a, b = (beta(len(z), self.alpha).to(z) for _ in range(2))
        b = b.clamp_min(self.least)
        positive = a[:, None] * z[furthest] + (1 - a)[:, None] * z[nearest]
        negative = b[:, None] * z[drawn] + (1 - b)[:, None] * z
        every = torch.cat([z, positive, negative])
        return {
            "queries": Points(
                torch.cat([every, self.network(every)], 1),
                label=torch.cat([y, y, y[drawn]]),
                other=torch.cat([y, y[nearest], y]),
                share=torch.cat([torch.ones_like(a), a, b]),
            )
        }


def _weigh(q: Columns, k: Columns) -> Pairs | None:
    if not {"label", "other", "share"} <= q.keys() or "label" not in k:
        return None
    share = q["share"]
    return share * (q["label"] == k["label"]) + (1 - share) * (q["other"] == k["label"])


shares = Rule(_weigh)
"""How much of a mixture is of the key's class: with classes as keys, SupCon is the cross-entropy with soft labels."""
