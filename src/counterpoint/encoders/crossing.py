"""Cross-encoders: a query and a document are read together and get one score; no vectors are made."""

from __future__ import annotations

import abc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from counterpoint.encoders._base import clean
from counterpoint.encoders._checkpoint import MODEL_FILES, read_weights
from counterpoint.encoders.saving import KERNELS, SETTINGS
from counterpoint.encoders.static import StaticEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.files import atomic, check_output
from counterpoint.progress import Progress, reporting

_MEANS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3)
_NARROW, _WIDE = 1e-3, 0.1
_LONGEST = 200
"""Tokens of a document that are seen."""
_BLOCK = 4096
"""Pairs that are put in order of their length at once."""
_REMEMBERED = 2**16
"""Texts whose tokens are kept."""


@dataclass(frozen=True)
class Pairs:
    """What a cross-encoder eats: tokens of pairs, in one or more parts, each as wide as its longest.

    Attributes:
        parts: Each with a row a pair and -1 after its end.
        costs: What each pair costs.
    """

    parts: tuple[Int[Tensor, "n t"], ...]
    costs: Int[Tensor, " n"]

    def take(self, rows: Int[Tensor, " b"]) -> Pairs:
        """These pairs, no wider than the longest of them."""
        return Pairs(tuple(_trimmed(part[rows]) for part in self.parts), self.costs[rows])

    def cost(self) -> Int[Tensor, " n"]:
        """What each pair costs."""
        return self.costs

    def to(self, device: torch.device) -> Pairs:
        """The same on a device."""
        return Pairs(tuple(part.to(device) for part in self.parts), self.costs)


def _trimmed(part: Int[Tensor, "n t"]) -> Int[Tensor, "n s"]:
    return part[:, : int((part >= 0).sum(1).max()) if len(part) else 1]


def padded(rows: Sequence[Sequence[int] | Int[np.ndarray, " t"]]) -> Int[Tensor, "n t"]:
    """Rows of numbers side by side, -1 after the end of each; at least one column.

    Examples:
        >>> padded([[1, 2], []]).tolist()
        [[1, 2], [-1, -1]]
    """
    width = max([1, *map(len, rows)])
    found = np.full((len(rows), width), -1)
    for to, row in zip(found, rows, strict=True):
        to[: len(row)] = row
    return torch.from_numpy(found)


