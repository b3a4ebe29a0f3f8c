"""The loop: it learns, it resumes exactly, it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, drop_tokens
from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE
from counterpoint.training import Payload, RowBatches, TrainConfig, train
from counterpoint.training.loop import _restore
from counterpoint.training.optimizer import Average, learning_rate

ROWS = [Example(f"the {c} thing {n}", (f"{c} {n} is here",)) for c in ("red", "blue", "pink") for n in range(20)]
DROPPED = (lambda x: drop_tokens(x, 0.0), lambda x: drop_tokens(x, 0.2))
CONFIG = TrainConfig(epochs=6, batch_size=12, learning_rate=0.02, weight_decay=0.0, checkpoint_seconds=0.0)


def encoder():
    return StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=16)


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


def run(folder=None, *, until=None, config=CONFIG, **more):
    model = encoder()
    calls = []

    def on_row(row):
        calls.append(row)
        if until is not None and row["step"] == until:
            raise Stop

    batches = RowBatches(rows_of(ROWS), model, view=DROPPED)
    result = train(model, batches, InfoNCE(), config, folder=folder, on_row=on_row, **more)
    return model.embedding.weight.detach(), result


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_resumed_is_unbroken(tmp_path, average):
    config = TrainConfig(**{**vars(CONFIG), "average": average})
    whole, wanted = run(config=config)
    for stop in (3, 17):
        with pytest.raises(Stop):
            run(tmp_path / str(stop), until=stop, config=config)
        found, result = run(tmp_path / str(stop), config=config)
        torch.testing.assert_close(found, whole, rtol=0, atol=0)
        assert [r["loss"] for r in result.history][-3:] == [r["loss"] for r in wanted.history][-3:]


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("kept", ["in a folder", "in memory"])
def test_best_weights_are_kept(tmp_path, kept, average):
    figures = iter([0.1, 0.9] + [0.3] * 20)
    seen = []
    model = encoder()

    def validate():
        seen.append(model.embedding.weight.detach().clone())
        return {"dev": next(figures)}

    config = TrainConfig(**{**vars(CONFIG), "average": average})
    options = {"folder": tmp_path if kept == "in a folder" else None, "validate": validate}
    result = train(model, RowBatches(rows_of(ROWS), model), InfoNCE(), config, **options)
    assert (result.best, result.best_step) == (0.9, result.history[-1]["steps"] // 10)
    torch.testing.assert_close(model.embedding.weight.detach(), seen[1], rtol=0, atol=0)


def test_averages_go_on_where_the_weights_are():
    average = Average(torch.nn.Linear(2, 1, device="meta"), 0.9)
    run = {"config": {}, "examples": 1, "steps": 1}
    kept = {name: torch.ones(value.shape) for name, value in average.values.items()}
    _restore(({"run": run}, kept), run, average, Path())
    assert {value.device.type for value in average.values.values()} == {"meta"}


def test_a_start_that_training_makes_worse_is_kept(tmp_path):
    figures = iter([0.9] + [0.3] * 20)
    model = encoder()
    before = model.embedding.weight.detach().clone()
    result = train(
        model,
        RowBatches(rows_of(ROWS), model),
        InfoNCE(),
        CONFIG,
        folder=tmp_path,
        validate=lambda: {"dev": next(figures)},
    )
    assert (result.best, result.best_step) == (0.9, 0)
    assert result.history[0] == {"step": 0, "steps": result.steps, "epoch": 0.0, "dev": 0.9}
    torch.testing.assert_close(model.embedding.weight.detach(), before, rtol=0, atol=0)


def test_patience(tmp_path):
    figures = iter([0.5, 0.4, 0.4, 0.4, 0.4])
    config = TrainConfig(**{**vars(CONFIG), "patience": 2})
    model = encoder()
    result = train(
        model,
        RowBatches(rows_of(ROWS), model),
        InfoNCE(),
        config,
        folder=tmp_path,
        validate=lambda: {"dev": next(figures)},
    )
    assert result.stopped_early
    assert len([r for r in result.history if "dev" in r]) == 3


def test_it_learns_and_watches():
    model = encoder()
    result = train(
        model, RowBatches(rows_of(ROWS), model), InfoNCE(0.2), TrainConfig(**{**vars(CONFIG), "learning_rate": 0.1})
    )
    losses = [row["loss"] for row in result.history]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert {"alignment", "uniformity", "effective_rank", "items_per_second"} <= result.history[-1].keys()


def test_cached_chunks_give_the_same_weights():
    def weights(tokens):
        model = encoder()
        config = TrainConfig(**{**vars(CONFIG), "chunk_tokens": tokens, "epochs": 2})
        train(model, RowBatches(rows_of(ROWS), model, view=DROPPED), InfoNCE(), config)
        return model.embedding.weight.detach()

    torch.testing.assert_close(weights(20), weights(10_000), rtol=1e-4, atol=1e-5)


def test_other_settings_are_refused(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, until=3)
    with pytest.raises(InputError, match=r"other settings \(learning_rate\)"):
        run(tmp_path, config=TrainConfig(**{**vars(CONFIG), "learning_rate": 0.01}))


def test_damaged_checkpoint(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, until=3)
    file = tmp_path / "checkpoint" / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        run(tmp_path)


def test_collapse_is_named():
    model = encoder()
    with torch.no_grad():
        model.embedding.weight.copy_(torch.ones(16).expand_as(model.embedding.weight))
    config = TrainConfig(**{**vars(CONFIG), "learning_rate": 1e-9, "epochs": 1})
    result = train(model, RowBatches(rows_of(ROWS), model), InfoNCE(), config)
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("complete collapse")
    assert result.collapsed.startswith("complete collapse")
    assert result.history[-1]["mean_cosine"] == pytest.approx(1.0, abs=1e-3)


def test_a_collapse_that_batch_norm_spreads_again_is_named_and_one_that_is_over_is_no_end():
    """What a head with BatchNorm makes of nearly equal vectors is spread; the vectors before it are not."""
    model = encoder()
    start = model.embedding.weight.detach().clone()
    with torch.no_grad():
        model.embedding.weight.copy_(1 + 0.2 * start / start.std())
    head = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16))
    still = TrainConfig(**{**vars(CONFIG), "learning_rate": 1e-9, "epochs": 1})
    result = train(model, RowBatches(rows_of(ROWS), model), InfoNCE(), still, head=head)
    assert result.history[-1]["mean_cosine"] < 0.5
    assert result.collapsed.startswith("complete collapse before the head")
    moving = TrainConfig(**{**vars(CONFIG), "learning_rate": 0.2})
    result = train(model, RowBatches(rows_of(ROWS), model), InfoNCE(), moving, head=head)
    assert result.warnings
    assert result.collapsed == ""


def test_diverged_loss_is_an_error():
    model = encoder()
    with torch.no_grad():
        model.embedding.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="row 0 of the queries holds NaN"):
        train(model, RowBatches(rows_of(ROWS), model), InfoNCE(), CONFIG)


def test_schedule():
    config = TrainConfig(learning_rate=1.0, warmup=0.2, schedule="cosine")
    rates = [learning_rate(config, s, 10) for s in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert learning_rate(TrainConfig(learning_rate=1.0, warmup=0.0, schedule="constant"), 9, 10) == 1.0


def test_average_is_that_of_a_naive_loop():
    layer = torch.nn.Linear(2, 1)
    average, history = Average(layer, 0.8), []
    for step in range(1, 6):
        with torch.no_grad():
            layer.weight.fill_(float(step))
        average.update(step)
        history.append(float(step))
    weights = [0.8 ** (5 - s) for s in range(1, 6)]
    expected = sum(w * h for w, h in zip(weights, history, strict=True)) / sum(weights)
    assert average.values["weight"][0, 0].item() == pytest.approx(expected, rel=1e-5)


def test_chunks_hold_the_budget():
    payload = Payload(None, torch.randint(1, 9, (50,)), lambda x, _rows: x, lambda z: {"queries": z})
    chunks = payload.chunks(20)
    assert sorted(torch.cat(chunks).tolist()) == list(range(50))
    assert all(int(payload.cost[c].max()) * len(c) <= 20 for c in chunks)


def test_ragged_positives_and_duplicates_are_never_negatives():
    rows = [
        Example("a", ("x", "y"), ("n",)),
        Example("b", ("y", "z")),  # shares y with the first
        Example("c", ("w",)),
    ]
    model = StaticEncoder.from_corpus([t for e in rows for t in e.texts] * 3, dim=8)
    payload = RowBatches(rows_of(rows), model).payload(torch.tensor([0, 1, 2]))
    z = torch.randn(len(payload.cost), 8)
    q, k = payload.arguments(z)["queries"], payload.arguments(z)["keys"]
    assert q.columns["group"][0] == q.columns["group"][1] != q.columns["group"][2]
    loss = InfoNCE(1.0)
    z.requires_grad_()
    arguments = payload.arguments(z)
    loss(arguments["queries"][:1], arguments["keys"]).backward()
    # of the second example only copies and group fellows: none is a negative of the first
    second = [3 + i for i, s in enumerate(k.columns["sample"].tolist()) if s == 1]
    assert float(z.grad[second].abs().max()) == 0
    hard = [3 + i for i, s in enumerate(k.columns["sample"].tolist()) if s == -1]
    assert float(z.grad[hard].abs().max()) > 0


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"batch_size": 1}, "batch_size is 1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"warmup": 1.0}, "warmup is 1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"dtype": "int9"}, "dtype is 'int9'; choose one of auto, float32, bfloat16"),
        ({"schedule": "step"}, "schedule is 'step'; choose one of cosine"),
    ],
)
def test_bad_settings(settings, what):
    with pytest.raises(InputError, match=what):
        TrainConfig(**settings)
