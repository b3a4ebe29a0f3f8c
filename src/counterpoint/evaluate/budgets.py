"""What to train with a budget of operations: lines through the best of small trials, carried on to larger budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from counterpoint.errors import InputError

Learned = Literal["all", "biases", "low-rank", "last blocks"]
"""What of a model learns: everything, its biases, updates of low rank, or its last blocks."""


def flop_per_token(learned: Learned, parameters: int, trained: int) -> float:
    """Floating-point operations of training on a token: 2 a parameter forwards, 2 for states' and 2 for weights' gradients.

    With `N` parameters, of which `t` are trained, all without token vectors:

    | learned | operations |
    |---|---|
    | `all` | `6 N` |
    | `biases`, `low-rank` | `4 N + 2 t`: gradients go through all of it |
    | `last blocks` | `2 N + 4 t`: they go through the blocks that learn |

    Source: Ziarko et al. 2024, "Repurposing Language Models into Embedding Models: Finding the Compute-Optimal Recipe",
    the authors' code.

    Args:
        learned: See `Learned`.
        parameters: `N`.
        trained: `t`, from 0; of `all` it is not asked.

    Raises:
        InputError: Something else is learned, no parameters, or fewer than none are trained.

    Examples:
        >>> flop_per_token("all", 100, 100), flop_per_token("low-rank", 100, 10), flop_per_token("last blocks", 100, 50)
        (600.0, 420.0, 400.0)
    """  # noqa: E501 - one line says what it is
    if learned not in get_args(Learned):
        raise InputError(f"{learned!r} is learned", fix=f"choose one of {', '.join(get_args(Learned))}")
    if parameters < 1 or trained < 0:
        raise InputError(
            f"{parameters} parameters, of which {trained} are trained", fix="give 1 or more, and 0 or more"
        )
    if learned == "all":
        return 6.0 * parameters
    if learned == "last blocks":
        return 2.0 * parameters + 4.0 * trained
    return 4.0 * parameters + 2.0 * trained


@dataclass(frozen=True)
class Trial:
    """A training, from its start to the end of its schedule.

    Attributes:
        learned: What learned.
        parameters: Of the model, without token vectors.
        trained: How many of them learned, or how many were added.
        flop: Operations that it took.
        loss: What it ended with.

    Raises:
        InputError: No operations, or a loss that is not above 0.
    """

    learned: Learned
    parameters: int
    trained: int
    flop: float
    loss: float

    def __post_init__(self) -> None:
        if not (0 < self.flop < np.inf and 0 < self.loss < np.inf):
            raise InputError(f"a trial of {self.flop} operations and a loss of {self.loss}", fix="give numbers above 0")


@dataclass(frozen=True)
class Choice:
    """What to train.

    Attributes:
        learned: What of it learns.
        parameters: The size of the model, one of those that were tried.
        tokens: To train on: as many as the budget has operations for.
        loss: What is expected.
    """

    learned: Learned
    parameters: int
    tokens: float
    loss: float


class ComputeOptimal:
    r"""From trials at several budgets, sizes and of several kinds of learning, the best choice at any budget.

    For each kind of learning, the best size at each budget `C` gives a least loss `L(C)` and a best size `N(C)`. Lines
    are fitted to both by least squares, `log L = a + b log C` and `log N = c + d log C`. At a budget the kind with the
    least predicted loss is chosen, with the size, of those tried, that is nearest to its line, and as many tokens as
    the budget then allows. Trials of one budget must be whole trainings, not looks at longer ones.

    Source: Ziarko et al. 2024, see `flop_per_token`: figure 1 has the lines of the losses. That the best size follows a
    line of its own is as others tell it.

    Args:
        trials: Of each kind at two budgets or more.

    Raises:
        InputError: There are no trials, or some kind has one budget alone.

    Examples:
        >>> small = [Trial("all", 100, 100, c, 2 * c**-0.1) for c in (1e3, 1e4)]
        >>> large = [Trial("low-rank", 100, 10, c, 4 * c**-0.2) for c in (1e3, 1e4)]
        >>> fitted = ComputeOptimal([*small, *large])
        >>> fitted.recommend(1e2).learned, fitted.recommend(1e5).learned, round(fitted.loss("all", 1e5), 4)
        ('all', 'low-rank', 0.6325)
        >>> round(fitted.recommend(6e2).tokens, 6)
        1.0
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        if not trials:
            raise InputError("there are no trials", fix="give some of each kind at two budgets or more")
        self.trials = tuple(trials)
        self._lines: dict[Learned, tuple[np.ndarray, np.ndarray]] = {}
        for kind in dict.fromkeys(trial.learned for trial in trials):
            budgets = sorted({trial.flop for trial in trials if trial.learned == kind})
            if len(budgets) < 2:
                raise InputError(f"trials of {kind!r} are at one budget", fix="give two budgets or more")
            best = [self.best(kind, flop) for flop in budgets]
            x = np.log(budgets)
            lines = (np.polyfit(x, np.log([getattr(t, of) for t in best]), 1) for of in ("loss", "parameters"))
            loss, size = lines
            self._lines[kind] = loss, size

    def best(self, learned: Learned, flop: float) -> Trial:
        """The trial of a kind and a budget with the least loss."""
        return min((t for t in self.trials if (t.learned, t.flop) == (learned, flop)), key=lambda t: t.loss)

    def loss(self, learned: Learned, flop: float) -> float:
        """The least loss that is to be expected of a kind at a budget."""
        return float(np.exp(np.polyval(self._lines[learned][0], np.log(flop))))

    def recommend(self, flop: float) -> Choice:
        """What to train at a budget.

        Raises:
            InputError: No operations.
        """
        if not 0 < flop < np.inf:
            raise InputError(f"a budget of {flop} operations", fix="give a number above 0")
        kind = min(self._lines, key=lambda each: self.loss(each, flop))
        wanted = np.polyval(self._lines[kind][1], np.log(flop))
        own = [trial for trial in self.trials if trial.learned == kind]
        nearest = min(own, key=lambda trial: abs(float(np.log(trial.parameters)) - float(wanted)))
        per_token = flop_per_token(kind, nearest.parameters, nearest.trained)
        return Choice(kind, nearest.parameters, flop / per_token, self.loss(kind, flop))
