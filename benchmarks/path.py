"""What the one training set for all modalities costs over one for texts and one for images.

Run: `python benchmarks/path.py [--repeats 5]`. Both sides train the same encoder on the same data with the same seed,
and end with the same weights, which is checked: a table of token vectors on 8,192 pairs of the included corpus in
batches of 128, and a small residual network on the digits in two views. Timed is all from examples to trained weights,
in seconds of the processor, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from _measuring import alternate, ratio
from torch import nn

import counterpoint as cp
from counterpoint.data import Example, debian
from counterpoint.data.images import Images, digits
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ImageEncoder, StaticEncoder
from counterpoint.training.rows import RowBatches
from counterpoint.views import ImageBatches, affine, brightness, compose, noise

TARGET = 1.03
Side = Callable[[nn.Module], object]


def sides() -> dict[str, tuple[nn.Module, cp.TrainConfig, cp.InfoNCE, dict[str, Side]]]:
    """Of each modality the encoder, the settings, the loss, and both training sets."""
    pairs: list[Example] = debian().train.examples[:8192]
    table = StaticEncoder.from_corpus([text for e in pairs for text in e.texts], vocab_size=20_000, dim=256)
    images: Images = digits()
    torch.manual_seed(0)
    view = compose(affine(area=(0.4, 1.0), degrees=15.0), brightness(0.4), noise(0.05))
    texts = cp.TrainConfig(
        batch_size=128, learning_rate=2e-2, weight_decay=0.0, clip=0.0, chunk_tokens=1 << 20, validations=1
    )
    pictures = cp.TrainConfig(epochs=3, batch_size=256, learning_rate=1e-3, validations=1, dtype="float32")
    data = Data.alone(Items("image", images.pixels), label=images.labels)
    return {
        "texts": (table, texts, cp.InfoNCE(0.05), {
            "before": lambda encoder: cp.TextBatches(pairs, encoder),
            "one path": lambda encoder: RowBatches(rows_of(pairs), encoder),
        }),
        "images": (ImageEncoder(widths=(16, 32, 64)), pictures, cp.InfoNCE(0.5, layout="views"), {
            "before": lambda _: ImageBatches(images, view),
            "one path": lambda encoder: RowBatches(data, encoder, view=view),
        }),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for name, (start, config, loss, makers) in sides().items():
        weights: dict[str, dict[str, torch.Tensor]] = {}

        def run(side: str, start=start, config=config, loss=loss, makers=makers, weights=weights) -> float:
            encoder = copy.deepcopy(start)
            begun = time.process_time()
            cp.train(encoder, makers[side](encoder), loss, config)
            seconds = time.process_time() - begun
            weights[side] = encoder.state_dict()
            return seconds

        times = alternate({side: (lambda side=side: run(side)) for side in makers}, arguments.repeats)
        middle, least, greatest = ratio(times, "one path", "before")
        equal = all(torch.equal(a, b) for a, b in zip(*(w.values() for w in weights.values()), strict=True))
        seconds = "  ".join(f"{side} {statistics.median(each):.2f} s" for side, each in times.items())
        print(f"{name}: {seconds}  {middle:.3f} ({least:.3f} .. {greatest:.3f}) times, target {TARGET}", flush=True)
        print(f"  equal weights: {equal}", flush=True)


if __name__ == "__main__":
    main()
