from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.pretraining import TrueNegatives, guesses, neighbour_tokens, synonym_tokens
from counterpoint.training import TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.training.loop import _autocast, _backward


def table_of(encoder, k=40):
    """Each token's synonyms are those with the numbers after its own, so that some guesses are among them."""
    size = encoder.model.get_input_embeddings().num_embeddings
    return (torch.arange(size)[:, None] + torch.arange(1, k + 1)) % size


def call_of(task, n=9):
    torch.manual_seed(0)
    payload = task.payload(torch.arange(n))
    return payload.arguments(task(payload.inputs))


def by_hand(task, call, weight):
    """From all places as they are asked for without a table: the loss, and how many are left out."""
    q, k = (call[side] for side in ("queries", "keys"))
    states, gold = q.z[q.columns["term"] == 0], q.columns["sample"][q.columns["term"] == 0]
    scores = states @ k.z[k.columns["term"] == 0].T
    guess, vectors = scores.argmax(1), task.encoder.model.get_input_embeddings().weight
    false = [int(g) != int(x) and int(g) in task._synonyms[x].tolist() for g, x in zip(guess, gold, strict=True)]
    losses = [F.cross_entropy(s, x) for s, x, wrong in zip(scores, gold, false, strict=True) if not wrong]
    far = [1 - F.cosine_similarity(vectors[g], vectors[x], dim=0) for g, x in zip(guess, gold, strict=True)]
    return torch.stack(losses).mean() + weight * torch.stack(far).mean(), sum(false)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_false_negatives_are_left_out_and_drawn_near(encoder, texts, weight):
    torch.manual_seed(1)
    task = TrueNegatives(encoder, texts, synonyms=table_of(encoder), share=0.4)
    loss = task.objective(weight)(**call_of(task))
    synonyms, task._synonyms = task._synonyms, None
    plain = call_of(task)
    task._synonyms = synonyms
    wanted, left_out = by_hand(task, plain, weight)
    assert left_out > 3
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    weights = dict(task.named_parameters())
    one, other = (torch.autograd.grad(value, list(weights.values()), allow_unused=True) for value in (loss, wanted))
    for name, a, b in zip(weights, one, other, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6, msg=name)


def test_chunks_give_the_loss_and_gradient_of_the_whole(encoder, texts):
    torch.manual_seed(1)
    task, found = TrueNegatives(encoder, texts, synonyms=table_of(encoder), share=0.4), []
    for tokens in (1 << 20, 60):
        task.zero_grad()
        torch.manual_seed(0)
        config = TrainConfig(dtype="float32", chunk_tokens=tokens)
        given = task.objective(0.7), task.payload(torch.arange(9)), config, _autocast(config, torch.device("cpu"))
        loss, _ = _backward(torch.nn.Sequential(task, torch.nn.Identity()), None, *given, Processes())
        found.append((loss, {name: p.grad.clone() for name, p in task.named_parameters() if p.grad is not None}))
    (whole, once), (parts, twice) = found
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    for name, gradient in once.items():
        torch.testing.assert_close(twice[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_one_place_stays_where_all_would_go(encoder, texts):
    size = encoder.model.get_input_embeddings().num_embeddings
    task = TrueNegatives(encoder, texts, synonyms=torch.arange(size).expand(size, size))
    terms = call_of(task)["queries"].columns["term"]
    assert 1 <= int((terms == 0).sum()) < int((terms == 1).sum())


def test_figures_are_of_guesses(encoder, texts):
    found = guesses(TrueNegatives(encoder, texts), encoder.tokenize(texts[:4]))
    assert sorted(found) == ["masked accuracy", "masked floor", "masked loss", "masked perplexity"]


def test_a_table_of_another_vocabulary_is_refused(encoder, texts):
    with pytest.raises(InputError, match="synonyms of 7 tokens"):
        TrueNegatives(encoder, texts, synonyms=torch.zeros(7, 1, dtype=torch.long))


def test_synonyms_are_whole_tokens_and_never_the_word_itself(encoder):
    words = [t for t in encoder.tokenizer.get_vocab() if t.isalpha() and len(t) > 2]
    known = {words[0]: [words[0], "two words", words[1], words[1], "##s", "[MASK]"], words[1]: [words[2], words[0]]}
    table = synonym_tokens(encoder, lambda word: known.get(word, []))
    first, second, third = encoder.tokenizer.convert_tokens_to_ids(words[:3])
    assert table[first].tolist() == [second, -1]
    assert table[second].tolist() == [third, first]
    assert (table >= 0).sum() == 3
    assert len(table) == encoder.model.get_input_embeddings().num_embeddings


def test_neighbours_are_those_of_the_highest_cosine(encoder, monkeypatch):
    monkeypatch.setattr("counterpoint.pretraining.synonyms._ROWS", 3)
    words = [t for t in encoder.tokenizer.get_vocab() if t.isalpha() and len(t) > 2][:8]
    vectors = dict(zip(words, torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), strict=True))
    table, place = neighbour_tokens(encoder, vectors.get, k=3), encoder.tokenizer.convert_tokens_to_ids
    for word in words:
        near = sorted((w for w in words if w != word),
                      key=lambda w: -float(F.cosine_similarity(vectors[word], vectors[w], dim=0)))  # fmt: skip
        assert table[place(word)].tolist() == [place(w) for w in near[:3]]
    assert (table >= 0).any(1).sum() == 8
    assert (neighbour_tokens(encoder, {words[0]: torch.ones(2)}.get) < 0).all()
    with pytest.raises(InputError, match="0 neighbours"):
        neighbour_tokens(encoder, vectors.get, k=0)
