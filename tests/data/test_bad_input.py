"""Each mistake of the user's is one sentence with file, line and a way out; or is skipped and listed."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Example, TextData, check_trainable, read, write_rejects
from counterpoint.data.tables import FORMATS
from counterpoint.errors import InputError

GOOD = '{"query": "q", "positive": "p"}\n'

BAD = {
    # name: (file, content, line, words of the sentence, rows left under skip_bad or None if it raises too)
    "absent": ("a.jsonl", None, None, "no such file", None),
    "empty": ("a.jsonl", "", None, "file is empty", None),
    "blank": ("a.txt", " \n\n", None, "file is empty", None),
    "header only": ("a.csv", "query,positive\n", None, "a header and no rows", None),
    "unknown extension": ("a.docx", "x", None, "unknown kind of file '.docx'", None),
    "no text column": ("a.csv", "id,score\n1,2\n3,4\n", None, "no column for the anchor", None),
    "same name twice": ("a.csv", "text,text\na,b\n", 1, "two columns are named 'text'", None),
    "utf-16": ("a.csv", "text\na\n".encode("utf-16"), None, "UTF-16", None),
    "broken JSON": ("a.jsonl", GOOD + '{"query": "q"\n' + GOOD, 2, "broken JSON at column 14", 2),
    "a broken row in a line of several": (
        "a.json",
        '[{"query": "q", "positive": "p"}, {"query": }]',
        2,
        "broken JSON at column 45: Expecting value",
        1,
    ),
    "a broken row of an array": (
        "a.json",
        "[\n" + GOOD[:-1] + ",\n{\n" + '"query": "q"\n"positive": "p"},' + GOOD + "]\n",
        5,
        "broken JSON at column 1: Expecting ',' delimiter",
        2,
    ),
    "a broken row of an array in one line": (
        "a.json",
        "[" + GOOD[:-1] + ',{"query"},' + GOOD[:-1] + "]",
        2,
        "broken JSON at",
        2,
    ),
    "a quote that does not close in an array": (
        "a.json",
        '[\n{"query": "q,\n"positive": "p"},\n' + GOOD + "]",
        2,
        "broken JSON",
        1,
    ),
    "an array that breaks off": ("a.json", "[\n" + GOOD[:-1] + ",\n", 2, "the array breaks off after this line", None),
    "a row that breaks off": (
        "a.json",
        "[\n" + GOOD[:-1] + ",\n{\n" + '"query": "q"',
        3,
        "in this line never ends",
        None,
    ),
    "two arrays": ("a.json", "[" + GOOD + "]\n[" + GOOD + "]", 3, "something follows the end of the array", None),
    "an object over several lines": ("a.json", '{\n"data": [' + GOOD + "]}", 1, "one object over several lines", None),
    "an object with the rows": (
        "a.json",
        '{"data": [' + GOOD[:-1] + "," + GOOD[:-1] + "]}",
        1,
        "objects, 'data'",
        None,
    ),
    "an empty array": ("a.json", "[]\n", None, "the file is empty", None),
    "an array of numbers": ("a.json", "[1,\n2]", 1, "a number where an object belongs", None),
    "JSON number": ("a.jsonl", GOOD + "3\n", 2, "a number where an object belongs", 1),
    "empty text": ("a.jsonl", GOOD + '{"query": " ", "positive": "p"}\n', 2, "'query' is empty", 1),
    "missing key": ("a.jsonl", GOOD + '{"query": "q"}\n', 2, "'positive' is empty", 1),
    "number for text": (
        "a.jsonl",
        GOOD + '{"query": 7, "positive": "p"}\n',
        2,
        "'query' holds a number where a text belongs",
        1,
    ),
    "list for text": (
        "a.jsonl",
        GOOD + '{"query": ["q"], "positive": "p"}\n',
        2,
        "'query' holds a list where a text belongs",
        1,
    ),
    "number in list": (
        "a.jsonl",
        '{"query": "q", "pos": ["p"]}\n{"query": "q", "pos": ["p", 3]}\n',
        2,
        "'pos' holds a number",
        1,
    ),
    "empty text in list": (
        "a.jsonl",
        '{"query": "q", "pos": ["p"]}\n{"query": "q", "pos": ["p", ""]}\n',
        2,
        "'pos' is empty",
        1,
    ),
    "half a character": (
        "a.jsonl",
        GOOD + '{"query": "\\ud800", "positive": "p"}\n',
        2,
        "half of a character",
        1,
    ),
    "NaN score": (
        "a.tsv",
        "score\tsentence1\tsentence2\n1\ta\tb\nnan\tc\td\n",
        3,
        "'score' is not a finite number: 'nan'",
        1,
    ),
    "infinite score": (
        "a.jsonl",
        '{"text1": "a", "text2": "b", "score": 1}\n{"text1": "a", "text2": "b", "score": Infinity}\n',
        2,
        "'score' is not a finite number: inf",
        1,
    ),
    "worded score": ("a.csv", "text1,text2,score\na,b,1\na,b,high\n", 3, "number: 'high'", 1),
    "empty label": ("a.csv", "text,label\na,x\nb,\n", 3, "'label' is empty", 1),
    "scores of other length": (
        "a.jsonl",
        '{"query": "q", "pos": ["a"], "pos_scores": [1]}\n{"query": "q", "pos": ["a", "b"], "pos_scores": [1]}\n',
        2,
        "1 scores for 2 texts",
        1,
    ),
    "ragged CSV": ("a.csv", "text1,text2\na,b\nc,d,e\n", 3, "3 fields where the header has 2", 1),
    "ragged TSV": ("a.tsv", "text1\ttext2\na\tb\nc\n", 3, "1 fields where the header has 2", 1),
    "open quote": ("a.csv", 'text1,text2\na,b\n"c,d\ne,f\n', 3, "never closes", 1),
    "quote in the way": ("a.csv", 'text1,text2\na,b\n"c" x,d\ne,f\n', 3, "not well-formed CSV", 2),
    "not UTF-8": ("a.txt", b"one\ntw\xff\nthree\n", 2, "byte 3 of the line is not UTF-8", 2),
    "truncated gzip": (
        "a.jsonl.gz",
        gzip.compress(os.urandom(4000).hex().encode() + GOOD.encode())[:-40],
        0,
        "truncated",
        None,
    ),
    "no gzip": ("a.jsonl.gz", GOOD, 0, "truncated or broken", None),
    "no Parquet": ("a.parquet", b"PAR1 and then nothing", None, "not a whole Parquet file", None),
    "id column without a corpus": (
        "a.jsonl",
        '{"query_id": "1", "query_text": "q", "positive_document_ids": ["d"]}\n',
        None,
        "no corpus.jsonl beside",
        None,
    ),
    "labels of pairs that are no numbers": (
        "a.csv",
        "text1,text2,label\na,b,same\nc,d,other\ne,f,same\ng,h,other\n",
        None,
        "'label' labels pairs",
        None,
    ),
    "columns that cannot be told apart": (
        "a.csv",
        "eins,zwei,drei\na b,c d,e f\ng h,i j,k l\n",
        None,
        "cannot tell which",
        None,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_with_file_line_and_a_way_out(tmp_path, case):
    name, content, line, words, left = BAD[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read(path)
    error = caught.value
    assert words in error.what
    assert (error.file, error.line) == (str(path), line)
    assert error.fix
    assert "\n" not in str(error)
    if left is None:
        with pytest.raises(InputError, match=words.replace("(", r"\(")):
            read(path, skip_bad=True)
        return
    result = read(path, skip_bad=True)
    assert isinstance(result, TextData)
    assert len(result) == left
    assert words in result.rejected[0].reason
    assert result.rejected[0].line == line
    out = tmp_path / "rejected.jsonl"
    assert write_rejects(result.rejected, out) == len(result.rejected)
    written = [json.loads(row) for row in out.read_text().splitlines()]
    assert [row["line"] for row in written] == [bad.line for bad in result.rejected]
    assert written[0].keys() == {"file", "line", "reason", "row"}


def test_a_truncated_parquet_file(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one", "two"] * 500}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read(path)


def test_a_file_of_bad_rows_only_is_an_error_even_when_they_are_skipped(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{\n{\n")
    with pytest.raises(InputError, match=r"no row can be read \(the first: broken JSON"):
        read(path, skip_bad=True)


def test_a_misspelt_name_and_a_folder_say_what_is_there(tmp_path):
    (tmp_path / "train.tsv").write_text("text\na\n")
    with pytest.raises(InputError, match=r"did you mean .*train\.tsv"):
        read(tmp_path / "trian.tsv")
    with pytest.raises(InputError, match=r"no known layout; name one file, such as .*train\.tsv"):
        read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no known layout; known are"):
        read(tmp_path / "empty")
    (tmp_path / "pictures" / "a").mkdir(parents=True)
    (tmp_path / "pictures" / "a" / "1.png").touch()
    with pytest.raises(InputError, match="pictures: a folder of pictures, and texts are needed here"):
        read(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("schema", "examples", "words"),
    [
        ("texts", [Example("a")], "1 row is too few"),
        ("pairs", [Example("a", ("b",))] * 3, "all anchors are the same"),
        ("labelled", [Example("a", label="x"), Example("b", label="x")], "all rows have the label"),
        ("labelled", [Example("a", label="x"), Example("b", label="y")], "no label occurs twice"),
        (
            "scored",
            [Example("a", ("b",), score=1.0), Example("c", ("d",), score=1.0)],
            "all scores are the same",
        ),
    ],
)
def test_what_cannot_be_trained_on(schema, examples, words):
    with pytest.raises(InputError, match=words):
        check_trainable(TextData(schema, examples, "a.csv"))
    assert check_trainable(TextData("texts", [Example("a"), Example("b")], "a.csv")) is None


marks = ['"', '""', "\t", ",", ";", "\n", "\r", "\x00", "\ufeff", "[", "]", "{", "}", ":", " "]
words = ["text", "query", "label", "score", '"text"', '"pos"', "a b", "é", "\\ud800", "null", "1", "nan", "-"]
cells = st.sampled_from(marks + words)
contents = st.lists(cells, max_size=40).map("".join).map(str.encode) | st.binary(max_size=60)


@settings(max_examples=300)
@given(content=contents, name=st.sampled_from([*FORMATS, ".jsonl.gz", ".tsv.gz"]), skip=st.booleans())
def test_whatever_the_bytes_it_is_read_or_an_input_error(tmp_path_factory, content, name, skip):
    path = tmp_path_factory.getbasetemp() / f"fuzz{name}"
    path.write_bytes(content)
    try:
        data = read(path, skip_bad=skip)
    except InputError as error:
        assert error.file == str(path)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert len(data) > 0
        assert all(text.strip() for text in data.texts())
