"""From what readers give (examples, pictures) to rows over items, which is what training and tasks take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.data.types import Example, Retrieval


def rows_of(examples: Sequence[Example], source: str = "") -> Data:
    """Examples as rows over their distinct texts, in the order in which these first occur.

    An example alone (without positives and labels) is its own positive, in a data set that has others; where all are
    alone, nothing is. Columns: `score` (NaN: none), `label` and `labels` (for texts with sets of labels 1 for each
    label of the set; `label` is then the same where the set is the same, and -1 where it is empty), named by `classes`.

    Examples:
        >>> data = rows_of([Example("a", ("b", "c")), Example("d", ("b",), ("e",))])
        >>> data.others.values, data.positives.tolist(), data.negatives.tolist()
        (['b', 'c', 'e'], [[0, 1], [0, -1]], [[-1], [2]])
    """
    alone = [not e.positives and e.label is None and e.labels is None for e in examples]
    anchors = {key: i for i, key in enumerate(dict.fromkeys((e.prompt, e.anchor) for e in examples))}
    prompts = [prompt for prompt, _ in anchors]
    items = Items("text", [text for _, text in anchors], prompts=prompts if any(prompts) else ())
    anchor = torch.tensor([anchors[e.prompt, e.anchor] for e in examples], dtype=torch.long)
    columns = _columns(examples)
    classes = tuple(sorted({label for e in examples for label in (e.labels or (e.label,)) if label is not None}))
    contrasted = not all(alone) and any(e.texts[1:] or single for e, single in zip(examples, alone, strict=True))
    if not contrasted:
        return Data(items, anchor, columns=columns, source=source, classes=classes)
    texts = dict.fromkeys(chain.from_iterable(e.texts[1:] for e in examples))
    texts |= dict.fromkeys(e.anchor for e, single in zip(examples, alone, strict=True) if single)
    number = {text: i for i, text in enumerate(texts)}
    positives = [(e.anchor,) if single else e.positives for e, single in zip(examples, alone, strict=True)]
    negatives = [e.negatives for e in examples]
    return Data(
        items,
        anchor,
        Items("text", list(texts)),
        _padded([[number[text] for text in row] for row in positives]),
        _padded([[number[text] for text in row] for row in negatives]) if any(negatives) else None,
        columns,
        source,
        classes,
    )


def texts_of(data: Data) -> list[str]:
    """Every text of every row in order, with repeats: anchor, positives, negatives; nothing of other items.

    Examples:
        >>> texts_of(rows_of([Example("a", ("b",)), Example("c", ("b",), ("d",))]))
        ['a', 'b', 'c', 'b', 'd']
    """
    anchors: list[list[str]] = [[] for _ in range(len(data))]
    if data.anchors.modality == "text":
        anchors = [[data.anchors.texts[i]] for i in data.anchor.tolist()]
    if data.others is None or data.others.modality != "text":
        return [text for row in anchors for text in row]
    rows = [side for side in (data.positives, data.negatives) if side is not None]
    others = torch.cat(rows, 1).tolist() if rows else anchors
    texts = data.others.texts
    return [
        text for own, row in zip(anchors, others, strict=True) for text in (*own, *(texts[i] for i in row if i >= 0))
    ]


def judged_rows(data: Retrieval) -> Data:
    """Each query with each document that is relevant to it, and the column `gain`; the documents are the whole corpus.

    Queries without any are among the anchors, and in no row.

    Examples:
        >>> corpus = {"d1": "one", "d2": "two"}
        >>> rows = judged_rows(Retrieval(corpus, {"q": "un"}, {"q": {"d2": 2.0, "d1": 0.0}}, "memory"))
        >>> rows.others.names, rows.positives.tolist(), rows.columns["gain"].tolist()
        (('d1', 'd2'), [[1]], [2.0])
    """
    query = {key: i for i, key in enumerate(data.queries)}
    document = {key: i for i, key in enumerate(data.corpus)}
    rows = [
        (query[q], document[d], gain)
        for q, gains in data.qrels.items()
        if q in query
        for d, gain in gains.items()
        if gain > 0
    ]
    prompts = [data.prompts.get(key, "") for key in query] if data.prompts else ()
    return Data(
        Items("text", list(data.queries.values()), tuple(query), prompts),
        torch.tensor([q for q, _, _ in rows], dtype=torch.long),
        Items("text", list(data.corpus.values()), tuple(document)),
        torch.tensor([[d] for _, d, _ in rows], dtype=torch.long).view(-1, 1),
        columns={"gain": torch.tensor([gain for _, _, gain in rows])},
        source=data.source,
    )


def _columns(examples: Sequence[Example]) -> dict[str, Tensor]:
    columns = {}
    names = {name: i for i, name in enumerate(sorted({e.label for e in examples if e.label is not None}))}
    if names:
        columns["label"] = torch.tensor([names.get(e.label or "", -1) for e in examples])
    sets = {s: i for i, s in enumerate(dict.fromkeys(frozenset(e.labels) for e in examples if e.labels is not None))}
    if sets:
        members = sorted(set().union(*sets))
        hot = torch.tensor([[float(member in labels) for member in members] for labels in sets])
        which = torch.tensor([-1 if e.labels is None else sets[frozenset(e.labels)] for e in examples])
        columns["labels"] = hot.view(len(sets), len(members))[which] * (which >= 0)[:, None]
        # the same set is the same label, to whom it may concern; no labels are nobody's
        columns["label"] = torch.where(columns["labels"].any(1), which, -1)
    if any(e.score is not None for e in examples):
        columns["score"] = torch.tensor([float("nan") if e.score is None else e.score for e in examples])
    return columns


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in rows], dtype=torch.long).view(len(rows), width)
