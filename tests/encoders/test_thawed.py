"""Which of a model's weights learn."""

from __future__ import annotations

import pytest

from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.thawed import biases_alone, counted, last_blocks
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


def test_what_cannot_be_is_refused():
    from transformers import LlamaConfig, LlamaModel

    from counterpoint.encoders import TransformerEncoder

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    llama = TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=99, **size)), bert().tokenizer)
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
