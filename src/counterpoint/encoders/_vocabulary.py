"""The characters of a corpus, from which a tokenizer is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer

_MOST = 1000


def characters(texts: Iterable[str], tokenizer: Tokenizer) -> list[str]:
    """The 1,000 most frequent characters, as `tokenizer`'s normalizer and pre-tokenizer leave them, in order of code.

    A trainer that chooses them itself breaks ties by the order of a hash table, which no seed fixes.

    Examples:
        >>> from tokenizers import models, normalizers, pre_tokenizers
        >>> tokenizer = Tokenizer(models.BPE())
        >>> tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
        >>> characters(["a Cab", "B"], tokenizer)
        ['a', 'b', 'c']
    """
    met: Counter[str] = Counter()
    for text in texts:
        met.update(text)
    counts: Counter[str] = Counter()
    for raw, count in met.items():
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(raw)):
            counts.update(dict.fromkeys(word, count))
    return sorted(sorted(counts, key=lambda character: (-counts[character], character))[:_MOST])
