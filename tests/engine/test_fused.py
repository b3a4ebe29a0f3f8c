"""The fused kernel, in Triton's interpreter, against float64 autograd on the whole matrix of scores.

Run as a script, with TRITON_INTERPRET=1 set before Triton is loaded, it is the interpreter's side: OUTPUT.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from counterpoint.engine import fused, rows
from counterpoint.errors import MissingExtra
from counterpoint.geometry import Dot, Temperature
from counterpoint.objectives import Debiased, Decoupled, InfoNCE, RowObjective, SupCon
from counterpoint.points import Points
from counterpoint.relation import Relation, same

TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}


@dataclass(frozen=True)
class Sizes:
    """A problem of the kernel: none of its sizes is a multiple of the tile's 16."""

    n: int = 37
    m: int = 53
    d: int = 21
    excluded: int = 3
    scale: float = 2.0
    bias: bool = False
    dtype: torch.dtype = torch.float32


KERNEL = {
    "ragged": Sizes(),
    "one row": Sizes(n=1),
    "one key": Sizes(m=1, excluded=0),
    "whole tiles": Sizes(n=32, m=48, d=16),
    "nothing excluded": Sizes(excluded=0),
    "every key excluded": Sizes(m=3, excluded=6),
    "scores of thousands": Sizes(scale=800.0),
    "weights of the keys": Sizes(bias=True),
    "bfloat16": Sizes(d=40, dtype=torch.bfloat16),
}


def data(sizes: Sizes):
    """q, k, excluded, bias, and an arbitrary direction of the gradient; q and k as the kernel sees them."""
    g = torch.Generator().manual_seed(sizes.n + sizes.m + sizes.d)
    q, k = (torch.nn.functional.normalize(torch.randn(s, sizes.d, generator=g), dim=1) for s in (sizes.n, sizes.m))
    excluded = torch.randint(-2, sizes.m, (sizes.n, sizes.excluded), generator=g).clamp_min(-1)
    excluded[: sizes.n // 2] = torch.sort(excluded[: sizes.n // 2], 1, descending=True).values
    bias = torch.randn(sizes.m, generator=g) if sizes.bias else None
    return (q * sizes.scale).to(sizes.dtype), k.to(sizes.dtype), excluded, bias, torch.randn(sizes.n, generator=g)


def by_matrix(q, k, excluded, bias, direction):
    """log-sum-exps and gradients in double precision; a row without a key has a value nobody reads, and no gradient."""
    q, k = (x.detach().double().requires_grad_() for x in (q, k))
    scores = q @ k.T + (0 if bias is None else bias.double())
    out = torch.zeros(len(q), len(k) + 1, dtype=torch.bool).scatter(1, excluded % (len(k) + 1), True)[:, : len(k)]
    some = ~out.all(1)
    lse = torch.logsumexp(scores.masked_fill(out, -torch.inf)[some], 1)
    gradients = torch.autograd.grad((lse * direction[some]).sum(), (q, k))
    return some, lse.detach(), *gradients


N, D = 19, 6
OBJECTIVES = {
    "infonce": lambda: InfoNCE(0.2),
    "infonce, dot": lambda: InfoNCE(1.0, geometry=Dot()),
    "symmetric": lambda: InfoNCE(0.2, layout="symmetric"),
    "learned temperature": lambda: InfoNCE(Temperature(0.1)),
    "temperature 0.005": lambda: InfoNCE(0.005),
    "nt-xent": lambda: InfoNCE(0.5, layout="views"),
    "several positives": lambda: InfoNCE(0.2, layout="views", relation=Relation(same("label"))),
    "margins": lambda: InfoNCE(0.2, margin=0.1, angular_margin=0.2),
    "average inside": lambda: InfoNCE(0.2, layout="views", relation=Relation(same("label")), average="inside"),
    "decoupled": lambda: Decoupled(0.2),
    "debiased": lambda: Debiased(0.5),
    "hard negatives": lambda: Debiased(0.5, hardness=1.0),
    "supcon out": lambda: SupCon(0.2),
    "supcon in": lambda: SupCon(0.2, average="inside"),
}


def points(dtype: torch.dtype, device: str = "cpu") -> tuple[Points, Points]:
    """Rows without a positive, copies that are ignored, weights, temperatures of rows."""
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(N, D, generator=g, dtype=torch.float64).to(device, dtype).requires_grad_() for _ in range(2))
    sample, text = torch.arange(N), torch.arange(N) + 100
    text[5], text[11] = text[4], text[4]
    columns = {"sample": sample, "label": sample % 5, "input": text, "weight": torch.rand(N, generator=g)}
    columns["temperature"] = 1 + torch.rand(N, generator=g)
    without = {"sample": torch.where(sample == 3, -1, sample), "label": torch.where(sample == 3, -1, sample % 5)}
    mine, others = columns | without, columns | {"input": text + 50}
    return tuple(Points(z, {n: c.to(device) for n, c in of.items()}) for z, of in ((q, mine), (k, others)))


