"""Steps before a stage of training: hard negatives are mined, pairs that are none are left out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from counterpoint.data.items import Data
from counterpoint.negatives.consistency import consistent
from counterpoint.negatives.mining import mine, mine_bm25
from counterpoint.negatives.rankers import by_encoder
from counterpoint.negatives.rules import Draw, Rule

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
