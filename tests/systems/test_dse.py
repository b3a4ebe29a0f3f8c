"""DSE: a network on two vectors, half taught by labels and half by what a cross-encoder says of both texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders.crossing import KernelCrossEncoder
from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder
from counterpoint.errors import InputError
from counterpoint.negatives import prepare as preparing
from counterpoint.systems import get
from counterpoint.systems.retrieval import dse
from counterpoint.testbeds import told_apart as bed
from counterpoint.testbeds.bed import Made
from systems.through import same
from systems.words import PAIRS, small_bert, small_table, steady_bert, step_of_texts

ROWS = [replace(e, score=float(i % 3 == 0)) for i, e in enumerate(PAIRS)]
GRADED = [replace(e, score=i / 4) for i, e in enumerate(PAIRS)]


class Known(nn.Module):
    """A teacher whose logits are known."""

    def score(self, queries, documents):
        said = [len(q) / 10 - len(d) / 20 for q, d in zip(queries, documents, strict=True)]
        return torch.tensor(said).numpy()


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(preparing, "teacher_of_pairs", lambda *_: Known())


def logits(step):
    """By the weights of the network, a pair at a time."""
    u, v = step.z()
    first, second = (layer for layer in step.procedure.network if isinstance(layer, nn.Linear))
    return [
        (second.weight @ (first.weight @ torch.cat([a, b, (a - b).abs(), a * b]) + first.bias).clamp_min(0))[0]
        + second.bias[0]
        for a, b in zip(u, v, strict=True)
    ]


def seen(step, examples=ROWS):
    """Labels and the known teacher's logits of the step's pairs."""
    (call,) = step.calls
    assert "keys" not in call
    texts = [(examples[i].anchor, examples[i].positives[0]) for i in call["queries"].columns["sample"].tolist()]
    at = {(e.anchor, e.positives[0]): e.score for e in examples}
    return [at[pair] for pair in texts], Known().score(*zip(*texts, strict=True)).tolist()


def binary(s, y):
    return -(y * torch.log(torch.sigmoid(s)) + (1 - y) * torch.log(1 - torch.sigmoid(s)))


def naive(step, label, share, examples=ROWS):
    total = torch.zeros(())
    for s, y, t in zip(logits(step), *seen(step, examples), strict=True):
        total = total + (1 - share) * label(s, y) + share * (s - t) ** 2
    return total / len(step.calls[0]["queries"])


@pytest.mark.parametrize("make", [small_table, steady_bert])
def test_loss_is_half_of_labels_and_half_of_what_the_teacher_says(told, make):
    step = step_of_texts("dse", ROWS, make=make, n=12)
    assert [type(layer) for layer in step.procedure.network] == [nn.Linear, nn.ReLU, nn.Linear]
    assert step.procedure.network[0].out_features == 512
    same(step, naive(step, binary, 0.5), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, naive(step, binary, 0.4), rtol=1e-3)


def test_with_the_mechanism_off_nobody_teaches(told):
    step = step_of_texts(dse.labels_alone(), ROWS, n=12)
    same(step, naive(step, binary, 0.0), rtol=1e-3)
    assert "teacher" not in step.calls[0]["queries"].columns
    step = step_of_texts(dse.teacher_alone(), ROWS, n=12)
    same(step, naive(step, binary, 1.0), rtol=1e-3)


def test_grades_are_learned_by_the_squared_error(told):
    step = step_of_texts(get("dse-regression").method(), GRADED, n=12)
    same(step, naive(step, lambda s, y: (s - y) ** 2, 0.5, GRADED), rtol=1e-3)
    assert len(get("dse-regression").method().stages[0].prepare) == 1


@pytest.mark.parametrize(("name", "rows"), [("dse", ROWS), ("dse-regression", GRADED)])
def test_vectors_are_as_long_as_they_come(told, name, rows):
    step = step_of_texts(get(name).method(), rows, n=12)
    assert not torch.allclose(torch.cat(step.z()).norm(dim=1), torch.ones(24), atol=0.1)


@pytest.mark.parametrize(("make", "kind"), [(small_table, KernelCrossEncoder), (small_bert, TransformerCrossEncoder)])
def test_the_teacher_begins_as_the_student_and_learns_the_labels(monkeypatch, make, kind):
    data, models = rows_of(ROWS), []

    def watched(data, encoder, objective, train):
        models.append(teacher(data, encoder, objective, train))
        return models[-1]

    teacher = preparing.teacher_of_pairs
    monkeypatch.setattr(preparing, "teacher_of_pairs", watched)
    student = make(data)
    before = {name: p.clone() for name, p in student.state_dict().items()}
    learning = replace(dse.TEACHING, epochs=60, learning_rate=2e-3, batch_size=6)
    made = preparing.read_by_teacher(dse.whether, learning)(data, student, 0)
    (cross,) = models
    assert isinstance(cross, kind)
    assert not cross.training
    # it is trained, and the student is not
    assert all(torch.equal(before[name], p) for name, p in student.state_dict().items())
    said, score = made.columns["teacher"], data.columns["score"]
    said_again = cross.score([e.anchor for e in ROWS], [e.positives[0] for e in ROWS])
    torch.testing.assert_close(said, torch.from_numpy(said_again))
    assert said[score == 1].mean() > said[score == 0].mean() + 0.5


def test_teaching_is_three_passes_and_kernels_have_a_rate_of_their_own(monkeypatch):
    configs = []
    from counterpoint import training

    monkeypatch.setattr(training, "train", lambda model, batches, objective, config: configs.append(config))
    for make in (small_table, small_bert):
        dse.dse().stages[0].prepare[1](rows_of(ROWS), make(rows_of(ROWS)), 7)
    assert [(c.epochs, c.batch_size, c.learning_rate, c.seed) for c in configs] == [(3, 32, 1e-2, 7), (3, 32, 2e-5, 7)]
    assert [c.weight_decay for c in configs] == [0.0, 0.01]


def test_bad_input():
    with pytest.raises(InputError, match="scores are other than 0 and 1"):
        step_of_texts("dse", GRADED)
    with pytest.raises(InputError, match="scored pairs"):
        get("dse").method().refuse(rows_of(PAIRS))
    with pytest.raises(InputError, match="no cross-encoder begins as this encoder"):
        dse.dse().stages[0].prepare[1](rows_of(ROWS), nn.Linear(2, 2), 0)
    with pytest.raises(InputError, match="pairs that are read have scores, and these are pairs"):
        preparing.read_by_teacher(dse.whether, dse.TEACHING)(rows_of(PAIRS), small_table(rows_of(PAIRS)), 0)


def test_a_cosine_is_told_by_the_bound_that_is_best_on_training():
    class Told:
        def encode_items(self, items, *, kind=None):
            return torch.tensor([[float(t[1:]), 1.0] for t in items.texts]).numpy()

    def pairs(*given):
        return rows_of([replace(PAIRS[0], anchor="a0", positives=(f"b{b}",), score=s) for b, s in given])

    # cosines fall with the number: up to 2 they are right in training
    train, test = pairs((1, 1.0), (2, 1.0), (4, 0.0), (5, 0.0)), pairs((1, 1.0), (5, 0.0), (9, 0.0), (8, 1.0))
    assert bed.right.of(Made("", Told(), (train, test), 0)) == 0.75


def test_neither_a_title_nor_a_description_alone_tells_anything():
    train, test = bed.told_apart(0)
    for part in (train, test):
        assert isinstance(part, Data)
        own, other = part[part.columns["score"] == 1], part[part.columns["score"] == 0]
        assert sorted(own.anchor.tolist()) == sorted(other.anchor.tolist())
        assert sorted(own.positives.flatten().tolist()) == sorted(other.positives.flatten().tolist())
    seen = {train.others.texts[i] for i in train.positives[:, 0]}
    assert not seen & {test.others.texts[i] for i in test.positives[:, 0]}
