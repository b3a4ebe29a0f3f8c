"""An encoder within another: in templates, with demonstrations, prefixes, adapters, and more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.contextual import ContextualEncoder
from counterpoint.encoders.convolution import ConvolutionEncoder
from counterpoint.encoders.deep import DeepEncoder
from counterpoint.encoders.demonstrations import DemonstrationEncoder
from counterpoint.encoders.fields import FieldEncoder
from counterpoint.encoders.frozen import AdapterEncoder, FrozenEncoder, PrefixEncoder
from counterpoint.encoders.late import MultiVectorEncoder
from counterpoint.encoders.ngrams import NGramEncoder
from counterpoint.encoders.nuggets import NuggetEncoder
from counterpoint.encoders.propositions import PropositionEncoder
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.templates import TemplateEncoder, TemplateMean
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError

_TEMPLATE = "a template needs a transformer"
_FROZEN = "only a transformer is frozen around what learns"


def in_templates(encoder: nn.Module, templates: Sequence[str], *, denoise: bool = False) -> nn.Module:
    """A transformer whose texts stand in a template and give the state of its mask token (`TemplateEncoder`).

    What stands in templates already stays as it is.

    Args:
        encoder: Is within what comes back.
        templates: See `TemplateEncoder`.
        denoise: Likewise.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["this means that"], layers=1, width=8, heads=2)
        >>> in_templates(bert, ['this : "{}" means [MASK].']).templates
        ('this : "{}" means [MASK].',)
    """
    make = partial(TemplateEncoder, templates=templates, denoise=denoise)
    return _around(encoder, TemplateEncoder, _TEMPLATE, make)


def in_each_template(encoder: nn.Module, templates: Sequence[str], *, layer: int = -1) -> nn.Module:
    """A transformer whose texts stand in each of several templates, and give the mean of what is asked there.

    What stands in templates already stays as it is (`TemplateMean`).

    Args:
        encoder: Is within what comes back.
        templates: See `TemplateMean`.
        layer: Likewise.

    Raises:
        InputError: It is no transformer, or has no such layer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["this is about, and feels"], layers=1, width=8, heads=2)
        >>> in_each_template(bert, ["{} is about [MASK]", "{} feels [MASK]"], layer=1).layer
        1
    """
    make = partial(TemplateMean, templates=templates, layer=layer)
    return _around(encoder, TemplateEncoder, _TEMPLATE, make)


def with_demonstrations(
    encoder: nn.Module, templates: Sequence[str], words: Sequence[str], *, virtual: int = 0
) -> nn.Module:
    """The same after demonstrations of each class, which say its word (`DemonstrationEncoder`).

    What shows demonstrations already stays as it is.

    Args:
        encoder: Is within what comes back.
        templates: See `DemonstrationEncoder`.
        words: Likewise.
        virtual: Likewise.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a cat is animals"], layers=1, width=8, heads=2)
        >>> with_demonstrations(bert, ["{} is [MASK]"], ["animals"]).words
        ('animals',)
    """
    make = partial(DemonstrationEncoder, templates=templates, words=words, virtual=virtual)
    return _around(encoder, DemonstrationEncoder, _TEMPLATE, make)


def with_propositions(encoder: nn.Module, *, mlp: bool = True) -> nn.Module:
    """A transformer whose texts have propositions with vectors of their own (`PropositionEncoder`).

    One that has them already stays as it is.

    Args:
        encoder: Is within what comes back.
        mlp: See `PropositionEncoder`.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> with_propositions(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).mlp
        True
    """
    what = "propositions are of tokens in a transformer"
    return _around(encoder, PropositionEncoder, what, partial(PropositionEncoder, mlp=mlp))


def with_filters(encoder: nn.Module, kernels: Sequence[int] = (3, 4, 5), channels: int = 100) -> nn.Module:
    """A transformer whose token states are read by filters over a few of them (`ConvolutionEncoder`).

    One that has filters already stays as it is.

    Args:
        encoder: Is within what comes back.
        kernels: See `ConvolutionEncoder`.
        channels: Likewise.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> with_filters(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).kernels
        (3, 4, 5)
    """
    make = partial(ConvolutionEncoder, kernels=kernels, channels=channels)
    return _around(encoder, ConvolutionEncoder, "filters read the states of a transformer", make)


def with_prefix(encoder: nn.Module, length: int = 16, dropout: float = 0.1) -> nn.Module:
    """A frozen transformer whose layers also see prefixes that are learned (`PrefixEncoder`).

    One that is frozen already stays as it is.

    Args:
        encoder: Is within what comes back.
        length: See `PrefixEncoder`.
        dropout: Likewise.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> with_prefix(small_transformer(["a small corpus"], layers=1, width=8, heads=2), 4).length
        4
    """
    return _around(encoder, FrozenEncoder, _FROZEN, partial(PrefixEncoder, length=length, dropout=dropout))


def with_adapters(encoder: nn.Module, size: int = 64) -> nn.Module:
    """A frozen transformer with bottlenecks that are learned (`AdapterEncoder`).

    One that is frozen already stays as it is.

    Args:
        encoder: Is within what comes back.
        size: See `AdapterEncoder`.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> with_adapters(small_transformer(["a small corpus"], layers=1, width=8, heads=2), 2).size
        2
    """
    return _around(encoder, FrozenEncoder, _FROZEN, partial(AdapterEncoder, size=size))


def token_table(encoder: nn.Module) -> nn.Module:
    """The table of a transformer's token vectors, without its layers.

    What is a table already stays as it is.

    Args:
        encoder: A transformer with a fast tokenizer.

    Raises:
        InputError: It is neither.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> token_table(small_transformer(["a small corpus"], layers=1, width=8, heads=2)).dim
        8
    """
    if isinstance(encoder, StaticEncoder | NGramEncoder):
        return encoder
    backend = getattr(getattr(encoder, "tokenizer", None), "backend_tokenizer", None)
    if not isinstance(encoder, TransformerEncoder) or backend is None:
        raise InputError("there are no token vectors to make a table of", fix="give a table or a transformer")
    tokenizer = type(backend).from_str(backend.to_str())
    tokenizer.no_truncation()
    weight = encoder.model.get_input_embeddings().weight.detach()
    options = {name: getattr(encoder, name) for name in ("prompts", "default_prompt_name", "do_lower_case")}
    return StaticEncoder(tokenizer, weight, **options).to(encoder.device)


def with_ngrams(encoder: nn.Module, buckets: int = 50_000, n: int = 2) -> nn.Module:
    """A table of token vectors, or of a transformer's (`token_table`), with one of n-grams beside it (`NGramEncoder`).

    One that has n-grams already stays as it is.

    Args:
        encoder: Its table is within what comes back.
        buckets: See `NGramEncoder`.
        n: Likewise.

    Raises:
        InputError: It has no token vectors.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> with_ngrams(StaticEncoder.from_corpus(["a cat"], dim=4), 10).buckets
        10
    """
    if isinstance(encoder, NGramEncoder):
        return encoder
    table = token_table(encoder)
    assert isinstance(table, StaticEncoder)
    return NGramEncoder(table, buckets, n).to(table.device)


def in_nuggets(encoder: nn.Module, ratio: float = 0.1, *, evenly: bool = False) -> nn.Module:
    """A transformer some of whose tokens stand for a text (`NuggetEncoder`).

    One that has nuggets already stays as it is.

    Args:
        encoder: Is within what comes back.
        ratio: See `NuggetEncoder`.
        evenly: Likewise.

    Raises:
        InputError: It is no transformer.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> in_nuggets(small_transformer(["a small corpus"], layers=1, width=8, heads=2), 0.5).ratio
        0.5
    """
    what = "nuggets are tokens of a transformer"
    return _around(encoder, NuggetEncoder, what, partial(NuggetEncoder, ratio=ratio, evenly=evenly))


def late_interaction(encoder: nn.Module, size: int = 128, most: int = 180) -> nn.Module:
    """Texts as the vectors of their tokens, as ColBERT has them (`MultiVectorEncoder`).

    What gives several vectors already stays as it is.

    Args:
        encoder: A transformer, or a table of token vectors.
        size: See `MultiVectorEncoder`.
        most: Likewise.

    Raises:
        InputError: It has no states of tokens.

    Examples:
        >>> late_interaction(StaticEncoder.from_corpus(["a cat"], dim=4), 2).size
        2
    """
    return _several(encoder, most=most, size=size, punctuation=False)


def first_vectors(encoder: nn.Module, most: int = 3) -> nn.Module:
    """Texts as the vectors of their first tokens, queries as that of the first, as ME-BERT has them.

    A table's tokens know nothing of each other: of a table they are the means of equal parts of the text. What gives
    several vectors already stays as it is.

    Args:
        encoder: A transformer, or a table of token vectors.
        most: See `MultiVectorEncoder`.

    Raises:
        InputError: It has no states of tokens.

    Examples:
        >>> encoder = first_vectors(StaticEncoder.from_corpus(["a cat"], dim=4), 2)
        >>> encoder.most, encoder.asked, encoder.means
        (2, 1, True)
    """
    return _several(encoder, most=most, asked=1, means=isinstance(encoder, StaticEncoder), layer_norm=True)


def in_fields(encoder: nn.Module, shares: Sequence[float] = (0.5, 0.5)) -> nn.Module:
    """An encoder of texts whose fields are encoded one by one, and averaged (`FieldEncoder`).

    One that knows fields already stays as it is.

    Args:
        encoder: Is within what comes back.
        shares: See `FieldEncoder`.

    Raises:
        InputError: It encodes no texts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> in_fields(StaticEncoder.from_corpus(["a cat"], dim=4), (0.25, 0.75)).shares
        (0.25, 0.75)
    """
    if isinstance(encoder, FieldEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("there is no encoder of texts to give fields to", fix="give a table or a transformer")
    return FieldEncoder(encoder, shares).to(encoder.device)


def with_layers(encoder: nn.Module, layers: int = 4) -> nn.Module:
    """An encoder of texts with a feed-forward network behind it, which stays with it (`DeepEncoder`).

    One that has such a network already stays as it is.

    Args:
        encoder: Is within what comes back.
        layers: See `DeepEncoder`.

    Raises:
        InputError: It encodes no texts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> with_layers(StaticEncoder.from_corpus(["a cat"], dim=4), 2).layers
        2
    """
    if isinstance(encoder, DeepEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("there is no encoder of texts to put layers behind", fix="give a table or a transformer")
    return DeepEncoder(encoder, layers).to(encoder.device)


def in_context(encoder: nn.Module, size: int = 512) -> nn.Module:
    """A transformer that reads texts after vectors of others, which a copy of it makes (`ContextualEncoder`).

    Args:
        encoder: Is within what comes back; one that does so already stays.
        size: See `ContextualEncoder`.

    Raises:
        InputError: It is no transformer.
    """

    def both(base: TransformerEncoder) -> ContextualEncoder:
        return ContextualEncoder(base, copy.deepcopy(base), size=size)

    return _around(encoder, ContextualEncoder, "there is no transformer to read a context", both)


def _several(encoder: nn.Module, **options: Any) -> nn.Module:
    if isinstance(encoder, MultiVectorEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("there is no encoder of texts to take token vectors of", fix="give a table or a transformer")
    return MultiVectorEncoder(encoder, **options).to(encoder.device)


def _around(
    encoder: nn.Module, there: type[nn.Module], what: str, make: Callable[[TransformerEncoder], Wrapper]
) -> nn.Module:
    """What is made of a transformer, where it is not `there` already; what is no transformer is refused with `what`."""
    if isinstance(encoder, there):
        return encoder
    if not isinstance(encoder, TransformerEncoder):
        raise InputError(what, fix="give one for a base, such as minilm")
    return make(encoder).to(encoder.device)
