"""A transformer that writes: it reads a text and goes on with another one, of which it guesses each next token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders import Features, TransformerEncoder, lengths, take
from counterpoint.encoders.features import from_ids
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective, Only, Sum, Triplet
from counterpoint.points import Points
from counterpoint.pretraining._base import at_places, spread
from counterpoint.relation import Relation, equal, own_mined
from counterpoint.training._processes import Processes
from counterpoint.training.payload import Arguments, Batches, Payload

_TOKENS, _BESIDE = 0, 1
"""Terms."""
_ROWS = 64
"""Pairs whose likelihood is found at once: of each token there is a number for each token of the vocabulary."""


class Continuation(nn.Module, Batches):
    """The second text of a pair is written after the first: `-mean_t log p(y_t | y_<t, x)`.

    One transformer reads `x` as it always does, and each token of `y` sees `x` and what is before it in `y`, as an
    encoder and a decoder of the same weights would (Dong et al. 2019, "Unified Language Model Pre-training", the
    sequence-to-sequence mask); one that is causal stays so. Its state before a token meets its own table of token
    vectors, `p(v) = exp(h . e_v) / sum_u exp(h . e_u)`, so that it needs nothing else to write (`continued`). The last
    token of `y` is the tokenizer's end of a text. The mean is over all tokens of the batch.

    Args:
        encoder: It.
        data: Rows of a text and what is written after it, the first of its positives.

    Raises:
        InputError: No pairs of texts; a tokenizer that ends no text; a pair that is longer than the transformer reads.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a cat is here"], layers=1, width=16, heads=2)
        >>> task = Continuation(encoder, rows_of([Example("a cat", ("is here",))]))
        >>> payload = task.payload(torch.tensor([0]))
        >>> task(payload.inputs).shape  # before "is", "here" and the end
        torch.Size([1, 3, 16])
    """

    terms: ClassVar[tuple[str, ...]] = ("written",)

    def __init__(self, encoder: TransformerEncoder, data: Data) -> None:
        super().__init__()
        if data.others is None or data.positives is None or data.modalities != ("text", "text"):
            raise InputError("there is nothing to write after each text", fix="give pairs of texts")
        self.encoder, self._data = encoder, data
        before, _ = ends(encoder)
        self._first = [ids.tolist() for ids in _each(encoder.tokenize(data.anchors.texts))]
        self._second = [ids[before:].tolist() for ids in _each(encoder.tokenize(data.others.texts))]
        longest = max(map(len, self._first), default=0) + max(map(len, self._second), default=0)
        if longest > encoder.longest:
            raise InputError(
                f"two texts have {longest} tokens, and the model has {encoder.longest} positions",
                fix="have it read shorter ones (max_seq_length)",
            )

    @classmethod
    def objective(cls) -> Objective:
        """Softmax over the vocabulary."""
        return InfoNCE(1.0, geometry=Dot())

    def __len__(self) -> int:
        return len(self._data)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Each text with what is written after it."""
        del among
        inputs, target = self._pairs(rows, self._written(rows))

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            there = (target >= 0).to(z.device)
            queries = Points(z[there], {"sample": target.to(z.device)[there]})
            return {"queries": queries, "keys": self._vocabulary()}

        return Payload(inputs, lengths(inputs), take, arguments)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """The state before each token of the second text."""
        features = {name: value.to(self.encoder.device) for name, value in features.items()}
        return spread(*at_places(self.encoder._hidden(features), features, features["at"]))

    def _written(self, rows: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        assert self._data.positives is not None
        return self._data.positives[rows, 0]

    def _pairs(self, rows: Tensor, others: Tensor) -> tuple[Features, Int[Tensor, "n m"]]:
        """First texts of rows with second texts after them, and the tokens of the latter; -1: no more."""
        first = [self._first[i] for i in self._data.anchor[rows].tolist()]
        second = [self._second[i] for i in others.tolist()]
        return _followed(first, second), _padded(second)

    def _vocabulary(self, **columns: int) -> Points:
        """Every token's vector; of several processes each has a share, since all are gathered."""
        table: Tensor = self.encoder.model.get_input_embeddings().weight
        mine = Processes.current().share(torch.arange(len(table), device=table.device))
        known = {name: torch.full_like(mine, value) for name, value in columns.items()}
        return Points(table[mine], {"sample": mine, **known})


class ContrastedContinuation(Continuation):
    """And beside it a contrast of whole second texts: what is written, what says the same, and what is wrong.

    `z`, the mean of a second text's states, is that of the text before each of its tokens, as above, for the second
    text `y`, another `y'` that says the same (its row's second positive) and each wrong one `y_k` (its negatives), all
    after the same `x`. The loss is `-mean_t log p(y_t | y_<t, x) + w C`,

        C = -log exp(cos(z, z') / t) / (exp(cos(z, z') / t) + sum_k exp(cos(z, z_k) / t)),

    the mean over rows. Other rows' texts are no negatives.

    Source: Saha, Yadav and Bansal 2022, "Explanation Graph Generation via Pre-trained Language Models: An Empirical
    Study with Contrastive Learning", the authors' code (`train_graph_gen_contrastive.py`), which counts padding among
    the states of both means, and the places of padding in the mean over tokens; here neither counts.

    Args:
        encoder: See `Continuation`.
        data: Rows with two positives, and negatives.

    Raises:
        InputError: As `Continuation`, or there are none of these.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a cat is here"], layers=1, width=16, heads=2)
        >>> task = ContrastedContinuation(encoder, rows_of([Example("a cat", ("is here", "here is"), ("is",))]))
        >>> payload = task.payload(torch.tensor([0]))
        >>> call = payload.arguments(task(payload.inputs))
        >>> bool(task.objective()(**call) > Continuation.objective()(call["queries"][:3], call["keys"][:-2]))
        True
    """

    terms: ClassVar[tuple[str, ...]] = ("written", "contrasted")

    def __init__(self, encoder: TransformerEncoder, data: Data) -> None:
        super().__init__(encoder, data)
        there = data.positives is not None and data.positives.shape[1] > 1 and bool((data.positives[:, 1] >= 0).all())
        if not there or data.negatives is None:
            raise InputError("nothing says the same as what is written, or is wrong", fix="prepare the data")

    @classmethod
    def objective(cls, weight: float = 0.1, temperature: float = 0.1) -> Objective:
        """The sum of the class.

        Args:
            weight: w, of the contrast; 0.1 is theirs.
            temperature: t, of its cosines; 0.1 is theirs.
        """
        contrast = InfoNCE(temperature, relation=Relation(negative=own_mined))
        written = Only("term", _TOKENS, super().objective())
        return Sum(written, Only("term", _BESIDE, contrast), weights=(1.0, weight))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Each text with what is written after it, with what says the same, and with all that is wrong."""
        del among
        positives, negatives = self._data.positives, self._data.negatives
        assert positives is not None and negatives is not None  # noqa: PT018
        row, k = (negatives[rows] >= 0).nonzero(as_tuple=True)
        others = torch.cat([positives[rows, 0], positives[rows, 1], negatives[rows][row, k]])
        inputs, target = self._pairs(torch.cat([rows, rows, rows[row]]), others)
        n = len(rows)

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            there, number = (target >= 0).to(z.device), rows.to(z.device)
            means = z.sum(1) / there.sum(1, keepdim=True)
            written, sought = z[:n][there[:n]], target.to(z.device)[:n][there[:n]]
            of_tokens = {"sample": sought, "term": torch.full_like(sought, _TOKENS), "row": torch.full_like(sought, -1)}
            of_texts = {"sample": number, "term": torch.full_like(number, _BESIDE), "row": number}
            own = number[row.to(z.device)]
            of_others = {
                "sample": torch.cat([number, torch.full_like(own, -1)]),
                "row": torch.cat([number, own]),
                "term": torch.full((len(means) - n,), _BESIDE, device=z.device),
            }
            queries = Points.cat([Points(written, of_tokens), Points(means[:n], of_texts)])
            keys = [self._vocabulary(term=_TOKENS, row=-1), Points(means[n:], of_others)]
            return {"queries": queries, "keys": Points.cat(keys)}

        return Payload(inputs, lengths(inputs), take, arguments)


class MarginContinuation(ContrastedContinuation):
    """And beside it a margin, token by token: `y_t` is to be likelier than what a wrong text has in its place.

    The loss is `-mean_t log p(y_t | y_<t, x) + w mean_t max(0, m - log p(y_t | y_<t, x) + log p(y_kt | y_<t, x))`, the
    second mean over all wrong texts `y_k` of a row and the places that both texts have. Both tokens are guessed after
    `y`: the wrong text is never read. A place where both have one token adds m.

    Source: Saha, Yadav and Bansal 2022, the authors' code (`train_graph_gen_max_margin.py`), where each wrong text is a
    row of its own and the places of padding count, too.

    Args:
        encoder: See `Continuation`.
        data: See `ContrastedContinuation`.

    Raises:
        InputError: As `ContrastedContinuation`.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a cat is here"], layers=1, width=16, heads=2)
        >>> task = MarginContinuation(encoder, rows_of([Example("a cat", ("is here", "here is"), ("is",))]))
        >>> payload = task.payload(torch.tensor([0]))
        >>> payload.arguments(task(payload.inputs))["queries"].columns["term"].tolist()  # "is", and the end for "here"
        [0, 0, 0, 1, 1]
    """

    terms: ClassVar[tuple[str, ...]] = ("written", "margin")

    @classmethod
    def objective(cls, weight: float = 1.0, margin: float = 1.0) -> Objective:
        """The sum of the class.

        Args:
            weight: w; 1 is theirs.
            margin: m; 1 is theirs.
        """
        # the sum over the vocabulary is the same for both tokens, so that what is left are their scores
        relation = Relation(negative=equal("wrong", "sample"))
        beside = Triplet(margin, geometry=Dot(), relation=relation)
        written = Only("term", _TOKENS, Continuation.objective())
        return Sum(written, Only("term", _BESIDE, beside), weights=(1.0, weight))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Each text with what is written after it, and the tokens of what is wrong."""
        del among
        assert self._data.negatives is not None
        negatives = self._data.negatives[rows]
        row, k = (negatives >= 0).nonzero(as_tuple=True)
        inputs, target = self._pairs(rows, self._written(rows))
        wrong = _padded([self._second[i] for i in negatives[row, k].tolist()])
        most = min(target.shape[1], wrong.shape[1])
        both = (target[row, :most] >= 0) & (wrong[:, :most] >= 0)
        text, place = row[:, None].expand_as(both)[both], torch.arange(most).expand_as(both)[both]

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            there, sought = (target >= 0).to(z.device), target.to(z.device)
            states = torch.cat([z[there], z[text.to(z.device), place.to(z.device)]])
            samples = torch.cat([sought[there], sought[text.to(z.device), place.to(z.device)]])
            instead = wrong[:, :most][both].to(z.device)
            none = torch.full((len(samples) - len(instead),), -1, device=z.device)
            term = torch.cat([torch.full_like(none, _TOKENS), torch.full_like(instead, _BESIDE)])
            columns = {"sample": samples, "wrong": torch.cat([none, instead]), "term": term}
            return {"queries": Points(states, columns), "keys": self._vocabulary()}

        return Payload(inputs, lengths(inputs), take, arguments)


@torch.no_grad()
def continued(encoder: TransformerEncoder, texts: Sequence[str], most: int = 100) -> list[str]:
    """What a transformer that has learned by `Continuation` writes after texts: the likeliest token, again and again.

    Args:
        encoder: It.
        texts: Such as those that it has learned from.
        most: Tokens, as far as it has positions for them.

    Raises:
        InputError: A tokenizer that ends no text.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a cat is here"], layers=1, width=16, heads=2)
        >>> len(continued(encoder, ["a cat"], most=3))
        1
    """
    refuse_string(texts, "texts")
    _, end = ends(encoder)
    first = [ids.tolist() for ids in _each(encoder.tokenize(list(texts)))]
    second: list[list[int]] = [[] for _ in first]
    was, table = encoder.training, encoder.model.get_input_embeddings().weight
    encoder.eval()
    going = [i for i, ids in enumerate(first) if len(ids) < encoder.longest]
    for _ in range(most):
        if not going:
            break
        features = _followed([first[i] for i in going], [[*second[i], end] for i in going])
        features = {name: value.to(encoder.device) for name, value in features.items()}
        last = encoder._hidden(features)[features["offsets"][1:] - 2]
        for i, token in zip(going, (last @ table.T).argmax(1).tolist(), strict=True):
            second[i].append(token)
        going = [i for i in going if second[i][-1] != end and len(first[i]) + len(second[i]) < encoder.longest]
    encoder.train(was)
    return [encoder.tokenizer.decode(ids, skip_special_tokens=True) for ids in second]


@torch.no_grad()
def log_likelihood(encoder: TransformerEncoder, data: Data) -> Float[Tensor, " n"]:
    """Of each second text the mean of `log p(y_t | y_<t, x)` over its tokens, as `Continuation` has it.

    Args:
        encoder: It.
        data: Rows of a text and what is written after it.

    Raises:
        InputError: As `Continuation`.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a cat is here"], layers=1, width=16, heads=2)
        >>> bool((log_likelihood(encoder, rows_of([Example("a cat", ("is here",))])) < 0).all())
        True
    """
    was, task = encoder.training, Continuation(encoder, data)
    task.eval()
    table, means = encoder.model.get_input_embeddings().weight, [torch.zeros(0)]
    for rows in torch.arange(len(data)).split(_ROWS):
        inputs, target = task._pairs(rows, task._written(rows))
        logs = (task(inputs) @ table.T).float().cpu().log_softmax(2)
        there = target >= 0
        found = logs.gather(2, target.clamp_min(0)[..., None])[..., 0] * there
        means.append(found.sum(1) / there.sum(1))
    encoder.train(was)
    return torch.cat(means)


def ends(encoder: TransformerEncoder) -> tuple[int, int]:
    """How many special tokens the tokenizer puts before a text, and the one that it puts after it.

    Raises:
        InputError: It puts none.
    """
    special = encoder.tokenize([""])["input_ids"].tolist() if encoder.tokenizer.num_special_tokens_to_add() else []
    if not special or special[-1] == encoder.tokenizer.bos_token_id:
        raise InputError("the tokenizer puts no token at the end of a text", fix="give another base, such as minilm")
    return len(special) - 1, special[-1]


def _each(features: Features) -> tuple[Int[Tensor, " l"], ...]:
    each: tuple[Tensor, ...] = features["input_ids"].split(lengths(features).tolist())
    return each


def _padded(rows: list[list[int]]) -> Int[Tensor, "n m"]:
    """Token ids in rows; -1: no more."""
    out = torch.full((len(rows), max(map(len, rows), default=0)), -1)
    for i, ids in enumerate(rows):
        out[i, : len(ids)] = torch.tensor(ids)
    return out


def _followed(first: list[list[int]], second: list[list[int]]) -> Features:
    """First texts with second texts after them, and `at` (n, m), the places of the states before the latter's."""
    features = from_ids([[*a, *b] for a, b in zip(first, second, strict=True)])
    later = [torch.tensor([False] * len(a) + [True] * len(b)) for a, b in zip(first, second, strict=True)]
    begins, counts = torch.tensor([len(ids) for ids in first]), torch.tensor([len(ids) for ids in second])
    place = torch.arange(int(counts.max()))
    at = torch.where(place < counts[:, None], begins[:, None] - 1 + place, -1)
    return {**features, "later": torch.cat(later), "at": at}
