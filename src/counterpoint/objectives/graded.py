"""Scored pairs: their scores by people are the order, or the value, that a model's are to have."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, check_temperature
from counterpoint.objectives._base import PointObjective
from counterpoint.objectives._layouts import rows_at
from counterpoint.objectives.pairs import Shape
from counterpoint.objectives.softmax import InfoNCE
from counterpoint.points import Points


class Error(Protocol):
    """What is wrong with outputs, one value each, as torch's functions say it with `reduction="none"`."""

    def __call__(self, outputs: Tensor, known: Tensor, /, *, reduction: str) -> Tensor:
        """Of one shape, as the losses are."""
        ...


class _Graded(PointObjective):
    """An objective of pairs that have a column `score`, or another with their scores."""

    uses = frozenset({"score"})
    column = "score"

    def graded(
        self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"], scale: float
    ) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
        """The model's score of each pair, times `scale`, and its own; those that have none (NaN) are counted."""
        if self.column in queries.columns:
            score = queries.columns[self.column][i]
        elif self.column in keys.columns:
            score = keys.columns[self.column][j]
        else:
            what = f"{type(self).__name__} needs the pairs' scores"
            raise InputError(what, fix=f"give the queries a `{self.column}` column")
        unknown = score.isnan()
        if bool(unknown.any()):
            i, j, score = i[~unknown], j[~unknown], score[~unknown]
            self.left_out = self.left_out + unknown.sum()
        found = self.geometry.owned(rows_at(queries.z, i), rows_at(keys.z, j)[:, None], scale)[:, 0]
        return found, score


class CoSENT(_Graded):
    """Scored pairs in the right order: `log(1 + sum_{y_a > y_b} exp((cos_b - cos_a) / temperature))`.

    The sum is over every two pairs of which the first has the higher `score`. Sorted by score it is a prefix
    log-sum-exp, so it costs `O(p log p)` and no matrix. A pair whose score is NaN is left out and counted. Source: Su
    Jianlin 2022, "CoSENT", where `1 / temperature` is 20; the form follows eq. 5 of Li and Li 2024, whose AnglE it is
    with `geometry=Angle()`.

    Args:
        temperature: 0.05 is theirs.
        column: Where the scores are; one of another name leaves the data the tuples that they are.
        **options: `geometry`, `relation`, see `PointObjective`.

    Raises:
        InputError: if neither side has this column.

    Examples:
        >>> from counterpoint.points import Points
        >>> q = Points(torch.eye(2), score=torch.tensor([0.0, 1.0]))
        >>> round(CoSENT(temperature=1.0)(q, torch.eye(2)).item(), 4)  # equal cosines: log(1 + 1)
        0.6931
    """

    def __init__(self, temperature: float = 0.05, *, column: str = "score", **options: Any) -> None:
        super().__init__(**options)
        check_temperature(temperature)
        self.temperature, self.column = temperature, column

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Prefix log-sum-exp over the pairs in order of score."""
        check_temperature(self.temperature)
        cosine, score = self.graded(queries, keys, i, j, 1 / self.temperature)
        score, order = torch.sort(score)
        cosine = cosine.index_select(0, order)
        # how many pairs score strictly less
        below = torch.searchsorted(score, score)
        # sorted, the pairs that have one below them are the last
        number = int(below.count_nonzero())
        if not number:
            return cosine.sum() * 0
        prefix = torch.logcumsumexp(cosine, 0).index_select(0, below[-number:] - 1)
        return F.softplus(torch.logsumexp(prefix - cosine[-number:], 0))


class PairRegression(_Graded):
    """The score of each pair must be what it is said to be: the mean of `shape(cos - score)` over the pairs.

    With the square it is the regression of sentence-BERT, sentence-transformers' `CosineSimilarityLoss`. Grades must be
    of the cosine's range; those of another are brought to it before. A pair whose score is NaN is left out and counted.
    Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3 (regression objective function).

    Args:
        shape: From differences to losses.
        **options: `geometry`, `relation`, see `PointObjective`.

    Raises:
        InputError: in a call, if neither side has a `score` column.

    Examples:
        >>> from counterpoint.points import Points
        >>> q = Points(torch.eye(2), score=torch.tensor([1.0, 0.5]))
        >>> PairRegression()(q, torch.eye(2)).item()  # cosines of 1: errors of 0 and 1/2
        0.125
    """

    def __init__(self, shape: Shape = torch.square, **options: Any) -> None:
        super().__init__(**options)
        self.shape = shape

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the pairs; 0 of none."""
        found, score = self.graded(queries, keys, i, j, 1.0)
        return self.shape(found - score).sum() / max(len(score), 1)


