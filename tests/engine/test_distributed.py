"""The short form, plain tensors, over processes: row i matches row i of the same process."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
import torch.distributed as dist

from counterpoint.engine import all_reduce_gradients
from counterpoint.objectives import CoSENT, InfoNCE, Triplet, Uniformity, VICReg
from counterpoint.points import Points

SPLIT = (4, 7)  # the first process holds 4 of 7 pairs


def losses(q, k, score, **how):
    """name -> loss."""
    objectives = {layout: InfoNCE(0.3, layout=layout) for layout in ("one-way", "symmetric", "views", "joint")}
    objectives |= {"triplet": Triplet(), "vicreg": VICReg(), "uniformity": Uniformity()}
    found = {name: objective(q, k, **how) for name, objective in objectives.items()}
    found["cosent"] = CoSENT()(Points(q, score=score), k, **how)
    found["unreduced"] = InfoNCE(0.3)(q, k, reduction="none", **how).sum()
    return found


def payloads():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 5, generator=g).double(), torch.randn(7, 5, generator=g).double()
    w = torch.randn(5, 3, generator=g).double().requires_grad_()
    return x, y, w, torch.arange(7.0) % 3


def main(rank: int, store: str, output: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mine = slice(0, SPLIT[0]) if rank == 0 else slice(*SPLIT)
    results = {}
    for block in (0, 2):
        x, y, w, score = payloads()
        for name, loss in losses(x[mine] @ w, y[mine] @ w, score[mine], block=block, group=dist.group.WORLD).items():
            w.grad = None
            loss.backward(retain_graph=True)
            all_reduce_gradients([w])
            results[f"{name}|{block}"] = (loss.detach(), w.grad.clone())
    if rank == 0:
        torch.save(results, output)
    dist.destroy_process_group()


def test_plain_tensors(tmp_path):
    command = [sys.executable, __file__]
    processes = [
        subprocess.Popen(
            [*command, str(rank), tmp_path / "store", tmp_path / "out"],
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    for process in processes:
        error = process.communicate(timeout=300)[1]
        assert process.returncode == 0, error.decode()
    found = torch.load(tmp_path / "out", weights_only=True)
    x, y, w, score = payloads()
    for name, loss in losses(x @ w, y @ w, score).items():
        (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
        for block in (0, 2):
            other, other_gradient = found[f"{name}|{block}"]
            if name != "unreduced":  # whose values stay with their rows
                torch.testing.assert_close(other, loss.detach(), msg=name)
            torch.testing.assert_close(other_gradient, gradient, msg=name)
    assert len(found) == 2 * 9


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
