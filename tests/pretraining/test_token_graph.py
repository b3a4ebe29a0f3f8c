"""The graph of tokens against loops over texts, what is drawn of it, and what becomes of the table."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining.token_graph import KEYS, Cooccurrence, TokenGraph, settled
from counterpoint.training import TrainConfig, train

GOOD = ["good fun for all here", "good fun and good songs here", "warm songs and good fun"]
BAD = ["a dull bore here", "a dull bore and cold songs", "cold bore for a dull night"]
TEXTS, LABEL = [*GOOD, *BAD], torch.tensor([0, 0, 0, 1, 1, 1])


def table(dim=8, **options):
    return StaticEncoder.from_corpus(TEXTS, vocab_size=200, dim=dim, normalize=False, **options)


def ids_of(encoder):
    features = encoder.tokenize(TEXTS)
    return [features["input_ids"][a:b].tolist() for a, b in pairwise(features["offsets"].tolist())]


def counted(encoder, least=2):
    """Of each class the tokens and the neighbours, by a loop."""
    texts = ids_of(encoder)
    total = Counter(token for text in texts for token in text)
    tokens, edges = [Counter(), Counter()], [Counter(), Counter()]
    for text, c in zip(texts, LABEL.tolist(), strict=True):
        tokens[c].update(text)
        for a, b in pairwise(text):
            if a != b and total[a] >= least and total[b] >= least:
                edges[c].update([(a, b), (b, a)])
    return total, tokens, edges


@pytest.mark.parametrize("least", [1, 2, 3])
def test_graphs_and_adjacency_are_those_of_a_loop(least):
    encoder = table()
    features, v = encoder.tokenize(TEXTS), len(encoder.embedding.weight)
    graph = Cooccurrence.of(features["input_ids"], features["offsets"], LABEL, v, least)
    total, tokens, edges = counted(encoder, least)
    for c in (0, 1):
        assert graph.edges[c].toarray().tolist() == [[edges[c][i, j] for j in range(v)] for i in range(v)]
        assert graph.counts[c].tolist() == [tokens[c][i] for i in range(v)]
    joint = edges[0] + edges[1]
    a = np.eye(v)
    for (i, j), f in joint.items():
        a[i, j] = (f + 1) / (total[i] + total[j] + v)
    degree = a.sum(1)
    wanted = a / np.sqrt(degree[:, None] * degree[None])
    torch.testing.assert_close(graph.adjacency().to_dense().double(), torch.from_numpy(wanted), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_anchors_are_tokens_of_one_class_with_neighbours_there(share):
    encoder = table()
    total, tokens, edges = counted(encoder)
    graph = TokenGraph(encoder, TEXTS, LABEL, share=share)
    for c in (0, 1):
        there = {i for i, _ in edges[c]}
        wanted = [i for i in sorted(total) if tokens[c][i] >= share * total[i] and i in there]
        assert graph._anchors[c].tolist() == wanted
    assert len(graph) == sum(map(len, graph._anchors))


def test_neighbours_are_drawn_by_how_often_they_are_and_others_from_other_classes():
    encoder = table()
    _, _, edges = counted(encoder)
    graph = TokenGraph(encoder, TEXTS, LABEL, neighbours=1)
    row = next(r for r in range(len(graph)) if sum(i == int(graph._tokens[r]) for i, _ in edges[0]) > 2)
    token, found = int(graph._tokens[row]), Counter()
    torch.manual_seed(0)
    for _ in range(4000):
        ids, number = graph._drawn(row)
        assert number == 1
        assert len(ids) == 1 + KEYS
        assert int(ids[0]) == token
        others = graph._anchors[1].tolist()
        assert set(ids[2:].tolist()) == set(others)
        assert max(Counter(ids[2:].tolist()).values()) - min(Counter(ids[2:].tolist()).values()) <= 1
        found[int(ids[1])] += 1
    logit = {j: f**0.75 for (i, j), f in edges[0].items() if i == token}
    norm = sum(np.exp(x) for x in logit.values())
    for j, x in logit.items():
        assert found[j] / 4000 == pytest.approx(np.exp(x) / norm, abs=0.04)
    ids, number = TokenGraph(table(), TEXTS, LABEL)._drawn(row)
    assert sorted(ids[1 : 1 + number].tolist()) == sorted(logit)


def test_training_brings_a_class_together_and_the_table_keeps_it():
    torch.manual_seed(0)
    encoder = table(16)
    before = encoder.embedding.weight.detach().clone()
    graph = TokenGraph(encoder, TEXTS, LABEL)
    settings = TrainConfig(steps=60, batch_size=100, learning_rate=0.02, dtype="float32", validations=1)
    history = train(graph, graph, graph.objective(), settings).history
    assert history[-1]["loss"] < history[0]["loss"] - 0.05
    torch.testing.assert_close(encoder.embedding.parametrizations.weight.original.detach(), before)
    encoder.eval()
    wanted = encoder.embedding.weight.detach().clone()
    settled(encoder)
    torch.testing.assert_close(encoder.embedding.weight.detach(), wanted)
    assert encoder.embedding.weight.requires_grad
    assert [name for name, _ in encoder.named_parameters()] == [name for name, _ in table().named_parameters()]
    z = torch.from_numpy(encoder.encode([" ".join(words) for words in (["good fun"], ["songs"], ["dull bore"])]))
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(z[0], z[2], dim=0) < 0.5


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="makes a table"):
        TokenGraph(small_transformer(TEXTS, layers=1, width=8, heads=2), TEXTS, LABEL)
    with pytest.raises(InputError, match="6 texts and 2 labels"):
        TokenGraph(table(), TEXTS, LABEL[:2])
    for label in (torch.zeros(6, dtype=torch.long), 2 * LABEL):
        with pytest.raises(InputError, match="classes with tokens of their own"):
            TokenGraph(table(), TEXTS, label)
