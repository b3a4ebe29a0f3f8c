"""Pairs of texts that tell the same story, and near ones that tell another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from counterpoint.data.items import Data
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def story_pairs(each: int = 1, *, topic: str = "topic") -> Prepare:
    """A step before training: of each labelled text another of its story, and the nearest one of another.

    Near is what the encoder finds so before it is trained. Where the data say a topic, too, texts of one topic are no
    negatives of each other. A text that is alone in its story, or has nobody else's to be told from, has no row.
    Source: the model card of `dell-research-harvard/same-story` (Franklin et al. 2024).

    Args:
        each: Rows of each text: as many of its story, drawn, with as many of the nearest others, in their order.
        topic: The column of topics, -1 for none.

    Raises:
        InputError: `each` is below 1; of the step: there are no labels, or no text has a row.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> from counterpoint.encoders import StaticEncoder
        >>> texts = Items("text", ["a red fox", "red foxes", "a red ant", "ants"])
        >>> data = Data.alone(texts, label=torch.tensor([0, 0, 1, 1]))
        >>> encoder = StaticEncoder.from_corpus(data.anchors.texts, dim=16)
        >>> found = story_pairs()(data, encoder, 0)
        >>> found.schema, found.anchor.tolist(), found.positives.tolist()
        ('tuples', [0, 1, 2, 3], [[1], [0], [3], [2]])
    """
    if each < 1:
        raise InputError(f"{each} rows a text", fix="give 1 or more")

    def prepare(data: Data, encoder: Any, seed: int) -> Data:
        label = data.columns.get("label", torch.empty(0))
        if not bool((label >= 0).any()):
            raise InputError("stories are told by labels", file=data.source or None, fix="give labelled texts")
        data, label = data[label >= 0], label[label >= 0]
        about = data.columns.get(topic, torch.full_like(label, -1))
        z_nd = F.normalize(torch.from_numpy(encoder.encode_items(data.anchors[data.anchor])).float(), dim=1)
        generator = torch.Generator().manual_seed(seed)
        rows = list[tuple[int, int, int]]()
        for i in range(len(label)):
            same = label == label[i]
            shared = same | ((about == about[i]) & (about[i] >= 0))
            others = (z_nd @ z_nd[i]).masked_fill(shared, -torch.inf)
            nearest = others.topk(min(each, int((~shared).sum()))).indices.tolist()
            same[i] = False
            own = same.nonzero()[:, 0]
            if len(own):
                drawn = own[torch.randint(len(own), (len(nearest),), generator=generator)].tolist()
                rows += [(i, p, n) for p, n in zip(drawn, nearest, strict=True)]
        if not rows:
            what = "no text has another of its story and one of another"
            raise InputError(what, file=data.source or None, fix="give stories of two texts or more")
        first, second, third = torch.tensor(rows).T
        near, far = (data.anchor[rows_n][:, None] for rows_n in (second, third))
        return Data(data.anchors, data.anchor[first], data.anchors, near, far, source=data.source)

    return prepare
