"""Negatives: hard ones mined for training pairs, pairs of two classes, and pairs that are none filtered out."""

from counterpoint.negatives.classes import class_pairs
from counterpoint.negatives.consistency import consistent, ranks
from counterpoint.negatives.distances import judged_by_distance, near_and_far
from counterpoint.negatives.mining import Miner, Negatives, mine, mine_bm25
from counterpoint.negatives.neighbourhoods import linked_triplets, neighbourhoods, walk_vectors
from counterpoint.negatives.propensity import against_propensity
from counterpoint.negatives.rankers import by_encoder, by_vectors, lexical
from counterpoint.negatives.stories import story_pairs
from counterpoint.negatives.terms import term_groups
from counterpoint.negatives.to_file import Mined, mine_to

__all__ = [
    "Mined",
    "Miner",
    "Negatives",
    "against_propensity",
    "by_encoder",
    "by_vectors",
    "class_pairs",
    "consistent",
    "judged_by_distance",
    "lexical",
    "linked_triplets",
    "mine",
    "mine_bm25",
    "mine_to",
    "near_and_far",
    "neighbourhoods",
    "ranks",
    "story_pairs",
    "term_groups",
    "walk_vectors",
]
