"""Shards: the same rows over the same texts as one file, of which none is held in memory."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import read, shards
from counterpoint.data.items import Data
from counterpoint.data.row_splits import split_data
from counterpoint.data.rows import rows_of
from counterpoint.data.shards import read_shards, shard_files
from counterpoint.data.splits import split
from counterpoint.data.stored import StoredTexts, compact, is_stored, some
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.training.rows import RowBatches

WORDS = ("red fox", "Red  fox", "blue", "ünï çödé", "an ant", "9", "𝔘 plane", "x\ty")
TEXT = st.sampled_from(WORDS)
ROWS = st.lists(
    st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3), st.lists(TEXT, max_size=2)), min_size=2, max_size=12
)


def written(folder, rows, cuts=()):
    """Rows in shards, cut at these places, and in one file beside."""
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "shards").mkdir()
    ends = sorted({min(cut, len(lines)) for cut in cuts} | {0, len(lines)})
    for i, (start, end) in enumerate(itertools.pairwise(ends)):
        (folder / "shards" / f"{i}.jsonl").write_text("".join(lines[start:end]))
    (folder / "one.jsonl").write_text("".join(lines))
    return folder / "shards", folder / "one.jsonl"


def same(a: Data, b: Data):
    assert list(a.anchors.values) == list(b.anchors.values)
    assert a.anchor.tolist() == b.anchor.tolist()
    assert a.anchors.hashes().tolist() == b.anchors.hashes().tolist()
    assert (a.others is None) == (b.others is None)
    if a.others is not None:
        assert list(a.others.values) == list(b.others.values)
    for name in ("positives", "negatives"):
        mine, other = (None if rows is None else rows.tolist() for rows in (getattr(a, name), getattr(b, name)))
        assert mine == other


@given(ROWS, st.lists(st.integers(1, 11), max_size=3))
@settings(max_examples=40)
def test_tuples_of_shards_are_those_of_one_file(tmp_path_factory, rows, cuts):
    folder = tmp_path_factory.mktemp("shards")
    named = [{"query": q, "pos": p, "neg": n} for q, p, n in rows]
    several, one = written(folder, named, cuts)
    data = read_shards(shard_files(several), folder / "texts", schema="tuples").data
    whole = rows_of(read(one, schema="tuples").examples)
    assert is_stored(data)
    same(data, whole)
    small = compact(data)
    assert not is_stored(small)
    same(small, whole)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=30, max_size=60), st.integers(0, 3))
@settings(max_examples=20)
def test_shards_are_split_as_one_file(tmp_path_factory, rows, seed):
    folder = tmp_path_factory.mktemp("split")
    named = [{"query": f"Query {q}" + " " * (q % 3), "document": f"document {d}"} for q, d in rows]
    several, one = written(folder, named, [7, 20])
    data, whole = read_shards(shard_files(several), folder / "texts").data, read(one)

    def parts(of):
        try:
            return of()
        except InputError as error:
            return error.what.replace("items", "texts")

    ours = parts(lambda: split_data(data, test=5, dev=3, seed=seed))
    theirs = parts(lambda: split(whole, test=5, dev=3, seed=seed))
    if isinstance(ours, str):
        assert ours == theirs
        return
    for mine, other in zip(ours, (theirs.train, theirs.dev, theirs.test), strict=True):
        same(compact(mine), rows_of(other.examples))


def test_texts_alone(tmp_path):
    several, one = written(tmp_path, [{"text": word} for word in WORDS], [3])
    data = read_shards(shard_files(several), tmp_path / "texts").data
    assert data.schema == "items"
    same(data, rows_of(read(one).examples))


@pytest.fixture
def stored(tmp_path):
    rows = [{"query": f"q {i % 7} red", "document": f"d {i} blue {i % 3}"} for i in range(24)]
    several, one = written(tmp_path, rows, [5, 9])
    return read_shards(shard_files(several), tmp_path / "texts").data, rows_of(read(one).examples)


@pytest.mark.parametrize("two", [False, True])
def test_batches_are_those_of_texts_in_memory(stored, two):
    data, whole = stored
    table = StaticEncoder.from_corpus(["q d red blue 1 2 3"], dim=4)
    encoder = Towers(table, StaticEncoder.from_corpus(["q d red blue 1 2 3"], dim=4)) if two else table
    for rows in (torch.tensor([3, 20, 4]), torch.arange(24)):
        ours, theirs = (RowBatches(each, encoder).payload(rows) for each in (data, whole))
        assert ours.cost.tolist() == theirs.cost.tolist()
        z, w = encoder(ours.inputs), encoder(theirs.inputs)
        assert torch.equal(z, w)
        for side in ("queries", "keys"):
            a, b = ours.arguments(z)[side], theirs.arguments(w)[side]
            assert torch.equal(a.z, b.z)
            assert {name: c.tolist() for name, c in a.columns.items()} == {n: c.tolist() for n, c in b.columns.items()}


def test_some_rows_are_spread_evenly_and_in_memory(stored):
    data, whole = stored
    few = some(data, 4)
    assert not is_stored(few)
    assert [few.anchors.values[i] for i in few.anchor.tolist()] == [
        whole.anchors.values[i] for i in whole.anchor[[0, 6, 12, 18]].tolist()
    ]
    same(some(data, 100), whole)
    assert some(whole, 1) is whole


def test_what_was_read_is_read_no_more_unless_it_changes(tmp_path, monkeypatch):
    rows = [{"query": f"q{i}", "document": f"d{i}"} for i in range(6)]
    folder, _ = written(tmp_path, rows, [2, 4])
    files, seen = shard_files(folder), []
    real = shards._write

    def counted(part, file, *rest):
        seen.append(file.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        real(part, file, *rest)

    monkeypatch.setattr(shards, "_write", counted)
    with pytest.raises(KeyboardInterrupt):
        read_shards(files, tmp_path / "texts")
    told = []
    first = read_shards(files, tmp_path / "texts", say=lambda *done: told.append(done)).data
    assert seen == ["0.jsonl", "1.jsonl", "1.jsonl", "2.jsonl"]
    assert told == [(1, 3, 2), (2, 3, 4), (3, 3, 6)]
    files[1].write_text('{"query": "new", "document": "d0"}\n')
    second = read_shards(files, tmp_path / "texts").data
    assert seen[4:] == ["1.jsonl"]
    assert (len(first), len(second)) == (6, 5)
    assert second.anchors.values[2] == "new"
    assert second.positives[2].item() == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"a": "x", "b": "y", "score": 1.5}, {"a": "z", "b": "w", "score": 0.1}], "scored rows"),
        ([{"text": "x", "label": "p"}, {"text": "y", "label": "q"}], "labelled rows"),
        ([{"query": "x", "document": "y", "prompt": "find: "}], "labels or prompts"),
    ],
)
def test_what_cannot_be_streamed_is_refused(tmp_path, rows, said):
    folder, _ = written(tmp_path, rows)
    with pytest.raises(InputError, match=said):
        read_shards(shard_files(folder), tmp_path / "texts")
    assert not (tmp_path / "texts").exists()


def test_a_shard_of_other_columns_and_a_bad_row_are_named(tmp_path):
    folder, _ = written(tmp_path, [{"query": "a", "document": "b"}, {"query": "c", "document": " "}], [1])
    with pytest.raises(InputError, match=r"1\.jsonl:1: column 'document' is empty"):
        read_shards(shard_files(folder), tmp_path / "texts")
    read_ = read_shards(shard_files(folder), tmp_path / "texts", skip_bad=True)
    assert (len(read_.data), [bad.line for bad in read_.rejected]) == (1, [1])
    again = read_shards(shard_files(folder), tmp_path / "texts", skip_bad=True)
    assert [(bad.file, bad.line, bad.reason) for bad in again.rejected] == [
        (bad.file, bad.line, bad.reason) for bad in read_.rejected
    ]
    (folder / "2.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    with pytest.raises(InputError, match=r"2\.jsonl: this shard has other columns"):
        read_shards(shard_files(folder), tmp_path / "texts", skip_bad=True)


def test_which_folders_are_shards(tmp_path):
    for name in ("b.parquet", "a.parquet", "README.md", ".hidden"):
        (tmp_path / name).touch()
    assert [f.name for f in shard_files(tmp_path)] == ["a.parquet", "b.parquet"]
    (tmp_path / "train-0.parquet").touch()
    assert [f.name for f in shard_files(tmp_path)] == ["train-0.parquet"]
    (tmp_path / "c.jsonl").touch()
    assert shard_files(tmp_path) == []
    (tmp_path / "beir").mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        (tmp_path / "beir" / name).touch()
    assert shard_files(tmp_path / "beir") == []


def test_texts_are_read_by_place_from_however_many_files(tmp_path):
    resource = pytest.importorskip("resource")
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i:02}.jsonl").write_text(f'{{"query": "q{i}", "document": "d{i}"}}\n')
    texts = read_shards(shard_files(folder), tmp_path / "texts").data.anchors.values
    assert isinstance(texts, StoredTexts)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 8, hard))
    try:
        assert list(texts) == [f"q{i}" for i in range(40)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert texts[-1] == "q39"
    assert texts[1:3] == ["q1", "q2"]
    assert pickle.loads(pickle.dumps(texts))[0] == "q0"


def test_a_column_that_comes_with_a_later_shard_is_refused_as_it_is_in_a_file(tmp_path):
    rows = [{"query": "a", "document": "b"}, {"query": "c", "document": "d", "negative": "e"}]
    folder, _ = written(tmp_path, rows, [1])
    with pytest.raises(InputError, match=r"1\.jsonl:1: column 'negative' occurs here for the first time"):
        read_shards(shard_files(folder), tmp_path / "texts")
    (folder / "0.jsonl").write_text(json.dumps(rows[1]) + "\n")
    (folder / "1.jsonl").write_text(json.dumps(rows[0]) + "\n")
    data = read_shards(shard_files(folder), tmp_path / "texts").data
    assert data.negatives.tolist() == [[1], [-1]]


def test_shards_are_read_again_for_another_schema(tmp_path):
    folder, _ = written(tmp_path, [{"query": "a", "pos": ["b", "c"]}])
    rows = [len(read_shards(shard_files(folder), tmp_path / "texts", schema=s).data) for s in ("tuples", "pairs")]
    assert rows == [1, 2]


def test_shards_of_another_folder_are_not_taken_for_these(tmp_path):
    import os

    for name, word in (("a", "red"), ("b", "one")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jsonl").write_text(f'{{"query": "{word}", "document": "d"}}\n')
        os.utime(tmp_path / name / "0.jsonl", (1, 1))
    found = [read_shards(shard_files(tmp_path / name), tmp_path / "texts").data.anchors.values[0] for name in "ab"]
    assert found == ["red", "one"]


def test_a_shard_that_is_written_to_while_it_is_read_is_refused(tmp_path, monkeypatch):
    folder, _ = written(tmp_path, [{"query": "a", "document": "b"}])
    real = shards._read

    def growing(file, *rest):
        yield from real(file, *rest)
        file.write_text(file.read_text() * 2)

    monkeypatch.setattr(shards, "_read", growing)
    with pytest.raises(InputError, match="was written to while it was read"):
        read_shards(shard_files(folder), tmp_path / "texts")


def test_a_row_that_would_make_all_rows_wide_is_refused(tmp_path):
    folder, _ = written(tmp_path, [{"query": "a", "pos": ["b"], "neg": [f"n{i}" for i in range(129)]}])
    with pytest.raises(InputError, match="a row has 129 positives or negatives"):
        read_shards(shard_files(folder), tmp_path / "texts", schema="tuples")


def test_what_else_reads_texts_reads_shards_as_one_file(tmp_path):
    from counterpoint.data import read_documents

    rows = [{"query": f"q{i}", "document": f"d{i} {'' if i != 4 else ' '}"} for i in range(6)]
    rows[4]["document"] = " "
    folder, _ = written(tmp_path, rows, [3])
    with pytest.raises(InputError, match=r"shards/1\.jsonl:2: column 'document' is empty"):
        read(folder)
    told = []
    data = read(folder, skip_bad=True, progress=lambda *done: told.append(done))
    assert [e.anchor for e in data.examples] == ["q0", "q1", "q2", "q3", "q5"]
    assert [(bad.file, bad.line) for bad in data.rejected] == [(str(folder / "1.jsonl"), 2)]
    assert data.source == str(folder)
    assert told[-1][0] == told[-1][1] == sum(f.stat().st_size for f in folder.iterdir())
    assert len(read_documents(folder, skip_bad=True).texts) == 5
