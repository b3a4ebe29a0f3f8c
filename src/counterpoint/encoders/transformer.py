"""Any Hugging Face encoder or decoder as a text encoder, with no work wasted on padding."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._checkpoint import give_pad_token
from counterpoint.encoders.features import Features, changed, from_ids, lengths, take
from counterpoint.encoders.packing import Layout, layout
from counterpoint.encoders.pooling import Pooling, check_pooling, pool
from counterpoint.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Architectures for which packed and unpadded vectors are tested to be equal, and whether they are causal.
PACKABLE = {
    "bert": False,
    "camembert": False,
    "distilbert": False,
    "electra": False,
    "roberta": False,
    "xlm-roberta": False,
    "gpt2": True,
    "llama": True,
    "mistral": True,
    "qwen2": True,
    "qwen3": True,
}
# Their first position is padding_idx + 1.
OFFSET_POSITIONS = ("camembert", "roberta", "xlm-roberta")
ROW = 64
"""Tokens a packed row, if no text is longer. Longer rows spend more on attention that is masked."""
LONGEST_PACKED = 512
"""Batches with a longer text are padded: their masks would be large."""
_NOT_OF_THE_MODEL = ("_name_or_path", "architectures", "dtype", "transformers_version")


@contextlib.contextmanager
def dropping(model: nn.Module, rate: float) -> Iterator[None]:
    """Within: every dropout of a model has this rate; below 0: its own."""
    before = {part: part.p for part in model.modules() if isinstance(part, nn.Dropout)}
    try:
        for part in before if rate >= 0 else ():
            part.p = rate
        yield
    finally:
        for part, p in before.items():
            part.p = p


class Dense(nn.Module):
    """A linear layer and an activation after pooling, y = f(W x + b): sentence-transformers' `Dense`."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.activation = activation or nn.Tanh()

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Apply it."""
        out: Tensor = self.activation(self.linear(x))
        return out


class TransformerEncoder(TextEncoder):
    """A Hugging Face model, pooled. `load` makes one from a folder or a hub name.

    Args:
        model: A `transformers` model whose output has `last_hidden_state`.
        tokenizer: Its tokenizer.
        pooling: ``mean``, ``cls``, ``max``, ``last``, ``weighted_mean`` or ``mean_sqrt_len``; see `pool`.
        heads: Layers after pooling.
        include_prompt: Whether the prompt's tokens take part in pooling.
        max_seq_length: Longer texts are cut (special tokens included); None for the longest the model takes.
        options: See `TextEncoder`.

    Raises:
        InputError: An unknown pooling, a head of another width, a length the model has no positions for.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a small corpus"], layers=1, width=8, heads=2)
        >>> encoder.pooling, encoder.encode(["a corpus", "small"]).shape
        ('mean', (2, 8))
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        pooling: Pooling = "mean",
        heads: Sequence[Dense] = (),
        include_prompt: bool = True,
        max_seq_length: int | None = None,
        **options: Any,
    ) -> None:
        check_pooling(pooling)
        give_pad_token(model, tokenizer)
        config = model.config
        width = int(config.hidden_size)
        for head in heads:
            if head.linear.in_features != width:
                raise InputError(f"a Dense layer takes {head.linear.in_features} dimensions, not {width}")
            width = head.linear.out_features
        super().__init__(width, **options)
        self.model = model
        self.tokenizer = tokenizer
        self.pooling: Pooling = pooling
        self.heads = nn.ModuleList(heads)
        self.include_prompt = include_prompt
        offset = config.pad_token_id + 1 if config.model_type in OFFSET_POSITIONS else 0
        positions = getattr(config, "max_position_embeddings", None) or 1 << 30
        longest = min(tokenizer.model_max_length, positions - offset)
        if max_seq_length is not None and max_seq_length > positions - offset:
            raise InputError(f"max_seq_length {max_seq_length} is more than the model's {positions - offset}")
        self.max_seq_length: int = max_seq_length or longest
        special = tokenizer.num_special_tokens_to_add()
        if self.max_seq_length <= special:
            what = f"max_seq_length {self.max_seq_length} leaves no room beside {special} special tokens"
            raise InputError(what, fix=f"give {special + 1} or more")
        self.positions = positions - offset
        self._type: str = config.model_type
        self._position_offset = offset
        self._pad = int(tokenizer.pad_token_id)
        self._extra = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
        self._cast: dict[str, Tensor] | None = None

    @property
    def token_dim(self) -> int:
        """See `TextEncoder`."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def special_tokens(self) -> frozenset[int]:
        """See `TextEncoder`."""
        return frozenset(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}

    @property
    def longest(self) -> int:
        """See `TextEncoder`."""
        return self.positions

    @property
    def can_take_more(self) -> bool:
        """Whether it has positions for longer texts than it is set to read."""
        return self.max_seq_length < self.positions

    @property
    def blocks(self) -> nn.ModuleList:
        """The model's layers, in their order.

        Raises:
            InputError: It does not say which they are.
        """
        config = self.model.config
        there = int(config.num_hidden_layers)
        found = [part for part in self.model.modules() if isinstance(part, nn.ModuleList) and len(part) == there]
        if len(found) != 1:
            raise InputError(f"a {config.model_type} does not say which its layers are", fix="give another model")
        return found[0]

    def add_lora(self, r: int = 16, *, alpha: int = 32, dropout: float = 0.0, **config: Any) -> None:
        """Freeze the model and learn low-rank updates of its linear layers: W + (alpha / r) B A.

        Saved, the updates are merged, so that the folder loads everywhere (Hu et al. 2021, arXiv 2106.09685).

        Args:
            r: Rank of the updates.
            alpha: Their scale.
            dropout: On their input.
            config: Further arguments of `peft.LoraConfig`, such as `target_modules`.

        Raises:
            MissingExtra: peft is not installed.
        """
        try:
            import peft
        except ImportError as error:
            raise MissingExtra("peft", extra="lora") from error
        config = {"target_modules": "all-linear", **config}
        lora = peft.LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, **config)
        self.model = peft.get_peft_model(self.model, lora)

    def checkpoint_gradients(self) -> None:
        """Keep only the layers' inputs for the backward pass and compute the rest again: less memory, more time."""
        # transformers 5 gave it another name
        old = self.model.gradient_checkpointing_enable
        getattr(self.model, "activation_checkpointing_enable", old)({"use_reentrant": False})

    def identity(self) -> list[object]:
        """See `TextEncoder`."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        words = json.loads(backend.to_str()) if backend else self.tokenizer.get_vocab()
        # what tokenising leaves set, and what saving and loading add
        config = {k: v for k, v in self.model.config.to_diff_dict().items() if v and k not in _NOT_OF_THE_MODEL}
        words = {k: v for k, v in words.items() if k not in ("truncation", "padding")}
        settings = [self.pooling, self.include_prompt, self.max_seq_length]
        return [*super().identity(), *settings, sorted(words.items()), json.dumps(config, sort_keys=True)]

    def weights(self) -> Mapping[str, Tensor]:
        """See `TextEncoder`: LoRA's updates merged, without the pooler, which is not used."""
        from counterpoint.encoders._checkpoint import merged

        heads = self.heads.state_dict(prefix="heads.")
        return {k: v for k, v in merged(self.model).state_dict().items() if "pooler" not in k} | heads

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """Within: the model computes in `dtype` (a copy of its weights), without gradient."""
        if dtype != torch.float32:
            params = self.model.named_parameters()
            self._cast = {name: p.detach().to(dtype) for name, p in params}
        try:
            yield
        finally:
            self._cast = None

    def _flat(self, texts: list[str]) -> Features:
        ids, cut = self._ids_and_cut(texts)
        return {**from_ids(ids), "cut": torch.tensor(cut, dtype=torch.bool)}

    def _token_ids(self, texts: list[str]) -> Sequence[Sequence[int]]:
        return self._ids_and_cut(texts)[0]

    def _ids_and_cut(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        texts = [text.strip() for text in texts]
        if self.do_lower_case:
            texts = [text.lower() for text in texts]
        backend, most = getattr(self.tokenizer, "backend_tokenizer", None), self.max_seq_length
        if backend is None:
            ids = self.tokenizer(texts, truncation=True, max_length=most)["input_ids"]
            full = [len(row) == most for row in ids]
            cut = [f and len(self.tokenizer(t)["input_ids"]) > most for t, f in zip(texts, full, strict=True)]
        else:
            backend.no_padding()
            backend.enable_truncation(most, direction=self.tokenizer.truncation_side)
            encodings = backend.encode_batch_fast(texts)
            ids = [encoding.ids for encoding in encodings]
            # what overflows is copied when asked for, so only full ones are asked
            cut = [len(row) == most and bool(e.overflowing) for row, e in zip(ids, encodings, strict=True)]
        # a tokenizer without special tokens makes nothing of an empty text
        return [row or [self._pad] for row in ids], cut

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        if self.include_prompt:
            return features
        skip = 0
        if prompt:
            (ids,) = self._token_ids([prompt])
            skip = len(ids) - (ids[-1] in self.tokenizer.all_special_ids)
        return {**features, "prompt": torch.full((len(features["offsets"]) - 1,), skip)}

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        return self._pooled(self._hidden(features), features)

    def _pooled(self, hidden_td: Float[Tensor, "t d"], features: Features) -> Float[Tensor, "n d"]:
        """One vector a text of the states of its tokens."""
        z_nd = pool(hidden_td, features["offsets"], self.pooling, features.get("prompt"))
        for head in self.heads:
            z_nd = head(z_nd)
        return z_nd

    def _hidden(self, features: Features, layer: int = -1) -> Float[Tensor, "t d"]:
        """The hidden state of each token of `features`, in their order: the last, or after another layer."""
        if "dropout" in features:
            return self._by_dropout(features, layer)
        return self._layers(features, (layer,))[0]

    def _layers(self, features: Features, which: tuple[int, ...]) -> list[Float[Tensor, "t d"]]:
        """The hidden states of each token after some layers, 0: the embeddings, -1: the last."""
        packable = self._type in PACKABLE and int(lengths(features).max()) <= LONGEST_PACKED
        # some architectures take no row that is longer than their positions, whatever is in it
        width = max(min(ROW, self.positions), int(lengths(features).max())) if packable else None
        rows = layout(features, width=width, pad=self._pad)
        output = self._output(features, rows, **({} if which == (-1,) else {"output_hidden_states": True}))
        states = [output.last_hidden_state if i == -1 else output.hidden_states[i] for i in which]
        return [state.flatten(0, 1)[rows.token] for state in states]

    def _attending(
        self, features: Features, which: tuple[int, ...]
    ) -> tuple[Float[Tensor, "t d"], list[Float[Tensor, "n h l l"]]]:
        """The last hidden state of each token, and how much each place of a text looks at each in some layers."""
        rows = layout(features, width=None, pad=self._pad)
        # only this computation of attention says what it looks at
        config, before = self.model.config, self.model.config._attn_implementation
        config._attn_implementation = "eager"
        try:
            output = self._output(features, rows, output_attentions=True)
        finally:
            config._attn_implementation = before
        there = (rows.text >= 0)[:, None, :, None]
        return output.last_hidden_state.flatten(0, 1)[rows.token], [output.attentions[i] * there for i in which]

    def _output(self, features: Features, rows: Layout, **asked: bool) -> Any:
        """What the model says of texts that are laid out in rows."""
        inputs: dict[str, Any] = {"input_ids": rows.input_ids, **self._extra, **asked}
        masked = rows.packed or "later" in features
        if masked:
            # of another dtype than the weights, PyTorch's attention is wrong without a word
            dtype = next(self.model.parameters()).dtype if self._cast is None else torch.bfloat16
            inputs["attention_mask"] = rows.mask(
                dtype, causal=PACKABLE.get(self._type, False), later_t=features.get("later")
            )
        else:
            inputs["attention_mask"] = (rows.text >= 0).long()
        if masked or "position_ids" in features:
            if self._type not in PACKABLE:
                raise InputError(
                    f"{self._type} can be given neither the places of tokens nor what each sees",
                    fix="choose another view or base",
                )
            inputs["position_ids"] = rows.position_ids + self._position_offset
        with self._embeddings_changed(features, rows):
            if self._cast is None:
                return self.model(**inputs)
            return torch.func.functional_call(self.model, self._cast, kwargs=inputs)

    @contextlib.contextmanager
    def _embeddings_changed(self, features: Features, rows: Layout) -> Iterator[None]:
        """Within: what leaves the embedding layer (positions and normalisation are a part of BERT's) is changed."""
        spread: Features = {k: rows.spread(v) for k, v in features.items() if k in ("scale", "shift")}
        if not spread:
            yield
            return
        whole: nn.Module | None = getattr(self.model, "embeddings", None)
        layer = self.model.get_input_embeddings() if whole is None else whole
        # whatever the precision of what they are changed by, the layers behind take that of the weights
        handle = layer.register_forward_hook(lambda _module, _args, output: changed(output, spread).to(output.dtype))
        try:
            yield
        finally:
            handle.remove()

    def _by_dropout(self, features: Features, layer: int) -> Float[Tensor, "t d"]:
        """`_hidden` of texts with dropout rates of their own, those of one rate together; -1: the model's."""
        rate_n, counts = features["dropout"], lengths(features)
        rest = {name: value for name, value in features.items() if name != "dropout"}
        parts, order = [], []
        for rate in rate_n.unique():
            rows = (rate_n == rate).nonzero()[:, 0]
            with dropping(self.model, float(rate)):
                parts.append(self._hidden(take(rest, rows), layer))
            order.append(torch.repeat_interleave(rate_n == rate, counts).nonzero()[:, 0])
        return torch.cat(parts)[torch.argsort(torch.cat(order))]

    def _write(self, folder: Path) -> list[tuple[str, str]]:
        from counterpoint.encoders.folder import write_transformer

        return write_transformer(folder, self)
