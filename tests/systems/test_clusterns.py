"""ClusterNS: second nearest centroids among the negatives, and a margin with two ends for mates of a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.sentences import clusterns
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood {'very ' * i}near") for i, e in enumerate(ALONE)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Few clusters that begin at once, move far and count."""
    for name, value in (("CLUSTERS", 4), ("START", 1.0), ("RATE", 0.3), ("WEIGHT", 2.0), ("BETA", 0.01)):
        monkeypatch.setattr(clusterns, name, value)


def step_on(method="clusterns", make=steady_bert, steps=3):
    return step_of_texts(method, LONG, make=make, n=12, steps=steps)


def clustered(step):
    """Where each sentence belongs, and its second nearest centroid, after the centroids have moved."""
    c, first = step.procedure.centroids.clone(), step.z()[0].detach()
    for new, old in zip(c, step.procedure.centroids, strict=True):
        near = [z for z in first if all(cosine(z, old) >= cosine(z, o) for o in step.procedure.centroids)]
        if near:
            new.copy_(0.7 * old + 0.3 * torch.stack(near).sum(0))
    order = [sorted(range(len(c)), key=lambda j, z=z: -cosine(z, c[j])) for z in first]
    return [o[0] for o in order], torch.stack([c[o[1]] for o in order])


def cosine(a, b):
    return float(F.cosine_similarity(a, b, dim=0))


def margin(step, cluster):
    first, second = step.z()
    total = torch.zeros(())
    for i, z in enumerate(first):
        own = F.cosine_similarity(z, second[i], dim=0)
        for j, other in enumerate(second):
            if j != i and cluster[i] == cluster[j]:
                gap = F.cosine_similarity(z, other, dim=0) - own
                total = total + F.relu(gap) + F.relu(-gap - 0.01)
    return total / len(first) ** 2


def test_loss_is_that_of_a_naive_loop_over_centroids_and_mates():
    step = step_on()
    assert int(step.procedure.begun) == 4
    cluster, hard = clustered(step)
    assert 1 < len(set(cluster)) < 12
    found = margin(step, cluster)
    assert found > 1e-3
    same(step, contrast(*step.z(), past=hard) + 2.0 * found, rtol=1e-3)
    assert step.layers() == ["Linear", "Tanh"]


def test_arms_leave_out_the_margin_or_the_centroids():
    step = step_on(clusterns.without_margin())
    same(step, contrast(*step.z(), past=clustered(step)[1]), rtol=1e-3)
    step = step_on(clusterns.without_centroids())
    same(step, contrast(*step.z()) + 2.0 * margin(step, clustered(step)[0]), rtol=1e-3)
    makes = (get("clusterns").method, clusterns.without_margin, clusterns.without_centroids)
    assert len({Trained(make).key for make in makes}) == 3


def test_until_clusters_begin_it_is_simcse(monkeypatch):
    step = step_on(steps=1)
    assert not step.procedure.begun
    same(step, contrast(*step.z()), rtol=1e-3)
    monkeypatch.setattr(clusterns, "START", -1.0)
    step = step_on()
    assert not step.procedure.begun
    same(step, contrast(*step.z()), rtol=1e-3)


def test_the_paper_s_numbers_stand_in_the_recipe(monkeypatch):
    monkeypatch.undo()
    recipe = get("clusterns").method()
    procedure = recipe.stages[0].procedure(16)
    assert (procedure.start_at, procedure.rate, len(procedure.centroids)) == (0.4, 1e-3, 32)
    objective = recipe.stages[0].objective()
    assert objective.weights == (1.0, 1.0)
    margin_term = objective.objectives[1]
    assert margin_term.weights == (1e-3,)
    assert (margin_term.objectives[0].alpha, margin_term.objectives[0].beta) == (0.0, 0.3)
    assert step_on(make=small_bert, steps=1).network[0].pooling == "cls"
