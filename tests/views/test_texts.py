from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Example, debian
from counterpoint.data.items import Data, Items
from counterpoint.data.passages import in_sentences
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.methods.stage import Stage, train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Composed
from counterpoint.training import TrainConfig
from counterpoint.views import defined, inverse_cloze, neighbours, paired, parts, shuffle_partners, words
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


PROSE = ["One is red. Two are blue! Are three green?", "Alone and only.", "A b. Yes. C d."]


def cloze(seed, kept=0.0, texts=PROSE):
    return inverse_cloze(kept)(Data.alone(Items("text", texts)), torch.nn.Identity(), seed)


def test_a_sentence_stands_beside_the_rest_of_its_text():
    drawn = [pairs_of(cloze(seed)) for seed in range(40)]
    of = {("One is red.", "Two are blue! Are three green?"), ("Two are blue!", "One is red. Are three green?")}
    of |= {("Are three green?", "One is red. Two are blue!")}
    assert {first for first, _ in drawn} == of
    # the word alone is no sentence that asks for anything, but a part of the rest
    assert {second for _, second in drawn} == {("A b.", "Yes. C d."), ("C d.", "A b. Yes.")}
    assert pairs_of(cloze(3)) == drawn[3]


def test_a_sentence_stays_in_its_text_as_often_as_asked():
    many = [f"One is {i}. Two are {i}." for i in range(600)]
    stays = [asked in rest for asked, rest in pairs_of(cloze(0, 0.1, many))]
    assert 0.05 < sum(stays) / len(stays) < 0.16
    assert all(asked in rest for asked, rest in pairs_of(cloze(0, 1.0, many)))
    assert not any(asked in rest for asked, rest in pairs_of(cloze(0, 0.0, many)))
    with pytest.raises(InputError, match=r"1\.5 is no probability"):
        inverse_cloze(1.5)


def test_rows_of_a_cloze_keep_their_columns():
    data = Data(Items("text", PROSE), torch.tensor([1, 2, 0]), columns={"source": torch.tensor([7, 8, 9])})
    assert inverse_cloze()(data, torch.nn.Identity(), 0).columns["source"].tolist() == [8, 9]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20), max_size=6))
def test_sentences_hold_all_of_a_text_in_order(parts):
    text = ". ".join(parts)
    assert "".join("".join(in_sentences(text)).split()) == "".join(text.split())
