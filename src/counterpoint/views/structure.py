"""What the structure of documents says of a sentence: its neighbours' words, its place, its paragraph's, its level."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.views.bags import bag

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def structure(words: int = 1000, buckets: int = 20, levels: int = 7) -> Prepare:
    """A step before training: columns that tell where each text of a document stands, and what stands beside it.

    - `previous` and `next`, `(n, words)`: the words of the text before and after it in its document, of those that are
      most frequent in all, each by its share; 0 where there is none.
    - `place`: where it stands in its paragraph, and `paragraph_place`: where its paragraph stands in its document; each
      from the first to the last in so many buckets of equal width.
    - `level`: how deep its section is nested, from 0; as given.

    Texts are in their order; the columns `document`, `paragraph` (numbered through all documents) and `level` say what
    they belong to: without them all are of one document, a document is one paragraph, and nothing is nested. Source:
    Chen et al. 2019, "Evaluation Benchmarks and Learning Criteria for Discourse-Aware Sentence Representations", the
    authors' code (`data_utils.py`, `quantize_pos`).

    Args:
        words: How many, the most frequent ones; 50,000 are theirs.
        buckets: 20 are theirs.
        levels: Deeper ones are refused.

    Raises:
        InputError: No words or buckets; of the step: a level that is none of these.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = structure(2, 4)(Data.alone(Items("text", ["a b", "a", "a b b"])), nn.Identity(), 0)
        >>> (3 * data.columns["next"]).tolist()
        [[3.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
        >>> data.columns["place"].tolist()
        [0, 1, 2]
    """
    if min(words, buckets, levels) < 1:
        raise InputError(f"{words} words, {buckets} buckets, {levels} levels", fix="give 1 or more of each")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        texts = [data.anchors.texts[i] for i in data.anchor.tolist()]
        none = torch.zeros(len(texts), dtype=torch.long)
        document, level = (data.columns.get(column, none) for column in ("document", "level"))
        paragraph = data.columns.get("paragraph", document)
        if len(level) and not 0 <= int(level.min()) <= int(level.max()) < levels:
            raise InputError(f"a level of {int(level.max())}, and there are {levels}", fix="number them from 0")
        bags = _bags(texts, words)
        beside = {"previous": bags.roll(1, 0), "next": bags.roll(-1, 0)}
        ends = document != document.roll(-1)
        ends[-1:] = True
        beside["next"][ends] = 0.0
        beside["previous"][ends.roll(1)] = 0.0
        places = {"place": _places(paragraph, buckets), "paragraph_place": _of_groups(document, paragraph, buckets)}
        return replace(data, columns={**data.columns, **beside, **places, "level": level})

    return prepare


def _bags(texts: list[str], words: int) -> Float[Tensor, "n w"]:
    """The shares of the most frequent words, of equally frequent ones the first by name."""
    often = Counter(word for text in texts for word in _words(text))
    known = sorted(often, key=lambda word: (-often[word], word))[:words]
    counts = nn.functional.pad(bag(texts, known, _words), (0, words - len(known)))
    share: Tensor = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return share


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _places(group: Int[Tensor, " n"], buckets: int) -> Int[Tensor, " n"]:
    """The place of each row in its group, rows of which stand together, in buckets."""
    size, at = torch.unique_consecutive(group, return_counts=True)[1], torch.arange(len(group))
    first = (size.cumsum(0) - size).repeat_interleave(size)
    place: Tensor = (at - first) * buckets // size.repeat_interleave(size)
    return place


def _of_groups(whole: Int[Tensor, " n"], group: Int[Tensor, " n"], buckets: int) -> Int[Tensor, " n"]:
    """The place of each row's group in its whole, in buckets."""
    both, size = torch.unique_consecutive(torch.stack([whole, group], 1), dim=0, return_counts=True)
    return _places(both[:, 0], buckets).repeat_interleave(size)
