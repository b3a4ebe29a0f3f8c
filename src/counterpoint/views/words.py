"""Views of a text's words: a text and a generator make another text. What stands between words becomes one blank.

Counts are exact: a share is of the words, rounded, and at least one word stays. Authors who draw each word by itself
have that share in the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from counterpoint.errors import InputError, refuse_string
from counterpoint.views._draw import below, check_share, some

WordView: TypeAlias = Callable[[str, torch.Generator], str]
"""A text's view, drawn with a generator; whatever ignores the generator is one too (a translator and back, say)."""


def deletion(share: float = 0.1, mark: str = "") -> WordView:
    """Without a random share of its words; of SimCSE (Gao et al. 2021, table 1), CLEAR, EDA, DAAE, TSDAE.

    Args:
        share: Of the words, 0 to below 1.
        mark: Stands for each run of words that are gone, as CLEAR's [DEL] (Wu et al. 2020, section 3.3).

    Examples:
        >>> deletion(0.5, mark="[DEL]")("one two three four", torch.Generator().manual_seed(0))
        '[DEL] three four'
    """
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        gone = min(round(share * len(words)), len(words) - 1)
        return _without(words, set(some(len(words), gone, generator)), mark)

    return _of_words(change)


def span_deletion(share: float = 0.05, spans: int = 5, mark: str = "[DEL]") -> WordView:
    """Without some spans of its words, each of a share of them (CLEAR: Wu et al. 2020, section 3.3).

    Spans begin anywhere and may overlap; if all would go, one word stays.

    Args:
        share: Of the words in a span, at least one word; 0: none is deleted.
        spans: How many.
        mark: Stands for each run of words that are gone; "": nothing does.

    Examples:
        >>> span_deletion(0.25, 1)("one two three four", torch.Generator().manual_seed(0))
        '[DEL] two three four'
    """
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        n, length = len(words), max(1, round(share * len(words)))
        starts = [below(n - length + 1, generator) for _ in range(spans if share else 0)]
        gone = {place for start in starts for place in range(start, start + length)}
        if len(gone) == n:
            gone.discard(below(n, generator))
        return _without(words, gone, mark)

    return _of_words(change)


def crop(share: float = 0.1) -> WordView:
    """Words in a row, all but a share of them (Gao et al. 2021, table 1); ConSERT's code has it for its span cutoff.

    Args:
        share: Of the words, how many are left out at the two ends together.

    Examples:
        >>> crop(0.5)("one two three four", torch.Generator().manual_seed(0))
        'three four'
    """
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        kept = max(1, len(words) - round(share * len(words)))
        start = below(len(words) - kept + 1, generator)
        return words[start : start + kept]

    return _of_words(change)


