"""Rows that are made anew in training: when, by which encoder, and the same after a kill."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.methods import Stage, train_stage
from counterpoint.negatives.prepare import bm25_negatives, self_mined
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import InfoNCE
from counterpoint.training import TrainConfig
from counterpoint.training.renewing import RenewedRows

ROWS = [Example(f"the {c} thing {n}", (f"{c} {n} is here",)) for c in ("red", "blue", "pink", "grey") for n in range(6)]
CONFIG = TrainConfig(
    steps=9, batch_size=8, learning_rate=0.05, weight_decay=0.0, dtype="float32", checkpoint_seconds=0.0
)


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


def encoder():
    return StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=16)


def drawn():
    return self_mined(2, depth=10, draw=uniform)


def run(prepare, renewals=2, folder=None, until=None):
    model, data = encoder(), rows_of(ROWS)

    def on_row(row):
        if row["step"] == until:
            raise Stop

    stage = Stage(InfoNCE, CONFIG, prepare=(prepare,), renewals=renewals)
    train_stage(stage, data, model, 3, folder=folder, on_row=on_row)
    return model.embedding.weight.detach()


def test_rows_are_mined_by_the_encoder_of_then_and_only_then():
    asked = []

    def seen(data, model, seed):
        asked.append((model.embedding.weight.detach().clone(), seed, model.training))
        return drawn()(data, model, seed)

    after = run(seen)
    assert len(asked) == 3  # before the first step, after 3 and after 6 of 9
    assert len({seed for _, seed, _ in asked}) == 3
    assert not any(training for *_, training in asked[1:])
    weights = [weight for weight, *_ in asked]
    assert torch.equal(weights[0], encoder().embedding.weight)
    assert not torch.equal(weights[1], weights[0])
    assert not torch.equal(weights[2], weights[1])
    # and what was mined is trained on
    assert not torch.equal(after, run(drawn(), renewals=0))
    assert torch.equal(after, run(drawn()))


def test_between_two_times_rows_stay_as_they_were():
    model, data = encoder(), drawn()(rows_of(ROWS), encoder(), 0)
    rows = RenewedRows(data, model, times=2, renew=lambda now, step: replace(now, negatives=(now.negatives + step) % 5))
    wanted = data.negatives.clone()
    for step in range(6):
        rows.begin(step, 6)
        if step in (2, 4):
            wanted = (wanted + step) % 5
        assert torch.equal(rows.data.negatives, wanted)
        call = rows.payload(torch.arange(4)).arguments(torch.zeros(4 + 4 + 8, 16))
        shown = call["keys"].columns["input"][4:]
        assert torch.equal(shown, data.others.hashes()[wanted[:4].flatten()])
    assert not torch.equal(data.negatives, wanted), "the rows that were given are not changed"


@pytest.mark.parametrize("until", [3, 4, 7])
def test_resumed_is_unbroken(tmp_path, until):
    whole = run(drawn())
    with pytest.raises(Stop):
        run(drawn(), folder=tmp_path, until=until)
    assert torch.equal(run(drawn(), folder=tmp_path), whole)


def test_columns_are_kept_with_what_was_mined(tmp_path):
    def counted(data, model, seed):
        times = data.columns.get("times", torch.zeros(len(data)))
        return replace(drawn()(data, model, seed), columns={"times": times + 1})

    seen = []

    def watched(data, model, seed):
        seen.append(float(data.columns["times"][0]) if data.columns else 0.0)
        return counted(data, model, seed)

    with pytest.raises(Stop):
        run(watched, renewals=3, folder=tmp_path, until=6)
    run(watched, renewals=3, folder=tmp_path)
    # the start, after 2 and 4 steps; the start again, which the checkpoint of 5 replaces, and after 7
    assert seen == [0, 1, 2, 0, 3]


def test_what_becomes_another_number_is_refused():
    with pytest.raises(InputError, match=r"rows were .* and are"):
        run(bm25_negatives())
