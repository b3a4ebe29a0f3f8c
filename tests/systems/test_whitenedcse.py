"""WhitenedCSE: three views, each whitened by itself, the first against the two others."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.heads import GroupWhitening
from counterpoint.systems import get
from counterpoint.systems.sentences import whitenedcse
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood {'very ' * i}near") for i, e in enumerate(ALONE * 2)]


def whitened_views(step):
    """Each view by itself through the head, its groups of dimensions as in the run."""
    encoder, head = step.network
    return [head(view) for view in encoder(step.payload.inputs).chunk(3)]


def test_loss_is_that_of_a_naive_loop_over_whitened_views(monkeypatch):
    # the groups are drawn by chance: here they are always the same
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.arange(n).view(-1, 2).T.flatten())
    step = step_of_texts("whitenedcse", LONG, make=steady_bert, n=24)
    assert step.layers() == ["GroupWhitening", "Linear", "Tanh"]
    assert step.network[1][0].size == 8
    first, second, third = whitened_views(step)
    assert len(step.calls) == 2
    same(step, (contrast(first, second) + contrast(first, third)) / 2, rtol=1e-3)


def test_groups_are_six_dimensions_where_six_divides_the_width():
    assert [whitenedcse.whitened(width)[0].size for width in (768, 576, 384, 128, 16)] == [6, 6, 6, 8, 8]


def test_views_differ_by_dropout_and_by_their_groups(monkeypatch):
    step = step_of_texts("whitenedcse", LONG, n=24, make=small_bert)
    assert len(step.payload.views) == 3
    assert step.network[0].pooling == "cls"
    given, groups, permuted = [], [], torch.randperm

    def drawn(n, **options):
        found = permuted(n, **options)
        groups.append(found)
        return found

    def forward(self, x):
        given.append(x.detach())
        with monkeypatch.context() as patch:
            patch.setattr(torch, "randperm", drawn)
            return whiten(self, x)

    whiten = GroupWhitening.forward
    monkeypatch.setattr(GroupWhitening, "forward", forward)
    step_of_texts(get("whitenedcse").method(), LONG, n=24, make=small_bert)
    assert [len(x) for x in given] == [24] * 3
    assert [len(order) for order in groups] == [given[0].shape[1]] * 3
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(given[i], given[j])
        assert not torch.equal(groups[i], groups[j])


def test_without_whitening_it_is_simcse_with_three_views():
    step = step_of_texts(whitenedcse.three_views(), LONG, make=steady_bert, n=24)
    first, second, third = step.network(step.payload.inputs).chunk(3)
    same(step, (contrast(first, second) + contrast(first, third)) / 2, rtol=1e-3)
    assert step.layers() == ["Linear", "Tanh"]
