"""SCT: likenesses to past references of one view, taught to the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.systems import get
from counterpoint.systems.sentences import sct
from systems.through import same
from systems.words import PAIRS, TUPLES, contrast, steady_bert, step_of_texts


def divergence(student, reference, past) -> torch.Tensor:
    """KL of each projection's cosines from its own reference's, over the batch's references and the past ones."""
    keys = [*F.normalize(reference, dim=1), *past]
    total = torch.zeros(())
    for z, own in zip(student, reference, strict=True):
        wanted = torch.stack([F.cosine_similarity(own, k, dim=0) / sct.REFERENCE for k in keys]).softmax(0)
        said = torch.stack([F.cosine_similarity(z, k, dim=0) / sct.TEMPERATURE for k in keys]).log_softmax(0)
        total = total + (wanted * (wanted.log() - said)).sum() / len(student)
    return total


def test_loss_is_that_of_a_naive_loop_over_batch_and_queues():
    step = step_of_texts("sct", PAIRS, make=steady_bert, n=4, steps=3)
    (a, b), past = step.z(), step.procedure.past
    references = a[:, 1].detach(), b[:, 1].detach()
    # what the head was given is what the encoder says, and no gradient goes that way
    given = step.network[0](step.payload.inputs).detach()
    torch.testing.assert_close(torch.cat(references), given)
    both = divergence(b[:, 0], references[0], past[0]) + divergence(a[:, 0], references[1], past[1])
    same(step, both / 2, rtol=1e-3)
    own = step_of_texts(sct.itself(), PAIRS, make=steady_bert, n=4, steps=3)
    (a, b), past = own.z(), own.procedure.past
    both = divergence(a[:, 0], a[:, 1].detach(), past[0]) + divergence(b[:, 0], b[:, 1].detach(), past[1])
    same(own, both / 2, rtol=1e-3)
    plain = step_of_texts(sct.contrasted(), PAIRS, make=steady_bert, n=4)
    same(plain, contrast(*plain.z()), rtol=1e-3)
    behind = step_of_texts(sct.projected(), PAIRS, make=steady_bert, n=4)
    assert plain.layers() == ["Identity"]
    assert behind.layers() == ["Linear", "ReLU", "Linear"] * 3
    same(behind, contrast(*behind.z()), rtol=1e-3)
    batch = step_of_texts(sct.of_batch(), PAIRS, make=steady_bert, n=4, steps=2)
    assert batch.procedure.past.shape[1] == 0
    (a, b), none = batch.z(), ()
    both = divergence(b[:, 0], a[:, 1].detach(), none) + divergence(a[:, 0], b[:, 1].detach(), none)
    same(batch, both / 2, rtol=1e-3)


def test_contradictions_and_further_partners_are_left_out():
    several = [Example(e.anchor, (*e.positives, "another one"), e.negatives) for e in TUPLES]
    for method in ("sct", sct.contrasted(), sct.itself()):
        pairs, tuples, more = (step_of_texts(method, rows, make=steady_bert, n=4) for rows in (PAIRS, TUPLES, several))
        assert [len(step.payload.inputs["offsets"]) - 1 for step in (pairs, tuples, more)] == [8, 8, 8]


def test_queues_begin_at_random_and_hold_the_newest_references_of_their_view():
    one, two = (step_of_texts("sct", PAIRS[:4], make=steady_bert, n=4, steps=steps) for steps in (1, 2))
    queues = one.procedure.past
    assert queues.shape == (2, sct.QUEUE, 16)
    torch.testing.assert_close(queues.norm(dim=-1), torch.ones(2, sct.QUEUE))
    assert not torch.allclose(queues[0, :4], queues[1, :4])
    for view, z in enumerate(one.z()):
        torch.testing.assert_close(two.procedure.past[view, :4], F.normalize(z[:, 1].detach(), dim=1))
    torch.testing.assert_close(two.procedure.past[:, 4:], queues[:, :-4])


def test_the_projector_is_three_wide_perceptrons_that_are_dropped():
    method = get("sct").method()
    head = method.stages[0].head(8)
    layers = [layer.out_features for layer in head.modules() if isinstance(layer, nn.Linear)]
    assert layers == [80, 8] * 3
    assert (sct.TEMPERATURE, sct.REFERENCE) == (0.04, 0.03)
    assert method.adapt is None
