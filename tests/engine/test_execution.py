"""Blocked execution in the circumstances of a real training loop."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from counterpoint.engine import Block
from counterpoint.engine.blocks import Sparse
from counterpoint.geometry import Temperature
from counterpoint.objectives import REGISTRY, Guide, InfoNCE, Objective, RowObjective, Sigmoid, Triplet
from counterpoint.points import Points
from guarantee_cases import REMEMBER, made

BLOCKS = pytest.mark.parametrize("block", [0, 5])
NAMES = [name for name in REGISTRY if name not in REMEMBER]


def batch(n=12, d=6, dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    q, k, tq, tk = (torch.randn(n, d, generator=g, dtype=torch.float64).to(dtype) for _ in range(4))
    return q.requires_grad_(), k.requires_grad_(), Guide(tq, tk)


def call(objective: Objective, q, k, guide, **how):
    n = len(q)
    columns = {"sample": torch.arange(n), "label": torch.arange(n) % 4, "score": torch.arange(n) % 3 * 1.0}
    views = [columns | {"view": torch.full((n,), v)} for v in range(2)]
    return objective(
        Points(q, views[0]), Points(k, views[1]), guide=guide if "guide" in objective.uses else None, **how
    )


def relative(a, b):
    return float((a - b).norm() / b.norm().clamp_min(1e-12))


@pytest.mark.parametrize("name", NAMES)
def test_autocast(name):
    """Under bf16 blocked is dense, both are near float32, and float32 leaves and parameters have float32 gradients."""
    results = {}
    for block, enabled in ((0, False), (0, True), (5, True)):
        objective, (q, k, guide) = made(name, 16), batch(24, 16)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = call(objective, q, k, guide, block=block)
        assert loss.dtype == torch.float32
        loss.backward()
        leaves = [q, k, *objective.parameters()]
        assert all(t.grad.dtype == torch.float32 and torch.isfinite(t.grad).all() for t in leaves)
        results[block, enabled] = (loss.detach(), torch.cat([t.grad.reshape(-1) for t in leaves]))
    (loss32, grad32), (loss16, grad16), (blocked, grad_blocked) = results.values()
    assert relative(blocked, loss16) < 2e-3
    assert relative(grad_blocked, grad16) < 1e-2
    # an exponential that no logarithm undoes makes more of a score's rounding
    assert relative(loss16, loss32) < (5e-2 if name == "nwj" else 2e-2)
    # the hardest of several near-equal pairs may be another one after rounding
    assert relative(grad16, grad32) < (1.0 if "hard" in name else 0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_vectors_are_summed_in_single(dtype):
    """The key's gradient is a sum over blocks, which half precision would round at each of them."""
    q, k, _ = batch(64, 8)
    half = [x.detach().to(dtype).requires_grad_() for x in (q, k)]
    whole = [x.detach().float().requires_grad_() for x in half]
    for block in (0, 3):
        found = torch.autograd.grad(InfoNCE(0.05)(*half, block=block), half)
        wanted = torch.autograd.grad(InfoNCE(0.05)(*whole), whole)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == dtype
            # one rounding of the result
            torch.testing.assert_close(a.float(), b, rtol=2**-7, atol=1e-6)


