"""What guessing tokens shares: texts whose tokens are asked for, their states as queries, the vocabulary as keys."""

from __future__ import annotations

import abc
import copy
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, lengths, take
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective, Only, Sum
from counterpoint.points import Points
from counterpoint.training._processes import Processes
from counterpoint.training.payload import Arguments, Batches, Payload

Self = TypeVar("Self", bound="Guessing")


class Guessing(nn.Module, Batches):
    """A transformer that guesses tokens: what `counterpoint.training.train` takes as encoder, and as batches.

    With `h` the state of a place, transformed, and `e_v`, `b_v` the input embedding and the bias of token v, the loss
    of a place whose token is x is `-log exp(h . e_x + b_x) / sum_v exp(h . e_v + b_v)`: InfoNCE with inner product and
    temperature 1, every token of the vocabulary a shared key. Only places that are asked for meet the vocabulary. A
    loss is the mean over all of them in the batch, of all its chunks and all processes; a sum of losses (`terms`,
    `weights`) is one of such means.

    Args:
        encoder: Its model is trained.
        texts: The corpus, or what its tokenizer makes of it.
        whole_words: What is drawn for a word's first token holds for its other tokens, too.
        bias: Whether tokens have one. It begins as the logarithm of how frequent each is in the texts.
    """

    terms: ClassVar[tuple[str, ...]] = ("masked",)
    """What is guessed: a name for each loss."""
    weights: ClassVar[tuple[float, ...]] = (1.0,)
    """Of each loss in their sum."""

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        whole_words: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        refuse_string(texts, "texts")
        self.encoder, self._whole_words = encoder, whole_words
        width = int(encoder.model.config.hidden_size)
        self.transform = transform(width, width)
        self._features = texts if isinstance(texts, dict) else encoder.tokenize(list(texts))
        self._special = torch.tensor(encoder.tokenizer.all_special_ids)
        self._begins = beginnings(encoder) if whole_words else None
        self.bias: nn.Parameter | None = None
        if bias:
            times = torch.bincount(self._features["input_ids"], minlength=len(self._table)) + 1.0
            self.bias = nn.Parameter(torch.log(times / times.sum()))

    @abc.abstractmethod
    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The texts of a batch and what is asked of them, see `counterpoint.training.Batches`."""

    @classmethod
    def objective(cls) -> Objective:
        """Softmax over the vocabulary, of each term."""
        if len(cls.terms) == 1:
            return InfoNCE(1.0, geometry=Dot())
        each = [Only("term", i, InfoNCE(1.0, geometry=Dot())) for i in range(len(cls.terms))]
        return Sum(*each, weights=cls.weights)

    def __len__(self) -> int:
        return len(self._features["offsets"]) - 1

    def over(self: Self, features: Features) -> Self:
        """The same weights for other texts."""
        other = copy.copy(self)
        other._features = features
        return other

    @property
    def _table(self) -> Tensor:
        table: Tensor = self.encoder.model.get_input_embeddings().weight
        return table

    def _draws(self, features: Features) -> Float[Tensor, " t"]:
        """A number from 0 to 1 for each token, or for each word; 1 for special tokens."""
        ids = features["input_ids"]
        draws = torch.rand(len(ids))
        if self._begins is not None:
            begins = self._begins[ids]
            begins[features["offsets"][:-1]] = True
            draws = draws[begins.nonzero()[:, 0][begins.cumsum(0) - 1]]
        return torch.where(torch.isin(ids, self._special), 1.0, draws)

    def _thinned(self, features: Features, share: float) -> Features:
        """Texts without a share of their tokens, or words; `whole` `(n, m)` has all tokens, -1 where there are no more.

        Special tokens, and one other of each text, stay.
        """
        ids, n = features["input_ids"], len(features["offsets"]) - 1
        text = torch.repeat_interleave(torch.arange(n), features["offsets"].diff())
        draws, special = self._draws(features), torch.isin(ids, self._special)
        # the last to go stays
        last = torch.full((n,), -1.0).scatter_reduce(0, text, draws.masked_fill(special, -1.0), "amax")
        kept = special | (draws >= share) | (draws == last[text])
        counts = torch.bincount(text[kept], minlength=n)
        every = places(torch.ones_like(special), features["offsets"])
        whole = torch.full_like(every, -1).masked_scatter(every >= 0, ids)
        offsets = nn.functional.pad(counts.cumsum(0), (1, 0))
        return {**features, "input_ids": ids[kept], "offsets": offsets, "whole": whole}

    def _keys(self) -> tuple[Float[Tensor, "v d"], Int[Tensor, " v"] | None]:
        """Every token's vector, with its bias; and which term each is for, where that is not all."""
        table = self._table
        return (table if self.bias is None else torch.cat([table, self.bias[:, None]], 1)), None

    def _payload(
        self,
        inputs: Features,
        target: Int[Tensor, "n m"],
        term: Int[Tensor, "*n m"] | None = None,
        *,
        cost: Int[Tensor, " n"] | None = None,
    ) -> Payload:
        """The batch of texts whose forward gives `(n, m, d)` states, of which those with a target are asked for.

        Args:
            inputs: Of the forward.
            target: Tokens; -1: none.
            term: Which loss each of the m places belongs to, of all texts or of each.
            cost: Of each text; its tokens if not given.
        """

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            sought = self._targets(z, target.to(z.device))
            there = sought >= 0
            h = z[there][:, : self.transform[0].out_features]
            columns = {"sample": sought[there]}
            if term is not None:
                columns["term"] = term.to(z.device).expand_as(sought)[there]
            keys, terms = self._keys()
            # all processes' keys are gathered: each is there once
            mine = Processes.current().share(torch.arange(len(keys), device=keys.device))
            key_columns = {"sample": mine} | ({} if terms is None else {"term": terms.to(keys.device)[mine]})
            queries = h if self.bias is None else torch.cat([h, torch.ones_like(h[:, :1])], 1)
            return {"queries": Points(queries, columns), "keys": Points(keys[mine], key_columns)}

        return Payload(inputs, lengths(inputs) if cost is None else cost, take, arguments)

    def _targets(self, z: Float[Tensor, "n m d"], target: Int[Tensor, "n m"]) -> Int[Tensor, "n m"]:
        """What is asked for, where only the forward knows some of it."""
        del z
        return target

    def _on_device(self, features: Features) -> Features:
        return {name: value.to(self.encoder.device) for name, value in features.items()}


