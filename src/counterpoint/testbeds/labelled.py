"""Where labels are learned from: a model's own classifier, new classes, corrupted pictures, pictures of no class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import ImageEncoder
from counterpoint.encoders.inputs import take
from counterpoint.errors import InputError
from counterpoint.evaluate import clustering, few_shot, nearest_mean, probe
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import AgainstClasses, ClassVectors
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import OMNIGLOT, SIDE, halves, network, small_network
from counterpoint.testbeds.figures import labels, representation
from counterpoint.testbeds.pictures import omniglot, pacs
from counterpoint.training import TrainConfig
from counterpoint.views import View, blur, noise
from counterpoint.views.standard import picture_view

KNOWN = 70
"""Characters to train on: as many as there are in every choice of alphabets."""
SUPPORT = 5
"""Pictures of a new class that are given with its name."""
_HELD, _DIGITS = 14, 5
Tells: TypeAlias = Callable[[Made, Data], np.ndarray]
"""From a model and pictures to the label of each, as words."""


def _logits(made: Made, data: Data) -> Float[Tensor, "n *c"]:
    with torch.inference_mode():
        logits: Tensor = made.head(torch.from_numpy(representation(made, data)))
    return logits


def its_classifier(made: Made, data: Data) -> np.ndarray:
    """What a model says a picture is: the classifier that was trained with it, else a logistic probe fitted afterwards.

    This is how a contrastive model is deployed, and a classifier.
    """
    if isinstance(made.procedure, AgainstClasses):
        return np.array([str(label) for label in _logits(made, data).argmax(1).tolist()])
    return _probed(made, made.train, data)


def rebalanced_probe(made: Made, data: Data) -> np.ndarray:
    """What a logistic probe says, fitted on as many pictures of each class: rare ones are seen again and again.

    Source: Kang et al. 2020, "Decoupling Representation and Classifier for Long-Tailed Recognition", section 4.1 (cRT).
    """
    return _probed(made, made.train[balanced(made.train.columns["label"])], data)


def balanced(label: Tensor) -> Tensor:
    """Rows of which every class has as many as the largest one: those of the others one after another, again.

    Examples:
        >>> balanced(torch.tensor([0, 0, 0, 1])).tolist()
        [0, 1, 2, 3, 3, 3]
    """
    most = int(torch.bincount(label).max())
    rows = [(label == c).nonzero()[:, 0] for c in label.unique()]
    return torch.cat([r[torch.arange(most) % len(r)] for r in rows])


def _probed(made: Made, train: Data, data: Data) -> np.ndarray:
    from sklearn.preprocessing import StandardScaler

    x, y = representation(made, train), representation(made, data)
    scaler = StandardScaler().fit(x)
    # as the probe of other testbeds, whatever the width
    x, y = (scaler.transform(part) / np.sqrt(part.shape[1]) for part in (x, y))
    return probe(x, labels(train), y)


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


def contrast(factor: float) -> View:
    """Pictures with less of it, about their mean.

    Examples:
        >>> contrast(0.5)(torch.tensor([[[[0.0, 1.0]]]]))
        tensor([[[[0.2500, 0.7500]]]])
    """

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean = pixels.mean((1, 2, 3), keepdim=True)
        return mean + factor * (pixels - mean)

    return view


def pixelated(factor: float) -> View:
    """Pictures with so much of their resolution.

    Examples:
        >>> pixelated(0.5)(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])).unique().tolist()
        [0.5]
    """

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        side = max(1, round(factor * pixels.shape[-1]))
        return F.interpolate(F.interpolate(pixels, (side, side), mode="area"), pixels.shape[-2:])

    return view


CORRUPTIONS: tuple[View, ...] = (
    *(noise(sigma) for sigma in (0.04, 0.08, 0.16)),
    *(blur((sigma, sigma), p=1.0) for sigma in (0.5, 1.0, 2.0)),
    *(contrast(factor) for factor in (0.6, 0.4, 0.2)),
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
    return float(torch.softmax(_logits(made, made.test), 1).amax(1).mean())


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

    sure = [torch.softmax(_logits(made, data), 1).amax(1) for data in (made.test, photographs())]
    return float(roc_auc_score([1] * len(sure[0]) + [0] * len(sure[1]), torch.cat(sure).numpy()))


foreign = Figure("AUROC of test pictures against foreign ones, by the largest probability", _known_from_foreign)
"""Source of the score: Hendrycks and Gimpel 2017, a baseline for detecting misclassified examples."""


def characters(seed: int) -> tuple[Data, Data]:
    """Omniglot: so many known characters by some drawers to train on; for test, the others' drawings of new ones, too.

    Labels from 0 to `KNOWN - 1` are known. Columns: `label`, `drawer`, and `support` (1: given with its name, where its
    class is new). No drawer of what is classified is in the training part.
    """
    train, test = omniglot(seed)
    drawn = torch.randperm(136, generator=torch.Generator().manual_seed(seed))
    of_train = train.columns["label"].unique()
    chosen = drawn[torch.isin(drawn, of_train)][:KNOWN].sort().values
    return _characters(train, test, chosen)


def all_characters(seed: int) -> Parts:
    """The same where training sees the new characters, too, as drawn by the same drawers: what could be reached."""
    known, test = characters(seed)
    _, rest = omniglot(seed)
    early = rest[rest.columns["drawer"] < _HELD]
    more = _numbered(early, rest.columns["label"].unique(), KNOWN)
    return _joined(known, more), test


def _characters(train: Data, test: Data, chosen: Tensor) -> tuple[Data, Data]:
    known = _numbered(train[torch.isin(train.columns["label"], chosen)], chosen, 0)
    new = _numbered(test, test.columns["label"].unique(), KNOWN)
    late, drawer = known.columns["drawer"] >= _HELD, new.columns["drawer"]
    return known[~late], _joined(known[late], new[(drawer < SUPPORT) | (drawer >= _HELD)])


def _numbered(data: Data, classes: Tensor, first: int) -> Data:
    label = first + torch.searchsorted(classes, data.columns["label"])
    drawer = data.columns["drawer"]
    columns = {"label": label, "support": (drawer < SUPPORT).long(), "drawer": drawer}
    return replace(data, columns=columns, classes=())


def novel_digits(seed: int) -> Parts:
    """Digits: half of the pictures of five classes drawn by the seed; all five other classes are new, 5 to 9."""
    number = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    train, test = (_renumbered(part, number) for part in halves(seed) if isinstance(part, Data))
    new = train.columns["label"] >= _DIGITS
    return train[~new], _joined(test, train[new])


def _renumbered(data: Data, number: Tensor) -> Data:
    label = number[data.columns["label"]]
    support = torch.arange(len(data)) % 2
    return replace(data, columns={"label": label, "support": support}, classes=())


def _joined(first: Data, second: Data) -> Data:
    items = Items("image", torch.cat([part.anchors.tensor[part.anchor] for part in (first, second)]))
    names = first.columns.keys() & second.columns.keys()
    columns = {name: torch.cat([first.columns[name], second.columns[name]]) for name in names}
    return Data(items, torch.arange(len(items)), columns=columns, source=first.source)


def _new(made: Made) -> tuple[Tensor, Tensor]:
    """Which test pictures are of classes that training did not see, and which are given where they are."""
    label = made.test.columns["label"]
    if "support" in made.test.columns:
        given = made.test.columns["support"] == 1
    else:
        order = label.argsort(stable=True)
        rank = torch.empty_like(label)
        rank[order] = torch.arange(len(label)) - torch.searchsorted(label[order], label[order])
        given = rank < SUPPORT
    return ~torch.isin(label, made.train.columns["label"]), given


def _novel(made: Made) -> float:
    new, given = _new(made)
    # where a setting is chosen nothing is new, and known classes stand in
    new = new if bool(new.any()) else torch.ones_like(new)
    rows, support = made.test[new], given[new]
    return _near(made, [rows[support]], rows[~support])


def _near(made: Made, known: list[Data], asked: Data) -> float:
    z = np.concatenate([representation(made, part) for part in known])
    names = [name for part in known for name in labels(part)]
    said = nearest_mean(z, names, representation(made, asked))
    return float((said == np.array(labels(asked))).mean())


novel = Figure("accuracy of the nearest class mean among new classes", _novel)
"""Means of length one of the support of each; the others are classified."""


def _joint(made: Made) -> float:
    new, support = _new(made)
    given, asked = made.test[new & support], made.test[~(new & support)]
    if not isinstance(made.procedure, ClassVectors):
        return _near(made, [made.train, given], asked)
    known = made.procedure.seen.nonzero()[:, 0]
    z = F.normalize(torch.from_numpy(representation(made, given)), dim=1)
    classes, place = given.columns["label"].unique(return_inverse=True)
    mean = torch.zeros(len(classes), z.shape[1]).index_add(0, place, z)
    every = F.normalize(torch.cat([made.procedure.vectors.detach()[known], mean]), dim=1)
    name = torch.cat([known, classes])
    x = F.normalize(torch.from_numpy(representation(made, asked)), dim=1)
    return float((name[(x @ every.T).argmax(1)] == asked.columns["label"]).float().mean())


joint = Figure("accuracy among known and new classes", _joint)
"""New classes are their mean; known ones the vector that was learned for them, where there is one, else their mean."""


def embedding(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """What the head makes of each picture, for methods whose head is kept: the first where it makes several."""
    z = _logits(made, data)
    return (z[:, 0] if z.ndim == 3 else z).numpy()


def _retrieval(made: Made) -> float:
    z = F.normalize(torch.from_numpy(embedding(made, made.test)), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-torch.inf).argmax(1)
    label = made.test.columns["label"]
    return float((label[nearest] == label).float().mean())


retrieval = Figure("recall@1 of the embedding among test items", _retrieval)


def _clusters(made: Made) -> float:
    return float(np.mean(clustering(embedding(made, made.test), labels(made.test))["nmi"].values))


clusters = Figure("NMI of k-means of the embedding with the classes of the test part", _clusters)


def _energy(made: Made) -> float:
    z, label = torch.from_numpy(embedding(made, made.test)), made.test.columns["label"]
    return float(torch.cdist(z, z).square()[label[:, None] != label].mean().log())


energy = Figure("logarithm of the mean squared distance of different classes", _energy)
"""Of embeddings as they are, test items."""


@cache
def episodes(ways: int = 20, shots: int = 5, of: int = 600) -> Figure:
    """Few-shot accuracy on the classes of the test part by Euclidean distance of vectors as they are.

    Where the test part has fewer classes, episodes are of all of them.
    """

    def measure(made: Made) -> float:
        z, names = representation(made, made.test), labels(made.test)
        most = min(ways, len(set(names)))
        found = few_shot(z, names, ways=most, shots=shots, episodes=of, samples=0, seed=made.seed)
        return float(found["accuracy"].value)

    return Figure(f"{ways}-way {shots}-shot accuracy", measure)


def _gates(made: Made) -> float:
    gate = getattr(made.procedure, "gate", None)
    if gate is None:
        raise InputError("the method has no gates for pairs of classes", fix="measure another figure")
    label = made.train.columns["label"].unique()
    assert isinstance(made.procedure, nn.Module)
    made.procedure.eval()
    with torch.inference_mode():
        found: Tensor = gate(label.repeat(len(label)), label.repeat_interleave(len(label)))
    return float(found.std(0).mean())


gates = Figure("spread of the gates over pairs of classes", _gates)
"""Standard deviation of each dimension's gate, on average: 0 if a gate does not know which classes it is for."""


