"""Layers behind the vector of another encoder, which stay with it: of a mean of words, a deep averaging network."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features
from counterpoint.errors import InputError


class DeepEncoder(Wrapper):
    """What another encoder says of a text, and then a feed-forward network: `W_l relu(... relu(W_1 z))`.

    With the mean of the vectors of words and bigrams for `z` (`NGramEncoder`) it is a deep averaging network. All
    layers are as wide as `z`, and have a bias, which begins as 0. Weights begin as He et al. 2015 draw them, so that
    texts are as far apart behind the network as before. Sources: Iyyer et al. 2015, "Deep Unordered Composition Rivals
    Syntactic Methods for Text Classification"; Cer et al. 2018, "Universal Sentence Encoder" (USE_D).

    Args:
        encoder: The other one; its prompts and settings are these.
        layers: How many.

    Raises:
        InputError: Fewer than one layer.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> DeepEncoder(StaticEncoder.from_corpus(["one cat", "two cats"], dim=4)).encode(["two cats"]).shape
        (1, 4)
    """

    def __init__(self, encoder: TextEncoder, layers: int = 4) -> None:
        if layers < 1:
            raise InputError(f"a network of {layers} layers", fix="give 1 or more")
        super().__init__(encoder)
        self.layers = layers
        self.batch_tokens = encoder.batch_tokens
        parts: list[nn.Module] = [nn.Linear(encoder.width, encoder.width)]
        for _ in range(layers - 1):
            parts += [nn.ReLU(), nn.Linear(encoder.width, encoder.width)]
        self.network = nn.Sequential(*parts)
        for part in parts:
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        z_nd: Tensor = self.network(self.encoder._embed(features))
        return z_nd
