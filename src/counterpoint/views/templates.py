"""Texts in another template than the one that they stand in, and after other demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.demonstrations import DemonstrationEncoder
from counterpoint.encoders.features import Features, Kind, lengths
from counterpoint.errors import InputError
from counterpoint.views._draw import below, some
from counterpoint.views.text_view import TextView


def another_template(number: int = 1) -> Callable[[Features], Features]:
    """Texts in the template of that number of a `TemplateEncoder`; as they are it is the first, 0.

    Source: Jiang et al. 2022, "PromptBERT", whose anchors stand in one template and whose positives in another.

    Args:
        number: Among the encoder's templates.

    Examples:
        >>> from counterpoint.encoders.features import from_ids
        >>> another_template(1)(from_ids([[7, 8], [9]]))["template"].tolist()
        [1, 1]
    """

    def view(features: Features) -> Features:
        return {**features, "template": torch.full_like(lengths(features), number)}

    return view


def demonstrated_by(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: demonstrations of a `DemonstrationEncoder` are drawn from these labelled texts.

    Raises:
        InputError: There are more classes than it has words, or the encoder shows no demonstrations.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a cat it rains : animals weather"], layers=1, width=8, heads=2)
        >>> encoder = DemonstrationEncoder(bert, ["{} : [MASK]"], ("animals", "weather"))
        >>> data = Data.alone(Items("text", ["it rains", "a cat"]), label=torch.tensor([1, 0]))
        >>> demonstrated_by(data, encoder, 0) is data, encoder.support
        (True, (('a cat',), ('it rains',)))
    """
    del seed
    _check(encoder)
    assert isinstance(encoder, DemonstrationEncoder)
    found, classes = 1 + int(data.columns["label"].max()), len(encoder.words)
    if found > classes:
        raise InputError(f"{found} classes, and words for {classes}", file=data.source or None, fix="give fewer")
    of = [data.anchors[data.anchor[data.columns["label"] == c]].texts for c in range(classes)]
    encoder.support = tuple(map(tuple, of))
    return data


@dataclass(frozen=True)
class Demonstrated(TextView):
    """Texts in a template drawn from some, after a drawn demonstration of each class, which is never the text itself.

    What `TextView` says of words and tokens is done before; demonstrations and template stay as they are. Source: Jian
    et al. 2022, "Contrastive Learning for Prompt-Based Few-Shot Language Learners": the first view is in one template,
    the second in any; with `shown=1` Liang et al. 2022, "Contrastive Demonstration Tuning for Pre-trained Language
    Models".

    Attributes:
        templates: Numbers of the encoder's, that are drawn from.
        shown: Of so many classes, drawn, one is shown; None: of all.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a cat a dog it rains : animals weather"], layers=1, width=8, heads=2)
        >>> encoder = DemonstrationEncoder(bert, ["{} : [MASK]"], ("animals", "weather"))
        >>> encoder.support = (("a cat", "a dog"), ("it rains",))
        >>> items = Items("text", ["a cat"])
        >>> seen = Demonstrated()(items, encoder.inputs(items), encoder, None, [0])
        >>> seen["template"].tolist(), seen["shown"].tolist()
        ([0], [[2, 1]])
    """

    templates: tuple[int, ...] = (0,)
    shown: int | None = None

    def check(self, items: Items, encoder: nn.Module) -> None:
        """See `ItemView`."""
        super().check(items, encoder)
        _check(encoder)

    def __call__(self, items: Items, inputs: Any, encoder: Any, kind: Kind, numbers: Sequence[int]) -> Features:
        """See `ItemView`."""
        features = super().__call__(items, inputs, encoder, kind, numbers)
        generator, template, shown = torch.Generator(), list[int](), list[list[int]]()
        for text, number in zip(items.texts, numbers, strict=True):
            # other numbers than words and tokens have had
            generator.manual_seed(number ^ 2)
            template.append(self.templates[below(len(self.templates), generator)])
            shown.append(self._drawn(text, encoder, generator))
        return {**features, "template": torch.tensor(template), "shown": torch.tensor(shown)}

    def _drawn(self, text: str, encoder: DemonstrationEncoder, generator: torch.Generator) -> list[int]:
        n = len(encoder.support)
        drawn = [0 if encoder.virtual else -1] * n
        for c in range(n) if self.shown is None else some(n, self.shown, generator):
            others = [i for i, one in enumerate(encoder.support[c], 1) if one != text]
            if others:
                drawn[c] = others[below(len(others), generator)]
        return drawn


def _check(encoder: nn.Module) -> None:
    if not isinstance(encoder, DemonstrationEncoder):
        raise InputError("the encoder shows no demonstrations", fix="take a DemonstrationEncoder")