class PointRegression(PointObjective):
    """What each point says against what is known of it: `sum_o error(z_io, y_io)`, the mean over the points `i`.

    A point is what a network makes of a pair (`counterpoint.procedures.PairFeatures`), or of an item: one output, or
    more. With the square it is a regression, such as on a teacher's logits, and with a binary cross-entropy a
    classifier. Keys are not looked at. Source: Barkan et al. 2020, "Scalable Attentive Sentence-Pair Modeling via
    Distilled Sentence Embedding", and the authors' code, which has both.

    Args:
        column: What is known, `(n,)` for one output or `(n, outputs)`; it has no gradient.
        error: From outputs and what is known, of one shape, to losses of that shape; the square of the difference by
            default.

    Raises:
        InputError: in a call, without the column or with one of another shape.

    Examples:
        >>> points = Points(torch.tensor([[1.0], [3.0]]), teacher=torch.tensor([1.0, 1.0]), sample=torch.arange(2))
        >>> PointRegression("teacher")(points).item()  # (0 + 4) / 2
        2.0
    """

    def __init__(self, column: str = "score", error: Error = F.mse_loss) -> None:
        super().__init__(geometry=Dot())
        self.column, self.error = column, error

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the points."""
        del keys, i, j
        if self.column not in queries.columns:
            raise InputError(f"points lack the column {self.column!r}", fix="give what is known of them")
        known = queries.columns[self.column].to(queries.z)
        known = known[:, None] if known.ndim == 1 else known
        if known.shape != queries.z.shape:
            what = f"points of shape {tuple(queries.z.shape)} and {tuple(known.shape)} that is known of them"
            raise InputError(what, fix="give a value for each output")
        return self.error(queries.z, known, reduction="none").sum(1).mean()


class ScoredInfoNCE(InfoNCE):
    """InfoNCE whose rows count by their score: the mean over rows of `score_i * InfoNCE_i`.

    Scores are not divided by their sum, so that the loss of poor pairs is small. What an anchor is pushed away from
    counts less, too, where its pair is poor. A row whose score is NaN is left out. Source: the authors' code of Cheng
    et al. 2023, "Improving Contrastive Learning of Sentence Embeddings from AI Feedback" (CLHAIF, its
    `smooth_positive`), where scores are of positive pairs, from 0 to 1.

    Args:
        temperature: A number or a learned `Temperature`.
        **options: See `InfoNCE`.

    Raises:
        InputError: in a call, if rows have no `score` column.

    Examples:
        >>> from counterpoint.points import Points
        >>> q = Points(torch.eye(3), score=torch.tensor([1.0, 0.5, 0.0]))
        >>> round(ScoredInfoNCE(temperature=1.0)(q, torch.eye(3)).item(), 4)  # half of log(e + 2) - 1
        0.2757
    """

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's InfoNCE times its score."""
        if "score" not in block.columns:
            raise InputError("ScoredInfoNCE needs the rows' scores", fix="give the queries a `score` column")
        loss, counts = super().rows(block)
        score = block.columns["score"].to(loss.dtype)
        return loss * score.nan_to_num(0.0), counts & ~score.isnan()
