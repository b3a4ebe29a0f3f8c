"""What vectors of single texts are good for elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
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


def test_an_entry_comes_with_all_of_its_definitions(monkeypatch):
    every = rows_of([Example(f"definition {i}", (f"entry {i % 7}",)) for i in range(20)])
    monkeypatch.setattr(beds, "definitions", lambda seed: (every, None))
    monkeypatch.setattr(beds, "_ENTRIES", 3)
    drawn = []
    for seed in (0, 0, 1):
        train, _ = beds.some_entries(seed)
        kept = set(train.positives[:, 0].tolist())
        assert len(kept) == 3
        assert train.anchor.tolist() == [i for i in range(20) if int(every.positives[i, 0]) in kept]
        drawn.append(kept)
    assert drawn[0] == drawn[1] != drawn[2]
