"""cMIM: decoding, densities and contrast by hand; the mean over negatives; the decoder's hidden layer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders.image import Perceptron
from counterpoint.geometry import Parts
from counterpoint.heads import Gaussian
from counterpoint.objectives import AutoEncoding, InfoNCE, averaged
from counterpoint.points import Points
from counterpoint.systems.core import cmim
from counterpoint.testbeds import Made, Trained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.marked import CODED_DIGITS
from systems.through import same, step_of


def density(x, mean, variance):
    return torch.exp(-((x - mean) ** 2) / (2 * variance)) / torch.sqrt(2 * math.pi * variance)


def parts_of(step):
    """Sample, mean and log-variance of each picture with a gradient, and the noise of the step that was taken."""
    drawn, mean, spread = step.calls[0]["queries"].z.detach().unbind(1)
    noise = (drawn - mean) / (spread / 2).exp()
    mean, spread = step.network[1].layer(step.network[0](step.payload.inputs)).chunk(2, 1)
    return mean + (spread / 2).exp() * noise, mean, spread


def machine_loss(step):
    """MIM's loss of each picture."""
    decoder = next(m for m in step.objective.modules() if isinstance(m, AutoEncoding)).decoder
    (x,) = {id(c): c["queries"].columns["pixels"] for c in step.calls}.values()
    out = []
    for z, m, v, pixels in zip(*parts_of(step), x, strict=True):
        p = torch.sigmoid(decoder(z))
        total = -(pixels * p.log() + (1 - pixels) * (1 - p).log()).sum()
        for d in range(len(z)):
            posterior, prior = density(z[d], m[d], v[d].exp()), density(z[d], torch.zeros(()), torch.ones(()))
            total = total - (posterior.log() + prior.log()) / 2
        out.append(total)
    return out


def contrast_loss(step, mean=True, group=None):
    """The contrast of each sampled code with the mean codes."""
    z, m, _ = parts_of(step)
    out = []
    for i in range(len(z)):
        s = [torch.exp(F.cosine_similarity(z[i], m[j], 0) / 0.1) for j in range(len(z))]
        others = [s[j] for j in range(len(z)) if j != i and (group is None or group[j] == group[i])]
        out.append(-torch.log(s[i] / (s[i] + sum(others) / (max(len(others), 1) if mean else 1))))
    return out


def mean_of(terms):
    return torch.stack(terms).mean()


def test_loss_is_the_naive_sum_of_decoding_densities_and_contrast():
    step = step_of("cmim")
    same(step, mean_of(machine_loss(step)) + mean_of(contrast_loss(step)))


def test_one_view_as_it_is_and_codes_of_sixteen():
    step = step_of("cmim")
    pixels = CODED_DIGITS.parts(0)[0].anchors.tensor[:8]
    assert sorted(step.payload.inputs.flatten(1).sum(1).tolist()) == pytest.approx(
        sorted(pixels.flatten(1).sum(1).tolist())
    )
    assert step.calls[0]["queries"].z.shape == (8, 3, 16)
    assert step.calls[0]["keys"] is step.calls[0]["queries"]
    assert step.calls[0]["queries"].columns["pixels"].shape == (8, 14 * 14)


@pytest.mark.parametrize("make", [cmim.mim, cmim.sums_of_all, cmim.few_negatives, cmim.sums_of_few])
def test_arms_differ_in_the_contrast_alone(make):
    step = step_of(make(), CODED_DIGITS.parts(0)[0], n=24)
    wanted, group = mean_of(machine_loss(step)), step.calls[0]["queries"].columns["lot"]
    assert len(group.unique()) < len(group)
    if make is not cmim.mim:
        few = group if make in (cmim.few_negatives, cmim.sums_of_few) else None
        wanted = wanted + mean_of(contrast_loss(step, mean=make is cmim.few_negatives, group=few))
    same(step, wanted)


def test_infonce_has_two_views_and_codes_as_wide():
    step = step_of(cmim.infonce(), CODED_DIGITS.parts(0)[0])
    z, total = torch.cat(step.z()), 0.0
    assert z.shape == (16, 16)
    for i in range(16):
        s = torch.stack([F.cosine_similarity(z[i], z[k], dim=0) / 0.1 for k in range(16) if k != i])
        total = total + torch.logsumexp(s, 0) - F.cosine_similarity(z[i], z[(i + 8) % 16], dim=0) / 0.1
    same(step, total / 16)


