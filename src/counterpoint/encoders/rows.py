"""A picture read row by row, from top to bottom, as a sequence: such as a spectrogram whose rows are moments."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from counterpoint.encoders.features import Kind
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.inputs import take
from counterpoint.encoders.sequence import SequenceEncoder


class RowReader(PixelEncoder):
    """A `SequenceEncoder` of a picture's rows.

    Args:
        numbers: In a row: width times channels.
        width: Of what it makes of a row.
        context: Of what it knows of all rows until then.

    Examples:
        >>> reader = RowReader(8, width=4, context=6)
        >>> reader(torch.zeros(2, 1, 5, 8)).shape, reader.encode(torch.zeros(2, 1, 5, 8)).shape
        (torch.Size([2, 5, 10]), (2, 6))
    """

    def __init__(self, numbers: int, *, width: int = 32, context: int = 64) -> None:
        super().__init__()
        self.numbers, self.width, self.context, self.dim = numbers, width, context, context
        self.network = SequenceEncoder(numbers, width=width, context=context)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h d"]:
        """`z_t` and `c_t` of each row side by side, with gradient."""
        states: Tensor = self.network(images.transpose(1, 2).flatten(2))
        return states

    def encode(
        self, images: Shaped[Tensor, "n c h w"], *, kind: Kind = None, batch: int = 512
    ) -> Float[np.ndarray, "n d"]:
        """The mean of the contexts of all rows, float32, without gradient."""
        del kind
        rows = torch.arange(len(images)).split(batch)
        with torch.inference_mode():
            parts = [self(take(images, part))[..., self.width :].mean(1).float().cpu().numpy() for part in rows]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)
