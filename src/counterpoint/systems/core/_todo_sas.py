"""SAS: train on the images whose views are most like the views of the other images of their kind."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.images import Images
from counterpoint.data.items import Data
from counterpoint.data.selection import greedy_cut
from counterpoint.encoders.image import PixelEncoder
from counterpoint.methods import Recipe, train_stage
from counterpoint.systems.core._digits import accuracy, as_rows, halves, pixels_of, probed, run_on_images, trained
from counterpoint.systems.core._recipes import SETUP, STEPS, small_simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.views import View

FRACTION, KINDS, DRAWS = 0.2, 10, 8


def expected_similarity(views_vnd: Float[Tensor, "v n d"]) -> Float[Tensor, "n n"]:
    """Mean cosine of a view of one image and a view of another, over all pairs of drawn views; below 0 counts as 0."""
    # the mean of products of independent draws is the product of their means
    mean = F.normalize(views_vnd, dim=2).mean(0)
    return (mean @ mean.T).clamp_min(0)


def chosen(data: Data, proxy: PixelEncoder, view: View, seed: int) -> Data:
    """Of each kind that k-means on the proxy's vectors finds, the same share, by the greedy cut."""
    from sklearn.cluster import KMeans

    pixels = pixels_of(data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        views = torch.stack([torch.from_numpy(proxy.encode(view(pixels))) for _ in range(DRAWS)])
    kinds = min(KINDS, len(data))
    kind = torch.from_numpy(KMeans(kinds, n_init=1, random_state=seed).fit_predict(proxy.encode(pixels)))
    kept = []
    for one in range(kinds):
        among = (kind == one).nonzero()[:, 0]
        kept.append(among[greedy_cut(expected_similarity(views[:, among]), round(FRACTION * len(among)))])
    return data[torch.cat(kept)]


def most_alike(data: Data, encoder: nn.Module, seed: int) -> Data:
    """What a copy of the encoder, trained on all of the data, chooses of them."""
    proxy, stage = copy.deepcopy(encoder), small_simclr().stages[0]
    train_stage(stage, data, proxy, seed)
    assert isinstance(proxy, PixelEncoder)
    assert callable(stage.view)
    return chosen(data, proxy, stage.view, seed)


def _supervised(subset: Images, test: Images) -> float:
    return probed(lambda images: images.pixels.flatten(1).numpy(), (subset, test))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)
    every, view = as_rows(parts[0]), small_simclr().stages[0].view
    assert callable(view)
    proxy, _ = trained(small_simclr(), parts[0], seed)
    ours = parts[0][chosen(every, proxy, view, seed).anchor]
    random = parts[0][torch.randperm(len(parts[0]), generator=torch.Generator().manual_seed(seed))[: len(ours)]]
    ssl = tuple(accuracy(trained(small_simclr(), part, seed)[0], parts) for part in (ours, random))
    supervised = _supervised(ours, parts[1]), _supervised(random, parts[1])
    return ((ssl[0], ssl[1]), supervised), {"probe accuracy after training on all images": accuracy(proxy, parts)}


@system(
    "SAS",
    title="Data-Efficient Contrastive Self-supervised Learning: Most Beneficial Examples for Supervised Learning "
    "Contribute the Least",
    year=2023,
    family="core",
    mechanism="tests/systems/test_sas.py::test_each_kind_s_images_are_those_of_a_naive_greedy_loop",
    run=run_on_images,
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
def sas() -> Recipe:
    """Joshi and Mirzasoleiman 2023: the subset is chosen first, and SimCLR is trained on it."""
    return small_simclr().varied("SAS", prepare=(most_alike,))
