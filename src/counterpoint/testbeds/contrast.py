"""What losses that pull positives and push negatives move inside: how strongly they push, and at which temperature."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Items
from counterpoint.encoders.inputs import take
from counterpoint.objectives import Alignment, IndividualTemperature, PairTemperature, RowObjective, Uniformity
from counterpoint.points import Points
from counterpoint.testbeds.bed import Arm, Figure, Made, Testbed
from counterpoint.views.standard import picture_view

_MOST = 256
COUPLED = 32
"""Pictures of a batch that `coupling` is taken over."""


def two_views(made: Made, most: int = _MOST) -> tuple[Points, Points]:
    """What the loss is taken on, of two views of the first test pictures, drawn by the seed; with their columns."""
    rows = made.test[torch.arange(min(most, len(made.test)))]
    pixels = take(rows.anchors.tensor, rows.anchor)
    assert isinstance(pixels, Tensor)
    view, sides = picture_view(), []
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(made.seed)
        for number in range(2):
            h = torch.from_numpy(made.encoder.encode_items(Items("image", view(pixels))))
            sample = torch.arange(len(rows))
            columns = {**rows.columns, "sample": sample, "view": torch.full_like(sample, number)}
            sides.append(Points(F.normalize(made.head(h), dim=1), columns))
    return sides[0], sides[1]


def odds(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"], temperature: float) -> Float[Tensor, " n"]:
    """Of each first view: the sum of `exp(s / temperature)` over the views of all others, by that of its own other one.

    Examples:
        >>> [round(x, 4) for x in odds(torch.eye(2), torch.eye(2), 1.0).tolist()]  # 2 e^0 / e^1
        [0.7358, 0.7358]
    """
    scores = torch.cat([first @ second.T, first @ first.T], 1) / temperature
    n = len(first)
    own = torch.eye(n, dtype=torch.bool).repeat(1, 2)
    return (scores.masked_fill(own, -torch.inf).logsumexp(1) - scores.diagonal()).exp()


def _coupling(made: Made) -> float:
    first, second = (side.z for side in two_views(made))
    parts = zip(first.split(COUPLED), second.split(COUPLED), strict=True)
    each = torch.cat([odds(a, b, 0.1) for a, b in parts if len(a) == COUPLED])
    return float((each / (1 + each)).mean())


coupling = Figure(f"coupling in batches of {COUPLED}", _coupling)
"""The mean of `1 - p`, `p` the positive's share of NT-Xent's softmax at temperature 0.1: what its gradient has as a
factor and DCL's has not (Yeh et al. 2022, proposition 1)."""


def _taken_out(made: Made) -> float:
    first, second = two_views(made)
    loss = made.objective
    assert isinstance(loss, RowObjective)
    kept = loss(first, second, reduction="none")[: len(first)].expm1()
    return 1 - float((kept / odds(first.z, second.z, 1 / float(loss.scale()))).mean())


taken_out = Figure("share of the negatives' sum taken out", _taken_out)
"""Of losses `log(1 + x)` of a row: how much less `x` is than the sum over all negatives (Chuang et al. 2020, eq. 8)."""


def _last_temperature(made: Made) -> float:
    loss = made.objective
    assert isinstance(loss, RowObjective)
    return 1 / float(loss.scale())


last_temperature = Figure("temperature at the last step", _last_temperature)


def _own_temperatures(made: Made) -> Float[Tensor, " n"]:
    loss = made.objective
    assert isinstance(loss, IndividualTemperature)
    return loss.tau[: len(made.train)]


def _spread_of_temperatures(made: Made) -> float:
    return float(_own_temperatures(made).std())


spread_of_temperatures = Figure("standard deviation of the samples' temperatures", _spread_of_temperatures)


def _warmth_of_frequent(made: Made) -> float:
    from scipy.stats import spearmanr

    tau, label = _own_temperatures(made), made.train.columns["label"]
    often = torch.bincount(label)[label]
    if min(len(tau.unique()), len(often.unique())) == 1:
        return 0.0
    return float(spearmanr(tau.numpy(), often.numpy()).statistic)


warmth_of_frequent = Figure("rank correlation of temperature and class frequency", _warmth_of_frequent)
"""Over training samples; 0 where all temperatures are the same, or all classes as frequent."""


def _aligned_and_uniform(made: Made) -> float:
    return float((Alignment(2.0) + Uniformity(2.0))(*two_views(made)))


aligned_and_uniform = Figure("alignment plus uniformity", _aligned_and_uniform)
"""Of two views of test pictures, lower is better (Wang and Isola 2020, section 4.1)."""


def _own(made: Made) -> float:
    first, second = (side.z for side in two_views(made))
    return float((first * second).sum(1).mean())


own = Figure("cosine of two views of a picture", _own)
"""The mean over test pictures, of the projection, before a procedure changes what is scored."""


def _nearest(made: Made) -> float:
    first, second = (side.z for side in two_views(made))
    return float((first @ second.T).fill_diagonal_(-1).amax(1).mean())


nearest = Figure("cosine with the nearest other picture", _nearest)
"""The mean over test pictures, of the projection's views."""


def _spread_over_pairs(made: Made) -> float:
    first, second = two_views(made)
    part = next(one for one in made.objective.modules() if isinstance(one, PairTemperature))  # type: ignore[union-attr]
    with torch.inference_mode():
        # of the first head
        tau = part.temperatures(*(F.normalize(side.z[:, : part.dim], dim=1) for side in (first, second)))
    return float(tau.std())


spread_over_pairs = Figure("standard deviation of the pairs' temperatures", _spread_over_pairs)
"""Over all pairs of one view of a test picture and another of the same or another one, in AMCL's first head."""


def agreement(bed: Testbed, seed: int, one: Figure, other: Figure, arms: Sequence[Arm]) -> float:
    """The rank correlation of two figures over arms, all trained for it."""
    from scipy.stats import spearmanr

    parts = bed.parts(seed)
    made = [arm.made(bed, parts, seed) for arm in arms]
    return float(spearmanr(*([figure.of(m) for m in made] for figure in (one, other))).statistic)


def lost(bed: Testbed, seed: int, figure: Figure, arm: Arm, other: Arm) -> float:
    """How much lower a figure of an arm is than that of another one, both trained for it."""
    parts = bed.parts(seed)
    return figure.of(other.made(bed, parts, seed)) - figure.of(arm.made(bed, parts, seed))
