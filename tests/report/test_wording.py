import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.report import Difference, Figure, System, model_card, report_html, terminal_table
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
