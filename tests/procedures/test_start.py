from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE, Lengths, Part
from counterpoint.points import Points
from counterpoint.procedures import AgainstStart, Chain, DistanceFromStart


def model(*more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4, bias=False), *more)


def batch(encoder, n=5):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(1))
    call = {"queries": Points(encoder(x), sample=torch.arange(n) + 10), "keys": None}
    return call, lambda network: {"queries": Points(network(x).detach())}


def three(encoder):
    """What it says, turned twice."""
    return nn.Sequential(encoder, Turned())


class Turned(nn.Module):
    def forward(self, z):
        return torch.stack([z, z.roll(1, 1), z.roll(2, 1)], 1)


def test_loss_and_gradient_are_those_of_a_loop_over_vectors_of_the_copy_and_weights():
    encoder, then = model(), nn.Linear(4, 2)
    procedure = Chain(AgainstStart(three, then), DistanceFromStart())
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    first = encoder[0].weight.detach().clone()
    encoder[0].weight.data.add_(0.1 * torch.randn(4, 3, generator=torch.Generator().manual_seed(2)))
    call, again = batch(encoder)
    (made,) = procedure([call], again)
    assert made["keys"].columns["sample"].tolist() == [s for s in range(10, 15) for _ in range(3)]
    loss = (Part(InfoNCE(0.5), 0, -1) + 0.2 * Part(Lengths(), -1))(**made)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    naive = torch.zeros(())
    for i in range(5):
        q = then(encoder(x))[i]
        h = [[then((first @ x[m]).roll(k)) for k in range(3)] for m in range(5)]
        s = [[torch.cosine_similarity(q, k, dim=0) / 0.5 for k in row] for row in h]
        others = [value for m in range(5) if m != i for value in s[m]]
        naive = naive + sum(torch.logsumexp(torch.stack([own, *others]), 0) - own for own in s[i]) / 15
    naive = naive + 0.2 * (encoder[0].weight - first).square().sum()
    parameters = [*encoder.parameters(), *then.parameters()]
    torch.testing.assert_close(loss, naive)
    for found, wanted in zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(naive, parameters), strict=True
    ):
        torch.testing.assert_close(found, wanted)


def test_at_the_start_the_distance_is_0_and_has_no_gradient():
    encoder, procedure = model(), DistanceFromStart()
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    call, _ = batch(encoder)
    (made,) = procedure([{**call, "keys": call["queries"]}], None)
    value = Part(Lengths(), -1)(**made)
    assert value.item() == 0
    assert torch.equal(torch.autograd.grad(value, encoder[0].weight)[0], torch.zeros(4, 3))


def test_weights_that_do_not_learn_are_no_part_of_the_distance():
    encoder = model(nn.Linear(4, 4).requires_grad_(requires_grad=False))
    procedure = DistanceFromStart()
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    encoder[1].weight.data.add_(1.0)
    (made,) = procedure([{"queries": torch.zeros(2, 4), "keys": torch.zeros(2, 4)}], None)
    assert not made["queries"].z.any()


def test_one_vector_of_each_is_drawn_anew():
    encoder, procedure = model(), AgainstStart(three, drawn=True)
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    call, again = batch(encoder, 40)
    torch.manual_seed(0)
    (one,), (two,) = (procedure([call], again) for _ in range(2))
    said = again(procedure.copy)["queries"].z
    which = [(said == made["keys"].z[:, None]).all(2).int().argmax(1) for made in (one, two)]
    assert set(which[0].tolist()) == {0, 1, 2}
    assert not torch.equal(*which)
    assert one["keys"].columns["sample"].tolist() == call["queries"].columns["sample"].tolist()


@pytest.mark.parametrize("procedure", [AgainstStart(), DistanceFromStart()])
def test_what_did_not_start_and_the_wrong_sides_are_refused(procedure):
    encoder = model()
    call, again = batch(encoder)
    keys = {**call, "keys": call["queries"]}
    with pytest.raises(InputError, match="start"):
        procedure([call if isinstance(procedure, AgainstStart) else keys], again)
    procedure.start(nn.Sequential(encoder, nn.Identity()))
    with pytest.raises(InputError, match="keys"):
        procedure([keys if isinstance(procedure, AgainstStart) else call], again)
