"""A view of a text's characters: typing errors."""

from __future__ import annotations

import torch

from counterpoint.views._draw import below
from counterpoint.views.words import WordView

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ALIKE = {"0": "o", "1": "li", "5": "s", "6": "b", "8": "b", "9": "g", "b": "68", "g": "9q", "i": "1l", "l": "1i"}
_ALIKE |= {"o": "0", "q": "g", "s": "5", "z": "2", "2": "z", "u": "v", "v": "u", "c": "e", "e": "c"}
"""Characters that a scanner takes for one another."""


def typos(times: int = 1) -> WordView:
    """Errors of a typist or a scanner, each of a kind drawn from six, at a letter or digit that is drawn.

    Two neighbours change places; a character is left out, put in, or becomes another; a neighbour on the keyboard
    (QWERTY); one that looks alike. Blanks stay, and so does the last letter or digit of a text. Source: PEARL (Chen et
    al. 2024), the authors' code, which has these six kinds with equal chances, one character a phrase.

    Args:
        times: How many.

    Examples:
        >>> typos()("a cat sleeps", torch.Generator().manual_seed(3))
        'a cat slefeps'
    """

    def view(text: str, generator: torch.Generator) -> str:
        for _ in range(times):
            places = [i for i, character in enumerate(text) if character.isalnum()]
            if len(places) < 2:
                return text
            text = _wrong(text, places[below(len(places), generator)], below(6, generator), generator)
        return text

    return view


def _wrong(text: str, at: int, kind: int, generator: torch.Generator) -> str:
    before, here, after = text[:at], text[at], text[at + 1 :]
    if kind == 0:
        # with the next, or with the one before
        if after[:1].isalnum():
            return before + after[0] + here + after[1:]
        return before[:-1] + here + before[-1] + after if before[-1:].isalnum() else text
    if kind == 1:
        return before + after
    if kind == 2:
        return before + here + _drawn(_LETTERS, generator) + after
    near = {4: _neighbours(here.lower()), 5: _ALIKE.get(here.lower(), "")}.get(kind) or _LETTERS.replace(
        here.lower(), ""
    )
    new = _drawn(near, generator)
    return before + (new.upper() if here.isupper() else new) + after


def _drawn(characters: str, generator: torch.Generator) -> str:
    return characters[below(len(characters), generator)]


def _neighbours(character: str) -> str:
    """The keys around a key."""
    for r, row in enumerate(_ROWS):
        at = row.find(character)
        if at >= 0:
            beside = row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            above = _ROWS[r - 1][at : at + 2] if r else ""
            below_it = _ROWS[r + 1][max(0, at - 1) : at + 1] if r + 1 < len(_ROWS) else ""
            return beside + above + below_it
    return ""
