"""The main job: from a file of text to a better embedding model, measured and searchable."""

from counterpoint.fit.bases import minilm_folder
from counterpoint.fit.presets import preset
from counterpoint.fit.run import INCLUDED, FitResult, fit

__all__ = ["INCLUDED", "FitResult", "fit", "minilm_folder", "preset"]
