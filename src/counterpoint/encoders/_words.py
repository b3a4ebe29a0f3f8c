"""Token ids of many texts at once, from a table of what was met before: tokenising takes longer than all else."""

from __future__ import annotations

import json
import re
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from tokenizers import AddedToken, Tokenizer, models, normalizers

from counterpoint.encoders.features import Features

Kind = Literal["whole", "spaces", "runs"]

REACH = 2000
ONCE = rf"\b(\w+)\b(?![+#])(?=(?m:.{{0,{REACH}}})\b\1\b(?![+#]))"
"""A word that comes again within so many characters."""
SEPARATORS = r"[^\w+#]+|_"
BUT_EMOJI = r"[^\w+#\p{Extended_Pictographic}\p{Regional_Indicator}]+|[_©®]"
_PIECE = re.compile(r"[a-z0-9_+#]+")
_RUN = re.compile(r"[a-z0-9_]+")
_TIED = re.compile(r"[+#]\w")  # a word that is part of a piece, and may be left out of it

_MOST_PIECES = 1 << 18
_MOST_TOKENS = 1 << 23  # 64 MB
_END = "\U0010fffd"  # no character; a text that has it is the tokenizer's own affair
_JOINED = 64

# What each does to a character depends on no character beyond a space.
_NORMALIZERS = frozenset({"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"})
_SPLITTERS = frozenset({"BertPreTokenizer", "Whitespace", "WhitespaceSplit"})
_FINER = frozenset({"Punctuation", "Digits"})


