"""Texts as weights of the vocabulary's tokens, most of them 0: a search over them needs an inverted index alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind, lengths, take
from counterpoint.encoders.late import chunks, of_width, padded, states_of, table_of, vector_of
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import MaxSim

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class SpladeEncoder(Wrapper):
    """A weight for each token of the vocabulary, `z_v = max_t log(1 + relu(h_t . e_v + b_v))`.

    `h_t` are the states of a text's tokens, `e_v` the token vectors that the encoder reads: a masked language model's
    guesses by tied weights, as this project pretrains them, so that tokens that are not in the text may weigh, too.
    Special tokens weigh nothing. `forward` and `encode` give all weights, `encode_sparse` those above 0.
    Vectors are compared by the inner product and never scaled. With `dense`, the encoder's own vector `u` stands before
    the weights, `[u, z]`, so that one inner product is the sum of both scores. Of a table, `u` is brought to mean 0 and
    variance 1 over its dimensions, as the last layer of a BERT leaves its states.

    Sources: Formal et al. 2021, "SPLADE v2: Sparse Lexical and Expansion Model for Information Retrieval" (the
    maximum); the authors' code of "Efficient and Interpretable Information Retrieval for Product Question Answering
    with Heterogeneous Data" (`keep`, `dense`).

    Args:
        encoder: A transformer whose token vectors are as wide as its states, or a table.
        keep: Only so many of a text's weights, the greatest; 0: all. Only they have a gradient.
        bias: What each `b_v` begins with.
        dense: Dimensions of `u`: the encoder's first ones, or zeros after its last; 0: weights alone.

    Raises:
        InputError: An encoder without states of tokens, or whose token vectors are not as wide; `keep` or `dense` below
            0.

    Examples:
        >>> encoder = SpladeEncoder(StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=256, prompts={}))
        >>> sorted(word for word, _ in encoder.terms(["red cat"])[0][:2])
        ['cat', 'red']
    """

    sparse = True

    def __init__(self, encoder: TextEncoder, *, keep: int = 0, bias: float = 0.0, dense: int = 0) -> None:
        if not isinstance(encoder, TransformerEncoder | StaticEncoder):
            raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
        if keep < 0:
            raise InputError(f"{keep} weights are kept", fix="give 1 or more, or 0 for all")
        if dense < 0:
            raise InputError(f"a dense part of {dense} dimensions", fix="give 1 or more, or 0 for none")
        super().__init__(encoder)
        table = self._table
        if isinstance(encoder, TransformerEncoder) and encoder.model.config.hidden_size != table.shape[1]:
            raise InputError("token vectors are not as wide as states", fix="choose another base")
        self.keep, self.bias, self.dense = keep, bias, dense
        self.normalize, self.similarity, self.width = False, "dot", dense + len(table)
        self.offset = nn.Parameter(torch.full((len(table),), bias))

    @property
    def _table(self) -> Float[Tensor, "v d"]:
        return table_of(self.encoder)

    def encode_sparse(self, items: Items, *, kind: Kind = None) -> csr_array:
        """The weights of each item that are above 0, without gradient, one row an item."""
        from scipy.sparse import csr_array, vstack

        features, before, found = self.inputs(items, kind), self.training, []
        self.eval()
        try:
            with torch.inference_mode():
                for rows in chunks(lengths(features), _TOKENS):
                    z = self(take(features, rows))[:, self.dense :]
                    found.append(csr_array(z.float().cpu().numpy()))
        finally:
            self.train(before)
        return csr_array(vstack(found)) if found else csr_array((0, len(self.offset)), dtype="float32")

    def terms(self, texts: Sequence[str], *, kind: Kind = None) -> list[list[tuple[str, float]]]:
        """What a text is found by: its tokens and their weights, the greatest first."""
        refuse_string(texts, "texts")
        tokenizer: Any = self.encoder.tokenizer
        found, rows = self.encode_sparse(Items("text", list(texts)), kind=kind), []
        for row in range(found.shape[0]):
            part = slice(found.indptr[row], found.indptr[row + 1])
            pairs = zip(found.indices[part].tolist(), found.data[part].tolist(), strict=True)
            rows.append([(tokenizer.decode([v]), w) for v, w in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))])
        return rows

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        # which a transformer computes at another precision than its weights are kept in
        states = states_of(self.encoder, features).to(self.offset.dtype)
        weights = self._weights(padded(states, features), features)
        if not self.dense:
            return weights
        u = vector_of(self.encoder, states, features).to(weights)
        if isinstance(self.encoder, StaticEncoder):
            u = F.layer_norm(u, u.shape[1:])
        return torch.cat([of_width(u, self.dense), weights], 1)

    def _weights(self, states: Float[Tensor, "n r d"], features: Features) -> Float[Tensor, "n v"]:
        # the greatest of all tokens first: what follows keeps their order
        best = MaxSim().shared(self._table[:, None].to(states.dtype), states, 1.0).T
        weights = (best + self.offset).relu().log1p()
        special = sorted(self.special_tokens)
        weights = weights.index_fill(1, torch.tensor(special, dtype=torch.long, device=weights.device), 0.0)
        # of a text without tokens nothing is there that could weigh
        weights = weights * (lengths(features) > 0)[:, None]
        if 0 < self.keep < weights.shape[1]:
            value, place = weights.topk(self.keep, dim=1)
            weights = torch.zeros_like(weights).scatter(1, place, value)
        return weights


def beside_expansions(encoder: nn.Module, *, dense: int = 768, keep: int = 512, bias: float = 0.0) -> nn.Module:
    """An encoder of texts that gives weights of the vocabulary after its vector; one that does already stays.

    Args:
        encoder: Is within what comes back.
        dense: See `SpladeEncoder`.
        keep: Likewise.
        bias: Likewise.

    Raises:
        InputError: It has no states of tokens, or weights and no dense part.

    Examples:
        >>> encoder = beside_expansions(StaticEncoder.from_corpus(["a cat"], dim=4))
        >>> encoder.dense, beside_expansions(encoder) is encoder
        (768, True)
    """
    if isinstance(encoder, SpladeEncoder):
        if not encoder.dense:
            raise InputError("an encoder of weights alone, without a dense part", fix="give the encoder within")
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
    return SpladeEncoder(encoder, keep=keep, bias=bias, dense=dense).to(encoder.device)


_TOKENS = 1 << 12
"""Encoded at once: each is compared with the whole vocabulary."""
