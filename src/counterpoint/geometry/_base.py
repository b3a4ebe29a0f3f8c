"""What a geometry is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Geometry(Protocol):
    """What an objective needs of a space.

    `prepare` is done once a point and batch (such as normalising); `shared` and `owned` give scores from prepared
    vectors. `scale` is 1 / temperature: geometries that are linear in the query apply it there, which saves a pass
    over the `(n, m)` scores.
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """What is done once for each point."""
        ...

    def shared(self, q: Float[Tensor, "n *d"], k: Float[Tensor, "m *d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every query against every key."""
        ...

    def owned(
        self, q: Float[Tensor, "n *d"], k: Float[Tensor, "n s *d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """Every query against its own `s` keys."""
        ...
