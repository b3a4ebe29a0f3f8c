"""Texts with some of their words replaced by what a small masked language model of these texts puts there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import Features, TemplateEncoder, TransformerEncoder, lengths
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import of_text
from counterpoint.errors import InputError
from counterpoint.pretraining._base import at_places
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.training.config import TrainConfig
from counterpoint.training.loop import train

_WIDTH, _LAYERS, _TEXTS = 64, 2, 64
"""Of the generator; texts encoded at once."""


def filled_in(
    share: float = 0.3, *, versions: int = 2, longest: int = 32, epochs: float = 1.0
) -> Callable[[Data, nn.Module, int], Data]:
    """A step before training: the tokens of each row's anchor, and versions of it in which some are filled in anew.

    Column `tokens` `(n, l)`: as they are; `filled` `(n, versions, l)`: with a share of them, drawn for each version,
    replaced by draws from the guesses of a masked language model, some of which are what was there; -1: no more. It
    sees chosen tokens masked (80%), as a random token (10%) or as they are (10%). The model is a BERT in miniature that
    is trained here, on these texts, over the tokens that occur in them; afterwards it is frozen. The first token is
    special, [CLS] or what stands in for it; special tokens stay.

    Source: the edits of Chuang et al. 2022, "DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings",
    whose generator is a pretrained DistilBERT.

    Args:
        share: Of the tokens of each text.
        versions: Of each text.
        longest: Of longer texts so many tokens are taken.
        epochs: How long the generator is trained.

    Raises:
        InputError: for a share out of 0 to 1, or no versions; in the step, if the encoder is no transformer, whose
            tokens they are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["one cat", "two dogs ran"]
        >>> data = Data.alone(Items("text", texts))
        >>> columns = filled_in(0.5)(data, small_transformer(texts, layers=1, width=8, heads=2), 0).columns
        >>> columns["tokens"].shape == columns["filled"][:, 0].shape, columns["filled"].shape[1]
        (True, 2)
    """
    if not 0 < share <= 1 or versions < 1:
        raise InputError(f"{versions} versions with a share of {share} filled in", fix="give 1 or more, and up to 1")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        if not isinstance(encoder, TransformerEncoder):
            raise InputError("tokens are those of a transformer", fix="give one for a base, such as minilm")
        used, place = data.anchor.unique(return_inverse=True)
        rows = token_rows(encoder, data.anchors[used], longest)
        known, compact = rows[rows >= 0].unique(return_inverse=True)
        features = {"input_ids": compact, "offsets": nn.functional.pad((rows >= 0).sum(1).cumsum(0), (1, 0))}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            special = torch.isin(known, torch.tensor([encoder._pad, *encoder.special_tokens]))
            generator = MaskedLM(_small(len(known), longest), features, share=share)
            # numbers tell nothing of it
            generator._special = special.nonzero()[:, 0]
            settings = TrainConfig(batch_size=_TEXTS, epochs=epochs, learning_rate=2e-3, validations=1, dtype="float32")
            train(generator, generator, generator.objective(), settings)
            drawn = [known[_drawn(generator, features, len(known))] for _ in range(versions)]
        filled = torch.stack([torch.full_like(rows, -1).masked_scatter(rows >= 0, each) for each in drawn], 1)
        return replace(data, columns={**data.columns, "tokens": rows[place], "filled": filled[place]})

    return prepare


def with_tokens(longest: int = 32) -> Callable[[Data, nn.Module, int], Data]:
    """A step before training: column `tokens` `(n, l)`, those of each row's text, of pairs of its first positive.

    They are what `counterpoint.procedures.Rebuild` is to write; see `token_rows`.

    Args:
        longest: Of longer texts so many tokens are taken.

    Raises:
        InputError: in the step, if the encoder is no transformer, whose tokens they are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b"], layers=1, width=8, heads=2)
        >>> pair = Data(Items("text", ["a"]), torch.tensor([0]), Items("text", ["b"]), torch.tensor([[0]]))
        >>> with_tokens()(pair, encoder, 0).columns["tokens"].tolist()  # [CLS] b [SEP]
        [[2, 6, 3]]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del seed
        if not isinstance(encoder, TransformerEncoder | TemplateEncoder):
            raise InputError("tokens are those of a transformer", fix="give one for a base, such as minilm")
        if data.positives is None:
            return replace(
                data, columns={**data.columns, "tokens": token_rows(encoder, data.anchors[data.anchor], longest)}
            )
        assert data.others is not None  # positives are rows of them
        first = data.positives[:, 0]
        rows = token_rows(encoder, data.others[first.clamp_min(0)], longest).masked_fill(first[:, None] < 0, -1)
        return replace(data, columns={**data.columns, "tokens": rows})

    return prepare


