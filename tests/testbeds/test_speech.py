"""Spoken digits: the spectrogram of a tone, the parts, and what is foreseen of sequences that say all or nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import load
from counterpoint.encoders.rows import RowReader
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Futures
from counterpoint.testbeds import speech
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.speech import BANDS, FRAMES, HOP, RATE, all_takes, foreseen, log_mel, spoken_digits


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_the_band_around_it_as_long_as_it_lasts(frequency):
    wave = torch.sin(2 * math.pi * frequency * torch.arange(RATE // 4) / RATE)
    rows = log_mel(wave)
    assert rows.shape == (FRAMES, BANDS)
    centres = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 4000 / 700), BANDS + 2)[1:-1] / 2595) - 1)
    loudest = rows[5].argmax()
    assert abs(centres[loudest] - frequency) == pytest.approx(np.abs(centres - frequency).min())
    assert (rows[RATE // 4 // HOP + 1 :] == math.log(1e-6)).all()


def test_ten_takes_of_each_digit_and_speaker_are_the_test(monkeypatch, tmp_path):
    takes = [(d, s, t) for s in range(2) for d in range(3) for t in range(30)]
    digit, speaker, take = (np.array(column, np.uint8) for column in zip(*takes, strict=True))
    wave = np.random.default_rng(0).integers(-9999, 9999, 400 * len(takes)).astype(np.int16)
    (tmp_path / "audio").mkdir()
    offset = 400 * np.arange(len(takes) + 1)
    np.savez(tmp_path / "audio/fsdd8k.npz", wave=wave, offset=offset, digit=digit, speaker=speaker, take=take)
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    speech._spectrograms.cache_clear()
    train, test = spoken_digits(1)
    more, again = all_takes(1)
    speech._spectrograms.cache_clear()
    assert torch.equal(again.anchor, test.anchor)
    assert torch.equal(more.anchor, torch.cat([train.anchor, test.anchor]))
    assert torch.equal(more.columns["label"], torch.cat([train.columns["label"], test.columns["label"]]))
    assert len(train) == 120
    assert len(test) == 60
    assert test.columns["label"].bincount().tolist() == [20] * 3
    assert test.columns["speaker"].bincount().tolist() == [30] * 2
    whole = train.anchors.tensor
    assert float(whole.mean()) == pytest.approx(0, abs=1e-3)
    assert float(whole.std()) == pytest.approx(1, abs=1e-3)
    row = int(test.anchor[0])
    there = log_mel(torch.from_numpy(wave[offset[row] : offset[row + 1]].astype(np.float32)) / 2**15)
    scaled = whole[row, 0]
    assert np.corrcoef(scaled.flatten(), there.flatten())[0, 1] == pytest.approx(1, abs=1e-4)


class Told(RowReader):
    """Each row's own number as a unit vector of some length, and the next row's as the context."""

    def __init__(self, length: float) -> None:
        super().__init__(1, width=128, context=128)
        self.length = length

    def forward(self, images):
        z = self.length * nn.functional.one_hot(images[:, 0, :, 0].long(), 128).float()
        return torch.cat([z, z.roll(-1, 1)], -1)


class Same(nn.Module):
    """The context is the prediction."""

    def forward(self, states):
        return states.unflatten(-1, (2, 128))


@pytest.mark.parametrize(("length", "nats"), [(0.0, 0.0), (10.0, math.log(8 * 16))])
def test_what_is_foreseen_is_nothing_or_all(length, nats):
    pixels = torch.arange(128.0).view(8, 1, 16, 1)
    data = Data.alone(Items("image", pixels))
    made = Made("given", Told(length), (data, data), 0, Same(), Futures(), InfoNCE(1.0, geometry=Dot()))
    assert foreseen.of(made) == pytest.approx(nats, abs=1e-4)


def test_a_reader_of_rows_is_saved(tmp_path):
    model, items = RowReader(8, width=4, context=6), Items("image", torch.rand(3, 1, 5, 8))
    model.save(tmp_path / "model")
    assert (load(tmp_path / "model").encode_items(items) == model.encode_items(items)).all()
