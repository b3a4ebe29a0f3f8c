"""What all text encoders share: prompts, truncation, normalisation, encoding, saving."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._checkpoint import MODEL_FILES
from counterpoint.encoders.cutting import Cut
from counterpoint.encoders.encoding import check_dim, encode
from counterpoint.encoders.features import Features, Kind
from counterpoint.errors import InputError, refuse_string
from counterpoint.files import atomic, check_output

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
# what sentence-transformers looks for on each side, in its order
PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}


class TextEncoder(nn.Module, abc.ABC):
    """An encoder of texts. Subclasses give the token ids, the pooled vectors and their files.

    Args:
        width: Dimension of the pooled vectors.
        prompts: Text put before every text of a kind, `{"query": "query: ", "document": "passage: "}`.
        default_prompt_name: The prompt for texts of no kind.
        normalize: Scale vectors to length 1.
        truncate_dim: Keep only the first dimensions (then normalise again): Matryoshka embeddings.
        similarity: What the vectors are compared with; recorded in the model folder.
        do_lower_case: Lower-case texts before tokenising.
    """

    modality = "text"

    sparse = False
    """Whether most of a vector's numbers are zeros, which an index then leaves out."""

    several = False
    """Whether a text has several vectors, of `encode_each`, which an index then keeps."""

    batch_tokens = 4096
    """Tokens a forward of `encode`, if its caller does not say."""

    def __init__(
        self,
        width: int,
        *,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        normalize: bool = True,
        truncate_dim: int | None = None,
        similarity: str = "cosine",
        do_lower_case: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name
        self.normalize = normalize
        self.truncate_dim = truncate_dim
        self.similarity = similarity
        self.do_lower_case = do_lower_case
        self.counted: tuple[Cut, ...] = ()
        if default_prompt_name is not None and default_prompt_name not in self.prompts:
            known = ", ".join(map(repr, self.prompts)) or "none"
            raise InputError(f"default prompt {default_prompt_name!r} is not one of the prompts ({known})")
        if truncate_dim is not None:
            check_dim(truncate_dim, width)
        if similarity not in SIMILARITIES:
            raise InputError(f"unknown similarity {similarity!r}", fix=f"choose one of {', '.join(SIMILARITIES)}")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.truncate_dim or self.width

    @property
    @abc.abstractmethod
    def token_dim(self) -> int:
        """Width of the tokens' embeddings, which views change."""

    @property
    @abc.abstractmethod
    def special_tokens(self) -> frozenset[int]:
        """Tokens that stand for no text (not that of the unknown, which does)."""

    @property
    @abc.abstractmethod
    def longest(self) -> int | None:
        """Tokens that it has positions for; None: any number."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def prompt(self, kind: Kind = None) -> str:
        """The text put before texts of this kind; "" if there is none.

        A kind without a prompt of its own has the default one, as in sentence-transformers.
        """
        if kind is not None and kind not in PROMPT_NAMES:
            raise InputError(f"unknown kind {kind!r}", fix=f"choose one of {', '.join(PROMPT_NAMES)}, or None")
        names = PROMPT_NAMES[kind] if kind else ()
        name = next((n for n in names if n in self.prompts), self.default_prompt_name)
        return "" if name is None else self.prompts[name]

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """Token ids of `texts`, each after the prompt of its kind, cut at the maximal length.

        Where the encoder has a maximal length, `cut` (n,) says which texts were longer.

        Raises:
            InputError: A text is not a string.
        """
        refuse_string(texts, "texts")
        prompt = self.prompt(kind)
        features = self._flat([prompt + clean(t, i) for i, t in enumerate(texts)])
        return self._mark_prompt(features, prompt)

    def inputs(self, items: Items, kind: Kind = None) -> Features:
        """`tokenize` of items: each text after its own prompt where it has one, in place of the encoder's."""
        from counterpoint.encoders.prompting import tokenize_prompted

        return tokenize_prompted(self, items.texts, items.prompts or [""] * len(items), kind)

    def forward(self, features: Features) -> Float[Tensor, "n d"]:
        """One vector a text, with gradient: pooled, then truncated and normalised as the encoder is set."""
        features = {k: v.to(self.device) for k, v in features.items()}
        if len(features["offsets"]) == 1:
            # with gradient: where processes gather, one without a text must take part in backward
            return torch.zeros(0, self.dim, device=self.device, requires_grad=torch.is_grad_enabled())
        z_nd = self._embed(features)[:, : self.dim]
        return nn.functional.normalize(z_nd, dim=-1) if self.normalize else z_nd

    def encode(self, texts: Iterable[str], *, kind: Kind = None, **options: Any) -> Shaped[np.ndarray, "n d"]:
        """One vector a text, in order; `options` are those of `counterpoint.encoders.encode`."""
        return encode(self, texts, kind=kind, **options)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """`encode` of items, each after its own prompt where it has one."""
        from counterpoint.encoders.prompting import encode_prompted

        return encode_prompted(self, items.texts, items.prompts or [""] * len(items), kind=kind)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Cut]:
        """Within: the texts that `encode` is given are counted, and those that were longer than the model takes.

        Examples:
            >>> from counterpoint.encoders.scratch import small_transformer
            >>> encoder = small_transformer(["a small corpus"], layers=1, width=8, heads=2, max_seq_length=4)
            >>> with encoder.counting() as cut:
            ...     _ = encoder.encode(["a small corpus", "small", "a small corpus"])
            >>> cut.texts, cut.of, cut.limit
            (2, 3, 4)
        """
        cut, before = Cut(getattr(self, "max_seq_length", None)), self.counted
        self.counted = (*before, cut)
        try:
            yield cut
        finally:
            self.counted = before

    def identity(self) -> list[object]:
        """Everything but the weights that the vectors of a text depend on."""
        return [type(self).__name__, self.dim, self.normalize, self.do_lower_case]

    def weights(self) -> Mapping[str, Tensor]:
        """The weights that the vectors of a text depend on, by name, as they are once saved and loaded again."""
        return self.state_dict()

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """Within: `forward` computes at this precision, without gradient. float32 is all there is here."""
        del dtype
        yield

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a model folder that `load` and sentence-transformers 2.7 to 6 read (static: from 3.4.1).

        The folder appears whole or not at all; a model that is there is replaced.

        Raises:
            InputError: The folder holds something else or cannot be written; the disk is full.
        """
        from counterpoint.encoders.folder import write_settings

        check_output(folder, "replaced folder", ours=MODEL_FILES)
        with atomic(folder) as part:
            part.mkdir()
            write_settings(part, self, self._write(part))

    @abc.abstractmethod
    def _flat(self, texts: list[str]) -> Features:
        """Token ids; and, as `cut`, which texts were longer than the encoder takes, if there is such a length."""

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        del prompt
        return features

    @abc.abstractmethod
    def _embed(self, features: Features) -> Float[Tensor, "n d"]: ...

    @abc.abstractmethod
    def _write(self, folder: Path) -> list[tuple[str, str]]:
        """Write the weights; give the (class name, path) of each sentence-transformers module."""


def clean(text: object, index: int = 0) -> str:
    """`text`, or an `InputError` if it is not a string; half surrogate pairs (no valid UTF-8) become "?"."""
    if not isinstance(text, str):
        raise InputError(f"text is {type(text).__name__}, not a string", line=index + 1, fix="convert or remove it")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
