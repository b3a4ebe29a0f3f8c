"""Sentences in styles: what is near, a sentence of the same style or one that says the same?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.captioned import five_captions
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, QUICK_BERT, SMOLLM2, quick_bert, smollm2
from counterpoint.views.styles import STYLES, style_triplets

NEW = ("no vowels", "stretched", "starred", "hashtag")
"""Styles that some methods are not trained on: those within a word."""
_TESTED, _EACH = 300, 4


def captions(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): one caption each of 714 pictures to train on; for test 300 others as triplets.

    Of these every caption is in four styles, each time with another caption in that style and itself in another style.
    Which captions and styles is drawn by the seed.
    """
    return _parts(sorted({row[0] for row in five_captions()}), seed)


def some_titles(seed: int) -> Parts:
    """Titles of the included corpus likewise, 600 in all."""
    return _parts([e.anchor for e in debian().train.examples[:600]], seed)


def _parts(texts: list[str], seed: int) -> Parts:
    drawn = [texts[i] for i in np.random.default_rng(seed).permutation(len(texts))]
    train, test = (Data.alone(Items("text", some)) for some in (drawn[_TESTED:], drawn[:_TESTED]))
    return train, style_triplets(_EACH, of_anchor=1.0)(test, nn.Identity(), seed)


def style_or_content(styles: tuple[str, ...] = tuple(STYLES)) -> Figure:
    """Share of test triplets whose anchor is nearer to its style in another sentence than to itself in another style.

    Ties count a half. Source: Wegmann et al. 2022, "Same Author or Just Same Topic? Towards Content-Independent Style
    Representations" (STEL-or-Content).

    Args:
        styles: Those of the triplets that count.

    Examples:
        >>> style_or_content(("asking",)).name
        'style or content of asking'
    """

    def measure(made: Made) -> float:
        a, p, n = _sides(made, torch.isin(made.test.columns["style"], torch.tensor(chosen)))
        margin = (a * p).sum(1) - (a * n).sum(1)
        return float(((margin > 0) + (margin == 0) / 2).float().mean())

    chosen = [list(STYLES).index(name) for name in styles]
    return Figure("style or content" + ("" if len(styles) == len(STYLES) else f" of {', '.join(styles)}"), measure)


def _sides(made: Made, rows: Bool[Tensor, " n"]) -> list[Float[Tensor, "m d"]]:
    """Unit vectors of anchors, of those in the same style, and of those that say the same."""
    test = made.test[rows]
    assert test.others is not None and test.positives is not None and test.negatives is not None  # noqa: PT018
    sides = ((test.anchors, test.anchor), (test.others, test.positives[:, 0]), (test.others, test.negatives[:, 0]))
    return [F.normalize(torch.from_numpy(made.encoder.encode_items(x[at])).float(), dim=1) for x, at in sides]


def _likeness(made: Made) -> float:
    a, _, n = _sides(made, torch.ones(len(made.test), dtype=torch.bool))
    return float((a * n).sum(1).mean())


likeness_of_content = Figure("cosine of a sentence with itself in another style", _likeness)
"""Mean over the test triplets."""


CAPTIONS = Testbed(
    "captions in styles",
    captions,
    f"Multi30k: 714 captions to train on, {_TESTED} others in {_EACH} styles each for test; {SMOLLM2}, then 200 steps "
    "of 64 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64},
    raw=TF_IDF,
)
TITLES_IN_STYLES = replace(
    CAPTIONS,
    name="titles in styles",
    parts=some_titles,
    about=f"included corpus: 300 titles to train on, {_TESTED} others in {_EACH} styles each for test; "
    f"{QUICK_BERT}, then 40 steps at a rate of 2e-3",
    start=quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
)
