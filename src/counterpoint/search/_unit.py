"""Vectors of length one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def unit(z: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
    """Each vector over its length; zero stays zero.

    Examples:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    found: Float[np.ndarray, "*n d"] = z / np.linalg.norm(z, axis=-1, keepdims=True).clip(1e-12)
    return found
