"""TREC runs: written, read, and measured as what wrote them is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Retrieval
from counterpoint.errors import InputError
from counterpoint.evaluate import (
    Figure,
    evaluate_judged,
    evaluate_run,
    fuse_runs,
    place,
    prepared,
    randomisation,
    read_qrels,
    read_run,
    write_run,
)
from counterpoint.search.exact import ScoreRows

NAMES = st.text("abcé0:", min_size=1, max_size=3)
SCORES = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, SCORES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_run_is_read_as_it_was_written(tmp_path_factory, run):
    file = tmp_path_factory.mktemp("runs") / "a.run"
    write_run(file, run)
    assert read_run(file) == run
    ranks = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    for _, lines in itertools.groupby(ranks, key=lambda line: line[0]):
        numbered, scores = zip(*((int(line[3]), float(line[4])) for line in lines), strict=True)
        assert list(numbered) == list(range(1, len(numbered) + 1))
        assert sorted(scores, reverse=True) == list(scores)


def test_trec_eval_reads_what_is_written_and_finds_the_same(tmp_path):
    trec = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(0)
    run = {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(rng.normal(size=30))} for i in range(20)}
    qrels = {f"q{i}": {f"d{j}": int(rng.integers(0, 3)) for j in range(40)} for i in range(20)}
    write_run(tmp_path / "a.run", run)
    with (tmp_path / "a.run").open() as file:
        theirs = trec.RelevanceEvaluator(qrels, {"ndcg_cut_10", "map_cut_10"}).evaluate(trec.parse_run(file))
    corpus = {f"d{j}": f"text {j}" for j in range(40)}
    test = Retrieval(corpus, {q: f"query {q}" for q in qrels}, qrels, "memory")
    ours = evaluate_run(read_run(tmp_path / "a.run"), test, metrics=("ndcg@10", "map@10"))
    for name, key in (("ndcg@10", "ndcg_cut_10"), ("map@10", "map_cut_10")):
        assert ours[name].values == pytest.approx([theirs[q][key] for q in ours[name].items], abs=1e-12)


def test_a_run_has_the_figures_of_what_it_is_a_run_of():
    rng = np.random.default_rng(1)
    corpus = {f"d{j}": f"text {j}" for j in range(12)} | {"q0": "itself"}
    queries = {"q0": "itself", "q1": "b", "q2": "c", "unjudged": "d"}
    qrels = {"q0": {"d1": 1.0, "q0": 1.0}, "q1": {"d2": 2.0}, "q2": {"d3": 0.0}}
    test, _ = prepared(Retrieval(corpus, queries, qrels, "memory"))
    scores = rng.normal(size=(len(test.queries), len(test.corpus))).astype(np.float32)
    found = place([ScoreRows(scores.copy(), np.ones(len(scores)))], test)
    run = {q: dict(zip(test.corpus, map(float, row), strict=True)) for q, row in zip(test.queries, scores, strict=True)}
    run |= {"unjudged": {"d1": 1.0}}
    ours = evaluate_run(run, Retrieval(corpus, queries, qrels, "memory"))
    whole = evaluate_judged(found.judged)
    assert {n: f.values.tolist() for n, f in ours.items()} == {n: f.values.tolist() for n, f in whole.items()}
    assert "queries that are documents of the corpus, each left out of its own results: 1" in ours.notes


def test_what_a_run_does_not_say_counts_as_not_found_and_is_said():
    test = Retrieval({"1": "a", "2": "b"}, {"q": "x", "r": "y"}, {"q": {"2": 1.0}, "r": {"1": 1.0}}, "memory")
    result = evaluate_run({"q": {"2": 1.0, "elsewhere": 2.0}}, test, metrics=("mrr@10",))
    assert result["mrr@10"].values.tolist() == [0.5, 0.0]
    assert result.notes == (
        "documents of the run that are not in the corpus, which keep their places: 1",
        "queries without a ranking, which count as 0: 1",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q Q0 d 1 2.0\n", "bad.run:1: 5 columns, not 6"),
        ("q Q0 d 1 2.0 t\nq Q0 e 2 nan t\n", "bad.run:2: 'nan' is not a finite number"),
        ("q Q0 d 1 2.0 t\nq Q0 d 2 1.0 t\n", "bad.run:2: query q names document d twice"),
        ("\n\n", "is empty"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, said):
    (tmp_path / "bad.run").write_text(text)
    with pytest.raises(InputError, match=said):
        read_run(tmp_path / "bad.run")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "bad.run").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_run(tmp_path / "bad.run")


@pytest.mark.parametrize("name", ["two words", "", " a", "a\n"])
def test_ids_that_the_layout_cannot_say_are_refused_and_nothing_is_written(tmp_path, name):
    for run in ({name: {"d": 1.0}}, {"q": {name: 1.0}}):
        with pytest.raises(InputError, match="cannot stand in a TREC run"):
            write_run(tmp_path / "a.run", run)
    with pytest.raises(InputError, match="cannot stand"):
        write_run(tmp_path / "a.run", {"q": {"d": 1.0}}, tag=name)
    assert not list(tmp_path.iterdir())


def test_judgements_are_read(tmp_path):
    (tmp_path / "qrels").write_text("q 0 d 2\nq 0 e -1\nr 0 d 0\n")
    assert read_qrels(tmp_path / "qrels") == {"q": {"d": 2.0, "e": -1.0}, "r": {"d": 0.0}}


def test_randomisation_counts_every_exchange_of_few_items():
    rng = np.random.default_rng(2)
    a, b = rng.random(8), rng.random(8)
    d = b - a
    means = [np.mean(d * signs) for signs in itertools.product([1, -1], repeat=8)]
    above = np.mean([m >= d.mean() - 1e-12 for m in means])
    below = np.mean([m <= d.mean() + 1e-12 for m in means])
    p = randomisation(Figure("m", a.mean(), a), Figure("m", b.mean(), b))
    assert p == pytest.approx(min(1.0, 2 * min(above, below)))


def test_randomisation_of_many_follows_its_seed_and_tells_a_difference():
    rng = np.random.default_rng(3)
    a = rng.random(2000)
    alike, better = (a + shift + rng.normal(0, 0.1, 2000) for shift in (0.0, 0.02))
    first = Figure("m", a.mean(), a)
    ps = [randomisation(first, Figure("m", x.mean(), x)) for x in (alike, better)]
    assert ps[0] > 0.05
    assert ps[1] < 0.001
    assert ps == [randomisation(first, Figure("m", x.mean(), x)) for x in (alike, better)]
    with pytest.raises(InputError, match="not means over the same items"):
        randomisation(first, Figure("m", 0.0, a[:5]))


def test_marks_at_the_start_of_a_file_are_no_part_of_a_query(tmp_path):
    (tmp_path / "a.run").write_bytes(b"\xef\xbb\xbfq Q0 d 1 2.0 t\n")
    assert read_run(tmp_path / "a.run") == {"q": {"d": 2.0}}


def test_a_document_judged_twice_and_half_a_character_are_refused(tmp_path):
    (tmp_path / "qrels").write_text("q 0 d 2\nq 0 d 1\n")
    with pytest.raises(InputError, match="qrels:2: query q judges document d twice"):
        read_qrels(tmp_path / "qrels")
    with pytest.raises(InputError, match="cannot stand in a TREC run"):
        write_run(tmp_path / "a.run", {"q": {"\ud800": 1.0}})


def test_no_p_value_of_one_item():
    one = Figure("m", 0.5, np.array([0.5]))
    with pytest.raises(InputError, match="not means over the same items"):
        randomisation(one, one)


RUN = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 1.0, 2.0, -3.0]))


@given(st.lists(st.dictionaries(st.sampled_from("qr"), RUN), min_size=1, max_size=3), st.integers(1, 60))
def test_fused_scores_are_sums_of_reciprocal_ranks(runs, k):
    """Ranks by counting: how many score more, and half of the others that score the same."""
    weights = [1.0, 2.0, 0.5][: len(runs)]
    fused = fuse_runs(runs, k=k, weights=weights)
    assert fused.keys() == {query for run in runs for query in run}
    for query, found in fused.items():
        expected = {}
        for weight, run in zip(weights, runs, strict=True):
            scores = run.get(query, {})
            for document, score in scores.items():
                more, same = sum(s > score for s in scores.values()), sum(s == score for s in scores.values())
                expected[document] = expected.get(document, 0) + weight / (k + more + (same + 1) / 2)
        assert found == pytest.approx(expected)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_no_deeper_than_asked_is_fused():
    """What stands below the depth in each is not there; nothing to fuse is refused."""
    one, other = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, {"q": {"d": 3.0, "a": 2.0, "e": 1.0}}
    assert list(fuse_runs([one, other], depth=2)["q"]) == ["a", "d"]
    with pytest.raises(InputError, match="0 runs to a depth of 100; give at least one run"):
        fuse_runs([])
    with pytest.raises(InputError, match="1 runs to a depth of 0"):
        fuse_runs([one], depth=0)
