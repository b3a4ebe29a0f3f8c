"""The main job: from a file of text to a better embedding model, measured and searchable."""

from counterpoint.fitting.bases import minilm_folder
from counterpoint.fitting.parts import INCLUDED
from counterpoint.fitting.presets import preset
from counterpoint.fitting.pretraining import Pretrained, pretrain
from counterpoint.fitting.reranking import FittedReranker, fit_reranker
from counterpoint.fitting.run import FitResult, fit

__all__ = [
    "INCLUDED",
    "FitResult",
    "FittedReranker",
    "Pretrained",
    "fit",
    "fit_reranker",
    "minilm_folder",
    "preset",
    "pretrain",
]
