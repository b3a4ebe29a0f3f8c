"""Texts as a vector and as weights of their own tokens, side by side: one inner product is the sum of both scores."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, lengths
from counterpoint.encoders.late import of_width, states_of, table_of, vector_of
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class HybridEncoder(Wrapper):
    """`z = [u / |u|, sqrt(share) w]`: a dense vector, and a weight for each token that is in the text.

    `u` is the encoder's vector, brought to `dense` dimensions: its first ones, or zeros after its last. Of a token `v`
    in the text, its prompt included, `w_v = max_t relu(a . h_t + b)` over the places `t` where it stands, with the
    states `h_t`; of others, and of special tokens, 0. So the inner product of two texts is their cosine and `share`
    times `sum_v w_v w'_v` over the tokens that both have. `a` begins as zeros and `b` as `bias`, so that at first
    shared tokens are counted.

    Sources: Zhang et al. 2024, "mGTE: Generalized Long-Context Text Representation and Reranking Models for
    Multilingual Text Retrieval"; the weights are those of Chen et al. 2024, "BGE M3-Embedding".

    Args:
        encoder: A transformer, or a table.
        dense: Dimensions of the dense part, 1 or more.
        share: Of the sparse score in the sum, above 0.
        bias: What `b` begins with, above 0.

    Raises:
        InputError: An encoder without states of tokens, or a number that is not as said.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=8, prompts={})
        >>> encoder = HybridEncoder(table, dense=8, share=1.0, bias=0.5)
        >>> z = encoder.encode(["red cat", "red dogs"])
        >>> round(float(z[0, 8:] @ z[1, 8:]), 4)  # they share one token, of weight 0.5 in both
        0.25
    """

    sparse = True

    def __init__(self, encoder: TextEncoder, *, dense: int = 768, share: float = 5.0, bias: float = 0.1) -> None:
        if not isinstance(encoder, TransformerEncoder | StaticEncoder):
            raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
        if dense < 1 or not (0 < share < math.inf and 0 < bias < math.inf):
            raise InputError(f"{dense} dimensions, a share of {share}, weights of {bias}", fix="give all above 0")
        super().__init__(encoder)
        states, table = encoder.token_dim, table_of(encoder)
        if isinstance(encoder, TransformerEncoder):
            states = int(encoder.model.config.hidden_size)
        self.dense, self.share, self.bias, self.vocabulary = dense, share, bias, len(table)
        self.normalize, self.similarity, self.width = False, "dot", dense + len(table)
        self.weigh = nn.Linear(states, 1)
        nn.init.zeros_(self.weigh.weight)
        nn.init.constant_(self.weigh.bias, bias)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        states = states_of(self.encoder, features)
        u = vector_of(self.encoder, states, features).to(self.weigh.weight.dtype)
        dense = F.normalize(of_width(u, self.dense), dim=1)
        return torch.cat([dense, math.sqrt(self.share) * self._weights(states, features)], 1)

    def _weights(self, states_td: Float[Tensor, "t d"], features: Features) -> Float[Tensor, "n v"]:
        ids, counts = features["input_ids"], lengths(features)
        value: Tensor = self.weigh(states_td.to(self.weigh.weight.dtype))[:, 0].relu()
        special = torch.tensor(sorted(self.special_tokens), dtype=torch.long, device=ids.device)
        value = value.masked_fill(torch.isin(ids, special), 0.0)
        text = torch.repeat_interleave(torch.arange(len(counts), device=ids.device), counts)
        flat = value.new_zeros(len(counts) * self.vocabulary)
        best = flat.scatter_reduce(0, text * self.vocabulary + ids, value, reduce="amax")
        return best.view(len(counts), self.vocabulary)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)


def dense_and_sparse(encoder: nn.Module, *, share: float = 5.0) -> nn.Module:
    """An encoder of texts that gives weights of its tokens, too (`HybridEncoder`); one that does already stays.

    Args:
        encoder: Is within what comes back.
        share: See `HybridEncoder`.

    Raises:
        InputError: It has no states of tokens.

    Examples:
        >>> encoder = dense_and_sparse(StaticEncoder.from_corpus(["a cat"], dim=4))
        >>> dense_and_sparse(encoder) is encoder
        True
    """
    if isinstance(encoder, HybridEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
    return HybridEncoder(encoder, share=share).to(encoder.device)
