"""Views by what words mean: synonyms, and EDA, which puts them in place of words and between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import torch

from counterpoint.search.bm25 import STOPWORDS
from counterpoint.views._draw import below, check_share, some
from counterpoint.views.text_view import one_of
from counterpoint.views.words import WordView, deletion, swap, times


class Thesaurus(Protocol):
    """Whatever knows words of the same meaning, such as `counterpoint.data.WordNet`."""

    def synonyms(self, word: str) -> list[str]:
        """Other words for a word; nothing for one that is not known."""
        ...


def synonyms(thesaurus: Thesaurus, share: float = 0.1) -> WordView:
    """Synonyms in place of `max(1, int(share n))` different words, wherever they stand: EDA's synonym replacement.

    Words that have none, and stop words, stay. Case and punctuation around a word stay. Source: Wei and Zou 2019,
    "EDA", section 2, and their code, with 0.1; CLEAR (Wu et al. 2020, section 3.3) has 0.3, SimCSE's table 1 WordNet's,
    too.

    Args:
        thesaurus: Such as `WordNet()`.
        share: Of the words; 0: none.

    Examples:
        >>> class Two:
        ...     def synonyms(self, word):
        ...         return {"quick": ["fast"], "fox": ["reynard"]}.get(word, [])
        >>> synonyms(Two(), 0.5)("The quick fox.", torch.Generator().manual_seed(0))
        'The fast fox.'
    """
    check_share(share)
    known = _known(thesaurus)

    def view(text: str, generator: torch.Generator) -> str:
        words = text.split()
        cores = [_core(word) for word in words]
        different = [core for core in dict.fromkeys(c.lower() for c in cores) if core and core not in STOPWORDS]
        left = times(share, words)
        for i in some(len(different), len(different), generator):
            if left and (found := known(different[i])):
                new = found[below(len(found), generator)]
                put = [_like(core, new) if core.lower() == different[i] else core for core in cores]
                words = [word.replace(core, p, 1) for word, core, p in zip(words, cores, put, strict=True)]
                cores, left = put, left - 1
        return " ".join(words) if words != text.split() else text

    return view


def insertion(thesaurus: Thesaurus, share: float = 0.1) -> WordView:
    """A synonym of a random word at a random place, `max(1, int(share n))` times: EDA's random insertion.

    Where ten words that are drawn have none, nothing is inserted. Source: Wei and Zou 2019, section 2, and their code.

    Args:
        thesaurus: Such as `WordNet()`.
        share: Of the words; 0: none.

    Examples:
        >>> class One:
        ...     def synonyms(self, word):
        ...         return ["fast"] if word == "quick" else []
        >>> insertion(One())("quick foxes", torch.Generator().manual_seed(0))
        'fast quick foxes'
    """
    check_share(share)
    known = _known(thesaurus)

    def view(text: str, generator: torch.Generator) -> str:
        words = text.split()
        new = words.copy()
        for _ in range(times(share, words) if words else 0):
            drawn = (_core(new[below(len(new), generator)]).lower() for _ in range(10))
            found = next((others for core in drawn if core not in STOPWORDS and (others := known(core))), ())
            if found:
                new.insert(below(len(new) + 1, generator), found[below(len(found), generator)])
        return " ".join(new) if new != words else text

    return view


def eda(thesaurus: Thesaurus, share: float = 0.1) -> WordView:
    """Easy data augmentation: one of `synonyms`, `insertion`, `swap` and `deletion`, drawn for each text.

    Source: Wei and Zou 2019, who make as many texts by each of the four.

    Examples:
        >>> class Nothing:
        ...     def synonyms(self, word):
        ...         return []
        >>> len(eda(Nothing())("one two three", torch.Generator().manual_seed(0)).split())
        3
    """
    return one_of(synonyms(thesaurus, share), insertion(thesaurus, share), swap(share), deletion(share))


def _known(thesaurus: Thesaurus) -> Callable[[str], tuple[str, ...]]:
    return lru_cache(1 << 16)(lambda word: tuple(thesaurus.synonyms(word)))


def _core(word: str) -> str:
    """A word without the punctuation around it."""
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end]


def _like(word: str, other: str) -> str:
    """Another word, with a capital where the word has one."""
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
