"""From pairs to a reranker: what it learns, what it starts from, how it goes on; and the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data import Example, read
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, load_cross_encoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.fitting import fit_reranker
from counterpoint.fitting.reranking import OBJECTIVES, by_teacher, each_positive
from counterpoint.training.lists import CrossLists, with_teacher

COLOURS = {"crimson": "red", "azure": "blue", "emerald": "green", "charcoal": "grey", "ebony": "black"}
THINGS = ("car", "boat", "house", "lamp", "coat", "door", "chair", "bird", "clock", "table", "hat", "cup")
QUIET = {"say": lambda _: None, "dtype": "float32"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Answers that share a thing with their question, and mean its colour by another word."""
    file = tmp_path_factory.mktemp("reranking") / "pairs.tsv"
    rows = [
        f"where is the {asked} {thing}\tthe {thing} painted {said} is in room {i}{j}"
        for i, (asked, said) in enumerate(COLOURS.items())
        for j, thing in enumerate(THINGS)
    ]
    file.write_text("question\tanswer\n" + "\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="module")
def fitted(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "reranker"
    rows = []
    options = {"base": "kernels", "test": 12, "dev": 6, "steps": 150, "negatives": 4, "learning_rate": 1e-2}
    return fit_reranker(pairs, folder, on_row=rows.append, **options, **QUIET), rows


def test_it_learns_what_bm25_does_not_know(fitted):
    made, rows = fitted
    assert made.measured.differences["ndcg@10"].interval.low > 0.1
    assert made.measured.after["ndcg@10"].value > 0.8
    assert {"dev", "loss"} <= rows[-1].keys()
    assert not {"mean_cosine", "warning"} & set().union(*rows)
    about = json.loads((made.folder / "reranking.json").read_text())
    assert about["after"]["figures"][0]["value"] == made.measured.after["ndcg@10"].value
    assert not (made.folder / ".training").exists()
    asked = ["where is the azure hat"] * 2
    answers = ["the hat painted red is in room 1", "the hat painted blue is in room 1"]
    assert np.array_equal(load_cross_encoder(made.folder).score(asked, answers), made.model.score(asked, answers))


def test_another_retriever_in_the_same_folder_is_another_start(pairs, tmp_path):
    def retriever(seed):
        texts = pairs.read_text().splitlines()
        StaticEncoder.from_corpus(texts, dim=8, vocab_size=200, seed=seed).save(tmp_path / "found")

    def stop(row):
        if row["step"] == 4:
            raise KeyboardInterrupt

    retriever(0)
    options = {"base": "kernels", "retriever": str(tmp_path / "found"), "test": 12, "dev": 0, "steps": 6, **QUIET}
    options |= {"negatives": 2, "checkpoint_seconds": 1e-9, "validations": 2}
    with pytest.raises(KeyboardInterrupt):
        fit_reranker(pairs, tmp_path / "killed", on_row=stop, **options)
    retriever(1)
    with pytest.raises(InputError, match=r"other settings or data \(start\)"):
        fit_reranker(pairs, tmp_path / "killed", **options)
    retriever(0)
    assert fit_reranker(pairs, tmp_path / "killed", **options).steps == 6


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_transformer_by_every_objective_is_a_base_again(pairs, tmp_path, objective):
    small_transformer(pairs.read_text().splitlines(), layers=1, width=16, heads=2).save(tmp_path / "start")
    options = {"objective": objective, "steps": 2, "validations": 1, "test": 4, "dev": 0, **QUIET}
    made = fit_reranker(pairs, tmp_path / "one", base=str(tmp_path / "start"), **options)
    again = fit_reranker(pairs, tmp_path / "two", base=str(tmp_path / "one"), max_length=20, **options)
    assert made.model.max_length == 64
    assert again.model.max_length == 20
    same = [dict(m.model.named_parameters())["model.bert.encoder.layer.0.output.dense.weight"] for m in (made, again)]
    assert 0 < float((same[0] - same[1]).detach().abs().max()) < 1e-3


def test_a_killed_run_goes_on_and_ends_the_same(pairs, tmp_path):
    options = {"base": "kernels", "test": 12, "dev": 6, "steps": 6, "negatives": 2, "validations": 2, **QUIET}
    whole = fit_reranker(pairs, tmp_path / "whole", **options)

    def stop(row):
        if row["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_reranker(pairs, tmp_path / "killed", on_row=stop, checkpoint_seconds=1e-9, **options)
    with pytest.raises(InputError, match=r"other settings or data \(steps\)"):
        fit_reranker(pairs, tmp_path / "killed", checkpoint_seconds=1e-9, **{**options, "steps": 7})
    rows = []
    again = fit_reranker(pairs, tmp_path / "killed", on_row=rows.append, checkpoint_seconds=1e-9, **options)
    assert rows[0]["step"] > 3
    asked = ["where is the azure hat"], ["the hat painted blue is in room 1"]
    assert np.array_equal(again.model.score(*asked), whole.model.score(*asked))
    with pytest.raises(InputError, match="this run is finished"):
        fit_reranker(pairs, tmp_path / "whole", **options)


def test_what_is_learned_from(pairs, tmp_path, fitted):
    rows = "".join(
        json.dumps({"anchor": f"q {i}", "positive": f"p {i}", "negative": f"n {i}"}) + "\n" for i in range(12)
    )
    (tmp_path / "tuples.jsonl").write_text(rows)
    said = []
    options = {"base": "kernels", "test": 2, "dev": 0, "steps": 1, "dtype": "float32", "say": said.append}
    fit_reranker(tmp_path / "tuples.jsonl", tmp_path / "own", **options)
    assert any("lists of 2, listwise" in sentence for sentence in said), said
    fit_reranker(tmp_path / "tuples.jsonl", tmp_path / "more", negatives=2, **options)
    fit_reranker(pairs, tmp_path / "taught", teacher=str(fitted[0].folder), **options)
    assert any(f"lists of 8, {fitted[0].folder}" in sentence for sentence in said), said


def test_a_row_for_each_positive_and_a_teacher_for_each_list(fitted):
    data = each_positive(rows_of([Example("a", ("b", "c"), ("d", "ee")), Example("e", ("f",), ("d",))]))
    assert data.anchor.tolist() == [0, 0, 1]
    assert data.positives.tolist() == [[0], [1], [4]]
    data = with_teacher(data, lambda queries, documents: [len(d) for d in documents])
    model = fitted[0].model
    payload = CrossLists(data, model).payload(data.anchor.new_tensor([1, 2]))
    arguments = payload.arguments(model(payload.inputs))
    assert arguments["guide"].owned.tolist() == [[1.0, 1.0, 2.0], [1.0, 1.0, 0.0]]
    assert arguments["owned"].columns["valid"].tolist() == [[True, True, True], [True, True, False]]
    scores = arguments["owned"].z[..., 0].detach()
    teacher, student = (s.log_softmax(0) for s in (arguments["guide"].owned[0], scores[0]))
    short, own = (s.log_softmax(0) for s in (arguments["guide"].owned[1, :2], scores[1, :2]))
    wanted = [(t.exp() * (t - s)).sum() for t, s in ((teacher, student), (short, own))]
    assert float(by_teacher()(**arguments).detach()) == pytest.approx(float(sum(wanted) / 2), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"objective": "best"}, "unknown objective 'best'"),
        ({"base": "kernels", "max_length": 64}, "kernels read 200 tokens"),
        ({"base": "kernels", "negatives": 0, "test": 4}, "none are to be mined"),
        ({"base": "kernels", "test": 0}, "nothing is held out for the figures"),
        ({"base": "kernels", "depth": 1}, "of the first 1"),
        ({"base": "kernels", "dev": 0, "patience": 2}, "nothing is held out for validation"),
    ],
)
def test_refusals_leave_nothing(pairs, tmp_path, options, match):
    with pytest.raises(InputError, match=match):
        fit_reranker(pairs, tmp_path / "out", **options, **QUIET)
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_no_other_data_and_no_other_base(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(f"a text {i}" for i in range(30)))
    with pytest.raises(InputError, match="no queries and answers"):
        fit_reranker(tmp_path / "texts.txt", tmp_path / "out", base="kernels", **QUIET)
    scored = "".join(f"a text {i}\ta text of {i}\t{i % 5}\n" for i in range(30))
    (tmp_path / "scored.tsv").write_text("sentence1\tsentence2\tscore\n" + scored)
    with pytest.raises(InputError, match="scored have no queries and answers"):
        fit_reranker(tmp_path / "scored.tsv", tmp_path / "out", base="kernels", **QUIET)
    StaticEncoder.from_corpus(["a cat"], dim=4).save(tmp_path / "table")
    with pytest.raises(InputError, match="table is no transformer"):
        fit_reranker(tmp_path / "texts.txt", tmp_path / "out", base=str(tmp_path / "table"), **QUIET)


