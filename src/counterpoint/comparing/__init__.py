"""Several systems on the same data, start, budget and seeds: a leaderboard with intervals and costs."""

from counterpoint.comparing.entries import Entry, Job
from counterpoint.comparing.run import Comparison, compare

__all__ = ["Comparison", "Entry", "Job", "compare"]
