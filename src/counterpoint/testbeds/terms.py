"""Names of living things, parts of bodies and illnesses, by what they name: WordNet's words of one meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data import WordNet, debian
from counterpoint.data.items import Data, Items
from counterpoint.evaluate import linked_f1
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import TABLE, table

FILES = (5, 8, 20, 26)
"""WordNet's animals, parts of bodies, plants and states, illnesses among them."""
_CONCEPTS, _TESTED, _FEW = 4000, 1000, 300
_THRESHOLDS = np.linspace(0.3, 0.995, 140)


def terms(seed: int, *, seen: bool = False) -> Parts:
    """4,000 concepts drawn by the seed, with all their terms but one each of 1,000 that have three or more.

    For test all terms of these 1,000: a new term is to be put with the others of its concept.

    Args:
        seed: Of the draws.
        seen: Whether the new terms are among those to train on, for who may know.
    """
    return _divided(_concepts(), _CONCEPTS, _TESTED, seed, seen=seen)


def seen_terms(seed: int) -> Parts:
    """The same with all terms to train on."""
    return terms(seed, seen=True)


def titled_terms(seed: int) -> Parts:
    """The included corpus: of 300 packages the title, its first word, and its last three, which have one label."""
    return _divided(_titled(), _FEW, _FEW // 2, seed, seen=False)


def _cluster_f1(made: Made) -> float:
    z, label = representation(made, made.test), made.test.columns["label"].numpy()
    # whole concepts on either side
    half = np.isin(label, np.random.default_rng(made.seed).permutation(np.unique(label))[::2])
    found = [linked_f1(z[side], label[side], _THRESHOLDS) for side in (half, ~half)]
    # of equally good thresholds the middle one
    best = [ties[len(ties) // 2] for ties in (np.flatnonzero(each == each.max()) for each in found)]
    return float(np.mean([found[0][best[1]], found[1][best[0]]]))


cluster_f1 = Figure("F1 of pairs of terms in one cluster", _cluster_f1)
"""Of `linked_clusters`; each half of the test concepts is clustered with the threshold that suits the other best."""


def _confused(made: Made) -> float:
    z = F.normalize(torch.from_numpy(representation(made, made.test)).float(), dim=1)
    label = made.test.columns["label"]
    other = (z @ z.T).masked_fill(label[:, None] == label, -1.0)
    return float(other.amax(1).mean())


nearest_concept = Figure("cosine of the nearest term of another concept", _confused)
"""Over the test terms: how sharply concepts are told apart."""


def _divided(concepts: Iterable[tuple[str, ...]], number: int, tested: int, seed: int, *, seen: bool) -> Parts:
    generator, every = np.random.default_rng(seed), list(concepts)
    chosen = [every[i] for i in generator.permutation(len(every))[:number]]
    test = [i for i, names in enumerate(chosen) if len(names) > 2][:tested]
    new = {(i, int(generator.integers(len(chosen[i])))) for i in test}
    trained = [(i, j) for i, names in enumerate(chosen) for j in range(len(names)) if seen or (i, j) not in new]
    asked = [(i, j) for i in test for j in range(len(chosen[i]))]
    return _labelled(chosen, trained), _labelled(chosen, asked)


def _labelled(concepts: list[tuple[str, ...]], places: list[tuple[int, int]]) -> Data:
    items = Items("text", [concepts[i][j] for i, j in places])
    return Data.alone(items, label=torch.tensor([i for i, _ in places]), source="terms of concepts")


@cache
def _concepts() -> tuple[tuple[str, ...], ...]:
    return tuple(_apart(WordNet().synsets("noun", FILES)))


@cache
def _titled() -> tuple[tuple[str, ...], ...]:
    titles = (e.anchor.split() for e in debian().train.examples[: 4 * _FEW])
    return tuple(_apart([" ".join(words), words[0], " ".join(words[-3:])] for words in titles if len(words) > 3))


def _apart(concepts: Iterable[list[str]]) -> Iterable[tuple[str, ...]]:
    """Those of two terms or more; what names several is of the first."""
    known = set[str]()
    for names in concepts:
        own = tuple(dict.fromkeys(name for name in names if name.lower() not in known))
        known |= {name.lower() for name in own}
        if len(own) > 1:
            yield own


TERMS = Testbed(
    "terms",
    terms,
    f"WordNet's animals, plants, parts of bodies and states: {_CONCEPTS:,} concepts of two terms or more, drawn by the "
    f"seed, to train on but for one term each of {_TESTED:,}, which are the test with all their terms; a random table "
    "of token vectors (20,000 x 256) from scratch, 400 steps of 16 groups at a rate of 0.02",
    table,
    steps=400,
    settings=TABLE | {"batch_size": 16, "accumulate": 1},
    raw=TF_IDF,
    figures=(cluster_f1, nearest_concept),
)
SEEN_TERMS = replace(TERMS, name="terms, seen", parts=seen_terms, steps=1200)
"""With the new terms among those of training, three times the steps: what the table can learn of them."""
TITLED_TERMS = replace(
    TERMS,
    name="titles as terms",
    parts=titled_terms,
    about="included corpus: the title, the first word and the last three of 300 packages, of which one each of 150 is "
    "not trained on; a random table of token vectors (20,000 x 256) from scratch, 40 steps of 16 groups at a rate of "
    "0.02",
    steps=40,
    figures=(cluster_f1,),
)
