"""What a report says, as plain data: saved as JSON beside the model, so that a report can be made again."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError

Value = str | bool | int | float | None
Row = dict[str, float | None]
"""One logged training step: `step`, and where known `epoch`, `loss`, `ln_batch` (the loss of a model that knows
nothing, nats), `alignment`, `uniformity`, `effective_rank`, `mean_cosine`, `learning_rate`, `items_per_second` and
`dev`."""


@dataclass(frozen=True)
class Figure:
    """A measured figure: its value, its 95% interval and the number of items it is a mean over.

    Higher is better, but for those that are `lower`, such as a rank.

    Examples:
        >>> Figure(0.604, 0.585, 0.622, n=1500).value
        0.604
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    lower: bool = False


@dataclass(frozen=True)
class System:
    """Something that was measured (BM25, the untrained model, the trained one) and its figures by metric."""

    name: str
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Difference:
    """A paired difference of one metric on the same items: `value` = a - b, with its 95% interval.

    `answered` is the share of the items, 0 to 1, that b found anything for at all; None where it always does. `lower`
    says that a is better where it is below b.

    Examples:
        >>> Difference("trained", "BM25", "MRR@10", 0.031, 0.012, 0.050).clear
        True
        >>> Difference("trained", "BM25", "MRR@10", 0.004, -0.010, 0.018).clear
        False
    """

    a: str
    b: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None = None
    answered: float | None = None
    lower: bool = False

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Group:
    """The figures over the items that have one value of a column, such as the queries in one language.

    `differences` are the model's, of the primary metric.
    """

    column: str
    name: str
    systems: tuple[System, ...]
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Data:
    """What was read: where from, the schema and the columns recognised (role -> column), the rows of each split."""

    source: str
    schema: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    rejected_file: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """What was trained. `name` is also its name among the systems; `prompts` are by kind (query, document).

    `max_length` is how many tokens of a text it reads; None for all.
    """

    name: str
    kind: str = ""
    base: str = ""
    objective: str = ""
    dim: int | None = None
    license: str = ""
    prompts: dict[str, str] = field(default_factory=dict)
    max_length: int | None = None


@dataclass(frozen=True)
class Scores:
    """Scores of positive and of negative pairs, counted in bins: `edges` has one more than either count.

    Examples:
        >>> scores = Scores.count(np.array([0.9, 0.8]), np.array([0.1, 0.85]), bins=4)
        >>> scores.positive, scores.negative
        ((0, 0, 0, 2), (0, 0, 1, 1))
        >>> scores.separation
        0.75
    """

    edges: tuple[float, ...]
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    similarity: str = "cosine"

    @staticmethod
    def count(
        positive: Float[np.ndarray, " p"],
        negative: Float[np.ndarray, " q"],
        *,
        bins: int = 50,
        span: tuple[float, float] = (-1.0, 1.0),
        similarity: str = "cosine",
    ) -> Scores:
        """Count scores in equal bins over `span` (cosines by default); scores beyond it go to the end bins."""
        edges = np.linspace(*span, bins + 1)
        counts = [np.histogram(np.clip(scores, *span), edges)[0].tolist() for scores in (positive, negative)]
        return Scores(tuple(edges.tolist()), tuple(counts[0]), tuple(counts[1]), similarity)

    @property
    def separation(self) -> float | None:
        """The chance that a positive outscores a negative, P(p > n) + P(same bin) / 2 (the area under the ROC).

        Between 0 and 1; 0.5 for a model that knows nothing. None without positives or negatives.
        """
        positive, negative = np.array(self.positive, dtype=float), np.array(self.negative, dtype=float)
        if not positive.sum() or not negative.sum():
            return None
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below / (positive.sum() * negative.sum()))


@dataclass(frozen=True)
class Projection:
    """Points of a plane, and the share (0 to 1) of the variance that the plane holds."""

    points: tuple[tuple[float, float], ...]
    share: float | None = None


