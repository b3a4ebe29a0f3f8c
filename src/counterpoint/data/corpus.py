"""The included corpus: what each of some 39,000 Debian packages is for, in a line and at length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterpoint.data.types import Example, Retrieval, TextData
from counterpoint.errors import InputError

INCLUDED = Path(__file__).parent / "included"


@dataclass(frozen=True)
class DebianCorpus:
    """Titles and descriptions of Debian packages, split once and for all.

    No two packages share a title or a description, and no title or description of `heldout`'s
    queries occurs in `train` or in `more` (texts that differ only in case, numbers or punctuation
    count as one).

    Attributes:
        train: Pairs: a package's title and the first paragraph of its description. `line` is the
            row of the file, and `packages[line - 1]` the package's name.
        heldout: 1,500 titles, each to find its own description among those of all packages.
        packages: The name of every package, in order; these are the document ids of `heldout`.
        sections: The archive section of every package ("games", "python", ...), in the same order.
        more: Package -> the further paragraphs of its description, for the packages that have any.
    """

    train: TextData
    heldout: Retrieval
    packages: tuple[str, ...]
    sections: tuple[str, ...]
    more: dict[str, tuple[str, ...]]


def debian(path: Path = INCLUDED / "debian.parquet") -> DebianCorpus:
    """Read the included corpus; its origin and terms are in `LICENSE-debian.md` beside it.

    Args:
        path: A file made by `scripts/build_corpus.py`.

    Returns:
        The pairs to train on and the retrieval test, the same ones on every call and machine.

    Raises:
        InputError: The file is absent or cannot be read.

    Examples:
        >>> corpus = debian()
        >>> len(corpus.heldout.queries), len(corpus.heldout.corpus) - len(corpus.train)
        (1500, 1500)
        >>> pair = corpus.train.examples[0]
        >>> corpus.packages[pair.line - 1], pair.anchor
        ('0ad', 'Real-time strategy game of ancient warfare')
        >>> pair.positives[0][:61]
        '0 A.D. (pronounced "zero ey-dee") is a free, open-source, cro'
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, use_threads=False)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        package, section, title = columns["package"], columns["section"], columns["title"]
        description, more, held_out = columns["description"], columns["more"], columns["heldout"]
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"the corpus cannot be read ({error})", file=path, fix="install the package again") from error
    rows = list(zip(package, title, description, held_out, strict=True))
    train = [
        Example(anchor, (positive,), line=line)
        for line, (_, anchor, positive, held) in enumerate(rows, start=1)
        if not held
    ]
    queries = {f"title:{name}": (name, query) for name, query, _, held in rows if held}
    return DebianCorpus(
        train=TextData("pairs", train, str(path), columns={"anchor": "title", "positive": "description"}),
        heldout=Retrieval(
            corpus={name: text for name, _, text, _ in rows},
            queries={query_id: query for query_id, (_, query) in queries.items()},
            qrels={query_id: {name: 1.0} for query_id, (name, _) in queries.items()},
            source=str(path),
        ),
        packages=tuple(package),
        sections=tuple(section),
        more={name: tuple(texts.split("\n\n")) for name, texts in zip(package, more, strict=True) if texts},
    )