def with_texts(call: Arguments, queries: Points, keys: Points) -> dict[str, Any]:
    """Tokens and the vocabulary, and beside them texts on both sides, told apart by the column `text`: 0, and 1.

    Args:
        call: Of the tokens.
        queries: Texts; a column that tokens lack is -1 of these, and the other way round.
        keys: Likewise.
    """
    sides = {}
    for side, texts in (("queries", queries), ("keys", keys)):
        tokens: Points = call[side]
        wide = texts.with_z(nn.functional.pad(texts.z, (0, tokens.z.shape[1] - texts.z.shape[1])).to(tokens.z))
        names, both = {*tokens.columns, *texts.columns}, []
        for i, points in enumerate((tokens, wide)):
            none = torch.full((len(points),), -1, device=points.z.device)
            columns = {name: points.columns.get(name, none) for name in names}
            both.append(Points(points.z, {**columns, "text": torch.full_like(none, i)}))
        sides[side] = Points.cat(both)
    return {**call, **sides}


def beside_guesses(guesses: Objective, contrast: Objective, weight: float = 1.0) -> Objective:
    """`guesses + weight * contrast`, the objective of what `with_texts` makes."""
    return Sum(Only("text", 0, guesses), Only("text", 1, contrast), weights=(1.0, weight))


def transformer(encoder: nn.Module) -> TransformerEncoder:
    """The encoder, where it is one that can guess tokens.

    Raises:
        InputError: It is no transformer, such as a table of token vectors.
    """
    if not isinstance(encoder, TransformerEncoder):
        raise InputError("tokens are guessed by a transformer", fix="give one for a base, such as minilm or small")
    return encoder


def transform(width: int, out: int) -> nn.Sequential:
    """What states go through before they meet the vocabulary (Devlin et al. 2019, the authors' code)."""
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.LayerNorm(out))


def places(chosen: Bool[Tensor, " t"], offsets: Int[Tensor, " n_plus_1"]) -> Int[Tensor, "n m"]:
    """Of each text the places of its chosen tokens, counted from its first; -1: no more.

    Examples:
        >>> places(torch.tensor([False, True, True, False, True]), torch.tensor([0, 3, 5])).tolist()
        [[1, 2], [1, -1]]
    """
    text = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())[chosen]
    counts = torch.bincount(text, minlength=len(offsets) - 1)
    at = torch.full((len(counts), int(counts.max())), -1)
    first = counts.cumsum(0) - counts
    at[text, torch.arange(len(text)) - first[text]] = chosen.nonzero()[:, 0] - offsets[text]
    return at


def at_places(values: Tensor, features: Features, at: Int[Tensor, "n m"]) -> tuple[Tensor, Bool[Tensor, "n m"]]:
    """The values (t, ...) of tokens at the places that there are, one after the other; and where there are some."""
    there = at >= 0
    return values[(features["offsets"][:-1, None] + at)[there]], there


def picked(x: Float[Tensor, "n l d"], at: Int[Tensor, "n m"]) -> Float[Tensor, "p d"]:
    """The states at the places that there are, one after the other."""
    there = at >= 0
    return x[torch.arange(len(x), device=x.device)[:, None].expand_as(at)[there], at[there]]


def spread(values: Float[Tensor, "p d"], there: Bool[Tensor, "n m"]) -> Float[Tensor, "n m d"]:
    """Values one after the other where there are some, 0 elsewhere."""
    out = values.new_zeros(*there.shape, values.shape[1])
    return out.masked_scatter(there[..., None], values)


def beginnings(encoder: TransformerEncoder) -> Bool[Tensor, " v"]:
    """Which tokens of the vocabulary begin a word, as far as their form tells: no "##" before it, or a blank.

    Raises:
        InputError: The tokenizer marks neither.
    """
    tokens = encoder.tokenizer.convert_ids_to_tokens(list(range(len(encoder.tokenizer))))
    goes_on = torch.tensor([token.startswith("##") for token in tokens])
    blank = torch.tensor([token.startswith(("Ġ", "▁")) for token in tokens])
    if not (goes_on.any() or blank.any()):
        raise InputError("the tokenizer does not tell where words begin", fix="mask tokens instead of whole words")
    begins = ~goes_on if goes_on.any() else blank
    missing = encoder.model.get_input_embeddings().num_embeddings - len(begins)
    return torch.cat([begins, torch.ones(max(0, missing), dtype=torch.bool)])
