"""Testbeds of pictures that were made: turned by known angles, laid over each other, side by side."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.data.images import digits
from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import ImageEncoder, Perceptron
from counterpoint.encoders.joined import Joined
from counterpoint.heads import Halves
from counterpoint.heads import projection as projection_head
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.recipe import Start
from counterpoint.objectives import HedgedMatch, InfoNCE, KernelEntropy, Logits, Part, Pooled
from counterpoint.procedures import AgainstClasses, MixHardPairs
from counterpoint.testbeds.bed import PIXELS, Figure, Made, Parts, Testbed
from counterpoint.testbeds.beds import CIFAR, PACS, SIDE, halves, network, small_cifar, small_network
from counterpoint.testbeds.figures import Vectors, probe_accuracy, projection, representation
from counterpoint.testbeds.pictures import pacs
from counterpoint.training import TrainConfig
from counterpoint.views import View
from counterpoint.views.standard import picture_view

WIDEST, STRIPES = 90, 4
STEP, TURNS = 15, 5


def turned(pixels: Float[Tensor, "n c h w"], degrees: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """Each image turned anticlockwise by its angle, bilinearly, dark where nothing was."""
    angle = degrees * (math.pi / 180)
    zero = torch.zeros_like(angle)
    theta = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def angles(seed: int, times: int = 1) -> Parts:
    """Halves of the digits, each image turned by 0 to 90 degrees (column `angle`), in training so many times."""
    generator = torch.Generator().manual_seed(seed)

    def turn(pixels: Tensor, labels: Tensor) -> Data:
        angle = torch.randint(0, WIDEST + 1, (len(pixels),), generator=generator)
        items = Items("image", turned(pixels, angle.float()))
        return Data.alone(items, source="turned digits", label=labels, angle=angle)

    train, test = digits().split(seed=seed)
    held = turn(test.pixels, test.labels)
    return turn(train.pixels.repeat(times, 1, 1, 1), train.labels.repeat(times)), held


def more_angles(seed: int) -> Parts:
    """The same with every training image at four angles."""
    return angles(seed, 4)


@cache
def absolute_error(column: str) -> Figure:
    """Mean absolute error of a ridge regression on representations, fitted on the training part.

    Its penalty is the best of seven there, leaving one out.

    Args:
        column: The number that it tells.
    """

    def measure(made: Made) -> float:
        from sklearn.linear_model import RidgeCV

        x, y = ([representation(made, part), part.columns[column].numpy()] for part in (made.train, made.test))
        scale = x[0].std()  # of all dimensions together: pixels that hardly vary must not become large
        said = RidgeCV(np.logspace(-3, 3, 7)).fit(x[0] / scale, x[1]).predict(y[0] / scale)
        return float(np.abs(said - y[1]).mean())

    return Figure(f"mean absolute error of the {column}", measure)


@cache
def ordered(column: str, of: Vectors = projection) -> Figure:
    """How well the cosines of test items follow their nearness in a number: Spearman's correlation over all pairs."""

    def measure(made: Made) -> float:
        from scipy.stats import spearmanr

        z = F.normalize(torch.from_numpy(of(made, made.test)), dim=1)
        y = made.test.columns[column].float()
        i, j = torch.triu_indices(len(z), len(z), 1)
        return float(spearmanr((z @ z.T)[i, j].numpy(), -(y[i] - y[j]).abs().numpy()).statistic)

    return Figure(f"correlation of cosines with nearness in {column}", measure)


def over_stripes(seed: int) -> Parts:
    """Halves of the digits over stripes of four directions; in half of the pictures there is no digit.

    Columns: `label` (the direction), `digit` (-1: none), `target` (whether there is one).
    """
    generator = torch.Generator().manual_seed(seed)

    def over(pixels: Tensor, labels: Tensor) -> Data:
        n, places = len(pixels), torch.arange(8.0)
        pattern = torch.randint(STRIPES, (n,), generator=generator)
        angle, phase = pattern * (math.pi / STRIPES), 2 * math.pi * torch.rand(n, generator=generator)
        across = angle.cos()[:, None, None] * places + angle.sin()[:, None, None] * places[:, None]
        stripes = (1 + (1.5 * across + phase[:, None, None]).sin()) / 2
        return _overlaid(stripes[:, None], pixels, pattern, labels, "digits over stripes")

    train, test = (over(part.pixels, part.labels) for part in digits().split(seed=seed))
    return train, test


