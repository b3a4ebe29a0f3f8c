"""Queries by what would answer them: passages that a language model writes (HyDE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError, refuse_string
from counterpoint.generating.asking import Sampling
from counterpoint.generating.generator import Generator, Result
from counterpoint.generating.views import fill

PASSAGE = "Write a passage that answers the question.\nQuestion: {text}\nPassage:"
_DRAWN = Sampling(max_tokens=512, temperature=0.7, stop=("\n\n\n",))


class Hypothetical(nn.Module):
    """An encoder for which a query is the mean of itself and of passages that a language model writes as its answers.

    `v = (f(q) + sum_k f(d_k)) / (n + 1)` of `n` passages, vectors as long as the encoder makes them; passages are
    encoded as documents, and documents as they always are. A passage that cannot be had is left out, so that a query
    without any stands for itself. Nothing is trained.

    Source: Gao et al. 2022, "Precise Zero-Shot Dense Retrieval without Relevance Labels" (HyDE), and the authors' code,
    whose prompts say for each task what is to be written.

    Args:
        encoder: Of texts.
        generator: What writes.
        template: What it is asked, with `{text}` for the query.
        passages: How many it writes, 1 or more.
        sampling: How they are drawn.
        prompt: Put before passages, where documents had another than the encoder's.

    Raises:
        InputError: No passages, or a template without `{text}`.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.generating import Rules
        >>> encoder = StaticEncoder.from_corpus(["who barks", "a dog", "a cat"], dim=8)
        >>> knows = Hypothetical(encoder, Generator(Rules(lambda prompt, draw: "a dog")), passages=1)
        >>> asked, found = knows.encode(["who barks"], kind="query"), knows.encode(["a dog"], kind="document")
        >>> bool(asked[0] @ found[0] > encoder.encode(["who barks"], kind="query")[0] @ found[0])
        True
    """

    def __init__(
        self,
        encoder: TextEncoder,
        generator: Generator,
        template: str = PASSAGE,
        *,
        passages: int = 8,
        sampling: Sampling = _DRAWN,
        prompt: str | None = None,
    ) -> None:
        super().__init__()
        if passages < 1:
            raise InputError(f"{passages} passages a query", fix="give 1 or more; 8 are common")
        if "{text}" not in template:
            raise InputError("the template is the same for all queries", fix="write {text} where the query is to stand")
        self.encoder, self.generator, self.template = encoder, generator, template
        self.passages, self.sampling, self.prompt = passages, sampling, prompt

    @property
    def similarity(self) -> str:
        """The encoder's."""
        return self.encoder.similarity

    def write(self, queries: Sequence[str]) -> list[list[Result[str]]]:
        """The passages of each query, failures among them.

        Raises:
            InputError: The generator cannot go on.
        """
        refuse_string(queries, "queries")
        prompts = [fill(self.template, text=query) for query in queries]
        return self.generator.ask(prompts, sampling=self.sampling, samples=self.passages)

    def encode_written(
        self, queries: Sequence[str], written: Sequence[Sequence[Result[str]]], **options: Any
    ) -> Float[np.ndarray, "n d"]:
        """The mean of each query and what `write` gave for it; `options` are those of the encoder.

        A `prompt` among them stands before queries alone.
        """
        refuse_string(queries, "queries")
        found: np.ndarray = self.encoder.encode(list(queries), kind="query", **options)
        passages = [(i, one.value) for i, several in enumerate(written) for one in several if one.value]
        if passages:
            places = [i for i, _ in passages]
            options["prompt"] = self.prompt
            z = self.encoder.encode([passage for _, passage in passages], kind="document", **options)
            np.add.at(found, places, z)
            found /= (1 + np.bincount(places, minlength=len(found)))[:, None]
        return found

    def encode(self, texts: Sequence[str], *, kind: Kind = None, **options: Any) -> Float[np.ndarray, "n d"]:
        """One row a text; `options` are those of the encoder."""
        refuse_string(texts, "texts")
        if kind == "query":
            return self.encode_written(texts, self.write(texts), **options)
        found: np.ndarray = self.encoder.encode(list(texts), kind=kind, **options)
        return found

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """The same of items."""
        return self.encode(list(items.texts), kind=kind)
