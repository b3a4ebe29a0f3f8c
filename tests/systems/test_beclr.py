"""BECLR: neighbours of the own cluster as positives, clusters of even size, prototypes by optimal transport."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog

from counterpoint.errors import InputError
from counterpoint.evaluate.episodes import few_shot, transported
from counterpoint.points import Points
from counterpoint.procedures import ClusteredNeighbours
from counterpoint.systems.core import beclr
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(n, seed):
    keys = Points(normal(n, 3, seed=seed), sample=torch.arange(n) + 100 * seed, label=torch.arange(n) % 2)
    return {"queries": normal(n, 3, seed=50 + seed), "keys": keys}


def after(steps, **options):
    memory = ClusteredNeighbours(20, 3, **{"clusters": 3, "k": 2, "after": 2, **options})
    for step in range(steps):
        calls = memory([batch(6, step)], None)
        memory.finish_step()
    return memory, calls


def test_a_key_brings_the_nearest_of_its_own_cluster():
    memory, _ = after(5)
    before = copy.deepcopy(memory)
    (call,) = memory([batch(6, 9)], None)
    keys = call["keys"]
    assert len(keys) == 6 + 6 * 2
    z = F.normalize(keys.z[:6], dim=1)
    for i in range(6):
        mine = int((z[i] @ F.normalize(before.prototypes, dim=1).T).argmax())
        among = [j for j in range(20) if int(before.cluster[j]) == mine]
        among = among if len(among) >= 2 else list(range(20))
        nearest = sorted(among, key=lambda j: -float(z[i] @ before.z[j]))[:2]
        rows = [j for j in range(6, 18) if int(keys.columns["sample"][j]) == int(keys.columns["sample"][i])]
        assert {tuple(keys.z[j].tolist()) for j in rows} == {tuple(before.z[j].tolist()) for j in nearest}
        assert all(int(keys.columns["label"][j]) == i % 2 for j in rows)
    assert not keys.z[6:].requires_grad


def test_the_cluster_matters():
    memory, _ = after(5)
    z = F.normalize(normal(30, 3, seed=3), dim=1)
    own = memory.neighbours(z)
    memory.cluster.zero_()
    memory.prototypes.copy_(memory.prototypes[:1].expand(3, 3))
    anywhere = memory.neighbours(z)
    assert torch.equal(anywhere, (z @ memory.z.T).topk(2, 1).indices)
    assert not torch.equal(own, anywhere)


def test_until_the_first_k_means_nothing_is_added():
    (call,) = after(2)[1]
    assert len(call["keys"]) == 6
    (call,) = after(3)[1]
    assert len(call["keys"]) == 18


def test_the_newest_stay_and_prototypes_follow_their_cluster():
    memory, _ = after(4)
    old = copy.deepcopy(memory)
    call = batch(6, 7)
    memory([call], None)
    memory.finish_step()
    new = F.normalize(call["keys"].z, dim=1)
    torch.testing.assert_close(memory.z, torch.cat([new, old.z])[:20])
    for c in range(3):
        members = memory.z[memory.cluster == c]
        wanted = old.prototypes[c] if not len(members) else 0.9 * old.prototypes[c] + 0.1 * members.mean(0)
        torch.testing.assert_close(memory.prototypes[c], wanted)


def test_a_batch_fills_clusters_evenly():
    memory = ClusteredNeighbours(300, 2, clusters=2, after=1)
    memory.prototypes.copy_(torch.eye(2))
    memory.after = 10
    # nearly all are nearest to the first prototype; by half of them each is taken
    z = F.normalize(torch.tensor([1.0, 0.5]) + 0.3 * normal(200, 2).abs() * torch.tensor([1.0, 0.0]), dim=1)
    memory([{"queries": z, "keys": Points(z, sample=torch.arange(200))}], None)
    memory.finish_step()
    assert (z[:, 0] > z[:, 1]).all()
    assert 80 <= int(memory.cluster[:200].sum()) <= 120


def naive(step):
    """Both ways: predictions against the teacher's keys and what they bring, and apart from each other."""
    total, network = torch.zeros(()), step.procedure.procedures[-1].network
    assert len(step.calls) == 2
    for z, call in zip(step.z(), step.calls, strict=True):
        p, keys = F.normalize(network(z), dim=1), call["keys"]
        k, n = F.normalize(keys.z, dim=1), len(z)
        assert not keys.z.requires_grad
        mine, theirs = call["queries"].columns["sample"], keys.columns["sample"]
        pairs = [(i, j) for i in range(n) for j in range(len(k)) if mine[i] == theirs[j]]
        near = torch.stack([p[i] @ k[j] for i, j in pairs]).mean()
        within = [
            torch.stack([(x[i] @ x[j] / 2).exp() for i in range(len(x)) for j in range(len(x)) if i != j]).mean().log()
            for x, owner in ((p, mine), (k, theirs))
        ]
        total = total + 1 - near + 0.1 * sum(within) - 0.1
    return total / 2, len(k)


@pytest.fixture(scope="module")
def late():
    return step_of("beclr", steps=152)


