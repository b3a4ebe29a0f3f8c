"""The one training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.engine import all_reduce_gradients, cached, on_whole
from counterpoint.errors import InputError
from counterpoint.heads import PerView
from counterpoint.objectives import InTurn, Objective
from counterpoint.points import Points
from counterpoint.procedures import Call, Procedure
from counterpoint.procedures._whole import on_whole_batch
from counterpoint.training._processes import Processes
from counterpoint.training.checkpoint import Best, load_checkpoint, save_checkpoint
from counterpoint.training.config import TrainConfig
from counterpoint.training.monitor import measure
from counterpoint.training.optimizer import Average, learning_rate, make_optimizer
from counterpoint.training.order import Order
from counterpoint.training.payload import Batches, Payload

Row = dict[str, Any]
Validate = Callable[[], Mapping[str, float]]
"""Figures of the encoder as it is, the one to keep the best of first; higher is better."""


@dataclass
class TrainResult:
    """What a run did.

    Attributes:
        steps: Steps taken.
        history: A row for each monitored or validated step: `step`, `epoch`, `loss`, `ln_batch` (the loss of a model
            that knows nothing), `learning_rate`, `alignment`, `uniformity`, `effective_rank`, `mean_cosine`,
            `items_per_second`, and the validation's figures.
        best: The best validated value, or None.
        best_step: The step it was seen at.
        stopped_early: Patience ran out.
        warnings: A collapse, by name, or rows that never counted.
        collapsed: The collapse that the points were in when last looked at, in words; "" if all is well.
    """

    steps: int = 0
    history: list[Row] = field(default_factory=list)
    best: float | None = None
    best_step: int = 0
    since_best: int = 0
    stopped_early: bool = False
    warnings: list[str] = field(default_factory=list)
    collapsed: str = ""


def train(
    encoder: nn.Module,
    batches: Batches,
    objective: Objective,
    config: TrainConfig,
    *,
    folder: str | Path | None = None,
    head: nn.Module | None = None,
    procedure: Procedure | None = None,
    validate: Validate | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> TrainResult:
    """Train an encoder; afterwards it holds the best validated weights (the last, without validation).

    The start is validated too: where training makes nothing better, the start is what is kept.

    The best are kept in the folder, or in memory where there is none.

    Exactly resumable: with a folder, the same call after a kill goes on from the last checkpoint and ends with the same
    weights as an unbroken run. Under `torchrun` every process takes its share of each batch, keys are gathered, and the
    result is that of one process with the whole batch.

    Args:
        encoder: From a payload's inputs to vectors.
        batches: The training set.
        objective: The loss.
        config: See `TrainConfig`.
        folder: Where checkpoints are kept; None: nowhere.
        head: Applied to the vectors in training only, such as SimCSE's or SimCLR's projection. It sees the whole batch,
            of all processes, so its batch statistics do not depend on chunks; view by view if it has a `PerView`.
        procedure: Stands between the vectors and the objective, such as a teacher or a queue.
        validate: Called `config.validations` times.
        on_row: Called with each new row of the history.

    Raises:
        InputError: if the loss is not finite, the folder's checkpoint is of another run, or there are fewer examples in
            a batch than processes.
    """
    processes = Processes.current()
    device = next(encoder.parameters()).device
    modules: dict[str, nn.Module] = {"encoder": encoder, "objective": objective.to(device)}
    if head is not None:
        modules["head"] = head.to(device)
    network = nn.Sequential(encoder, nn.Identity() if head is None else head)
    if procedure is not None:
        procedure.start(network)
        modules["procedure"] = procedure.to(device)
    processes.same_start(modules.values())
    turns = len(objective.objectives) if isinstance(objective, InTurn) else 1
    optimizers = [make_optimizer(modules.values(), config) for _ in range(turns)]
    modules |= {"batches": batches} if isinstance(batches, nn.Module) and batches is not encoder else {}
    average = Average(encoder, config.average) if config.average else None
    order = Order(len(batches), config.batch_size, config.seed, batches.groups)
    if order.smallest < processes.world:
        raise InputError(
            f"a batch of {order.smallest} examples on {processes.world} processes", fix="use fewer, or larger batches"
        )
    per_epoch = len(order)
    steps = config.steps or max(1, math.ceil(config.epochs * per_epoch * turns / config.accumulate))
    # where the best is kept is said by the validation, so there must be at least one
    marks = {round(steps * (i + 1) / config.validations) for i in range(config.validations)} | {steps}
    watch = max(1, steps // 200)
    result, run = TrainResult(), {"config": asdict(config), "examples": len(batches), "steps": steps}
    folder = None if folder is None else Path(folder)
    best = Best(encoder, folder, writes=processes.first)
    if folder is not None:
        found = load_checkpoint(folder / "checkpoint", modules, optimizers)
        if found is not None:
            result = _restore(found, run, average, folder)
    autocast = _autocast(config, device)
    parameters = [p for m in modules.values() for p in m.parameters()]
    saved = time.monotonic()
    items, since = 0, time.monotonic()
    for module in modules.values():
        module.train()

    def validated(row: Row) -> Row:
        """With the figures of the weights as they are; the best are kept."""
        assert validate is not None
        if processes.first:
            row = row | _validate(encoder, average, validate)
        row = processes.broadcast(row)
        _judge(result, row, config, average, best)
        return row

    def tell(row: Row) -> None:
        result.history.append(row)
        if on_row is not None and processes.first:
            on_row(row)

    if validate is not None and not result.history:
        tell(validated({"step": 0, "steps": steps, "epoch": 0.0}))
        since = time.monotonic()
    while result.steps < steps and not result.stopped_early:
        step = result.steps
        batches.begin(step, steps)
        optimizer = optimizers[step % turns]
        if isinstance(objective, InTurn):
            objective.turn = step % turns
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step, steps)
        losses: list[float] = []
        seen: dict[str, Any] = {}
        for micro in range(config.accumulate):
            index = step * config.accumulate + micro
            torch.manual_seed(hash((config.seed, index, processes.rank)) % 2**63)
            rows = order.rows(step // turns * config.accumulate + micro)
            items += len(rows)
            payload = batches.payload(processes.share(rows), rows)
            loss, seen = _backward(network, procedure, objective, payload, config, autocast, processes)
            losses.append(float(loss))
        if not all(map(math.isfinite, losses)):
            raise InputError(
                f"the loss is {losses[-1]} at step {step + 1}",
                fix="lower the learning rate, raise the temperature, or train in float32",
            )
        _step(optimizer, parameters, config, processes)
        if procedure is not None:
            procedure.finish_step()
        result.steps = step + 1
        if average is not None:
            average.update(result.steps)
        row: Row = {}
        if result.steps % watch == 0 or result.steps in marks:
            now = time.monotonic()
            row = {
                "step": result.steps,
                "steps": steps,
                "epoch": result.steps * config.accumulate / (turns * per_epoch),
                "loss": sum(losses) / len(losses),
                "learning_rate": optimizer.param_groups[0]["lr"],
                "items_per_second": items / max(now - since, 1e-9),
                **measure(seen, objective, head),
            }
            guess = _guess(objective, seen["called"])
            if guess is not None:
                row["ln_batch"] = guess
            items, since = 0, now
            result.collapsed = row.get("warning", "")
            _warn(result, row, objective)
        if validate is not None and result.steps in marks:
            row = validated(row)
            since = time.monotonic()
        if row:
            tell(row)
        due = time.monotonic() - saved >= config.checkpoint_seconds or result.steps == steps or result.stopped_early
        if folder is not None and processes.first and due:
            extra = {} if average is None else average.values
            save_checkpoint(folder / "checkpoint", modules, optimizers, {"run": run, **asdict(result)}, extra)
            saved = time.monotonic()
    processes.wait()
    _finish(best, average, validated=validate is not None)
    for module in modules.values():
        module.eval()
    return result


def _backward(
    network: nn.Sequential,
    procedure: Procedure | None,
    objective: Objective,
    payload: Payload,
    config: TrainConfig,
    autocast: Callable[[], AbstractContextManager[object]],
    processes: Processes,
) -> tuple[Tensor, dict[str, Any]]:
    """Loss of a batch, its gradients added; and what the objective saw, for the monitor.

    The encoder sees chunks, head and procedure the whole batch of all processes.
    """
    from counterpoint.encoders.inputs import moved

    chunks = payload.chunks(config.chunk_tokens)
    back, device = torch.argsort(torch.cat(chunks)), next(network.parameters()).device
    seen: dict[str, Any] = {}

    def encode(chunk: Tensor, encoder: nn.Module) -> Tensor:
        # one chunk is the whole batch: nothing to take
        inputs = payload.inputs if len(chunks) == 1 else payload.take(payload.inputs, chunk)
        return _single(encoder(moved(inputs, device)))

    def arguments(z: Tensor, head: nn.Module) -> Call:
        z = z if len(chunks) == 1 else z[back.to(z.device)]
        if not isinstance(head, nn.Identity):
            with autocast():
                z = _single(on_whole(head, z, views=_views(head, payload), group=processes.group))
        return payload.arguments(z)

    def again(by: nn.Module) -> Call:
        assert isinstance(by, nn.Sequential)  # what a procedure is started with
        with torch.no_grad(), autocast():
            return arguments(torch.cat([encode(chunk, by[0]) for chunk in chunks]), by[1])

    def loss(z: Tensor) -> Tensor:
        calls = [arguments(z, network[1])]
        seen.update(calls[0])
        if not isinstance(network[1], nn.Identity):
            seen["encoded"] = z
        if procedure is not None:
            calls = on_whole_batch(procedure, calls, again, processes)
        seen["called"] = calls[0]
        losses = [objective(**call, group=processes.group) for call in calls]
        return torch.stack(losses).mean() / config.accumulate

    thunks = [lambda chunk=chunk: encode(chunk, network[0]) for chunk in chunks]
    with _products(half=autocast is not nullcontext):
        value = cached(thunks, loss, context=autocast)
    return value * config.accumulate, seen


def _views(head: nn.Module, payload: Payload) -> tuple[int, ...]:
    """What the head sees one after the other; nothing: it sees all at once."""
    if not any(isinstance(part, PerView) for part in head.modules()):
        return ()
    if not payload.views:
        raise InputError("the head sees one view at a time, and the batches have none", fix="give Payload its views")
    return payload.views


def _single(z: Tensor) -> Tensor:
    """In single precision or better."""
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z


def _guess(objective: Objective, call: Call) -> float | None:
    """The loss of a model that knows nothing; each owned key is one more that a row sees."""
    keys, owned = call.get("keys"), call.get("owned")
    if keys is None and owned is None:
        return objective.guess(len(call["queries"]), None)
    own = 0 if owned is None else (owned.z if isinstance(owned, Points) else owned).shape[1]
    return objective.guess(len(call["queries"]), own + (0 if keys is None else len(keys)))


def _step(
    optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], config: TrainConfig, processes: Processes
) -> None:
    if processes.group is not None:
        all_reduce_gradients(parameters, processes.group)
    if config.clip:
        nn.utils.clip_grad_norm_(parameters, config.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _autocast(config: TrainConfig, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    from counterpoint.encoders import fast_bfloat16

    wanted = config.dtype == "bfloat16" or (config.dtype == "auto" and fast_bfloat16(device))
    return (lambda: torch.autocast(device.type, torch.bfloat16)) if wanted else nullcontext


@contextmanager
def _products(*, half: bool) -> Iterator[None]:
    """Within: products of float32 matrices, such as the scores, take bfloat16 factors; their sums stay float32."""
    before = torch.get_float32_matmul_precision()
    if half:
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _validate(encoder: nn.Module, average: Average | None, validate: Validate) -> dict[str, float]:
    """The figures of the weights that would be kept; training's random state is not touched."""
    encoder.eval()
    if average is not None:
        average.swap()
    with torch.random.fork_rng(devices=[]):
        figures = dict(validate())
    if average is not None:
        average.swap()
    encoder.train()
    return figures


