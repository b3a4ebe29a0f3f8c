"""Steps before a stage of training: hard negatives are mined, pairs that are none are left out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.consistency import consistent
from counterpoint.negatives.mining import mine, mine_bm25
from counterpoint.negatives.rankers import by_encoder
from counterpoint.negatives.rules import Draw, Rule

if TYPE_CHECKING:
    from counterpoint.encoders.crossing import CrossEncoder
    from counterpoint.methods.stage import Prepare, Stage
    from counterpoint.objectives import Objective
    from counterpoint.training import TrainConfig

_KERNELS = 1e-2
"""The rate of kernels, which learn from a count of equal tokens."""


def bm25_negatives(n: int = 1) -> Prepare:
    """`mine_bm25` as a step.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> bm25_negatives()(data, nn.Identity(), 0).schema
        'tuples'
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        return mine_bm25(data, n)

    return prepare


def self_mined(n: int = 1, *, depth: int = 200, keep: Sequence[Rule] = (), draw: Draw | None = None) -> Prepare:
    """`mine` by the encoder as it is, as a step; what it finds takes the place of the negatives that rows have.

    With `Stage(renewals=...)` what is mined follows what is learned, and with `draw=uniform` it is ANCE's (Xiong et al.
    2021).

    Args:
        n: How many a row.
        depth: How many of those that are found first are looked at.
        keep: Rules, see `counterpoint.negatives.rules`.
        draw: Weights to draw by; None: those that are found first.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> data = rows_of([Example("a", ("a b",)), Example("c", ("c b",))])
        >>> self_mined()(data, StaticEncoder.from_corpus(["a b c"], dim=32), 0).negatives.tolist()
        [[1], [0]]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        bare = replace(data, negatives=None)
        return mine(bare, [by_encoder(encoder, bare)], n, depth=depth, keep=keep, draw=draw, seed=seed)

    return prepare


def taught(steps: int = 200) -> Prepare:
    """A small cross-encoder is trained on tuples, and its scores of each row's list become columns for `Lists`.

    Columns: `listed`, the hash of the first positive and of each negative; `teacher`, their scores, NaN where a row has
    fewer.

    Args:
        steps: Of its training (`counterpoint.training.lists.cross_encoder`).
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.training.lists import cross_encoder, with_teacher

        del encoder
        return with_teacher(data, cross_encoder(data, seed, steps=steps).score)

    return prepare


def read_by_teacher(objective: Callable[[], Objective], train: TrainConfig) -> Prepare:
    """A cross-encoder learns from scored pairs, and what it then says of each is the column `teacher`: its logits.

    It begins as the encoder that is to be taught does: a transformer with a layer for a score, or kernels over a table
    of token vectors.

    Args:
        objective: Of its scores, points of one dimension with the column `score`.
        train: How; the seed is the stage's. Kernels learn at a rate of 1e-2 whatever it says.

    Raises:
        InputError: in a call, for rows that are no scored pairs, or an encoder that no cross-encoder begins as.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.training.lists import sides

        said = teacher_of_pairs(data, encoder, objective(), replace(train, seed=seed)).score(*sides(data))
        return replace(data, columns={**data.columns, "teacher": torch.from_numpy(said)})

    return prepare


def teacher_of_pairs(data: Data, encoder: nn.Module, objective: Objective, train: TrainConfig) -> CrossEncoder:
    """The cross-encoder of `read_by_teacher`.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.objectives import PointRegression
        >>> from counterpoint.training import TrainConfig
        >>> data = rows_of([Example("a fox", ("the red fox",), score=1.0), Example("ants", ("a fox",), score=0.0)])
        >>> table = StaticEncoder.from_corpus(["a red fox", "an ant"], dim=8, prompts={})
        >>> teacher = teacher_of_pairs(data, table, PointRegression(), TrainConfig(epochs=20, batch_size=2))
        >>> right, wrong = teacher.score(["a fox", "ants"], ["the red fox", "a fox"])
        >>> bool(right > wrong)
        True
    """
    from counterpoint.encoders import StaticEncoder, TransformerEncoder
    from counterpoint.encoders.crossing import KernelCrossEncoder
    from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder
    from counterpoint.training import CrossPairs
    from counterpoint.training import train as trained

    cross: CrossEncoder
    if isinstance(encoder, TransformerEncoder):
        cross = TransformerCrossEncoder.of(encoder, seed=train.seed)
    elif isinstance(encoder, StaticEncoder):
        cross, train = KernelCrossEncoder(encoder), replace(train, learning_rate=_KERNELS, weight_decay=0.0)
    else:
        raise InputError("no cross-encoder begins as this encoder", fix="give a transformer or a table")
    trained(cross, CrossPairs(data, cross), objective, replace(train, validations=1))
    return cross.eval()


def consistent_pairs(judge: Stage, k: int = 2, *, pool: int = 1_000_000) -> Prepare:
    """`consistent` as a step, by a copy of the encoder that was trained on all pairs before.

    Args:
        judge: How the copy is trained.
        k: The worst rank that is kept.
        pool: At most so many documents, drawn from all positives.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.methods.stage import train_stage

        copied = copy.deepcopy(encoder)
        train_stage(judge, data, copied, seed)
        return consistent(data, copied, k, pool=pool, seed=seed)

    return prepare
