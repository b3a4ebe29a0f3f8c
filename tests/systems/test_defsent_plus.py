"""DefSent+: definitions against all entries, which are made of definitions by the stage before."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import defsent_plus
from counterpoint.testbeds import Made
from encoders.test_adapting import llama
from systems.through import same
from systems.words import KINDS, steady_bert, step_of_texts

NAME = "defsent-plus"
DEFINED = rows_of(
    [Example(f"an animal of kind {i} that sleeps at night", (f"big {KINDS[i // 2]}",)) for i in range(12)]
)
ENTRY = torch.arange(12) // 2


def vectors(encoder) -> torch.Tensor:
    """Of each definition, as it is."""
    return torch.from_numpy(encoder.encode_items(DEFINED.anchors[DEFINED.anchor]))


def mean_of_definitions(encoder) -> torch.Tensor:
    z = vectors(encoder)
    return torch.stack([z[[i for i in range(12) if ENTRY[i] == e]].mean(0) for e in range(6)])


def first(stages: int):
    return get(NAME).method().varied("some", stages=get(NAME).method().stages[:stages])


def trained(stages: int):
    """What the stages before leave, as `step_of` sees them."""
    settings = {"steps": 1, "batch_size": 12, "dtype": "float32", "clip": 0.0, "validations": 1, "warmup": 0.0}
    return first(stages).changed(**settings).make(DEFINED, 0, encoder=steady_bert(DEFINED))[0]


def cross_entropy(step) -> torch.Tensor:
    (call,) = step.calls
    z, total = step.network(step.payload.inputs), torch.zeros(())
    for one, row in zip(z, call["queries"].columns["label"], strict=True):
        scores = torch.stack([one @ entry for entry in call["keys"].z])
        total = total - F.log_softmax(scores, 0)[row] / len(z)
    return total


def test_loss_is_the_cross_entropy_of_a_naive_loop_over_entries():
    for stages in (1, 2, 3):
        step = step_of_texts(first(stages), DEFINED, make=steady_bert, n=12)
        (call,) = step.calls
        assert call["keys"].z.shape == (6, 16)
        assert step.layers() == ["Linear", "Tanh"]
        read = step.network[0].tokenizer.batch_decode(
            step.payload.inputs["input_ids"].split(step.payload.inputs["offsets"].diff().tolist()),
            skip_special_tokens=True,
        )
        labels = [ENTRY[int(text.split("kind ")[1].split()[0])] for text in read]
        assert call["queries"].columns["label"].tolist() == [int(label) for label in labels]
        same(step, cross_entropy(step), rtol=1e-3)


def test_entries_are_means_of_definitions_by_the_stage_before_and_each_stage_begins_afresh():
    start = steady_bert(DEFINED)
    for stages in (1, 2):
        step = step_of_texts(first(stages), DEFINED, make=steady_bert, n=12)
        before = start if stages == 1 else trained(stages - 1)
        torch.testing.assert_close(step.calls[0]["keys"].z, mean_of_definitions(before), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(mean_of_definitions(trained(1)), mean_of_definitions(start), rtol=0, atol=1e-4)
    for stages in (2, 3):
        step = step_of_texts(first(stages), DEFINED, make=steady_bert, n=12)
        for name, weight in step.network[0].named_parameters():
            assert torch.equal(weight, start.get_parameter(name)), name
    step = step_of_texts(defsent_plus.continued(), DEFINED, make=steady_bert, n=12)
    assert any(not torch.equal(w, start.get_parameter(n)) for n, w in step.network[0].named_parameters())


def test_the_last_entries_are_independent_components_of_those_of_the_stage_before():
    step = step_of_texts(get(NAME).method(), DEFINED, make=steady_bert, n=12)
    e = step.calls[0]["keys"].z / 100
    # six entries have five dimensions
    assert not e[:, 5:].any()
    torch.testing.assert_close(e[:, :5].T @ e[:, :5] / 6, torch.eye(5), rtol=0, atol=1e-3)
    known = F.pad(mean_of_definitions(trained(2)), (0, 1), value=1.0)
    fitted = known @ torch.linalg.lstsq(known.double(), e.double()).solution.float()
    torch.testing.assert_close(fitted, e, rtol=0, atol=1e-2)


def test_components_are_the_sources_that_were_mixed():
    generator = torch.Generator().manual_seed(0)
    sources = torch.rand(4000, 3, generator=generator)
    mixed = 5 + sources @ torch.randn(3, 3, generator=generator)
    found = defsent_plus.independent(mixed, 0)
    both = torch.corrcoef(torch.cat([found, sources], 1).T)[:3, 3:].abs()
    assert (both.amax(1) > 0.98).all()
    assert sorted(both.argmax(1).tolist()) == [0, 1, 2]
    torch.testing.assert_close(found.var(0, correction=0), torch.ones(3), rtol=1e-3, atol=0)


def test_vectors_are_as_long_as_they_are_and_dropped_where_a_model_knows_no_dropout():
    encoder = get(NAME).method().adapt(llama()).train()
    assert not encoder.normalize
    inputs = encoder.tokenize(["a cat"])
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_entries_are_no_weights_and_the_signal_is_how_evenly_test_sentences_are_spread():
    encoder = trained(1)
    assert "entries" not in encoder.state_dict()
    assert vectors(encoder).abs().max() > 1
    z = vectors(encoder)
    cosines = [float(F.cosine_similarity(z[i], z[j], dim=0)) for i in range(12) for j in range(i)]
    measured = defsent_plus.isotropy.of(Made("", encoder, (DEFINED, DEFINED), 0))
    assert measured == pytest.approx(sum(cosines) / 66, abs=1e-3)


def test_tables_of_tokens_are_taken_too():
    def table(data):
        return StaticEncoder.from_corpus([*data.anchors.texts], dim=8)

    step = step_of_texts(NAME, DEFINED, make=table, n=12)
    same(step, cross_entropy(step), rtol=1e-3)
