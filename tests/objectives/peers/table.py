"""All peers, in the order of the page."""

from __future__ import annotations

from objectives.peers import lightly, metric_mining, open_clip, pygcl, pykeen, sentence_transformers, solo_learn

PEERS = [
    metric_mining.PEER,
    sentence_transformers.PEER,
    open_clip.PEER,
    pykeen.PEER,
    pygcl.PEER,
    lightly.PEER,
    solo_learn.PEER,
]
