"""Hard negatives into a file that trainers read, block by block, so that a kill loses little."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Data, Items
from counterpoint.encoders import Kind
from counterpoint.encoders.encoding import encode_items_to, fingerprint
from counterpoint.encoders.spreading import Spread
from counterpoint.errors import InputError
from counterpoint.files import alone, atomic, check_output, remove, write_json
from counterpoint.negatives.mining import Miner, Negatives, blocks_of, with_negatives
from counterpoint.negatives.rankers import Ranker, by_vectors, lexical, metric_of
from counterpoint.negatives.rules import Draw, Rule
from counterpoint.progress import reporting

Layout = Literal["tuples", "lists"]
LAYOUTS: tuple[Layout, ...] = ("tuples", "lists")


@dataclass(frozen=True)
class Mined:
    """What became of a mining.

    Attributes:
        output: The file.
        rows: How many it has.
        short: Rows that are not in it, as fewer negatives were found than asked for (of "lists": none).
        negatives: Of each ranker how many it gave.
        gaps: Of each ranker the score of every negative less that of its row's positive.
        suspects: Of each ranker the rows where something that could have been taken scored no less than the positive.
        suspected: The file that lists them; None if there are none.
    """

    output: Path
    rows: int
    short: int
    negatives: Mapping[str, int]
    gaps: Mapping[str, Float[np.ndarray, " g"]]
    suspects: Mapping[str, int]
    suspected: Path | None


@alone
def mine_to(
    output: str | os.PathLike[str],
    data: Data,
    by: Mapping[str, Any],
    n: int = 1,
    *,
    depth: int = 100,
    keep: Sequence[Rule] = (),
    draw: Draw | None = None,
    seed: int = 0,
    layout: Layout = "tuples",
    language: str = "auto",
    asked: object = None,
    progress: bool = False,
    spread: Spread | None = None,
) -> Mined:
    """Mine `n` hard negatives of each ranker for each row, and write the rows with all of their negatives.

    "tuples" is a row a line with `anchor`, `positive`, `negative_1`, ..., which sentence-transformers reads as its
    n-tuples: a row with several positives becomes one for each, and one with fewer negatives than others is left out.
    "lists" is a line with `query`, `pos` and `neg`, which FlagEmbedding reads, for every row with a negative. `fit`
    reads both. Where rows have prompts of their own, so do the lines (`prompt`). Beside the file,
    `OUTPUT.suspects.jsonl` lists what scored no less than a positive and could have been taken: answers that nobody
    marked, perhaps.

    What is done is kept in a folder beside the file until all is: the same call goes on from there after a kill.

    Args:
        output: A .jsonl file.
        data: Pairs or tuples of texts; where to look is all that they contrast with.
        by: Name -> an encoder of texts, or None for BM25.
        n: How many of each.
        depth: How many of those that are found first are looked at.
        keep: Rules, see `counterpoint.negatives.rules`.
        draw: Weights to draw by; None: those that are found first.
        seed: Of the draws.
        layout: "tuples" or "lists".
        language: Of the texts, for BM25.
        asked: What `keep` and `draw` are made of, as far as a call with others must not go on with this one.
        progress: Show a bar.
        spread: Workers that encode (`counterpoint.encoders.on_ray`); queries with prompts are encoded here.

    Raises:
        InputError: As `Miner`; nobody who finds; an unknown layout; nothing was found.

    Examples:
        >>> import tempfile
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("cat food", ("what a cat eats",)), Example("cat toys", ("a cat plays with toys",))])
        >>> mined = mine_to(Path(tempfile.mkdtemp()) / "mined.jsonl", data, {"BM25": None}, depth=2)
        >>> print(mined.output.read_text().splitlines()[0])
        {"anchor": "cat food", "positive": "what a cat eats", "negative_1": "a cat plays with toys"}
    """
    output = check_output(output, "file", suffix=".jsonl")
    if layout not in LAYOUTS or not by:
        raise InputError(f"layout {layout!r}, found by {len(by)}", fix='"tuples" or "lists", found by one or more')
    if data.others is None or data.positives is None:
        raise InputError(f"hard negatives are of pairs, and these are {data.schema}", file=data.source or None)
    work = output.with_name(f"{output.name}.mining")
    models = {name: "" if encoder is None else fingerprint(encoder) for name, encoder in by.items()}
    _bind(work, _digest(data), models, n, depth, seed, language, asked)
    before = 0 if data.negatives is None else data.negatives.shape[1]
    gaps, negatives, suspects = dict[str, Any](), dict[str, int](), dict[str, list[dict[str, Any]]]()
    for number, (name, encoder) in enumerate(by.items()):
        ranker = _ranker(data, encoder, work / f"{number}", language, progress, spread)
        miner = Miner(data, ranker, n, depth=depth, keep=keep, draw=draw)
        found, rows = [], blocks_of(len(data))
        with reporting(progress, len(data), f"mining by {name}", "rows") as report:
            for place, rows_b in enumerate(rows):
                found.append(_kept(work / f"{number}" / f"{place}.npz", miner, rows_b, seed))
                report(len(rows_b))
        gap = [(block.scores_bn - block.positive_b[:, None])[block.ids_bn >= 0] for block in found]
        gaps[name] = np.concatenate(gap) if gap else np.zeros(0, np.float32)
        negatives[name] = len(gaps[name])
        suspects[name] = [
            row for rows_b, block in zip(rows, found, strict=True) for row in _suspects(data, rows_b, block)
        ]
        data = with_negatives(data, [block.ids_bn for block in found])
    if not any(negatives.values()):
        remove(work)
        raise InputError("no negative was found", file=data.source or None, fix="look deeper, or keep more")
    wanted = before + n * len(by)
    lines = list(_tuples(data, wanted) if layout == "tuples" else _lists(data))
    if not lines:
        few = f"no row has all of its {wanted} negatives"
        raise InputError(few, file=data.source or None, fix="ask for fewer, look deeper, keep more, or write lists")
    _write(output, lines)
    listed = _list_suspects(output.with_name(f"{output.name}.suspects.jsonl"), suspects)
    remove(work)
    assert data.negatives is not None  # some were found
    enough = (data.negatives >= 0).sum(1) >= (wanted if layout == "tuples" else 1)
    told = {name: len(rows) for name, rows in suspects.items()}
    return Mined(output, len(lines), int((~enough).sum()), negatives, gaps, told, listed)


def _bind(work: Path, *asked: object) -> None:
    """What another call left is not gone on with."""
    digest = hashlib.blake2b(repr(asked).encode(), digest_size=16).hexdigest()
    file = work / "asked.json"
    if not file.exists() or json.loads(file.read_text()) != digest:
        remove(work)
        work.mkdir(parents=True)
        write_json(file, digest)


def _digest(data: Data) -> str:
    """Of all that is mined for and searched in."""
    assert data.others is not None
    digest = hashlib.blake2b(digest_size=16)
    for items in (data.anchors, data.others):
        digest.update(items.hashes().numpy().tobytes())
    for rows in (data.anchor, data.positives, data.negatives):
        digest.update(b"" if rows is None else rows.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _ranker(data: Data, encoder: Any, work: Path, language: str, progress: bool, spread: Spread | None) -> Ranker:
    """BM25, or vectors, which are kept."""
    assert data.others is not None
    work.mkdir(exist_ok=True)
    if encoder is None:
        return lexical(list(data.others.texts), language=language)
    vectors = []
    sides: tuple[tuple[Kind, Items], ...] = (("query", data.anchors), ("document", data.others))
    for kind, items in sides:
        file = work / f"{kind}.npy"
        if not file.exists() and items.prompts:
            # each after its own, as figures are of them
            encode_items_to(file, encoder, items, kind=kind, progress=progress)
        elif not file.exists():
            encoder.encode(list(items.texts), kind=kind, out=file, progress=progress, spread=spread)
        vectors.append(np.load(file, mmap_mode="r"))
    return by_vectors(*vectors, metric=metric_of(encoder))


def _kept(file: Path, miner: Miner, rows_b: np.ndarray, seed: int) -> Negatives:
    """What is mined for a block of rows, or was before."""
    names = [field.name for field in fields(Negatives)]
    if not file.exists():
        found = miner(rows_b, seed)
        with atomic(file) as part, part.open("wb") as stream:
            np.savez(stream, **{name: getattr(found, name) for name in names})
    with np.load(file, allow_pickle=False) as arrays:
        return Negatives(*(arrays[name] for name in names))


def _suspects(data: Data, rows_b: np.ndarray, found: Negatives) -> Iterator[dict[str, Any]]:
    assert data.others is not None
    assert data.positives is not None
    for place in np.flatnonzero(found.above_b >= 0).tolist():
        row = int(rows_b[place])
        yield {
            "anchor": data.anchors.texts[int(data.anchor[row])],
            "positive": data.others.texts[int(data.positives[row, 0])],
            "suspect": data.others.texts[int(found.above_b[place])],
            "score": round(float(found.above_score_b[place]), 6),
            "positive_score": round(float(found.positive_b[place]), 6),
        }


def _list_suspects(file: Path, suspects: Mapping[str, list[dict[str, Any]]]) -> Path | None:
    """The most suspicious of each ranker first."""
    remove(file)
    if not any(suspects.values()):
        return None
    by_doubt = {
        name: sorted(rows, key=lambda row: row["positive_score"] - row["score"]) for name, rows in suspects.items()
    }
    _write(file, [{**row, "by": name} for name, rows in by_doubt.items() for row in rows])
    return file


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic(file) as part, part.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _rows(data: Data) -> Iterator[tuple[str, list[str], list[str], dict[str, str]]]:
    """Anchor, positives and negatives of each row; and its prompt, where rows have some."""
    assert data.others is not None
    assert data.positives is not None
    assert data.negatives is not None
    texts, prompts = data.others.texts, data.anchors.prompts
    for anchor, own, not_own in zip(
        data.anchor.tolist(), data.positives.tolist(), data.negatives.tolist(), strict=True
    ):
        prompt = {"prompt": prompts[anchor]} if prompts else {}
        both = [[texts[i] for i in some if i >= 0] for some in (own, not_own)]
        yield data.anchors.texts[anchor], both[0], both[1], prompt


def _tuples(data: Data, wanted: int) -> Iterator[dict[str, str]]:
    for anchor, positives, negatives, prompt in _rows(data):
        if len(negatives) >= wanted:
            numbered = {f"negative_{i}": text for i, text in zip(count(1), negatives[:wanted], strict=False)}
            yield from ({"anchor": anchor, "positive": positive, **numbered, **prompt} for positive in positives)


def _lists(data: Data) -> Iterator[dict[str, Any]]:
    for anchor, positives, negatives, prompt in _rows(data):
        if negatives:
            yield {"query": anchor, "pos": positives, "neg": negatives, **prompt}
