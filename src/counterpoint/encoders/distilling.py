"""A static encoder from a transformer: what the model makes of each token alone, kept in a table."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer

from counterpoint.encoders._base import TextEncoder, clean
from counterpoint.encoders._words import Words
from counterpoint.encoders.features import Features, Kind, from_ids
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.progress import Progress

_UNUSED = re.compile(r"\[unused\d+\]")
_LONGEST_WORD = 100  # characters; WordPiece gives up on longer ones
_EXTENDED = ("WordPiece", "BPE")


def distill(
    encoder: TextEncoder,
    texts: Iterable[str] | None = None,
    *,
    dim: int = 256,
    vocabulary: int = 0,
    sif: float = 1e-4,
    progress: bool | Progress = False,
    out: str | PathLike[str] | None = None,
) -> StaticEncoder:
    r"""A static encoder with a transformer's vocabulary: no training, no attention, hundreds of times as fast.

    Row t of the table is w_t P (e_t - m): e_t is the transformer's vector of token t alone (between its special tokens,
    pooled and projected as it does with texts, not normalised), m the mean over all t, P the first `dim` principal
    components of the e_t and w_t = a / (a + p_t), the smooth inverse frequency of Arora, Liang and Ma (2017), with
    p_t the token's share of `texts`. Without texts, p_t is proportional to 1 / (t + 1), t = 1, 2, ... the rank in the
    vocabulary, which tokenizers order by frequency (Zipf's law). Special and unused tokens have the row 0.
    This is Model2Vec (Tulkens and van Dongen 2024, its Tokenlearn step aside), whose vectors it gives.

    Args:
        encoder: A transformer with a fast tokenizer.
        texts: Texts like those to be encoded; for the frequencies and for `vocabulary`.
        dim: Components kept; at most the encoder's width.
        vocabulary: So many words of `texts` that the tokenizer would cut into pieces, the most frequent first, become
            tokens of their own, with the vector that the transformer gives the whole word.
        sif: a above; 0: all tokens weigh the same.
        progress: As in `encode`.
        out: A .npy file for the e_t; after a kill the same call goes on with it. It is left there.

    Raises:
        InputError: The encoder is no transformer or has a slow tokenizer, `dim` is more than there are dimensions or
            tokens, `vocabulary` without texts or with a tokenizer that cannot be given words.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> teacher = small_transformer(["a small corpus", "of two texts"], layers=1, width=16, vocab_size=60)
        >>> student = distill(teacher, dim=8)
        >>> student.encode(["two texts"]).shape
        (1, 8)
    """
    refuse_string(texts, "texts")
    backend = _backend(encoder, dim)
    if vocabulary < 0 or sif < 0:
        raise InputError("vocabulary and sif must be 0 or more")
    texts = None if texts is None else [clean(text, i) for i, text in enumerate(texts)]
    if vocabulary and not texts:
        raise InputError("words for the vocabulary can only be taken from texts", fix="give texts too")
    words = _split_words(backend, texts, vocabulary) if vocabulary and texts else {}
    tokenizer = _extended(backend, list(words))
    before, after = _around(backend)
    ids = {token: [*before, t, *after] for token, t in backend.get_vocab().items()}
    kept = _kept(tokenizer)
    if dim >= len(kept):
        raise InputError(f"dim is {dim}, and there are {len(kept)} tokens", fix="choose a smaller one")
    ids |= {word: [*before, *pieces, *after] for word, pieces in words.items()}
    names = {t: token for token, t in tokenizer.get_vocab().items()}
    z_vd = _alone(encoder, ids).encode([names[t] for t in kept], dtype="float32", progress=progress, out=out)
    weight_v = _weights(len(kept), sif) if texts is None else _counted_weights(kept, texts, tokenizer, sif)
    table = np.zeros((max(names) + 1, dim), dtype=np.float32)
    table[kept] = _components(z_vd, dim) * weight_v[:, None]
    return StaticEncoder(tokenizer, torch.from_numpy(table), do_lower_case=encoder.do_lower_case)


def _backend(encoder: TextEncoder, dim: int) -> Tokenizer:
    if not isinstance(encoder, TransformerEncoder):
        raise InputError(f"a {type(encoder).__name__} cannot be distilled", fix="give a transformer")
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError("the model's tokenizer is not a fast one", fix="give a model with a tokenizer.json")
    if not 1 <= dim <= encoder.width:
        raise InputError(f"dim is {dim}, it must be from 1 to the model's {encoder.width}")
    other = Tokenizer.from_str(backend.to_str())
    other.no_truncation()
    other.no_padding()
    return other


def _alone(encoder: TextEncoder, ids: dict[str, list[int]]) -> TextEncoder:
    """The encoder with tokens for texts."""
    alone = copy.copy(encoder)
    alone.normalize, alone.truncate_dim, alone.prompts, alone.default_prompt_name = False, None, {}, None

    def tokenize(texts: Sequence[str], kind: Kind = None) -> Features:
        del kind
        return from_ids([ids[text] for text in texts])

    alone.tokenize = tokenize  # type: ignore[method-assign]
    return alone


def _around(backend: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text."""
    with_them, without = (backend.encode("a", add_special_tokens=special).ids for special in (True, False))
    starts = (i for i in range(len(with_them)) if with_them[i : i + len(without)] == without)
    start = next(starts) if without else 0
    return with_them[:start], with_them[start + len(without) :]


def _split_words(backend: Tokenizer, texts: Sequence[str], most: int) -> dict[str, list[int]]:
    """The most frequent words of several tokens, as the model part of the tokenizer sees words, with their tokens."""
    kind = type(backend.model).__name__
    if kind not in _EXTENDED:
        raise InputError(f"words cannot be added to a {kind} tokenizer", fix="leave the vocabulary as it is")
    normal = backend.normalizer.normalize_str if backend.normalizer else str
    cut = backend.pre_tokenizer.pre_tokenize_str if backend.pre_tokenizer else lambda text: [(text, None)]
    counts = Counter(word for text in texts for word, _ in cut(normal(text)))
    found: dict[str, list[int]] = {}
    for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(found) == most:
            break
        if len(word) <= _LONGEST_WORD and sum(map(str.isalnum, word)) > 1:
            pieces = [token.id for token in backend.model.tokenize(word)]
            if len(pieces) > 1:
                found[word] = pieces
    return found


def _extended(backend: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """The tokenizer with words for tokens, and without special tokens around texts."""
    state = json.loads(backend.to_str())
    state["post_processor"] = None
    first = max(backend.get_vocab().values()) + 1
    if words:
        state["model"]["vocab"] |= {word: first + i for i, word in enumerate(words)}
    if words and state["model"]["type"] == "BPE":
        state["model"]["ignore_merges"] = True  # a word of the vocabulary needs no merges that lead to it
    return Tokenizer.from_str(json.dumps(state))


def _kept(tokenizer: Tokenizer) -> list[int]:
    """The tokens that texts are made of, in order."""
    special = {t for t, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    return sorted(t for token, t in tokenizer.get_vocab().items() if t not in special and not _UNUSED.match(token))


def _weights(n: int, sif: float) -> Float[np.ndarray, " v"]:
    share_v = 1 / np.arange(2, n + 2)
    return _sif(share_v / share_v.sum(), sif)


def _counted_weights(kept: list[int], texts: list[str], tokenizer: Tokenizer, sif: float) -> Float[np.ndarray, " v"]:
    ids: Int[np.ndarray, " t"] = Words(tokenizer).features(texts)["input_ids"].numpy()
    counts = np.bincount(ids, minlength=kept[-1] + 1)[kept]
    return _sif(counts / max(counts.sum(), 1), sif)


def _sif(share_v: Float[np.ndarray, " v"], sif: float) -> Float[np.ndarray, " v"]:
    return sif / (sif + share_v) if sif else np.ones_like(share_v)


def _components(z_vd: Float[np.ndarray, "v d"], dim: int) -> Float[np.ndarray, "v k"]:
    """The rows' coordinates on the `dim` directions of greatest variance; each direction's largest is positive."""
    centred_vd = z_vd - z_vd.mean(axis=0, dtype=np.float64)
    _, direction_dd = np.linalg.eigh(centred_vd.T @ centred_vd)
    y_vk: Float[np.ndarray, "v k"] = centred_vd @ direction_dd[:, ::-1][:, :dim]
    y_vk *= np.sign(y_vk[np.abs(y_vk).argmax(axis=0), np.arange(dim)])
    return y_vk
