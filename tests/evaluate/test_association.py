"""WEAT and SEAT against loops over their definitions."""

from __future__ import annotations

import gzip
import json
from itertools import combinations

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data import AssociationTest, read_association_tests
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import association, evaluate_associations


def naive(x, y, a, b):
    """Effect and exact p."""

    def cosine(u, v):
        return u @ v / np.sqrt((u @ u) * (v @ v))

    s = [np.mean([cosine(w, z) for z in a]) - np.mean([cosine(w, z) for z in b]) for w in (*x, *y)]
    n = len(x)
    effect = (np.mean(s[:n]) - np.mean(s[n:])) / np.std(s, ddof=1)
    sums = [sum(s[i] for i in part) for part in combinations(range(len(s)), n)]
    return effect, np.mean([total >= sum(s[:n]) - 1e-12 for total in sums])


def sets(seed, sizes=(4, 4, 3, 5), shift=0.5):
    rng = np.random.default_rng(seed)
    towards = np.array([1.0, 0, 0, 0, -1, 0])
    signs = (1, -1, 1, -1)
    return [rng.normal(size=(n, 6)) + sign * shift * towards for n, sign in zip(sizes, signs, strict=True)]


@pytest.mark.parametrize(("seed", "sizes"), [(0, (4, 4, 3, 5)), (1, (5, 5, 4, 4)), (2, (3, 5, 2, 2))])
def test_exact(seed, sizes):
    given = sets(seed, sizes)
    result = association(*given, samples=0)
    effect, p = naive(*given)
    assert result["effect"].value == pytest.approx(effect)
    assert result["p"].value == pytest.approx(p)


def test_drawn_partitions_come_near_the_exact_p():
    given = sets(3, (6, 6, 4, 4), shift=0.2)
    exact = association(*given, samples=0)["p"]
    drawn = association(*given, permutations=600, samples=0)["p"]
    assert (exact.n, drawn.n) == (924, 600)
    assert 0.01 < exact.value < 0.99
    assert drawn.value == pytest.approx(exact.value, abs=4 * (exact.value * (1 - exact.value) / 600) ** 0.5)
    # never 0: what was seen is one of them
    assert association(*sets(4, (9, 9, 4, 4), shift=5), permutations=200, samples=0)["p"].value >= 1 / 200


def test_interval_and_turned_sets():
    x, y, a, b = sets(5, (12, 12, 8, 8))
    found, turned = association(x, y, a, b)["effect"], association(y, x, a, b)["effect"]
    assert found.interval.low < found.value < found.interval.high
    assert turned.value == pytest.approx(-found.value)
    assert association(np.ones((3, 2)), np.ones((3, 2)), np.eye(2), np.eye(2))["effect"].value == 0


def test_refusals():
    x, y, a, b = sets(0)
    with pytest.raises(InputError, match="four sets of two finite vectors"):
        association(x[:1], y, a, b)
    with pytest.raises(InputError, match="no association test"):
        evaluate_associations(StaticEncoder.from_corpus(["a"], dim=2), [])


def write(path, **changed):
    names = {"targ1": "Flowers", "targ2": "Insects", "attr1": "Pleasant", "attr2": "Unpleasant"}
    rows = {
        key: {"category": name, "examples": [f"{name} {i}".lower() for i in range(4)]} for key, name in names.items()
    }
    path.write_text(json.dumps({**rows, **changed}))
    return path


def test_layouts(tmp_path):
    write(tmp_path / "weat1.jsonl")
    write(tmp_path / "sent-weat1.jsonl")
    tests = read_association_tests(tmp_path)
    assert [test.name for test in tests] == ["sent-weat1", "weat1"]
    assert tests[0].categories == ("Flowers", "Insects", "Pleasant", "Unpleasant")
    together = tmp_path / "all.jsonl.gz"
    row = json.loads((tmp_path / "weat1.jsonl").read_text())
    with gzip.open(together, "wt") as out:
        out.writelines(json.dumps({**row, "test": name}) + "\n" for name in ("one", "two"))
    assert [test.name for test in read_association_tests(together)] == ["one", "two"]
    other = tmp_path / "pairs.jsonl"
    other.write_text('{"anchor": "a", "positive": "b"}\n')
    assert read_association_tests(other) is None
    assert read_association_tests(tmp_path / "missing.jsonl") is None


def test_bad_rows(tmp_path):
    path = write(tmp_path / "weat1.jsonl", attr2={"examples": ["one"]})
    with pytest.raises(InputError, match=r"weat1.jsonl:1: attr2 has no examples, or fewer than two"):
        read_association_tests(path)
    path.write_text(write(tmp_path / "weat2.jsonl").read_text() + "\n[1]\n")
    with pytest.raises(InputError, match=r"weat1.jsonl:2: not an association test"):
        read_association_tests(path)
    path.write_bytes((tmp_path / "weat2.jsonl").read_bytes() + b"\n\xff\n")
    with pytest.raises(InputError, match=r"weat1.jsonl:2: byte 1 of the line is not UTF-8"):
        read_association_tests(path)
    path.write_bytes(b"\xff\n" + b'{"anchor": "a", "positive": "b"}\n')
    assert read_association_tests(path) is None


def test_command_line(tmp_path):
    path = write(tmp_path / "weat1.jsonl")
    (test,) = read_association_tests(path)
    encoder = StaticEncoder.from_corpus([text for some in test.sets for text in some], dim=6)
    encoder.save(tmp_path / "model")
    shown = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model"), str(path), "--json"])
    assert shown.exit_code == 0, shown.output
    figures = {figure["name"]: figure["value"] for figure in json.loads(shown.stdout)[0]["figures"]}
    effect, p = naive(*(encoder.encode(some).astype(float) for some in test.sets))
    assert figures == {"weat1 effect": pytest.approx(effect, abs=1e-4), "weat1 p": pytest.approx(p)}
    assert json.loads(shown.stdout)[0]["notes"] == ["weat1: Flowers with Pleasant, Insects with Unpleasant"]


def test_words_of_several_tests_are_encoded_once():
    calls = []

    class Counts:
        def encode(self, texts, *, kind=None):
            calls.append(texts)
            return np.array([[len(text), text.count("a"), 1] for text in texts], dtype=np.float32)

    test = AssociationTest("t", (["a", "ab"], ["abc", "b"], ["aa", "a"], ["bb", "b"]))
    both = evaluate_associations(Counts(), [test, AssociationTest("u", test.sets)], samples=0)
    assert len(calls) == 1
    assert len(calls[0]) == len(set(calls[0]))
    assert both["t effect"].value == both["u effect"].value
