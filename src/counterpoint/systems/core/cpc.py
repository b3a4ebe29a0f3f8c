"""CPC: a context of the past is contrasted with what comes next, several steps ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.config import Config
from counterpoint.data.images import Images, digits, read_images
from counterpoint.encoders.sequence import SequenceEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import Predictions
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._probe import standardised_accuracy
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig, train
from counterpoint.views import SequenceBatches

_AHEAD, _EPOCHS, _WIDTH = 4, 100, 32

Parts = tuple[Images, Images]


def rows(images: Images) -> Float[Tensor, "n t c"]:
    """Each image as a sequence of its rows, from top to bottom."""
    return images.pixels.transpose(1, 2).flatten(2)


def start(images: Images, seed: int) -> SequenceEncoder:
    """The encoder before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SequenceEncoder(rows(images).shape[2], width=_WIDTH)


def head(context: int, steps: int = _AHEAD) -> nn.Module:
    """One matrix for each step ahead."""
    return Predictions(_WIDTH, context, steps=steps)


def trained(images: Images, seed: int, config: Config) -> tuple[SequenceEncoder, nn.Module]:
    """The encoder after training, and its head."""
    model = start(images, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        assert config.head is not None
        predictions = config.head(model.dim)
    settings = replace(config.train, epochs=_EPOCHS, seed=seed, validations=1)
    train(model, SequenceBatches(rows(images)), config.objective(), settings, head=predictions)
    return model, predictions


def _accuracy(model: SequenceEncoder, parts: Parts) -> float:
    x, y = (torch.from_numpy(model.encode(rows(part))) for part in parts)
    return standardised_accuracy((x, y), (parts[0].labels, parts[1].labels))


def information(model: SequenceEncoder, predictions: nn.Module, images: Images) -> float:
    """`log N - L` on these images, in nats: at most what context and future share."""
    every, objective = SequenceBatches(rows(images)), cpc().objective()
    payload = every.payload(torch.arange(len(images)))
    with torch.inference_mode():
        seen = payload.arguments(predictions(model(payload.inputs)))
        guess = objective.guess(len(seen["queries"]), len(seen["keys"]))
        assert guess is not None
        return guess - float(objective(**seen))


def next_step() -> Config:
    """The baseline: only the next step is predicted."""
    return replace(cpc(), name="CPC, one step ahead", head=lambda context: head(context, 1))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = digits().split(seed=seed)
    model, predictions = trained(parts[0], seed, cpc())
    near, _ = trained(parts[0], seed, next_step())
    ours, flat = _accuracy(model, parts), [part.pixels.flatten(1) for part in parts]
    figures = {
        "log N - L on test images, nats": information(model, predictions, parts[1]),
        "probe accuracy of all pixels": standardised_accuracy((flat[0], flat[1]), (parts[0].labels, parts[1].labels)),
    }
    return ((ours, _accuracy(start(parts[0], seed), parts)), (ours, _accuracy(near, parts))), figures


def _run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
    """Train on the rows of half of the images, digits or the user's `.npz`, and probe on the other half."""
    from safetensors.torch import save_file

    from counterpoint.files import atomic

    images = digits() if source is None else read_images(source)
    parts = images.split()
    say(f"{images.source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test, row by row")
    model, predictions = trained(parts[0], 0, config)
    with atomic(output / "encoder.safetensors") as part:
        save_file(model.state_dict(), part)
    return {
        "untrained: probe accuracy": _accuracy(start(parts[0], 0), parts),
        f"{config.name}: probe accuracy": _accuracy(model, parts),
        "log N - L on test images, nats": information(model, predictions, parts[1]),
    }


@system(
    "CPC",
    title="Representation Learning with Contrastive Predictive Coding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_cpc.py::test_loss_is_equation_4_of_a_naive_loop_over_steps_ahead",
    run=_run,
    claims=(
        Claim("Predicting the future improves the context", "probe accuracy of the mean context", "random weights"),
        Claim(
            "Predicting several steps ahead is better than only the next",
            f"probe accuracy of the mean context, {_AHEAD} steps ahead",
            "one step ahead",
        ),
    ),
    measure=_measure,
    setup="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test, read row by row from the top: 8 "
    f"steps of 8 pixels stand for the paper's speech. A perceptron of {_WIDTH}, a GRU of 64; all other steps of the "
    f"batch are negatives, {_EPOCHS} epochs of batches of 128, AdamW at 1e-3. Probes: logistic regression on "
    "standardised features: the mean of all contexts, since the last one has nothing left to predict.",
)
def cpc() -> Config:
    """Van den Oord et al. 2018, equations 3 and 4: InfoNCE of `z_{t+k} W_k c_t`, negatives from the batch."""
    return Config(
        "CPC",
        lambda: InfoNCE(1.0, geometry=Dot()),
        TrainConfig(epochs=_EPOCHS, batch_size=128, learning_rate=1e-3, weight_decay=1e-4, dtype="float32"),
        head=head,
        similarity="dot",
    )
