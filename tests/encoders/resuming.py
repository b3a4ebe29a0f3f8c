"""Texts to encode, and runs that are killed on the way."""

from __future__ import annotations

import numpy as np

WORDS = [
    "the",
    "a",
    "man",
    "dog",
    "cat",
    "plays",
    "runs",
    "sleeps",
    "in",
    "on",
    "park",
    "house",
    "river",
    "green",
    "old",
]


def many(n):
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 12))) for _ in range(n)]


class Killed(BaseException):
    pass


def kill_after(rows):
    def progress(done, total):
        if done > rows:
            raise Killed

    return progress
