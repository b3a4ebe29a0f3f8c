"""PNDA: a turned copy is a positive where turning changes nothing, and a negative where it does."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.config import Config
from counterpoint.data.images import Images
from counterpoint.objectives import SupCon
from counterpoint.points import Points
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, Parts, encoder, halves, run_recipe
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system
from counterpoint.training import Payload
from counterpoint.training.payload import Arguments
from counterpoint.views import ImageBatches

AGNOSTIC = 0.4


class TurnedBatches(ImageBatches):
    """Queries are first views; keys are second views and three quarter turns of them.

    A turn of an image whose column `agnostic` is 1 is a view of it like any other; else it matches nobody.
    """

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Five pictures of each image."""
        payload, n = super().payload(rows, among), len(rows)
        first, second = payload.inputs.split(n)
        turned = torch.cat([torch.rot90(second, quarter, (2, 3)) for quarter in (1, 2, 3)])
        agnostic = self._images.columns["agnostic"][rows].repeat(3).bool()

        def arguments(z: Float[Tensor, "n d"]) -> Arguments:
            turns = torch.where(agnostic.to(z.device), rows.repeat(3).to(z.device), -1)
            sample = torch.cat([rows.to(z.device), turns])
            return {"queries": Points(z[:n], sample=rows), "keys": Points(z[n:], sample=sample)}

        inputs = torch.cat([first, second, turned])
        return replace(payload, inputs=inputs, cost=torch.ones(len(inputs), dtype=torch.long), arguments=arguments)


def rotation_entropy(images: Images, seed: int, steps: int = 150) -> Float[Tensor, " n"]:
    """How unsure a small network is which of four quarter turns it sees, the mean over turns, in units of log 4."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(encoder(images, seed), nn.Linear(64, 4))
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(steps):
            rows, turn = torch.randint(len(images), (128,)), torch.randint(4, (128,))
            turned = torch.stack(
                [torch.rot90(images.pixels[r], int(t), (1, 2)) for r, t in zip(rows, turn, strict=True)]
            )
            loss = F.cross_entropy(model(turned), turn)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        p = [torch.softmax(model(torch.rot90(images.pixels, quarter, (2, 3))), 1) for quarter in range(4)]
    entropy = torch.stack([-(q * q.clamp_min(1e-12).log()).sum(1) for q in p]).mean(0)
    return entropy / math.log(4)


def _with(train: Images, agnostic: Tensor) -> Images:
    return replace(train, columns={"agnostic": agnostic.long()})


@cache
def adaptive(seed: int) -> Parts:
    """Digits, and which of them look alike however they are turned."""
    train, test = halves(seed)
    return _with(train, rotation_entropy(train, seed) > AGNOSTIC), test


def _turned(name: str) -> Config:
    relation = Relation(same("sample"))
    return replace(
        plain(),
        name=name,
        objective=lambda: SupCon(0.5, layout="one-way", relation=relation),
        views=2,
        batches=TurnedBatches,
    )


class _All(TurnedBatches):
    """Every turn is a positive."""

    def __init__(self, images: Images, *options: object) -> None:
        super().__init__(_with(images, torch.ones(len(images))), *options)  # type: ignore[arg-type]


class _None(TurnedBatches):
    """No turn is."""

    def __init__(self, images: Images, *options: object) -> None:
        super().__init__(_with(images, torch.zeros(len(images))), *options)  # type: ignore[arg-type]


def always_positive() -> Config:
    """Turns as positives of every image."""
    return replace(_turned("turns are positives"), batches=_All)


def always_negative() -> Config:
    """Turns as negatives of every image."""
    return replace(_turned("turns are negatives"), batches=_None)


def no_turns() -> Config:
    """The same loss without turns."""
    relation = Relation(same("sample"))
    return replace(plain(), name="no turns", objective=lambda: SupCon(0.5, layout="one-way", relation=relation))


@system(
    "PNDA",
    title="Rethinking Rotation in Self-Supervised Contrastive Learning: Adaptive Positive or Negative Data "
    "Augmentation",
    year=2022,
    family="core",
    mechanism="tests/systems/test_pnda.py::test_soft_targets_and_further_negatives_of_a_naive_loop",
    run=run_recipe(data=adaptive),
    claims=(
        Claim("Deciding for each image is better than turns as positives", "probe accuracy", "all turns are positives"),
        Claim("It is better than turns as negatives", "probe accuracy", "all turns are negatives"),
        Claim("It is better than no turns", "probe accuracy", "no turns"),
    ),
    measure=claims(
        (probe_accuracy, lambda: pnda(), always_positive),
        (probe_accuracy, lambda: pnda(), always_negative),
        (probe_accuracy, lambda: pnda(), no_turns),
        data=adaptive,
    ),
    setup=SETUP + " An image is rotation-agnostic if a small network, trained for 150 steps, is unsure of its quarter "
    f"turn (entropy above {AGNOSTIC} of log 4). All have as many steps; turns cost three more encodings of an image.",
)
def pnda() -> Config:
    """Miyai et al. 2023 on SimCLR: the four positives of an agnostic image have equal targets, 1/4 each."""
    return _turned("PNDA")
