"""Texts as several vectors each: of their tokens, of the first of them, or of parts of the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Each, Wrapper
from counterpoint.encoders.encoding import WINDOW, as_asked, check_dim, tell_counters
from counterpoint.encoders.features import Features, Kind, changed, lengths, sum_by_text, take
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.progress import Progress, reporting


class MultiVectorEncoder(Wrapper):
    """A text as several vectors, for late interaction (`counterpoint.geometry.MaxSim`): those of its first tokens.

    `z_i = norm(W h_i)` of the state `h_i` of token `i` in the whole text, for the first `most` tokens that have one.
    Features have one more key, `asked` (n,): which texts are queries. `each` gives all vectors in one tensor, filled up
    with zeros, `encode_each` as many as there are. A text's single vector, of `encode`, is the mean of its vectors:
    what an index of single vectors searches by, in the first of two stages.

    With all tokens, a projection to 128 and without punctuation it is the encoder of Khattab and Zaharia 2020,
    "ColBERT", whose queries have no mask tokens appended; with `most=3`, `asked=1` and `layer_norm` that of Luan et
    al. 2021, "Sparse, Dense, and Attentional Representations for Text Retrieval" (ME-BERT).

    Args:
        encoder: A transformer, or a table of token vectors.
        most: Vectors of a text at most.
        asked: The same of a query; 0: as of others.
        size: Width of the vectors by a projection `W` without bias; 0: the states themselves.
        means: The text is cut into as many parts as it has vectors, equal within a token, and each vector is the mean
            of a part's states: for a table, whose tokens know nothing of each other.
        layer_norm: Whether vectors are brought to mean 0 and variance 1 over their dimensions, then scaled and shifted
            as is learned.
        punctuation: Whether tokens of nothing but punctuation have vectors in what is no query.

    Raises:
        InputError: An encoder without states of tokens; a number below 1 of vectors, below 0 of the others.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus of texts"], layers=1, width=8, heads=2)
        >>> encoder = MultiVectorEncoder(bert, most=5, size=4)
        >>> z = encoder.each(encoder.tokenize(["a small corpus of texts", "a corpus"]))
        >>> z.shape, (z != 0).any(-1).sum(1).tolist()  # [CLS] a small corpus of; [CLS] a corpus [SEP]
        (torch.Size([2, 5, 4]), [5, 4])
    """

    several = True

    def __init__(
        self,
        encoder: TextEncoder,
        most: int = 128,
        *,
        asked: int = 0,
        size: int = 0,
        means: bool = False,
        layer_norm: bool = False,
        punctuation: bool = True,
    ) -> None:
        if not isinstance(encoder, TransformerEncoder | StaticEncoder):
            raise InputError("an encoder without states of tokens", fix="give a transformer or a table")
        if most < 1 or asked < 0 or size < 0:
            raise InputError(f"{most} vectors a text, {asked} a query, {size} wide", fix="give 1 or more; 0 or more")
        super().__init__(encoder)
        states = encoder.token_dim
        if isinstance(encoder, TransformerEncoder):
            states = int(encoder.model.config.hidden_size)
        self.most, self.asked, self.size, self.means = most, asked, size, means
        self.layer_norm, self.punctuation = layer_norm, punctuation
        self.width = size or states
        self.projection = nn.Linear(states, size, bias=False) if size else nn.Identity()
        self.norm = nn.LayerNorm(self.width) if layer_norm else nn.Identity()

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`."""
        features = super().tokenize(texts, kind)
        return {**features, "asked": torch.full((len(texts),), kind == "query")}

    def each(self, features: Features) -> Float[Tensor, "n k d"]:
        """A text's vectors in their order, as they are compared; zeros after the last of them."""
        features = {name: value.to(self.device) for name, value in features.items()}
        n, most = len(features["offsets"]) - 1, max(self.most, self.asked)
        if n == 0:
            return torch.zeros(0, most, self.dim, device=self.device, requires_grad=torch.is_grad_enabled())
        slot_t, number_n = self._slots(features)
        inside = slot_t >= 0
        text = torch.repeat_interleave(torch.arange(n, device=slot_t.device), lengths(features))
        place = (text * most + slot_t)[inside]
        count = torch.bincount(place, minlength=n * most)[:, None].clamp(min=1)
        mean = sum_by_text(states_of(self.encoder, features)[inside], place, n * most) / count
        flat: Tensor = self.norm(self.projection(mean.to(self._dtype)))
        z_nkd = flat.unflatten(0, (n, most))[..., : self.dim]
        if self.normalize:
            z_nkd = F.normalize(z_nkd, dim=-1)
        there = torch.arange(most, device=slot_t.device) < number_n[:, None]
        kept: Tensor = z_nkd * there[..., None]
        return kept

    def encode_each(
        self,
        items: Items,
        *,
        kind: Kind = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        half: bool = False,
        progress: bool | Progress = False,
    ) -> Ragged:
        """The vectors of each item, without gradient: as many as it has.

        Args:
            items: Texts.
            kind: ``"query"`` or ``"document"``: chooses the prompt, how many vectors, and whether punctuation has any.
            prompt: Put before every text instead of the prompt of its kind; "" for none.
            truncate_dim: Keep only so many first dimensions (then normalise again).
            half: Whether vectors are kept as float16, in half of the memory: an index holds such.
            progress: True for a bar with rate and time left, or a function called with (done, total).

        Raises:
            InputError: A text is no string, or there are not so many dimensions.

        Examples:
            >>> encoder = MultiVectorEncoder(StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=4, prompts={}))
            >>> encoder.encode_each(Items("text", ["red cat", "dogs"])).offsets_n.tolist()
            [0, 2, 3]
        """
        if truncate_dim is not None:
            check_dim(truncate_dim, self.width)
        before, counts, dtype = self.training, [0], np.float16 if half else np.float32
        self.eval()
        try:
            with (
                as_asked(self, prompt, truncate_dim),
                reporting(progress, len(items)) as report,
                torch.inference_mode(),
            ):
                found = [np.zeros((0, self.dim), dtype=dtype)]
                for window in torch.arange(len(items)).split(WINDOW):
                    features = self.inputs(items[window], kind)
                    tell_counters(self, features)
                    for rows in chunks(lengths(features), self.encoder.batch_tokens):
                        z = self.each(take(features, rows))
                        there = (z != 0).any(-1)
                        found.append(z[there].float().cpu().numpy().astype(dtype))
                        counts += there.sum(1).tolist()
                        report(len(rows))
        finally:
            self.train(before)
        return Ragged(np.concatenate(found), np.cumsum(counts))

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _slots(self, features: Features) -> tuple[Int[Tensor, " t"], Int[Tensor, " n"]]:
        """Which vector of its text each token is for, -1 for none; and how many each text has."""
        counts, asked = lengths(features), features["asked"].bool()
        text = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        has = torch.ones_like(text, dtype=torch.bool)
        if not self.punctuation:
            has = asked[text] | ~torch.isin(features["input_ids"], self._marks.to(text.device))
        # of a text of nothing but marks all tokens
        has |= (torch.zeros_like(counts).index_add(0, text, has.long()) == 0)[text]
        own = torch.zeros_like(counts).index_add(0, text, has.long())
        before = has.long().cumsum(0) - 1
        place = before - (F.pad(own.cumsum(0), (1, 0))[:-1])[text]
        limit = torch.where(asked, self.asked or self.most, self.most)
        number = torch.minimum(limit, own)
        slot = torch.div(place * number[text], own[text].clamp(min=1), rounding_mode="floor") if self.means else place
        return torch.where(has & (slot < number[text]), slot, -1), number

    @cached_property
    def _marks(self) -> Int[Tensor, " p"]:
        """Tokens that are punctuation."""
        tokenizer: Any = self.encoder.tokenizer
        special, vocabulary = self.special_tokens, tokenizer.get_vocab()
        # without what tokenizers put before a word's first piece, or its others
        said = [(i, token.removeprefix("##").strip("Ġ▁")) for token, i in vocabulary.items() if i not in special]
        marks = [i for i, token in said if token and not any(c.isalnum() for c in token)]
        return torch.tensor(sorted(marks), dtype=torch.long)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        z = self.each(features)
        mean: Tensor = z.sum(1) / (z != 0).any(-1).sum(1, keepdim=True).clamp(min=1)
        return mean


