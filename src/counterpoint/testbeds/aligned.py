"""How near to each other a model puts what belongs together, of tests of any kind."""

from __future__ import annotations

from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made

_LIKE = 0.8
"""From this share of the highest score on a pair is alike."""
Side: TypeAlias = tuple[Items, Int64[Tensor, " n"], Kind]
"""Items, which of them stand on one side of each pair, and how they are encoded."""


def together(test: Data | Collection) -> tuple[Side, Side]:
    """What belongs together in a test, by pairs: the first side and the second.

    Of a collection each query and each document that answers it; of rows with positives each and each of its
    positives, of those with scores from 0.8 of the highest on; of rows with the column `picture` every two of a
    picture.

    Raises:
        InputError: A test that says nothing of the kind.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> (items, rows, _), (others, own, _) = together(rows_of([Example("a", ("b", "c"))]))
        >>> items[rows].texts, others[own].texts
        (['a', 'a'], ['b', 'c'])
    """
    if isinstance(test, Collection):
        relevant = test.answers.relevant.items()
        answered = [(q, d) for q, gains in relevant for d, gain in gains.items() if gain > 0 and d >= 0]
        asked, own = torch.tensor(answered, dtype=torch.long).reshape(-1, 2).T
        return (test.queries, asked, "query"), (test.corpus, own, "document")
    if test.others is not None and test.positives is not None:
        score = test.columns.get("score")
        like = test if score is None else test[score >= _LIKE * score.max()]
        assert like.positives is not None  # as above
        row, place = (like.positives >= 0).nonzero().T
        return (test.anchors, like.anchor[row], None), (test.others, like.positives[row, place], None)
    if "picture" not in test.columns:
        raise InputError("nothing in the test belongs together", fix="give pairs, a collection or a column 'picture'")
    picture = test.columns["picture"]
    same = (picture[:, None] == picture) & (picture >= 0)
    first, second = same.triu(1).nonzero().T
    return (test.anchors, test.anchor[first], None), (test.anchors, test.anchor[second], None)


def _aligned(made: Made) -> float:
    first, second = (_units(made, side) for side in together(made.parts[1]))
    return float((first - second).square().sum(1).mean())


def _units(made: Made, side: Side) -> Float[Tensor, "n d"]:
    items, rows, kind = side
    # each once, and a corpus holds many that answer nothing
    own, place = rows.unique(return_inverse=True)
    return F.normalize(torch.from_numpy(made.encoder.encode_items(items[own], kind=kind)).float(), dim=1)[place]


alignment = Figure("alignment of what belongs together", _aligned)
"""Wang and Isola 2020, equation 1 with exponent 2: the mean squared distance of unit vectors, over the pairs that the
test says belong together; from 0, where each pair is one vector, to 4."""
