"""SimCLR: NT-Xent over 2N views behind a head with BatchNorm; two random views an image; probes see h, not g(h)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.testbeds import DIGITS, Trained, Untrained
from counterpoint.testbeds.figures import probe_accuracy, projection
from systems.through import same, step_of


def test_loss_is_nt_xent_of_a_naive_loop_over_2n_views():
    step = step_of("simclr")
    views = torch.cat(step.z())
    n, total = len(views) // 2, torch.zeros(())
    for i in range(2 * n):
        s = [F.cosine_similarity(views[i], views[k], dim=0) / 0.5 for k in range(2 * n)]
        others = torch.stack([s[k] for k in range(2 * n) if k != i])
        total = total - s[(i + n) % (2 * n)] + torch.logsumexp(others, 0)
    same(step, total / (2 * n))


def test_both_views_are_random_and_of_the_same_image():
    step = step_of("simclr")
    first, second = step.views()
    pixels = DIGITS.parts(0)[0].anchors.tensor[:8]
    for view in (first, second):
        assert view.shape == pixels.shape
        assert not torch.isclose(view, pixels).all(dim=(1, 2, 3)).any()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    (call,) = step.calls
    assert torch.equal(call["queries"].columns["sample"], call["keys"].columns["sample"])


def test_the_head_has_one_hidden_layer_and_batch_norm_that_does_not_shift_at_the_end():
    step = step_of("simclr")
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert not step.network[1][-1].bias.requires_grad
    assert step.network[1][1].bias.requires_grad


def test_probe_is_on_the_representation_and_not_on_the_projection():
    made = Untrained().made(DIGITS, DIGITS.parts(1), 1)
    h = probe_accuracy().of(made)
    made.head.register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    assert probe_accuracy(of=projection).of(made) < 0.2 < h
    assert probe_accuracy().of(made) == h


def test_no_head_trains_the_representation_itself():
    from counterpoint.systems.core.simclr import no_head

    assert step_of(no_head(), DIGITS.parts(0)[0]).layers() == ["Identity"]
    assert Trained(no_head).key.endswith("simclr.no_head()")
