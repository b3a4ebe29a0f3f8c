"""Projection heads: the loss is taken on `g(h)`, the representation that is kept is `h`."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def projection(
    width: int, *, hidden: tuple[int, ...] = (), out: int | None = None, activation: Callable[[], nn.Module] = nn.ReLU,
    last: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:  # fmt: skip
    """A multilayer perceptron, `g(h) = W_l a(... a(W_1 h))`.

    `projection(d, hidden=(d,), out=128)` is SimCLR's (Chen et al. 2020, section 2.1: one hidden layer, ReLU);
    `projection(d, last=nn.Tanh)` is SimCSE's (Gao et al. 2021, section 3: one layer and tanh, BERT's pooler);
    `projection(d)` is a linear head.

    Args:
        width: Of the representation.
        hidden: Width of each hidden layer.
        out: Width of the projection; `width` if not given.
        activation: After each hidden layer.
        last: After the last layer; nothing if not given.

    Examples:
        >>> import torch
        >>> projection(8, hidden=(8,), out=4)(torch.zeros(2, 8)).shape
        torch.Size([2, 4])
    """
    out, layers = out or width, list[nn.Module]()
    for after in hidden:
        layers += [nn.Linear(width, after), activation()]
        width = after
    layers.append(nn.Linear(width, out))
    return nn.Sequential(*layers, *([] if last is None else [last()]))
