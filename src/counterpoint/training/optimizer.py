"""The optimizer, its schedule, and the running average of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from counterpoint.training.config import TrainConfig


def make_optimizer(modules: Iterable[nn.Module], config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, fused where torch has it, or plain gradient descent; with weight decay for matrices only."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad:
                (decayed if parameter.ndim > 1 else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step, `0 <= step < steps`: warm-up, then the schedule.

    Examples:
        >>> c = TrainConfig(learning_rate=1.0, warmup=0.5, schedule="linear")
        >>> [learning_rate(c, s, 4) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    rising = math.ceil(config.warmup * steps)
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    factor = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return config.learning_rate * factor[config.schedule]


class Average:
    """A running average of a module's parameters, with the start-up bias taken out.

    `a_t = (1 - b_t) a_{t-1} + b_t w_t` with `b_t = (1 - decay) / (1 - decay^t)`, so the first average is the first
    weights. Source: the bias correction of Kingma and Ba 2015, section 3, on Polyak and Juditsky's averaging.

    Examples:
        >>> layer = nn.Linear(1, 1)
        >>> average = Average(layer, 0.9); average.update(1)
        >>> torch.equal(average.values["weight"], layer.weight)
        True
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module, self.decay = module, decay
        self.values = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step`, counted from 1."""
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, parameter in self._module.named_parameters():
            self.values[name].lerp_(parameter, share)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the module's weights and the average."""
        for name, parameter in self._module.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name] = kept
