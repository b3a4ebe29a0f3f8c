"""Two texts of a group: what is drawn, that chunks and processes change nothing, what decoders can see, refusals."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import CoCondenser, CoTMAE, Groups, QueryDecoding
from counterpoint.training._processes import Processes
from pretraining.test_guessing import same_in_chunks, task_of

KINDS = (CoCondenser, CoTMAE, QueryDecoding)


@pytest.fixture
def groups(texts):
    return [texts[3 * i : 3 * i + 3] for i in range(12)]


def test_two_different_texts_of_each_group_are_drawn_all_alike():
    groups = Groups([["a", "b"], ["c", "d", "e"], ["f"]])
    torch.manual_seed(0)
    drawn = torch.stack(groups.draw(torch.tensor([1]).repeat(600)), 1)
    counts = {(i, j): int((drawn == torch.tensor([i, j])).all(1).sum()) for i in range(5) for j in range(5)}
    there = {pair: n for pair, n in counts.items() if n}
    assert set(there) == {(i, j) for i in (2, 3, 4) for j in (2, 3, 4) if i != j}
    assert all(60 < n < 140 for n in there.values())
    anchored = Groups([["a", "b"], ["c", "d", "e"]], anchored=True)
    first, second = anchored.draw(torch.tensor([0, 1]).repeat(50))
    assert first.tolist() == [0, 2] * 50
    assert set(second.tolist()) == {1, 3, 4}


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, groups, kind):
    task = task_of(kind, encoder, groups)
    same_in_chunks(task, 100, atol=1e-6)


def test_a_process_has_its_share_of_the_vocabulary_and_all_of_its_texts(encoder, groups, monkeypatch):
    task = task_of(CoCondenser, encoder, groups)
    payload = task.payload(torch.tensor([5, 7, 8]))
    z = task(payload.inputs)
    monkeypatch.setattr(Processes, "current", lambda: Processes(rank=1, world=2))
    keys = payload.arguments(z)["keys"].columns
    assert int((keys["text"] == 0).sum()) == len(encoder.tokenizer) // 2
    assert keys["sample"][keys["text"] == 1].tolist() == [5, 7, 8]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_decoder_knows_the_encoder_by_the_vector_alone(encoder, groups, kind):
    task = task_of(kind, encoder, groups).eval()
    inputs = task.payload(torch.arange(3)).inputs
    told = task(inputs)[:, inputs["at"].shape[1] :]
    at = inputs["asked 0"] >= 0
    # other first tokens are not read, another vector is
    first = {**inputs, "reads 0": inputs["reads 0"].clone()}
    first["reads 0"][:, 0] += 1
    torch.testing.assert_close(task(first)[:, inputs["at"].shape[1] :], told)
    with torch.no_grad():
        encoder.model.encoder.layer[-1].output.dense.bias += torch.arange(32) % 3
    moved = task(inputs)[:, inputs["at"].shape[1] :]
    assert bool(((moved - told).abs().amax(2)[at] > 1e-4).all())


def test_a_place_is_asked_for_the_next_token_and_sees_three(encoder, groups):
    task = task_of(QueryDecoding, encoder, groups).eval()
    payload = task.payload(torch.arange(2))
    inputs = payload.inputs
    m, reads, asked = inputs["at"].shape[1], inputs["reads 0"], inputs["asked 0"]
    told, length = task(inputs)[:, m:], int((reads[0] >= 0).sum())
    assert asked[0, : length - 1].tolist() == list(range(length - 1))
    queries = payload.arguments(task(inputs))["queries"].columns
    answers = queries["sample"][queries["term"] == 1]
    assert answers[: length - 1].tolist() == reads[0, 1:length].tolist()
    # place 5 sees itself, the two before it, and the vector in place of the first
    for place, seen in ((2, False), (3, True), (4, True), (5, True), (6, False)):
        other = {**inputs, "reads 0": reads.clone()}
        other["reads 0"][0, place] = 9
        changed = (task(other)[0, m + 5] - told[0, 5]).abs().max() > 1e-6
        assert bool(changed) == seen, place


def test_both_halves_are_masked_by_their_own_shares(encoder, groups):
    task = task_of(CoTMAE, encoder, groups, share=0.2, hidden_share=0.6)
    torch.manual_seed(0)
    inputs = task.payload(torch.arange(12)).inputs
    words = len(inputs["input_ids"]) - 2 * len(inputs["at"])
    assert int((inputs["at"] >= 0).sum()) / words == pytest.approx(0.2, abs=0.05)
    assert int((inputs["asked 0"] >= 0).sum()) / words == pytest.approx(0.6, abs=0.05)


def test_what_cannot_be_is_refused(encoder, groups):
    with pytest.raises(InputError, match="no group has two texts"):
        Groups([["alone"]])
    with pytest.raises(InputError, match="share of 0"):
        CoTMAE(encoder, groups, hidden_share=0.0)
    with pytest.raises(InputError, match="a window of 0"):
        QueryDecoding(encoder, groups, window=0)
    bare = small_transformer(["a b c"], layers=1, width=8, heads=2)
    bare.model.embeddings, bare.model.config.model_type = None, "bare"
    with pytest.raises(InputError, match="a bare has no embedding layer"):
        CoTMAE(bare, groups)
