"""Every format gives back what was written; every schema is recognised, and can be overruled."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from counterpoint.data import Example, TextData, describe, read
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError

any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
texts = any_text.filter(lambda t: t.strip() != "")
plain_texts = texts.filter(lambda t: not set('\t\r\n"\ufeff') & set(t))
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)


def write(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def data(path: Path, **options) -> TextData:
    result = read(path, **options)
    assert isinstance(result, TextData)
    return result


def rows(result: TextData) -> list[tuple[str, ...]]:
    return [example.texts for example in result.examples]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("read")


@given(pairs=pairs, ascii_only=st.booleans(), suffix=st.sampled_from(["", ".gz"]))
def test_jsonl_round_trip(folder, pairs, ascii_only, suffix):
    lines = [json.dumps({"anchor": a, "positive": b}, ensure_ascii=ascii_only) + "\n" for a, b in pairs]
    result = data(write(folder / f"a.jsonl{suffix}", "".join(lines)))
    assert rows(result) == pairs
    assert [example.line for example in result.examples] == list(range(1, len(pairs) + 1))


@given(
    pairs=pairs,
    layout=st.sampled_from(["lines", "pretty", "one line", "line by line"]),
    positional=st.booleans(),
    suffix=st.sampled_from([".json", ".json.gz", ".jsonl"]),
)
def test_json_array_round_trip(folder, pairs, layout, positional, suffix):
    table = [[a, b] if positional else {"query": a, "meta": {"k": ["[{,", 1]}, "document": b} for a, b in pairs]
    assume(not (layout == "lines" and positional and len(table) == 1))  # an array of two texts, as well as could be
    if layout == "lines":
        content = "".join(json.dumps(row) + "\n" for row in table)
    elif layout == "line by line":
        content = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in table) + "\n]\n"
    else:
        content = json.dumps(table, indent=2 if layout == "pretty" else None)
    columns = {"anchor": 1, "positive": 2} if positional else None
    examples = data(write(folder / f"a{suffix}", content), columns=columns).examples
    assert [e.texts for e in examples] == pairs
    begins = {"lines": 1, "line by line": 2, "one line": 1}
    if layout in begins:
        assert [e.line for e in examples] == [i + begins[layout] for i in range(len(table))]
    else:
        lines = content.split("\n")
        assert [lines[e.line - 1] for e in examples] == ["  [" if positional else "  {"] * len(table)


@given(content=st.lists(st.sampled_from(["[", "]", "{", "}", ",", '"a"', ":", "\n", '"', "\\", "1", " "])).map("".join))
def test_a_broken_array_ends_in_rows_or_in_one_sentence(folder, content):
    (folder / "a.json").write_text("[" + content)
    with contextlib.suppress(InputError):
        read(folder / "a.json", skip_bad=True)


@given(
    pairs=pairs,
    form=st.sampled_from([("csv", ","), ("csv", ";"), ("tsv", "\t")]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv_and_quoted_tsv_round_trip(folder, pairs, form, quoting):
    name, delimiter = form
    path = folder / f"a.{name}"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
        writer.writerows([("anchor", "positive"), *pairs])
    assert rows(data(path, columns={"anchor": 1, "positive": 2})) == pairs


@given(pairs=st.lists(st.tuples(plain_texts, plain_texts), min_size=1, max_size=8))
def test_bare_tsv_round_trip(folder, pairs):
    lines = ["anchor\tpositive\n", *(f"{a}\t{b}\n" for a, b in pairs)]
    assert rows(data(write(folder / "bare.tsv", "".join(lines)))) == pairs


@given(lines=st.lists(texts.filter(lambda t: not set("\r\n\ufeff") & set(t)), min_size=1))
def test_text_round_trip(folder, lines):
    result = data(write(folder / "a.txt", "\n".join(lines)))
    assert result.schema == "texts"
    assert rows(result) == [(line,) for line in lines]


@given(pairs=pairs, scores=st.data())
def test_parquet_round_trip(folder, pairs, scores):
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = scores.draw(
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False),
            min_size=len(pairs),
            max_size=len(pairs),
        )
    )
    columns = {"sentence1": [a for a, _ in pairs], "sentence2": [b for _, b in pairs]}
    pq.write_table(pa.table({**columns, "score": numbers}), folder / "a.parquet")
    result = data(folder / "a.parquet")
    assert result.schema == "scored"
    assert rows(result) == pairs
    assert [example.score for example in result.examples] == numbers


def test_quotes_of_a_tsv_are_text_unless_the_whole_file_is_quoted_csv(tmp_path):
    bare = write(tmp_path / "bare.tsv", 'query\tanswer\n" bright " he said\tno "\n"whole"\tyes\n')
    assert rows(data(bare)) == [('" bright " he said', 'no "'), ('"whole"', "yes")]
    assert "quotes are part of the text" in describe(data(bare))
    quoted = write(tmp_path / "quoted.tsv", 'query\tanswer\n"he said ""no"""\t"two\nlines"\nx\ty\n')
    assert rows(data(quoted)) == [('he said "no"', "two\nlines"), ("x", "y")]
    assert [e.line for e in data(quoted).examples] == [2, 4]
    both = write(tmp_path / "both.tsv", 'query\tanswer\n"one\ttwo"\n"three\tfour"\n')
    assert rows(data(both)) == [('"one', 'two"'), ('"three', 'four"')]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path):
    path = write(tmp_path / "a.tsv", b"\xef\xbb\xbfquery\tanswer\r\na\tb\r\n")
    assert rows(data(path)) == [("a", "b")]


