"""SimCLR: two random views of an image attract, all others in the batch repel; a projection head takes the loss."""

from __future__ import annotations

from torch import nn

from counterpoint.data.images import digits
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._digits import (
    SETUP,
    accuracy,
    encoder,
    run_on_images,
    trained,
    training,
    untrained,
    view,
)
from counterpoint.systems.registry import Claim, Figures, Pair, system


def projector(width: int) -> nn.Module:
    """The authors' head: a hidden layer, BatchNorm after both layers, over both views; the last does not shift."""
    last = nn.BatchNorm1d(width)
    last.bias.requires_grad_(False)
    return projection(width, hidden=(width,), norm=nn.BatchNorm1d, last=lambda: last)


def plain() -> Recipe:
    """With the head of the paper's section 2.1, which has no BatchNorm, as most later code has it."""
    return simclr().varied("SimCLR", head=lambda width: projection(width, hidden=(width,)))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    model, head = trained(simclr(), parts[0], seed)
    bare, _ = trained(simclr().varied("no head", head=None), parts[0], seed)
    h, start = accuracy(model, parts), untrained(simclr(), parts, seed)
    ended = model.collapsed
    pairs: tuple[Pair, ...] = (
        (h, accuracy(bare, parts), ended or bare.collapsed),
        (h, accuracy(model, parts, head), ended),
        (h, start, ended),
    )
    return pairs, {}


@system(
    "SimCLR",
    title="A Simple Framework for Contrastive Learning of Visual Representations",
    year=2020,
    family="core",
    mechanism="tests/systems/test_simclr.py::test_loss_is_nt_xent_of_a_naive_loop_over_2n_views",
    run=run_on_images,
    claims=(
        Claim(
            "A nonlinear head between representation and loss improves the representation", "probe accuracy", "no head"
        ),
        Claim("The representation before the head is better than after it", "probe accuracy", "after the head"),
        Claim("Training without labels improves the representation", "probe accuracy", "the untrained encoder"),
    ),
    measure=_measure,
    setup=SETUP
    + " AdamW stands in for LARS, GroupNorm for the encoder's BatchNorm. The head is that of the authors' code: "
    "BatchNorm over both views together, after the hidden layer and after the last.",
)
def simclr() -> Recipe:
    """Chen et al. 2020: NT-Xent (equation 1) on a head with one hidden layer; temperature 0.5 (their CIFAR-10 runs)."""
    stage = Stage(lambda: InfoNCE(0.5, layout="views"), training(), head=projector, view=view())
    return Recipe("SimCLR", (stage,), Takes("image"), encoder)
