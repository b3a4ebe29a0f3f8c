"""A split never leaks, loses nothing, keeps to its sizes and to its seed; hashes are stable."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
from itertools import compress

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from counterpoint.data import Example, TextData, input_hash, normalise, split
from counterpoint.data.splits import components
from counterpoint.errors import InputError

words = st.builds(str.format, st.sampled_from(["text {}", "Text  {} ", "ｔext\t{}"]), st.integers(0, 60))
examples = st.builds(
    Example,
    words,
    st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    label=st.sampled_from(["x", "y", "z"]),
)


def normal(data: TextData) -> set[str]:
    return {normalise(text) for text in data.texts()}


@given(
    rows=st.lists(examples, min_size=1, max_size=60),
    test=st.sampled_from([0, 1, 5, 0.1, 0.3]),
    dev=st.sampled_from([0, 3, 0.2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_text_is_in_two_parts_and_no_row_is_lost(rows, test, dev, seed):
    rows = [replace(e, line=i, scores=tuple(range(len(e.texts) - 1))) for i, e in enumerate(rows)]
    data = TextData("tuples", rows, "memory", {"anchor": "a"})
    try:
        parts = split(data, test=test, dev=dev, seed=seed)
    except InputError:  # what cannot be split has a test of its own
        reject()
    kept = [parts.train, parts.dev, parts.test]
    for i, one in enumerate(kept):
        assert one.schema == "tuples"
        assert one.columns == {"anchor": "a"}
        for other in kept[i + 1 :]:
            assert not normal(one) & normal(other)
    every = [e for part in kept for e in part.examples]
    assert sorted(e.line for e in every) == list(range(len(rows)))
    # nothing but negatives is left out, each with its score, and each for a text that another part has
    for part in kept:
        elsewhere = set.union(*(normal(other) for other in kept if other is not part))
        for e in part.examples:
            whole = rows[e.line]
            stays = [normalise(text) not in elsewhere for text in whole.negatives]
            n = len(whole.positives)
            assert (e.anchor, e.positives, e.label) == (whole.anchor, whole.positives, whole.label)
            assert e.negatives == tuple(compress(whole.negatives, stays))
            assert e.scores == (*whole.scores[:n], *compress(whole.scores[n:], stays))
    asked = (test if test >= 1 else max(round(test * len(rows)), test > 0)) if test else 0
    assert len(parts.test) <= asked
    assert bool(parts.test.examples) == bool(test)
    assert bool(parts.dev.examples) == bool(dev)
    assert split(data, test=test, dev=dev, seed=seed) == parts


@given(rows=st.lists(examples, min_size=1, max_size=30))
def test_components_against_a_naive_union_find(rows):
    parent = list(range(len(rows)))

    def find(i: int) -> int:
        return i if parent[i] == i else find(parent[i])

    for i, one in enumerate(rows):
        for j in range(i):
            first, second = ({normalise(t) for t in (e.anchor, *e.positives)} for e in (one, rows[j]))
            if first & second:
                parent[find(i)] = find(j)
    found = components(rows)
    for i in range(len(rows)):
        for j in range(i):
            assert (found[i] == found[j]) == (find(i) == find(j))


def test_sizes_are_exact_where_no_text_is_shared():
    rows = [Example(f"text {i}", (f"other {i}",)) for i in range(1000)]
    parts = split(TextData("pairs", rows, "memory"), test=0.15, dev=37)
    assert (len(parts.train), len(parts.dev), len(parts.test)) == (813, 37, 150)
    assert [e for e in rows if e in set(parts.dev.examples)] == parts.dev.examples
    other = split(TextData("pairs", rows, "memory"), test=0.15, dev=37, seed=1)
    assert other.test.examples != parts.test.examples


def test_labelled_texts_are_stratified():
    labels = ["a"] * 700 + ["b"] * 200 + ["c"] * 100
    rows = [Example(f"text {i}", label=label) for i, label in enumerate(labels)]
    parts = split(TextData("labelled", rows, "memory"), test=0.1, dev=0.2)
    assert Counter(e.label for e in parts.test.examples) == {"a": 70, "b": 20, "c": 10}
    assert Counter(e.label for e in parts.dev.examples) == {"a": 140, "b": 40, "c": 20}


def test_a_text_with_two_labels_stays_in_one_part():
    rows = [Example(f"text {i // 2}", label="ab"[i % 2]) for i in range(200)]
    parts = split(TextData("labelled", rows, "memory"), test=20, dev=20)
    assert (len(parts.train), len(parts.dev), len(parts.test)) == (160, 20, 20)
    assert not normal(parts.train) & (normal(parts.dev) | normal(parts.test))


def test_the_largest_component_stays_in_train():
    hub = [Example(f"question {i}", ("yes",)) for i in range(80)]
    rows = hub + [Example(f"other {i}", (f"answer {i}",)) for i in range(20)]
    parts = split(TextData("pairs", rows, "memory"), test=10, dev=5)
    assert set(hub) <= set(parts.train.examples)
    assert (len(parts.dev), len(parts.test)) == (5, 10)


def test_what_cannot_be_split_is_said():
    hub = TextData("pairs", [Example(f"question {i}", ("yes",)) for i in range(50)], "a.tsv")
    with pytest.raises(InputError, match=r"a\.tsv: shared texts.*50 of 50.*no test part of 5"):
        split(hub)
    with pytest.raises(InputError, match="2 rows cannot give 1 for dev and 1 for test"):
        split(TextData("texts", [Example("a"), Example("b")], "a.txt"))
    with pytest.raises(InputError, match=r"cannot be 1\.5 rows"):
        split(hub, test=1.5)
    with pytest.raises(InputError, match="cannot be -1 rows"):
        split(hub, test=-1)


@given(texts=st.lists(st.text(st.characters(), max_size=8), max_size=20))
def test_hash_against_hashlib_one_by_one(texts):
    hashes = input_hash(texts)
    assert hashes.dtype == np.int64
    assert hashes.shape == (len(texts),)
    for text, hashed in zip(texts, hashes, strict=True):
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        assert input_hash(text) == int(hashed) == int.from_bytes(digest, "little", signed=True)


def test_the_hash_is_the_same_in_another_process():
    code = "from counterpoint.data import input_hash; print(input_hash('naïve Ω'))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == input_hash("naïve Ω") == 5724429749959036891


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_normal_form(text):
    normal_form = normalise(text)
    assert normalise(normal_form) == normal_form
    assert normalise(f" \t{text}\n") == normal_form
    assert normalise(text.casefold()) == normal_form


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße", "STRASSE"), ("ﬁne", "Fine"), ("café", "cafe\u0301"), ("a\u00a0b", "A  b"), ("①", "1")],
)
def test_the_same_text_written_otherwise(one, other):
    assert normalise(one) == normalise(other)


def test_of_several_labels_the_rarest_has_its_share_of_each_part():
    rows = [Example(f"text {i}", labels=("often", "seldom") if i % 10 == 0 else ("often",)) for i in range(200)]
    parts = split(TextData("labelled", rows, "memory"), test=0.2, dev=0.2)
    assert [sum("seldom" in e.labels for e in part.examples) for part in (parts.train, parts.dev, parts.test)] == [
        12,
        4,
        4,
    ]


def test_mined_negatives_do_not_hold_all_rows_together():
    rows = [Example(f"q{i}", (f"d{i}",), tuple(f"d{(i + j) % 100}" for j in range(1, 8))) for i in range(100)]
    parts = split(TextData("tuples", rows, "memory"), test=10, dev=5)
    assert [len(part) for part in (parts.train, parts.dev, parts.test)] == [85, 5, 10]
    assert sum(len(e.negatives) for e in parts.train.examples) > 85 * 5
