"""A transformer that stays as it is, and what little learns within it: prefixes, or bottleneck adapters."""

from __future__ import annotations

import abc
import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError

PREFIXED = "counterpoint-prefix"
"""The name by which transformers knows the attention that sees prefixes."""
OUTPUTS = (
    *("attention.output.dense", "output.dense"),
    *("self_attn.o_proj", "mlp.down_proj"),
    *("attention.out_lin", "ffn.lin2"),
    *("attn.c_proj", "mlp.c_proj"),
)
"""What leaves the two halves of a layer, by architecture."""


class FrozenEncoder(Wrapper):
    """A transformer of which only layers after pooling learn, and what a subclass puts within.

    Taken out again (`encoder`) the transformer is to the last bit what it was.

    Args:
        encoder: Its model no longer learns.
    """

    encoder: TransformerEncoder

    def __init__(self, encoder: TransformerEncoder) -> None:
        super().__init__(encoder)
        self.max_seq_length = encoder.max_seq_length
        encoder.model.requires_grad_(requires_grad=False)

    @abc.abstractmethod
    def within(self) -> contextlib.AbstractContextManager[None]:
        """Within: the transformer computes with what was put into it."""

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        with self.within():
            return self.encoder._embed(features)


class PrefixEncoder(FrozenEncoder):
    """Every layer's attention also sees some keys and values that are learned; all else is frozen.

    They are a table, without a network that makes them, are seen from every place, and have no place of their own: the
    text's positions stay what they are. Sources: Li and Liang 2021, "Prefix-Tuning"; Liu et al. 2022, "P-Tuning v2".

    Args:
        encoder: Of an architecture whose attention transformers lets others compute.
        length: How many each layer has.
        dropout: Of their values in training, drawn for each row of a forward.

    Raises:
        InputError: A length below 1, or attention that cannot be reached.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = PrefixEncoder(small_transformer(["a small corpus"], layers=3, width=8, heads=2), 5)
        >>> encoder.prefix.shape, [name for name, p in encoder.named_parameters() if p.requires_grad]
        (torch.Size([3, 2, 2, 5, 4]), ['prefix'])
    """

    def __init__(self, encoder: TransformerEncoder, length: int = 16, dropout: float = 0.1) -> None:
        super().__init__(encoder)
        if length < 1:
            raise InputError(f"a prefix of {length}", fix="give 1 or more")
        config, layers = encoder.model.config, len(self._attention())
        heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
        size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self.length, self.dropped = length, nn.Dropout(dropout)
        # as embeddings of transformers begin
        self.prefix = nn.Parameter(0.02 * torch.randn(layers, 2, heads, length, size))

    @property
    def dropout(self) -> float:
        """The share of values that are dropped in training."""
        return self.dropped.p

    def _attention(self) -> list[nn.Module]:
        found = [part for part in self.encoder.model.modules() if hasattr(part, "is_causal")]
        if len(found) != self.encoder.model.config.num_hidden_layers:
            name = self.encoder.model.config.model_type
            raise InputError(f"a {name} does not say which its attention is", fix="give another model")
        return found

    @contextlib.contextmanager
    def within(self) -> Iterator[None]:
        """See `FrozenEncoder`."""
        _register()
        seen = _Seen(self._attention(), self.prefix, self.dropped)
        config, token = self.encoder.model.config, _SEEN.set(seen)
        before, config._attn_implementation = config._attn_implementation, PREFIXED
        try:
            yield
        finally:
            config._attn_implementation = before
            _SEEN.reset(token)
        if seen.left:
            what = f"attention of a {config.model_type} that sees no prefix in this version of transformers"
            raise InputError(what, fix="update transformers, or give another model")


