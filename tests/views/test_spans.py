from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views import spans

N = 2000


def drawn(step, texts, seed=0):
    return step(Data.alone(Items("text", texts)), nn.Identity(), seed)


def places(texts):
    return [(int(t.split()[0]), int(t.split()[-1])) for t in texts]


def test_lengths_follow_their_distributions_and_places_the_rules():
    text = " ".join(map(str, range(N)))
    made = drawn(spans(2, 2, longest=100), [text] * 400)
    first, near = places(made.anchors.texts), places(made.others.texts)
    length = torch.tensor([b - a + 1.0 for a, b in first])
    own = torch.tensor([b - a + 1.0 for a, b in near])
    # Beta(4, 2) has mean 2/3, Beta(2, 4) 1/3, of 6 to 100 words, both a standard deviation of 0.178
    for found, mean in ((length, 2 / 3), (own, 1 / 3)):
        assert abs(float(found.mean()) - (mean * 94 + 5.5)) < 2
        assert abs(float(found.std()) - 0.178 * 94) < 2
        assert found.min() >= 6
        assert found.max() <= 100
    for i, (a, b) in enumerate(first):
        for c, d in near[2 * i : 2 * i + 2]:
            assert d >= a - 1
            assert c <= b + 1
            assert 0 <= c <= d < N
    cells = torch.tensor([a // 100 for a, _ in first]).view(-1, 2)
    assert (cells.diff().abs() >= 1).all()
    # before, within and after
    where = [(c < a, c >= a and d <= b, d > b) for i, (a, b) in enumerate(first) for c, d in near[2 * i : 2 * i + 2]]
    assert all(any(kind) for kind in zip(*where, strict=True))


@pytest.mark.parametrize("anchors", [1, 2, 3, 4])
def test_short_texts_have_short_spans_and_shorter_ones_none(anchors):
    words = " ".join(map(str, range(2 * anchors)))
    made = drawn(spans(anchors, 3), [words, words.rsplit(" ", 1)[0], words])
    assert len(made) == 2 * anchors
    assert made.columns["document"].tolist() == [0] * anchors + [2] * anchors
    assert made.positives.tolist() == torch.arange(6 * anchors).view(-1, 3).tolist()
    assert all(len(t.split()) == 1 for t in (*made.anchors.texts, *made.others.texts))


def test_documents_that_meet_are_drawn_and_the_seed_says_which():
    texts = [" ".join(f"{i}" for i in range(40))] * 10
    one, same, other = (drawn(spans(documents=3), texts, seed) for seed in (0, 0, 1))
    assert torch.bincount(one.columns["batch"]).tolist() == [6, 6, 6, 2]
    assert (one.columns["batch"].view(10, 2).diff() == 0).all()
    assert one.anchors.texts == same.anchors.texts != other.anchors.texts
    assert not torch.equal(one.columns["batch"], other.columns["batch"])


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="1 or more"):
        spans(0)
    with pytest.raises(InputError, match="long enough"):
        drawn(spans(), ["too short"])
