"""DiscSent: three kinds of questions about sentences in order, and the cross-entropy of each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.procedures.discourse import CONJUNCTION, NEXT, ORDER, Discourse
from counterpoint.systems import get
from counterpoint.systems.sentences import discsent
from counterpoint.views.discourse import CONJUNCTIONS, discourse
from systems.through import same
from systems.words import KINDS, step_of_texts

BEGINS = ("", "However, ", "", "Then ", "in fact ", "", "For example, ", "Nowhere ")
TEXTS = [
    BEGINS[i % 8] + f"the {kind} {i} sees one {other}"
    for i, kind in enumerate(KINDS)
    for other in ("man", "tree", "hill")
]
RUNNING = Data.alone(Items("text", TEXTS), document=torch.tensor([0] * 32 + [1] * 4))


def step_of(method="discsent"):
    """Of some questions of each kind."""
    return step_of_texts(method, RUNNING, n=len(RUNNING))


def asked(data):
    return discourse()(data, nn.Identity(), 0)


def rows_of(step) -> list[int]:
    """The questions of the batch."""
    call = step.payload.arguments(step.network(step.payload.inputs))
    return call["queries"].columns["sample"].tolist()


def highway(layer, x):
    g = torch.sigmoid(layer.gate.weight @ x + layer.gate.bias)
    carried = layer.carry.weight @ x + layer.carry.bias
    return g * torch.tanh(layer.transform.weight @ x + layer.transform.bias) + (1 - g) * carried


def loss_of(step, data) -> torch.Tensor:
    """The mean of each kind, one question after another, summed."""
    encoder, p = step.network[0], step.procedure
    z = {t: encoder(encoder.tokenize([t]))[0] for t in {*data.anchors.texts, *data.others.texts}}
    terms = {ORDER: [], NEXT: [], CONJUNCTION: []}
    for row in rows_of(step):
        kind, label = int(data.columns["task"][row]), int(data.columns["label"][row])
        u = z[data.anchors.texts[data.anchor[row]]]
        rest = [z[data.others.texts[i]] for i in data.positives[row].tolist() if i >= 0]
        if kind == NEXT:
            u = p.before.weight @ torch.cat([u, *rest[:2]]) + p.before.bias
            rest = rest[2:]
        right = [highway(p.right[kind], v) for v in rest]
        left = p.compare[kind].weight @ highway(p.left[kind], u) + p.compare[kind].bias
        if kind == ORDER:
            score = left @ right[0]
            loss = F.softplus(-score) if label else F.softplus(score)
        else:
            scores = [left @ r for r in right] if kind == NEXT else [a @ right[0] for a in left.chunk(9)]
            loss = F.cross_entropy(torch.stack(scores), torch.tensor(label))
        terms[kind].append(loss)
    assert all(len(found) > 3 for found in terms.values())
    return sum(torch.stack(found).mean() for found in terms.values())


def test_loss_is_that_of_a_naive_loop_over_questions():
    step = step_of()
    same(step, loss_of(step, asked(RUNNING)), rtol=1e-3)
    assert not step.network[0].normalize
    assert step.network[0].tokenize(["a cat"], "document")["offsets"].tolist() == [0, 2]


def test_the_mechanism_off_asks_the_same_of_sentences_in_any_order():
    step, data = step_of(discsent.without_order()), discsent.in_any_order(RUNNING, nn.Identity(), 0)
    same(step, loss_of(step, asked(data)), rtol=1e-3)
    moved = [data.anchors.texts[i] for i in data.anchor.tolist()]
    assert sorted(moved) == sorted(TEXTS)
    assert moved != TEXTS
    with pytest.raises(AssertionError):
        same(step, loss_of(step, asked(RUNNING)), rtol=1e-3)


def test_each_question_has_its_answer():
    data = asked(RUNNING)
    task, label = data.columns["task"], data.columns["label"]
    assert torch.bincount(task).tolist() == [34] * 3  # neighbours of one document
    for row, kind in enumerate(task.tolist()):
        first = TEXTS.index(data.anchors.texts[data.anchor[row]])
        rest = [data.others.texts[i] for i in data.positives[row].tolist() if i >= 0]
        if kind == ORDER:
            assert TEXTS.index(rest[0]) - first == (-1 if label[row] else 1)
        elif kind == NEXT:
            assert [TEXTS.index(text) for text in rest[:2]] == [first + 1, first + 2]
            assert sorted(TEXTS.index(text) for text in rest[2:]) == list(range(first + 3, first + 8))
            assert TEXTS.index(rest[2 + label[row]]) == first + 3
        else:
            name = list(CONJUNCTIONS)[label[row]]
            assert TEXTS[first + 1].endswith(rest[0])
            phrase = TEXTS[first + 1].removesuffix(rest[0]).strip(", ").lower()
            assert phrase in CONJUNCTIONS[name]
    switched = label[task == ORDER].float().mean()
    assert 0.2 < float(switched) < 0.8
    assert len(label[task == NEXT].unique()) > 1
    assert set(label[task == CONJUNCTION].tolist()) == {1, 2, 4, 6}


def test_a_kind_without_questions_is_left_out():
    few = RUNNING[torch.tensor([0, 1, 2])]
    assert asked(few).columns["task"].tolist() == [ORDER] * 2
    step = step_of_texts("discsent", few, n=3)
    u, v = step.z()
    terms = []
    for a, b, label in zip(u, v, step.calls[0]["queries"].columns["label"].tolist(), strict=True):
        score = step.procedure.scores(ORDER, a[None], b[None, None])[0, 1]
        terms.append(F.softplus(-score if label else score))
    same(step, torch.stack(terms).mean())


def test_its_numbers_are_those_of_the_authors_code():
    made = get("discsent").method().stages[0].procedure(8)
    assert (made.before.in_features, [layer.out_features for layer in made.compare]) == (24, [8, 8, 72])
    assert sum(map(len, CONJUNCTIONS.values())) == 43


def test_what_is_no_question_is_refused():
    with pytest.raises(InputError, match="no text follows another"):
        asked(RUNNING[torch.tensor([0])])
    with pytest.raises(InputError, match="candidates after"):
        discourse(0)
    z = torch.ones(2, 4)
    with pytest.raises(InputError, match="nothing is asked"):
        Discourse(4)([{"queries": z, "keys": z}], lambda model: {})
    step = step_of()
    call = step.payload.arguments(step.network(step.payload.inputs))
    with pytest.raises(InputError, match="a question has 2 texts, or 2 and 5 candidates"):
        Discourse(16, context=2)([call], lambda model: {})
