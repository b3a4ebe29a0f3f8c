"""PromCSE: SimCSE's loss on prefixes of a frozen model, its head, and the hinge on the hardest negative of a row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import PrefixEncoder
from counterpoint.encoders.adapting import without_dropout
from counterpoint.systems import get
from counterpoint.systems.sentences import promcse
from counterpoint.testbeds import prefixes
from systems.through import same, step_of
from systems.words import ALONE, TUPLES, contrast, small_bert, steady_bert, step_of_texts


def quiet(method, examples, steps=1):
    """A step of the system on an encoder without dropout, that of the prefix, too."""
    data = rows_of(examples)
    method = get(method).method() if isinstance(method, str) else method
    encoder = without_dropout(method.adapt(steady_bert(data)))
    return step_of(method, data, encoder=encoder, steps=steps)


def hinge(q, keys):
    """Row by row: the greatest cosine with a key that is not its own, and its own."""
    total = torch.zeros(())
    for i, z in enumerate(q):
        cosine = [F.cosine_similarity(z, k, dim=0) for k in keys]
        hardest = torch.stack([c for j, c in enumerate(cosine) if j != i]).amax()
        total = total + F.relu(0.2 + hardest - cosine[i]) / len(q)
    return total


def test_loss_is_simcse_s_and_only_prefixes_and_the_head_learn():
    step = quiet("promcse", ALONE)
    encoder, _ = step.network
    assert isinstance(encoder, PrefixEncoder)
    assert encoder.prefix.shape == (1, 2, 2, promcse.LENGTH, 8)
    assert encoder.encoder.pooling == "cls"
    assert step.layers() == ["Linear", "Tanh"]
    z = step.network(step.payload.inputs)
    assert len(z) == 16
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)
    assert set(step.gradient) == {"0.prefix", "1.0.weight", "1.0.bias"}
    assert float(step.gradient["0.prefix"].norm()) > 0


def test_supervised_loss_has_ten_times_the_hinge_and_its_head_is_kept():
    step = quiet("PromCSE supervised", TUPLES)
    z = step.network(step.payload.inputs)
    assert len(z) == 24
    extra = hinge(z[:8], z[8:])
    assert extra.item() > 0
    same(step, contrast(z[:8], z[8:]) + 10 * extra, rtol=1e-3)
    assert step.layers() == ["Identity"]
    assert set(step.gradient) == {"0.prefix", "0.encoder.heads.0.linear.weight", "0.encoder.heads.0.linear.bias"}
    assert step.network[0].length == promcse.SHORTER
    bare = quiet(promcse.without_hinge(), TUPLES)
    z = bare.network(bare.payload.inputs)
    same(bare, contrast(z[:8], z[8:]), rtol=1e-3)


def test_the_model_stays_what_it_was_and_dropout_is_within_it():
    data = rows_of(ALONE)
    plain = small_bert(data)
    before = {name: p.clone() for name, p in plain.named_parameters()}
    method = get("promcse").method().changed(steps=2, batch_size=8, validations=1)
    made, _ = method.make(data, encoder=plain)
    assert made.encoder is plain
    assert all(torch.equal(p, before[name]) for name, p in plain.named_parameters())
    step = step_of_texts("promcse", ALONE, make=small_bert)
    (call,) = step.calls
    assert not torch.isclose(call["queries"].z, call["keys"].z).all(1).any()
    assert isinstance(get("promcse").method().stages[0].head(4)[1], nn.Tanh)


def test_pictures_of_which_a_caption_is_trained_on_are_not_in_the_test(monkeypatch):
    train = rows_of([Example("A man , asleep .", ("someone sleeps",))])
    captions = ["a dog", "A man, asleep.", "he is tired", "a man"]
    test = Data.alone(Items("text", captions), picture=torch.tensor([1, 2, 2, 3]))
    monkeypatch.setattr(prefixes, "inferences", lambda seed: (train, None))
    monkeypatch.setattr(prefixes, "captioned", lambda seed: (None, test))
    found = prefixes.unseen_captions(0)
    assert found[0] is train
    assert found[1].anchors[found[1].anchor].texts == ["a dog", "a man"]
