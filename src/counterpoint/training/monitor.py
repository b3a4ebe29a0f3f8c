"""What is watched while training: is the loss better than guessing, and are the points still spread out?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.evaluate.geometry import SAME, alignment, collapse, effective_rank, mean_cosine, uniformity
from counterpoint.geometry import translation_invariant
from counterpoint.heads import GroupWhitening
from counterpoint.points import Points

_SAMPLE = 512


@torch.no_grad()
def measure(
    seen: Mapping[str, Any], objective: nn.Module | None = None, head: nn.Module | None = None
) -> dict[str, Any]:
    """Figures of what the objective saw in this step, on its first 512 points a side.

    The effective rank is that of centred points and stays high where all of them are nearly the same; the mean cosine
    does not. A head with BatchNorm centres by itself, and spreads what is nearly the same: what it was given is looked
    at, too; what another head was given is spread where the points are. Of points of several vectors it is the one that
    is spread most. Directions do not count where the objective (the first part of a sum) compares by distances.

    Args:
        seen: The objective's arguments, and `encoded`, the vectors before the head, if there is one.
        objective: Its geometry says whether directions count; they do if it is not given.
        head: What was between `encoded` and the points.

    Returns:
        `alignment`, `uniformity`, `effective_rank`, `mean_cosine`, and `warning` where the points have collapsed;
        nothing of fewer than two points.

    Examples:
        >>> row = measure({"queries": torch.eye(4), "keys": torch.eye(4)})
        >>> row["alignment"], round(row["effective_rank"], 4), row["mean_cosine"]
        (0.0, 4.0, 0.0)
        >>> measure({"queries": torch.eye(4), "encoded": torch.ones(4, 2)}, head=nn.BatchNorm1d(2))["warning"]
        'complete collapse before the head: all vectors are nearly the same (mean cosine 1.0000)'
    """
    queries, keys = seen["queries"], seen.get("keys")
    q = _sample(queries)
    if len(q) < 2:
        # of what this process was asked, too little to say how it is spread
        return {}
    k = None if keys is None else _sample(keys)
    row: dict[str, Any] = {
        "uniformity": uniformity(q),
        "effective_rank": effective_rank(q),
        "mean_cosine": mean_cosine(q),
    }
    pair = _pairs(queries, keys)
    if pair is not None and k is not None:
        i, j = pair
        row["alignment"] = alignment(q[i], k[j])
    labels = queries.columns.get("label") if isinstance(queries, Points) else None
    classes = None if labels is None else len(torch.unique(labels))
    found = collapse(q, classes=classes, distances=objective is not None and _by_distance(objective))
    if found is not None:
        row["warning"] = str(found)
    elif head is not None and _of_the_batch(head) and (cosine := mean_cosine(_sample(seen["encoded"]))) >= SAME:
        row["warning"] = (
            f"complete collapse before the head: all vectors are nearly the same (mean cosine {cosine:.4f})"
        )
    return row


def _by_distance(objective: nn.Module) -> bool:
    every = (getattr(part, "geometry", None) for part in objective.modules())
    first = next((geometry for geometry in every if geometry is not None), None)
    return first is not None and translation_invariant(first)


def _of_the_batch(head: nn.Module) -> bool:
    """Whether a point depends on the others of its batch."""
    of_the_batch = (nn.BatchNorm1d, nn.BatchNorm2d, GroupWhitening)
    return any(isinstance(layer, of_the_batch) for layer in head.modules())


def _sample(side: Points | Tensor) -> Tensor:
    z = (side.z if isinstance(side, Points) else side)[:_SAMPLE].detach().float()
    if z.ndim > 2 and len(z) > 1:
        # of a mean and a variance, say, the variance may rightly be the same for all: what is spread most counts
        z = min(z.flatten(1, -2).unbind(1), key=mean_cosine)
    return z.flatten(1)


def _pairs(queries: Points | Tensor, keys: Points | Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Places of positive pairs within both samples."""
    if keys is None:
        return None
    if isinstance(queries, Tensor) or isinstance(keys, Tensor):
        rows = torch.arange(min(len(queries), len(keys), _SAMPLE))
        return rows, rows
    if "sample" not in queries.columns or "sample" not in keys.columns:
        return None
    same = queries.columns["sample"][:_SAMPLE, None] == keys.columns["sample"][None, :_SAMPLE]
    i, j = same.nonzero(as_tuple=True)
    return (i, j) if len(i) else None
