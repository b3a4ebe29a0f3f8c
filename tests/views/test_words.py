from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.views import (
    MEANING_VIEWS,
    TOKEN_VIEWS,
    WORD_VIEWS,
    chained,
    logic,
    one_of,
    typos,
    words,
)

NAMES = [*WORD_VIEWS, *MEANING_VIEWS]
texts = st.lists(st.sampled_from(["one", "two", "three", "four,", "the"]), min_size=1, max_size=30).map(" ".join)
shares = st.floats(0, 0.95)
seeds = st.integers(0, 2**62)


class Pairs:
    def synonyms(self, word):
        return {"two": ["double", "pair"], "three": ["some more"]}.get(word, [])


def made(name):
    return WORD_VIEWS[name]() if name in WORD_VIEWS else MEANING_VIEWS[name](Pairs())


def drawn(view, text, seed):
    return view(text, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(text=texts, seed=seeds)
def test_every_view_is_its_generators_and_leaves_a_word(name, text, seed):
    view = made(name)
    state = torch.get_rng_state()
    first = drawn(view, text, seed)
    assert first == drawn(view, text, seed)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.split()


@pytest.mark.parametrize("name", NAMES)
def test_every_view_takes_a_text_without_words(name):
    seen = drawn(made(name), "  ", 0)
    assert seen == ("  " if name != "template" else 'This sentence : "  " means [MASK].')


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("template", "full stop", "logic", "EDA")])
def test_every_random_view_changes_something(name):
    text = "one two three four five six seven eight nine ten eleven twelve"
    assert len({drawn(made(name), text, seed) for seed in range(20)} | {text}) > 2


SHARED = [words.deletion, words.span_deletion, words.crop, words.reordering]
SHARED += [words.swap, words.repetition, words.blank]

AT_0 = {
    "deletion": words.deletion(0),
    "deletion with marks": words.deletion(0, "[DEL]"),
    "span deletion": words.span_deletion(0),
    "crop": words.crop(0),
    "reordering": words.reordering(0),
    "swap": words.swap(0),
    "shuffle": words.shuffled(0),
    "repetition": words.repetition(0),
    "blank": words.blank(0),
    "substitution": words.substitution(["cat"], 0),
    "typos": typos(0),
    "synonyms": MEANING_VIEWS["synonyms"](Pairs(), 0),
    "insertion": MEANING_VIEWS["insertion"](Pairs(), 0),
    "EDA": MEANING_VIEWS["EDA"](Pairs(), 0),
}


@pytest.mark.parametrize("name", AT_0)
@settings(max_examples=25)
@given(text=texts, seed=seeds)
def test_at_0_nothing_happens(name, text, seed):
    assert drawn(AT_0[name], text, seed) == text


@given(text=texts, share=shares, seed=seeds)
def test_marks_stand_for_runs_of_deleted_words(text, share, seed):
    n = len(text.split())
    seen = drawn(words.deletion(share, "[DEL]"), text, seed).split()
    assert len([w for w in seen if w != "[DEL]"]) == n - min(round(share * n), n - 1)
    assert all((a, b) != ("[DEL]", "[DEL]") for a, b in pairwise(seen))
    # with the mark taken out, it is the deletion of the same draw
    assert [w for w in seen if w != "[DEL]"] == drawn(words.deletion(share), text, seed).split()


def subsequence(part, whole):
    rest = iter(whole)
    return all(word in rest for word in part)


@given(text=texts, share=shares, spans=st.integers(0, 6), seed=seeds)
def test_spans_are_deleted_and_the_rest_keeps_its_order(text, share, spans, seed):
    whole = text.split()
    seen = drawn(words.span_deletion(share, spans, ""), text, seed).split()
    most = max(1, round(share * len(whole))) * spans if share else 0
    assert len(whole) - most <= len(seen)
    assert len(seen) >= 1
    assert subsequence(seen, whole)


@given(text=texts, share=shares, seed=seeds)
def test_a_crop_is_so_many_words_in_a_row(text, share, seed):
    whole, seen = text.split(), drawn(words.crop(share), text, seed).split()
    assert len(seen) == max(1, len(whole) - round(share * len(whole)))
    assert any(whole[i : i + len(seen)] == seen for i in range(len(whole)))


def test_every_crop_is_drawn():
    assert {drawn(words.crop(0.5), "a b c d", seed) for seed in range(60)} == {"a b", "b c", "c d"}


@pytest.mark.parametrize("view", [words.reordering(0.3, 3), words.swap(0.5), words.shuffled(3)])
@given(text=texts, seed=seeds)
def test_what_moves_words_keeps_all_of_them(view, text, seed):
    assert Counter(drawn(view, text, seed).split()) == Counter(text.split())


