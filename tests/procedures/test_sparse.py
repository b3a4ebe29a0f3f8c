"""Sparse codes and what they leave: sides with codes of their own, widths, what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders import SparseAutoencoder
from counterpoint.encoders.sparse import sparse
from counterpoint.errors import InputError
from counterpoint.objectives import SparseReconstruction
from counterpoint.points import Points
from counterpoint.procedures import SparseCodes


def started(width: int, latents: int, k: int = 2, **options) -> tuple[SparseAutoencoder, SparseCodes]:
    torch.manual_seed(0)
    encoder, procedure = SparseAutoencoder(width, latents, k=k), SparseCodes(latents, **{"revived": 1, **options})
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    return encoder, procedure


def made(procedure, encoder, **sides):
    call = {name: encoder(x) for name, x in sides.items()}
    (found,) = procedure([call], lambda same: {name: same(x) for name, x in sides.items()})
    return found


def test_each_side_has_codes_of_its_own():
    encoder, procedure = started(3, 8)
    q, k = torch.randn(5, 3), torch.randn(4, 3)
    found = made(procedure, encoder, queries=q, keys=k)
    for side, x in ((found["queries"], q), (found["keys"], k)):
        code = sparse(encoder(x), 2)
        torch.testing.assert_close(side.z[:, 0], code)
        torch.testing.assert_close(side.z[:, 1, :3] * 3**0.5, x - encoder.decode(code))
        assert not side.z[:, 1:, 3:].any()


def test_what_a_side_uses_is_used():
    encoder, procedure = started(3, 8, patience=0, wide=1)
    q, k = torch.randn(1, 3), torch.randn(1, 3)
    made(procedure, encoder, queries=q, keys=k)
    used = (sparse(encoder(q), 2) + sparse(encoder(k), 2))[0] > 1e-5
    assert torch.equal(procedure.silent == 0, used)


def test_codes_may_be_shorter_than_the_vectors():
    encoder, procedure = started(6, 4, k=1)
    found = made(procedure, encoder, queries=torch.randn(5, 6))["queries"].z
    assert found.shape == (5, 4, 6)
    assert not found[:, 0, 4:].any()
    assert found[:, 1].all()


def test_the_code_shrinks_without_training():
    encoder, _ = started(3, 8)
    items = Items("vector", torch.randn(5, 3))
    two = torch.from_numpy(encoder.encode_items(items))
    encoder.k = 1
    one = torch.from_numpy(encoder.encode_items(items))
    assert torch.equal(one, sparse(two, 1))


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="9 of 8 latents"):
        SparseAutoencoder(3, 8, k=9)
    with pytest.raises(InputError, match="start from one"):
        SparseCodes(8, revived=1).start(nn.Sequential(nn.Linear(3, 8), nn.Identity()))
    with pytest.raises(InputError, match="5 times 2 latents and 1 dead ones of 8"):
        started(3, 8, wide=5)
    with pytest.raises(InputError, match="and 9 dead ones of 8"):
        started(3, 8, revived=9)


def test_reconstruction_is_the_mean_of_both_sides():
    q, k = torch.randn(5, 4, 3), torch.randn(6, 4, 3)
    loss = SparseReconstruction(0.5, 0.25)
    sides = []
    for z in (q, k):
        left = z[:, 1] - z[:, 1].mean(0)
        share = sum(float(e @ e) for e in z[:, 3]) / sum(float(e @ e) for e in left)
        sides.append(sum(float(a @ a + 0.5 * b @ b) for a, b in z[:, 1:3].unbind(0)) / len(z) + 0.25 * share)
    found = loss(Points(q, sample=torch.arange(5)), Points(k, sample=torch.arange(6)))
    assert found.item() == pytest.approx(sum(sides) / 2, rel=1e-5)


def test_where_nothing_is_left_there_is_no_share_of_it():
    z = torch.zeros(3, 4, 2, requires_grad=True)
    loss = SparseReconstruction()(Points(z, sample=torch.arange(3)))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(z.grad).all()
    with pytest.raises(InputError, match="no codes and errors"):
        SparseReconstruction()(torch.zeros(3, 2), torch.zeros(3, 2))
