"""Sets of example texts, and a collection that is put in order by what is like one set, or unlike another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.data.items import Data
from counterpoint.search.sets import SetQuery
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.sorted_texts import QUESTIONS, all_questions

_EACH = 20
"""Examples of a set."""


def question_sets(seed: int) -> Parts:
    """TREC (Li and Roth 2002): 20 questions each of six classes, drawn by the seed, and its 500 test questions."""
    train, test = all_questions(seed)
    return _some_of_each(train, seed), test


def _some_of_each(data: Data, seed: int) -> Data:
    drawn = torch.from_numpy(np.random.default_rng(seed).permutation(len(data)))
    label = data.columns["label"][drawn]
    chosen = torch.cat([drawn[label == each][:_EACH] for each in torch.unique(label).tolist()])
    return data[chosen.sort().values]


def _precision(made: Made, *, without: bool) -> float:
    """The mean over sets of the share of what was looked for among as many texts as there are of it."""
    x, y = representation(made, made.train), representation(made, made.test)
    sets, classes = (part.columns["label"].numpy() for part in made.parts if isinstance(part, Data))
    found = []
    for each in np.unique(sets):
        query = SetQuery(x[sets == each])
        wanted = (classes != each) if without else (classes == each)
        order = np.argsort(-(-query if without else query).scores(y), kind="stable")
        found.append(wanted[order[: wanted.sum()]].mean())
    return float(np.mean(found))


def _like(made: Made) -> float:
    return _precision(made, without=False)


def _unlike(made: Made) -> float:
    return _precision(made, without=True)


like_a_set = Figure("R-precision of the collection and a set", _like)
"""The test texts by how like a class's training texts they are, cut at as many as are of the class; mean of classes."""

unlike_a_set = Figure("R-precision of the collection without a set", _unlike)
"""The test texts by how unlike they are, cut at as many as are of other classes."""


QUESTION_SETS = replace(
    QUESTIONS,
    name="TREC, sets of examples",
    parts=question_sets,
    steps=100,
    about=QUESTIONS.about.replace("500 questions drawn by the seed, of", f"{_EACH} questions drawn by the seed of each")
    .replace("of each six", "of each of six")
    .replace("200 steps", "100 steps"),
    figures=(like_a_set, unlike_a_set),
)
