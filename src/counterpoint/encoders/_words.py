"""Token ids of many texts at once, from a table of what was met before: tokenising takes longer than all else."""

from __future__ import annotations

import json
import threading
from array import array
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from tokenizers import AddedToken, Tokenizer, models

from counterpoint.encoders.features import Features

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
    met before are looked up, only new ones are tokenised. Any other tokenizer sees whole texts, each once.
    Texts, training, validating, measuring and indexing meet the same words all the time. Copies share the table;
    it is bounded, and what comes after it is full is not kept.

    Args:
        tokenizer: Its padding is off; a truncation that it has is kept to.

    Examples:
        >>> from tokenizers import models, pre_tokenizers
        >>> tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
        >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> Words(tokenizer).features(["b a b", "", "a c"])["input_ids"].tolist()
        [1, 0, 1, 0, 2]
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.by_word = works_within_words(tokenizer)
        self._copied: Tokenizer | None = None
        self._lock = threading.Lock()
        self._numbers = _Numbers()
        self._ids = array("q")
        self._ends = array("q")

    def __deepcopy__(self, memo: object) -> Words:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Words, (self.tokenizer,)

    def features(self, texts: list[str]) -> Features:
        """The ids that the tokenizer gives, without special tokens."""
        counts_n = np.ones(len(texts), dtype=np.int64)
        flat: Iterable[str] = texts
        if self.by_word:
            counts_n += np.fromiter((text.count(" ") for text in texts), dtype=np.int64, count=len(texts))
            # one text at a time: pieces that are let go of at once stay in the processor's cache
            flat = chain.from_iterable(text.split(" ") for text in texts)
        with self._lock:
            kept = len(self._numbers)
            number_p = np.fromiter(map(self._numbers.__getitem__, flat), dtype=np.int64, count=int(counts_n.sum()))
            self._learn(kept)
            ids_t, length_p = self._look_up(number_p)
            self._forget(kept)
        length_n = _sums(length_p, counts_n)
        return self._truncated(ids_t, length_n)

    def _learn(self, known: int) -> None:
        """Tokenise the pieces from number `known` on."""
        new = list(self._numbers)[known:] if known < len(self._numbers) else []
        if not new:
            return
        ids_t, length_p = self._tokenized(new)
        self._ids.frombytes(ids_t.tobytes())
        ends_p = length_p.cumsum() + (self._ends[-1] if self._ends else 0)
        self._ends.frombytes(ends_p.tobytes())

    def _tokenized(self, pieces: list[str]) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "p"]]:
        """Ids and number of ids of each piece."""
        by_word = self.by_word and not any(_END in piece for piece in pieces)
        if by_word != self.by_word:
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

    def _look_up(self, number_p: Int[np.ndarray, "p"]) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "p"]]:
        ends = np.frombuffer(self._ends, dtype=np.int64) if self._ends else np.zeros(0, dtype=np.int64)
        ids = np.frombuffer(self._ids, dtype=np.int64) if self._ids else np.zeros(0, dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        start_p = starts[number_p]
        length_p = ends[number_p] - start_p
        place_p = length_p.cumsum() - length_p
        return ids[np.repeat(start_p - place_p, length_p) + np.arange(length_p.sum())], length_p

    def _forget(self, known: int) -> None:
        """Drop what was learned since `known` pieces, if the table is full."""
        if len(self._numbers) <= _MOST_PIECES and len(self._ids) <= _MOST_TOKENS:
            return
        for piece in list(self._numbers)[known:]:
            del self._numbers[piece]
        del self._ends[known:]
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


def works_within_words(tokenizer: Tokenizer) -> bool:
    """Whether the ids of a text are known to be those of its pieces between spaces.

    Examples:
        >>> from tokenizers import pre_tokenizers
        >>> tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
        >>> works_within_words(tokenizer)
        False
        >>> tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        >>> works_within_words(tokenizer)
        True
    """
    added = tokenizer.get_added_tokens_decoder().values()
    plain = all(not (t.lstrip or t.rstrip or any(c.isspace() for c in t.content)) for t in added)
    known = isinstance(tokenizer.model, (models.WordPiece, models.WordLevel, models.BPE, models.Unigram))
    random = getattr(tokenizer.model, "dropout", None)
    splitters = _steps(tokenizer.pre_tokenizer, "pretokenizers")
    return (
        plain
        and known
        and not random
        and all(map(_normalises_within_words, _steps(tokenizer.normalizer, "normalizers")))
        and any(step["type"] in _SPLITTERS for step in splitters)
        and all(step["type"] in _SPLITTERS | _FINER for step in splitters)
    )


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


def _sums(values_p: Int[np.ndarray, "p"], counts_n: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Sums of `counts_n[0]` values, of the next `counts_n[1]`, and so on; every count is 1 or more."""
    starts = counts_n.cumsum() - counts_n
    return np.add.reduceat(values_p, starts) if len(starts) else counts_n
