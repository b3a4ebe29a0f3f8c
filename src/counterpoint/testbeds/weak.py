"""Pictures of which something is known that is not their class: noisy attributes, a colour that must not matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.inflation import generated
from counterpoint.data.items import Data, Items
from counterpoint.encoders.inputs import take
from counterpoint.evaluate import few_shot
from counterpoint.evaluate.episodes import Align
from counterpoint.methods import Prepare
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import CIFAR, DIGITS, OMNIGLOT, all_of_cifar, alphabets, halves, small_cifar
from counterpoint.testbeds.figures import Vectors, labels, projection, representation
from counterpoint.views import quarter_turns

FLIPPED = 0.1
"""How often an attribute is wrong."""
_FEW, _STEPS = 1000, 200
_DARKEST = 0.3  # of a colour's channels
PICTURED: Mapping[str, str] = {
    "airplane": "metal wings wheels flies windows large",
    "automobile": "metal wheels windows",
    "bird": "alive wings flies",
    "cat": "alive legs fur kept",
    "deer": "alive legs fur hooves",
    "dog": "alive legs fur kept swims",
    "frog": "alive legs swims",
    "horse": "alive legs fur hooves kept large",
    "ship": "metal swims windows large",
    "truck": "metal wheels windows large",
}
"""What is true of the classes of CIFAR-10; `legs` are four, `swims` is on water or in it, `kept` by people."""
WRITTEN: Mapping[str, str] = {
    "0": "loop top bottom",
    "1": "vertical straight",
    "2": "top horizontal",
    "3": "top bottom",
    "4": "vertical horizontal straight",
    "5": "bottom horizontal",
    "6": "loop bottom",
    "7": "horizontal straight",
    "8": "loop loops top bottom",
    "9": "loop top vertical",
}
"""Likewise of digits: `top` and `bottom` are curves there."""


def attributes(
    labels: Tensor, table: Mapping[str, str], generator: torch.Generator, flipped: float = FLIPPED
) -> Float[Tensor, "n a"]:
    """A 1 for each attribute of the class, a 0 for others, and each of these wrong at random.

    Args:
        labels: Places in the table.
        table: From class to its attributes, as words.
        generator: Of what is wrong.
        flipped: Share of it.

    Examples:
        >>> attributes(torch.tensor([1]), {"ant": "legs", "eel": "swims"}, torch.Generator(), 0.0)
        tensor([[0., 1.]])
    """
    names = sorted({word for words in table.values() for word in words.split()})
    truth = torch.tensor([[float(name in words.split()) for name in names] for words in table.values()])[labels]
    return (truth - (torch.rand(truth.shape, generator=generator) < flipped).float()).abs()


def tinted(data: Data, generator: torch.Generator) -> Data:
    """Bright ink in a colour of its own for each picture, which says nothing of its class: column `colour`, RGB."""
    colour = _DARKEST + (1 - _DARKEST) * torch.rand(len(data), 3, generator=generator)
    pixels = data.anchors[data.anchor].tensor
    if pixels.dtype == torch.uint8:
        pixels = pixels.float() / 255
    ink = (pixels * colour[:, :, None, None] * 255).round().byte()
    columns = {**data.columns, "colour": colour}
    return Data.alone(Items("image", ink), source=f"{data.source}, tinted", classes=data.classes, **columns)


@cache
def cifar_with_attributes(seed: int) -> Parts:
    """5,000 pictures of CIFAR-10 and the test part, each with twelve attributes, of which a tenth is wrong."""
    return _known(small_cifar(seed), PICTURED, seed)


@cache
def digits_with_attributes(seed: int) -> Parts:
    """Halves of the digits, each with seven attributes of its shape."""
    return _known(halves(seed), WRITTEN, seed)


@cache
def tinted_digits(seed: int) -> Parts:
    """The same in colours."""
    return _tinted(digits_with_attributes(seed), seed)


@cache
def tinted_characters(seed: int) -> Parts:
    """Omniglot, each drawing in a colour of its own."""
    return _tinted(alphabets(seed), seed)


@cache
def partly_turned(seed: int, of: Callable[[int], Parts] | None = None) -> Parts:
    """Pictures of ten classes; those of five (column `turned`) by a quarter at random.

    Args:
        seed: Of the draws.
        of: The pictures: 5,000 of CIFAR-10 and its test part if not given.
    """
    generator = torch.Generator().manual_seed(seed)
    free = torch.randperm(10, generator=generator)[:5]

    def turn(data: Data) -> Data:
        pixels, turned = data.anchors[data.anchor].tensor, torch.isin(data.columns["label"], free)
        quarter = torch.randint(4, (len(data),), generator=generator) * turned
        found = quarter_turns(pixels, quarter)
        columns = {**data.columns, "turned": turned.long()}
        return Data.alone(Items("image", found), source=data.source, classes=data.classes, **columns)

    return _both((of or small_cifar)(seed), turn)


def standardised(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """Each vector centred and scaled by itself."""
    z = representation(made, data)
    found: Float[np.ndarray, "n d"] = (z - z.mean(1, keepdims=True)) / np.maximum(z.std(1, keepdims=True), 1e-6)
    return found


@cache
def episodes(shots: int = 1, align: Align | None = None) -> Figure:
    """5-way accuracy on the classes of the test part, of standardised vectors, by a logistic regression on prototypes.

    Args:
        shots: Known pictures of each class.
        align: What moves prototypes towards the queries, such as `transported`.
    """

    def measure(made: Made) -> float:
        z, names = standardised(made, made.test), labels(made.test)
        options = {"queries": 15, "episodes": 600, "logistic": 1.0, "samples": 0, "seed": made.seed}
        return float(few_shot(z, names, shots=shots, align=align, **options)["accuracy"].value)  # type: ignore[arg-type]

    how = "" if align is None else f", {align.__name__}"
    return Figure(f"5-way {shots}-shot accuracy on new classes, standardised{how}", measure)


def scarce(seed: int) -> Parts:
    """1,000 pictures of CIFAR-10 drawn by the seed, and the test part."""
    train, test = all_of_cifar(seed)
    kept = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:_FEW]
    return train[kept.sort().values], test


def further(copies: int) -> Prepare:
    """Before training: all other pictures of CIFAR-10, as a perfect generator would draw, and `copies` of each.

    Labels of what is added are -1.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        whole = all_of_cifar(seed)[0]
        every = whole.anchors[whole.anchor]
        new = ~torch.isin(every.hashes(), data.anchors.hashes()[data.anchor])
        return inflated(data, every[new].tensor, copies)

    return prepare