def losses(make, dtype: torch.dtype, device: str = "cpu"):
    """Loss, rows left out, values a row where there is one for each, and gradients."""
    objective: RowObjective = make().to(device, dtype)
    q, k = points(dtype, device)
    loss = objective(q, k)
    values = objective(q, k, reduction="none") if objective.layout == "one-way" else loss
    leaves = [q.z, k.z, *objective.parameters()]
    gradients = torch.autograd.grad(
        loss + (values * torch.arange(values.numel(), device=device).view_as(values)).sum(), leaves
    )
    return [loss.detach(), objective.left_out, values.detach(), *gradients]


def teach_bfloat16() -> None:
    """The interpreter's dot product takes the bits of bfloat16 for integers; here they are made float32 first."""
    import numpy as np
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    dot = InterpreterBuilder.create_dot

    def widened(self, a, b, *more):
        if a.dtype.scalar == tl.bfloat16:
            a, b = (TensorHandle((x.data.astype(np.uint32) << 16).view(np.float32), tl.float32) for x in (a, b))
        return dot(self, a, b, *more)

    InterpreterBuilder.create_dot = widened


def main(output: str) -> None:
    """Everything, in the interpreter."""
    from counterpoint.engine import _triton

    teach_bfloat16()
    small = _triton.Tile(16, 16, 16)
    found = {}
    for name, sizes in KERNEL.items():
        q, k, excluded, bias, direction = data(sizes)
        q, k = q.requires_grad_(), k.requires_grad_()
        lse = fused.log_sum_exp(q, k, excluded, bias=bias, tile=small)
        found[name] = [lse.detach(), *torch.autograd.grad((lse * direction).sum(), (q, k))]
    # as if this were a GPU, and every problem a large one
    calls = []
    kernel = fused.log_sum_exp
    fused.log_sum_exp = lambda *a, **b: calls.append(1) or kernel(*a, **b)
    rows.available = lambda _: True
    rows._BLOCK_SCORES = 0
    for name, make in OBJECTIVES.items():
        calls.clear()
        found[name] = losses(make, torch.float32)
        assert calls, name
    torch.save(found, output)


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    pytest.importorskip("triton")
    output = tmp_path_factory.mktemp("fused") / "out"
    subprocess.run([sys.executable, __file__, output], check=True, env=os.environ | {"TRITON_INTERPRET": "1"})
    return torch.load(output, weights_only=True)


def close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    assert found.isfinite().all()
    found, wanted = found.double(), wanted.double()
    assert float((found - wanted).norm()) <= tolerance * max(float(wanted.norm()), 1e-3)


@pytest.mark.parametrize("name", KERNEL)
def test_log_sum_exp_and_gradient(interpreted, name):
    sizes = KERNEL[name]
    some, lse, *gradients = by_matrix(*data(sizes))
    found, *found_gradients = interpreted[name]
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    close(found[some], lse, 2e-6)
    assert (found[~some] < -1e37).all()
    for a, b in zip(found_gradients, gradients, strict=True):
        assert a.dtype == sizes.dtype
        close(a, b, TOLERANCE[sizes.dtype])
    if name == "every key excluded":
        assert 0 < int((~some).sum()) < len(some)
        assert found_gradients[0][~some].abs().max() == 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_family_is_what_it_is_dense(interpreted, name):
    for a, b in zip(interpreted[name], losses(OBJECTIVES[name], torch.float64), strict=True):
        close(a, b, 2e-5)


def test_pair_scores():
    """Against the matrix, with repeated places, which the gradient of a key must add up."""
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(n, 4, generator=g, dtype=torch.float32, requires_grad=True) for n in (5, 7))
    index = torch.tensor([[0, 1], [1, 1], [6, 1], [2, 3], [0, 0]])
    weight = torch.randn(5, 2, generator=g)
    found = fused.pair_scores(q, k, index)
    wanted = (q @ k.T).gather(1, index)
    torch.testing.assert_close(found, wanted)
    for a, b in zip(
        torch.autograd.grad((found * weight).sum(), (q, k)),
        torch.autograd.grad((wanted * weight).sum(), (q, k)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_exact_products_are_not_fused(monkeypatch):
    monkeypatch.setattr(fused, "find_spec", lambda _: True)
    before = torch.get_float32_matmul_precision()
    for precision, wanted in (("highest", False), ("high", True), ("medium", True)):
        torch.set_float32_matmul_precision(precision)
        assert fused.available(torch.device("cuda")) == wanted
    torch.set_float32_matmul_precision(before)


def test_without_triton(monkeypatch):
    monkeypatch.setattr(fused, "find_spec", lambda _: None)
    z = torch.zeros(2, 3)
    with pytest.raises(MissingExtra, match=r"counterpoint\[gpu\]"):
        fused.log_sum_exp(z, z, torch.zeros(2, 0, dtype=torch.long))
    assert not fused.available(torch.device("cuda"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
