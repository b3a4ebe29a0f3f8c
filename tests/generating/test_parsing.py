"""From answers to what was asked for; whatever is said, it is that or an `UnparsedError`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.generating import (
    Answer,
    UnparsedError,
    choice,
    fill,
    json_fields,
    json_list,
    lines,
    number,
    one_line,
    unlike,
    whole,
)

ANSWERS = st.builds(Answer, st.text(), st.sampled_from(["stop", "length"]))
LIKELY = st.text(alphabet='0123456789.,/%- \n:"[]{}abYesno*')


def parsed(parse, text, finish="stop"):
    return parse(Answer(text, finish))


def refused(parse, text, finish="stop"):
    with pytest.raises(UnparsedError) as caught:
        parse(Answer(text, finish))
    return str(caught.value)


PARSERS = {
    "whole": (whole, lambda v: isinstance(v, str) and v == v.strip() and v),
    "line": (one_line, lambda v: isinstance(v, str) and v.strip() and len(v.splitlines()) == 1),
    "lines": (lines, lambda v: v and all(line.strip() for line in v)),
    "number": (number(0, 1), lambda v: isinstance(v, float) and 0 <= v <= 1),
    "choice": (choice("yes", "no"), lambda v: v in ("yes", "no")),
    "json list": (json_list, lambda v: v and all(isinstance(t, str) for t in v)),
    "json fields": (json_fields("a"), lambda v: list(v) == ["a"] and isinstance(v["a"], str)),
}


@pytest.mark.parametrize(("parse", "fits"), PARSERS.values(), ids=PARSERS)
@given(st.one_of(st.text(), LIKELY), st.sampled_from(["stop", "length"]))
def test_it_is_what_was_asked_for_or_unparsed(parse, fits, text, finish):
    try:
        value = parse(Answer(text, finish))
    except UnparsedError:
        return
    assert fits(value)


@given(
    st.integers(0, 100),
    st.sampled_from(["{}", "Score: {}", "**Score:** {}", "{}.", "I say {}, since they agree.", "\n{}\n"]),
)
def test_a_number_is_read(hundredths, how):
    value = hundredths / 100
    assert parsed(number(0, 1), how.format(value)) == value


NUMBERS = {
    "percent": "80%", "fraction": "4/5", "range": "1-5", "thousands": "1,000", "version": "3.5.2", "ratio": "4:1",
    "several": "Between 0 and 5 I choose 3", "word": "B2", "exponent": "1e-3", "none": "alike", "above": "5.5",
    "below": "-1", "percent with a blank": "3 %", "date": "2024-01-02",
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS)
def test_what_is_no_number_is_not_guessed(text):
    refused(number(0, 5), text)


def test_a_number_that_is_cut_off():
    assert refused(number(0, 5), "The score is 4", "length") == "a number that is cut off: 'The score is 4'"
    assert parsed(number(0, 5), "4. The score is so because", "length") == 4.0


LINES = {
    "A plane departs.": "A plane departs.",
    '"A plane departs."': "A plane departs.",
    "1. A plane departs.\n2. Another": "A plane departs.",
    "- “A plane departs.”": "A plane departs.",
    "\n\n  A plane departs.  \n": "A plane departs.",
    "3.5 million people": "3.5 million people",
    "-5 degrees": "-5 degrees",
    '"No," he said': '"No," he said',
}


@pytest.mark.parametrize(("text", "line"), LINES.items())
def test_one_line(text, line):
    assert parsed(one_line, text) == line


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help.", "I cannot do this.", "As an AI language model, I", "I can’t say."]
)
def test_refusals_are_no_lines(text):
    assert refused(one_line, text).startswith("a refusal: ")


def test_lines_that_are_cut_off():
    assert parsed(lines, "one\ntwo\nthr", "length") == ["one", "two"]
    assert parsed(lines, "one\ntwo\n", "length") == ["one", "two"]
    assert parsed(one_line, "one\ntw", "length") == "one"
    assert refused(one_line, "on", "length") == "cut off at the greatest number of tokens"
    assert refused(one_line, " \n ") == "nothing was said"


def test_unlike():
    assert refused(unlike("A cat, asleep!"), "  a CAT asleep.") == "the same text again: 'a CAT asleep.'"
    assert parsed(unlike("A cat."), "A dog.") == "A dog."


CHOICES = {
    "Yes": "yes", "**No**, it is not, yes?": "no", "Answer: no": "no", "yes: it does": "yes", "It is yes.": "yes",
    '"No."': "no",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), CHOICES.items())
def test_choices(text, said):
    assert parsed(choice("yes", "no"), text) == said


@pytest.mark.parametrize("text", ["", "maybe", "yesterday", "It is yes or no", "nobody knows"])
def test_what_is_no_choice(text):
    refused(choice("yes", "no"), text)


def test_the_longest_choice():
    parse = choice("relevant", "not relevant")
    assert parsed(parse, "Not relevant.") == "not relevant"
    assert parsed(parse, "This is not relevant here") == "not relevant"
    assert parsed(parse, "It is Relevant") == "relevant"


@given(st.lists(st.text(), min_size=1, max_size=4), st.text(alphabet="abc \n`[{"))
def test_a_json_list_is_found_wherever_it_is(texts, around):
    said = f"{around}\n{json.dumps(texts)}\n{around.replace('[', '')}"
    assert parsed(json_list, said) == texts


@given(st.dictionaries(st.sampled_from("abcd"), st.text(), min_size=4))
def test_json_fields_are_found(fields):
    assert parsed(json_fields("a", "c"), f"Here: {json.dumps(fields)} ok?") == {n: fields[n] for n in "ac"}


@pytest.mark.parametrize("text", ["", "[]", "[1]", '["a"', "{}", '{"a": 1}', "[" * 100_000, '["a", 2]'])
def test_what_is_no_json(text):
    refused(json_list, text)
    refused(json_fields("a"), text)


def test_templates():
    assert fill("{a} and {b}: {a}", a="{b}", b="x") == "{b} and x: {b}"
    assert fill('{"score": 0.5} {0} {}', a="x") == '{"score": 0.5} {0} {}'
    with pytest.raises(InputError, match=r"the template names \{c\}; known are: a, b"):
        fill("{c}", a="", b="")