def test_bad_rows_are_listed_beside_the_folder(pairs, tmp_path):
    (tmp_path / "bad.tsv").write_text(pairs.read_text() + "\tno question\n")
    said = []
    options = {"base": "kernels", "test": 12, "dev": 0, "steps": 1, "negatives": 1, "dtype": "float32"}
    fit_reranker(tmp_path / "bad.tsv", tmp_path / "out", reading={"skip_bad": True}, say=said.append, **options)
    listed = tmp_path / "out.rejected" / "rejected.jsonl"
    assert "is empty" in listed.read_text()
    assert str(listed) in said[0]


def command(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_commands(pairs, fitted, tmp_path):
    few = ("--base", "kernels", "--test", 12, "--dev", 6, "--steps", 2, "--json")
    done = command("fit-reranker", pairs, "-o", tmp_path / "one", *few)
    told = json.loads(done.stdout)
    assert [d["name"] for d in told["differences"]] == ["ndcg@10", "mrr@10", "recall@1"]
    answers = [e.positives[0] for e in read(pairs).examples]
    StaticEncoder.from_corpus(answers, dim=16).save(tmp_path / "encoder")
    (tmp_path / "answers.txt").write_text("\n".join(answers))
    command("index", tmp_path / "answers.txt", "--model", tmp_path / "encoder", "-o", tmp_path / "index")
    search = ("search", tmp_path / "index", "where is the azure hat", "--json", "-k", 2)
    rerank = ("--rerank", fitted[0].folder)
    plain, judged = (json.loads(command(*search, *more).stdout)["hits"] for more in ((), rerank))
    assert len(plain) == len(judged) == 2
    assert "hat painted blue" in judged[0]["text"]
    (said,) = fitted[0].model.score([search[2]], [judged[0]["text"]])
    assert judged[0]["score"] == pytest.approx(float(said), abs=1e-4)
    few = json.loads(command(*search, *rerank, "--candidates", 1).stdout)["hits"]
    assert sorted(hit["id"] for hit in few) == sorted(hit["id"] for hit in plain)
    evaluate = ("evaluate", tmp_path / "encoder", pairs, "--rerank", fitted[0].folder)
    told = json.loads(command(*evaluate, "--json").stdout)
    assert told["after"]["figures"][0]["value"] > told["before"]["figures"][0]["value"]
    assert "reranked" in command(*evaluate).stdout
    assert "Example: counterpoint fit-reranker" in command("fit-reranker", "--help").stdout
