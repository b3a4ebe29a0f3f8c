"""Rows of any modality are split without a leak, and knowledge graphs so that all is known from training."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from counterpoint.data import TextData, normalise, split
from counterpoint.data.items import Data, Items
from counterpoint.data.row_splits import kept_apart, split_classes, split_data
from counterpoint.data.rows import rows_of
from counterpoint.data.sources import load_source
from counterpoint.errors import InputError
from data.test_splits import examples

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


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


KINDS = st.sampled_from([("image", "text"), ("text", "text"), ("image", None), ("text", None)])


@st.composite
def row_data(draw: st.DrawFn, kinds=KINDS) -> Data:
    modality, other = draw(kinds)
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
    # every row is somewhere, once, but for its negatives
    bare = [contents(replace(part, negatives=None)) for part in (data, *parts)]
    assert Counter(frozenset(row) for each in bare[1:] for row in each) == Counter(map(frozenset, bare[0]))
    assert [bool(part) for part in (len(parts[1]), len(parts[2]))] == [bool(dev), bool(test)]
    again = split_data(data, test=test, dev=dev, seed=seed)
    assert all(torch.equal(one.anchor, other.anchor) for one, other in zip(parts, again, strict=True))
    assert all(len(kept_apart(one, *(p for p in parts if p is not one))) == len(one) for one in parts)


@given(KINDS.flatmap(lambda kind: st.tuples(*[row_data(st.just(kind))] * 2)))
def test_rows_that_share_an_item_are_not_kept(both):
    data, other = both
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
        if data_of.negatives is not None:
            negatives = [[data_of.others.values[i] for i in row if i >= 0] for row in data_of.negatives.tolist()]
            assert negatives == [list(example.negatives) for example in examples_of.examples]


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
    with pytest.raises(InputError, match="no test part can be cut off: each triple left has an entity"):
        split_data(graph([(i, 0, i + 1) for i in range(0, 20, 2)]), test=2)


def test_a_real_graph_is_cut_as_asked():
    if not (FOLDER / "kg/umls").exists():
        pytest.skip(f"no kg/umls in {FOLDER}")
    data = load_source(FOLDER / "kg/umls/train.tsv.gz").data
    train, dev, test = split_data(data, test=0.1, dev=0.1)
    assert [len(part) // 2 for part in (train, dev, test)] == [5216 - 2 * 522, 522, 522]
    assert len(train.positives.unique()) == len(data.others) == 135


@pytest.mark.parametrize("seed", [0, 1])
def test_classes_are_divided_alike_and_nothing_is_shared(seed):
    names = [str(i) for i in range(40)]
    pixels = torch.arange(40).to(torch.uint8).view(40, 1, 1, 1)
    label = torch.arange(40) % 4
    data = Data.alone(Items("image", pixels, names), classes=tuple("abcd"), label=label, domain=torch.arange(40) % 3)
    train, test = split_classes(data, test=0.3, seed=seed)
    assert sorted(train.anchor.tolist() + test.anchor.tolist()) == list(range(40))
    assert test.columns["label"].bincount().tolist() == [3] * 4
    for part in (train, test):
        assert torch.equal(part.columns["label"], label[part.anchor])
        assert torch.equal(part.columns["domain"], part.anchor % 3)
        assert part.anchors[part.anchor].names == [names[i] for i in part.anchor]
    assert torch.equal(split_classes(data, test=0.3, seed=seed)[1].anchor, test.anchor)
    assert not torch.equal(split_classes(data, test=0.3, seed=seed + 2)[1].anchor, test.anchor)
