"""Questions asked otherwise by rules, in place of a language model that paraphrases."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

ASKED: Mapping[str, str] = {
    "how many": "what number of",
    "how much": "what amount of",
    "how far": "at what distance",
    "how long": "for what time",
    "who": "which person",
    "where": "in what place",
    "when": "at what time",
    "why": "for what reason",
    "name": "give the name of",
    "what is": "what would you call",
    "what are": "what would you call",
    "what does": "what is it that",
    "what": "which",
    "which": "what",
    "how": "in what way",
}
"""What a question begins with, and how else it is asked; the first that fits."""
OPENINGS = ("Tell me, ", "In other words, ", "I would like to know, ", "To be exact, ")
"""That are put before."""


def said_otherwise(prompt: str, draw: random.Random) -> str:
    """A rule: the last line of a prompt with another question word, where it has one, after a drawn opening.

    Examples:
        >>> said_otherwise("Say it otherwise.\\n\\nWho was Galileo ?", random.Random(0))
        'To be exact, which person was Galileo ?'
    """
    text = prompt.rsplit("\n", 1)[-1]
    for said, other in ASKED.items():
        if found := re.match(rf"{said}\b", text, re.IGNORECASE):
            text = other + text[found.end() :]
            break
    return draw.choice(OPENINGS) + text[:1].lower() + text[1:]
