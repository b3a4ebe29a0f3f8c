"""An encoder of texts around another one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Features, Kind
from counterpoint.encoders.saving import Saved
from counterpoint.errors import InputError

WrapperT = TypeVar("WrapperT", bound="Wrapper")


class Wrapper(Saved, TextEncoder):
    """An encoder of texts that holds another one, `encoder`, and takes over its width, prompts and settings.

    It computes at the precision that the other does, and is saved as itself with the other's folder within: nothing
    else reads such a model.

    Args:
        encoder: It.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__(
            encoder.width,
            prompts=encoder.prompts,
            default_prompt_name=encoder.default_prompt_name,
            normalize=encoder.normalize,
            truncate_dim=encoder.truncate_dim,
            similarity=encoder.similarity,
        )
        self.encoder = encoder

    @property
    def token_dim(self) -> int:
        """See `TextEncoder`."""
        return self.encoder.token_dim

    @property
    def special_tokens(self) -> frozenset[int]:
        """See `TextEncoder`."""
        return self.encoder.special_tokens

    @property
    def longest(self) -> int | None:
        """See `TextEncoder`."""
        return self.encoder.longest

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """See `TextEncoder`."""
        with self.encoder.at(dtype):
            yield

    def _write(self, folder: Path) -> list[tuple[str, str]]:
        raise NotImplementedError  # sentence-transformers has no such model: `Saved` writes one of our own


class Each(nn.Module, Generic[WrapperT]):
    """What is trained in the place of an encoder that knows several vectors a text, and holds it: all of them.

    Args:
        encoder: It.
        kind: What it must be.
        gives: What such a one does that others do not, for the error.

    Raises:
        InputError: It is none.
    """

    def __init__(self, encoder: nn.Module, kind: type[WrapperT], gives: str) -> None:
        super().__init__()
        if not isinstance(encoder, kind):
            raise InputError(f"only a {kind.__name__} {gives}", fix="make one of the encoder before")
        self.encoder = encoder

    @property
    def dim(self) -> int:
        """Of each vector."""
        return self.encoder.dim

    def inputs(self, items: Items, kind: Kind = None) -> Features:
        """The encoder's."""
        return self.encoder.inputs(items, kind)
