"""Lists of documents, one a query, for cross-encoders to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.crossing import CrossEncoder, KernelCrossEncoder
from counterpoint.encoders.inputs import cost, take
from counterpoint.encoders.static import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import Guide, InfoNCE
from counterpoint.points import Points
from counterpoint.search.reranking import Score
from counterpoint.training.config import TrainConfig
from counterpoint.training.loop import train
from counterpoint.training.payload import Arguments, Batches, Payload


class CrossLists(Batches):
    """Queries with their first positive and all their mined negatives, as batches for a cross-encoder.

    The objective sees the scores as owned keys of one dimension, and compares by `Dot`: `InfoNCE` is the listwise
    cross-entropy, `Pairs` with `F.softplus` the pointwise one, `Triplet` a margin. (Of `Readers` there are as many
    dimensions as there are models, for a procedure such as `Coupled`.) Where the data have the column
    `teacher`, a score for each of a row's list (`with_teacher`), it is the guide, for `DistillKL` and `MarginMSE`.

    Args:
        data: Tuples of texts.
        encoder: What is trained.

    Raises:
        InputError: Rows without mined negatives.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a fox", ("the red fox",), ("an ant",)), Example("ants", ("an ant",), ("a fox",))])
        >>> encoder = KernelCrossEncoder(StaticEncoder.from_corpus(["a red fox", "an ant"], dim=8, prompts={}))
        >>> payload = CrossLists(data, encoder).payload(torch.tensor([0, 1]))
        >>> payload.arguments(encoder(payload.inputs))["owned"].z.shape
        torch.Size([2, 2, 1])
    """

    def __init__(self, data: Data, encoder: CrossEncoder) -> None:
        self.listed = lists(data)
        assert data.others is not None
        self._anchor, self._encoder = data.anchor, encoder
        self._queries, self._documents = whole(data.anchors), whole(data.others)
        self._teacher = data.columns.get("teacher")

    def __len__(self) -> int:
        return len(self.listed)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These queries, each with its list: the positive should win."""
        del among
        listed = self.listed[rows]
        n, s = listed.shape
        valid, positive = listed >= 0, torch.zeros(n, s)
        positive[:, 0] = 1.0
        queries = [self._queries[i] for i in self._anchor[rows].repeat_interleave(s).tolist()]
        documents = [self._documents[i] for i in listed.clamp_min(0).flatten().tolist()]
        guide = {} if self._teacher is None else {"guide": self._teacher[rows].nan_to_num()}

        def arguments(scores: Float[Tensor, "m k"]) -> Arguments:
            owned = Points(scores.view(n, s, -1), positive=positive, valid=valid)
            guided = {name: Guide(owned=teacher.to(scores)) for name, teacher in guide.items()}
            return {"queries": Points(scores.new_ones(n, scores.shape[1])), "owned": owned, **guided}

        pairs = self._encoder.pairs(queries, documents)
        return Payload(pairs, cost(pairs), take, arguments)


