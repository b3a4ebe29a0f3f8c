"""Documents: a corpus keeps its ids, titles and columns; everything else is read as before."""

from __future__ import annotations

import csv
import datetime
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import account, describe, read, read_documents, write_rows
from counterpoint.errors import InputError


def write(path: Path, rows: list[dict]) -> Path:
    """The rows in the format of the file's extension."""
    names = list(rows[0])
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    path.write_text(out.getvalue(), newline="")
    return path


CORPUS = [
    {"_id": "L1", "title": "Ant care", "text": "feed it ants", "year": 1999, "price": 2.5, "sold": True, "in": "en"},
    {"_id": "L2", "title": "", "text": "paint it every spring", "year": 2001, "price": 3.0, "sold": False, "in": "de"},
    {"_id": "L3", "title": "Only a title", "text": "", "year": 2003, "price": 0.25, "sold": True, "in": "en"},
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("name", ["_id", "id", "docid", "doc_id", "docno", "article_id"])
def test_a_corpus_keeps_ids_titles_and_columns(tmp_path, suffix, name):
    rows = [{name: row["_id"], **{k: v for k, v in row.items() if k != "_id"}} for row in CORPUS]
    documents = read_documents(write(tmp_path / f"a{suffix}", rows))
    assert documents.ids == ["L1", "L2", "L3"]
    assert documents.texts == ["Ant care feed it ants", "paint it every spring", "Only a title"]
    assert documents.columns == {
        "year": [1999, 2001, 2003],
        "price": [2.5, 3.0, 0.25],
        "sold": [True, False, True],
        "in": ["en", "de", "en"],
    }
    assert [type(v[0]) for v in documents.columns.values()] == [int, float, bool, str]
    said = f"read 3 documents from {tmp_path}/a{suffix}: id = '{name}', title = 'title', text = 'text'; kept: "
    assert describe(documents) == said + "'year', 'price', 'sold', 'in'"


@pytest.mark.parametrize(
    ("content", "ids", "texts"),
    [
        ('{"id":"A-17","text":"a lamp"}\n{"id":"B-22","text":"a boat"}\n', ["A-17", "B-22"], ["a lamp", "a boat"]),
        ('{"id": 7, "contents": "a"}\n{"id": 12, "contents": "b"}\n', ["7", "12"], ["a", "b"]),
        ('{"id": "x", "title": "A film"}\n{"id": "y", "title": "A play"}\n', ["x", "y"], ["A film", "A play"]),
        ('{"pid": "x", "title": "T", "abstract": null}\n{"pid": "y", "abstract": "B"}\n', ["x", "y"], ["T", "B"]),
        ('{"title": "T", "text": "one"}\n{"title": "", "text": "two"}\n', ["d0", "d1"], ["T one", "two"]),
        ('{"id": "x", "review": "it is very good"}\n{"id": "y", "review": "it is bad"}\n', ["x", "y"],
         ["it is very good", "it is bad"]),
        ('{"id": "x", "question": "why?"}\n{"id": "y", "question": "how?"}\n', ["x", "y"], ["why?", "how?"]),
        ('{"id": "x", "text": "same"}\n{"id": "y", "text": "same"}\n', ["x", "y"], ["same", "same"]),
    ],
)  # fmt: skip
def test_what_is_a_corpus(tmp_path, content, ids, texts):
    (tmp_path / "a.jsonl").write_text(content)
    documents = read_documents(tmp_path / "a.jsonl")
    assert (documents.ids, documents.texts) == (ids, texts)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.jsonl", '{"id": 1, "question": "q", "answer": "p"}\n{"id": 2, "question": "r", "answer": "p"}\n', ["p"]),
        ("a.jsonl", '{"id": 1, "question": "q", "context": "c"}\n{"id": 2, "question": "r", "context": "c"}\n', ["c"]),
        ("a.jsonl", '{"id": 1, "prompt": "q", "output": "p"}\n{"id": 2, "prompt": "r", "output": "s"}\n', ["p", "s"]),
        ("a.tsv", "id\tsentence1\tsentence2\tscore\n1\ta\tb\t2\n2\tc\td\t1\n", ["b", "d"]),
        ("a.jsonl", '{"query": "q", "pos": ["a", "b"], "neg": ["c"]}\n{"query": "r", "pos": ["a"], "neg": ["d"]}\n',
         ["a", "b"]),
        ("a.txt", "one\n\ntwo\none\n", ["one", "two"]),
        ("a.tsv", "a question\tthe answer\nanother one\tits answer\n", ["the answer", "its answer"]),
    ],
)  # fmt: skip
def test_what_is_none_gives_its_distinct_positives_or_texts(tmp_path, name, content, texts):
    (tmp_path / name).write_text(content)
    documents = read_documents(tmp_path / name)
    assert documents.texts == texts
    assert documents.ids == [f"d{i}" for i in range(len(texts))]


