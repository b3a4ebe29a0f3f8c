"""Negatives: hard ones mined for training pairs, pairs of two classes, and pairs that are none filtered out."""

from counterpoint.negatives.classes import class_pairs
from counterpoint.negatives.consistency import consistent, ranks
from counterpoint.negatives.distances import judged_by_distance, near_and_far
from counterpoint.negatives.mining import mine_bm25

__all__ = ["class_pairs", "consistent", "judged_by_distance", "mine_bm25", "near_and_far", "ranks"]
