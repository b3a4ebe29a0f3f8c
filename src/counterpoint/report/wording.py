"""The report's sentences: the verdict, how sure it is, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counterpoint.report.content import Content, Difference, Figure, Group

BETTER, WORSE, UNCLEAR = "clearly better", "clearly worse", "no clear difference"
UNANSWERED = "no baseline"
"""What being ahead of a system is that found nothing for most items."""


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number with `digits` decimals and a true minus; a dash where there is none.

    Examples:
        >>> number(-0.0312), number(0.5, 2, sign=True), number(None), number(12345.6, 0)
        ('−0.031', '+0.50', '–', '12,346')
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    return f"{value:{'+' if sign else 'z'},.{digits}f}".replace("-", "−")


def decimals(figure: Figure | Difference) -> int:
    """Three decimals, or four where the interval is narrower than 0.015.

    Examples:
        >>> decimals(Figure(0.82, 0.80, 0.84)), decimals(Figure(0.8203, 0.8190, 0.8216))
        (3, 4)
    """
    narrow = figure.low is not None and figure.high is not None and 0 < figure.high - figure.low < 0.015
    return 4 if narrow else 3


def interval(figure: Figure | Difference) -> str:
    """The interval as "low to high", or nothing where there is none.

    Examples:
        >>> interval(Difference("a", "b", "MRR@10", 0.004, -0.01, 0.018)), interval(Figure(0.5))
        ('−0.010 to +0.018', '')
    """
    if figure.low is None or figure.high is None:
        return ""
    sign, digits = isinstance(figure, Difference), decimals(figure)
    return f"{number(figure.low, digits, sign=sign)} to {number(figure.high, digits, sign=sign)}"


def judge(difference: Difference) -> str:
    """Say what the interval of a difference allows to say.

    Examples:
        >>> judge(Difference("trained", "BM25", "MRR@10", 0.004, -0.01, 0.018))
        'no clear difference'

    Being ahead of a system that found nothing at all for more than half of the items says nothing.

        >>> judge(Difference("trained", "BM25", "MRR@10", 0.604, 0.59, 0.618, answered=0.03))
        'no baseline'

    Of a rank less is more.

        >>> judge(Difference("trained", "untrained", "mean rank", -30.0, -40.0, -20.0, lower=True))
        'clearly better'
    """
    if not difference.clear:
        return UNCLEAR
    if (difference.low is not None and difference.low > 0) == difference.lower:
        return WORSE
    return UNANSWERED if difference.answered is not None and difference.answered < 0.5 else BETTER


def primary(content: Content) -> list[Difference]:
    """The differences of the primary metric: the model's own first, then the others, each in their order."""
    own = [d for d in content.differences if d.metric == content.metric]
    return sorted(own, key=lambda d: d.a != content.model.name)


def grouped(content: Content) -> dict[str, list[Group]]:
    """The groups of each column, and after them all items together."""
    found: dict[str, list[Group]] = {}
    for group in content.groups:
        found.setdefault(group.column, []).append(group)
    own = tuple(d for d in primary(content) if d.a == content.model.name)
    return {column: [*groups, Group(column, "all", content.systems, own)] for column, groups in found.items()}


def rival(group: Group) -> Difference | None:
    """The difference of the model from the first of the systems, which is the main baseline, in a group."""
    return next((d for s in group.systems[:1] for d in group.differences if d.b == s.name), None)


