import dataclasses
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from counterpoint.report import (
    Content,
    Difference,
    Figure,
    Group,
    System,
    model_card,
    print_figures,
    report_html,
    terminal_table,
)
from counterpoint.report.wording import BETTER, UNANSWERED, UNCLEAR, WORSE, judge, sure, verdict
from report.sample import sample


def content(*differences):
    return dataclasses.replace(sample(), differences=differences)


def against(name, value, half, metric="MRR@10", a="trained"):
    return Difference(a, name, metric, value, value - half, value + half, 200)


UP, DOWN, FLAT = against("up", 0.1, 0.02), against("down", -0.1, 0.02), against("flat", 0.01, 0.02)


@pytest.mark.parametrize(
    ("differences", "word", "sentence"),
    [
        ((UP,), "Yes", "Clearly better than up."),
        ((UP, against("high", 0.2, 0.1)), "Yes", "Clearly better than up and high."),
        ((UP, FLAT), "In part", "Clearly better than up; no clear difference from flat."),
        ((DOWN, UP), "In part", "Clearly better than up; clearly worse than down."),
        ((FLAT,), "Not clear", "No clear difference from flat."),
        ((DOWN, FLAT), "No", "Clearly worse than down; no clear difference from flat."),
        ((DOWN,), "No", "Clearly worse than down."),
        ((), "Not compared", "There is nothing to compare the model with."),
        ((against("up", 0.1, 0.02, metric="Recall@1"),), "Not compared", "There is nothing to compare the model with."),
        ((against("up", 0.1, 0.02, a="fused"),), "Not compared", "There is nothing to compare the model with."),
    ],
)
def test_the_verdict(differences, word, sentence):
    assert verdict(content(*differences)) == (word, sentence)


@given(st.floats(-1, 1), st.floats(0, 1))
def test_it_is_clear_only_where_the_interval_leaves_out_zero(value, half):
    difference = against("x", value, half)
    includes_zero = difference.low <= 0 <= difference.high
    assert (judge(difference) == "no clear difference") == includes_zero
    assert difference.clear != includes_zero
    assert ("better" in judge(difference)) == (difference.low > 0)


def test_a_difference_without_an_interval_is_not_clear():
    assert judge(Difference("a", "b", "m", 0.5, None, None)) == "no clear difference"


def test_how_many_items_would_make_it_clear():
    first, advice = sure(content(FLAT))
    assert "200 held-out queries" in first
    assert "not another training seed" in first
    assert "about 4 times as many queries" in advice  # (0.02 / 0.01) ** 2
    assert len(sure(content(against("same", 0.0001, 0.02)))) == 1  # 40,000 times: no use saying
    assert sure(content()) == []


def test_being_ahead_of_what_found_nothing_is_no_verdict():
    bm25 = dataclasses.replace(against("BM25", 0.6, 0.1), answered=0.49)
    assert judge(bm25) == UNANSWERED
    assert verdict(content(UP, bm25)) == (
        "Yes",
        "Clearly better than up. Being ahead of BM25 says nothing: it found nothing for 51% of the queries.",
    )
    # half is enough, and being behind such a system, or no further than it, says much
    assert judge(dataclasses.replace(bm25, answered=0.5)) == BETTER
    assert judge(dataclasses.replace(bm25, low=-0.7, high=-0.5)) == WORSE
    assert judge(dataclasses.replace(bm25, low=-0.7)) == UNCLEAR


def test_of_a_rank_less_is_more():
    rank = dataclasses.replace(against("untrained", -30, 10), lower=True)
    assert judge(rank) == BETTER
    assert judge(dataclasses.replace(rank, value=30, low=20, high=40)) == WORSE
    assert judge(dataclasses.replace(rank, high=5)) == UNCLEAR
    figures = ({"MRR": Figure(0.5), "mean rank": Figure(rank, lower=True)} for rank in (7.0, 9.0))
    systems = tuple(map(System, ("a", "b"), figures))
    said = dataclasses.replace(content(), systems=systems)
    assert "Higher is better, but lower of mean rank; the best of each column is bold." in report_html(said)
    assert "<b>7.000</b>" in report_html(said)
    assert "<b>9.000</b>" not in report_html(said)
    assert "Higher is better, but lower of mean rank; in brackets" in model_card(said)
    assert "Higher is better; the best" in report_html(content())


def test_wherever_it_is_shown_it_says_no_baseline():
    bm25 = dataclasses.replace(against("BM25", 0.6, 0.1), answered=0.02)
    said = content(bm25)
    for text in (str(terminal_table(said).caption), model_card(said), report_html(said)):
        assert "no baseline" in text
        assert "eing ahead of BM25 says nothing: it found nothing for 98% of the queries" in text
        assert "better than BM25" not in text


def with_groups(**differences):
    """The sample with a group of 100 queries each, whose difference from BM25 is given."""
    one = dataclasses.replace(sample(), differences=(against("BM25", 0.1, 0.02),))
    figures = {"MRR@10": Figure(0.5, 0.4, 0.6, 100)}
    systems = tuple(dataclasses.replace(s, figures=figures) for s in one.systems)
    groups = tuple(Group("language", name, systems, (d,)) for name, d in differences.items())
    return dataclasses.replace(one, groups=groups)


def test_the_verdict_says_in_which_groups_it_holds():
    up, flat, down = (against("BM25", value, 0.02) for value in (0.1, 0.01, -0.1))
    nothing = dataclasses.replace(up, answered=0.1)
    word, sentence = verdict(with_groups(Italian=up, English=flat, French=up))
    assert word == "Yes"
    assert sentence == (
        "Clearly better than BM25. "
        "By language, against BM25: clearly better in Italian and French; no clear difference in English."
    )
    word, sentence = verdict(with_groups(Italian=up, English=down))
    assert word == "In part"
    assert "clearly worse in English" in sentence
    assert "no baseline in Thai" in verdict(with_groups(Thai=nothing))[1]


def test_groups_stand_in_the_table_and_the_page():
    said = with_groups(Italian=against("BM25", 0.123, 0.02), English=against("BM25", -0.004, 0.02))
    console = Console(file=io.StringIO(), width=80)
    print_figures(said, console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    rows = text[text.index("MRR@10 by language") :]
    assert rows.index("Italian") < rows.index("English") < rows.index("all")
    for found in ("n = 100", "+0.123", "+0.103 to +0.143", "−0.004"):
        assert found in rows
    page = report_html(said)
    for found in ("By language: MRR@10", "BM25, Italian", "+0.103 to +0.143"):
        assert found in page
    assert Content.from_json(said.to_json()) == said
