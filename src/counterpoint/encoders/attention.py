"""What a transformer's places attend to, beside the vector of each text."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders.features import Features, Kind
from counterpoint.encoders.pooling import pool
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class AttentionBeside(nn.Module):
    """A text's vector, and after it in one row its attention in some late layers: `(n, d + slices * layers * l * l)`.

    What is trained in the place of a transformer and holds it. Of `n` layers they are the 7/12 to 11/12, the eighth to
    the eleventh of twelve, and at least one; where they are even in number, every second one belongs together. A slice
    is a head's in those, their maps one after the other, `(slices, layers, l, l)`: how much each place looks at each,
    after dropout. What is padding has and gets 0, and so have tokens beyond the first `l`. Source: Klein and Nabi 2022,
    "miCSE: Mutual Information Contrastive Learning for Low-shot Sentence Embeddings", and the authors' code.

    Args:
        encoder: It.
        length: `l`, tokens of a text whose attention is shown.

    Raises:
        InputError: It is no transformer, or no length.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus"], layers=4, width=8, heads=2)
        >>> beside = AttentionBeside(bert, length=6)
        >>> beside.layers, beside.shape, beside(bert.tokenize(["a corpus", "small"])).shape
        ((2,), (2, 1, 6), torch.Size([2, 80]))
    """

    def __init__(self, encoder: nn.Module, length: int = 32) -> None:
        super().__init__()
        if not isinstance(encoder, TransformerEncoder):
            raise InputError("only a transformer attends to tokens", fix="give one for a base, such as minilm")
        if length < 1:
            raise InputError(f"attention of {length} tokens", fix="give 1 or more")
        self.encoder, self.length = encoder, length
        there = int(encoder.model.config.num_hidden_layers)
        first = 7 * there // 12
        self.layers = tuple(range(first, max(first + 1, 11 * there // 12)))

    @property
    def dim(self) -> int:
        """Of the vector alone."""
        return self.encoder.dim

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, layers of each, and places."""
        ways = 1 + (len(self.layers) % 2 == 0)
        return int(self.encoder.model.config.num_attention_heads) * ways, len(self.layers) // ways, self.length

    def inputs(self, items: Items, kind: Kind = None) -> Features:
        """The encoder's."""
        return self.encoder.inputs(items, kind)

    def forward(self, features: Features) -> Float[Tensor, "n e"]:
        """Both, with gradient."""
        encoder, (slices, together, length) = self.encoder, self.shape
        features = {name: value.to(encoder.device) for name, value in features.items()}
        n = len(features["offsets"]) - 1
        if not n:
            # as of `TextEncoder`: with gradient
            width = self.dim + slices * together * length**2
            return torch.zeros(0, width, device=encoder.device, requires_grad=torch.is_grad_enabled())
        hidden, maps = encoder._attending(features, self.layers)
        z = pool(hidden, features["offsets"], encoder.pooling, features.get("prompt"))
        for head in encoder.heads:
            z = head(z)
        z = z[:, : self.dim]
        z = F.normalize(z, dim=-1) if encoder.normalize else z
        # layer `j` of slice `i` of a head is its `j * ways + i`-th
        whole = torch.stack(maps, 2).unflatten(2, (together, -1)).transpose(2, 3).flatten(1, 2)
        more = length - whole.shape[-1]
        return torch.cat([z, F.pad(whole, (0, more, 0, more)).flatten(1).to(z)], 1)
