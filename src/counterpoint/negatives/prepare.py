"""Steps before a stage of training: hard negatives are mined, pairs that are none are left out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from torch import nn

from counterpoint.data.items import Data
from counterpoint.negatives.consistency import consistent
from counterpoint.negatives.mining import mine_bm25

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare, Stage


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