def texts_of(queries: Sequence[str], documents: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both sides of pairs, checked.

    Raises:
        InputError: Other numbers of queries and documents, what is no text, or one string in place of many.

    Examples:
        >>> texts_of(["a"], ("b",))
        (['a'], ['b'])
    """
    refuse_string(queries, "queries")
    refuse_string(documents, "documents")
    if len(queries) != len(documents):
        what = f"{len(queries):,} queries and {len(documents):,} documents"
        raise InputError(what, fix="give a document for each query")
    first, second = ([clean(text, i) for i, text in enumerate(side)] for side in (queries, documents))
    return first, second


class CrossEncoder(nn.Module, abc.ABC):
    """Reads a query and a document together. Subclasses say what they read, how it is scored, and their files."""

    @abc.abstractmethod
    def pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Pairs:
        """The tokens of each query with the document at its place."""

    @abc.abstractmethod
    def forward(self, pairs: Pairs) -> Float[Tensor, "n k"]:
        """One score a pair, with gradient; of several models side by side one each, first who is asked."""

    def said(self, scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What `score` makes of a forward's scores: by default nothing else."""
        return scores

    def score(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        batch_size: int = 64,
        progress: bool | Progress = False,
    ) -> Float[np.ndarray, " n"]:
        """The score of each query with the document at its place, higher for a better answer.

        Args:
            queries: One a pair.
            documents: As many.
            batch_size: Pairs of a forward, those of like length together.
            progress: As for `counterpoint.encoders.encode`.

        Raises:
            InputError: Other numbers of queries and documents, or one string in place of many.
        """
        queries, documents = texts_of(queries, documents)
        if batch_size < 1:
            raise InputError(f"batches of {batch_size} pairs", fix="give 1 or more")
        device, training = next(self.parameters()).device, self.training
        found = np.zeros(len(queries), np.float32)
        self.eval()
        try:
            with torch.inference_mode(), reporting(progress, len(queries), "scoring", "pairs") as report:
                for start in range(0, len(queries), _BLOCK):
                    block = slice(start, start + _BLOCK)
                    length = [len(q) + len(d) for q, d in zip(queries[block], documents[block], strict=True)]
                    order = start + np.argsort(length, kind="stable")
                    for rows in np.split(order, range(batch_size, len(order), batch_size)):
                        pairs = self.pairs([queries[i] for i in rows], [documents[i] for i in rows])
                        found[rows] = self.said(self(pairs.to(device))[:, 0].float()).cpu().numpy()
                        report(len(rows))
        finally:
            self.train(training)
        return found

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a model folder that `load_cross_encoder` reads; it appears whole or not at all.

        Raises:
            InputError: The folder holds something else or cannot be written; the disk is full.
        """
        check_output(folder, "replaced folder", ours=MODEL_FILES)
        with atomic(folder) as part:
            part.mkdir()
            self._write(part)

    @abc.abstractmethod
    def _write(self, folder: Path) -> None:
        """Write all its files."""


class _Tokens:
    """The first tokens of texts; those of the last many texts are remembered, as the same are read again and again."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, Int[np.ndarray, " t"]] = {}

    def __call__(self, texts: Sequence[str]) -> list[Int[np.ndarray, " t"]]:
        known = self._known
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            if len(known) + len(new) > _REMEMBERED:
                known = self._known = {text: known[text] for text in set(texts) & known.keys()}
            encoded = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
            known |= {text: np.array(e.ids[:_LONGEST]) for text, e in zip(new, encoded, strict=True)}
        return [known[text] for text in texts]

    def __deepcopy__(self, _memo: Any) -> _Tokens:
        # a copy of a model reads the same tokens
        return self


class KernelCrossEncoder(CrossEncoder):
    """Kernels on the cosines of every token of the query with every token of the document (K-NRM).

    `s(q, d) = sum_i a_i sum_k w_k log(1 + sum_j exp(-(cos(e_i, e_j) - mu_k)^2 / (2 sigma_k^2)))` over tokens i of the
    query and j of the document: how many tokens of the document are about as near as `mu_k`, of which the first kernel
    counts equal ones. Learned are the vectors, the weights `w` and how much a token counts, `a`. Source: Xiong et al.
    2017, "End-to-End Neural Ad-hoc Ranking with Kernel Pooling", equations 1 to 5; `a` is added and begins as a rare
    token's weight. It begins as a count of equal tokens.

    Args:
        table: Its tokenizer and vectors; a copy is trained.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a red fox", "a blue ant"], dim=8, prompts={})
        >>> scores = KernelCrossEncoder(table).score(["a fox", "a fox"], ["the red fox", "an ant"])
        >>> bool(scores[0] > scores[1])
        True
    """

    def __init__(self, table: StaticEncoder) -> None:
        super().__init__()
        self.tokenizer = table.tokenizer
        self._tokens = _Tokens(table.tokenizer)
        weight = table.folded()
        self.embedding = nn.Embedding.from_pretrained(F.normalize(weight, dim=1), freeze=False)
        norm = weight.norm(dim=1)
        self.importance = nn.Embedding.from_pretrained((norm / norm.mean())[:, None], freeze=False)
        self.kernels = nn.Parameter(torch.eye(len(_MEANS))[0])
        self.register_buffer("means", torch.tensor(_MEANS))
        self.register_buffer("widths", torch.tensor([_NARROW, *[_WIDE] * (len(_MEANS) - 1)]))

    def pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Pairs:
        """Tokens of the query and of the document apart; a pair costs next to nothing."""
        q, d = (padded(self._tokens(side)) for side in texts_of(queries, documents))
        return Pairs((q, d), torch.zeros(len(q), dtype=torch.long))

    def forward(self, pairs: Pairs) -> Float[Tensor, "n 1"]:
        """One score a pair, with gradient."""
        count, weight = self._counted(pairs)
        scores: Tensor = ((count @ self.kernels) * weight).sum(1, keepdim=True)
        return scores

    def features(self, pairs: Pairs) -> Float[Tensor, "n f"]:
        """What the score is a weighted sum of: how much of each kernel there is in a pair."""
        count, weight = self._counted(pairs)
        return (count * weight[..., None]).sum(1)

    def _counted(self, pairs: Pairs) -> tuple[Float[Tensor, "n t f"], Float[Tensor, "n t"]]:
        """Of each token of the query how many of the document are near, by each kernel, and how much it counts."""
        q, d = pairs.parts
        z_q, z_d = (F.normalize(self.embedding(side.clamp_min(0)), dim=-1) for side in (q, d))
        cosine = z_q @ z_d.transpose(1, 2)
        there = (d >= 0)[:, None, :].to(cosine)
        count = []
        for mean, width in zip(self.means, self.widths, strict=True):  # type: ignore[arg-type]
            near = torch.exp(-(cosine - mean).square() / (2 * width.square()))
            count.append(torch.log1p((near * there).sum(2)))
        return torch.stack(count, 2), self.importance(q.clamp_min(0))[..., 0] * (q >= 0)

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        self.tokenizer.save(str(folder / "tokenizer.json"))
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, folder / "model.safetensors"
        )
        (folder / SETTINGS).write_text(json.dumps({"model": KERNELS, "arguments": {}}, indent=2) + "\n", "utf-8")


