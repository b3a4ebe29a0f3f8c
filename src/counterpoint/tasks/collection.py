"""Test collections: queries, a corpus, and who should find what, for items of any modality."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data, Items
from counterpoint.data.passages import in_sentences
from counterpoint.data.types import Retrieval
from counterpoint.encoders.inputs import take
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.places import Answers, answers_of, prepared
from counterpoint.search.words import spaceless
from counterpoint.views import affine, brightness, compose, grey, inverse_cloze, jitter

_VIEWED = 512
_MANY = 20_000
_VIEWS = (
    "one view of a picture should find another view of it: that does not tell whether pictures of a kind are together"
)


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

    def asking(self, most: int) -> Collection:
        """About so many of the queries, evenly chosen; all if there are fewer than twice as many."""
        return self.only(self.answers.judged[:: max(1, len(self.answers.judged) // most)])

    def only(self, asked: Sequence[int]) -> Collection:
        """Only these queries, in this order, each in `answers.judged`.

        Examples:
            >>> test = Retrieval({"1": "a"}, {"q": "x", "r": "y"}, {"q": {"1": 1.0}, "r": {"1": 1.0}}, "memory")
            >>> Collection.of(test).only([1]).queries.texts
            ['y']
        """
        answers = replace(
            self.answers,
            queries=[self.answers.queries[q] for q in asked],
            relevant={i: self.answers.relevant[q] for i, q in enumerate(asked)},
            uncounted={i: self.answers.uncounted.get(q, ()) for i, q in enumerate(asked)},
        )
        return replace(self, queries=self.queries[torch.tensor(asked, dtype=torch.long)], answers=answers)

    def among(self, most: int) -> Collection:
        """The same among all documents that answer a query and about so many of the others, evenly chosen."""
        relevant = {d for gains in self.answers.relevant.values() for d, gain in gains.items() if gain > 0}
        others = [d for d in range(len(self.corpus)) if d not in relevant]
        kept = sorted(relevant.union(others[:: max(1, len(others) // most)]))
        return self._in_order(kept)

    def swapped(self) -> Collection:
        """The other way round: documents ask for the queries that they answer.

        Examples:
            >>> test = Retrieval({"1": "a"}, {"q": "x", "r": "y"}, {"q": {"1": 1.0}, "r": {"1": 1.0}}, "memory")
            >>> other = Collection.of(test).swapped()
            >>> other.queries.texts, other.answers.relevant
            (['a'], {0: {0: 1.0, 1: 1.0}})
        """
        asked: dict[int, dict[int, float]] = {d: {} for d in range(len(self.corpus))}
        for query, gains in self.answers.relevant.items():
            for document, gain in gains.items():
                if document >= 0:
                    asked[document][query] = gain
        uncounted: dict[int, list[int]] = {}
        for query, documents in self.answers.uncounted.items():
            for document in documents:
                uncounted.setdefault(document, []).append(query)
        answers = Answers(_names(self.corpus, "d"), len(self.queries), asked, uncounted)
        return replace(self, queries=self.corpus, corpus=self.queries, answers=answers)

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
    assert test.positives is not None
    held, used = _used(_others(test), test.positives)
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


def links(test: Data, *known: Data) -> Collection:
    """Held-out pairs as queries of their own: which of everything is the partner (completion of (head, relation), say).

    Other partners that an anchor has in these data are neither right nor wrong: the filtered ranking of Bordes et al.
    2013, "Translating Embeddings for Modeling Multi-relational Data". Anything that is a partner in any of the data is
    searched, used or not.

    Args:
        test: Pairs.
        *known: Further pairs that are right.

    Examples:
        >>> tails = Items("entity", torch.arange(4))
        >>> heads = Items("query", torch.tensor([[0, 0]]))
        >>> test, train = (Data(heads, torch.tensor([0]), tails, torch.tensor([[row]])) for row in (1, 3))
        >>> answers = links(test, train).answers
        >>> answers.documents, [len(some) for some in (answers.relevant[0], answers.uncounted[0])]
        (4, [1, 1])
    """
    stores = {id(items): items for data in (test, *known) for items in (_others(data),)}
    everything = Items.cat(list(stores.values()))
    first, document = _distinct(everything)
    starts = dict(zip(stores, np.cumsum([0, *map(len, stores.values())]).tolist(), strict=False))

    def rows(data: Data) -> Iterator[tuple[int, Hashable, int]]:
        """Each pair: the row of its anchor, what this is known by, and its partner."""
        assert data.positives is not None
        keys, start = _keys(data.anchors), starts[id(data.others)]
        for anchor, partners in zip(data.anchor.numpy().tolist(), data.positives.numpy().tolist(), strict=True):
            yield from ((anchor, keys[anchor], document[start + i]) for i in partners if i >= 0)

    right: dict[Hashable, set[int]] = {}
    for data in (test, *known):
        for _, key, partner in rows(data):
            right.setdefault(key, set()).add(partner)
    asked = list(rows(test))
    relevant = {q: {partner: 1.0} for q, (_, _, partner) in enumerate(asked)}
    uncounted = {q: sorted(right[key] - {partner}) for q, (_, key, partner) in enumerate(asked)}
    queries = test.anchors[torch.tensor([anchor for anchor, _, _ in asked], dtype=torch.long)]
    corpus = everything[torch.tensor(first, dtype=torch.long)]
    note = "answers of a query that are known from other pairs are neither right nor wrong (filtered ranking)"
    answers = Answers(_names(queries, "q"), len(corpus), relevant, uncounted)
    return _mixed(Collection(queries, corpus, answers, (note,)))


def zero_shot(data: Data, names: Items) -> Collection:
    """Labelled items that should find the name of their class among the names of all (Radford et al. 2021, CLIP).

    The accuracy is hit@1. Items without a label (-1) are left out.

    Args:
        data: Labelled items, pictures say.
        names: What stands for each label, in the order of the labels: "a photo of a cat", ...

    Raises:
        InputError: Fewer names than labels, or nothing is labelled.

    Examples:
        >>> pictures = Items("image", torch.zeros(3, 1, 8, 8))
        >>> data = Data.alone(pictures, label=torch.tensor([1, 0, -1]))
        >>> zero_shot(data, Items("text", ["a cat", "a dog"])).answers.relevant
        {0: {1: 1.0}, 1: {0: 1.0}}
    """
    held, notes = labelled_rows(data)
    labels = held.columns["label"].tolist()
    if max(labels) >= len(names):
        raise InputError(
            f"{len(names):,} names for {1 + max(labels):,} classes", file=data.source or None, fix="name each class"
        )
    queries = held.anchors[held.anchor]
    relevant = {q: {label: 1.0} for q, label in enumerate(labels)}
    return Collection(queries, names, Answers(_names(queries, "q"), len(names), relevant), notes)


def labelled_rows(data: Data) -> tuple[Data, tuple[str, ...]]:
    """The rows that have a label (not -1), and a sentence about the others if there are any.

    Raises:
        InputError: None has.
    """
    has = data.columns["label"] >= 0
    if not has.any():
        raise InputError("no row has a label", file=data.source or None, fix="give labels")
    if has.all():
        return data, ()
    return data[has], (f"rows left out, as they have no label: {int((~has).sum()):,}",)


def views(data: Data, seed: int = 0) -> Collection:
    """Pictures without partners make a test of their own: one view of each should find its other view among all.

    Views are a part of the picture (30% to 100% of its area) in other brightness and, of coloured pictures, other
    colours, perhaps mirrored; the same for every encoder. That measures what contrastive training on views is for
    (pictures are told apart, views of one are not), and not whether pictures of one kind are near each other.

    Args:
        data: Pictures.
        seed: Of the views.

    Examples:
        >>> pictures = Data.alone(Items("image", torch.rand(3, 1, 8, 8)))
        >>> collection = views(pictures)
        >>> len(collection.queries), len(collection.corpus), collection.queries.tensor.dtype
        (3, 3, torch.uint8)
    """
    items = data.anchors[data.anchor]
    first, picture = _distinct(items)
    seen = items[torch.tensor(first, dtype=torch.long)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        asked, found = (replace(seen, values=_viewed(seen.tensor)) for _ in range(2))
    answers = Answers(_names(seen, "q"), len(seen), {i: {i: 1.0} for i in range(len(seen))})
    copies = len(picture) - len(seen)
    notes = (*([f"copies of pictures left out: {copies:,}"] if copies else []), _VIEWS)
    return _mixed(Collection(asked, found, answers, notes))


def _viewed(pixels: Tensor) -> Tensor:
    coloured = pixels.shape[1] == 3
    part = affine(area=(0.3, 1.0), aspect=(3 / 4, 4 / 3), flip=coloured)
    view = compose(part, jitter(0.5), grey(0.2)) if coloured else compose(part, brightness(0.4))
    parts = [view(cast(Tensor, take(pixels, rows))) for rows in torch.arange(len(pixels)).split(_VIEWED)]
    return (torch.cat(parts) * 255).round().to(torch.uint8)


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


def sentences(data: Data, *others: Data, seed: int = 0) -> Collection:
    """Long texts without partners make a test of their own: a sentence of each should find the rest of its text.

    It is searched among the rests of all and the whole texts of others that are none of them. Where a text has many
    sentences, `halves` have nearly all of its words, and every model finds them. Texts of one sentence are documents
    alone.

    Args:
        data: Texts alone.
        *others: Further texts alone, which are documents, too: of more than 20,000 so many, evenly chosen.
        seed: Of the sentence, drawn at random from those of two words or more.

    Examples:
        >>> data = Data.alone(Items("text", ["It is red. So it is.", "one alone"]))
        >>> found = sentences(data, Data.alone(Items("text", ["It flies."])))
        >>> found.queries.texts, sorted(found.corpus.texts)
        (['It is red.'], ['It flies.', 'So it is.', 'one alone'])
    """
    asked, texts = inverse_cloze(kept=0)(data, nn.Identity(), seed), data.anchors[data.anchor].texts
    own, alone = set(map(normalise, texts)), [text for text in texts if len(in_sentences(text)) < 2]
    more = [text for other in others for text in other.anchors[other.anchor].texts if normalise(text) not in own]
    step = -(-len(more) // _MANY) or 1
    whole = Items("text", alone + more[::step])
    rows = torch.arange(len(whole))
    found = pairs(asked, Data(whole, rows, whole, rows[:, None])) if len(whole) else pairs(asked)
    some = (f"of {len(more):,} other texts one of {step} is searched",) if step > 1 else ()
    return replace(found, notes=(*found.notes, *some))


def _others(data: Data) -> Items:
    if data.others is None:
        raise InputError(f"rows of {data.schema}, where pairs are needed", file=data.source or None, fix="give pairs")
    return data.others


def _used(items: Items, rows: Tensor) -> tuple[Items, dict[int, int]]:
    """The items of these rows, in the order in which they first occur, and where each is now."""
    there = list(dict.fromkeys(i for i in rows.flatten().tolist() if i >= 0))
    return items[torch.tensor(there, dtype=torch.long)], {row: i for i, row in enumerate(there)}


def _keys(items: Items) -> Sequence[Hashable]:
    """What items are known by: equal ones have the same."""
    if items.modality == "text":
        return list(zip(items.prompts or [""] * len(items), map(normalise, items.texts), strict=True))
    return [int(key) for key in items.hashes().numpy()]


def _distinct(items: Items) -> tuple[list[int], list[int]]:
    """The row of the first of all items that are equal, and for each item which of these it is."""
    keys = _keys(items)
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
