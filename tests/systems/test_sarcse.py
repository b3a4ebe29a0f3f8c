"""SARCSE: vectors of filters over token states, contrasted, that must tell these states, rare tokens above all."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ConvolutionEncoder, StaticEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import sarcse
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

# shorter than a filter, as long as all of them, and longer than what is told
WORDS = (0, 1, 2, 5, 9, 14, 36, 3)
TEXTS = [replace(e, anchor=f"{kind} " + "very far " * (n // 2) + "away" * (n % 2)) for e, n, kind in zip(
    ALONE, WORDS, ("cat", "dog", "fox", "owl", "bee", "ant", "eel", "hen"), strict=False)]  # fmt: skip


def step_on(method="sarcse"):
    return step_of_texts(method, TEXTS, make=steady_bert, n=8)


def read(encoder, text):
    """The tokens of a text but [CLS] and [SEP], and their states."""
    ids = torch.tensor(encoder.tokenizer(text)["input_ids"])
    return ids[1:-1].tolist(), encoder.model(input_ids=ids[None]).last_hidden_state[0, 1:-1]


def vector(conv, x):
    """Filter after filter, window after window."""
    said = []
    for k, filters in zip((3, 4, 5), conv.filters, strict=True):
        padded = torch.cat([x, torch.zeros(max(0, k - len(x)), x.shape[1])])
        windows = [padded[t : t + k] for t in range(len(padded) - k + 1)]
        found = [torch.relu(torch.einsum("cdk,kd->c", filters.weight, w) + filters.bias) for w in windows]
        said.append(torch.stack(found).max(0).values)
    return conv.merge.weight @ torch.cat(said) + conv.merge.bias


def terms(step, weigh):
    """The vectors in the order of the batch, and what they leave unsaid of tokens."""
    beside = step.network[0]
    conv, texts = beside.encoder, [e.anchor for e in TEXTS]
    every = Counter(token for text in texts for token in read(conv.encoder, text)[0])
    z, unsaid = [], []
    for i in step.calls[0]["queries"].columns["sample"].tolist():
        ids, x = read(conv.encoder, texts[i])
        z.append(vector(conv, x))
        total, weights = torch.zeros(()), 0.0
        for t, token in enumerate(ids[:32]):
            hidden = F.gelu(beside.first.weight @ z[-1] + beside.first.bias + beside.place.weight[t])
            told = beside.second.weight @ hidden + beside.second.bias
            wanted = (x[t] - x[t].mean()) / (x[t].var(correction=0) + 1e-5).sqrt()
            weight = weigh(every[token] / every.total())
            total, weights = total + weight * ((told - wanted.detach()) ** 2).mean(), weights + weight
        unsaid.append(total / weights)
    return torch.stack(z), torch.stack(unsaid).mean()


def rare(share):
    return 1 / (1 + share / 1e-3)


def test_loss_is_that_of_a_naive_loop_over_texts_and_tokens():
    step = step_on()
    z, unsaid = terms(step, rare)
    # both views are the same without dropout
    same(step, contrast(z, z) + unsaid)
    # what is told reaches the encoder by the vector
    query = step.network[0].encoder.encoder.model.encoder.layer[0].attention.self.query.weight
    assert torch.autograd.grad(terms(step, rare)[1], query)[0].norm() > 1e-4


def test_arms_leave_out_what_they_say():
    step = step_on(sarcse.all_alike())
    z, unsaid = terms(step, lambda _share: 1.0)
    same(step, contrast(z, z) + unsaid)
    assert not torch.isclose(unsaid, terms(step, rare)[1], rtol=2e-3)
    plain = step_on(sarcse.without_reconstruction())
    assert isinstance(plain.network[0], ConvolutionEncoder)
    z = plain.network(plain.payload.inputs)
    same(plain, contrast(z[:8], z[8:]), rtol=1e-3)


def test_dropout_makes_the_views_and_each_must_tell_its_own_states():
    step = step_of_texts("sarcse", TEXTS, n=8, make=small_bert)
    (call,) = step.calls
    (first, second) = (call[side].z for side in ("queries", "keys"))
    assert not torch.isclose(first[:, :16], second[:, :16]).all(1).any()
    assert not torch.isclose(first[:, 16:].sum(1), second[:, 16:].sum(1)).any()
    same_rows = step.network[0].encoder.training and step.network[0].training
    assert same_rows


def test_what_is_read_at_test_is_the_vector_of_the_filters():
    recipe = get("sarcse").method()
    stage = recipe.stages[0]
    assert stage.head is None
    encoder = recipe.adapt(small_bert(rows_of(TEXTS)))
    assert (encoder.kernels, encoder.channels) == ((3, 4, 5), 100)
    assert recipe.adapt(encoder) is encoder
    assert stage.around(encoder).encoder is encoder
    assert len({Trained(make).key for make in (
        get("sarcse").method, get("simcse").method, sarcse.without_reconstruction, sarcse.all_alike)}) == 4  # fmt: skip


def test_the_figure_is_the_correlation_over_pairs_of_texts():
    texts = ["the cat sat", "the cat ran", "the dog ran", "the end"]
    encoder = StaticEncoder.from_corpus(texts, dim=8)
    made = SimpleNamespace(test=Data.alone(Items("text", texts)), encoder=encoder)
    z = torch.from_numpy(encoder.encode(texts))
    words = [text.split() for text in texts]
    weight = {w: math.log(4 / sum(w in text for text in words)) for text in words for w in text}

    def shared(a, b):
        sizes = [sum(weight[w] for w in words[i]) for i in (a, b)]
        return sum(weight[w] for w in words[a] if w in words[b]) / math.sqrt(sizes[0] * sizes[1])

    pairs = list(combinations(range(4), 2))
    wanted = spearmanr([float(z[i] @ z[j]) for i, j in pairs], [shared(i, j) for i, j in pairs]).statistic
    assert sarcse.rare_in_common.of(made) == pytest.approx(wanted)
    assert abs(wanted) < 0.999
