"""DebCSE: after SimCSE each sentence against a positive and a hard negative that were drawn for it."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.rows import rows_of
from counterpoint.negatives import against_propensity
from counterpoint.systems import get
from counterpoint.systems.sentences import debcse, simcse
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, steady_bert, step_of_texts

MORE = [
    replace(e, anchor=f"{e.anchor} {('in the dark', 'near', 'for a very long time')[i % 3]}")
    for i, e in enumerate(ALONE)
]


def second(method="debcse"):
    """A step of the second stage alone, from where the encoder begins."""
    recipe = get(method).method() if isinstance(method, str) else method
    return step_of_texts(replace(recipe, stages=recipe.stages[1:]), MORE, make=steady_bert, n=12)


def pairs(**options):
    """What is drawn by the encoder as it begins, text by text."""
    data = rows_of(MORE)
    encoder = get("debcse").method().adapt(steady_bert(data))
    drawn = against_propensity(debcse.NEAR, debcse.TEMPERATURE, **options)(data, encoder, 0)
    return drawn.positives[:, 0], drawn.negatives[:, 0]


def naive(step, positive, negative):
    """A loop over each sentence; what is another's positive and reads like its own is no negative."""
    network = step.network
    tokens = network[0].tokenize([e.anchor for e in MORE])
    z = network(tokens)
    total = torch.zeros(())
    keys = [*positive.tolist(), *negative.tolist()]
    for i, own in enumerate(positive.tolist()):
        past = z[[j for j in keys if j not in (-1, i, own)]]
        total = total + contrast(z[i][None], z[own][None], past)
    return total / 12


def test_loss_is_that_of_a_naive_loop_over_what_was_drawn():
    step = second()
    positive, negative = pairs()
    assert (positive != torch.arange(12)).all()
    assert (negative >= 0).any()
    same(step, naive(step, positive, negative), rtol=1e-3)


def test_arms_leave_out_what_they_say():
    step = second(debcse.by_meaning())
    other = pairs(surface=False)
    assert not torch.equal(torch.stack(other), torch.stack(pairs()))
    same(step, naive(step, *other), rtol=1e-3)
    plain = second(debcse.twice())
    same(plain, contrast(*plain.z()), rtol=1e-3)


def test_the_first_half_is_simcse_and_arms_have_keys_of_their_own():
    first, drawn = get("debcse").method().stages
    assert replace(drawn, prepare=()) == first
    assert (first.prepare, len(drawn.prepare), first.head) == ((), 1, simcse.mlp)
    assert (first.objective().temperature, first.train) == (0.05, simcse.simcse().stages[0].train)
    makes = (get("debcse").method, debcse.by_meaning, debcse.twice, get("simcse").method)
    assert len({Trained(make).key for make in makes}) == 4
