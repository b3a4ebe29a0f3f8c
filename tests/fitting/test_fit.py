"""The main job on each kind of data, on small files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.fitting.parts import load_parts
from counterpoint.fitting.task import make_task
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.search import Index
from counterpoint.training import TrainConfig

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


CHOSEN = {
    "texts": "SimCSE (unsupervised)",
    "pairs": "InfoNCE both ways",
    "tuples": "InfoNCE with hard negatives",
    "scored": "CoSENT",
    "labelled": "SupCon",
}


@pytest.mark.parametrize("schema", FILES)
def test_every_kind_of_data_ends_with_a_model_a_report_and_figures(tmp_path, schema):
    name = "a.txt" if schema == "texts" else "a.tsv"
    (tmp_path / name).write_text(lines(FILES[schema]))
    said = []
    result = fit(tmp_path / name, tmp_path / "run", base="static", index=True, dev=0.1, test=0.2, say=said.append)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["content"]["data"]["schema"] == schema
    assert about["content"]["model"]["objective"] == CHOSEN[schema]
    names = [m.name for m in result.measured]
    assert names.index("untrained") < names.index("trained")
    assert ("BM25" in names) == (schema in ("texts", "pairs", "tuples"))
    z = result.encoder.encode(["a red car 1"])
    assert abs(z - load(tmp_path / "run" / "model").encode(["a red car 1"])).max() < 1e-6
    assert (tmp_path / "run" / "index" / "index.json").exists()
    assert "<html" in (tmp_path / "run" / "report.html").read_text()
    assert schema in said[0]


@pytest.mark.parametrize("several", ["lists", "columns"])
def test_texts_with_several_labels(tmp_path, several):
    if several == "lists":
        rows = [{"text": f"a {c} {t}", "labels": [c, t.split()[0]]} for c, t in ITEMS] + [{"text": "no", "labels": []}]
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        source, columns = tmp_path / "a.jsonl", None
    else:
        header = ("text", "colour", "thing")
        (tmp_path / "a.tsv").write_text(lines([header, *((f"a {c} {t}", c, t.split()[0]) for c, t in ITEMS)]))
        source, columns = tmp_path / "a.tsv", {"label": ("colour", "thing"), "anchor": "text"}
    said = []
    result = fit(source, tmp_path / "run", base="static", dev=0.1, test=0.2, columns=columns, epochs=2, say=said.append)
    assert result.content.model.objective == "SupCon, soft positives"
    assert result.content.metric == "knn micro f1"
    untrained, trained = result.measured
    wanted = ["knn micro f1", "knn macro f1", "probe micro f1", "probe macro f1"]
    wanted += ["colour: knn micro f1", "thing: knn micro f1"] if several == "columns" else []
    assert list(trained.figures) == wanted
    assert trained.figures["knn micro f1"].value >= max(0.8, untrained.figures["knn micro f1"].value - 0.05)
    assert "car, red" in result.content.map.labels or "colour=red, thing=car" in result.content.map.labels
    assert (tmp_path / "run" / "report.html").exists()


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


def test_texts_of_several_sentences_are_learned_by_a_cloze_and_measured_by_queries(tmp_path):
    """Each thing is described in two sentences; queries know it by the second, in other words than the first."""
    documents = {f"d{i}": f"The {c} {t}. It shines {c} and stands at {t}." for i, (c, t) in enumerate(ITEMS)}
    (tmp_path / "texts.txt").write_text(
        "".join(f"{text}\n" for text in (*documents.values(), "one alone", "two alone"))
    )
    folder = tmp_path / "asked"
    (folder / "qrels").mkdir(parents=True)
    queries = {f"q{i}": f"shines {c}, stands at {t}" for i, (c, t) in enumerate(ITEMS)}
    for name, texts in (("corpus", documents), ("queries", queries)):
        rows = [json.dumps({"_id": i, "text": text}) + "\n" for i, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    judged = [("query-id", "corpus-id", "score"), *((f"q{i}", f"d{i}", 1) for i in range(len(ITEMS)))]
    (folder / "qrels" / "test.tsv").write_text(lines(judged))
    said = []
    result = fit(
        tmp_path / "texts.txt", tmp_path / "run", base="static", test=str(folder), dev=5, say=said.append, index=True
    )
    assert result.content.model.objective == "inverse cloze (unsupervised)"
    untrained, trained = (next(m for m in result.measured if m.name == name) for name in ("untrained", "trained"))
    assert trained.figures["mrr@10"].n == len(ITEMS)
    assert trained.figures["mrr@10"].value > untrained.figures["mrr@10"].value - 0.02
    assert any(note.endswith("texts are of one sentence, and are not trained on") for note in said)
    with Index.open(tmp_path / "run" / "index") as index:
        assert len(index) == len(documents)


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
    source = tmp_path / "beir"
    (source / "qrels").mkdir(parents=True)
    for name in ("corpus", "queries"):
        (source / f"{name}.jsonl").write_text(
            "".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in both.items())
        )
    rows = [("query-id", "corpus-id", "score"), *((f"q{i}", f"q{i ^ 1}", 1) for i in range(24))]
    (source / "qrels" / "test.tsv").write_text(lines(rows))
    result = fit(source, tmp_path / "run", base="static", epochs=1, test=6, dev=2, say=lambda _: None)
    assert all(m.figures["recall@1"].value == 1 for m in result.measured if "BM25" in m.name)
    assert "queries that are documents of the corpus, each left out of its own results: 6" in result.content.notes
    for listed in result.content.queries:
        assert all(q.text != hit.text for q in listed.queries for hit in q.results)


@pytest.mark.parametrize("schema", FILES)
def test_without_validation_the_last_weights_are_kept(tmp_path, schema):
    source, said = tmp_path / ("a.txt" if schema == "texts" else "a.tsv"), []
    source.write_text(lines(FILES[schema]))
    options = {"base": "static", "epochs": 1, "batch_size": 16, "say": said.append}
    result = fit(source, tmp_path / "run", dev=0, **options)
    assert "nothing is held out for validation: the last weights are kept" in said
    assert not any("dev" in row for row in result.content.history)
    assert "best step" not in result.content.settings
    assert "best step" in fit(source, tmp_path / "other", **options).content.settings
    parts = load_parts(str(source), {}, 0, 0.1, 0, None)
    start = StaticEncoder.from_corpus([t for row in FILES[schema] for t in map(str, row)], dim=4)
    assert parts.sizes["dev"] == 0
    assert parts.sizes["test"]
    assert make_task(parts, start).metric == result.content.metric
    before, after = (m for m in result.measured if m.name in ("untrained", "trained"))
    assert before.z
    assert not any(np.array_equal(a, b) for a, b in zip(before.z, after.z, strict=True))


def test_figures_and_patience_need_something_held_out(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["labelled"]))
    with pytest.raises(InputError, match="nothing is held out for validation, which --patience waits for"):
        fit(tmp_path / "a.tsv", tmp_path / "run", base="static", dev=0, patience=2, say=lambda _: None)
    with pytest.raises(InputError, match=r"a\.tsv: nothing is held out for the figures; give --test"):
        fit(tmp_path / "a.tsv", tmp_path / "run", base="static", test=0, say=lambda _: None)
    assert not (tmp_path / "run").exists()


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


def stopped(monkeypatch, *arguments, **settings):
    """A run that ends before its first checkpoint."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("counterpoint.methods.Recipe.make", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(*arguments, base="static", epochs=1, say=lambda _: None, **settings)


