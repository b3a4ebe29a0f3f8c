"""SimSiam: predictions of one view against the other, stopped; no gradient reaches the target."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from systems.views_of_digits import calls_of


def test_loss_is_the_negative_cosine_with_stopped_targets():
    config, calls, arguments = calls_of("simsiam")
    torch.manual_seed(0)
    z = arguments["queries"].z, arguments["keys"].z
    assert [call["keys"].z.requires_grad for call in calls] == [False, False]
    p = [call["queries"].z for call in calls]
    assert not torch.allclose(p[0], z[0])
    wanted = -(F.cosine_similarity(p[0], z[1].detach()).mean() + F.cosine_similarity(p[1], z[0].detach()).mean()) / 2
    found = sum(config.objective()(**call) for call in calls) / 2
    assert found.item() == pytest.approx(2 + 2 * wanted.item(), rel=1e-5)


def test_predictor_has_a_bottleneck_and_the_head_three_layers():
    config, _, _ = calls_of("simsiam")
    widths = [m.out_features for m in config.procedure(64).modules() if isinstance(m, torch.nn.Linear)]
    assert widths == [16, 64]
    assert sum(isinstance(m, torch.nn.Linear) for m in config.head(64).modules()) == 3
