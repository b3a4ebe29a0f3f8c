"""Keys that are rows of a table which is not learned here, such as a language model's vectors of its tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures._base import Call, Procedure, labelled_points


class AgainstTable(Procedure):
    """All points are queries, and the keys are the rows of a table, without gradient; a point's `label` is its row.

    InfoNCE of the inner product at a temperature of 1 is then the cross-entropy of a layer whose weights are the table:
    with that of the tokens, the guess of a word by a frozen prediction layer. Source: Tsukagoshi et al. 2021, "DefSent:
    Sentence Embeddings using Definition Sentences", and the authors' code.

    Args:
        of: From the encoder to its table, `(rows, d)`, as it is in each step.

    Raises:
        InputError: in a call, for points without labels, or a table of another width.

    Examples:
        >>> from counterpoint.geometry import Dot
        >>> from counterpoint.objectives import InfoNCE
        >>> from counterpoint.relation import Relation, same
        >>> z, label = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 2])
        >>> words = AgainstTable(lambda encoder: encoder.weight)
        >>> words.start(nn.Sequential(encoder := nn.Embedding(3, 2), nn.Identity()))
        >>> (call,) = words([{"queries": Points(z, label=label)}], lambda model: {})
        >>> loss = InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))(**call)
        >>> bool(loss.isclose(torch.nn.functional.cross_entropy(z @ encoder.weight.T, label)))
        True
    """

    def __init__(self, of: Callable[[nn.Module], Tensor]) -> None:
        super().__init__()
        self.of = of
        # a list, so that the encoder is no part of this module
        self._encoder: list[nn.Module] = []

    def start(self, model: nn.Module) -> None:
        """Remember whose table it is."""
        self._encoder = [next(model.children())]

    def change(self, call: Call) -> Call:
        """The call with the table as keys."""
        every = labelled_points(call)
        table: Float[Tensor, "v d"] = self.of(self._encoder[0]).detach()
        if table.shape[1] != every.z.shape[1]:
            raise InputError(
                f"points {tuple(every.z.shape)} need a table as wide, which is {tuple(table.shape)}",
                fix="put a layer between, or take another table",
            )
        label = torch.arange(len(table), device=every.z.device)
        keys = Points(table.to(every.z), label=label)
        return {"queries": Points(every.z, label=every.columns["label"]), "keys": keys}
