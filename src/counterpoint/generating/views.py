"""Positives that a language model writes: steps before training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError, refuse_string
from counterpoint.generating.asking import Answer, Sampling
from counterpoint.generating.generator import Generator, Result
from counterpoint.generating.parsing import UnparsedError, one_line, unlike, whole

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare
    from counterpoint.views.words import WordView

PARAPHRASE = "Say the following in other words, with the same meaning, in one line and nothing else.\n\n{text}"
TRANSLATE = "Translate the following into {language}, in one line and nothing else.\n\n{text}"
REWRITE = (
    "Rewrite the sentence below with other words and another structure, so that it still means the same. Answer with "
    "the new sentence and nothing else.\n\n{text}"
)
_GUIDED = Sampling(max_tokens=100, guidance=1.5)
_DRAWN = Sampling(max_tokens=128, temperature=0.7, top_p=0.9)


def fill(template: str, **fields: str) -> str:
    """A template with `{name}` replaced by the field of that name; other braces stay.

    Raises:
        InputError: It names a field that is not there.

    Examples:
        >>> fill('Answer {"score": 1}: is {text} polite?', text="{name}!")
        'Answer {"score": 1}: is {name}! polite?'
    """

    def one(match: re.Match[str]) -> str:
        if match[1] not in fields:
            raise InputError(f"the template names {match[0]}", fix=f"known are: {', '.join(sorted(fields))}")
        return fields[match[1]]

    return re.sub(r"\{([A-Za-z_]\w*)\}", one, template)


def paraphrased(
    generator: Generator, template: str = PARAPHRASE, sampling: Sampling = _DRAWN, *, samples: int = 1
) -> Prepare:
    """A step before training: texts alone become texts with `samples` paraphrases each, their positives.

    What is no paraphrase (nothing, a refusal, a line that is cut off, the same text) is asked for again; a row one of
    whose samples fails for good is left out, which the stage says. The seed of the run is that of the draws.

    Args:
        generator: What writes them.
        template: The prompt, with `{text}`.
        sampling: How they are drawn.
        samples: Paraphrases a text.

    Raises:
        InputError: The items are no texts, no text has a paraphrase, or the generator cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> turned = Rules(lambda prompt, draw: " ".join(reversed(prompt.split("\\n")[-1].split())))
        >>> step = paraphrased(Generator(turned))
        >>> step(Data.alone(Items("text", ["dogs run", "cats sleep"])), nn.Identity(), 0).others.texts
        ['run dogs', 'sleep cats']
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts = texts_alone(data)
        prompts = [fill(template, text=text) for text in texts]
        drawn = replace(sampling, seed=seed)
        return _with_positives(data, generator.ask(prompts, [unlike(t) for t in texts], drawn, samples=samples))

    return prepare


def in_other_words(
    generator: Generator, template: str = PARAPHRASE, sampling: Sampling = _DRAWN, **fields: str
) -> WordView:
    """A view of words: a text as a language model says it in other words, the same whenever it is seen.

    Where what is said cannot be used, as in `paraphrased`, the text stays as it is. Answers are kept by the generator,
    so that a text costs something once; `Generator.ask` for all texts before training is faster.

    Args:
        generator: What says it.
        template: The prompt, with `{text}`.
        sampling: How it is drawn.
        **fields: What else the template names.

    Raises:
        InputError: of the view: the template names something else, or the generator cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> turned = Rules(lambda prompt, draw: " ".join(reversed(prompt.split("\\n")[-1].split())))
        >>> in_other_words(Generator(turned))("dogs run", torch.Generator())
        'run dogs'
    """

    def view(text: str, _generator: torch.Generator) -> str:
        ((result,),) = generator.ask([fill(template, text=text, **fields)], [unlike(text)], sampling)
        return text if result.value is None else result.value

    return view


