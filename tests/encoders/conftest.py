"""Tiny models with random weights: nothing is downloaded."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from counterpoint.encoders import StaticEncoder, TransformerEncoder
from counterpoint.encoders._base import TextEncoder

CORPUS = [
    "a man is playing the guitar on the stage",
    "a woman is slicing an onion",
    "the cat sat on the mat and looked at the dog for a very long time before it ran away",
    "query languages and passage retrieval",
    "dogs",
    "two children play football in the park near the old river",
]
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 140,
    # larger than usual, so that attention is far from uniform
    "initializer_range": 0.3,
}


def make_tokenizer(
    *, special: bool = True, named: tuple[str, ...] = ("pad", "unk", "bos", "eos"), **options: str
) -> transformers.PreTrainedTokenizerFast:
    """The tokens are always the same; `named` are those that the tokenizer knows to be special."""
    words = sorted({word for text in CORPUS for word in text.split()})
    letters = [prefix + c for c in string.ascii_lowercase + ":" for prefix in ("", "##")]
    tokens = dict.fromkeys(["<pad>", "<unk>", "<s>", "</s>", *letters, *words])
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        **{f"{name}_token": {"bos": "<s>", "eos": "</s>"}.get(name, f"<{name}>") for name in named},
        **options,
    )


def make_transformer(
    model_type: str = "bert", *, named: tuple[str, ...] | None = None, sides: dict[str, str] | None = None,
    shape: dict[str, int] | None = None, **options,
) -> TransformerEncoder:  # fmt: skip
    causal = model_type in ("gpt2", "llama", "mistral", "qwen2", "qwen3")
    more = {} if named is None else {"named": named}
    tokenizer = make_tokenizer(special=not causal, **more, **(sides or {}))
    ids = {"pad_token_id": 0 if named is None else None, "bos_token_id": 2, "eos_token_id": 3}
    torch.manual_seed(0)
    # fewer heads of keys than of queries, where the architecture can
    extra = {"num_key_value_heads": 2, "head_dim": 8} if causal and model_type != "gpt2" else {}
    config = transformers.AutoConfig.for_model(
        model_type, vocab_size=len(tokenizer), **{**SHAPE, **(shape or {})}, **extra, **ids
    )
    return TransformerEncoder(transformers.AutoModel.from_config(config), tokenizer, **options).eval()


def make_encoder(name: str, **options) -> TextEncoder:
    if name == "static":
        tokenizer = StaticEncoder.train_tokenizer(CORPUS, vocab_size=160)
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(tokenizer.get_vocab_size(), 32, generator=generator)
        log_weight = torch.randn(len(table), generator=generator)
        return StaticEncoder(tokenizer, table, log_weight=log_weight, **options).eval()
    return make_transformer(name, **options)


@pytest.fixture
def corpus() -> list[str]:
    return list(CORPUS)


@pytest.fixture
def tiny() -> Callable[..., TextEncoder]:
    """tiny("static" or a model type, **options) makes the encoder; the same call makes the same weights."""
    return make_encoder


@pytest.fixture
def stsb() -> tuple[list[float], list[str], list[str]]:
    """Scores, first and second sentences of the STS benchmark's test part, where it is at hand."""
    folders = [os.environ.get("COUNTERPOINT_DATA", ""), Path(__file__).parents[3] / "shared/data"]
    path = next((p for f in folders if (p := Path(f) / "stsb/en-test.tsv").is_file()), None)
    if path is None:
        pytest.skip("the STS benchmark is not at hand")
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    scores, first, second = zip(*(line.split("\t") for line in lines), strict=True)
    return [float(s) for s in scores], list(first), list(second)
