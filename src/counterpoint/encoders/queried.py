"""Documents that are read after queries that they answer: a vector of each query with the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder, clean
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind
from counterpoint.encoders.prompting import encode_prompted
from counterpoint.encoders.propositions import SEPARATOR
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Ragged


class QueriedEncoder(Wrapper):
    r"""A document as several vectors, one of each query that it may answer: `z_k = f(q_k [SEP] d)`; a query is `f(q)`.

    A document is followed by its queries, tabs between: "A man rides a horse\twho rides\twhat does he ride"
    (`counterpoint.generating.with_queries` has a language model write them). `encode_each` gives the vectors of the
    first `most` queries, of which a search takes the best (`counterpoint.search.maxsim`); `encode` and training the
    first one's. A text without queries, such as a query, is read by itself. A prompt of the encoder's stands before
    both, one of an item's own before the document.

    Source: Li et al. 2022, "Learning Diverse Document Representations with Deep Query Interactions for Dense
    Retrieval", and the authors' code, which trains with the query that is asked before each of its documents
    (`counterpoint.views.after_their_query`).

    Args:
        encoder: `f`. A transformer reads both together; where it has no separating token a line ends after the query.
        most: Vectors of a document at most; 0: it is read by itself whatever follows it, and has one.

    Raises:
        InputError: `most` below 0.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a man rides a horse", "who what"], layers=1, width=8, heads=2)
        >>> encoder = QueriedEncoder(bert)
        >>> ids = encoder.tokenize(["a man rides\twho\twhat"], "document")["input_ids"]
        >>> " ".join(bert.tokenizer.convert_ids_to_tokens(ids.tolist()))
        '[CLS] who [SEP] a man rides [SEP]'
        >>> encoder.encode_each(Items("text", ["a man rides\twho\twhat", "a horse"])).offsets_n.tolist()
        [0, 2, 3]
    """

    def __init__(self, encoder: TextEncoder, most: int = 10) -> None:
        if most < 0:
            raise InputError(f"{most} vectors of a document", fix="give 1 or more, or 0 for the document by itself")
        super().__init__(encoder)
        self.most, self.batch_tokens = most, encoder.batch_tokens
        self.max_seq_length = getattr(encoder, "max_seq_length", None)

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`: each after the first of its queries."""
        refuse_string(texts, "texts")
        return super().tokenize([self._read(clean(text, i)) for i, text in enumerate(texts)], kind)

    def encode_each(self, items: Items, *, kind: Kind = None, **options: Any) -> Ragged:
        """The vectors of each item, one or more; `options` are those of `encode`.

        Raises:
            InputError: A text is no string.
        """
        split = [clean(text, i).split(SEPARATOR) for i, text in enumerate(items.texts)]
        each = [[[text, query] for query in queries[: self.most]] or [[text]] for text, *queries in split]
        prompts = items.prompts or [""] * len(items)
        texts = [SEPARATOR.join(one) for several in each for one in several]
        before = [prompt for prompt, several in zip(prompts, each, strict=True) for _ in several]
        z = encode_prompted(self, texts, before, kind=kind, **options)
        return Ragged(z, np.cumsum([0, *map(len, each)]))

    def _read(self, text: str) -> str:
        document, *queries = text.split(SEPARATOR)
        if not queries[: self.most]:
            return document
        between = getattr(getattr(self.encoder, "tokenizer", None), "sep_token", None)
        return f"{queries[0]} {between} {document}" if between else f"{queries[0]}\n{document}"

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        return self.encoder._embed(features)


def after_queries(encoder: nn.Module, most: int = 10) -> nn.Module:
    """An encoder of texts that reads documents after queries that they may answer (`QueriedEncoder`).

    One that does so already stays as it is.

    Args:
        encoder: Is within what comes back.
        most: See `QueriedEncoder`.

    Raises:
        InputError: It encodes no texts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> after_queries(StaticEncoder.from_corpus(["a cat"], dim=4), 2).most
        2
    """
    if isinstance(encoder, QueriedEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("there is no encoder of texts to read queries with", fix="give a table or a transformer")
    return QueriedEncoder(encoder, most).to(encoder.device)