@pytest.mark.parametrize("change", ["seed", "data", "test", "nothing"])
def test_settings_bind_once_there_is_a_checkpoint(tmp_path, monkeypatch, change):
    """Before, what other settings or data left (a static base is made of them) is made again."""
    data, run = tmp_path / "a.tsv", tmp_path / "run"
    with pytest.raises(InputError, match="no such file"):
        fit(data, run, base="static", seed=7, say=lambda _: None)
    data.write_text(lines(FILES["pairs"]))
    stopped(monkeypatch, data, run)
    assert (run / ".training" / "base" / "model.safetensors").exists()
    settings = {"seed": {"seed": 1}, "test": {"test": 30}}.get(change, {})
    if change == "data":
        data.write_text(lines([*FILES["pairs"], ("a lilac balloon", "balloon in lilac")]))
    made = (run / ".training" / "base" / "tokenizer.json").stat().st_mtime_ns
    stopped(monkeypatch, data, run, **settings)
    same = (run / ".training" / "base" / "tokenizer.json").stat().st_mtime_ns == made
    assert same == (change == "nothing")
    again = fit(data, run, base="static", epochs=1, say=lambda _: None, **settings)
    clean = fit(data, tmp_path / "clean", base="static", epochs=1, say=lambda _: None, **settings)
    texts = ["a red car 1", "a lilac balloon"]
    assert (again.encoder.encode(texts) == clean.encoder.encode(texts)).all()


