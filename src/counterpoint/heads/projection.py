"""Projection heads: the loss is taken on `g(h)`, the representation that is kept is `h`."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def projection(
    width: int, *, hidden: tuple[int, ...] = (), out: int | None = None, activation: Callable[[], nn.Module] = nn.ReLU,
    norm: Callable[[int], nn.Module] | None = None, last: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:  # fmt: skip
    """A multilayer perceptron, `g(h) = W_l a(... a(W_1 h))`.

    `projection(d, hidden=(d,), out=128)` is that of Chen et al. 2020, section 2.1 (one hidden layer, ReLU), with
    `norm=nn.BatchNorm1d` in the hidden layer SwAV's (Caron et al. 2020) and W-MSE's (Ermolov et al. 2021);
    `projection(d, last=nn.Tanh)` is SimCSE's (Gao et al. 2021, section 3: one layer and tanh, BERT's pooler);
    `projection(d)` is a linear head.

    Training gives a head the whole batch, of all processes, so that BatchNorm is exact in any execution; see `PerView`
    for batch statistics of one view.

    Args:
        width: Of the representation.
        hidden: Width of each hidden layer.
        out: Width of the projection; `width` if not given.
        activation: After each hidden layer.
        norm: From the width of a hidden layer to what stands between it and its activation; the layer then has no bias,
            which `norm` would take away.
        last: After the last layer; nothing if not given.

    Examples:
        >>> import torch
        >>> projection(8, hidden=(8,), out=4)(torch.zeros(2, 8)).shape
        torch.Size([2, 4])
        >>> [type(layer).__name__ for layer in projection(8, hidden=(8,), norm=nn.BatchNorm1d)]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    out, layers = out or width, list[nn.Module]()
    for after in hidden:
        layers += [nn.Linear(width, after, bias=norm is None), *([] if norm is None else [norm(after)]), activation()]
        width = after
    layers.append(nn.Linear(width, out))
    return nn.Sequential(*layers, *([] if last is None else [last()]))
