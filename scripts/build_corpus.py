"""Build the included corpus: titles and descriptions of Debian packages, and translated titles.

Input are lists that apt keeps under /var/lib/apt/lists (plain, .lz4, .gz or .xz):

    echo 'Acquire::Languages { "en"; "it"; "fr"; "de"; "ja"; };' > languages.conf
    apt-get update --config-file languages.conf
    lists=/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm
    python scripts/build_corpus.py ${lists}_InRelease ${lists}_main_binary-amd64_Packages* \\
        ${lists}_main_i18n_Translation-{en,it,fr,de,ja}*

Output are `debian.parquet` and `LICENSE-debian.md` under src/counterpoint/data/included. The same
lists give the same bytes (with the same pyarrow). A row is one package: `package`, `section`, `title`
(the synopsis), `description` (the first paragraph of the long description), `heldout`, and a column
for each other language (`it`, `fr`, ...): the translated title, or null.

What is kept:

- Transitional, dummy and debug-symbol packages are left out, and descriptions under 40 characters:
  they say nothing about what a package is for.
- Texts are compared without case, numbers and punctuation (but for C++ and C#), so that gcc-11 and
  gcc-12 are one. Of the packages that share a first paragraph the one with the shortest title stays
  (the program rather than its "- development files"); of those that share a title, the first by name.
- A translated title stays if it is of the description as it is (by its MD5) and no title before it,
  English ones first, then the languages as they are given, is the same text. So no title is there
  twice, and none that was left in English.
- Held out are the 1,500 rows whose title has the smallest SHA-256, in every language: a row stays
  held out when others come and go, and what is held out in one language is trained on in none.
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
of {date}, and translated titles ({translated}); {held_out:,} of
the packages are marked as held out.

- **Source.** The lists `main/binary-amd64/Packages` and `main/i18n/Translation-*` that apt downloads.
  Their SHA-256, unpacked:
{digests}
- **Made by** `scripts/build_corpus.py`, which says what is kept. Changes to the texts: packages that
  share a text are reduced to one, wrapped lines are joined, only the first paragraph is kept.
- **Terms.** A description is part of its package's packaging (the file `debian/control`) and was
  written by the package's maintainers and contributors. It comes under the terms of that packaging,
  which the package's `debian/copyright` states: `/usr/share/doc/PACKAGE/copyright` on a Debian system.
  These differ from package to package (GPL, MIT/Expat, BSD, Apache and others). A translated title
  was made by Debian's translators (the Debian Description Translation Project) from the description
  and comes under the same terms. Everything in Debian's component main is free software under the
  Debian Free Software Guidelines: it may be used, changed and passed on, under those terms. The column
  `package` names each text's origin. The Apache License of Counterpoint itself does not cover this file.
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


def first_paragraph(long: list[str]) -> str:
    """Wrapped lines joined; a line that is indented further (a list item) keeps its own line."""
    found = ""
    for line in long:
        line = line.removeprefix(" ").rstrip()
        if line in ("", "."):
            if found:
                break
        elif line.startswith(" ") or not found:
            found += "\n" * bool(found) + line.strip()
        else:
            found += " " + line
    return found


def key(text: str) -> str:
    """What is left of a text without case, punctuation and numbers."""
    return " ".join(re.findall(r"[^\W\d_]+[+#]*", text.casefold())) or text


def digest(row: dict[str, object]) -> bytes:
    return hashlib.sha256(str(row["title"]).encode()).digest()


def build(packages: str, translations: dict[str, str]) -> list[dict[str, object]]:
    """The rows, from the list of packages and the translations by language, English first."""
    sections = {record["Package"]: record["Section"] for record in stanzas(packages)}
    rows: dict[str, dict[str, object]] = {}
    originals: dict[str, str] = {}
    for record in stanzas(translations["en"]):
        title, *long = record["Description-en"].split("\n")
        first = first_paragraph(long)
        name, title = record["Package"], " ".join(title.split())
        if name in sections and len(first) >= SHORTEST and not EMPTY.search(f"{title} {first}"):
            rows[name] = dict(package=name, section=sections[name], title=title, description=first)
            originals[name] = record["Description-md5"]

    def one_each(column: str, rank) -> set[str]:
        """Of the rows with one key in `column`, only the least by `rank` stays; the keys."""
        taken: set[str] = set()
        for name in sorted(rows, key=rank):
            if (text := key(str(rows[name][column]))) in taken:
                del rows[name]
            taken.add(text)
        return taken

    one_each("description", lambda name: (len(str(rows[name]["title"])), name))
    taken = one_each("title", lambda name: name)

    held_out = {row["package"] for row in sorted(rows.values(), key=digest)[:HELD_OUT]}
    for name, row in rows.items():
        row["heldout"] = name in held_out
    for language in list(translations)[1:]:
        found = {}
        for record in stanzas(translations[language]):
            title = " ".join(record[f"Description-{language}"].split("\n")[0].split())
            if title and record["Description-md5"] == originals.get(record["Package"]):
                found[record["Package"]] = title
        for name in sorted(rows):
            title = found.get(name)
            rows[name][language] = None if title is None or key(title) in taken else title
            if title is not None:
                taken.add(key(title))
    return [rows[name] for name in sorted(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument("translations", type=Path, nargs="+", help="Translation-en first")
    parser.add_argument("--out", type=Path, default=Path("src/counterpoint/data/included"))
    args = parser.parse_args()
    release = dict(re.findall(r"^(Suite|Codename|Version|Date): (.*)$", args.release.read_text(), re.M))
    packages = read(args.packages)
    translations = {re.search(r"Translation-(\w+)", path.name)[1]: read(path) for path in args.translations}
    rows = build(packages, translations)
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
    digests = {"Packages": packages} | {f"Translation-{name}": text for name, text in translations.items()}
    counts = {name: sum(row[name] is not None for row in rows) for name in list(translations)[1:]}
    note = NOTE.format(
        rows=len(rows),
        held_out=HELD_OUT,
        version=release["Version"],
        suite=release["Codename"],
        date=release["Date"],
        translated=", ".join(f"{name}: {n:,}" for name, n in counts.items()),
        digests="\n".join(
            f"  - `{name}`: `{hashlib.sha256(text.encode()).hexdigest()}`" for name, text in digests.items()
        ),
    )
    with atomic(args.out / "LICENSE-debian.md") as part:
        part.write_text(note)
    size = (args.out / "debian.parquet").stat().st_size
    print(f"{len(rows):,} rows, {size / 1e6:.1f} MB, {HELD_OUT:,} held out; {counts}")


if __name__ == "__main__":
    main()
