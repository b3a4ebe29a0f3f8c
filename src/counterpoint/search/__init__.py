"""Search: exact nearest neighbours, BM25, fusion by ranks and by scores, vectors in fewer bits, queries by sets of
examples, contexts of several texts, late interaction, sparse vectors, and an index of documents in a folder.

Each gives `ids (n_queries, k)`, best first, and `scores (n_queries, k)`, higher is closer; `Index`, which
knows names, texts and columns, gives `Hit`s.
"""

from counterpoint.search.bm25 import BM25
from counterpoint.search.exact import ScoreRows, exact_search, score_rows
from counterpoint.search.fusion import FUSIONS, Fusion, reciprocal_rank_fusion, score_fusion
from counterpoint.search.hit import Document, Hit
from counterpoint.search.index import Index
from counterpoint.search.inverted import sparse_rows, sparse_search
from counterpoint.search.language import recognise
from counterpoint.search.late import maxsim, maxsim_rows
from counterpoint.search.mixtures import pairwise_mixtures
from counterpoint.search.passages import best_passages, passages_of
from counterpoint.search.precision import binary_search, hamming_search, int8_search, rescore
from counterpoint.search.reranking import Score, rerank, reranked
from counterpoint.search.sets import SetQuery
from counterpoint.search.words import words

__all__ = [
    "BM25",
    "FUSIONS",
    "Document",
    "Fusion",
    "Hit",
    "Index",
    "Score",
    "ScoreRows",
    "SetQuery",
    "best_passages",
    "binary_search",
    "exact_search",
    "hamming_search",
    "int8_search",
    "maxsim",
    "maxsim_rows",
    "pairwise_mixtures",
    "passages_of",
    "reciprocal_rank_fusion",
    "recognise",
    "rerank",
    "reranked",
    "rescore",
    "score_fusion",
    "score_rows",
    "sparse_rows",
    "sparse_search",
    "words",
]
