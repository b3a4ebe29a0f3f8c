"""Procedures for data of several domains: keys of one domain a step, and random mixtures of all domains."""

from __future__ import annotations

import torch
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class OneDomain(Procedure):
    """Keys are those of one domain, another one in each step, in turn; queries are of all domains.

    What tells classes apart in one domain only then does not help. Source: Wang et al. 2023, "Learning Invariant
    Representations with a Nonparametric Nadaraya-Watson Head", section 4.2, where the domain is drawn at random and its
    keys, the support, have all classes equally often; here they are those of the batch.

    Args:
        column: The domain, 0 to `domains - 1`.
        domains: How many.

    Raises:
        InputError: for less than one domain; in a call, if the column is lacking.

    Examples:
        >>> keys = Points(torch.eye(3), domain=torch.tensor([1, 0, 1]))
        >>> turns, call = OneDomain("domain", 2), {"queries": keys, "keys": keys}
        >>> for _ in range(2):
        ...     (found,) = turns([call], lambda model: {})
        ...     turns.finish_step()
        ...     print(len(found["keys"]), len(found["queries"]))
        1 3
        2 3
    """

    steps: Tensor

    def __init__(self, column: str, domains: int) -> None:
        super().__init__()
        if domains < 1:
            raise InputError(f"{domains} domains", fix="give how many the data have")
        self.column, self.domains = column, domains
        self.register_buffer("steps", torch.tensor(0))

    def change(self, call: Call) -> Call:
        """The call with the keys of this step's domain."""
        keys = as_points(call["keys"])
        return {**call, "keys": keys[_column(keys, self.column) == int(self.steps) % self.domains]}

    def finish_step(self) -> None:
        """The next domain's turn."""
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
        raise InputError(f"the domain is the column {name!r}, which is lacking", fix="give it to the points")
    return points.columns[name]
