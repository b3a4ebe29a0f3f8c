"""Two models that read the same lists, each of which says how much what the other learns from counts."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.objectives._layouts import Guide
from counterpoint.points import as_points
from counterpoint.procedures._base import Again, Call, Procedure


class Coupled(Procedure):
    """A call for each of two columns of scores, whose guide is the other column, in evaluation mode.

    Owned keys `(n, s, 2)` are the scores of two models (`counterpoint.encoders.Readers`). Of each an objective is made
    whose guide says what the other finds without dropout and without gradient, such as `InversePropensity`. Source: Cai
    et al. 2022, "Hard Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models".

    Raises:
        InputError: in a call, where there are not two columns, or before `start`.

    Examples:
        >>> import torch
        >>> from counterpoint.points import Points
        >>> coupled = Coupled()
        >>> coupled.start(nn.Identity())
        >>> call = {"queries": Points(torch.ones(1, 2)), "owned": Points(torch.tensor([[[3.0, 1.0], [2.0, 0.0]]]))}
        >>> first, second = coupled([call], lambda model: call)
        >>> first["owned"].z[..., 0].tolist(), first["guide"].owned.tolist()
        ([[3.0, 2.0]], [[1.0, 0.0]])
        >>> torch.equal(second["guide"].owned, first["owned"].z[..., 0])
        True
    """

    def __init__(self) -> None:
        super().__init__()
        self._network: tuple[nn.Module, ...] = ()

    def start(self, model: nn.Module) -> None:
        """The models are known, and trained elsewhere: no part of this."""
        self._network = (model,)

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """Two calls of each."""
        if not self._network:
            raise InputError("it is not known who says how much counts", fix="call start")
        told = self._said(again)
        return [one for call in calls for one in _apart(call, told)]

    def _said(self, again: Again) -> Float[Tensor, "n s 2"]:
        (network,) = self._network
        learning = [module for module in network.modules() if module.training]
        network.eval()
        try:
            return as_points(again(network)["owned"]).z.detach()
        finally:
            for module in learning:
                module.training = True


def _apart(call: Call, told: Float[Tensor, "n s 2"]) -> list[Call]:
    queries, owned = as_points(call["queries"]), as_points(call["owned"])
    if owned.z.shape[-1] != 2:
        raise InputError(f"there are {owned.z.shape[-1]} columns of scores", fix="give two models: Readers")
    return [
        {
            **call,
            "queries": queries.with_z(queries.z[:, :1]),
            "owned": owned.with_z(owned.z[..., own : own + 1]),
            "guide": Guide(owned=told[..., 1 - own]),
        }
        for own in range(2)
    ]
