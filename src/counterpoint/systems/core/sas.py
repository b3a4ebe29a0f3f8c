"""SAS: train on the images whose views are most like the views of the other images of their kind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.data.selection import greedy_cut
from counterpoint.encoders.image import PixelEncoder
from counterpoint.systems.core._digits import accuracy, probed
from counterpoint.systems.core._recipes import SETUP, STEPS, fit, run_recipe
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.views import View

FRACTION, KINDS, DRAWS = 0.2, 10, 8


def expected_similarity(views_vnd: Float[Tensor, "v n d"]) -> Float[Tensor, "n n"]:
    """Mean cosine of a view of one image and a view of another, over all pairs of drawn views; below 0 counts as 0."""
    # the mean of products of independent draws is the product of their means
    mean = F.normalize(views_vnd, dim=2).mean(0)
    return (mean @ mean.T).clamp_min(0)


def chosen(images: Images, proxy: PixelEncoder, view: View, seed: int) -> Images:
    """Of each kind that k-means on the proxy's vectors finds, the same share, by the greedy cut."""
    from sklearn.cluster import KMeans

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        views = torch.stack([torch.from_numpy(proxy.encode(view(images.pixels))) for _ in range(DRAWS)])
    kinds = min(KINDS, len(images))
    kind = torch.from_numpy(KMeans(kinds, n_init=1, random_state=seed).fit_predict(proxy.encode(images.pixels)))
    rows = []
    for one in range(kinds):
        among = (kind == one).nonzero()[:, 0]
        rows.append(among[greedy_cut(expected_similarity(views[:, among]), round(FRACTION * len(among)))])
    return images[torch.cat(rows)]


def on_subset(config: Config, images: Images, seed: int) -> PixelEncoder:
    """A proxy on all images, and the encoder on what it chooses."""
    assert config.view is not None
    proxy, _ = fit(config, images, seed)
    return fit(config, chosen(images, proxy, config.view, seed), seed)[0]


def _supervised(subset: Images, test: Images) -> float:
    return probed(lambda images: images.pixels.flatten(1).numpy(), (subset, test))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    config = sas()
    assert config.view is not None
    proxy, _ = fit(config, parts[0], seed)
    ours = chosen(parts[0], proxy, config.view, seed)
    rows = torch.randperm(len(parts[0]), generator=torch.Generator().manual_seed(seed))[: len(ours)]
    random = parts[0][rows]
    ssl = accuracy(fit(config, ours, seed)[0], parts), accuracy(fit(config, random, seed)[0], parts)
    supervised = _supervised(ours, parts[1]), _supervised(random, parts[1])
    return (ssl, supervised), {"probe accuracy after training on all images": accuracy(proxy, parts)}


@system(
    "SAS",
    title="Data-Efficient Contrastive Self-supervised Learning: Most Beneficial Examples for Supervised Learning "
    "Contribute the Least",
    year=2023,
    family="core",
    mechanism="tests/systems/test_sas.py::test_each_kind_s_images_are_those_of_a_naive_greedy_loop",
    run=run_recipe(on_subset),
    claims=(
        Claim(
            "Contrastive learning on images whose views are like the others' is better than on any",
            "probe accuracy",
            "a random subset of as many",
        ),
        Claim(
            "What helps contrastive learning most helps supervised learning least",
            "accuracy of logistic regression on the pixels of the subset",
            "a random subset of as many",
            "lower",
        ),
    ),
    measure=_measure,
    setup=SETUP
    + f" {STEPS} steps, on {FRACTION:.0%} of the training half; probes see all of it. The proxy is the same encoder "
    f"after {STEPS} steps on all images, which is not counted; latent classes are {KINDS} clusters of k-means on it, "
    f"and similarities are means over {DRAWS} views each. Greedy alone, as in the paper's code, without the second "
    "pass of double greedy.",
)
def sas() -> Config:
    """Joshi and Mirzasoleiman 2023: the subset is data; SimCLR is trained on it as it is."""
    return simclr()