class EachVector(Each[MultiVectorEncoder]):
    """All vectors of a text, `(n, k, d)`: what is trained in the place of a `MultiVectorEncoder` and holds it.

    Args:
        encoder: It.

    Raises:
        InputError: It is none.

    Examples:
        >>> encoder = MultiVectorEncoder(StaticEncoder.from_corpus(["a cat", "two dogs"], dim=4), most=3)
        >>> each = EachVector(encoder)
        >>> each(each.inputs(Items("text", ["a cat", "dogs"]))).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder, MultiVectorEncoder, "gives several vectors a text")

    def forward(self, features: Features) -> Float[Tensor, "n k d"]:
        """Zeros after a text's last vector."""
        return self.encoder.each(features)


def states_of(encoder: TextEncoder, features: Features) -> Float[Tensor, "t d"]:
    """The state of each token: a transformer's last, or the vectors of a table.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat"], dim=4, prompts={})
        >>> states_of(table, table.tokenize(["a cat", "cat"])).shape
        torch.Size([3, 4])
    """
    if isinstance(encoder, TransformerEncoder):
        return encoder._hidden(features)
    assert isinstance(encoder, StaticEncoder)
    ids, weight = features["input_ids"], encoder.log_weight
    states = encoder.embedding(ids)
    return changed(states if weight is None else states * weight[ids].exp()[:, None], features)


