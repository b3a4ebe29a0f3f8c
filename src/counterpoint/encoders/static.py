"""A table of token vectors: no download, trains from scratch in seconds, encodes 100,000 texts a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder, clean
from counterpoint.encoders._vocabulary import (
    BEYOND_ASCII,
    BYTES,
    alphabet,
    count,
    has_emoji,
    has_spaceless,
    is_emoji,
    single_emoji,
    with_bytes,
    without_accents,
    without_blanks,
)
from counterpoint.encoders._words import BUT_EMOJI, ONCE, SEPARATORS, Words
from counterpoint.encoders.features import Features, changed, lengths, sum_by_text
from counterpoint.errors import InputError, refuse_string

DOCUMENT = "[DOC]"
"""The token that `from_corpus` puts before documents, as their prompt."""

_ENDINGS = (
    (r"(?<=\w{2})ies\b", "y"),
    (r"(?<=\w{2}[^\Wsui])s\b", ""),
    (r"(?<=\w{3})(?:ing|ed|ly)\b", ""),
    (r"([bdgmnprt])(?=\1\b)", ""),  # running, runn, run
    (r"(?<=\w{3})e\b", ""),
    (r"(?<=\w{3}[st])(?:ion|or|iv|al)\b", ""),
    (r"(?<=\w{4})(?:er|ment|able|ity|ness)\b", ""),
    (r"(?<=\w{4})at\b", ""),  # generate, generat, gener
)
"""Endings and what they become, each after the one before."""

_LOCAL = frozenset(pattern for pattern, _ in _ENDINGS) | BEYOND_ASCII
"""Patterns of `train_tokenizer` that change nothing in ASCII texts but within words."""

_IDF_POWER = 0.7


class StaticEncoder(TextEncoder):
    r"""The mean of weighted token vectors: z = (1/T) sum_t exp(w_t) e_t, normalised.

    Normalised, the direction is that of the weighted mean of the e_t. Saved, exp(w) is folded into the table,
    which leaves the vectors as they are and makes the folder a plain sentence-transformers StaticEmbedding.
    A text without tokens is the zero vector.

    Args:
        tokenizer: A `tokenizers.Tokenizer`. No special tokens are added.
        weight: The table e, (V, d), V the size of the tokenizer's vocabulary.
        log_weight: Learned weights w (V,); None for none (all tokens count the same).
        options: See `TextEncoder`.

    Raises:
        InputError: The table has not one row a token.

    Examples:
        >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
        >>> encoder.encode(["two texts"]).shape
        (1, 8)
    """

    batch_tokens = 1 << 18

    def __init__(
        self,
        tokenizer: Tokenizer,
        weight: Float[Tensor, "v d"],
        *,
        log_weight: Float[Tensor, "v"] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(weight.shape[1], **options)
        tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
        if tokens > len(weight):
            raise InputError(f"the embedding table has {len(weight)} rows, the tokenizer {tokens} tokens")
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self._words = Words(tokenizer, _LOCAL)
        self.embedding = nn.Embedding.from_pretrained(weight.detach().float().clone(), freeze=False)
        self.log_weight = None if log_weight is None else nn.Parameter(log_weight.detach().clone())

    @staticmethod
    def train_tokenizer(texts: Iterable[str], vocab_size: int = 32_000) -> Tokenizer:
        """A byte-pair tokenizer trained on `texts`, for bags of words.

        Text has one form (NFKC), lower case and no accents (of Latin, Greek and Cyrillic; other scripts keep their
        vowel signs); English endings are taken off, in steps after Porter (1980), plurals as in Harman's S stemmer
        (1991); a word that comes again within 2,000 characters is left out, so that a text is the set of its words;
        what is not a letter with its marks, a digit, `+` or `#` separates, but for emoji where more than a thousandth
        of the characters are. Characters are tokens as far as half of the
        vocabulary reaches. Where more than a thousandth of them is of scripts without blanks, or of Hangul, each of
        these is a piece of its own; there, and where the vocabulary has no room for all, characters without a token
        become the bytes of their UTF-8, and nothing is unknown. All of this is in the tokenizer file, so every program
        that reads it sees the same tokens. The same texts give the same tokenizer.

        Args:
            texts: The corpus.
            vocab_size: At most so many tokens; with 512 or fewer there are none for bytes.

        Examples:
            >>> StaticEncoder.train_tokenizer(["cafes generate"] * 2, 60).encode("Cafés, café! Generating").tokens
            ['caf', 'gener']
        """
        refuse_string(texts, "texts")
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence(
            [
                without_accents(),
                normalizers.Lowercase(),
                *(normalizers.Replace(Regex(pattern), to) for pattern, to in _ENDINGS),
                normalizers.Replace(Regex(ONCE), " "),
            ]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(BUT_EMOJI), "removed")
        texts = [clean(text) for text in texts]
        counts, most = count(texts, tokenizer), vocab_size // 2
        if has_emoji(counts):
            cuts = [pre_tokenizers.Split(Regex(BUT_EMOJI), "removed"), single_emoji()]
        else:
            counts = {c: n for c, n in counts.items() if not is_emoji(c)}
            cuts = [pre_tokenizers.Split(Regex(SEPARATORS), "removed")]
        spaceless = has_spaceless(counts)
        if spaceless:
            cuts.append(without_blanks())
        tokenizer.pre_tokenizer = cuts[0] if len(cuts) == 1 else pre_tokenizers.Sequence(cuts)
        bytes_too = (spaceless or len(counts) > most) and most > len(BYTES)
        characters = alphabet(counts, most)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - bytes_too * len(BYTES),
            special_tokens=["[PAD]", "[UNK]", DOCUMENT],
            initial_alphabet=characters,
            limit_alphabet=len(characters),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return with_bytes(tokenizer) if bytes_too else tokenizer

    @classmethod
    def from_corpus(
        cls, texts: Iterable[str], *, vocab_size: int = 32_000, dim: int = 768, seed: int = 0, **options: Any
    ) -> StaticEncoder:
        """An untrained encoder for a corpus, which compares texts by the rare words they share.

        Row t of the table is `idf_t^0.7 N(0, 1/d)`, `idf_t = ln((N + 1) / (n_t + 1/2))`: random rows are nearly
        orthogonal, so the cosine of two texts is nearly that of their tf-idf vectors. Documents begin with a token of
        their own (their prompt), as long as an average document: it makes a document's length matter less, as `b` does
        in BM25 (pivoted length normalisation, Singhal et al. 1996), and training adjusts it.

        Args:
            texts: The corpus.
            vocab_size: At most so many tokens.
            dim: Width of the vectors.
            seed: Of the random table: the same seed gives the same table.
            options: See `StaticEncoder`.

        Raises:
            InputError: The corpus has no text.

        Examples:
            >>> encoder = StaticEncoder.from_corpus(["a corpus", "of two texts"], dim=4)
            >>> encoder.dim, encoder.prompts
            (4, {'document': '[DOC] '})
        """
        refuse_string(texts, "texts")
        texts = [clean(text) for text in texts]
        tokenizer = cls.train_tokenizer(texts, vocab_size)
        size = tokenizer.get_vocab_size()
        document = tokenizer.get_vocab()[DOCUMENT]
        if size <= document + 1:
            what = "there is no text to train a tokenizer on: no letter, digit or emoji"
            raise InputError(what, fix="give texts that have some")
        ids = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        idf_v = _idf(ids, size)
        generator = torch.Generator().manual_seed(seed)
        table_vd = idf_v[:, None] ** _IDF_POWER * torch.randn(size, dim, generator=generator) / dim**0.5
        longer = sorted(ids, key=len)[len(ids) // 2 :]
        squares = torch.cat([idf_v[row] ** (2 * _IDF_POWER) for row in map(torch.tensor, longer) if len(row)])
        table_vd[document] *= (squares.sum() / len(longer)).sqrt() / table_vd[document].norm()
        options.setdefault("prompts", {"document": f"{DOCUMENT} "})
        return cls(tokenizer, table_vd, **options)

    def identity(self) -> list[object]:
        """See `TextEncoder`."""
        return [*super().identity(), self.tokenizer.to_str()]

    def weights(self) -> Mapping[str, Tensor]:
        """See `TextEncoder`."""
        return {"embedding.weight": self.folded()}

    def folded(self) -> Float[Tensor, "v d"]:
        """The table with the weights in it: exp(w) e."""
        table: Tensor = self.embedding.weight.detach()
        return table if self.log_weight is None else table * self.log_weight.detach().exp()[:, None]

    def with_table(self, weight: Float[Tensor, "v d"]) -> StaticEncoder:
        """The same tokenizer and prompts with another table.

        Examples:
            >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
            >>> encoder.with_table(encoder.folded()[:, :4]).dim
            4
        """
        options = {name: getattr(self, name) for name in ("prompts", "default_prompt_name", "do_lower_case")}
        other = StaticEncoder(self.tokenizer, weight, **options)
        other._words = self._words
        return other

    @property
    def token_dim(self) -> int:
        """See `TextEncoder`."""
        return int(self.embedding.embedding_dim)

    @property
    def special_tokens(self) -> frozenset[int]:
        """See `TextEncoder`."""
        unknown = getattr(self.tokenizer.model, "unk_token", None)
        added = self.tokenizer.get_added_tokens_decoder().items()
        return frozenset(i for i, token in added if token.special and token.content != unknown)

    @property
    def longest(self) -> None:
        """See `TextEncoder`."""
        return None

    def _flat(self, texts: list[str]) -> Features:
        return self._words.features([text.lower() for text in texts] if self.do_lower_case else texts)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        ids = features["input_ids"]
        # a weight a token inside the bag: folding the whole table at each step takes 2.5 times as long
        weight = None if self.log_weight is None else self.log_weight[ids].exp()
        if features.keys() & {"scale", "shift"}:
            counts = lengths(features)
            embedded = self.embedding(ids) if weight is None else self.embedding(ids) * weight[:, None]
            text = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
            return sum_by_text(changed(embedded, features), text, len(counts)) / counts.clamp(min=1)[:, None]
        sum_nd = nn.functional.embedding_bag(
            ids,
            self.embedding.weight,
            features["offsets"],
            mode="sum",
            per_sample_weights=weight,
            include_last_offset=True,
        )
        z_nd: Tensor = sum_nd / lengths(features).clamp(min=1)[:, None]
        return z_nd

    def _write(self, folder: Path) -> list[tuple[str, str]]:
        from safetensors.torch import save_file

        save_file({"embedding.weight": self.folded().cpu().contiguous()}, folder / "model.safetensors")
        self.tokenizer.save(str(folder / "tokenizer.json"))
        return [("StaticEmbedding", ".")]


def _idf(ids: list[list[int]], size: int) -> Float[Tensor, " v"]:
    """`ln((N + 1) / (n_t + 1/2))`, `n_t` the number of the `N` texts that have token t."""
    counts = torch.bincount(torch.tensor([t for row in ids for t in set(row)], dtype=torch.long), minlength=size)
    return ((len(ids) + 1) / (counts + 0.5)).log().clamp_min(0.1)
