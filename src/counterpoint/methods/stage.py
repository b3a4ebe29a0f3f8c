"""One stage of training: an objective and all that stands around it, for rows of any schema and modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.features import Kind
from counterpoint.objectives import Objective
from counterpoint.procedures import Procedure
from counterpoint.training.config import TrainConfig
from counterpoint.training.loop import Row, TrainResult, Validate, train
from counterpoint.training.renewing import Renew, RenewedRows
from counterpoint.training.rows import RowBatches, Views

if TYPE_CHECKING:
    from counterpoint.pretraining import Continuation, Guessing, LeftOutWords, TokenGraph

Prepare: TypeAlias = Callable[[Data, nn.Module, int], Data]
"""What is done to the data before a stage: from the data, the encoder as it is and the seed to other data."""


_LEFT_OUT = "a step before training left out {:,} of {:,} rows ({:.0%}); where these are clean, choose a method without"


@dataclass(frozen=True)
class Stage:
    """How an encoder is trained.

    Attributes:
        objective: Makes the objective; a fresh one each run, since it may learn.
        train: The loop's settings; their seed is the run's.
        head: From the encoder's dimension to a projection that is used in training only.
        procedure: From the encoder's dimension to what stands between the vectors and the objective in training.
        view: Of inputs: one for all, or one for anchors and one for what they are contrasted with, or of items one for
            each view, the last for all that follow. Of texts see `counterpoint.views.TextView`.
        views: Of items alone or labelled: how many of each a batch has.
        sampled: Negatives drawn for each anchor, in place of all others of the batch.
        shared: Keys drawn for the whole batch, beside its positives.
        together: A column: each batch is drawn from rows that have one value of it, such as a cluster or a source.
        prepare: What is done to the data before, in order.
        renewals: So often in training, evenly spread over its steps, `prepare` is done again, on the rows as it left
            them and by the encoder as it then is: what is mined follows what is learned. It may then change negatives
            and columns, and leave out no row.
        interpolate: In the end the encoder's weights are `start + interpolate (trained - start)`; below 1 it keeps more
            of what it could do before. Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"
            (WiSE-FT).
        afresh: The encoder begins as it was before the recipe's first stage; what it has become is seen by `prepare`
            alone.
        around: From the encoder to what is trained in its place and holds it, such as two towers of which it is one.
        task: From the data and the encoder to a task of guessing tokens (`counterpoint.pretraining`): it holds the
            encoder, is trained in its place and makes its own batches, by none of what is said of batches here.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> Stage(InfoNCE).train.batch_size
        64
    """

    objective: Callable[[], Objective]
    train: TrainConfig = field(default_factory=TrainConfig)
    head: Callable[[int], nn.Module] | None = None
    procedure: Callable[[int], Procedure] | None = None
    view: Views = None
    views: int = 2
    sampled: int = 0
    shared: int = 0
    together: str = ""
    prepare: tuple[Prepare, ...] = ()
    renewals: int = 0
    interpolate: float = 1.0
    afresh: bool = False
    around: Callable[[nn.Module], nn.Module] | None = None
    task: Callable[[Data, nn.Module], Guessing | LeftOutWords | Continuation | TokenGraph] | None = None


def train_stage(
    stage: Stage,
    data: Data,
    encoder: nn.Module,
    seed: int = 0,
    *,
    first: Mapping[str, Tensor] | None = None,
    kinds: tuple[Kind, Kind] | None = None,
    folder: Path | None = None,
    validate: Validate | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> tuple[TrainResult, nn.Module | None]:
    """Train an encoder in place.

    Args:
        stage: How.
        data: What on, before the stage's own preparation.
        encoder: What is trained.
        seed: Of the preparation, the start of what is around the encoder, of head, procedure and objective, and of the
            loop.
        first: The encoder's state before the first of several stages, for one that begins afresh.
        kinds: Of anchors and others; see `RowBatches`.
        folder: Where checkpoints are kept; the same call goes on from them.
        validate: See `counterpoint.training.train`.
        on_row: Likewise.

    Returns:
        What the run did, and the head, for those who look at what the objective saw.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.objectives import InfoNCE
        >>> data = rows_of([Example("red fox", ("a fox",)), Example("blue ant", ("an ant",))])
        >>> encoder = StaticEncoder.from_corpus(["red fox", "blue ant", "a an"], dim=8)
        >>> train_stage(Stage(InfoNCE, TrainConfig(batch_size=2, epochs=3, dtype="float32")), data, encoder)[0].steps
        3
    """
    said = []
    for step in stage.prepare:
        before, data = len(data), step(data, encoder, seed)
        if len(data) < before:
            said.append(_LEFT_OUT.format(before - len(data), before, (before - len(data)) / before))
    if stage.afresh and first is not None:
        encoder.load_state_dict(first)
    start = [p.detach().clone() for p in encoder.parameters()] if stage.interpolate != 1 else []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = encoder if stage.around is None else stage.around(encoder)

    def again(rows: Data, step: int) -> Data:
        encoder.eval()
        for prepare in stage.prepare:
            rows = prepare(rows, encoder, hash((seed, step)) % 2**31)
        encoder.train()
        return rows

    rows = None if stage.task is not None else _rows(stage, data, trained, kinds, again)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # in this order, so that the same seed makes the same start
        task = None if stage.task is None else stage.task(data, trained)
        head = None if stage.head is None else stage.head(_dim(trained))
        procedure = None if stage.procedure is None else stage.procedure(_dim(trained))
        objective = stage.objective()
        batches = rows if task is None else task
        assert batches is not None  # one of both is made
        result = train(
            trained if task is None else task,
            batches,
            objective,
            replace(stage.train, seed=seed),
            folder=folder,
            head=head,
            procedure=procedure,
            validate=validate,
            on_row=on_row,
        )
    with torch.no_grad():
        for weight, old in zip(encoder.parameters(), start, strict=bool(start)):
            weight.copy_(torch.lerp(old.to(weight), weight, stage.interpolate))
    result.warnings[:0] = said
    return result, head


def _rows(stage: Stage, data: Data, encoder: nn.Module, kinds: tuple[Kind, Kind] | None, again: Renew) -> RowBatches:
    options: dict[str, Any] = {
        "view": stage.view,
        "views": stage.views,
        "sampled": stage.sampled,
        "shared": stage.shared,
        "together": stage.together,
        "kinds": kinds,
    }
    if stage.renewals:
        return RenewedRows(data, encoder, times=stage.renewals, renew=again, **options)
    return RowBatches(data, encoder, **options)


def _dim(encoder: nn.Module) -> int:
    return int(encoder.dim)  # type: ignore[arg-type]