@BLOCKS
@pytest.mark.parametrize("name", NAMES)
def test_a_scaled_loss_has_scaled_gradients(name, block):
    """As gradient scalers and accumulation do; and the same loss may be used twice."""
    objective, (q, k, guide) = made(name, 6).double(), batch(dtype=torch.float64)
    leaves = [q, k, *objective.parameters()]
    plain = torch.autograd.grad(call(objective, q, k, guide, block=block), leaves)
    for use, factor in ((lambda x: 3 * x, 3), (lambda x: x + 2 * x, 3), (lambda x: -x / 4, -0.25)):
        found = torch.autograd.grad(use(call(objective, q, k, guide, block=block)), leaves)
        for a, b in zip(found, plain, strict=True):
            torch.testing.assert_close(a, factor * b)
    loss = call(objective, q, k, guide, block=block)
    for _ in range(2):  # and go backward twice
        for a, b in zip(torch.autograd.grad(loss, leaves, retain_graph=True), plain, strict=True):
            torch.testing.assert_close(a, b)
    loss = call(objective, q, k, guide, block=block)
    torch.testing.assert_close(
        torch.autograd.grad(loss * loss, q)[0], 2 * loss.detach() * plain[0], msg="the loss as a factor of itself"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_evaluation_makes_no_graph(name, context):
    objective, (q, k, guide) = made(name, 6), batch()
    wanted = call(objective, q, k, guide, block=0).detach()
    with context():
        for block in (0, 5):
            found = call(objective, q.clone(), k.clone(), guide, block=block)
            assert not found.requires_grad
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
            if isinstance(objective, RowObjective):
                values = call(objective, q, k, guide, block=block, reduction="none")
                assert not values.requires_grad


def test_evaluation_computes_no_gradient():
    """Under no_grad a blocked loss does not pay for the gradient it would throw away."""
    q, k, _ = batch()
    calls = []

    class Counted(InfoNCE):
        def rows(self, block):
            calls.append(block.scores.requires_grad)
            return super().rows(block)

    with torch.no_grad():
        Counted()(q, k, block=5)
    assert calls == [False] * 3
    calls.clear()
    Counted()(q, k, block=5)
    assert calls == [True] * 3


@BLOCKS
@pytest.mark.parametrize("name", NAMES)
def test_one_side_without_gradient(name, block):
    objective, (q, k, guide) = made(name, 6).double(), batch(dtype=torch.float64)
    for_q, for_k = torch.autograd.grad(call(objective, q, k, guide, block=block), (q, k))
    found = torch.autograd.grad(call(objective, q, k.detach(), guide, block=block), q)[0]
    torch.testing.assert_close(found, for_q)
    found = torch.autograd.grad(call(objective, q.detach(), k, guide, block=block), k)[0]
    torch.testing.assert_close(found, for_k)
    frozen = call(objective, q.detach(), k.detach(), guide, block=block)
    assert frozen.requires_grad == any(True for _ in objective.parameters())


@BLOCKS
@pytest.mark.parametrize("name", NAMES)
def test_views_of_memory(name, block):
    """Transposed, strided and expanded inputs."""
    objective, (q, k, guide) = made(name, 6).double(), batch(dtype=torch.float64)
    wanted = torch.autograd.grad(call(objective, q, k, guide, block=block), (q, k))
    columns = q.detach().T.contiguous().requires_grad_()
    strided = k.detach().repeat_interleave(2, 0).requires_grad_()
    found = torch.autograd.grad(call(objective, columns.T, strided[::2], guide, block=block), (columns, strided))
    torch.testing.assert_close(found[0].T, wanted[0])
    torch.testing.assert_close(found[1][::2], wanted[1])
    assert found[1][1::2].abs().max() == 0


@BLOCKS
def test_one_temperature_for_two_objectives(block):
    temperature = Temperature(0.2)
    q, k, _ = batch()
    both = InfoNCE(temperature) + 0.5 * Sigmoid(temperature)
    assert len(list(both.parameters())) == 2
    both(q, k, block=block).backward()
    found = temperature.log_scale.grad.clone()
    temperature.log_scale.grad = None
    InfoNCE(temperature)(q, k, block=0).backward()
    (0.5 * Sigmoid(temperature)(q, k, block=0)).backward()
    torch.testing.assert_close(found, temperature.log_scale.grad)


@BLOCKS
def test_a_geometry_with_parameters(block):
    """What a geometry learns has its gradient, whichever way the rows are taken."""

    class Bilinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.linspace(-1, 1, 36, dtype=torch.float64).reshape(6, 6))

        def prepare(self, z):
            return z

        def shared(self, q, k, scale):
            return scale * (q @ self.w) @ k.T

        def owned(self, q, k, scale):
            return scale * torch.einsum("nd,nsd->ns", q @ self.w, k)

    q, k, _ = batch(dtype=torch.float64)
    objective = InfoNCE(2.0, geometry=Bilinear())
    found = torch.autograd.grad(objective(q, k, block=block), objective.geometry.w)[0]
    scores = q @ objective.geometry.w @ k.T / 2
    wanted = torch.autograd.grad(nn.functional.cross_entropy(scores, torch.arange(12)), objective.geometry.w)[0]
    torch.testing.assert_close(found, wanted)


