"""Recipes give the weights that the loops before them gave, and refuse data of another kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.images import digits
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core.simclr import simclr
from counterpoint.training import RowBatches, TrainConfig, train

TEXTS = [Example(f"{c} {n}", (f"the {c} {n} is here",)) for c in ("red", "blue", "pink") for n in ("fox", "ant", "cat")]
SMALL = TrainConfig(batch_size=4, epochs=2, learning_rate=1e-2, dtype="float32", validations=1)


def table() -> StaticEncoder:
    torch.manual_seed(0)
    return StaticEncoder.from_corpus([t for e in TEXTS for t in e.texts], dim=8)


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_pictures_end_with_the_weights_of_the_loop_written_out() -> None:
    data, recipe = digits()[torch.arange(0, 1797, 2)], simclr().changed(steps=3)
    stage = recipe.stages[0]
    old = recipe.started(data, 3)
    torch.manual_seed(3)
    assert stage.head is not None
    head, objective = stage.head(64), stage.objective()
    settings = replace(stage.train, seed=3)
    assert callable(stage.view)
    train(old, RowBatches(data, old, view=stage.view), objective, settings, head=head)
    new, result = recipe.make(data, 3)
    assert result.steps == 3
    assert equal(old, new)


def test_texts_end_with_the_weights_that_they_had() -> None:
    old, new = table(), table()
    train(old, RowBatches(rows_of(TEXTS), old), InfoNCE(0.1), SMALL)
    made, _ = Recipe("mine", (Stage(lambda: InfoNCE(0.1), SMALL),), Takes("text", "text")).make(
        rows_of(TEXTS), encoder=new
    )
    assert made is new
    assert equal(old, new)


def test_stages_go_on_where_the_one_before_ended_and_after_a_kill(tmp_path: Path) -> None:
    data, asked = rows_of(TEXTS), []

    def seen(data: Data, encoder: torch.nn.Module, seed: int) -> Data:
        asked.append((encoder.embedding.weight.detach().clone(), seed))
        return data[torch.arange(6)]

    stage = Stage(lambda: InfoNCE(0.1), SMALL)
    both = Recipe("two", (stage, replace(stage, prepare=(seen,))), Takes("text", "text"))
    whole, _ = both.make(data, 5, encoder=table(), folder=tmp_path)
    alone, _ = Recipe("one", (stage,), Takes("text", "text")).make(data, 5, encoder=table())
    assert torch.equal(asked[0][0], alone.embedding.weight)
    assert asked[0][1] == 5
    # the same call once more finds both stages done
    again, result = both.make(data, 5, encoder=table(), folder=tmp_path)
    assert equal(whole, again)
    assert result.steps == 2


def test_an_end_between_the_start_and_what_was_trained(tmp_path: Path) -> None:
    start = table().embedding.weight.detach()
    whole = Recipe("whole", (Stage(lambda: InfoNCE(0.1), SMALL),), Takes("text", "text"))
    some = whole.varied("some", interpolate=0.25)
    data = rows_of(TEXTS)
    trained, _ = whole.make(data, 5, encoder=table())
    for _ in range(2):  # the second goes on from what the first has kept
        kept, _ = some.make(data, 5, encoder=table(), folder=tmp_path)
        wanted = 0.75 * start + 0.25 * trained.embedding.weight
        torch.testing.assert_close(kept.embedding.weight, wanted, rtol=0, atol=1e-6)
    assert not torch.allclose(start, trained.embedding.weight, rtol=0, atol=1e-4)


def test_a_stage_that_begins_afresh_sees_what_became_of_the_one_before() -> None:
    data, asked, start = rows_of(TEXTS), [], table()
    start.register_buffer("left", torch.ones(2), persistent=False)

    def seen(data: Data, encoder: torch.nn.Module, seed: int) -> Data:
        asked.append(encoder.embedding.weight.detach().clone())
        return data

    stage = Stage(lambda: InfoNCE(0.1), SMALL)
    last = replace(stage, prepare=(seen,), train=replace(SMALL, epochs=1))
    one, other = (
        Recipe("mine", stages, Takes("text", "text")).make(data, 5, encoder=table())[0]
        for stages in ((stage,), (last,))
    )
    both, _ = Recipe("two", (stage, replace(last, afresh=True)), Takes("text", "text")).make(data, 5, encoder=start)
    assert torch.equal(asked[1], one.embedding.weight)
    assert equal(both, other)
    assert not equal(both, one)
    # what a step before training leaves stays
    assert torch.equal(both.left, torch.ones(2))


def test_prompts_and_similarity_reach_the_encoder() -> None:
    encoder = table()
    Recipe("mine", (), Takes(), prompts={"query": "find: "}, similarity="dot").settle(encoder)
    assert (encoder.prompts["query"], encoder.normalize, encoder.similarity) == ("find: ", False, "dot")


@pytest.mark.parametrize(
    ("takes", "said"),
    [
        (Takes("image"), "trains on pictures alone, and these are pairs of texts"),
        (Takes("text"), "trains on texts alone, and these are pairs of texts"),
        (Takes("image", "text"), "trains on pictures with texts, and these are pairs of texts"),
        (Takes("text", "text", ("scored",)), "trains on scored pairs of texts, and these are pairs of texts"),
        (Takes("query", "entity"), "trains on triples of a knowledge graph, and these are pairs of texts"),
        (Takes("text", "text", columns=("domain",)), "these are pairs of texts without 'domain'"),
    ],
)
def test_data_of_another_kind_are_refused(takes: Takes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Recipe("it", (Stage(InfoNCE),), takes).make(rows_of(TEXTS, "a.tsv"), encoder=table())


def test_without_a_start_an_encoder_must_be_given() -> None:
    with pytest.raises(InputError, match="has no start of its own"):
        Recipe("it", (Stage(InfoNCE),), Takes("text", "text")).make(rows_of(TEXTS))


def test_the_seed_says_how_what_is_around_the_encoder_begins() -> None:
    drawn = list[float]()

    def around(encoder: torch.nn.Module) -> torch.nn.Module:
        drawn.append(float(torch.rand(())))
        return encoder

    recipe = Recipe("mine", (Stage(lambda: InfoNCE(0.1), SMALL, around=around),), Takes("text", "text"))
    for seed in (0, 1, 0):
        recipe.make(rows_of(TEXTS), seed, encoder=table())
    assert drawn[0] == drawn[2] != drawn[1]


def test_what_is_around_the_encoder_is_trained_in_its_place() -> None:
    from counterpoint.encoders import Towers

    old, seen = table(), list[Towers]()

    def around(encoder: torch.nn.Module) -> torch.nn.Module:
        seen.append(Towers(table(), encoder))
        return seen[-1]

    stage = Stage(lambda: InfoNCE(0.1), SMALL, around=around)
    made, _ = Recipe("mine", (stage,), Takes("text", "text")).make(rows_of(TEXTS), encoder=old)
    assert made is old
    towers = Towers(table(), table())
    train(towers, RowBatches(rows_of(TEXTS), towers), InfoNCE(0.1), SMALL)
    assert equal(seen[0], towers)


def test_pretraining_is_kept_though_a_validation_by_the_task_itself_falls() -> None:
    from counterpoint.encoders.scratch import small_transformer
    from counterpoint.pretraining import MaskedLM

    data = rows_of(TEXTS)
    texts = [t for e in TEXTS for t in e.texts]
    encoder = small_transformer(texts, layers=1, width=16, heads=2)
    begun = {name: value.clone() for name, value in encoder.state_dict().items()}
    first = Stage(MaskedLM.objective, SMALL, task=lambda data, encoder: MaskedLM(encoder, texts))
    second = Stage(lambda: InfoNCE(0.1), replace(SMALL, learning_rate=1e-30, weight_decay=0.0))
    asked = []

    def falling() -> dict[str, float]:
        asked.append(encoder)
        return {"dev": -float(len(asked))}

    Recipe("mine", (first, second), Takes("text", "text")).make(data, encoder=encoder, validate=falling)
    assert asked
    assert any(not torch.equal(begun[name], value) for name, value in encoder.state_dict().items())
