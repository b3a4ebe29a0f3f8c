"""Small graphs of facts, written as texts after two of their concepts; which graphs a model finds likely there."""

from __future__ import annotations

import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import debian
from counterpoint.data.graph_texts import Edge, graph_text
from counterpoint.data.items import Data, Items
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.pretraining import ContrastedContinuation, log_likelihood, transformer
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.files import find
from counterpoint.views import graph_edits

TRAINED, TESTED = 500, 100
EDGES = (3, 4)
"""Of a graph."""
_CONCEPTS, _LENGTH, _FEW, _FEWER = 40, 128, 256, 32


def pairs_of(facts: Sequence[Edge], number: int, seed: int) -> Data:
    """Graphs that are drawn from facts, each after two of its concepts: "a; b", then "(c; r; a)(a; r; b)(b; r; d)".

    A graph begins with any fact, and each next one shares a single concept with it: so all are connected and without a
    cycle. No two begin with the same concepts.
    """
    draw, of = random.Random(seed), defaultdict[str, list[Edge]](list)
    for edge in facts:
        of[edge[0]].append(edge)
        of[edge[2]].append(edge)
    found: dict[str, str] = {}
    while len(found) < number:
        most, edges = draw.choice(EDGES), [draw.choice(facts)]
        concepts = list(dict.fromkeys(edges[0][::2]))
        for _ in range(max(EDGES)):
            edge = draw.choice(of[draw.choice(concepts)])
            if len(edges) < most and not {edge[0], edge[2]} <= set(concepts):
                edges.append(edge)
                concepts = list(dict.fromkeys([*concepts, edge[0], edge[2]]))
        if len(edges) >= min(EDGES):
            found.setdefault("; ".join(sorted(draw.sample(concepts, 2))), graph_text(edges))
    rows = torch.arange(number)
    return Data(Items("text", list(found)), rows, Items("text", list(found.values())), rows[:, None])


@cache
def umls() -> tuple[Edge, ...]:
    """UMLS's semantic network, names without blanks: the facts of those 40 kinds of things of which most is known."""
    lines = []
    for part in ("train", "valid", "test"):
        with gzip.open(find(f"kg/umls/{part}.tsv.gz"), "rt", encoding="utf-8") as file:
            lines += [line.rstrip("\n").replace("_", "").replace("-", "").split("\t") for line in file]
    often = Counter(concept for a, _, b in lines for concept in (a, b))
    known = {concept for concept, _ in often.most_common(_CONCEPTS)}
    return tuple((a, relation, b) for a, relation, b in lines if {a, b} <= known)


@cache
def neighbours() -> tuple[Edge, ...]:
    """Which words follow which, or stand two places after it, in 300 titles of the included corpus."""
    facts: dict[Edge, None] = {}
    for example in debian().train.examples[:300]:
        words = [word for word in example.anchor.lower().split() if word.isalpha()]
        facts |= dict.fromkeys((a, "precedes", b) for a, b in pairwise(words) if a != b)
        facts |= dict.fromkeys((a, "announces", b) for a, b in zip(words, words[2:], strict=False) if a != b)
    return tuple(facts)


def medical(seed: int) -> Parts:
    """500 graphs of UMLS to train on, and 100 after other concepts for test, drawn by the seed."""
    whole = pairs_of(umls(), TRAINED + TESTED, seed)
    rows = torch.arange(len(whole))
    return whole[rows[TESTED:]], whole[rows[:TESTED]]


def titled(seed: int) -> Parts:
    """256 graphs of words of titles to train on, and 32 for test, drawn by the seed."""
    whole = pairs_of(neighbours(), _FEW + _FEWER, seed)
    rows = torch.arange(len(whole))
    return whole[rows[_FEWER:]], whole[rows[:_FEWER]]


def writer(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, with random weights, that reads 128 tokens."""
    return _writer(data, seed, 64, 2)


def small_writer(data: Data, seed: int) -> TransformerEncoder:
    """The same with one layer of 32."""
    return _writer(data, seed, 32, 1)


def _writer(data: Data, seed: int, width: int, layers: int) -> TransformerEncoder:
    assert data.others is not None
    texts = sorted({*data.anchors.texts, *data.others.texts})
    size = {"layers": layers, "width": width, "heads": 4, "spread": width**-0.5, "max_seq_length": _LENGTH}
    return small_transformer(texts, dropout=0.0, seed=seed, normalize=False, **size)


def _edited(made: Made) -> Data:
    """Test graphs with others that say the same and wrong ones."""
    return graph_edits()(made.test, nn.Identity(), made.seed)


def _likelier(made: Made, edits: slice) -> float:
    data, encoder = _edited(made), transformer(made.encoder)  # type: ignore[arg-type]  # as it was trained
    assert data.negatives is not None
    wrong = data.negatives[:, edits]
    row, k = (wrong >= 0).nonzero(as_tuple=True)
    against = replace(data[row], positives=wrong[row, k][:, None], negatives=None)
    return float((log_likelihood(encoder, data)[row] > log_likelihood(encoder, against)).float().mean())


def _shaped(made: Made) -> float:
    return _likelier(made, slice(-1))


def _true(made: Made) -> float:
    return _likelier(made, slice(-1, None))


structure = Figure("accuracy, wrong structure", _shaped)
"""How often a test graph is likelier, by the mean of its tokens, than one with a cycle, in two parts or of an edge less
(all but the last of `graph_edits`)."""
truth = Figure("accuracy, wrong relations", _true)
"""And than one with other relations."""


def _told_apart(made: Made) -> float:
    data = _edited(made)
    task = ContrastedContinuation(transformer(made.encoder), data)  # type: ignore[arg-type]  # as it was trained
    was = task.training
    with torch.no_grad():
        payload = task.eval().payload(torch.arange(len(data)))
        call = payload.arguments(task(payload.inputs))
    task.train(was)
    z, keys = (side[side.columns["term"] == 1] for side in (call["queries"], call["keys"]))
    cosines = F.normalize(z.z.float(), dim=1) @ F.normalize(keys.z.float(), dim=1).T
    own = z.columns["row"][:, None] == keys.columns["row"]
    alike = z.columns["sample"][:, None] == keys.columns["sample"]
    return float(cosines[alike].mean() - cosines[own & ~alike].mean())


told_apart = Figure("gap of cosines, right and wrong graphs", _told_apart)
"""Of the test graphs' mean states: the cosine with the graph that says the same, less that with wrong ones, means."""

GRAPHS = Testbed(
    "graphs of UMLS",
    medical,
    f"UMLS's semantic network: {TRAINED} graphs of three or four facts on {_CONCEPTS} kinds of things, each after two "
    f"of its concepts, to train on, {TESTED} for test; a BERT in miniature (2 layers of 64) of random weights, 300 "
    "steps of 8 at a rate of 2e-3",
    writer,
    steps=300,
    settings={"batch_size": 8, "learning_rate": 2e-3, "dtype": "float32", "chunk_tokens": 1 << 20},
    figures=(structure, truth),
)
TITLE_GRAPHS = replace(
    GRAPHS,
    name="graphs of titles",
    parts=titled,
    about="included corpus: 256 graphs of words that follow each other in titles, each after two of its words, to "
    "train on, 32 for test; a BERT in miniature (one layer of 32) of random weights, 40 steps of 8 at a rate of 2e-3",
    start=small_writer,
    steps=40,
)
"""What tests take."""