def jsonl(*objects) -> str:
    return "".join(json.dumps(value) + "\n" for value in objects)


RECOGNISED = {
    # name: (file, content, schema, first example)
    "texts": ("a.jsonl", jsonl({"text": "a b"}), "texts", Example("a b", line=1)),
    "bare strings": ("a.jsonl", jsonl("a b", "c"), "texts", Example("a b", line=1)),
    "arrays": ("a.jsonl", jsonl(["a", "b"], ["c", "d"]), "pairs", Example("a", ("b",), line=1)),
    "title and text": (
        "a.jsonl",
        jsonl({"_id": "1", "title": "A", "text": "b"}),
        "pairs",
        Example("A", ("b",), line=1),
    ),
    "triples": (
        "a.csv",
        "anchor,positive,negative\na,b,c\n",
        "tuples",
        Example("a", ("b",), ("c",), line=2),
    ),
    "SimCSE triples": (
        "a.csv",
        "sent0,sent1,hard_neg\na,b,c\n",
        "tuples",
        Example("a", ("b",), ("c",), line=2),
    ),
    "ragged tuples": (
        "a.csv",
        "query,positive_1,positive_2,negative_1,negative_2\na,b,c,d,e\nf,g,,h,\n",
        "tuples",
        Example("a", ("b", "c"), ("d", "e"), line=2),
    ),
    "scored": (
        "a.tsv",
        "score\tsentence1\tsentence2\n2.5\ta\tb\n",
        "scored",
        Example("a", ("b",), score=2.5, line=2),
    ),
    "a numeric label of pairs is a score": (
        "a.csv",
        "question1,question2,is_duplicate\na,b,1\nc,d,0\n",
        "scored",
        Example("a", ("b",), score=1.0, line=2),
    ),
    "labelled": ("a.csv", "text,label\na b,3\n", "labelled", Example("a b", label="3", line=2)),
    "topic": ("a.jsonl", jsonl({"text": "a", "topic": "x"}), "labelled", Example("a", label="x", line=1)),
    "a category beside a pair is not read": (
        "a.jsonl",
        jsonl({"question": "q", "answer": "a", "category": "x"}),
        "pairs",
        Example("q", ("a",), line=1),
    ),
    "instruction and output": (
        "a.jsonl",
        jsonl({"prompt": "q", "completion": "a"}),
        "pairs",
        Example("q", ("a",), line=1),
    ),
    "FlagEmbedding": (
        "a.jsonl",
        jsonl(
            {"query": "q", "pos": ["a", "b"], "neg": ["c"], "pos_scores": [0.9, 0.8],
             "neg_scores": [0.1], "prompt": "Find: ", "type": "normal"},
            {"query": "r", "pos": ["d"], "neg": [], "pos_scores": [1], "neg_scores": [], "prompt": ""},
        ),
        "tuples",
        Example("q", ("a", "b"), ("c",), line=1, scores=(0.9, 0.8, 0.1), prompt="Find: "),
    ),
    "Tevatron": (
        "a.jsonl",
        jsonl(
            {"query_id": "1", "query": "q", "positive_passages": [{"docid": "d", "title": "T", "text": "x"}],
             "negative_passages": [{"docid": "e", "title": "", "text": "y"}]}
        ),
        "tuples",
        Example("q", ("T x",), ("y",), line=1),
    ),
    "no header, pairs": (
        "a.tsv",
        "one cat\tun chat\na dog\tun chien\n",
        "pairs",
        Example("one cat", ("un chat",), line=1),
    ),
    "no header, triples": (
        "a.tsv",
        "a cat\ta pet\ta car\na dog\tan animal\ta bus\n",
        "tuples",
        Example("a cat", ("a pet",), ("a car",), line=1),
    ),
    "no header, score last": (
        "a.csv",
        "a cat,a pet,0.9\na dog,a bus,0.1\n",
        "scored",
        Example("a cat", ("a pet",), score=0.9, line=1),
    ),
    "no header, label first": (
        "a.tsv",
        "pos\ta fine film\nneg\ta bad film\npos\tvery good\nneg\tno good\n",
        "labelled",
        Example("a fine film", label="pos", line=1),
    ),
    "no header, a label that is a column name elsewhere": (
        "a.tsv",
        "question\twhat is it ?\nanswer\tit is a cat\nquestion\tis it ?\nanswer\tit is not\n",
        "labelled",
        Example("what is it ?", label="question", line=1),
    ),
    "unknown names": (
        "a.csv",
        "frage,antwort\nwas ist das,eine Katze\nund das,ein Hund\n",
        "pairs",
        Example("was ist das", ("eine Katze",), line=2),
    ),
    "unknown names and a number": (
        "a.csv",
        "satz_a;gold;satz_b\nein Hund;0.5;eine Katze\nzwei Hunde;0.25;drei Katzen\n",
        "scored",
        Example("ein Hund", ("eine Katze",), score=0.5, line=2),
    ),
    "row numbers are no score": (
        "a.csv",
        ",frage,antwort\n0,was ist das,eine Katze\n1,und das,ein Hund\n",
        "pairs",
        Example("was ist das", ("eine Katze",), line=2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RECOGNISED)
def test_the_schema_is_recognised(tmp_path, case):
    name, content, schema, first = RECOGNISED[case]
    result = data(write(tmp_path / name, content))
    assert (result.schema, result.examples[0]) == (schema, first)


def test_rows_may_be_ragged(tmp_path):
    name, content, *_ = RECOGNISED["ragged tuples"]
    assert data(write(tmp_path / name, content)).examples[1] == Example("f", ("g",), ("h",), line=3)


NLI = (
    "premise,hypothesis,label\nA,ent1,entailment\nA,neu,neutral\nA,con,contradiction\nA,odd,-\n"
    "B,con,contradiction\nA,ent2,entailment\n"
)


@pytest.mark.parametrize("numeric", [False, True])
def test_inference_pairs_become_tuples_by_premise(tmp_path, numeric):
    content = NLI
    if numeric:
        for name, number in (("entailment", 0), ("neutral", 1), ("contradiction", 2), ("-\n", "-1\n")):
            content = content.replace(f",{name}", f",{number}")
    path = write(tmp_path / "nli.csv", content)
    result = data(path)
    assert result.schema == "tuples"
    assert result.examples == [Example("A", ("ent1", "ent2"), ("con",), line=2)]
    assert "1 of 2 premises" in describe(result)
    assert "left out for want of a label: 1" in describe(result)
    assert rows(data(path, schema="pairs")) == [("A", "ent1"), ("A", "ent2")]


def test_pairs_keep_their_label_where_it_is_named(tmp_path):
    path = write(tmp_path / "nli.csv", NLI.replace(",-\n", ",neutral\n"))
    result = data(path, columns={"pair_label": "label"})
    first = Example("A", ("ent1",), label="entailment", line=2), Example("A", ("neu",), label="neutral", line=3)
    assert tuple(result.examples[:2]) == first
    own = rows_of(result.examples)
    assert (result.schema, own.schema) == ("pairs", "pairs")
    assert own.classes == ("contradiction", "entailment", "neutral")
    assert own.columns["label"].tolist() == [own.classes.index(e.label) for e in result.examples]
    # by its name, whatever a label beside it says
    named = write(tmp_path / "named.csv", "text1,text2,label,pair_label\na,b,1,same\nc,d,0,other\n")
    assert [(e.texts, e.label) for e in data(named).examples] == [(("a", "b"), "same"), (("c", "d"), "other")]
    with pytest.raises(InputError, match="'label' says that there is no label: '-'"):
        data(write(tmp_path / "nli.csv", NLI), columns={"pair_label": "label"})


def test_columns_and_schema_overrule(tmp_path):
    path = write(tmp_path / "a.csv", "query,answer,score,note\na,b,1,n\nc,d,2,m\n")
    assert rows(data(path, columns={"anchor": "answer", "positive": "note"})) == [("b", "n"), ("d", "m")]
    assert rows(data(path, columns={"query": 4, "positive": "1", "negative": ["answer", 3]})) == [
        ("n", "a", "b", "1"),
        ("m", "c", "d", "2"),
    ]
    assert data(path).schema == "scored"
    assert rows(data(path, schema="pairs")) == [("a", "b"), ("c", "d")]
    assert rows(data(path, schema="texts")) == [("a",), ("b",), ("c",), ("d",)]
    assert data(path, columns={"text": "answer", "label": "note"}).examples[0].label == "n"
    assert data(path, columns={"score": "score"}).schema == "scored"
    with pytest.raises(InputError, match=r"no column 'nope'.*query, answer, score, note.*--column"):
        read(path, columns={"anchor": "nope"})
    with pytest.raises(InputError, match="no column for the label"):
        read(path, schema="labelled")
    with pytest.raises(InputError, match="unknown role"):
        read(path, columns={"anker": "query"})
    with pytest.raises(InputError, match="unknown schema"):
        read(path, schema="quads")


def test_it_is_said_aloud(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("s.csv"), "id,score,sentence1,sentence2\n7,0,a,b\n8,5,c,d\n")
    assert describe(read("s.csv")) == (
        "read 2 scored pairs from s.csv: anchor = 'sentence1', positive = 'sentence2', "
        "score = 'score' (0 to 5); not read: 'id'"
    )
    write(Path("l.tsv"), "label\ttext\nx\ta\ny\tb\ny\tc\n")
    assert describe(read("l.tsv")) == ("read 3 labelled texts from l.tsv: anchor = 'text', label = 'label' (2 labels)")


def test_a_teacher_that_scored_one_side_only_gives_no_scores(tmp_path):
    row = {"query": "q", "pos": ["a"], "neg": ["b"], "pos_scores": [1.0]}
    both = data(write(tmp_path / "a.jsonl", jsonl({**row, "neg_scores": [0.5]}, {**row, "neg_scores": []}, row)))
    assert [example.scores for example in both.examples] == [(1.0, 0.5), (), ()]


def test_a_negative_that_comes_too_late_to_be_seen_is_not_lost_silently(tmp_path):
    rows = [{"query": f"q{i}", "positive": "p"} for i in range(1000)]
    path = write(tmp_path / "a.jsonl", jsonl(*rows, {"query": "r", "positive": "p", "negative_1": "n"}))
    with pytest.raises(InputError, match=r"a\.jsonl:1001: column 'negative_1' occurs here for the first time"):
        read(path)
    with_note = write(tmp_path / "b.jsonl", jsonl(*rows, {"query": "r", "positive": "p", "note": "n"}))
    assert len(data(with_note)) == 1001


def test_the_room_is_imported_lightly():
    code = "import sys, counterpoint.data; print({'pyarrow', 'scipy', 'torch', 'datasets'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_progress_ends_at_the_total(tmp_path):
    seen: list[tuple[int, int]] = []
    path = write(tmp_path / "a.txt", "a line\n" * 10_000)
    data(path, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == (70_000, 70_000)


def test_a_sentence_and_its_translation_are_pairs(tmp_path):
    (tmp_path / "a.tsv").write_text("sentence\ttranslation\nein Haus\ta house\nein Boot\ta boat\n")
    data = read(tmp_path / "a.tsv")
    assert data.schema == "pairs"
    assert data.examples[0].texts == ("ein Haus", "a house")