def _judge(result: TrainResult, row: Row, config: TrainConfig, average: Average | None, best: Best) -> None:
    """Keep the best; count how long there was none better."""
    name = next(key for key in row if key not in _ROW)
    if result.best is None or row[name] > result.best:
        result.best, result.best_step, result.since_best = row[name], result.steps, 0
        best.keep(None if average is None else average.values)
    else:
        result.since_best += 1
        result.stopped_early = 0 < config.patience <= result.since_best


_ROW = frozenset(
    {"step", "steps", "epoch", "loss", "ln_batch", "learning_rate", "items_per_second"}
    | {"alignment", "uniformity", "effective_rank", "mean_cosine", "warning"}
)


def _warn(result: TrainResult, row: Row, objective: Objective) -> None:
    """Say a thing once, when it first happens."""
    warning = row.get("warning")
    if warning is None and int(objective.left_out or 0) > 0 and row["loss"] == 0:
        warning = row["warning"] = "no example of the batch has a positive: nothing is learned from it"
    if warning is not None:
        kind = warning.split(":")[0]
        if any(known.split(":")[0] == kind for known in result.warnings):
            del row["warning"]
        else:
            result.warnings.append(warning)


def _restore(
    found: tuple[dict[str, Any], dict[str, Tensor]], run: dict[str, Any], average: Average | None, folder: Path
) -> TrainResult:
    state, extra = found
    kept = state.pop("run")
    changed = [k for k, v in _flat(run).items() if _flat(kept).get(k) != v and k != "checkpoint_seconds"]
    if changed:
        raise InputError(
            f"the checkpoint is of a run with other settings ({', '.join(changed)})",
            file=folder,
            fix="give the same settings to go on, or another output folder to start again",
        )
    if average is not None:
        average.values = {name: extra[name].to(old) for name, old in average.values.items()}
    return TrainResult(**state)


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    """Settings side by side; JSON has made lists of tuples."""
    both = {**run["config"], "examples": run["examples"], "steps": run["steps"]}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in both.items()}


def _finish(best: Best, average: Average | None, *, validated: bool) -> None:
    if validated:
        best.put_back()
    elif average is not None:
        average.swap()
