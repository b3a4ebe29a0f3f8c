"""D2LLM: lists that a network on both vectors scores, and what it is to have of its teacher's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import AttentionPoolingEncoder
from counterpoint.errors import InputError
from counterpoint.negatives.imitated import hard_and_easy, taught_to_imitate
from counterpoint.objectives import FeatureImitation, Guide
from counterpoint.points import Points
from counterpoint.procedures import EmulatedLists
from counterpoint.search import BM25
from counterpoint.systems import get
from counterpoint.systems.retrieval import d2llm
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.imitated import IN_ORDER, ORDERED_TITLES, score_of, spread_of_lists
from counterpoint.training import lists as of_lists
from counterpoint.training.lists import lists
from systems.through import same
from systems.words import KINDS, small_table, step_of_texts

FAR = [Example(f"a {kind} at night", (f"the {kind} sleeps all night, number {i}",)) for i, kind in enumerate(KINDS)]
FAR += [
    Example(f"which colour {asked}", (f"paint {c}",))
    for asked, c in zip("wxyz", ("red", "blue", "pink", "grey"), strict=True)
]


def wide_table(data):
    """As wide as 32 heads ask for."""
    return small_table(data, dim=32)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A teacher of fewer steps: these rows do not need more."""
    trained = of_lists.cross_encoder
    monkeypatch.setattr(
        of_lists, "cross_encoder", lambda data, seed, *, steps=200: trained(data, seed, steps=steps // 20)
    )


def prepared(examples=FAR):
    """What the recipe's own steps make of rows, one after the other."""
    data, made = rows_of(examples), []
    for step in get("d2llm").method().stages[0].prepare:
        data = step(data, None, 0)
        made.append(data)
    return made


def test_loss_is_that_of_a_naive_loop_over_lists():
    data = prepared()[-1]
    step = step_of_texts("d2llm", FAR, make=wide_table, n=16)
    encoder = step.network[0]
    assert isinstance(encoder, AttentionPoolingEncoder)
    assert (encoder.heads, encoder.similarity) == (32, "dot")
    (emulated,) = (part for part in step.procedure.modules() if isinstance(part, EmulatedLists))
    first, _, second, _, last = emulated.network
    assert (first.out_features, second.out_features, last.out_features) == (512, 512, 1)
    q = encoder(encoder.tokenize(data.anchors.texts, "query"))
    d = encoder(encoder.tokenize(data.others.texts, "document"))

    def read(i, j):
        x = F.relu(second(F.relu(first(torch.cat([q[i], d[j]])))))
        return last(x)[0], x

    listed, teacher, alike = lists(data), data.columns["teacher"], data.columns["alike"]
    terms = [torch.zeros(()) for _ in range(5)]
    n = len(FAR)
    for i in range(n):
        there = [c for c in range(17) if listed[i, c] >= 0]
        read_i = {c: read(i, int(listed[i, c])) for c in there}
        s, t = {c: v[0] for c, v in read_i.items()}, {c: float(teacher[i, c]) for c in there}
        near, easy = [c for c in there if c < 9], [c for c in there if c >= 9]
        others = torch.stack([s[0], *(read(i, j)[0] for j in range(n) if j != i)])
        terms[0] = terms[0] + (torch.logsumexp(others, 0) - s[0]) / n
        weighed = torch.stack([s[c] * (t[c] if c == 0 else 1 - t[c]) for c in near])
        terms[1] = terms[1] + (torch.logsumexp(weighed, 0) - weighed[0]) / n
        both = torch.stack([torch.stack([s[c] for c in near]), torch.tensor([t[c] for c in near])])
        counted = sum(len([c for c in range(9) if listed[row, c] >= 0]) > 1 for row in range(n))
        if len(near) > 1:
            terms[2] = terms[2] + (1 - torch.corrcoef(both)[0, 1]) / counted
        ordered = [max(t[a] - t[b], 0) * F.softplus(s[b] - s[a]) for a in near[1:] for b in easy]
        if ordered:
            rows = sum(bool((listed[r, 1:9] >= 0).any() and (listed[r, 9:] >= 0).any()) for r in range(n))
            terms[3] = terms[3] + sum(ordered) / len(ordered) / rows
        for a in near:
            errors = [(F.cosine_similarity(read_i[a][1], read_i[b][1], 0) - alike[i, a, b]) ** 2 for b in near]
            terms[4] = terms[4] + sum(errors) / len(errors) / int((listed[:, :9] >= 0).sum())
    assert all(float(term.detach()) > 0 for term in terms)
    # each by itself, since some weigh little
    (call,) = step.calls
    for objective, term in zip(step.objective.objectives, terms, strict=True):
        torch.testing.assert_close(objective(**call).detach(), term.detach(), rtol=1e-4, atol=1e-6)
    weights = (1 / 32, 1 / 8, 1.0, 0.01, 0.032)
    assert step.objective.weights == pytest.approx(weights)
    same(step, sum(w * term for w, term in zip(weights, terms, strict=True)))


def test_lists_are_of_the_first_that_bm25_finds_and_of_any():
    data, _ = prepared()
    texts = list(data.others.texts)
    found, _ = BM25(texts).search([e.anchor for e in FAR], len(texts))
    for i in range(len(FAR)):
        hard = [row for row in found[i].tolist() if row >= 0 and row != i][:8]
        assert [row for row in data.negatives[i, :8].tolist() if row >= 0] == hard
        assert i not in data.negatives[i].tolist()
    easy = data.negatives[:, 8:]
    assert easy.shape == (len(FAR), 8)
    assert len(easy[easy >= 0].unique()) == len(texts)
    assert not torch.equal(easy, hard_and_easy(8, 8)(rows_of(FAR), None, 1).negatives[:, 8:])


def test_the_teacher_says_how_likely_and_how_alike(monkeypatch):
    made = []
    trained = of_lists.cross_encoder

    def watched(data, seed, *, steps):
        made.append(trained(data, seed, steps=steps))
        return made[0]

    monkeypatch.setattr(of_lists, "cross_encoder", watched)
    before, data = prepared()
    (model,) = made
    listed, said, alike = lists(before), data.columns["teacher"], data.columns["alike"]
    texts = data.others.texts
    for i in (0, 13):
        there = [c for c in range(17) if listed[i, c] >= 0]
        asked, documents = [FAR[i].anchor] * len(there), [texts[int(listed[i, c])] for c in there]
        score = model.score(asked, documents)
        likely = said[i][there]
        assert bool(((likely > 0) & (likely < 1)).all())
        assert np.array_equal(np.argsort(score, kind="stable"), np.argsort(likely.numpy(), kind="stable"))
        assert bool(said[i][[c for c in range(17) if c not in there]].isnan().all())
        pairs_read = model.pairs(asked, documents)
        features = model.features(pairs_read)
        torch.testing.assert_close(features @ model.kernels, model(pairs_read)[:, 0])
        near = [k for k, c in enumerate(there) if c < 9]
        unit = F.normalize(features[near], dim=1)
        own = [there[k] for k in near]
        torch.testing.assert_close(alike[i][own][:, own], (unit @ unit.T).detach(), atol=1e-5, rtol=1e-4)
        assert bool(alike[i][:, [c for c in range(9) if c not in own]].isnan().all())
    assert float(said[:, 0].mean()) > float(said[:, 1:].nanmean())


def test_pairs_are_of_lists_and_of_the_batch_s_other_answers():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    u, k = torch.randn(3, 2), torch.randn(5, 2)
    same_text = torch.tensor([70, 71, 70])
    queries = Points(u, sample=torch.tensor([4, 5, 6]), partner=same_text)
    keys = Points(k, sample=torch.tensor([5, -1, 4, 6, -1]), input=torch.tensor([71, 8, 70, 70, 9]))
    listed = torch.tensor([[2, 1, 4], [0, 4, 1], [3, 1, 1]])
    valid = torch.tensor([[True, True, True], [True, False, True], [True, True, True]])
    positive = torch.tensor([[1.0, 0, 0]]).expand(3, -1)
    call = {
        "queries": queries,
        "keys": keys,
        "owned": Points(k[listed], positive=positive, valid=valid),
        "guide": Guide(owned=torch.ones(3, 3)),
    }
    (made,) = EmulatedLists(network, 1)([call], lambda model: {})
    owned = made["owned"]
    wanted = torch.stack([torch.cat([k[listed[i]], k[[0, 2, 3]]]) for i in range(3)])
    for i in range(3):
        for j in range(6):
            x = network[:-1](torch.cat([u[i], wanted[i, j]]))
            torch.testing.assert_close(owned.z[i, j], torch.cat([network[-1](x), x]))
    torch.testing.assert_close((made["queries"].z[:, None] * owned.z).sum(2), owned.z[..., 0])
    # of the batch's answers neither the own one nor copies of it
    assert owned.columns["valid"].int().tolist() == [[1, 1, 1, 1, 0, 0], [1, 0, 1, 0, 1, 1], [1, 1, 1, 1, 0, 0]]
    assert owned.columns["hard"].tolist() == [[0, 1, 0, 0, 0, 0]] * 3
    assert owned.columns["easy"].tolist() == [[0, 0, 1, 0, 0, 0]] * 3
    assert owned.columns["batch"].tolist() == [[0, 0, 0, 1, 1, 1]] * 3
    assert made["guide"].owned.tolist() == [[1, 1, 1, 0, 0, 0]] * 3
    assert made["keys"] is None


def test_figures_order_by_the_network_or_by_the_cosine():
    data = rows_of(FAR)
    test = pairs(data)
    assert isinstance(test, Collection)
    encoder, procedure = wide_table(data), d2llm.emulated(32)
    (emulated,) = (part for part in procedure.modules() if isinstance(part, EmulatedLists))
    asked, documents = ["a cat at night", "a fox"], ["the cat sleeps", "paint red"]
    q, d = (
        torch.from_numpy(encoder.encode(side, kind=kind)) for side, kind in ((asked, "query"), (documents, "document"))
    )
    made = Made("x", encoder, (data, test), 0)
    np.testing.assert_allclose(score_of(made)(asked, documents), torch.cosine_similarity(q, d).numpy(), rtol=1e-5)
    taught = replace(made, procedure=procedure)
    with torch.inference_mode():
        by_hand = emulated.network(torch.cat([q, d], 1))[:, 0].numpy()
    np.testing.assert_allclose(score_of(taught)(asked, documents), by_hand, rtol=1e-4, atol=1e-6)
    assert 0 <= IN_ORDER.of(taught) <= 1
    assert IN_ORDER.of(made) != IN_ORDER.of(taught)
    assert spread_of_lists.of(taught) > 0


def test_imitating_learns_the_teacher_s_order():
    data = prepared()[-1]
    correlations = []
    for steps in (1, 60):
        recipe = d2llm.d2llm().changed(steps=steps, batch_size=16, learning_rate=3e-3, validations=1, dtype="float32")
        held = {}

        def procedure(width, held=held):
            held["made"] = d2llm.emulated(width, 32)
            return held["made"]

        recipe = recipe.varied("D2LLM", procedure=procedure)
        encoder, _ = recipe.make(rows_of(FAR), 0, encoder=wide_table(rows_of(FAR)))
        made = Made("x", encoder.eval(), (data, data), 0, procedure=held["made"])
        found = []
        for i in range(len(FAR)):
            there = [c for c in range(9) if lists(data)[i, c] >= 0]
            if len(there) > 2:
                texts = [data.others.texts[int(lists(data)[i, c])] for c in there]
                said = score_of(made)([FAR[i].anchor] * len(there), texts)
                found.append(np.corrcoef(said, data.columns["teacher"][i][there].numpy())[0, 1])
        correlations.append(np.mean(found))
    assert correlations[1] > correlations[0] + 0.2


def test_arms_differ_in_what_they_say():
    ours, by_labels, means, plain = (
        getattr(d2llm, name)() for name in ("d2llm", "labels_alone", "mean_pooled", "biencoder")
    )
    assert ours.stages[0].objective is d2llm.imitations
    assert by_labels.stages[0].objective is d2llm.labels
    assert {type(term).__name__ for term in d2llm.labels().objectives} == {"InfoNCE"}
    data = rows_of(FAR)
    made = [type(recipe.settle(wide_table(data))).__name__ for recipe in (ours, by_labels, means, plain)]
    assert made == ["AttentionPoolingEncoder"] * 2 + ["StaticEncoder"] * 2
    assert [recipe.stages[0].procedure is None for recipe in (ours, by_labels, means, plain)] == [False] * 3 + [True]
    assert len({recipe.stages[0].train for recipe in (ours, by_labels, means, plain)}) == 1
    assert plain.stages[0].prepare[0](data, None, 0).negatives.shape == (len(FAR), 8)
    assert ORDERED_TITLES.parts(0)[0].schema == "pairs"


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="-1 easy keys"):
        EmulatedLists(nn.Sequential(nn.Linear(2, 1)), -1)
    call = {"queries": torch.ones(1, 1), "keys": torch.ones(1, 1)}
    with pytest.raises(InputError, match="there are no lists"):
        EmulatedLists(nn.Sequential(nn.Linear(2, 1)), 0)([call], lambda model: {})
    with pytest.raises(InputError, match="1 documents are compared"):
        taught_to_imitate(1)
    with pytest.raises(InputError, match="lists are of tuples"):
        taught_to_imitate(3)(rows_of(FAR), None, 0)
    with pytest.raises(InputError, match="pairs are of owned keys"):
        FeatureImitation()(torch.ones(1, 2), torch.ones(1, 2))
    z = Points(torch.ones(1, 2), alike=torch.ones(1, 1, 1))
    with pytest.raises(InputError, match="no value for each query"):
        FeatureImitation()(z, owned=torch.ones(1, 1, 2), reduction="none")
