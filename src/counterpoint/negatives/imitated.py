"""What a teacher that reads two texts together says of lists, for a student to imitate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.crossing import KernelCrossEncoder
from counterpoint.errors import InputError
from counterpoint.negatives.mining import mine_bm25, with_negatives

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

_BATCH = 1024


def hard_and_easy(hard: int, easy: int) -> Prepare:
    """A step: rows get BM25's first negatives, and after them documents that are drawn at random.

    Args:
        hard: How many a row.
        easy: Likewise; none is an answer of its row.

    Raises:
        InputError: in a call, data without others.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        mined = mine_bm25(data, hard)
        assert mined.others is not None
        assert mined.positives is not None
        drawn = np.random.default_rng(seed).integers(len(mined.others), size=(len(data), easy))
        right = (drawn[..., None] == mined.positives.numpy()[:, None]).any(-1)
        return with_negatives(mined, [np.where(right, -1, drawn)])

    return prepare


def taught_to_imitate(alike: int, *, steps: int = 200) -> Prepare:
    """A step: a small cross-encoder learns from rows' lists, and what it says of them becomes columns.

    Columns: `listed`, as of `counterpoint.negatives.prepare.taught`; `teacher`, how likely it takes each for an answer,
    from 0 to 1: the logistic function of its score that fits positives and negatives best (Platt 1999, "Probabilistic
    Outputs for Support Vector Machines"); `alike` `(n, f, f)`, the cosines of what its score is made of
    (`KernelCrossEncoder.features`), of the first `f` of a list. NaN where a list is shorter.

    Args:
        alike: `f`.
        steps: Of its training (`counterpoint.training.lists.cross_encoder`).

    Raises:
        InputError: Fewer than two; in a call, rows without mined negatives.
    """
    if alike < 2:
        raise InputError(f"{alike} documents are compared", fix="give 2 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.training.lists import cross_encoder, with_teacher

        del encoder
        model = cross_encoder(data, seed, steps=steps)
        told = with_teacher(data, model.score)
        said = told.columns["teacher"]
        found = {"teacher": _likely(said), "alike": _alike(model, data, alike)}
        return replace(told, columns={**told.columns, **found})

    return prepare


def _likely(said: Float[Tensor, "n s"]) -> Float[Tensor, "n s"]:
    from sklearn.linear_model import LogisticRegression

    there, right = ~said.isnan(), torch.zeros_like(said, dtype=torch.bool)
    right[:, 0] = True
    fitted = LogisticRegression().fit(said[there][:, None].numpy(), right[there].numpy())
    likely = said.clone()
    likely[there] = torch.from_numpy(fitted.predict_proba(said[there][:, None].numpy())[:, 1]).to(said)
    return likely


def _alike(model: KernelCrossEncoder, data: Data, number: int) -> Float[Tensor, "n f f"]:
    from counterpoint.training.lists import lists, whole

    listed = lists(data)[:, :number]
    assert data.others is not None
    there, (anchors, others) = listed >= 0, (whole(data.anchors), whole(data.others))
    queries = [anchors[i] for i in data.anchor[:, None].expand_as(listed)[there].tolist()]
    documents = [others[i] for i in listed[there].tolist()]
    parts = []
    with torch.inference_mode():
        for start in range(0, len(queries), _BATCH):
            block = slice(start, start + _BATCH)
            parts.append(model.features(model.pairs(queries[block], documents[block])).float())
    features = torch.full((*listed.shape, parts[0].shape[1]), torch.nan)
    features[there] = F.normalize(torch.cat(parts).clone(), dim=1)
    return features @ features.transpose(1, 2)
