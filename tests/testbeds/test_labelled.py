"""Testbeds with labels: known and new classes apart, figures by hand on models that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.heads import AlsoStopped
from counterpoint.procedures import AgainstClasses, ClassVectors
from counterpoint.testbeds import Made, labelled
from counterpoint.testbeds.classifiers import (
    CORRUPTIONS,
    accuracy,
    confidence,
    corrupted,
    corrupted_accuracy,
    its_classifier,
    rebalanced_probe,
)
from counterpoint.testbeds.labelled import clusters, energy, episodes, gates, joint, novel, novel_digits, retrieval


def rows(z, **columns) -> Data:
    """Vectors as pictures of one pixel in height."""
    pixels = torch.as_tensor(z, dtype=torch.float32)[:, None, None]
    return Data.alone(Items("image", pixels), **{k: torch.as_tensor(v) for k, v in columns.items()})


class AsTheyAre:
    def encode_items(self, items):
        return items.tensor.float().flatten(1).numpy()


def made(train: Data, test: Data, **parts) -> Made:
    return Made("given", AsTheyAre(), (train, test), 0, **parts)


def test_digits_of_new_classes_are_not_trained_on_and_no_picture_is_in_both_parts():
    train, test = novel_digits(3)
    assert train.columns["label"].unique().tolist() == list(range(5))
    assert test.columns["label"].unique().tolist() == list(range(10))
    assert len(train) + len(test) == 1797
    seen = set(train.anchors.hashes()[train.anchor].tolist())
    assert not seen & set(test.anchors.hashes()[test.anchor].tolist())
    assert not torch.equal(novel_digits(4)[0].anchors.tensor[:5], train.anchors.tensor[:5])


def test_new_characters_are_of_other_alphabets_and_other_drawers():
    pytest.importorskip("sklearn")
    try:
        (train, test), (all_train, same_test) = labelled.characters(1), labelled.all_characters(1)
    except InputError as error:
        pytest.skip(f"no data: {error}")
    assert train.columns["label"].unique().tolist() == list(range(labelled.KNOWN))
    assert len(train) == labelled.KNOWN * 14
    known = test.columns["label"] < labelled.KNOWN
    assert test.columns["drawer"][known].min() == 14
    support = test.columns["support"] == 1
    assert torch.equal(support, test.columns["drawer"] < labelled.SUPPORT)
    per_class = torch.bincount(test.columns["label"][~known & support])[labelled.KNOWN :]
    assert per_class.unique().tolist() == [labelled.SUPPORT]
    assert torch.equal(test.anchors.tensor, same_test.anchors.tensor)
    assert all_train.columns["label"].unique().tolist() == test.columns["label"].unique().tolist()
    asked = set(test[~support].anchors.tensor[test[~support].anchor].flatten(1).float().sum(1).tolist())
    assert all_train.columns["drawer"].max() == 13
    assert asked


def test_a_trained_classifier_says_itself_and_others_get_a_probe():
    train = rows([[1.0, 0], [2, 0], [0, 1], [0, 2]], label=[0, 0, 1, 1])
    test = rows([[3.0, 0], [0, 3]], label=[0, 1])
    swapped = nn.Linear(2, 2, bias=False)
    swapped.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert accuracy(its_classifier).of(made(train, test)) == 1.0
    assert accuracy(its_classifier).of(made(train, test, head=swapped)) == 1.0
    assert accuracy(its_classifier).of(made(train, test, head=swapped, procedure=AgainstClasses(2))) == 0.0
    wanted = 1 / (1 + np.exp(-3))
    assert confidence.of(made(train, test, head=swapped)) == pytest.approx(wanted, rel=1e-5)


def test_a_rebalanced_probe_gives_rare_classes_their_share():
    g = torch.Generator().manual_seed(0)
    common, rare = torch.randn(300, 2, generator=g), torch.randn(6, 2, generator=g) + 1.5
    train = rows(torch.cat([common, rare]), label=[0] * 300 + [1] * 6)
    test = rows(torch.randn(200, 2, generator=g) + 1.5, label=[1] * 200)
    model = made(train, test)
    assert accuracy(rebalanced_probe).of(model) > 0.6 > 0.2 > accuracy(its_classifier).of(model)


def test_corruptions_change_pictures_and_nothing_else():
    data = Data.alone(Items("image", torch.rand(6, 3, 8, 8)), label=torch.arange(6))[torch.tensor([4, 1])]
    assert len(CORRUPTIONS) == 12
    for corruption in CORRUPTIONS:
        found = corrupted(data, corruption)
        assert found.columns["label"].tolist() == [4, 1]
        assert found.anchors.tensor.shape == (2, 3, 8, 8)
        change = (found.anchors.tensor.float() / 255 - data.anchors.tensor[data.anchor]).abs().mean()
        assert 0.005 < float(change) < 0.5
    # the left half is a little brighter in one class
    label = torch.arange(40) % 2
    pixels = torch.rand(40, 1, 8, 8) / 2
    pixels[..., :4] += 0.1 * label[:, None, None, None]
    model = made(*[Data.alone(Items("image", (pixels * 255).byte()), label=label)] * 2)
    assert 0.6 < corrupted_accuracy(its_classifier).of(model) < accuracy(its_classifier).of(model) == 1.0


def test_accuracy_among_new_classes_is_that_of_the_nearest_mean_of_the_support():
    train = rows([[1.0, 0.0, 0.0]], label=[0])
    test = rows(
        [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.9, 0.1], [0, 0.8, 0.2], [0.9, 0.0, 0.3]],
        label=[0, 1, 2, 1, 2, 2],
        support=[0, 1, 1, 0, 0, 0],
    )
    # of the three that are asked the first is near its mean, the second near another one, the third near its own
    assert novel.of(made(train, test)) == pytest.approx(2 / 3)
    # with the known class to choose from the third goes there, and the picture of the known class is right
    assert joint.of(made(train, test)) == pytest.approx(2 / 4)

    learned = ClassVectors(3, 3)
    learned.seen[0] = True
    learned.vectors.data[0] = torch.tensor([-1.0, 0.0, 0.0])
    # with a vector that points elsewhere the known picture is lost, and the third goes to its own class again
    assert joint.of(made(train, test, procedure=learned)) == pytest.approx(2 / 4)
    learned.vectors.data[0] = torch.tensor([-0.1, 1.0, 0.1])  # and this one takes the first, too
    assert joint.of(made(train, test, procedure=learned)) == pytest.approx(1 / 4)
    # where nothing is new known classes are classified
    assert novel.of(made(test, test)) == pytest.approx(2 / 4)


def test_where_nothing_says_what_is_given_the_first_of_each_class_are():
    train = rows([[1.0, 0.0]], label=[0])
    z = [[1.0, 0.1 * i] for i in range(6)] + [[0.1 * i, 1.0] for i in range(6)] + [[0.2, 1.0]]
    test = rows(z, label=[1] * 6 + [2] * 6 + [1])
    assert novel.of(made(train, test)) == pytest.approx(2 / 3)


def test_clusters_and_episodes_of_separate_classes_are_perfect():
    z = torch.eye(3).repeat_interleave(20, 0)
    test = rows(z, label=torch.arange(3).repeat_interleave(20))
    assert clusters.of(made(test, test)) == pytest.approx(1.0)
    assert episodes(3, 5, of=4).of(made(test, test)) == 1.0
    assert episodes().name == "20-way 5-shot accuracy"


def test_retrieval_is_of_the_nearest_other_embedding_and_energy_of_other_classes():
    test = rows([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.6]], label=[5, 5, 6, 6])
    # the first two find each other; the others find a picture of 6 and one of 5
    assert retrieval.of(made(test, test)) == 0.75
    twice = AlsoStopped(nn.Identity())
    assert retrieval.of(made(test, test, head=twice)) == 0.75
    far = rows([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], label=[0, 1, 1])
    assert energy.of(made(far, far, head=twice)) == pytest.approx(np.log(25.0))


def test_the_start_of_a_metric_was_trained_without_labels():
    from counterpoint.testbeds import DIGITS

    data = DIGITS.parts(0)[0][torch.arange(8)]
    found, again = (labelled.pretrained(data, 0) for _ in range(2))
    start = labelled.network(data, 0)
    assert sum(p.numel() for p in found.parameters()) == sum(p.numel() for p in start.parameters())
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), again.parameters(), strict=True))


def test_gates_spread_where_they_know_their_classes():
    class Gates(nn.Module):
        def gate(self, a, b):
            return torch.stack([(a + b).float() * self.slope, torch.ones(len(a))], 1)

    train = rows([[1.0], [1.0]], label=[0, 1])
    procedure = Gates()
    procedure.slope = 0.0
    assert gates.of(made(train, train, procedure=procedure)) == 0.0
    procedure.slope = (
        1.0  # sums of 0, 1, 1, 2: a standard deviation of the root of 2/3, and of 0 in the other dimension
    )
    assert gates.of(made(train, train, procedure=procedure)) == pytest.approx((2 / 3) ** 0.5 / 2)
    with pytest.raises(InputError, match="no gates"):
        gates.of(made(train, train))
