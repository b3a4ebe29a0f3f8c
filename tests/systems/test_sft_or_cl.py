"""SFT or CL: both losses as weight times direction, and the models that are compared."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import KernelCrossEncoder, StaticEncoder
from counterpoint.systems.retrieval import sft_or_cl
from counterpoint.systems.retrieval.sft_or_cl import contrastive, supervised, weights
from counterpoint.tasks import pairs
from counterpoint.training import CrossLists
from systems.words import KINDS

ROWS = [
    Example(f"a {kind} at night", (f"the {kind} sleeps, {i}",), (f"no {kind} at all", "a night"))
    for i, kind in enumerate(KINDS[:6])
]


def naive(name, scores, positive):
    """Document by document."""
    found = torch.zeros_like(scores)
    for i, row in enumerate(scores):
        for j, s in enumerate(row):
            said = s.exp() / row.exp().sum() if name == "CL" else 1 / (1 + (-s).exp())
            found[i, j] = float(positive[i, j]) - said
    return found


LOSSES = pytest.mark.parametrize(("name", "objective"), [("CL", contrastive()), ("SFT", supervised())])


@LOSSES
def test_weights_are_those_of_the_equations(name, objective):
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    positive = torch.zeros(4, 3, dtype=torch.bool)
    positive[:, 0] = True
    found = weights(objective, scores, positive)
    torch.testing.assert_close(found, naive(name, scores, positive), rtol=1e-9, atol=1e-12)
    # in CL what pulls is as strong as what pushes, in SFT each is for itself
    assert bool((found.sum(1).abs() < 1e-9).all()) == (name == "CL")


@LOSSES
def test_the_gradient_is_weight_times_direction_of_each_document(name, objective):
    data = rows_of(ROWS)
    model = KernelCrossEncoder(StaticEncoder.from_corpus([t for e in ROWS for t in e.texts], dim=8, prompts={}))
    with torch.no_grad():
        # not only equal tokens count
        model.kernels.add_(0.1)
    payload = CrossLists(data, model).payload(torch.arange(len(data)))
    arguments = payload.arguments(model(payload.inputs))
    parameters = list(model.parameters())
    whole = torch.autograd.grad(objective(**arguments), parameters)
    n, s, _ = arguments["owned"].z.shape
    scores, positive = arguments["owned"].z[..., 0].detach(), arguments["owned"].columns["positive"] > 0
    pushed = naive(name, scores, positive).flatten() / (n if name == "CL" else n * s)
    total = [torch.zeros_like(p) for p in parameters]
    for j in range(n * s):
        (score,) = model(payload.inputs.take(torch.tensor([j])))
        direction = torch.autograd.grad(score[0], parameters)
        total = [t - pushed[j] * d for t, d in zip(total, direction, strict=True)]
    for got, expected in zip(whole, total, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    assert max(float(g.abs().max()) for g in whole) > 1e-3


def test_of_a_solved_list_cl_pushes_little_and_sft_by_the_scores_themselves():
    positive = torch.tensor([[True, False]])
    ahead = torch.tensor([[9.0, 3.0]])
    assert float(weights(contrastive(), ahead, positive).abs().max()) < 0.01
    assert float(weights(supervised(), ahead, positive)[0, 1]) < -0.9


def test_models_of_both_losses_begin_alike_and_learn_from_the_same_lists(monkeypatch):
    seen = []

    def train(model, batches, objective, config):
        seen.append((batches.listed, objective, config))

    monkeypatch.setattr(sft_or_cl, "train", train)
    rows = rows_of([Example(e.anchor, e.positives) for e in ROWS])
    model = KernelCrossEncoder(StaticEncoder.from_corpus(rows.others.texts, dim=8, prompts={}))
    for objective in (contrastive(), supervised()):
        assert sft_or_cl.trained(model, rows, objective, 3) is model
    (first, one, config), (second, other, again) = seen
    assert torch.equal(first, second)
    assert config == again
    assert (config.seed, config.steps) == (3, 100)
    assert type(one) is not type(other)


def test_the_ceiling_puts_the_answer_first():
    collection = pairs(rows_of([Example(e.anchor, e.positives) for e in ROWS]))
    score, (asked, other) = sft_or_cl.knowing(collection), collection.queries.texts[:2]
    own = [collection.corpus.texts[next(iter(collection.answers.relevant[q]))] for q in (0, 1)]
    assert score([asked, asked, other], [*own, own[1]]).tolist() == [1, 0, 1]
