"""Texts in templates, after examples of each class in the same template that say the class's word."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders.features import Features
from counterpoint.encoders.templates import MASK, TemplateEncoder
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string


class DemonstrationEncoder(TemplateEncoder):
    """A text in a template, after a demonstration of each class: a text of it, in the same template, with its word.

    Such as "A cat sleeps. It is about animals. It rains. It is about weather. A dog barks. It is about [MASK].": what
    the mask's state says of the words is a classifier. `support` are the texts that demonstrations are drawn from, of
    each class; without any there are none. The key `shown` `(n, classes)` of the features is which of its class a text
    is shown, counted from 1; -1: none; 0, as where the key is lacking: the first. Demonstrations have the places that
    the text leaves free: what does not fit is left out.

    With `virtual` above 0 so many learned vectors a class stand for its demonstration where the key says 0, and where
    what it says does not fit: texts leave places for them. They begin as `N(0, s^2)`, `s` that of the model's start.

    Sources: Gao et al. 2021, "Making Pre-trained Language Models Better Few-shot Learners", where demonstrations follow
    the text; here they precede it, since the mask of a causal model sees nothing that follows. Virtual: Liang et al.
    2022, "Contrastive Demonstration Tuning for Pre-trained Language Models", and the authors' code.

    Args:
        encoder: See `TemplateEncoder`.
        templates: Likewise.
        words: Of each class.
        virtual: Vectors a class.

    Raises:
        InputError: There are no words, or fewer than no vectors, or no room for them; see also `TemplateEncoder`.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a cat sleeps : it is animals weather"], layers=1, width=8, heads=2)
        >>> encoder = DemonstrationEncoder(bert, ["{} : [MASK]"], ("animals", "weather"))
        >>> encoder.support = (("a cat",), ("it sleeps",))
        >>> rows = encoder.within(encoder.tokenize(["it is a cat"]))["input_ids"].tolist()
        >>> " ".join(bert.tokenizer.convert_ids_to_tokens(rows))
        '[CLS] a cat : animals it sleeps : weather it is a cat : [MASK] [SEP]'
    """

    kept = ("support",)

    def __init__(
        self, encoder: TransformerEncoder, templates: Sequence[str], words: Sequence[str], *, virtual: int = 0
    ) -> None:
        refuse_string(words, "words")
        if not words or virtual < 0:
            raise InputError(f"{len(words)} words, {virtual} vectors a class", fix="give a word of each class")
        super().__init__(encoder, templates)
        self.words, self.virtual = tuple(words), virtual
        self.support: Sequence[Sequence[str]] = ()
        if virtual:
            spread = getattr(encoder.model.config, "initializer_range", 0.02)
            self.vectors = nn.Parameter(spread * torch.randn(len(words), virtual, encoder.token_dim))
        self.max_seq_length -= virtual * len(words)
        if self.max_seq_length <= self._first + self._last:
            raise InputError(
                f"{virtual} vectors a class leave no room for text in {encoder.max_seq_length}", fix="give fewer"
            )

    def word_vectors(self) -> Float[Tensor, "c d"]:
        """The token vector of each word, with a blank before it; of several tokens the mean."""
        table: Tensor = self.encoder.model.get_input_embeddings().weight
        rows = [self.encoder.tokenizer.encode(f" {word}", add_special_tokens=False) for word in self.words]
        return torch.stack([table[torch.tensor(row, device=table.device)].mean(0) for row in rows])

    def within(self, features: Features) -> Features:
        """Each text in its template, after its demonstrations."""
        plain = super().within(features)
        ids, ends = plain["input_ids"].tolist(), plain["offsets"].tolist()
        rows, marks = [], list[int]()
        for i, (number, shown) in enumerate(zip(self._numbers(features).tolist(), self._shown(features), strict=True)):
            row = ids[ends[i] : ends[i + 1]]
            front = self._front(number, shown, self.encoder.max_seq_length - len(row))
            # of a learned vector only the place counts
            tokens = [max(token, 0) for token in front]
            rows.append([*row[: self._first], *tokens, *row[self._first :]])
            marks += [*([0] * self._first), *(min(token, 0) for token in front), *([0] * (len(row) - self._first))]
        made = self._like(features, rows)
        return {**made, **self._learned(torch.tensor(marks, device=self.device))} if self.virtual else made

    def _shown(self, features: Features) -> list[list[int]]:
        """Of each text and class what `shown` says."""
        if "shown" in features:
            found: list[list[int]] = features["shown"].tolist()
            return found
        return [[0] * len(self.words)] * (len(features["offsets"]) - 1)

    def _front(self, number: int, shown: Sequence[int], room: int) -> list[int]:
        """The tokens before a text, as far as there is room; below 0: which learned vector, from -1."""
        front = list[int]()
        for c, place in enumerate(shown):
            block, later = self._block(number, c, place), self.virtual * (len(shown) - c - 1)
            if len(front) + len(block) + later > room:
                block = self._block(number, c, 0) if self.virtual else []
            front += block
        return front

    def _block(self, number: int, c: int, place: int) -> list[int]:
        """What stands for a class: a demonstration, or its learned vectors."""
        if place == 0 and self.virtual:
            return list(range(-1 - self.virtual * c, -1 - self.virtual * (c + 1), -1))
        if place < 0 or not self.support or not self.support[c]:
            return []
        before, _, after = self.templates[number].partition("{}")
        parts = before, self.support[c][max(place - 1, 0)], after.replace(MASK, self.words[c])
        return [token for part in parts for token in self._bare(part)]

    def _learned(self, marks: Int[Tensor, " t"]) -> Features:
        """What becomes of the tokens' embeddings: where there is a mark it is a learned vector."""
        shift_td = self.vectors.flatten(0, 1)[(-1 - marks).clamp_min(0)] * (marks < 0)[:, None]
        if self.encoder._cast is not None:
            shift_td = shift_td.bfloat16()
        return {"scale": (marks == 0)[:, None].expand_as(shift_td), "shift": shift_td}
