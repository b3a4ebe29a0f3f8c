"""From a model's answer to what was asked for: a line, a number, a choice, a list. Whatever else it said is refused."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from counterpoint.generating.asking import Answer

_NUMBER = re.compile(r"(?<![\w.,/:-])-?(?:\d+(?:\.\d+)?|\.\d+)(?![\w%]|[.,/:-]\d|\s*%)")
_LABEL = re.compile(r"\s*(?:[*_#>]*[A-Za-z][\w ]{0,30}[*_]*:[*_]*)?\s*")
_MARK = re.compile(r"\s*(?:[-*•]|\(?\d{1,3}[.)])\s+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "„": "“", "`": "`"}
_OPENINGS = 100  # brackets that JSON is looked for at; each costs the length of what follows
_REFUSALS = re.compile(
    r"(i['’]?m sorry|i am sorry|sorry,|i can(?:no|['’])t |i am unable|i['’]m unable|as an ai\b|as a language model|"
    r"unfortunately, i)",
    re.IGNORECASE,
)


class UnparsedError(ValueError):
    """An answer is not what was asked for; the message says why."""


def whole(answer: Answer) -> str:
    """All that was said, without blanks around it; it may be cut off.

    Raises:
        UnparsedError: Nothing was said.

    Examples:
        >>> whole(Answer(" two\\nlines "))
        'two\\nlines'
    """
    if not (text := answer.text.strip()):
        raise UnparsedError("nothing was said")
    return text


def one_line(answer: Answer) -> str:
    """The first line that is not blank, without a list's mark before it and quotes around it.

    Raises:
        UnparsedError: There is none, it is cut off, or it refuses ("I'm sorry, ...").

    Examples:
        >>> one_line(Answer('\\n"An aeroplane departs."\\nThis means the same.'))
        'An aeroplane departs.'
        >>> one_line(Answer("An aeroplane de", finish="length"))
        Traceback (most recent call last):
        counterpoint.generating.parsing.UnparsedError: cut off at the greatest number of tokens
    """
    return lines(answer, most=1)[0]


def lines(answer: Answer, most: int | None = None) -> list[str]:
    """The lines that are not blank, each as `one_line` gives it, the first `most` of them; of a cut-off one nothing.

    Raises:
        UnparsedError: There is none whole, or the first refuses.

    Examples:
        >>> lines(Answer("1. a cat sleeps\\n2. a dog b", finish="length"))
        ['a cat sleeps']
    """
    text = answer.text
    if answer.finish == "length" and not text.endswith("\n"):
        text = text.rpartition("\n")[0]
    found = [line for row in text.splitlines() if (line := _bare(row))]
    if not found:
        raise UnparsedError("cut off at the greatest number of tokens" if answer.text.strip() else "nothing was said")
    if _REFUSALS.match(found[0]):
        raise UnparsedError(f"a refusal: {_shown(found[0])}")
    return found[:most]


def unlike(text: str, parse: Callable[[Answer], str] = one_line) -> Callable[[Answer], str]:
    """`parse`, and what is said must differ from `text` in more than case, blanks and marks.

    Examples:
        >>> unlike("A plane takes off.")(Answer("a plane takes off"))
        Traceback (most recent call last):
        counterpoint.generating.parsing.UnparsedError: the same text again: 'a plane takes off'
    """

    def bare(line: str) -> str:
        return " ".join(re.findall(r"\w+", line.casefold()))

    def run(answer: Answer) -> str:
        said = parse(answer)
        if bare(said) == bare(text):
            raise UnparsedError(f"the same text again: {_shown(said)}")
        return said

    return run


def number(low: float, high: float) -> Callable[[Answer], float]:
    """The number that an answer begins with (after a label such as `Score:`), or else the only one in it.

    Where there are several and none comes first, which is meant is not guessed. Percentages, fractions, ranges and
    dates are no numbers.

    Args:
        low: The smallest that is taken.
        high: The largest.

    Examples:
        >>> parse = number(0, 1)
        >>> parse(Answer("0.8. Both say that 2 dogs run.")), parse(Answer("I would say 0.75, since they agree."))
        (0.8, 0.75)
        >>> parse(Answer("Between 0 and 1, they have 0.3"))
        Traceback (most recent call last):
        counterpoint.generating.parsing.UnparsedError: several numbers: 'Between 0 and 1, they have 0.3'
    """

    def run(answer: Answer) -> float:
        text = answer.text
        found = _NUMBER.match(text, _label(text))
        if found is None:
            every = list(_NUMBER.finditer(text))
            if len(every) != 1:
                raise UnparsedError(f"{'several numbers' if every else 'no number'}: {_shown(text)}")
            found = every[0]
        value = float(found[0])
        if answer.finish == "length" and found.end() == len(text.rstrip()):
            raise UnparsedError(f"a number that is cut off: {_shown(text)}")
        if not low <= value <= high:
            raise UnparsedError(f"{value:g} is not within {low:g} and {high:g}")
        return value

    return run


def choice(*names: str) -> Callable[[Answer], str]:
    """The one of these words that an answer begins with, or else the only one of them in it; case says nothing.

    Examples:
        >>> parse = choice("yes", "no")
        >>> parse(Answer("Yes, it does.")), parse(Answer("The answer is no."))
        ('yes', 'no')
    """

    # the longest first, so that "not relevant" is not "relevant"
    every = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    word = re.compile(rf"(?<!\w)(?:{every})(?!\w)", re.IGNORECASE)
    known = {name.casefold(): name for name in names}

    def run(answer: Answer) -> str:
        text = answer.text
        for begin in (0, _label(text)):
            if first := word.match(text, begin + len(text[begin:]) - len(text[begin:].lstrip(" \n*_\"'("))):
                return known[first[0].casefold()]
        found = {known[match.casefold()] for match in word.findall(text)}
        if len(found) != 1:
            raise UnparsedError(f"{'several' if found else 'none'} of {', '.join(names)}: {_shown(text)}")
        return found.pop()

    return run


def json_list(answer: Answer) -> list[str]:
    """The first JSON array of texts in an answer, whatever stands around it.

    Examples:
        >>> json_list(Answer('Here they are:\\n```json\\n["a cat", "a dog"]\\n```'))
        ['a cat', 'a dog']
    """

    def fits(value: Any) -> bool:
        return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)

    found: list[str] = _json(answer, "[", fits, "a JSON array of texts")
    return found


def json_fields(*names: str) -> Callable[[Answer], dict[str, str]]:
    """The first JSON object in an answer that has texts of these names; others are left out.

    Examples:
        >>> json_fields("task", "query")(Answer('{"task": "find a passage", "query": "who?", "why": 1}'))
        {'task': 'find a passage', 'query': 'who?'}
    """

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)

    def run(answer: Answer) -> dict[str, str]:
        value = _json(answer, "{", fits, f"a JSON object with {', '.join(names)}")
        return {name: value[name] for name in names}

    return run


def _json(answer: Answer, bracket: str, fits: Callable[[Any], bool], what: str) -> Any:
    decoder, text = json.JSONDecoder(), answer.text
    for opening in itertools.islice(re.finditer(re.escape(bracket), text), _OPENINGS):
        try:
            value, _ = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):  # a number or a nesting without end, too
            continue
        if fits(value):
            return value
    raise UnparsedError(f"not {what}: {_shown(text)}")


def _label(text: str) -> int:
    """Where what is said begins, after blanks and a label."""
    match = _LABEL.match(text)
    return match.end() if match else 0


def _bare(line: str) -> str:
    line = line.strip()
    if mark := _MARK.match(line):
        line = line[mark.end() :].strip()
    while len(line) > 1 and _QUOTES.get(line[0]) == line[-1]:
        line = line[1:-1].strip()
    return line


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 80 else text[:77] + "...")
