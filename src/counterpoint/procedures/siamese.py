"""Siamese procedures: a teacher that follows the student, stop-gradient, a predictor on one side."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Again, Call, Procedure


class Teacher(Procedure):
    """Keys come from a teacher, without gradient: a running average of the student's weights.

    `teacher <- decay * teacher + (1 - decay) * student` after each step. The calls become `L(q, t(k))` and, if
    symmetric, `L(k, t(q))`, whose mean is the loss. With a decay of 0 the teacher is the student itself and nothing is
    encoded twice: plain stop-gradient.

    Sources: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", eq. 2; Grill et al.
    2020, "Bootstrap Your Own Latent", eq. 1 and section 3.2 (symmetric); Chen and He 2021, "Exploring Simple Siamese
    Representation Learning", eq. 4 (decay 0).

    Args:
        decay: From 0 to below 1.
        symmetric: Both sides are students of the other.
        stop: Keys have no gradient. Without, and a decay of 0, both sides follow: what collapses in SimSiam's figure 2.

    Raises:
        InputError: for a decay out of its range; in a call, for a batch with one side.

    Examples:
        >>> teacher = Teacher(0.0)
        >>> q, k = torch.eye(2, requires_grad=True), torch.ones(2, 2)
        >>> there, back = teacher([{"queries": q, "keys": k}], lambda model: {})
        >>> back["queries"] is k, back["keys"].z.requires_grad
        (True, False)
    """

    def __init__(self, decay: float = 0.99, *, symmetric: bool = True, stop: bool = True) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise InputError(f"the teacher's decay is {decay}, it must be from 0 to below 1", fix="0.99 is common")
        self.decay, self.symmetric, self.stop = decay, symmetric, stop
        self.model: nn.Module | None = None
        # a list, so that the student is no part of this module
        self._student: list[nn.Module] = []

    def start(self, model: nn.Module) -> None:
        """The teacher begins as the student is."""
        if self.decay:
            self._student, self.model = [model], copy.deepcopy(model).requires_grad_(False)

    def encoder(self) -> nn.Sequential:
        """The encoder of a teacher with a decay above 0, as it is at test; behind it the student's own head."""
        student = self._student[0]
        # what a procedure is started with
        assert isinstance(self.model, nn.Sequential) and isinstance(student, nn.Sequential)  # noqa: PT018
        return nn.Sequential(self.model[0].eval(), student[1])

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """Keys by the teacher; both ways if symmetric."""
        (call,) = calls
        taught = call if self.model is None else again(self.model)
        if "keys" not in call:
            raise InputError("a teacher gives the keys of two-sided batches, this has one side", fix="use two views")
        there = {**call, "keys": self._stopped(taught["keys"])}
        if "owned" in call:
            there["owned"] = self._stopped(taught["owned"])
        if not self.symmetric:
            return [there]
        return [there, {"queries": call["keys"], "keys": self._stopped(taught["queries"])}]

    @torch.no_grad()
    def finish_step(self) -> None:
        """The teacher follows."""
        if self.model is not None:
            for mine, other in zip(self.model.parameters(), self._student[0].parameters(), strict=True):
                mine.lerp_(other, 1 - self.decay)
            for kept, new in zip(self.model.buffers(), self._student[0].buffers(), strict=True):
                kept.copy_(new)

    def _stopped(self, side: Points | torch.Tensor) -> Points:
        points = as_points(side)
        return points.with_z(points.z.detach()) if self.stop else points


class Predictor(Procedure):
    """A network on one side only: `L(h(q), k)`, or of keys `L(q, h(k))`.

    Sources: Grill et al. 2020, "Bootstrap Your Own Latent", section 3.1; Chen and He 2021, "Exploring Simple Siamese
    Representation Learning", eq. 1. Of keys: Cer et al. 2018, "Universal Sentence Encoder", whose one encoder so tells
    a text from a response to it.

    Args:
        network: `h`, from and to the dimension of the other side. It sees each call by itself: after a symmetric
            `Teacher` its batch statistics are those of one view.
        side: `"queries"` or `"keys"`.

    Raises:
        InputError: in a call without that side.

    Examples:
        >>> (call,) = Predictor(nn.Linear(2, 2))([{"queries": torch.eye(2), "keys": torch.eye(2)}], lambda model: {})
        >>> call["queries"].z.requires_grad
        True
    """

    def __init__(self, network: nn.Module, *, side: Literal["queries", "keys"] = "queries") -> None:
        super().__init__()
        self.network, self.side = network, side

    def change(self, call: Call) -> Call:
        """That side, predicted."""
        if call.get(self.side) is None:
            raise InputError(f"there are no {self.side} to predict", fix="give batches of two sides")
        points = as_points(call[self.side])
        return {**call, self.side: points.with_z(self.network(points.z))}
