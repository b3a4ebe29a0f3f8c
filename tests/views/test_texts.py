from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example, debian
from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.methods.stage import Stage, train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Composed
from counterpoint.training import TrainConfig, train
from counterpoint.views import MaskedLM, defined, neighbours, paired, parts, shuffle_partners, words
from counterpoint.views.texts import deleted_words

TEXTS = [e.positives[0] for e in debian().train.examples[:64]]
some_words = st.lists(st.sampled_from(["one", "two", "three", "four"]), min_size=1, max_size=12)


@given(some_words, st.floats(0, 1, exclude_max=True), st.integers(0, 100))
def test_deleted_words_are_as_many_as_asked_and_the_rest_keeps_its_order(text, share, seed):
    left = words.deletion(share)(" ".join(text), torch.Generator().manual_seed(seed)).split()
    assert len(left) == len(text) - min(round(share * len(text)), len(text) - 1)
    rest = iter(text)
    assert all(word in rest for word in left)


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 100))
def test_shuffled_partners_go_round(n, share, seed):
    pairs = [Example(f"a{i}", (f"b{i}",)) for i in range(n)]
    noisy, right = shuffle_partners(pairs, share, seed)
    assert [e.anchor for e in noisy] == [e.anchor for e in pairs]
    assert sorted(e.positives for e in noisy) == sorted(e.positives for e in pairs)
    assert [a == b for a, b in zip(noisy, pairs, strict=True)] == right
    moved = round(share * n)
    assert right.count(False) == (moved if moved > 1 else 0)


@pytest.fixture(scope="module")
def masked():
    return MaskedLM(small_transformer(TEXTS, layers=1, width=32, vocab_size=500), TEXTS)


def test_masked_loss_is_cross_entropy_over_the_vocabulary(masked):
    torch.manual_seed(0)
    payload = masked.payload(torch.arange(8))
    h = masked(payload.inputs)
    seen = payload.arguments(h)
    original = masked._features["input_ids"][: len(payload.inputs[1])]
    logits = h @ masked.encoder.model.get_input_embeddings().weight.T
    expected = F.cross_entropy(logits, original[payload.inputs[1]])
    torch.testing.assert_close(masked.objective()(**seen), expected, rtol=1e-5, atol=1e-6)


def test_what_is_masked(masked):
    torch.manual_seed(0)
    tokenizer = masked.encoder.tokenizer
    original = masked._features["input_ids"]
    shown, chosen = [], []
    for _ in range(20):
        payload = masked.payload(torch.arange(len(masked)))
        shown.append(payload.inputs[0]["input_ids"])
        chosen.append(payload.inputs[1])
    shown, chosen, original = torch.stack(shown), torch.stack(chosen), original.expand(20, -1)
    special = torch.isin(original, torch.tensor(tokenizer.all_special_ids))
    assert not bool((chosen & special).any())
    assert torch.equal(shown[~chosen], original[~chosen])
    assert float(chosen[~special].float().mean()) == pytest.approx(0.15, abs=0.01)
    is_mask, is_same = (shown == tokenizer.mask_token_id)[chosen], (shown == original)[chosen]
    assert float(is_mask.float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float(is_same.float().mean()) == pytest.approx(0.1, abs=0.02)


def test_it_learns_and_changes_the_encoder(masked):
    before = masked.encoder.encode(TEXTS[:2], dtype="float32")
    settings = TrainConfig(epochs=30, batch_size=32, learning_rate=3e-3, dtype="float32")
    history = train(masked, masked, masked.objective(), settings).history
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    assert abs(before - masked.encoder.encode(TEXTS[:2], dtype="float32")).max() > 0.01


def pairs_of(data):
    rows = zip(data.anchor.tolist(), data.positives.tolist(), strict=True)
    return [(data.anchors.texts[a], *[data.others.texts[p] for p in ps]) for a, ps in rows]


ALONE = Data(Items("text", ["a b c d", "e f g", "h", "i j"]), torch.tensor([2, 0, 1, 3]))


def test_a_view_that_is_drawn_once_stands_beside_its_text():
    step = paired(words.deletion(0.5))
    seen = step(ALONE, torch.nn.Identity(), 3)
    assert pairs_of(seen) == pairs_of(deleted_words(0.5)(ALONE, torch.nn.Identity(), 3))
    assert pairs_of(seen) == pairs_of(step(ALONE, torch.nn.Identity(), 3))
    assert [pairs_of(step(ALONE, torch.nn.Identity(), s)) for s in range(5)].count(pairs_of(seen)) < 5
    assert [a for a, _ in pairs_of(seen)] == ["h", "a b c d", "e f g", "i j"]


def test_neighbours_stay_within_their_document():
    everywhere = neighbours()(ALONE, torch.nn.Identity(), 0)
    assert pairs_of(everywhere) == [("h", "a b c d"), ("a b c d", "e f g"), ("e f g", "i j")]
    data = Data(ALONE.anchors, ALONE.anchor, columns={"document": torch.tensor([5, 5, 0, 0])})
    seen = neighbours()(data, torch.nn.Identity(), 0)
    assert pairs_of(seen) == [("h", "a b c d"), ("e f g", "i j")]
    assert seen.columns["document"].tolist() == [5, 0]
    assert seen.schema == "pairs"


def test_parts_are_positives_and_texts_without_all_of_them_are_left_out():
    seen = parts()(ALONE, torch.nn.Identity(), 0)
    assert pairs_of(seen) == [("a b c d", "a b", "c d"), ("e f g", "e", "f g"), ("i j", "i", "j")]
    three = parts(lambda text: text.split()[:3])(ALONE, torch.nn.Identity(), 0)
    assert pairs_of(three) == [("a b c d", "a", "b", "c"), ("e f g", "e", "f", "g")]


def test_words_stand_beside_each_of_their_definitions():
    known = {"a b c d": ["first"], "i j": ["second", "third"]}
    seen = defined(lambda text: known.get(text, []))(ALONE, torch.nn.Identity(), 0)
    assert pairs_of(seen) == [("a b c d", "first"), ("i j", "second"), ("i j", "third")]


def test_composed_parts_train_and_what_is_left_out_is_said():
    texts = ["red fox jumps high", "blue ant walks far", "one", "grey cat sleeps long"]
    encoder = StaticEncoder.from_corpus(texts, dim=8)
    before = encoder.embedding.weight.detach().clone()
    stage = Stage(
        lambda: InfoNCE(0.1),
        TrainConfig(batch_size=3, epochs=3, dtype="float32", learning_rate=0.01),
        procedure=lambda dim: Composed(),
        prepare=(parts(),),
    )
    result, _ = train_stage(stage, Data.alone(Items("text", texts)), encoder)
    assert "left out 1 of 4 rows" in result.warnings[0]
    assert not torch.equal(before, encoder.embedding.weight)
