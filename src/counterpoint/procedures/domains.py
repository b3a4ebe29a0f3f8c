"""Procedures for data of several domains: keys of one domain a step, and random mixtures of all domains."""

from __future__ import annotations

import torch
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class OneDomain(Procedure):
    """Keys are those of one domain, drawn anew in each step, as many of every class; queries are of all domains.

    What tells classes apart in one domain only then does not help. A class of which the batch holds fewer is there as
    often by repetition; one that it lacks is not. Source: Wang et al. 2023, "Learning Invariant Representations with a
    Nonparametric Nadaraya-Watson Head", section 4.2, where the support is drawn from all training data.

    Args:
        column: The domain.
        shots: Keys of each class.

    Raises:
        InputError: for less than one shot; in a call, if the column or the label is lacking.

    Examples:
        >>> keys = Points(torch.eye(4), domain=torch.tensor([0, 0, 0, 1]), label=torch.tensor([0, 0, 1, 0]))
        >>> one = OneDomain("domain", 2)
        >>> (found,) = one([{"queries": keys, "keys": keys}], lambda model: {})
        >>> found["keys"].columns["label"].tolist(), len(found["queries"])
        ([0, 0, 1, 1], 4)
    """

    steps: Tensor

    def __init__(self, column: str, shots: int) -> None:
        super().__init__()
        if shots < 1:
            raise InputError(f"{shots} keys of each class", fix="give 1 or more")
        self.column, self.shots = column, shots
        self.register_buffer("steps", torch.tensor(0))

    def change(self, call: Call) -> Call:
        """The call with this step's support."""
        keys = as_points(call["keys"])
        domain, label = _column(keys, self.column).cpu(), _column(keys, "label").cpu()
        generator = torch.Generator().manual_seed(int(self.steps))
        domains, rows = domain.unique(), []
        here = domain == domains[torch.randint(len(domains), (), generator=generator)]
        for each in label[here].unique():
            of = (here & (label == each)).nonzero()[:, 0]
            order = of[torch.randperm(len(of), generator=generator)]
            rows.append(order[torch.arange(self.shots) % len(of)])
        return {**call, "keys": keys[torch.cat(rows).to(keys.z.device)]}

    def finish_step(self) -> None:
        """The next draw."""
        self.steps += 1


class CutDomains(Procedure):
    """Two random mixtures of all domains: each domain's points are cut in two at a random place (column `mixture`).

    Whatever the shares of the domains, invariant features have one distribution. Source: Wang et al. 2022, "Invariant
    Causal Mechanisms through Distribution Matching", algorithm 1.

    Args:
        column: The domain.

    Raises:
        InputError: in a call, if the column is lacking.

    Examples:
        >>> points = Points(torch.zeros(6, 2), domain=torch.tensor([0, 0, 0, 1, 1, 1]))
        >>> (call,) = CutDomains("domain")([{"queries": points}], lambda model: {})
        >>> mixture = call["queries"].columns["mixture"]
        >>> bool((mixture.view(2, 3).diff(dim=1) >= 0).all())  # first those of one mixture, then those of the other
        True
    """

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def change(self, call: Call) -> Call:
        """The call with its sides cut."""
        return {**call, **{side: self._cut(as_points(call[side])) for side in ("queries", "keys") if side in call}}

    def _cut(self, points: Points) -> Points:
        domain = _column(points, self.column)
        mixture = torch.zeros_like(domain)
        for each in domain.unique():
            rows = (domain == each).nonzero()[:, 0]
            mixture[rows[int(torch.randint(len(rows), ())) :]] = 1
        return points.with_columns(mixture=mixture)


def _column(points: Points, name: str) -> Tensor:
    if name not in points.columns:
        raise InputError(f"points are told apart by the column {name!r}, which is lacking", fix="give it to them")
    return points.columns[name]
