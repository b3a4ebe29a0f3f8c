"""Steps of pre-training before fine-tuning, without dropout in what is put around the encoder, and naive losses."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.evaluate import similarity_of
from counterpoint.methods import Recipe
from counterpoint.systems import get
from systems.through import Step
from systems.words import steady_bert, step_of_texts

LONG = [Example(f"about {k}", (" ".join(f"{k}{i}" for i in range(8)),)) for k in "abcdefgh"]
_Layer = nn.TransformerEncoderLayer


class Still(_Layer):
    """Without dropout, whose masks a second forward would draw anew."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "dropout": 0.0})


def stage_of(method: str | Recipe, i: int) -> Recipe:
    """A recipe with one of its stages alone, in one piece."""
    recipe = get(method).method() if isinstance(method, str) else method
    assert isinstance(recipe, Recipe)
    return recipe.changed(chunk_tokens=1 << 20).varied(recipe.name, stages=(recipe.stages[i],))


def step_of_stage(method: str | Recipe, i: int = 0, *, n: int = 4, examples=LONG, make=steady_bert, **options) -> Step:
    """The last step of one stage."""
    with patch.object(nn, "TransformerEncoderLayer", Still):
        return step_of_texts(stage_of(method, i), examples, make=make, n=n, **options)


def table_of(task) -> torch.Tensor:
    return task.encoder.model.get_input_embeddings().weight


def guessed(task, state, token) -> torch.Tensor:
    """What the guess from one state loses."""
    return F.cross_entropy(table_of(task) @ task.transform(state) + task.bias, token)


def shown(step) -> list[torch.Tensor]:
    """The tokens that the encoder sees, text by text."""
    inputs = step.payload.inputs
    return list(inputs["input_ids"].split(inputs["offsets"].diff().tolist()))


def present(row) -> list[int]:
    """The places, or tokens, that there are."""
    return [p for p in row.tolist() if p >= 0]


def by_products(step, n: int) -> torch.Tensor:
    """Fine-tuning: each question against the documents of the batch but for copies of its own, no temperature."""
    encoder = step.network[0]
    assert (encoder.pooling, encoder.normalize, similarity_of(encoder)) == ("cls", False, "dot")
    z = step.network(step.payload.inputs)
    (call,) = step.calls
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    total = torch.zeros(())
    for i in range(n):
        seen = [j for j in range(len(shown)) if j == i or shown[j] != partner[i]]
        total = total + torch.logsumexp(z[n:][seen] @ z[i], 0) - z[i] @ z[n + i]
    return total / n
