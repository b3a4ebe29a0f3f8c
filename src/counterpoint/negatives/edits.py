"""Questions that differ by one word and have other answers: found among those that there are, with paraphrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError

_LEAST = 3
"""Words of a question: two of them are the same in its edit, or one in its paraphrase."""
Groups: TypeAlias = dict[tuple[int, tuple[str, ...]], list[int]]
"""A place and the words but that one -> the texts that are so."""


def words_of(text: str) -> tuple[str, ...]:
    """What texts are compared by.

    Examples:
        >>> words_of("Who won  in 1980?")
        ('who', 'won', 'in', '1980?')
    """
    return tuple(text.casefold().split())


def by_the_rest(texts: Sequence[str]) -> Groups:
    """Texts of three words or more by what is left of them without one word, for every word.

    Examples:
        >>> groups = by_the_rest(["who won in 1980", "who won in 1984"])
        >>> groups[3, ("who", "won", "in")]
        [0, 1]
    """
    groups: Groups = {}
    for i, text in enumerate(texts):
        words = words_of(text)
        if len(words) >= _LEAST:
            for place in range(len(words)):
                groups.setdefault((place, words[:place] + words[place + 1 :]), []).append(i)
    return groups


def a_word_apart(text: str, groups: Groups, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Texts of the groups that have another word in one place, and that place, in an order that is drawn.

    Copies of the text are among them.

    Examples:
        >>> groups = by_the_rest(["who won in 1980", "who lost in 1980", "who lost in 1990"])
        >>> sorted(a_word_apart("Who won in 1984", groups, np.random.default_rng(0)))
        [(0, 3)]
    """
    words, found = words_of(text), []
    for place in generator.permutation(len(words)).tolist():
        group = groups.get((place, words[:place] + words[place + 1 :]), [])
        start = int(generator.integers(len(group))) if group else 0
        found += [(other, place) for other in (*group[start:], *group[:start])]
    return found


def with_edits(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: questions get a paraphrase `q+` and a minimally edited question `q-` as hard negatives.

    `q-` is a question of another row that has another word in one place and shares no answer, drawn from all that are
    so; `q+` is the question without one of its other words, where nobody asks that. They take the place of negatives
    that rows have; a column `paraphrase` has the hash of `q+`, which keys have as `input`, and -1 where a question has
    none, which then has no `q-` either. In a loss `mined & equal("paraphrase", "input")` is a question's paraphrase.

    Source: Zhang et al. 2023, "Exploring Contrast Consistency of Open-Domain Question Answering Systems on Minimally
    Edited Questions" (TACL), and the authors' code; theirs are of PAQ, with paraphrases that others wrote.

    Args:
        data: Pairs.
        encoder: Is not asked.
        seed: Of the draws.

    Raises:
        InputError: Rows without positives, or no question that is a word apart from another.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> asked = ["who won in 1980", "who won in 1984", "where is it held"]
        >>> data = with_edits(rows_of([Example(q, (str(i),)) for i, q in enumerate(asked)]), nn.Identity(), 0)
        >>> [[data.others.texts[i] for i in row if i >= 0] for row in data.negatives.tolist()]
        [['who won 1980', 'who won in 1984'], ['won in 1984', 'who won in 1980'], []]
    """
    del encoder
    if data.positives is None or data.others is None:
        raise InputError("questions without answers", file=data.source or None, fix="give pairs")
    generator = np.random.default_rng(seed)
    asked, number = data.anchor.unique(return_inverse=True)
    texts = list(data.anchors[asked].texts)
    answers: list[set[int]] = [set() for _ in texts]
    for question, right in zip(number.tolist(), data.positives.tolist(), strict=True):
        answers[question].update(i for i in right if i >= 0)
    groups, known = by_the_rest(texts), {words_of(text) for text in texts}
    new, rows = list[str](), torch.full((len(texts), 2), -1)
    for i, text in enumerate(texts):
        others = a_word_apart(text, groups, generator)
        edit = next(((j, place) for j, place in others if answers[i].isdisjoint(answers[j])), None)
        paraphrase = "" if edit is None else _without_a_word(text, edit[1], known, generator)
        if edit is not None and paraphrase:
            rows[i] = len(data.others) + len(new) + torch.arange(2)
            new += [paraphrase, texts[edit[0]]]
    if not new:
        raise InputError(
            "no question is a word apart from another that has another answer",
            file=data.source or None,
            fix="train without, such as by dpr",
        )
    items = Items.cat([data.others, Items("text", new)])
    paraphrases = torch.where(rows[:, 0] >= 0, items.hashes()[rows[:, 0]], -1)
    columns = {**data.columns, "paraphrase": paraphrases[number]}
    return replace(data, others=items, negatives=rows[number], columns=columns)


def _without_a_word(text: str, kept: int, known: set[tuple[str, ...]], generator: np.random.Generator) -> str:
    """A text without a word other than that one, which is drawn; "" if every such text is known."""
    words = text.split()
    for place in generator.permutation(len(words)).tolist():
        left = " ".join(words[:place] + words[place + 1 :])
        if place != kept and words_of(left) not in known:
            return left
    return ""
