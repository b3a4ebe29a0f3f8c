"""Objectives on parts of the vectors."""

from __future__ import annotations

import pytest
import torch

from counterpoint.objectives import Lengths, Part
from counterpoint.points import Points
from counterpoint.relation import Relation, same


def test_a_part_is_silent_from_a_dimension_on():
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    q = Points(z, target=torch.tensor([1, 0, 1, 0]))
    seen = Part(Lengths(relation=Relation(same("target"))), 1, silent="target", silent_from=2)
    wanted = z[:, 1:].clone()
    wanted[1::2, 2:] = 0
    plain = Lengths(relation=Relation(same("target")))
    assert seen(q).item() == pytest.approx(plain(q.with_z(wanted)).item())
