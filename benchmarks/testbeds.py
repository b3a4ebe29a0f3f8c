"""What the testbeds of pictures leave room for: raw pixels, an untrained network, SimCLR.

Run: `python benchmarks/testbeds.py [--data-dir FOLDER] [--only cifar10 ...] [--epochs 30] [--seeds 1]`. The network is
the small residual one whose stem halves the picture; SimCLR trains it in batches of 256 pictures at temperature 0.2.
Measured are a linear probe on all training labels and on ten a class, the vote of the five nearest training pictures,
and where the test has classes of its own, 5-way and 20-way 1-shot accuracy over 600 episodes. With several seeds: mean
and standard deviation. `--epochs 0` gives the floors alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _measuring import DATA
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import ImageEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import knn
from counterpoint.evaluate.episodes import few_shot
from counterpoint.evaluate.frozen import probe
from counterpoint.heads import projection
from counterpoint.objectives import InfoNCE
from counterpoint.testbeds import PICTURES, pictures
from counterpoint.training import TrainConfig, train
from counterpoint.training.rows import RowBatches
from counterpoint.views import View, affine, blur, brightness, compose, grey, jitter


def view(channels: int) -> View:
    """SimCLR's views; letters are neither mirrored nor coloured."""
    crop = affine(area=(0.2, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    letter = affine(area=(0.4, 1.0), aspect=(3 / 4, 4 / 3), degrees=15.0)
    if channels == 1:
        return compose(letter, brightness(0.4), blur((0.1, 1.0)))
    return compose(crop, jitter(0.5), grey(0.2), blur((0.1, 1.0)))


def simclr(data: Data, encoder: ImageEncoder, epochs: float, seed: int) -> None:
    """Trains the encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = projection(encoder.dim, hidden=(encoder.dim,))
    config = TrainConfig(epochs=epochs, batch_size=256, learning_rate=2e-3, weight_decay=1e-4, validations=1, seed=seed)
    batches = RowBatches(data, encoder, view=view(encoder.channels))
    train(encoder, batches, InfoNCE(0.2, layout="views"), config, head=head)


def figures(parts: tuple[Data, Data], encode: nn.Module | None) -> dict[str, float]:
    """Of vectors scaled to unit variance; of pixels without an encoder."""
    z = [part.anchors.tensor.flatten(1).float().numpy() / 255 if encode is None else encode.encode(part.anchors.tensor)
         for part in parts]  # fmt: skip
    labels = [part.columns["label"].numpy() for part in parts]
    center, scale = z[0].mean(0), z[0].std(0) + (1e-2 if encode is None else 1e-6)
    x, y = ((each - center) / scale for each in z)
    names = [[str(label) for label in each] for each in labels]
    if set(names[0]) & set(names[1]):
        few = np.concatenate([np.flatnonzero(labels[0] == label)[:10] for label in np.unique(labels[0])])
        truth = np.array(names[1])
        return {
            "probe": float((probe(x, names[0], y) == truth).mean()),
            "probe, 10 a class": float((probe(x[few], [names[0][i] for i in few], y) == truth).mean()),
            "5-NN": float((knn(z[0], names[0], z[1], k=5) == truth).mean()),
        }
    unit = z[1] / np.maximum(np.linalg.norm(z[1], axis=1, keepdims=True), 1e-9)
    return {f"{ways}-way 1-shot": few_shot(unit, names[1], ways=ways, samples=0)["accuracy"].value for ways in (5, 20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=DATA)
    parser.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=sorted(PICTURES))
    parser.add_argument("--epochs", type=float, default=30)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.only:
        rows: dict[str, list[dict[str, float]]] = {}
        start = time.perf_counter()
        try:
            every = [pictures(name, seed, arguments.data_dir) for seed in range(arguments.seeds)]
        except InputError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        for seed, parts in enumerate(every):
            shape = tuple(parts[0].anchors.tensor.shape[1:])
            if seed == 0:
                print(f"{name}: {len(parts[0]):,} {shape} for training, {len(parts[1]):,} for test", flush=True)
            rows.setdefault("pixels", []).append(figures(parts, None))
            torch.manual_seed(seed)
            encoder = ImageEncoder(shape[0], groups=2, stride=2, standardized=True)
            rows.setdefault("untrained", []).append(figures(parts, encoder))
            if arguments.epochs:
                bare = Data.alone(Items("image", parts[0].anchors.tensor))
                simclr(bare, encoder, arguments.epochs, seed)
                rows.setdefault(f"SimCLR, {arguments.epochs:g} epochs", []).append(figures(parts, encoder))
        for what, found in rows.items():
            line = "  ".join(
                f"{key} {np.mean([f[key] for f in found]):.3f}"
                + (f" ± {np.std([f[key] for f in found], ddof=1):.3f}" if len(found) > 1 else "")
                for key in found[0]
            )
            print(f"  {what:20} {line}", flush=True)
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
