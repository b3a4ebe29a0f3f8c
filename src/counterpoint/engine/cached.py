"""Cached execution: the exact gradient of a large batch in the memory of a small one (GradCache)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor


def cached(
    chunks: Sequence[Callable[[], Float[Tensor, "c *d"]]],
    loss: Callable[[Float[Tensor, "n *d"]], Float[Tensor, ""]],
    *,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Float[Tensor, ""]:
    """Loss of all chunks together; its gradients are added to every parameter's `.grad`.

    1. Each chunk is encoded without a graph; its random state is kept.
    2. The loss is taken on all embeddings, which gives `dL/dz`.
    3. Each chunk is encoded again, with a graph and the same random state, and `z . dL/dz` is differentiated.

    The gradient is exactly that of encoding everything at once, chunk by chunk with the same random numbers. Memory
    for the encoder is that of one chunk, and the price is one more forward pass. A single chunk is encoded once.

    Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.2.

    Args:
        chunks: Each call encodes one chunk, the same one every time.
        loss: From the embeddings of all chunks, one after another, to the loss.
        context: Entered around each encoding (autocast, say).

    Returns:
        The loss, without a graph: backward is done.

    Examples:
        >>> layer, x = torch.nn.Linear(3, 2), torch.randn(4, 3)
        >>> parts = [lambda i=i: layer(x[i : i + 2]) for i in (0, 2)]
        >>> _ = cached(parts, lambda z: z.square().sum())
        >>> a = layer.weight.grad.clone(); layer.zero_grad()
        >>> layer(x).square().sum().backward()
        >>> torch.allclose(a, layer.weight.grad)
        True
    """
    if len(chunks) == 1:
        with context():
            z = chunks[0]()
        total = loss(z)
        if total.requires_grad:
            total.backward()
        return total.detach()
    states, parts = [], []
    for chunk in chunks:
        states.append(_random_state())
        with torch.no_grad(), context():
            parts.append(chunk())
    z = torch.cat(parts).detach().requires_grad_()
    total = loss(z)
    if not total.requires_grad:
        return total.detach()
    total.backward()
    if z.grad is not None:
        after = _random_state()
        gradients = z.grad.split([len(part) for part in parts])
        for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
            _set_random_state(state)
            with context():
                part = chunk()
            if part.requires_grad:
                part.backward(gradient.to(part.dtype))
        _set_random_state(after)
    return total.detach()


def _random_state() -> tuple[Tensor, Tensor | None]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return torch.get_rng_state(), cuda


def _set_random_state(state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
