"""NCL: features that may not be negative become sparse and each stand for something."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.heads import NonNegative, projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import SupCon
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Figure, Made, Seen, Trained, Tuned
from counterpoint.testbeds import figures as of

TEMPERATURE = 0.2
_PART = 4
_ON = 1e-5


def wide(width: int) -> nn.Module:
    """The authors' kind of head: one hidden layer, no BatchNorm; more outputs than the encoder, as on ImageNet-100."""
    return projection(width, hidden=(4 * width,), out=2 * width)


def wide_non_negative(width: int) -> nn.Module:
    """The same, then the reparameterised ReLU."""
    return nn.Sequential(wide(width), NonNegative(smooth=True))


def ncl(temperature: float = TEMPERATURE) -> Recipe:
    """Wang et al. 2024: NT-Xent on a projection that is not negative (equation 4; section 4.1, GELU's gradient)."""
    return simclr(temperature).varied("NCL", head=wide_non_negative)


def signed(temperature: float = TEMPERATURE) -> Recipe:
    """SimCLR with the same head and temperature: features of either sign."""
    return simclr(temperature).varied("SimCLR", head=wide)


def labelled() -> Recipe:
    """What features could be: NCL that knows which pictures are of a class."""
    takes = Takes("image", schemas=("labelled",))
    return ncl().varied("NCL with labels", takes=takes, objective=lambda: SupCon(TEMPERATURE))


def _strengths(made: Made, data: Data) -> Float[Tensor, "n d"]:
    """How strongly each picture turns each feature on: the absolute values of the projection's unit vectors."""
    return F.normalize(torch.from_numpy(of.projection(made, data)), dim=1).abs()


def consistency(z: Float[Tensor, "n d"], label: Tensor) -> float:
    """Mean over features of the share that the main class has of the pictures for which the feature is on."""
    on = (z > _ON).float()
    counts = torch.stack([on[label == one].sum(0) for one in label.unique()])
    alive = counts.sum(0) > 0
    return float((counts.max(0).values[alive] / counts.sum(0)[alive]).mean())


def _consistent(made: Made) -> float:
    return consistency(_strengths(made, made.test), made.test.columns["label"])


def _consistent_above_zero(made: Made) -> float:
    z = torch.from_numpy(of.projection(made, made.test)).clamp_min(0)
    return consistency(F.normalize(z, dim=1), made.test.columns["label"])


def _active(made: Made) -> float:
    return float((_strengths(made, made.test) > _ON).float().mean())


def most_active(made: Made, data: Data) -> Float[np.ndarray, "n k"]:
    """The quarter of the projection's features that is strongest over the training part."""
    mean = _strengths(made, made.train).mean(0)
    chosen = mean.topk(max(1, len(mean) // _PART)).indices
    return of.projection(made, data)[:, chosen.numpy()]


ACTIVE = Figure("share of features that are on", _active, spread=True)

system(
    "NCL",
    title="Non-negative Contrastive Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_ncl.py::test_loss_is_nt_xent_of_features_that_are_not_negative",
    claims=(
        Claim(
            "Features that are not negative are more consistent with classes",
            Figure("class consistency of features", _consistent),
            "SimCLR, same head",
            SELF_SUPERVISED,
            Trained(signed),
            off=Seen(Trained(signed), Figure("class consistency of features above zero", _consistent_above_zero)),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "They are sparser",
            ACTIVE,
            "SimCLR, same head",
            SELF_SUPERVISED,
            Trained(signed),
            ceiling=0.0,
            floors=(),
            better="lower",
        ),
        Claim(
            "Its most active features, a quarter of all, say more of the class",
            of.probe_accuracy(of=most_active),
            "SimCLR, same head",
            SELF_SUPERVISED,
            Trained(signed),
            ceiling=Trained(labelled),
        ),
        Claim(
            "The representation is better",
            of.probe_accuracy(),
            "SimCLR, same head, as many temperatures",
            SELF_SUPERVISED,
            Tuned(signed, TEMPERATURES),
            system=Tuned(ncl, TEMPERATURES),
        ),
    ),
    signal=Signal(ACTIVE, off=Trained(signed)),
    setup="AdamW stands in for LARS, a network of width 128 for ResNet-18; the head keeps the authors' proportions "
    "(four times the width hidden, no BatchNorm) and, since few features of a picture are on, twice the width as "
    f"outputs (theirs: half on CIFAR, four times on ImageNet-100). Temperature {TEMPERATURE}, as theirs; chosen from "
    "three on both sides where the representation is judged. A feature is on where its absolute value in the unit "
    "vector is above 1e-5, as in the authors' statistics of training: of SimCLR all are, whatever their class, so "
    "neither figure has a floor below that. A quarter is the authors' 512 of 2,048 on ImageNet-100.",
)(ncl)
