"""The included corpus: its promises (unique, leak-free, fixed) on the real file; how it is built."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import lzma
import re
from collections import Counter
from pathlib import Path

import pytest

from counterpoint.data.corpus import INCLUDED, LANGUAGES, DebianCorpus, debian
from counterpoint.errors import InputError
from counterpoint.search.language import recognise


def load_script():
    path = Path(__file__).parents[2] / "scripts" / "build_corpus.py"
    spec = importlib.util.spec_from_file_location("build_corpus", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_corpus = load_script()


@pytest.fixture(scope="module")
def corpus() -> DebianCorpus:
    return debian()


@pytest.fixture(scope="module")
def every() -> DebianCorpus:
    return debian(languages=list(LANGUAGES))


def letters(text: str) -> str:
    """An independent reading of "one text": case, numbers and punctuation aside."""
    kept = "".join(c if c.isalpha() or c in "+#" else " " for c in text.casefold())
    return " ".join(re.sub(r"(?<![^\W\d_+#])[+#]+", " ", kept).split()) or text


def titles(corpus: DebianCorpus) -> list[str]:
    """Every title once, though translated ones are in two pairs."""
    pairs = {(e.line, e.anchor) for e in corpus.train.examples}
    return [title for _, title in pairs] + list(corpus.heldout.queries.values())


def test_it_has_the_size_it_claims(corpus, every):
    assert 38_000 < len(corpus.packages) == len(corpus.heldout.corpus) < 40_000
    assert len(corpus.heldout.queries) == len(corpus.heldout.qrels) == 1500
    assert len(corpus.train) + 1500 == len(corpus.packages) == len(corpus.sections)
    assert len(titles(every)) > 91_000
    assert (INCLUDED / "debian.parquet").stat().st_size < 4_000_000


def test_no_two_rows_share_a_title_or_a_description(corpus, every):
    descriptions = list(corpus.heldout.corpus.values())
    for texts in (titles(every), descriptions):
        assert len({letters(text) for text in texts}) == len(texts)
        assert all(text.strip() == text and text for text in texts)
    assert len(descriptions) == len(corpus.packages)


def test_no_held_out_text_can_be_trained_on(every):
    answers = {name for gains in every.heldout.qrels.values() for name in gains}
    hidden = {letters(query) for query in every.heldout.queries.values()}
    hidden |= {letters(every.heldout.corpus[name]) for name in answers}
    assert len(hidden) > 4900
    assert not hidden & {letters(text) for text in every.train.texts()}
    assert not answers & {every.packages[e.line - 1] for e in every.train.examples}


def test_each_pair_and_each_query_belongs_to_its_package(corpus, every):
    english = {e.line: e.anchor for e in every.train.examples[: len(corpus.train)]}
    counts: Counter[str] = Counter()
    for example in every.train.examples:
        described = every.heldout.corpus[every.packages[example.line - 1]]
        assert example.positives[0] in (described, english[example.line])
        counts["description" if example.positives[0] == described else "title"] += 1
    # some are described by their titles
    assert 0 <= counts["description"] - counts["title"] - len(corpus.train) < 100
    for query, gains in every.heldout.qrels.items():
        assert gains == {query.partition(":")[2]: 1.0}


def test_english_is_the_same_with_and_without_the_others(corpus, every):
    assert every.train.examples[: len(corpus.train)] == corpus.train.examples
    spoken = every.heldout.columns["language"]
    english = {q: text for q, text in every.heldout.queries.items() if spoken[q] == "English"}
    assert english == corpus.heldout.queries
    assert every.heldout.corpus == corpus.heldout.corpus


def test_titles_are_in_the_language_that_is_said(every):
    spoken = every.heldout.columns["language"]
    texts: dict[str, list[str]] = {}
    for query, text in every.heldout.queries.items():
        texts.setdefault(spoken[query], []).append(text)
    assert list(texts) == list(LANGUAGES.values())
    assert all(len(found) > 140 for found in texts.values())
    for language in ("English", "Italian", "French", "German"):
        assert recognise(texts[language]).language == language.lower()
    kana = sum(any("\u3040" < c < "\u30ff" for c in text) for text in texts["Japanese"])
    assert kana / len(texts["Japanese"]) > 0.8


def test_an_unknown_language_is_named():
    with pytest.raises(InputError, match="no titles in pl; choose from en, it, fr, de, ja"):
        debian(languages=["en", "pl"])


def test_the_held_out_queries_do_not_move(corpus, every):
    """The file's 1,500 are the least by hash, and they are these 1,500; of the others those that are translated."""
    least = sorted(titles(corpus), key=lambda title: hashlib.sha256(title.encode()).digest())[:1500]
    assert set(least) == set(corpus.heldout.queries.values())
    for held, digest in ((corpus, "2debf068cebcb587"), (every, "de1c94e98028b583")):
        together = "\n".join(sorted(held.heldout.queries.values()))
        assert hashlib.sha256(together.encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut short"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "debian.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"debian\.parquet: the corpus cannot be read"):
        debian(path)


