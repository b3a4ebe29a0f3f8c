"""Scores against loops, and the learned temperature."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.geometry import (
    Angle,
    Cosine,
    Dot,
    Euclidean,
    Geometry,
    Lp,
    Modulus,
    NoiseToSignal,
    SubCentres,
    Temperature,
    check_temperature,
    distances,
    normalize,
)
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points

GEOMETRIES = {
    "dot": (Dot(), lambda a, b: float(a @ b)),
    "cosine": (Cosine(), lambda a, b: float(a @ b / (a.norm() * b.norm()))),
    "euclidean": (Euclidean(), lambda a, b: -float((a - b).norm())),
    "squared": (Euclidean(squared=True), lambda a, b: -float((a - b).square().sum())),
    "unit": (Euclidean(normalized=True), lambda a, b: -float((a / a.norm() - b / b.norm()).norm())),
    "manhattan": (Lp(1), lambda a, b: -float((a - b).abs().sum())),
    "cubic": (
        Lp(3, power=2, normalized=True),
        lambda a, b: -float((a / a.norm(p=3) - b / b.norm(p=3)).abs().pow(3).sum() ** (2 / 3)),
    ),
    "modulus": (Modulus(), lambda a, b: -float(sum(abs(complex(*z)) for z in (a - b).view(2, -1).T))),
    "noise": (NoiseToSignal(), lambda a, b: -float((a - b).var() / a.var())),
}


@pytest.mark.parametrize("name", GEOMETRIES)
@given(n=st.integers(1, 4), m=st.integers(1, 5), scale=st.floats(0.1, 30), seed=st.integers(0, 999))
def test_scores(name, n, m, scale, seed):
    geometry, wanted = GEOMETRIES[name]
    assert isinstance(geometry, Geometry)
    g = torch.Generator().manual_seed(seed)
    q, k = torch.randn(n, 4, generator=g).double(), torch.randn(m, 4, generator=g).double()
    table = torch.tensor([[scale * wanted(a, b) for b in k] for a in q], dtype=torch.float64)
    ready_q, ready_k = geometry.prepare(q), geometry.prepare(k)
    torch.testing.assert_close(geometry.shared(ready_q, ready_k, scale), table)
    torch.testing.assert_close(geometry.shared(ready_q, ready_k, torch.tensor(scale)), table, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(geometry.owned(ready_q, geometry.prepare(k.expand(n, m, 4)), scale), table)


def test_angle_is_that_of_a_complex_quotient():
    """Both vectors are read as complex ones; the score is the absolute sum of the real and imaginary part of x / y."""
    q, k = (torch.randn(n, 6, generator=torch.Generator().manual_seed(n)).double() for n in (3, 4))
    x, y = (torch.complex(*(z / z.norm(dim=1, keepdim=True)).chunk(2, 1)) for z in (q, k))
    quotient = x @ y.conj().T
    geometry = Angle()
    ready = geometry.prepare(q), geometry.prepare(k)
    torch.testing.assert_close(geometry.shared(*ready, 2.0), 2 * (quotient.real + quotient.imag).abs())
    torch.testing.assert_close(geometry.owned(ready[0], ready[1].expand(3, 4, 6), 1.0), geometry.shared(*ready, 1.0))
    with pytest.raises(InputError, match="no halves"):
        geometry.shared(q[:, :5], k[:, :5], 1.0)


def test_moduli_have_their_gradients(monkeypatch):
    """Of all pairs in tiles, of owned keys, and of a point and itself, where there is none."""
    monkeypatch.setattr(distances, "_PAIRS", 7)
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(n, 4, generator=g, dtype=torch.float64, requires_grad=True) for n in (5, 6))
    own = torch.randn(5, 3, 4, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, k: Modulus().shared(q, k, 2.0), (q, k))
    assert torch.autograd.gradcheck(lambda q, k: Modulus().owned(q, k, 2.0), (q, own))
    for scores in (Modulus().shared(q, q.detach(), 1.0), Modulus().owned(q, q.detach()[:, None], 1.0)):
        q.grad = None
        scores.diagonal().sum().backward()
        assert (q.grad == 0).all() if scores.shape[1] > 1 else torch.isfinite(q.grad).all()
    with pytest.raises(InputError, match="no halves"):
        Modulus().prepare(q[:, :3])


@pytest.mark.parametrize("name", GEOMETRIES)
def test_blocks_of_rows_have_the_gradient_of_all(name):
    """Dense and blocked, with keys that all see and with keys of one's own."""
    g = torch.Generator().manual_seed(0)
    z = [torch.randn(*shape, 6, generator=g, dtype=torch.float64) for shape in ((5,), (7,), (5, 3))]
    positive = torch.zeros(5, 3).index_fill(1, torch.tensor([0]), 1.0)
    found = []
    for block in (0, 2):
        q, k, own = (part.clone().requires_grad_() for part in z)
        sample = {"sample": torch.arange(5)}, {"sample": torch.arange(7)}
        objective = InfoNCE(0.7, geometry=GEOMETRIES[name][0])
        loss = objective(Points(q, sample[0]), Points(k, sample[1]), owned=Points(own, positive=positive), block=block)
        loss.backward()
        found.append([loss.detach(), q.grad, k.grad, own.grad])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("softness", [0.0, 0.2])