def drawn(times: int, copies: int) -> Prepare:
    """Before training: `times` as many pictures from a mixture fitted to the given ones, and `copies` of each of these.

    The mixture is that of `counterpoint.data.inflation`.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        pixels = take(data.anchors.tensor, data.anchor)
        assert isinstance(pixels, Tensor)
        new = generated(pixels, times * len(data), components=min(30, len(data) // 4), seed=seed)
        if data.anchors.tensor.dtype == torch.uint8:
            new = (new * 255).round().byte()
        return inflated(data, new, copies)

    return prepare


def inflated(data: Data, new: Tensor, copies: int) -> Data:
    """Pictures, each so many times, and others after them, whose labels are -1."""
    pixels, label = data.anchors.tensor[data.anchor], data.columns["label"]
    every = torch.cat([pixels.repeat(copies, 1, 1, 1), new])
    labels = torch.cat([label.repeat(copies), label.new_full((len(new),), -1)])
    return Data.alone(Items("image", every), source=f"{data.source}, inflated", classes=data.classes, label=labels)


def shuffled(column: str) -> Prepare:
    """Before training: what is known of each picture is that of another."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        return replace(data, columns={**data.columns, column: data.columns[column][order]})

    return prepare


def copied(source: str, column: str) -> Prepare:
    """Before training: a column is another one."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        return replace(data, columns={**data.columns, column: data.columns[source]})

    return prepare


def always(column: str, value: int) -> Prepare:
    """Before training: a column is the same for all."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        return replace(data, columns={**data.columns, column: torch.full((len(data),), value)})

    return prepare


def principal(column: str, components: int = 32) -> Prepare:
    """Before training: what is known of each picture are its principal components, its code in a linear generator.

    They are scaled so that two pictures are at a mean squared distance of 1.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from sklearn.decomposition import PCA

        del encoder
        pixels = data.anchors.tensor[data.anchor].flatten(1).double()
        found = PCA(min(components, *pixels.shape), random_state=seed).fit_transform(pixels.numpy())
        # last bits depend on where in memory the pictures lie
        code = torch.from_numpy(found.round(6)).float()
        return replace(data, columns={**data.columns, column: code / (2 * code.var(0).sum()).sqrt()})

    return prepare


@cache
def explained(column: str, of: Vectors = representation) -> Figure:
    """Share of a column's variance that a linear regression on the vectors explains, fitted on the training part."""

    def measure(made: Made) -> float:
        from sklearn.linear_model import Ridge
        from sklearn.preprocessing import StandardScaler

        x, y = of(made, made.train), of(made, made.test)
        known, wanted = (part.columns[column].flatten(1).numpy() for part in (made.train, made.test))
        scaler = StandardScaler().fit(x)
        return float(Ridge().fit(scaler.transform(x), known).score(scaler.transform(y), wanted))

    return Figure(f"R2 of {column}", measure)


