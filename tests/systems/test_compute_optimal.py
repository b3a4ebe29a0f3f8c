"""The compute-optimal recipe: the loss both ways, which weights learn, what trials cost, and what is chosen by them."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from counterpoint.data.rows import rows_of
from counterpoint.encoders.adapting import without_dropout
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.thawed import counted
from counterpoint.evaluate import Trial
from counterpoint.objectives import InfoNCE
from counterpoint.systems import get
from counterpoint.systems.sentences import compute_optimal as co
from counterpoint.testbeds import budgets
from systems.through import same
from systems.words import PAIRS, contrast, steady_bert, step_of_texts

SLUG = "compute-optimal-embedding-recipe"
PEFT = "ignore:`is_gradient_checkpointing`:FutureWarning"


def both_ways(first, second):
    return (contrast(first, second, temperature=1 / 40) + contrast(second, first, temperature=1 / 40)) / 2


def learned(step):
    return {name for name, gradient in step.gradient.items() if gradient.any()}


def test_loss_is_that_of_a_naive_loop_both_ways():
    step = step_of_texts(SLUG, make=steady_bert)
    same(step, both_ways(*step.z()), rtol=1e-3)
    first, second = step.z()
    assert abs(step.loss - contrast(first, second, temperature=1 / 40).item()) > 1e-4
    assert step.network[0].pooling == "mean"
    # all of it learns, the token vectors too
    assert any("word_embeddings" in name for name in learned(step))


@pytest.mark.filterwarnings(PEFT)
def test_the_arms_let_something_else_learn():
    seen = {}
    for kind, make in co.KINDS.items():
        if kind == "low-rank":
            pytest.importorskip("peft")
        step = step_of_texts(make(), make=lambda data: without_dropout(steady_bert(data)))
        same(step, both_ways(*step.z()), rtol=1e-3)
        seen[kind] = learned(step)
    assert all(name.endswith("bias") for name in seen["biases"])
    assert all(".layer.0." in name for name in seen["last blocks"])
    # the other factor has no gradient while this one is zero
    assert all("lora_B" in name for name in seen["low-rank"])
    assert seen["biases"] < seen["all"]
    assert seen["last blocks"] < seen["all"]


def test_the_arms_of_a_claim_cost_as_much_and_each_has_three_rates():
    for claim, steps in zip(get(SLUG).claims, (co.FEW, co.MANY), strict=False):
        for arm in (claim.system, claim.baseline):
            assert len(arm.values) == 3
            share = co.SHARE if arm.make.func is co.updates else 1.0
            for rate in arm.values:
                train = claim.bed.settled(arm.at(rate).make()).stages[0].train
                assert (train.learning_rate, train.batch_size) == (rate, 64)
                assert train.steps * share == pytest.approx(steps, abs=0.5)


@pytest.mark.filterwarnings(PEFT)
def test_sizes_are_those_of_a_layer_of_smollm2():
    from transformers import LlamaConfig, LlamaModel

    from counterpoint.encoders import TransformerEncoder

    pytest.importorskip("peft")
    size = {"hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_key_value_heads": 3}
    model = LlamaModel(LlamaConfig(vocab_size=300, num_hidden_layers=1, **size))
    encoder = TransformerEncoder(model, steady_bert(rows_of(PAIRS)).tokenizer)
    model.norm = torch.nn.Identity()
    assert counted(encoder) == (co.LAYER, co.LAYER)
    assert counted(co.with_updates(encoder)) == (co.LAYER + co.ADDED, co.ADDED)
    assert co.with_updates(encoder) is encoder
    n, t = co.LAYER, co.ADDED
    assert pytest.approx((4 * (n + t) + 2 * t) / (6 * n)) == co.SHARE
    few, same_cost = (budgets.budgeted(budgets.PAIRED_LOSS, 100, share) for share in (1.0, co.SHARE))
    assert (few.steps, same_cost.steps) == (100, round(100 / co.SHARE))


def test_a_trial_costs_its_budget(monkeypatch):
    seen = []

    class Watched:
        def __init__(self, make):
            self.make = make

        def made(self, bed, parts, seed):
            seen.append((self.make().name, bed))
            return SimpleNamespace()

    pairs = rows_of(PAIRS)
    texts = [*pairs.anchors.texts, *pairs.others.texts]
    monkeypatch.setattr(budgets, "quick_bert", lambda data, seed: small_transformer(texts, layers=2, width=16, heads=2))
    monkeypatch.setattr(co, "TRIALS", replace(co.TRIALS, parts=lambda seed: (pairs, pairs)))
    monkeypatch.setattr(co, "Trained", Watched)
    monkeypatch.setattr(co, "held_out_loss", SimpleNamespace(of=lambda made: 2.0))
    found = [co.trial(kind, layers, 40, 0) for kind, layers in (("all", 1), ("all", 2), ("last blocks", 2))]
    one = found[0].parameters
    assert [each.parameters for each in found] == [one, 2 * one, 2 * one]
    assert [each.trained for each in found] == [one, 2 * one, one]
    assert len({each.flop for each in found}) == 1
    assert [bed.steps for _, bed in seen] == [40, 20, 30]
    encoder = budgets.of_layers(1, pairs, 0)
    tokens = sum(len(encoder.tokenize([text])["input_ids"]) for text in texts)
    assert found[0].flop == pytest.approx(40 * 32 * tokens / len(PAIRS) * 6 * one)
    assert [bed.start(pairs, 0).model.config.num_hidden_layers for _, bed in seen] == [1, 2, 2]
    assert [name for name, _ in seen] == [
        "Compute-optimal embedding recipe",
        "Compute-optimal embedding recipe",
        "last block",
    ]


def test_what_lines_recommend_is_measured_at_the_larger_budget(monkeypatch):
    power = {"all": 0.1, "low-rank": 0.3, "biases": 0.02, "last blocks": 0.02}

    def trial(kind, layers, steps, seed):
        # of low rank the larger model is better, and at small budgets all weights are
        loss = {"all": 3.0, "low-rank": 5.0}.get(kind, 9.0) * steps ** -power[kind] * (1.1 - 0.05 * layers)
        return Trial(kind, 100 * layers, 10, float(steps), loss)

    monkeypatch.setattr(co, "trial", trial)
    found = co.chosen_well(0)
    at_60 = {kind: trial(kind, 2, 60, 0).loss for kind in power}
    assert found == pytest.approx({"system": at_60["low-rank"], "baseline": at_60["all"], "ceiling": at_60["low-rank"]})
    assert trial("all", 2, 10, 0).loss < trial("low-rank", 2, 10, 0).loss
    assert get(SLUG).claims[2].check is co.chosen_well


def test_the_loss_of_held_out_pairs_is_that_of_64_at_a_time(monkeypatch):
    g = torch.Generator().manual_seed(0)
    q, d = (torch.nn.functional.normalize(torch.randn(128, 8, generator=g), dim=1) for _ in range(2))
    monkeypatch.setattr(budgets, "_answered", lambda made: (q, d))
    wanted = sum(float(both_ways(q[i : i + 64], d[i : i + 64])) for i in (0, 64)) / 2
    assert budgets.held_out_loss.of(None) == pytest.approx(wanted, rel=1e-4)
    assert not math.isclose(wanted, float(InfoNCE(1 / 40, layout="symmetric")(q, d)), rel_tol=1e-2)
