"""Texts read after vectors of other texts: what a corpus is about stands before each of its documents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import BY_TOKEN, Features, lengths, places, take
from counterpoint.encoders.inputs import moved
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string


@dataclass(frozen=True)
class InContext:
    """Texts, and what each is read after, which stays whole whatever rows are taken.

    Attributes:
        texts: As a `ContextualEncoder` makes them.
        contexts: The texts of each context, as its first stage makes them; all have as many.
        which: `(n,)`: the context of each text.
    """

    texts: Features
    contexts: tuple[Features, ...]
    which: Int[Tensor, " n"]

    def take(self, rows: Int[Tensor, " b"]) -> InContext:
        """The inputs of these rows."""
        return InContext(take(self.texts, rows), self.contexts, self.which[rows])

    def cost(self) -> Int[Tensor, " n"]:
        """A text's tokens, and one for each text of its context."""
        return lengths(self.texts) + len(self.contexts[0]["offsets"])

    def to(self, device: torch.device) -> InContext:
        """The same on a device."""
        return InContext(*moved((self.texts, self.contexts, self.which), device))


class ContextualEncoder(Wrapper):
    """A transformer that reads vectors of a context, then a text: `M2(M1(d_1), ..., M1(d_J), p_1, ..., p_m, E(x))`.

    `M1` makes one vector of each text of the context, `p` are learned, and `E(x)` are the text's embedded tokens, whose
    places are counted from the text's first. Vectors and `p` have no place, so a context has no order: they stand where
    `M2`'s layers begin, behind the places and normalisation of a BERT's embeddings. `h` is the pooled states of the
    text's own tokens, and `h + W_2 relu(W_1 h)` its vector. In training each batch is its own context (`among`);
    afterwards it is what was `read`, the same for queries and documents, and nothing where nothing was.

    Source: Morris and Rush 2024, "Contextual Document Embeddings", and the authors' code, where a network on a vector
    of ones makes the `p`.

    Args:
        encoder: `M2`, a transformer.
        first: `M1`, as wide as the embeddings of `M2`.
        size: `J`, texts of a context.
        prompts_learned: `m`.

    Raises:
        InputError: No transformer, another width, or a number below 1 of texts, below 0 of what is learned.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> stages = [small_transformer(["a small corpus", "of texts"], layers=1, width=8, heads=2) for _ in range(2)]
        >>> encoder = ContextualEncoder(*stages, size=2)
        >>> alone = encoder.encode(["small"])
        >>> encoder.read(["a corpus", "of small texts", "of texts"])
        >>> len(encoder.context), bool((encoder.encode(["small"]) == alone).all())
        (2, False)
    """

    kept: ClassVar[tuple[str, ...]] = ("context",)

    def __init__(self, encoder: TextEncoder, first: TextEncoder, *, size: int = 512, prompts_learned: int = 8) -> None:
        if not isinstance(encoder, TransformerEncoder):
            raise InputError("tokens that know nothing of each other read no context", fix="give a transformer")
        if first.width != encoder.token_dim:
            what = f"vectors of {first.width} dimensions among embeddings of {encoder.token_dim}"
            raise InputError(what, fix="give stages of one width")
        if size < 1 or prompts_learned < 0:
            raise InputError(
                f"a context of {size} texts, and {prompts_learned} prompts", fix="give 1 or more, 0 or more"
            )
        super().__init__(encoder)
        self.first, self.size, self.prompts_learned = first, size, prompts_learned
        self.context: tuple[str, ...] = ()
        self._before_jd: Tensor | None = None
        self.learned = nn.Parameter(torch.randn(prompts_learned, first.width))
        self.network = nn.Sequential(
            nn.Linear(encoder.width, encoder.width), nn.ReLU(), nn.Linear(encoder.width, encoder.width)
        )

    def read(self, texts: Sequence[str], seed: int = 0) -> None:
        """Whatever is encoded from now on is read after a sample of these; of fewer than `size` some stand twice.

        Args:
            texts: A corpus.
            seed: Of the sample.

        Raises:
            InputError: There are none.
        """
        refuse_string(texts, "texts")
        if not texts:
            raise InputError("a context of no texts", fix="give a corpus")
        self.context = tuple(texts[i] for i in self._drawn(len(texts), torch.Generator().manual_seed(seed)))
        self._before_jd = None

    def among(self, texts: Features, documents: Sequence[str], sizes: Sequence[int], seed: int) -> InContext:
        """Texts of several sides, each side read after a sample of its own of the same documents.

        Args:
            texts: All, one side after the other.
            documents: Of the batch.
            sizes: How many texts each side has.
            seed: Of the samples.
        """
        refuse_string(documents, "documents")
        generator, contexts = torch.Generator().manual_seed(seed), []
        for _ in sizes:
            drawn = [documents[i] for i in self._drawn(len(documents), generator)]
            contexts.append(self.first.tokenize(drawn, "document"))
        return InContext(texts, tuple(contexts), torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)))

    def forward(self, features: Features | InContext) -> Float[Tensor, "n d"]:
        """See `TextEncoder`; of texts in a context of their own, in that."""
        if not isinstance(features, InContext):
            return super().forward(features)
        inputs = features.to(self.device)
        if not len(inputs.which):
            return super().forward(inputs.texts)
        vectors_cjd = torch.stack([self.first._embed(context) for context in inputs.contexts])
        z_nd = self._reading(inputs.texts, vectors_cjd[inputs.which])[:, : self.dim]
        return F.normalize(z_nd, dim=-1) if self.normalize else z_nd

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """See `TextEncoder`: both stages; what was read is encoded once, whatever number of texts stand behind it."""
        with super().at(dtype), self.first.at(dtype):
            with torch.no_grad():
                self._before_jd = self._context()
            try:
                yield
            finally:
                self._before_jd = None

    def _drawn(self, n: int, generator: torch.Generator) -> list[int]:
        rounds = [torch.randperm(n, generator=generator) for _ in range(-(-self.size // n))]
        return torch.cat(rounds)[: self.size].tolist()

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        vectors_jd = self._context() if self._before_jd is None else self._before_jd
        return self._reading(features, vectors_jd.expand(len(features["offsets"]) - 1, -1, -1))

    def _context(self) -> Float[Tensor, "j d"]:
        """The vectors of what was read."""
        if not self.context:
            return self.learned.new_zeros(0, self.first.width)
        return self.first._embed(moved(self.first.tokenize(self.context, "document"), self.device))

    def _reading(self, features: Features, vectors_njd: Float[Tensor, "n j d"]) -> Float[Tensor, "n d"]:
        """The vector of each text behind those of its context: what is put before it are tokens of embeddings given."""
        assert isinstance(self.encoder, TransformerEncoder)
        counts = lengths(features)
        before_npd = torch.cat([vectors_njd, self.learned.expand(len(counts), -1, -1)], 1)
        longer = {"offsets": F.pad((counts + before_npd.shape[1]).cumsum(0), (1, 0))}
        longer["input_ids"] = features["input_ids"].new_zeros(int(longer["offsets"][-1]))
        own = places(longer) >= before_npd.shape[1]
        given = {"position_ids": places(features), "scale": before_npd.new_ones(len(features["input_ids"]), 1)}
        for name, value in (given | features).items():
            if name in BY_TOKEN:
                longer[name] = value.new_zeros(len(own), *value.shape[1:])
                longer[name][own] = value
            elif name != "offsets":
                longer[name] = value
        shift = longer.get("shift", before_npd.new_zeros(len(own), before_npd.shape[2]))
        longer["shift"] = shift.masked_scatter(~own[:, None], before_npd)
        h_nd = self.encoder._pooled(self.encoder._hidden(longer)[own], features)
        added: Tensor = self.network(h_nd.to(self.learned.dtype))
        return h_nd + added

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)
