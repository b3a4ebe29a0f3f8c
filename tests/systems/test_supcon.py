"""SupCon: equation 2 over all views; its baseline is cross-entropy exactly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.systems.core._supervised import at_most, cross_entropy, labelled, rated, supcon_with_more
from counterpoint.systems.core.supcon import supcon, without_labels
from counterpoint.testbeds import DIGITS
from systems.through import Step, same, step_of


def few_classes():
    """Digits of which eight have some classes several times and one once."""
    data = DIGITS.parts(0)[0]
    label = data.columns["label"]
    order = torch.cat([(label == c).nonzero()[:n, 0] for c, n in ((0, 3), (1, 2), (2, 2), (3, 1))])
    return data[order]


def naive(step: Step, inside_log: bool = False):
    z = F.normalize(torch.cat(step.z()), dim=1)
    y = torch.cat([side.columns["label"] for side in (step.calls[0]["queries"], step.calls[0]["keys"])])
    total = torch.zeros(())
    for i in range(len(z)):
        s = [z[i] @ z[a] / 0.1 for a in range(len(z))]
        denominator = torch.stack([s[a].exp() for a in range(len(z)) if a != i]).sum()
        positives = [s[p].exp() / denominator for p in range(len(z)) if p != i and y[p] == y[i]]
        if inside_log:
            total = total - torch.stack(positives).mean().log()
        else:
            total = total - torch.stack(positives).log().mean()
    return total / len(z)


def test_loss_is_equation_2_of_a_naive_loop():
    step = step_of("supcon", few_classes())
    same(step, naive(step))


def test_the_variant_is_equation_3():
    step = step_of("supcon-in", few_classes())
    same(step, naive(step, inside_log=True))
    assert not torch.isclose(naive(step), naive(step, inside_log=True))


def test_without_labels_only_the_other_view_attracts():
    step = step_of(without_labels(), few_classes())
    z = F.normalize(torch.cat(step.z()), dim=1)
    scores = (z @ z.T / 0.1).masked_fill(torch.eye(16, dtype=torch.bool), -torch.inf)
    same(step, F.cross_entropy(scores, (torch.arange(16) + 8) % 16))


@pytest.mark.parametrize("name", ["supcon", "supcon-in"])
def test_the_head_has_a_hidden_layer_and_128_dimensions_and_views_are_random(name):
    step = step_of(name)
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert step.network[1][0].weight.shape == (16, 16)
    assert step.network[1][2].out_features == 128
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()
    assert not torch.isclose(first, DIGITS.parts(0)[0].anchors.tensor[:8]).all(dim=(1, 2, 3)).any()


def test_the_baseline_is_cross_entropy_on_the_same_views():
    step = step_of(cross_entropy(), few_classes())
    assert step.layers() == ["Linear"]
    y = few_classes().columns["label"]
    drawn = step.calls[0]["queries"].columns["label"]
    assert sorted(drawn.tolist()) == sorted(y.repeat(2).tolist())
    same(step, F.cross_entropy(step.network(step.payload.inputs), drawn))
    assert cross_entropy(classes=4).stages[0].head(5)[-1].out_features == 4


def test_a_rate_is_the_only_thing_that_is_chosen():
    assert supcon(0.3).stages[0].train == rated(supcon(), 0.3).stages[0].train
    assert supcon(0.3).stages[0].train.learning_rate == 0.3
    assert supcon_with_more().stages[0].head is supcon().stages[0].head


def test_classes_beyond_those_of_a_classifier_are_refused():
    data = Data.alone(Items("image", torch.zeros(3, 1, 8, 8)), label=torch.tensor([0, 1, 4]))
    assert at_most(5)(data, None, 0) is data
    with pytest.raises(InputError, match="5 classes, and the system has 4"):
        at_most(4)(data, None, 0)
    assert labelled("domain").columns == ("domain",)
