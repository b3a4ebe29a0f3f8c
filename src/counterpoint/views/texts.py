"""Discrete views of texts, and noise in pairs: the baselines of methods that do without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.types import Example

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def delete_words(text: str, share: float, generator: torch.Generator) -> str:
    """The text without a random `share` of its words; at least one stays (Gao et al. 2021, table 1's word deletion).

    Examples:
        >>> delete_words("one two three four", 0.5, torch.Generator().manual_seed(0))
        'three four'
    """
    words = text.split()
    gone = min(round(share * len(words)), len(words) - 1)
    out = set(torch.randperm(len(words), generator=generator)[:gone].tolist()) if gone > 0 else set()
    return " ".join(word for i, word in enumerate(words) if i not in out)


def deleted_words(share: float) -> Prepare:
    """A step before training: texts alone become pairs of each with itself without a share of its words.

    Examples:
        >>> data = Data.alone(Items("text", ["one two three four"]))
        >>> deleted_words(0.5)(data, nn.Identity(), 0).others.texts
        ['three four']
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        generator = torch.Generator().manual_seed(seed)
        fewer = [delete_words(data.anchors.texts[i], share, generator) for i in data.anchor.tolist()]
        return replace(data, others=Items("text", fewer), positives=torch.arange(len(data))[:, None])

    return prepare


def shuffle_partners(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[bool]]:
    """Pairs of which a random `share` has lost its partner to another: label noise with a known answer.

    The positives of the chosen examples go round: each has those of the next one chosen.

    Args:
        examples: Pairs.
        share: Of the examples, 0 to 1.
        seed: Same seed, same noise.

    Returns:
        The examples in their order, and which of them are still right.

    Examples:
        >>> pairs = [Example(a, (b,)) for a, b in ("aA", "bB", "cC", "dD")]
        >>> noisy, right = shuffle_partners(pairs, 0.5, seed=0)
        >>> sum(right), [e.positives[0] == e.anchor.upper() for e in noisy] == right
        (2, True)
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(examples), generator=generator)[: round(share * len(examples))].tolist()
    noisy, right = list(examples), [True] * len(examples)
    if len(chosen) > 1:
        for i, j in zip(chosen, chosen[1:] + chosen[:1], strict=True):
            noisy[i], right[i] = replace(examples[i], positives=examples[j].positives), False
    return noisy, right
