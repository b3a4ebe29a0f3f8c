"""Which tokens of a vocabulary are words that can stand for each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.pretraining._base import beginnings

_ROWS = 1024
"""Words compared with all others at once."""


def synonym_tokens(encoder: TransformerEncoder, similar: Callable[[str], Sequence[str]]) -> Int[Tensor, "v k"]:
    """Of each token that is a word, those of its synonyms that are a token each; -1: no more.

    A token counts as a word if it begins one and has letters alone; whether pieces follow it in a text is not asked.

    Args:
        encoder: Whose tokens.
        similar: From a word to its synonyms, such as `counterpoint.data.WordNet().synonyms`.

    Raises:
        InputError: The tokenizer does not tell where words begin; one string in place of a list.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["big dog", "large dog"] * 9, layers=1, width=8, heads=2)
        >>> known = {"big": ["large", "rather large"], "large": ["big"]}
        >>> table = synonym_tokens(encoder, lambda word: known.get(word, []))
        >>> encoder.tokenizer.convert_ids_to_tokens(table[table >= 0].tolist())
        ['large', 'big']
    """
    words = _words(encoder)
    place = {word: token for token, word in words.items()}
    found = {}
    for token, word in words.items():
        others = similar(word)
        refuse_string(others, "similar")
        found[token] = [place[other] for other in dict.fromkeys(others) if other in place and other != word]
    table = torch.full((_size(encoder), max(1, *map(len, found.values()))), -1)
    for token, near in found.items():
        table[token, : len(near)] = torch.tensor(near, dtype=torch.long)
    return table


def neighbour_tokens(
    encoder: TransformerEncoder, vector: Callable[[str], Float[Tensor, " d"] | None], *, k: int = 5
) -> Int[Tensor, "v k"]:
    """Of each token that is a word, the k others whose word vectors have the highest cosine with its own; -1: none.

    Args:
        encoder: Whose tokens; see `synonym_tokens` for which are words.
        vector: Of a word, such as word2vec's; None: it has none, and no neighbours.
        k: How many.

    Raises:
        InputError: The tokenizer does not tell where words begin; less than one neighbour.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a big dog", "a large cat"] * 9, layers=1, width=8, heads=2)
        >>> known = dict(zip(["big", "large", "dog"], torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]), strict=True))
        >>> table = neighbour_tokens(encoder, known.get, k=1)
        >>> encoder.tokenizer.convert_ids_to_tokens(table[encoder.tokenizer.convert_tokens_to_ids("big")].tolist())
        ['large']
    """
    if k < 1:
        raise InputError(f"{k} neighbours of each word", fix="give 1 or more")
    known = {
        token: z for token, z in ((token, vector(word)) for token, word in _words(encoder).items()) if z is not None
    }
    table = torch.full((_size(encoder), k), -1)
    if len(known) < 2:
        return table
    token = torch.tensor(list(known))
    z = F.normalize(torch.stack(list(known.values())), dim=1)
    for rows in torch.arange(len(z)).split(_ROWS):
        cosine = z[rows] @ z.T
        cosine[torch.arange(len(rows)), rows] = -2.0  # none is its own
        found = cosine.topk(min(k, len(z) - 1)).indices
        table[token[rows], : found.shape[1]] = token[found]
    return table


def _words(encoder: TransformerEncoder) -> dict[int, str]:
    """The tokens that begin a word and have letters alone, special ones left out, each as the word that it is."""
    tokens = encoder.tokenizer.convert_ids_to_tokens(list(range(len(encoder.tokenizer))))
    special, begins = set(encoder.tokenizer.all_special_ids), beginnings(encoder).tolist()
    plain = {i: token.lstrip("Ġ▁") for i, token in enumerate(tokens) if begins[i] and i not in special}
    return {i: word for i, word in plain.items() if word.isalpha()}


def _size(encoder: TransformerEncoder) -> int:
    return int(encoder.model.get_input_embeddings().num_embeddings)
