"""A split never leaks, loses nothing, keeps to its sizes and to its seed; hashes are stable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from counterpoint.data import Example, TextData, input_hash, normalise, split
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.data.sources import load_source
from counterpoint.data.splits import components, kept_apart, split_data
from counterpoint.errors import InputError

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))

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
    assert Counter(e for part in kept for e in part.examples) == Counter(rows)
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
            if {normalise(t) for t in one.texts} & {normalise(t) for t in rows[j].texts}:
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


# -- rows of any modality


def items(modality: str, values: list[int]) -> Items:
    """Few different contents, so that items are equal often."""
    if modality == "text":
        return Items("text", [["text {}", "Text  {} ", "ｔext\t{}"][i % 3].format(i // 3) for i in values])
    return Items(modality, torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2) // 3)


def contents(data: Data) -> list[set[object]]:
    """What each row is made of: the side's modality and the content."""

    def content(side: Items, row: int) -> tuple[str, object]:
        value = side.values[row]
        return side.modality, normalise(value) if isinstance(value, str) else tuple(value.flatten().tolist())

    found = []
    for i in range(len(data)):
        its = {content(data.anchors, int(data.anchor[i]))}
        for members in (data.positives, data.negatives):
            if members is not None:
                its |= {content(data.others, m) for m in members[i].tolist() if m >= 0}
        found.append(its)
    return found


@st.composite
def row_data(draw: st.DrawFn) -> Data:
    modality, other = draw(st.sampled_from([("image", "text"), ("text", "text"), ("image", None), ("text", None)]))
    anchors = items(modality, draw(st.lists(st.integers(0, 90), min_size=4, max_size=40)))
    n = draw(st.integers(4, 50))
    anchor = torch.tensor(draw(st.lists(st.integers(0, len(anchors) - 1), min_size=n, max_size=n)))
    columns = {"label": torch.tensor(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))}
    if other is None:
        return Data(anchors, anchor, columns=columns)
    others = items(other, draw(st.lists(st.integers(0, 90), min_size=4, max_size=40)))
    member = st.lists(st.integers(-1, len(others) - 1), min_size=n, max_size=n)
    positives, negatives = torch.tensor([draw(member), draw(member)]).T, torch.tensor([draw(member)]).T
    return Data(anchors, anchor, others, positives, negatives, columns)


@given(data=row_data(), test=st.sampled_from([0, 1, 4, 0.2]), dev=st.sampled_from([0, 3, 0.2]), seed=st.integers(0, 9))
def test_no_item_is_in_two_parts_whatever_it_is(data, test, dev, seed):
    try:
        parts = split_data(data, test=test, dev=dev, seed=seed)
    except InputError:
        reject()
    rows = [contents(part) for part in parts]
    seen = [set().union(*each) for each in rows]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]
    # every row is somewhere, once
    assert Counter(frozenset(row) for each in rows for row in each) == Counter(map(frozenset, contents(data)))
    assert [bool(part) for part in (len(parts[1]), len(parts[2]))] == [bool(dev), bool(test)]
    again = split_data(data, test=test, dev=dev, seed=seed)
    assert all(torch.equal(one.anchor, other.anchor) for one, other in zip(parts, again, strict=True))
    assert all(len(kept_apart(one, *(p for p in parts if p is not one))) == len(one) for one in parts)


@given(data=row_data(), other=row_data())
def test_rows_that_share_an_item_are_not_kept(data, other):
    if (data.others is None) != (other.others is None) or data.modalities != other.modalities:
        reject()
    seen = set().union(*contents(other))
    kept = kept_apart(data, other, None)
    assert contents(kept) == [row for row in contents(data) if not row & seen]


@given(rows=st.lists(examples, min_size=4, max_size=40), seed=st.integers(0, 99))
def test_texts_as_rows_are_split_as_examples_are(rows, seed):
    data = TextData("tuples", rows, "memory")
    try:
        parts = split(data, test=0.2, dev=2, seed=seed)
    except InputError:
        reject()
    of_rows = split_data(rows_of(rows), test=0.2, dev=2, seed=seed)
    for examples_of, data_of in zip((parts.train, parts.dev, parts.test), of_rows, strict=True):
        anchors = [data_of.anchors.values[i] for i in data_of.anchor]
        assert anchors == [example.anchor for example in examples_of.examples]


