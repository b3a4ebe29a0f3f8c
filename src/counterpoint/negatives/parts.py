"""What cross-encoders say of passages and of their sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.data.passages import in_sentences
from counterpoint.encoders.propositions import marked
from counterpoint.errors import InputError
from counterpoint.search.reranking import Score

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def taught_parts(steps: int = 200) -> Prepare:
    """A step before training: passages in sentences, with what two cross-encoders say of them, for `SpanLists`.

    One is trained on the tuples, as by `taught`; the other on each row's positive, the sentence that answers against
    those that stand beside it, and reads a sentence by itself. Which one answers is the column `answer`, counted from
    0; without it, the one that the first cross-encoder scores highest. Then each passage is followed by its sentences,
    as `counterpoint.encoders.SpanEncoder` reads it. Columns: `listed` and `teacher` (`with_teacher`), and `parts`
    `(n, k, p)`, the scores of the sentences of each row's list, NaN where there are no more.

    Source: Gangi Reddy et al. 2024, "AGRaME: Any-Granularity Ranking with Multi-Vector Embeddings", whose
    second cross-encoder reads the passage, the sentence marked in it, and learns by binary cross-entropy.

    Args:
        steps: Of the training of each.

    Raises:
        InputError: in a call, for rows without negatives, or an answer that is none of its passage's sentences.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.training.lists import cross_encoder, lists, with_teacher

        del encoder
        listed = lists(data)
        assert data.others is not None
        sentences = [in_sentences(" ".join(text.split())) for text in data.others.texts]
        model = cross_encoder(data, seed, steps=steps)
        known = with_teacher(data, model.score)
        answered = _answered(data, [sentences[passage] for passage in listed[:, 0].tolist()], model.score)
        teacher = cross_encoder(_of_sentences(data, answered), seed, steps=steps)
        said = _said(data, [[sentences[k] if k >= 0 else [] for k in row] for row in listed.tolist()], teacher.score)
        others = replace(data.others, values=[marked(" ".join(own), own) for own in sentences])
        hashes = others.hashes()[listed.clamp_min(0)]
        return replace(known, others=others, columns={**known.columns, "listed": hashes, "parts": said})

    return prepare


def _answered(data: Data, sentences: list[list[str]], score: Score) -> list[list[str]]:
    """The sentences of each row's passage, the one that answers first."""
    if "answer" in data.columns:
        answers = data.columns["answer"].tolist()
    else:
        said = _said(data, [[own] for own in sentences], score)[:, 0]
        answers = said.nan_to_num(-torch.inf).argmax(1).tolist()
    for i, (own, answer) in enumerate(zip(sentences, answers, strict=True)):
        if not 0 <= answer < len(own):
            raise InputError(f"sentence {answer} of {len(own)}", line=i + 1, fix="count sentences from 0")
    return [
        [own[answer], *(text for text in own if text != own[answer])]
        for own, answer in zip(sentences, answers, strict=True)
    ]


def _of_sentences(data: Data, answered: list[list[str]]) -> Data:
    """The same rows over sentences: of each its first is right, and the others wrong."""
    number = {text: i for i, text in enumerate(dict.fromkeys(text for own in answered for text in own))}
    rows = torch.full((len(data), max(map(len, answered))), -1)
    for row, own in zip(rows, answered, strict=True):
        row[: len(own)] = torch.tensor([number[text] for text in own])
    return replace(data, others=Items("text", list(number)), positives=rows[:, :1], negatives=rows[:, 1:])


def _said(data: Data, sentences: list[list[list[str]]], score: Score) -> Float[Tensor, "n k p"]:
    """The scores of the sentences of each passage of each row with the row's query."""
    from counterpoint.training.lists import whole

    queries = whole(data.anchors[data.anchor])
    most = max(len(own) for row in sentences for own in row)
    said = torch.full((len(sentences), max(map(len, sentences)), most), torch.nan)
    places = [(i, k, p) for i, row in enumerate(sentences) for k, own in enumerate(row) for p in range(len(own))]
    scores = score([queries[i] for i, _, _ in places], [sentences[i][k][p] for i, k, p in places])
    said[tuple(torch.tensor(places).T)] = torch.from_numpy(np.asarray(scores, dtype=np.float32))
    return said
