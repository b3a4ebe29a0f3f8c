"""Dwell in the Beginning: crops, then questions; and how often a document is found better by its beginning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.methods import Recipe
from counterpoint.systems import get
from counterpoint.systems.retrieval import dwell
from counterpoint.testbeds import Made, positions
from systems.through import same
from systems.words import KINDS, contrast, small_bert, steady_bert, step_of_texts

LONG = [Example(f"what of {kind}", (". ".join(f"{kind}{i} does {i}" for i in range(9)) + ".",)) for kind in KINDS]


def test_places_and_segments_are_those_of_a_naive_loop():
    """Of an encoder that sees the first three words of a text alone."""
    queries = [f"asked {kind}{i % 4}" for i, kind in enumerate(KINDS)]
    documents = [
        " ".join(f"{'asked' if j == i % 4 else 'other'} {kind}{j} and so it is." for j in range(6))
        for i, kind in enumerate(KINDS)
    ]
    found, passages = positions.answered(rows_of([Example(q, (d,)) for q, d in zip(queries, documents, strict=True)]))
    assert found == documents
    for i, each in enumerate(passages):
        assert (each.query, each.document) == (queries[i], i)
        assert each.passage == f"asked {KINDS[i]}{i % 4} and so it is."

    class First:
        def encode(self, texts, *, kind=None):
            return np.array([[t.split()[:3].count(w) for w in ("asked", "other", "and")] for t in texts], dtype=float)

    parts = (None, rows_of([Example(q, (d,)) for q, d in zip(queries, documents, strict=True)]))
    made = Made("", First(), parts, 0)
    assert positions.first_place.of(made) == 1.0
    # three of four documents begin as another of their sentences does, and a quarter begin with what is asked
    near = []
    for i in range(12):
        words = documents[i].split()
        cut = [words[len(words) * k // 5 : len(words) * (k + 1) // 5] for k in range(5)]
        whole, *each = First().encode([documents[i], *(" ".join(part) for part in cut)])
        cosines = [whole @ z / np.linalg.norm(whole) / max(np.linalg.norm(z), 1e-12) for z in each]
        near += [(cosines[0] > c + 1e-6) + 0.5 * (abs(cosines[0] - c) <= 1e-6) for c in cosines[1:]]
    assert positions.first_segment.of(made) == pytest.approx(np.mean(near))


def test_first_crops_of_documents_find_each_other_and_then_titles_find_documents():
    method = get("dwell-in-the-beginning").method()
    step = step_of_texts(replace(method, stages=method.stages[:1]), LONG, make=steady_bert)
    first, second = step.z()
    same(step, contrast(first, second), rtol=1e-3)
    ids, offsets = step.payload.inputs["input_ids"], step.payload.inputs["offsets"]
    encoder = step.network[0]
    whole = [encoder.tokenizer(e.positives[0], add_special_tokens=False)["input_ids"] for e in LONG]
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        crop = ids[a + 1 : b - 1].tolist()
        own = [w for w in whole if any(w[i : i + len(crop)] == crop for i in range(len(w)))]
        assert own
        assert len(crop) <= max(len(w) for w in own) / 2
    step = step_of_texts("dwell-in-the-beginning", LONG, make=steady_bert)
    first, second = step.z()
    same(step, contrast(first, second), rtol=1e-3)
    texts = encoder.tokenizer.batch_decode(
        [t.tolist() for t in step.payload.inputs["input_ids"].split(step.payload.inputs["offsets"].diff().tolist())],
        skip_special_tokens=True,
    )
    assert sum("what of" in text for text in texts) == 8


def test_both_stages_train_and_vectors_are_means():
    method = get("dwell-in-the-beginning").method()
    crops, asked = method.stages
    assert (crops.view.tokens is not None, asked.view) == (True, None)
    data = rows_of(LONG)
    weights = []
    for stages in (method.stages[:1], method.stages):
        recipe = replace(method, stages=stages).changed(steps=2, batch_size=6)
        encoder, _ = recipe.make(data, 0, encoder=small_bert(data, pooling="cls"))
        weights.append(torch.cat([p.detach().flatten() for p in encoder.parameters()]))
        assert encoder.pooling == "mean"
    assert not torch.equal(*weights)


def test_what_it_is_compared_with_differs_in_one_thing():
    language, pre, anywhere = dwell.language_model(), dwell.pretrained(), dwell.fine_tuned_on_any_order()
    assert len(language.stages) == len(pre.stages) == 1
    assert (language.stages[0].task, pre.stages[0].task) == (dwell.guesses, None)
    assert [s.train for s in anywhere.stages] == [s.train for s in dwell.dwell().stages]
    step = step_of_texts(anywhere, LONG, make=steady_bert)
    asked = step_of_texts("dwell-in-the-beginning", LONG, make=steady_bert)
    sides = []
    for one in (step, asked):
        ids = one.payload.inputs["input_ids"].split(one.payload.inputs["offsets"].diff().tolist())
        sides.append((ids[:8], ids[8:]))
    (queries, shuffled), (same_queries, whole) = sides
    assert all(torch.equal(a, b) for a, b in zip(queries, same_queries, strict=True))
    assert all(torch.equal(a.sort().values, b.sort().values) for a, b in zip(shuffled, whole, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(shuffled, whole, strict=True))
    data = rows_of(LONG)
    guessing = dwell.guesses(data, small_bert(data))
    assert len(guessing) == 12


def test_fine_tuning_on_documents_that_answer_first_teaches_to_look_there_and_in_any_order_it_does_not():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(60)]

    def example(seed: int) -> Example:
        drawn = np.random.default_rng(seed).permutation(words)
        parts = [f"{drawn[3 * i]} {drawn[3 * i + 1]} {drawn[3 * i + 2]} is so here." for i in range(6)]
        return Example(f"{drawn[0]} {drawn[1]} {drawn[2]}", (" ".join(parts),))

    data, test = (rows_of([example(int(i)) for i in rng.integers(1 << 30, size=n)]) for n in (400, 60))
    shares = []
    for method in (dwell.dwell(), dwell.fine_tuned_on_any_order()):
        recipe: Recipe = replace(method, stages=method.stages[1:])
        recipe = recipe.changed(steps=120, batch_size=32, learning_rate=5e-3)
        encoder, _ = recipe.make(data, 0, encoder=positions.short_reading_bert(data, 0))
        shares.append(positions.first_place.of(Made("", encoder, (data, test), 0)))
    assert shares[0] > 0.8
    assert shares[0] > shares[1] + 0.1


def test_short_documents_are_not_asked_for():
    kept = " ".join(
        ["one two three four five six seven eight nine ten.", "So it is and will be for ever and ever."] * 2
    )
    test = rows_of([Example("seven", (kept,)), Example("a", ("One. Two.",)), Example("b", ("no " * 30,))])
    documents, asked = positions.answered(test)
    assert documents == [kept]
    assert [each.query for each in asked] == ["seven"]


def test_documents_alone_are_those_of_the_rows():
    data = Data(Items("text", ["a", "b"]), torch.tensor([1, 0]), Items("text", ["x", "y"]), torch.tensor([[0], [1]]))
    assert list(dwell.documents_alone(data, torch.nn.Identity(), 0).anchors.texts) == ["x", "y"]
