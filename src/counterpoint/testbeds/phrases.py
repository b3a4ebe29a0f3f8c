"""Phrases that name the same thing in other words: how five people begin to say what is in a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data import Example, debian
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.captioned import five_captions
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, QUICK_BERT, SMOLLM2, quick_bert, smollm2
from counterpoint.views import typos

MASK = "[MASK]"
_TESTED, _LONGEST = 300, 5
_ARTICLES = ("a", "an", "the")
_ENDS = (
    "about above across after against along are around as at before behind beside by carries carry catches climb "
    "climbs dances does down dressed during eat eats enjoy for from gather gathers has have he hit hits hold holds in "
    "inside into is it jump jumps kicks lean leans lie lies look looks near next off on out outside over perform "
    "performs play plays point pose poses pulls ride rides run runs she sit sits sleeps smile smiles stand stands "
    "swings take takes talk that there they throws through to try under up use uses wait walk walks was watch watches "
    "wear wears were which while who with work works"
)
"""What a phrase is not: words of place, auxiliaries, the commonest verbs. Forms in -ing are none either."""
_TYPES = (
    "man men guy guys gentleman gentlemen male males",
    "woman women lady ladies female females",
    "boy boys girl girls child children kid kids baby toddler toddlers",
    "person people group crowd couple family team players player workers worker students",
    "dog dogs cat cats horse horses bird birds animal animals",
)
"""Words that say what a phrase names; what has none of them is of one more type."""
_CANDIDATES = 12
Said = tuple[str, str]
"""A phrase, and where it stands with a mark in its place."""


def phrases(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): openings of five captions a picture; 300 pictures drawn by the seed are the test.

    Rows are a phrase, what is like it, and what is not. Column `kind`: 0 where it is like another phrase of the
    picture, and not like one of another picture that shares a word; 1 where it is like the rest of its caption, and not
    like that of another one. The test is of phrases, and those that are alike share no word.
    """
    pictures, generator = _pictures(), np.random.default_rng(seed)
    order = generator.permutation(len(pictures))
    train, test = ([pictures[i] for i in rows] for rows in (order[_TESTED:], order[:_TESTED]))
    return triplets(train, seed), told_apart(test, seed)


def all_phrases(seed: int) -> Parts:
    """The same with the test's pictures among those of training."""
    return triplets(_pictures(), seed), phrases(seed)[1]


def some_titles(seed: int) -> Parts:
    """The included corpus likewise: titles and descriptions of 500 packages, of which 200 are the test."""
    pairs = [e.texts for e in debian().train.examples[:500]]
    packages = [[(title, text.replace(title.split()[0], MASK)), (text, text)] for title, text in pairs]
    return triplets(packages[200:], seed), triplets(packages[:200], seed, contexts=False)


def typed_phrases(seed: int) -> Parts:
    """The pictures of `phrases` with all names of each; see `names`. Column `label`: what a phrase names, one of six.

    The first word that is on a list says what it is.
    """
    pictures, test = _pictures(), phrases(seed)[1]
    train = np.random.default_rng(seed).permutation(len(pictures))[_TESTED:]
    groups = [list(dict(pictures[i])) for i in train]
    return names(groups, [[_type(name) for name in group] for group in groups], seed), test


def typed_titles(seed: int) -> Parts:
    """The packages of `some_titles`, each with its title and description for names. Column `label`: its section."""
    corpus = debian()
    packages = corpus.train.examples[200:500]
    section = [corpus.sections[e.line - 1] for e in packages]
    known = sorted(set(section))
    return names([e.texts for e in packages], [[known.index(s)] * 2 for s in section], seed), _titles_told(seed)


@cache
def _titles_told(seed: int) -> Data | Collection:
    return some_titles(seed)[1]


