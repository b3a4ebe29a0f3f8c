"""Test collections: queries, a corpus, and who should find what, for items of any modality."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data, Items
from counterpoint.data.types import Retrieval
from counterpoint.errors import refuse_string
from counterpoint.evaluate.places import Answers, answers_of, prepared
from counterpoint.search.words import spaceless


@dataclass(frozen=True, eq=False)
class Collection:
    """Queries, a corpus, and who should find what (a test collection, as information retrieval has it).

    Attributes:
        queries: What is asked.
        corpus: What is searched, in an order that knows nothing of the answers.
        answers: Which documents answer which queries.
        notes: What was left out, and why; sentences.
    """

    queries: Items
    corpus: Items
    answers: Answers
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_string(self.notes, "notes")

    @classmethod
    def of(cls, test: Retrieval) -> Collection:
        """A retrieval test of texts, as it is measured (`prepared`).

        Raises:
            InputError: No query has a relevant document, or queries are judged and not there.

        Examples:
            >>> test = Retrieval({"1": "a", "2": "b"}, {"q": "x", "r": "y"}, {"q": {"2": 1.0}}, "memory")
            >>> collection = Collection.of(test)
            >>> collection.queries.texts, collection.notes
            (['x'], ('queries left out, as they are not judged: 1',))
        """
        test, notes = prepared(test)
        prompts = [test.prompts.get(query, "") for query in test.queries]
        queries = Items("text", list(test.queries.values()), list(test.queries), prompts if any(prompts) else ())
        return cls(queries, Items("text", list(test.corpus.values()), list(test.corpus)), answers_of(test), notes)

    def among(self, most: int) -> Collection:
        """The same among all documents that answer a query and about so many of the others, evenly chosen."""
        relevant = {d for gains in self.answers.relevant.values() for d, gain in gains.items() if gain > 0}
        others = [d for d in range(len(self.corpus)) if d not in relevant]
        kept = sorted(relevant.union(others[:: max(1, len(others) // most)]))
        return self._in_order(kept)

    def _in_order(self, kept: Sequence[int]) -> Collection:
        """The same with these documents, in their order; a judged one that is not among them is not found."""
        place = {document: i for i, document in enumerate(kept)}
        relevant = {
            q: {place.get(d, -1 - i): gain for i, (d, gain) in enumerate(gains.items())}
            for q, gains in self.answers.relevant.items()
        }
        uncounted = {q: [place[d] for d in some if d in place] for q, some in self.answers.uncounted.items()}
        answers = Answers(self.answers.queries, len(place), relevant, uncounted)
        return replace(self, corpus=self.corpus[torch.tensor(kept, dtype=torch.long)], answers=answers)


def pairs(test: Data, *others: Data) -> Collection:
    """Held-out pairs as a collection: anchors are queries, their positives what they should find.

    Equal items are one (texts that are equal after `normalise`, and have the same prompt), so that a copy of what is
    relevant is never counted as wrong. Negatives of the test are not among the documents.

    Args:
        test: Pairs or tuples.
        *others: Data whose positives and negatives are documents, too.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> test = rows_of([Example("a", ("A text",)), Example("b", ("a  text", "more"))])
        >>> collection = pairs(test, rows_of([Example("c", ("x",))]))
        >>> sorted(collection.corpus.texts), [len(gains) for gains in collection.answers.relevant.values()]
        (['A text', 'more', 'x'], [1, 2])
    """
    assert test.others is not None and test.positives is not None  # noqa: PT018
    held, used = _used(test.others, test.positives)
    parts = [held]
    for data in others:
        if data.others is not None:
            given = [rows for rows in (data.positives, data.negatives) if rows is not None]
            parts.append(_used(data.others, torch.cat(given, 1))[0])
    everything = Items.cat(parts)
    first, document = _distinct(everything)
    queries, query = _distinct(test.anchors[test.anchor])
    relevant: dict[int, dict[int, float]] = {}
    for row, positives in zip(query, test.positives.tolist(), strict=True):
        gains = relevant.setdefault(row, {})
        gains |= {document[used[i]]: 1.0 for i in positives if i >= 0}
    asked = test.anchors[test.anchor[torch.tensor(queries, dtype=torch.long)]]
    corpus = everything[torch.tensor(first, dtype=torch.long)]
    answers = Answers(_names(asked, "q"), len(corpus), relevant)
    return _mixed(Collection(asked, corpus, answers))


def halves(data: Data) -> Data:
    """Texts without partners make a test of their own: one half of a text's words should find the other half.

    Where there are no blanks, pairs of characters stand for words. Texts of three words or fewer are left out.

    Examples:
        >>> data = halves(Data.alone(Items("text", ["a b c d", "e f"])))
        >>> data.anchors.texts, data.others.texts
        (['a c'], ['b d'])
    """
    found = []
    for text in data.anchors[data.anchor].texts:
        words, blank = text.split(), " "
        if len(words) <= 3 and any(map(spaceless, text)):
            words, blank = [text[i : i + 2] for i in range(0, len(text), 2)], ""
        if len(words) > 3:
            found.append((blank.join(words[::2]), blank.join(words[1::2])))
    rows = torch.arange(len(found))
    first, second = ([pair[side] for pair in found] for side in (0, 1))
    return Data(Items("text", first), rows, Items("text", second), rows[:, None], source=data.source)


def _used(items: Items, rows: Tensor) -> tuple[Items, dict[int, int]]:
    """The items of these rows, in the order in which they first occur, and where each is now."""
    there = list(dict.fromkeys(i for i in rows.flatten().tolist() if i >= 0))
    return items[torch.tensor(there, dtype=torch.long)], {row: i for i, row in enumerate(there)}


def _distinct(items: Items) -> tuple[list[int], list[int]]:
    """The row of the first of all items that are equal, and for each item which of these it is."""
    keys: list[Hashable] = list(items.hashes().tolist())
    if items.modality == "text":
        keys = list(zip(items.prompts or [""] * len(items), map(normalise, items.texts), strict=True))
    number: dict[Hashable, int] = {}
    first: list[int] = []
    for i, key in enumerate(keys):
        if key not in number:
            number[key] = len(number)
            first.append(i)
    return first, [number[key] for key in keys]


def _mixed(collection: Collection) -> Collection:
    """With the documents in the order of a hash of their content."""
    order = np.argsort(collection.corpus.hashes().numpy(), kind="stable")
    return collection._in_order(order.tolist())


def _names(items: Items, letter: str) -> Sequence[str]:
    return items.names or [f"{letter}{i}" for i in range(len(items))]