def test_other_settings_and_other_data_do_not_go_on_from_a_checkpoint(tmp_path):
    data, run = tmp_path / "a.tsv", tmp_path / "run"
    data.write_text(lines(FILES["pairs"]))

    def stop(_):
        if (run / ".training" / "checkpoint").exists():
            raise KeyboardInterrupt

    def start(**settings):
        return fit(
            data, run, **{"base": "static", "epochs": 4, "checkpoint_seconds": 0.0, "say": lambda _: None, **settings}
        )

    with pytest.raises(KeyboardInterrupt):
        start(on_row=stop)
    with pytest.raises(InputError, match=r"unfinished run with other settings or data \(epochs, seed\)"):
        start(seed=1, epochs=5)
    data.write_text(lines([*FILES["pairs"], ("a lilac balloon", "balloon in lilac")]))
    with pytest.raises(InputError, match=r"unfinished run with other settings or data \(data\)"):
        start()
    data.write_text(lines(FILES["pairs"]))
    assert start().measured


def stopped_at_a_checkpoint(*arguments, **settings):
    """A run that ends once it has one, of whatever stage."""
    training = arguments[1] / ".training"

    def stop(_):
        if list(training.rglob("checkpoint")):
            raise KeyboardInterrupt

    settings = {"checkpoint_seconds": 0.0, "say": lambda _: None, **settings}
    with pytest.raises(KeyboardInterrupt):
        fit(*arguments, on_row=stop, **settings)
    return lambda **more: fit(*arguments, **settings | more)


def test_a_role_of_several_columns_is_gone_on_with(tmp_path):
    (tmp_path / "a.tsv").write_text(lines([("q", "d", "a", "b"), *((*row, "no", "nil") for row in FILES["pairs"][1:])]))
    columns = {"anchor": "q", "positive": "d", "negative": ("a", "b")}
    again = stopped_at_a_checkpoint(tmp_path / "a.tsv", tmp_path / "run", base="static", epochs=2, columns=columns)
    assert again().measured


def test_stages_bind_once_the_first_has_a_checkpoint(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["pairs"]))
    stage = Stage(InfoNCE, TrainConfig(batch_size=32))
    method = Recipe("two", (stage, stage), Takes("text", "text"))
    settings = {"base": "static", "epochs": 2, "method": method}
    again = stopped_at_a_checkpoint(tmp_path / "a.tsv", tmp_path / "run", **settings)
    with pytest.raises(InputError, match=r"unfinished run with other settings or data \(seed\)"):
        again(seed=1)
    assert (tmp_path / "run" / ".training" / "stage-1" / "checkpoint").exists()
    assert again().measured