def test_labelled_pictures_are_stratified():
    labels = torch.tensor([0] * 700 + [1] * 200 + [2] * 100)
    pixels = torch.arange(1000).view(-1, 1, 1, 1).float() / 1000
    _, dev, test = split_data(Data.alone(Items("image", pixels), label=labels), test=0.1, dev=0.2)
    assert test.columns["label"].bincount().tolist() == [70, 20, 10]
    assert dev.columns["label"].bincount().tolist() == [140, 40, 20]


def test_of_sets_of_labels_the_rarest_counts():
    hot = torch.tensor([[1.0, float(i % 10 == 0)] for i in range(200)])
    data = Data.alone(Items("image", torch.arange(200).view(-1, 1, 1, 1).float()), labels=hot)
    assert [int(part.columns["labels"][:, 1].sum()) for part in split_data(data, test=0.2, dev=0.2)] == [12, 4, 4]


def test_what_holds_together_is_said_of_pictures_too():
    data = Data(
        Items("image", torch.rand(50, 1, 2, 2)), torch.arange(50), Items("text", ["yes"]), torch.zeros(50, 1).long()
    )
    with pytest.raises(InputError, match=r"shared items hold the rows together \(50 of 50 in one piece\)"):
        split_data(data)


def graph(triples: list[tuple[int, int, int]]) -> Data:
    head, relation, tail = torch.tensor(triples).T
    relations = int(relation.max()) + 1
    both = torch.cat([torch.stack([head, relation], 1), torch.stack([tail, relation + relations], 1)])
    queries, anchor = both.unique(dim=0, return_inverse=True)
    entities = Items("entity", torch.arange(int(torch.stack([head, tail]).max()) + 1))
    return Data(Items("query", queries), anchor, entities, torch.cat([tail, head])[:, None])


def triples_of(data: Data, relations: int) -> list[tuple[int, int, int]]:
    rows = torch.cat([data.anchors.tensor[data.anchor], data.positives], 1).tolist()
    return [(h, r, t) if r < relations else (t, r - relations, h) for h, r, t in rows]


links = st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 7))


@given(triples=st.lists(links, min_size=6, max_size=60), test=st.sampled_from([1, 3, 0.2]), seed=st.integers(0, 99))
def test_a_graph_is_cut_by_triples_whose_parts_are_known(triples, test, seed):
    relations = max(r for _, r, _ in triples) + 1
    try:
        parts = split_data(graph(triples), test=test, dev=1, seed=seed)
    except InputError:
        reject()
    found = [triples_of(part, relations) for part in parts]
    # both directions of a triple, and its copies, are in one part
    assert not set(found[0]) & set(found[1]) | set(found[0]) & set(found[2]) | set(found[1]) & set(found[2])
    assert Counter(t for part in found for t in part) == Counter(triples * 2)
    known = {e for h, _, t in found[0] for e in (h, t)}, {r for _, r, _ in found[0]}
    for part in found[1:]:
        assert part
        assert all(h in known[0] and t in known[0] and r in known[1] for h, r, t in part)
    assert len(set(found[2])) <= (test if test >= 1 else max(1, round(test * len(set(triples)))))


def test_a_graph_of_which_nothing_can_be_cut_off():
    with pytest.raises(InputError, match="no test part can be cut off, as every triple has an entity"):
        split_data(graph([(i, 0, i + 1) for i in range(0, 20, 2)]), test=2)


def test_a_real_graph_is_cut_as_asked():
    if not (FOLDER / "kg/umls").exists():
        pytest.skip(f"no kg/umls in {FOLDER}")
    data = load_source(FOLDER / "kg/umls/train.tsv.gz").data
    train, dev, test = split_data(data, test=0.1, dev=0.1)
    assert [len(part) // 2 for part in (train, dev, test)] == [5216 - 2 * 522, 522, 522]
    assert len(train.positives.unique()) == len(data.others) == 135
