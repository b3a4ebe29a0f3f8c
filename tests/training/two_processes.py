"""One process of a distributed run of the loop: RANK WORLD_SIZE STORE OUTPUT; alone: WORLD_SIZE 1."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from counterpoint.data import Example
from counterpoint.encoders import StaticEncoder
from counterpoint.objectives import InfoNCE
from counterpoint.training import TextBatches, TrainConfig, train
from counterpoint.training._processes import Processes

# several positives, shared texts, hard negatives: everything that goes by what other processes hold
ROWS = [
    Example(f"the {c} thing {n}", (f"{c} {n} is here", f"{c} in general")[: 1 + n % 2], (f"no {c}",) * (n % 3 == 0))
    for c in ("red", "blue", "pink")
    for n in range(7)
]
CONFIG = TrainConfig(epochs=6, batch_size=9, learning_rate=0.02, weight_decay=0.0, dtype="float32")


def main(rank: int, world: int, store: str, output: str) -> None:
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
        group = dist.group.WORLD
        Processes.current = classmethod(lambda cls: cls(rank, world, group))
    model = StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=16)
    train(model, TextBatches(ROWS, model), InfoNCE(0.1, layout="symmetric"), CONFIG)
    if rank == 0:
        save_file({"table": model.embedding.weight.detach()}, Path(output))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
