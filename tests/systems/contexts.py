"""What a contextual encoder of BERTs makes of a text, by the parts of `transformers`, one text at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from counterpoint.encoders.features import take


def ids_of(features, i: int) -> Tensor:
    """The tokens of one text."""
    return take(features, [i])["input_ids"][None]


def vectors_by_hand(encoder, context) -> list[Tensor]:
    """What the first stage makes of each text of a context."""
    states = [encoder.first.model(ids_of(context, j)).last_hidden_state for j in range(len(context["offsets"]) - 1)]
    return [each.mean(1) for each in states]


def read_by_hand(encoder, ids: Tensor, before: list[Tensor]) -> Tensor:
    """A text's vector, not scaled, after these vectors."""
    second = encoder.encoder.model
    embedded = torch.cat([*before, encoder.learned, second.embeddings(ids)[0]])[None]
    states = second.encoder(embedded).last_hidden_state
    h = states[0, -ids.shape[1] :].mean(0)
    one, _, two = encoder.network
    return h + F.linear(F.relu(F.linear(h, one.weight, one.bias)), two.weight, two.bias)