def over_cifar(seed: int) -> Parts:
    """CIFAR-10 of 16 x 16 pixels; over half of the pictures lies a digit of the same size.

    Columns: `label` (of the picture), `digit` (-1: none), `target` (whether there is one). Digits of the test are
    others than those of training. Source: Louiset et al. 2024, section 4, with MNIST.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for backgrounds, part in zip(small_cifar(seed), digits().split(seed=seed), strict=True):
        assert isinstance(backgrounds, Data)
        pixels = backgrounds.anchors.tensor[backgrounds.anchor].float() / 255
        drawn = torch.randint(len(part), (len(pixels),), generator=generator)
        wide = F.interpolate(part.pixels[drawn], (SIDE, SIDE), mode="bilinear")
        label = backgrounds.columns["label"]
        made.append(_overlaid(pixels, wide, label, part.labels[drawn], "digits over CIFAR-10"))
    return made[0], made[1]


def _overlaid(backgrounds: Tensor, pixels: Tensor, label: Tensor, digit: Tensor, source: str) -> Data:
    """The mean of both in every second picture, half the background in the others."""
    target = torch.arange(len(pixels)) % 2
    both = (backgrounds + pixels * target[:, None, None, None]) / 2
    known = torch.where(target == 1, digit, -1)
    return Data.alone(Items("image", both), source=source, label=label, digit=known, target=target)


def two_networks(data: Data, seed: int) -> Joined:
    """Two residual networks of 16, 32, 64 channels side by side."""
    del seed
    channels = data.anchors.tensor.shape[1]
    return Joined([ImageEncoder(channels, widths=(16, 32, 64)) for _ in range(2)])


def common(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """The first of two spaces; of a model that has one, that."""
    h = representation(made, data)
    return np.split(h, 2, 1)[0] if isinstance(made.head, Halves) else h


def salient(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """The second of two spaces; of a model that has one, that."""
    h = representation(made, data)
    return np.split(h, 2, 1)[1] if isinstance(made.head, Halves) else h


@cache
def told(column: str, of: Vectors) -> Figure:
    """Probe accuracy of a column among targets, on one of the spaces.

    Examples:
        >>> told("digit", salient).name
        'probe accuracy of digit, salient'
    """

    def measure(made: Made) -> float:
        train, test = (part[part.columns["target"] == 1] for part in (made.train, made.test))
        return probe_accuracy(column, of).of(replace(made, parts=(train, test)))

    return Figure(probe_accuracy(column, of).name, measure)


def _mixed_up(made: Made) -> float:
    chance = {column: 1 / len(made.train.columns[column][1::2].unique()) for column in ("digit", "label")}
    ideal = {("digit", salient): 1.0, ("label", salient): chance["label"]}
    ideal |= {("label", common): 1.0, ("digit", common): chance["digit"]}
    return sum(abs(told(*what).of(made) - wanted) for what, wanted in ideal.items())


mixed_up = Figure("distance from a perfect separation", _mixed_up)
"""How far four probes are from what they should be: each space tells its own attribute at 1 and the other by chance.

0 is perfect; one space for both attributes is at 2 less the chances of both, whatever it tells. Source: Louiset et al.
2024, section 4 (their total of differences).
"""


def _joint(made: Made) -> float:
    with torch.inference_mode():
        return float(KernelEntropy()(torch.from_numpy(projection(made, made.test))))


joint_entropy = Figure("minus the joint entropy of the projections", _joint)
"""By kernel density (`counterpoint.objectives.KernelEntropy`), on the test part."""


def two_digits(seed: int) -> Parts:
    """Two digits side by side, 8 x 16 pixels: 2,000 of the training half, 1,000 of the test half.

    In every second picture of the test half of one of them is hidden (column `hidden`). The label is the number that
    both make. Source: Oh et al. 2019, section 4.1, with MNIST and rectangles.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for n, part, hides in zip((2000, 1000), digits().split(seed=seed), (False, True), strict=True):
        drawn = torch.randint(len(part), (2, n), generator=generator)
        pixels = torch.cat([part.pixels[rows] for rows in drawn], 3)
        hidden = (torch.arange(n) % 2) * int(hides)
        which = F.one_hot(torch.randint(2, (n,), generator=generator), 2)
        side = torch.randint(4, (n, 2), generator=generator)
        label = 10 * part.labels[drawn[0]] + part.labels[drawn[1]]
        items = Items("image", half_hidden(pixels, hidden[:, None] * which == 1, side))
        made.append(Data.alone(items, source="two digits", label=label, hidden=hidden))
    return made[0], made[1]


