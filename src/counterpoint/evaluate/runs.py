"""Runs and judgements in the files that TREC, trec_eval, ir_measures and BEIR's tools read and write."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from counterpoint.data import Retrieval
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES
from counterpoint.evaluate.figures import Result
from counterpoint.evaluate.places import own_documents, prepared
from counterpoint.evaluate.ranking import METRICS, evaluate_rankings
from counterpoint.files import atomic
from counterpoint.search.fusion import Fusion, check_fusion, reciprocal_rank_fusion, score_fusion

Run = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> score, higher is better."""


def read_run(path: str | os.PathLike[str]) -> dict[str, dict[str, float]]:
    """A TREC run: lines of `query Q0 document rank score tag`, parted by blanks.

    Order is that of the scores; ranks are not read, as trec_eval does it.

    Raises:
        InputError: The file cannot be read, is empty, a line has another form, a score is no finite number, or a query
            names a document twice.

    Examples:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.run"
        >>> write_run(file, {"q": {"a": 0.5, "b": 2.0}})
        >>> file.read_text().splitlines()
        ['q Q0 b 1 2.0 counterpoint', 'q Q0 a 2 0.5 counterpoint']
        >>> read_run(file)
        {'q': {'b': 2.0, 'a': 0.5}}
    """
    run: dict[str, dict[str, float]] = {}
    for line, (query, _, document, _, said, _) in _lines(path, "query Q0 document rank score tag"):
        score = _number(said, path, line)
        found = run.setdefault(query, {})
        if document in found:
            fix = "leave one of the two out"
            raise InputError(f"query {query} names document {document} twice", file=path, line=line, fix=fix)
        found[document] = score
    return run


def read_qrels(path: str | os.PathLike[str]) -> dict[str, dict[str, float]]:
    """Judgements of TREC: lines of `query iteration document gain`, parted by blanks.

    Raises:
        InputError: As `read_run`.
    """
    qrels: dict[str, dict[str, float]] = {}
    for line, (query, _, document, said) in _lines(path, "query iteration document gain"):
        gains = qrels.setdefault(query, {})
        if document in gains:
            fix = "leave one of the two out"
            raise InputError(f"query {query} judges document {document} twice", file=path, line=line, fix=fix)
        gains[document] = _number(said, path, line)
    return qrels


def write_run(path: str | os.PathLike[str], run: Run, tag: str = "counterpoint") -> None:
    """Write a TREC run that `read_run` and trec_eval read; the file is whole or not there.

    Scores are written so that they are read back as they were. Equal scores keep their order of the mapping, in the
    ranks alone: trec_eval orders them by the document's id.

    Args:
        path: The file.
        run: What was found.
        tag: Says which system, the last column.

    Raises:
        InputError: An id or the tag holds a blank or is empty, which the layout has no way to say.
    """
    for name in (tag, *run, *(d for found in run.values() for d in found)):
        if len(name.split()) != 1 or name != name.strip() or not _writable(name):
            raise InputError(f"{name!r} cannot stand in a TREC run", file=path, fix="give ids without blanks")
    with atomic(path) as part, part.open("w", encoding="utf-8") as file:
        for query, found in run.items():
            best = sorted(found.items(), key=lambda item: -item[1])
            file.writelines(f"{query} Q0 {d} {rank} {float(s)!r} {tag}\n" for rank, (d, s) in enumerate(best, 1))


def evaluate_run(
    run: Run, test: Retrieval, *, metrics: Sequence[str] = METRICS, samples: int = SAMPLES, seed: int = 0
) -> Result:
    """The figures of a run on a test, from the same queries that a model is measured on (`prepared`).

    Equal scores are ties (`Judged`). What the run does not name was not found.

    Raises:
        InputError: None of the run's queries is one of the test, or what `evaluate_rankings` refuses.

    Examples:
        >>> test = Retrieval({"1": "a", "2": "b"}, {"q": "x"}, {"q": {"2": 1.0}}, "memory")
        >>> evaluate_run({"q": {"1": 0.9, "2": 0.4}}, test)["mrr@10"].value
        0.5
    """
    refuse_string(metrics, "metrics")
    asked, notes = prepared(test)
    kept, known = of_test(run, test), asked.corpus.keys()
    foreign = sum(d not in known for found in kept.values() for d in found)
    if foreign:
        notes = (*notes, f"documents of the run that are not in the corpus, which keep their places: {foreign:,}")
    result = evaluate_rankings(
        {q: found for q, found in kept.items() if found}, asked.qrels, metrics=metrics, samples=samples, seed=seed
    )
    return replace(result, source=test.source, notes=(*notes, *result.notes))


