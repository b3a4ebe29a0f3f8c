"""On a CUDA device: losses and gradients are those of the processor, the fused kernel is compiled, every path ends.

Skipped without one. All random numbers of training but dropout's are drawn on the processor, so that a system's losses
are the same on both.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import guarantee_cases as g
import guarantee_loop
from counterpoint.encoders import load
from counterpoint.engine import cached, fused, rows
from counterpoint.engine._triton import Tile
from counterpoint.errors import MissingExtra
from counterpoint.fitting import fit
from counterpoint.fitting.bases import make_base
from counterpoint.fitting.parts import load_parts
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.testbeds import Trained
from counterpoint.training._processes import Processes
from engine.test_fused import KERNEL, OBJECTIVES, TOLERANCE, by_matrix, close, data, losses
from systems.test_paths import SHARED, base_of, settings_of, source_of, sources  # noqa: F401

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICE = "cuda"
CASES = {case.name: case for case in g.cases(torch.float64)}
STEPS = 4


@pytest.fixture(autouse=True)
def precision():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def on_device(value):
    """A batch, or what it is made of."""
    if isinstance(value, torch.Tensor):
        return value.to(DEVICE)
    if isinstance(value, Points):
        return Points(on_device(value.z), {name: on_device(column) for name, column in value.columns.items()})
    return value if value is None else type(value)(*(on_device(getattr(value, f.name)) for f in fields(value)))


@pytest.mark.parametrize("name", KERNEL)
@pytest.mark.parametrize("tile", [None, Tile(16, 16, 16), Tile(64, 32, 32)], ids=["own", "16", "64"])
def test_kernel(name, tile):
    given = data(KERNEL[name])
    some, lse, *gradients = by_matrix(*given)
    q, k, excluded, bias, direction = map(on_device, given)
    q, k = q.requires_grad_(), k.requires_grad_()
    torch.set_float32_matmul_precision("highest")
    found = fused.log_sum_exp(q, k, excluded, bias=bias, tile=tile)
    close(found.detach().cpu()[some], lse, 2e-5)
    for a, b in zip(torch.autograd.grad((found * direction).sum(), (q, k)), gradients, strict=True):
        close(a.cpu(), b, max(TOLERANCE[a.dtype], 5e-3))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_family_takes_the_kernel(name, monkeypatch):
    calls, kernel = [], fused.log_sum_exp
    wanted = losses(OBJECTIVES[name], torch.float64)
    monkeypatch.setattr(fused, "log_sum_exp", lambda *a, **b: calls.append(1) or kernel(*a, **b))
    monkeypatch.setattr(rows, "_BLOCK_SCORES", 0)
    torch.set_float32_matmul_precision("high")
    found = losses(OBJECTIVES[name], torch.float32, DEVICE)
    assert calls
    for a, b in zip(found, wanted, strict=True):
        close(a.cpu(), b, 5e-3)


@pytest.mark.parametrize("name", CASES)
def test_objectives(name):
    """Dense, in blocks and in chunks."""
    case = CASES[name]
    wanted = g.run(case, torch.float64, block=0)
    moved = replace(case, batch=on_device(case.batch))
    found = [g.run(moved, torch.float64, block=block) for block in (0, 4)] + [g.run_cached(moved, torch.float64)]
    for loss, gradient in found:
        assert loss.device.type == gradient.device.type == DEVICE
        close(loss.cpu(), wanted[0], 1e-9)
        close(gradient.cpu(), wanted[1], 1e-8)


@pytest.mark.parametrize("name", [name for name in guarantee_loop.CASES if name != guarantee_loop.DROPOUT])
@pytest.mark.parametrize("chunk", [1000, 3])
def test_heads_and_procedures_in_the_loop(name, chunk):
    case = guarantee_loop.CASES[name]
    wanted = guarantee_loop.run(case, torch.float64, Processes())
    found = guarantee_loop.run(case, torch.float64, Processes(), chunk, DEVICE)
    for what in ("loss", "gradients", "buffers"):
        if what != "buffers" or name != guarantee_loop.DRAWN:
            close(found[what].cpu(), wanted[what], 1e-7)


def test_dropout_is_the_same_when_chunks_are_encoded_again():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 64), torch.nn.Dropout(0.5), torch.nn.Linear(64, 4)).to(DEVICE)
    x = torch.randn(12, 6, device=DEVICE)

    def gradient(run):
        network.zero_grad()
        torch.manual_seed(1)
        run()
        return torch.cat([p.grad.flatten() for p in network.parameters()])

    chunks = [lambda part=part: network(part) for part in x.split(4)]
    found = gradient(lambda: cached(chunks, lambda z: z.exp().mean()))
    close(found, gradient(lambda: torch.cat([chunk() for chunk in chunks]).exp().mean().backward()), 1e-6)


def trained(name, sources, device):  # noqa: F811
    """The losses of a system's first steps and the weights after them."""
    parts = load_parts(str(source_of(name, sources)), {}, 0.05, 0.1, 3, None)
    encoder, rows = make_base(base_of(name, sources), parts.train, 3).to(device), []
    method = get(name).method().changed(**settings_of(name, STEPS))
    try:
        method.make(parts.train, 3, encoder=encoder, on_row=rows.append)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert {p.device.type for p in encoder.parameters()} == {device}
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.parametrize("name", SHARED)
def test_systems(name, sources):  # noqa: F811
    torch.set_float32_matmul_precision("highest")
    found = trained(name, sources, DEVICE)
    assert len(found) >= 1
    assert np.isfinite(found).all()
    method = get(name).method()
    if method.takes.anchors == "image":
        # a transformer draws its dropout on the device; what a proxy's training chose may be chosen otherwise
        wanted = trained(name, sources, "cpu")
        np.testing.assert_allclose(found[0], wanted[0], rtol=0.1 if method.stages[0].prepare else 1e-3, atol=1e-4)


def test_fit_ends_and_its_model_is_loaded_anywhere(sources, tmp_path):  # noqa: F811
    for source, base in (("pictures.npz", "resnet"), ("pairs.tsv", "static"), ("pairs.tsv", str(sources / "bert"))):
        output = tmp_path / source / base.split("/")[-1]
        fit(sources / source, output, base=base, say=lambda _: None, steps=6, batch_size=16)
        weights = load_file(output / "model" / "model.safetensors")
        assert all(value.isfinite().all() for value in weights.values())
        model = load(output / "model")
        items = load_parts(str(sources / source), {}, 0.05, 0.1, 3, None).train.anchors[:8]
        on_processor = torch.as_tensor(np.asarray(model.encode_items(items)))
        on_device = torch.as_tensor(np.asarray(model.to(DEVICE).encode_items(items)))
        torch.testing.assert_close(on_processor, on_device, rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("name", ["simclr", "supcl-seq"])
def test_an_arm_of_a_claim_is_trained_there_and_its_figures_are_numbers(name):
    system = get(name)
    made = Trained(system.method).made(replace(system.sample, steps=STEPS), system.sample.parts(0), 0)
    assert next(made.encoder.parameters()).is_cuda
    assert all(np.isfinite(figure.of(made)) for figure in system.sample.figures)
