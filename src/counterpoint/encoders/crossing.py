"""A small cross-encoder: it sees a query and a document together and gives one score, and makes no vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.inputs import moved
from counterpoint.encoders.static import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.training.config import TrainConfig
from counterpoint.training.loop import train
from counterpoint.training.payload import Arguments, Batches, Payload

_MEANS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3)
_NARROW, _WIDE = 1e-3, 0.1
_LONGEST = 200
"""Tokens of a document that are seen."""


class CrossEncoder(nn.Module):
    """Kernels on the cosines of every token of the query with every token of the document (K-NRM).

    `s(q, d) = sum_i a_i sum_k w_k log(1 + sum_j exp(-(cos(e_i, e_j) - mu_k)^2 / (2 sigma_k^2)))` over tokens i of the
    query and j of the document: how many tokens of the document are about as near as `mu_k`, of which the first kernel
    counts equal ones. Learned are the vectors, the weights `w` and how much a token counts, `a`. Source: Xiong et al.
    2017, "End-to-End Neural Ad-hoc Ranking with Kernel Pooling", equations 1 to 5; `a` is added and begins as a rare
    token's weight. It begins as a count of equal tokens.

    Args:
        table: Its tokenizer and vectors; a copy is trained.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a red fox", "a blue ant"], dim=8, prompts={})
        >>> scores = CrossEncoder(table).score(["a fox", "a fox"], ["the red fox", "an ant"])
        >>> bool(scores[0] > scores[1])
        True
    """

    def __init__(self, table: StaticEncoder) -> None:
        super().__init__()
        self.tokenizer = table.tokenizer
        weight = table.folded()
        self.embedding = nn.Embedding.from_pretrained(F.normalize(weight, dim=1), freeze=False)
        norm = weight.norm(dim=1)
        self.importance = nn.Embedding.from_pretrained((norm / norm.mean())[:, None], freeze=False)
        self.kernels = nn.Parameter(torch.eye(len(_MEANS))[0])
        self.register_buffer("means", torch.tensor(_MEANS))
        self.register_buffer("widths", torch.tensor([_NARROW, *[_WIDE] * (len(_MEANS) - 1)]))

    def tokens(self, texts: Sequence[str]) -> Int[Tensor, "n t"]:
        """Token ids, -1 after the end; one or more a row."""
        ids = [e.ids[:_LONGEST] for e in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        width = max([1, *map(len, ids)])
        return torch.tensor([[*row, *[-1] * (width - len(row))] for row in ids], dtype=torch.long).view(-1, width)

    def forward(self, inputs: tuple[Int[Tensor, "n q"], Int[Tensor, "n d"]]) -> Float[Tensor, "n 1"]:
        """One score a pair, with gradient."""
        (q, d), (z_q, z_d) = inputs, (F.normalize(self.embedding(side.clamp_min(0)), dim=-1) for side in inputs)
        cosine = z_q @ z_d.transpose(1, 2)
        there = (d >= 0)[:, None, :].to(cosine)
        count = []
        for mean, width in zip(self.means, self.widths, strict=True):  # type: ignore[arg-type]
            near = torch.exp(-(cosine - mean).square() / (2 * width.square()))
            count.append(torch.log1p((near * there).sum(2)))
        weight = self.importance(q.clamp_min(0))[..., 0] * (q >= 0)
        scores: Tensor = ((torch.stack(count, 2) @ self.kernels) * weight).sum(1, keepdim=True)
        return scores

    @torch.inference_mode()
    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        """The score of each query with the document at its place."""
        found = []
        for i in range(0, len(queries), 256):
            sides = (self.tokens(queries[i : i + 256]), self.tokens(documents[i : i + 256]))
            found.append(self(moved(sides, self.kernels.device))[:, 0].cpu())
        return torch.cat(found).numpy() if found else np.zeros(0, np.float32)


class CrossLists(Batches):
    """Queries with their first positive and all their mined negatives, as batches for a cross-encoder.

    Args:
        data: Tuples of texts.
        encoder: What is trained.

    Raises:
        InputError: Rows without mined negatives.
    """

    def __init__(self, data: Data, encoder: CrossEncoder) -> None:
        self.listed = lists(data)
        assert data.others is not None
        self._anchor, self._encoder = data.anchor, encoder
        self._tokens = encoder.tokens(data.anchors.texts), encoder.tokens(data.others.texts)

    def __len__(self) -> int:
        return len(self.listed)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These queries, each with its list: the positive should win."""
        del among
        listed = self.listed[rows]
        n, s = listed.shape
        valid, positive = listed >= 0, torch.zeros(n, s)
        positive[:, 0] = 1.0
        q, d = (self._tokens[0][self._anchor[rows]], self._tokens[1][listed.clamp_min(0).flatten()])
        # no row is wider than its longest
        d = d[:, : max(1, int((d >= 0).sum(1).max()))]

        def arguments(scores: Float[Tensor, "m 1"]) -> Arguments:
            owned = Points(scores.view(n, s, 1), positive=positive, valid=valid)
            return {"queries": Points(scores.new_ones(n, 1)), "owned": owned}

        inputs = (q.repeat_interleave(s, 0), d)
        cost = torch.zeros(n * s, dtype=torch.long)
        return Payload(inputs, cost, lambda both, rows: tuple(side[rows] for side in both), arguments)


def lists(data: Data) -> Int[Tensor, "n s"]:
    """Of each row its first positive and its mined negatives, rows of `others`; -1: no more.

    Raises:
        InputError: Rows without mined negatives.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> lists(rows_of([Example("a", ("b",), ("c", "d")), Example("e", ("f",), ("c",))])).tolist()
        [[0, 1, 2], [3, 1, -1]]
    """
    if data.positives is None or data.negatives is None:
        raise InputError(f"lists are of tuples, and these are {data.schema}", fix="mine negatives first")
    return torch.cat([data.positives[:, :1], data.negatives], 1)


def cross_encoder(data: Data, seed: int = 0, *, steps: int = 200, dim: int = 64) -> CrossEncoder:
    """One that is trained on tuples: softmax cross-entropy over each query's list, 16 lists a step.

    Args:
        data: Tuples of texts; its tokens are of all texts that the rows are over.
        seed: Of vectors and batches.
        steps: So many.
        dim: Of the tokens' vectors.

    Raises:
        InputError: Rows without mined negatives.
    """
    lists(data)
    assert data.others is not None
    texts = [*data.anchors.texts, *data.others.texts]
    encoder = CrossEncoder(StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=dim, seed=seed, prompts={}))
    config = TrainConfig(
        steps=steps, batch_size=16, learning_rate=3e-3, weight_decay=0.0, validations=1, dtype="float32", seed=seed
    )
    train(encoder, CrossLists(data, encoder), InfoNCE(1.0, geometry=Dot()), config)
    return encoder.eval()
