"""Rows with vectors that are known, to be mined in, and what a method's stages are given while they train."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items


class Known(torch.nn.Module):
    """Encodes queries and documents as it is told."""

    def __init__(self, queries: np.ndarray, documents: np.ndarray, similarity: str = "cosine") -> None:
        super().__init__()
        self.sides, self.similarity = {"query": queries, "document": documents}, similarity

    def encode_items(self, items: Items, *, kind: str) -> np.ndarray:
        assert len(items) == len(self.sides[kind])
        return self.sides[kind].astype(np.float32)


def known_rows(n: int, m: int, seed: int = 0, dim: int = 8) -> tuple[Data, Known]:
    """`n` queries, each with a document of its own among `m`, and random unit vectors; a query is near its document."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(m, dim))
    queries = documents[:n] + rng.normal(size=(n, dim))
    documents, queries = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (documents, queries))
    texts = [Items("text", [f"{what} {i}" for i in range(size)]) for what, size in (("query", n), ("document", m))]
    rows = torch.arange(n)
    return Data(texts[0], rows, texts[1], rows[:, None]), Known(queries, documents)


def own_pairs(step) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[list[int]]]:
    """Unit vectors of a step's queries, of their positives and of all that was mined, and whose each of these is."""
    (call,) = step.calls
    n = len(call["queries"])
    z = step.network(step.payload.inputs)
    q, keys = F.normalize(z[:n], dim=1), F.normalize(z[n:], dim=1)
    rows, brought = (call[side].columns["row"].tolist() for side in ("queries", "keys"))
    own = [[k - n for k in range(n, len(keys)) if brought[k] == row] for row in rows]
    return q, keys[:n], keys[n:], own


def watched(recipe, asked: list):
    """The same method; of each stage's first step before training it notes the encoder's weights and what it finds."""

    def watch(i, prepare):
        def prepared(data, encoder, seed):
            found = prepare(data, encoder, seed)
            asked.append((i, [p.detach().clone() for p in encoder.parameters()], found))
            return found

        return prepared

    stages = [
        replace(stage, prepare=(watch(i, stage.prepare[0]), *stage.prepare[1:])) if stage.prepare else stage
        for i, stage in enumerate(recipe.stages)
    ]
    return replace(recipe, stages=tuple(stages))
