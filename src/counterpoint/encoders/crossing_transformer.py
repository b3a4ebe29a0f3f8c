"""A transformer that reads a query and a document together, in the folders of sentence-transformers' `CrossEncoder`."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._checkpoint import (
    _check_safetensors,
    give_pad_token,
    loading,
    merged,
    read_settings,
    write_checkpoint,
)
from counterpoint.encoders.crossing import CrossEncoder, Pairs, padded, texts_of
from counterpoint.encoders.transformer import OFFSET_POSITIONS, TransformerEncoder
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 512
"""Tokens of a pair, if nobody says otherwise."""
_ACTIVATIONS = {"Identity": nn.Identity, "Sigmoid": nn.Sigmoid}
_ABOUT = "config_sentence_transformers.json"


class TransformerCrossEncoder(CrossEncoder):
    """`[CLS] query [SEP] document [SEP]` through a transformer, and one score from a linear layer.

    An encoder's is of its first token, through its pooler where the architecture has one; a causal language model's of
    the last token, which has seen both. Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT".

    Args:
        model: A `transformers` model for sequence classification with one label.
        tokenizer: Its tokenizer.
        max_length: Tokens of a pair; longer ones lose tokens of the longer of both.
        activation: What `score` makes of a forward's scores: `"Identity"`, or `"Sigmoid"` for numbers from 0 to 1.

    Raises:
        InputError: Not one label, a length the model has no positions for, an unknown activation.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a red fox", "a blue ant"], layers=1, width=8, heads=2)
        >>> model = TransformerCrossEncoder.of(encoder)
        >>> model.score(["a fox", "a fox"], ["the red fox", "an ant"]).shape
        (2,)
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int | None = None,
        activation: str = "Identity",
    ) -> None:
        super().__init__()
        config = model.config
        if config.num_labels != 1:
            raise InputError(f"gives {config.num_labels} scores a pair", fix="give a model of one label")
        if activation not in _ACTIVATIONS:
            raise InputError(f"unknown activation {activation!r}", fix=f"choose one of {', '.join(_ACTIVATIONS)}")
        give_pad_token(model, tokenizer)
        # which token of a decoder is the last is told by its padding
        config.pad_token_id = tokenizer.pad_token_id
        _tell_apart(tokenizer)
        positions = getattr(config, "max_position_embeddings", None) or 1 << 30
        positions -= config.pad_token_id + 1 if config.model_type in OFFSET_POSITIONS else 0
        least = tokenizer.num_special_tokens_to_add(pair=True) + 2
        if max_length is not None and not least <= max_length <= positions:
            raise InputError(f"pairs of {max_length} tokens", fix=f"give {least} to {positions}")
        tokenizer.model_max_length = max_length or min(tokenizer.model_max_length, positions)
        # what sentence-transformers gives the model is what the tokenizer says
        takes = inspect.signature(model.forward).parameters
        self._types = getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in takes
        tokenizer.model_input_names = ["input_ids", *["token_type_ids"] * self._types, "attention_mask"]
        self._extra = {"use_cache": False} if "use_cache" in takes else {}
        self.model, self.tokenizer, self.activation = model, tokenizer, activation

    @classmethod
    def of(
        cls, encoder: TransformerEncoder, *, max_length: int | None = None, seed: int = 0
    ) -> TransformerCrossEncoder:
        """One that begins as a copy of an encoder, under a linear layer that is drawn from the seed.

        Raises:
            InputError: transformers has no model of its architecture that gives a text a score.
        """
        import transformers

        config = copy.deepcopy(encoder.model.config)
        config.num_labels = 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
            except ValueError as error:
                what = f"{config.model_type} cannot give a pair of texts one score"
                raise InputError(what, fix="give another transformer") from error
        body, weights = getattr(model, model.base_model_prefix), merged(encoder.model).state_dict()
        lacking = body.load_state_dict(weights, strict=False).missing_keys
        if lacking := [name for name in lacking if "pooler" not in name]:
            raise InputError(f"{config.model_type}: {lacking[0]} is not in the encoder", fix="give another transformer")
        return cls(model, copy.deepcopy(encoder.tokenizer), max_length=max_length or min(LONGEST, encoder.positions))

    @property
    def max_length(self) -> int:
        """Tokens at which a pair is cut."""
        return int(self.tokenizer.model_max_length)

    def pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Pairs:
        """Tokens of query and document in one row; and which of both each is of, where the model is told."""
        sides = texts_of(queries, documents)
        if not sides[0]:
            return Pairs((padded([]),) * (1 + self._types), torch.zeros(0, dtype=torch.long))
        made = self.tokenizer(*sides, truncation="longest_first", max_length=self.max_length)
        parts = [made["input_ids"], *([made["token_type_ids"]] if self._types else [])]
        return Pairs(tuple(map(padded, parts)), torch.tensor([len(row) for row in parts[0]]))

    def forward(self, pairs: Pairs) -> Float[Tensor, "n 1"]:
        """One score a pair, with gradient."""
        ids = pairs.parts[0]
        if not len(ids):
            # with gradient: where processes gather, one without a pair must take part in backward
            return torch.zeros(0, 1, device=ids.device, requires_grad=torch.is_grad_enabled())
        there = ids >= 0
        types = {"token_type_ids": pairs.parts[1].clamp_min(0)} if self._types else {}
        ids = ids.masked_fill(~there, int(self.tokenizer.pad_token_id))
        scores: Tensor = self.model(input_ids=ids, attention_mask=there.long(), **types, **self._extra).logits
        return scores

    def said(self, scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See `CrossEncoder`: after the activation."""
        made: Tensor = _ACTIVATIONS[self.activation]()(scores)
        return made

    def _write(self, folder: Path) -> None:
        name = f"torch.nn.modules.{'linear' if self.activation == 'Identity' else 'activation'}.{self.activation}"
        config = self.model.config
        # versions before 4 look for the first, later ones for the second
        config.sbert_ce_default_activation_function = name
        config.sentence_transformers = {"activation_fn": name}
        write_checkpoint(folder, self.model, self.tokenizer)
        about = {"model_type": "CrossEncoder", "activation_fn": name}
        (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def read_cross_encoder(folder: Path, trust_remote_code: bool = False, **options: Any) -> TransformerCrossEncoder:
    """A transformer cross-encoder of a local folder.

    Raises:
        InputError: It holds another kind of model, or its files are broken.
    """
    import transformers

    config, tokenizer = read_settings(folder, trust_remote_code)
    for weights in folder.glob("*.safetensors"):
        _check_safetensors(weights)
    with loading(folder):
        model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
        )
    if info["missing_keys"] or info["mismatched_keys"]:
        key = sorted(info["missing_keys"])[0] if info["missing_keys"] else info["mismatched_keys"][0][0]
        raise InputError(
            f"holds no cross-encoder: {key} is missing or of another shape",
            file=folder,
            fix="give a model that was trained to score pairs, such as one of fit-reranker",
        )
    said = _said_activation(folder, config)
    try:
        return TransformerCrossEncoder(model, tokenizer, **{"activation": said, **options}).eval()
    except InputError as error:
        raise InputError(str(error), file=folder) from error


def is_cross_encoder(folder: Path) -> bool:
    """Whether a folder holds a transformer that gives pairs a score.

    Examples:
        >>> is_cross_encoder(Path("nowhere"))
        False
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    names = config.get("architectures") if isinstance(config, dict) else None
    return any(str(name).endswith("ForSequenceClassification") for name in names or ())


def _said_activation(folder: Path, config: Any) -> str:
    """The name of the class that the folder's scores go through; sentence-transformers' own is the sigmoid."""
    about = folder / _ABOUT
    kept = json.loads(about.read_text("utf-8")) if about.is_file() else {}
    newer = getattr(config, "sentence_transformers", None) or {}
    names = (
        newer.get("activation_fn"),
        getattr(config, "sbert_ce_default_activation_function", None),
        kept.get("activation_fn"),
    )
    return next((str(name).rsplit(".", 1)[-1] for name in names if name), "Sigmoid")


def _tell_apart(tokenizer: Any) -> None:
    """See to it that a pair has a token between its texts, as a language model's tokenizer puts none there.

    It is the token that ends a text where there is one, else a line's end.
    """
    if tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add():
        return
    from tokenizers.processors import TemplateProcessing

    bare, whole = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    before, after = whole[:start], whole[start + len(bare) :]
    line = tokenizer("\n", add_special_tokens=False)["input_ids"]
    between = after[-1:] or (line if len(line) == 1 else [tokenizer.eos_token_id])
    named = {i: tokenizer.convert_ids_to_tokens(i) for i in (*before, *between, *after)}
    first, middle, last = ([f"{named[i]}:{side}" for i in ids] for ids, side in ((before, 0), (between, 0), (after, 1)))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=[*first, "$A:0", *[f"{named[i]}:0" for i in after]],
        pair=[*first, "$A:0", *middle, "$B:1", *last],
        special_tokens=[(token, i) for i, token in named.items()],
    )
