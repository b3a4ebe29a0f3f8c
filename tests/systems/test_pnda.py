"""PNDA: turned views as positives where turning changes nothing, as negatives where it does; and who says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.core.pnda import always_negative, always_positive, anyone, no_turns, truth
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def some(n=8):
    data = DIGITS.parts(0)[0][torch.arange(n)]
    return replace(data, columns={**data.columns, "turned": torch.arange(n) % 2})


def loop(step, agnostic):
    """Anchors are the unturned views of each picture; keys are all views."""
    z, n = F.normalize(torch.cat(step.z()), dim=1), len(agnostic)
    owner, turned = [r % n for r in range(4 * n)], [r >= 2 * n for r in range(4 * n)]
    total = torch.zeros(())
    for i in range(2 * n):
        scores = {k: z[i] @ z[k] / 0.5 for k in range(4 * n) if k != i}
        own = [k for k in scores if owner[k] == owner[i] and (not turned[k] or agnostic[owner[i]])]
        denominator = torch.stack(list(scores.values())).logsumexp(0)
        total = total - torch.stack([scores[k] - denominator for k in own]).mean()
    return total / (2 * n)


@pytest.mark.parametrize(
    ("make", "agnostic"), [(always_positive, lambda i: 1), (always_negative, lambda i: 0), (truth, lambda i: i % 2)]
)
def test_turned_views_are_positives_or_negatives_of_a_naive_loop(make, agnostic):
    data = some()
    step = step_of(make(), data)
    rows = step.payload.arguments(torch.cat([v.detach() for v in step.z()]))["queries"].columns["sample"][:8]
    same(step, loop(step, [agnostic(int(r)) for r in rows]))


def test_the_system_asks_its_predictor(monkeypatch):
    from counterpoint.negatives import turns

    entropy = torch.tensor([0.88, 0.9] * 4)  # the threshold is log(4) / 2 + 0.2 = 0.893
    monkeypatch.setattr(turns, "turn_entropy", lambda data, encoder, seed: entropy)
    step = step_of(get("pnda").method(), some())
    rows = step.payload.arguments(torch.cat([v.detach() for v in step.z()]))["queries"].columns
    assert torch.equal(rows["agnostic"][:8], rows["sample"][:8] % 2)
    same(step, loop(step, (rows["sample"][:8] % 2).tolist()))
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    others = step_of(anyone(), some())
    seen = others.payload.arguments(torch.cat([v.detach() for v in others.z()]))["queries"].columns["agnostic"][:8]
    assert int(seen.sum()) == 4
    assert not torch.equal(seen, others.calls[0]["queries"].columns["sample"][:8] % 2)


def test_without_turns_it_is_simclr():
    step = step_of(no_turns(), some())
    assert len(step.calls[0]["queries"]) == 16
    z = F.normalize(torch.cat(step.z()[:2]), dim=1)
    scores = (z @ z.T / 0.5).masked_fill(torch.eye(16, dtype=torch.bool), -torch.inf)
    same(step, F.cross_entropy(scores, (torch.arange(16) + 8) % 16))


def test_views_are_random_and_the_last_two_are_turned_before():
    # bright left halves: a quarter turn makes them upper or lower ones, half a turn right ones
    pixels = torch.zeros(8, 1, 8, 8)
    pixels[..., :4] = 1.0
    data = Data.alone(Items("image", pixels), label=torch.arange(8), turned=torch.zeros(8).long())
    found = [
        [(v[..., :4].mean((1, 2, 3)) - v[..., 4:].mean((1, 2, 3)) > 0.1).float().mean() for v in step.views()]
        for step in (step_of(get("pnda").method(), data), step_of(always_positive(), data))
    ]
    for shares in found:
        assert min(shares[:2]) > 0.5
        assert max(shares[2:]) < 0.5
    step = step_of(get("pnda").method(), some())
    views = step.views()
    assert all(not torch.isclose(views[a], views[b]).all(dim=(1, 2, 3)).any() for a in range(4) for b in range(a))


def test_views_that_do_not_say_what_they_are_are_refused():
    from counterpoint.procedures import TurnedViews

    with pytest.raises(Exception, match="'agnostic'"):
        TurnedViews("agnostic")([{"queries": torch.eye(2)}], lambda model: {})
