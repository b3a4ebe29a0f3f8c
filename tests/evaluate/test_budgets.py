"""Operations of a token, and lines through trials: against laws that trials were made by."""

from __future__ import annotations

import math

import pytest

from counterpoint.errors import InputError
from counterpoint.evaluate import ComputeOptimal, Trial, flop_per_token

SIZES = (1e4, 1e5, 1e6, 1e7)
BUDGETS = (1e9, 1e11, 1e13)


def law(kind, size, flop):
    """A loss that is least at a size of `(flop / 10)^0.5`, where it is a power of the budget."""
    base, power = {"all": (20, 0.05), "low-rank": (2000, 0.25)}[kind]
    off = math.log(size) - 0.5 * math.log(flop / 10)
    return base * flop**-power * math.exp(0.01 * off**2)


def trials(budgets=BUDGETS):
    part = {"all": 1.0, "low-rank": 0.1}
    return [
        Trial(kind, int(size), int(share * size), flop, law(kind, size, flop))
        for kind, share in part.items()
        for size in SIZES
        for flop in budgets
    ]


def test_operations_are_forwards_and_both_gradients_where_they_are_needed():
    n, t = 1000, 100
    forwards, of_states, of_weights = 2 * n, 2 * n, 2 * t
    assert flop_per_token("all", n, n) == flop_per_token("all", n, 0) == forwards + of_states + 2 * n
    assert flop_per_token("biases", n, t) == flop_per_token("low-rank", n, t) == forwards + of_states + of_weights
    # states of the frozen blocks need none
    assert flop_per_token("last blocks", n, t) == forwards + 2 * t + of_weights
    assert flop_per_token("last blocks", n, n) == flop_per_token("all", n, n)


def test_the_kind_changes_where_the_lines_cross():
    fitted = ComputeOptimal(trials())
    for flop in BUDGETS:
        for kind in ("all", "low-rank"):
            assert fitted.loss(kind, flop) == pytest.approx(law(kind, (flop / 10) ** 0.5, flop))
    crossing = (2000 / 20) ** (1 / (0.25 - 0.05))
    assert fitted.recommend(crossing / 30).learned == "all"
    assert fitted.recommend(crossing * 30).learned == "low-rank"


def test_size_and_tokens_follow_from_the_budget():
    fitted = ComputeOptimal(trials())
    for flop, size in ((1e8, 10**3.5), (4e11, 2e5), (2e15, 1.4e7)):
        choice = fitted.recommend(flop)
        nearest = min(SIZES, key=lambda one: abs(math.log(one / size)))
        assert choice.parameters == nearest
        trained = nearest * {"all": 1.0, "low-rank": 0.1}[choice.learned]
        per_token = 6 * nearest if choice.learned == "all" else 4 * nearest + 2 * trained
        assert choice.tokens * per_token == pytest.approx(flop)
        assert choice.loss == fitted.loss(choice.learned, flop)


def test_the_best_trial_of_a_budget_is_the_least_loss():
    few = [Trial("all", 10, 10, 1.0, 3.0), Trial("all", 20, 20, 1.0, 2.0), Trial("all", 10, 10, 2.0, 1.0)]
    fitted = ComputeOptimal(few)
    assert fitted.best("all", 1.0).parameters == 20
    # two points are on their line: a quarter of the loss at four times the budget
    assert [fitted.loss("all", c) for c in (1.0, 2.0, 4.0)] == pytest.approx([2.0, 1.0, 0.5])


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(InputError, match="no trials"):
        ComputeOptimal([])
    with pytest.raises(InputError, match="'low-rank' are at one budget"):
        ComputeOptimal([*trials()[:12], *trials(BUDGETS[:1])[4:]])
    with pytest.raises(InputError, match="loss of 0"):
        Trial("all", 1, 1, 1.0, 0.0)
    with pytest.raises(InputError, match="'some' is learned"):
        flop_per_token("some", 1, 1)
    with pytest.raises(InputError, match="0 parameters"):
        flop_per_token("all", 0, 0)
    with pytest.raises(InputError, match="budget of 0"):
        ComputeOptimal(trials()).recommend(0)
