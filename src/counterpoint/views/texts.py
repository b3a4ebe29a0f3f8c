"""Steps before training that make pairs of texts: with a view, a neighbour, parts, definitions; and noise in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.passages import in_sentences
from counterpoint.data.types import Example
from counterpoint.errors import InputError, refuse_string
from counterpoint.search.words import spaceless
from counterpoint.views.words import WordView, deletion

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def deleted_words(share: float) -> Prepare:
    """A step before training: texts alone become pairs of each with itself without a share of its words.

    Source: Gao et al. 2021, "SimCSE", table 1's word deletion.

    Examples:
        >>> data = Data.alone(Items("text", ["one two three four"]))
        >>> deleted_words(0.5)(data, nn.Identity(), 0).others.texts
        ['three four']
    """
    return paired(deletion(share))


def paired(view: WordView) -> Prepare:
    """A step before training: each text becomes a pair with its view, which is drawn once, here.

    For what is dear to make, or is published so: a translation there and back, a paraphrase by a language model, any
    function of a text, `lambda text, generator: f(text)`. What is cheap is drawn anew in every step by `TextView`.

    Examples:
        >>> data = Data.alone(Items("text", ["a cat", "a dog"]))
        >>> paired(lambda text, generator: text.upper())(data, nn.Identity(), 0).others.texts
        ['A CAT', 'A DOG']
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        generator = torch.Generator().manual_seed(seed)
        views = [view(data.anchors.texts[i], generator) for i in data.anchor.tolist()]
        return replace(data, others=Items("text", views), positives=torch.arange(len(data))[:, None])

    return prepare


def neighbours(column: str = "document") -> Prepare:
    """A step before training: each text becomes a pair with the next one, where both are of one document.

    Texts are in their order; the column, where there is one, says which document each is of. Source: the next sentence
    of DiscSent (Jernite et al. 2017), the neighbours of USE and DiscoEval, Logeswaran and Lee 2018 ("Quick thoughts").

    Examples:
        >>> data = Data.alone(Items("text", ["one", "two", "three"]), document=torch.tensor([0, 0, 1]))
        >>> pairs = neighbours()(data, nn.Identity(), 0)
        >>> [(pairs.anchors.texts[a], pairs.others.texts[b]) for a, (b,) in zip(pairs.anchor, pairs.positives)]
        [('one', 'two')]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        document = data.columns.get(column, torch.zeros(len(data), dtype=torch.long))
        first = (document[:-1] == document[1:]).nonzero()[:, 0]
        return replace(data[first], others=data.anchors, positives=data.anchor[first + 1][:, None])

    return prepare


def inverse_cloze(kept: float = 0.1) -> Prepare:
    """A step before training: one sentence of each text, drawn at random, becomes a pair with the rest of the text.

    A query is about a document and has few of its words; so is a sentence of the text that it was taken from. With
    probability `kept` it stays in the text, so that the same words count, too. Texts of one sentence are left out, and
    sentences of one word are not drawn (where they can be told: in a script with blanks). Source: Lee et al. 2019,
    "Latent Retrieval for Weakly Supervised Open Domain Question Answering", the inverse cloze task, whose probability
    it is.

    Args:
        kept: 0 to 1.

    Raises:
        InputError: No probability.

    Examples:
        >>> data = Data.alone(Items("text", ["It is red. It flies.", "one alone"]))
        >>> pairs = inverse_cloze(kept=0)(data, nn.Identity(), 0)
        >>> pairs.anchors[pairs.anchor].texts, pairs.others.texts
        (['It is red.'], ['It flies.'])
    """
    if not 0 <= kept <= 1:
        raise InputError(f"{kept} is no probability", fix="give 0 to 1")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        generator = torch.Generator().manual_seed(seed)
        rows, asked, rest = list[int](), list[str](), list[str]()
        for row, i in enumerate(data.anchor.tolist()):
            sentences = in_sentences(data.anchors.texts[i])
            drawn = [k for k, found in enumerate(sentences) if " " in found or any(map(spaceless, found))]
            if len(sentences) > 1 and drawn:
                k = drawn[int(torch.randint(len(drawn), (), generator=generator))]
                stays = float(torch.rand((), generator=generator)) < kept
                rows.append(row)
                asked.append(sentences[k])
                rest.append(" ".join(sentences if stays else sentences[:k] + sentences[k + 1 :]))
        n = torch.arange(len(rows))
        return replace(
            data[torch.tensor(rows, dtype=torch.long)],
            anchors=Items("text", asked),
            anchor=n,
            others=Items("text", rest),
            positives=n[:, None],
        )

    return prepare


def in_half(text: str) -> tuple[str, str]:
    """The first half of a text's words, and the second, which is never shorter.

    Examples:
        >>> in_half("one two three")
        ('one', 'two three')
    """
    words = text.split()
    return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def in_pieces(text: str, longest: int) -> list[str]:
    """A text's words in pieces of about the same length, of at most so many words; two of a text that is shorter.

    Args:
        text: Of one word it is one piece.
        longest: 1 or more.

    Examples:
        >>> in_pieces("one two three four five", 2), in_pieces("one two three", 96)
        (['one two', 'three', 'four five'], ['one two', 'three'])
    """
    words = text.split()
    number = max(min(2, len(words)), -(-len(words) // longest))
    ends = [round(i * len(words) / max(number, 1)) for i in range(number + 1)]
    return [" ".join(words[a:b]) for a, b in pairwise(ends)]


def parts(split: Callable[[str], Sequence[str]] = in_half) -> Prepare:
    """A step before training: each text has its parts for positives, which `procedures.Composed` makes one key of.

    Texts of fewer parts than others, or with an empty one, are left out. Source: Chanchani and Huang 2023,
    "Composition-contrastive Learning for Sentence Embeddings" (CompCSE), section 3, whose phrases are a discourse
    parser's.

    Args:
        split: From a text to its parts.

    Examples:
        >>> data = Data.alone(Items("text", ["one two three", "four"]))
        >>> halved = parts()(data, nn.Identity(), 0)
        >>> halved.others.texts, halved.positives.tolist()
        (['one', 'two three'], [[0, 1]])
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        pieces = _lists(split, data)
        most = max(map(len, pieces), default=0)
        kept = [i for i, found in enumerate(pieces) if len(found) == most and all(part.strip() for part in found)]
        items = Items("text", [part for i in kept for part in pieces[i]])
        rows = torch.tensor(kept, dtype=torch.long)
        return replace(data[rows], others=items, positives=torch.arange(len(items)).view(len(kept), -1))

    return prepare


