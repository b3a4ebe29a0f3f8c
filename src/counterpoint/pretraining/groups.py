"""Texts in groups, such as the spans of a document or a passage and questions about it: two of each are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders import Features, TransformerEncoder
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.points import Points
from counterpoint.pretraining._base import beside_guesses, with_texts
from counterpoint.pretraining.bottleneck import Condenser
from counterpoint.training.payload import Arguments, Payload


class Groups:
    """Groups of texts, of which two are drawn whenever a group is seen.

    Args:
        groups: Those of fewer than two texts are left out.
        anchored: The first text of a group is always the first of the two.

    Raises:
        InputError: No group has two texts.

    Examples:
        >>> groups = Groups([["a", "b", "c"], ["alone"], ["d", "e"]], anchored=True)
        >>> groups.texts, len(groups)
        (['a', 'b', 'c', 'd', 'e'], 2)
        >>> [side.tolist() for side in groups.draw(torch.tensor([1]))]
        [[3], [4]]
    """

    def __init__(self, groups: Sequence[Sequence[str]], *, anchored: bool = False) -> None:
        refuse_string(groups, "groups")
        for group in groups:
            refuse_string(group, "a group")
        kept = [group for group in groups if len(group) > 1]
        if not kept:
            raise InputError("no group has two texts", fix="give spans of documents, or texts with others beside them")
        self.texts = [text for group in kept for text in group]
        self._size = torch.tensor([len(group) for group in kept])
        self._anchored = anchored

    def __len__(self) -> int:
        return len(self._size)

    def draw(self, rows: Int[Tensor, " b"]) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """Two different texts of each of these groups, by their places in `texts`; by torch's random state."""
        start, size = (self._size.cumsum(0) - self._size)[rows], self._size[rows]
        first, second = ((torch.rand(len(rows)) * most).long() for most in (size, size - 1))
        if self._anchored:
            first.zero_()
        return start + first, start + second + (second >= first)


class CoCondenser(Condenser):
    """A Condenser of two texts of each group, whose vectors find each other: `L_condenser + w L_co`.

    The Condenser's two losses are means over all masked tokens of both texts. With `h` the vector of a text, as it is,
    `L_co` is the mean over all 2n of `-log exp(h_i . h'_i) / sum_j exp(h_i . h_j)`, j over all but i itself: the other
    text of its group, and all of other groups, no temperature. So spans of one document are alike in a corpus of many.

    Source: Gao and Callan 2022, "Unsupervised Corpus Aware Language Model Pre-training for Dense Passage Retrieval",
    and their code. With a passage and questions about it for a group, `anchored`, it is the contrastive half of Wu et
    al. 2023, "Query-as-context Pre-training for Dense Passage Retrieval".

    Args:
        encoder: See `Bottleneck`.
        groups: The spans of each document.
        anchored: See `Groups`.
        **options: See `Bottleneck`.

    Raises:
        InputError: As `Bottleneck` and `Groups`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> groups = [["a small corpus", "of two texts"], ["which are", "cut in two"]]
        >>> encoder = small_transformer([text for group in groups for text in group], layers=2, width=16, vocab_size=60)
        >>> task = CoCondenser(encoder, groups, share=0.9)
        >>> payload = task.payload(torch.arange(2))
        >>> keys = payload.arguments(task(payload.inputs))["keys"]
        >>> (keys.columns["text"] == 1).sum().item()  # beside the vocabulary, the second span of each document
        2
    """

    def __init__(
        self, encoder: TransformerEncoder, groups: Sequence[Sequence[str]], *, anchored: bool = False, **options: Any
    ) -> None:
        self._groups = Groups(groups, anchored=anchored)
        super().__init__(encoder, self._groups.texts, **options)

    def __len__(self) -> int:
        return len(self._groups)

    @classmethod
    def objective(cls, weight: float = 1.0) -> Objective:
        """The sum of the class.

        Args:
            weight: w, of the contrast.
        """
        return beside_guesses(super().objective(), InfoNCE(1.0, layout="views", geometry=Dot()), weight)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Two texts of each of these groups."""
        given = super().payload(torch.cat(self._groups.draw(rows)), among)

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            first, second = (Points(side, sample=rows.to(z.device)) for side in z[:, 0].chunk(2))
            return with_texts(given.arguments(z[:, 1:]), first, second)

        return replace(given, arguments=arguments)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """Each text's vector, then what a `Condenser` gives."""
        s, guesses = self._read(features)
        return torch.cat([s[:, None].to(guesses), guesses], 1)
