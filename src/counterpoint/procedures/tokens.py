"""Beside the contrast of texts a second term: something is guessed of their tokens."""

from __future__ import annotations

import abc
import copy
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective, Only, Sum
from counterpoint.points import Points, as_points, unknown
from counterpoint.procedures._base import Call, Procedure
from counterpoint.relation import Relation, same

_TEXTS, _TOKENS = 0, 1
"""The terms."""


class Asked(NamedTuple):
    """What is asked of the tokens of a batch.

    Attributes:
        states: Of each token that is asked for.
        answer: Which row of the table is right.
        table: A vector for each answer.
    """

    states: Float[Tensor, "p d"]
    answer: Int[Tensor, " p"]
    table: Float[Tensor, "a d"]


class TokenTask(Procedure, abc.ABC):
    """The call of texts, and beside them tokens with their answers among the keys, told apart by the column `term`.

    With `h` the state of a token and `v_a` the vector of an answer, a token whose answer is x loses
    `-log exp(h . v_x) / sum_a exp(h . v_a)`, and the term is the mean over all tokens that are asked for in the whole
    batch: guesses of masked tokens, where the table is the vocabulary, as much as of whether one was replaced, where
    there are two answers. `TokenTask.beside` makes the objective. A subclass gives `asked`, and in `reads` the columns
    of the points that it needs and nobody else. Of pairs one side may have them alone, and is then all that is asked.

    Every process computes this of the whole batch, in one piece: memory is that of its tokens.

    Raises:
        InputError: in a call, for texts of one side.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Columns that are left out of the points of the call."""

    @abc.abstractmethod
    def asked(self, points: Points) -> Asked:
        """What is asked.

        Args:
            points: The texts of both sides, with their columns; of the side that has those of `reads`, if one has.
        """

    @staticmethod
    def beside(contrast: Objective, weight: float) -> Objective:
        """`contrast + weight * guesses`: the objective of what this procedure makes of calls.

        Args:
            contrast: Of the texts.
            weight: Of the guesses.

        Examples:
            >>> TokenTask.beside(InfoNCE(0.05), 0.1).weights
            (1.0, 0.1)
        """
        guessed = InfoNCE(1.0, geometry=Dot(), relation=Relation(same("answer")))
        texts, tokens = Only("term", _TEXTS, contrast), Only("term", _TOKENS, guessed)
        return Sum(texts, tokens, weights=(1.0, weight))

    def change(self, call: Call) -> Call:
        """The call with tokens beside the texts."""
        if call.get("keys") is None:
            raise InputError("tokens are guessed beside two sides of texts", fix="use two views, or pairs")
        sides = [as_points(call[side]) for side in ("queries", "keys")]
        asked = self.asked(Points.cat([side for side in sides if set(self.reads) <= side.columns.keys()] or sides))
        queries, keys = map(self._texts, sides)
        width = max(queries.z.shape[1], asked.states.shape[1])
        answers = torch.arange(len(asked.table), device=asked.answer.device)
        return {
            **call,
            "queries": beside(queries, asked.states, asked.answer, width, none=-1),
            # what is no hash of a text, and not the same on both sides: tokens are no copies of each other
            "keys": beside(keys, asked.table, answers, width, none=-2),
        }

    def _texts(self, points: Points) -> Points:
        return Points(points.z, {name: c for name, c in points.columns.items() if name not in self.reads})


def beside(texts: Points, z: Tensor, answer: Tensor, width: int, none: int) -> Points:
    """Points of another kind after texts, all as wide as `width`, told apart by `term`; `none` is no hash of a text."""
    tokens = unknown(F.pad(z, (0, width - z.shape[1])).to(texts.z), texts)
    fill = {"input": none, "partner": none, "weight": 1, "temperature": 1}
    known = {name: torch.full_like(c, fill[name]) for name, c in tokens.columns.items() if name in fill}
    tokens = tokens.with_columns(**known, answer=answer, term=torch.full_like(answer, _TOKENS))
    nothing = torch.full((len(texts),), -1, device=texts.z.device)
    texts = texts.with_z(F.pad(texts.z, (0, width - texts.z.shape[1])))
    return Points.cat([texts.with_columns(answer=nothing, term=torch.full_like(nothing, _TEXTS)), tokens])


class DetectReplaced(TokenTask):
    """Which tokens of an edited text were replaced, as a second encoder tells that is told of the text by its vector.

    The second encoder begins as a copy of the one that is trained and is learned with it. It reads the edited text, in
    which the text's vector `h` stands in place of the embedding of the first token; a layer of two outputs on its
    states says of each token whether it is the one that was there, the first token's among them. So the vector must
    hold what tells edits, and its gradient reaches the encoder. Views of a text have edits of their own.

    Source: Chuang et al. 2022, "DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings", the
    conditional replaced-token detection; the second encoder and its place for the vector as the authors' code has them.

    Args:
        width: Of the vectors and of the encoder's states.

    Raises:
        InputError: at the start, if the encoder is no transformer so wide; in a call, for texts without edits or
            vectors of another width.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b c"], layers=1, width=8, heads=2)
        >>> task = DetectReplaced(8)
        >>> task.start(nn.Sequential(encoder, nn.Identity()))
        >>> columns = {"tokens": torch.tensor([[2, 5, 6]]), "filled": torch.tensor([[[2, 5, 7]]])}
        >>> text = Points(torch.ones(1, 8), columns)
        >>> (call,) = task([{"queries": text, "keys": text}], lambda model: {})
        >>> call["queries"].columns["answer"].tolist()  # two views of the text, then their tokens
        [-1, 0, 0, 1, 0, 0, 1]
    """

    reads = ("tokens", "filled")

    def __init__(self, width: int) -> None:
        super().__init__()
        self.replaced = nn.Linear(width, 2)

    def start(self, model: nn.Module) -> None:
        """Copy the encoder."""
        encoder, width = next(model.children()), self.replaced.in_features
        if not isinstance(encoder, TransformerEncoder) or encoder.token_dim != width:
            raise InputError(
                f"replaced tokens are told by a second transformer of width {width}", fix="give one for a base"
            )
        self.encoder = copy.deepcopy(encoder)

    def asked(self, points: Points) -> Asked:
        """Of every token of the edited texts whether it is another one."""
        if not set(self.reads) <= points.columns.keys():
            raise InputError("there is no edited text", fix="prepare the data: filled_in")
        h, width = points.z, self.replaced.in_features
        if h.shape[1:] != (width,):
            raise InputError(
                f"a vector of shape {tuple(h.shape[1:])} cannot stand for a token of {width}", fix="use another head"
            )
        tokens, filled = points.columns["tokens"], points.columns["filled"]
        view = points.columns.get("view", torch.zeros(len(points), dtype=torch.long, device=h.device))
        seen = filled[torch.arange(len(points), device=h.device), view % filled.shape[1]]
        there = seen >= 0
        ids, offsets = seen[there], F.pad(there.sum(1).cumsum(0), (1, 0))
        scale = h.new_ones(len(ids), 1).index_fill(0, offsets[:-1], 0.0)
        shift = h.new_zeros(len(ids), width).index_copy(0, offsets[:-1], h)
        states = self.encoder._hidden({"input_ids": ids, "offsets": offsets, "scale": scale, "shift": shift})
        answer = (seen != tokens)[there].long()
        table = torch.cat([self.replaced.weight, self.replaced.bias[:, None]], 1)
        return Asked(torch.cat([states, torch.ones_like(states[:, :1])], 1), answer, table)
