"""NCL: features that may not be negative become sparse and each stand for something."""

from __future__ import annotations

import numpy as np
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.heads import NonNegative, projection
from counterpoint.methods import Recipe
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, probe_accuracy, projected
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, system

_ON = 1e-5


def activity(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Share of features that are on."""
    return float((projected(model, head, parts[1]).abs() > _ON).float().mean())


def class_consistency(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Mean over features of the share of the main class, each image by how much it turns the feature on."""
    z, labels = projected(model, head, parts[1]).abs().numpy(), parts[1].labels.numpy()
    weight = z * (z > _ON)
    by_class = np.stack([weight[labels == label].sum(0) for label in np.unique(labels)])
    alive = by_class.sum(0) > 0
    return float((by_class.max(0)[alive] / by_class.sum(0)[alive]).mean())


@system(
    "NCL",
    title="Non-negative Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_ncl.py::test_spectral_loss_is_non_negative_matrix_factorisation",
    run=run_on_images,
    claims=(
        Claim(
            "Features that are not negative are sparser",
            "share of features that are on, of the projection on test images",
            "SimCLR",
            "lower",
        ),
        Claim("They are more consistent with classes", "class consistency of the projection's features", "SimCLR"),
        Claim("The representation is better", "probe accuracy", "SimCLR"),
    ),
    measure=claims(
        (activity, lambda: ncl(), simclr),
        (class_consistency, lambda: ncl(), simclr),
        (probe_accuracy, lambda: ncl(), simclr),
    ),
    setup=SETUP
    + " A feature is on where its absolute value is above 1e-5. Class consistency is the mean over features of the "
    "share of their main class among the images that turn the feature on (for SimCLR: by its absolute value).",
)
def ncl() -> Recipe:
    """Wang et al. 2024: SimCLR with the reparameterised ReLU on the projection (section 4.1, GELU's gradient)."""
    return simclr().varied(
        "NCL",
        head=lambda width: nn.Sequential(projection(width, hidden=(width,)), NonNegative(smooth=True)),
    )
