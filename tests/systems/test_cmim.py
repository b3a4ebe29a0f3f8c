"""cMIM: decoding, densities and contrast by hand; the mean over negatives; the decoder's hidden layer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.images import digits
from counterpoint.encoders.image import Perceptron
from counterpoint.geometry import Parts
from counterpoint.heads import Gaussian
from counterpoint.objectives import InfoNCE, averaged
from counterpoint.systems.core import cmim
from counterpoint.systems.core._digits import as_rows
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def density(x, mean, variance):
    return math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def test_loss_is_the_naive_sum_of_decoding_densities_and_contrast():
    torch.manual_seed(0)
    config, model = stage("cMIM"), Perceptron(64, hidden=(8,), dim=64)
    (prepare,), chosen = config.prepare, torch.tensor([3, 5, 8, 13])
    batches = RowBatches(prepare(as_rows(digits()), model, 0), model, view=config.view, views=config.views)
    payload = batches.payload(chosen)
    call = payload.arguments(config.head(64)(model(payload.inputs)))
    (arguments,) = config.procedure(64)([call], lambda model: {})
    objective = config.objective()
    z, x = arguments["queries"].z.detach().double(), digits().pixels[[3, 5, 8, 13]].flatten(1).double()
    decoder = objective.objectives[0].decoder
    total = 0.0
    for i in range(4):
        sample, mean, log_variance = z[i].tolist()
        p = torch.sigmoid(decoder(z[i, 0].float())).detach().double()
        total -= float((x[i] * p.log() + (1 - x[i]) * (1 - p).log()).sum())
        for s, m, v in zip(sample, mean, log_variance, strict=True):
            total -= (math.log(density(s, m, math.exp(v))) + math.log(density(s, 0, 1))) / 2
        scores = [math.exp(float(F.cosine_similarity(z[i, 0], z[j, 1], 0)) / 0.1) for j in range(4)]
        others = [scores[j] for j in range(4) if j != i]
        total -= math.log(scores[i] / (scores[i] + sum(others) / 3))
    assert objective(**arguments).item() == pytest.approx(total / 4, rel=1e-4)


def test_copies_of_the_negatives_change_nothing():
    g = torch.Generator().manual_seed(0)
    q, own, others = (torch.randn(n, 4, generator=g) for n in (3, 3, 9))
    plain, mean = InfoNCE(0.5), InfoNCE(0.5, reweight=averaged())
    owned = [torch.cat([own[:, None], others.view(3, 3, 4).repeat(1, times, 1)], 1) for times in (1, 4)]
    from counterpoint.points import Points

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
    images, model, head = digits()[torch.arange(7)], Perceptron(64), Gaussian(64, cmim.CODE)
    decoder = cmim.machine().decoder
    code = cmim.means(model, head)
    hidden = cmim.informative(code, decoder)(images)
    assert hidden.shape == (7, 256)
    assert (hidden >= 0).all()
    wanted = decoder(torch.from_numpy(code(images))).detach().numpy()
    last = decoder[-1]
    assert np.allclose(hidden @ last.weight.detach().numpy().T + last.bias.detach().numpy(), wanted, atol=1e-5)
