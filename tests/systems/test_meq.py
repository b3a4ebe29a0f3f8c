"""MEQ: DPR's loss, and a contrast of each question with its paraphrase and all further questions of the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.hashing import input_hash
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.negatives.edits import with_edits
from counterpoint.systems import get
from counterpoint.systems.retrieval.meq import dpr_alone
from counterpoint.tasks import pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.edits import (
    EDITED_TITLES,
    consistent,
    edited,
    few_edited_titles,
    found_of,
    likeness_of_edits,
)
from systems.through import same
from systems.words import PAIRS, small_table, step_of_texts

MIXED = [*PAIRS[:6], Example("nothing is like it", ("so it says",)), Example("why not", ("since it is so",))]


def first_stage(recipe):
    return replace(recipe, stages=recipe.stages[:1])


def terms(step):
    """The loss of passages and that of questions, one question at a time, by what the rows say."""
    data = with_edits(rows_of(MIXED), None, 0)
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    call = step.payload.arguments(z)
    asked, keys = call["queries"], call["keys"]
    of_key = dict(zip(keys.columns["input"].tolist(), keys.z, strict=True))
    rows, texts = asked.columns["sample"].tolist(), data.others.texts
    passages = torch.stack([of_key[input_hash(MIXED[r].positives[0])] for r in rows])
    of_passages = torch.stack(
        [torch.logsumexp(20 * passages @ q, 0) - 20 * passages[i] @ q for i, q in enumerate(asked.z)]
    ).mean()
    pool = [texts[k] for r in rows for k in data.negatives[r].tolist() if k >= 0]
    losses = []
    for q, r in zip(asked.z, rows, strict=True):
        if data.negatives[r, 0] >= 0:
            own = of_key[input_hash(texts[data.negatives[r, 0]])]
            # the edit of another may be the question itself
            scores = torch.stack([20 * q @ of_key[input_hash(t)] for t in pool if t != MIXED[r].anchor])
            losses.append(torch.logsumexp(scores, 0) - 20 * q @ own)
    return of_passages, losses


def test_loss_is_that_of_passages_and_half_of_that_of_questions():
    step = step_of_texts("MEQ contrast sets", MIXED)
    of_passages, losses = terms(step)
    # two of eight questions have no edit, and do not count
    assert len(losses) == 6
    assert float(torch.stack(losses).mean().detach()) > 0.1
    same(step, of_passages + 0.5 * torch.stack(losses).mean())


@pytest.mark.parametrize("recipe", [dpr_alone(), *map(first_stage, (dpr_alone(), get("meq contrast sets").method()))])
def test_without_and_before_it_there_are_passages_alone(recipe):
    step = step_of_texts(recipe, MIXED)
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    assert len(z) == 16
    q, p = z.chunk(2)
    same(step, F.cross_entropy(20 * q @ p.T, torch.arange(8)))


def test_a_batch_without_edits_teaches_of_passages():
    data = with_edits(rows_of(MIXED), None, 0)[torch.tensor([6, 7])]
    recipe = get("meq contrast sets").method()
    plain = replace(recipe.stages[1], prepare=())
    step = step_of_texts(replace(recipe, stages=(plain,)), data, n=2)
    q, p = F.normalize(step.network(step.payload.inputs), dim=1).chunk(2)
    same(step, F.cross_entropy(20 * q @ p.T, torch.arange(2)))


def test_data_without_edits_are_refused_before_any_training():
    data = rows_of([*MIXED[5:], Example("who are you now", ("me",))])
    encoder = small_table(data)
    before = encoder.embedding.weight.detach().clone()
    with pytest.raises(InputError, match="no question is a word apart"):
        get("meq contrast sets").method().changed(steps=1, batch_size=4).make(data, encoder=encoder)
    assert torch.equal(encoder.embedding.weight, before)


def test_it_begins_with_the_sixth_of_forty_epochs():
    recipe = EDITED_TITLES.settled(get("meq contrast sets").method())
    assert [stage.train.steps for stage in recipe.stages] == [75, 525]
    assert [stage.train.steps for stage in EDITED_TITLES.settled(dpr_alone()).stages] == [75, 525]
    assert {stage.train.batch_size for stage in get("meq contrast sets").method().stages} == {64}


class Bags:
    """A text is the letters of its words."""

    def encode_items(self, items, *, kind=None):
        del kind
        return torch.tensor([[float(t.lower().count(c)) for c in "abcdefghij"] for t in items.texts]).numpy()


def test_edited_queries_and_others_are_measured_apart():
    train = rows_of([Example("my a lot", ("aaa",)), Example("my b lot", ("j",))])
    asked = {"my c lot": "c", "my cde lot": "cb", "My A lot": "aaa", "run: e": "e"}
    test = pairs(rows_of([Example(q, (d,)) for q, d in asked.items()]), train)
    some = edited(train, test)
    two = {test.queries.texts[q]: train.anchors.texts[row] for q, row in some.items()}
    # of another case is no edit of itself, and one of what is written otherwise
    assert two == {"my c lot": "my a lot", "my cde lot": "my a lot", "My A lot": "my b lot"}
    made = Made("bags", Bags(), (train, test), 0)
    # c and e are nearer to cde than cb is
    assert found_of(contrast=True).of(made) == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert found_of(contrast=False).of(made) == 1
    assert likeness_of_edits.of(made) == 0
    # of "my b lot" both documents are as near
    assert consistent.of(made) == pytest.approx(2 / 3)


def test_each_of_a_few_titles_is_a_word_apart_from_another():
    train, test = few_edited_titles(0)
    assert len(train) == 240
    assert with_edits(train, None, 0).columns["paraphrase"].ne(-1).float().mean() > 0.9
    assert edited(train, test)
