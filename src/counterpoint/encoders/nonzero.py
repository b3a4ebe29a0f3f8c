"""Texts to vectors that are mostly zeros, of which only the others are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from counterpoint.encoders.encoding import FEW, as_asked, check_dim, encoding, fast_bfloat16, windows
from counterpoint.encoders.features import Kind
from counterpoint.errors import refuse_string
from counterpoint.progress import Progress, reporting

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.spreading import Spread

_ROWS = 1024  # texts whose zeros are held at a time


def encode_nonzero(
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    kind: Kind = None,
    prompt: str | None = None,
    truncate_dim: int | None = None,
    progress: bool | Progress = False,
    spread: Spread | None = None,
) -> csr_array:
    """`encode` of an encoder whose vectors are mostly zeros: the others alone, at memory that grows with their number.

    Args:
        encoder: Such as a `SpladeEncoder` or a `HybridEncoder` (`encoder.sparse`).
        texts: Strings.
        kind: As `encode`; the others, too.
        prompt: Likewise.
        truncate_dim: Likewise.
        progress: Likewise.
        spread: Likewise.

    Returns:
        (n, d) float32, one row a text.

    Raises:
        InputError: As `encode`.

    Examples:
        >>> from counterpoint.encoders import SpladeEncoder, StaticEncoder
        >>> encoder = SpladeEncoder(StaticEncoder.from_corpus(["a cat", "two red dogs"], dim=256, prompts={}), keep=2)
        >>> z = encode_nonzero(encoder, ["a cat", "red"])
        >>> z.shape == (2, encoder.dim), z.nnz <= 4
        (True, True)
    """
    from scipy.sparse import csr_array, vstack

    refuse_string(texts, "texts")
    if truncate_dim is not None:
        check_dim(truncate_dim, encoder.width)
    half = fast_bfloat16(encoder.device) and len(texts) > FEW
    with (
        as_asked(encoder, prompt, truncate_dim),
        reporting(progress, len(texts)) as report,
        encoding(encoder, kind, encoder.batch_tokens, torch.bfloat16 if half else torch.float32, spread, report) as z,
    ):
        parts = [csr_array(z_nd) for _, z_nd in z(windows(texts, _ROWS))]
        return csr_array(vstack(parts)) if parts else csr_array((0, encoder.dim), dtype=np.float32)