def names(groups: Sequence[Sequence[str]], types: Sequence[Sequence[int]], seed: int) -> Data:
    """Phrases alone, a row each, with their other names and hard negatives; what is drawn follows the seed.

    Positives are the other names of its group, negatives 12 phrases of other groups that share a word with it, or as
    many as there are. Column `label`: its type.

    Args:
        groups: Phrases that name the same.
        types: One a phrase.
        seed: Of the draws.

    Examples:
        >>> data = names([["red fox", "animal"], ["red ant"]], [[0, 0], [1]], 0)
        >>> data.positives.tolist(), [data.others.texts[i] for i in data.negatives[:, 0].tolist() if i >= 0]
        ([[1], [0], [-1]], ['red ant', 'red fox'])
    """
    generator, holding = np.random.default_rng(seed), defaultdict[str, set[int]](set)
    said = [(own, name) for own, group in enumerate(groups) for name in group]
    for i, (_, name) in enumerate(said):
        for word in _shared(name, name):
            holding[word].add(i)
    others = Items("text", [name for _, name in said])
    positives, negatives = list[list[int]](), list[list[int]]()
    rows = torch.arange(len(said))
    whole = [group.tolist() for group in rows.split([len(group) for group in groups])]
    for i, (own, name) in enumerate(said):
        positives.append([j for j in whole[own] if j != i])
        near = {j for word in _shared(name, name) for j in holding[word] if said[j][0] != own and said[j][1] != name}
        negatives.append(generator.permutation(sorted(near))[:_CANDIDATES].tolist())
    label = torch.tensor([kind for group in types for kind in group])
    return Data(others, rows, others, _padded(positives), _padded(negatives), {"label": label}, "phrases")


def opening(caption: str) -> Said | None:
    """What a caption begins with, without its article, and the caption with a mark in its place; None: nothing clear.

    Examples:
        >>> opening("A group of people stand in a truck.")
        ('group of people', 'a [MASK] stand in a truck.')
        >>> opening("Sleeping on a couch.") is None
        True
    """
    words = caption.lower().split()
    bare = [word.strip(".,") for word in words]
    ends = (i for i, word in enumerate(bare) if word in _ENDS.split() or (word.endswith("ing") and len(word) > 4))
    end, begin = next(ends, 0), int(bare[0] in _ARTICLES) if bare else 0
    if not begin < end <= begin + _LONGEST:
        return None
    return " ".join(bare[begin:end]), " ".join([*words[:begin], MASK, *words[end:]])


def triplets(groups: Sequence[Sequence[Said]], seed: int, *, contexts: bool = True) -> Data:
    """For each phrase one row of each kind, where its group has another phrase; what is drawn follows the seed.

    Args:
        groups: Phrases that name the same.
        seed: Of the draws.
        contexts: Rows of kind 1, too.

    Examples:
        >>> groups = [[("red fox", "a [MASK] runs"), ("animal", "an [MASK] runs")], [("red ant", "a [MASK] works")]]
        >>> data = triplets(groups, 0)
        >>> data.columns["kind"].tolist(), data.others.texts[int(data.negatives[0])]
        ([0, 1, 0, 1, 1], 'red ant')
    """
    generator, found, kinds = np.random.default_rng(seed), list[Example](), list[int]()
    said = [(own, *one) for own, group in enumerate(groups) for one in dict(group).items()]
    for own, phrase, context in said:
        alike = [other for other in dict(groups[own]) if other != phrase]
        named = {phrase, *alike}
        if alike:
            diverse = [other for other in alike if not _shared(phrase, other)] or alike
            apart = [other for group, other, _ in said if group != own and other not in named]
            close = [other for other in apart if _shared(phrase, other)] or apart
            found.append(Example(phrase, (_one(diverse, generator),), (_one(close, generator),)))
            kinds.append(0)
        if contexts:
            elsewhere = [other for group, _, other in said if group != own and other != context]
            found.append(Example(phrase, (context,), (_one(elsewhere, generator),)))
            kinds.append(1)
    data = rows_of(found, "phrases")
    return replace(data, columns={"kind": torch.tensor(kinds)})


def told_apart(groups: Sequence[Sequence[Said]], seed: int) -> Data:
    """Rows of kind 0 whose phrase shares no word with what is like it, and some with what is not."""
    data = triplets(groups, seed, contexts=False)
    sides = _texts(data)
    kept = [not _shared(a, p) and bool(_shared(a, n)) for a, p, n in zip(*sides, strict=True)]
    return data[torch.tensor(kept)]


def _pictures() -> list[list[Said]]:
    found = [[opening(caption) for caption in row] for row in five_captions()]
    return [kept for group in found if (kept := [said for said in group if said])]


def _type(phrase: str) -> int:
    found = (i for word in phrase.split() for i, words in enumerate(_TYPES) if word in words.split())
    return next(found, len(_TYPES))


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    widest = max(1, *map(len, rows))
    return torch.tensor([[*row, *[-1] * (widest - len(row))] for row in rows])


