"""A head whose batch statistics are those of one view."""

from __future__ import annotations

from torch import nn


class PerView(nn.Sequential):
    """Layers one after another, which training gives one view of the batch after another, and not all at once.

    It matters to layers that look at their batch, such as BatchNorm. Whole batches go through a head in one call, all
    views together, as in SimCLR's and SwAV's code; in SimSiam's and BYOL's each view is a call of its own, and the
    running statistics follow view after view. A head that has a `PerView` anywhere is given views. Of pairs of
    anchors and others each side is a view.

    Examples:
        >>> import torch
        >>> head = PerView(nn.Linear(4, 2), nn.BatchNorm1d(2))
        >>> head(torch.randn(3, 4)).shape
        torch.Size([3, 2])
    """
