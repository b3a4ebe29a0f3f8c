"""Points gathered over processes: vectors and columns of any type come back as they were."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from counterpoint.engine import gather
from counterpoint.points import Points


@pytest.fixture
def group():
    """One process that is a group by itself."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_each_type_comes_back(group, n, dtype):
    g = torch.Generator().manual_seed(0)
    # the rows of every second column: not side by side in memory
    z = torch.randn(n, 6, generator=g).to(dtype)[:, ::2].requires_grad_()
    columns = {
        "sample": torch.arange(2 * n)[::2],
        "masked": torch.rand(n, generator=g) > 0.5,
        "kind": torch.randint(0, 200, (n,), generator=g, dtype=torch.uint8),
        "score": torch.randn(n, generator=g, dtype=torch.float64),
        "half": torch.randn(n, 3, generator=g).to(torch.bfloat16),
        "table": torch.randn(n, 2, 3, generator=g).transpose(1, 2),
    }
    found = gather(Points(z, columns), group)
    assert found.z.dtype == dtype
    assert torch.equal(found.z, z)
    for name, column in columns.items():
        assert found.columns[name].dtype == column.dtype
        assert torch.equal(found.columns[name], column), name
        assert not found.columns[name].requires_grad
    weight = torch.randn(n, 3, generator=g).to(dtype)
    (found.z * weight).sum().backward()
    assert torch.equal(z.grad, weight)


def test_two_collectives_however_many_columns(group, monkeypatch):
    calls = []
    inner = dist.all_gather
    monkeypatch.setattr(dist, "all_gather", lambda *a, **options: (calls.append(1), inner(*a, **options))[1])
    gather(Points(torch.randn(3, 2), {f"c{i}": torch.arange(3) for i in range(9)}), group)
    assert len(calls) == 2
