"""Two models on the same lists, each the other's guide."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import InversePropensity
from counterpoint.points import Points
from counterpoint.procedures import Coupled

LISTS = torch.linspace(-1, 1, 24).view(3, 2, 4)


class Scores(nn.Module):
    """Two scores of each document, with dropout in training."""

    def __init__(self, columns=2):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, columns), nn.Dropout(0.5))
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, x):
        return self.frozen(self.layers(x))


def call_of(model):
    scores = model(LISTS)
    positive = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    return {"queries": Points(torch.ones(3, scores.shape[-1])), "owned": Points(scores, positive=positive)}


def test_the_guide_is_what_the_other_says_without_dropout_and_without_gradient():
    model, coupled = Scores(), Coupled()
    coupled.start(model)
    assert not list(coupled.parameters())
    first, second = coupled([call_of(model)], call_of)
    with torch.no_grad():
        said = model.layers[0](LISTS)
    for call, own in ((first, 0), (second, 1)):
        assert call["queries"].z.shape == (3, 1)
        assert torch.equal(call["guide"].owned, said[..., 1 - own])
        assert not call["guide"].owned.requires_grad
        assert call["owned"].z.requires_grad
    # dropout is there again, and what had none has none
    assert model.layers[1].training
    assert model.training
    assert not model.frozen.training


def test_what_a_model_learns_comes_of_its_own_scores():
    model, coupled = Scores(), Coupled()
    model.eval()
    coupled.start(model)
    first, _ = coupled([call_of(model)], call_of)
    InversePropensity(2.0)(**first).backward()
    gradient = model.layers[0].weight.grad
    assert bool(gradient[0].abs().max() > 0)
    assert not gradient[1].any()


def test_one_model_and_an_unknown_one_are_refused():
    with pytest.raises(InputError, match="call start"):
        Coupled()([call_of(Scores())], call_of)
    coupled = Coupled()
    coupled.start(Scores(1))
    with pytest.raises(InputError, match="1 columns of scores"):
        coupled([call_of(Scores(1))], call_of)
