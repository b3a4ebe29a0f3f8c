"""`counterpoint mine`: what it writes and says, where it looks, and what it refuses."""

from __future__ import annotations

import json
import sys

import pytest

from counterpoint.cli import main
from counterpoint.data import read
from counterpoint.encoders import StaticEncoder

ROWS = [(f"where is the {c} {t}", f"the {c} {t} stands here") for c in ("red", "blue") for t in ("cat", "dog", "hen")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tsv").write_text("query\tdocument\n" + "".join(f"{q}\t{d}\n" for q, d in ROWS))
    StaticEncoder.from_corpus([text for row in ROWS for text in row], dim=32).save(tmp_path / "model")
    return tmp_path


def run(monkeypatch, capsys, *arguments, code=0):
    monkeypatch.setattr(sys, "argv", ["counterpoint", "mine", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    return said


def test_it_writes_tuples_and_says_how_hard_they_are(here, monkeypatch, capsys):
    said = run(monkeypatch, capsys, "a.tsv", "--by", "bm25", "--by", "model", "-n", 2, "-o", "out.jsonl")
    found = read("out.jsonl").examples
    assert [(e.anchor, e.positives) for e in found] == [(q, (d,)) for q, d in ROWS]
    assert all(len(set(e.negatives)) == 4 and not set(e.negatives) & {e.anchor, *e.positives} for e in found)
    assert "out.jsonl: 6 rows" in said.out
    assert "bm25: 12 negatives" in said.out
    assert "model: 12 negatives" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    counted = [int(line.split("█")[0].split()[-1]) for line in said.out.splitlines() if "█" in line]
    assert sum(counted) == 24
    assert not (here / "out.jsonl.mining").exists()


def test_json_is_alone_on_standard_output(here, monkeypatch, capsys):
    said = run(monkeypatch, capsys, "a.tsv", "-o", "out.jsonl", "--json")
    told = json.loads(said.out)
    assert told == {"output": "out.jsonl", "rows": 6, "short": 0, "negatives": {"bm25": 6}, "suspects": {"bm25": 0}}


def test_a_whole_corpus_and_more_documents_are_looked_in(here, monkeypatch, capsys):
    folder = here / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = {f"d{i}": d for i, (_, d) in enumerate(ROWS)} | {"more": "where is the red cat, nobody knows"}
    for name, texts in (("corpus", corpus), ("queries", {"q0": ROWS[0][0], "q1": ROWS[1][0]})):
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in texts.items())
        )
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\n")
    run(monkeypatch, capsys, folder, "-o", "out.jsonl")
    assert read("out.jsonl").examples[0].negatives == ("where is the red cat, nobody knows",)
    (here / "more.txt").write_text("where is the blue hen today\nnothing\n")
    run(monkeypatch, capsys, "a.tsv", "-o", "out.jsonl", "--documents", "more.txt")
    assert read("out.jsonl").examples[-1].negatives == ("where is the blue hen today",)


def test_rules_leave_out_and_draws_differ(here, monkeypatch, capsys):
    texts = {}
    for name, options in {
        "top": (),
        "first": ("--first", 3),
        "below": ("--below", 0.5),
        "random": ("--draw", "random", "--seed", 1),
        "simans": ("--draw", "simans"),
    }.items():
        run(monkeypatch, capsys, "a.tsv", "-o", f"{name}.jsonl", "--layout", "lists", *options)
        texts[name] = (here / f"{name}.jsonl").read_text()
    assert texts["top"] not in (texts["first"], texts["below"], texts["random"])
    assert all(set(json.loads(line)) == {"query", "pos", "neg"} for line in texts["simans"].splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.tsv", "-o", "a.tsv"), "does not end in .jsonl"),
        (("a.tsv", "-o", "o.jsonl", "--draw", "x"), "--draw is x; give top, random or simans"),
        (("a.tsv", "-o", "o.jsonl", "--layout", "x"), "--layout is x; give tuples or lists"),
        (("a.tsv", "-o", "o.jsonl", "--first", "9", "--depth", "5"), "--first 9 lies behind --depth 5"),
        (("a.tsv", "-o", "o.jsonl", "--share", "nan"), "a bound of nan"),
        (("a.tsv", "-o", "o.jsonl", "--by", "bm25", "--by", "bm25"), "--by bm25 is given twice"),
        (("a.tsv", "-o", "o.jsonl", "--by", "none/there"), "there is no folder 'none/there'"),
        (("a.txt", "-o", "o.jsonl"), "nothing that belongs together"),
        (("a.tsv", "-o", "o.jsonl", "--below", "-9"), "no negative was found"),
        (("a.tsv", "-o", "o.jsonl", "--documents", "none.txt"), "no such file"),
    ],
)
def test_refusals_leave_nothing(here, monkeypatch, capsys, arguments, said):
    (here / "a.txt").write_text("one\ntwo\n")
    before = sorted(p.name for p in here.iterdir())
    assert said in run(monkeypatch, capsys, *arguments, code=2).err
    assert sorted(p.name for p in here.iterdir()) == before


def test_owners_of_what_is_found_are_compared_with_the_query(here, monkeypatch, capsys):
    rows = [("where is the red cat", "the red cat stands"), ("The red cat, where is", "the cat is there"), *ROWS[3:]]
    (here / "b.tsv").write_text("query\tdocument\n" + "".join(f"{q}\t{d}\n" for q, d in rows))
    taken = {}
    for owners in ((), ("--owners", "0.9")):
        run(monkeypatch, capsys, "b.tsv", "--by", "model", "-n", "4", *owners, "-o", "out.jsonl", "--layout", "lists")
        taken[owners] = {e.anchor: e.negatives for e in read("out.jsonl").examples}
        (here / "out.jsonl").unlink()
    # what answers the same question asked otherwise is no negative
    assert "the cat is there" in taken[()][rows[0][0]]
    assert "the cat is there" not in taken["--owners", "0.9"][rows[0][0]]
    assert "the blue dog stands here" in taken["--owners", "0.9"][rows[0][0]]
    said = run(monkeypatch, capsys, "b.tsv", "--owners", "0.9", "-o", "out.jsonl", code=2)
    assert "BM25 has no vectors of them" in said.err
