"""What the loss of a system on digits sees, and its views as plain rows for a naive loop."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems import get
from counterpoint.views import ImageBatches


def seen_by(name, n=6):
    """The config, the arguments of its objective for a batch of `n` images, and their 2n embeddings, normalised."""
    torch.manual_seed(0)
    config, model = get(name).config(), ImageEncoder(widths=(8, 16))
    payload = ImageBatches(digits(), config.view).payload(torch.arange(n))
    arguments = payload.arguments(config.head(16)(model(payload.inputs)))
    z = torch.cat([arguments["queries"].z, arguments["keys"].z]).detach().double()
    return config, arguments, F.normalize(z, dim=1)
