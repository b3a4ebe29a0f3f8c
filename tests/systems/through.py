"""A system's own method, trained for a few steps by the loop itself, with all that its last step saw."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.image import ImageEncoder
from counterpoint.methods import Recipe
from counterpoint.systems import get
from counterpoint.training import loop


@dataclass
class Step:
    """What a step of training saw, with the weights as they were before it.

    `network` is encoder and head, one after the other, to be differentiated by a naive loop; `calls` what the objective
    was called with; `loss` and `gradient` what the loop made of it, `gradient` by name of the network's parameters.
    """

    network: nn.Sequential = None
    procedure: Any = None
    objective: Any = None
    payload: Any = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    loss: float = 0.0
    gradient: dict[str, Tensor] = field(default_factory=dict)

    def views(self) -> tuple[Tensor, ...]:
        """The encoded inputs of each view, in the order of the batch."""
        return self.payload.inputs.chunk(len(self.payload.views) or 2)

    def z(self) -> tuple[Tensor, ...]:
        """What encoder and head make of each view, with a gradient for `same`."""
        return self.network(self.payload.inputs).chunk(len(self.payload.views) or 2)

    def layers(self) -> list[str]:
        """The kinds of the head's layers."""
        return [type(m).__name__ for m in self.network[1].modules() if not list(m.children())]


def small(data: Data) -> nn.Module:
    """A network for pictures that takes no time."""
    return ImageEncoder(data.anchors.tensor.shape[1], widths=(8, 16))


def step_of(
    method: str | Recipe, data: Data | None = None, *, n: int = 8, steps: int = 1, encoder: nn.Module | None = None
) -> Step:
    """The last of so many steps of `n` items, of a system by name (on the small data it runs on) or of a recipe."""
    if isinstance(method, str):
        system = get(method)
        data = system.sample.parts(0)[0] if data is None else data
        method = system.method()
    assert data is not None
    data = data[torch.arange(n * max(1, min(steps, len(data) // n)))]
    recipe = method.changed(steps=steps, batch_size=n, dtype="float32", clip=0.0, validations=1, warmup=0.0)
    found = Step()
    backward = loop._backward

    def watched(network, procedure, objective, payload, *rest):
        found.network, found.payload = copy.deepcopy(network), payload
        found.procedure, found.objective = copy.deepcopy(procedure), copy.deepcopy(objective)
        found.calls = []
        with objective.register_forward_pre_hook(lambda _m, _a, call: found.calls.append(dict(call)), with_kwargs=True):
            loss, seen = backward(network, procedure, objective, payload, *rest)
        found.loss = float(loss)
        found.gradient = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
        return loss, seen

    with patch.object(loop, "_backward", watched):
        recipe.make(data, 0, encoder=small(data) if encoder is None else encoder)
    return found


def same(step: Step, loss: Tensor, rtol: float = 1e-4) -> None:
    """The loop's loss and its gradient by every weight of the network are those of a naive loss of `step.network`."""
    torch.testing.assert_close(torch.tensor(step.loss), loss.detach().float(), rtol=rtol, atol=1e-6)
    named = dict(step.network.named_parameters())
    found = torch.autograd.grad(loss, [named[name] for name in step.gradient], allow_unused=True)
    scale = max(float(g.norm()) for g in step.gradient.values())
    for (name, wanted), one in zip(step.gradient.items(), found, strict=True):
        one = torch.zeros_like(wanted) if one is None else one
        torch.testing.assert_close(wanted, one, rtol=rtol * 10, atol=rtol * scale, msg=lambda m, n=name: f"{n}: {m}")
