"""ESimCSE: repeated tokens on one side, and a queue of what a slow encoder made of past sentences."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.encoders import lengths
from counterpoint.systems import get
from counterpoint.systems.sentences import esimcse, simcse
from counterpoint.testbeds.texts import length_bias
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=e.anchor + " in the deep dark wood near the river") for e in ALONE]


def test_loss_is_that_of_a_naive_loop_over_batch_and_queue():
    step = step_of_texts("esimcse", ALONE, make=steady_bert, n=4, steps=3)
    first, second = step.z()
    queue = step.procedure.queue
    # two batches of four have come before the third
    assert int(queue.filled) == 8
    past = queue.z[:8]
    assert len(past.unique(dim=0)) == 8
    same(step, contrast(first, second, past), rtol=1e-3)
    plain = step_of_texts(esimcse.repeated(), ALONE, make=steady_bert, n=4, steps=3)
    same(plain, contrast(*plain.z()), rtol=1e-3)


def test_the_queue_is_of_original_sentences_without_dropout_by_an_encoder_that_follows():
    one, two = (step_of_texts("esimcse", LONG, n=12, steps=steps) for steps in (1, 2))
    encoder, head = one.network
    # the first step's momentum encoder is the encoder as it began
    texts = one.payload.take(one.payload.inputs, torch.arange(12))
    with torch.no_grad():
        wanted = head(encoder.eval()(texts))
    found = two.procedure.queue.z[:12]
    assert torch.allclose(found, wanted, atol=1e-5)
    teacher, student = two.procedure.teacher.model[0], two.network[0]
    start = {name: p.detach() for name, p in one.network[0].named_parameters()}
    for (name, slow), new in zip(teacher.named_parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(slow, 0.995 * start[name] + 0.005 * new)


def test_repetition_is_on_the_second_side_alone():
    step = step_of_texts("esimcse", LONG, n=12)
    first, second = lengths(step.payload.inputs).chunk(2)
    plain = lengths(step_of_texts(simcse.simcse(), LONG, n=12).payload.inputs).chunk(2)[0]
    assert sorted(first.tolist()) == sorted(plain.tolist())
    assert (second >= first).all()
    assert (second > first).any()
    assert get("esimcse").method().stages[0].head is simcse.mlp
    assert step_of_texts("esimcse", LONG, n=12, make=small_bert).network[0].pooling == "cls"


def test_length_bias_is_the_correlation_of_neighbours():
    from types import SimpleNamespace

    from counterpoint.data.items import Data, Items

    texts = ["a", "a b c", "a b c d e f g", "a b", "a b c d e"]

    class Long:
        """The more words, the further round a quarter of a circle."""

        def encode_items(self, items):
            angle = torch.tensor([0.1 * len(text.split()) for text in items.texts])
            return torch.stack([angle.cos(), angle.sin()], 1).numpy()

    made = SimpleNamespace(test=Data.alone(Items("text", texts)), encoder=Long())
    assert length_bias.of(made) == -1.0
