"""PEARL: phrases with their hard negatives, each with a view, contrasted and typed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import pearl
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

NAME = "pearl-phrase"
NAMED = [
    Example(f"the {kind}", (f"a {kind} at night", f"animal {i}"), (f"the {KINDS[i - 1]}", f"the {KINDS[i - 2]}"))
    for i, kind in enumerate(KINDS)
]


def named() -> Data:
    data = rows_of(NAMED)
    return replace(data, columns={"label": torch.arange(len(data)) % 5})


def read(step) -> list[list[str]]:
    """The text of each view of each row."""
    inputs = step.payload.inputs
    ids = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    said = step.network[0].tokenizer.batch_decode([one.tolist() for one in ids], skip_special_tokens=True)
    return [said[i :: len(said) // 6] for i in range(len(said) // 6)]


def test_loss_is_that_of_a_naive_loop_over_phrases_and_views():
    data = named()
    step = step_of_texts(NAME, data, make=steady_bert, n=6)
    # of two hard negatives of the first phrases nothing is known
    known = dict(zip((e.anchor for e in NAMED[:6]), data.columns["label"].tolist()[:6], strict=True))
    z = step.network[0](step.payload.inputs)
    logits = z @ step.network[1].heads[1].weight.T + step.network[1].heads[1].bias
    # six texts a row: a phrase, its view, then the same of two hard negatives
    rows = read(step)
    contrast, types = [], {0: [], 1: []}
    for row in range(6):
        for view in range(6):
            i, j = view * 6 + row, (view ^ 1) * 6 + row
            cosine = torch.stack([F.cosine_similarity(z[i], z[k], dim=0) / 0.07 for k in range(36) if k != i])
            contrast.append(cosine.logsumexp(0) - F.cosine_similarity(z[i], z[j], dim=0) / 0.07)
            label = known.get(rows[row][view - view % 2])
            if label is not None:
                types[view % 2].append(logits[i].logsumexp(0) - logits[i][label])
    total = torch.stack(contrast).mean() + torch.stack(types[0]).mean() + torch.stack(types[1]).mean()
    assert len(z) == 36
    assert len(types[0]) == len(types[1]) == 15
    same(step, total, rtol=1e-3)


def test_a_row_is_a_phrase_and_two_of_its_hard_negatives_each_with_a_view_of_its_own():
    step = step_of_texts(NAME, named(), make=steady_bert, n=12)
    names = {e.anchor: set(e.positives) for e in NAMED}
    near = {e.anchor: set(e.negatives) for e in NAMED}
    changed = 0
    for phrase, view, *others in read(step):
        assert {others[0], others[2]} == near[phrase]
        for own, seen in ((phrase, view), (others[0], others[1]), (others[2], others[3])):
            changed += seen in names[own]
    # 0.8 of 36
    assert 20 <= changed < 36


def said(view, text: str, times: int = 400) -> list[str]:
    return [view.words(text, torch.Generator().manual_seed(i)) for i in range(times)]


def test_views_are_drawn_as_often_as_in_the_code():
    text = "x\nred fox cub\tred dog\tanimal\nz"
    views = get(NAME).method().stages[0].view
    assert len(views) == 6
    assert set(said(views[2], text)) == {"red fox cub"}
    found = said(views[3], text)
    share = {name: found.count(name) / 400 for name in ("red dog", "animal", "red fox cub")}
    assert share["red dog"] == pytest.approx(0.30, abs=0.06)
    assert share["animal"] == pytest.approx(0.50, abs=0.06)
    assert share["red fox cub"] == pytest.approx(0.05, abs=0.03)
    swapped = sum(sorted(one.split()) == ["cub", "fox", "red"] for one in found) / 400 - share["red fox cub"]
    assert swapped == pytest.approx(0.05, abs=0.03)
    # what has no other name stays, but for characters
    assert sum(one == "z" for one in said(views[5], text)) > 350
    assert set(said(pearl.dropout_alone().stages[0].view[3], text)) == {"red fox cub"}
    words = {"red", "fox", "cub", "dog", "animal"}
    assert any(set(one.split()) - words for one in found)
    assert not any(set(one.split()) - words for one in said(pearl.without_errors().stages[0].view[3], text))


def test_lines_hold_names_types_and_hard_negatives():
    (prepare,) = get(NAME).method().stages[0].prepare
    few = [Example("a", ("b", "c"), ("d",)), Example("d", ("e\t e",), ("f",))]
    data = rows_of(few)
    grouped = prepare(replace(data, columns={"label": torch.tensor([3, 4])}), torch.nn.Identity(), 0)
    first, second = grouped.anchors.texts
    assert first.split("\n")[:2] == ["a\tb\tc", "d\te e"]
    # one that is no phrase of the data has no other name and no type, and a random phrase is put beside
    assert second.split("\n")[:2] == ["d\te e", "f"]
    assert second.split("\n")[2] in ("a\tb\tc", "d\te e")
    assert grouped.columns["label"][:, :2].tolist() == [[3, 4], [4, -1]]
    pairs = rows_of([Example("a", ("b",)), Example("d", ("e",))])
    assert prepare(replace(pairs, columns={"label": torch.tensor([3, 4])}), torch.nn.Identity(), 0).anchors.texts
    with pytest.raises(InputError, match="more than 95 types"):
        prepare(replace(data, columns={"label": torch.tensor([3, 95])}), torch.nn.Identity(), 0)


def test_the_end_is_halfway_between_the_start_and_what_was_trained():
    data = named()
    recipe = get(NAME).method().changed(steps=3, batch_size=6, dtype="float32", validations=1, learning_rate=1e-2)
    ends = []
    for share in (0.5, 1.0):
        encoder = steady_bert(data)
        start = {name: p.detach().clone() for name, p in encoder.named_parameters()}
        recipe.varied("PEARL", interpolate=share).make(data, 0, encoder=encoder)
        ends.append({name: p.detach() - start[name] for name, p in encoder.named_parameters()})
    half, whole = ends
    assert any(moved.abs().max() > 1e-3 for moved in whole.values())
    for name, moved in whole.items():
        torch.testing.assert_close(half[name], moved / 2, rtol=1e-3, atol=1e-6)
    assert recipe.stages[0].interpolate == 0.5


def test_there_is_dropout_and_vectors_are_as_long_as_they_are():
    data = named()
    encoder = small_bert(data)
    encoder.normalize = True
    encoder = get(NAME).method().adapt(encoder).train()
    inputs = encoder.tokenize(["a cat"])
    assert not encoder.normalize
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_without_types_the_classifier_learns_nothing():
    step = step_of_texts(pearl.untyped(), named(), make=steady_bert, n=6)
    assert not step.gradient.get("1.heads.1.weight", torch.zeros(1)).any()
    step = step_of_texts(NAME, named(), make=steady_bert, n=6)
    assert step.gradient["1.heads.1.weight"].any()