class Words:
    """A tokenizer that tokenises each word once.

    Where the tokenizer works within words (a normaliser that looks at single characters, a pre-tokenizer that splits at
    spaces, any model after it), the ids of a text are those of its pieces between spaces, one after the other: pieces
    met before are looked up, only new ones are tokenised. Of the tokenizers that `StaticEncoder.train_tokenizer` makes,
    plain texts (ASCII, no longer than a repeated word is looked for) are the last of each of their words. Any other
    tokenizer, or text, is tokenised whole, each text once.

    Texts, training, validating, measuring and indexing meet the same words all the time. Copies share the table;
    it is bounded, and what comes after it is full is not kept.

    Args:
        tokenizer: Its padding is off; a truncation that it has is kept to.
        local: Patterns known to replace or split nothing in ASCII texts but within words.

    Examples:
        >>> from tokenizers import models, pre_tokenizers
        >>> tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
        >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> Words(tokenizer).features(["b a b", "", "a c"])["input_ids"].tolist()
        [1, 0, 1, 0, 2]
    """

    def __init__(self, tokenizer: Tokenizer, local: frozenset[str] = frozenset()) -> None:
        self.tokenizer, self.local = tokenizer, local
        self.kind = kind_of(tokenizer, local)
        self._added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._copied: Tokenizer | None = None
        self._lock = threading.Lock()
        self._numbers = _Numbers()
        self._units: dict[str, int] = {}
        self._unit = array("q")  # of each piece; one for those that are one word without their endings
        self._once = bytearray()  # of each unit: whether a text has it once
        self._ids = array("q")
        self._ends = array("q")

    def __deepcopy__(self, memo: object) -> Words:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Words, (self.tokenizer, self.local)

    def features(self, texts: list[str]) -> Features:
        """The ids that the tokenizer gives, without special tokens."""
        counts: list[int] = []

        def pieces() -> Iterator[str]:
            # one text at a time: pieces that are let go of at once stay in the processor's cache
            split = _SPLITS[self.kind]
            for text in texts:
                found = split(text, self._added)
                counts.append(len(found))
                yield from found

        with self._lock:
            known = len(self._unit), len(self._ends)
            number_p = np.fromiter(map(self._numbers.__getitem__, pieces()), dtype=np.int64)
            self._learn()
            counts_n = np.array(counts, dtype=np.int64)
            unit_p = np.frombuffer(self._unit, dtype=np.int64)[number_p] if len(number_p) else number_p
            if self.kind == "runs":
                once_p = np.frombuffer(self._once, dtype=np.bool_)[unit_p]
                unit_p, counts_n = _last_of_each(unit_p, counts_n, once_p)
            ids_t, length_p = self._look_up(unit_p)
            self._forget(*known)
        return self._truncated(ids_t, _sums(length_p, counts_n))

    def _learn(self) -> None:
        """Tokenise the pieces that have a number and nothing else yet."""
        new = _newest(self._numbers, len(self._numbers) - len(self._unit))
        if not new:
            return
        names = new
        if self.kind == "runs":
            # other pieces are told from words by a blank
            plain = [piece if _RUN.fullmatch(piece) else "" for piece in new]
            normal = self._once_off().normalize_str("\n".join(plain)).split("\n")
            names = [word or f" {piece}" for word, piece in zip(normal, new, strict=True)]
        first = {name: i for i, name in reversed(list(enumerate(names))) if name not in self._units}
        fresh = sorted(first, key=first.__getitem__)
        ids_t, length_p = self._tokenized([new[first[name]] for name in fresh])
        ends_p = length_p.cumsum() + (self._ends[-1] if self._ends else 0)
        # all at once, so that a call that is interrupted leaves a table that is right
        self._units |= {name: len(self._units) + i for i, name in enumerate(fresh)}
        self._once.extend(not name.startswith(" ") for name in fresh)
        self._ids.frombytes(ids_t.tobytes())
        self._ends.frombytes(ends_p.tobytes())
        self._unit.extend(map(self._units.__getitem__, names))

    def _once_off(self) -> Any:
        """The normaliser without its last step, which looks for repeated words."""
        assert isinstance(self.tokenizer.normalizer, normalizers.Sequence)
        return normalizers.Sequence(
            [self.tokenizer.normalizer[i] for i in range(_length(self.tokenizer.normalizer) - 1)]
        )

    def _tokenized(self, pieces: list[str]) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "p"]]:
        """Ids and number of ids of each piece."""
        if not pieces:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        by_word = self.kind != "whole" and not any(_END in piece for piece in pieces)
        if by_word != (self.kind != "whole"):
            tokenizer = _copy(self.tokenizer, marked=False)
        else:
            tokenizer = self._copied = self._copied or _copy(self.tokenizer, marked=by_word)
        # an encoding has a price of its own: many pieces in one, told apart by a token over which nothing reaches
        batch = [_END.join(pieces[i : i + _JOINED]) + _END for i in range(0, len(pieces), _JOINED)]
        rows = [e.ids for e in tokenizer.encode_batch_fast(batch if by_word else pieces, add_special_tokens=False)]
        flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        if not by_word:
            return flat, np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        end_t = flat == tokenizer.token_to_id(_END)
        return flat[~end_t], np.diff(np.flatnonzero(end_t), prepend=-1) - 1

    def _look_up(self, unit_p: Int[np.ndarray, "p"]) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "p"]]:
        """The ids of units, one after the other, and how many each has."""
        if not len(unit_p):
            return unit_p, unit_p
        ends = np.frombuffer(self._ends, dtype=np.int64)
        ids = np.frombuffer(self._ids or array("q", [0]), dtype=np.int64)
        start_p = np.concatenate([[0], ends[:-1]])[unit_p]
        length_p = ends[unit_p] - start_p
        place_p = length_p.cumsum() - length_p
        return ids[np.repeat(start_p - place_p, length_p) + np.arange(length_p.sum())], length_p

    def _forget(self, pieces: int, units: int) -> None:
        """Drop what was learned since there were so many, if the table is full."""
        if len(self._numbers) <= _MOST_PIECES and len(self._ids) <= _MOST_TOKENS:
            return
        for piece in _newest(self._numbers, len(self._numbers) - pieces):
            del self._numbers[piece]
        for name in _newest(self._units, len(self._units) - units):
            del self._units[name]
        del self._unit[pieces:]
        del self._ends[units:]
        del self._once[units:]
        del self._ids[self._ends[-1] if self._ends else 0 :]

    def _truncated(self, ids_t: Int[np.ndarray, "t"], length_n: Int[np.ndarray, "n"]) -> Features:
        truncation = self.tokenizer.truncation
        if truncation is not None and length_n.max(initial=0) > truncation["max_length"]:
            most = truncation["max_length"]
            place_t = np.arange(len(ids_t)) - np.repeat(length_n.cumsum() - length_n, length_n)
            left = truncation["direction"] == "left"
            whole_t = np.repeat(length_n, length_n)
            ids_t = ids_t[place_t >= whole_t - most] if left else ids_t[place_t < most]
            length_n = np.minimum(length_n, most)
        offsets = np.concatenate([[0], length_n.cumsum()])
        return {"input_ids": torch.from_numpy(ids_t), "offsets": torch.from_numpy(offsets)}


def _copy(tokenizer: Tokenizer, *, marked: bool) -> Tokenizer:
    """The tokenizer without truncation, and, marked, with a token that ends a piece."""
    other = Tokenizer.from_str(tokenizer.to_str())
    other.no_truncation()
    if marked:
        other.add_special_tokens([AddedToken(_END, normalized=False)])
    return other


class _Numbers(dict[str, int]):
    """Numbers in order of first use."""

    def __missing__(self, piece: str) -> int:
        number = self[piece] = len(self)
        return number


