"""What the loss of a system on digits sees, and its views as plain rows for a naive loop."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems.core._digits import as_rows
from counterpoint.training._processes import Processes
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def seen_by(name, n=6):
    """The config, the arguments of its objective for a batch of `n` images, and their embeddings, normalised."""
    torch.manual_seed(0)
    config, model = stage(name), ImageEncoder(widths=(8, 64))
    payload = RowBatches(as_rows(digits()), model, view=config.view, views=config.views).payload(torch.arange(n))
    arguments = payload.arguments(config.head(64)(model(payload.inputs)))
    z = torch.cat([side.z for side in arguments.values()]).detach().double()
    return config, arguments, F.normalize(z, dim=1)


def calls_of(name, steps=1, n=6, change=lambda model: None):
    """What a system's procedure makes of the last of `steps` batches: config, calls, and the model's own vectors."""
    torch.manual_seed(0)
    config, model = stage(name), ImageEncoder(widths=(8, 64))
    network = torch.nn.Sequential(model, config.head(64))
    procedure = config.procedure(64)
    procedure.start(network, Processes())
    batches = RowBatches(as_rows(digits()), model, view=config.view, views=config.views)
    for step in range(steps):
        payload = batches.payload(torch.arange(step * n, step * n + n))
        arguments = payload.arguments(network(payload.inputs))

        def again(other, payload=payload):
            with torch.no_grad():
                return payload.arguments(other(payload.inputs))

        calls = procedure([arguments], again)
        change(network)
        procedure.finish_step()
    return config, calls, arguments
