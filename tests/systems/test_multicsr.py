"""MultiCSR: triplets are judged before training, and negatives that a guide finds near do not count."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.fitting.bases import minilm_folder
from counterpoint.generating import Answer, Generator, Rules
from counterpoint.procedures import OwnGuide
from counterpoint.systems import get
from counterpoint.systems.sentences import multicsr
from counterpoint.testbeds import Trained, triplets
from systems.through import same
from systems.words import ALONE, TUPLES, contrast, small_bert, steady_bert, step_of_texts

ROWS = [replace(e, negatives=(f"{e.negatives[0]} in the deep wood",)) for e in TUPLES]
WRONG = {2, 5}
"""Of these rows the judge says that they have changed places."""


class Judge:
    """Says 4.5 of a positive and 1 of a negative, and of some rows the other way round."""

    identity = "a judge"

    def answers(self, requests):
        for request in requests:
            first, second = request.prompt.split("\n")[-2:]
            row = next(i for i, e in enumerate(ROWS) if e.anchor == first)
            alike = (second == ROWS[row].positives[0]) != (row in WRONG)
            yield request, Answer("4.5" if alike else "Score: 1")


@pytest.fixture(autouse=True)
def _judged(monkeypatch):
    monkeypatch.setattr(multicsr, "Judge", Judge)


def guide(step):
    """Cosines of anchors with all keys by the encoder as it began, and its median."""
    encoder = small_bert(rows_of(ROWS), dropout=0.0, pooling="cls").eval()
    z = F.normalize(encoder(step.payload.inputs).detach(), dim=1)
    return z[:12] @ z[12:].T


def second(method="MultiCSR", make=steady_bert, **options):
    """A step of the second stage alone, from where the encoder begins."""
    recipe = get(method).method() if isinstance(method, str) else method
    return step_of_texts(replace(recipe, stages=recipe.stages[1:]), ROWS, make=make, n=12, **options)


def naive(step, keep):
    """Each anchor's own positive against what is kept of all positives and all negatives."""
    z = step.network(step.payload.inputs)
    total = torch.zeros(())
    for i in range(12):
        s = torch.stack([F.cosine_similarity(z[i], k, dim=0) / 0.05 for k in z[12:]])
        there = [j for j in range(24) if j == i or keep[i, j]]
        total = total + (torch.logsumexp(s[there], 0) - s[i]) / 12
    return total


def test_loss_is_that_of_a_naive_loop_over_what_the_guide_leaves(monkeypatch):
    cosines = guide(second())
    least = float(cosines.median())
    monkeypatch.setattr(multicsr, "NEAR", least)
    step = second()
    cosines = guide(step)
    keep = cosines < least
    # own negatives are masked, too, and own positives never
    assert 0 < int(keep[:, 12:].diagonal().sum()) < 12
    assert not keep[:, :12].diagonal().all()
    same(step, naive(step, keep), rtol=1e-3)
    assert step.layers() == ["Linear", "Tanh"]
    for method in (multicsr.without_mask(), multicsr.neither()):
        plain = second(method)
        same(plain, naive(plain, torch.ones(12, 24)), rtol=1e-3)


def test_the_guide_is_the_encoder_before_the_stage_without_dropout():
    step = second(make=small_bert, steps=3)
    (call,) = step.calls
    z = [F.normalize(call[side].columns["guide"], dim=1) for side in ("queries", "keys")]
    torch.testing.assert_close(z[0] @ z[1].T, guide(step), rtol=1e-3, atol=1e-3)
    assert step.network[0].pooling == "cls"
    assert multicsr.NEAR == 0.95


def test_the_guide_stays_what_it_was():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    procedure, before = OwnGuide(), copy.deepcopy(model[0])
    procedure.start(model)
    nn.init.zeros_(model[0].weight)
    seen = []
    procedure([{"queries": torch.eye(2)}], lambda by: seen.append(by) or {"queries": by(torch.eye(2))})
    torch.testing.assert_close(seen[0](torch.eye(2)), before(torch.eye(2)))
    assert not seen[0].training


