"""Phrase-BERT: Euclidean triplets with a margin of 5, of paraphrases and of contexts, mixed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.sentences import phrase_bert
from systems.through import same
from systems.words import TUPLES, small_bert, steady_bert, step_of_texts


def triplets() -> Data:
    data = rows_of(TUPLES)
    return replace(data, columns={"kind": torch.arange(len(data)) % 2})


def naive(z: torch.Tensor, n: int, margin: float) -> torch.Tensor:
    total = torch.zeros(())
    for i in range(n):
        a, p, other = z[i], z[n + i], z[2 * n + i]
        total = total + ((a - p).square().sum().sqrt() - (a - other).square().sum().sqrt() + margin).clamp_min(0) / n
    return total


def test_loss_is_that_of_a_naive_loop_over_triplets():
    step = step_of_texts("phrase-bert", triplets(), make=steady_bert, n=6)
    z = step.network(step.payload.inputs)
    assert len(z) == 18
    lengths = z.detach().norm(dim=1)
    assert lengths.max() - lengths.min() > 0.01
    same(step, naive(z, 6, 5.0), rtol=1e-3)


def test_a_triplet_that_is_apart_by_the_margin_is_learned():
    def far(data):
        encoder = steady_bert(data)
        with torch.no_grad():
            for part in encoder.model.modules():
                if isinstance(part, nn.LayerNorm):
                    part.weight.mul_(80)
        return encoder

    step = step_of_texts("phrase-bert", triplets(), make=far, n=8)
    z = step.network(step.payload.inputs).detach()
    gaps = [(z[i] - z[8 + i]).norm() - (z[i] - z[16 + i]).norm() + 5 for i in range(8)]
    assert min(gaps) < 0 < max(gaps)
    assert step.loss == pytest.approx(sum(max(float(g), 0.0) for g in gaps) / 8, rel=1e-3)


def test_vectors_keep_their_length_and_there_is_dropout():
    data = triplets()
    encoder = small_bert(data)
    encoder.normalize = True
    method = get("phrase-bert").method()
    assert method.adapt(encoder) is encoder
    assert not encoder.normalize
    assert encoder.pooling == "mean"
    encoder.train()
    inputs = encoder.tokenize(data.anchors.texts)
    assert not torch.equal(encoder(inputs), encoder(inputs))


@pytest.mark.parametrize(("make", "kind"), [(phrase_bert.paraphrases, 0), (phrase_bert.contexts, 1)])
def test_one_kind_alone(make, kind):
    (prepare,) = make().stages[0].prepare
    data = triplets()
    kept = prepare(data, nn.Identity(), 0)
    assert kept.columns["kind"].unique().tolist() == [kind]
    assert len(kept) == 6
    assert get("phrase-bert").method().stages[0].prepare == ()


def test_with_the_mechanism_off_negatives_are_those_of_other_rows():
    (prepare,) = phrase_bert.other_negatives().stages[0].prepare
    data = triplets()
    after = prepare(data, nn.Identity(), 0)
    assert (after.negatives != data.negatives).float().mean() > 0.8
    assert sorted(after.negatives[:, 0].tolist()) == sorted(data.negatives[:, 0].tolist())
    assert torch.equal(after.positives, data.positives)
