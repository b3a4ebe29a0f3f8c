"""CCL-K: weights by a plain inverse, in the numerator or in the denominator."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import KernelConditional
from counterpoint.points import Points
from counterpoint.systems.core.ccl_k import coloured, labelled, shuffled_attributes, shuffled_colours
from counterpoint.testbeds import DIGITS
from counterpoint.testbeds.weak import TINTED_DIGITS
from systems.through import same, step_of


def weights(c, ridge, kernel):
    gram = torch.exp(-torch.cdist(c, c).square()) if kernel == "gaussian" else F.normalize(c) @ F.normalize(c).T
    w = torch.linalg.inv(gram + ridge * torch.eye(len(c))) @ gram
    w = w * (1 - torch.eye(len(c)))
    return torch.where(w > 1e-6, w, 0.0)


def loop(z, c, role, t, ridge, kernel):
    """Rows are all views; W is over samples and counts for both views of each."""
    n = len(z) // 2
    w, e = weights(c, ridge, kernel), torch.exp(z @ z.T / t)
    total, rows = 0.0, 2 * n
    for i in range(2 * n):
        own = float(e[i, (i + n) % (2 * n)])
        weighted = sum(float(w[i % n, j % n] * e[i, j]) for j in range(2 * n))
        every = sum(float(e[i, j]) for j in range(2 * n) if j != i)
        if role == "negative":
            total -= math.log(own / (own + (n - 1) * weighted))
        elif weighted:
            total -= math.log(weighted / (weighted + every))
        else:  # nobody stands for this sample
            rows -= 1
    return total / rows


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
@pytest.mark.parametrize("role", ["positive", "negative"])
def test_losses_are_those_of_the_weights_by_inversion(role, kernel):
    g = torch.Generator().manual_seed(0)
    z = F.normalize(torch.randn(10, 4, generator=g, dtype=torch.float64), dim=1)
    c = torch.randn(5, 2, generator=g, dtype=torch.float64)
    sides = [Points(v, sample=torch.arange(5), attribute=c) for v in z.split(5)]
    objective = KernelConditional("attribute", 0.5, role=role, kernel=kernel, ridge=0.1)
    assert objective(*sides).item() == pytest.approx(loop(z, c, role, 0.5, 0.1, kernel), rel=1e-8)


def test_who_shares_the_attribute_counts():
    # two groups: across them the weight is (nearly) nothing
    c = torch.tensor([[0.0], [0.0], [9.0], [9.0]], dtype=torch.float64)
    w = weights(c, 0.1, "gaussian")
    assert float(w[0, 1]) > 0.4
    assert float(w[0, 2]) == 0


def naive(z, c, role, t):
    """The loop with a gradient, over what a step saw."""
    z, n = F.normalize(z, dim=1), len(z) // 2
    known = c if role == "positive" else c / 0.2**0.5
    w, e = weights(known.double(), 0.01, "cosine" if role == "positive" else "gaussian").float(), torch.exp(z @ z.T / t)
    total, rows = torch.zeros(()), 0
    for i in range(2 * n):
        own = e[i, (i + n) % (2 * n)]
        weighted = sum(w[i % n, j % n] * e[i, j] for j in range(2 * n))
        every = sum(e[i, j] for j in range(2 * n) if j != i)
        if role == "negative":
            total, rows = total - (own / (own + (n - 1) * weighted)).log(), rows + 1
        elif weighted > 0:
            total, rows = total - (weighted / (weighted + every)).log(), rows + 1
    return total / rows


@pytest.mark.parametrize(
    ("name", "column", "role", "t"),
    [("ccl-k", "attributes", "positive", 0.5), ("ccl-k-fair", "colour", "negative", 0.1)],
)
def test_losses_of_the_systems_are_those_of_the_weights_by_inversion(name, column, role, t):
    step = step_of(name)
    (call,) = step.calls
    c = call["queries"].columns[column]
    assert torch.equal(c, TINTED_DIGITS.parts(0)[0].columns[column][call["queries"].columns["sample"]])
    same(step, naive(torch.cat(step.z()), c, role, t), 1e-3)


@pytest.mark.parametrize("name", ["ccl-k", "ccl-k-fair"])
def test_the_critic_has_batch_norm_that_learns_nothing_at_the_end(name):
    step = step_of(name)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert step.network[1][-1].weight is None
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_the_fair_form_keeps_colours_and_the_other_changes_them():
    def ratio(pixels):
        # of red and green, where there is ink
        red, green = pixels[:, 0].flatten(1).sum(1), pixels[:, 1].flatten(1).sum(1)
        return red / green

    data = TINTED_DIGITS.parts(0)[0][torch.arange(8)]
    for name, kept in (("ccl-k-fair", True), ("ccl-k", False)):
        step = step_of(name)
        truth = data.columns["colour"][step.calls[0]["queries"].columns["sample"]]
        close = torch.isclose(ratio(step.views()[0]), truth[:, 0] / truth[:, 1], rtol=0.05)
        assert bool(close.all()) == kept


def test_what_is_compared_with_it_differs_in_what_is_known_alone():
    data = TINTED_DIGITS.parts(0)[0]
    whole, others = (step_of(r, data) for r in ("ccl-k", shuffled_attributes()))
    mine, theirs = (step.calls[0]["queries"].columns["attributes"] for step in (whole, others))
    assert not torch.equal(mine, theirs)
    assert torch.equal(mine.sort(0).values, theirs.sort(0).values)
    colours = [step_of(r, data).calls[0]["queries"].columns["colour"] for r in (coloured(), shuffled_colours())]
    assert not torch.equal(*colours)
    assert labelled().stages[0].objective().temperature == coloured().stages[0].objective().temperature == 0.1


def test_data_without_the_column_are_refused():
    with pytest.raises(InputError, match="'attributes'"):
        step_of("ccl-k", DIGITS.parts(0)[0])