def test_another_model_in_the_same_folder_is_another_start(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["pairs"]))
    texts = [text for row in FILES["pairs"] for text in row]
    StaticEncoder.from_corpus(texts, dim=8).save(tmp_path / "m")
    again = stopped_at_a_checkpoint(tmp_path / "a.tsv", tmp_path / "run", base=str(tmp_path / "m"), epochs=2)
    StaticEncoder.from_corpus(texts, dim=8, seed=1).save(tmp_path / "m")
    with pytest.raises(InputError, match=r"unfinished run with other settings or data \(start\)"):
        again()
    StaticEncoder.from_corpus(texts, dim=8).save(tmp_path / "m")
    assert again().measured


def test_bad_rows_that_a_refused_run_listed_do_not_block_its_folder(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["pairs"]))
    (tmp_path / "test.tsv").write_text(lines([*FILES["pairs"][:9], ("one alone",)]))
    options = {"base": "static", "epochs": 1, "test": str(tmp_path / "test.tsv"), "skip_bad": True}
    arguments = (tmp_path / "a.tsv", tmp_path / "run")
    with pytest.raises(InputError, match="--patience waits for"):
        fit(*arguments, dev=0, patience=2, say=lambda _: None, **options)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["rejected-test.jsonl"]
    assert fit(*arguments, say=lambda _: None, **options).measured


def test_texts_that_are_cut_are_said_in_the_run_the_report_and_the_card(tmp_path):
    from counterpoint.encoders.scratch import small_transformer

    rows = [(f"a {c} {t}", f"{t} in {c} " + "very " * (40 * (i < 10)) + "long") for i, (c, t) in enumerate(ITEMS)]
    (tmp_path / "a.tsv").write_text(lines([("query", "document"), *rows]))
    texts = [text for row in rows for text in row]
    small_transformer(texts, layers=1, width=16, heads=2, max_seq_length=32).save(tmp_path / "small")
    base, quiet = str(tmp_path / "small"), {"epochs": 0.1, "test": 0.2}
    said = []
    result = fit(tmp_path / "a.tsv", tmp_path / "run", base=base, say=said.append, **quiet)
    note = "10 of 144 documents are longer than the model's 32 tokens and are cut; give --max-length, take a model that"
    assert [s for s in said if "longer than" in s] == [f"note: {result.content.notes[0]}"]
    assert result.content.notes[0].startswith(note)
    for file in ("report.html", "model/README.md"):
        assert note.replace("'", "&#39;" if file == "report.html" else "'") in (tmp_path / "run" / file).read_text()
    longer = fit(tmp_path / "a.tsv", tmp_path / "longer", base=base, max_length=64, say=lambda _: None, **quiet)
    assert not [n for n in longer.content.notes if "longer than" in n]
    assert load(tmp_path / "longer" / "model").max_seq_length == 64
    with pytest.raises(InputError, match="max_seq_length 65 is more than the model's 64"):
        fit(tmp_path / "a.tsv", tmp_path / "longest", base=base, max_length=65, say=lambda _: None)
    with pytest.raises(InputError, match="a static model reads texts of any length; leave out --max-length"):
        fit(tmp_path / "a.tsv", tmp_path / "static", base="static", max_length=65, say=lambda _: None)


def test_a_static_model_cuts_nothing(tmp_path):
    rows = [("query", "document"), *((f"a {c} {t}", f"{t} in {c} " + "very " * 400) for c, t in ITEMS)]
    (tmp_path / "a.tsv").write_text(lines(rows))
    said = []
    result = fit(tmp_path / "a.tsv", tmp_path / "run", base="static", epochs=1, test=0.2, say=said.append)
    assert not [n for n in result.content.notes if "longer than" in n]
    assert not [s for s in said if "longer than" in s]


def test_that_training_made_nothing_better_is_said(tmp_path):
    (tmp_path / "a.tsv").write_text(lines(FILES["pairs"]))
    said = []
    settings = {"base": "static", "dev": 0.1, "test": 0.2, "say": said.append, "epochs": 1}
    made = fit(tmp_path / "a.tsv", tmp_path / "worse", learning_rate=1e-30, **settings)
    note = "no validation was better than the one before training"
    assert any(line.startswith(f"note: {note}") for line in said)
    assert any(line.startswith(note) for line in made.content.notes)
