"""`counterpoint evaluate`: figures, and what is to be said of them, under the table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import KernelCrossEncoder, StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import fuse_runs, read_run

CORPUS = {"d1": "a red car", "d2": "a blue boat", "q3": "a green lamp"}
QUERIES = {"q1": "red", "q2": "blue", "q3": "a green lamp", "q4": "grey"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels").mkdir()
    for name, texts in (("corpus", CORPUS), ("queries", QUERIES)):
        rows = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t0\nq3\td1\t1\n")
    StaticEncoder.from_corpus([*CORPUS.values(), *QUERIES.values()], dim=8).save(tmp_path / "model")
    return tmp_path


def test_notes_stand_under_the_table(folder):
    shown = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder)])
    assert shown.exit_code == 0
    assert "3 documents, 4 queries" in shown.stderr
    notes = [line for line in shown.stdout.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: queries left out, as they are not judged: 1",
        "note: queries left out, as no document is relevant: 1",
        "note: queries that are documents of the corpus, each left out of its own results: 1",
    ]
    assert shown.stdout.index("mrr@10") < shown.stdout.index("note: ")
    as_json = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder), "--json"])
    assert [f"note: {note}" for note in json.loads(as_json.stdout)[0]["notes"]] == notes


def test_one_is_compared_with_another_and_a_run_is_measured_as_what_wrote_it(folder):
    def run(*arguments):
        return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])

    written = folder.with_suffix(".run")  # not in the source
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t1\nq3\td1\t1\n")
    alone = run(folder / "model", folder, "--run", written, "--json")
    assert not alone.exception, alone.exception
    again = run(written, folder, "--json")
    assert not again.exception, again.exception
    first, second = (json.loads(r.stdout)[0]["figures"] for r in (alone, again))
    assert first == second
    assert {
        f["name"] for f in json.loads(run("bm25", folder, "--metric", "ndcg@3", "--json").stdout)[0]["figures"]
    } == {"ndcg@3"}
    both = json.loads(run(folder / "model", folder, "--against", "bm25", "--json").stdout)
    for difference, a, b in zip(
        both["differences"], both["first"][0]["figures"], both["against"][0]["figures"], strict=True
    ):
        assert difference["name"] == a["name"] == b["name"]
        assert difference["value"] == pytest.approx(a["value"] - b["value"])
        assert 0 < difference["randomisation"] <= 1
    shown = run(folder / "model", folder, "--against", written)
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines()[:12])) <= 80
    assert "+0.0000" in shown.stdout


def test_what_cannot_be_ranked_is_refused(folder):
    (folder / "sts.tsv").write_text("score\ta\tb\n1\tred\tblue\n3\tcar\tboat\n")
    (folder / "labels.tsv").write_text("text\tlabel\nred\ta\nblue\tb\n")
    for options, said in (
        (["bm25", "sts.tsv"], "the data are no retrieval test"),
        (["model", "sts.tsv", "--metric", "ndcg@10"], "the data are no retrieval test"),
        (["model", ".", "--metric", "ndcg"], "unknown metric 'ndcg'"),
        (["model", ".", "--run", "model"], "folder"),
        (["model", ".", "--train", "labels.tsv"], "--train is for the probes of labelled texts"),
        (["model", "sts.tsv", "--train", "labels.tsv"], "--train is for the probes of labelled texts"),
        (["model", ".", "--fuse", "bm25", "--metric", "recall@1000"], "looks at 1000 documents, and 100 are fused"),
        (["model", ".", "--fuse", "bm25", "--fusion", "score"], "no fusion by 'score'; choose ranks or scores"),
        (["model", ".", "--fusion", "scores"], "nothing to fuse; say with what: --fuse bm25"),
        (["model", ".", "--fuse", "bm25", "--candidates", "10"], "looks at 100 documents, and 10 are fused"),
        (["model", ".", "--rerank", "x", "--candidates", "9"], "looks at 10 documents, and 9 are put in order"),
        (["bm25", ".", "--rerank", "x", "--metric", "ndcg@200"], "looks at 200 documents, and 100 are put in order"),
    ):
        named = [str(folder / o) if (folder / o).exists() else o for o in options]
        shown = CliRunner().invoke(app, ["evaluate", *named])
        assert isinstance(shown.exception, InputError)
        assert said in str(shown.exception)


def figures(done):
    return {figure["name"]: figure for figure in json.loads(done.stdout)[0]["figures"]}


def test_queries_whose_documents_were_trained_on_are_left_out(folder, tmp_path_factory):
    trained = folder / "trained.tsv"
    trained.write_text("question\tanswer\nblue thing\tA red car\n")
    run, model = str(tmp_path_factory.mktemp("out") / "run"), str(folder / "model")
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t1\nq4\td2\t1\n")
    whole = CliRunner().invoke(app, ["evaluate", model, str(folder), "--run", run, "--json"])
    shown = CliRunner().invoke(app, ["evaluate", run, str(folder), "--unseen", str(trained), "--json"])
    assert "1 queries are left out: a document that is relevant" in shown.stderr
    every, left = (figures(done)["mrr@10"] for done in (whole, shown))
    assert (every["n"], left["n"]) == (3, 2)
    found = read_run(run)
    wanted = [1 / (1 + sorted(found[q], key=lambda d: -found[q][d]).index("d2")) for q in ("q2", "q4")]
    assert left["value"] == pytest.approx(sum(wanted) / 2)
    # a BEIR folder is what its train part trains
    (folder / "qrels" / "train.tsv").write_text("q3\td2\t1\n")
    shown = CliRunner().invoke(app, ["evaluate", "bm25", str(folder), "--unseen", str(folder), "--json"])
    assert figures(shown)["mrr@10"]["n"] == 1
    file = str(folder / "qrels" / "train.tsv")
    one = CliRunner().invoke(app, ["evaluate", "bm25", str(folder), "--unseen", file, "--json"])
    assert figures(one) == figures(shown)
    trained.write_text("question\tanswer\nblue thing\tA red car\nwhat\ta blue boat\n")
    shown = CliRunner().invoke(app, ["evaluate", run, str(folder), "--unseen", str(trained)])
    assert "no query has documents that are new" in str(shown.exception)


def test_contrasts_are_measured_by_pairs(folder):
    row = {"q1": "red", "q2": "blue", "doc1": "a red car", "doc2": "a blue boat"}
    (folder / "contrasts.jsonl").write_text(json.dumps(row) + "\n")
    shown = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder / "contrasts.jsonl"), "--json"])
    assert shown.exit_code == 0
    (result,) = json.loads(shown.stdout)
    assert result["task"] == "contrasts"
    assert "read 1 contrasts" in shown.stderr
    assert {f["name"]: f["value"] for f in _figures(result)} == {"pairwise accuracy": 1.0, "accuracy of a query": 1.0}


def _figures(result):
    figures = result["figures"]
    return list(figures.values()) if isinstance(figures, dict) else figures


def test_of_one_query_there_is_a_difference_and_no_interval(folder):
    (folder / "one.tsv").write_text("query\tdocument\nred\ta red car\n")
    shown = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder / "one.tsv"), "--against", "bm25"])
    assert shown.exit_code == 0, shown.exception
    assert "mrr@10" in shown.stdout


def test_two_are_fused_and_what_is_fused_reranked_and_both_are_runs(folder):
    def run(*arguments):
        shown = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
        assert not shown.exception, shown.exception
        return shown

    (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t1\nq3\td1\t1\n")
    files = {name: folder.with_name(f"{name}.run") for name in ("model", "bm25", "fused", "orders")}
    run(folder / "model", folder, "--run", files["model"])
    run("bm25", folder, "--run", files["bm25"])
    figures = run(folder / "model", folder, "--fuse", "bm25", "--run", files["fused"], "--json").stdout
    assert _figures(json.loads(figures)[0]) == _figures(json.loads(run(files["fused"], folder, "--json").stdout)[0])
    expected = fuse_runs([read_run(files["model"]), read_run(files["bm25"])])
    written = read_run(files["fused"])
    assert written.keys() == expected.keys()
    for query, found in written.items():
        assert found == pytest.approx(expected[query])
    run(folder / "model", folder, "--fuse", "bm25", "--fusion", "scores", "--run", files["fused"])
    expected = fuse_runs([read_run(files["model"]), read_run(files["bm25"])], by="scores")
    for query, found in read_run(files["fused"]).items():
        assert found == pytest.approx(expected[query], abs=1e-6)
    both = json.loads(run(folder / "model", folder, "--fuse", files["bm25"], "--against", "bm25", "--json").stdout)
    assert _figures(both["first"][0]) == _figures(json.loads(figures)[0])
    assert _figures(both["against"][0]) == _figures(json.loads(run("bm25", folder, "--json").stdout)[0])

    table = StaticEncoder.from_corpus([*CORPUS.values(), *QUERIES.values()], dim=8, prompts={})
    KernelCrossEncoder(table).save(folder / "reranker")
    fused = folder / "model", folder, "--fuse", "bm25", "--rerank", folder / "reranker", "--run", files["orders"]
    after = json.loads(run(*fused, "--json").stdout)["after"]
    again = json.loads(run(files["orders"], folder, "--metric", "ndcg@10", "--metric", "mrr@10", "--json").stdout)[0]
    assert {f["name"]: f["value"] for f in _figures(again)} == {
        f["name"]: f["value"] for f in _figures(after) if f["name"] != "recall@1"
    }