def triplet_texts(data):
    others = data.others.texts
    sides = (data.positives[:, 0].tolist(), data.negatives[:, 0].tolist())
    return {data.anchors.texts[a]: (others[p], others[n]) for a, p, n in zip(data.anchor.tolist(), *sides, strict=True)}


def test_what_the_judge_finds_the_other_way_round_changes_places():
    (step,) = get("MultiCSR").method().stages[1].prepare
    found = triplet_texts(step(rows_of(ROWS), nn.Identity(), 0))
    for i, row in enumerate(ROWS):
        own = (row.positives[0], row.negatives[0])
        assert found[row.anchor] == (own[::-1] if i in WRONG else own)
    assert multicsr.without_judge().stages[1].prepare == ()
    assert multicsr.neither().stages[1].prepare == ()
    trained = second()
    (call,) = trained.calls
    assert len(call["keys"]) == 24


@pytest.mark.parametrize(
    ("scores", "kept"),
    [((3, 2.9), "pn"), ((3, 3), ""), ((2.9, 1), ""), ((4, 3.1), ""), ((1, 4), "np"), ((3, 0), "pn"), ((5, None), "")],
)
def test_bounds_of_the_judge_are_theirs(scores, kept):
    said = dict(zip("pn", scores, strict=True))
    judge = Generator(Rules(lambda prompt, draw: str(said[prompt[-1]])))
    rows = rows_of([replace(ROWS[0], positives=("p",), negatives=("n",))])
    step = multicsr.triplets_curated(judge)
    if not kept:
        with pytest.raises(InputError, match="the judge keeps none of 1 triplets"):
            step(rows, nn.Identity(), 0)
        return
    (found,) = triplet_texts(step(rows, nn.Identity(), 0)).values()
    assert "".join(found) == kept


def test_what_is_no_triplet_is_refused():
    with pytest.raises(InputError, match="what is judged are triplets"):
        multicsr.judged()(rows_of([replace(ROWS[0], negatives=("a", "b"))]), nn.Identity(), 0)


def test_simcse_comes_first_on_every_sentence():
    recipe = get("MultiCSR").method()
    step = step_of_texts(replace(recipe, stages=recipe.stages[:1]), ROWS, make=steady_bert, n=12)
    same(step, contrast(*step.z()), rtol=1e-3)
    assert torch.equal(*step.payload.inputs["input_ids"].chunk(2))
    assert step.layers() == ["Linear", "Tanh"]


def test_a_generator_writes_and_judges():
    asked = []

    def write(prompt, draw):
        text = prompt.split("\n")[-1]
        if "How alike" in prompt:
            return "1" if text.startswith("no") else "4"
        wrong = any(prompt.startswith(p[:40]) for p in triplets_pool())
        return f"no {text}" if wrong else f"some {text}"

    class Watched(Rules):
        def answers(self, requests):
            for request in requests:
                asked.append(request)
                yield request, self._answer(request)

    texts = Data.alone(Items("text", [e.anchor for e in ALONE]))
    method = multicsr.with_generator(Generator(Watched(write)))
    data = texts
    for prepare in method.stages[1].prepare:
        data = prepare(data, nn.Identity(), 0)
    assert triplet_texts(data) == {e.anchor: (f"some {e.anchor}", f"no {e.anchor}") for e in ALONE}
    # one is written against the prompt of the other
    first, second = asked[:2]
    assert (first.against, second.against) == (second.prompt, first.prompt)
    assert first.sampling.guidance == 1.5
    assert len(method.stages[0].prepare) == 2
    assert method.takes.others is None


def triplets_pool():
    from counterpoint.generating.triplets import CONTRADICTED

    return CONTRADICTED


def test_arms_have_keys_of_their_own():
    makes = (get("MultiCSR").method, multicsr.without_judge, multicsr.without_mask, multicsr.neither)
    assert len({Trained(make).key for make in makes}) == 4


def test_the_judge_of_the_testbed_knows_what_is_alike():
    if minilm_folder() is None:
        pytest.skip("the judge's weights are not installed")
    asked = ["x\na plane takes off\nan aircraft leaves the ground", "x\na plane takes off\na cat eats"]
    alike, other = (float(r.value) for (r,) in Generator(triplets.Judge()).ask(asked))
    assert 0 <= other < 2 < 3 < alike <= 5
