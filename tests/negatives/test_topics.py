"""Clusters of what rows are about."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives.topics import spherical_kmeans, topics


class Same:
    """The items are the vectors."""

    def __init__(self):
        self.kinds = []

    def encode_items(self, items, *, kind=None):
        self.kinds.append(kind)
        return items.tensor.numpy()


def around(directions, n, generator):
    """So many vectors near each direction, of very different lengths."""
    u = torch.eye(8)[torch.arange(directions).repeat_interleave(n)]
    noisy = F.normalize(u + 0.1 * torch.randn(len(u), 8, generator=generator), dim=1)
    return noisy * torch.rand(len(u), 1, generator=generator).add(0.01) * 50


@given(st.integers(0, 50), st.integers(1, 12))
def test_nobody_is_nearer_to_another_centre(seed, number):
    z = torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
    found = spherical_kmeans(z, number, seed)
    u = F.normalize(z, dim=1)
    mean = torch.stack([F.normalize(u[found == c].sum(0), dim=0) for c in found.unique()])
    place = torch.searchsorted(found.unique(), found)
    cosine = u @ mean.T
    # within a few rounds: hardly anybody would still move
    assert float((cosine.argmax(1) == place).float().mean()) > 0.9
    # powers of two, which round nothing
    lengths = 2.0 ** torch.randint(-3, 9, (60, 1), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(spherical_kmeans(z * lengths, number, seed), found)


def test_directions_are_found_whatever_the_lengths():
    generator = torch.Generator().manual_seed(0)
    z = around(3, 40, generator)

    def starts(seed):
        return torch.randperm(120, generator=torch.Generator().manual_seed(seed))[:3] // 40

    # a start with a vector of each direction
    seed = next(seed for seed in range(50) if len(starts(seed).unique()) == 3)
    found = spherical_kmeans(z, 3, seed).view(3, 40)
    assert (found == found[:, :1]).all()
    assert len(found[:, 0].unique()) == 3


def pairs():
    generator = torch.Generator().manual_seed(1)
    queries, documents = around(2, 30, generator), around(4, 15, generator)
    order = torch.randperm(60, generator=generator)
    return Data(Items("vector", queries), order, Items("vector", documents), order[:, None])


def test_topics_are_of_anchors_or_of_positives():
    data, encoder = pairs(), Same()
    topic = topics(2)(data, encoder, 3).columns["topic"]
    assert torch.equal(topic, spherical_kmeans(data.anchors.tensor[data.anchor], 2, 3))
    of_keys = topics(4, keys=True, column="about")(data, encoder, 3).columns["about"]
    assert torch.equal(of_keys, spherical_kmeans(data.others.tensor[data.positives[:, 0]], 4, 3))
    assert encoder.kinds == ["query", "document"]
    by_chance = topics(4, keys=True, chance=True)(data, encoder, 3).columns["topic"]
    assert torch.equal(by_chance.bincount(), of_keys.bincount())
    assert not torch.equal(by_chance, of_keys)


def test_sources_are_not_mixed():
    items = Items("vector", around(2, 10, torch.Generator().manual_seed(0)))
    data = Data(items, torch.arange(20), columns={"source": torch.arange(20) % 2})
    topic = topics(3)(data, Same(), 0).columns["topic"]
    for each in topic.unique():
        assert len(data.columns["source"][topic == each].unique()) == 1


def test_what_cannot_be_clustered_is_refused():
    with pytest.raises(InputError, match="0 clusters"):
        topics(0)
    with pytest.raises(InputError, match="there are none"):
        topics(2, keys=True)(Data.alone(Items("vector", torch.eye(3))), Same(), 0)
