"""What tokenizers trained on a corpus share: its characters, their form, pieces of scripts without blanks, bytes."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import regex
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
"""The tokens of a character that has none, one for each byte of its UTF-8."""

_EAST_ASIAN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Yi}ー]"
_SOUTH_EAST_ASIAN = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}]"
_LETTER = rf"(?:(?=\p{{L}}){_SOUTH_EAST_ASIAN})"
# a vowel written before, letters joined by the Khmer or Myanmar sign for stacking, marks, a vowel written after,
# Myanmar's final consonant
_CLUSTER = (
    rf"[เ-ไເ-ໄ]?{_LETTER}\p{{M}}*(?:(?<=[\u17D2\u1039]){_LETTER}\p{{M}}*)*[ะาๅະາ]?"
    r"(?:[\u1000-\u1021]\p{M}*\u103A\p{M}*)?"
)
_PIECE = rf"(?=[\p{{L}}\p{{N}}ー]){_EAST_ASIAN}\p{{M}}*|{_CLUSTER}"
# the marks of scripts whose letters are read without them, the vowel points of Arabic and Hebrew, the stroke that
# stretches Arabic words, the soft hyphen and the joiners of no width
_ACCENTS = (
    r"(?<=[\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}])\p{Mn}+|\A[\p{Mn}&&\p{Inherited}]+"
    r"|[\u064B-\u0652\u0670\u0640\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u00AD\u200C\u200D]"
)
_ONE_EMOJI = r"\p{Regional_Indicator}{2}|\p{Extended_Pictographic}"
BEYOND_ASCII = frozenset({_PIECE, _ACCENTS, _ONE_EMOJI})
"""Patterns that match no ASCII character."""
_SHARE = 0.001
_EMOJI = regex.compile(r"(?V1)[[\p{Extended_Pictographic}\p{RI}]--[©®]]")


def without_accents() -> normalizers.Normalizer:
    """NFKC without the marks that may be left out: accents of Latin, Greek and Cyrillic, vowel points.

    The vowel signs of Indic and Thai and the sound marks of Kana stay: without them words become others.

    Examples:
        >>> [without_accents().normalize_str(text) for text in ("Cafés", "हिन्दी", "كَتَبَ", "ガ")]
        ['Cafes', 'हिन्दी', 'كتب', 'ガ']
    """
    return normalizers.Sequence([normalizers.NFKD(), normalizers.Replace(Regex(_ACCENTS), ""), normalizers.NFKC()])


def without_blanks() -> pre_tokenizers.PreTokenizer:
    """Cuts scripts without blanks, and Hangul, into characters: else a sentence is a word, and its merges are its own.

    Of South East Asia's scripts a piece is a letter with the vowels and marks that are written around it.

    Examples:
        >>> [piece for piece, _ in without_blanks().pre_tokenize_str("iPhone手机เธอ")]
        ['iPhone', '手', '机', 'เธ', 'อ']
    """
    return pre_tokenizers.Split(Regex(_PIECE), "isolated")


def single_emoji() -> pre_tokenizers.PreTokenizer:
    """Cuts before and after every emoji and flag.

    Examples:
        >>> [piece for piece, _ in single_emoji().pre_tokenize_str("so🔥🔥🇩🇪")]
        ['so', '🔥', '🔥', '🇩🇪']
    """
    return pre_tokenizers.Split(Regex(_ONE_EMOJI), "isolated")


def count(texts: Iterable[str], tokenizer: Tokenizer) -> Mapping[str, int]:
    """How often each character is met, as `tokenizer`'s normalizer and pre-tokenizer leave it."""
    met: Counter[str] = Counter()
    for text in texts:
        met.update(unicodedata.normalize("NFC", text))
    counts: Counter[str] = Counter()
    for raw, times in met.items():
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(raw)):
            counts.update(dict.fromkeys(word, times))
    return counts


def alphabet(counts: Mapping[str, int], most: int) -> list[str]:
    """The `most` most frequent characters, in order of code.

    A trainer that chooses them itself breaks ties by the order of a hash table, which no seed fixes.

    Examples:
        >>> from tokenizers import models
        >>> tokenizer = Tokenizer(models.BPE())
        >>> tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
        >>> alphabet(count(["a Cab", "B"], tokenizer), 2)
        ['a', 'b']
    """
    return sorted(sorted(counts, key=lambda character: (-counts[character], character))[:most])


def has_spaceless(counts: Mapping[str, int]) -> bool:
    """Whether more than a thousandth of the characters are of scripts without blanks, or of Hangul.

    Examples:
        >>> has_spaceless({"a": 9, "é": 1}), has_spaceless({"a": 9, "猫": 1})
        (False, True)
    """
    cut = without_blanks()
    many = sum(n for character, n in counts.items() if len(cut.pre_tokenize_str(f"a{character}")) > 1)
    return many > _SHARE * sum(counts.values())


def is_emoji(character: str) -> bool:
    """Whether a character is one of those that make emoji and flags.

    Examples:
        >>> [is_emoji(character) for character in "🔥🇩a1©"]
        [True, True, False, False, False]
    """
    return _EMOJI.match(character) is not None


def has_emoji(counts: Mapping[str, int]) -> bool:
    """Whether more than a thousandth of the characters make emoji.

    Examples:
        >>> has_emoji({"a": 9999, "🔥": 1}), has_emoji({"a": 9, "🔥": 1})
        (False, True)
    """
    return sum(n for character, n in counts.items() if is_emoji(character)) > _SHARE * sum(counts.values())


def with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """A byte-pair tokenizer for which no character is unknown: one that has no token becomes the bytes of its UTF-8.

    The 256 tokens of the bytes come after all others.

    Examples:
        >>> from tokenizers import models
        >>> tokenizer = Tokenizer(models.BPE({"[UNK]": 0, "a": 1}, [], unk_token="[UNK]"))
        >>> tokenizer.encode("aé").tokens, with_bytes(tokenizer).encode("aé").tokens
        (['a', '[UNK]'], ['a', '<0xC3>', '<0xA9>'])
    """
    told = json.loads(tokenizer.to_str())
    vocabulary = told["model"]["vocab"]
    vocabulary |= {name: len(vocabulary) + byte for byte, name in enumerate(BYTES)}
    told["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(told))
