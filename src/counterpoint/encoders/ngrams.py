"""A table of token vectors that knows some tokens' neighbours: vectors of n-grams beside those of tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, lengths, sum_by_text
from counterpoint.encoders.static import StaticEncoder
from counterpoint.errors import InputError

_PRIME, _ROOM = 116049371, 2**31
"""fastText's factor; what is hashed is below this, so that products stay whole numbers."""


class NGramEncoder(Wrapper):
    r"""The mean of the vectors of all tokens of a text and of all its n-grams, 2 to `n` tokens that follow each other.

    `z = (sum_t e_t + sum_g e_g) / (T + G)`. An n-gram's vector is a row of a second table, which its tokens' numbers
    are hashed to: `h <- (h mod 2^31) * 116049371 + t`, token after token, and in the end `h mod buckets`. So two
    n-grams may share one. Rows begin uniformly between `-1 / d` and `1 / d`. Inputs may say which tokens are in no
    n-gram: `blocked` (texts, k), their places; -1: none.

    Sources: Pagliardini et al. 2018, "Unsupervised Learning of Sentence Embeddings using Compositional n-Gram
    Features" (Sent2Vec), and the authors' code; the hash is that of fastText (Joulin et al. 2017).

    Args:
        encoder: The table of token vectors; its prompts and settings are these.
        buckets: Rows of the second table.
        n: The longest n-gram.

    Raises:
        InputError: No bucket, or n-grams of fewer than two.

    Examples:
        >>> table = StaticEncoder.from_corpus(["one cat", "two cats"], dim=4)
        >>> NGramEncoder(table, 50).encode(["two cats"]).shape
        (1, 4)
    """

    encoder: StaticEncoder

    def __init__(self, encoder: StaticEncoder, buckets: int = 50_000, n: int = 2) -> None:
        if buckets < 1 or n < 2:
            raise InputError(f"{buckets} buckets for n-grams of up to {n} tokens", fix="give 1 or more, and 2 or more")
        super().__init__(encoder)
        self.buckets, self.n = buckets, n
        self.batch_tokens = encoder.batch_tokens
        self.grams = nn.Embedding(buckets, encoder.width)
        nn.init.uniform_(self.grams.weight, -1 / encoder.width, 1 / encoder.width)

    def hashed(self, features: Features) -> tuple[Int[Tensor, " g"], Int[Tensor, " g"]]:
        """The rows of all n-grams, and which text each is in.

        Examples:
            >>> encoder = NGramEncoder(StaticEncoder.from_corpus(["a b"], dim=4), 50)
            >>> features = {"input_ids": torch.arange(4), "offsets": torch.tensor([0, 3, 4])}
            >>> [part.tolist() for part in encoder.hashed(features)]
            [[1, 23], [0, 0]]
        """
        ids, offsets = features["input_ids"], features["offsets"]
        text = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=ids.device), lengths(features))
        free = torch.ones_like(ids, dtype=torch.bool)
        if "blocked" in features:
            blocked = features["blocked"]
            free[(offsets[:-1, None] + blocked)[blocked >= 0]] = False
        rows, texts, code, whole = [], [], ids, free
        for more in range(1, self.n):
            end = slice(more, None)
            whole = whole[:-1] & free[end] & (text[: len(text) - more] == text[end])
            code = code[:-1] % _ROOM * _PRIME + ids[end]
            rows.append(code[whole] % self.buckets)
            texts.append(text[end][whole])
        return torch.cat(rows), torch.cat(texts)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        rows, text = self.hashed(features)
        tokens = lengths(features)
        grams = torch.bincount(text, minlength=len(tokens))
        total = self.encoder._embed(features) * tokens[:, None] + sum_by_text(self.grams(rows), text, len(tokens))
        z_nd: Tensor = total / (tokens + grams).clamp(min=1)[:, None]
        return z_nd