def test_fit_reads_a_title_and_a_text_as_a_pair_still(tmp_path):
    file = write(tmp_path / "a.jsonl", CORPUS[:2])
    assert read(file, skip_bad=True).columns == {"anchor": "title", "positive": "text"}


def test_a_headerless_collection_of_ids_and_texts(tmp_path):
    (tmp_path / "a.tsv").write_text("0\tThe presence of mind\n1\tThe next passage\n2\tThe last of them\n")
    documents = read_documents(tmp_path / "a.tsv")
    assert (documents.ids, documents.texts[1]) == (["0", "1", "2"], "The next passage")
    assert documents.roles == {"id": "1", "text": "2"}
    (tmp_path / "b.tsv").write_text("0\tThis repeats\n1\tas labels do\n0\tand is no id\n")
    assert read_documents(tmp_path / "b.tsv").ids == ["d0", "d1", "d2"]


def test_the_caller_says_which_column_is_what(tmp_path):
    rows = [{"id": i, "sku": f"S{i}", "title": "t", "name": f"n{i}", "info": f"about {i}", "more": "m"} for i in (1, 2)]
    file = write(tmp_path / "a.csv", rows)
    documents = read_documents(file, columns={"id": "sku", "title": "name", "text": ("info", 6)})
    assert documents.ids == ["S1", "S2"]
    assert documents.texts == ["n1 about 1 m", "n2 about 2 m"]
    assert documents.columns == {"id": [1, 2], "title": ["t", "t"]}
    assert read_documents(file, columns={"anchor": "info"}).texts == ["about 1", "about 2"]
    assert read_documents(file, columns={"anchor": "name", "positive": "info"}).ids == ["d0", "d1"]
    with pytest.raises(InputError, match=r"no column 'nowhere' \(the columns are id, sku"):
        read_documents(file, columns={"id": "nowhere"})
    write(tmp_path / "b.csv", [{"sku": "a", "x": "a b", "y": "c d"}, {"sku": "b", "x": "e f", "y": "g h"}])
    with pytest.raises(InputError, match=r"no column for the text .*--column text=NAME"):
        read_documents(tmp_path / "b.csv", columns={"id": "sku"})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"_id": "L1", "text": "again"}, "the id 'L1' occurs twice, first in line 1"),
        ({"_id": "x", "title": " ", "text": ""}, "the text of id 'x' is empty"),
        ({"_id": "x", "title": "T", "text": 5}, "column 'text' of id 'x' is not a text but a number"),
        ({"_id": None, "text": "none"}, "no id in column '_id'"),
        ({"_id": True, "text": "none"}, "column '_id' is true or false, where an id belongs"),
        ({"_id": 2.5, "text": "none"}, "column '_id' is a number with a fraction, where an id belongs"),
        ({"_id": ["x"], "text": "none"}, "column '_id' is a list, where an id belongs"),
        ({"_id": "\ud800", "text": "none"}, "half of a character"),
        ({"text": "none"}, "no id in column '_id'"),
        ({"_id": "x", "text": "\ud800"}, "half of a character"),
    ],
)
def test_bad_documents(tmp_path, row, words):
    file = write(tmp_path / "a.jsonl", [*CORPUS, row])
    with pytest.raises(InputError, match=words) as error:
        read_documents(file)
    assert (error.value.file, error.value.line) == (str(file), 4)
    documents = read_documents(file, skip_bad=True)
    assert documents.ids == ["L1", "L2", "L3"]
    assert account(documents, tmp_path / "out.jsonl").endswith(
        f"; 1 row left out, listed with the reasons in {tmp_path / 'out.jsonl'}"
    )
    assert json.loads((tmp_path / "out.jsonl").read_text())["line"] == 4


def test_columns_of_other_types(tmp_path):
    rows = [
        {"id": "a", "text": "x", "tags": ["p"], "meta": {}, "mixed": 1, "number": 1, "late": None, "big": 2**63},
        {"id": "b", "text": "y", "tags": [], "meta": {"k": 1}, "mixed": "two", "number": 1.5, "late": None, "big": 1},
        {"id": "c", "text": "z", "late": "there", "number": float("nan")},
    ]
    documents = read_documents(write(tmp_path / "a.jsonl", rows))
    assert documents.columns == {
        "mixed": ["1", "two", None],
        "number": [1.0, 1.5, None],
        "late": [None, None, "there"],
        "big": [str(2**63), "1", None],
    }
    assert documents.notes == (
        "'mixed' holds several types, kept as texts",
        "'big' holds numbers beyond 64 bits, kept as texts",
        "not read: 'tags' (a list), 'meta' (an object)",
    )
    rows = [{"id": "a", "text": "x", "far": float("inf"), "half": "\ud800", "": 1, "n": 2**60 + 1}]
    documents = read_documents(write(tmp_path / "b.jsonl", [*rows, {"id": "b", "text": "y", "far": 1, "n": 0.5}]))
    assert documents.columns == {"far": ["inf", "1"], "n": [2**60 + 1, 0.5]}  # to the last digit
    assert documents.notes == (
        "'far' holds numbers beyond 64 bits, kept as texts",
        "not read: 'half' (half of a character, a surrogate), '' (without a name)",
    )
    table = [{"id": "a", "text": "x", "day": datetime.date(2020, 2, 1)}]
    assert read_documents(write(tmp_path / "a.parquet", table)).columns == {"day": ["2020-02-01"]}


