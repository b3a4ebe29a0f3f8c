"""`read`: from a file, a folder or a hub name to `TextData` or `Retrieval`, whatever its layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from counterpoint.data.build import BY_ID, build, identified
from counterpoint.data.hub import read_hub, read_saved
from counterpoint.data.lines import read_lines
from counterpoint.data.reading import Reading
from counterpoint.data.schema import KNOWN_NAMES, ColumnMap, recognise
from counterpoint.data.tables import (
    Table,
    chained,
    plain,
    read_table,
    shard_files,
)
from counterpoint.data.types import Progress, Rejects, Retrieval, TextData
from counterpoint.errors import InputError


def read(
    source: str | os.PathLike[str],
    *,
    columns: ColumnMap | None = None,
    schema: str | None = None,
    split: str | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> TextData | Retrieval:
    """Read text data of any common layout, recognise what it is, and check every row.

    | source | layout |
    |---|---|
    | `.jsonl` `.ndjson` `.json` (`.gz`) | JSON, a row a line or one array of them; FlagEmbedding; Tevatron |
    | `.csv` `.tsv` `.tab` (`.gz`) | with or without a header; quotes enclosing or plain, found out |
    | `.parquet` `.pq` | Parquet |
    | `.txt` `.text` (`.gz`) | one text a line |
    | a folder with `corpus.jsonl` and `queries.jsonl` | BEIR: gives a `Retrieval` |
    | `FOLDER/qrels/train.tsv` of such a folder | the same, with those judgements |
    | a folder of `.parquet` files, or of `.jsonl` | one data set (`fit` does not hold it in memory) |
    | a folder of `datasets.save_to_disk` | Hugging Face dataset |
    | `hf:OWNER/NAME[/CONFIG][:SPLIT]` | Hugging Face hub (extra `hub`) |

    The schema is recognised by the names of the columns, else by what they hold. Inference pairs
    (premise, hypothesis, entailment / neutral / contradiction) become tuples, one a premise; where the verdict is named
    as `pair_label`, or its column is called that, they stay pairs, each with its label.

    Args:
        source: What to read.
        columns: Role -> column name, its number from 1, or several of these; overrules what is recognised.
            Roles: anchor (also query, text), positive, negative, score, label, pair_label, pos_scores, neg_scores,
            prompt. A list, or several columns, in the role label is a set of labels; in the role `labels`, the text of
            a cell is one, too, divided at the first of `|`, `;` and `,` that occurs.
        schema: "texts", "pairs", "tuples", "scored" or "labelled"; overrules what is recognised.
        split: Which part of a BEIR folder (default "test") or Hugging Face dataset (default "train").
        skip_bad: Leave bad rows out and list them in `.rejected`, instead of raising at the first.
        progress: Called now and then with the bytes (or rows) done and their total.

    Raises:
        InputError: Anything the user can correct, with file and line.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("question,answer\\nwhat is a cat?,an animal\\n")
        >>> data = read(path)
        >>> data.schema, data.columns, data.examples[0].texts
        ('pairs', {'anchor': 'question', 'positive': 'answer'}, ('what is a cat?', 'an animal'))
    """
    name = os.fspath(source)
    reject = Rejects(name, skip_bad)
    if files := beir_files(name, split):
        used = ["split"] if Path(name).is_dir() else []
        Reading(columns or {}, schema, split).check(name, "queries with documents", *used)
        return _beir(*files, reject, progress)
    table, documents = open_table(name, KNOWN_NAMES, columns, split, reject, progress)
    return build(table, recognise(table, name, columns, schema), name, reject, documents)


def beir_files(name: str, split: str | None) -> tuple[Path, Path, Path] | None:
    """Corpus, queries and judgements, where `name` is a BEIR folder or the judgements in one."""
    path = Path(name)
    if name.startswith("hf:") or not path.exists():
        return None
    if path.is_dir():
        texts = _beir_texts(path)
        return (*texts, _qrels(path, split)) if texts else None
    if not (path.name.startswith("qrels") or path.parent.name == "qrels"):
        return None
    folder = beir_folder(path)
    if texts := _beir_texts(folder):
        return (*texts, path)
    raise InputError(
        "judgements without the texts they judge",
        file=name,
        fix=f"put corpus.jsonl and queries.jsonl into {folder}",
    )


def beir_folder(path: Path) -> Path:
    """The folder whose corpus a BEIR folder, or judgements within it, speak of."""
    return path if path.is_dir() else path.parent.parent if path.parent.name == "qrels" else path.parent


def open_table(
    name: str,
    known: Iterable[str],
    columns: ColumnMap | None,
    split: str | None,
    reject: Rejects,
    progress: Progress | None,
) -> tuple[Table, Mapping[str, str] | None]:
    """The rows of a file, a saved dataset or the hub, and the texts of the documents they name by id, if they do.

    Args:
        name: What to read.
        known: Names of columns by which a header is known.
        columns: Role -> column, the caller's word; these names are known, too.
        split: Which part of a dataset.
        reject: Called with every row that cannot be read.
        progress: Called with what is done and the total.

    Raises:
        InputError: There is no such thing, or it is of no known layout.
    """
    if name.startswith("hf:"):
        return read_hub(name, split, reject), None
    path = Path(name)
    if not path.exists():
        raise InputError("no such file or folder", file=name, fix=_alike(path))
    shards = shard_files(path)
    if path.is_dir() and not shards:
        return read_saved(path, split, reject), None
    Reading(split=split).check(name, "shards" if shards else "a file")
    given = [[v] if isinstance(v, str | int) else v for v in (columns or {}).values()]
    names = [v for several in given for v in several if isinstance(v, str) and not v.isdecimal()]
    if shards:
        return chained(shards, reject, [*known, *names], progress), None
    table = read_table(path, reject, [*known, *names], progress)
    by_id = any(plain(column) in BY_ID for column in table.columns)
    return table, _documents(path, reject) if by_id else None


def _alike(path: Path) -> str:
    """What to say about a path that is not there: the file beside it that is spelt most like it."""
    import difflib

    there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, there, n=1)
    hub = ", or hf:OWNER/NAME for a dataset of the Hugging Face hub"
    return f"did you mean {path.with_name(close[0])}" if close else "check the path" + hub


def find(folder: Path, stem: str) -> Path | None:
    """`STEM.jsonl` of a folder, gzipped or not."""
    files = (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz")
    return next((file for file in files if file.is_file()), None)


# -- BEIR and Tevatron: texts by id


def _beir_texts(folder: Path) -> tuple[Path, Path] | None:
    corpus, queries = find(folder, "corpus"), find(folder, "queries")
    return (corpus, queries) if corpus and queries else None


def _texts_by_id(
    path: Path, keys: tuple[str, ...], reject: Rejects, progress: Progress | None = None
) -> dict[str, str]:
    """Id -> text of a corpus or of queries; `keys` are the names the text may have."""
    reject = reject.at(path)
    table = read_table(path, reject, progress=progress)
    id_column = next((k for k in ("_id", "docid", "id", "query_id") if k in table.columns), "_id")
    text = next((k for k in keys if k in table.columns), keys[0])
    parts = ("title", text) if "title" in table.columns else (text,)
    return {key: joined for _, key, joined, _ in identified(table.rows, id_column, parts, reject)}


def _documents(path: Path, reject: Rejects) -> dict[str, str]:
    corpus = find(path.parent, "corpus")
    if corpus is None:
        raise InputError(
            "the columns hold document ids, but there is no corpus.jsonl beside the file",
            file=path,
            fix="put corpus.jsonl (docid, document_text) there",
        )
    return _texts_by_id(corpus, ("text", "document_text"), reject)


def read_judgements(source: str | os.PathLike[str], *, skip_bad: bool = False) -> dict[str, Retrieval]:
    """All judgements of a BEIR folder: name ("train", "dev", "test", ...) -> a test, of texts that are read once.

    Each has the queries that are judged there. What is not a BEIR folder has none.

    Raises:
        InputError: As `read`.
    """
    folder = Path(source)
    texts = _beir_texts(folder) if folder.is_dir() else None
    if texts is None:
        return {}
    reject = Rejects(os.fspath(source), skip_bad)
    corpus, queries = _beir_read(texts, reject, None)
    found = {}
    for name, file in _qrels_files(folder).items():
        qrels = _judgements(file, texts, corpus, queries, reject)
        judged = {query: text for query, text in queries.items() if query in qrels}
        found[name] = Retrieval(corpus, judged, qrels, reject.file, reject.rows)
    return found


def _qrels_files(folder: Path) -> dict[str, Path]:
    files = sorted({*folder.glob("qrels*.tsv*"), *folder.glob("qrels/*.tsv*")})
    return {file.name.removesuffix(".gz").removesuffix(".tsv"): file for file in files}


def _qrels(folder: Path, split: str | None) -> Path:
    """The judgements of a BEIR folder: those of `split`; else of the test; else the only ones."""
    by_name = _qrels_files(folder)
    if split is None:
        split = "test" if "test" in by_name or len(by_name) != 1 else next(iter(by_name))
    if split not in by_name:
        there = f"; there is {', '.join(by_name)}" if by_name else ""
        raise InputError(
            f"a BEIR folder without qrels/{split}.tsv{there}",
            file=folder,
            fix="name the split (split=, --split)" if by_name else "add it: query, document, gain",
        )
    return by_name[split]


def _beir(
    corpus_file: Path, queries_file: Path, qrels_file: Path, reject: Rejects, progress: Progress | None
) -> Retrieval:
    """Read corpus.jsonl, queries.jsonl and judgements."""
    texts = (corpus_file, queries_file)
    corpus, queries = _beir_read(texts, reject, progress)
    return Retrieval(corpus, queries, _judgements(qrels_file, texts, corpus, queries, reject), reject.file, reject.rows)


def _beir_read(
    texts: tuple[Path, Path], reject: Rejects, progress: Progress | None
) -> tuple[dict[str, str], dict[str, str]]:
    corpus, queries = texts
    return _texts_by_id(corpus, ("text",), reject, progress), _texts_by_id(queries, ("text",), reject)


def _judgements(
    qrels_file: Path,
    texts: tuple[Path, Path],
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    reject: Rejects,
) -> dict[str, dict[str, float]]:
    """Read judgements: BEIR's three columns or TREC's four."""
    bad = reject.at(qrels_file)
    qrels: dict[str, dict[str, float]] = {}
    for line, text in read_lines(qrels_file, bad):
        cells = text.strip("\r\n").split("\t") if "\t" in text else text.split()
        if not cells or (line == 1 and cells[-1].strip().lower() in ("score", "rel", "relevance")):
            continue
        try:
            query, *_, document, gain = cells
            value = float(gain)
        except ValueError:
            value = float("nan")
        if len(cells) not in (3, 4):
            bad(f"{len(cells)} fields where query, document and gain belong", line, cells)
        elif value != value or abs(value) == float("inf"):
            bad(f"the gain is not a finite number: {cells[-1]!r}", line, cells)
        elif query not in queries:
            bad(f"unknown query {query!r}", line, cells, f"add it to {texts[1].name}")
        elif document not in corpus:
            bad(f"unknown document {document!r}", line, cells, f"add it to {texts[0].name}")
        elif qrels.get(query, {}).get(document, value) != value:
            bad(f"query {query!r} and document {document!r} are judged twice", line, cells)
        else:
            qrels.setdefault(query, {})[document] = value
    if not qrels:
        raise InputError("no judgement can be used", file=qrels_file, fix="check its ids")
    return qrels
