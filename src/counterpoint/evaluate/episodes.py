"""Few-shot classification: episodes of a few classes, a few known images of each, and prototypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Result

Align: TypeAlias = Callable[[Float[np.ndarray, "w d"], Float[np.ndarray, "m d"]], Float[np.ndarray, "w d"]]
"""From prototypes and all queries of an episode to other prototypes."""


def few_shot(
    z_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    *,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    align: Align | None = None,
    logistic: float = 0.0,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """`ways`-way `shots`-shot accuracy: a query has the class of the nearest prototype, the mean of a class's shots.

    Gives `accuracy`, one value an episode. An episode draws classes, then shots and queries of each, without
    replacement. Source: Snell et al. 2017, "Prototypical Networks for Few-shot Learning", eq. 1 and section 2.

    Args:
        z_nd: Embeddings, compared by Euclidean distance.
        labels_n: Their labels.
        ways: Classes of an episode, 2 or more.
        shots: Known images of each class.
        queries: Images of each class to name.
        episodes: How many.
        align: Moves the prototypes, given all queries of the episode (transductive), such as `transported`.
        logistic: Above 0: `C` of a logistic regression on the prototypes, which names a
            query in place of the nearest one.
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the draws.

    Raises:
        InputError: Other numbers of labels and rows, or too few classes with so many images.

    Examples:
        >>> z = np.repeat(np.eye(3), 4, axis=0)
        >>> few_shot(z, ["a"] * 4 + ["b"] * 4 + ["c"] * 4, ways=2, queries=3, episodes=5)["accuracy"].value
        1.0
    """
    refuse_string(labels_n, "labels")
    names = np.asarray(labels_n)
    if len(names) != len(z_nd) or min(ways - 1, shots, queries, episodes) < 1:
        raise InputError(
            f"{len(names)} labels for {len(z_nd)} rows, {ways} ways, {shots} shots, {queries} queries, {episodes} runs",
            fix="give one label a row, two ways or more, and one or more of the others",
        )
    rows = [found for name in np.unique(names) if len(found := np.flatnonzero(names == name)) >= shots + queries]
    if len(rows) < ways:
        raise InputError(
            f"{len(rows)} classes have {shots + queries} images, {ways} are needed", fix="ask for fewer of either"
        )
    draw, z = np.random.default_rng(seed), z_nd.astype(np.float64)
    truth, right = np.repeat(np.arange(ways), queries), []
    for _ in range(episodes):
        chosen = [draw.permutation(rows[c])[: shots + queries] for c in draw.permutation(len(rows))[:ways]]
        prototypes = np.stack([z[c[:shots]].mean(0) for c in chosen])
        asked = z[np.concatenate([c[shots:] for c in chosen])]
        if align is not None:
            prototypes = align(prototypes, asked)
        right.append(float((_named(prototypes, asked, logistic) == truth).mean()))
    return Result("few-shot", source, {"accuracy": figure("accuracy", np.array(right), samples=samples, seed=seed)})


def _named(
    prototypes: Float[np.ndarray, "w d"], asked: Float[np.ndarray, "m d"], logistic: float
) -> Int[np.ndarray, " m"]:
    """The place of each query's prototype."""
    if logistic:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=logistic, max_iter=1000).fit(prototypes, np.arange(len(prototypes)))
        return np.asarray(model.predict(asked))
    return np.asarray(((asked[:, None] - prototypes) ** 2).sum(2).argmin(1))


def transported(
    prototypes_wd: Float[np.ndarray, "w d"],
    queries_md: Float[np.ndarray, "m d"],
    *,
    passes: int = 5,
    epsilon: float = 0.05,
    iterations: int = 50,
) -> Float[np.ndarray, "w d"]:
    """Prototypes carried into the queries' region by optimal transport, which takes out how unlucky the few shots were.

    Each pass moves a prototype to the mean of the queries under its part of the plan between prototypes and queries,
    all of equal mass, at a cost of squared distances over the greatest, softened by `epsilon` (Sinkhorn). Every class
    is so taken to have as many queries. Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced
    Contrastive Few-Shot Learning" (OpTA), and the authors' code, with five passes for one shot.

    Args:
        prototypes_wd: One a class.
        queries_md: All queries of the episode.
        passes: Repetitions.
        epsilon: Above 0; how soft the plan is.
        iterations: Of Sinkhorn.

    Examples:
        >>> queries = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [9.0, 2.0]])
        >>> transported(np.array([[1.0, 5.0], [6.0, 1.0]]), queries).round(2)
        array([[0., 1.],
               [9., 1.]])
    """
    from counterpoint.objectives.clusters import sinkhorn

    queries = torch.from_numpy(queries_md)
    prototypes = torch.from_numpy(prototypes_wd)
    for _ in range(passes):
        cost = torch.cdist(prototypes, queries).square()
        prototypes = sinkhorn(-cost / (epsilon * cost.max()), iterations=iterations) @ queries
    return np.asarray(prototypes.numpy())