@cache
def agreement(column: str, most: int = 500) -> Figure:
    """Correlation over pairs of test items of their cosine after the head with how near their columns are."""

    def measure(made: Made) -> float:
        test = made.test[torch.arange(min(most, len(made.test)))]
        z = F.normalize(torch.from_numpy(projection(made, test)).double(), dim=1)
        known = test.columns[column].double().flatten(1)
        near = -torch.cdist(known, known)
        i, j = torch.triu_indices(len(z), len(z), 1)
        return float(torch.corrcoef(torch.stack([(z @ z.T)[i, j], near[i, j]]))[0, 1])

    return Figure(f"correlation of the projection's cosine with nearness of {column}", measure)


def _turn_contrast(made: Made) -> float:
    test = made.test[torch.arange(min(500, len(made.test)))]
    pixels = test.anchors[test.anchor].tensor
    quarter = replace(test, anchors=Items("image", torch.rot90(pixels, 1, (2, 3))), anchor=torch.arange(len(test)))
    a, b = (F.normalize(torch.from_numpy(projection(made, part)), dim=1) for part in (test, quarter))
    cosine, turned = (a * b).sum(1), test.columns["turned"] == 1
    return float(cosine[turned].mean() - cosine[~turned].mean())


turn_contrast = Figure(
    "cosine of the projections of a picture and its quarter turn, of turned classes less others", _turn_contrast
)
"""Means over test items: whether turns are drawn together where they change nothing, and apart elsewhere."""


def _known(parts: Parts, table: Mapping[str, str], seed: int) -> Parts:
    generator = torch.Generator().manual_seed(seed)

    def known(part: Data) -> Data:
        found = attributes(part.columns["label"], table, generator)
        return replace(part, columns={**part.columns, "attributes": found})

    return _both(parts, known)


def _tinted(parts: Parts, seed: int) -> Parts:
    generator = torch.Generator().manual_seed(seed)
    return _both(parts, lambda part: tinted(part, generator))


def _both(parts: Parts, change: Callable[[Data], Data]) -> Parts:
    train, test = parts
    assert isinstance(test, Data)
    return change(train), change(test)


ATTRIBUTES = replace(
    CIFAR,
    name="CIFAR-10, attributes",
    parts=cifar_with_attributes,
    about=f"{CIFAR.about}; twelve attributes of each are known (alive, wheels, fur, ...), a tenth wrong",
)
DIGITS_ATTRIBUTES = replace(
    DIGITS,
    name="digits, attributes",
    parts=digits_with_attributes,
    about=f"{DIGITS.about}; seven attributes of each shape are known (a loop, a horizontal stroke, ...), a tenth wrong",
)
TINTED_DIGITS = replace(
    DIGITS_ATTRIBUTES,
    name="digits, tinted",
    parts=tinted_digits,
    about=f"{DIGITS_ATTRIBUTES.about}; each in a colour of its own",
)
PARTLY_TURNED = replace(
    CIFAR,
    name="CIFAR-10, partly turned",
    parts=partly_turned,
    about=f"{CIFAR.about}; the pictures of five classes, drawn by the seed, are turned by a random number of quarters",
)
PARTLY_TURNED_DIGITS: Testbed = replace(
    DIGITS, name="digits, partly turned", parts=partial(partly_turned, of=DIGITS.parts)
)
SCARCE = replace(
    CIFAR,
    name="CIFAR-10, scarce",
    parts=scarce,
    about=f"CIFAR-10 brought to 16 x 16, {_FEW:,} training pictures drawn by the seed, 2,000 for test; {_STEPS} steps",
    epochs=0,
    steps=_STEPS,
)
MORE_SCARCE = replace(SCARCE, name="CIFAR-10, not scarce", parts=all_of_cifar, about="the same with 10,000 pictures")
TINTED: Testbed = replace(
    OMNIGLOT,
    name="Omniglot, tinted",
    parts=tinted_characters,
    about=f"{OMNIGLOT.about}; each in a colour of its own, red, green and blue from {_DARKEST} to 1",
)
