"""How alike texts of several vectors are, against a loop over all of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders import NuggetEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.nuggets import another_by_several, both_ways, several

TEXTS = ["one red cat", "a dog is red and a cat is not", "dogs", "one two three four five six seven eight"] * 2
DATA = Data.alone(Items("text", TEXTS), picture=torch.arange(8) // 2)


def bert():
    return small_transformer(TEXTS, layers=1, width=8, heads=2, spread=0.5, normalize=False)


def test_likeness_is_the_mean_of_best_cosines_both_ways(monkeypatch):
    monkeypatch.setattr("counterpoint.testbeds.nuggets._AT_ONCE", 3)
    encoder = NuggetEncoder(bert(), 0.3).eval()
    own = []
    for text in TEXTS:
        nuggets, scores = encoder.padded(encoder.tokenize([text]))
        assert scores.isfinite().all()
        own.append(F.normalize(nuggets[0].detach(), dim=1))
    assert {len(vectors) for vectors in own} >= {1, 2, 3}
    alike = both_ways(several(Made("nuggets", encoder, (DATA, DATA), 0), DATA))
    for i, a in enumerate(own):
        for j, b in enumerate(own):
            best = [max(float(x @ y) for y in b) for x in a]
            back = [max(float(x @ y) for x in a) for y in b]
            assert float(alike[i, j]) == pytest.approx((sum(best) / len(best) + sum(back) / len(back)) / 2, abs=1e-5)


def test_of_one_vector_it_is_the_cosine():
    made = Made("bert", bert(), (DATA, DATA), 0)
    assert another_by_several.of(made) == recall_within(1, "picture").of(made)
    # the first four texts are the last four again, of other pictures
    assert another_by_several.of(made) == 0