def project_2d(z_nd: Float[np.ndarray, "n d"]) -> Projection:
    """Project embeddings on their two directions of greatest variance (PCA, through the SVD of the centred matrix).

    With Z - mean = U S V', the points are the first two columns of U S and the share is (s1^2 + s2^2) / sum s^2.
    The sign of each axis is the one that makes its largest weight positive, so the same input gives the same map.

    Args:
        z_nd: The embeddings, at least one row and one column, all finite.

    Raises:
        InputError: No rows, or a value that is not finite.

    Examples:
        >>> square = np.array([[0.0, 0.0, 5.0], [2.0, 0.0, 5.0], [0.0, 1.0, 5.0], [2.0, 1.0, 5.0]])
        >>> flat = project_2d(square)
        >>> [[float(x) for x in point] for point in flat.points], flat.share
        ([[-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5], [1.0, 0.5]], 1.0)
    """
    if z_nd.ndim != 2 or not z_nd.size or not np.isfinite(z_nd).all():
        raise InputError(f"embeddings of shape {z_nd.shape} cannot be mapped", fix="give finite rows, at least one")
    centred_nd = z_nd.astype(np.float64) - z_nd.mean(axis=0, dtype=np.float64)
    _, s_k, v_kd = np.linalg.svd(centred_nd, full_matrices=False)
    v_2d = np.zeros((2, z_nd.shape[1]))
    v_2d[: len(v_kd)] = v_kd[:2]
    v_2d *= np.where(v_2d[[0, 1], np.abs(v_2d).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    total = float((s_k**2).sum())
    share = float((s_k[:2] ** 2).sum()) / total if total > 0 else None
    return Projection(tuple((x, y) for x, y in (centred_nd @ v_2d.T).round(5).tolist()), share)


@dataclass(frozen=True)
class Map:
    """The same items in the plane before and after training, with a text (and a label) each.

    `links` are pairs of indices that belong together (a query and its document), drawn as lines. `pictures` are
    thumbnails that are drawn over some of the points, "" for those that have none.
    """

    before: Projection | None
    after: Projection
    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """One result of a search; `right` if it is a right answer. `picture` is its thumbnail, where it is a picture."""

    text: str
    score: float | None = None
    right: bool = False
    picture: str = ""


@dataclass(frozen=True)
class Query:
    """A query, the text it should find, and the rank of that text: None where not measured, 0 where not found.

    Among texts that score the same the rank is the mean of theirs. Where they are pictures, `picture` and
    `gold_picture` are their thumbnails, and the texts are their names.
    """

    text: str
    gold: str = ""
    rank_before: float | None = None
    rank_after: float | None = None
    results: tuple[Hit, ...] = ()
    picture: str = ""
    gold_picture: str = ""


@dataclass(frozen=True)
class QueryList:
    """Queries under a heading, such as those that gained most, those still worst, or a few free searches."""

    title: str
    queries: tuple[Query, ...]
    note: str = ""


@dataclass(frozen=True)
class Command:
    """What somebody may want to do next, and the command line that does it."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Content:
    """Everything a report says. Only the first five are needed; what is absent is left out of the report.

    Attributes:
        title: The report's name, such as the name of the data.
        metric: The primary metric, the one the verdict is about.
        model: What was trained.
        data: What it was trained and measured on.
        systems: What was measured, in the order to show.
        differences: Paired differences, the most telling first; `a` is the challenger.
        groups: The same figures over parts of the items, in the order to show.
        unit: What figures are means over, in the plural ("queries", "pairs").
        summary: Sentences of the caller, shown under the verdict.
        notes: What must be known to read the figures, shown under their table: what was left out or cut, and why.
        warnings: Sentences such as a named collapse.
        history: Training rows, see `Row`.
        dev_metric: The name of the rows' `dev`.
        settings: What was chosen, by name.
        environment: Versions, seed, time taken, device.
        scores_before: Scores of held-out pairs before training.
        scores_after: The same after it.
        map: The same items before and after in two dimensions.
        queries: Lists of queries.
        files: Where things are: name -> path.
        commands: What to run next, the most useful first.

    Examples:
        >>> content = Content("tiny", "Spearman", Model("trained"), Data("a.tsv"), (System("trained", {}),))
        >>> Content.from_json(content.to_json()) == content
        True
    """

    title: str
    metric: str
    model: Model
    data: Data
    systems: tuple[System, ...]
    differences: tuple[Difference, ...] = ()
    groups: tuple[Group, ...] = ()
    unit: str = "queries"
    summary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    history: tuple[Row, ...] = ()
    dev_metric: str = ""
    settings: dict[str, Value] = field(default_factory=dict)
    environment: dict[str, Value] = field(default_factory=dict)
    scores_before: Scores | None = None
    scores_after: Scores | None = None
    map: Map | None = None
    queries: tuple[QueryList, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The content as JSON values; a number that is not finite becomes null."""
        return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(self)))

    @staticmethod
    def from_json(value: Any, *, file: str | None = None) -> Content:
        """The content from what `to_json` gave.

        Raises:
            InputError: A field is missing, unknown or of another type; the sentence names it and `file`.
        """
        return typing.cast(Content, _parse(Content, value, "report", file))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parse(kind: Any, value: Any, where: str, file: str | None) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        for choice in arguments:
            if dataclasses.is_dataclass(choice) and value is not None:
                return _parse(choice, value, where, file)
            if choice is type(value) or (choice is float and type(value) is int):
                return value
    elif isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
        needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
        for name in sorted((needed - value.keys()) | (value.keys() - hints.keys())):
            what = "lacks" if name in needed else "has an unknown"
            fix = "save it again with this version of counterpoint"
            raise InputError(f"{where} {what} field {name!r}", file=file, fix=fix)
        return kind(**{name: _parse(hints[name], item, f"{where}.{name}", file) for name, item in value.items()})
    elif origin is dict and isinstance(value, dict):
        return {key: _parse(arguments[1], item, f"{where}.{key}", file) for key, item in value.items()}
    elif origin is tuple and isinstance(value, list) and (arguments[1] is ... or len(arguments) == len(value)):
        return tuple(_parse(arguments[0], item, f"{where}[{i}]", file) for i, item in enumerate(value))
    elif kind is type(value) or (kind is float and type(value) is int):
        return value
    name = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise InputError(f"{where} is {type(value).__name__}, not {name}", file=file, fix="correct it or run fit again")
