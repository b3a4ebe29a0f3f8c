"""SetCSE: sentences of two sets repel each other, and nothing attracts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from counterpoint.objectives import InterSet
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.sentences import setcse
from encoders.test_adapting import llama
from systems.test_supcl_seq import LABEL, TEXTS, label_of
from systems.through import same
from systems.words import steady_bert, step_of_texts


def naive(z, label, temperature: float = 0.05) -> torch.Tensor:
    """Set by set, pair by pair with whatever is not in the set."""
    sets, total = sorted(set(label.tolist())), torch.zeros(())
    for each in sets:
        terms = [
            math.e ** (F.cosine_similarity(z[m], z[n], dim=0).double() / temperature)
            for m in range(len(z))
            for n in range(len(z))
            if label[m] == each and label[n] != each
        ]
        total = total + sum(terms).log() / len(sets)
    return total


def test_loss_is_that_of_a_naive_loop_over_pairs_of_two_sets():
    step = step_of_texts("setcse", TEXTS, make=steady_bert, n=8)
    label, _ = label_of(step, TEXTS)
    assert len(step.payload.views) == 1
    assert len(set(label.tolist())) == 3
    same(step, naive(step.network(step.payload.inputs), label), rtol=1e-3)


def test_nothing_attracts_within_a_set():
    # with all others far away, two of one set are left where they are
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0, 0, 1, -1])
    InterSet()(Points(z, label=label)).backward()
    # who is of no set is outside of all of them
    wanted = z.detach().clone().requires_grad_()
    naive_of_two = (
        torch.stack([F.cosine_similarity(wanted[m], wanted[n], dim=0) / 0.05 for m in (0, 1) for n in (2, 3)]),
        torch.stack([F.cosine_similarity(wanted[2], wanted[n], dim=0) / 0.05 for n in (0, 1, 3)]),
    )
    (sum(side.logsumexp(0) for side in naive_of_two) / 2).backward()
    torch.testing.assert_close(z.grad, wanted.grad)
    together = torch.zeros_like(z).index_copy(0, torch.tensor([0, 1]), z.detach()[:1].expand(2, 3))
    assert InterSet()(Points(together[:2], label=label[:2])).item() == 0


def test_a_set_counts_once_however_large_it_is():
    z, label = torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 0, 0, 0, 0, 1, 2])
    torch.testing.assert_close(InterSet()(Points(z, label=label)), naive(z, label).float())


def test_the_encoder_keeps_its_pooling_and_gets_dropout():
    method = get("setcse").method()
    assert method.stages[0].head is None
    encoder = method.adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS.anchors.texts)
    assert encoder.pooling == "mean"
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_with_the_mechanism_off_sets_are_of_others():
    step = step_of_texts(setcse.shuffled_sets(), TEXTS, make=steady_bert, n=12)
    seen = step.calls[0]["queries"].columns["label"]
    _, places = label_of(step, TEXTS)
    assert sorted(seen.tolist()) == sorted(LABEL.tolist())
    assert not torch.equal(seen, LABEL[places])
    same(step, naive(step.network(step.payload.inputs), seen), rtol=1e-3)
