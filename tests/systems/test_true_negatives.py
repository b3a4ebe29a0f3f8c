"""True negatives: guesses that are among a word's neighbours are left out, or drawn towards the word."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.pretraining import MaskedLM, neighbour_tokens
from counterpoint.systems.sentences import true_negatives
from counterpoint.testbeds import Made
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

SIZES = ("big", "large", "small")
TEXTS = [Example(f"the {size} {kind} sleeps") for kind in KINDS for size in SIZES]


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Nothing but mask tokens, so that the words of a text are known by the rest; and many of them."""
    made = MaskedLM.__init__

    def init(self, *texts, **options):
        made(self, *texts, **{**options, "always": True, "share": 0.4})

    monkeypatch.setattr(MaskedLM, "__init__", init)


@pytest.fixture(autouse=True)
def _vectors(monkeypatch):
    """What every text has is near to all; one kind has no vector."""
    names = [*KINDS[:-1], *SIZES]

    def vector(word):
        if word not in (*names, "the", "sleeps"):
            return None
        z = torch.zeros(1 + len(names))
        z[0] = 1.0
        if word in names:
            z[1 + names.index(word)] = 1.0
        return z

    monkeypatch.setattr(true_negatives, "word_vector", vector)


def step_of(method="true-negatives"):
    return step_of_texts(method, TEXTS, make=steady_bert, n=36)


def places_of(step):
    """Of each masked place: the logits of the vocabulary, and the token that was there."""
    task, inputs = step.network[0], step.payload.inputs
    table = task.encoder.model.get_input_embeddings().weight
    wanted = step.calls[0]["queries"].columns
    for ids, at in zip(inputs["input_ids"].split(inputs["offsets"].diff().tolist()), inputs["at"], strict=True):
        states = task.transform(task.encoder.model(input_ids=ids[None]).last_hidden_state[0])
        for p in at.tolist():
            if p >= 0:
                yield states[p] @ table.T + task.bias
    assert "sample" in wanted


def gold_of(step) -> list[int]:
    """Of each masked place, by the texts themselves, in the order of the batch."""
    task, inputs = step.network[0], step.payload.inputs
    whole = [task.encoder.tokenize([e.anchor])["input_ids"].tolist() for e in TEXTS]
    rows = step.payload.arguments(step.network[0](inputs))["queries"]
    number = rows.columns["sample"][rows.columns["term"] == 1] - len(task.bias)
    length = task.encoder.max_seq_length
    return [whole[n // length][n % length] for n in number.tolist()]


def loss_of(step, table=None, weight=0.0) -> torch.Tensor:
    vectors, losses, far = step.network[0].encoder.model.get_input_embeddings().weight, [], []
    for logits, gold in zip(places_of(step), gold_of(step), strict=True):
        guess = int(logits.argmax())
        far.append(1 - F.cosine_similarity(vectors[guess], vectors[gold], dim=0))
        if table is None or guess not in table[gold].tolist():
            losses.append(F.cross_entropy(logits, torch.tensor(gold)))
    return torch.stack(losses).mean() + weight * torch.stack(far).mean()


def table_of(step):
    return neighbour_tokens(step.network[0].encoder, true_negatives.word_vector)


def test_loss_is_that_of_a_naive_loop_over_guesses_that_are_no_synonyms():
    step = step_of()
    table = table_of(step)
    same(step, loss_of(step, table), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, loss_of(step), rtol=1e-3)


def test_soft_regularisation_draws_guess_and_word_together():
    step = step_of("true-negatives-soft")
    same(step, loss_of(step, weight=1.0), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, loss_of(step), rtol=1e-3)


def test_both_compose():
    step = step_of(true_negatives.hard().varied("both", objective=true_negatives.TrueNegatives.objective))
    same(step, loss_of(step, table_of(step), weight=1.0), rtol=1e-3)


def test_by_chance_words_have_the_neighbours_of_others():
    data = rows_of(TEXTS)
    encoder = small_bert(data)
    right, wrong = (make(data, encoder)._synonyms for make in (true_negatives.corrected, true_negatives.by_chance))
    assert not torch.equal(right, wrong)
    assert sorted(map(tuple, right.tolist())) == sorted(map(tuple, wrong.tolist()))


def test_the_masked_lm_punishes_every_wrong_guess():
    step = step_of(true_negatives.mlm())
    golds = step.calls[0]["queries"].columns["sample"].tolist()
    losses = [F.cross_entropy(logits, torch.tensor(g)) for logits, g in zip(places_of(step), golds, strict=True)]
    same(step, torch.stack(losses).mean(), rtol=1e-3)


def test_the_signal_is_of_neighbours():
    data = rows_of(TEXTS)
    encoder = small_bert(data)
    table, vectors = neighbour_tokens(encoder, true_negatives.word_vector), encoder.model.embeddings.word_embeddings
    found = [
        float(F.cosine_similarity(vectors.weight[i], vectors.weight[j], dim=0).detach())
        for i, row in enumerate(table.tolist())
        for j in row
        if j >= 0
    ]
    value = true_negatives.neighbours_alike.of(Made("", encoder, (data, data), 0))
    assert value == pytest.approx(sum(found) / len(found), abs=1e-5)
