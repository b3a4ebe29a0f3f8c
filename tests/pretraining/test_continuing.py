"""A text that is written after another: what each place sees, and what is written in the end."""

from __future__ import annotations

import pytest
import torch
import transformers

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.pretraining import Continuation, ContrastedContinuation, MarginContinuation, continued
from counterpoint.training import TrainConfig, train
from counterpoint.training._processes import Processes

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


@pytest.mark.parametrize("kind", [Continuation, ContrastedContinuation, MarginContinuation])
def test_what_two_processes_bring_is_the_whole(kind, monkeypatch):
    task = kind(small(), rows_of(ROWS))

    def call(rows, rank, world):
        monkeypatch.setattr(Processes, "current", lambda: Processes(rank=rank, world=world))
        payload = task.payload(torch.tensor(rows))
        return payload.arguments(task(payload.inputs))

    def slope(loss):
        return torch.autograd.grad(loss, list(task.parameters()), allow_unused=True)

    parts = [call([i], i, 2) for i in range(2)]
    both = {side: Points.cat([part[side] for part in parts]) for side in ("queries", "keys")}
    whole = call([0, 1], 0, 1)
    assert {side: len(points) for side, points in both.items()} == {side: len(whole[side]) for side in both}
    loss, wanted = (task.objective()(**one) for one in (both, whole))
    torch.testing.assert_close(loss, wanted)
    for a, b in zip(slope(loss), slope(wanted), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_it_learns_to_write_and_ends():
    encoder = small()
    task = Continuation(encoder, rows_of(ROWS))
    train(task, task, task.objective(), TrainConfig(steps=25, batch_size=2, dtype="float32", learning_rate=0.01))
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


def other_kind(model, config, **options):
    encoder = small()
    size = {"vocab_size": len(encoder.tokenizer), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    size |= {"intermediate_size": 32, "max_position_embeddings": 64}
    torch.manual_seed(0)
    return TransformerEncoder(model(config(**size, **options)), encoder.tokenizer)


def test_a_causal_model_stays_causal():
    encoder = other_kind(transformers.LlamaModel, transformers.LlamaConfig, pad_token_id=0)
    inputs = Continuation(encoder, rows_of(ROWS)).payload(torch.arange(2)).inputs
    plain = {name: inputs[name] for name in ("input_ids", "offsets")}
    torch.testing.assert_close(encoder._hidden(inputs), encoder._hidden(plain))


def test_what_can_be_given_no_mask_is_refused():
    encoder = other_kind(transformers.AlbertModel, transformers.AlbertConfig, embedding_size=16)
    task = Continuation(encoder, rows_of(ROWS))
    with pytest.raises(InputError, match="albert can be given neither"):
        task(task.payload(torch.arange(2)).inputs)
