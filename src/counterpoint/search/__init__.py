"""Search: exact nearest neighbours, BM25, reciprocal rank fusion, and an index of documents in a folder.

Each gives `ids (n_queries, k)`, best first, and `scores (n_queries, k)`, higher is closer; `Index`, which
knows names, texts and columns, gives `Hit`s.
"""

from counterpoint.search.bm25 import BM25
from counterpoint.search.exact import ScoreRows, exact_search, score_rows
from counterpoint.search.fusion import reciprocal_rank_fusion
from counterpoint.search.hit import Document, Hit
from counterpoint.search.index import Index
from counterpoint.search.language import recognise
from counterpoint.search.words import words

__all__ = [
    "BM25",
    "Document",
    "Hit",
    "Index",
    "ScoreRows",
    "exact_search",
    "reciprocal_rank_fusion",
    "recognise",
    "score_rows",
    "words",
]
