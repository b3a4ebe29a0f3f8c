"""Hard negatives: what a search finds for a query although it is not the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from counterpoint.data.hashing import normalise
from counterpoint.data.types import Example
from counterpoint.errors import refuse_string


def mine_bm25(
    examples: Sequence[Example], n: int = 1, *, documents: Sequence[str] | None = None, depth: int = 30
) -> list[Example]:
    """Give each example the `n` documents that BM25 ranks highest for its anchor and that are not its positives.

    A document that reads like a positive (after `normalise`) of any example with the same anchor, or like the anchor
    itself, is never taken. Source: Karpukhin et al. 2020 (DPR), section 3.2: one such negative a question is best.

    Args:
        examples: Pairs; negatives they have are kept, the mined ones come after.
        n: How many for each; fewer where BM25 finds no more.
        documents: Where to look; all positives of the examples if not given.
        depth: How deep to look in the ranking.

    Raises:
        MissingExtra: PyStemmer is not installed.

    Examples:
        >>> pairs = [Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))]
        >>> [e.negatives for e in mine_bm25(pairs)]
        [('a cat plays with toys',), ('what a cat eats',)]
    """
    from counterpoint.search import BM25

    refuse_string(documents, "documents")
    pool = list(dict.fromkeys(documents if documents is not None else (t for e in examples for t in e.positives)))
    same = [normalise(text) for text in pool]
    right: dict[str, set[str]] = {}
    for e in examples:
        right.setdefault(normalise(e.anchor), {normalise(e.anchor)}).update(map(normalise, e.positives))
    ids, _ = BM25(pool).search([e.anchor for e in examples], max(depth, n))
    mined = []
    for e, row in zip(examples, ids.tolist(), strict=True):
        out = right[normalise(e.anchor)]
        found = dict.fromkeys(pool[i] for i in row if i >= 0 and same[i] not in out)
        mined.append(replace(e, negatives=(*e.negatives, *list(found)[:n])))
    return mined
