"""The auto-encoder's loss against densities written out, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import AutoEncoding, TopicELBO, WeightedErrors
from counterpoint.points import Points


def log_density(x, mean, variance):
    return -((x - mean) ** 2) / (2 * variance) - torch.log(2 * math.pi * variance) / 2


def naive(z, target, decoder):
    total = 0.0
    for (sample, mean, log_variance), x in zip(z, target, strict=True):
        p = 1 / (1 + torch.exp(-decoder(sample)))
        for pixel in range(len(x)):
            total = total - torch.log(p[pixel] if x[pixel] else 1 - p[pixel])
        for d in range(len(sample)):
            q = log_density(sample[d], mean[d], torch.exp(log_variance[d]))
            total = total - (q + log_density(sample[d], torch.zeros(()), torch.ones(()))) / 2
    return total / len(z)


def test_loss_and_gradients_are_those_of_the_densities():
    torch.manual_seed(0)
    decoder = nn.Linear(4, 6).double()
    z = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(5, 6) < 0.5).double()
    loss = AutoEncoding(decoder, "x")(Points(z, x=target, sample=torch.arange(5)))
    wanted = naive(z, target, decoder)
    torch.testing.assert_close(loss, wanted)
    leaves = [z, *decoder.parameters()]
    for a, b in zip(torch.autograd.grad(loss, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(a, b)


def test_keys_are_not_looked_at():
    decoder, sample = nn.Linear(4, 2), torch.arange(3)
    codes = Points(torch.randn(3, 3, 4), target=torch.ones(3, 2), sample=sample)
    others = Points(torch.randn(3, 3, 4), sample=sample)
    assert torch.equal(AutoEncoding(decoder)(codes, others), AutoEncoding(decoder)(codes))


def test_vectors_and_codes_without_what_is_decoded_are_refused():
    sample = torch.arange(2)
    with pytest.raises(InputError, match="no sample, mean and log-variance"):
        AutoEncoding(nn.Linear(4, 2))(Points(torch.eye(2, 4), target=torch.ones(2, 2), sample=sample))
    with pytest.raises(InputError, match="column 'pixels'"):
        AutoEncoding(nn.Linear(4, 2), "pixels")(Points(torch.zeros(2, 3, 4), sample=sample))


def test_a_topic_model_counts_each_word_and_has_a_prior():
    torch.manual_seed(0)
    decoder = nn.Linear(4, 6).double()
    z = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    words = torch.randint(3, (5, 6)).double()
    for variance in (None, 2.5):
        loss = TopicELBO(decoder, "x", variance)(Points(z, x=words, sample=torch.arange(5)))
        prior, wanted = torch.tensor(variance or 0.75, dtype=torch.float64), 0.0
        for (sample, mean, log_variance), counts in zip(z, words, strict=True):
            logits = decoder(torch.exp(sample) / torch.exp(sample).sum())
            for word, n in enumerate(counts):
                wanted = wanted - n * torch.log(torch.exp(logits[word]) / torch.exp(logits).sum()) / 5
            q = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
            wanted = (
                wanted + torch.distributions.kl_divergence(q, torch.distributions.Normal(0, prior.sqrt())).sum() / 5
            )
        torch.testing.assert_close(loss, wanted)
        leaves = [z, *decoder.parameters()]
        for a, b in zip(torch.autograd.grad(loss, leaves), torch.autograd.grad(wanted, leaves), strict=True):
            torch.testing.assert_close(a, b)
    with pytest.raises(InputError, match="column 'words'"):
        TopicELBO(decoder)(Points(z, sample=torch.arange(5)))


def test_errors_weigh_as_they_are_said_to():
    torch.manual_seed(0)
    first, second = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.rand(4, 3).double()
    weight[1] = 0
    sample = torch.arange(4)
    loss = WeightedErrors("w")(*(Points(z, w=weight, sample=sample) for z in (first, second)))
    wanted = 0.0
    for z in (first, second):
        for errors, weights in zip(z, weight, strict=True):
            if weights.any():
                wanted = wanted + sum(w * e for w, e in zip(weights, errors, strict=True)) / weights.sum() / 8
    torch.testing.assert_close(loss, wanted)
    for a, b in zip(*(torch.autograd.grad(x, [first, second]) for x in (loss, wanted)), strict=True):
        torch.testing.assert_close(a, b)
    alone = WeightedErrors("w")(Points(first, w=weight, sample=sample))
    torch.testing.assert_close(alone, ((weight * first).sum(1)[weight.any(1)] / weight.sum(1)[weight.any(1)]).sum() / 4)
    with pytest.raises(InputError, match="column 'weights'"):
        WeightedErrors()(Points(first, sample=sample))
    with pytest.raises(InputError, match="weights of shape"):
        WeightedErrors("w")(Points(first, w=weight[:, :2], sample=sample))
