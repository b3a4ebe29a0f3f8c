"""Rank reduction: SimCSE's loss and the entropy of the spectrum of what it compares; the phases of training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.encoders import lengths
from counterpoint.methods import Recipe
from counterpoint.systems import get
from counterpoint.systems.sentences import rank_reduction
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.training.loop import TrainResult
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts


def log_rank(z: torch.Tensor) -> torch.Tensor:
    """By the singular values of unit vectors, one after another."""
    unit = torch.stack([row / row.norm() for row in z])
    total = torch.zeros(())
    for s in torch.linalg.svdvals(unit):
        p = s * s / len(z)
        total = total - p * p.log()
    return total


def varied_bert(data):
    """Without dropout, and with first tokens that take more from the others, so that there is a rank to reduce."""
    encoder = steady_bert(data)
    with torch.no_grad():
        for name, weight in encoder.model.named_parameters():
            if "self.value" in name or "attention.output.dense" in name:
                weight.mul_(16)
    return encoder


def seen(step, rank: torch.Tensor) -> bool:
    """Whether the term is larger than what `same` forgives."""
    return 0.1 * rank.item() > 2e-3 * step.loss


def test_loss_is_simcse_s_and_the_entropy_of_the_spectrum():
    step = step_of_texts("rank-reduction", ALONE, make=varied_bert)
    first, second = step.z()
    rank = (log_rank(first) + log_rank(second)) / 2
    assert seen(step, rank)
    same(step, contrast(first, second) + 0.1 * rank, rtol=1e-3)


def test_it_is_of_what_the_head_makes_with_dropout_for_the_view():
    step = step_of_texts("rank-reduction", ALONE, make=small_bert)
    assert step.layers() == ["Linear", "Tanh"]
    assert step.network[0].pooling == "cls"
    (call,) = step.calls
    a, b = call["queries"].z, call["keys"].z
    assert not torch.isclose(a, b).all(1).any()
    assert step.loss == pytest.approx((contrast(a, b) + 0.05 * (log_rank(a) + log_rank(b))).item(), rel=1e-3)


def test_past_sentences_of_esimcse_have_no_rank():
    step = step_of_texts("ESimCSE, rank reduced", ALONE, make=varied_bert, n=4, steps=3)
    first, second = step.z()
    queue = step.procedure.queue
    assert int(queue.filled) == 8
    assert step.layers() == ["Linear", "Tanh"]
    rank = (log_rank(first) + log_rank(second)) / 2
    same(step, contrast(first, second, queue.z[:8]) + 0.1 * rank, rtol=1e-3)
    assert seen(step, rank)


def test_esimcse_s_second_side_repeats_tokens():
    long = [replace(e, anchor=e.anchor + " in the deep dark wood near the river") for e in ALONE]
    step = step_of_texts("ESimCSE, rank reduced", long, n=12, make=steady_bert)
    first, second = lengths(step.payload.inputs).chunk(2)
    assert (second >= first).all()
    assert (second > first).any()


def test_phases_are_where_each_figure_was_highest(monkeypatch):
    seen = []

    def make(self, data, seed, *, encoder, validate):
        assert self.stages[0].train.validations == rank_reduction.MARKS
        seen.append(validate())
        rows = [(0, 0.1, 3.0), (10, 0.2, 9.0), (20, 0.5, 8.0), (40, 0.4, 7.0)]
        history = [{"step": s, "steps": 40, "likeness": x, "rank": r} for s, x, r in rows]
        return encoder, TrainResult(history=[*history, {"step": 40, "steps": 40}])

    monkeypatch.setattr(Recipe, "make", make)
    monkeypatch.setattr(rank_reduction, "PAIRS", 40)
    assert rank_reduction.phases(LIKENESS, 0) == {"system": 0.5, "baseline": 0.25}
    (figures,) = seen
    assert figures.keys() == {"likeness", "rank"}
    assert 1 < figures["rank"] < 40


def test_phases_of_a_training(monkeypatch):
    monkeypatch.setattr(rank_reduction, "MARKS", 3)
    monkeypatch.setattr(rank_reduction, "PAIRS", 60)
    found = rank_reduction.phases(replace(LIKENESS, steps=6), 0)
    assert set(found.values()) <= {0.0, 2 / 6, 4 / 6, 1.0}
    assert get("rank-reduction").claims[2].check is rank_reduction.on_sentences
