"""Objectives on parts of the vectors."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Lengths, Part, SumBy
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


def test_rows_are_summed_by_sample_however_many_each_has():
    z, keys = torch.randn(5, 4, dtype=torch.float64, requires_grad=True), torch.randn(6, 4, dtype=torch.float64)
    points = Points(z, sample=torch.tensor([0, 1, 2, 3, 4]), text=torch.tensor([7, 7, 7, 2, 2]))
    loss = SumBy("text", InfoNCE(1.0, geometry=Dot()))(points, Points(keys, sample=torch.arange(6)))
    each = [torch.logsumexp(keys @ z[i], 0) - keys[i] @ z[i] for i in range(5)]
    wanted = (sum(each[:3]) + sum(each[3:])) / 2
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(value, z)[0] for value in (loss, wanted)))
    with pytest.raises(InputError, match="summed by the column 'text'"):
        SumBy("text", InfoNCE())(z, z)
    with pytest.raises(InputError, match="no value for each query"):
        SumBy("text", InfoNCE())(points, points, reduction="none")
