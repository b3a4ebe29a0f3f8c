"""HIB: points are distributions, and who is not sure of himself says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import PixelEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.objectives import HedgedMatch, SoftContrastive, StandardNormal
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, run_on_images, trained
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

_DRAWS, _DIM = 4, 3


def occluded(images: Images, seed: int) -> tuple[Images, torch.Tensor]:
    """Half of the images with a random half of their columns or rows hidden; and which."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.rand(len(images), generator=generator) < 0.5
    n, _, h, w = images.pixels.shape
    side = torch.randint(4, (n,), generator=generator)
    masks = torch.ones(4, h, w)
    masks[0, : h // 2], masks[1, h // 2 :], masks[2, :, : w // 2], masks[3, :, w // 2 :] = 0, 0, 0, 0
    mask = torch.where(hidden[:, None, None], masks[side], torch.ones(h, w))
    return replace(images, pixels=images.pixels * mask[:, None]), hidden


def uncertainty(model: PixelEncoder, head: nn.Module, images: Images) -> np.ndarray:
    """`1 - p(match)` of each image with itself (section 3.4), by 64 draws."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        z = head(torch.from_numpy(model.encode(images.pixels)))
        geometry = HedgedMatch(64)
        drawn = [geometry.prepare(z) for _ in range(2)]
        log_p = torch.cat([geometry.owned(a[None], b[None, None], 1.0)[0] for a, b in zip(*drawn, strict=True)])
    return np.asarray(1 - log_p.exp().numpy())


def points_only() -> Config:
    """The baseline: the same loss on the means alone."""
    config = hib()
    head = lambda width: nn.Sequential(projection(width, out=_DIM), _Certain())  # noqa: E731
    return replace(config, name="points", objective=_matching, head=head)


class _Certain(nn.Module):
    """A mean, with next to no variance."""

    def forward(self, mean: torch.Tensor) -> torch.Tensor:
        return torch.cat([mean, torch.full_like(mean, -20.0)], 1)


def _matching() -> SoftContrastive:
    return SoftContrastive(geometry=HedgedMatch(_DRAWS), relation=Relation(same("label")))


def neighbours(model: PixelEncoder, head: nn.Module, train: Images, test: Images) -> np.ndarray:
    """Whether the 5 nearest means of the training set vote for an image's class."""
    from counterpoint.evaluate import knn

    with torch.inference_mode():
        mean = [head(torch.from_numpy(model.encode(part.pixels)))[:, :_DIM].numpy() for part in (train, test)]
    # around the common middle, so that the cosine of `knn` sees the directions
    middle = mean[0].mean(0)
    labels = [[str(label) for label in part.labels.tolist()] for part in (train, test)]
    return np.asarray(knn(mean[0] - middle, labels[0], mean[1] - middle, k=5) == np.array(labels[1]))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    train, test = digits().split(seed=seed)
    train, _ = occluded(train, seed)
    test, hidden = occluded(test, seed + 1000)
    model, head = trained(hib(), train, seed)
    point_model, point_head = trained(points_only(), train, seed)
    unsure, right = uncertainty(model, head, test), neighbours(model, head, train, test)
    known = neighbours(point_model, point_head, train, test)
    worst = unsure > np.median(unsure)
    occlusion = (float(unsure[hidden.numpy()].mean()), float(unsure[~hidden.numpy()].mean()))
    errors = (float(right[~worst].mean()), float(right[worst].mean()))
    return (occlusion, errors, (float(right.mean()), float(known.mean()))), {}


@system(
    "HIB",
    title="Modeling Uncertainty with Hedged Instance Embedding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_hib.py::test_match_probability_is_the_mean_over_all_pairs_of_draws",
    run=run_on_images,
    claims=(
        Claim("Ambiguous images are less certain", "uncertainty of occluded test images", "that of the others"),
        Claim(
            "Who is certain is right more often",
            "5-nearest-neighbour accuracy of the more certain half",
            "that of the less certain half",
        ),
        Claim("Hedging does not cost accuracy", "5-nearest-neighbour accuracy", "points, same loss"),
    ),
    measure=_measure,
    setup=SETUP + " Half of the images, of training and test, have one half of the picture hidden. Embeddings of "
    f"{_DIM} dimensions, {_DRAWS} draws each in training; matches are those of one class. Not to cost is tested as to "
    "gain.",
)
def hib() -> Config:
    """Oh et al. 2019: matching by class, beta 1e-4, three dimensions."""
    relation = Relation(same("label"))
    return replace(
        simclr(),
        name="HIB",
        objective=lambda: _matching() + 1e-4 * StandardNormal(relation=relation, geometry=Dot()),
        head=lambda width: projection(width, out=2 * _DIM),
    )
