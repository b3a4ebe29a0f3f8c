"""SBERT and DefSent: pairs and their class, definitions and their word, and both models together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import defsent
from encoders.test_adapting import llama
from systems.test_infersent import ROWS, cross_entropy
from systems.through import same
from systems.words import KINDS, small_bert, small_table, steady_bert, step_of_texts

NAME = "sbert-defsent-comparison"
DEFINED = [Example(f"an animal of kind {i} that sleeps at night", (kind,)) for i, kind in enumerate(KINDS)]
UNKNOWN = Example("two animals", ("cat and dog",))


def words_of(step, encoder) -> list[str]:
    """The token that each definition of the batch is to give."""
    (call,) = step.calls
    return [encoder.tokenizer.decode([token]) for token in call["queries"].columns["label"].tolist()]


def test_loss_is_the_cross_entropy_of_a_naive_loop_over_the_vocabulary():
    data = rows_of([UNKNOWN, *DEFINED])
    step = step_of_texts(NAME, data, make=steady_bert, n=12)
    encoder, (call,) = step.network[0], step.calls
    # a definition of what is no token is left out, and each word is that of its own definition
    assert len(call["queries"]) == 11
    read = encoder.tokenizer.batch_decode([ids.tolist() for ids in texts(step)], skip_special_tokens=True)
    for said, word in zip(read, words_of(step, encoder), strict=True):
        assert KINDS[int(said.split("kind ")[1].split()[0])] == word
    table = encoder.model.get_input_embeddings().weight
    assert len(call["keys"]) == len(table) == len(encoder.tokenizer)
    z, total = step.network(step.payload.inputs), torch.zeros(())
    for one, label in zip(z, call["queries"].columns["label"], strict=True):
        scores = torch.stack([one @ token for token in table.detach()])
        total = total - F.log_softmax(scores, 0)[label] / len(z)
    same(step, total, rtol=1e-3)
    assert "0.model.embeddings.word_embeddings.weight" not in step.gradient


def texts(step):
    inputs = step.payload.inputs
    return inputs["input_ids"].split(inputs["offsets"].diff().tolist())


def test_token_vectors_stay_and_all_else_is_learned():
    data = rows_of(DEFINED)
    first, later = (step_of_texts(NAME, data, make=steady_bert, n=12, steps=steps) for steps in (1, 3))
    before, after = first.network.state_dict(), later.network.state_dict()
    still = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert "0.model.embeddings.word_embeddings.weight" in still
    assert "0.model.encoder.layer.0.attention.self.query.weight" not in still


@pytest.mark.parametrize("name", [NAME, "sbert"])
def test_vectors_are_as_long_as_they_are_and_dropped_where_a_model_knows_no_dropout(name):
    method = get(name).method()
    encoder = method.adapt(llama()).train()
    assert not encoder.normalize
    inputs = encoder.tokenize(["a cat"])
    assert not torch.equal(encoder(inputs), encoder(inputs))
    frozen = not encoder.model.get_input_embeddings().weight.requires_grad
    assert frozen == (name == NAME)


def test_sbert_has_one_layer_on_both_vectors_and_their_difference():
    step = step_of_texts("sbert", rows_of(ROWS), make=steady_bert, n=12)
    network = step.procedure.network
    assert isinstance(network, nn.Linear)
    assert (network.in_features, network.out_features) == (48, 3)
    step.procedure.network = nn.Sequential(network)
    same(step, cross_entropy(step, lambda a, b: torch.cat([a, b, (a - b).abs()])), rtol=1e-3)
    with pytest.raises(InputError, match="4 classes of pairs"):
        step_of_texts("sbert", rows_of([replace(ROWS[0], label="d"), *ROWS]), make=small_bert)


def test_with_the_mechanism_off_words_are_of_others():
    data = rows_of(DEFINED)
    labels = []
    for method in (get(NAME).method(), defsent.other_words()):
        found = data
        for step in method.stages[0].prepare:
            found = step(found, small_bert(data), 0)
        labels.append(found.columns["label"])
    assert not torch.equal(*labels)
    assert torch.equal(labels[0].sort().values, labels[1].sort().values)


def test_tables_of_tokens_and_pairs_without_a_word_are_refused():
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of_texts(NAME, rows_of(DEFINED), make=small_table)
    with pytest.raises(InputError, match="none of the words is a token"):
        step_of_texts(NAME, rows_of([UNKNOWN, UNKNOWN]), make=small_bert, n=2)


def test_combinations_are_of_both_and_beside_two_of_one_kind():
    for claim in get(NAME).claims:
        assert claim.system.arms == (defsent.BY_PAIRS, defsent.BY_WORDS)
        assert claim.off.arms == (claim.baseline, claim.baseline)
        assert claim.off.how == claim.system.how
    assert [claim.system.how for claim in get(NAME).claims] == ["mean", "mean", "concatenation", "concatenation"]
