"""CompCSE: halves of a sentence, composed, then the layer; few dimensions; the sentence alone is an anchor."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.systems import get
from counterpoint.systems.sentences import compcse
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

# the first halves are all the same
LONG = [replace(e, anchor=f"in the deep dark {e.anchor} near a river") for e in ALONE]


@pytest.mark.parametrize("name", ["compcse", "CompCSE, halves of dimensions"])
def test_loss_is_that_of_a_naive_loop_over_composed_halves(name):
    step = step_of_texts(name, LONG, make=steady_bert, n=8)
    h, then = step.network(step.payload.inputs), step.procedure.then
    assert step.network[0].pooling == "cls"
    assert len(h) == 24  # eight sentences, then sixteen halves
    whole = []
    for a, b in h[8:].view(8, 2, -1):
        whole.append((a + b) / 2 if name == "compcse" else torch.cat([a[:8], b[8:]]))
    same(step, contrast(then(h[:8]), then(torch.stack(whole))), rtol=1e-3)


def test_halves_are_those_of_the_words_and_few_dimensions_are_seen():
    step = step_of_texts("compcse", LONG, n=8, make=small_bert)
    encoder = step.network[0]
    assert encoder.pooling == "cls"
    ids, offsets = step.payload.inputs["input_ids"], step.payload.inputs["offsets"]
    texts = [encoder.tokenizer.decode(ids[offsets[i] : offsets[i + 1]], skip_special_tokens=True) for i in range(24)]
    for i in range(8):
        first, second = texts[8 + 2 * i], texts[9 + 2 * i]
        assert f"{first} {second}" == texts[i]
        assert len(second.split()) - len(first.split()) in (0, 1)
    assert step.layers() == ["Identity"]
    linear = step.procedure.then[0]
    assert (linear.in_features, linear.out_features) == (16, 5)


def test_simcse_in_few_dimensions_has_the_same_layer_and_no_halves():
    step = step_of_texts(compcse.few_dimensions(), LONG, make=steady_bert, n=8)
    z = step.network(step.payload.inputs)
    assert z.shape == (16, 5)
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)
    assert get("compcse").method().stages[0].head is None