def verdict(content: Content) -> tuple[str, str]:
    """A word and a sentence: is the trained model better than what it was compared with, on the primary metric?

    Examples:
        >>> from counterpoint.report.content import Data, Model
        >>> unclear = Difference("trained", "BM25", "MRR@10", 0.004, -0.01, 0.018)
        >>> verdict(Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), (), (unclear,)))
        ('Not clear', 'No clear difference from BM25.')
        >>> nothing = Difference("trained", "BM25", "MRR@10", 0.6, 0.5, 0.7, answered=0.03)
        >>> verdict(Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), (), (nothing,)))
        ('Not compared', 'Being ahead of BM25 says nothing: it found nothing for 97% of the queries.')

    Where there are groups of items, it says in which the model is better than the main baseline; it is better in part
    if it is clearly worse in one.

        >>> from counterpoint.report.content import Group, System
        >>> better = Difference("trained", "BM25", "MRR@10", 0.1, 0.08, 0.12)
        >>> systems = (System("BM25", {}), System("trained", {}))
        >>> names = {"Italian": better, "English": unclear}
        >>> groups = tuple(Group("language", name, systems, (d,)) for name, d in names.items())
        >>> print(verdict(Content("demo", "MRR@10", Model("trained"), Data("a"), systems, (better,), groups))[1])
        Clearly better than BM25. By language, against BM25: clearly better in Italian; no clear difference in English.
    """
    own = [d for d in primary(content) if d.a == content.model.name]
    rivals = {kind: [d.b for d in own if judge(d) == kind] for kind in (BETTER, WORSE, UNCLEAR)}
    phrases = {BETTER: "clearly better than", UNCLEAR: "no clear difference from", WORSE: "clearly worse than"}
    parts = [f"{phrases[kind]} {all_of(names)}" for kind, names in rivals.items() if names]
    nothing = [
        f"Being ahead of {d.b} says nothing: it found nothing for {1 - (d.answered or 0):.0%} of the {content.unit}."
        for d in own
        if judge(d) == UNANSWERED
    ]
    if not parts:
        return "Not compared", " ".join(nothing) or "There is nothing to compare the model with."
    said, worse = _by_group(content)
    if rivals[BETTER]:
        word = "In part" if rivals[UNCLEAR] or rivals[WORSE] or worse else "Yes"
    else:
        word = "No" if rivals[WORSE] else "Not clear"
    sentence = "; ".join(parts) + "."
    return word, " ".join([sentence[0].upper() + sentence[1:], *nothing, *said])


def _by_group(content: Content) -> tuple[list[str], bool]:
    """A sentence for each column by which items are grouped, and whether the model is clearly worse in a group."""
    said: list[str] = []
    kinds: set[str] = set()
    for column, groups in grouped(content).items():
        found: dict[str, list[str]] = {}
        for group in groups[:-1]:
            if (difference := rival(group)) is not None:
                found.setdefault(judge(difference), []).append(group.name)
        kinds |= found.keys()
        if found:
            told = "; ".join(f"{kind} in {all_of(names)}" for kind, names in found.items())
            said.append(f"By {column}, against {content.systems[0].name}: {told}.")
    return said, WORSE in kinds


def sure(content: Content) -> list[str]:
    """How sure the verdict is, and for a difference that is not clear, what would make it so.

    The width of an interval goes with 1 / sqrt(n), so a difference v whose interval reaches h to either side needs
    about (h / v)^2 times as many items.

    Examples:
        >>> from counterpoint.report.content import Data, Model
        >>> unclear = Difference("trained", "BM25", "MRR@10", 0.01, -0.01, 0.03)
        >>> sure(Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), (), (unclear,)))[1]
        'To tell trained from BM25, if the difference is what it looks, takes about 4 times as many queries.'
    """
    shown = primary(content)
    counts = {d.n for d in shown if d.n}
    if not shown:
        return []
    if content.unit == "seeds":
        over = f"{max(counts, default=0)} seeds"
        first = f"Intervals are 95%, Student's t over {over}. They cover another seed, not other data."
    else:
        over = f" over {max(counts):,} held-out {content.unit}" if counts else ""
        first = (
            f"Intervals are 95%, from a paired bootstrap{over}. They cover the choice of {content.unit}, "
            "not another training seed."
        )
    sentences = [first]
    for d in shown:
        if not d.clear and d.value and d.low is not None and d.high is not None:
            times = ((d.high - d.low) / 2 / d.value) ** 2
            if 1 < times < 100:
                sentences.append(
                    f"To tell {d.a} from {d.b}, if the difference is what it looks, takes about "
                    f"{times:.{0 if times >= 2 else 1}f} times as many {content.unit}."
                )
    return sentences


def clip(text: str, length: int = 240) -> str:
    """The text on one line, cut to `length` characters at a word where there is one near.

    Examples:
        >>> clip("a long text of many words", 14)
        'a long text…'
    """
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    head = line[: length - 1]
    return head[: head.rfind(" ")] + "…" if head.rfind(" ") > length / 2 else head + "…"


def lower(content: Content) -> list[str]:
    """The metrics that are better when lower.

    Examples:
        >>> from counterpoint.report.content import Data, Model, System
        >>> systems = (System("trained", {"mean rank": Figure(12.0, lower=True), "MRR": Figure(0.4)}),)
        >>> lower(Content("demo", "MRR", Model("trained"), Data("a.tsv"), systems))
        ['mean rank']
    """
    return sorted({name for system in content.systems for name, figure in system.figures.items() if figure.lower})


def all_of(names: Sequence[str]) -> str:
    """Names in a row.

    Examples:
        >>> all_of(["a", "b", "c"])
        'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
