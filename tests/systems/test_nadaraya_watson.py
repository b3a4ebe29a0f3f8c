"""The Nadaraya-Watson head: a naive softmax over the support, which is of one domain a step and balanced."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import OneDomain
from counterpoint.testbeds import DIGITS
from counterpoint.testbeds.domains import TURNED_DIGITS
from systems.through import same, step_of

NAMES = [("Invariant NW head", "domain"), ("NW head, mixed support", "mixed")]


def data(n=24):
    """Three classes in two domains, so that a batch has some of each."""
    rows = TURNED_DIGITS.parts(0)[0][torch.arange(n)]
    columns = {"label": torch.arange(n) % 3, "domain": torch.arange(n) // 3 % 2, "mixed": torch.arange(n) // 6 % 2}
    return replace(rows, columns=columns)


def naive(step):
    """Of the support that the step had."""
    (call,) = step.calls
    first, second = step.z()
    sample = call["queries"].columns["sample"].tolist()
    y, total = call["queries"].columns["label"].tolist(), []
    support = [
        (sample.index(s), c)
        for s, c in zip(*(call["keys"].columns[k].tolist() for k in ("sample", "label")), strict=True)
    ]
    scale = step.objective.temperature.log_scale.exp()
    assert float(1 / scale.detach()) == pytest.approx(0.2)
    for i in range(len(y)):
        seen = [(j, c) for j, c in support if j != i]
        kernel = torch.stack([(-(first[i] - second[j]).norm() * scale).exp() for j, _ in seen])
        votes = torch.stack([k for k, (_, c) in zip(kernel, seen, strict=True) if c == y[i]] or [torch.zeros(())])
        if float(votes.sum().detach()) > 0:  # a class that the support lacks cannot be voted for
            total.append(-(votes.sum() / kernel.sum()).log())
    return torch.stack(total).mean()


@pytest.mark.parametrize(("name", "column"), NAMES)
def test_loss_is_that_of_the_head_on_a_balanced_support_of_one_domain(name, column):
    step = step_of(name, data(), n=24)
    (call,) = step.calls
    keys = call["keys"]
    assert len(keys.columns[column].unique()) == 1
    assert keys.columns["label"].bincount().tolist() == [4, 4, 4]
    assert len(keys.columns["sample"].unique()) == 12
    assert sorted(call["queries"].columns[column].unique().tolist()) == [0, 1]
    assert torch.allclose(keys.z, step.z()[1].detach()[[step_row(step, s) for s in keys.columns["sample"]]], atol=1e-5)
    same(step, naive(step))


def step_row(step, sample):
    return step.calls[0]["queries"].columns["sample"].tolist().index(int(sample))


def test_the_domain_is_another_one_from_step_to_step():
    n = 60
    keys = Points(torch.zeros(n, 2), label=torch.arange(n) % 3, domain=torch.arange(n) % 5, sample=torch.arange(n))
    procedure, seen, rows = OneDomain("domain", 2), [], []
    for _ in range(40):
        (call,) = procedure([{"queries": keys, "keys": keys}], lambda _model: {})
        seen.append(int(call["keys"].columns["domain"][0]))
        rows.append(tuple(call["keys"].columns["sample"].tolist()))
        procedure.finish_step()
    assert set(seen) == {0, 1, 2, 3, 4}
    assert max(map(seen.count, seen)) < 20
    assert len(set(rows)) > 30
    with pytest.raises(InputError, match="0 keys"):
        OneDomain("domain", 0)
    with pytest.raises(InputError, match="'domain'"):
        procedure([{"queries": keys, "keys": Points(torch.zeros(2, 2))}], lambda _model: {})


@pytest.mark.parametrize(("name", "column"), NAMES)
def test_there_is_no_head_and_the_column_is_needed(name, column):
    step = step_of(name)
    assert step.layers() == ["Identity"]
    first, second = step.views()
    assert not torch.isclose(first, second, atol=0.02).all(dim=(1, 2, 3)).any()
    with pytest.raises(InputError, match=column):
        step_of(name, DIGITS.parts(0)[0])
