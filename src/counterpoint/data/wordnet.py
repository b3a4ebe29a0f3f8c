"""WordNet's database files, read from a folder: words of one meaning, opposites, definitions."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from counterpoint.errors import InputError

VARIABLE = "WNSEARCHDIR"
"""WordNet's own name for the folder of its database files."""
PLACES = (Path("/usr/share/wordnet"), Path("/usr/local/WordNet-3.0/dict"))
"""Debian's, and that of WordNet's own installation."""
PARTS = ("noun", "verb", "adj", "adv")
_ENDINGS = {
    "noun": (
        *(("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z")),
        *(("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")),
    ),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip
"""WordNet's rules of detachment (morphy(7WN))."""
_FIX = f"install Debian's wordnet-base or NLTK's wordnet, or name the folder of data.noun in {VARIABLE}"

_Place: TypeAlias = Path | zipfile.Path


class WordNet:
    """Synonyms, opposites and definitions of English words (Miller 1995; file formats: wndb(5WN) of WordNet 3.0).

    Files are found in the folder given, else in that of the variable WNSEARCHDIR, in Debian's, or in NLTK's, unpacked
    or as the zip file that it downloads. Words are looked up as they stand and by their base forms (`morphy(7WN)`).

    Args:
        folder: With `index.noun`, `data.noun` and their like.

    Raises:
        InputError: No such folder.

    Examples:
        >>> WordNet("/tmp/none")
        Traceback (most recent call last):
        counterpoint.errors.InputError: /tmp/none: has no WordNet in it; install Debian's wordnet-base or NLTK's \
wordnet, or name the folder of data.noun in WNSEARCHDIR.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        places = _places() if folder is None else [Path(folder)]
        found = next((place for place in places if (place / "data.noun").is_file()), None)
        if found is None:
            if folder is not None:
                raise InputError("has no WordNet in it", file=Path(folder), fix=_FIX)
            raise InputError("WordNet is needed, and not found", fix=_FIX)
        self._folder: _Place = found
        self._data: dict[str, bytes] = {}

    def synonyms(self, word: str) -> list[str]:
        """Other words of its meanings, the commonest meaning of each part of speech first; those of several words have
        blanks. Nothing for a word that is not known.
        """
        found = (other for part, place in self._meanings(word) for other in self._words(part, place))
        return [other for other in dict.fromkeys(found) if other.lower() != word.lower()]

    def antonyms(self, word: str) -> list[str]:
        """Words that are the opposite of one of its meanings."""
        known = {word.lower(), *self._bases(word)}
        found = []
        for part, place in self._meanings(word):
            words = self._words(part, place)
            for symbol, at, other, ends in self._pointers(part, place):
                source, target = int(ends[:2], 16), int(ends[2:], 16)
                if symbol == "!" and words[source - 1].lower() in known:
                    found.append(self._words(other, at)[target - 1])
        return list(dict.fromkeys(found))

    def definitions(self, word: str) -> list[str]:
        """What its meanings are, in WordNet's words without the examples."""
        glosses = (self._line(part, place).partition("| ")[2] for part, place in self._meanings(word))
        return list(dict.fromkeys(gloss.partition('; "')[0].strip() for gloss in glosses))

    def words(self) -> Iterator[str]:
        """Every word and phrase, in WordNet's order, those of several parts of speech once."""
        return iter(dict.fromkeys(word.replace("_", " ") for part in PARTS for word in self._index[part]))

    def synsets(self, part: str, files: Collection[int] = ()) -> Iterator[list[str]]:
        """The words of every meaning of a part of speech (`PARTS`), in WordNet's order.

        Args:
            part: Of speech.
            files: Of these lexicographer files alone (lexnames(5WN): 5 is animals, 20 plants); none: of all.

        Raises:
            InputError: No such part of speech.
        """
        if part not in PARTS:
            raise InputError(f"no part of speech is {part!r}", fix=f"choose from {', '.join(PARTS)}")
        for line in (self._folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            place, file = line.split(" ", 2)[:2]
            # the licence's lines begin with blanks
            if place and (not files or int(file) in files):
                yield self._words(part, int(place))

    @cached_property
    def _index(self) -> dict[str, dict[str, str]]:
        """Of each part of speech, the line of each word; it ends with where the meanings begin in the file of data."""
        index: dict[str, dict[str, str]] = {}
        for part in PARTS:
            lines = (self._folder / f"index.{part}").read_text(encoding="utf-8").splitlines()
            index[part] = {line.partition(" ")[0]: line for line in lines if not line.startswith(" ")}
        return index

    @cached_property
    def _exceptions(self) -> dict[str, dict[str, list[str]]]:
        """Of each part of speech, irregular forms and what they are forms of."""
        found: dict[str, dict[str, list[str]]] = {}
        for part in PARTS:
            path = self._folder / f"{part}.exc"
            rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()
            found[part] = {row[0]: row[1:] for row in rows if row}
        return found

    def _bases(self, word: str) -> set[str]:
        return {base for part in PARTS for base in self._forms(part, word)}

    def _forms(self, part: str, word: str) -> list[str]:
        """The word and what it may be a form of, as the index has them."""
        word = word.lower().replace(" ", "_")
        regular = [word[: -len(end)] + to for end, to in _ENDINGS[part] if word.endswith(end) and len(word) > len(end)]
        forms = [word, *(self._exceptions[part].get(word) or regular)]
        return [form for form in dict.fromkeys(forms) if form in self._index[part]]

    def _meanings(self, word: str) -> list[tuple[str, int]]:
        lines = ((part, self._index[part][form].split()) for part in PARTS for form in self._forms(part, word))
        return [(part, int(at)) for part, fields in lines for at in fields[-int(fields[2]) :]]

    def _line(self, part: str, place: int) -> str:
        if part not in self._data:
            self._data[part] = (self._folder / f"data.{part}").read_bytes()
        data = self._data[part]
        return data[place : data.index(b"\n", place)].decode()

    def _words(self, part: str, place: int) -> list[str]:
        fields = self._line(part, place).split()
        # an adjective may tell where it stands: "galore(ip)"
        return [fields[4 + 2 * i].partition("(")[0].replace("_", " ") for i in range(int(fields[3], 16))]

    def _pointers(self, part: str, place: int) -> Iterator[tuple[str, int, str, str]]:
        """Of each relation: its symbol, where it leads, the part of speech there, and which words it is between."""
        fields = self._line(part, place).partition("|")[0].split()
        start = 4 + 2 * int(fields[3], 16)
        names = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
        for i in range(int(fields[start])):
            symbol, at, kind, ends = fields[start + 1 + 4 * i : start + 5 + 4 * i]
            yield symbol, int(at), names[kind], ends


def _places() -> Iterator[_Place]:
    """Where WordNet may be."""
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE])
    yield from PLACES
    given = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    homes = [Path(folder) for folder in given if folder] + [Path.home() / "nltk_data"]
    for home in [*homes, Path("/usr/share/nltk_data")]:
        corpora = home / "corpora"
        yield corpora / "wordnet"
        if (corpora / "wordnet.zip").is_file():
            yield zipfile.Path(corpora / "wordnet.zip", "wordnet/")
