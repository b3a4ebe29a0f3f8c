"""Heads on sequences: what is kept of `z_t` and `c_t`."""

from __future__ import annotations

import torch

from counterpoint.heads import MeanContext, Predictions


def test_the_mean_context_is_that_of_a_loop():
    states = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    for row, found in zip(states, MeanContext(3)(states), strict=True):
        torch.testing.assert_close(found, sum(step[3:] for step in row) / 5)


def test_predictions_are_matrices_of_the_context_and_the_step_stays():
    head, states = Predictions(3, 4, steps=2), torch.randn(2, 5, 7)
    found = head(states)
    assert torch.equal(found[:, :, 0], states[..., :3])
    matrices = head.ahead.weight.view(2, 3, 4)
    torch.testing.assert_close(found[1, 2, 2], matrices[1] @ states[1, 2, 3:])
