"""cMIM: an auto-encoder of high mutual information whose codes tell images apart, without views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.inputs import take
from counterpoint.evaluate import uniformity
from counterpoint.geometry import Parts
from counterpoint.heads import Gaussian, projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import AutoEncoding, InfoNCE, Objective, SupCon, averaged
from counterpoint.procedures import AgainstItself
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Figure, Made, Seen, Trained
from counterpoint.testbeds import figures as of
from counterpoint.testbeds.marked import CODE, CODED, CODED_DIGITS, SIDE, perceptron

TEMPERATURE, BATCH, GROUPS = 0.1, 128, 16


def with_pixels(data: Data, encoder: nn.Module, seed: int) -> Data:
    """With columns `pixels`, what is decoded (grey, brought to one size), and `lot`, one of 16 by chance."""
    del encoder
    pixels = take(data.anchors.tensor, data.anchor)
    assert isinstance(pixels, Tensor)
    decoded = F.adaptive_avg_pool2d(pixels.mean(1, keepdim=True), SIDE).flatten(1)
    lot = torch.randint(GROUPS, (len(data),), generator=torch.Generator().manual_seed(seed))
    return replace(data, columns={**data.columns, "pixels": decoded, "lot": lot})


def machine() -> AutoEncoding:
    """The mutual information machine, with a decoder of one hidden layer."""
    return AutoEncoding(projection(CODE, hidden=(256,), out=SIDE * SIDE), "pixels")


def contrasted(*, mean: bool = True, few: bool = False) -> Objective:
    """MIM and the contrast of a sampled code with mean codes, both with weight 1.

    Args:
        mean: Over negatives, in place of their sum.
        few: Negatives of the own lot only, a sixteenth of the batch.
    """
    relation = Relation(negative=same("lot") & ~same("sample")) if few else None
    reweight = averaged() if mean else None
    return machine() + InfoNCE(TEMPERATURE, geometry=Parts(0, 1), relation=relation, reweight=reweight)


def gaussian(width: int) -> nn.Module:
    """Where a code may be."""
    return Gaussian(width, CODE)


def itself(width: int) -> AgainstItself:
    """Samples against means."""
    del width
    return AgainstItself()


def cmim() -> Recipe:
    """Livne 2025: the loss of MIM and the contrast with the mean over negatives."""
    train = replace(simclr().stages[0].train, batch_size=BATCH)
    about = {"view": None, "views": 1, "procedure": itself, "prepare": (with_pixels,), "head": gaussian}
    return simclr().varied("cMIM", start=perceptron, train=train, objective=contrasted, **about)


def mim() -> Recipe:
    """The auto-encoder without the contrast."""
    return cmim().varied("MIM", objective=machine)


def supervised() -> Recipe:
    """What codes could be: they attract those of their class."""
    takes, contrast = Takes("image", schemas=("labelled",)), SupCon(TEMPERATURE, layout="one-way", geometry=Parts(0, 1))
    return cmim().varied("MIM with labels", takes=takes, objective=lambda: machine() + contrast)


def code_head(width: int) -> nn.Module:
    """Straight to a code."""
    return projection(width, out=CODE)


def infonce() -> Recipe:
    """The contrast of two views alone, on codes as wide."""
    train = replace(simclr().stages[0].train, batch_size=BATCH)
    return simclr(TEMPERATURE).varied("InfoNCE", start=perceptron, train=train, head=code_head)


def sums_of_all() -> Recipe:
    """The contrast with the sum over negatives."""
    return cmim().varied("MIM and InfoNCE", objective=lambda: contrasted(mean=False))


def few_negatives() -> Recipe:
    """cMIM with a sixteenth of the negatives."""
    return cmim().varied("cMIM, few negatives", objective=lambda: contrasted(few=True))


def sums_of_few() -> Recipe:
    """The sum over a sixteenth of them."""
    return cmim().varied("MIM and InfoNCE, few negatives", objective=lambda: contrasted(mean=False, few=True))


def code(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """The mean code of each picture; what the encoder says where there is no code."""
    z = of.projection(made, data)
    return z[:, 1] if z.ndim == 3 else z


def hidden(made: Made, data: Data) -> Float[np.ndarray, "n d"]:
    """What the decoder makes of the mean code before its last layer: the paper's informative embeddings."""
    assert made.objective is not None
    (machine,) = (part for part in made.objective.modules() if isinstance(part, AutoEncoding))
    assert isinstance(machine.decoder, nn.Sequential)
    with torch.inference_mode():
        z: Tensor = machine.decoder[:-1](torch.from_numpy(code(made, data)))
    return z.numpy()


def _spread(made: Made) -> float:
    return uniformity(F.normalize(torch.from_numpy(code(made, made.test)), dim=1))


def batch_sensitivity(seed: int) -> Mapping[str, float]:
    """How far apart the probe accuracies are with all negatives of a batch and with a sixteenth of them."""
    parts, measure = CODED.parts(seed), of.probe_accuracy(of=code).of

    def apart(*makes: Callable[[], Recipe]) -> float:
        many, few = (measure(Trained(make).made(CODED, parts, seed)) for make in makes)
        return abs(many - few)

    return {"system": apart(cmim, few_negatives), "baseline": apart(sums_of_all, sums_of_few)}


system(
    "cMIM",
    title="cMIM: A Contrastive Mutual Information Framework for Unified Generative and Discriminative Representation "
    "Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_cmim.py::test_loss_is_the_naive_sum_of_decoding_densities_and_contrast",
    sample=CODED_DIGITS,
    claims=(
        Claim(
            "The contrast makes codes discriminative",
            of.probe_accuracy(of=code),
            "MIM alone",
            CODED,
            Trained(mim),
            ceiling=Trained(supervised),
        ),
        Claim(
            "Its codes say more of the class than those of the contrast alone",
            of.probe_accuracy(of=code),
            "InfoNCE of two views, codes as wide",
            CODED,
            Trained(infonce),
            ceiling=Trained(supervised),
        ),
        Claim(
            "The decoder's hidden layer is more informative than the code",
            of.probe_accuracy(of=hidden),
            "the mean code",
            CODED,
            Seen(None, of.probe_accuracy(of=code)),
            ceiling=Trained(supervised),
            floors=(),
        ),
        Claim(
            "The number of negatives matters less than with their sum",
            "how far apart the probe accuracies of mean codes are with all negatives and with a sixteenth",
            "the same with the sum over negatives",
            ceiling=0.0,
            better="lower",
            check=batch_sensitivity,
        ),
    ),
    signal=Signal(Figure("uniformity of mean codes", _spread), off=Trained(mim)),
    setup=f"Batches of {BATCH} images without views. The contrast is between a sampled code and mean codes. Its "
    f"weight of 1, the cosine and the temperature of {TEMPERATURE} are choices of this project. Log-variances "
    "are at least -6. Where the number of negatives is what is compared, batches, steps and images are the same and "
    "only the negatives in the contrast are fewer. The floor beside the untrained encoder is as many principal "
    "components as a code has dimensions. A VAE, with which the paper compares, too, is left out. The contrast stands "
    "beside a sum over 196 pixels.",
)(cmim)
