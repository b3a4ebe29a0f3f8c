"""Two encoders, one for queries and one for documents."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Features, Kind, take
from counterpoint.files import atomic, check_output


class DualEncoder(nn.Module):
    """A query encoder and a document encoder that share nothing but their start (DPR's two BERTs).

    Texts of no kind are documents. Saved, it is a folder with the two models `query/` and `document/`.

    Args:
        query: For texts of the kind "query".
        document: For all others; a copy of `query` if not given. Both must have one tokenizer.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> dual = DualEncoder(StaticEncoder.from_corpus(["a small corpus"], dim=4, prompts={}))
        >>> bool((dual.encode(["corpus"], kind="query") == dual.encode(["corpus"], kind="document")).all())
        True
        >>> torch.nn.init.zeros_(dual.query.embedding.weight).sum().item()
        0.0
        >>> bool(dual.encode(["corpus"], kind="document").any())
        True
    """

    def __init__(self, query: TextEncoder, document: TextEncoder | None = None) -> None:
        super().__init__()
        self.query, self.document = query, document or copy.deepcopy(query)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.query.dim

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """Token ids, and for each text which encoder it is for (`side`: 0 query, 1 document)."""
        features = (self.query if kind == "query" else self.document).tokenize(texts, kind)
        return features | {"side": torch.full((len(texts),), int(kind != "query"))}

    def forward(self, features: Features) -> Float[Tensor, "n d"]:
        """One vector a text, each from its side's encoder."""
        side = features["side"]
        rows = [(side == i).nonzero()[:, 0] for i in (0, 1)]
        parts = []
        for encoder, mine in zip((self.query, self.document), rows, strict=True):
            inputs = take(features, mine)
            del inputs["side"]
            parts.append(encoder(inputs))
        z: Tensor = torch.cat(parts)[torch.argsort(torch.cat(rows)).to(parts[0].device)]
        return z

    def encode(self, texts: Iterable[str], *, kind: Kind = None, **options: Any) -> Float[np.ndarray, "n d"]:
        """By the encoder of that kind."""
        return (self.query if kind == "query" else self.document).encode(texts, kind=kind, **options)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write both models, `query/` and `document/`.

        Raises:
            InputError: The folder holds something else or cannot be written.
        """
        check_output(folder, "replaced folder", ours=("query", "document"))
        with atomic(Path(folder)) as part:
            part.mkdir()
            self.query.save(part / "query")
            self.document.save(part / "document")