def test_the_system_pulls_predictions_to_neighbours_of_their_keys(late):
    wanted, keys = naive(late)
    assert keys == 8 + 5 * 8
    same(late, wanted, 1e-3)


def test_until_the_first_k_means_it_is_the_one_without_memory():
    torch.manual_seed(0)
    step = step_of("beclr")
    wanted, keys = naive(step)
    assert keys == 8
    same(step, wanted)
    torch.manual_seed(0)
    assert step.loss == step_of(beclr.no_memory(), DIGITS.parts(0)[0]).loss


def test_projector_and_predictor_are_theirs(late):
    three = ["Linear", "BatchNorm1d", "ReLU"]
    assert late.layers() == [*three, *three, "Linear", "BatchNorm1d"]
    assert [type(m).__name__ for m in late.procedure.procedures[-1].network] == [*three, "Linear"]
    teacher = late.procedure.procedures[0]
    assert teacher.decay == 0.99
    with torch.no_grad():
        seen = torch.cat([call["keys"].z[:8] for call in reversed(late.calls)])
        teacher.model.train()
        torch.testing.assert_close(teacher.model(late.payload.inputs), seen, rtol=1e-3, atol=1e-4)
    first, second = late.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_a_prototype_goes_to_the_mean_of_its_part_of_the_best_plan():
    rng = np.random.default_rng(0)
    prototypes, queries = rng.normal(size=(2, 3)), rng.normal(size=(6, 3))
    cost = ((prototypes[:, None] - queries) ** 2).sum(2)
    rows = np.kron(np.eye(2), np.ones(6))
    columns = np.kron(np.ones(2), np.eye(6))
    best = linprog(
        cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[np.full(2, 1 / 2), np.full(6, 1 / 6)], method="highs"
    )
    plan = best.x.reshape(2, 6) * 2
    found = transported(prototypes, queries, passes=1, epsilon=1e-3, iterations=2000)
    assert found == pytest.approx(plan @ queries, abs=1e-3)


def test_transport_undoes_unlucky_shots():
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    labels = np.repeat(["a", "b", "c"], 40)
    z = np.repeat(centres, 40, axis=0) + 1.3 * rng.normal(size=(120, 2))
    options = {"ways": 3, "episodes": 100, "samples": 0}
    plain, moved = (few_shot(z, labels, align=align, **options)["accuracy"].value for align in (None, transported))
    assert moved > plain + 0.02


def test_few_shot_accuracy_is_that_of_nearest_class_means():
    from sklearn.neighbors import NearestCentroid

    rng = np.random.default_rng(2)
    labels = np.repeat(["a", "b", "c"], 10)
    z = np.repeat(rng.normal(size=(3, 4)), 10, axis=0) + rng.normal(size=(30, 4))
    found = few_shot(z, labels, ways=3, shots=4, queries=6, episodes=300, samples=0)["accuracy"].value
    accuracies = []
    for seed in range(300):
        order = np.random.default_rng(1000 + seed).permutation(30)
        shots = np.concatenate([[i for i in order if labels[i] == c][:4] for c in "abc"])
        rest = np.setdiff1d(order, shots)
        accuracies.append(NearestCentroid().fit(z[shots], labels[shots]).score(z[rest], labels[rest]))
    assert found == pytest.approx(np.mean(accuracies), abs=0.02)


def test_a_logistic_regression_on_prototypes_names_what_lies_far_out_and_is_symmetric_for_two():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    z = np.repeat(rng.normal(size=(2, 4)), 20, axis=0) + rng.normal(size=(40, 4))
    labels = np.repeat(["a", "b"], 20)
    options = {"ways": 2, "queries": 15, "episodes": 50, "samples": 0}
    # with two prototypes the border is half-way, as that of the nearest one
    near, fitted = (few_shot(z, labels, logistic=c, **options)["accuracy"].value for c in (0.0, 1.0))
    assert fitted == pytest.approx(near, abs=1e-3)
    three = np.repeat(rng.normal(size=(3, 4)), 20, axis=0) + rng.normal(size=(60, 4))
    seen = []

    def watched(prototypes, queries):
        model = LogisticRegression(C=1.0, max_iter=1000).fit(prototypes, range(3))
        seen.append((model.predict(queries) == np.repeat(range(3), 15)).mean())
        return prototypes

    found = few_shot(three, np.repeat(list("abc"), 20), align=watched, logistic=1.0, **{**options, "ways": 3})
    assert found["accuracy"].value == pytest.approx(np.mean(seen))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: few_shot(np.eye(3), ["a"]), "1 labels for 3 rows"),
        (lambda: few_shot(np.eye(3), ["a", "b", "c"]), "0 classes have 16 images"),
        (lambda: ClusteredNeighbours(2, 3, clusters=3), "3 clusters of 2 keys"),
        (
            lambda: ClusteredNeighbours(2, 2, clusters=1)([{"queries": torch.eye(2), "keys": torch.eye(2)}], None),
            "samp",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(InputError, match=message):
        call()
