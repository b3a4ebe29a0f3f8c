"""Triplets that a language model writes and judges: a text, what follows from it, what contradicts it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError, refuse_string
from counterpoint.generating.asking import Sampling
from counterpoint.generating.generator import Generator
from counterpoint.generating.parsing import number, unlike
from counterpoint.generating.views import fill, texts_alone

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

ENTAILED = (
    "Write one sentence that must be true if the sentence below is, in other words.\n\n{text}",
    "Say what the sentence below says in one new sentence, as differently as you can.\n\n{text}",
    "What does the sentence below tell for certain? Answer with one short sentence.\n\n{text}",
)
CONTRADICTED = (
    "Write one sentence that cannot be true if the sentence below is.\n\n{text}",
    "Change some detail of the sentence below so that the new sentence contradicts it. Answer with it alone.\n\n{text}",
    "Say of the same scene, in one sentence, something that the sentence below rules out.\n\n{text}",
)
SCORE = (
    "How alike in meaning are both sentences below, from 0.0 (not at all) to 5.0 (the same)? Answer with a number.\n"
    "\n{first}\n{second}"
)
_DRAWN = Sampling(max_tokens=128, temperature=0.7, top_p=0.9)


def triplets_written(
    generator: Generator,
    entailed: Sequence[str] = ENTAILED,
    contradicted: Sequence[str] = CONTRADICTED,
    sampling: Sampling = _DRAWN,
) -> Prepare:
    """A step before training: texts alone get an entailment as their positive and a contradiction as their negative.

    For each text and each of both, a prompt is drawn from a pool by the seed of the run. With a `guidance` other than 1
    each is written against the prompt for its opposite. A row is left out where one of both fails for good. Sources:
    Zhang et al. 2023, "Contrastive Learning of Sentence Embeddings from Scratch" (pools of prompts); Wang et al. 2024,
    "Large Language Models can Contrastively Refine their Generation for Better Sentence Representation Learning"
    (opposite instructions). The prompts are our own.

    Args:
        generator: What writes them.
        entailed: Prompts with `{text}`, one or more.
        contradicted: Likewise.
        sampling: How they are drawn.

    Raises:
        InputError: A pool is empty, the items are no texts, nothing can be used, or the generator cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> denied = Rules(lambda prompt, draw: ("not " if "contra" in prompt else "oh ") + prompt.split("\\n")[-1])
        >>> step = triplets_written(Generator(denied), ["{text}"], ["contradict\\n{text}"])
        >>> found = step(Data.alone(Items("text", ["dogs run"])), nn.Identity(), 0)
        >>> found.schema, found.others.texts
        ('tuples', ['oh dogs run', 'not dogs run'])
    """
    for pool, name in ((entailed, "entailed"), (contradicted, "contradicted")):
        refuse_string(pool, name)
        if not pool:
            raise InputError(f"no prompt in {name}", fix="give one or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts, chosen, drawn = texts_alone(data), random.Random(seed), replace(sampling, seed=seed)
        both = [[fill(chosen.choice(pool), text=text) for pool in (entailed, contradicted)] for text in texts]
        prompts, against = [p for row in both for p in row], [p for row in both for p in reversed(row)]
        parsers = [unlike(text) for text in texts for _ in range(2)]
        results = [result for (result,) in generator.ask(prompts, parsers, drawn, against=against)]
        rows = list(zip(results[::2], results[1::2], strict=True))
        kept = [i for i, row in enumerate(rows) if all(result.value is not None for result in row)]
        if not kept:
            why = next((result.failure for row in rows for result in row if result.value is None), "there is no text")
            raise InputError(f"nothing that was written can be used (the first: {why})", fix="take a better model")
        places = torch.arange(2 * len(kept)).view(-1, 2)
        written = Items("text", [str(result.value) for i in kept for result in rows[i]])
        return replace(data[torch.tensor(kept)], others=written, positives=places[:, :1], negatives=places[:, 1:])

    return prepare


def triplets_curated(generator: Generator, least: float = 3.0, most: float = 3.0, template: str = SCORE) -> Prepare:
    """A step before training: a language model says how alike the two pairs of a triplet are, and what is wrong goes.

    Kept is what has a positive of at least `least` and a negative of at most `most`, of 5, which are not equal; where
    it is the other way round they change places. A row is left out, too, where an answer is no such number.

    Source: Wang et al. 2024, "Large Language Models can Contrastively Refine their Generation for Better Sentence
    Representation Learning", and the authors' code (their filter 15).

    Args:
        generator: What judges them.
        least: Of a positive, from 0 to 5.
        most: Of a negative.
        template: The prompt, with `{first}` and `{second}`.

    Raises:
        InputError: of the step: rows are not of one positive and one negative each, or none is left.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.generating import Rules
        >>> judge = Generator(Rules(lambda prompt, draw: "5" if "dog" in prompt.split("\\n")[-1] else "1"))
        >>> data = rows_of([Example("a dog", ("cats",), ("dogs",)), Example("a dog", ("cats",), ("birds",))])
        >>> found = triplets_curated(judge)(data, nn.Identity(), 0)
        >>> found.others.texts[found.positives[0, 0]], len(found)
        ('dogs', 1)
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        sides = (data.positives, data.negatives)
        if data.others is None or any(side is None or side.shape[1] != 1 or bool((side < 0).any()) for side in sides):
            raise InputError("what is judged are triplets", fix="give rows with one positive and one negative each")
        pairs = torch.cat([side for side in sides if side is not None], 1)
        texts, others = data.anchors.texts, data.others.texts
        asked = [
            fill(template, first=texts[a], second=others[j])
            for a, row in zip(data.anchor.tolist(), pairs.tolist(), strict=True)
            for j in row
        ]
        said = [result.value for (result,) in generator.ask(asked, number(0, 5))]
        score = torch.tensor([torch.nan if value is None else value for value in said]).view(-1, 2)
        high, order = score.sort(dim=1, descending=True, stable=True)
        # a comparison with NaN holds of none
        kept = (high[:, 0] >= least) & (high[:, 1] <= most) & (high[:, 0] > high[:, 1])
        if not bool(kept.any()):
            raise InputError(
                f"the judge keeps none of {len(data):,} triplets", fix="take a better model or other bounds"
            )
        pairs = pairs.gather(1, order)[kept]
        return replace(data[kept], positives=pairs[:, :1], negatives=pairs[:, 1:])

    return prepare
