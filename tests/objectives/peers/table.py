"""All peers, in the order of the page."""

from __future__ import annotations

from objectives.peers import metric_learning, sentence_transformers

PEERS = [metric_learning.PEER, sentence_transformers.PEER]
