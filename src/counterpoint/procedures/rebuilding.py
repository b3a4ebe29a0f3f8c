"""Beside the contrast of texts: a text is written again by a decoder that knows it by its vector."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.encoders import TemplateEncoder, TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures.tokens import Asked, TokenTask


class Rebuild(TokenTask):
    """Each token of a text, as a small transformer tells it from the text's vector and from what it sees of the tokens.

    The decoder's cross-attention sees the vector `h` and nothing else. It reads what the encoder's embedding layer
    makes of the text, without gradient, of which dropout leaves `1 - hidden` of all numbers: the less is left, the more
    the vector must hold. It tells the token of the very place and sees all places, or with `ahead` the next one and no
    later places. Its states are transformed as BERT's before they meet the encoder's token vectors, with a bias for
    each. The gradient reaches the encoder by `h` and by these vectors.

    Points have a column `tokens` `(n, l)`, what is to be written, -1: no more (`counterpoint.pretraining.with_tokens`).
    Of pairs those of one side may have it alone; then it is written from that side's vectors.

    Source: Wang et al. 2024, "DenoSent: A Denoising Objective for Self-Supervised Sentence Representation Learning",
    and the authors' code; with `ahead` and deletions in the encoder's text Wang, Reimers and Gurevych 2021, "TSDAE".

    Args:
        width: Of the vectors and of the encoder's states; the decoder's feed-forward layers are 4 times as wide.
        layers: Of the decoder.
        heads: Of its attention.
        hidden: Share of the numbers that are dropped.
        ahead: See above.

    Raises:
        InputError: for a share out of 0 to 1; at the start, if the encoder is no transformer so wide; in a call, for
            texts without tokens or vectors of another width.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b c"], layers=1, width=8, heads=2)
        >>> task = Rebuild(8, layers=1)
        >>> task.start(nn.Sequential(encoder, nn.Identity()))
        >>> anchors = Points(torch.ones(1, 8), tokens=torch.tensor([[2, 5, 6]]))
        >>> (call,) = task([{"queries": anchors, "keys": torch.ones(1, 8)}], lambda model: {})
        >>> call["queries"].columns["answer"].tolist()  # the text, then its tokens
        [-1, 2, 5, 6]
    """

    reads = ("tokens",)

    def __init__(self, width: int, *, layers: int, heads: int = 1, hidden: float = 0.825, ahead: bool = False) -> None:
        super().__init__()
        if not 0 <= hidden <= 1:
            raise InputError(f"a share of {hidden} is hidden", fix="give one from 0 to 1")
        self.width = width
        layer = nn.TransformerDecoderLayer(width, heads, 4 * width, batch_first=True)
        self.decoder, self.noise, self.ahead = nn.TransformerDecoder(layer, layers), nn.Dropout(hidden), ahead
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(0))
        # a list, so that the encoder is no part of this module
        self._encoder: list[TransformerEncoder] = []

    def start(self, model: nn.Module) -> None:
        """The encoder is known from now on, and there is a bias for each of its tokens."""
        encoder, width = next(model.children()), self.width
        encoder = encoder.encoder if isinstance(encoder, TemplateEncoder) else encoder
        if not isinstance(encoder, TransformerEncoder) or encoder.token_dim != width:
            raise InputError(f"tokens are told by those of a transformer of width {width}", fix="give one for a base")
        self._encoder = [encoder]
        self.bias = nn.Parameter(torch.zeros_like(encoder.model.get_input_embeddings().weight[:, 0]))

    def asked(self, points: Points) -> Asked:
        """Of every token which one it is."""
        if "tokens" not in points.columns:
            raise InputError("nothing says what is to be written", fix="prepare the data: with_tokens")
        # a row of nothing but padding would attend to nothing
        points = points[(points.columns["tokens"] >= 0).any(1)]
        (encoder,), h, width = self._encoder, points.z, self.width
        if h.shape[1:] != (width,):
            raise InputError(
                f"a vector of shape {tuple(h.shape[1:])} tells no decoder of {width}", fix="use another head"
            )
        tokens = points.columns["tokens"]
        seen, wanted = (tokens[:, :-1], tokens[:, 1:]) if self.ahead else (tokens, tokens)
        x = self.noise(_embedded(encoder, seen).detach())
        later = _later(x.shape[1], x.device) if self.ahead else None
        states = self.decoder(x, h[:, None].to(x), tgt_mask=later, tgt_key_padding_mask=seen < 0)
        told, there = self.transform(states), wanted >= 0
        told = torch.cat([told, torch.ones_like(told[..., :1])], -1)
        table = torch.cat([encoder.model.get_input_embeddings().weight, self.bias[:, None]], 1)
        return Asked(told[there], wanted[there], table)


def _later(length: int, device: torch.device) -> Bool[Tensor, "l l"]:
    return torch.ones(length, length, dtype=torch.bool, device=device).triu(1)


def _embedded(encoder: TransformerEncoder, tokens: Int[Tensor, "n l"]) -> Float[Tensor, "n l d"]:
    """What leaves the embedding layer: positions and normalisation are a part of BERT's."""
    ids = tokens.masked_fill(tokens < 0, encoder._pad)
    whole: nn.Module | None = getattr(encoder.model, "embeddings", None)
    found: Tensor = encoder.model.get_input_embeddings()(ids) if whole is None else whole(input_ids=ids)
    return found
