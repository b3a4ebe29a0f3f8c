"""Pairs by the laws of logic, against truth tables."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views.equivalents import LAWS, SEPARATOR, joined, law_pairs

NOTHING = Data.alone(Items("text", ["unused"]))
PAIRS = """big small old new rich poor strong weak quick slow warm cold wet dry clean dirty happy sad loud quiet
heavy light hard soft kind cruel bright dark wide narrow safe dangerous"""
OPPOSITES = PAIRS.split()
OF = {word: OPPOSITES[i ^ 1] for i, word in enumerate(OPPOSITES)}


def parsed(sentence: str):
    """A function of what is true, as it is written, and what it is of."""
    text = sentence.rstrip(".")
    text = text[:1].lower() + text[1:]
    if text.startswith("if "):
        a, b = text[3:].split(", then ")
        return ("if", clause(a), clause(b))
    for how in (" and ", " or "):
        if how in text:
            return (how.strip(), *map(clause, text.split(how)))
    return ("is", clause(text))


def clause(text: str):
    subject, no, word = re.fullmatch(r"(.+) is (not )?(\w+)", text).groups()
    # of two opposites one is true: the first in the alphabet is an atom, the other its negation
    atom = min(word, OF[word])
    return (subject.lower(), atom), (no is None) == (word == atom)


def value(said, world) -> bool:
    how, *parts = said
    truth = [world[atom] == is_so for atom, is_so in parts]
    if how == "if":
        return not truth[0] or truth[1]
    return any(truth) if how == "or" else all(truth)


def equivalent(first: str, second: str) -> bool:
    one, other = parsed(first), parsed(second)
    atoms = sorted({atom for said in (one, other) for atom, _ in said[1:]})
    worlds = (dict(zip(atoms, row, strict=True)) for row in product((False, True), repeat=len(atoms)))
    return all(value(one, world) == value(other, world) for world in worlds)


def test_pairs_are_equivalent_by_their_truth_tables_and_the_others_are_not():
    data, odd = law_pairs(600)(NOTHING, None, 0), 0
    for text, label in zip(data.anchors.texts, data.columns["label"].tolist(), strict=True):
        first, second = text.split(SEPARATOR)
        atoms = [atom for atom, _ in parsed(first)[1:]]
        if len(set(atoms)) < len(atoms):
            odd += 1  # of two clauses about the same thing what only looks so may be so
            continue
        assert equivalent(first, second) == bool(label), text
    assert odd < 30
    assert data.columns["label"].float().mean() == 0.5


def test_laws_are_drawn_at_their_rates():
    texts = law_pairs(2000)(NOTHING, None, 1).anchors.texts[::2]
    kinds = dict.fromkeys(("and", "if", "or", "is"), 0)
    for text in texts:
        kinds[parsed(text.split(SEPARATOR)[0])[0]] += 1 / len(texts)
    half = LAWS["implication"] / 2
    for kind, wanted in (("and", LAWS["commutation"]), ("or", half), ("if", half + LAWS["contraposition"])):
        assert kinds[kind] == pytest.approx(wanted, abs=0.05)
    assert 0 < kinds["is"] < 0.03


def test_a_test_has_words_of_its_own_and_the_seed_says_which_are_drawn():
    known, new, other = (
        law_pairs(400, new=new)(NOTHING, None, seed) for new, seed in ((False, 0), (True, 0), (False, 1))
    )

    def words(data):
        return {
            part
            for text in data.anchors.texts
            for s in text.split(SEPARATOR)
            for (atom, _) in parsed(s)[1:]
            for part in atom
        }

    assert not words(known) & words(new)
    assert known.anchors.texts == law_pairs(400)(NOTHING, None, 0).anchors.texts
    assert known.anchors.texts != other.anchors.texts


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InputError, match="1 pairs of sentences"):
        law_pairs(1)
    with pytest.raises(InputError, match="there are no pairs to be joined"):
        joined(NOTHING)


def test_joined_pairs_keep_their_columns():
    data = Data(
        Items("text", ["a", "b"]), torch.tensor([1, 0]), Items("text", ["c", "d"]), torch.tensor([[1, 0], [0, -1]]),
        columns={"label": torch.tensor([4, 5])},
    )  # fmt: skip
    found = joined(data)
    assert found.anchors.texts == ["b [SEP] d", "a [SEP] c"]
    assert found.columns["label"].tolist() == [4, 5]
    assert found.schema == "labelled"