def defined(definitions: Callable[[str], Sequence[str]]) -> Prepare:
    """A step before training: each word becomes a pair with each of its definitions; those without are left out.

    Source: DefSent+ (Liu et al. 2024) and DefSent (Tsukagoshi et al. 2021), who classify definitions into words.

    Args:
        definitions: Of a word, such as `counterpoint.data.WordNet().definitions`.

    Examples:
        >>> data = Data.alone(Items("text", ["cat", "xyz"]))
        >>> pairs = defined({"cat": ["a feline", "a gossip"], "xyz": []}.get)(data, nn.Identity(), 0)
        >>> pairs.anchor.tolist(), pairs.others.texts
        ([0, 0], ['a feline', 'a gossip'])
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        glosses = _lists(definitions, data)
        rows = torch.tensor([row for row, found in enumerate(glosses) for _ in found], dtype=torch.long)
        others = Items("text", [gloss for found in glosses for gloss in found])
        return replace(data[rows], others=others, positives=torch.arange(len(others))[:, None])

    return prepare


def shuffle_partners(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[bool]]:
    """Pairs of which a random `share` has lost its partner to another: label noise with a known answer.

    The positives of the chosen examples go round: each has those of the next one chosen.

    Args:
        examples: Pairs.
        share: Of the examples, 0 to 1.
        seed: Same seed, same noise.

    Returns:
        The examples in their order, and which of them are still right.

    Examples:
        >>> pairs = [Example(a, (b,)) for a, b in ("aA", "bB", "cC", "dD")]
        >>> noisy, right = shuffle_partners(pairs, 0.5, seed=0)
        >>> sum(right), [e.positives[0] == e.anchor.upper() for e in noisy] == right
        (2, True)
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(examples), generator=generator)[: round(share * len(examples))].tolist()
    noisy, right = list(examples), [True] * len(examples)
    if len(chosen) > 1:
        for i, j in zip(chosen, chosen[1:] + chosen[:1], strict=True):
            noisy[i], right[i] = replace(examples[i], positives=examples[j].positives), False
    return noisy, right


def _lists(of: Callable[[str], Sequence[str]], data: Data) -> list[list[str]]:
    """What a function that gives texts gives for each anchor."""
    found = []
    for i in data.anchor.tolist():
        texts = of(data.anchors.texts[i])
        refuse_string(texts, "what a text becomes")
        found.append(list(texts))
    return found
