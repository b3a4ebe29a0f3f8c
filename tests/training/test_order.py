"""Which examples a batch has: each once an epoch, and with groups all of one group."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data.items import Data, Items
from counterpoint.encoders import ImageEncoder
from counterpoint.errors import InputError
from counterpoint.methods import Stage, train_stage
from counterpoint.objectives import InfoNCE
from counterpoint.training import RowBatches, TrainConfig, loop
from counterpoint.training.order import Order


def test_epochs_cover_everything_once():
    order = Order(10, 3, seed=5)
    for epoch in range(2):
        assert len(set(torch.cat([order.rows(epoch * 3 + i) for i in range(3)]).tolist())) == 9
    assert sorted(Order(4, 100, seed=0).rows(7).tolist()) == [0, 1, 2, 3]
    assert Order(1, 2, seed=0).rows(3).tolist() == [0]
    assert sorted(Order(9, 9, seed=2**63 - 1).rows(1).tolist()) == list(range(9))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(2, 9), st.integers(0, 99))
def test_a_batch_is_of_one_group_and_no_example_is_in_two(groups, size, seed):
    count = Counter(groups)
    if max(count.values()) < 2:
        with pytest.raises(InputError, match="alone in its group"):
            Order(len(groups), size, seed, torch.tensor(groups))
        return
    order, again = (Order(len(groups), size, seed, torch.tensor(groups)) for _ in range(2))
    for epoch in range(3):
        batches = [order.rows(epoch * len(order) + i).tolist() for i in range(len(order))]
        seen = [row for batch in batches for row in batch]
        assert len(seen) == len(set(seen))
        times = Counter(groups[batch[0]] for batch in batches)
        for batch in batches:
            assert {groups[row] for row in batch} == {groups[batch[0]]}
            assert len(batch) == min(size, count[groups[batch[0]]]) >= order.smallest
        assert times == Counter({g: max(1, n // size) for g, n in count.items() if n > 1})
    # any batch can be asked for first: a run goes on where it stopped
    last = 3 * len(order) - 1
    assert torch.equal(again.rows(last), order.rows(last))


def test_batches_of_groups_are_shuffled_and_what_was_left_over_comes_later():
    order = Order(70, 4, 0, torch.arange(70) // 7)
    epochs = [[order.rows(epoch * len(order) + i) for i in range(len(order))] for epoch in range(8)]
    firsts = {tuple(int(batch[0]) // 7 for batch in epoch) for epoch in epochs}
    assert len(firsts) == 8
    assert all(sorted(first) == list(range(10)) for first in firsts)
    assert len(torch.cat([batch for epoch in epochs for batch in epoch]).unique()) == 70


def pictures(n=12):
    return Data.alone(Items("image", torch.rand(n, 1, 8, 8)), topic=torch.arange(n) % 3 * 5)


def test_a_stage_trains_on_batches_that_share_a_column():
    seen = []

    class Watching(InfoNCE):
        def __call__(self, *args, **call):
            seen.append(call["queries"].columns["topic"].unique().tolist())
            return super().__call__(*args, **call)

    stage = Stage(lambda: Watching(0.5), TrainConfig(epochs=2, batch_size=4, dtype="float32"), together="topic")
    result, _ = train_stage(stage, pictures(), ImageEncoder(1, widths=(8,)))
    assert result.steps == 6
    assert sorted(seen) == [[0], [0], [5], [5], [10], [10]]


def test_a_batch_smaller_than_the_processes_is_refused(monkeypatch):
    monkeypatch.setattr(loop.Processes, "current", lambda: loop.Processes(0, 3, None))
    data = pictures(8)[torch.tensor([0, 1, 3, 4])]  # two of each topic
    stage = Stage(InfoNCE, TrainConfig(batch_size=4, dtype="float32"), together="topic")
    with pytest.raises(InputError, match="a batch of 2 examples on 3 processes"):
        train_stage(stage, data, ImageEncoder(1, widths=(8,)))


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="share 'place', a column that is not there"):
        RowBatches(pictures(), ImageEncoder(1, widths=(8,)), together="place")
