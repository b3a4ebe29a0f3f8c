"""Heads that see one view at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.images import digits
from counterpoint.encoders import ImageEncoder
from counterpoint.errors import InputError
from counterpoint.heads import PerView
from counterpoint.objectives import InfoNCE
from counterpoint.training import Batches, Payload, RowBatches, TrainConfig, train
from counterpoint.views import noise

ONE = TrainConfig(epochs=1, batch_size=16, dtype="float32")


def batches(images, views):
    return RowBatches(images, ImageEncoder(), view=noise(0.1), views=views)


class Count(nn.Module):
    """How many rows each call had."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(z))
        return z


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_each_view_is_a_call_and_all_views_are_one_without_it(views, chunk):
    images = digits()[torch.arange(16)]
    for head, wanted in ((PerView(Count()), [16] * views), (nn.Sequential(PerView(), Count()), [16] * views)):
        config = TrainConfig(**{**vars(ONE), "chunk_tokens": chunk})
        train(ImageEncoder(widths=(8,)), batches(images, views), InfoNCE(0.2), config, head=head)
        count = next(m for m in head.modules() if isinstance(m, Count))
        assert count.calls == wanted
    count = Count()
    train(ImageEncoder(widths=(8,)), batches(images, views), InfoNCE(0.2), ONE, head=count)
    assert count.calls == [16 * views]


class Bare(Batches):
    """Batches of one's own that do not say which rows are a view."""

    def __len__(self):
        return 16

    def payload(self, rows, among=None):
        x = torch.randn(len(rows), 8)
        return Payload(x, torch.ones(len(rows)).long(), lambda x, chunk: x[chunk], lambda z: {"queries": z, "keys": z})


def test_batches_that_do_not_say_their_views_are_refused():
    with pytest.raises(InputError, match="one view at a time, and the batches have none"):
        train(nn.Linear(8, 8), Bare(), InfoNCE(0.2), ONE, head=PerView(nn.Linear(8, 8)))
