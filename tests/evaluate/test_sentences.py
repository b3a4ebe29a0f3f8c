"""The tables of sentence embedding papers: against scipy and scikit-learn, and through the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data import Example, SentenceTasks, TextData, read_sentence_tasks
from counterpoint.data.sentence_tasks import STS, TRANSFER, YEARS
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_bitext, evaluate_sentences, nested_folds, with_dev, with_test
from data.senteval import ROWS, write_senteval


class Letters:
    """Counts letters, and looks at nothing else."""

    def encode(self, texts, *, kind=None):
        return np.array([[1 + text.count(letter) for letter in "adeinortv0123"] for text in texts], dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_senteval(tmp_path_factory.mktemp("senteval"))


def cosines(pairs):
    first, second = (Letters().encode(side).astype(float) for side in zip(*pairs, strict=True))
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def test_a_year_is_over_the_pairs_of_all_subsets(folder):
    tasks = read_sentence_tasks(folder)
    # scores that differ by subset, so that the mean over subsets is another figure
    for n, (name, data) in enumerate(tasks.scored["STS16"].items()):
        rows = [replace(e, score=5 - n - i / 10) for i, e in enumerate(data.examples)]
        tasks.scored["STS16"] = {**tasks.scored["STS16"], name: replace(data, examples=rows)}
    table, subsets, *_ = evaluate_sentences(Letters(), replace(tasks, labelled={}), samples=0)
    for year in YEARS:
        examples = [e for data in tasks.scored[year].values() for e in data.examples]
        expected = spearmanr(cosines([e.texts for e in examples]), [e.score for e in examples]).statistic
        assert table[year].value == pytest.approx(expected, abs=1e-12)
        assert table[year].n == len(examples)
        for name, data in tasks.scored[year].items():
            own = spearmanr(cosines([e.texts for e in data.examples]), [e.score for e in data.examples]).statistic
            assert subsets[f"{year} {name}"].value == pytest.approx(own, abs=1e-12)
    own = [f.value for name, f in subsets.items() if name.startswith("STS16")]
    assert abs(np.mean(own) - table["STS16"].value) > 0.01
    assert table["avg STS"].value == pytest.approx(np.mean([table[task].value for task in STS]))
    assert table["avg STS"].items == STS


def test_other_folders_have_the_mean_over_their_subsets():
    def rows(values):
        return TextData("scored", [Example("a", ("a" * i,), score=v) for i, v in enumerate(values, 1)], "memory")

    tasks = SentenceTasks("memory", {"languages": {"en-de": rows([3.0, 2.0, 1.0]), "en-fr": rows([1.0, 2.0, 3.0])}})
    table, subsets = evaluate_sentences(Letters(), tasks, samples=0)
    assert [subsets[f"languages {name}"].value for name in ("en-de", "en-fr")] == [1.0, -1.0]
    assert table["languages"].value == 0.0
    assert "avg STS" not in table


def test_nested_folds_are_a_grid_search_in_cross_validation():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(90, 5)), rng.integers(0, 2, 90).astype(str)
    y[z[:, 0] > 0.3] = "1"
    folds = StratifiedKFold(5, shuffle=True, random_state=1111)
    search = GridSearchCV(LogisticRegression(max_iter=5000), {"C": [0.25, 0.5, 1, 2, 4, 8]}, cv=folds)
    right = np.zeros(90, bool)
    chosen = set()
    for train, test in folds.split(z, y):
        search.fit(z[train], y[train])
        chosen.add(search.best_params_["C"])
        right[test] = search.predict(z[test]) == y[test]
    assert len(chosen) > 1
    np.testing.assert_array_equal(nested_folds(z, y, folds=5), right)
    search = search.set_params(param_grid={"C": [0.5, 1, 2, 4, 8, 16, 32]})
    np.testing.assert_array_equal(
        with_test(z[:60], y[:60], z[60:], folds=5), search.fit(z[:60], y[:60]).predict(z[60:])
    )


def test_dev_chooses_the_penalty():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(120, 20))
    y = np.where(z[:, 0] + rng.normal(size=120) > 0, "a", "b")
    scored = {c: LogisticRegression(C=c, max_iter=5000).fit(z[:40], y[:40]) for c in (0.25, 0.5, 1, 2, 4, 8)}
    accuracy = {c: model.score(z[40:80], y[40:80]) for c, model in scored.items()}
    best = max(accuracy, key=accuracy.get)
    assert len(set(accuracy.values())) > 1
    np.testing.assert_array_equal(with_dev(z[:40], y[:40], z[40:80], y[40:80], z[80:]), scored[best].predict(z[80:]))


def test_transfer(folder):
    tasks = replace(read_sentence_tasks(folder), scored={})
    said = []
    table, details = evaluate_sentences(Letters(), tasks, folds=3, samples=0, say=said.append)
    assert tuple(table) == (*TRANSFER, "avg transfer")
    assert said == list(TRANSFER)
    assert table["avg transfer"].value == pytest.approx(np.mean([table[task].value for task in TRANSFER]))
    # "pos" and "neg" differ in letters, "fine" and "bad", too
    assert table["MR"].value == table["SST"].value == 1.0
    assert (table["MR"].n, table["TREC"].n, table["MRPC"].n) == (2 * ROWS, 2 * ROWS, ROWS)
    parts = tasks.labelled["MRPC"]
    features = {}
    for part, data in parts.items():
        rows = sorted(data.examples, key=lambda e: (len(e.anchor.split()), len(e.positives[0].split()), e.label))
        u, v = Letters().encode([e.anchor for e in rows]), Letters().encode([e.positives[0] for e in rows])
        features[part] = np.hstack([abs(u - v), u * v]), [e.label for e in rows]
    predicted = with_test(*features["train"], features["test"][0], folds=3)
    truth = np.array(features["test"][1])
    assert details["MRPC f1"].value == pytest.approx(f1_score(truth == "1", predicted == "1"))
    assert table["MRPC"].value == (predicted == truth).mean()


def test_too_few_rows_for_the_folds(folder):
    tasks = replace(read_sentence_tasks(folder), scored={})
    with pytest.raises(InputError, match=r"MR: MR: 16 rows of the label 0 for 17 folds"):
        evaluate_sentences(Letters(), tasks, folds=17)
    with pytest.raises(InputError, match="1 folds; give two or more"):
        evaluate_sentences(Letters(), tasks, folds=1)


def test_bitext_needs_pairs():
    with pytest.raises(InputError, match="rows of scored, where pairs of translations are needed"):
        evaluate_bitext(Letters(), TextData("scored", [Example("a", ("b",), score=1.0)], "memory"))


def test_command_line(folder, tmp_path):
    model = tmp_path / "model"
    StaticEncoder.from_corpus(read_sentence_tasks(folder).texts(), dim=8).save(model)
    small = tmp_path / "small"
    for part in ("STS/STSBenchmark", "STS/STS12-en-test", "SICK"):
        shutil.copytree(folder / "downstream" / part, small / part)
    for side, text in (("deu", "sick 0\nthe 1\n"), ("eng", "sick 0\nthe 1\n")):
        (small / f"tatoeba.deu-eng.{side}").write_text(text)
    shown = CliRunner().invoke(app, ["evaluate", str(model), str(small)])
    assert shown.exit_code == 0, shown.output
    assert f"read sentence tasks from {small}: STS12 (30), STS-B (6), SICK-R (6), deu-eng (2)" in shown.stderr
    assert "STS-B ..." in shown.stderr
    for name in ("STS12", "STS12 MSRpar", "SICK-R", "deu-eng", "mining f1"):
        assert name in shown.stdout
    as_json = json.loads(CliRunner().invoke(app, ["evaluate", str(model), str(small), "--json"]).stdout)
    assert [result["task"] for result in as_json] == ["sentence tasks", "subsets", "bitext"]
    assert [figure["name"] for figure in as_json[0]["figures"]] == ["STS12", "STS-B", "SICK-R", "deu-eng"]
    refused = CliRunner().invoke(app, ["evaluate", str(model), str(small), "--split", "dev"])
    assert isinstance(refused.exception, InputError)
    assert "the layouts of these tests are fixed" in str(refused.exception)
