"""Classifiers of texts in order: which of two came first, which comes next, what a conjunction said."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.objectives import Logits, Objective, Only, Part, Sum
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure

ORDER, NEXT, CONJUNCTION = 0, 1, 2
"""Values of the column `task`."""


class Highway(nn.Module):
    """`g * tanh(T x) + (1 - g) * P x` with the gate `g = sigmoid(G x)`, three linear layers.

    Source: Srivastava et al. 2015, "Highway Networks", with a linear layer where they carry x.

    Args:
        width: Of x and of what comes of it.

    Examples:
        >>> Highway(4)(torch.ones(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.transform, self.carry = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Between what is transformed and what is carried."""
        gate = torch.sigmoid(self.gate(x))
        y: Tensor = gate * torch.tanh(self.transform(x)) + (1 - gate) * self.carry(x)
        return y


class Discourse(Procedure):
    """A point for each question about texts in order (`counterpoint.views.discourse`): the logits of its answers.

    Each kind has dimensions of its own, the others are 0. Of each there are a left and a right `Highway` h, h' and a
    linear layer A. With u the first text:

    - order: whether u and v are switched has the logit `A h(u) . h'(v)`, and that they are not 0;
    - next: candidate v has the logit `A h(B [u; u'; ...]) . h'(v)`, B a linear layer on all texts before it;
    - conjunction: class c between u and v has the logit `A_c h(u) . h'(v)`.

    `Discourse.objective` is the sum of three cross-entropies, each the mean over the questions of its kind in the
    batch; a kind that a batch has none of adds nothing.

    Source: Jernite et al. 2017, "Discourse-Based Objectives for Fast Unsupervised Sentence Representation Learning",
    the authors' code.

    Args:
        width: Of the vectors.
        context: Texts before what is looked for.
        candidates: Among which it is.
        classes: Of conjunctions.

    Raises:
        InputError: in a call, for points that do not say which task they are of, or rows of another number of texts.

    Examples:
        >>> first = Points(torch.ones(2, 4), sample=torch.arange(2), task=torch.tensor([ORDER, CONJUNCTION]),
        ...     label=torch.tensor([1, 6]))
        >>> second = Points(torch.ones(2, 4), sample=torch.arange(2))
        >>> (call,) = Discourse(4)([{"queries": first, "keys": second}], lambda model: {})
        >>> call["queries"].z.shape, bool((call["queries"].z[0, 2:] == 0).all())
        (torch.Size([2, 16]), True)
    """

    def __init__(self, width: int, *, context: int = 3, candidates: int = 5, classes: int = 9) -> None:
        super().__init__()
        self.context, self.candidates, self.classes = context, candidates, classes
        self.left, self.right = (nn.ModuleList(Highway(width) for _ in range(3)) for _ in range(2))
        self.before = nn.Linear(context * width, width)
        self.compare = nn.ModuleList(nn.Linear(width, n * width) for n in (1, 1, classes))

    @staticmethod
    def objective(candidates: int = 5, classes: int = 9) -> Objective:
        """What the logits are for."""
        first = 2 + candidates
        order, next_one = Part(Logits(2), 0, 2), Part(Logits(candidates), 2, first)
        conjunction = Part(Logits(classes), first)
        return Sum(Only("task", ORDER, order), Only("task", NEXT, next_one), Only("task", CONJUNCTION, conjunction))

    def change(self, call: Call) -> Call:
        """One side, a point for each question."""
        first, second = as_points(call["queries"]), call.get("keys")
        if second is None or not {"task", "label", "sample"} <= first.columns.keys():
            raise InputError("nothing is asked about texts in order", fix="prepare the data: discourse")
        second, task = as_points(second), first.columns["task"]
        sizes = torch.where(task == NEXT, self.context - 1 + self.candidates, 1)
        if not torch.equal(first.columns["sample"].repeat_interleave(sizes), second.columns["sample"]):
            raise InputError(
                f"a question has 2 texts, or {self.context} and {self.candidates} candidates",
                fix="prepare the data with as many: discourse",
            )
        begin = sizes.cumsum(0) - sizes
        logits, at = first.z.new_zeros(len(first), 2 + self.candidates + self.classes), 0
        for kind, answers in ((ORDER, 2), (NEXT, self.candidates), (CONJUNCTION, self.classes)):
            rows = (task == kind).nonzero()[:, 0]
            if len(rows):
                others = second.z[begin[rows, None] + torch.arange(int(sizes[rows[0]]), device=rows.device)]
                logits[rows, at : at + answers] = self.scores(kind, first.z[rows], others).to(logits)
            at += answers
        return {"queries": Points(logits, {"task": task, "label": first.columns["label"]})}

    def scores(self, kind: int, u: Float[Tensor, "n d"], others: Float[Tensor, "n k d"]) -> Float[Tensor, "n a"]:
        """The logits of the answers to questions of one kind.

        Args:
            kind: `ORDER`, `NEXT` or `CONJUNCTION`.
            u: The first text of each.
            others: The others, in their order.
        """
        if kind == NEXT:
            before, others = others[:, : self.context - 1], others[:, self.context - 1 :]
            u = self.before(torch.cat([u, before.flatten(1)], 1))
        left = self.compare[kind](self.left[kind](u)).unflatten(1, (-1, u.shape[1]))
        found: Tensor = (left * self.right[kind](others)).sum(2)
        return torch.cat([torch.zeros_like(found), found], 1) if kind == ORDER else found
