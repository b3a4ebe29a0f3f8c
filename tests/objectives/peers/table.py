"""All peers, in the order of the page."""

from __future__ import annotations

from objectives.peers import metric_learning

PEERS = [metric_learning.PEER]
