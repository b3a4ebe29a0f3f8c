"""News Deja Vu: names masked on every path, one of the story and the nearest of another, hard pairs alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders import MaskedEntityEncoder
from counterpoint.systems import get
from counterpoint.systems.retrieval.news_deja_vu import KINDS, news_deja_vu, shared_names, with_names
from counterpoint.testbeds import Untrained
from systems.through import same
from systems.words import steady_bert, step_of_texts

WHERE = ("Peru", "Chile", "New Guinea", "Kenya")
WHAT = ("a port in {}", "a river of {} that ends in a lake", "a poet from {} who wrote songs", "the old bridge near {}")
MORE = ("", ", of some fame", ", not far from the sea", " by night")
STORIES = Data.alone(
    Items("text", [what.format(place) + more for what in WHAT for place, more in zip(WHERE, MORE, strict=True)]),
    label=torch.arange(len(WHAT)).repeat_interleave(len(WHERE)),
)


def naive(step, *, hard: bool = True):
    """The squares of positives that are further than the nearest negative, and of negatives within the margin."""
    encoder, inputs = step.network[0], step.payload.inputs
    z = []
    for a, b in pairwise(inputs["offsets"].tolist()):
        states = encoder.encoder.model(input_ids=inputs["input_ids"][a:b][None]).last_hidden_state[0]
        z.append(F.normalize(states.mean(0), dim=0))
    n = len(step.calls[0]["queries"])
    assert len(z) == 3 * n
    near = [1 - z[i] @ z[n + i] for i in range(n)]
    far = [1 - z[i] @ z[2 * n + i] for i in range(n)]
    total, count = torch.zeros(()), 0
    for d in near:
        if not hard or d > min(far):
            total, count = total + d**2, count + 1
    for d in far:
        if not hard or d < max(near):
            total, count = total + torch.relu(0.5 - d) ** 2, count + 1
    return total / count


def test_loss_is_that_of_a_naive_loop_over_hard_pairs_of_masked_texts():
    step = step_of_texts("news-deja-vu", STORIES, make=steady_bert, n=16, steps=2)
    same(step, naive(step))
    with pytest.raises(AssertionError):
        same(step, naive(step, hard=False))


def test_no_name_is_read_and_each_row_has_its_story_and_the_nearest_other():
    step = step_of_texts("news-deja-vu", STORIES, make=steady_bert, n=16)
    encoder = step.network[0]
    assert isinstance(encoder, MaskedEntityEncoder)
    tokenizer, inputs = encoder.encoder.tokenizer, step.payload.inputs
    texts = [tokenizer.decode(inputs["input_ids"][a:b].tolist()) for a, b in pairwise(inputs["offsets"].tolist())]
    assert not any(name.lower() in text.lower() for name in WHERE for text in texts)
    assert all("[MASK]" in text for text in texts)
    rows = get("news-deja-vu").method().stages[0].prepare[0](STORIES, encoder, 0)
    label = STORIES.columns["label"]
    assert bool((label[rows.anchor] == label[rows.positives[:, 0]]).all())
    assert bool((label[rows.anchor] != label[rows.negatives[:, 0]]).all())


def test_the_baseline_reads_names():
    step = step_of_texts(with_names(), STORIES, make=steady_bert, n=16)
    tokenizer = step.network[0].tokenizer
    assert "peru" in tokenizer.decode(step.payload.inputs["input_ids"].tolist()).lower()
    assert len(with_names().stages[0].prepare) == 1


def test_what_is_adapted_stays():
    encoder = news_deja_vu().settle(steady_bert(STORIES))
    assert news_deja_vu().settle(encoder) is encoder
    assert encoder.encoder.pooling == "mean"


def test_shared_names_are_those_of_a_text_and_its_nearest():
    class Known:
        def encode_items(self, items, *, kind=None):
            return torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.1, 1.0]]).numpy()

    texts = Items("text", ["a port in Peru", "a poet from Peru", "a lake of Chile", "a lake"])
    made = Untrained(news_deja_vu).made(KINDS, (STORIES, STORIES), 0)
    object.__setattr__(made, "encoder", Known())
    object.__setattr__(made, "parts", (STORIES, Data.alone(texts, label=torch.tensor([0, 1, 2, 2]))))
    # of three with names two are next to one with theirs
    assert shared_names.of(made) == pytest.approx(2 / 3)
