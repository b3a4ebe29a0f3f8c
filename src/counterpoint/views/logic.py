"""Views by the laws of logic, of sentences such as "If the cat is small, then the dog is not old."."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from counterpoint.search.bm25 import STOPWORDS
from counterpoint.views._draw import below
from counterpoint.views.words import WordView

_CLAUSE = re.compile(r"(?P<subject>.+?) (?P<verb>is|are|was|were)(?P<no> not|n't)? (?P<rest>.+)", re.IGNORECASE)
_IF = re.compile(r"if (?P<a>.+?),? then (?P<b>.+)", re.IGNORECASE)
_BOTH = re.compile(r"(?P<a>.+?) (?P<how>and|or) (?P<b>.+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Clause:
    subject: str
    verb: str
    true: bool
    rest: str

    @classmethod
    def read(cls, text: str) -> _Clause | None:
        found = _CLAUSE.fullmatch(text.strip().replace("n't ", " not "))
        return None if found is None else cls(found["subject"], found["verb"], found["no"] is None, found["rest"])

    def __str__(self) -> str:
        return f"{self.subject} {self.verb} {'' if self.true else 'not '}{self.rest}"

    def __invert__(self) -> _Clause:
        return _Clause(self.subject, self.verb, not self.true, self.rest)


Antonyms = Callable[[str], list[str]]


def equivalents(sentence: str, antonyms: Antonyms | None = None) -> dict[str, tuple[str, str]]:
    """What a sentence is equivalent to, and what it is not though it looks alike, by the name of each law.

    | law | a sentence | is equivalent to | and not to |
    |---|---|---|---|
    | contraposition | If A, then B. | If not B, then not A. | If not B, then A. |
    | implication | If A, then B. | Not A or B. | A or B. |
    | implication | A or B. | If not A, then B. | If A, then B. |
    | commutation | A and B. A or B. | B and A. B or A. | B and not A. B or not A. |
    | double negation | X is old. | X is not new. | X is new. |

    A and B are of the form "X is [not] Y"; the last law needs opposites. Source: Bao et al. 2024, "Abstract Meaning
    Representation-Based Logic-Driven Data Augmentation for Logical Reasoning" (AMR-LE), section 3.2, whose parser and
    generator turn text to graphs and back; here the sentences are those of the authors' templates.

    Args:
        sentence: Any; one of another form has no equivalents.
        antonyms: Opposites of a word, such as `WordNet().antonyms`.

    Examples:
        >>> equivalents("If the cat is small, then the dog is not old.")["contraposition"]
        ('If the dog is old, then the cat is not small.', 'If the dog is old, then the cat is small.')
    """
    text = sentence.strip().rstrip(".")
    if text.split(" ", 1)[0].lower() in STOPWORDS:
        text = text[:1].lower() + text[1:]
    if (found := _IF.fullmatch(text)) and (both := _two(found)):
        a, b = both
        return {
            "contraposition": (_if(~b, ~a), _if(~b, a)),
            "implication": (_joined(~a, "or", b), _joined(a, "or", b)),
        }
    if (found := _BOTH.fullmatch(text)) and (both := _two(found)):
        (a, b), how = both, found["how"].lower()
        same = {"commutation": (_joined(b, how, a), _joined(b, how, ~a))}
        return same | ({"implication": (_if(~a, b), _if(a, b))} if how == "or" else {})
    clause = _Clause.read(text)
    if clause is None or antonyms is None:
        return {}
    words = clause.rest.split(" ")
    for i, word in enumerate(words):
        if others := antonyms(word.lower()):
            turned = _Clause(
                clause.subject, clause.verb, not clause.true, " ".join([*words[:i], others[0], *words[i + 1 :]])
            )
            return {"double negation": (_sentence(str(turned)), _sentence(str(~turned)))}
    return {}


def rewriting(antonyms: Antonyms | None = None) -> WordView:
    """A sentence that is equivalent by one of the laws, drawn; one to which none applies stays: see `equivalents`.

    Examples:
        >>> rewriting()("The cat is small and the dog is old.", torch.Generator())
        'The dog is old and the cat is small.'
    """

    def view(text: str, generator: torch.Generator) -> str:
        found = [same for same, _ in equivalents(text, antonyms).values()]
        return found[below(len(found), generator)] if found else text

    return view


def _two(found: re.Match[str]) -> tuple[_Clause, _Clause] | None:
    a, b = _Clause.read(found["a"]), _Clause.read(found["b"])
    return None if a is None or b is None else (a, b)


def _if(a: _Clause, b: _Clause) -> str:
    return _sentence(f"if {a}, then {b}")


def _joined(a: _Clause, how: str, b: _Clause) -> str:
    return _sentence(f"{a} {how} {b}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
