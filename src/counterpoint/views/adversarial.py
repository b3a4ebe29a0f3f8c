"""A view along the gradient of a loss: the nearest text that the model would get most wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Features


def fast_gradient(
    encoder: TextEncoder,
    features: Features,
    loss: Callable[[Float[Tensor, "n d"]], Float[Tensor, ""]],
    size: float = 1.0,
) -> Features:
    """Embeddings moved by `size g / |g|`, g the loss's gradient by each token's embedding: the fast gradient value.

    No gradient flows into the parameters, and none through the move. A token that the loss does not depend on stays.
    Source: Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification", eq. 5, but token
    by token, as in the code of ConSERT (Yan et al. 2021, section 3.2), whose loss is that of labelled pairs and whose
    size is 1.

    Args:
        encoder: From features to vectors; in training its dropout is drawn here and again where the view is encoded.
        features: Of all texts that the loss needs.
        loss: Of their vectors.
        size: Length of the move, of what leaves a BERT's embedding layer.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a b"], dim=2, normalize=False)
        >>> moved = fast_gradient(encoder, encoder.tokenize(["a b"]), lambda z: (z * torch.tensor([3.0, 4.0])).sum())
        >>> moved["shift"]
        tensor([[0.6000, 0.8000],
                [0.6000, 0.8000]])
    """
    before = features.get("shift")
    if before is None:
        before = torch.zeros(len(features["input_ids"]), encoder.token_dim, device=features["input_ids"].device)
    shift = before.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss(encoder({**features, "shift": shift})), shift)
    return {**features, "shift": before + size * gradient / (gradient.norm(dim=1, keepdim=True) + 1e-10)}
