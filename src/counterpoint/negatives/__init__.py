"""Negatives: hard ones mined for training pairs, and pairs that are none filtered out."""

from counterpoint.negatives.consistency import consistent, ranks
from counterpoint.negatives.mining import mine_bm25

__all__ = ["consistent", "mine_bm25", "ranks"]
