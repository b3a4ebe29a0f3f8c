"""PNDA: a turned copy is a positive where turning changes nothing, and a negative where it does."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.images import Images
from counterpoint.data.items import Data, Items
from counterpoint.methods import Prepare, Recipe, Takes
from counterpoint.objectives import SupCon
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, Parts, as_rows, encoder, halves, pixels_of, run_on
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system

AGNOSTIC = 0.4


def turned(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Each picture with itself as a positive, and with its three quarter turns.

    They are positives, too, where the column `agnostic` is 1, and else negatives of everybody.
    """
    del encoder, seed
    pixels, n = pixels_of(data), len(data)
    every = torch.cat([torch.rot90(pixels, quarter, (2, 3)) for quarter in range(4)])
    own, turns = torch.arange(n)[:, None], torch.arange(n, 4 * n).view(3, n).T
    agnostic = data.columns["agnostic"].bool()[:, None]
    return Data(
        Items("image", pixels),
        own[:, 0],
        Items("image", every),
        torch.cat([own, torch.where(agnostic, turns, -1)], 1),
        torch.where(agnostic, -1, turns),
        source=data.source,
    )


def always(agnostic: bool) -> Prepare:
    """What is known of the pictures in place of their own column."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        return replace(data, columns={**data.columns, "agnostic": torch.full((len(data),), int(agnostic))})

    return prepare


def rotation_entropy(images: Images, seed: int, steps: int = 150) -> Float[Tensor, " n"]:
    """How unsure a small network is which of four quarter turns it sees, the mean over turns, in units of log 4."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(encoder(as_rows(images), seed), nn.Linear(64, 4))
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(steps):
            drawn, turn = torch.randint(len(images), (128,)), torch.randint(4, (128,))
            turned = torch.stack(
                [torch.rot90(images.pixels[r], int(t), (1, 2)) for r, t in zip(drawn, turn, strict=True)]
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


def _turned(name: str, *first: Prepare) -> Recipe:
    relation = Relation(same("sample"))
    return plain().varied(
        name,
        takes=Takes("image", columns=() if first else ("agnostic",)),
        objective=lambda: SupCon(0.5, layout="one-way", relation=relation),
        prepare=(*first, turned),
    )


def always_positive() -> Recipe:
    """Turns as positives of every image."""
    return _turned("turns are positives", always(True))


def always_negative() -> Recipe:
    """Turns as negatives of every image."""
    return _turned("turns are negatives", always(False))


def no_turns() -> Recipe:
    """The same loss without turns."""
    relation = Relation(same("sample"))
    return plain().varied("no turns", objective=lambda: SupCon(0.5, layout="one-way", relation=relation))


@system(
    "PNDA",
    title="Rethinking Rotation in Self-Supervised Contrastive Learning: Adaptive Positive or Negative Data "
    "Augmentation",
    year=2022,
    family="core",
    mechanism="tests/systems/test_pnda.py::test_soft_targets_and_further_negatives_of_a_naive_loop",
    run=run_on(adaptive),
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
    f"turn (entropy above {AGNOSTIC} of log 4). All have as many steps; turns cost three more encodings of an image, "
    "each has a random view of its own.",
)
def pnda() -> Recipe:
    """Miyai et al. 2023 on SimCLR: the four positives of an agnostic image have equal targets, 1/4 each."""
    return _turned("PNDA")
