"""Which of a model's own weights learn, and how many they are."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


def biases_alone(encoder: nn.Module) -> nn.Module:
    """Of transformers nothing learns but biases, those of normalisations too.

    Source: Ben Zaken et al. 2022, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
    Language-models".

    Args:
        encoder: Changed in place.

    Raises:
        InputError: There is no transformer, or one without a bias, as Llama's are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> counted(biases_alone(small_transformer(["a small corpus"], layers=1, width=8, heads=2)))
        (872, 88)
    """
    for part in _transformers(encoder):
        named = list(part.model.named_parameters())
        if not any(name.endswith("bias") for name, _ in named):
            raise InputError(f"a {part.model.config.model_type} has no biases", fix="let something else of it learn")
        for name, weight in named:
            weight.requires_grad_(requires_grad=name.endswith("bias"))
    return encoder


def with_biases(encoder: nn.Module) -> nn.Module:
    """Transformers whose kind knows biases but has none get them, all of them 0, so that they say what they said.

    Llama's architecture has them as two settings that language models of today leave out. Others stay as they are.

    Args:
        encoder: Changed in place.

    Examples:
        >>> from counterpoint.encoders import TransformerEncoder
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from transformers import LlamaConfig, LlamaModel
        >>> tokenizer = small_transformer(["a small corpus"], layers=1, width=8, heads=2).tokenizer
        >>> size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> encoder = TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=99, **size)), tokenizer)
        >>> counted(biases_alone(with_biases(encoder)))  # of four linear layers of 8, two of 16, and one back to 8
        (736, 72)
    """
    for part in encoder.modules():
        settings = ("attention_bias", "mlp_bias")
        if isinstance(part, TransformerEncoder) and all(hasattr(part.model.config, name) for name in settings):
            for name in settings:
                setattr(part.model.config, name, True)
            for module in part.model.modules():
                if isinstance(module, nn.Linear) and "bias" not in dict(module.named_parameters()):
                    module.bias = nn.Parameter(module.weight.new_zeros(module.out_features))
    return encoder


def last_blocks(encoder: nn.Module, blocks: int) -> nn.Module:
    """Of transformers the token vectors, and all blocks but the last ones, learn nothing.

    Args:
        encoder: Changed in place.
        blocks: How many learn, with whatever normalisation follows the last one; 0: that alone.

    Raises:
        InputError: There is no transformer, or not so many blocks, or it does not say which they are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> counted(last_blocks(small_transformer(["a small corpus"], layers=3, width=8, heads=2), 1))
        (2616, 872)
    """
    for part in _transformers(encoder):
        model, there = part.model, int(part.model.config.num_hidden_layers)
        if not 0 <= blocks <= there:
            raise InputError(f"the last {blocks} blocks of {there} learn", fix=f"give 0 to {there}")
        whole = getattr(model, "embeddings", None) or model.get_input_embeddings()
        for frozen in (whole, *list(part.blocks)[: there - blocks]):
            frozen.requires_grad_(requires_grad=False)
    return encoder


def counted(encoder: nn.Module) -> tuple[int, int]:
    """How many parameters a model has without token vectors and what stands beside these, and how many learn.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> counted(small_transformer(["a small corpus"], layers=1, width=8, heads=2))
        (872, 872)
    """
    own = [weight for name, weight in encoder.named_parameters() if "emb" not in name]
    return sum(w.numel() for w in own), sum(w.numel() for w in own if w.requires_grad)


def _transformers(encoder: nn.Module) -> list[TransformerEncoder]:
    found = [part for part in encoder.modules() if isinstance(part, TransformerEncoder)]
    if not found:
        raise InputError("only a transformer learns in part", fix="give one for a base, such as minilm")
    return found
