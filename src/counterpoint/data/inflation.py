"""More images than there are: drawn from a model of the data."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError


def generated(
    pixels: Float[Tensor, "m c h w"], n: int, *, components: int = 30, variance: float = 0.95, seed: int = 0
) -> Float[Tensor, "n c h w"]:
    """`n` pictures drawn from a mixture of Gaussians on the principal components of some.

    Args:
        pixels: From 0 to 1, what the model is fitted to; more pictures than `components`.
        n: How many to draw.
        components: Of the mixture.
        variance: Share of the variance that the principal components keep.
        seed: Of the fit and the draw.

    Raises:
        InputError: for no more pictures than components.

    Examples:
        >>> from counterpoint.data.images import digits
        >>> tuple(generated(digits().anchors.tensor, 5, components=2).shape)
        (5, 1, 8, 8)
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    if len(pixels) <= components:
        raise InputError(
            f"{len(pixels)} images for {components} components", fix="give more images or fewer components"
        )
    flat = pixels.flatten(1).double().numpy()
    axes = PCA(variance, random_state=seed).fit(flat)
    model = GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(axes.transform(flat))
    # not by `model.sample`, whose singular vectors of equal variances are others on another processor;
    # component after component: the order of training is random anyway
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n, model.weights_)
    points = [
        mean + generator.standard_normal((count, len(mean))) @ np.linalg.cholesky(covariance).T
        for count, mean, covariance in zip(counts, model.means_, model.covariances_, strict=True)
    ]
    drawn = torch.from_numpy(axes.inverse_transform(np.concatenate(points))).float().clamp(0, 1)
    return drawn.view(n, *pixels.shape[1:])
