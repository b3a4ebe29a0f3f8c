"""Positional bias: segments, moved passages and ranks against a loop over each."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.evaluate import Answered, positional_bias
from counterpoint.evaluate.positional import moved, segments

WORDS = [f"w{i}" for i in range(40)]
VECTORS = dict(zip(WORDS, np.random.default_rng(0).standard_normal((40, 12)), strict=True))


class Weighted:
    """A text's vector is the sum of its words', of which the first count more, or as much."""

    similarity = "dot"

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def encode(self, texts, *, kind=None):
        return np.array([self.of(text) for text in texts], dtype=np.float32)

    def of(self, text):
        return sum(self.decay**i * VECTORS[word] for i, word in enumerate(text.split()))


DOCUMENTS = [" ".join(np.random.default_rng(i).permutation(WORDS)[: 12 + i]) for i in range(6)]
ANSWERED = [
    Answered(" ".join(words[4:7]), " ".join(words[5:8]), i)
    for i, words in enumerate(document.split() for document in DOCUMENTS[:4])
]


def cosine(a, b) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def rank(encoder, each, own, k) -> float:
    """The reciprocal rank of this text among all other documents, none of which ties."""
    q = encoder.of(each.query)
    above = sum(q @ encoder.of(text) > q @ encoder.of(own) for i, text in enumerate(DOCUMENTS) if i != each.document)
    return 1 / (1 + above) if above < k else 0.0


@pytest.mark.parametrize("k", [2, 100])
def test_every_figure_is_that_of_a_naive_loop(k):
    encoder, places = Weighted(0.8), 4
    found = positional_bias(encoder, DOCUMENTS, ANSWERED, places=places, k=k, samples=0)
    near = np.array([[cosine(encoder.of(d), encoder.of(s)) for s in segments(d, places)] for d in DOCUMENTS])
    assert near.shape == (6, 4)
    for i in range(places):
        assert found[f"cosine of segment {i + 1}"].value == pytest.approx(near[:, i].mean(), abs=1e-5)
    assert found["first segment nearer"].value == pytest.approx((near[:, :1] > near[:, 1:]).mean())
    scores, ranks = [], []
    for each in ANSWERED:
        texts = moved(DOCUMENTS[each.document], each.passage, places)
        scores.append([encoder.of(each.query) @ encoder.of(text) for text in texts])
        ranks.append([rank(encoder, each, text, k) for text in texts])
    as_they_are = [rank(encoder, each, DOCUMENTS[each.document], k) for each in ANSWERED]
    assert found[f"mrr@{k}"].value == pytest.approx(np.mean(as_they_are))
    for i in range(places):
        assert found[f"mrr@{k}, passage at {i + 1}"].value == pytest.approx(np.mean(ranks, 0)[i])
    scores = np.array(scores)
    assert found["first place better"].value == pytest.approx((scores[:, :1] > scores[:, 1:]).mean())
    assert found["first place better"].value > 0.9


def test_where_places_do_not_count_the_share_is_a_half_and_all_ranks_are_one():
    found = positional_bias(Weighted(1.0), DOCUMENTS, ANSWERED, places=3, samples=0)
    assert found["first place better"].value == 0.5
    assert len({found[f"mrr@100, passage at {i}"].value for i in (1, 2, 3)} | {found["mrr@100"].value}) == 1


def test_a_passage_is_put_evenly_from_the_first_word_to_the_last():
    texts = moved("a b c d x y e f", "x y", 4)
    assert texts == ["x y a b c d e f", "a b x y c d e f", "a b c d x y e f", "a b c d e f x y"]
    parts = segments(" ".join("abcdefg"), 3)
    assert parts == ["a b", "c d", "e f g"]


def test_other_documents_of_a_query_do_not_count():
    query = ANSWERED[0].query
    two = [ANSWERED[0], Answered(query, DOCUMENTS[1].split()[3], 1)]
    encoder = Weighted(1.0)
    order = sorted(range(6), key=lambda i: -float(encoder.of(query) @ encoder.of(DOCUMENTS[i])))
    places = [[i for i in order if i not in {0, 1} - {own}].index(own) for own in (0, 1)]
    found = positional_bias(encoder, DOCUMENTS, two, places=2, samples=0)["mrr@100"]
    assert found.values.tolist() == pytest.approx([1 / (1 + place) for place in places])
    assert places[0] != order.index(0) or places[1] != order.index(1)


def test_short_and_cut_documents_are_said():
    encoder = small_transformer(DOCUMENTS, layers=1, width=16, heads=2, vocab_size=100, max_seq_length=16)
    notes = positional_bias(encoder, [*DOCUMENTS, "w1 w2"], places=4, samples=0).notes
    assert notes[0].startswith("1 documents of fewer than 4 words")
    assert "longer than the model's 16 tokens" in notes[1]
    assert positional_bias(Weighted(1.0), DOCUMENTS, places=4, samples=0).notes == ()


def test_what_cannot_be_measured_is_refused():
    encoder = Weighted(1.0)
    for documents, answered, places, said in (
        (["w1 w2"], [], 3, "no document has 3 words"),
        (DOCUMENTS, [], 1, "no document has 1 words"),
        (DOCUMENTS, [Answered("w1", "w1 w1", 0)], 3, "is not in its document"),
        (DOCUMENTS, [Answered("w1", "", 0)], 3, "is not in its document"),
        (DOCUMENTS, [Answered("w1", "w1", 6)], 3, "there is no document 6 of 6"),
        (DOCUMENTS, [Answered("w1", "w1", -1)], 3, "there is no document -1"),
    ):
        with pytest.raises(InputError, match=said):
            positional_bias(encoder, documents, answered, places=places, samples=0)