@BLOCKS
def test_a_geometry_that_keeps_its_scores(block):
    """`exp` needs its own result for its gradient: the engine must not write over it."""

    class Kernel:
        def prepare(self, z):
            return z

        def shared(self, q, k, scale):
            return (-torch.cdist(q, k) * scale).exp()

        def owned(self, q, k, scale):
            raise NotImplementedError

    q, k, _ = batch(dtype=torch.float64)
    found = torch.autograd.grad(InfoNCE(3.0, geometry=Kernel())(q, k, block=block), (q, k))
    loss = nn.functional.cross_entropy((-torch.cdist(q, k) / 3).exp(), torch.arange(12))
    for a, b in zip(found, torch.autograd.grad(loss, (q, k)), strict=True):
        torch.testing.assert_close(a, b)


@BLOCKS
def test_inputs_are_not_changed(block):
    q, k, guide = batch()
    before = [t.detach().clone() for t in (q, k, guide.queries, guide.keys)]
    for name in NAMES:
        call(made(name, 6), q, k, guide, block=block).backward()
    for a, b in zip((q, k, guide.queries, guide.keys), before, strict=True):
        assert torch.equal(a, b)


@BLOCKS
@pytest.mark.parametrize("name", ["infonce", "nt-xent", "supcon-out", "decoupled", "distill-kl", "sigmoid"])
def test_large_scores_stay_finite(name, block):
    """Temperature 0.01 in float32: exp(100) would overflow, and a probability of exp(-200) would be 0."""
    published = made(name)
    objective = type(published)(temperature=0.01, layout=published.layout)
    q, k, guide = batch()
    with torch.no_grad():
        k.copy_(-q)  # the positive is the worst key there is
    loss = call(objective, q, k, guide, block=block)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(q.grad).all()
    if name == "infonce":
        wanted = nn.functional.cross_entropy(
            100 * nn.functional.normalize(q.double(), dim=1) @ nn.functional.normalize(k.double(), dim=1).T,
            torch.arange(12),
        )
        torch.testing.assert_close(loss.double(), wanted, rtol=1e-5, atol=1e-4)
        assert loss > 50


def test_a_block_consumes_its_scores():
    scores = torch.randn(3, 4)
    nothing = torch.zeros(3, 0, dtype=torch.long)
    one, none = torch.ones(3, dtype=torch.long), torch.zeros(3, dtype=torch.long)
    block = Block(scores.clone(), Sparse(torch.tensor([[0], [1], [2]]), one, nothing, none))
    log_probability, weight = block.log_softmax()
    torch.testing.assert_close(log_probability, scores.log_softmax(1).diagonal()[:, None])
    assert weight.tolist() == [[1.0]] * 3
    with pytest.raises(AttributeError):
        _ = block.scores


def test_rows_left_out_are_counted_over_blocks():
    q, k = torch.randn(9, 4), torch.randn(9, 4)
    sample = torch.arange(9)
    queries = Points(q, sample=torch.where(sample % 3 == 0, -1, sample))
    for block in (0, 1, 2, 4, 9, None):
        objective = Triplet()
        objective(queries, Points(k, sample=sample), block=block)
        assert int(objective.left_out) == 3


PEAK = """
import torch
from pathlib import Path
from counterpoint.objectives import InfoNCE

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024

torch.manual_seed(0)
q, k = (torch.randn({n}, 64).requires_grad_() for _ in range(2))
InfoNCE()(q[:64], k[:64], block=16).backward()
before = peak()
InfoNCE()(q, k).backward()
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_no_matrix_over_pairs():
    """16,384 x 16,384 scores are 1,024 MB; what is used is some blocks of 16."""
    out = subprocess.run(
        [sys.executable, "-c", PEAK.format(n=16384)], check=True, capture_output=True, text=True
    ).stdout
    assert int(out) < 250