class AdapterEncoder(FrozenEncoder):
    """Behind both halves of every layer a bottleneck that is learned, `h + U gelu(D h + a) + b`; all else is frozen.

    It stands before the sum with what the half was given, and begins as the identity: `U` and `b` are zero. Source:
    Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", whose layer normalisation learns, too.

    Args:
        encoder: Of an architecture whose layers have two halves, attention and a perceptron (`OUTPUTS`).
        size: Of the bottleneck.

    Raises:
        InputError: A size below 1, or layers whose halves are not known.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus"], layers=3, width=8, heads=2)
        >>> before, encoder = bert.encode(["a corpus"]), AdapterEncoder(bert, 2)
        >>> bool((encoder.encode(["a corpus"]) == before).all()), len(encoder.adapters)
        (True, 6)
    """

    def __init__(self, encoder: TransformerEncoder, size: int = 64) -> None:
        super().__init__(encoder)
        if size < 1:
            raise InputError(f"a bottleneck of {size}", fix="give 1 or more")
        self.size, width = size, int(encoder.model.config.hidden_size)
        self.adapters = nn.ModuleList(_bottleneck(width, size) for _ in self._outputs())

    def _outputs(self) -> list[nn.Module]:
        found = [part for name, part in self.encoder.model.named_modules() if _LAYER.sub("", name) in OUTPUTS]
        config = self.encoder.model.config
        if len(found) != 2 * config.num_hidden_layers:
            raise InputError(f"a {config.model_type}'s layers have no halves known here", fix="give another model")
        return found

    @contextlib.contextmanager
    def within(self) -> Iterator[None]:
        """See `FrozenEncoder`."""
        hooks = [
            part.register_forward_hook(partial(_adapted, adapter))
            for part, adapter in zip(self._outputs(), self.adapters, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


_LAYER = re.compile(r"^.*?\.\d+\.")
"""What stands before the parts of a layer in their names."""


def _bottleneck(width: int, size: int) -> nn.Module:
    down, up = nn.Linear(width, size), nn.Linear(size, width)
    # a small start, as theirs; the other half of it is zero, so that nothing is changed at first
    nn.init.normal_(down.weight, std=1e-2)
    for zero in (down.bias, up.weight, up.bias):
        nn.init.zeros_(zero)
    return nn.Sequential(down, nn.GELU(), up)


def _adapted(adapter: nn.Module, _module: nn.Module, _inputs: object, h: Tensor) -> Tensor:
    # the transformer may compute at less precision, the adapter does not
    more: Tensor = adapter(h.to(next(adapter.parameters()).dtype))
    return h + more.to(h.dtype)


class _Seen:
    """The prefixes of the attention modules of a model, and which of them have not been asked for."""

    def __init__(self, modules: list[nn.Module], prefix: Tensor, dropped: nn.Dropout) -> None:
        self.left = set(map(id, modules))
        self.of = {id(module): own for module, own in zip(modules, prefix, strict=True)}
        self.dropped = dropped

    def take(self, module: nn.Module, like: Float[Tensor, "b h m s"]) -> Float[Tensor, "2 b h p s"]:
        self.left.discard(id(module))
        own = self.of[id(module)].to(like.dtype)[:, None].expand(-1, len(like), -1, -1, -1)
        seen: Tensor = self.dropped(own)
        return seen


_SEEN: ContextVar[_Seen] = ContextVar("prefixes")


@cache
def _register() -> None:
    """Tell transformers of attention that sees prefixes, which makes masks as its own does.

    Raises:
        InputError: A version of it that cannot be told.
    """
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask
    except ImportError as error:
        raise InputError("this version of transformers takes no prefixes", fix="update it: 4.53 or newer") from error
    AttentionInterface.register(PREFIXED, _prefixed)
    AttentionMaskInterface.register(PREFIXED, sdpa_mask)


def _prefixed(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of `(b, h, n, s)` to keys and values with a prefix, which every place sees."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    before = _SEEN.get().take(module, key)
    length = before.shape[-2]
    mask = attention_mask
    if mask is None:
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=key.device)[None, None]
        mask = mask.tril() if getattr(module, "is_causal", False) else mask
    # 0 is what a mask of numbers adds where a place is seen
    mask = F.pad(mask, (length, 0), value=mask.dtype == torch.bool)
    key, value = (torch.cat([own, side], 2) for own, side in zip(before, (key, value), strict=True))
    found: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, mask, **options)
    return found
