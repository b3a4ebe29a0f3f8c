"""SupCL-Seq: four dropouts of a text, and all texts of its class."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import supcl_seq
from systems.through import same
from systems.words import ALONE, small_bert, steady_bert, step_of_texts

LABEL = torch.tensor([0, 1, 1, 0, 2, 1, 0, 2, 2, 0, 1, 2])
TEXTS = Data.alone(Items("text", [e.anchor for e in ALONE]), label=LABEL)


def label_of(step, data):
    """Of each row that the step saw."""
    ids = step.payload.inputs["input_ids"].split(step.payload.inputs["offsets"].diff().tolist())
    known = small_bert(data).inputs(data.anchors)
    texts = known["input_ids"].split(known["offsets"].diff().tolist())
    places = [next(i for i, text in enumerate(texts) if torch.equal(text, row)) for row in ids]
    return data.columns["label"][places], torch.tensor(places)


def attracted(z, group, scale: float = 1.0) -> torch.Tensor:
    """The mean over all of the mean over its group of the softmax's logarithm among all others."""
    z, total = F.normalize(z, dim=1), torch.zeros(())
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        logits = torch.stack([z[i] @ z[j] / supcl_seq.TEMPERATURE for j in others])
        mine = torch.tensor([bool(group[j] == group[i]) for j in others])
        total = total - logits.log_softmax(0)[mine].mean() / len(z)
    return scale * total


def seen(call) -> torch.Tensor:
    """The points of all views."""
    return torch.cat([call[side].z for side in ("queries", "keys") if side in call])


def test_loss_is_that_of_a_naive_loop_over_four_views():
    step = step_of_texts(supcl_seq.one_rate(), TEXTS, make=steady_bert, n=6)
    label, _ = label_of(step, TEXTS)
    assert len(step.payload.views) == 4
    z = torch.cat(step.z())
    same(step, attracted(z, label, supcl_seq.TEMPERATURE / 0.07), rtol=1e-3)
    # other rates make the other views random, so these losses are taken of what the objective saw
    for method, group in ((get("supcl-seq").method(), 0), (supcl_seq.views_alone(), 1)):
        step = step_of_texts(method, TEXTS, make=steady_bert, n=6)
        (call,) = step.calls
        wanted = attracted(seen(call), label_of(step, TEXTS)[group], 1.0 if group else supcl_seq.TEMPERATURE / 0.07)
        torch.testing.assert_close(torch.tensor(step.loss), wanted.detach(), rtol=1e-4, atol=1e-5)


def test_views_have_the_rates_of_the_code():
    step = step_of_texts("supcl-seq", TEXTS, make=small_bert, n=6)
    rates = step.payload.inputs["dropout"].view(4, 6)
    assert (rates[0] < 0).all()
    torch.testing.assert_close(rates[1:, 0], torch.tensor([0.0, 0.05, 0.2]))
    assert (rates == rates[:, :1]).all()
    assert step.network[0].pooling == "cls"
    first, second, *_ = step.z()
    assert not torch.allclose(first, second)


def test_the_baseline_is_a_classifier_on_one_encoding():
    step = step_of_texts(supcl_seq.fine_tuned(), TEXTS, make=steady_bert, n=6)
    label, _ = label_of(step, TEXTS)
    assert len(label) == 6
    same(step, F.cross_entropy(step.network(step.payload.inputs), label), rtol=1e-3)
    assert get("supcl-seq").method().takes.schemas == ("labelled",)