def test_a_column_that_comes_late_is_missing_before(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"_id": str(i), "text": f"text {i}"} | ({"year": i} if i > 2990 else {}) for i in range(3000)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    years = read_documents(path).columns["year"]
    assert years == [row.get("year") for row in rows]


def test_rows_are_written_where_the_last_was_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n{"text": 3}\n')
    written = write_rows(read_documents(path, skip_bad=True), tmp_path / "z.npy")
    assert written.read_text() == '{"row": 0, "line": 1}\n{"row": 1, "line": 2}\n'


def test_cells_of_csv_get_the_type_that_all_of_them_have(tmp_path):
    (tmp_path / "a.csv").write_text(
        "id,text,zip,n,x,long,w\na,p,01234,5,1e3,12345678901234567890,\nb,q,10115,,-2,1,v\n"
    )
    assert read_documents(tmp_path / "a.csv").columns == {
        "zip": ["01234", "10115"],
        "n": [5, None],
        "x": [1000.0, -2.0],
        "long": ["12345678901234567890", "1"],
        "w": ["", "v"],
    }


def test_rows_without_ids_that_are_equal_are_one_and_it_is_said(tmp_path):
    file = write(tmp_path / "a.csv", [{"text": t, "year": y} for t, y in (("a", 1), ("a", 2), ("a", 1), ("b", 1))])
    documents = read_documents(file)
    assert (documents.texts, documents.columns["year"]) == (["a", "a", "b"], [1, 2, 1])
    assert "1 row equal to an earlier one left out" in describe(documents)
    assert read_documents(file, anchors=True).texts == ["a", "a", "a", "b"]


def test_beir_folders(tmp_path):
    write(tmp_path / "corpus.jsonl", CORPUS)
    assert read_documents(tmp_path).ids == ["L1", "L2", "L3"], "no queries and no judgements are needed"
    write(tmp_path / "queries.jsonl", [{"_id": "q", "text": "ants"}])
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q\tL1\t1\n")
    for source in (tmp_path, tmp_path / "qrels" / "test.tsv"):
        documents = read_documents(source)
        assert dict(zip(documents.ids, documents.texts, strict=True)) == read(source).corpus
        assert documents.columns["year"] == [1999, 2001, 2003]


def test_anchors_are_what_a_model_encodes(tmp_path):
    (tmp_path / "a.tsv").write_text("query\tdocument\nq\tp\nq\tr\n")
    assert read_documents(tmp_path / "a.tsv", anchors=True).texts == ["q", "q"]


def test_which_rows_the_vectors_belong_to(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"anchor": "a", "positive": null}\n{"anchor": "b", "positive": "c"}\n' * 3)
    documents = read_documents(tmp_path / "a.jsonl", skip_bad=True, anchors=True)
    rows = write_rows(documents, tmp_path / "z.npy")
    assert rows == tmp_path / "z.npy.rows.jsonl"
    assert [json.loads(line) for line in rows.read_text().splitlines()] == [
        {"row": i, "line": line} for i, line in enumerate((2, 4, 6))
    ]
    (tmp_path / "b.csv").write_text("text\na\nb\n")
    assert write_rows(read_documents(tmp_path / "b.csv", anchors=True), tmp_path / "z.npy") is None
    assert not rows.exists(), "rows of other vectors do not stay"
    documents = read_documents(write(tmp_path / "c.csv", CORPUS), anchors=True)
    assert [json.loads(line)["id"] for line in write_rows(documents, tmp_path / "z.npy").read_text().splitlines()] == [
        "L1",
        "L2",
        "L3",
    ]


key = st.text("abc19-_ é", min_size=1)
word = st.text("abcé \t\"',;|漢\n", min_size=1).filter(lambda t: t.strip())
some_rows = st.lists(
    st.tuples(key, st.one_of(st.just(""), word), word, st.integers(-(10**9), 10**9), st.booleans()),
    min_size=1,
    unique_by=lambda row: row[0],
)  # fmt: skip


@settings(max_examples=50)
@given(rows=some_rows)
def test_every_format_gives_the_same_documents(rows):
    rows = [dict(zip(("id", "title", "text", "year", "sold"), row, strict=True)) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        found = [
            read_documents(write(Path(folder, f"a{suffix}"), rows)) for suffix in (".jsonl", ".csv", ".tsv", ".parquet")
        ]
    for documents in found:
        assert documents.ids == [row["id"] for row in rows]
        assert documents.texts == found[0].texts
        assert documents.columns == {"year": [row["year"] for row in rows], "sold": [row["sold"] for row in rows]}
