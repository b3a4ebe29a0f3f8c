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

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import Perceptron
from counterpoint.geometry import Dot, Parts
from counterpoint.heads import Gaussian, projection
from counterpoint.objectives import InfoNCE, Objective, PointObjective, averaged
from counterpoint.points import Points
from counterpoint.systems.core._digits import probed
from counterpoint.systems.core._recipes import BATCH, STEPS, perceptron, run_recipe
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.training import Payload, train

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


class Plain:
    """Images as they are, each its own positive: sample, mean and log-variance of the one, as query and as key."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The images; what is decoded are their grey pixels, brought to 8 x 8."""
        del among
        pixels = self._images.pixels[rows]
        target = F.adaptive_avg_pool2d(pixels.mean(1, keepdim=True), SIDE).flatten(1)
        return Payload(
            pixels,
            torch.ones(len(rows), dtype=torch.long),
            lambda inputs, chunk: inputs[chunk],
            lambda z: {"queries": Points(z, sample=rows, pixels=target), "keys": Points(z, sample=rows)},
        )


def machine() -> MutualInformationMachine:
    """With a decoder of one hidden layer."""
    return MutualInformationMachine(projection(CODE, hidden=(256,), out=SIDE * SIDE))


def mim() -> Config:
    """The auto-encoder without the contrast."""
    return replace(cmim(), name="MIM", objective=machine)


def summed() -> Config:
    """The contrast with the sum over negatives."""
    contrast = InfoNCE(TEMPERATURE, geometry=Parts(0, 1))
    return replace(cmim(), name="MIM and InfoNCE", objective=lambda: machine() + contrast)


def fit_plain(config: Config, images: Images, seed: int, batch: int = BATCH) -> tuple[Perceptron, nn.Module, Objective]:
    """Encoder, head and objective after `STEPS` steps on images as they are."""
    model = perceptron(images, seed)
    assert config.head is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head, objective = config.head(model.dim), config.objective()
    epochs = (STEPS - 0.5) / (len(images) // min(len(images), batch))
    settings = replace(config.train, batch_size=batch, epochs=epochs, seed=seed, validations=1)
    train(model, Plain(images), objective, settings, head=head)
    return model, head, objective


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

    def after(config: Config, batch: int = BATCH) -> tuple[float, float]:
        model, head, objective = fit_plain(config, parts[0], seed, batch)
        (found,) = (part for part in objective.modules() if isinstance(part, MutualInformationMachine))
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
    run=run_recipe(lambda config, images, seed: fit_plain(config, images, seed)[0]),
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
def cmim() -> Config:
    """Livne 2025: the loss of MIM and the contrast with the mean over negatives, both with weight 1."""
    contrast = InfoNCE(TEMPERATURE, geometry=Parts(0, 1), reweight=averaged())
    return replace(
        simclr(),
        name="cMIM",
        objective=lambda: machine() + contrast,
        head=lambda width: Gaussian(width, CODE),
    )
