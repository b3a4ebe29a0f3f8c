"""The main job on each kind of data, on small files."""

from __future__ import annotations

import json

import pytest
import torch

from counterpoint.encoders import StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.fitting.parts import load_parts
from counterpoint.fitting.presets import preset
from counterpoint.fitting.run import make_task

COLOURS = ("red", "blue", "green", "grey")
THINGS = [f"{t} {n}" for t in ("car", "boat", "lamp") for n in range(12)]


def lines(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


ITEMS = [(c, t) for c in COLOURS for t in THINGS]
FILES = {
    "texts": [(f"the {c} {t} stands in the yard today",) for c, t in ITEMS],
    "pairs": [("query", "document"), *((f"a {c} {t}", f"{t} in {c}") for c, t in ITEMS)],
    "tuples": [("anchor", "positive", "negative"), *((f"a {c} {t}", f"{t} in {c}", f"no {c} {t}") for c, t in ITEMS)],
    "scored": [
        ("score", "sentence1", "sentence2"),
        *((i % 5, f"a {c} {t}", f"{t} in {c if i % 5 > 2 else 'no colour'} {i}") for i, (c, t) in enumerate(ITEMS)),
    ],
    "labelled": [("text", "label"), *((f"a {c} {t}", c) for c, t in ITEMS)],
}


@pytest.mark.parametrize("schema", FILES)
def test_every_kind_of_data_ends_with_a_model_a_report_and_figures(tmp_path, schema):
    name = "a.txt" if schema == "texts" else "a.tsv"
    (tmp_path / name).write_text(lines(FILES[schema]))
    said = []
    result = fit(tmp_path / name, tmp_path / "run", base="static", index=True, dev=0.1, test=0.2, say=said.append)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["content"]["data"]["schema"] == schema
    assert about["content"]["model"]["objective"] == preset(schema, "static", 100).name
    names = [m.name for m in result.measured]
    assert names.index("untrained") < names.index("trained")
    assert ("BM25" in names) == (schema in ("texts", "pairs", "tuples"))
    z = result.encoder.encode(["a red car 1"])
    assert abs(z - load(tmp_path / "run" / "model").encode(["a red car 1"])).max() < 1e-6
    assert (tmp_path / "run" / "index" / "index.json").exists()
    assert "<html" in (tmp_path / "run" / "report.html").read_text()
    assert schema in said[0]


def test_judgements_of_a_beir_folder_are_trained_on_and_measured_by(tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}", "title": "", "text": f"{t} in {c}"} for i, (c, t) in enumerate(ITEMS)]
    queries = [{"_id": f"q{i}", "text": f"a {c} {t}"} for i, (c, t) in enumerate(ITEMS)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = [("query-id", "corpus-id", "score"), *((f"q{i}", f"d{i}", 1) for i in range(len(ITEMS)))]
    (folder / "qrels" / "train.tsv").write_text(lines(judged))
    result = fit(folder, tmp_path / "run", base="static", split="train", test=0.2, dev=0.1, say=lambda _: None)
    (trained,) = (m for m in result.measured if m.name == "trained")
    held_out = trained.figures["mrr@10"].n
    assert 20 <= held_out <= 40
    assert trained.figures["recall@10"].value > 0.5


def test_a_model_that_knows_nothing_has_chance_in_every_figure_and_is_not_shown_as_right(tmp_path):
    """Answers come first in the corpus of a test; whoever takes equal scores in that order finds them all."""
    rows = [
        ("question", "answer"),
        *((f"a question about {i} please", f"all about topic{i}, here is a lot") for i in range(300)),
    ]
    (tmp_path / "a.tsv").write_text(lines(rows))
    encoder = StaticEncoder.from_corpus([t for row in rows for t in row], dim=16)
    with torch.no_grad():
        encoder.embedding.weight.fill_(0.1)
    parts = load_parts(tmp_path / "a.tsv", {}, 20, 30, 0, None)
    task = make_task(parts, encoder)
    documents = 280
    assert task.validate(encoder) == pytest.approx(sum(1 / i for i in range(1, 11)) / (250 + 20))
    after = task.measure("trained", encoder)
    baselines = task.baselines()
    for m in (after, *baselines, *task.combined(baselines, after)):
        expected = {
            "mrr@10": sum(1 / i for i in range(1, 11)) / documents,
            "recall@1": 1 / documents,
            "recall@10": 10 / documents,
        }
        assert {name: m.figures[name].value for name in expected} == pytest.approx(expected), m.name
    for listed in task.queries(after, after):
        assert {(q.rank_before, q.rank_after) for q in listed.queries} == {(140.5, 140.5)}
        assert not any(hit.right for q in listed.queries for hit in q.results[:1])


def test_a_query_that_is_a_document_is_not_among_its_own_results(tmp_path):
    both = {
        f"q{i}": f"how do I {v} a {t}{' myself' * n}"
        for i, (v, t, n) in enumerate(
            (v, t, n) for v in ("sail", "paint", "mend") for t in ("boat", "car", "lamp", "door") for n in (0, 1)
        )
    }
    (tmp_path / "qrels").mkdir()
    for name in ("corpus", "queries"):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in both.items())
        )
    rows = [("query-id", "corpus-id", "score"), *((f"q{i}", f"q{i ^ 1}", 1) for i in range(24))]
    (tmp_path / "qrels" / "test.tsv").write_text(lines(rows))
    result = fit(tmp_path, tmp_path / "run", base="static", epochs=1, test=6, dev=2, say=lambda _: None)
    assert all(m.figures["recall@1"].value == 1 for m in result.measured if "BM25" in m.name)
    assert "queries that are documents of the corpus, each left out of its own results: 6" in result.content.data.notes
    for listed in result.content.queries:
        assert all(q.text != hit.text for q in listed.queries for hit in q.results)


def test_a_folder_holds_one_run(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["pairs"]))
    fit(tmp_path / "a.tsv", tmp_path / "run", base="static", epochs=1, say=lambda _: None)
    with pytest.raises(InputError, match="this run is finished"):
        fit(tmp_path / "a.tsv", tmp_path / "run", base="static", epochs=1, say=lambda _: None)


def test_files_of_their_own_for_dev_and_test_leave_training_without_their_texts(tmp_path):
    rows = FILES["pairs"]
    for name, part in (("train", rows), ("dev", rows[:9]), ("test", [rows[0], *rows[9:29]])):
        (tmp_path / f"{name}.tsv").write_text(lines(part))
    said = []
    result = fit(
        tmp_path / "train.tsv", tmp_path / "run", base="static", epochs=1, dev=str(tmp_path / "dev.tsv"),
        test=str(tmp_path / "test.tsv"), say=said.append,
    )  # fmt: skip
    assert "28 rows left out of training" in said[0]
    assert result.content.data.splits == {"train": len(rows) - 1 - 28, "dev": 8, "test": 20}
