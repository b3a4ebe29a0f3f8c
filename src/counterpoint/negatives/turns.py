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
_RATE = 2e-3


def turn_entropy(
    data: Data, encoder: nn.Module, seed: int, *, passes: int = 30, batch: int = 128
) -> Float[Tensor, " n"]:
    """How unsure a network is which quarter turn it sees of each picture: the entropy, its mean over the four turns.

    A copy of the encoder with a linear layer is trained by cross-entropy. Source: Miyai et al. 2023, "Rethinking
    Rotation in Self-Supervised Contrastive Learning: Adaptive Positive or Negative Data Augmentation", section 3.1, and
    the authors' code, whose first step it is. Their second, which drives entropies away from `log(4) / 2`, is left out:
    where the first left few pictures certain, they get fewer and fewer, and it ends with none.

    Args:
        data: Pictures.
        encoder: What is copied.
        seed: Of the draws.
        passes: Over the pictures.
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
        for _ in range(passes):
            for rows in torch.randperm(len(data)).split(batch):
                turn = torch.randint(4, (len(rows),)).to(device)
                with torch.autocast(device.type, torch.bfloat16):
                    logits = model(quarter_turns(seen(rows), turn)).float()
                optimizer.zero_grad()
                F.cross_entropy(logits, turn).backward()
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
