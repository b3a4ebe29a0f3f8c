"""Spoken digits as pictures: the rows of a log-mel spectrogram are moments of ten milliseconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.encoders.rows import RowReader
from counterpoint.points import Points
from counterpoint.procedures import Futures
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.files import arrays, find

RATE, HOP, WINDOW, BANDS, FRAMES = 8000, 80, 256, 24, 60
BATCH = 8
_HELD = 10


def log_mel(wave: Float[Tensor, " s"], frames: int = FRAMES) -> Float[Tensor, "t m"]:
    """Log energies in 24 bands of the mel scale, one row each 10 ms; cut, or silent at the end, to so many rows.

    Hann windows of 32 ms at 8 kHz; triangles evenly spaced by `2595 log10(1 + f / 700)` (O'Shaughnessy 1987) from 0 to
    4 kHz; energies below 1e-6 of full scale count as that.

    Examples:
        >>> log_mel(torch.zeros(4000)).shape
        torch.Size([60, 24])
    """
    whole = torch.zeros(WINDOW + HOP * (frames - 1))
    whole[: min(len(wave), len(whole))] = wave[: len(whole)]
    parts = whole.unfold(0, WINDOW, HOP) * torch.hann_window(WINDOW)
    power = torch.fft.rfft(parts).abs().square() / WINDOW
    energy: Tensor = power @ _bands().T
    return energy.clamp_min(1e-6).log()


@cache
def _bands() -> Float[Tensor, "m f"]:
    mels = torch.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    f = torch.linspace(0, RATE / 2, WINDOW // 2 + 1)
    up = (f - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - f) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(up, down).clamp_min(0)


def spoken_digits(seed: int) -> Parts:
    """Ten digits by four speakers, 30 takes each, of which ten are the test; columns `label` (digit) and `speaker`.

    Each number stands for its deviation from the mean of all, in standard deviations.

    Args:
        seed: Draws the takes of the test.
    """
    log, digit, speaker, take = _spectrograms()
    held = torch.randperm(30, generator=torch.Generator().manual_seed(seed))[:_HELD]
    test = torch.isin(take, held)
    whole = Data.alone(Items("image", log), source="spoken digits", label=digit, speaker=speaker)
    return whole[~test], whole[test]


@cache
def _spectrograms() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    names = ("wave", "offset", "digit", "speaker", "take")
    wave, offset, *columns = arrays(find("audio/fsdd8k.npz"), names)
    whole = torch.from_numpy(wave.astype(np.float32)) / 2**15
    log = torch.stack([log_mel(whole[a:b]) for a, b in pairwise(offset)])[:, None]
    digit, speaker, take = (torch.from_numpy(column.astype(np.int64)) for column in columns)
    return (log - log.mean()) / log.std(), digit, speaker, take


def all_takes(seed: int) -> Parts:
    """The same, where the takes of the test are trained on, too: what could be reached."""
    train, test = spoken_digits(seed)
    assert isinstance(test, Data)
    columns = {name: torch.cat([train.columns[name], test.columns[name]]) for name in train.columns}
    return replace(train, anchor=torch.cat([train.anchor, test.anchor]), columns=columns), test


class MeanRows:
    """The mean of a picture's rows: of a spectrogram the mean spectrum, which knows no order.

    Examples:
        >>> MeanRows().encode_items(Items("image", torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])))
        array([[2., 0.]], dtype=float32)
    """

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n w"]:
        """One row an item."""
        del kind
        return np.asarray(items.tensor.float().mean(2).flatten(1).numpy())


def mean_rows(_parts: Parts) -> MeanRows:
    """They learn nothing."""
    return MeanRows()


def _information(made: Made) -> float:
    """Over batches of eight, as in training."""
    assert isinstance(made.encoder, RowReader)
    assert isinstance(made.procedure, Futures)
    assert made.objective is not None
    pixels, found = made.test.anchors.tensor[made.test.anchor], list[float]()
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    for rows in order.split(BATCH)[: len(pixels) // BATCH]:
        with torch.inference_mode():
            states = Points(made.head(made.encoder(pixels[rows])), sample=torch.arange(BATCH))
            seen = made.procedure.change({"queries": states})
            guess = made.objective.guess(len(seen["queries"]), len(seen["keys"]))
            assert guess is not None
            found.append(guess - float(made.objective(**seen)))
    return float(np.mean(found))


foreseen = Figure("log N - L on test sequences, nats", _information)
"""At most what context and future share (van den Oord et al. 2018, section 2.3)."""
SPEECH = Testbed(
    "spoken digits",
    spoken_digits,
    "800 spoken digits of four speakers and 400 other takes for test, as spectrograms of 24 bands and 60 rows of 10 ms "
    f"(the first 0.6 s); an encoder of its own, 10 epochs of batches of {BATCH}, AdamW at 1e-3",
    epochs=5,  # of two views; a method that has one view has twice as many
    settings={"learning_rate": 1e-3, "weight_decay": 1e-4, "dtype": "float32", "chunk_tokens": 1 << 24},
    raw=Given("mean of the rows", mean_rows),
    figures=(probe_accuracy(), probe_accuracy("speaker")),
)
ALL_TAKES = replace(SPEECH, name="spoken digits, all takes", parts=all_takes)
"""Its training part has the takes of the test, too."""
