"""A step before training: what to train on, chosen by a proxy that saw all of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.data.selection import expected_similarity, greedy_cut
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.inputs import take
from counterpoint.methods.stage import Stage, train_stage
from counterpoint.training.rows import ItemView

Choose: TypeAlias = Callable[[Float[Tensor, "n n"], int], Int[Tensor, " k"]]
"""From similarities and a number to so many rows."""


def by_proxy(
    data: Data, encoder: nn.Module, seed: int, *, proxy: Stage, fraction: float, kinds: int = 10, draws: int = 8,
    choose: Choose = greedy_cut,
) -> Data:  # fmt: skip
    """What a copy of the encoder, trained on all of the data, chooses of them: the same share of each kind.

    Kinds are the clusters that k-means finds on the proxy's vectors; within a kind, pictures are chosen by the expected
    similarity of their views (`counterpoint.data.selection`). Source: Joshi and Mirzasoleiman 2023, "Data-Efficient
    Contrastive Self-supervised Learning", section 4 and algorithm 1.

    Args:
        data: Pictures.
        encoder: Stays as it is.
        seed: Of the proxy's training, of the views and of k-means.
        proxy: How it is trained; its view is the one.
        fraction: Of each kind.
        kinds: Latent classes, as far as they are known.
        draws: Views of each picture; 0: pictures are compared as they are.
        choose: Of a kind.
    """
    from sklearn.cluster import KMeans

    model = copy.deepcopy(encoder)
    train_stage(proxy, data, model, seed)
    assert isinstance(model, PixelEncoder)
    assert callable(proxy.view)
    assert not isinstance(proxy.view, ItemView)
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        seen = [proxy.view(pixels) for _ in range(draws)] or [pixels]
        views = torch.stack([torch.from_numpy(model.encode(view)) for view in seen])
    kinds = min(kinds, len(data))
    kind = torch.from_numpy(KMeans(kinds, n_init=1, random_state=seed).fit_predict(model.encode(pixels)))
    kept = []
    for one in range(kinds):
        among = (kind == one).nonzero()[:, 0]
        kept.append(among[choose(expected_similarity(views[:, among]), round(fraction * len(among)))])
    return data[torch.cat(kept)]
