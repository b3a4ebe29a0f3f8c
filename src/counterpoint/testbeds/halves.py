"""Pictures whose halves are the views: how much one half is known to say of the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.encoders.towers import Towers
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import DIGITS, all_of_cifar
from counterpoint.testbeds.figures import probe_accuracy

_DRAWN = 8000


def most_of_cifar(seed: int) -> Parts:
    """8,000 of the 10,000 training pictures of CIFAR-10, drawn by the seed, and the test part."""
    train, test = all_of_cifar(seed)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(train))[:_DRAWN])
    return train[torch.from_numpy(drawn)], test


def _information(made: Made) -> float:
    """Pictures by their two towers; the mean over batches as large as in training."""
    assert isinstance(made.encoder, Towers)
    assert made.objective is not None
    items, found = made.test.anchors[made.test.anchor], list[float]()
    queries, keys = (torch.from_numpy(made.encoder.side(kind).encode_items(items)) for kind in ("query", "document"))
    order = torch.randperm(len(queries), generator=torch.Generator().manual_seed(0))
    for rows in order.split(BATCH)[: len(queries) // BATCH]:
        with torch.no_grad():
            guess = made.objective.guess(len(rows), len(rows))
            assert guess is not None
            found.append(guess - float(made.objective(queries[rows], keys[rows])))
    return float(np.mean(found))


BATCH = 64
"""Of training, and of the estimate: InfoNCE's is at most its logarithm."""
information = Figure("estimate of the mutual information on test pictures, nats", _information)
"""By the bound and the critic that were trained (`counterpoint.objectives.mutual_information`)."""
HALVES = Testbed(
    "CIFAR-10, halves",
    most_of_cifar,
    f"CIFAR-10 brought to 8 x 8, {_DRAWN:,} training pictures drawn by the seed, 2,000 for test; the lower and the "
    f"upper half (96 numbers) are the views, each with an encoder of its own, 2,000 steps of {BATCH}, AdamW at 1e-3",
    steps=2000,
    settings={"chunk_tokens": 1 << 24},
    figures=(probe_accuracy(),),
)
SMALL = replace(
    DIGITS,
    name="digits, own start",
    about="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; the method's own start",
    start=None,
    figures=(probe_accuracy(),),
)
"""For methods that look at a picture in a way of their own."""
