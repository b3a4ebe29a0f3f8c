"""A row of the parity table: a peer's class, our expression, and the data on which both give the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

import counterpoint as cp
from counterpoint import geometry, objectives, relation
from counterpoint.points import Points, unmatched
from counterpoint.relation import Relation, same

LABEL = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
EVEN = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])

NAMES = {
    **{name: getattr(module, name) for module in (geometry, relation) for name in vars(module) if name[0] != "_"},
    **{name: getattr(objectives, name) for name in objectives.__all__},
    "labels": Relation(same("label")),
    "unit": geometry.Euclidean(normalized=True),
    "Points": Points,
    "unmatched": unmatched,
    "cached": cp.cached,
    "torch": torch,
    "math": math,
    "F": F,
}
"""What the expressions are written over."""


@dataclass
class Batch:
    """Data of a row.

    `call` is how an objective is called with it, over `names`. Gradients are compared for the `leaves`, and, for an
    objective that learns, of its parameters with those of `parameters`, in order.
    """

    call: str
    names: dict[str, Any]
    leaves: Sequence[torch.Tensor]
    parameters: Sequence[torch.Tensor] = ()


@dataclass(frozen=True)
class Row:
    """A peer's class in our words.

    Args:
        name: Theirs.
        ours: An objective, called as the batch says, or a whole call that gives the loss.
        theirs: From the batch's names to their loss.
        batch: Makes the data from a seed.
        against: `"their class"`, or what stands for it.
        note: What differs between the class and its paper, or between theirs and ours.
        own: A class of ours that does nothing else; empty for a composition.
        rtol: Wider only where the note says why.
    """

    name: str
    ours: str
    theirs: Callable[[SimpleNamespace], torch.Tensor]
    batch: Callable[[int], Batch]
    against: str = "their class"
    note: str = ""
    own: str = ""
    rtol: float = 1e-6


@dataclass(frozen=True)
class Gap:
    """A peer's class without an expression of ours, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Peer:
    """A peer's classes, in tables by title."""

    name: str
    version: str
    package: str
    """What must be importable for its tests; empty: nothing, all references are loops."""
    about: str = ""
    tables: dict[str, list[Row | Gap]] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """All that are tested."""
        return [row for rows in self.tables.values() for row in rows if isinstance(row, Row)]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Numbers with gradient, in double precision."""
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()


def labelled(seed: int, label: torch.Tensor = LABEL, d: int = 5) -> Batch:
    """Points with classes of 2 and 3."""
    z = normal(len(label), d, seed=seed)
    return Batch("points", {"z": z, "label": label, "points": Points(z, label=label)}, [z])


def evenly(seed: int) -> Batch:
    """Three classes of three points."""
    return labelled(seed, EVEN)


def on_the_sphere(seed: int) -> Batch:
    """Points with labels, of length one before any objective sees them."""
    x = normal(len(LABEL), 5, seed=seed)
    z = F.normalize(x, dim=1)
    return Batch("points", {"z": z, "label": LABEL, "points": Points(z, label=LABEL)}, [x])


def paired(seed: int, n: int = 7, d: int = 5) -> Batch:
    """Row i of the queries matches row i of the keys."""
    q, k = normal(n, d, seed=2 * seed), normal(n, d, seed=2 * seed + 1)
    return Batch("q, k", {"q": q, "k": k}, [q, k])


def triplets(seed: int, n: int = 7, s: int = 2, d: int = 5) -> Batch:
    """Queries with owned keys, the first of which is positive."""
    q, h = normal(n, d, seed=2 * seed), normal(n, s, d, seed=2 * seed + 1)
    positive = torch.zeros(n, s)
    positive[:, 0] = 1
    return Batch("q, owned=owned", {"q": q, "h": h, "owned": Points(h, positive=positive)}, [q, h])


def classes(seed: int, per_class: int = 1) -> Batch:
    """Points with labels and the vectors of 4 classes, `w (4, [per_class,] 5)`."""
    z = normal(len(LABEL), 5, seed=seed)
    w = normal(*(4, per_class, 5) if per_class > 1 else (4, 5), seed=seed + 100)
    return Batch("points", {"z": z, "label": LABEL, "points": Points(z, label=LABEL), "w": w}, [z], [w])


def check(row: Row, seed: int) -> None:
    """Theirs and ours have one loss and one gradient."""
    batch = row.batch(seed)
    ours: Any = eval(row.ours, {**NAMES, **batch.names})
    leaves = list(batch.leaves)
    if isinstance(ours, torch.nn.Module):
        ours = ours.double()
        mine = list(ours.parameters()) if batch.parameters else []
        for parameter, value in zip(mine, batch.parameters, strict=True):
            parameter.data.copy_(value.detach())
        found = eval(f"objective({batch.call})", {**NAMES, **batch.names, "objective": ours})
    else:
        found, mine = ours, []
    wanted = row.theirs(SimpleNamespace(**batch.names)).reshape(())
    torch.testing.assert_close(found, wanted.to(found.dtype), rtol=row.rtol, atol=1e-9)
    gradients = torch.autograd.grad(found, leaves + mine, retain_graph=True)
    expected = torch.autograd.grad(wanted, leaves + list(batch.parameters)[: len(mine)])
    for a, b in zip(gradients, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=row.rtol, atol=max(1e-9, row.rtol * float(b.abs().max())))
    # a test that cannot fail would be one without a gradient
    assert all(float(a.norm()) > 1e-6 for a in gradients)
