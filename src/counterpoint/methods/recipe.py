"""A trained method: stages over a start, for data of the kind that it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError, refuse_string
from counterpoint.methods.stage import Stage, train_stage
from counterpoint.training.loop import Row, TrainResult, Validate

Start: TypeAlias = Callable[[Data, int], nn.Module]
"""From data and a seed to an encoder, as it is before training."""

_NAMES = {"image": "pictures", "text": "texts", "query": "triples", "entity": "entities", "vector": "vectors"}
_SCHEMAS = {"items": "alone", "labelled": "with labels", "scored": "with scores"}


@dataclass(frozen=True)
class Takes:
    """The data that a method takes.

    Attributes:
        anchors: The modality of the anchors.
        others: Of what they are contrasted with; None: nothing.
        schemas: Which schemas (`Data.schema`) of these.
        columns: What must be known of each row beside.

    Examples:
        >>> Takes("text", "text").describe()
        'pairs of texts'
        >>> Takes("image", schemas=("labelled",)).describe()
        'pictures with labels'
    """

    anchors: str = "text"
    others: str | None = None
    schemas: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_string(self.schemas, "schemas")
        refuse_string(self.columns, "columns")
        if not self.schemas:
            schemas = ("items", "labelled") if self.others is None else ("pairs", "tuples")
            object.__setattr__(self, "schemas", schemas)

    def describe(self) -> str:
        """In words."""
        return _described(self.anchors, self.others, self.schemas[0], self.columns)

    def refuse(self, data: Data, name: str) -> None:
        """Refuse data of another kind.

        Args:
            data: What is given.
            name: Of the method.

        Raises:
            InputError: They are of another modality or schema, or lack a column.
        """
        if self.anchors == "nothing":
            raise InputError(f"{name} trains nothing", file=data.source or None, fix=f"counterpoint run '{name}'")
        lacking = tuple(column for column in self.columns if column not in data.columns)
        if (self.anchors, self.others) != data.modalities or data.schema not in self.schemas or lacking:
            found = _described(*data.modalities, data.schema, ())
            raise InputError(
                f"{name} trains on {self.describe()}, and these are {found}"
                + (f" without {' and '.join(map(repr, lacking))}" if lacking else ""),
                file=data.source or None,
                fix="choose a system for such data (counterpoint systems), or give it data of its kind",
            )


def _described(anchors: str, others: str | None, schema: str, columns: tuple[str, ...]) -> str:
    first = _NAMES.get(anchors, anchors)
    if anchors == "nothing":
        what = "nothing"
    elif anchors == "query":
        what = "triples of a knowledge graph"
    elif others is None:
        what = f"{first} {_SCHEMAS[schema]}"
    elif anchors == others:
        what = {"tuples": "tuples of ", "scored": "scored pairs of "}.get(schema, "pairs of ") + first
    else:
        what = f"{first} with {_NAMES.get(others, others)}"
    return what + (f", each with its {' and '.join(columns)}" if columns else "")


@dataclass(frozen=True)
class Recipe:
    """A method that trains: stage after stage, each from where the one before left the encoder, or afresh.

    Attributes:
        name: The system's, or that of a baseline.
        stages: One or more.
        takes: The data that it takes.
        start: What it starts from if it is not given an encoder.
        prompts: Put before texts of a kind (`query`, `document`).
        similarity: What vectors are compared with; with `dot` they are not scaled to length one.
        own_start: It trains its own start and nothing else, such as several encoders side by side.
        adapt: What becomes of whatever encoder it trains, before training: its first token in place of the mean, one
            for each side (`counterpoint.encoders.adapting`). Of what it has made already it makes nothing more.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> Recipe("mine", (Stage(InfoNCE),), Takes("text", "text")).takes.schemas
        ('pairs', 'tuples')
    """

    name: str
    stages: tuple[Stage, ...]
    takes: Takes
    start: Start | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    similarity: Literal["cosine", "dot"] = "cosine"
    own_start: bool = False
    adapt: Callable[[nn.Module], nn.Module] | None = None

    def changed(self, **settings: Any) -> Recipe:
        """The same with fields of `TrainConfig` changed in every stage; `epochs` take the place of its steps.

        Examples:
            >>> from counterpoint.objectives import InfoNCE
            >>> Recipe("mine", (Stage(InfoNCE),), Takes()).changed(epochs=3).stages[0].train.epochs
            3
        """
        if "epochs" in settings:
            settings = {"steps": 0} | settings
        stages = tuple(replace(stage, train=replace(stage.train, **settings)) for stage in self.stages)
        return replace(self, stages=stages)

    def varied(self, name: str, **changes: Any) -> Recipe:
        """The same but for its name and some fields: its own, or those of its last stage.

        Examples:
            >>> from counterpoint.objectives import InfoNCE
            >>> recipe = Recipe("mine", (Stage(InfoNCE),), Takes("image"))
            >>> recipe.varied("four views", views=4).stages[0].views
            4
        """
        own = {f.name: changes.pop(f.name) for f in fields(self) if f.name in changes}
        stages = (*self.stages[:-1], replace(self.stages[-1], **changes)) if changes else self.stages
        return replace(self, **{"name": name, "stages": stages} | own)

    def refuse(self, data: Data, *, own: bool = False) -> None:
        """Refuse data of another kind, and any start but its own where it trains no other.

        Args:
            data: What it is to be trained on.
            own: From its own start.

        Raises:
            InputError: It does not take these.
        """
        self.takes.refuse(data, self.name)
        if self.own_start and not own:
            raise InputError(
                f"{self.name} trains in a way of its own, from a start of its own",
                fix=f"counterpoint run '{self.name}'",
            )

    def started(self, data: Data, seed: int) -> nn.Module:
        """The encoder before training, from its own start.

        Raises:
            InputError: It has none.
        """
        if self.start is None:
            raise InputError(f"{self.name} has no start of its own", fix="give it an encoder")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.start(data, seed)

    def settle(self, encoder: nn.Module, seed: int = 0) -> Any:
        """The encoder as the method trains it: adapted, and where it is of texts with its prompts and similarity.

        Args:
            encoder: Changed in place; what comes back may hold it.
            seed: Of weights that are added.
        """
        from counterpoint.encoders._base import TextEncoder

        if self.adapt is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                encoder = self.adapt(encoder)
        for part in encoder.modules():
            if isinstance(part, TextEncoder):
                part.prompts.update(self.prompts)
                part.normalize, part.similarity = part.normalize and self.similarity == "cosine", self.similarity
        return encoder

    def make(
        self,
        data: Data,
        seed: int = 0,
        *,
        encoder: nn.Module | None = None,
        kinds: tuple[Kind, Kind] | None = None,
        folder: Path | None = None,
        validate: Validate | None = None,
        on_row: Callable[[Row], None] | None = None,
    ) -> tuple[nn.Module, TrainResult]:
        """A trained encoder.

        Args:
            data: What it takes.
            seed: Everything random follows from it.
            encoder: Trained in place, or within what comes back; the method's own start if not given.
            kinds: Of anchors and others; see `counterpoint.training.rows.RowBatches`.
            folder: Where checkpoints are kept, one folder a stage; the same call goes on from them.
            validate: See `counterpoint.training.train`.
            on_row: Likewise.

        Returns:
            The encoder, and what its last stage did.

        Raises:
            InputError: Data of another kind, or no start.
        """
        self.refuse(data, own=encoder is None)
        encoder = self.started(data, seed) if encoder is None else encoder
        encoder = self.settle(encoder, seed)
        first = copy.deepcopy(encoder.state_dict()) if any(stage.afresh for stage in self.stages) else None
        result, more = TrainResult(), dict[str, Any](first=first, kinds=kinds, on_row=on_row)
        for i, stage in enumerate(self.stages):
            place = folder if folder is None or len(self.stages) == 1 else folder / f"stage-{i + 1}"
            # pre-training is for the stage after it: by the task itself its best weights may be those before it
            chosen = None if stage.task is not None and stage is not self.stages[-1] else validate
            result, _ = train_stage(stage, data, encoder, seed, folder=place, validate=chosen, **more)
        return encoder, result
