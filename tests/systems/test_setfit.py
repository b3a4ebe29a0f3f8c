"""SetFit: the cosine of two texts must say whether they are of one class."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import setfit
from encoders.test_adapting import llama
from systems.test_supcl_seq import LABEL, TEXTS
from systems.through import same
from systems.words import small_bert, steady_bert, step_of_texts


def labels_of(step) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the first and of the second text of each pair that the step saw."""
    ids = step.payload.inputs["input_ids"].split(step.payload.inputs["offsets"].diff().tolist())
    known = small_bert(TEXTS).inputs(TEXTS.anchors)
    texts = known["input_ids"].split(known["offsets"].diff().tolist())
    places = [next(i for i, text in enumerate(texts) if torch.equal(text, row)) for row in ids]
    first, second = LABEL[places].split(len(places) // 2)
    return first, second


def test_loss_is_the_mean_squared_error_of_cosines_of_pairs():
    step = step_of_texts("setfit-comparison", TEXTS, make=steady_bert, n=12)
    assert step.network[0].pooling == "mean"
    first, second = labels_of(step)
    wanted = (first == second).float()
    assert 0 < wanted.sum() < 12
    z = step.network(step.payload.inputs)
    total = torch.zeros(())
    for i in range(12):
        total = total + (F.cosine_similarity(z[i], z[12 + i], dim=0) - wanted[i]).square() / 12
    same(step, total, rtol=1e-3)


def test_every_text_has_twenty_pairs_of_its_class_and_twenty_of_others():
    (step,) = get("setfit-comparison").method().stages[0].prepare
    found = step(TEXTS, torch.nn.Identity(), 0)
    assert found.columns["score"].mean() == 0.5
    assert len(found) == 12 * 40
    assert found.anchor.bincount().tolist() == [40] * 12


def test_a_model_that_knows_no_dropout_gets_some():
    encoder = get("setfit-comparison").method().adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS.anchors.texts)
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_with_the_mechanism_off_pairs_know_nothing():
    data = Data.alone(Items("text", [f"text {i}" for i in range(60)]), label=torch.arange(60) % 3)
    right = {}
    for name, method in (("on", get("setfit-comparison").method()), ("off", setfit.shuffled_classes())):
        found = data
        for step in method.stages[0].prepare:
            found = step(found, torch.nn.Identity(), 0)
        alike = data.columns["label"][found.anchor] == data.columns["label"][found.positives[:, 0]]
        right[name] = float(alike[found.columns["score"] == 1].float().mean())
    # a third of all pairs are of one class
    assert right["on"] == 1
    assert 0.2 < right["off"] < 0.45
