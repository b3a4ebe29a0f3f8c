"""What `counterpoint evaluate` measures on texts: a model, BM25, or a run in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from counterpoint.cli.options import note

if TYPE_CHECKING:
    from counterpoint.data import Retrieval, TextData
    from counterpoint.encoders import CrossEncoder
    from counterpoint.evaluate import Found, Reranking, Result
    from counterpoint.search import Fusion

LEXICAL = "bm25"
_DEPTH = 1000
"""Documents a query in a run that is written, as is usual at TREC."""


def is_ranking(name: str) -> bool:
    """Whether it is no model: BM25, or the file of a run."""
    return name == LEXICAL or Path(name).is_file()


@dataclass(frozen=True)
class Asked:
    """Texts, and what is asked of whatever is measured on them.

    Attributes:
        data: What to measure on.
        train: Labelled texts for the probes.
        metrics: Of retrieval; () for the usual.
    """

    data: TextData | Retrieval
    train: TextData | None
    metrics: tuple[str, ...]

    def of(self, name: str, encoder: Any, run: Path | None = None) -> list[Result]:
        """The figures of one.

        Args:
            name: A model, `bm25`, or the file of a run.
            encoder: The model, or None.
            run: Where to write what it found.

        Raises:
            InputError: What the evaluation refuses.
        """
        from counterpoint.data import Retrieval
        from counterpoint.encoders import unknown_note
        from counterpoint.evaluate import evaluate_any

        data = self.data
        if isinstance(data, Retrieval):
            return [self._ranked(data, name, run, encoder)]
        assert encoder is not None  # `asked` refuses others
        note(unknown_note(encoder, list(data.texts())))
        with encoder.counting() as cut:
            results = evaluate_any(encoder, data, self.train)
        note(cut.sentence())
        return results

    def found(self, name: str, encoder: Any, depth: int) -> dict[str, dict[str, float]]:
        """The documents that one finds first for each judged query, best first, with their scores.

        Args:
            name: As `of`.
            encoder: As `of`.
            depth: How many.
        """
        from counterpoint.data import Retrieval
        from counterpoint.evaluate import prepared, read_run
        from counterpoint.evaluate.runs import of_test

        assert isinstance(self.data, Retrieval)  # `asked` refuses others
        if encoder is None and name != LEXICAL:
            runs = of_test(read_run(name), self.data)
            return {q: dict(sorted(run.items(), key=lambda item: -item[1])[:depth]) for q, run in runs.items()}
        test, _ = prepared(self.data)
        return _named(_placed(test, encoder, depth)[0], test)

    def fused(self, both: Sequence[tuple[str, Any]], depth: int, by: Fusion) -> dict[str, dict[str, float]]:
        """What several find, in one order.

        Args:
            both: Names and encoders, as `of` takes them.
            depth: Documents a query of each that are fused, and of both that are kept.
            by: See `fuse_runs`.
        """
        from counterpoint.evaluate import fuse_runs

        return fuse_runs([self.found(name, encoder, depth + 1) for name, encoder in both], by=by, depth=depth)

    def of_run(self, found: dict[str, dict[str, float]], run: Path | None = None) -> list[Result]:
        """The figures of what was found, which is written to `run`."""
        from counterpoint.data import Retrieval
        from counterpoint.evaluate import METRICS, evaluate_run, write_run

        assert isinstance(self.data, Retrieval)  # `asked` refuses others
        if run:
            write_run(run, found)
        return [evaluate_run(found, self.data, metrics=self.metrics or METRICS)]

    def reranked(
        self, found: dict[str, dict[str, float]], judge: CrossEncoder, depth: int, run: Path | None = None
    ) -> Reranking:
        """What was found first, and the same in the order of a model that reads query and document together.

        Args:
            found: See `found`.
            judge: The reranker.
            depth: How many of those that are found first are put in its order.
            run: Where to write that.
        """
        from counterpoint.data import Retrieval
        from counterpoint.evaluate import RERANKED, evaluate_reranking, write_run

        assert isinstance(self.data, Retrieval)  # `asked` refuses others
        first = {query: list(documents)[:depth] for query, documents in found.items()}
        measured = evaluate_reranking(judge.score, self.data, first, metrics=self.metrics or RERANKED)
        if run:
            orders = measured.run.items()
            write_run(run, {q: {d: float(-rank) for rank, d in enumerate(order, 1)} for q, order in orders})
        return measured

    def _ranked(self, data: Retrieval, name: str, run: Path | None, encoder: Any) -> Result:
        from counterpoint.evaluate import METRICS, evaluate_judged, evaluate_run, prepared, read_run, write_run
        from counterpoint.evaluate.runs import of_test

        metrics = self.metrics or METRICS
        if encoder is None and name != LEXICAL:
            ranked = read_run(name)
            if run:
                write_run(run, of_test(ranked, data), _tag(Path(name).stem))
            return evaluate_run(ranked, data, metrics=metrics)
        test, notes = prepared(data)
        found, more = _placed(test, encoder, _DEPTH if run else 0)
        if run:
            write_run(run, _named(found, test), _tag("-".join(Path(name).parts[-2:])))
        return evaluate_judged(found.judged, metrics=metrics, source=data.source, notes=(*notes, *more))


def _placed(test: Retrieval, encoder: Any, depth: int) -> tuple[Found, tuple[str, ...]]:
    """What a model, or BM25 if there is none, finds, and what is to be said of it; what is cut or unknown is said."""
    from counterpoint.encoders import unknown_note
    from counterpoint.evaluate import place
    from counterpoint.evaluate.encoder import place_encoded
    from counterpoint.search import BM25

    queries, documents = list(test.queries.values()), list(test.corpus.values())
    if encoder is None:
        lexical = BM25(documents)
        return place(lexical.score_rows(queries), test, depth), (f"BM25: {lexical.describe()}",)
    note(unknown_note(encoder, [*queries, *documents]))
    with encoder.counting() as cut:
        found, _ = place_encoded(encoder, test, depth)
    note(cut.sentence())
    return found, ()


def _named(found: Found, test: Retrieval) -> dict[str, dict[str, float]]:
    """Ids of queries and documents in place of rows."""
    documents = list(test.corpus)
    lists = zip(test.queries, found.ids_nk.tolist(), found.scores_nk.tolist(), strict=True)
    return {q: {documents[i]: s for i, s in zip(ids, scores, strict=True) if i >= 0} for q, ids, scores in lists}


def _tag(name: str) -> str:
    """A name as the last column of a run takes it."""
    return "-".join(name.encode("ascii", "replace").decode().split()) or "counterpoint"


def asked(
    source: str,
    train: str | None,
    options: dict[str, Any],
    metrics: tuple[str, ...] = (),
    *,
    retrieval: bool = False,
    unseen: str | None = None,
) -> Asked:
    """Read the texts; what is read is said.

    Args:
        source: What to measure on.
        train: Labelled texts for the probes.
        options: Of `read`.
        metrics: Of retrieval.
        retrieval: Whether something is asked that only a retrieval test has.
        unseen: What was trained on: only queries none of whose documents was a positive there are asked.

    Raises:
        InputError: They cannot be read, or are no retrieval test where one is needed.
    """
    from counterpoint.data import Retrieval, account, retrieval_from_pairs
    from counterpoint.errors import InputError
    from counterpoint.fitting.texts import read_source

    data = read_source(source, **options)
    typer.echo(account(data, f"{Path(source).name}.rejected.jsonl"), err=True)
    # the split is of the source
    labelled = None if train is None else read_source(train, **{**options, "split": None})
    if labelled is not None:
        typer.echo(account(labelled, f"{Path(str(train)).name}.rejected.jsonl"), err=True)
    if isinstance(labelled, Retrieval):
        raise InputError("--train is a retrieval test", fix="give labelled texts")
    if labelled is not None and (isinstance(data, Retrieval) or data.schema != "labelled"):
        raise InputError("--train is for the probes of labelled texts", file=source, fix="leave it out")
    if not isinstance(data, Retrieval) and data.schema in ("pairs", "tuples"):
        extra = [text for example in data.examples for text in example.negatives]
        data = retrieval_from_pairs(data.examples, extra, data.source)
    if retrieval and not isinstance(data, Retrieval):
        fix = "give pairs or a BEIR folder, or leave out --metric, --run, --fuse, --rerank, --unseen, bm25 and runs"
        raise InputError("the data are no retrieval test", file=source, fix=fix)
    if unseen is not None:
        assert isinstance(data, Retrieval)  # refused before
        data = _unseen(data, unseen, bool(options.get("skip_bad")))
    return Asked(data, labelled, metrics)


def _unseen(data: Retrieval, trained: str, skip_bad: bool) -> Retrieval:
    """Only the queries none of whose relevant documents was a positive of what was trained on; how many is said."""
    from dataclasses import replace

    from counterpoint.data import Retrieval, pairs_from_retrieval
    from counterpoint.data.layouts import beir_files
    from counterpoint.errors import InputError
    from counterpoint.fitting.texts import known_answers, read_pairs, with_answers

    of_folder = Path(trained).is_dir() and beir_files(trained, None) is not None
    pairs = read_pairs(trained, {"skip_bad": skip_bad, **({"split": "train"} if of_folder else {})})
    if not isinstance(pairs, Retrieval) and pairs.schema not in ("pairs", "tuples"):
        raise InputError("--unseen is what was trained on, queries with their documents", file=trained)
    rows = pairs_from_retrieval(pairs) if isinstance(pairs, Retrieval) else pairs
    known, _ = known_answers(rows, with_answers(data))
    qrels = {query: gains for query, gains in data.qrels.items() if query not in known}
    note(f"{len(known):,} queries are left out: a document that is relevant to them was a positive in {trained}")
    if not qrels:
        raise InputError("no query has documents that are new", file=data.source, fix="leave out --unseen")
    return replace(data, queries={q: text for q, text in data.queries.items() if q not in known}, qrels=qrels)
