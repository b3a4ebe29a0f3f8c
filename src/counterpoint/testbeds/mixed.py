"""Two sources of very different size, and a test of both."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from counterpoint.data import Retrieval, debian
from counterpoint.data.items import Data, Items
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import abstracts, seen_scifact, some_titles, titles
from counterpoint.testbeds.texts import ABSTRACTS, SMALL_TITLES, TABLE

_ASKED = 300


def mixed(seed: int) -> Parts:
    """Titles with abstracts of SciFact (`source` 1) and, seven times more, with descriptions of packages (0).

    The test asks for both: SciFact's 300 claims and 300 held-out titles, among all abstracts and the descriptions of
    1,500 held-out packages. The same for every seed.
    """
    del seed
    return _train(), _test()


def asked(seed: int) -> Parts:
    """The same with all claims of SciFact among its pairs, those of the test, too."""
    del seed
    return _asked(), _test()


def few(seed: int) -> Parts:
    """1,000 titles with descriptions of the included corpus, of which one in eight stands for another source."""
    train, test = some_titles(seed)
    train = train[torch.arange(1000)]
    return replace(train, columns={"source": (torch.arange(len(train)) % 8 == 0).long()}), test


@cache
def _train() -> Data:
    return _joined(titles(0)[0], abstracts(0)[0])


@cache
def _asked() -> Data:
    return _joined(titles(0)[0], abstracts(0)[0], seen_scifact(0)[0])


def _joined(*parts: Data) -> Data:
    anchors, others = list[str](), list[str]()
    for part in parts:
        assert part.others is not None and part.positives is not None  # noqa: PT018 - pairs
        anchors += part.anchors[part.anchor].texts
        others += part.others[part.positives[:, 0]].texts
    row, sizes = torch.arange(len(anchors)), torch.tensor([len(part) for part in parts])
    source = {"source": torch.arange(len(parts)).clamp_max(1).repeat_interleave(sizes)}
    return Data(
        Items("text", anchors), row, Items("text", others), row[:, None], columns=source, source="packages and SciFact"
    )


@cache
def _test() -> Collection:
    from counterpoint.testbeds.corpora import _retrieval

    tests = [_retrieval("scifact", "test"), debian().heldout]
    corpus, queries, judged = dict[str, str](), dict[str, str](), dict[str, dict[str, float]]()
    for i, test in enumerate(tests):
        some = list(test.qrels)[:: max(1, len(test.qrels) // _ASKED)][:_ASKED]
        queries |= {f"{i} {q}": test.queries[q] for q in some}
        judged |= {f"{i} {q}": {f"{i} {d}": gain for d, gain in test.qrels[q].items()} for q in some}
        wanted = {d for gains in test.qrels.values() for d in gains} if i else test.corpus.keys()
        corpus |= {f"{i} {d}": text for d, text in test.corpus.items() if d in wanted}
    return Collection.of(Retrieval(corpus, queries, judged, "packages and SciFact"))


MIXED = replace(
    ABSTRACTS,
    name="packages and SciFact",
    parts=mixed,
    about="37,500 titles with descriptions of the included corpus and SciFact's 5,183 titles with abstracts to train "
    "on; 300 held-out titles and 300 claims for test, among 1,500 descriptions and all abstracts; a random table of "
    "token vectors (20,000 x 256) from scratch, 200 steps of 256 at a rate of 0.02",
    settings={**TABLE, "batch_size": 256},
)
LONGER_MIXED = replace(
    MIXED,
    name="packages and SciFact, with claims",
    parts=asked,
    about="the same with all claims of SciFact among its pairs, and 600 steps",
    steps=600,
)
"""With the claims of the test among those of training: what the table can learn of them."""

FEW_MIXED = replace(
    SMALL_TITLES,
    name="titles, of two sources",
    parts=few,
    about="included corpus: 1,000 titles with descriptions to train on, of which one in eight stands for another "
    "source, 1,500 held-out titles against 3,000 descriptions; a random table of token vectors (20,000 x 256) from "
    "scratch, 60 steps at a rate of 0.02",
)
"""Where nothing but the package itself is at hand."""