def back_translated(
    generator: Generator,
    languages: Sequence[str] = ("German",),
    source: str = "English",
    template: str = TRANSLATE,
    sampling: Sampling = _DRAWN,
) -> Prepare:
    """A step before training: texts alone become texts with their translations there and back, one a language.

    (Sennrich, Haddow and Birch 2016 made such texts; as two views, for example, in SCT, Limkonchotiwat et al. 2023.)
    What cannot be used is treated as in `paraphrased`; that a text comes back as it was is none of it.

    Args:
        generator: What translates.
        languages: Through which, one or more; each gives one positive.
        source: The language of the texts.
        template: The prompt of both ways, with `{language}` and `{text}`.
        sampling: How translations are drawn.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> shouting = Rules(lambda prompt, draw: prompt.split("\\n")[-1].swapcase())
        >>> data = Data.alone(Items("text", ["dogs run"]))
        >>> back_translated(Generator(shouting))(data, nn.Identity(), 0).others.texts
        ['dogs run']
    """
    refuse_string(languages, "languages")
    if not languages:
        raise InputError("no language to translate into", fix="give one or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        drawn, texts = replace(sampling, seed=seed), texts_alone(data)
        pairs = [(text, language) for text in texts for language in languages]
        asked = [fill(template, text=text, language=language) for text, language in pairs]
        there = [result for (result,) in generator.ask(asked, one_line, drawn)]
        abroad = [fill(template, text=result.value, language=source) for result in there if result.value is not None]
        back = iter(generator.ask(abroad, one_line, drawn))
        every = [result if result.value is None else next(back)[0] for result in there]
        k = len(languages)
        return _with_positives(data, [every[i * k : (i + 1) * k] for i in range(len(texts))])

    return prepare


def rewritten(generator: Generator, rounds: int = 32, template: str = REWRITE, sampling: Sampling = _GUIDED) -> Prepare:
    """A step before training: texts alone become texts with a list of rewrites, each of the one before.

    A rewrite is written against what the same prompt says of the text before the one that is rewritten
    (`Sampling.guidance`), so that texts move on; in the first round both prompts are of the text itself. A row is left
    out if something of several lines was written, or nothing, or if one of its last two texts is in its list three
    times or more. Source: He et al. 2025, "Refining Sentence Embedding Model through Ranking Sentences Generation with
    Large Language Models", and the authors' code.

    Args:
        generator: What writes them.
        rounds: Rewrites a text, 1 or more.
        template: The prompt, with `{text}`.
        sampling: How they are drawn.

    Raises:
        InputError: No rounds, the items are no texts, no list is left, or the generator cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> shorter = Rules(lambda prompt, draw: prompt.split("\\n")[-1].rpartition(" ")[0])
        >>> step = rewritten(Generator(shorter), rounds=2)
        >>> step(Data.alone(Items("text", ["big dogs run"])), nn.Identity(), 0).others.texts
        ['big dogs', 'big']
    """
    if rounds < 1:
        raise InputError(f"{rounds} rewrites of a text", fix="give 1 or more; 32 are theirs")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        lists, drawn = [[text, text] for text in texts_alone(data)], replace(sampling, seed=seed)
        results: list[list[Result[str]]] = [[] for _ in lists]
        for _ in range(rounds):
            going = [i for i, row in enumerate(results) if not row or row[-1].value is not None]
            current, before = ([fill(template, text=lists[i][place]) for i in going] for place in (-1, -2))
            for i, (result,) in zip(going, generator.ask(current, _in_a_line, drawn, against=before), strict=True):
                results[i].append(result)
                lists[i].append(result.value or "")
        for row, texts in zip(results, lists, strict=True):
            if row[-1].value is not None and max(texts[1:].count(text) for text in texts[-2:]) > 2:
                row[-1] = Result(None, row[-1].answers, f"the same again and again: {texts[-1]!r}")
            row += [row[-1]] * (rounds - len(row))
        return _with_positives(data, results)

    return prepare


def _in_a_line(answer: Answer) -> str:
    text = whole(answer).strip("`").strip()
    if not text or "\n" in text:
        raise UnparsedError(f"not one line: {text!r}")
    return text


def texts_alone(data: Data) -> list[str]:
    """The text of each row.

    Raises:
        InputError: They are no texts, or have positives already.
    """
    if data.anchors.modality != "text" or data.others is not None:
        raise InputError("a language model writes positives of texts alone", fix="leave the step out for other data")
    return [data.anchors.texts[i] for i in data.anchor.tolist()]


def _with_positives(data: Data, results: list[list[Result[str]]]) -> Data:
    """The rows of which nothing failed, with what was written as their positives."""
    whole = [all(result.value is not None for result in row) for row in results]
    if results and not any(whole):
        why = next(result.failure for result in results[0] if result.value is None)
        raise InputError(
            f"nothing that was written for {len(results):,} texts can be used (the first: {why})",
            fix="change the prompt, or take a better model",
        )
    kept = torch.tensor([i for i, is_whole in enumerate(whole) if is_whole], dtype=torch.long)
    written = [str(result.value) for i in kept.tolist() for result in results[i]]
    columns = len(results[0]) if results else 1
    positives = torch.arange(len(written)).view(-1, columns)
    return replace(data[kept], others=Items("text", written), positives=positives)
