"""More images than there are: drawn from a model of the data."""

from __future__ import annotations

import torch

from counterpoint.data.images import Images
from counterpoint.errors import InputError


def generated(images: Images, n: int, *, components: int = 30, variance: float = 0.95, seed: int = 0) -> Images:
    """`n` images drawn from a mixture of Gaussians on the principal components of some; labels are not looked at.

    Args:
        images: What the model is fitted to, more than `components`.
        n: How many to draw.
        components: Of the mixture.
        variance: Share of the variance that the principal components keep.
        seed: Of the fit and the draw.

    Returns:
        Images without a class: their labels are -1.

    Raises:
        InputError: for no more images than components.

    Examples:
        >>> from counterpoint.data.images import digits
        >>> drawn = generated(digits(), 5, components=2)
        >>> tuple(drawn.pixels.shape), drawn.labels.tolist()
        ((5, 1, 8, 8), [-1, -1, -1, -1, -1])
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    if len(images) <= components:
        raise InputError(
            f"{len(images)} images for {components} components", fix="give more images or fewer components"
        )
    flat = images.pixels.flatten(1).double().numpy()
    axes = PCA(variance, random_state=seed).fit(flat)
    model = GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(axes.transform(flat))
    # scikit-learn draws component after component; the order of training is random anyway
    model.random_state = seed
    drawn = torch.from_numpy(axes.inverse_transform(model.sample(n)[0])).float().clamp(0, 1)
    labels = torch.full((n,), -1, dtype=torch.long)
    return Images(drawn.view(n, *images.pixels.shape[1:]), labels, f"generated from {images.source}", images.classes)
