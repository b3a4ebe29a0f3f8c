"""Words of every script, by expectations written by hand, and what holds for any text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.search import BM25
from counterpoint.search.words import normalise, words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick-brown fox's 2 mp3s", "the quick brown fox s 2 mp3s"),
        ("snake_case node.js .NET", "snake case node js net"),
        ("C++, C#, F# or R? C/C++, c++11", "c++ c# f# or r c c++ c++ 11"),
        ("e.g. the U.S.A., v.2", "eg the usa v 2"),
        ("a.bc x.y.zeta i.e.", "a bc xy zeta ie"),
        ("Größe STRASSE Straße ﬁn", "grösse strasse strasse fin"),
        ("Cafe\u0301 naïve İzmir", "café naïve izmir"),
        ("Ελλάδα ΟΔΟΣ", "ελλάδα οδοσ"),
        ("Ёлка й́", "ёлка й́"),
        ("ქართული ენა", "ქართული ენა"),
        ("Հայերեն", "հայերեն"),
        ("मेरे दादा ओसाका के हैं।", "मेरे दादा ओसाका के हैं"),
        ("தமிழ் மொழி", "தமிழ் மொழி"),
        ("كَتَبَ الـــولدُ", "كتب الولد"),
        ("می\u200cخواهم", "میخواهم"),
        ("שָׁלוֹם עולם", "שלום עולם"),
        ("soft\u00adware co\u200bop", "software co op"),
        ("北京天气", "北京 京天 天气 北 京 天 气"),
        ("猫", "猫"),
        ("iPhone手机壳", "iphone 手机 机壳 手 机 壳"),
        ("ﾗｰﾒﾝ が", "ラー ーメ メン ラ ー メ ン が"),
        ("か\u3099っこう", "がっ っこ こう が っ こ う"),
        ("人々", "人々 人 々"),
        ("학교에", "학교 교에 학 교 에"),
        ("รักเธอ", "รัก กเ เธ ธอ รั ก เ ธ อ"),
        ("ພາສາ", "ພາ າສ ສາ ພ າ ສ າ"),
        ("ភាសា", "ភាសា ភា សា"),
        ("မြန်မာ", "မြန် န်မာ မြ န် မာ"),
        ("བོད་ཡིག", "བོད ཡིག"),
        ("so 🔥🔥 👍🏽❤️", "so 🔥 🔥 👍 ❤"),
        ("🇩🇪🇫🇷 👩\u200d🚀 © 2024®", "🇩🇪 🇫🇷 👩 🚀 2024"),
        ("", ""),
        ("!? ... --", ""),
    ],
)
def test_words(text, expected):
    assert words(text) == expected.split()


def test_texts_of_emoji_alone_are_found():
    rows, _ = BM25(["😀😀", "🚀", "🐱🐶"]).search(["🐶", "😀", "🚀"], 1)
    assert rows[:, 0].tolist() == [2, 0, 1]


@given(TEXT)
def test_no_letter_is_lost(text):
    found = "".join(words(text))
    form = normalise(text)
    assert {c for c in form if unicodedata.category(c)[0] in "LN"} <= set(found)
    assert sum(unicodedata.category(c)[0] in "LN" for c in form) <= len(found)


@given(TEXT)
def test_the_same_for_canonically_equivalent_texts(text):
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text)) == words(text)


@given(st.text(st.sampled_from("abcXYZ019+#.' _-/,"), max_size=30))
def test_plain_ascii_as_any_other_text(text):
    assert [*words(text), "é"] == words(f"{text} é")


@pytest.mark.parametrize(
    "word", ["手机", "猫", "ラーメン", "서울", "กรุงเทพ", "हिन्दी", "שלום", "كتاب", "C++", "C#", "R", "7"]
)
def test_one_document_in_hundred_is_found_by_it(word):
    others = [f"{chr(0x4E00 + 7 * i)}{chr(0x3042 + i % 60)} {chr(0xE01 + i % 40)} C B {i + 8}x" for i in range(99)]
    ids, _ = BM25([*others, f"x {word} y"]).search([word], 1)
    assert ids.tolist() == [[99]]