def with_rarity(frequent: float = 1e-3, longest: int = 32) -> Callable[[Data, nn.Module, int], Data]:
    """A step before training: column `rarity` `(n, l)`, `1 / (1 + p / frequent)` of each token of a row's anchor.

    With `p` the share of a token among all tokens of all anchors: the more often, the less. Special tokens are left out
    (`counterpoint.encoders.features.of_text`); 0: no more.

    Source: the weights of words of Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".

    Args:
        frequent: The share at which a token has a weight of 1/2; infinity: all weigh 1.
        longest: Of longer texts so many tokens have one.

    Raises:
        InputError: for a share that is not above 0; in the step, if the encoder reads no tokens.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b"], layers=1, width=8, heads=2)
        >>> texts = Data.alone(Items("text", ["a a", "a b"]))  # shares of 3/4 and of 1/4
        >>> with_rarity(0.25, longest=3)(texts, encoder, 0).columns["rarity"].tolist()
        [[0.25, 0.25, 0.0], [0.25, 0.5, 0.0]]
    """
    if not frequent > 0:
        raise InputError(f"a share of {frequent}", fix="give one above 0")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del seed
        if not isinstance(encoder, TextEncoder):
            raise InputError("tokens are those of an encoder of texts", fix="give one for a base, such as minilm")
        features = encoder.inputs(data.anchors[data.anchor])
        kept = of_text(features, encoder.special_tokens)
        text = torch.repeat_interleave(torch.arange(len(data)), lengths(features))[kept]
        _, token, often = features["input_ids"][kept].unique(return_inverse=True, return_counts=True)
        weight, count = 1 / (1 + often / len(token) / frequent), torch.bincount(text, minlength=len(data))
        rows = torch.zeros(len(data), max(longest, int(count.max())))
        rows.masked_scatter_(torch.arange(rows.shape[1]) < count[:, None], weight[token])
        return replace(data, columns={**data.columns, "rarity": rows[:, :longest]})

    return prepare


def token_rows(encoder: TransformerEncoder | TemplateEncoder, items: Items, longest: int) -> Int[Tensor, "n l"]:
    """The tokens of each text, in its template where it has one, a special one first, so many at most; -1: no more.

    Where the tokenizer puts none before a text, that which pads stands there.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a b"], layers=1, width=8, heads=2)
        >>> token_rows(encoder, Items("text", ["a", "a b"]), 3).tolist()  # [CLS] a [SEP] and [CLS] a b
        [[2, 5, 3], [2, 5, 6]]
    """
    features = encoder.tokenize(items.texts)
    if isinstance(encoder, TemplateEncoder):
        features = encoder.within(features)
        encoder = encoder.encoder
    ids, counts = features["input_ids"], lengths(features)
    rows = torch.full((len(counts), int(counts.max())), -1)
    rows.masked_scatter_(torch.arange(rows.shape[1]) < counts[:, None], ids)
    if encoder._token_ids(["a"])[0][0] not in encoder.special_tokens:
        rows = torch.cat([torch.full_like(rows[:, :1], encoder._pad), rows], 1)
    return rows[:, :longest]


def _small(tokens: int, longest: int) -> TransformerEncoder:
    """An untrained BERT in miniature of tokens that are numbers."""
    import transformers
    from tokenizers import Tokenizer, models

    names = [*map(str, range(tokens)), "[MASK]", "[PAD]", "[UNK]"]
    words = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    special = {"mask_token": "[MASK]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    config = transformers.BertConfig(
        vocab_size=len(names), hidden_size=_WIDTH, num_hidden_layers=_LAYERS, num_attention_heads=_LAYERS,
        intermediate_size=4 * _WIDTH, max_position_embeddings=max(longest, _WIDTH), pad_token_id=tokens + 1,
        initializer_range=_WIDTH**-0.5,
    )  # fmt: skip
    model = transformers.BertModel(config, add_pooling_layer=False)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=longest, **special)
    return TransformerEncoder(model, tokenizer)


@torch.no_grad()
def _drawn(generator: MaskedLM, features: Features, tokens: int) -> Int[Tensor, " t"]:
    """All texts, in whose chosen places stands what is drawn from the guesses."""
    filled = []
    for rows in torch.arange(len(generator)).split(_TEXTS):
        payload = generator.payload(rows)
        call = payload.arguments(generator(payload.inputs))
        scores = call["queries"].z @ call["keys"].z[:tokens].T
        # as they were, in the places that were not chosen
        span = slice(int(features["offsets"][rows[0]]), int(features["offsets"][rows[-1] + 1]))
        ids = features["input_ids"][span].clone()
        at = torch.arange(len(ids))[:, None]
        index, _ = at_places(at, payload.inputs, payload.inputs["at"])
        ids[index[:, 0]] = torch.multinomial(scores.float().softmax(1), 1)[:, 0]
        filled.append(ids)
    return torch.cat(filled)
