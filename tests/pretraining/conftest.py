from __future__ import annotations

import pytest

from counterpoint.data import debian
from counterpoint.encoders.scratch import small_transformer

TEXTS = [e.positives[0] for e in debian().train.examples[:64]]


@pytest.fixture
def texts():
    return TEXTS


@pytest.fixture
def encoder():
    """Without dropout, so that how a batch is cut does not change what is drawn."""
    return small_transformer(TEXTS, layers=2, width=32, vocab_size=400, dropout=0.0, max_seq_length=40)
