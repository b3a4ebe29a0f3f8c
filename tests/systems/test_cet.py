"""CET: two models on the same triples, each of which weighs the other's pairs."""

from __future__ import annotations

import copy
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import load_cross_encoder
from counterpoint.systems import get
from counterpoint.systems.retrieval import cet
from counterpoint.testbeds.unmarked import no_copy, with_copies
from counterpoint.training import CrossLists, loop
from systems.words import KINDS

PAIRS = rows_of(
    [Example(f"a {kind} at night", (f"the {kind} sleeps at night, {i} hours",)) for i, kind in enumerate(KINDS)]
)
DATA = with_copies(PAIRS, 0)
ROWS = torch.arange(len(PAIRS))
# the copy of the own answer, or another's answer
MIXED = replace(DATA, negatives=torch.where(ROWS % 2 == 0, ROWS + len(PAIRS), (ROWS + 1) % len(PAIRS))[:, None])


@pytest.fixture(scope="module")
def start():
    model = cet.reader(DATA, 0)
    with torch.no_grad():
        # not only equal tokens count
        model.kernels.add_(0.1)
    return model


def watched(train):
    """What the last step saw and made: networks as they were before it, the loss, gradients."""
    seen = {}
    backward = loop._backward

    def watch(network, procedure, objective, payload, *rest):
        seen["network"], seen["payload"] = copy.deepcopy(network[0]), payload
        loss, told = backward(network, procedure, objective, payload, *rest)
        seen["loss"] = float(loss)
        seen["gradient"] = {name: p.grad.clone() for name, p in network[0].named_parameters()}
        return loss, told

    with patch.object(loop, "_backward", watch):
        train()
    return seen


def naive(scores, other=None):
    """Pair by pair: `-log softmax`, times `1 / (1 - sigmoid)` of the other's score of the negative."""
    total = torch.zeros(())
    for i, (right, wrong) in enumerate(scores):
        lost = -(right.exp() / (right.exp() + wrong.exp())).log()
        weight = 1.0 if other is None else 1 / (1 - 1 / (1 + (-other[i, 1].detach() / 10).exp()))
        total = total + weight * lost / len(scores)
    return total


def same(seen, loss):
    assert seen["loss"] == pytest.approx(float(loss.detach()), rel=1e-4)
    named = dict(seen["network"].named_parameters())
    wanted = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    for (name, parameter), gradient in zip(named.items(), wanted, strict=True):
        gradient = torch.zeros_like(parameter) if gradient is None else gradient
        torch.testing.assert_close(seen["gradient"][name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_each_model_s_loss_is_weighed_by_what_the_other_says_of_the_negative(start):
    data = cet.triples(DATA, 0)
    seen = watched(lambda: cet.coupled(start, data, 0, steps=3))
    both, inputs = seen["network"], seen["payload"].inputs
    first, second = (model(inputs).view(-1, 2) for model in both.models)
    assert len(first) == len(data)
    assert float((first - second).detach().abs().max()) > 1e-2, "they are two models"
    same(seen, naive(first, second) + naive(second, first))
    # weights say something: without them the loss is another
    assert abs(seen["loss"] - float((naive(first) + naive(second)).detach())) > 0.1


def test_without_weights_it_is_the_cross_entropy_of_pairs(start):
    data = cet.triples(DATA, 0)
    seen = watched(lambda: cet.plain(start, data, 0, steps=2))
    same(seen, naive(seen["network"](seen["payload"].inputs).view(-1, 2)))


def test_they_begin_alike_but_for_their_vectors_and_the_first_ranks(start, tmp_path):
    data = cet.triples(DATA, 0)
    seen = watched(lambda: cet.coupled(start, data, 0, steps=1))
    ranker, other = seen["network"].models
    assert torch.equal(ranker.embedding.weight, start.embedding.weight)
    assert not torch.allclose(other.embedding.weight, start.embedding.weight, atol=0.1)
    for name in ("kernels", "importance.weight"):
        assert torch.equal(other.get_parameter(name), start.get_parameter(name))
    both = cet.coupled(start, data, 0, steps=2)
    asked = ["a cat at night"], ["the cat sleeps"]
    assert both.score(*asked) == both.models[0].score(*asked) != both.models[1].score(*asked)
    both.save(tmp_path / "ranker")
    assert load_cross_encoder(tmp_path / "ranker").score(*asked) == pytest.approx(both.score(*asked), abs=1e-6)


def test_all_arms_learn_from_as_many_pairs_in_the_same_order(start, monkeypatch):
    asked = []
    monkeypatch.setattr(cet, "train", lambda model, batches, objective, config, **_: asked.append((batches, config)))
    data = cet.triples(DATA, 0)
    cet.plain(start, data, 3)
    cet.coupled(start, data, 3)
    (one, config), (other, again) = asked
    assert torch.equal(one.listed, other.listed)
    assert config == again
    assert (config.seed, config.steps, config.batch_size) == (3, 200, 32)


def test_a_negative_is_drawn_of_the_first_three_and_may_be_an_unmarked_answer():
    data = cet.triples(DATA, 0)
    assert CrossLists(data, cet.reader(DATA, 0)).listed.shape == (len(DATA), 2)
    copies = torch.tensor([DATA.others.names[i] == "copy" for i in data.negatives[:, 0].tolist()])
    own = data.negatives[:, 0] == data.positives[:, 0] + len(PAIRS)
    assert 0 < int(own.sum()) < len(data), "of some titles it is the copy of their own answer"
    restored = cet.triples(DATA, 0, (no_copy,))
    assert not any(DATA.others.names[i] == "copy" for i in restored.negatives[:, 0].tolist())
    assert bool(copies.any())


def test_weights_of_unmarked_answers_are_told_from_others(start):
    both = cet.coupled(start, MIXED, 0, steps=1)
    found = cet.weights(both, MIXED)
    negative = MIXED.negatives[:, 0].tolist()
    parts = {True: [], False: []}
    for i, j in enumerate(negative):
        (said,) = both.models[1].score([DATA.anchors.texts[i]], [DATA.others.texts[j]])
        parts[DATA.others.names[j] == "copy"].append(1 + float(torch.tensor(said / 10).exp()))
    for value, of in ((found.unmarked, parts[True]), (found.others, parts[False])):
        assert value == pytest.approx(sum(of) / len(of), rel=1e-4)


def test_it_says_what_pairs_weigh(tmp_path):
    said = []
    with patch.object(cet, "FEW_COPIES") as bed, patch.object(cet, "triples", lambda data, seed: data):
        bed.parts = lambda seed: (MIXED, None)
        figures = get("cet").run(get("cet").method(), tmp_path, said.append)
    assert len(figures) == 2
    assert all(value > 1 for value in figures.values())
    assert f"{len(DATA)} triples" in said[0]
    assert (tmp_path / "ranker").is_dir()