class CrossPairs(Batches):
    """Scored pairs as batches for a cross-encoder: what it says of each is a point of one dimension.

    Points have the column `score`, for `PointRegression`.

    Args:
        data: Scored pairs of texts; of each row its first positive.
        encoder: What is trained.

    Raises:
        InputError: Rows that are no scored pairs of texts.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a fox", ("the red fox",), score=1.0), Example("ants", ("a fox",), score=0.0)])
        >>> encoder = KernelCrossEncoder(StaticEncoder.from_corpus(["a red fox", "an ant"], dim=8, prompts={}))
        >>> payload = CrossPairs(data, encoder).payload(torch.tensor([0, 1]))
        >>> payload.arguments(encoder(payload.inputs))["queries"].columns["score"].tolist()
        [1.0, 0.0]
    """

    def __init__(self, data: Data, encoder: CrossEncoder) -> None:
        self._queries, self._documents = sides(data)
        self._score, self._encoder = data.columns["score"], encoder

    def __len__(self) -> int:
        return len(self._score)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These pairs."""
        del among
        pairs = self._encoder.pairs(*([side[i] for i in rows.tolist()] for side in (self._queries, self._documents)))
        known = {"sample": rows, "score": self._score[rows]}
        return Payload(pairs, cost(pairs), take, lambda scores: {"queries": Points(scores, known)})


def sides(data: Data) -> tuple[list[str], list[str]]:
    """Both texts of each scored pair.

    Raises:
        InputError: Rows that are no scored pairs of texts.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> sides(rows_of([Example("a", ("b",), score=1.0)]))
        (['a'], ['b'])
    """
    if data.schema != "scored" or data.others is None or data.positives is None or data.modalities[0] != "text":
        raise InputError(f"pairs that are read have scores, and these are {data.schema}", file=data.source or None)
    first, second = whole(data.anchors), whole(data.others)
    return [first[i] for i in data.anchor.tolist()], [second[i] for i in data.positives[:, 0].tolist()]


def lists(data: Data) -> Int[Tensor, "n s"]:
    """Of each row its first positive and its mined negatives, rows of `others`; -1: no more.

    Raises:
        InputError: Rows without mined negatives.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> lists(rows_of([Example("a", ("b",), ("c", "d")), Example("e", ("f",), ("c",))])).tolist()
        [[0, 1, 2], [3, 1, -1]]
    """
    if data.positives is None or data.negatives is None:
        raise InputError(f"lists are of tuples, and these are {data.schema}", fix="mine negatives first")
    return torch.cat([data.positives[:, :1], data.negatives], 1)


def with_teacher(data: Data, score: Score) -> Data:
    """The rows with what a teacher says of each row's list, for `CrossLists` and `counterpoint.procedures.Lists`.

    Columns: `listed`, the hash of the first positive and of each negative; `teacher`, their scores, NaN where a row has
    fewer.

    Args:
        data: Tuples of texts.
        score: From queries and documents, one beside the other, to their scores.

    Raises:
        InputError: Rows without mined negatives.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",), ("cc", "d")), Example("e", ("f",), ("cc",))])
        >>> with_teacher(data, lambda queries, documents: np.array([len(d) for d in documents])).columns["teacher"]
        tensor([[1., 2., 1.],
                [1., 2., nan]])
    """
    listed = lists(data)
    assert data.others is not None
    there, (anchors, others) = listed >= 0, (whole(data.anchors), whole(data.others))
    queries = [anchors[i] for i in data.anchor[:, None].expand_as(listed)[there].tolist()]
    documents = [others[i] for i in listed[there].tolist()]
    scores = torch.full(listed.shape, torch.nan)
    scores[there] = torch.from_numpy(np.asarray(score(queries, documents), dtype=np.float32))
    hashes = data.others.hashes()[listed.clamp_min(0)]
    return replace(data, columns={**data.columns, "listed": hashes, "teacher": scores})


def whole(items: Items) -> list[str]:
    """Texts, each after its own prompt where it has one.

    Examples:
        >>> whole(Items("text", ["a", "b"]))
        ['a', 'b']
    """
    if not items.prompts:
        return list(items.texts)
    return [prompt + text for prompt, text in zip(items.prompts, items.texts, strict=True)]


def cross_encoder(data: Data, seed: int = 0, *, steps: int = 200, dim: int = 64) -> KernelCrossEncoder:
    """One that is trained on tuples: softmax cross-entropy over each query's list, 16 lists a step.

    Args:
        data: Tuples of texts; its tokens are of all texts that the rows are over.
        seed: Of vectors and batches.
        steps: So many.
        dim: Of the tokens' vectors.

    Raises:
        InputError: Rows without mined negatives.
    """
    lists(data)
    assert data.others is not None
    texts = [*data.anchors.texts, *data.others.texts]
    encoder = KernelCrossEncoder(StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=dim, seed=seed, prompts={}))
    config = TrainConfig(
        steps=steps, batch_size=16, learning_rate=3e-3, weight_decay=0.0, validations=1, dtype="float32", seed=seed
    )
    train(encoder, CrossLists(data, encoder), InfoNCE(1.0, geometry=Dot()), config)
    return encoder.eval()
