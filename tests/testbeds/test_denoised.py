"""A start that has filled words in, whether there are pairs of texts or texts alone."""

from __future__ import annotations

import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import bitext
from counterpoint.testbeds.denoised import reader


def test_the_start_has_read_the_texts_and_is_the_same_for_pairs_of_them(monkeypatch):
    monkeypatch.setattr(bitext, "_STEPS", 1)
    texts = Items("text", [f"the {colour} cat sleeps" for colour in ("red", "blue", "green")])
    alone = Data.alone(texts, source="a test of starts")
    pairs = Data(texts, torch.tensor([0]), texts, torch.tensor([[1]]), source="a test of starts")
    first, again, other = reader(alone, 0), reader(pairs, 0), reader(alone, 1)
    vector, same, different = (encoder.eval().encode(texts.texts) for encoder in (first, again, other))
    assert (vector == same).all()
    assert vector.shape == (3, 64)
    assert first is not again
    # which seed it is of, other texts may follow
    assert different.shape == vector.shape
    assert first.tokenizer.tokenize("blue cat") == ["blue", "cat"]
