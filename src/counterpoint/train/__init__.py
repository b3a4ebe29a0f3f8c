"""Training: one loop, exactly resumable, for any encoder, batches and objective."""

from counterpoint.train.config import TrainConfig
from counterpoint.train.loop import TrainResult, train
from counterpoint.train.payload import Batches, Payload
from counterpoint.train.text import TextBatches

__all__ = ["Batches", "Payload", "TextBatches", "TrainConfig", "TrainResult", "train"]
