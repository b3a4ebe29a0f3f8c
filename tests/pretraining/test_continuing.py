"""A text that is written after another: what each place sees, and what is written in the end."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import Continuation, ContrastedContinuation, continued
from counterpoint.training import TrainConfig, train

ROWS = [
    Example("a red cat", ("sleeps here", "here sleeps"), ("eats", "sleeps there now")),
    Example("two dogs", ("bark at night", "at night bark"), ("bark",)),
]


def small(**options):
    texts = [text for e in ROWS for text in (e.anchor, *e.positives, *e.negatives)]
    size = {"layers": 2, "width": 16, "heads": 2, "dropout": 0.0, "spread": 0.25}
    return small_transformer(texts, **{**size, **options})


def test_places_see_all_of_the_first_text_and_none_that_follow_in_the_second():
    task = Continuation(small(), rows_of(ROWS))
    payload = task.payload(torch.tensor([0]))
    ids = payload.inputs["input_ids"]
    before = task(payload.inputs)[0]
    assert len(before) == 3  # before "sleeps", "here" and the end
    seen = []
    for i in range(len(ids)):
        changed = ids.clone()
        changed[i] = ids[0]
        after = task({**payload.inputs, "input_ids": changed})[0]
        seen.append([not torch.equal(a, b) for a, b in zip(before, after, strict=True)])
    # [CLS] is what others are changed to; the end is seen by nobody
    assert seen == [[False] * 3, *[[True] * 3] * 4, [False, True, True], [False, False, True], [False] * 3]


def test_it_learns_to_write_and_ends():
    encoder = small()
    task = Continuation(encoder, rows_of(ROWS))
    train(task, task, task.objective(), TrainConfig(steps=40, batch_size=2, dtype="float32", learning_rate=0.01))
    encoder.train()
    assert continued(encoder, ["a red cat", "two dogs"]) == ["sleeps here", "bark at night"]
    assert continued(encoder, ["two dogs"], most=1) == ["bark"]
    assert encoder.training
    assert continued(encoder, []) == []


def test_what_cannot_be_written_is_refused():
    encoder = small()
    with pytest.raises(InputError, match="pairs of texts"):
        Continuation(encoder, rows_of([Example("a")]))
    with pytest.raises(InputError, match="positions"):
        Continuation(encoder, rows_of([Example("a " * 60, ("red " * 60,))]))
    with pytest.raises(InputError, match="says the same"):
        ContrastedContinuation(encoder, rows_of([Example("a", ("red",), ("cat",))]))
    encoder.tokenizer.backend_tokenizer.post_processor = None
    with pytest.raises(InputError, match="end of a text"):
        Continuation(encoder, rows_of(ROWS))
