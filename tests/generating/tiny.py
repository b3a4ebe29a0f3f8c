"""A tiny random causal language model whose words are w0, w1, ..."""

from __future__ import annotations

import tokenizers
import torch
import transformers

WORDS = 60
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    "{{ m.role }} {{ m.content }} . {% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
)


def made(kind="llama", template=None, layers=2):
    """(model, tokenizer): words w0, w1, ... and an end."""
    names = {f"w{i}": i for i in range(WORDS)}
    names |= {name: len(names) + i for i, name in enumerate(["</s>", "<unk>", "user", "assistant", "."])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(names, unk_token="<unk>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = template
    torch.manual_seed(0)
    common = {"vocab_size": len(names), "eos_token_id": WORDS, "bos_token_id": None}
    if kind == "llama":
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=layers, num_attention_heads=4,
            num_key_value_heads=2, initializer_range=0.4, max_position_embeddings=128, **common,
        )  # fmt: skip
        return transformers.LlamaForCausalLM(config), tokenizer
    config = transformers.GPT2Config(
        n_embd=32, n_layer=layers, n_head=4, n_positions=128, initializer_range=0.4, **common
    )
    return transformers.GPT2LMHeadModel(config), tokenizer