class Readers(CrossEncoder):
    """Cross-encoders that read the same pairs, as they are trained side by side: a column of scores each.

    What is asked for a score, and what is saved, is the first one alone.

    Args:
        *models: Of one tokenizer; the first one ranks.

    Raises:
        InputError: There are none.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a red fox", "a blue ant"], dim=8, prompts={})
        >>> both = Readers(KernelCrossEncoder(table), KernelCrossEncoder(table))
        >>> both(both.pairs(["a fox"], ["the red fox"])).shape
        torch.Size([1, 2])
    """

    def __init__(self, *models: CrossEncoder) -> None:
        super().__init__()
        if not models:
            raise InputError("there is no model that reads", fix="give one or more")
        self.models = nn.ModuleList(models)

    @property
    def first(self) -> CrossEncoder:
        """Who ranks."""
        model = self.models[0]
        assert isinstance(model, CrossEncoder)
        return model

    def pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Pairs:
        """Those of the first."""
        return self.first.pairs(queries, documents)

    def forward(self, pairs: Pairs) -> Float[Tensor, "n k"]:
        """A score of each a pair, with gradient."""
        return torch.cat([model(pairs) for model in self.models], 1)

    def said(self, scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """As the first says it."""
        return self.first.said(scores)

    def _write(self, folder: Path) -> None:
        self.first._write(folder)


def load_cross_encoder(name: str | PathLike[str], *, trust_remote_code: bool = False, **options: Any) -> CrossEncoder:
    """The cross-encoder in a folder, or of this name on the Hugging Face hub.

    Reads what `CrossEncoder.save` wrote, and any transformer that sentence-transformers' `CrossEncoder` reads with one
    score a pair, such as `cross-encoder/ms-marco-MiniLM-L6-v2`.

    Args:
        name: A folder or a hub name.
        trust_remote_code: Run code that comes with the model. Never needed for the usual architectures.
        options: Of a transformer, instead of what the folder says: `max_length`.

    Raises:
        InputError: No such folder and no such model to be had; it holds something else, or is not whole.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp() + "/model"
        >>> KernelCrossEncoder(StaticEncoder.from_corpus(["a red fox"], dim=8, prompts={})).save(folder)
        >>> load_cross_encoder(folder).score(["fox"], ["a fox"]).shape
        (1,)
    """
    from counterpoint.encoders._checkpoint import resolve
    from counterpoint.encoders.crossing_transformer import read_cross_encoder
    from counterpoint.encoders.folder import _read_tokenizer
    from counterpoint.encoders.saving import saved_name

    folder = resolve(name)
    if saved_name(folder) != KERNELS:
        return read_cross_encoder(folder, trust_remote_code, **options)
    if options:
        raise InputError(f"{next(iter(options))} is for transformers", file=folder, fix="leave it out")
    tokenizer, weights = _read_tokenizer(folder / "tokenizer.json"), read_weights(folder)
    try:
        model = KernelCrossEncoder(StaticEncoder(tokenizer, weights["embedding.weight"]))
        model.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise InputError("the weights are not those of this model", file=folder, fix="get its files again") from error
    return model.eval()
