"""CLAIF: pairs that a generator fills in and grades, whose cosine must be the smoothed grade; CLHAIF with people's."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.fitting.bases import minilm_folder
from counterpoint.generating import Answer, Generator, Rules
from counterpoint.systems import get
from counterpoint.systems.sentences import claif
from counterpoint.testbeds import Trained, filled
from systems.through import same
from systems.words import ALONE, KINDS, TUPLES, contrast, small_bert, steady_bert, step_of_texts

GRADES = {f"{e.anchor}|{version}": grade for e, kind in zip(ALONE, KINDS, strict=True) for version, grade in (
    (f"the {kind} sleeps at night", 0.9), (f"a {kind} runs at noon", 0.3), (e.anchor, 1.0)
)}  # fmt: skip
ROWS = [Example(first, (second,)) for first, _, second in (pair.partition("|") for pair in GRADES)]
PEOPLE = {e.anchor: i / 11 for i, e in enumerate(TUPLES)}
"""Grades of entailments."""


class Grader:
    """Knows the grade of each pair."""

    identity = "a judge"

    def answers(self, requests):
        for request in requests:
            first, second = request.prompt.split("\n")[-2:]
            grade = GRADES.get(f"{first}|{second}", PEOPLE[first])
            yield request, Answer(f"Score: {grade}")


@pytest.fixture(autouse=True)
def _graded(monkeypatch):
    monkeypatch.setattr(claif, "Grader", Grader)


def read(step, data):
    """The texts of both sides of the pairs that the step saw."""
    ids = step.payload.inputs["input_ids"].split(step.payload.inputs["offsets"].diff().tolist())
    every = [*data.anchors.texts, *data.others.texts]
    known = small_bert(data).tokenize(every)
    rows = known["input_ids"].split(known["offsets"].diff().tolist())
    return [next(text for text, row in zip(every, rows, strict=True) if torch.equal(row, one)) for one in ids]


def test_loss_is_the_squared_error_of_a_naive_loop_over_graded_pairs():
    data = rows_of(ROWS)
    step = step_of_texts("CLAIF", data, make=steady_bert, n=36)
    assert step.network[0].pooling == "cls"
    assert step.layers() == ["Identity"]
    said = read(step, data)
    scores, total, others = step.calls[0]["queries"].columns["score"].tolist(), torch.zeros(()), 0
    z = step.network(step.payload.inputs)
    for i in range(36):
        grade = GRADES.get(f"{said[i]}|{said[36 + i]}")
        assert said[i] != said[36 + i]
        # what is added may be its own version, too
        wanted = 0.0 if grade is None or scores[i] == 0 else 0.8 * grade + 0.1
        others += wanted == 0
        total = total + (F.cosine_similarity(z[i], z[36 + i], dim=0) - wanted).square() / 36
    assert 0 < others < 36
    same(step, total, rtol=1e-3)


def pairs_of(method):
    """What is trained on: how often each pair has each score."""
    data = rows_of(ROWS)
    for step in method.stages[0].prepare:
        data = step(data, nn.Identity(), 0)
    texts = zip(data.anchor.tolist(), data.positives[:, 0].tolist(), data.columns["score"].tolist(), strict=True)
    return [(data.anchors.texts[a], data.others.texts[p], round(y, 4)) for a, p, y in texts]


def test_grades_are_smoothed_and_others_are_0():
    found = pairs_of(get("CLAIF").method())
    assert {(a, p, y) for a, p, y in found if y} == {
        (a, p, round(0.8 * y + 0.1, 4)) for (a, _, p), y in ((k.partition("|"), y) for k, y in GRADES.items()) if a != p
    }
    # the first text is of two pairs for each sentence, whatever the second is
    assert Counter(a for a, _, y in found if y == 0) == {e.anchor: 2 for e in ALONE}


def test_clhaif_weighs_rows_by_the_grade_of_the_entailment():
    step = step_of_texts("CLHAIF", TUPLES, make=steady_bert, n=12)
    z = step.network(step.payload.inputs)
    order = step.calls[0]["queries"].columns["sample"].tolist()
    total = torch.zeros(())
    for i, row in enumerate(order):
        s = torch.stack([F.cosine_similarity(z[i], k, dim=0) / 0.05 for k in z[12:]])
        total = total + row / 11 * (torch.logsumexp(s, 0) - s[i]) / 12
    same(step, total, rtol=1e-3)
    assert "0.heads.0.linear.weight" in step.gradient


def test_arms_leave_out_what_they_say():
    known, shuffled = pairs_of(get("CLAIF").method()), pairs_of(claif.shuffled_grades())
    assert Counter(y for _, _, y in known) == Counter(y for _, _, y in shuffled)
    assert known != shuffled
    plain = pairs_of(claif.ungraded())
    assert {y for _, _, y in plain} == {0.0, 1.0}
    assert {(a, p) for a, p, y in plain if y} == {(a, p) for a, p, y in known if y}
    step = step_of_texts(claif.supervised(), TUPLES, make=steady_bert, n=12)
    z = step.network(step.payload.inputs)
    same(step, contrast(z[:12], z[12:]), rtol=1e-3)
    makes = (get("CLAIF").method, claif.shuffled_grades, claif.ungraded, claif.clhaif)
    assert len({Trained(make).key for make in makes}) == 4


def test_a_generator_fills_in_and_grades():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        text = prompt.split("\n")[-1]
        return "0.5" if "How alike" in prompt else f"so {text}".replace("<mask>", "owl")

    method = claif.with_generator(Generator(Rules(write)))
    data = Data.alone(Items("text", [e.anchor for e in ALONE]))
    method.refuse(data)
    for step in method.stages[0].prepare:
        data = step(data, nn.Identity(), 0)
    graded = data[data.columns["score"] > 0]
    assert all(data.others.texts[p].startswith("so ") for p in graded.positives[:, 0].tolist())
    assert graded.columns["score"].tolist() == pytest.approx([0.5] * len(graded))
    # two versions of a text with one grade at most
    assert set(graded.anchor.bincount().tolist()) == {2}
    # equal prompts are asked once; of four words all can be masked
    masks = {prompt.split("\n")[-1].count("<mask>") for prompt in asked if "How alike" not in prompt}
    assert masks == {0, 1, 2, 3, 4}


def test_dropout_is_left_on():
    encoder = get("CLAIF").method().adapt(small_bert(rows_of(ROWS))).train()
    inputs = encoder.tokenize(["a cat at night", "a dog at night"])
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_the_grader_of_the_testbed_says_tenths():
    if minilm_folder() is None:
        pytest.skip("the judge's weights are not installed")
    asked = ["x\na plane takes off\nan aircraft leaves the ground", "x\na plane takes off\na cat eats"]
    said = [r.value for (r,) in Generator(filled.Grader()).ask(asked)]
    assert all(len(grade) == 3 for grade in said)
    assert 0 <= float(said[1]) < 0.4 < 0.6 < float(said[0]) <= 1
