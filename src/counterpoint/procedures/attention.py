"""Beside the contrast of texts a second term: both views of a text are to attend alike."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders.attention import AttentionBeside
from counterpoint.errors import InputError
from counterpoint.objectives import GaussianInformation, Objective, Only, Sum
from counterpoint.points import as_points
from counterpoint.procedures._base import Call, Procedure, are_own
from counterpoint.procedures.tokens import beside
from counterpoint.relation import Relation, same

_TEXTS, _SLICES = 0, 1


class SampledAttention(Procedure):
    """The call of texts, and beside them logarithms of both views' attention, at places that are drawn for each slice.

    The batch is of vectors with attention after them (`AttentionBeside`), in two views. Of each slice of a text so many
    entries are drawn that are above 0 in both views; slices with fewer are left out, and if all have fewer, as many are
    drawn as the least has. Their logarithms, less their mean, are queries of the first view and keys of the second.
    Column `scale`: the square of the share of entries, of the batch's longest text and of the slices that stay, that
    are above 0 in both. `SampledAttention.beside` makes the objective.

    Source: Klein and Nabi 2022, "miCSE: Mutual Information Contrastive Learning for Low-shot Sentence Embeddings", and
    the authors' code.

    Args:
        points: Drawn of each slice.

    Raises:
        InputError: at the start, if no attention stands beside vectors; in a call, without a second view.

    Examples:
        >>> from counterpoint.points import Points
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus"], layers=1, width=8, heads=2)
        >>> model, attention = AttentionBeside(bert, 5), SampledAttention(9)
        >>> attention.start(nn.Sequential(model, nn.Identity()))
        >>> text = Points(model(bert.tokenize(["a small corpus"])), sample=torch.tensor([3]))
        >>> (call,) = attention([{"queries": text, "keys": text}], lambda model: {})
        >>> call["queries"].z.shape, call["queries"].columns["term"].tolist()  # a text, then two heads
        (torch.Size([3, 9]), [0, 1, 1])
    """

    def __init__(self, points: int = 150) -> None:
        super().__init__()
        if points < 2:
            raise InputError(f"a correlation of {points} points", fix="draw 2 or more")
        self.points, self.shape = points, (0, 0, 0)

    @staticmethod
    def beside(contrast: Objective, weight: float) -> Objective:
        """`contrast - weight * information`: the objective of what this procedure makes of calls.

        Args:
            contrast: Of the texts.
            weight: Of the information that one view's attention has of the other's.

        Examples:
            >>> from counterpoint.objectives import InfoNCE
            >>> SampledAttention.beside(InfoNCE(0.05), 0.1).weights
            (1.0, 0.1)
        """
        information = GaussianInformation(scale="scale", relation=Relation(same("answer")))
        return Sum(Only("term", _TEXTS, contrast), Only("term", _SLICES, information), weights=(1.0, weight))

    def start(self, model: nn.Module) -> None:
        """Learn how attention stands in a row."""
        encoder = next(model.children())
        if not isinstance(encoder, AttentionBeside):
            raise InputError("there is no attention beside vectors", fix="train AttentionBeside in an encoder's place")
        self.shape = encoder.shape

    def change(self, call: Call) -> Call:
        """The call with slices beside the texts."""
        sides = [as_points(call[side]) for side in ("queries", "keys") if call.get(side) is not None]
        if len(sides) != 2 or not are_own(*sides):
            raise InputError("attention is compared between two views of a text", fix="use two views")
        slices, together, length = self.shape
        width = sides[0].z.shape[1] - slices * together * length**2
        maps = [side.z[:, width:].unflatten(1, (*self.shape, length)) for side in sides]
        x, y, scale = self._drawn(*maps)
        number = torch.arange(len(x), device=x.device)
        both = []
        for side, z, none in zip(sides, (x, y), (-1, -2), strict=True):
            text = side.with_z(side.z[:, :width])
            points = beside(text, z, number, max(width, z.shape[1]), none=none)
            both.append(points.with_columns(scale=scale.to(points.z).expand(len(points))))
        return {**call, "queries": both[0], "keys": both[1]}

    def _drawn(
        self, x: Float[Tensor, "n s j l l"], y: Float[Tensor, "n s j l l"]
    ) -> tuple[Float[Tensor, "m p"], Float[Tensor, "m p"], Float[Tensor, ""]]:
        """Centred logarithms of both views, and the scale."""
        # the last place of the longest text looks at something
        longest = 1 + int(((x > 0) | (y > 0)).any(4).flatten(0, 2).any(0).nonzero().max())
        x, y = (side[..., :longest, :longest].flatten(2).flatten(0, 1) for side in (x, y))
        both = (x > 0) & (y > 0)
        count = both.sum(1)
        kept, drawn = count >= self.points, self.points
        if not bool(kept.any()):
            kept, drawn = torch.ones_like(kept), int(count.min())
        if not drawn:
            kept, drawn = torch.zeros_like(kept), 1
        x, y, both = x[kept], y[kept], both[kept]
        scale = both.float().mean().square() + 1e-6 if len(both) else torch.zeros((), device=x.device)
        # drawn on the processor, so that it is the same on every device
        place = torch.multinomial(both.float().cpu(), drawn) if len(both) else torch.zeros(0, drawn).long()
        logs = [side.gather(1, place.to(x.device)).log() for side in (x, y)]
        return logs[0] - logs[0].mean(1, keepdim=True), logs[1] - logs[1].mean(1, keepdim=True), scale
