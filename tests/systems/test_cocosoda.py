"""CoCoSoDa: two kinds and their soft views, six blocks of InfoNCE with a momentum encoder and four queues."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.retrieval.cocosoda import across, both_in_one, hard_views, plain, unqueued
from counterpoint.views import masked_code, one_kind, typed_code
from counterpoint.views.code import KINDS, kind
from systems.through import same
from systems.words import PAIRS, small_table, step_of_texts

STEPS = 2


@pytest.fixture(scope="module")
def step():
    return step_of_texts("cocosoda", n=6, steps=STEPS)


def naive(step, blocks, temperature=0.07):
    """Each block's rows, with what the queues hold after the first step."""
    z = F.normalize(step.network(step.payload.inputs), dim=1).chunk(4)
    with torch.no_grad():
        taught = F.normalize(step.procedure.teacher.model(step.payload.inputs), dim=1).chunk(4)
    sides = {"q": z[0], "c": z[1], "sq": taught[2], "sc": taught[3]}
    held = [F.normalize(queue.z[: int(queue.filled)], dim=1) for queue in step.procedure.queues]
    queues = dict(zip(sides, held, strict=True))
    losses = []
    for asked, key in blocks:
        for i, one in enumerate(sides[asked]):
            scores = torch.stack([one @ k for k in (*sides[key], *queues[key])]) / temperature
            losses.append(scores.logsumexp(0) - scores[i])
    return torch.stack(losses).mean()


ACROSS = [("c", "q"), ("c", "sq"), ("q", "c"), ("q", "sc")]


def test_loss_is_that_of_a_naive_loop_over_six_blocks(step):
    same(step, naive(step, [*ACROSS, ("c", "sc"), ("q", "sq")]), rtol=1e-3)


def test_without_contrast_within_there_are_four():
    step = step_of_texts(across(), n=6, steps=STEPS)
    same(step, naive(step, ACROSS), rtol=1e-3)


def test_queues_hold_what_the_paper_has_and_the_teacher_follows_slowly(step):
    procedure = step.procedure
    assert [len(queue.z) for queue in procedure.queues] == [1024] * 4
    assert [int(queue.filled) for queue in procedure.queues] == [6] * 4
    assert procedure.teacher.decay == 0.999
    student, taught = (dict(m.named_parameters()) for m in (step.network, procedure.teacher.model))
    assert any(not torch.equal(student[name], taught[name]) for name in student)
    assert all(not p.requires_grad for p in taught.values())
    assert [len(queue.z) for queue in step_of_texts(unqueued(), n=6).procedure.queues] == [1] * 4


def test_queues_hold_queries_codes_and_their_soft_views_of_the_step_before(step):
    data = both_in_one(rows_of(PAIRS), torch.nn.Identity(), 0)
    encoder = small_table(rows_of(PAIRS))  # as it was before the first step
    texts = [[text.split("\n")[side] for text in data.anchors.texts] for side in (0, 1)]
    for number, queue in enumerate(step.procedure.queues):
        known = F.normalize(torch.from_numpy(encoder.encode(texts[number % 2])), dim=1)
        nearest = (F.normalize(queue.z[:6], dim=1) @ known.T).amax(1)
        # a soft code has lost some of its tokens; of four words none
        assert bool((nearest > 0.999).all()) == (number < 3)
        assert bool((nearest > 0.999).any())


def test_in_a_batch_queries_find_codes_and_codes_find_queries():
    step = step_of_texts(plain(), n=6)
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    scores, own = z[:6] @ z[6:].T / 0.07, torch.arange(6)
    same(step, (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2)


def seen(step):
    inputs = step.payload.inputs
    ids = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    said = [step.network[0].tokenizer.decode(one.tolist()) for one in ids]
    return [said[i : i + 6] for i in range(0, 24, 6)]


def test_a_row_is_query_and_code_as_they_are_and_soft(step):
    tokenizer = step.network[0].tokenizer
    rows = (both_in_one(rows_of(PAIRS), torch.nn.Identity(), 0)).anchors.texts
    known = [{tokenizer.decode(tokenizer.encode(text.split("\n")[side]).ids) for text in rows} for side in (0, 1)]
    queries, codes, _, soft_codes = seen(step)
    assert set(queries) <= known[0]
    assert set(codes) <= known[1]
    # one token of ten, of 9 tokens each
    assert any(one not in known[1] for one in soft_codes)
    plain_ones = seen(step_of_texts(hard_views(), n=6))
    assert plain_ones[2:] == plain_ones[:2]


def test_queries_and_codes_have_no_prompt(step):
    encoder = step.network[0]
    asked, found = (encoder.tokenize(["a cat"], kind=side)["input_ids"] for side in ("query", "document"))
    assert torch.equal(asked, found)


def test_a_query_is_masked_in_one_of_four_and_a_code_in_four_ways():
    _, _, query, code = get("cocosoda").method().stages[0].view
    text = "give the sum of all these numbers as one\nx = f ( 1 ) if y else 'a'"
    found = [query.words(text, torch.Generator().manual_seed(i)) for i in range(400)]
    masked = [one for one in found if "[MASK]" in one]
    assert len(masked) / 400 == pytest.approx(0.25, abs=0.07)
    # a tenth of nine words
    assert {one.count("[MASK]") for one in masked} == {1}
    ways = [code.words(text, torch.Generator().manual_seed(i)).split() for i in range(400)]
    share = {what: sum(what in one for one in ways) / 400 for what in ("[MASK]", "identifier")}
    # masks by two of four ways: of 11 tokens, or of those of a sixth of the kinds
    assert 0.12 < share["[MASK]"] < 0.35
    assert 0.04 < share["identifier"] < 0.2


@pytest.mark.parametrize("view", [masked_code, typed_code, one_kind])
def test_a_share_of_the_tokens_is_changed_and_the_others_stay(view):
    text = "def f ( a , b ) : return a + 'b c' * 1.5"
    tokens = ["def", "f", "(", "a", ",", "b", ")", ":", "return", "a", "+", "'b c'", "*", "1.5"]
    changed = []
    for i in range(300):
        words = view(0.3)(text, torch.Generator().manual_seed(i)).replace("'b c'", "'bc'").split()
        assert len(words) == len(tokens)
        for word, token in zip(words, tokens, strict=True):
            if word != token.replace(" ", ""):
                changed.append(kind(token))
                assert word == ("[MASK]" if view is masked_code else kind(token))
    whole = len(changed) / (300 * len(tokens))
    assert whole == pytest.approx(0.3 / (len(KINDS) if view is one_kind else 1), abs=0.03)
    assert view(0.0)(text, torch.Generator()).split() == text.split()


def test_one_kind_leaves_all_others():
    text = "def f ( a , b ) : return a + 'b' * 1.5"
    for i in range(40):
        words = one_kind(0.9, "M")(text, torch.Generator().manual_seed(i)).split()
        assert len({kind(token) for token, word in zip(text.split(), words, strict=True) if word == "M"}) <= 1
