"""Which pictures look alike however they are turned, as a step before training."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.inputs import take
from counterpoint.methods import Prepare
from counterpoint.views import quarter_turns

HALF, MARGIN = math.log(4) / 2, 0.2
"""Entropies below the first less the second are certain, above the sum uncertain."""
_WEIGHT, _RATE = 0.2, 2e-3


def turn_entropy(
    data: Data, encoder: nn.Module, seed: int, *, first: int = 30, then: int = 0, batch: int = 128
) -> Float[Tensor, " n"]:
    """How unsure a network is which quarter turn it sees of each picture: the entropy, its mean over the four turns.

    A copy of the encoder with a linear layer is trained in two steps. At first by cross-entropy on all pictures; then
    on those alone whose entropy is below `log(4) / 2 - 0.2`, while all others are driven away from `log(4) / 2`,
    `-|H - log(4) / 2|`, by a weight that grows to 0.2. Source: Miyai et al. 2023, "Rethinking Rotation in
    Self-Supervised Contrastive Learning: Adaptive Positive or Negative Data Augmentation", section 3.1, and the
    authors' code, which has 10 and 200 passes on CIFAR-100. The second step needs a first that left most pictures
    certain: where it did not, the certain ones get fewer and fewer, and it ends with none.

    Args:
        data: Pictures.
        encoder: What is copied.
        seed: Of the draws.
        first: Passes of the first step.
        then: Of the second; 0: there is none.
        batch: Pictures of a step, each in one turn.
    """
    pixels = data.anchors.tensor

    device = next(encoder.parameters()).device

    def seen(rows: Tensor) -> Tensor:
        found = take(pixels, data.anchor[rows])
        assert isinstance(found, Tensor)
        return found.to(device)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(copy.deepcopy(encoder), nn.Linear(int(encoder.dim), 4)).to(device)  # type: ignore[arg-type]
        optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE)
        for done in range(first + then):
            for rows in torch.randperm(len(data)).split(batch):
                turn = torch.randint(4, (len(rows),)).to(device)
                with torch.autocast(device.type, torch.bfloat16):
                    logits = model(quarter_turns(seen(rows), turn)).float()
                loss = F.cross_entropy(logits, turn, reduction="none")
                if done >= first:
                    entropy = _entropy(logits)
                    certain, away = entropy < HALF - MARGIN, (entropy - HALF).abs()
                    separation = -torch.where(away > MARGIN, away, 0.0).mean()
                    grown = _WEIGHT * (done - first + 1) / then
                    loss = (loss * certain).sum() / certain.sum().clamp_min(1) + grown * separation
                optimizer.zero_grad()
                loss.mean().backward()
                optimizer.step()
    model.eval()
    with torch.inference_mode():
        parts = [
            torch.stack([_entropy(model(quarter_turns(x, torch.full((len(x),), turn)))) for turn in range(4)]).mean(0)
            for x in (seen(rows) for rows in torch.arange(len(data)).split(512))
        ]
    return torch.cat(parts).cpu()


def looking_alike(column: str = "agnostic") -> Prepare:
    """A column that is 1 for pictures whose turns look alike, `turn_entropy` above `log(4) / 2 + 0.2`, and else 0."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        alike = turn_entropy(data, encoder, seed) > HALF + MARGIN
        return replace(data, columns={**data.columns, column: alike.long()})

    return prepare


def _entropy(logits: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    log_p = F.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1)
