"""Questions by a rule, in place of a language model that asks what a passage answers."""

from __future__ import annotations

import random

from counterpoint.views.bags import words_of

WORDS = 6
"""Of a question, at most, and at most half of the passage's."""


def asked_by_rule(prompt: str, draw: random.Random) -> str:
    """A rule: some words of the last line of a prompt that are no stop words, drawn, in their order.

    Examples:
        >>> asked_by_rule("Ask.\\n\\nThe cat sat on the mat.", random.Random(0))
        'sat'
    """
    text = prompt.rsplit("\n", 1)[-1]
    words = words_of(text) or text.split()
    kept = sorted(draw.sample(range(len(words)), min(WORDS, max(1, len(words) // 2))))
    return " ".join(words[i] for i in kept)
