"""What methods make of whatever encoder they are given, before they train it. Done twice, it is done once."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._checkpoint import is_causal
from counterpoint.encoders.towers import Towers
from counterpoint.encoders.transformer import Dense, TransformerEncoder
from counterpoint.errors import InputError


def first_token(encoder: nn.Module) -> nn.Module:
    """Transformers give the last state of their first token, [CLS], in place of whatever they pooled.

    A table of token vectors has no such token, and the first of a causal language model has seen nothing but itself:
    both stay as they are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> first_token(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).pooling
        'cls'
    """
    for part in _transformers(encoder):
        if not is_causal(part.model):
            part.pooling = "cls"
    return encoder


def mean_of_tokens(encoder: nn.Module) -> nn.Module:
    """Transformers give the mean of the last states of all tokens, in place of whatever they pooled.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> options = {"layers": 1, "width": 8, "heads": 2, "pooling": "cls"}
        >>> mean_of_tokens(small_transformer(["a small corpus"], **options)).pooling
        'mean'
    """
    for part in _transformers(encoder):
        part.pooling = "mean"
    return encoder


def maximum(encoder: nn.Module) -> nn.Module:
    """Transformers give the greatest state of all tokens in each dimension, in place of whatever they pooled.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> maximum(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).pooling
        'max'
    """
    for part in _transformers(encoder):
        part.pooling = "max"
    return encoder


def scaled_sum(encoder: nn.Module) -> nn.Module:
    """Transformers give the sum of all states divided by the root of their number, in place of whatever they pooled.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> scaled_sum(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).pooling
        'mean_sqrt_len'
    """
    for part in _transformers(encoder):
        part.pooling = "mean_sqrt_len"
    return encoder


def weighted_mean(encoder: nn.Module) -> nn.Module:
    """Transformers give the mean of all states, each weighted by its place: of a causal one the later have seen more.

    Source: Muennighoff 2022, "SGPT: GPT Sentence Embeddings for Semantic Search", equation 2 (`encoders.pooling`).

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> weighted_mean(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).pooling
        'weighted_mean'
    """
    for part in _transformers(encoder):
        part.pooling = "weighted_mean"
    return encoder


def last_token(encoder: nn.Module) -> nn.Module:
    """Transformers give the last state of their last token, which of a causal one has seen the whole text.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> last_token(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).pooling
        'last'
    """
    for part in _transformers(encoder):
        part.pooling = "last"
    return encoder


def unscaled(encoder: nn.Module) -> nn.Module:
    """Encoders of texts give their vectors as they are, not brought to length one, for what looks at their length.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> unscaled(StaticEncoder.from_corpus(["a cat"], dim=4)).normalize
        False
    """
    for part in encoder.modules():
        if isinstance(part, TextEncoder):
            part.normalize = False
    return encoder


def frozen_tokens(encoder: nn.Module) -> nn.Module:
    """Transformers learn all but their token vectors.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = frozen_tokens(small_transformer(["a small corpus"], layers=1, width=8, heads=2))
        >>> encoder.model.get_input_embeddings().weight.requires_grad
        False
    """
    for part in _transformers(encoder):
        part.model.get_input_embeddings().requires_grad_(requires_grad=False)
    return encoder


def first_layers(encoder: TransformerEncoder, layers: int) -> TransformerEncoder:
    """The transformer's first layers alone, with whatever normalisation it has after its last.

    Of a language model that was never trained to compare texts, the first layers compare them better than the whole:
    what comes later is for the next token.

    Args:
        encoder: Changed in place. Its vectors have been pooled from the last layer, and are from the last one left.
        layers: How many stay; 0: the embeddings.

    Raises:
        InputError: There are not so many, or it does not say which its layers are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a small corpus"], layers=3, width=8, heads=2)
        >>> len(first_layers(encoder, 1).model.encoder.layer), encoder.model.config.num_hidden_layers
        (1, 1)
    """
    model, there = encoder.model, int(encoder.model.config.num_hidden_layers)
    if not 0 <= layers <= there:
        raise InputError(f"the first {layers} layers of {there}", fix=f"give 0 to {there}")
    del encoder.blocks[layers:]
    for name, value in model.config.to_dict().items():
        # such as the kind of attention of each layer
        if isinstance(value, list) and len(value) == there:
            setattr(model.config, name, value[:layers])
    model.config.num_hidden_layers = layers
    return encoder


def two_towers(encoder: nn.Module) -> nn.Module:
    """Each side has an encoder of its own, which begins as a copy (`Towers`); two towers stay as they are.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> towers = two_towers(StaticEncoder.from_corpus(["a cat"], dim=4))
        >>> towers.query is towers.document, two_towers(towers) is towers
        (False, True)
    """
    return encoder if isinstance(encoder, Towers) else Towers(encoder)


def tanh_layer(encoder: nn.Module) -> nn.Module:
    """A new layer after pooling that stays with the encoder, `tanh(W z + b)`, as BERT's pooler.

    A transformer that has layers after pooling keeps those.

    Raises:
        InputError: There is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = tanh_layer(small_transformer(["a small corpus"], layers=1, width=8, heads=2))
        >>> len(tanh_layer(encoder).heads)
        1
    """
    return _with_layer(encoder, nn.Tanh)


def linear_layer(encoder: nn.Module, *, bias: bool = True) -> nn.Module:
    """The same without a function after it, `W z + b`.

    Args:
        encoder: Changed in place.
        bias: Whether there is a `b`.

    Raises:
        InputError: There is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = linear_layer(small_transformer(["a small corpus"], layers=1, width=8, heads=2))
        >>> encoder.heads[0].activation
        Identity()
    """
    return _with_layer(encoder, nn.Identity, bias=bias)


def _with_layer(encoder: nn.Module, activation: Callable[[], nn.Module], *, bias: bool = True) -> nn.Module:
    found = _transformers(encoder)
    if not found:
        raise InputError("a layer after pooling needs a transformer", fix="give one for a base, such as minilm")
    for part in found:
        if not len(part.heads):
            part.heads.append(Dense(part.width, part.width, bias, activation=activation()).to(part.device))
    return encoder


def with_dropout(encoder: nn.Module, p: float = 0.1) -> nn.Module:
    """Transformers that know no dropout drop values of their token vectors, and of what each layer's perceptron adds.

    Language models of today have none, and two encodings of a text in training would be the same. Others keep theirs.

    Args:
        encoder: Changed in place; it is saved as it was.
        p: The share, that of BERT.

    Examples:
        >>> from counterpoint.encoders import TransformerEncoder
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from transformers import LlamaConfig, LlamaModel
        >>> tokenizer = small_transformer(["a small corpus"], layers=1, width=8, heads=2).tokenizer
        >>> size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> model = LlamaModel(LlamaConfig(vocab_size=99, **size))
        >>> encoder = with_dropout(TransformerEncoder(model, tokenizer)).train()
        >>> inputs = encoder.tokenize(["a small corpus"])
        >>> bool((encoder(inputs) == encoder(inputs)).all())
        False
    """
    for part in _transformers(encoder):
        if not any(isinstance(module, nn.Dropout) for module in part.model.modules()):
            added = [module for name, module in part.model.named_modules() if name.endswith(".mlp")]
            for module in (part.model.get_input_embeddings(), *added):
                # within, not around: the names of all weights stay what they are
                module.add_module("dropout", nn.Dropout(p))
                module.register_forward_hook(_dropped)
    return encoder


def _dropped(module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    dropped: Tensor = module.get_submodule("dropout")(output)
    return dropped


def without_dropout(encoder: nn.Module) -> nn.Module:
    """Two encodings of an item are the same in training, too.

    Examples:
        >>> without_dropout(nn.Sequential(nn.Dropout(0.1)))[0].p
        0.0
    """
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return encoder


def _transformers(encoder: nn.Module) -> list[TransformerEncoder]:
    return [part for part in encoder.modules() if isinstance(part, TransformerEncoder)]
