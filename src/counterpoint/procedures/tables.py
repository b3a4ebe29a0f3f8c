"""Tables of the encoder's own, such as a language model's vectors of its tokens: as keys, and as words of classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
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


class Verbalizer(Procedure):
    """The last dimensions of each point become what it says of words: `[g; h]` becomes `[g; h W^T]`.

    `h` is as wide as words. `W` are the words' vectors, one a class, with gradient where they are learned; `Logits` of
    the last dimensions is then the cross-entropy of label words at a mask. Sources: Schick and Schütze 2021,
    "Exploiting Cloze Questions for Few Shot Text Classification and Natural Language Inference"; Gao et al. 2021,
    "Making Pre-trained Language Models Better Few-shot Learners".

    Args:
        of: From the encoder to `W`, `(c, d)`, as it is in each step.

    Raises:
        InputError: in a call, for points of fewer dimensions than words have.

    Examples:
        >>> words = Verbalizer(lambda encoder: encoder.weight)
        >>> words.start(nn.Sequential(encoder := nn.Embedding(3, 2), nn.Identity()))
        >>> point = torch.tensor([[7.0, 1.0, 0.0]])
        >>> (call,) = words([{"queries": point, "keys": None}], lambda model: {})
        >>> torch.equal(call["queries"].z[0, 1:], encoder.weight[:, 0]), call["queries"].z[0, 0].item()
        (True, 7.0)
    """

    def __init__(self, of: Callable[[nn.Module], Tensor]) -> None:
        super().__init__()
        self.of = of
        # a list, so that the encoder is no part of this module
        self._encoder: list[nn.Module] = []

    def start(self, model: nn.Module) -> None:
        """Remember whose words they are."""
        self._encoder = [next(model.children())]

    def change(self, call: Call) -> Call:
        """The call with what both sides say of the words."""
        table: Float[Tensor, "c d"] = self.of(self._encoder[0])
        sides = {side: call[side] for side in ("queries", "keys") if call.get(side) is not None}
        return {**call, **{side: self._said(as_points(points), table) for side, points in sides.items()}}

    def _said(self, points: Points, table: Float[Tensor, "c d"]) -> Points:
        width = table.shape[1]
        if points.z.shape[1] < width:
            raise InputError(f"points {tuple(points.z.shape)} and words of {width} dimensions", fix="keep the states")
        z, h = points.z[:, :-width], points.z[:, -width:]
        return points.with_z(torch.cat([z, h @ table.to(h).T], 1))
