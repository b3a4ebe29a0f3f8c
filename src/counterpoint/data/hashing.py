"""When two texts count as the same: a normal form and a stable 64-bit hash."""

from __future__ import annotations

import unicodedata
from hashlib import blake2b
from typing import overload

import numpy as np
from numpy.typing import NDArray


def normalise(text: str) -> str:
    """The text with compatibility forms, case and runs of white space made equal.

    Examples:
        >>> normalise("  The ﬁne\\tCAFE\\u0301 ")
        'the fine café'
    """
    if not text.isascii():
        # Unicode 3.13, D146: case folding and decomposition each undo some of the other's work
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.casefold().split())


@overload
def input_hash(text: str) -> int: ...
@overload
def input_hash(text: list[str] | tuple[str, ...]) -> NDArray[np.int64]: ...
def input_hash(text: str | list[str] | tuple[str, ...]) -> int | NDArray[np.int64]:
    """A 64-bit signed hash of a text (blake2b), the same in every process and on every machine.

    Equal texts have equal hashes; of n different texts some two collide with probability of about
    n^2 / 2^65 (a million texts: 3e-8). It tells texts apart exactly as they are written: hash
    `normalise(text)` to disregard case and white space.

    Args:
        text: One text, or a list of n.

    Returns:
        An int for a text, an int64 array (n,) for a list.

    Examples:
        >>> input_hash("a plane is taking off .")
        -336853338335347434
        >>> input_hash(["one", "two", "one"]).dtype
        dtype('int64')
    """
    if isinstance(text, str):
        return int(input_hash([text])[0])
    digests = b"".join(blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in text)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)