def _newest(table: dict[str, int], n: int) -> list[str]:
    """The last `n` keys, in order."""
    return list(islice(reversed(table), n))[::-1]


def kind_of(tokenizer: Tokenizer, local: frozenset[str] = frozenset()) -> Kind:
    """How a text is cut into pieces that can be tokenised each alone: at spaces, into words, or not at all.

    Examples:
        >>> from tokenizers import pre_tokenizers
        >>> tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
        >>> kind_of(tokenizer)
        'whole'
        >>> tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        >>> kind_of(tokenizer)
        'spaces'
    """
    added = tokenizer.get_added_tokens_decoder().values()
    plain = all(not (t.lstrip or t.rstrip or any(c.isspace() for c in t.content)) for t in added)
    known = isinstance(tokenizer.model, (models.WordPiece, models.WordLevel, models.BPE, models.Unigram))
    if not plain or not known or getattr(tokenizer.model, "dropout", None):
        return "whole"
    normal, cut = _steps(tokenizer.normalizer, "normalizers"), _steps(tokenizer.pre_tokenizer, "pretokenizers")
    if (
        all(map(_normalises_within_words, normal))
        and any(step["type"] in _SPLITTERS for step in cut)
        and all(step["type"] in _SPLITTERS | _FINER for step in cut)
    ):
        return "spaces"
    patterns = [step.get("pattern", {}).get("Regex") for step in (*normal, *cut)]
    if (
        ONCE in patterns
        and patterns.index(ONCE) == len(normal) - 1
        and {"type": "Lowercase"} in normal
        and all(
            step["type"] in _NORMALIZERS or pattern in local | {ONCE}
            for step, pattern in zip(normal, patterns, strict=False)
        )
        and all(step["type"] == "Split" and not step["invert"] for step in cut)
        and patterns[len(normal) :][:1] in ([SEPARATORS], [BUT_EMOJI])
        and cut[0]["behavior"] == "Removed"
        and all(pattern in local for pattern in patterns[len(normal) + 1 :])
    ):
        return "runs"
    return "whole"


def _runs(text: str, added: Sequence[str]) -> Sequence[str]:
    """The words of a plain text, after a first token of the tokenizer's own; any other text is one piece."""
    own, blank, rest = text.partition(" ")
    head = [own] if blank and own in added else []
    rest = rest if head else text
    if not rest.isascii() or len(rest) > REACH or _TIED.search(rest) or any(token in rest for token in added):
        return [text]
    return head + _PIECE.findall(rest.lower())


_SPLITS: dict[Kind, Callable[[str, Sequence[str]], Sequence[str]]] = {
    "whole": lambda text, _: (text,),
    "spaces": lambda text, _: text.split(" "),
    "runs": _runs,
}


def _last_of_each(
    unit_p: Int[np.ndarray, "p"], counts_n: Int[np.ndarray, "n"], once_p: Bool[np.ndarray, "p"]
) -> tuple[Int[np.ndarray, "q"], Int[np.ndarray, "n"]]:
    """The last of equal units within each text, in order, all of those that may come again, and how many are left."""
    text_p = np.repeat(np.arange(len(counts_n)), counts_n)
    key_p = np.where(once_p, text_p * (unit_p.max(initial=0) + 1) + unit_p, -1 - np.arange(len(unit_p)))
    order_p = np.argsort(key_p, kind="stable")
    last_p = np.diff(key_p[order_p], append=-1 - len(key_p)) != 0
    kept = np.sort(order_p[last_p])
    return unit_p[kept], np.bincount(text_p[kept], minlength=len(counts_n))


def _normalises_within_words(step: dict[str, Any]) -> bool:
    literal = step.get("pattern", {}).get("String", " ")
    return step["type"] in _NORMALIZERS or (step["type"] == "Replace" and " " not in literal)


def _steps(part: Any, name: str) -> list[dict[str, Any]]:
    """The steps of a normaliser or a pre-tokenizer, sequences undone."""
    if part is None:
        return []
    state = json.loads(part.__getstate__())
    queue, steps = [state], []
    while queue:
        step = queue.pop(0)
        if step["type"] == "Sequence":
            queue = [*step[name], *queue]
        else:
            steps.append(step)
    return steps


def _length(sequence: normalizers.Sequence) -> int:
    return len(json.loads(sequence.__getstate__())["normalizers"])


def _sums(values_p: Int[np.ndarray, "p"], counts_n: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Sums of `counts_n[0]` values, of the next `counts_n[1]`, and so on."""
    until = np.concatenate([[0], values_p.cumsum()])
    ends = counts_n.cumsum()
    sums_n: Int[np.ndarray, "n"] = until[ends] - until[ends - counts_n]
    return sums_n
