"""Steps before a stage of training: hard negatives are mined, pairs that are none are left out."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
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
        steps: Of its training (`counterpoint.encoders.crossing.cross_encoder`).
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.encoders.crossing import cross_encoder, lists

        del encoder
        teacher, listed = cross_encoder(data, seed, steps=steps), lists(data)
        assert data.others is not None
        there = listed >= 0
        queries = [data.anchors.texts[i] for i in data.anchor[:, None].expand_as(listed)[there].tolist()]
        documents = [data.others.texts[i] for i in listed[there].tolist()]
        scores = torch.full(listed.shape, torch.nan)
        scores[there] = torch.from_numpy(teacher.score(queries, documents))
        hashes = data.others.hashes()[listed.clamp_min(0)]
        return replace(data, columns={**data.columns, "listed": hashes, "teacher": scores})

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
