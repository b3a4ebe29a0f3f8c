"""Words by Unicode's rules, for any script: what BM25 counts."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import regex

# scripts written without blanks (those whose line breaks Unicode leaves to a dictionary, and East Asia's), and Hangul,
# whose words end in particles
_RUN = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Yi}\p{LB=SA}ー]&&[\p{L}\p{N}]]"
_LETTER = rf"[\p{{L}}--{_RUN}]"
_WORDS = regex.compile(
    rf"(?V1)(?P<run>(?:{_RUN}\p{{M}}*)+)"
    rf"|(?<![\p{{L}}\p{{M}}\p{{N}}])(?:[a-z](?:\+\+|\#)|{_LETTER}(?:\.{_LETTER})+(?![\p{{L}}\p{{M}}\p{{N}}]))"
    rf"|[[\p{{L}}\p{{N}}]--{_RUN}](?:\p{{M}}|[[\p{{L}}\p{{N}}]--{_RUN}])*"
    r"|\p{RI}{2}|[\p{Extended_Pictographic}--[©®]]"
)
_ASCII = re.compile(r"(?<![a-z0-9])[a-z](?:\+\+|#|(?:\.[a-z])+(?![a-z0-9]))|[a-z0-9]+")
_RUNS = regex.compile(rf"(?V1){_RUN}")
_CHARACTER = regex.compile(r"(?V1)\P{M}\p{M}*")
# marks that readers of Arabic and Hebrew add or leave out, the stroke that stretches Arabic words, invisible characters
# but the blank of no width, and the dot that case folding leaves on a Turkish i
_OPTIONAL = regex.compile(
    r"(?V1)[[\u064B-\u065F\u0670\u06D6-\u06ED\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7]\u0640]"
    r"|[\p{Cf}--[\u200B\p{N}\p{L}]]|(?<=i)\u0307"
)


def words(text: str) -> list[str]:
    """The words of a text, in order, in one form: NFKC, case folded, without marks that are optional in writing.

    A word is a run of letters and digits with their marks (so that vowel signs and decomposed accents do not cut it,
    as in Unicode Standard Annex 29); all else separates, apostrophes, points and underscores too. A single
    letter keeps `++` and `#`, and single letters with points between them are one word (`U.S.`). Scripts without blanks
    (Han, Kana, Thai, Lao, Khmer, Myanmar and others) and Hangul give overlapping pairs of characters, as Lucene's
    CJKAnalyzer does, and the characters themselves: both together find more than either. A character is a letter with
    its marks. An emoji is a word, whatever its skin or hair, and so is a flag. Arabic's and Hebrew's vowel points, the
    Arabic tatweel and invisible characters are left out.

    Examples:
        >>> words("C++, C# and R in the Cafe\u0301s of the U.S.")
        ['c++', 'c#', 'and', 'r', 'in', 'the', 'cafés', 'of', 'the', 'us']
        >>> words("iPhone手机壳 मेरे दादा")
        ['iphone', '手机', '机壳', '手', '机', '壳', 'मेरे', 'दादा']
        >>> words("fire🔥🔥 👍🏽 🇩🇪")
        ['fire', '🔥', '🔥', '👍', '🇩🇪']
    """
    if text.isascii():
        return [word.replace(".", "") for word in _ASCII.findall(text.lower())]
    found = []
    for match in _WORDS.finditer(normalise(text)):
        if match["run"] is None:
            found.append(match[0].replace(".", ""))
            continue
        characters = _CHARACTER.findall(match[0])
        found += [*(first + second for first, second in pairwise(characters)), *characters]
    return found


def spaceless(word: str) -> bool:
    """Whether a word is a character or two of a script without blanks, or of Hangul.

    Examples:
        >>> spaceless("手机"), spaceless("iphone")
        (True, False)
    """
    return not word.isascii() and _RUNS.match(word) is not None


def normalise(text: str) -> str:
    """NFKC and case folding, without marks that are optional in writing: the same for canonically equivalent texts.

    Examples:
        >>> normalise("Straße"), normalise("ﬁ"), normalise("כָּתַב")
        ('strasse', 'fi', 'כתב')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _OPTIONAL.sub("", folded))
