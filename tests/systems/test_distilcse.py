"""DistilCSE: cosines with a teacher's vectors, of this batch and of batches before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import load
from counterpoint.fitting.bases import minilm_folder
from counterpoint.methods import teachers
from counterpoint.systems import get
from counterpoint.systems.sentences import distilcse
from systems.through import same
from systems.words import TUPLES, contrast, steady_bert, step_of_texts


class Hashed:
    """A teacher of random vectors, which counts what it encodes."""

    seen: tuple[str, ...] = ()

    def encode_items(self, items):
        Hashed.seen += tuple(items.texts)
        rows = [np.random.default_rng(len(text) + ord(text[2])).normal(size=distilcse.WIDTH) for text in items.texts]
        return np.array(rows, np.float32)


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    monkeypatch.setattr(teachers, "_made", lambda _: Hashed())
    teachers._known.cache_clear()
    Hashed.seen = ()
    yield
    teachers._known.cache_clear()


def vectors(step) -> torch.Tensor:
    """The teacher's of the rows that the step saw."""
    (call,) = step.calls
    return call["keys"].z[: len(call["queries"])]


def test_loss_is_that_of_a_naive_loop_over_the_teacher_s_vectors():
    method = get("distilcse").method()
    step = step_of_texts(replace(method, stages=method.stages[:1]), TUPLES[:4], make=steady_bert, n=4, steps=3)
    assert step.network[0].pooling == "cls"
    queue, taught = step.procedure.procedures[1], vectors(step)
    assert int(queue.filled) == 8
    temperature = 1 / step.objective.temperature.scale().detach()
    z = step.network(step.payload.inputs)
    same(step, contrast(z, taught, queue.z[:8], float(temperature)), rtol=1e-3)
    # what is contrasted is what the teacher made of these texts
    known = Hashed().encode_items(Items("text", list(dict.fromkeys(t for e in TUPLES[:4] for t in e.texts))))
    nearest = torch.cdist(taught, torch.from_numpy(known)).min(1)
    assert float(nearest.values.max()) < 1e-3
    assert len(nearest.indices.unique()) == 4
    batch = step_of_texts(distilcse.without_queue(), TUPLES, make=steady_bert, n=4, steps=3)
    same(batch, contrast(*(batch.network(batch.payload.inputs), vectors(batch)), (), _temperature(batch)), rtol=1e-3)


def _temperature(step) -> float:
    return float(1 / step.objective.temperature.scale().detach())


def test_the_baseline_is_the_squared_error():
    step = step_of_texts(distilcse.regression(), TUPLES, make=steady_bert, n=4)
    z = step.network(step.payload.inputs)
    same(step, (z - vectors(step)).square().sum(1).mean(), rtol=1e-3)


def test_the_temperature_is_learned_from_a_soft_one():
    before, after = (step_of_texts(distilcse.ckd(), TUPLES, make=steady_bert, n=4, steps=s) for s in (1, 3))
    assert _temperature(before) == pytest.approx(1 / 2.71828, rel=1e-4)
    assert _temperature(after) != _temperature(before)


def test_the_second_stage_is_that_of_pairs_with_contradictions():
    step = step_of_texts("distilcse", TUPLES, make=steady_bert, n=4)
    (call,) = step.calls
    q, k = call["queries"].z, call["keys"].z
    assert (len(q), len(k)) == (4, 8)
    assert _temperature(step) == pytest.approx(0.05)
    z = step.network(step.payload.inputs)
    same(step, contrast(z[:4], z[4:], (), 0.05), rtol=1e-3)
    method = get("distilcse").method()
    assert [len(stage.prepare) for stage in method.stages] == [2, 0]
    assert method.stages[1].head is None


def test_every_text_is_encoded_once_by_the_teacher():
    data = rows_of(TUPLES)
    whole = distilcse.sentences(data, torch.nn.Identity(), 0)
    assert sorted(whole.anchors.texts) == sorted({*data.anchors.texts, *data.others.texts})
    some = distilcse.sentences(data[torch.tensor([1])], torch.nn.Identity(), 0)
    assert list(some.anchors.texts) == list(TUPLES[1].texts)
    step = teachers.teacher_vectors(distilcse.minilm)
    first = step(whole, torch.nn.Identity(), 0)
    again = step(whole[torch.arange(3).flip(0)], torch.nn.Identity(), 1)
    assert sorted(Hashed.seen) == sorted(whole.anchors.texts)
    torch.testing.assert_close(again.columns["vector"], first.columns["vector"][:3].flip(0))


def test_the_teacher_is_the_ceiling():
    claim = get("distilcse").claims[0]
    assert claim.ceiling.name == "all-MiniLM-L6-v2"
    if minilm_folder() is None:
        pytest.skip("the teacher's weights are not installed")
    texts = ["a cat", "a dog"]
    data = Data.alone(Items("text", texts))
    z = claim.ceiling.encoder((data, data)).encode_items(data.anchors)
    np.testing.assert_allclose(z, load(minilm_folder(), backend="torch").encode(texts, dtype="float32"), atol=1e-6)