def half_hidden(
    pixels: Float[Tensor, "n c h w"], hidden: Bool[Tensor, "n 2"], side: Int[Tensor, "n 2"]
) -> Float[Tensor, "n c h w"]:
    """Of the left and the right half of each picture, if it is to be hidden, the upper, lower, left or right half.

    Examples:
        >>> pixels = torch.ones(1, 1, 2, 4)
        >>> half_hidden(pixels, torch.tensor([[False, True]]), torch.tensor([[0, 0]]))[0, 0].tolist()
        [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]
    """
    high, wide = pixels.shape[2], pixels.shape[3] // 2
    masks = torch.ones(4, high, wide)
    masks[0, : high // 2], masks[1, high // 2 :], masks[2, :, : wide // 2], masks[3, :, wide // 2 :] = 0, 0, 0, 0
    shown = torch.where(hidden[:, :, None, None], masks[side], 1.0)
    return pixels * torch.cat([shown[:, 0], shown[:, 1]], 2)[:, None].to(pixels)


def hide_digits(share: float) -> View:
    """A view: of each of two digits one half is hidden with this chance."""

    def view(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        n = len(pixels)
        return half_hidden(pixels, torch.rand(n, 2) < share, torch.randint(4, (n, 2)))

    return view


def perceptron(data: Data, seed: int) -> Perceptron:
    """A perceptron of 512, 256 and 128 units."""
    del seed
    return Perceptron(data.anchors.tensor[0].numel(), hidden=(512, 256), dim=128)


def match(made: Made, queries: Data, keys: Data) -> Float[Tensor, "n m"]:
    """How sure a model is that two items match: the logarithm of HIB's probability, or minus the distance.

    With the scale and bias that were learned.
    """
    learned = _learned(made)
    x, y = (torch.from_numpy(projection(made, part)) for part in (queries, keys))
    if learned is None:
        return -torch.cdist(x, y)
    with torch.inference_mode():
        x, y = learned.prepare(x), learned.prepare(y)
        return torch.cat([learned.shared(part, y, 1.0) for part in x.split(50)])


def uncertainties(made: Made, data: Data) -> Float[np.ndarray, " n"]:
    """`1 - p(match)` of each item with itself (Oh et al. 2019, section 3.4), over all pairs of 64 draws."""
    learned = _learned(made)
    assert learned is not None
    # of points every draw is the same
    geometry = HedgedMatch(64 if learned.samples else 0, scale=learned.log_scale.exp().item(), bias=learned.bias.item())
    with torch.inference_mode():
        x, y = (geometry.prepare(torch.from_numpy(projection(made, data))) for _ in range(2))
        log_p = torch.cat([geometry.owned(a[None], b[None, None], 1.0)[0] for a, b in zip(x, y, strict=True)])
    return (1 - log_p.exp()).numpy()


def _learned(made: Made) -> HedgedMatch | None:
    parts = [] if made.objective is None else list(made.objective.modules())
    return next((part for part in parts if isinstance(part, HedgedMatch)), None)


def _hidden(data: Data, value: int | None) -> Data:
    return data if value is None else data[data.columns["hidden"] == value]


_NAMES = {0: "clean pictures", 1: "corrupted pictures", None: "pictures"}


@cache
def verified(hidden: int) -> Figure:
    """Average precision of "same class" over all pairs of test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        from sklearn.metrics import average_precision_score

        data = _hidden(made.test, hidden)
        i, j = torch.triu_indices(len(data), len(data), 1)
        y = data.columns["label"]
        return float(average_precision_score((y[i] == y[j]).numpy(), match(made, data, data)[i, j].numpy()))

    return Figure(f"verification average precision, {_NAMES[hidden]}", measure)


def _identified(made: Made, data: Data, k: int = 5) -> tuple[Tensor, Tensor]:
    """Whether most of the training items that match best are of an item's class, and how sure the best match is."""
    top = match(made, data, made.train).topk(k)
    votes = F.one_hot(made.train.columns["label"][top.indices]).sum(1)
    # of classes with as many votes, that of the better matches
    votes = votes + F.one_hot(made.train.columns["label"][top.indices[:, 0]], votes.shape[1]) / 2
    return votes.argmax(1) == data.columns["label"], top.values[:, 0]


@cache
def identified(hidden: int) -> Figure:
    """Accuracy of the five best matches among training items, for test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        return float(_identified(made, _hidden(made.test, hidden))[0].float().mean())

    return Figure(f"5-nearest-neighbour accuracy, {_NAMES[hidden]}", measure)


@cache
def uncertainty(hidden: int) -> Figure:
    """Mean uncertainty of test items that are corrupted (1) or not (0)."""

    def measure(made: Made) -> float:
        return float(uncertainties(made, _hidden(made.test, hidden)).mean())

    return Figure(f"uncertainty of {_NAMES[hidden]}", measure)


def _uncertainty_spread(made: Made) -> float:
    return float(uncertainties(made, made.test).std())


uncertainty_spread = Figure("standard deviation of the uncertainty", _uncertainty_spread)


def _tau(made: Made) -> float:
    from scipy.stats import kendalltau

    right, _ = _identified(made, made.test)
    return float(kendalltau(-uncertainties(made, made.test), right.numpy()).statistic)


foresight = Figure("Kendall's tau of certainty with being identified", _tau)
"""Source: Oh et al. 2019, section 4.4."""


def _tau_of_best(made: Made) -> float:
    from scipy.stats import kendalltau

    right, best = _identified(made, made.test)
    return float(kendalltau(best.numpy(), right.numpy()).statistic)


foresight_by_distance = Figure("Kendall's tau of the best match with being identified", _tau_of_best)
"""What any embedding can say of its certainty: how near the nearest is."""


def turned_domains(seed: int) -> Parts:
    """Half of the digits in five domains, turned by 0, 15, ... 60 degrees; the other half turned by 75, a new one.

    Columns: `label`, `domain`, and `mixed`: groups of the domains' sizes that say nothing.
    """
    train, test = digits().split(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    domain = torch.arange(len(train))[torch.randperm(len(train), generator=generator)] % TURNS
    new = torch.full((len(test),), float(STEP * TURNS))
    pixels = turned(train.pixels, STEP * domain.float()), turned(test.pixels, new)
    made = [
        Data.alone(Items("image", x), source="turned digits", label=part.labels)
        for x, part in zip(pixels, (train, test), strict=True)
    ]
    return _grouped(made[0], domain, generator), made[1]


def new_domain(seed: int) -> Parts:
    """PACS of 32 x 32 pixels: three domains to train on, and half of the fourth, number `seed % 4`, for test."""
    return _with_new(seed, known=False)


def known_domain(seed: int) -> Parts:
    """The same where the other half of the fourth domain is trained on, too: what could be reached."""
    return _with_new(seed, known=True)


def _with_new(seed: int, *, known: bool) -> Parts:
    train, test = pacs(seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(test), generator=generator)
    held, rest = test[order[: len(test) // 2]], test[order[len(test) // 2 :]]
    if known:
        items = Items("image", torch.cat([part.anchors.tensor[part.anchor] for part in (train, rest)]))
        columns = {name: torch.cat([train.columns[name], rest.columns[name]]) for name in train.columns}
        train = Data.alone(items, source="PACS", classes=train.classes, **columns)
    return _grouped(train, train.columns["domain"], generator), held


def _grouped(data: Data, domain: Tensor, generator: torch.Generator) -> Data:
    mixed = domain[torch.randperm(len(domain), generator=generator)]
    return replace(data, columns={**data.columns, "domain": domain, "mixed": mixed})


def tuning(seed: int) -> Parts:
    """CIFAR-10 of 16 x 16: 100 pictures each of five classes drawn by the seed to learn from, the test of these."""
    return _of_half(small_cifar(seed), seed, first=True, most=100)


def more_tuning(seed: int) -> Parts:
    """The same with all pictures of these classes, some 500 each: what could be reached."""
    return _of_half(small_cifar(seed), seed, first=True)


def tuning_digits(seed: int) -> Parts:
    """Five classes of digits, 20 training pictures each."""
    return _of_half(halves(seed), seed, first=True, most=20)


def _of_half(parts: Parts, seed: int, *, first: bool, most: int = 1 << 30) -> tuple[Data, Data]:
    """Rows of the first or the last five of ten classes in an order drawn by the seed, renumbered."""
    number = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    made = []
    for part, limit in zip(parts, (most, 1 << 30), strict=True):
        assert isinstance(part, Data)
        label = number[part.columns["label"]] - (0 if first else 5)
        rows = [(label == each).nonzero()[:limit, 0] for each in range(5)]
        chosen = torch.cat(rows).sort().values
        made.append(replace(part[chosen], columns={"label": label[chosen]}, classes=()))
    return made[0], made[1]


def pretrained(data: Data, seed: int) -> nn.Module:
    """A network that SimCLR has trained on the five other classes of CIFAR-10, 20 epochs; it sees none of `data`."""
    del data
    return _pretrained(_of_half(small_cifar(seed), seed, first=False)[0], network, 20, seed)


def pretrained_on_digits(data: Data, seed: int) -> nn.Module:
    """A small network that SimCLR has trained on the five other classes of digits, 10 epochs."""
    del data
    return _pretrained(_of_half(halves(seed), seed, first=False)[0], small_network, 10, seed)


def _simclr_head(width: int) -> nn.Module:
    return projection_head(width, hidden=(width,), norm=nn.BatchNorm1d)


def _pretrained(data: Data, start: Start, epochs: int, seed: int) -> nn.Module:
    train = TrainConfig(
        epochs=epochs,
        batch_size=256,
        learning_rate=2e-3,
        weight_decay=1e-4,
        dtype="auto",
        chunk_tokens=1 << 24,
        validations=1,
    )
    stage = Stage(lambda: InfoNCE(0.5, layout="views"), train, head=_simclr_head, view=picture_view())
    return Recipe("SimCLR", (stage,), Takes("image"), start).make(data, seed)[0]


def class_logits(made: Made, data: Data) -> Float[Tensor, "n c"] | None:
    """What a model's own classifier says of each item; None if it has none.

    It is what a `Logits` objective was taken on, or all that was held against classes (`AgainstClasses`).
    """
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


def _own(made: Made) -> float:
    kernel = isinstance(made.objective, Pooled)
    said = kernel_votes(made, made.test) if kernel else class_logits(made, made.test)
    if said is None:
        return probe_accuracy().of(made)
    return float((said.argmax(1) == made.test.columns["label"]).float().mean())


own_accuracy = Figure("accuracy of its own classifier", _own)
"""Linear, or a Nadaraya-Watson head; of what has none, that of a logistic probe."""


def _class_margin(made: Made) -> float:
    z, y = F.normalize(torch.from_numpy(representation(made, made.test)), dim=1), made.test.columns["label"]
    cosine, alike = z @ z.T, y[:, None] == y
    apart = ~torch.eye(len(y), dtype=torch.bool)
    return float(cosine[alike & apart].mean() - cosine[~alike].mean())


class_margin = Figure("mean cosine within classes less that between them", _class_margin)


def _domain_gap(made: Made) -> float:
    z, domain = torch.from_numpy(representation(made, made.train)), made.train.columns["domain"]
    means = torch.stack([z[domain == each].mean(0) for each in domain.unique()])
    return float(means.var(0).sum() / z.var(0).sum())


domain_gap = Figure("share of the representation's variance between training domains", _domain_gap)


_TURNED = (
    f"scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test, each turned by 0 to {WIDEST} degrees"
)
_SMALL = "a residual network of 16, 32, 64 channels from scratch"
ANGLES = Testbed(
    "turned digits",
    angles,
    f"{_TURNED}, the angle to be told; {_SMALL}, 30 epochs of two views",
    small_network,
    epochs=30,
    raw=PIXELS,
    figures=(absolute_error("angle"),),
)
MORE_ANGLES = Testbed(
    "turned digits, four times",
    more_angles,
    "the same with every training image at four angles, 15 epochs",
    small_network,
    epochs=15,
    raw=PIXELS,
    figures=(absolute_error("angle"),),
)
OVER_STRIPES = Testbed(
    "digits over stripes",
    over_stripes,
    "scikit-learn digits, half of each class for test, over stripes of four directions, in half of the pictures no "
    "digit; two residual networks of 16, 32, 64 channels side by side from scratch, 30 epochs of two views",
    two_networks,
    epochs=30,
    raw=PIXELS,
)
OVER_CIFAR = Testbed(
    "digits over CIFAR-10",
    over_cifar,
    "CIFAR-10 of 16 x 16 pixels (5,000 pictures, 2,000 for test), over half of them a scikit-learn digit as large; "
    "two residual networks of 16, 32, 64 channels side by side from scratch, 10 epochs of two views, AdamW at 2e-3",
    two_networks,
    epochs=10,
    settings=CIFAR.settings,
    raw=PIXELS,
)
TWO_DIGITS = Testbed(
    "two digits",
    two_digits,
    "two scikit-learn digits side by side (100 classes, 8 x 16; 2,000 pictures), another 1,000 of the digits' other "
    "part for test, in every second of which half of one digit is hidden; a perceptron of 512, 256 and 128 units from "
    "scratch, 60 epochs of two views, in each of which either digit loses a half with a chance of 0.2",
    perceptron,
    epochs=60,
    raw=PIXELS,
)
TURNED_DIGITS = Testbed(
    "turned digits, new angle",
    turned_domains,
    f"scikit-learn digits: one half in five domains, turned by 0 to {STEP * (TURNS - 1)} degrees, the other, turned by "
    f"{STEP * TURNS}, for test; {_SMALL}, 30 epochs of two views",
    small_network,
    epochs=30,
    raw=PIXELS,
    apart="domain",
)
_OWN_RATE = {name: value for name, value in CIFAR.settings.items() if name != "learning_rate"}
NEW_DOMAIN = replace(
    PACS,
    name="PACS, new domain",
    parts=new_domain,
    about="PACS (1,200 pictures of six classes in four domains, 32 x 32), half of one domain, by turns, for test; a "
    "residual network of 32, 64, 128 channels (GroupNorm, standardised weights) from scratch, 30 epochs of two views, "
    "AdamW at the method's rate; settings are chosen on another domain that is left out",
    settings=_OWN_RATE,
    apart="domain",
)
KNOWN_DOMAIN = replace(NEW_DOMAIN, name="PACS, all domains", parts=known_domain)
"""Its training part has the other half of the test's domain."""
TUNING = Testbed(
    "CIFAR-10, five classes",
    tuning,
    "CIFAR-10 brought to 16 x 16, 100 pictures each of five classes drawn by the seed, their 1,000 for test; a "
    "residual network of 32, 64, 128 channels that SimCLR has trained for 20 epochs on the five other classes (2,500 "
    "pictures), 40 epochs of one view (20 of two), AdamW at the method's rate",
    pretrained,
    epochs=20,
    settings=_OWN_RATE,
    raw=PIXELS,
)
MORE_TUNING = replace(TUNING, name="CIFAR-10, five classes, more", parts=more_tuning)
"""Five times the pictures and steps."""
TUNING_DIGITS = Testbed(
    "digits, five classes",
    tuning_digits,
    "scikit-learn digits, 20 pictures each of five classes, half of their pictures for test; a small residual "
    "network that SimCLR has trained for 10 epochs on the five other classes, 40 epochs of one view",
    pretrained_on_digits,
    epochs=20,
    raw=PIXELS,
)
