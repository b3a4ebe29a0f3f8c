"""Pairs that a language model writes and grades: a text, the same with some of its words masked and filled in anew."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.generating.asking import Answer, Sampling
from counterpoint.generating.generator import Generator
from counterpoint.generating.parsing import UnparsedError, number, one_line
from counterpoint.generating.views import PARAPHRASE, fill, texts_alone

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

MASK = "<mask>"
RATES = tuple(i / 10 for i in range(9))
FILL_IN = (
    "Put one word or more in the place of each <mask>, so that there is a new sentence. Answer with it alone.\n\n{text}"
)
LIKENESS = (
    "How alike in meaning are both sentences below, from 0.0 (not at all) to 1.0 (the same)? Answer with a number.\n"
    "\n{first}\n{second}"
)
_DRAWN = Sampling(max_tokens=128, temperature=0.7, top_p=0.9)


def masked(text: str, rate: float, draw: random.Random, merged: float = 0.5) -> str:
    """A text in which `ceil(rate * words)` words, drawn without replacement, are masks.

    Args:
        text: Words with blanks between them.
        rate: From 0 to 1.
        draw: Random numbers.
        merged: How often masks that stand side by side become one.

    Examples:
        >>> masked("one two three", 1.0, random.Random(0), merged=1.0)
        '<mask>'
    """
    words = text.split()
    for i in draw.sample(range(len(words)), math.ceil(len(words) * rate)):
        words[i] = MASK
    if draw.random() < merged:
        words = [word for i, word in enumerate(words) if word != MASK or i == 0 or words[i - 1] != MASK]
    return " ".join(words)


def pairs_written(
    generator: Generator,
    rates: Sequence[float] = RATES,
    template: str = FILL_IN,
    paraphrase: str = PARAPHRASE,
    sampling: Sampling = _DRAWN,
) -> Prepare:
    """A step before training: each text becomes pairs with versions of it, one for each rate at which words are masked.

    A language model fills the masks in; where none is, at a rate of 0, it is asked for a paraphrase. A version in which
    a mask is left is asked for again; one that fails for good is left out. Some versions are the text itself. Source:
    Cheng et al. 2023, "Improving Contrastive Learning of Sentence Embeddings from AI Feedback" (CLAIF), and the
    authors' code. The prompts are our own.

    Args:
        generator: What fills in.
        rates: From 0 to 1, one or more.
        template: The prompt, with `{text}`, whose masks are `<mask>`.
        paraphrase: That for a rate of 0.
        sampling: How versions are drawn.

    Raises:
        InputError: No rate or one out of its range, the items are no texts, nothing can be used, or the generator
            cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> owls = Rules(lambda prompt, draw: prompt.split("\\n")[-1].replace("<mask>", "owls"))
        >>> step = pairs_written(Generator(owls), [0.0, 1.0])
        >>> step(Data.alone(Items("text", ["cats"])), nn.Identity(), 0).others.texts
        ['cats', 'owls']
    """
    if not rates or not all(0 <= rate <= 1 for rate in rates):
        raise InputError(f"masks at rates of {list(rates)}", fix="give one or more, from 0 to 1")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts, draw = texts_alone(data), random.Random(seed)
        prompts = [
            fill(template, text=masked(text, rate, draw)) if rate else fill(paraphrase, text=text)
            for text in texts
            for rate in rates
        ]
        results = [result for (result,) in generator.ask(prompts, _without_mask, replace(sampling, seed=seed))]
        kept = [i for i, result in enumerate(results) if result.value is not None]
        if not kept:
            why = results[0].failure if results else "there is no text"
            raise InputError(f"nothing that was written can be used (the first: {why})", fix="take a better model")
        others = Items("text", [str(results[i].value) for i in kept])
        rows = torch.tensor(kept) // len(rates)
        return replace(data[rows], others=others, positives=torch.arange(len(kept))[:, None])

    return prepare


def pairs_graded(generator: Generator, template: str = LIKENESS, sampling: Sampling = _DRAWN) -> Prepare:
    """A step before training: a language model says how alike anchor and positive are, column `score`, from 0 to 1.

    A row whose answer is no such number is left out. What else rows have, such as negatives, stays. Source: as
    `pairs_written`.

    Args:
        generator: What judges.
        template: The prompt, with `{first}` and `{second}`.
        sampling: How its answers are drawn.

    Raises:
        InputError: of the step: rows without one positive each, no answer can be used, or the generator cannot go on.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.generating import Rules
        >>> judge = Generator(Rules(lambda prompt, draw: "0.9" if "dog" in prompt else "unsure"))
        >>> found = pairs_graded(judge)(rows_of([Example("a dog", ("dogs",)), Example("a cat", ("cats",))]), None, 0)
        >>> found.anchors.texts[found.anchor[0]], found.columns["score"].tolist()
        ('a dog', [0.8999999761581421])
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        pairs = _texts(data)
        asked = [fill(template, first=first, second=second) for first, second in pairs]
        results = [result for (result,) in generator.ask(asked, number(0, 1), replace(sampling, seed=seed))]
        score = torch.tensor([math.nan if result.value is None else result.value for result in results])
        kept = ~score.isnan()
        if not bool(kept.any()):
            why = results[0].failure if results else "there is no pair"
            raise InputError(f"no grade can be used (the first: {why})", fix="take a better model")
        return replace(data[kept], columns={**data[kept].columns, "score": score[kept]})

    return prepare


