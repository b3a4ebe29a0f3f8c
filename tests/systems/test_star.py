"""STAR: texts of one author attract each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.sentences import star
from systems.test_supcl_seq import LABEL, TEXTS, label_of
from systems.through import same
from systems.words import steady_bert, step_of_texts


def naive(z, label) -> torch.Tensor:
    """Over each text, the mean over the others of its author of the softmax's logarithm, at a temperature of 0.01."""
    z, terms = F.normalize(z, dim=1), []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        logits = torch.stack([z[i] @ z[j] / 0.01 for j in others])
        mine = torch.tensor([bool(label[j] == label[i]) for j in others])
        if mine.any():
            terms.append(-logits.log_softmax(0)[mine].mean())
    return torch.stack(terms).mean()


def test_loss_is_that_of_a_naive_loop_over_the_texts_of_an_author():
    step = step_of_texts("star", TEXTS, make=steady_bert, n=8)
    label, _ = label_of(step, TEXTS)
    assert len(step.payload.views) == 1
    same(step, naive(step.network(step.payload.inputs), label), rtol=1e-3)


def test_the_layer_is_linear_and_stays():
    step = step_of_texts("star", TEXTS, make=steady_bert, n=8)
    (layer,) = step.network[0].heads
    assert isinstance(layer.activation, torch.nn.Identity)
    assert step.layers() == ["Identity"]
    assert get("star").method().stages[0].head is None


def test_with_the_mechanism_off_authors_are_those_of_other_texts():
    step = step_of_texts(star.shuffled_authors(), TEXTS, make=steady_bert, n=12)
    seen = step.calls[0]["queries"].columns["label"]
    _, places = label_of(step, TEXTS)
    assert sorted(seen.tolist()) == sorted(LABEL.tolist())
    assert not torch.equal(seen, LABEL[places])