def test_copies_of_the_negatives_change_nothing():
    g = torch.Generator().manual_seed(0)
    q, own, others = (torch.randn(n, 4, generator=g) for n in (3, 3, 9))
    plain, mean = InfoNCE(0.5), InfoNCE(0.5, reweight=averaged())
    owned = [torch.cat([own[:, None], others.view(3, 3, 4).repeat(1, times, 1)], 1) for times in (1, 4)]
    positive = [torch.tensor([[1.0] + [0.0] * (o.shape[1] - 1)] * 3) for o in owned]
    calls = [{"queries": q, "owned": Points(o, positive=p)} for o, p in zip(owned, positive, strict=True)]
    assert mean(**calls[0]).item() == pytest.approx(mean(**calls[1]).item(), rel=1e-5)
    assert plain(**calls[1]).item() > plain(**calls[0]).item() + 0.1


def test_the_sample_is_drawn_from_what_the_head_says():
    torch.manual_seed(0)
    head = Gaussian(3, 2, least=-1.0)
    z = head(torch.randn(1, 3).expand(20_000, 3)).detach()
    sample, mean, log_variance = z.unbind(1)
    assert float((mean - mean[0]).abs().max()) == 0
    torch.testing.assert_close(sample.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(sample.var(0), log_variance[0].exp(), atol=0, rtol=0.05)
    nn.init.constant_(head.layer.bias, -100.0)
    assert float(head(torch.zeros(1, 3)).detach()[:, 2].min()) == -1.0


def test_parts_compare_one_vector_with_another():
    z, k = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    parts = Parts(1, 0)
    found = parts.shared(parts.prepare(z), parts.prepare(k), 2.0)
    torch.testing.assert_close(found, 2 * F.cosine_similarity(z[:, None, 1], k[None, :, 0], 2))
    owned = parts.owned(parts.prepare(z), parts.prepare(k).expand(3, 5, 2, 4), 2.0)
    torch.testing.assert_close(owned, found)


def test_informative_embeddings_are_the_hidden_layer_before_the_output():
    torch.manual_seed(0)
    parts = CODED_DIGITS.parts(0)
    few = (parts[0][torch.arange(40)], parts[1][torch.arange(7)])
    objective, head = cmim.contrasted(), Gaussian(64, cmim.CODE).eval()
    made = Made("x", Perceptron(64), few, 0, head, objective=objective)
    code, found = cmim.code(made, few[1]), cmim.hidden(made, few[1])
    assert code.shape == (7, 16)
    assert found.shape == (7, 256)
    assert (found >= 0).all()
    h = made.encoder(few[1].anchors.tensor[few[1].anchor])
    assert np.allclose(code, head.layer(h)[:, :16].detach().numpy(), atol=1e-6)
    decoder = objective.objectives[0].decoder
    wanted = decoder(torch.from_numpy(code)).detach().numpy()
    last = decoder[-1]
    assert np.allclose(found @ last.weight.detach().numpy().T + last.bias.detach().numpy(), wanted, atol=1e-5)
    # where there is no code, it is the representation
    plain = Made("x", made.encoder, few, 0)
    assert np.array_equal(cmim.code(plain, few[1]), made.encoder.encode_items(few[1].anchors[few[1].anchor]))


def test_the_check_compares_each_contrast_with_itself(monkeypatch):
    accuracy = {"cMIM": 0.8, "cMIM, few negatives": 0.7, "MIM and InfoNCE": 0.9, "MIM and InfoNCE, few negatives": 0.5}

    def made(arm, bed, parts, seed):
        assert (bed, parts, seed) == (cmim.CODED, "parts", 3)
        return arm.make().name

    monkeypatch.setattr(Trained, "made", made)
    monkeypatch.setitem(cmim.CODED.__dict__, "parts", lambda seed: "parts")
    monkeypatch.setitem(probe_accuracy(of=cmim.code).__dict__, "of", accuracy.__getitem__)
    assert cmim.batch_sensitivity(3) == pytest.approx({"system": 0.1, "baseline": 0.4})


def test_negatives_are_averaged_over_whole_rows_in_any_execution():
    step = step_of("cmim")
    contrast = step.objective.objectives[1]
    # a row's weights are of all its negatives, so that it cannot be put together of parts
    assert not contrast.summed
    torch.testing.assert_close(contrast(**step.calls[0], block=3), contrast(**step.calls[0]))