def _shared(a: str, b: str) -> set[str]:
    """Words of both, but for the smallest."""
    return {word for word in set(a.split()) & set(b.split()) if len(word) > 2}


def _one(texts: Sequence[str], generator: np.random.Generator) -> str:
    return texts[int(generator.integers(len(texts)))]


def _texts(data: Data) -> tuple[list[str], list[str], list[str]]:
    """Anchors, and the first positive and negative of each."""
    assert data.others is not None and data.positives is not None and data.negatives is not None  # noqa: PT018
    others = data.others.texts
    sides = (data.positives[:, 0].tolist(), data.negatives[:, 0].tolist())
    anchors = [data.anchors.texts[i] for i in data.anchor.tolist()]
    return anchors, [others[i] for i in sides[0]], [others[i] for i in sides[1]]


def _cosines(made: Made) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    test = made.test
    assert test.others is not None and test.positives is not None and test.negatives is not None  # noqa: PT018
    sides = ((test.anchors, test.anchor), (test.others, test.positives[:, 0]), (test.others, test.negatives[:, 0]))
    a, p, n = (F.normalize(torch.from_numpy(made.encoder.encode_items(x[at])).float(), dim=1) for x, at in sides)
    return (a * p).sum(1), (a * n).sum(1)


def _told(made: Made) -> float:
    like, unlike = _cosines(made)
    return float(((like > unlike) + (like == unlike) / 2).float().mean())


meaning_or_words = Figure("share of phrases nearer to their meaning than to their words", _told)
"""Of test triplets: nearer to a phrase that names the same than to one that shares a word. Ties count a half."""


def _overlap(made: Made) -> float:
    texts = sorted({text for side in _texts(made.test) for text in side})
    data = rows_of([Example(text) for text in texts])
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(data.anchors)).float(), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-torch.inf).argmax(1).tolist()
    return float(np.mean([bool(_shared(texts[i], texts[j])) for i, j in enumerate(nearest)]))


shared_words = Figure("share of phrases that share a word with their nearest one", _overlap)


def _found_again(made: Made) -> float:
    texts = sorted({text for side in _texts(made.test) for text in side})
    wrong, generator = typos(), torch.Generator().manual_seed(made.seed)
    sides = (Items("text", texts), Items("text", [wrong(text, generator) for text in texts]))
    a, b = (F.normalize(torch.from_numpy(made.encoder.encode_items(side)).float(), dim=1) for side in sides)
    return float(((b @ a.T).argmax(1) == torch.arange(len(texts))).float().mean())


with_typo = Figure("share of phrases found by themselves with a typing error", _found_again)
"""Each test phrase, with one error, is nearest to itself among all: a join of names that are not quite alike."""
PHRASES = Testbed(
    "phrases",
    phrases,
    f"Multi30k: openings of captions of 714 pictures to train on, of {_TESTED} others for test, where phrases of one "
    f"picture share no word and those of two share some; {SMOLLM2}, then 300 steps of 32 at a rate of 5e-4",
    smollm2,
    steps=300,
    settings=FEW_LAYERS | {"batch_size": 32},
    raw=TF_IDF,
    figures=(meaning_or_words, shared_words),
)
ALL_PHRASES = replace(PHRASES, name="phrases, all pictures", parts=all_phrases, steps=600)
"""With the test's pictures to train on, twice the steps: what can be told."""
TITLES_AS_PHRASES = replace(
    PHRASES,
    name="titles as phrases",
    parts=some_titles,
    about="included corpus: titles and descriptions of 300 packages to train on, of 200 others for test; "
    f"{QUICK_BERT}, then 40 steps at a rate of 2e-3",
    start=quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
    figures=(meaning_or_words,),
)
TYPED_PHRASES = replace(
    PHRASES,
    name="phrases, typed",
    parts=typed_phrases,
    about="Multi30k: openings of captions of 714 pictures to train on, each with the others of its picture, phrases of "
    f"other pictures that share a word, and one of six types by the words in it; the test of {_TESTED} pictures, start "
    f"and budget as of `phrases`: {SMOLLM2}, then 300 steps of 32 at a rate of 5e-4",
    figures=(meaning_or_words, with_typo),
)
TYPED_TITLES = replace(
    TITLES_AS_PHRASES,
    name="titles as phrases, typed",
    parts=typed_titles,
    about="included corpus: titles and descriptions of 300 packages to train on, typed by section, and of 200 others "
    f"for test; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
)
