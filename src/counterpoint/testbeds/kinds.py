"""Glosses of places and people by name, which should be near by what they are and not by whose names they hold."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders.masking import capitalised
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, SMOLLM2, smollm2

_LEAST, _MOST = 4, 30
"""Instances of a kind: with fewer it is left out, of more so many are drawn."""


def kinds(seed: int) -> Parts:
    """Glosses of WordNet's instances ("a port in southern Peru"), by what they are an instance of, their `label`.

    Kinds of four instances or more, of which 30 at most are drawn; half of the kinds are for training and half for
    test, drawn by the seed. Column `topic`: what the kind is a kind of, where WN18RR says one.
    """
    generator = np.random.default_rng(seed)
    every = _instances()
    order = generator.permutation(sorted(every)).tolist()
    return _data(order[: len(order) // 2], generator), _data(order[len(order) // 2 :], generator)


def seen_kinds(seed: int) -> Parts:
    """The same with the test's texts among those of training: an oracle's."""
    train, test = kinds(seed)
    assert isinstance(test, Data)
    first, second = train.columns, test.columns
    every = Items("text", [*train.anchors.texts, *test.anchors.texts])
    label = torch.cat([first["label"], second["label"] + 1 + int(first["label"].max())])
    return Data.alone(every, source="WordNet", label=label, topic=torch.cat([first["topic"], second["topic"]])), test


def _data(chosen: list[str], generator: np.random.Generator) -> Data:
    every, above = _instances(), _above()
    texts, label, topic = list[str](), list[int](), list[int]()
    names = sorted(set(above.values()))
    for i, kind in enumerate(chosen):
        some = generator.permutation(every[kind])[:_MOST].tolist()
        texts += some
        label += [i] * len(some)
        topic += [names.index(above[kind]) if kind in above else -1] * len(some)
    columns = {"label": torch.tensor(label), "topic": torch.tensor(topic)}
    return replace(Data.alone(Items("text", texts), source="WordNet"), columns=columns)


@cache
def _triples() -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    for part in ("train", "valid", "test"):
        with gzip.open(find(f"wn18rr/{part}.tsv.gz"), "rt", encoding="utf-8") as file:
            found += [tuple(line.rstrip("\n").split("\t")) for line in file]
    return tuple(found)


@cache
def _instances() -> dict[str, list[str]]:
    """Of each kind the glosses of its instances, without their names."""
    with gzip.open(find("wn18rr/entity2text.tsv.gz"), "rt", encoding="utf-8") as file:
        gloss = {key: text.partition(", ")[2] for key, text in (line.rstrip("\n").split("\t", 1) for line in file)}
    found: dict[str, list[str]] = {}
    for entity, relation, kind in _triples():
        if relation == "_instance_hypernym" and gloss[entity]:
            found.setdefault(kind, []).append(gloss[entity])
    return {kind: sorted(set(some)) for kind, some in found.items() if len(set(some)) >= _LEAST}


@cache
def _above() -> dict[str, str]:
    every = _instances()
    return {entity: kind for entity, relation, kind in _triples() if relation == "_hypernym" and entity in every}


def _shared(made: Made) -> float:
    texts = made.test.anchors[made.test.anchor].texts
    named = [{text[a:b] for a, b in capitalised(text)} for text in texts]
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(made.test.anchors[made.test.anchor])).float(), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-math.inf).argmax(1).tolist()
    shared = [bool(own & named[other]) for own, other in zip(named, nearest, strict=True) if own]
    return sum(shared) / len(shared)


shared_names = Figure("how often the nearest text holds a name of one's own", _shared)
"""Of test texts that hold names, by `encoders.masking.capitalised`."""
OF_A_KIND = recall_within(1)
KINDS = Testbed(
    "WordNet, instances",
    kinds,
    "WordNet: some 750 glosses of instances of half of 115 kinds (cities, rivers, generals) to train on, and as many "
    f"of the other kinds for test, drawn by the seed; {SMOLLM2}, then 200 steps of 32 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 32, "accumulate": 1},
    raw=TF_IDF,
    figures=(OF_A_KIND,),
)
ALL_KINDS = replace(
    KINDS,
    name="WordNet, instances seen",
    parts=seen_kinds,
    about="the same with the test's glosses among those of training",
)
"""What the model can learn of them."""
