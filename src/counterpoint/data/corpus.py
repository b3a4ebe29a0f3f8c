"""The included corpus: what each of some 39,000 Debian packages is for, in a line, in five languages, and at length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counterpoint.data.types import Example, Retrieval, TextData
from counterpoint.errors import InputError, refuse_string

INCLUDED = Path(__file__).parent / "included"
LANGUAGES = {"en": "English", "it": "Italian", "fr": "French", "de": "German", "ja": "Japanese"}
"""Those that there are titles in, those with the most titles first; the descriptions are English."""


@dataclass(frozen=True)
class DebianCorpus:
    """Titles and descriptions of Debian packages, split once and for all.

    No two packages share a title or a description, nor do two titles whatever their languages (texts that differ only
    in case, numbers or punctuation count as one). What is held out is 1,500 packages: no title of theirs in any
    language, nor their descriptions, occur in `train`.

    Attributes:
        train: Pairs: a package's title in one of the languages and the first paragraph of its English description, one
            language after the other, and each translated title with the English one, as a dictionary has it. `line` is
            the row of the file, and `packages[line - 1]` the package's name.
        heldout: Titles of 1,500 packages, as far as they are translated, each to find its own description among those
            of all packages. The column `language` says what each is in.
        packages: The name of every package, in order; these are the document ids of `heldout`.
        sections: The archive section of every package ("games", "python", ...), in the same order.
    """

    train: TextData
    heldout: Retrieval
    packages: tuple[str, ...]
    sections: tuple[str, ...]


def debian(path: Path = INCLUDED / "debian.parquet", *, languages: Sequence[str] = ("en",)) -> DebianCorpus:
    """Read the included corpus; its origin and terms are in `LICENSE-debian.md` beside it.

    Args:
        path: A file made by `scripts/build_corpus.py`.
        languages: What the titles are in, any of `LANGUAGES`. What is held out in one is trained on in none.

    Returns:
        The pairs to train on and the retrieval test, the same ones on every call and machine.

    Raises:
        InputError: The file is absent or cannot be read, or there are no titles in a language.

    Examples:
        >>> corpus = debian()
        >>> len(corpus.heldout.queries), len(corpus.heldout.corpus) - len(corpus.train)
        (1500, 1500)
        >>> pair = corpus.train.examples[0]
        >>> corpus.packages[pair.line - 1], pair.anchor
        ('0ad', 'Real-time strategy game of ancient warfare')
        >>> pair.positives[0][:61]
        '0 A.D. (pronounced "zero ey-dee") is a free, open-source, cro'
        >>> debian(languages=["de"]).train.examples[0].anchor
        'Echtzeit-Strategiespiel über antike Kriegsführung'
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    refuse_string(languages, "languages")
    if unknown := set(languages) - LANGUAGES.keys():
        what = f"the included corpus has no titles in {', '.join(sorted(unknown))}"
        raise InputError(what, fix=f"choose from {', '.join(LANGUAGES)}")
    try:
        table = pq.read_table(path, use_threads=False)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        package, section, held_out = columns["package"], columns["section"], columns["heldout"]
        description = columns["description"]
        titles = {language: columns["title" if language == "en" else language] for language in languages}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"the corpus cannot be read ({error})", file=path, fix="install the package again") from error
    train, queries, qrels, spoken = [], {}, {}, {}
    for language, translated in titles.items():
        rows = enumerate(zip(package, translated, columns["title"], description, held_out, strict=True), start=1)
        for line, (name, title, english, text, held) in rows:
            if title is None:
                continue
            if held:
                query = f"{'title' if language == 'en' else language}:{name}"
                queries[query], qrels[query], spoken[query] = title, {name: 1.0}, LANGUAGES[language]
                continue
            train.append(Example(title, (text,), line=line))
            if language != "en":
                train.append(Example(title, (english,), line=line))
    return DebianCorpus(
        train=TextData(
            "pairs",
            train,
            str(path),
            columns={"anchor": "title", "positive": "description"},
            notes=(f"titles in {', '.join(LANGUAGES[language] for language in titles)}",),
        ),
        heldout=Retrieval(
            corpus=dict(zip(package, description, strict=True)),
            queries=queries,
            qrels=qrels,
            source=str(path),
            columns={"language": spoken},
        ),
        packages=tuple(package),
        sections=tuple(section),
    )
