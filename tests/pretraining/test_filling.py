"""Texts that are filled in anew: some tokens, never special ones, by what the others say."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder, TemplateEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.pretraining import filled_in, with_rarity, with_tokens

WORDS = ["one", "two", "three", "four"]
SAME = [" ".join([word] * n) for word in WORDS for n in (6, 7, 8, 9)]
ENCODER = small_transformer(SAME, layers=1, width=8, heads=2, vocab_size=60)


def columns(texts=SAME, seed=0, **options):
    found = filled_in(**options)(Data.alone(Items("text", texts)), ENCODER, seed).columns
    return found["tokens"], found["filled"]


def test_tokens_are_those_of_the_encoder_and_special_ones_stay():
    tokens, filled = columns(share=1.0, epochs=0.1)
    for row, text in zip(tokens, SAME, strict=True):
        assert row[row >= 0].tolist() == ENCODER.tokenize([text])["input_ids"].tolist()
    fixed = (tokens < 0) | torch.isin(tokens, torch.tensor(sorted(ENCODER.special_tokens)))
    assert fixed.any()
    for version in filled.unbind(1):
        assert torch.equal(version[fixed], tokens[fixed])
        assert (version[~fixed] != tokens[~fixed]).float().mean() > 0.3
    assert not torch.equal(filled[:, 0], filled[:, 1])


def test_so_many_are_filled_in():
    tokens, filled = columns(share=0.25, versions=8, epochs=0.1)
    words = (tokens >= 0) & ~torch.isin(tokens, torch.tensor(sorted(ENCODER.special_tokens)))
    # an untrained model guesses right one time in six or so
    share = float((filled != tokens[:, None])[words[:, None].expand_as(filled)].float().mean())
    assert 0.12 < share < 0.25


def test_guesses_follow_the_other_tokens():
    """All words of a text are the same: a model that reads it guesses what was there."""
    tokens, filled = columns(share=0.3, versions=4, epochs=40)
    words = (tokens >= 0) & ~torch.isin(tokens, torch.tensor(sorted(ENCODER.special_tokens)))
    changed = float((filled != tokens[:, None])[words[:, None].expand_as(filled)].float().mean())
    assert changed < 0.1


def test_the_seed_decides():
    first, again, other = (columns(seed=seed, epochs=0.1)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_long_texts_are_cut():
    tokens, filled = columns(longest=5, epochs=0.1)
    assert tokens.shape == (16, 5)
    assert filled.shape == (16, 2, 5)
    assert bool((tokens >= 0).all())


def test_what_cannot_be_is_refused():
    for options in ({"share": 0.0}, {"share": 1.1}, {"versions": 0}):
        with pytest.raises(InputError, match="filled in"):
            filled_in(**options)
    with pytest.raises(InputError, match="tokens are those of a transformer"):
        filled_in()(Data.alone(Items("text", SAME)), StaticEncoder.from_corpus(SAME, dim=4), 0)


def test_tokens_to_write_are_the_positives_in_their_template_or_the_texts():
    pairs = Data(
        Items("text", ["one", "two"]), torch.tensor([1, 0, 0]), Items("text", ["three four", "four"]),
        torch.tensor([[1, 0], [0, -1], [-1, -1]]),
    )  # fmt: skip
    framed = TemplateEncoder(ENCODER, ["one {} two [MASK]"])
    known = ENCODER.tokenize(["one four two [MASK]", "one three four two [MASK]"])
    wanted = [row.tolist() for row in known["input_ids"].split(known["offsets"].diff().tolist())]
    rows = with_tokens()(pairs, framed, 0).columns["tokens"]
    assert [row[row >= 0].tolist() for row in rows] == [*wanted, []]
    assert torch.equal(with_tokens(4)(pairs, framed, 0).columns["tokens"], rows[:, :4])
    alone = with_tokens()(Data.alone(Items("text", ["two"])), ENCODER, 0).columns["tokens"]
    assert alone[0].tolist() == ENCODER.tokenize(["two"])["input_ids"].tolist()
    with pytest.raises(InputError, match="tokens are those of a transformer"):
        with_tokens()(pairs, StaticEncoder.from_corpus(SAME, dim=4), 0)


def test_frequent_tokens_are_worth_less_wherever_they_stand():
    texts = ["one one two", "one", "three two one four", ""]
    data = Data.alone(Items("text", texts))[torch.tensor([0, 1, 2, 2, 3])]
    rows = with_rarity(0.2, longest=3)(data, ENCODER, 0).columns["rarity"]
    every = [ENCODER.tokenizer.tokenize(texts[i]) for i in (0, 1, 2, 2)]
    flat = [token for row in every for token in row]
    # a text of nothing is read with its two special tokens
    worth = {token: 1 / (1 + flat.count(token) / (len(flat) + 2) / 0.2) for token in flat}
    for row, tokens in zip(rows, every, strict=False):
        wanted = [worth[token] for token in tokens][:3]
        assert row.tolist() == pytest.approx(wanted + [0.0] * (3 - len(wanted)))
    assert len(set(worth.values())) > 2
    assert with_rarity(float("inf"))(data, ENCODER, 0).columns["rarity"].unique().tolist() == [0, 1]
    with pytest.raises(InputError, match=r"a share of 0\.0"):
        with_rarity(0.0)
    with pytest.raises(InputError, match="an encoder of texts"):
        with_rarity()(data, torch.nn.Linear(2, 2), 0)
