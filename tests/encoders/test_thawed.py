"""Which of a model's weights learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder, TransformerEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.thawed import biases_alone, counted, last_blocks, with_biases
from counterpoint.errors import InputError


def bert(layers=3):
    return small_transformer(["a small corpus"], layers=layers, width=8, heads=2)


def learned(encoder):
    return {name for name, weight in encoder.named_parameters() if weight.requires_grad}


def test_biases_learn_and_nothing_else():
    encoder = biases_alone(bert())
    names = [name for name, _ in encoder.named_parameters()]
    assert learned(encoder) == {name for name in names if name.endswith("bias")}
    assert len(learned(encoder)) == 3 * 8 + 1
    # of a layer: six linear and two normalising ones; of all together the embeddings' normalisation is not counted
    assert counted(encoder) == (3 * 872, 3 * (4 * 8 + 32 + 8 + 2 * 8))


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_the_last_blocks_learn_and_nothing_before_them(blocks):
    encoder = last_blocks(bert(), blocks)
    wanted = {f".layer.{i}." for i in range(3 - blocks, 3)}
    names = [name for name, _ in encoder.named_parameters()]
    assert learned(encoder) == {name for name in names if any(part in name for part in wanted)}
    assert counted(encoder) == (3 * 872, blocks * 872)


def llama_of_two():
    from transformers import LlamaConfig, LlamaModel

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    return TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=99, **size)), bert().tokenizer)


def test_a_llama_gets_biases_that_say_nothing_yet_and_are_kept(tmp_path):
    texts, encoder = ["a small corpus", "a corpus"], llama_of_two()
    before = encoder.encode(texts)
    assert with_biases(encoder) is encoder
    np.testing.assert_array_equal(encoder.encode(texts), before)
    biases_alone(encoder)
    names = [name for name, _ in encoder.named_parameters() if name.endswith("bias")]
    assert learned(encoder) == set(names)
    assert len(names) == 2 * 7
    with torch.no_grad():
        for weight in encoder.parameters():
            if weight.requires_grad:
                weight.normal_()
    moved = encoder.encode(texts)
    assert np.abs(moved - before).max() > 0.01
    encoder.save(tmp_path / "model")
    np.testing.assert_allclose(load(tmp_path / "model").encode(texts), moved, atol=1e-6)
    # what has biases, or cannot have them, stays as it is
    weights = {name: weight.clone() for name, weight in bert().named_parameters()}
    assert {name for name, _ in with_biases(bert()).named_parameters()} == set(weights)
    with_biases(StaticEncoder.from_corpus(["a cat"], dim=4))


def test_what_cannot_be_is_refused():
    llama = llama_of_two()
    with pytest.raises(InputError, match="llama has no biases"):
        biases_alone(llama)
    # the last normalisation learns with the last block
    assert {name.split(".")[1] + name.split(".")[2] for name in learned(last_blocks(llama, 1))} == {
        "layers1",
        "normweight",
    }
    for blocks in (-1, 3):
        with pytest.raises(InputError, match=f"last {blocks} blocks of 2"):
            last_blocks(bert(2), blocks)
    for change in (biases_alone, lambda encoder: last_blocks(encoder, 1)):
        with pytest.raises(InputError, match="only a transformer"):
            change(StaticEncoder.from_corpus(["a cat"], dim=4))
