"""What a sparse autoencoder is trained on: the codes of a batch, and what they leave unsaid of the vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders.sparse import SparseAutoencoder, sparse
from counterpoint.errors import InputError
from counterpoint.points import as_points
from counterpoint.procedures._base import Again, Call, Procedure

_ON = 1e-5
"""From which on a latent counts as used, as in the authors' code."""


class SparseCodes(Procedure):
    """From what a `SparseAutoencoder` makes of a batch to codes and errors, `(n, 4, m)`, and itself on the other side.

    The four vectors of a point, the shorter ones filled up with zeros (`d` is the width of what is encoded):

    | | |
    |---|---|
    | 0 | the code `z_k`, of the `k` greatest latents |
    | 1 | `(x - x_k) / sqrt(d)`, with `x_k` what `z_k` is decoded to: its squared length is the mean squared error |
    | 2 | the same of the `wide * k` greatest |
    | 3 | `(x - sg(x_k) + sg(b) - a) / sqrt(d)`, with `a` what the `revived` greatest dead latents are decoded to |

    A latent is dead where it has not been among the `wide * k` of any point for `patience` steps, and is not among the
    `k` of any in this one; its share in 3 brings it back. Sources: Wen et al. 2025, "Beyond Matryoshka", the authors'
    code; Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (dead latents).

    Args:
        latents: Dimensions of the code.
        wide: How many times `k` the second code has.
        revived: Dead latents that are decoded for each point.
        patience: Steps.

    Raises:
        InputError: for another encoder, or fewer latents than are to be on.

    Examples:
        >>> encoder = SparseAutoencoder(2, 8, k=1)
        >>> procedure, x = SparseCodes(8, revived=2), torch.randn(5, 2)
        >>> procedure.start(nn.Sequential(encoder, nn.Identity()))
        >>> (call,) = procedure([{"queries": encoder(x)}], lambda identity: {"queries": identity(x)})
        >>> call["queries"].z.shape, call["keys"] is call["queries"]
        (torch.Size([5, 4, 8]), True)
    """

    silent: Int[Tensor, " m"]

    def __init__(self, latents: int, *, wide: int = 4, revived: int, patience: int = 10) -> None:
        super().__init__()
        self.wide, self.revived, self.patience = wide, revived, patience
        # for how many steps nobody has used it
        self.register_buffer("silent", torch.zeros(latents, dtype=torch.long))
        # a list, so that the encoder is no part of this module
        self._encoder: list[SparseAutoencoder] = []

    def start(self, model: nn.Module) -> None:
        """Its weights decode."""
        assert isinstance(model, nn.Sequential)  # what a procedure is started with
        if not isinstance(model[0], SparseAutoencoder):
            raise InputError("sparse codes are of a SparseAutoencoder", fix="start from one")
        if max(self.wide * model[0].k, self.revived) > model[0].dim:
            raise InputError(
                f"{self.wide} times {model[0].k} latents and {self.revived} dead ones of {model[0].dim}",
                fix="use more latents, or fewer that are on",
            )
        self._encoder = [model[0]]

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The call with codes and errors; of two sides each has its own, of one side both are the same."""
        (call,) = calls
        # the identity leaves inputs as they are: the vectors that are encoded
        given = again(nn.Sequential(nn.Identity(), nn.Identity()))
        sides = [name for name in ("queries", "keys") if call.get(name) is not None]
        scores, x = ([as_points(part[name]) for name in sides] for part in (call, given))
        made = dict(zip(sides, self._coded([s.z for s in scores], [v.z for v in x]), strict=True))
        points = {name: side.with_z(made[name]) for name, side in zip(sides, scores, strict=True)}
        return [{**call, **points, "keys": points.get("keys", points["queries"])}]

    def _coded(self, scores: list[Float[Tensor, "n m"]], x: list[Float[Tensor, "n d"]]) -> list[Float[Tensor, "n 4 m"]]:
        (encoder,) = self._encoder
        narrow = [sparse(side, encoder.k) for side in scores]
        wide = [sparse(side, self.wide * encoder.k) for side in scores]
        dead = (self.silent >= self.patience) & ~_used(narrow)
        made = []
        for side, vectors, code, more in zip(scores, x, narrow, wide, strict=True):
            errors = vectors - encoder.decode(code), vectors - encoder.decode(more)
            revived = encoder.decode(sparse(torch.where(dead, side, 0.0), self.revived))
            rest = errors[0].detach() + encoder.offset.detach() - revived
            parts = [code, *(e / e.shape[1] ** 0.5 for e in (*errors, rest))]
            width = max(part.shape[1] for part in parts)
            made.append(torch.stack([F.pad(part, (0, width - part.shape[1])) for part in parts], 1))
        if self.training:
            self.silent.copy_(torch.where(_used(wide), 0, self.silent + 1))
        return made


def _used(codes: list[Tensor]) -> Tensor:
    """Which latents are on for some point of some side."""
    return torch.stack([(code > _ON).any(0) for code in codes]).any(0)
