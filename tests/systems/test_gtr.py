"""GTR: both directions in full, a tower under a linear layer without bias, weak pairs and then judged ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.retrieval import gtr
from systems.through import same
from systems.words import PAIRS, steady_bert, step_of_texts


def vectors(step):
    """The mean of a text's states through the layer, to length one: questions, their documents, mined documents."""
    encoder, inputs = step.network[0], step.payload.inputs
    (layer,) = encoder.heads
    offsets, z = inputs["offsets"].tolist(), []
    for a, b in pairwise(offsets):
        states = encoder.model(input_ids=inputs["input_ids"][a:b][None]).last_hidden_state[0]
        z.append(F.normalize(layer.linear.weight @ states.mean(0), dim=0))
    n = len(step.calls[0]["queries"])
    return z[:n], z[n : 2 * n], z[2 * n :]


def naive(step, *, back: float = 1.0, mined_ask: bool = False):
    """The cross-entropy of each question among all documents and of each own document among all questions, summed."""
    q, d, mined = vectors(step)
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    n, total = len(q), torch.zeros(())
    for i in range(n):
        # but for what was mined for another question and is this one's answer
        keys = [key for j, key in enumerate((*d, *mined)) if j != i and shown[j] != partner[i]]
        forth = torch.stack([q[i] @ key for key in (d[i], *keys)]) / 0.01
        total = total + (torch.logsumexp(forth, 0) - forth[0]) / n
        others = torch.stack([d[i] @ key for key in (*q, *(mined if mined_ask else ()))]) / 0.01
        total = total + back * (torch.logsumexp(others, 0) - others[i]) / n
    return total


def test_loss_is_that_of_a_naive_loop_both_ways_and_mined_documents_ask_nothing():
    # the last step is of the second stage
    step = step_of_texts("gtr", make=steady_bert, steps=2)
    assert len(vectors(step)[2]) == 8
    same(step, naive(step), rtol=1e-4)
    for wrong in ({"back": 0.0}, {"mined_ask": True}):
        with pytest.raises(AssertionError):
            same(step, naive(step, **wrong), rtol=1e-4)
    method = get("gtr").method()
    first = step_of_texts(replace(method, stages=method.stages[:1]), make=steady_bert, steps=2)
    assert not vectors(first)[2]
    same(first, naive(first), rtol=1e-4)


def of_kinds():
    """Twelve pairs, every third of them judged."""
    data = rows_of(PAIRS)
    return replace(data, columns={"judged": (torch.arange(len(data)) % 3 == 0).long()})


def test_weak_pairs_come_first_without_mined_documents_and_judged_ones_second():
    rows = of_kinds()
    weak, judged = (stage.prepare[0](rows, torch.nn.Identity(), 0) for stage in get("GTR").method().stages)
    assert weak.columns["judged"].tolist() == [0] * 8
    assert judged.columns["judged"].tolist() == [1] * 4
    both, options = gtr.in_stages(1, 1), {"n": 4, "steps": 3, "make": steady_bert}
    first = step_of_texts(both.varied("weak", stages=both.stages[:1]), rows, **options)
    assert vectors_of_mined(first) == 0
    assert vectors_of_mined(step_of_texts(both, rows, **options)) == 4
    # who does not say which are judged has each row in both
    for stage in get("GTR").method().stages:
        assert len(stage.prepare[0](rows_of(PAIRS), torch.nn.Identity(), 0)) == len(PAIRS)


def test_rows_of_one_kind_are_refused():
    rows = of_kinds()
    for kind, stage in enumerate(get("GTR").method().stages):
        with pytest.raises(InputError, match=f"no row has judged {kind}"):
            stage.prepare[0](rows[rows.columns["judged"] != kind], torch.nn.Identity(), 0)


def vectors_of_mined(step):
    (call,) = step.calls
    return len(call["keys"].z) - len(call["queries"].z)


def test_stages_are_as_long_as_theirs_and_of_one_length_where_it_is_measured():
    lengths = {make: [stage.train.steps for stage in make().stages] for make in (gtr.gtr, gtr.even)}
    assert lengths == {gtr.gtr: [800_000, 20_000], gtr.even: [20_000, 20_000]}
    settled = {make: gtr.ELSEWHERE.settled(make()).stages for make in (gtr.even, gtr.fine_tuned, gtr.pretrained)}
    steps = {make: sum(stage.train.steps for stage in stages) for make, stages in settled.items()}
    assert set(steps.values()) == {gtr.ELSEWHERE.steps}


def test_a_smaller_tower_has_a_vector_as_wide():
    data = rows_of(PAIRS)
    large, small = (make().settle(gtr.OF_TWO_KINDS.start(data, 0)) for make in (gtr.even, gtr.smaller))
    layers = [encoder.model.config.num_hidden_layers for encoder in (large, small)]
    widths = [encoder.encode(["a cat"]).shape[1] for encoder in (large, small)]
    assert layers == [2, 1]
    assert widths[0] == widths[1]
    assert [encoder.pooling for encoder in (large, small)] == ["mean", "mean"]
    assert all(encoder.heads[0].linear.bias is None for encoder in (large, small))
    with pytest.raises(InputError, match="layers"):
        gtr.tower(steady_bert(data), layers=9)
