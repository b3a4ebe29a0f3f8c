from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views import in_context, in_pieces, spans

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


@given(st.integers(1, 60), st.integers(1, 20))
def test_pieces_are_all_words_in_about_equal_parts(n, longest):
    words = [str(i) for i in range(n)]
    pieces = [piece.split() for piece in in_pieces(" ".join(words), longest)]
    assert [word for piece in pieces for word in piece] == words
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= longest
    assert len(pieces) == max(min(2, n), -(-n // longest))


@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 99))
def test_contexts_are_beside_overlap_or_are_any_other_piece(n, longest, seed):
    text = " ".join(str(i) for i in range(n))
    found = in_context(text, longest, torch.Generator().manual_seed(seed))
    pieces = in_pieces(text, longest)
    assert len(found) == (len(pieces) if n > 1 else 0)
    for i, (piece, near, overlap, other) in enumerate(found):
        assert piece == pieces[i]
        assert abs(pieces.index(near) - i) == 1
        assert other in pieces
        assert other != piece
        own, shared = piece.split(), set(piece.split()) & set(overlap.split())
        assert f" {overlap} " in f" {text} "
        assert len(shared) == len(own) - len(own) // 2 or i + 1 == len(found)
        assert len(own) == 1 or 0 < len(shared) < len(own)


def test_which_context_is_drawn():
    seen = {tuple(in_context("a b c d e f", 1, torch.Generator().manual_seed(s))[2]) for s in range(60)}
    assert {near for _, near, _, _ in seen} == {"b", "d"}
    assert {other for *_, other in seen} == {"a", "b", "d", "e", "f"}
