"""cMIM: an auto-encoder of high mutual information whose codes tell images apart, without views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Normal

from counterpoint.data.images import Images, digits
from counterpoint.data.items import Data
from counterpoint.geometry import Dot, Parts
from counterpoint.heads import Gaussian, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective, PointObjective, averaged
from counterpoint.points import Points
from counterpoint.procedures import AgainstItself
from counterpoint.systems.core._digits import pixels_of, probed, run_on_images, trained
from counterpoint.systems.core._recipes import BATCH, STEPS, small_simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

CODE, SIDE, FEW, TEMPERATURE = 16, 8, 8, 0.1
Encode = Callable[[Images], np.ndarray]


class MutualInformationMachine(PointObjective):
    """`-log p(x|z) - (log q(z|x) + log p(z)) / 2`, `z` a sample of `q(z|x)`: codes that say much and lie together.

    `p(x|z)` is Bernoulli for each pixel, `p(z)` the standard normal. Source: Livne et al. 2019, "MIM: Mutual
    Information Machine", the asymmetric loss with the decoder's marginal for `q(x)`.

    Args:
        decoder: From codes to logits of the pixels.
    """

    def __init__(self, decoder: nn.Sequential) -> None:
        super().__init__(geometry=Dot())
        self.decoder = decoder

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the queries, whose column `pixels` is what is to be decoded."""
        del keys, i, j
        sample, mean, log_variance = queries.z.unbind(1)
        decoded = -F.binary_cross_entropy_with_logits(self.decoder(sample), queries.columns["pixels"], reduction="none")
        inferred = Normal(mean, (log_variance / 2).exp()).log_prob(sample)
        prior = Normal(0.0, 1.0).log_prob(sample)
        loss: Tensor = -(decoded.sum(1) + (inferred.sum(1) + prior.sum(1)) / 2).mean()
        return loss


def with_pixels(data: Data, encoder: nn.Module, seed: int) -> Data:
    """With a column `pixels`, what is decoded: the grey pixels, brought to 8 x 8."""
    del encoder, seed
    grey = pixels_of(data).mean(1, keepdim=True)
    return replace(data, columns={**data.columns, "pixels": F.adaptive_avg_pool2d(grey, SIDE).flatten(1)})


def machine() -> MutualInformationMachine:
    """With a decoder of one hidden layer."""
    return MutualInformationMachine(projection(CODE, hidden=(256,), out=SIDE * SIDE))


def mim() -> Recipe:
    """The auto-encoder without the contrast."""
    return cmim().varied("MIM", objective=machine)


def summed() -> Recipe:
    """The contrast with the sum over negatives."""
    contrast = InfoNCE(TEMPERATURE, geometry=Parts(0, 1))
    return cmim().varied("MIM and InfoNCE", objective=lambda: machine() + contrast)


def means(model: nn.Module, head: nn.Module) -> Encode:
    """The mean code of each image."""

    def encode(images: Images) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(head(model(images.pixels))[:, 1].numpy())

    return encode


def informative(code: Encode, decoder: nn.Sequential) -> Encode:
    """What the decoder makes of the mean code before its last layer."""

    def encode(images: Images) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(decoder[:-1](torch.from_numpy(code(images))).numpy())

    return encode


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)

    def after(recipe: Recipe, batch: int = BATCH) -> tuple[float, float]:
        kept: list[Objective] = []
        stage = recipe.stages[0]

        def objective() -> Objective:
            kept.append(stage.objective())
            return kept[0]

        train = replace(stage.train, batch_size=batch)
        model, head = trained(recipe.varied(recipe.name, train=train, objective=objective), parts[0], seed)
        (found,) = (part for part in kept[0].modules() if isinstance(part, MutualInformationMachine))
        code = means(model, head)
        return probed(code, parts), probed(informative(code, found.decoder), parts)

    (code, hidden), (alone, _) = after(cmim()), after(mim())
    apart = abs(code - after(cmim(), FEW)[0])
    plain, plain_few = after(summed())[0], after(summed(), FEW)[0]
    figures = {"probe accuracy of the code with the sum over negatives": plain}
    return ((code, alone), (hidden, code), (apart, abs(plain - plain_few))), figures


@system(
    "cMIM",
    title="cMIM: A Contrastive Mutual Information Framework for Unified Generative and Discriminative Representation "
    "Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_cmim.py::test_loss_is_the_naive_sum_of_decoding_densities_and_contrast",
    run=run_on_images,
    claims=(
        Claim("The contrast makes codes discriminative", "probe accuracy of mean codes", "MIM alone"),
        Claim(
            "The decoder's hidden layer is more informative than the code",
            "probe accuracy of the decoder's hidden layer",
            "the mean code",
        ),
        Claim(
            "The number of negatives matters less than with their sum",
            f"how far apart the probe accuracies of mean codes are after batches of {BATCH} and of {FEW}",
            "the same with the sum over negatives",
            "lower",
        ),
    ),
    measure=_measure,
    setup="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test; a perceptron of 256 and 64 units, "
    f"codes of {CODE} dimensions, a decoder with one hidden layer of 256; {STEPS} steps of {BATCH} images without "
    f"views, AdamW at 1e-3. The contrast is between a sampled code and mean codes, at temperature {TEMPERATURE}. "
    "Log-variances are at least -6. Probes: logistic regression on standardised features, fitted on the training half.",
)
def cmim() -> Recipe:
    """Livne 2025: the loss of MIM and the contrast with the mean over negatives, both with weight 1."""
    contrast = InfoNCE(TEMPERATURE, geometry=Parts(0, 1), reweight=averaged())
    return small_simclr().varied(
        "cMIM",
        view=None,
        views=1,
        procedure=lambda _width: AgainstItself(),
        prepare=(with_pixels,),
        objective=lambda: machine() + contrast,
        head=lambda width: Gaussian(width, CODE),
    )