def of_test(run: Run, test: Retrieval) -> dict[str, dict[str, float]]:
    """What a run found for the queries that are measured, a query that is a document not among its own results.

    Raises:
        InputError: None of the run's queries is one of the test.
    """
    asked, _ = prepared(test)
    if not asked.queries.keys() & run.keys():
        some = next(iter(run), "")
        raise InputError(f"no query of the run ({some} ...) is in the test", fix="give the run of this test")
    itself = own_documents(test)
    return {q: {d: s for d, s in run.get(q, {}).items() if d != q or q not in itself} for q in asked.queries}


def fuse_runs(
    runs: Sequence[Run],
    *,
    by: Fusion = "ranks",
    k: float = 60,
    weights: Sequence[float] | None = None,
    depth: int = 100,
) -> dict[str, dict[str, float]]:
    """One run from several, of the queries that any of them has.

    Args:
        runs: What each found; equal scores share the mean of their ranks.
        by: Reciprocal "ranks" (`reciprocal_rank_fusion`), or "scores" (`score_fusion`).
        k: The constant of ranks: the larger, the less the first stand out.
        weights: One a run, above 0; all 1 if not given.
        depth: Of each query so many of each run are fused, 1 or more; as many of the fused are kept.

    Raises:
        InputError: No runs, `depth` below 1, no such fusion, or what it refuses.

    Examples:
        >>> fused = fuse_runs([{"q": {"a": 0.9, "b": 0.5}}, {"q": {"b": 7.0}}])
        >>> fused["q"] == {"b": 1 / 62 + 1 / 61, "a": 1 / 61}
        True
    """
    if not runs or depth < 1:
        raise InputError(f"{len(runs)} runs to a depth of {depth}", fix="give at least one run, and 1 or more")
    check_fusion(by)
    fused = {}
    for query in dict.fromkeys(query for run in runs for query in run):
        # one more than is fused, so that it is known whether equal scores go on behind the last
        lists = [sorted(run.get(query, {}).items(), key=lambda item: -item[1])[: depth + 1] for run in runs]
        names = list(dict.fromkeys(document for found in lists for document, _ in found))
        row_of, shape = {name: row for row, name in enumerate(names)}, (1, depth + 1)
        ids, scores = [np.full(shape, -1) for _ in runs], [np.full(shape, -np.inf) for _ in runs]
        for i, found in enumerate(lists):
            ids[i][0, : len(found)] = [row_of[document] for document, _ in found]
            scores[i][0, : len(found)] = [score for _, score in found]
        best, credit = (
            score_fusion([r[:, :depth] for r in ids], [s[:, :depth] for s in scores], weights=weights, depth=depth)
            if by == "scores"
            else reciprocal_rank_fusion(ids, scores=scores, k=k, weights=weights, depth=depth)
        )
        fused[query] = {names[i]: float(s) for i, s in zip(best[0], credit[0], strict=True) if i >= 0}
    return fused


def _lines(path: str | os.PathLike[str], layout: str) -> Iterator[tuple[int, list[str]]]:
    """The columns of each line, with its number."""
    some, columns = False, len(layout.split())
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not (parts := line.split()):
                    continue
                if len(parts) != columns:
                    fix = f"write: {layout}"
                    raise InputError(f"{len(parts)} columns, not {columns}", file=path, line=number, fix=fix)
                some = True
                yield number, parts
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", file=path, fix=f"give a text file of: {layout}") from error
    if not some:
        raise InputError("is empty", file=path, fix=f"give lines of: {layout}")


def _writable(name: str) -> bool:
    """Whether it holds whole characters alone."""
    return name.encode("utf-8", "replace").decode() == name


def _number(said: str, path: str | os.PathLike[str], line: int) -> float:
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{said!r} is not a finite number", file=path, line=line, fix="correct it")
    return number
