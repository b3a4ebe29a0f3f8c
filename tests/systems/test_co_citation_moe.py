"""Co-citation MoE: in-batch softmax of inner products as they are, by a transformer of each domain."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch

from counterpoint.data import Example
from counterpoint.encoders import ExpertEncoder
from counterpoint.systems import get
from counterpoint.systems.retrieval.co_citation_moe import measured, without_experts
from counterpoint.testbeds import Trained
from counterpoint.testbeds.of_domains import LIKE_DOMAINS, pair_f1
from systems.through import same
from systems.words import PAIRS, steady_bert, step_of_texts

SAID = [
    Example(f"{name}\t{e.anchor}", (f"{name}\t{e.positives[0]}",))
    for e, name in zip(PAIRS, ("heart", "skin", "skin") * 4, strict=True)
]


def with_perceptrons(encoder, k):
    """A transformer of one domain: the second one's own intermediate and output layers, in the first one's places."""
    model = copy.copy(encoder.encoder.model)
    if not k:
        return lambda ids: model(input_ids=ids).last_hidden_state
    named = dict(model.named_parameters())
    for i in range(len(encoder.encoder.blocks)):
        wide, narrow = encoder.others[k - 1][2 * i : 2 * i + 2]
        named |= {f"encoder.layer.{i}.intermediate.{name}": p for name, p in wide.named_parameters()}
        named |= {f"encoder.layer.{i}.output.dense.{name}": p for name, p in narrow.named_parameters()}
    return lambda ids: torch.func.functional_call(model, named, kwargs={"input_ids": ids}).last_hidden_state


def naive(step, *, first=None, pooled=lambda states: states[0]):
    """Each first text among all second ones; the state of a text's first token through the layer and tanh."""
    encoder, inputs = step.network[0], step.payload.inputs
    (layer,) = encoder.encoder.heads
    z = []
    for i, (a, b) in enumerate(pairwise(inputs["offsets"].tolist())):
        k = int(inputs["domain"][i]) if first is None else first
        states = with_perceptrons(encoder, k)(inputs["input_ids"][a:b][None])[0]
        z.append(torch.tanh(layer.linear(pooled(states))))
    n = len(z) // 2
    scores = torch.stack([torch.stack([q @ d for d in z[n:]]) for q in z[:n]])
    return -scores.log_softmax(1).diagonal().mean()


def test_loss_is_that_of_a_naive_loop_over_transformers_of_each_domain():
    step = step_of_texts("co-citation-moe", SAID, make=steady_bert, steps=3)
    assert step.network[0].domains == ("heart", "skin")
    assert sorted(set(step.payload.inputs["domain"].tolist())) == [0, 1]
    same(step, naive(step))
    for wrong in ({"first": 0}, {"pooled": lambda states: states.mean(0)}):
        with pytest.raises(AssertionError):
            same(step, naive(step, **wrong))


def test_each_expert_learns_and_from_its_own_domain_alone():
    step = step_of_texts("co-citation-moe", SAID, make=steady_bert)
    assert any(name.startswith("0.others.") for name in step.gradient)
    alone = [e for e in SAID if e.anchor.startswith("skin")]
    second = step_of_texts("co-citation-moe", [*alone, SAID[0]], make=steady_bert, n=8)
    (last,) = second.network[0].domains[1:]
    assert last == "skin"


def test_the_measured_one_is_of_means_and_the_baseline_has_one_perceptron():
    step = step_of_texts(measured(), SAID, make=steady_bert, steps=2)
    same(step, naive(step, pooled=lambda states: states.mean(0)))
    baseline = step_of_texts(without_experts(), SAID, make=steady_bert, steps=2)
    assert not isinstance(baseline.network[0], ExpertEncoder)
    assert len(measured().stages[0].prepare) == 1
    assert not without_experts().stages[0].prepare


def test_texts_that_name_no_domain_have_one_expert():
    step = step_of_texts("co-citation-moe", PAIRS, make=steady_bert)
    assert step.network[0].domains == ("",)
    same(step, naive(step))


def test_what_is_adapted_stays():
    method = get("co-citation-moe").method()
    encoder = method.settle(steady_bert_of())
    assert method.settle(encoder) is encoder
    assert len(encoder.encoder.heads) == 1
    assert not encoder.normalize


def steady_bert_of():
    from counterpoint.data.rows import rows_of

    return steady_bert(rows_of(PAIRS))


def test_f1_is_the_mean_of_each_domains_best():
    made = Trained(measured).made(LIKE_DOMAINS, LIKE_DOMAINS.parts(0), 0)
    data, found = made.test, []
    a, b = (
        torch.nn.functional.normalize(torch.from_numpy(made.encoder.encode_items(side)), dim=1)
        for side in (data.anchors[data.anchor], data.others[data.positives[:, 0]])
    )
    cosines = (a * b).sum(1)
    for k in (0, 1):
        own, right = cosines[data.columns["domain"] == k], data.columns["score"][data.columns["domain"] == k] > 0
        best = 0.0
        for threshold in own.tolist():
            said = own >= threshold
            best = max(best, 2 * float((said & right).sum()) / float(said.sum() + right.sum()))
        found.append(best)
    assert pair_f1.of(made) == pytest.approx(sum(found) / 2, abs=1e-6)
