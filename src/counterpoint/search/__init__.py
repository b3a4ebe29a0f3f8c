"""Search: exact nearest neighbours, BM25, reciprocal rank fusion, and an index in Milvus.

Each gives `ids (n_queries, k)`, best first, and `scores (n_queries, k)`, higher is closer; `Index`, which
knows names and texts, gives `Hit`s.
"""

from counterpoint.search.bm25 import BM25
from counterpoint.search.exact import exact_search
from counterpoint.search.fusion import reciprocal_rank_fusion
from counterpoint.search.index import Hit, Index
from counterpoint.search.language import recognise
from counterpoint.search.words import words

__all__ = ["BM25", "Hit", "Index", "exact_search", "recognise", "reciprocal_rank_fusion", "words"]
