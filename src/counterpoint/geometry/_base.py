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
    over the `(n, m)` scores. One whose scores stay where all points are moved alike says so by an attribute
    `translation_invariant = True`: directions then say nothing of whether points have collapsed.
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


def translation_invariant(geometry: Geometry) -> bool:
    """Whether scores stay where all points are moved alike: of distances yes, of cosines no.

    Examples:
        >>> from counterpoint.geometry import Cosine, Euclidean
        >>> translation_invariant(Euclidean()), translation_invariant(Cosine())
        (True, False)
    """
    return bool(getattr(geometry, "translation_invariant", False))
