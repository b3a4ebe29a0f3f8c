"""Methods: what makes a model from data, as values: stages of training over rows, whatever the modality."""

from counterpoint.methods.recipe import Recipe, Takes
from counterpoint.methods.stage import Prepare, Stage, train_stage

__all__ = ["Prepare", "Recipe", "Stage", "Takes", "train_stage"]
