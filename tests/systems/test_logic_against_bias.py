"""Logic Against Bias: a classifier of suppositions, and what is asked of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.encoders.adapting import without_dropout
from counterpoint.errors import InputError
from counterpoint.evaluate import SEXES
from counterpoint.objectives import InfoNCE, Logits
from counterpoint.systems import get
from counterpoint.systems.sentences import logic_against_bias as logic
from counterpoint.testbeds import Made
from encoders.test_adapting import llama
from systems.through import same
from systems.words import PAIRS, steady_bert, step_of_texts

KIND = ("contradiction", "entailment", "neutral")
ROWS = [replace(e, label=KIND[i * 7 % 3]) for i, e in enumerate(PAIRS)]
DATA = rows_of(ROWS)
TEXTS = [f"{e.positives[0]} is entailed by {e.anchor}." for e in PAIRS]


def steady(method):
    """Without the classifier's dropout, which a second forward would draw anew."""
    head = method.stages[0].head
    return method.varied(method.name, head=lambda width: without_dropout(head(width)))


def test_loss_is_the_cross_entropy_of_a_naive_loop():
    step = step_of_texts(steady(get("logic-against-bias").method()), DATA, make=steady_bert, n=12)
    (call,) = step.calls
    assert call.get("keys") is None
    assert len(step.payload.views) == 1
    # which row each text is of is told by the tokens
    encoder, inputs = step.network[0], step.payload.inputs
    tokens = [tuple(encoder.tokenize([text])["input_ids"].tolist()) for text in TEXTS]
    known = {each: e.label for each, e in zip(tokens, ROWS, strict=True)}
    seen = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    layers = [layer for layer in step.network[1] if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in layers] == [16, 3]
    total = torch.zeros(())
    for each, h in zip(seen, encoder(inputs), strict=True):
        said = layers[1].weight @ torch.tanh(layers[0].weight @ h + layers[0].bias) + layers[1].bias
        total = total - F.log_softmax(said, 0)[KIND.index(known[tuple(each.tolist())])] / 12
    same(step, total, rtol=1e-3)


def test_both_texts_are_read_as_one_and_first_tokens_are_not_scaled():
    method = get("logic-against-bias").method()
    _, step = method.stages[0].prepare
    made = step(DATA, None, 0)
    assert made.anchors.texts == TEXTS
    assert torch.equal(made.columns["label"], DATA.columns["label"])
    assert made.classes == KIND
    scaled = steady_bert(DATA)
    scaled.normalize = True
    adapted = method.adapt(scaled)
    assert (adapted.pooling, adapted.normalize) == ("cls", False)
    encoder = method.adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS)
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_more_classes_than_three_are_refused():
    with pytest.raises(InputError, match="4 classes of pairs, and the classifier has 3"):
        step_of_texts("logic-against-bias", rows_of([replace(PAIRS[0], label="d"), *ROWS]), make=steady_bert)


def test_with_the_mechanism_off_entailment_is_of_others():
    steps = logic.classes_of_others().stages[0].prepare
    made = DATA
    for step in steps:
        made = step(made, None, 0)
    assert made.anchors.texts == TEXTS
    assert not torch.equal(made.columns["label"], DATA.columns["label"])
    assert torch.equal(made.columns["label"].sort().values, DATA.columns["label"].sort().values)


class Letters:
    """How often each of three letters is in a text."""

    def encode_items(self, items, *, kind=None):
        return np.array([[text.count(letter) for letter in "ent"] for text in items.texts], dtype=np.float32)


def made(objective, data=DATA):
    head = nn.Linear(3, 3)
    return Made("made up", Letters(), (data, data), 0, head=head, objective=objective)


def test_a_classifier_is_asked_for_entailment_and_any_other_model_for_nearness():
    pairs = ["a hen", "ten tents"], ["nets", "an ant"]
    one = made(Logits(3))
    texts = ["nets is entailed by a hen.", "an ant is entailed by ten tents."]
    wanted = one.head(torch.tensor([[text.count(letter) for letter in "ent"] for text in texts]).float())
    assert logic.score_of(one)(*pairs) == pytest.approx(wanted[:, 1].detach().numpy(), abs=1e-6)
    # classes without a name: the last
    bare = made(Logits(3), replace(DATA, classes=()))
    with torch.no_grad():
        bare.head.weight.copy_(one.head.weight)
        bare.head.bias.copy_(one.head.bias)
    assert logic.score_of(bare)(*pairs) == pytest.approx(wanted[:, 2].detach().numpy(), abs=1e-6)
    for objective in (InfoNCE(), None):
        assert logic.score_of(made(objective))(*pairs) == pytest.approx([-1.0, -np.sqrt(8)])


def test_figures_are_of_men_and_women():
    class Knows:
        """Men, women, and what is said of them; nothing else."""

        def encode_items(self, items, *, kind=None):
            groups = ([*SEXES.first, *SEXES.of_first], [*SEXES.second, *SEXES.of_second])
            rows = [[float(text in group) for group in groups] for text in items.texts]
            return np.array(rows, dtype=np.float32)

    one = Made("knows", Knows(), (DATA, DATA), 0)
    assert logic.recognition.of(one) == 1.0
    assert logic.professions.of(one) == logic.feelings.of(one) == 1.0


def test_the_signal_is_the_accuracy_on_training_pairs():
    one = made(Logits(3))
    said = one.head(torch.tensor([[text.count(letter) for letter in "ent"] for text in TEXTS]).float()).argmax(1)
    assert logic.told.of(one) == pytest.approx(float((said == DATA.columns["label"]).float().mean()))