def reordering(share: float = 0.05, pairs: int = 5) -> WordView:
    """Pairs of spans change places, one pair after another (CLEAR: Wu et al. 2020, section 3.3).

    Args:
        share: Of the words in a span, at least one and at most half of them; 0: nothing moves.
        pairs: How many.

    Examples:
        >>> reordering(0.25, 1)("one two three four", torch.Generator().manual_seed(0))
        'two one three four'
    """
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        n = len(words)
        if n < 2:
            return words
        length = min(max(1, round(share * n)), n // 2)
        for _ in range(pairs if share else 0):
            # two starts among those of spans that do not overlap
            first, second = sorted(some(n - 2 * length + 2, 2, generator))
            second += length - 1
            one, other = slice(first, first + length), slice(second, second + length)
            words[one], words[other] = words[other], words[one]
        return words

    return _of_words(change)


def swap(share: float = 0.1) -> WordView:
    """Two words change places, `max(1, int(share n))` times: EDA's random swap; PEARL's `swap(0.01)` is one swap.

    Source: Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification
    Tasks", section 2, and their code, whose share is 0.1.

    Args:
        share: 0: nothing moves.

    Examples:
        >>> swap()("one two three", torch.Generator().manual_seed(0))
        'three two one'
    """
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        for _ in range(times(share, words) if len(words) > 1 else 0):
            a, b = some(len(words), 2, generator)
            words[a], words[b] = words[b], words[a]
        return words

    return _of_words(change)


def shuffled(distance: float = 3.0) -> WordView:
    """Each word moves by at most so many places: DAAE's code (Shen et al. 2020), after Lample et al. 2018, section 2.3.

    Word i is put in the order of `i + u_i`, u_i uniform from 0 to `distance + 1`.

    Args:
        distance: 0: nothing moves.

    Examples:
        >>> shuffled(1.0)("one two three four", torch.Generator().manual_seed(0))
        'one three two four'
    """

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        place = torch.arange(len(words)) + (distance + 1) * torch.rand(len(words), generator=generator)
        return [words[i] for i in place.argsort(stable=True).tolist()] if distance else words

    return _of_words(change)


def repetition(rate: float = 0.32) -> WordView:
    """Some words twice, one after the other: ESimCSE's word repetition.

    How many is drawn from 0 to `max(2, int(rate n))`, which they are in the mean half of. Source: Wu et al. 2021,
    "ESimCSE", section 3.1, eq. 2; the authors' default repeats tokens (`repeated_tokens`).

    Args:
        rate: 0: no word.

    Examples:
        >>> repetition()("one two three", torch.Generator().manual_seed(1))
        'one two three three'
    """
    check_share(rate, "rate")

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        most = min(len(words), max(2, int(rate * len(words)))) if rate else 0
        twice = set(some(len(words), below(most + 1, generator), generator))
        return [word for i, word in enumerate(words) for _ in range(1 + (i in twice))]

    return _of_words(change)


def blank(share: float = 0.3, mark: str = "_") -> WordView:
    """A mark in place of a share of its words: DAAE's blanks, the masks that CLAIF has filled in.

    Args:
        share: Of the words.
        mark: A tokenizer's mask token, where a model is to see it as one.

    Examples:
        >>> blank(0.5)("one two three four", torch.Generator().manual_seed(0))
        '_ _ three four'
    """
    return _replaced(share, lambda _word, _generator: mark)


def substitution(vocabulary: Sequence[str], share: float = 0.3) -> WordView:
    """Random words in place of a share of its words: DAAE's code (Shen et al. 2020).

    Args:
        vocabulary: Where they are drawn from.
        share: Of the words.

    Raises:
        InputError: No vocabulary.

    Examples:
        >>> substitution(["cat"], 0.5)("one two three four", torch.Generator().manual_seed(0))
        'cat cat three four'
    """
    refuse_string(vocabulary, "vocabulary")
    if not vocabulary:
        raise InputError("there are no words to put in place of others", fix="give a vocabulary")
    return _replaced(share, lambda _, generator: vocabulary[below(len(vocabulary), generator)])


def full_stop(mark: str = ".") -> WordView:
    """Ends with a mark where it has none: what PromptBERT's code does before its templates.

    Examples:
        >>> full_stop()("a cat sleeps", torch.Generator()), full_stop()("Why?", torch.Generator())
        ('a cat sleeps.', 'Why?')
    """

    def view(text: str, generator: torch.Generator) -> str:
        del generator
        ended = text.rstrip()
        return ended + mark if ended and ended[-1] not in ".!?\"'" else text

    return view


def template(pattern: str) -> WordView:
    """The text within a sentence of its own: PromptBERT's and MetaEOL's prompts, LM-SupCon's with `one_of`.

    Jiang et al. 2022, "PromptBERT", section 4, and their code have 'This sentence of "{}" means [MASK].' for one view
    and 'This sentence : "{}" means [MASK].' for the other.

    Args:
        pattern: With one {} for the text.

    Raises:
        InputError: Not one {}.

    Examples:
        >>> template('This sentence : "{}" means [MASK].')("A cat sleeps.", torch.Generator())
        'This sentence : "A cat sleeps." means [MASK].'
    """
    before, after = halves(pattern)
    return lambda text, _: before + text + after


def halves(pattern: str) -> tuple[str, str]:
    """What stands before and after the {} of a template.

    Raises:
        InputError: Not one {}.
    """
    if pattern.count("{}") != 1:
        raise InputError(f"the template {pattern!r} has no place for the text, or several", fix="give it one {}")
    before, _, after = pattern.partition("{}")
    return before, after


def _of_words(change: Callable[[list[str], torch.Generator], list[str]]) -> WordView:
    """A view from what it does with the words; where that is nothing, the text stays as it is."""

    def view(text: str, generator: torch.Generator) -> str:
        words = text.split()
        new = change(words.copy(), generator) if words else words
        return text if new == words else " ".join(new)

    return view


def _replaced(share: float, by: Callable[[str, torch.Generator], str]) -> WordView:
    check_share(share)

    def change(words: list[str], generator: torch.Generator) -> list[str]:
        for place in sorted(some(len(words), min(round(share * len(words)), len(words) - 1), generator)):
            words[place] = by(words[place], generator)
        return words

    return _of_words(change)


def times(share: float, words: Sequence[str]) -> int:
    """EDA's number of changes."""
    return max(1, int(share * len(words))) if share else 0


def _without(words: list[str], gone: set[int], mark: str) -> list[str]:
    """The words that are not gone, and a mark for each run of those that are."""
    kept = []
    for i, word in enumerate(words):
        if i not in gone:
            kept.append(word)
        elif mark and i - 1 not in gone:
            kept.append(mark)
    return kept
