"""Classes that training has not seen: characters of other alphabets, digits of other classes; episodes of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.evaluate import clustering, few_shot, nearest_mean
from counterpoint.procedures import ClassVectors
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import OMNIGLOT, OWN_RATE, halves, network, small_network
from counterpoint.testbeds.figures import labels, projection, representation
from counterpoint.testbeds.pictures import omniglot
from counterpoint.testbeds.starts import contrasted

KNOWN = 70
"""Characters to train on: as many as there are in every choice of alphabets."""


SUPPORT = 5
"""Pictures of a new class that are given with its name."""


_HELD, _DIGITS = 14, 5


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
    z = torch.from_numpy(projection(made, data))
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


def pretrained(data: Data, seed: int) -> nn.Module:
    """The network after 10 epochs of SimCLR on the training part, whose labels it does not see."""
    return contrasted(data, network, 10, seed)


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
    "views, AdamW at the method's rate; settings are chosen on an alphabet of the training part",
    start=pretrained,
    epochs=30,
    settings=OWN_RATE,
    apart="alphabet",
)


ALL_PRETRAINED = replace(PRETRAINED, name="Omniglot, pretrained, all alphabets", parts=all_alphabets)
"""Its training part has the test alphabets, too."""
