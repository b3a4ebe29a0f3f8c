"""What is looked at inside of several vectors a text."""

from __future__ import annotations

import numpy as np
import torch

from counterpoint.geometry import Ragged
from counterpoint.tasks import Collection, EncodesEach, pairs
from counterpoint.testbeds.bed import Figure, Made


def _beyond(made: Made) -> float:
    test = made.parts[1] if isinstance(made.parts[1], Collection) else pairs(made.parts[1])
    asked = test.answers.judged[:512]
    own = [next(d for d, gain in test.answers.relevant[q].items() if gain > 0 and d >= 0) for q in asked]
    encoder = made.encoder
    assert isinstance(encoder, EncodesEach)
    queries = encoder.encode_each(test.queries[torch.tensor(asked)], kind="query")
    documents = encoder.encode_each(test.corpus[torch.tensor(own)], kind="document")
    found = [
        (d @ q.T).argmax(0).any() for q, d in zip(_parts(queries), _parts(documents), strict=True) if len(q) and len(d)
    ]
    return float(np.mean(found))


def _parts(z: Ragged) -> list[np.ndarray]:
    return np.split(z.vectors_td, z.offsets_n[1:-1])


beyond_the_first = Figure("answers that are found by another than their first vector", _beyond)
"""The share of 512 test queries whose own document matches them best by a vector that is not its first."""
