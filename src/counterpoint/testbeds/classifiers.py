"""What a model says a picture is, by its own classifier or by a probe; also under corruption, and of foreign ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.inputs import take
from counterpoint.objectives import Logits, Part, Pooled
from counterpoint.procedures import AgainstClasses, MixHardPairs
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.beds import SIDE
from counterpoint.testbeds.figures import labels, projection, representation, tuned_probe
from counterpoint.testbeds.pictures import pacs
from counterpoint.views import View, blur, noise
from counterpoint.views.corruptions import low_contrast, pixelated

Tells: TypeAlias = Callable[[Made, Data], np.ndarray]
"""From a model and pictures to the label of each, as words."""


def own_logits(made: Made, data: Data) -> Float[Tensor, "n c"] | None:
    """What a model's own classifier says of each item; None if it has none.

    That is what a `Logits` objective was taken on, all that was held against classes (`AgainstClasses`), or the votes
    of the training items (`kernel_votes`) where the loss is pooled over them.
    """
    if isinstance(made.objective, Pooled):
        return kernel_votes(made, data)
    z = torch.from_numpy(projection(made, data))
    if isinstance(made.procedure, MixHardPairs):
        with torch.inference_mode():
            z = torch.cat([z, made.procedure.network(z)], 1)
    for part in [] if made.objective is None else made.objective.modules():
        if isinstance(part, Part) and isinstance(part.objective, Logits):
            return z[:, part.first : part.last]
    return z if isinstance(made.procedure, AgainstClasses) else None


def kernel_votes(made: Made, data: Data) -> Float[Tensor, "n c"]:
    """What a Nadaraya-Watson head says of each item: the training items' classes, by a softmax of minus the distances.

    Source: Wang et al. 2023, section 4.3 ("full").
    """
    assert isinstance(made.objective, Pooled)
    support, asked = (torch.from_numpy(projection(made, part)) for part in (made.train, data))
    scale = torch.as_tensor(made.objective.scale()).detach()
    weight = torch.softmax(-torch.cdist(asked, support) * scale, 1)
    label = made.train.columns["label"]
    return weight @ F.one_hot(label, int(label.max()) + 1).to(weight)


def its_classifier(made: Made, data: Data) -> np.ndarray:
    """What a model says a picture is: the classifier that was trained with it, else a logistic probe fitted afterwards.

    This is how a contrastive model is deployed, and a classifier.
    """
    said = own_logits(made, data)
    if said is None:
        return tuned_probe(representation(made, made.train), labels(made.train), representation(made, data))
    return np.array([str(label) for label in said.argmax(1).tolist()])


def rebalanced_probe(made: Made, data: Data) -> np.ndarray:
    """What a logistic probe says, fitted on as many pictures of each class (`tuned_probe`)."""
    return tuned_probe(representation(made, made.train), labels(made.train), representation(made, data), evenly=True)


def _words(tells: Tells) -> str:
    return tells.__name__.replace("_", " ")


@cache
def accuracy(tells: Tells) -> Figure:
    """Share of the test part that is told right.

    Examples:
        >>> accuracy(its_classifier).name
        'accuracy of its classifier'
    """

    def measure(made: Made) -> float:
        return float((tells(made, made.test) == np.array(labels(made.test))).mean())

    return Figure(f"accuracy of {_words(tells)}", measure)


@cache
def macro_f1(tells: Tells) -> Figure:
    """The mean over the classes of the test part of their F1: rare classes count as much as others.

    Examples:
        >>> macro_f1(its_classifier).name
        'macro F1 of its classifier'
    """

    def measure(made: Made) -> float:
        from sklearn.metrics import f1_score

        truth = np.array(labels(made.test))
        return float(f1_score(truth, tells(made, made.test), labels=np.unique(truth), average="macro", zero_division=0))

    return Figure(f"macro F1 of {_words(tells)}", measure)


CORRUPTIONS: tuple[View, ...] = (
    *(noise(sigma) for sigma in (0.04, 0.08, 0.16)),
    *(blur((sigma, sigma), p=1.0) for sigma in (0.5, 1.0, 2.0)),
    *(low_contrast(factor) for factor in (0.6, 0.4, 0.2)),
    *(pixelated(factor) for factor in (0.75, 0.5, 0.375)),
)
"""Four kinds at three strengths each, after Hendrycks and Dietterich 2019 (ImageNet-C)."""


def corrupted(data: Data, corruption: View) -> Data:
    """The same rows, their pictures changed; what is random about it follows from torch's seed."""
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    changed = (corruption(pixels).clamp(0, 1) * 255).round().byte()
    return replace(data, anchors=Items("image", changed), anchor=torch.arange(len(changed)))


@cache
def corrupted_accuracy(tells: Tells) -> Figure:
    """The mean accuracy over corruptions of the test part; nothing is fitted on corrupted pictures."""

    def measure(made: Made) -> float:
        parts = [corrupted(made.test, each) for each in CORRUPTIONS]
        whole = Data.alone(Items("image", torch.cat([part.anchors.tensor for part in parts])))
        truth = np.array(labels(made.test) * len(parts))
        return float((tells(made, whole) == truth).mean())

    return Figure(f"accuracy of {_words(tells)} under corruption", measure)


def _confidence(made: Made) -> float:
    return float(torch.softmax(torch.from_numpy(projection(made, made.test)), 1).amax(1).mean())


confidence = Figure("mean largest probability", _confidence)
"""That a model's own classifier gives a test picture."""


@cache
def photographs() -> Data:
    """PACS photographs of what CIFAR-10 does not have (elephants, giraffes, guitars, houses), of its testbed's size."""
    test = pacs(0, size=SIDE)[1]
    foreign = ~torch.isin(test.columns["label"], torch.tensor([test.classes.index(name) for name in ("dog", "horse")]))
    return Data.alone(Items("image", test.anchors.tensor[test.anchor[foreign]]))


def _known_from_foreign(made: Made) -> float:
    from sklearn.metrics import roc_auc_score

    sure = [torch.softmax(torch.from_numpy(projection(made, data)), 1).amax(1) for data in (made.test, photographs())]
    return float(roc_auc_score([1] * len(sure[0]) + [0] * len(sure[1]), torch.cat(sure).numpy()))


foreign = Figure("AUROC of test pictures against foreign ones, by the largest probability", _known_from_foreign)
"""Source of the score: Hendrycks and Gimpel 2017, a baseline for detecting misclassified examples."""