NOVEL_DIGITS = Testbed(
    "digits, new classes",
    novel_digits,
    "scikit-learn digits (1,797 of 8 x 8 pixels): half of the pictures of five classes to train on, five others, "
    "another five for each seed, are new; a residual network of 16, 32, 64 channels from scratch, 30 epochs of two "
    "views",
    small_network,
    epochs=30,
    raw=PIXELS,
)
CHARACTERS = Testbed(
    "Omniglot, known and new characters",
    characters,
    f"Omniglot (28 x 28): {KNOWN} characters of three alphabets by 14 drawers to train on; 6 other drawers' pictures "
    f"of these and of the characters of two other alphabets for test, of which {SUPPORT} more pictures each are given; "
    "a residual network of 32, 64, 128 channels (GroupNorm, standardised weights) from scratch, 40 epochs of two "
    "views, AdamW at 2e-3",
    network,
    epochs=40,
    settings=OMNIGLOT.settings,
    raw=PIXELS,
)
ALL_CHARACTERS = replace(CHARACTERS, name="Omniglot, all characters", parts=all_characters)
"""Its training part has the new characters, too."""


def pretrained(data: Data, seed: int) -> ImageEncoder:
    """The network after 10 epochs of SimCLR on the training part, whose labels it does not see."""
    train = TrainConfig(epochs=10, batch_size=256, validations=1, **OMNIGLOT.settings)
    stage = Stage(lambda: InfoNCE(0.5, layout="views"), train, head=_projector, view=picture_view())
    encoder, _ = Recipe("pretrained", (stage,), Takes("image"), network).make(data, seed)
    assert isinstance(encoder, ImageEncoder)
    return encoder


def _projector(width: int) -> nn.Module:
    return projection(width, hidden=(width,), norm=nn.BatchNorm1d)


def all_alphabets(seed: int) -> Parts:
    """Omniglot where training sees the test alphabets, too: what could be reached."""
    train, test = omniglot(seed)
    return _joined(train, test), test


ALL_OMNIGLOT = replace(OMNIGLOT, name="Omniglot, all alphabets", parts=all_alphabets)
"""Its training part has the test alphabets, too."""
PRETRAINED = replace(
    OMNIGLOT,
    name="Omniglot, pretrained",
    about="Omniglot (136 characters by 20 drawers, 28 x 28), two of five alphabets for test; a residual network of 32, "
    "64, 128 channels (GroupNorm, standardised weights) after 10 epochs of SimCLR on the others; 30 epochs of two "
    "views, AdamW at 2e-3",
    start=pretrained,
    epochs=30,
)
ALL_PRETRAINED = replace(PRETRAINED, name="Omniglot, pretrained, all alphabets", parts=all_alphabets)
"""Its training part has the test alphabets, too."""
