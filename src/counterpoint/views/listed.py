"""Every view of single texts by its name, at its authors' constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from counterpoint.views import logic, meaning, tokens, words
from counterpoint.views.meaning import Thesaurus
from counterpoint.views.tokens import TokenView
from counterpoint.views.typos import typos
from counterpoint.views.words import WordView

WORD_VIEWS: Mapping[str, Callable[[], WordView]] = {
    "deletion": words.deletion,
    "deletion with marks": lambda: words.deletion(0.7, mark="[DEL]"),
    "span deletion": words.span_deletion,
    "crop": words.crop,
    "reordering": words.reordering,
    "swap": words.swap,
    "shuffle": words.shuffled,
    "repetition": words.repetition,
    "blank": words.blank,
    "substitution": lambda: words.substitution(["one", "two", "three"]),
    "typos": typos,
    "full stop": words.full_stop,
    "template": lambda: words.template('This sentence : "{}" means [MASK].'),
    "logic": logic.rewriting,
}
"""Of words and characters; `counterpoint.views.MEANING_VIEWS` need a thesaurus, too."""

MEANING_VIEWS: Mapping[str, Callable[[Thesaurus], WordView]] = {
    "synonyms": meaning.synonyms,
    "insertion": meaning.insertion,
    "EDA": meaning.eda,
}
"""Of words by what they mean, from a thesaurus such as `counterpoint.data.WordNet()`."""

TOKEN_VIEWS: Mapping[str, Callable[[], TokenView]] = {
    "token cutoff": tokens.token_cutoff,
    "feature cutoff": tokens.feature_cutoff,
    "element cutoff": tokens.element_cutoff,
    "span cutoff": tokens.span_cutoff,
    "token shuffle": tokens.shuffled_tokens,
    "token repetition": tokens.repeated_tokens,
    "random crop": tokens.random_crop,
    "token deletion": tokens.token_deletion,
    "dropout": lambda: tokens.dropout(0.2),
}
"""Of tokens and their embeddings."""
