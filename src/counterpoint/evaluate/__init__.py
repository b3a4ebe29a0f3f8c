"""Evaluation: from embeddings or rankings to figures with intervals; nothing here knows about models."""

from counterpoint.evaluate.bootstrap import compare, figure
from counterpoint.evaluate.encoder import (
    evaluate_any,
    evaluate_classification,
    evaluate_clustering,
    evaluate_retrieval,
    evaluate_sts,
    named,
    rank,
)
from counterpoint.evaluate.episodes import few_shot, transported
from counterpoint.evaluate.figures import Difference, Figure, Interval, Result
from counterpoint.evaluate.frozen import (
    classification,
    clustering,
    knn,
    probe,
    similarity,
    sts,
)
from counterpoint.evaluate.geometry import (
    Collapse,
    alignment,
    collapse,
    effective_rank,
    mean_cosine,
    rankme,
    tolerance,
    uniformity,
)
from counterpoint.evaluate.ranking import (
    Judged,
    average_precision,
    evaluate_rankings,
    hit_rate,
    judge,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from counterpoint.evaluate.verification import detection_cost, equal_error_rate

__all__ = [
    "Collapse",
    "Difference",
    "Figure",
    "Interval",
    "Judged",
    "Result",
    "alignment",
    "average_precision",
    "classification",
    "clustering",
    "collapse",
    "compare",
    "detection_cost",
    "effective_rank",
    "equal_error_rate",
    "evaluate_any",
    "evaluate_classification",
    "evaluate_clustering",
    "evaluate_rankings",
    "evaluate_retrieval",
    "evaluate_sts",
    "few_shot",
    "figure",
    "hit_rate",
    "judge",
    "knn",
    "mean_cosine",
    "named",
    "ndcg",
    "precision",
    "probe",
    "rank",
    "rankme",
    "recall",
    "reciprocal_rank",
    "similarity",
    "sts",
    "tolerance",
    "transported",
    "uniformity",
]
