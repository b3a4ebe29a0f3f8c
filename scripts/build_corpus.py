"""Build the included corpus: titles and descriptions of Debian packages.

Input are two lists that apt keeps under /var/lib/apt/lists (plain, .lz4, .gz or .xz):

    apt-get update -o Acquire::Languages=en
    lists=/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm
    python scripts/build_corpus.py ${lists}_InRelease \\
        ${lists}_main_i18n_Translation-en* ${lists}_main_binary-amd64_Packages*

Output are `debian.parquet` and `LICENSE-debian.md` under src/counterpoint/data/included. The same
lists give the same bytes (with the same pyarrow). A row is one package: `package`, `section`, `title`
(the synopsis), `description` (the first paragraph of the long description), `more` (its other
paragraphs, a blank line between), `heldout`.

What is kept:

- Transitional, dummy and debug-symbol packages are left out, and descriptions under 40 characters:
  they say nothing about what a package is for.
- Texts are compared without case, numbers and punctuation (but for C++ and C#), so that gcc-11 and
  gcc-12 are one. Of the packages that share a first paragraph the one with the shortest title stays
  (the program rather than its "- development files"); of those that share a title, the first by name.
- Held out are the 1,500 rows whose title has the smallest SHA-256: a row stays held out when others
  come and go. Where another row has a held-out title or first paragraph among its further
  paragraphs, that paragraph is dropped.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterpoint.files import atomic

HELD_OUT = 1500
SHORTEST = 40
EMPTY = re.compile(r"\b(transitional|dummy|debug(ging)?[ -]symbols?|debugging information)\b", re.I)

NOTE = """\
# The included corpus (`debian.parquet`)

Titles and descriptions of {rows:,} packages of Debian {version} ({suite}, component main, amd64), as
of {date}; {held_out:,} of them are marked as held out.

- **Source.** The lists `main/i18n/Translation-en` and `main/binary-amd64/Packages` that apt downloads.
  Their SHA-256, unpacked:
  - `Translation-en`: `{translation_sha}`
  - `Packages`: `{packages_sha}`
- **Made by** `scripts/build_corpus.py`, which says what is kept. Changes to the texts: packages that
  share a text are reduced to one, wrapped lines are joined, some paragraphs are left out.
- **Terms.** A description is part of its package's packaging (the file `debian/control`) and was
  written by the package's maintainers and contributors. It comes under the terms of that packaging,
  which the package's `debian/copyright` states: `/usr/share/doc/PACKAGE/copyright` on a Debian system.
  These differ from package to package (GPL, MIT/Expat, BSD, Apache and others). Everything in Debian's
  component main is free software under the Debian Free Software Guidelines: it may be used, changed
  and passed on, under those terms. The column `package` names each text's origin. The Apache License
  of Counterpoint itself does not cover this file.
"""


def read(path: Path) -> str:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes()).decode()
    with pa.input_stream(str(path), compression="detect") as stream:
        return bytes(stream.read()).decode()


def stanzas(text: str) -> list[dict[str, str]]:
    """The records of a Debian control file; a continued field keeps its line breaks."""
    return [
        {field: value for field, value in re.findall(r"^([^\s:]+): ?(.*(?:\n .*)*)", stanza, re.M)}
        for stanza in text.split("\n\n")
        if stanza.strip()
    ]


def paragraphs(long: list[str]) -> list[str]:
    """Wrapped lines joined; a line that is indented further (a list item) keeps its own line."""
    found = [""]
    for line in long:
        line = line.removeprefix(" ").rstrip()
        if line in ("", "."):
            found.append("")
        elif line.startswith(" ") or not found[-1]:
            found[-1] += "\n" * bool(found[-1]) + line.strip()
        else:
            found[-1] += " " + line
    return [paragraph for paragraph in found if paragraph]


def key(text: str) -> str:
    """What is left of a text without case, punctuation and numbers."""
    return " ".join(re.findall(r"[^\W\d_]+[+#]*", text.casefold())) or text


def digest(row: dict[str, object]) -> bytes:
    return hashlib.sha256(str(row["title"]).encode()).digest()


def build(translation: str, packages: str) -> list[dict[str, object]]:
    sections = {record["Package"]: record["Section"] for record in stanzas(packages)}
    rows: dict[str, dict[str, object]] = {}
    for record in stanzas(translation):
        title, *long = record["Description-en"].split("\n")
        first, *more = paragraphs(long) or [""]
        name, title = record["Package"], " ".join(title.split())
        if name in sections and len(first) >= SHORTEST and not EMPTY.search(f"{title} {first}"):
            rows[name] = dict(package=name, section=sections[name], title=title, description=first, more=more)

    def one_each(column: str, rank) -> None:
        """Of the rows with one key in `column`, only the least by `rank` stays."""
        taken: set[str] = set()
        for name in sorted(rows, key=rank):
            if (text := key(str(rows[name][column]))) in taken:
                del rows[name]
            taken.add(text)

    one_each("description", lambda name: (len(str(rows[name]["title"])), name))
    one_each("title", lambda name: name)

    held_out = sorted(rows.values(), key=digest)[:HELD_OUT]
    for row in rows.values():
        row["heldout"] = False
    for row in held_out:
        row["heldout"] = True
    hidden = {key(str(row[column])) for row in held_out for column in ("title", "description")}
    for row in rows.values():
        row["more"] = "\n\n".join(text for text in row["more"] if key(text) not in hidden)
    return [rows[name] for name in sorted(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("release", "translation", "packages"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--out", type=Path, default=Path("src/counterpoint/data/included"))
    args = parser.parse_args()
    release = dict(re.findall(r"^(Suite|Codename|Version|Date): (.*)$", args.release.read_text(), re.M))
    translation, packages = read(args.translation), read(args.packages)
    rows = build(translation, packages)
    with atomic(args.out / "debian.parquet") as part:
        pq.write_table(
            pa.Table.from_pylist(rows),
            part,
            compression="zstd",
            compression_level=19,
            data_page_size=1 << 26,
            use_dictionary=["section"],
            write_statistics=False,
        )
    note = NOTE.format(
        rows=len(rows),
        held_out=HELD_OUT,
        version=release["Version"],
        suite=release["Codename"],
        date=release["Date"],
        translation_sha=hashlib.sha256(translation.encode()).hexdigest(),
        packages_sha=hashlib.sha256(packages.encode()).hexdigest(),
    )
    with atomic(args.out / "LICENSE-debian.md") as part:
        part.write_text(note)
    size = (args.out / "debian.parquet").stat().st_size
    print(f"{len(rows):,} rows, {size / 1e6:.1f} MB, {HELD_OUT:,} held out")


if __name__ == "__main__":
    main()
