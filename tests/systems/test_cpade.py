"""CPADE: what a decoder says of all words by the vector of one masking, against that of the other masking."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.pretraining import MaskedAndContrasted, MaskedLM
from counterpoint.systems import get
from counterpoint.systems.sentences import cpade
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, small_table, steady_bert, step_of_texts


def step_of(method="cpade", *, make=steady_bert, n=6):
    return step_of_texts(method, ALONE, make=make, n=n)


def table_of(task) -> torch.Tensor:
    return task.encoder.model.get_input_embeddings().weight


def originals(step) -> list[torch.Tensor]:
    """The tokens of each text of the batch as they were, once for each of its maskings."""
    known, size = step.calls[0]["queries"].columns, len(table_of(step.network[0]))
    rows = (known["sample"][known["term"] == 1] - size).tolist()
    return 2 * [step.network[0].encoder.tokenize([ALONE[row].anchor])["input_ids"] for row in rows]


def read(step) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Text by text: the mean loss of the guesses, and the vectors."""
    task, inputs, losses, vectors = step.network[0], step.payload.inputs, [], []
    shown = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    for ids, at, was in zip(shown, inputs["at"], originals(step), strict=True):
        at = [p for p in at.tolist() if p >= 0]
        kept = [p for p in range(len(ids)) if p not in at]
        assert torch.equal(ids[kept], was[kept])
        states = task.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        vectors.append(states[0] if task.encoder.pooling == "cls" else states.mean(0))
        losses += [F.cross_entropy(table_of(task) @ task.transform(states[p]) + task.bias, was[p]) for p in at]
    return torch.stack(losses).mean(), vectors


def nt_xent(points, score) -> torch.Tensor:
    """Each masking against all others, and the other one of its text."""
    losses = []
    for i, mine in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        scores = torch.stack([score(mine, points[j]) for j in others])
        losses.append(F.cross_entropy(scores, torch.tensor(others.index((i + len(points) // 2) % len(points)))))
    return torch.stack(losses).mean()


def distributions(step, vectors) -> list[torch.Tensor]:
    """Over the vocabulary, by the layer, GELU and LayerNorm."""
    task = step.network[0]
    return [F.softmax(table_of(task) @ task.decoder(h) + task.bias, 0) for h in vectors]


def less_divergence(p, q) -> torch.Tensor:
    return -(p * (p / q).log()).sum()


def test_loss_is_that_of_a_naive_loop_over_divergences_and_masked_tokens():
    step = step_of()
    guessed, vectors = read(step)
    contrast = nt_xent(distributions(step, vectors), less_divergence)
    assert contrast < 10 * guessed  # neither term hides the other
    assert guessed < 10 * contrast
    same(step, guessed + contrast, rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, read(step)[0], rtol=1e-3)
    # the contrast alone moves the encoder, the decoder and what words are
    weights = dict(step.network[0].named_parameters())
    alone = nt_xent(distributions(step, read(step)[1]), less_divergence)
    slopes = torch.autograd.grad(alone, list(weights.values()), allow_unused=True)
    moved = {name for name, g in zip(weights, slopes, strict=True) if g is not None and g.norm() > 1e-4}
    assert {"decoder.0.weight", "bias", "encoder.model.embeddings.word_embeddings.weight"} <= moved
    assert any("attention" in name for name in moved)


def test_a_text_is_masked_twice_each_time_anew():
    step = step_of(n=12)
    inputs = step.payload.inputs
    shown, was = inputs["input_ids"].split(inputs["offsets"].diff().tolist()), originals(step)
    assert len(shown) == 24
    assert [len(ids) for ids in shown[:12]] == [len(ids) for ids in shown[12:]]
    assert not torch.equal(inputs["at"][:12], inputs["at"][12:])
    changed = sum(int((a != b).sum()) for a, b in zip(shown, was, strict=True))
    assert 0 < changed < 0.3 * len(inputs["input_ids"])


def test_dense_contrasts_the_states_by_their_cosines():
    step = step_of(cpade.dense())
    guessed, vectors = read(step)
    same(step, guessed + nt_xent(vectors, lambda a, b: F.cosine_similarity(a, b, dim=0) / 0.05), rtol=1e-3)
    assert type(step.network[0]) is MaskedAndContrasted
    guesser = step_of(cpade.mlm()).network[0]
    assert (type(guesser), guesser.bias is None) == (MaskedLM, False)
    assert len({Trained(make).key for make in (get("cpade").method, cpade.dense, cpade.mlm)}) == 3


def test_the_ceiling_contrasts_pairs():
    step = step_of_texts(cpade.told(), make=steady_bert, n=6)
    same(step, contrast(*step.z()), rtol=1e-3)


def test_chunks_give_the_whole_s_loss_and_gradient():
    whole, parts = (step_of(get("cpade").method().changed(chunk_tokens=n)) for n in (1 << 20, 12))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    for name, gradient in whole.gradient.items():
        torch.testing.assert_close(parts.gradient[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_the_first_token_is_the_text_where_the_encoder_has_it_so():
    step = step_of(make=lambda data: small_bert(data, dropout=0.0, pooling="cls"))
    assert step.network[0].encoder.pooling == "cls"
    guessed, vectors = read(step)
    same(step, guessed + nt_xent(distributions(step, vectors), less_divergence), rtol=1e-3)


def test_the_numbers_stand_in_the_recipe():
    assert step_of(n=2).network[0]._share == 0.15
    (stage,) = get("cpade").method().stages
    both = stage.objective()
    assert (both.weights, [part.objective.temperature for part in both.objectives]) == ((1.0, 1.0), [1.0, 1.0])
    assert cpade.dense().stages[0].objective().objectives[1].objective.temperature == 0.05


def test_tables_are_refused():
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of(make=small_table)
