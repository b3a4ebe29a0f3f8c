"""Training: one loop, exactly resumable, for any encoder, batches and objective."""

from counterpoint.training.config import TrainConfig
from counterpoint.training.lists import CrossLists, CrossPairs
from counterpoint.training.loop import TrainResult, train
from counterpoint.training.payload import Batches, Payload
from counterpoint.training.rows import RowBatches

__all__ = ["Batches", "CrossLists", "CrossPairs", "Payload", "RowBatches", "TrainConfig", "TrainResult", "train"]
