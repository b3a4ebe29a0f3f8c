"""The included corpus: its promises (unique, leak-free, fixed) on the real file; how it is built."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import lzma
import re
from pathlib import Path

import pytest

from counterpoint.data.corpus import INCLUDED, DebianCorpus, debian
from counterpoint.errors import InputError


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


def letters(text: str) -> str:
    """An independent reading of "one text": case, numbers and punctuation aside."""
    kept = "".join(c if c.isalpha() or c in "+#" else " " for c in text.casefold())
    return " ".join(re.sub(r"(?<![^\W\d_+#])[+#]+", " ", kept).split()) or text


def test_it_has_the_size_it_claims(corpus):
    assert 38_000 < len(corpus.packages) == len(corpus.heldout.corpus) < 40_000
    assert len(corpus.heldout.queries) == len(corpus.heldout.qrels) == 1500
    assert len(corpus.train) + 1500 == len(corpus.packages) == len(corpus.sections)
    assert (INCLUDED / "debian.parquet").stat().st_size < 5_000_000


def test_no_two_rows_share_a_title_or_a_description(corpus):
    titles = [e.anchor for e in corpus.train.examples] + list(corpus.heldout.queries.values())
    descriptions = list(corpus.heldout.corpus.values())
    for texts in (titles, descriptions):
        assert len({letters(text) for text in texts}) == len(texts) == len(corpus.packages)
        assert all(text.strip() == text and text for text in texts)


def test_no_held_out_text_can_be_trained_on(corpus):
    answers = {name for gains in corpus.heldout.qrels.values() for name in gains}
    hidden = {letters(query) for query in corpus.heldout.queries.values()}
    hidden |= {letters(corpus.heldout.corpus[name]) for name in answers}
    assert len(hidden) > 2900
    assert not hidden & {letters(text) for text in corpus.train.texts()}
    assert not hidden & {letters(text) for texts in corpus.more.values() for text in texts}


def test_each_pair_and_each_query_belongs_to_its_package(corpus):
    for example in corpus.train.examples:
        assert corpus.heldout.corpus[corpus.packages[example.line - 1]] == example.positives[0]
    for query, gains in corpus.heldout.qrels.items():
        assert gains == {query.removeprefix("title:"): 1.0}


def test_the_held_out_queries_do_not_move(corpus):
    """The file's 1,500 are the least by hash, and they are these 1,500."""
    titles = [e.anchor for e in corpus.train.examples] + list(corpus.heldout.queries.values())
    least = sorted(titles, key=lambda title: hashlib.sha256(title.encode()).digest())[:1500]
    assert set(least) == set(corpus.heldout.queries.values())
    together = "\n".join(sorted(corpus.heldout.queries.values()))
    assert hashlib.sha256(together.encode()).hexdigest()[:16] == "2debf068cebcb587"


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
    rows = {row["package"]: row for row in build_corpus.build(TRANSLATION, PACKAGES)}
    assert list(rows) == ["beats", "chess"]
    assert rows["beats"]["description"] == f"{STEM}."
    assert rows["beats"]["section"] == "sound"
    # the held-out title of chess is gone from the paragraphs of beats; the list keeps its lines
    assert rows["beats"]["more"] == "It knows:\n* waltz\n* tango"


def test_numbers_and_case_make_no_new_text_but_another_language_does():
    key = build_corpus.key
    assert key("GNU C compiler, 12.2") == key("gnu c Compiler 11")
    assert len({key("a C library"), key("a C++ library"), key("a C# library")}) == 3
    assert key("2048") != key("1942")


def test_the_same_lists_give_the_same_bytes_however_they_are_packed(tmp_path, monkeypatch):
    (tmp_path / "InRelease").write_text(RELEASE)
    (tmp_path / "plain").write_text(TRANSLATION)
    (tmp_path / "packed.xz").write_bytes(lzma.compress(TRANSLATION.encode()))
    (tmp_path / "Packages.gz").write_bytes(gzip.compress(PACKAGES.encode()))
    made = []
    for name in ("plain", "packed.xz"):
        out = tmp_path / f"out-{name}"
        files = [str(tmp_path / f) for f in ("InRelease", name, "Packages.gz")]
        monkeypatch.setattr("sys.argv", ["build_corpus", *files, "--out", str(out)])
        build_corpus.main()
        made.append([(out / f).read_bytes() for f in ("debian.parquet", "LICENSE-debian.md")])
    assert made[0] == made[1]
    note = made[0][1].decode()
    assert hashlib.sha256(TRANSLATION.encode()).hexdigest() in note
    assert "bookworm" in note
    assert debian(tmp_path / "out-plain" / "debian.parquet").more == {"beats": ("It knows:\n* waltz\n* tango",)}