@given(n=st.integers(2, 30), share=st.floats(0.01, 0.9), seed=seeds)
def test_one_pair_of_spans_changes_places(n, share, seed):
    whole = [str(i) for i in range(n)]
    seen = drawn(words.reordering(share, 1), " ".join(whole), seed).split()
    length = min(max(1, round(share * n)), n // 2)
    moved = [i for i in range(n) if seen[i] != whole[i]]
    first, second = moved[0], int(seen[moved[0]])
    assert moved == [*range(first, first + length), *range(second, second + length)]
    assert seen[first : first + length] == whole[second : second + length]
    assert seen[second : second + length] == whole[first : first + length]


@given(n=st.integers(1, 30), distance=st.integers(1, 5), seed=seeds)
def test_no_word_moves_further_than_the_distance(n, distance, seed):
    seen = [int(w) for w in drawn(words.shuffled(distance), " ".join(map(str, range(n))), seed).split()]
    assert all(abs(place - word) <= distance for place, word in enumerate(seen))


@given(n=st.integers(1, 40), rate=st.floats(0.01, 0.9), seed=seeds)
def test_repeated_words_stand_beside_themselves(n, rate, seed):
    seen = drawn(words.repetition(rate), " ".join(map(str, range(n))), seed).split()
    assert seen == sorted(seen, key=int)
    assert set(seen) == set(map(str, range(n)))
    assert max(Counter(seen).values()) <= 2
    assert len(seen) - n <= max(2, int(rate * n))


def test_how_many_words_are_repeated_is_uniform():
    lengths = Counter(
        len(drawn(words.repetition(0.3), " ".join("abcdefghij"), seed).split()) - 10 for seed in range(800)
    )
    assert set(lengths) == {0, 1, 2, 3}
    assert all(150 < count < 250 for count in lengths.values())


@given(text=texts, share=shares, seed=seeds)
def test_blanks_and_strangers_take_the_place_of_the_share(text, share, seed):
    whole = text.split()
    for view in (words.blank(share, "_"), words.substitution(["_"], share)):
        seen = drawn(view, text, seed).split()
        assert len(seen) == len(whole)
        assert seen.count("_") == min(round(share * len(whole)), len(whole) - 1)
        assert all(b in ("_", a) for a, b in zip(whole, seen, strict=True))


@given(text=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=30), seed=seeds)
def test_a_typo_is_one_edit_and_leaves_blanks_alone(text, seed):
    seen = drawn(typos(), text, seed)
    assert seen.count(" ") == text.count(" ")
    assert abs(len(seen) - len(text)) <= 1
    start = next((i for i, (a, b) in enumerate(zip(text, seen, strict=False)) if a != b), min(len(text), len(seen)))
    # at most two characters changed places, one came, one went or one became another
    ends = [text[start + a :] == seen[start + b :] for a, b in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 2))]
    assert any(ends)


def test_every_kind_of_typo_is_drawn():
    seen = {drawn(typos(), "ok", seed) for seed in range(400)}
    assert "ko" in seen  # swapped
    assert {"o", "k"} <= seen  # left out
    assert "0k" in seen  # looks alike
    assert {"pk", "ol"} <= seen  # on the keyboard
    assert any(len(s) == 3 for s in seen)


def test_templates_and_full_stops():
    stopped = chained(words.full_stop(), words.template('"{}" means [MASK].'))
    assert drawn(stopped, "a cat ", 0) == '"a cat." means [MASK].'
    assert drawn(stopped, "{} {}!", 0) == '"{} {}!" means [MASK].'
    for pattern in ("means", "{} {}"):
        with pytest.raises(InputError, match="no place for the text, or several"):
            words.template(pattern)


@pytest.mark.parametrize(
    "make",
    [words.deletion, words.span_deletion, words.crop, words.reordering, words.swap, words.repetition, words.blank],
)
@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_are_checked(make, share):
    with pytest.raises(InputError, match="not from 0 to below 1"):
        make(share)


def test_a_view_is_drawn_by_its_weight():
    views = [lambda text, _, i=i: str(i) for i in range(3)]
    seen = Counter(drawn(one_of(*views, weights=[3, 1, 0]), "", seed) for seed in range(400))
    assert set(seen) == {"0", "1"}
    assert 260 < seen["0"] < 340
    for weights in ([1], [0, 0, 0], [1, 1, -1]):
        with pytest.raises(InputError, match="weight"):
            one_of(*views, weights=weights)
    with pytest.raises(InputError, match="no words"):
        words.substitution([])


def truth(sentence, small, old):
    """Of "the cat is [not] small" and "the dog is [not] old", however they are joined."""

    def clause(text):
        value = small if "small" in text or "big" in text else old
        return value != (("not " in text) != ("big" in text))

    text = sentence.lower().rstrip(".")
    if text.startswith("if "):
        a, b = text[3:].split(", then ")
        return not clause(a) or clause(b)
    for how, joined in ((" and ", all), (" or ", any)):
        if how in text:
            return joined(clause(part) for part in text.split(how))
    return clause(text)


SENTENCES = [
    "If the cat is small, then the dog is old.",
    "If the cat is not small, then the dog is not old.",
    "if the dog is not old then the cat is small",
    "The cat is small and the dog isn't old.",
    "The cat is not small or the dog is old.",
    "The cat is small.",
    "The cat is not small.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_laws_keep_the_truth_and_their_negatives_do_not(sentence):
    cases = [(a, b) for a in (True, False) for b in (True, False)]
    plain = sentence.replace("isn't", "is not").replace(" then", ", then").replace(",,", ",")
    before = [truth(plain, *case) for case in cases]
    found = logic.equivalents(sentence, {"small": ["big"], "old": ["new"]}.get)
    assert found
    for same, other in found.values():
        assert [truth(same, *case) for case in cases] == before, same
        assert [truth(other, *case) for case in cases] != before, other
        assert same[0].isupper()
        assert same.endswith(".")


def test_laws_leave_other_sentences_alone():
    assert logic.equivalents("Rain fell on the roof.") == {}
    assert logic.equivalents("Anne is small and Bob is old.")["commutation"][0] == "Bob is old and Anne is small."
    assert drawn(logic.rewriting(), "Rain fell on the roof.", 0) == "Rain fell on the roof."
    found = {drawn(logic.rewriting(), SENTENCES[0], seed) for seed in range(20)}
    assert found == {same for same, _ in logic.equivalents(SENTENCES[0]).values()}


def test_the_page_has_every_view_by_its_name():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "text-views.md").read_text()
    listed = re.findall(r"^\| ([A-Za-z ]+) \| `", page, re.MULTILINE)
    assert [*WORD_VIEWS, *MEANING_VIEWS, *TOKEN_VIEWS] == [name for name in listed if name != "step before training"]