def pairs_kept(most: int = 2, smoothing: float = 0.2, others: int = 2) -> Prepare:
    """A step before training: graded pairs are thinned out and smoothed, and pairs of nothing alike are added.

    Left out are pairs of a text with itself, pairs that are there already, and what is beyond `most` versions of a text
    with one grade, in an order drawn by the seed. A grade `y` of 0 to 1 becomes `(1 - smoothing) y + smoothing / 2`.
    For each text `others` pairs with any of all versions are added, drawn by the seed, of grade 0, which stays so.
    Source: as `pairs_written`, whose code follows Schick and Schuetze 2021, "Generating Datasets with Pretrained
    Language Models" (DINO).

    Args:
        most: Versions of a text with one grade; 1 or more.
        smoothing: From 0 to 1.
        others: Pairs of grade 0 for each text.

    Raises:
        InputError: A number out of its range; of the step: rows without a grade or one positive each, or none is left.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> rows = rows_of([Example("a dog", ("dogs",), score=1.0), Example("a dog", ("a dog",), score=1.0)])
        >>> found = pairs_kept(others=1)(rows, nn.Identity(), 0)
        >>> [round(y, 2) for y in found.columns["score"].tolist()]
        [0.9, 0.0]
    """
    if most < 1 or not 0 <= smoothing <= 1 or others < 0:
        raise InputError(f"{most} versions a grade, smoothing of {smoothing}, {others} others", fix="see the ranges")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        pairs, draw, seen = _texts(data), random.Random(seed), set[tuple[str, str]]()
        if "score" not in data.columns:
            raise InputError("pairs without a grade", file=data.source or None, fix="let a judge grade them before")
        grades, number_of, kept = data.columns["score"].tolist(), dict[tuple[str, float], int](), list[int]()
        for i in draw.sample(range(len(pairs)), len(pairs)):
            first, second = pairs[i]
            alike = number_of.get((first, grades[i]), 0)
            if first == second or pairs[i] in seen or alike == most:
                continue
            seen.add(pairs[i])
            number_of[first, grades[i]] = alike + 1
            kept.append(i)
        if not kept:
            raise InputError(
                "no pair is left", file=data.source or None, fix="give versions that differ from the texts"
            )
        # one row of each text, in order
        first_rows = {pairs[i][0]: i for i in reversed(kept)}.values()
        added = [(i, draw.choice(kept)) for i in sorted(first_rows) for _ in range(others)]
        rows = torch.tensor([*kept, *(i for i, _ in added)])
        versions = torch.tensor([*kept, *(j for _, j in added)])
        score = data.columns["score"][rows] * (1 - smoothing) + smoothing / 2
        score[len(kept) :] = 0
        assert data.positives is not None
        found = data[rows]
        return replace(found, positives=data.positives[versions], columns={**found.columns, "score": score})

    return prepare


def _texts(data: Data) -> list[tuple[str, str]]:
    """The texts of each pair.

    Raises:
        InputError: There are none.
    """
    if (
        data.others is None
        or data.positives is None
        or data.positives.shape[1] != 1
        or bool((data.positives < 0).any())
    ):
        raise InputError("what is graded are pairs", fix="give rows with one positive each")
    firsts = [data.anchors.texts[i] for i in data.anchor.tolist()]
    return list(zip(firsts, (data.others.texts[i] for i in data.positives[:, 0].tolist()), strict=True))


def _without_mask(answer: Answer) -> str:
    text = one_line(answer)
    if MASK in text:
        raise UnparsedError(f"a mask is left: {text!r}")
    return text
