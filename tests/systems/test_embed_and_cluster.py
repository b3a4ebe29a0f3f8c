"""Embed-and-Cluster Batching: which rows meet in a batch, and what is contrasted there."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.negatives.topics import spherical_kmeans
from counterpoint.systems import get
from counterpoint.systems.sentences import embed_and_cluster as ec
from systems.through import same
from systems.words import small_table, step_of_texts

KINDS = ("cat", "dog", "fox", "owl")
PAIRS = [
    Example(f"a {k} number {i}", (f"the {k} sleeps all night, says {i} of them",)) for i in range(12) for k in KINDS
]


def test_each_batch_is_of_one_cluster_of_its_queries():
    data = rows_of(PAIRS)
    step = step_of_texts("embed-and-cluster-batching", data, n=4, steps=12)
    rows = step.calls[0]["queries"].columns["sample"]
    start = small_table(data)
    expected = spherical_kmeans(torch.from_numpy(start.encode_items(data.anchors, kind="query")), 10, 0)
    assert 1 < len(expected.unique()) <= 10
    assert len(expected[rows].unique()) == 1 < len(rows) <= 4


def test_loss_is_infonce_of_the_batch_at_the_temperature():
    step = step_of_texts("embed-and-cluster-batching", rows_of(PAIRS), n=4, steps=12)
    n = len(step.calls[0]["queries"])
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    same(step, F.cross_entropy(z[:n] @ z[n:].T / 0.02, torch.arange(n)))


def test_controls_differ_in_what_they_say():
    recipes = {name: getattr(ec, name)() for name in ("mixed", "embed_and_cluster", "of_passages", "by_chance")}
    assert {name: r.stages[0].together for name, r in recipes.items()} == {
        "mixed": "", "embed_and_cluster": "topic", "of_passages": "topic", "by_chance": "topic",
    }  # fmt: skip
    data = rows_of(PAIRS)
    encoder = small_table(data)
    own, passages, chance = (
        recipes[name].stages[0].prepare[0](data, encoder, 0).columns["topic"] for name in list(recipes)[1:]
    )
    assert torch.equal(own.bincount(minlength=10), chance.bincount(minlength=10))
    assert not torch.equal(own, chance)
    assert not torch.equal(own, passages)
    assert get("Embed-and-Cluster Batching").method().stages[0].train.batch_size == 256
