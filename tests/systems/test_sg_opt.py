"""SG-OPT: every layer of a frozen copy is a positive of [CLS], and the weights stay near their start."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import sg_opt
from systems.through import same
from systems.words import ALONE, small_bert, steady_bert, step_of_texts

STEPS = 3
"""After the first, the copy is another model, and there is a distance."""


def parts(step):
    """[CLS] and the layers of the copy behind the projection, with the copy's states pooled one by one."""
    guide = step.procedure.procedures[0] if hasattr(step.procedure, "procedures") else step.procedure
    copy = guide.copy[0].encoder
    features, offsets = step.payload.inputs, step.payload.inputs["offsets"].tolist()
    layers = []
    for i in range(len(offsets) - 1):
        ids = features["input_ids"][offsets[i] : offsets[i + 1]]
        with torch.no_grad():
            states = copy.model(input_ids=ids[None], output_hidden_states=True).hidden_states
        layers.append([guide.then(state[0].mean(0)) for state in states])
    return [guide.then(c) for c in step.network(features)], layers


def distance(step):
    """The sum of squares over all weights that learn, one after another."""
    now = [p for p in step.network[0].parameters() if p.requires_grad]
    total = torch.zeros(())
    for p, first in zip(now, step.procedure.procedures[1].first, strict=True):
        total = total + (p - first).square().sum()
    return total


def guided(cls, layers):
    """Each layer of a sentence against all layers of the others."""
    losses = []
    for i, c in enumerate(cls):
        others = [F.cosine_similarity(c, h, dim=0) / 0.01 for m, hs in enumerate(layers) if m != i for h in hs]
        for h in layers[i]:
            own = F.cosine_similarity(c, h, dim=0) / 0.01
            losses.append(torch.logsumexp(torch.stack([own, *others]), 0) - own)
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_layers_and_weights():
    step = step_of_texts("sg-opt", ALONE, make=steady_bert, n=4, steps=STEPS)
    cls, layers = parts(step)
    assert [len(hs) for hs in layers] == [2] * 4
    far = distance(step)
    assert float(far.detach()) > 1e-7
    same(step, guided(cls, layers) + 0.1 * far, rtol=1e-3)
    assert step.layers() == ["Identity"]


def test_the_distance_counts():
    far = get("sg-opt").method().changed(learning_rate=1e-2)
    step = step_of_texts(far, ALONE, make=steady_bert, n=4, steps=STEPS)
    assert float(distance(step).detach()) > 0.1
    same(step, guided(*parts(step)) + 0.1 * distance(step), rtol=1e-3)
    free = step_of_texts(sg_opt.free().changed(learning_rate=1e-2), ALONE, make=steady_bert, n=4, steps=STEPS)
    same(free, guided(*parts(free)), rtol=1e-3)


def test_nt_xent_is_with_one_layer_of_each_and_all_are_anchors():
    far = get("sg").method().changed(learning_rate=1e-2)
    step = step_of_texts(far, ALONE, make=steady_bert, n=4, steps=STEPS)
    assert step.network[0].pooling == "cls"
    cls, layers = parts(step)
    (call,) = step.calls
    drawn = [
        next(h for h in hs if torch.allclose(h, key[:-1], atol=1e-4))
        for hs, key in zip(layers, call["keys"].z, strict=True)
    ]
    every, total = [*cls, *drawn], torch.zeros(())
    for i, z in enumerate(every):
        s = {j: F.cosine_similarity(z, k, dim=0) / 0.01 for j, k in enumerate(every) if j != i}
        total = total + (torch.logsumexp(torch.stack(list(s.values())), 0) - s[(i + 4) % 8]) / 8
    same(step, total + 0.1 * distance(step), rtol=1e-3)


def test_without_layers_the_copy_s_own_vector_guides():
    step = step_of_texts(sg_opt.own_vector(), ALONE, make=steady_bert, n=4, steps=STEPS)
    (call,), guide = step.calls, step.procedure.procedures[0]
    own = guide.then(guide.copy(step.payload.inputs))
    torch.testing.assert_close(call["keys"].z[:, :-1], own)
    assert isinstance(guide.copy[0], TransformerEncoder)


def test_it_is_cls_of_an_encoder_whose_token_vectors_and_copy_stay():
    step = step_of_texts("sg-opt", ALONE, make=lambda data: small_bert(data, pooling="mean"), n=4)
    encoder, guide = step.network[0], step.procedure.procedures[0]
    assert encoder.pooling == "cls"
    assert not encoder.normalize
    assert not encoder.model.get_input_embeddings().weight.requires_grad
    assert not any(p.requires_grad for p in guide.copy.parameters())
    # as in the authors' code, whose copy is put into the mode of training with all else
    assert all(part.training for part in guide.copy.modules())
    assert {part.p for part in guide.copy.modules() if isinstance(part, nn.Dropout)} == {0.1}


def test_vectors_of_length_one_become_what_they_were():
    def scaled(data):
        encoder = steady_bert(data)
        encoder.normalize = True
        return encoder

    plain, other = (step_of_texts("sg-opt", ALONE, make=make, n=4) for make in (steady_bert, scaled))
    assert plain.loss == other.loss


def test_the_projection_is_two_wide_layers():
    layers = list(sg_opt.projector(768))
    assert [type(layer).__name__ for layer in layers] == ["Linear", "GELU", "Linear", "GELU"]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [4096, 4096]
    assert (sg_opt.TEMPERATURE, sg_opt.DISTANCE) == (0.01, 0.1)
