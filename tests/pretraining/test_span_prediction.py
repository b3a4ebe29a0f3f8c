"""Span prediction: chunks and processes change nothing, spans are whole words, and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.pretraining import SpanPrediction
from counterpoint.training._processes import Processes
from pretraining.test_guessing import same_in_chunks, task_of


def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, texts):
    task = task_of(SpanPrediction, encoder, texts, whole_words=True)
    same_in_chunks(task, 100, atol=1e-5)


def test_a_process_has_its_share_of_the_vocabulary_and_all_of_its_spans(encoder, texts, monkeypatch):
    task = task_of(SpanPrediction, encoder, texts, spans=2)
    payload = task.payload(torch.tensor([5, 7]))
    z = task(payload.inputs)
    monkeypatch.setattr(Processes, "current", lambda: Processes(rank=1, world=2))
    keys = payload.arguments(z)["keys"].columns
    assert int((keys["text"] == 0).sum()) == len(encoder.tokenizer) // 2
    assert keys["label"][keys["text"] == 1].tolist() == [5, 7, *[5] * 8, *[7] * 8]


def test_spans_begin_and_end_with_words(encoder, texts):
    task = task_of(SpanPrediction, encoder, texts, whole_words=True)
    features = {"input_ids": task._features["input_ids"], "offsets": task._features["offsets"]}
    torch.manual_seed(0)
    drawn = task._drawn(features)
    for i, (start, end) in enumerate(pairwise(features["offsets"].tolist())):
        tokens = encoder.tokenizer.convert_ids_to_tokens(features["input_ids"][start:end].tolist())
        for a, b in drawn[i].tolist():
            assert 1 <= a < b <= len(tokens) - 1
            assert not tokens[a].startswith("##")
            assert not tokens[b].startswith("##")
        words = sum(not token.startswith("##") for token in tokens[1:-1])
        assert all(sum(not t.startswith("##") for t in tokens[a:b]) == 1 for a, b in drawn[i, :5].tolist())
        counts = [sum(not t.startswith("##") for t in tokens[a:b]) for a, b in drawn[i, 5:10].tolist()]
        assert all(min(4, words) <= n <= 16 for n in counts)


@pytest.mark.parametrize("bad", [{"spans": 0}, {"sizes": []}, {"sizes": [(3, 2)]}, {"sizes": [(0, 2)]}])
def test_what_are_no_spans_is_refused(encoder, texts, bad):
    with pytest.raises(InputError, match="spans of each of"):
        SpanPrediction(encoder, texts, **bad)
