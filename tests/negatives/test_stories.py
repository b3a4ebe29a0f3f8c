"""Rows of a story and of the nearest other, against a loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives import story_pairs

Z = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
LABEL = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3, -1, 4, 4])
TOPIC = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, -1, 0, -1, -1])


class Known:
    def encode_items(self, items, *, kind=None):
        return np.stack([Z[int(text)] for text in items.texts])


def stories(**columns):
    data = Data.alone(Items("text", [str(i) for i in range(12)]))
    return replace(data, columns={"label": LABEL, **columns})


def nearest(i, allowed, each):
    cosine = {j: Z[i] @ Z[j] / np.linalg.norm(Z[i]) / np.linalg.norm(Z[j]) for j in allowed}
    return sorted(cosine, key=cosine.get, reverse=True)[:each]


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("topics", [False, True])
def test_each_text_has_one_of_its_story_and_the_nearest_that_shares_neither_story_nor_topic(each, topics):
    data = stories(**({"topic": TOPIC} if topics else {}))
    found = story_pairs(each)(data, Known(), 3)
    wanted = []
    for i in range(12):
        own = [j for j in range(12) if LABEL[j] == LABEL[i] and j != i]
        if LABEL[i] < 0 or not own:
            continue
        others = [j for j in range(12) if LABEL[j] >= 0 and LABEL[j] != LABEL[i]]
        if topics:
            others = [j for j in others if TOPIC[j] != TOPIC[i] or TOPIC[i] < 0]
        wanted += [(i, j) for j in nearest(i, others, each)]
    assert list(zip(found.anchor.tolist(), found.negatives[:, 0].tolist(), strict=True)) == wanted
    for i, p in zip(found.anchor.tolist(), found.positives[:, 0].tolist(), strict=True):
        assert LABEL[i] == LABEL[p]
        assert i != p
    assert found.schema == "tuples"
    assert story_pairs(each)(data, Known(), 3).positives.tolist() == found.positives.tolist()


def test_positives_are_drawn_from_all_of_the_story():
    drawn = {(int(i), int(p)) for seed in range(30) for i, p in pairs(seed)}
    assert {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)} <= drawn


def pairs(seed):
    found = story_pairs()(stories(), Known(), seed)
    return zip(found.anchor, found.positives[:, 0], strict=True)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="give 1 or more"):
        story_pairs(0)
    with pytest.raises(InputError, match="told by labels"):
        story_pairs()(replace(stories(), columns={}), Known(), 0)
    for label in (torch.arange(12), torch.zeros(12, dtype=torch.long)):
        with pytest.raises(InputError, match="no text has another"):
            story_pairs()(replace(stories(), columns={"label": label}), Known(), 0)
