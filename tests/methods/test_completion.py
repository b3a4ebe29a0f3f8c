"""What completes a knowledge graph: it learns a real one in seconds, and its folder answers as it does."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import load
from counterpoint.encoders.knowledge import OPERATORS, KnowledgeGraph
from counterpoint.errors import InputError
from counterpoint.methods.completion import completion
from counterpoint.objectives import RowObjective

UMLS = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "kg" / "umls"
real = pytest.mark.skipif(not UMLS.is_dir(), reason="no COUNTERPOINT_DATA with kg/umls")


def read(part: str) -> list[list[str]]:
    with gzip.open(UMLS / f"{part}.tsv.gz", "rt") as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


def both_ways(rows, entities: dict[str, int], relations: dict[str, int]) -> torch.Tensor:
    one = torch.tensor([[entities[h], relations[r], entities[t]] for h, r, t in rows])
    return torch.cat([one, torch.stack([one[:, 2], one[:, 1] + len(relations), one[:, 0]], 1)])


def filtered_mrr(model: KnowledgeGraph, rows: torch.Tensor, known: torch.Tensor) -> float:
    """One query after another; ties share their places."""
    answers: dict[tuple[int, int], list[int]] = {}
    for h, r, t in known.tolist():
        answers.setdefault((h, r), []).append(t)
    table, total = model.encode_items(Items("entity", torch.arange(len(model.entities)))), 0.0
    queries = model.encode_items(Items("query", rows[:, :2]), kind="query")
    for q, (h, r, t) in zip(queries, rows.tolist(), strict=True):
        scores = table @ q
        left = [i for i in range(len(scores)) if i == t or i not in answers[h, r]]
        higher, same = (scores[left] > scores[t]).sum(), (scores[left] == scores[t]).sum()
        total += sum(1 / (higher + place) for place in range(1, same + 1)) / same
    return total / len(rows)


@real
def test_a_graph_is_learned_saved_and_asked(tmp_path) -> None:
    train, dev = read("train"), read("valid")[:100]
    entities = {name: i for i, name in enumerate(dict.fromkeys(e for h, _, t in train for e in (h, t)))}
    relations = {name: i for i, name in enumerate(dict.fromkeys(r for _, r, _ in train))}
    rows, held = (both_ways(part, entities, relations) for part in (train, dev))
    queries, anchor = rows[:, :2].unique(dim=0, return_inverse=True)
    data = Data(
        Items("query", queries), anchor, Items("entity", torch.arange(len(entities)), tuple(entities)), rows[:, 2:]
    )
    recipe = completion(data, relations=tuple(relations), dim=64)
    (stage,) = recipe.stages
    recipe = replace(recipe, stages=(replace(stage, train=replace(stage.train, steps=120)),))
    known = torch.cat([rows, held])
    assert filtered_mrr(recipe.started(data, 0), held, known) < 0.1
    model, result = recipe.make(data)
    assert result.steps == 120
    assert filtered_mrr(model, held, known) > 0.4
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert torch.equal(again.known, rows[: len(train)])
    for asked in (("virus", "causes", None), (None, "part_of", "cell")):
        assert model.complete(*asked, k=5) == again.complete(*asked, k=5)


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_is_trained_compares_as_the_model_does(operator: str) -> None:
    queries = torch.cartesian_prod(torch.arange(8), torch.arange(2))
    answers = (queries.sum(1) % 8)[:, None]
    data = Data(Items("query", queries), torch.arange(16), Items("entity", torch.arange(8)), answers)
    recipe = completion(data, operator, dim=16)
    (stage,) = recipe.stages
    rows = [part for part in stage.objective().modules() if isinstance(part, RowObjective)]
    assert rows
    assert {type(part.geometry) for part in rows} == {type(recipe.started(data, 0).geometry)}


def test_texts_are_no_graph() -> None:
    texts = Items("text", ["a", "b"])
    data = Data(texts, torch.arange(2), texts, torch.tensor([[1], [0]]))
    with pytest.raises(InputError, match="ComplEx trains on triples of a knowledge graph"):
        completion(data)
