"""Token vectors that a graph of labelled texts makes alike within a class and unlike between classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from torch import Tensor, nn
from torch.nn.utils import parametrize

from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import Objective, SupCon
from counterpoint.points import Points
from counterpoint.training.payload import Arguments, Batches, Payload

KEYS = 40
"""Of a token: neighbours of its class and tokens of others."""


@dataclass(frozen=True)
class Cooccurrence:
    """How often tokens follow one another in texts of each class.

    Attributes:
        counts: `(classes, v)`: how often each token is in texts of a class.
        edges: Of each class `(v, v)`: how often two tokens are neighbours in its texts; symmetric, no token is its own.
    """

    counts: np.ndarray
    edges: tuple[csr_array, ...]

    @classmethod
    def of(
        cls, ids: Int[Tensor, " t"], offsets: Int[Tensor, " m"], label: Int[Tensor, " n"], vocabulary: int, least: int
    ) -> Cooccurrence:
        """Of texts; tokens that are there less than `least` times are in no edge."""
        text = torch.repeat_interleave(torch.arange(len(label)), offsets.diff())
        of_token, classes = label[text], int(label.max()) + 1
        counts = np.zeros((classes, vocabulary), dtype=np.int64)
        np.add.at(counts, (of_token.numpy(), ids.numpy()), 1)
        often = torch.from_numpy(counts.sum(0) >= least)
        # a window of two tokens
        first, second = ids[:-1], ids[1:]
        there = (text[:-1] == text[1:]) & (first != second) & often[first] & often[second]
        edges = []
        for c in range(classes):
            a, b = (side[there & (of_token[:-1] == c)].numpy() for side in (first, second))
            both = np.concatenate([a, b]), np.concatenate([b, a])
            edges.append(csr_array(coo_array((np.ones(len(both[0])), both), shape=(vocabulary, vocabulary))))
        return cls(counts, tuple(edges))

    def adjacency(self) -> Float[Tensor, "v v"]:
        """`D^(-1/2) (A + I) D^(-1/2)`, `a_ij = (f_ij + 1) / (c_i + c_j + v)` where two are neighbours in any class."""
        joint = coo_array(sum(self.edges[1:], start=self.edges[0]))
        (i, j), v = joint.coords, joint.shape[0]
        count = self.counts.sum(0)
        weight = (joint.data + 1) / (count[i] + count[j] + v)
        itself = np.arange(v)
        rows, columns = np.concatenate([i, itself]), np.concatenate([j, itself])
        values = np.concatenate([weight, np.ones(v)])
        degree = np.bincount(rows, values, minlength=v) ** -0.5
        scaled = torch.from_numpy(values * degree[rows] * degree[columns]).float()
        at = torch.from_numpy(np.stack([rows, columns]))
        return torch.sparse_coo_tensor(at, scaled, (v, v), check_invariants=False).coalesce()

    def of_one_class(self, share: float) -> list[Int[np.ndarray, " k"]]:
        """Of each class the tokens that have neighbours there, and so much of their occurrences or more."""
        total = np.maximum(self.counts.sum(0), 1)
        return [
            np.flatnonzero((count >= share * total) & (np.diff(edges.indptr) > 0))
            for count, edges in zip(self.counts, self.edges, strict=True)
        ]


class Convolved(nn.Module):
    """A table of token vectors after two graph convolutions, `A' (A' X W_1 + b_1) W_2 + b_2`, with dropout between.

    There is no other function between them, as in the authors' code; dropout is for training alone, where theirs stays.

    Args:
        adjacency: `A'`, sparse.
        dim: Of the vectors, before, between and after.
        dropout: Share of values.

    Examples:
        >>> layer = Convolved(torch.eye(3).to_sparse(), 2)
        >>> layer(torch.ones(3, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(self, adjacency: Float[Tensor, "v v"], dim: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.first, self.second, self.dropout = nn.Linear(dim, dim), nn.Linear(dim, dim), dropout

    def forward(self, table_vd: Float[Tensor, "v d"]) -> Float[Tensor, "v d"]:
        """Of each token what its neighbours' neighbours hold."""
        h = self._spread(table_vd @ self.first.weight.T) + self.first.bias
        h = F.dropout(h, self.dropout, self.training)
        return self._spread(h @ self.second.weight.T) + self.second.bias

    def _spread(self, x_vd: Float[Tensor, "v d"]) -> Float[Tensor, "v d"]:
        spread: Tensor = torch.sparse.mm(self.adjacency, x_vd)
        return spread


class TokenGraph(nn.Module, Batches):
    r"""A table of token vectors in which neighbours of one class are near, and tokens of other classes far.

    While it learns, the table is what two graph convolutions make of it over the graph of all labelled texts, whose
    edges are how often two tokens follow one another (`Convolved`); the vectors that it began with stay, and so do what
    tokens have that are in no edge but their own. Anchors are tokens of which 90% or more are in texts of one class. Of
    each, up to 20 neighbours are drawn by `softmax(f^0.75)` from its class's own graph, with all others drawn from
    anchors of other classes; the loss is `-1/|P| sum_p log(exp(a . p / 5) / sum_{k in P and N} exp(a . k / 5))`.
    They are drawn once. `settled` makes the table what it has become.

    Source: Mukherjee et al. 2021, "Supervised Graph Contrastive Pretraining for Text Classification", and the authors'
    code, whose newer builder has tokens of one class alone as anchors. (One stored version has another sign of the
    inner product, which would part neighbours.)

    Args:
        encoder: A table of token vectors.
        texts: Labelled ones.
        label: The class of each, from 0.
        share: Of a token's occurrences that are in texts of one class.
        neighbours: At most.
        least: Occurrences of a token, or it is in no edge.

    Raises:
        InputError: No table; other numbers of texts and labels; one class, or one without anchors.

    Examples:
        >>> from counterpoint.training import TrainConfig, train
        >>> texts = ["good fun", "good fun here", "dull bore", "dull bore here"]
        >>> encoder = StaticEncoder.from_corpus(texts, dim=4, normalize=False)
        >>> graph = TokenGraph(encoder, texts, torch.tensor([0, 0, 1, 1]))
        >>> train(graph, graph, graph.objective(), TrainConfig(batch_size=4, dtype="float32")).steps
        1
        >>> settled(encoder)
        >>> encoder.encode(["good"]).shape
        (1, 4)
    """

    def __init__(
        self,
        encoder: nn.Module,
        texts: Sequence[str],
        label: Int[Tensor, " n"],
        *,
        share: float = 0.9,
        neighbours: int = 20,
        least: int = 2,
    ) -> None:
        super().__init__()
        refuse_string(texts, "texts")
        if not isinstance(encoder, StaticEncoder):
            raise InputError("a graph of tokens makes a table of their vectors", fix="use static for a base")
        if len(texts) != len(label):
            raise InputError(f"{len(texts):,} texts and {len(label):,} labels", fix="give one label for each")
        features = encoder.tokenize(list(texts))
        vocabulary, dim = encoder.embedding.weight.shape
        graph = Cooccurrence.of(features["input_ids"], features["offsets"], label, vocabulary, least)
        self._anchors = [torch.from_numpy(tokens) for tokens in graph.of_one_class(share)]
        if len(self._anchors) < 2 or not all(map(len, self._anchors)):
            what = f"{sum(bool(len(own)) for own in self._anchors)} classes with tokens of their own"
            raise InputError(what, fix="give more texts, of two classes or more")
        sizes = torch.tensor([len(own) for own in self._anchors])
        self._class = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        self._tokens, self._edges, self._neighbours = torch.cat(self._anchors), graph.edges, neighbours
        ids, number = zip(*(self._drawn(row) for row in range(len(self._tokens))), strict=True)
        self._ids, self._number = torch.stack(ids), torch.tensor(number)
        self.encoder = encoder
        encoder.embedding.weight.requires_grad_(requires_grad=False)
        parametrize.register_parametrization(encoder.embedding, "weight", Convolved(graph.adjacency(), dim))

    @staticmethod
    def objective() -> Objective:
        """All neighbours in one denominator, averaged outside of the logarithm."""
        return SupCon(5.0, geometry=Dot(), layout="one-way")

    def __len__(self) -> int:
        return len(self._tokens)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Tokens, each with its neighbours and then tokens of other classes."""
        del among
        positive = (torch.arange(KEYS) < self._number[rows][:, None]).float()

        def arguments(z: Float[Tensor, "b k d"]) -> Arguments:
            owned = Points(z[:, 1:], positive=positive.to(z.device))
            return {"queries": Points(z[:, 0]), "owned": owned}

        tokens = self._ids[rows]
        return Payload(tokens, torch.full((len(tokens),), 1 + KEYS), lambda inputs, at: inputs[at], arguments)

    def forward(self, tokens: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
        """Their vectors."""
        table: Tensor = self.encoder.embedding.weight
        return table[tokens.to(table.device)]

    def _drawn(self, row: int) -> tuple[Int[Tensor, " k"], int]:
        token, c = int(self._tokens[row]), int(self._class[row])
        edges = self._edges[c]
        start, end = edges.indptr[token : token + 2]
        near, often = torch.from_numpy(edges.indices[start:end]).long(), torch.from_numpy(edges.data[start:end])
        # the greatest of logits with Gumbel noise are a draw from their softmax without replacement
        noise = -torch.log(-torch.log(torch.rand(len(near), dtype=torch.double)))
        own = near[(often**0.75 + noise).topk(min(self._neighbours, len(near))).indices]
        others = torch.cat([tokens for k, tokens in enumerate(self._anchors) if k != c])
        # of few others each is there again
        number = KEYS - len(own)
        orders = [torch.randperm(len(others)) for _ in range(-(-number // len(others)))]
        against = others[torch.cat(orders)[:number]]
        return torch.cat([torch.tensor([token]), own, against]), len(own)


def settled(encoder: nn.Module) -> None:
    """The tables of an encoder become what a `TokenGraph` has made of them, and learn from then on.

    Examples:
        >>> encoder = StaticEncoder.from_corpus(["a b"], dim=2)
        >>> settled(encoder)  # none has: nothing changes
    """
    for part in encoder.modules():
        if isinstance(part, StaticEncoder) and parametrize.is_parametrized(part.embedding, "weight"):
            part.embedding.parametrizations.eval()
            parametrize.remove_parametrizations(part.embedding, "weight", leave_parametrized=True)
            part.embedding.weight.requires_grad_(requires_grad=True)
