"""What vectors of single texts are good for elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import transfer as beds
from counterpoint.testbeds.bed import Made


def task(seed, *, told):
    """Texts of two classes; by their vectors they can be told only where `told`."""
    label = torch.arange(80) % 2
    texts = [f"{int(y) if told else 0} {i} {seed}" for i, y in enumerate(label)]
    whole = Data.alone(Items("text", texts), label=label)
    return whole[:40], whole[40:]


class FirstWord:
    def encode_items(self, items):
        return np.array([[float(text.split()[0]), 1.0] for text in items.texts], np.float32)


def test_transfer_is_the_mean_accuracy_of_a_probe_on_each_task(monkeypatch):
    easy, none = (lambda seed, told=told: task(seed, told=told) for told in (True, False))
    made = Made("", FirstWord(), easy(0), 0)
    for tasks, wanted in (((easy,), 1.0), ((none,), 0.5), ((easy, none), 0.75)):
        monkeypatch.setattr(beds, "TASKS", tasks)
        assert beds.transfer.of(made) == pytest.approx(wanted)
