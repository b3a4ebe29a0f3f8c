"""A text's vector as what a learned question finds among the states of its tokens: pooling by multihead attention."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, lengths
from counterpoint.encoders.late import padded, states_of
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class AttentionPoolingEncoder(Wrapper):
    """`z = LN(u + relu(W_o u))` with `u = LN(s + o)`, where `o` is what a learned seed `s` attends to in a text.

    Of head `h` it is `o_h = sum_t a_t (W_v x_t)_h` over the states `x_t` of the text's tokens, with `a = softmax_t((W_q
    s)_h . (W_k x_t)_h / sqrt(d))`; all heads stand side by side, and `d` is the width of all. Vectors are not scaled to
    length one. Sources: Liao et al. 2024, "D2LLM: Decomposed and Distilled Large Language Models for Semantic Search"
    (PMA), and the authors' code, which adds the seed itself where Lee et al. 2019, "Set Transformer", add `W_q s`.

    Args:
        encoder: A transformer, or a table of token vectors.
        heads: Must divide the width of the states.

    Raises:
        InputError: An encoder without states of tokens, or heads that do not divide their width.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=8, prompts={})
        >>> AttentionPoolingEncoder(table, 2).encode(["a red cat"]).shape
        (1, 8)
    """

    def __init__(self, encoder: TextEncoder, heads: int = 32) -> None:
        if not isinstance(encoder, TransformerEncoder | StaticEncoder):
            raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
        width = _width(encoder)
        if heads < 1 or width % heads:
            raise InputError(f"{heads} heads of states of {width}", fix="give a number that divides their width")
        super().__init__(encoder)
        self.heads, self.width = heads, width
        self.normalize, self.similarity, self.batch_tokens = False, "dot", encoder.batch_tokens
        self.seed = nn.Parameter(torch.empty(1, width))
        self.asks, self.keys, self.values, self.mixes = (nn.Linear(width, width) for _ in range(4))
        self.first, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        # in three dimensions as theirs, of which two count as in and out
        for weight in (self.seed[None], *(layer.weight for layer in (self.asks, self.keys, self.values, self.mixes))):
            nn.init.xavier_uniform_(weight)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        x_nrd = padded(states_of(self.encoder, features).to(self.seed.dtype), features)
        keys_nrhe, values_nrhe = (layer(x_nrd).unflatten(2, (self.heads, -1)) for layer in (self.keys, self.values))
        asked_he = self.asks(self.seed)[0].unflatten(0, (self.heads, -1))
        scores_nrh = (keys_nrhe * asked_he).sum(3) / math.sqrt(self.width)
        there_nr = torch.arange(x_nrd.shape[1], device=x_nrd.device) < lengths(features)[:, None]
        attention_nrh = scores_nrh.masked_fill(~there_nr[..., None], torch.finfo(scores_nrh.dtype).min).softmax(1)
        found_nd = (attention_nrh[..., None] * values_nrhe).sum(1).flatten(1)
        u_nd = self.first(self.seed + found_nd)
        z_nd: Tensor = self.last(u_nd + self.mixes(u_nd).relu())
        return z_nd

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)


def attending(encoder: nn.Module, heads: int = 32) -> nn.Module:
    """An encoder of texts that pools by attention (`AttentionPoolingEncoder`); one that does so already stays.

    Args:
        encoder: Is within what comes back.
        heads: At most; as many as divide the width of its states.

    Raises:
        InputError: It has no states of tokens.

    Examples:
        >>> encoder = attending(StaticEncoder.from_corpus(["a cat"], dim=4), 2)
        >>> attending(encoder) is encoder
        True
    """
    if isinstance(encoder, AttentionPoolingEncoder):
        return encoder
    if not isinstance(encoder, TransformerEncoder | StaticEncoder):
        raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
    heads = max(number for number in range(1, heads + 1) if _width(encoder) % number == 0)
    return AttentionPoolingEncoder(encoder, heads).to(encoder.device)


def _width(encoder: TransformerEncoder | StaticEncoder) -> int:
    return int(encoder.model.config.hidden_size) if isinstance(encoder, TransformerEncoder) else encoder.token_dim
