"""Counterpoint: contrastive representation learning, complete.

Public names are resolved on first use, so importing the package costs next to nothing over importing torch.

Examples:
    >>> import counterpoint as cp
    >>> import torch
    >>> loss = cp.InfoNCE(temperature=0.05)
    >>> q = torch.randn(8, 16, requires_grad=True)
    >>> loss(q, q.detach()).backward()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, MissingExtra

__version__ = "0.1.0"

if TYPE_CHECKING:
    from counterpoint.data import (
        Documents,
        Example,
        Retrieval,
        TextData,
        debian,
        input_hash,
        read,
        read_documents,
        split,
    )
    from counterpoint.data.emoji import emoji
    from counterpoint.data.glyphs import glyphs
    from counterpoint.data.images import digits
    from counterpoint.data.items import Data, Items
    from counterpoint.data.rows import rows_of
    from counterpoint.data.several import load_sources
    from counterpoint.data.sources import load_source
    from counterpoint.encoders import (
        Encoder,
        ImageEncoder,
        KnowledgeGraph,
        StaticEncoder,
        Towers,
        TransformerEncoder,
        VisionTransformer,
        distill,
        load,
        load_cross_encoder,
    )
    from counterpoint.engine import all_reduce_gradients, cached
    from counterpoint.exporting import export
    from counterpoint.fitting import fit, fit_reranker, pretrain
    from counterpoint.geometry import Cosine, Dot, Euclidean, Temperature
    from counterpoint.methods import Recipe, Stage, Takes
    from counterpoint.objectives import (
        JSD,
        NWJ,
        Alignment,
        CoSENT,
        Debiased,
        Decoupled,
        DistillKL,
        Guide,
        InfoNCE,
        MarginMSE,
        Matryoshka,
        Objective,
        PointObjective,
        RowObjective,
        Sigmoid,
        Spectral,
        Sum,
        SupCon,
        Triplet,
        Uniformity,
        VICReg,
        objective,
    )
    from counterpoint.points import Points, unmatched
    from counterpoint.publishing import push
    from counterpoint.relation import Relation, Rule, duplicate, equal, itself, kernel, never, same
    from counterpoint.search import BM25, Index, exact_search, reciprocal_rank_fusion
    from counterpoint.training import RowBatches, TrainConfig, train

_WHERE = {
    "data": "Documents Example Retrieval TextData debian input_hash read read_documents split",
    "data.emoji": "emoji",
    "data.glyphs": "glyphs",
    "data.items": "Data Items",
    "data.rows": "rows_of",
    "data.several": "load_sources",
    "data.sources": "load_source",
    "methods": "Recipe Stage Takes",
    "data.images": "digits",
    "encoders": "Encoder ImageEncoder KnowledgeGraph StaticEncoder Towers TransformerEncoder VisionTransformer distill "
    "load load_cross_encoder",
    "engine": "all_reduce_gradients cached",
    "exporting": "export",
    "fitting": "fit fit_reranker pretrain",
    "geometry": "Cosine Dot Euclidean Temperature",
    "objectives": "JSD NWJ Alignment CoSENT Debiased Decoupled DistillKL Guide InfoNCE MarginMSE Matryoshka Objective "
    "PointObjective RowObjective Sigmoid Spectral Sum SupCon Triplet Uniformity VICReg objective",
    "points": "Points unmatched",
    "publishing": "push",
    "relation": "Relation Rule duplicate equal itself kernel never same",
    "search": "BM25 Index exact_search reciprocal_rank_fusion",
    "training": "RowBatches TrainConfig train",
}
_HOME = {name: module for module, names in _WHERE.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'counterpoint' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"counterpoint.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "BM25",
    "JSD",
    "NWJ",
    "Alignment",
    "CoSENT",
    "Cosine",
    "Data",
    "Debiased",
    "Decoupled",
    "DistillKL",
    "Documents",
    "Dot",
    "Encoder",
    "Euclidean",
    "Example",
    "Guide",
    "ImageEncoder",
    "Index",
    "InfoNCE",
    "InputError",
    "Items",
    "KnowledgeGraph",
    "MarginMSE",
    "Matryoshka",
    "MissingExtra",
    "Objective",
    "PointObjective",
    "Points",
    "Recipe",
    "Relation",
    "Retrieval",
    "RowBatches",
    "RowObjective",
    "Rule",
    "Sigmoid",
    "Spectral",
    "Stage",
    "StaticEncoder",
    "Sum",
    "SupCon",
    "Takes",
    "Temperature",
    "TextData",
    "Towers",
    "TrainConfig",
    "TransformerEncoder",
    "Triplet",
    "Uniformity",
    "VICReg",
    "VisionTransformer",
    "__version__",
    "all_reduce_gradients",
    "cached",
    "debian",
    "digits",
    "distill",
    "duplicate",
    "emoji",
    "equal",
    "exact_search",
    "export",
    "fit",
    "fit_reranker",
    "glyphs",
    "input_hash",
    "itself",
    "kernel",
    "load",
    "load_cross_encoder",
    "load_source",
    "load_sources",
    "never",
    "objective",
    "pretrain",
    "push",
    "read",
    "read_documents",
    "reciprocal_rank_fusion",
    "rows_of",
    "same",
    "split",
    "train",
    "unmatched",
]
