"""Pairs for several tasks at once: neighbours, responses, and pairs with a class."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Int

from counterpoint.data import Example, debian
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.evaluate import similarity
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import like_pairs, related, scored_sentences, verdicts
from counterpoint.testbeds.files import find
from counterpoint.testbeds.running import brown
from counterpoint.testbeds.texts import LIKE_PAIRS, SMOLLM2, alignment_of_like
from counterpoint.testbeds.transfer import VERDICTS, transfer

_EACH, _FEW, _WORDS = 4000, 150, 16
"""Rows of each task, and of each of small data; words of a neighbour or response."""


def several_tasks(seed: int) -> Parts:
    """4,000 pairs of each of three sources, drawn by the seed, and STS-B's for test. Column `source`: which.

    0: sentences of the Brown corpus, each with the one before or after it. 1: questions of TruthfulQA (Lin et al. 2022)
    with each right answer, and questions to a chat assistant with what it said (HaluEval, Li et al. 2023). 2: SNLI's
    pairs, which alone have a class (`label`). Texts of the first two are cut after 16 words.
    """
    sentences = [_cut(text) for text in brown(seed)[0].anchors.texts]
    first = np.random.default_rng(seed).permutation(len(sentences) - 1)[: _EACH // 2]
    train = _joined(_both_ways(sentences, first), list(_answers()), verdicts(seed)[0], _EACH, seed)
    return train, scored_sentences(seed)[1]


def few_tasks(seed: int) -> Parts:
    """Of the included corpus 150 of each, and `related`'s for test.

    0: descriptions of packages with those before or after them in the order of their names. 1: titles with
    descriptions. 2: the labelled pairs of `related`.
    """
    described = [text for _, text in sorted(debian().heldout.corpus.items())]
    titles = like_pairs(seed)[0]
    assert titles.others is not None
    pairs = [Example(title, (text,)) for title, text in zip(titles.anchors.texts, titles.others.texts, strict=False)]
    labelled, test = related(seed)
    return _joined(_both_ways(described, np.arange(_FEW // 2)), pairs, labelled, _FEW, seed), test


def _both_ways(texts: list[str], first: Int[np.ndarray, " n"]) -> list[Example]:
    """Each text of these places with the next one, and that with it."""
    pairs = [(texts[i], texts[i + 1]) for i in first.tolist()]
    return [Example(a, (b,)) for pair in pairs for a, b in (pair, pair[::-1])]


def _joined(neighbours: list[Example], responses: list[Example], labelled: Data, each: int, seed: int) -> Data:
    """As many of each, in an order that is drawn by the seed."""
    assert labelled.others is not None and labelled.positives is not None  # noqa: PT018 - pairs
    texts = (labelled.anchors[labelled.anchor].texts, labelled.others[labelled.positives[:, 0]].texts)
    label = labelled.columns["label"].tolist()
    classes = [Example(a, (b,), label=str(c)) for a, b, c in zip(*texts, label, strict=True)]
    generator, some = np.random.default_rng(seed), list[Example]()
    sizes = []
    for rows in (neighbours, responses, classes):
        drawn = generator.permutation(len(rows))[:each]
        some += [rows[i] for i in drawn]
        sizes.append(len(drawn))
    data = rows_of(some, "several tasks")
    source = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    order = torch.from_numpy(generator.permutation(len(data)))
    return replace(data, columns={**data.columns, "source": source})[order]


def _cut(text: str) -> str:
    return " ".join(text.split()[:_WORDS])


@cache
def _answers() -> tuple[Example, ...]:
    with gzip.open(find("decoding/truthfulqa.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    found = [(row["Question"], text) for row in rows for text in row["Correct Answers"].split(";")]
    with gzip.open(find("decoding/halueval_general.jsonl.gz"), "rt", encoding="utf-8") as file:
        asked = [json.loads(line) for line in file if line.strip()]
    found += [(row["user_query"], row["chatgpt_response"]) for row in asked]
    cut = [(_cut(question), _cut(answer)) for question, answer in found]
    return tuple(Example(question, (answer,)) for question, answer in cut if question and answer)


def _correlation(made: Made, *, angle: bool) -> float:
    data = made.test
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    u, v = data.anchors[data.anchor], data.others[data.positives[:, 0]]
    cosine = similarity(made.encoder.encode_items(u), made.encoder.encode_items(v), "cosine").astype(np.float64)
    alike = 1 - np.arccos(cosine.clip(-1, 1)) / np.pi if angle else cosine
    return float(np.corrcoef(alike, data.columns["score"].numpy())[0, 1])


def _by_cosine(made: Made) -> float:
    return _correlation(made, angle=False)


def _by_angle(made: Made) -> float:
    return _correlation(made, angle=True)


pearson_by_cosine = Figure("Pearson correlation of the cosine", _by_cosine)
"""With how similar people say two texts are."""

pearson_by_angle = Figure("Pearson correlation by angle", _by_angle)
"""Of `1 - arccos(cos(u, v)) / pi` with that. Source: Cer et al. 2018, "Universal Sentence Encoder"."""

SEVERAL_TASKS = replace(
    VERDICTS,
    name="several tasks",
    parts=several_tasks,
    about=f"4,000 neighbours of the Brown corpus, 4,000 answers (TruthfulQA, HaluEval), each text cut after {_WORDS} "
    "words, and 4,000 pairs of SNLI with their class to train on, STS-B's test pairs, and 500 texts each of MR, SUBJ "
    f"and TREC for probes, as many for their test; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
    figures=(transfer, pearson_by_angle),
)
FEW_TASKS = replace(
    LIKE_PAIRS,
    name="few of several tasks",
    parts=few_tasks,
    about="included corpus: 150 descriptions with a neighbour by name, 150 titles with their description and 150 "
    "pairs of known likeness to train on, as many for test; a random table of token vectors, 20 steps at a rate of "
    "0.02",
    steps=20,
    figures=(alignment_of_like,),
)
