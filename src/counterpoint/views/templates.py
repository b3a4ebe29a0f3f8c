"""Texts in another template than the one that they stand in, for an encoder that puts them there."""

from __future__ import annotations

from collections.abc import Callable

import torch

from counterpoint.encoders.features import Features, lengths


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