RELEASE = "Origin: Debian\nSuite: oldstable\nVersion: 12.15\nCodename: bookworm\nDate: Sat, 11 Jul 2026\n"
STEM = "A program that counts the beats of a drum and shows them in a chart"
TRANSLATION = f"""\
Package: beats-dev
Description-md5: 1
Description-en: Counts beats (development files)
 {STEM}.

Package: beats
Description-md5: 2
Description-en: Counts beats
 A program that counts the beats of a drum
 and shows them in a chart.
 .
 It knows:
  * waltz
  * tango
 .
 Plays chess with you, 12!

Package: beats2
Description-md5: 3
Description-en: Counts beats, version 2
 {STEM.upper()} 2!

Package: old-beats
Description-md5: 4
Description-en: transitional package for beats
 This is a transitional package that can be removed at any time.

Package: short
Description-md5: 5
Description-en: Says nothing
 Nothing much.

Package: elsewhere
Description-md5: 6
Description-en: Not on this architecture
 A package that the other list does not have, for another processor.

Package: chess
Description-md5: 7
Description-en: Plays chess with you
 An opponent for rainy afternoons that is hard to beat, in C++.
"""
ITALIAN = f"""\
Package: beats
Description-md5: 2
Description-it: Conta i battiti
 Un programma.

Package: chess
Description-md5: 6
Description-it: Gioca a scacchi con te
 Di una descrizione che era diversa.

Package: beats-dev
Description-md5: 1
Description-it: Conta i battiti (file di sviluppo)
 {STEM}.
"""
GERMAN = """\
Package: beats
Description-md5: 2
Description-de: conta i battiti!
 Nicht übersetzt.

Package: chess
Description-md5: 7
Description-de: Spielt Schach
 mit Ihnen.
"""
PACKAGES = "\n\n".join(
    f"Package: {name}\nVersion: 1\nSection: {section}\nTag: a::b,\n c::d"
    for name, section in {
        "beats-dev": "libdevel",
        "beats": "sound",
        "beats2": "sound",
        "old-beats": "oldlibs",
        "short": "misc",
        "chess": "games",
    }.items()
)


def test_the_build_keeps_one_package_of_each_text():
    rows = {row["package"]: row for row in build_corpus.build(PACKAGES, {"en": TRANSLATION})}
    assert list(rows) == ["beats", "chess"]
    assert rows["beats"]["description"] == f"{STEM}."
    assert rows["beats"]["section"] == "sound"


def test_the_build_keeps_translations_of_what_is_there_and_new():
    rows = build_corpus.build(PACKAGES, {"en": TRANSLATION, "it": ITALIAN, "de": GERMAN})
    # of another description; of a package that is left out; not in another language
    assert [row["it"] for row in rows] == ["Conta i battiti", None]
    assert [row["de"] for row in rows] == [None, "Spielt Schach"]


def test_numbers_and_case_make_no_new_text_but_another_language_does():
    key = build_corpus.key
    assert key("GNU C compiler, 12.2") == key("gnu c Compiler 11")
    assert len({key("a C library"), key("a C++ library"), key("a C# library")}) == 3
    assert key("2048") != key("1942")


def test_the_same_lists_give_the_same_bytes_however_they_are_packed(tmp_path, monkeypatch):
    (tmp_path / "InRelease").write_text(RELEASE)
    (tmp_path / "Translation-en").write_text(TRANSLATION)
    (tmp_path / "Translation-en.xz").write_bytes(lzma.compress(TRANSLATION.encode()))
    (tmp_path / "Translation-it").write_text(ITALIAN)
    (tmp_path / "Packages.gz").write_bytes(gzip.compress(PACKAGES.encode()))
    made = []
    for name in ("Translation-en", "Translation-en.xz"):
        out = tmp_path / f"out-{name}"
        files = [str(tmp_path / f) for f in ("InRelease", "Packages.gz", name, "Translation-it")]
        monkeypatch.setattr("sys.argv", ["build_corpus", *files, "--out", str(out)])
        build_corpus.main()
        made.append([(out / f).read_bytes() for f in ("debian.parquet", "LICENSE-debian.md")])
    assert made[0] == made[1]
    note = made[0][1].decode()
    assert all(hashlib.sha256(text.encode()).hexdigest() in note for text in (PACKAGES, TRANSLATION, ITALIAN))
    assert "bookworm" in note
    assert list(debian(tmp_path / "out-Translation-en" / "debian.parquet", languages=["it"]).heldout.queries) == [
        "it:beats"
    ]