def test_sub_centres(softness):
    q, k = torch.randn(3, 5).double(), torch.randn(4, 2, 5).double()
    geometry = SubCentres(Euclidean(), softness=softness)
    every = torch.stack([Euclidean().shared(q, k[:, t], 1.0) for t in range(2)], -1)
    weight = (every / softness).softmax(-1) if softness else every == every.amax(-1, keepdim=True)
    wanted = 3 * (weight * every).sum(-1)
    torch.testing.assert_close(geometry.shared(geometry.prepare(q), geometry.prepare(k), 3.0), wanted)
    torch.testing.assert_close(geometry.owned(q, k.expand(3, 4, 2, 5), 3.0), wanted)


def test_a_zero_vector_is_far_from_nothing():
    z = Cosine().prepare(torch.zeros(1, 3, requires_grad=True))
    assert Cosine().shared(z, torch.ones(1, 3), 1.0).item() == 0
    z.sum().backward()


@pytest.mark.parametrize("squared", [False, True])
def test_a_point_is_at_distance_zero_of_itself(squared):
    """No NaN gradient, and no negative square by rounding."""
    z = (1000 * torch.randn(5, 8)).requires_grad_()
    scores = Euclidean(squared=squared).shared(z, z, 1.0)
    assert (scores <= 0).all()
    scores.sum().backward()
    assert torch.isfinite(z.grad).all()
    owned = Euclidean(squared=squared).owned(z, z[:, None], 1.0)
    assert (owned == 0).all()


def test_temperature():
    temperature = Temperature(0.05)
    assert temperature.scale().item() == pytest.approx(20)
    temperature.scale().backward()
    # d exp(s) / ds = exp(s)
    assert temperature.log_scale.grad.item() == pytest.approx(20)


def test_a_temperature_stops_at_its_minimum_and_comes_back():
    """CLIP's 100: what pushes beyond is dropped, what brings back is kept."""
    temperature = Temperature(0.02, minimum=0.01)
    with torch.no_grad():
        temperature.log_scale.fill_(math.log(1 / 0.005))
    assert temperature.scale().item() == pytest.approx(100)
    temperature.scale().neg().backward()  # descent would raise the scale
    assert temperature.log_scale.grad.item() == 0
    temperature.log_scale.grad = None
    temperature.scale().backward()  # descent lowers it
    assert temperature.log_scale.grad.item() == pytest.approx(100)
    optimizer = torch.optim.SGD(temperature.parameters(), lr=0.01)
    optimizer.step()
    assert temperature.log_scale.item() < math.log(1 / 0.005)


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf])
def test_temperatures_refused(value):
    for call in (check_temperature, Temperature, lambda v: Temperature(0.1, minimum=v)):
        with pytest.raises(InputError, match=r"temperature is .*; 0.05 is common\."):
            call(value)


def test_a_start_below_the_minimum():
    with pytest.raises(InputError, match="below its minimum"):
        Temperature(0.005)
    assert Temperature(0.005, minimum=0.001).scale().item() == pytest.approx(200)


def test_normalize_is_torchs():
    """Also for no length and hardly any; and its gradient has a gradient."""
    z = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z[1], z[2] = 0, z[2] * 1e-14
    z.requires_grad_()
    torch.testing.assert_close(normalize(z), F.normalize(z, dim=-1), rtol=1e-14, atol=0)
    g = torch.linspace(-1, 2, 20, dtype=torch.float64).reshape(5, 4)
    found, wanted = (torch.autograd.grad((f(z) * g).sum(), z)[0] for f in (normalize, lambda z: F.normalize(z, dim=-1)))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-15)
    whole = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalize, whole)
    assert torch.autograd.gradgradcheck(normalize, whole)
