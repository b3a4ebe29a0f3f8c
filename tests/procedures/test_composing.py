from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import Composed


def call(rows=3, parts=2, dim=4, **columns):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(rows * parts, dim, generator=generator, requires_grad=True)
    sample = torch.arange(rows).repeat_interleave(parts)
    queries = Points(torch.randn(rows, dim, generator=generator), sample=torch.arange(rows))
    return {"queries": queries, "keys": Points(z, sample=sample, **columns)}


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("how", ["mean", "max", "halves"])
def test_keys_are_what_a_loop_makes_of_the_parts(parts, how):
    given = call(parts=parts)
    (made,) = Composed(parts, how)([given], lambda model: {})
    expected = []
    for row in range(3):
        mine = [given["keys"].z[row * parts + p] for p in range(parts)]
        if how == "halves":
            size = 4 // parts
            expected.append(torch.cat([part[p * size : (p + 1) * size] for p, part in enumerate(mine)]))
        else:
            expected.append(sum(mine) / parts if how == "mean" else torch.stack(mine).amax(0))
    torch.testing.assert_close(made["keys"].z, torch.stack(expected))
    assert made["keys"].columns["sample"].tolist() == [0, 1, 2]
    gradients = [
        torch.autograd.grad(z.square().sum(), given["keys"].z)[0] for z in (made["keys"].z, torch.stack(expected))
    ]
    torch.testing.assert_close(*gradients)


def test_a_layer_follows_on_both_sides():
    given, layer = call(), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    (made,) = Composed(then=layer)([given], lambda model: {})
    (plain,) = Composed()([given], lambda model: {})
    torch.testing.assert_close(made["queries"].z, layer(given["queries"].z))
    torch.testing.assert_close(made["keys"].z, layer(plain["keys"].z))
    assert made["queries"].columns["sample"].tolist() == [0, 1, 2]


def test_wholes_are_no_copies_because_they_share_a_part():
    columns = {"input": torch.tensor([7, 1, 7, 2, 7, 3]), "group": torch.zeros(6).long(), "kept": torch.arange(6)}
    given = call(**columns)
    queries = given["queries"]
    given["queries"] = Points(queries.z, {**queries.columns, "partner": torch.full((3,), 7)})
    (made,) = Composed()([given], lambda model: {})
    assert made["queries"].columns.keys() == {"sample"}
    assert {name: column.tolist() for name, column in made["keys"].columns.items()} == {
        "sample": [0, 1, 2], "kept": [0, 2, 4],
    }  # fmt: skip


def test_what_cannot_be_composed_is_said():
    with pytest.raises(InputError, match="of 3 positives"):
        Composed(3)([call()], lambda model: {})
    with pytest.raises(InputError, match="of 2 positives"):
        Composed(2)([call(rows=2, parts=3)], lambda model: {})
    with pytest.raises(InputError, match="4 dimensions are not of 3 equal parts"):
        Composed(3, "halves")([call(parts=3)], lambda model: {})
    with pytest.raises(InputError, match="unknown way"):
        Composed(2, "sum")
