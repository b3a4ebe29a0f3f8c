"""CSR: codes of the greatest latents, of twice two sizes, dead ones that come back, and contrast of codes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders import SparseAutoencoder
from counterpoint.systems import get
from counterpoint.systems.sentences import csr
from counterpoint.testbeds import Made
from counterpoint.testbeds.vectors import COMPONENTS, WHOLE
from systems.through import same, step_of

N, WIDTH = 12, 16


@pytest.fixture
def vectors() -> Data:
    torch.manual_seed(0)
    return Data.alone(Items("vector", torch.randn(4 * N, WIDTH, generator=torch.Generator().manual_seed(2))))


def step_on(method, data: Data, steps: int = 1, bias: float = 0.0):
    recipe = replace(get(method).method() if isinstance(method, str) else method, own_start=False)
    encoder = recipe.started(data, 0)
    if bias:
        torch.nn.init.constant_(encoder.bias, bias)
    return step_of(recipe, data, n=N, steps=steps, encoder=encoder)


def greatest(scores: torch.Tensor, k: int) -> torch.Tensor:
    """One row after another."""
    made = []
    for row in scores:
        kept = torch.zeros_like(row)
        for i in row.argsort(descending=True)[:k]:
            kept[i] = 1.0
        made.append(row * kept * (row > 0))
    return torch.stack(made)


def errors(step, *, dead: torch.Tensor, x: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstruction as the paper's code weighs it, and the codes."""
    encoder, x = step.network[0], step.payload.inputs if x is None else x
    scores = (x - encoder.offset) @ encoder.weight.T + encoder.bias
    z = greatest(scores, 8)
    found, more = (part @ encoder.weight + encoder.offset for part in (z, greatest(scores, 32)))
    revived = greatest(scores * dead, scores.shape[1] // 16) @ encoder.weight + encoder.offset
    target = x - found.detach() + encoder.offset.detach()
    share = F.mse_loss(revived, target) / F.mse_loss(target.mean(0).expand_as(target), target).detach()
    return F.mse_loss(found, x) + F.mse_loss(more, x) / 8 + share / 32, z


def repulsion(z: torch.Tensor) -> torch.Tensor:
    """Each code, twice in the batch, against itself and both copies of the others."""
    total = torch.zeros(())
    for i in range(len(z)):
        s = torch.stack([F.cosine_similarity(z[i], k, dim=0) / 0.2 for k in z])
        others = torch.cat([s[:i], s[i + 1 :]])
        total = total - (s[i] - torch.cat([s[i : i + 1], others, others]).logsumexp(0)) / len(z)
    return total


def test_loss_is_that_of_a_naive_loop_over_codes(vectors):
    step = step_on("csr", vectors)
    (call,) = step.calls
    assert call["queries"].z.shape == (N, 4, 4 * WIDTH)
    assert call["keys"] is call["queries"]
    reconstruction, z = errors(step, dead=torch.zeros(4 * WIDTH))
    assert ((z > 0).sum(1) == 8).all()
    same(step, reconstruction + 0.1 * repulsion(z))


def test_latents_that_were_silent_for_ten_steps_are_revived(vectors):
    vectors = Data.alone(Items("vector", vectors.anchors.tensor[:N].repeat(20, 1) + 3.0))
    step = step_on(csr.without_contrast(), vectors, steps=15, bias=5.0)
    silent = step.procedure.silent
    dead = silent >= 10
    assert 0 < int(dead.sum()) < len(dead)
    assert int(silent.max()) == 14
    loss, z = errors(step, dead=dead.float())
    assert not (z > 0)[:, dead].any()
    same(step, loss)
    encoder = step.network[0]
    scores = encoder(step.payload.inputs)[:, dead]
    assert (scores > 0).any(), "nothing to revive"
    # the term is what moves them: nothing else sees dead latents
    moved = step.gradient["0.weight"].norm(dim=1) > 0
    assert moved[dead].any()


def test_silence_is_counted_over_the_wider_code_and_in_training_alone(vectors):
    first, then = (step_on("csr", vectors, steps=s) for s in (1, 2))
    assert first.procedure.silent.tolist() == [0] * 4 * WIDTH
    encoder, x = first.network[0], first.payload.inputs
    used = (greatest(encoder(x), 32) > 1e-5).any(0)
    assert then.procedure.silent.tolist() == (~used).long().tolist()
    procedure = then.procedure.eval()
    before = procedure.silent.clone()
    procedure([{"queries": encoder(x)}], lambda identity: {"queries": identity(x)})
    assert torch.equal(procedure.silent, before)


def test_without_contrast_codes_do_not_repel(vectors):
    step = step_on(csr.without_contrast(), vectors)
    same(step, errors(step, dead=torch.zeros(4 * WIDTH))[0])


def crossed(z: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Each anchor's cosine with its own key among all keys."""
    total = torch.zeros(())
    for i, row in enumerate(z):
        s = torch.stack([F.cosine_similarity(row, k, dim=0) / 0.2 for k in keys])
        total = total + (s.logsumexp(0) - s[i]) / len(z)
    return total


def paired(data: Data) -> Data:
    place = torch.arange(len(data))
    return Data(data.anchors, place, Items("vector", data.anchors.tensor.roll(1, 1)), place[:, None])


@pytest.mark.parametrize("weight", [0.1, 0.0])
def test_of_pairs_both_sides_are_decoded_and_one_side_s_codes_are_contrasted_with_the_other_s(vectors, weight):
    step = step_on(csr.paired() if weight else csr.paired_without_contrast(), paired(vectors))
    assert len(step.payload.inputs) == 2 * N
    found, codes = torch.zeros(()), []
    for x in step.payload.inputs.chunk(2):
        loss, z = errors(step, dead=torch.zeros(4 * WIDTH), x=x)
        found, codes = found + loss / 2, [*codes, z]
    same(step, found + weight * crossed(*codes))


def test_matryoshka_is_the_same_contrast_of_first_dimensions(vectors, monkeypatch):
    monkeypatch.setattr(csr, "DIMENSIONS", (4, 8))
    step = step_on(csr.mrl(), paired(vectors))
    q, k = step.network(step.payload.inputs).chunk(2)
    same(step, crossed(q[:, :4], k[:, :4]) + crossed(q[:, :8], k[:, :8]))


def test_codes_are_adaptive_and_cost_as_much_as_what_is_cut_short(vectors):
    encoder, items = csr.autoencoder(vectors, 0), vectors.anchors
    z = csr.Short(encoder, csr.DENSE).encode_items(items)
    assert np.allclose(z, greatest(encoder(items.tensor), 8).detach().numpy(), atol=1e-6)
    encoder.k = 3
    assert ((csr.Short(encoder, csr.DENSE).encode_items(items) > 0).sum(1) == 3).all()
    # a place is a number, too
    assert (csr.K, csr.DENSE) == (8, 16)
    wide = Data.alone(Items("vector", torch.randn(60, 40)))
    for arm in (WHOLE, COMPONENTS):
        whole = arm.made(None, (wide, wide), 0).encoder
        assert np.array_equal(csr.Short(whole, 16).encode_items(wide.anchors), whole.encode_items(wide.anchors)[:, :16])


def test_the_share_of_used_latents_is_that_of_the_codes(vectors):
    encoder = csr.autoencoder(vectors, 0)
    one = vectors[torch.tensor([0])]
    assert csr.USED.of(Made("csr", encoder, (vectors, one), 0)) == pytest.approx(8 / 64)
    with torch.no_grad():
        encoder.bias.fill_(-math.inf)
    assert csr.USED.of(Made("csr", encoder, (vectors, one), 0)) == 0


def test_the_start_is_four_times_as_wide_and_nothing_else_is_trained(vectors):
    method = get("csr").method()
    encoder = method.start(vectors, 0)
    assert isinstance(encoder, SparseAutoencoder)
    assert (encoder.dim, encoder.k, encoder.weight.shape) == (4 * WIDTH, 8, (4 * WIDTH, WIDTH))
    assert method.stages[0].views == 1


def test_recall_is_of_the_nearest_other_item_by_what_is_kept():
    # by the first numbers 0 and 1 are a pair, and so are 2 and 3; the rest of each says otherwise
    z = torch.zeros(4, 20)
    z[:, :2] = torch.tensor([[1.0, 0], [1.0, 0.1], [0, 1.0], [0.1, 1.0]])
    z[:, 18] = torch.tensor([5.0, -5.0, 5.0, -5.0])
    data = Data.alone(Items("vector", z), label=torch.tensor([0, 0, 1, 1]))
    made = WHOLE.made(None, (data, data), 0)
    assert [figure.of(made) for figure in (csr.SAME_BYTES, csr.SAME_NUMBERS, csr.CEILING.figure)] == [1, 1, 0]
