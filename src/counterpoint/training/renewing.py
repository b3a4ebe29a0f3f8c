"""Rows that are made anew in training: what was mined by an encoder is mined again by what has become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.training._processes import Processes
from counterpoint.training.rows import RowBatches

Renew = Callable[[Data, int], Data]
"""From the rows as they are, and how many steps were taken, to what they become."""


class RenewedRows(nn.Module, RowBatches):
    """`RowBatches` whose negatives and columns become others at times, evenly spread over the steps of training.

    What they are is kept in buffers, and so in checkpoints: a run that is gone on with has what was mined before. Every
    process has what the first one made. Source: Xiong et al. 2021 (ANCE), where the index is built anew by
    the newest checkpoint while training goes on; here training waits, so that it always follows from the seed.

    Args:
        data: The rows at first.
        encoder: Makes inputs of items.
        times: How often; the first time is not the start.
        renew: It leaves the rows, their anchors and positives as they are, and the shapes of what it changes.
        **options: Of `RowBatches`; the groups of `together` stay what they are at first.

    Raises:
        InputError: As `RowBatches`; later, rows of another number or shape.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> data = rows_of([Example("a", ("b",), ("c",)), Example("c", ("d",), ("a",))])
        >>> def turned(data, step):
        ...     return replace(data, negatives=data.negatives.flip(0))
        >>> rows = RenewedRows(data, StaticEncoder.from_corpus(["a b c d"], dim=4), times=1, renew=turned)
        >>> for step in range(4):
        ...     rows.begin(step, 4)
        >>> rows.data.negatives.tolist() == data.negatives.flip(0).tolist()
        True
    """

    def __init__(self, data: Data, encoder: nn.Module, *, times: int, renew: Renew, **options: Any) -> None:
        nn.Module.__init__(self)
        # buffers and data are the same tensors: what is put in the one is in the other
        data = _changed(data, {name: value.clone() for name, value in _changing(data).items()})
        RowBatches.__init__(self, data, encoder, **options)
        self._times, self._renew = times, renew
        for i, value in enumerate(_changing(data).values()):
            self.register_buffer(f"part_{i}", value)

    def begin(self, step: int, steps: int) -> None:
        """Make them anew if it is time to."""
        if not step or step not in {round(steps * (i + 1) / (self._times + 1)) for i in range(self._times)}:
            return
        with torch.random.fork_rng(devices=[]):
            made = self._renew(self.data, step)
        held, found = _changing(self.data), Processes.current().broadcast(_changing(made))
        shapes = [{name: tuple(value.shape) for name, value in side.items()} for side in (held, found)]
        if shapes[0] != shapes[1]:
            raise InputError(f"rows were {shapes[0]} and are {shapes[1]}", fix="change their values alone in training")
        for name, value in held.items():
            value.copy_(found[name])


def _changing(data: Data) -> dict[str, Tensor]:
    """What may become another."""
    hard = {} if data.negatives is None else {"negatives": data.negatives}
    return hard | {f"column {name}": value for name, value in sorted(data.columns.items())}


def _changed(data: Data, values: dict[str, Tensor]) -> Data:
    columns = {name: values[f"column {name}"] for name in data.columns}
    return replace(data, negatives=values.get("negatives"), columns=columns)
