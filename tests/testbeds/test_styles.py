"""Style or content, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.styles import likeness_of_content, some_titles, style_or_content
from counterpoint.views.styles import STYLES

Z = {"a!": [1.0, 0.0], "b!": [0.0, 1.0], "a": [0.6, 0.8], "b": [0.8, 0.6], "c": [0.6, 0.8]}


class Table:
    def encode_items(self, items, *, kind=None):
        del kind
        return np.array([Z[text] for text in items.texts], np.float32)


def test_share_of_triplets_that_are_nearer_to_their_style():
    data = Data(
        Items("text", ["a!", "b!", "a!"]),
        torch.arange(3),
        Items("text", ["b", "a", "a", "c", "b!"]),
        torch.tensor([[0], [1], [2]]),
        torch.tensor([[1], [0], [3]]),
        columns={"style": torch.tensor([0, 0, 3])},
    )
    made = Made("x", Table(), (data, data), 0)
    # 0.8 against 0.6, twice, and a tie
    names = list(STYLES)
    assert style_or_content().of(made) == pytest.approx(2.5 / 3)
    assert style_or_content((names[0], names[1])).of(made) == pytest.approx(1)
    assert style_or_content((names[3],)).of(made) == pytest.approx(0.5)
    assert likeness_of_content.of(made) == pytest.approx(0.6)


def test_titles_of_the_test_are_others_and_negatives_say_what_anchors_say():
    train, test = some_titles(0)
    assert len(train) == 300
    assert bool(test.columns["of_anchor"].all())
    assert 1000 < len(test) <= 1200
    shouted = (test.columns["style"] == list(STYLES).index("upper case")).nonzero()[:, 0].tolist()
    titles = {e.anchor.upper(): e.anchor for e in debian().train.examples[:600]}
    known = set(train.anchors.texts)
    assert len(shouted) > 30
    for row in shouted:
        title, positive, negative = (
            titles[test.anchors.texts[row]],
            test.others.texts[test.positives[row, 0]],
            test.others.texts[test.negatives[row, 0]],
        )
        assert title not in known
        assert titles[positive] not in {title, *known}
        assert negative in {says(title) for says in STYLES.values()}
    assert some_titles(1)[0].anchors.texts != train.anchors.texts
