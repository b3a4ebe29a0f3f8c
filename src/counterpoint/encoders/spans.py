"""Passages as vectors of their tokens, in which parts of them can be found: late interaction within spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import clean
from counterpoint.encoders._wrapper import Each, Wrapper
from counterpoint.encoders.encoding import as_asked
from counterpoint.encoders.features import BY_TOKEN, Features, Kind, concat, lengths
from counterpoint.encoders.features import take as taken
from counterpoint.encoders.late import MultiVectorEncoder, chunks
from counterpoint.encoders.propositions import inside_parts, unmarked
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import MaxSim, Ragged

_PASSAGES = 64
"""That are compared at once."""


class SpanEncoder(Wrapper):
    r"""A passage as the vectors of its tokens, all of them and those of each of its parts; a query as two such sets.

    A passage is followed by its parts, tabs between, each word for word as it stands there
    (`counterpoint.encoders.propositions.marked`): "A man rides. It rains.\tA man rides.\tIt rains." It is encoded once,
    and a part is the vectors of its tokens, which have read the passage. Where something else stands after a tab, there
    are no parts, and all is the passage. A query is encoded after its own prompt, to be compared with passages, and
    after `marker`, to be compared with parts. Features have two more keys: `inside` `(t, p)`, which tokens are of which
    part, and `first` `(n,)`, how many tokens of a query stand in the first of both.

    `each` and `EachSpan` give all sets in one tensor, filled up with zeros: of a passage itself, then its parts; of a
    query that for passages, then that for parts. `encode_each` and `encode` give the first set, for searches among
    passages. `scores` compares all.

    Source: Gangi Reddy et al. 2024, "AGRaME: Any-Granularity Ranking with Multi-Vector Embeddings".

    Args:
        encoder: Of the tokens, of a transformer.
        marker: Put before a query that is compared with parts; "": the query's own prompt, and both sets are the same.

    Raises:
        InputError: No vectors of tokens, or a tokenizer that does not say where tokens stand.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a man rides. it rains. which"], layers=1, width=8, heads=2)
        >>> encoder = SpanEncoder(MultiVectorEncoder(bert), "which ")
        >>> passages = Items("text", ["a man rides. it rains.\ta man rides.\tit rains.", "it rains.\tit rains."])
        >>> whole, parts = encoder.scores(Items("text", ["it"]), passages)
        >>> whole.shape, np.isnan(parts).tolist()
        ((1, 2), [[[False, False], [False, True]]])
    """

    encoder: MultiVectorEncoder
    several = True

    def __init__(self, encoder: MultiVectorEncoder, marker: str = "part: ") -> None:
        if not isinstance(encoder, MultiVectorEncoder) or not isinstance(encoder.encoder, TransformerEncoder):
            raise InputError("parts are of the tokens of a transformer", fix="make a late_interaction of one before")
        if getattr(encoder.encoder.tokenizer, "backend_tokenizer", None) is None:
            raise InputError("this tokenizer does not say where tokens stand", fix="give a model with a fast one")
        super().__init__(encoder)
        self.marker, self.max_seq_length = marker, encoder.encoder.max_seq_length

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`: a query twice, one after the other, anything else once."""
        refuse_string(texts, "texts")
        if kind != "query":
            rows = [unmarked(clean(text, i)) for i, text in enumerate(texts)]
            features = self._of([row[0].strip() for row in rows], kind, None)
            inner, prompt = self.encoder.encoder, self.prompt(kind)
            assert isinstance(inner, TransformerEncoder)
            inside = inside_parts(inner, [[prompt + row[0].strip(), *row[1:]] for row in rows], features)
            return {**features, "inside": inside, "first": lengths(features)}
        both = [self._of(texts, kind, prompt) for prompt in (None, self.marker or None)]
        order = torch.arange(2 * len(texts)).view(2, -1).T.flatten()
        # each text's two rows side by side are one
        pairs = taken(concat(both), order)
        kept = {name: pairs[name] if name in BY_TOKEN else pairs[name][::2] for name in pairs}
        return {**kept, "first": lengths(both[0])}

    def each(self, features: Features) -> Float[Tensor, "n l t d"]:
        """All sets of vectors of each text; zeros where there are fewer sets, or fewer vectors."""
        features = {name: value.to(self.device) for name, value in features.items()}
        counts, first = lengths(features), features["first"]
        n, device = len(counts), counts.device
        split = torch.stack([first, counts - first], 1)
        # of a passage the second of both has no tokens, and is none
        there = split > 0
        there[:, 0] = True
        text, place = there.nonzero(as_tuple=True)
        sequences: Features = {
            "input_ids": features["input_ids"],
            "offsets": F.pad(split[there].cumsum(0), (1, 0)),
            "asked": features["asked"][text],
        }
        z_std = self.encoder.each(sequences)
        parts = features["inside"].shape[1] if "inside" in features else 0
        sets = z_std.new_zeros(n, max(2, 1 + parts), *z_std.shape[1:]).index_put((text, place), z_std)
        if not parts:
            return sets
        slot_t, _ = self.encoder._slots(sequences)
        row_t = torch.repeat_interleave(torch.arange(n, device=device), counts)
        seen_t = slot_t >= 0
        inside_ntp = torch.zeros(n, z_std.shape[1], parts, dtype=torch.bool, device=device)
        inside_ntp[row_t[seen_t], slot_t[seen_t]] = features["inside"][seen_t]
        parted = sets[:, :1] * inside_ntp.permute(0, 2, 1)[..., None]
        # queries are in no part
        return sets + F.pad(parted, (0, 0, 0, 0, 1, sets.shape[1] - 1 - parts))

    def encode_each(self, items: Items, *, kind: Kind = None, **options: Any) -> Ragged:
        """The vectors of each query or whole passage; see `MultiVectorEncoder.encode_each`."""
        whole = [unmarked(clean(text, i))[0].strip() for i, text in enumerate(items.texts)]
        return self.encoder.encode_each(Items("text", whole, prompts=items.prompts), kind=kind, **options)

    @torch.no_grad()
    def scores(self, queries: Items, passages: Items) -> tuple[Float[np.ndarray, "n m"], Float[np.ndarray, "n m p"]]:
        """How well each query matches each passage, and each part of it by what stands after the marker.

        Returns:
            Both by `MaxSim`; of a passage's parts NaN where there are no more of them.
        """
        was, asked = self.training, self.eval()._sets(queries, "query")
        whole, parted = list[Tensor](), list[Tensor]()
        found = self._sets(passages, "document")
        for some in found.split(_PASSAGES):
            whole.append(MaxSim().shared(asked[:, 0], some[:, 0], 1.0))
            parts = some[:, 1:]
            score = MaxSim().shared(asked[:, 1], parts.flatten(0, 1), 1.0).unflatten(1, parts.shape[:2])
            parted.append(score.masked_fill(~(parts != 0).flatten(2).any(2), torch.nan))
        self.train(was)
        return torch.cat(whole, 1).numpy(), torch.cat(parted, 1).numpy()

    def _sets(self, items: Items, kind: Kind) -> Float[Tensor, "n l t d"]:
        features = self.inputs(items, kind)
        rows = [*chunks(lengths(features), self.encoder.encoder.batch_tokens)] or [torch.arange(0)]
        return torch.cat([self.each(taken(features, some)).float().cpu() for some in rows])

    def _of(self, texts: Sequence[str], kind: Kind, prompt: str | None) -> Features:
        own = self.prompt(kind) if prompt is None else prompt
        with as_asked(self.encoder, own, None):
            return self.encoder.tokenize(texts, kind)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        z_ntd = self.each(features)[:, 0]
        mean: Tensor = z_ntd.sum(1) / (z_ntd != 0).any(-1).sum(1, keepdim=True).clamp(min=1)
        return mean


class EachSpan(Each[SpanEncoder]):
    """All sets of vectors of a text, `(n, l, t, d)`: what is trained in the place of a `SpanEncoder` and holds it.

    Args:
        encoder: It.

    Raises:
        InputError: It is none.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["it rains. it pours."], layers=1, width=8, heads=2)
        >>> each = EachSpan(SpanEncoder(MultiVectorEncoder(bert, most=9)))
        >>> each(each.inputs(Items("text", ["it rains. it pours.\\tit rains.\\tit pours."]), "document")).shape
        torch.Size([1, 3, 9, 8])
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder, SpanEncoder, "has parts of passages")

    def forward(self, features: Features) -> Float[Tensor, "n l t d"]:
        """Of a text with fewer parts than another the last sets are empty."""
        return self.encoder.each(features)
