"""Execution of any objective: dense, blocked, cached, distributed, with the same loss and gradients."""

from counterpoint.engine.blocks import Block
from counterpoint.engine.cached import cached
from counterpoint.engine.distributed import all_reduce_gradients, gather, on_whole
from counterpoint.engine.rows import Panel, Rows, mean_rows

__all__ = ["Block", "Panel", "Rows", "all_reduce_gradients", "cached", "gather", "mean_rows", "on_whole"]
