"""What each layer of a transformer says of a text."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders.features import Features
from counterpoint.encoders.pooling import pool
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class PooledLayers(nn.Module):
    """The mean of a text's states after the embeddings and after each layer, `(n, 1 + layers, d)`; not normalised.

    Source: Kim et al. 2021, "Self-Guided Contrastive Learning for BERT Sentence Representations", the authors' code.

    Args:
        encoder: Whose states they are; its own pooling does not matter.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a small corpus"], layers=2, width=8, heads=2)
        >>> PooledLayers(encoder)(encoder.tokenize(["a corpus", "small"])).shape
        torch.Size([2, 3, 8])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        if not isinstance(encoder, TransformerEncoder):
            raise InputError("only a transformer has layers to pool", fix="give one for a base, such as minilm")
        self.encoder = encoder

    def forward(self, features: Features) -> Float[Tensor, "n k d"]:
        """One vector a layer for each text."""
        encoder = self.encoder
        features = {name: value.to(encoder.device) for name, value in features.items()}
        which = tuple(range(1 + int(encoder.model.config.num_hidden_layers)))
        states = encoder._layers(features, which)
        return torch.stack([pool(h, features["offsets"], "mean", features.get("prompt")) for h in states], 1)