def vector_of(encoder: TextEncoder, states_td: Float[Tensor, "t e"], features: Features) -> Float[Tensor, "n d"]:
    """The encoder's own vector of each text, not scaled.

    Args:
        encoder: A transformer, or a table.
        states_td: What `states_of` gave.
        features: Likewise.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat"], dim=4, prompts={})
        >>> features = table.tokenize(["a cat", "cat"])
        >>> vector_of(table, states_of(table, features), features).shape
        torch.Size([2, 4])
    """
    return encoder._pooled(states_td, features) if isinstance(encoder, TransformerEncoder) else encoder._embed(features)


def of_width(z: Float[Tensor, "n e"], dim: int) -> Float[Tensor, "n d"]:
    """The first dimensions, or zeros after the last.

    Examples:
        >>> of_width(torch.ones(1, 2), 3).tolist(), of_width(torch.ones(1, 2), 1).tolist()
        ([[1.0, 1.0, 0.0]], [[1.0]])
    """
    return F.pad(z[:, :dim], (0, max(0, dim - z.shape[1])))


def table_of(encoder: TextEncoder) -> Float[Tensor, "v d"]:
    """The vectors of all tokens of the vocabulary: those that a transformer reads, or a table's rows.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat"], dim=4, prompts={})
        >>> table_of(table) is table.embedding.weight
        True
    """
    if isinstance(encoder, StaticEncoder):
        weight: Tensor = encoder.embedding.weight
        return weight
    assert isinstance(encoder, TransformerEncoder)
    table: Tensor = encoder.model.get_input_embeddings().weight
    return table


def padded(states_td: Float[Tensor, "t d"], features: Features) -> Float[Tensor, "n r d"]:
    """The states of each text, zeros after its last.

    Examples:
        >>> padded(torch.ones(3, 2), {"offsets": torch.tensor([0, 2, 3])})[..., 0].tolist()
        [[1.0, 1.0], [1.0, 0.0]]
    """
    counts = lengths(features)
    there = torch.arange(int(counts.max()), device=counts.device) < counts[:, None]
    zeros = states_td.new_zeros(*there.shape, states_td.shape[1])
    return zeros.masked_scatter(there[..., None], states_td)


def chunks(counts: Int[Tensor, " n"], budget: int) -> Iterator[Int[Tensor, " c"]]:
    """Texts one after another, as many at once as have not too many tokens."""
    end, start = counts.cumsum(0), 0
    while start < len(counts):
        before = int(end[start] - counts[start])
        stop = max(start + 1, int(torch.searchsorted(end, before + budget, right=True)))
        yield torch.arange(start, stop)
        start = stop
