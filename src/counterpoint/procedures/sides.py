"""Procedures that say what the sides of a batch are: itself, its future, classes, means of blocks or of views."""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from counterpoint.engine.places import join
from counterpoint.errors import InputError
from counterpoint.objectives._layouts import Guide
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Again, Call, Procedure, every_point, labelled_points


class AgainstItself(Procedure):
    """Queries are their own keys: for vectors of several parts, one of which is compared with another.

    Examples:
        >>> call = {"queries": Points(torch.eye(2)), "keys": None}
        >>> (call,) = AgainstItself()([call], lambda model: {})
        >>> call["keys"] is call["queries"]
        True
    """

    def change(self, call: Call) -> Call:
        """The call with its queries on both sides."""
        return {**call, "keys": call["queries"]}


class AgainstColumn(Procedure):
    """All points are queries, and each one's key is a vector that the data know of it, such as a teacher's.

    Args:
        column: `(n, d)`.

    Raises:
        InputError: in a call, for points without it, or of other width.

    Examples:
        >>> batch = {"queries": Points(torch.eye(2), vector=torch.ones(2, 2))}
        >>> (call,) = AgainstColumn("vector")([batch], lambda model: {})
        >>> call["keys"].z.tolist(), "vector" in call["keys"].columns
        ([[1.0, 1.0], [1.0, 1.0]], False)
    """

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def change(self, call: Call) -> Call:
        """The call with these vectors as keys."""
        every = every_point(call)
        columns = dict(every.columns)
        vectors = columns.pop(self.column, None)
        if vectors is None or vectors.shape != every.z.shape:
            found = "none" if vectors is None else f"some of shape {tuple(vectors.shape)}"
            raise InputError(
                f"points {tuple(every.z.shape)} need as many vectors as wide in the column {self.column!r}, and have "
                f"{found}",
                fix="give them, and a head of their width",
            )
        return {"queries": Points(every.z, columns), "keys": Points(vectors.to(every.z), columns)}


class AgainstClasses(Procedure):
    """All points are queries, and the keys are the classes, one unit vector each.

    With logits for vectors, InfoNCE of the inner product is then cross-entropy.

    Args:
        classes: Labels are 0 to `classes - 1`, and vectors have as many dimensions.

    Raises:
        InputError: in a call, for points without labels.

    Examples:
        >>> from counterpoint.geometry import Dot
        >>> from counterpoint.objectives import InfoNCE
        >>> from counterpoint.relation import Relation, same
        >>> logits, label = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
        >>> (call,) = AgainstClasses(2)([{"queries": Points(logits, label=label)}], lambda model: {})
        >>> loss = InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label")))(**call)
        >>> bool(loss.isclose(torch.nn.functional.cross_entropy(logits, label)))
        True
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def change(self, call: Call) -> Call:
        """The call with the classes as keys."""
        every = labelled_points(call)
        label = torch.arange(self.classes, device=every.z.device)
        keys = Points(torch.eye(self.classes).to(every.z), label=label)
        return {"queries": Points(every.z, label=every.columns["label"]), "keys": keys}


class ClassVectors(Procedure):
    """All points are queries, and the keys are learned vectors, one for each class that was seen so far.

    With InfoNCE of the cosine and the `label` for relation it is the normalised softmax, with a margin CosFace or
    ArcFace; see `counterpoint.objectives.Proxies`, where the number of classes and of dimensions is known. Source:
    Zhai and Wu 2019, "Classification is a Strong Baseline for Deep Metric Learning", eq. 1.

    Args:
        most: Labels are 0 to `most - 1`.
        dim: Of the vectors.

    Raises:
        InputError: in a call, for points without labels.

    Examples:
        >>> call = {"queries": Points(torch.zeros(3, 4), label=torch.tensor([5, 0, 5]))}
        >>> (seen,) = ClassVectors(100, 4)([call], lambda model: {})
        >>> tuple(seen["keys"].z.shape), seen["keys"].columns["label"].tolist()
        ((2, 4), [0, 5])
    """

    seen: Bool[Tensor, " c"]

    def __init__(self, most: int, dim: int) -> None:
        super().__init__()
        # of length one, as they are compared: a step of the optimiser then turns them
        self.vectors = nn.Parameter(F.normalize(torch.randn(most, dim), dim=1))
        self.register_buffer("seen", torch.zeros(most, dtype=torch.bool))

    def change(self, call: Call) -> Call:
        """The call with the vectors as keys."""
        every = labelled_points(call)
        label = every.columns["label"]
        self.seen[label[label >= 0]] = True
        classes = self.seen.nonzero()[:, 0]
        keys = Points(self.vectors[classes].to(every.z), label=classes)
        return {"queries": Points(every.z, label=label), "keys": keys}


class Futures(Procedure):
    """Predictions are queries and all steps are keys; predictions beyond the end have no positive and are left out.

    The vectors are `(n, t, k, w)`: at each step `z_t`, then its predictions of `z_{t+1}`, `z_{t+2}`, ...
    (`counterpoint.heads.Predictions`). Every other step of any sequence of the batch is a negative. Source: van den
    Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", section 2.3.

    Examples:
        >>> states = Points(torch.zeros(1, 4, 3, 2), sample=torch.tensor([0]))  # one sequence of 4, 2 steps ahead
        >>> (seen,) = Futures()([{"queries": states}], lambda model: {})
        >>> seen["queries"].columns["sample"].tolist(), len(seen["keys"])
        ([1, 2, 3, 2, 3], 4)
    """

    def change(self, call: Call) -> Call:
        """The call with predictions and steps."""
        states: Float[Tensor, "n t k w"] = call["queries"].z
        number: Int[Tensor, " n"] = call["queries"].columns["sample"]
        steps, ways = states.shape[1:3]
        place = steps * number[:, None] + torch.arange(steps, device=states.device)
        ahead = range(1, min(ways, steps))
        queries = torch.cat([states[:, : steps - k, k].flatten(0, 1) for k in ahead])
        sample = torch.cat([place[:, k:].flatten() for k in ahead])
        keys = Points(states[:, :, 0].flatten(0, 1), sample=place.flatten())
        return {"queries": Points(queries, sample=sample), "keys": keys}


class MeanOfBlocks(Procedure):
    """Each query has two keys of its own: the mean of its block of positives, and that of its block of negatives.

    The batch is of tuples with as many positives as hard negatives, the same number in each row. Source: Arora et al.
    2019, "A Theoretical Analysis of Contrastive Unsupervised Representation Learning", section 6.2.

    Examples:
        >>> keys = Points(torch.tensor([[1.0], [3.0], [5.0], [7.0]]))
        >>> (call,) = MeanOfBlocks()([{"queries": Points(torch.zeros(1, 1)), "keys": keys}], lambda model: {})
        >>> call["owned"].z.flatten().tolist()
        [2.0, 6.0]
    """

    def change(self, call: Call) -> Call:
        """The call with means."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        owned = torch.stack([part.unflatten(0, (len(queries), -1)).mean(1) for part in keys.z.chunk(2)], 1)
        positive = torch.tensor([1.0, 0.0]).expand(len(queries), 2)
        return {"queries": Points(queries.z), "owned": Points(owned, positive=positive)}


class RestOfViews(Procedure):
    """The key of a view is the mean of the other views of its sample, all of length one before.

    `k_ia = sum_{b != a} u_ib / (M - 1)`: with the inner product a view scores its key as the mean of what it scores the
    other views. Query and key have the column `sample`, and `view` tells whose key it is. Source: Shidani et al. 2024,
    "Poly-View Contrastive Learning", section 2.4 (sufficient statistics).

    Raises:
        InputError: in a call, for points that do not say which sample and which view they are.

    Examples:
        >>> views = Points(torch.eye(3), sample=torch.zeros(3).long(), view=torch.arange(3))
        >>> (call,) = RestOfViews()([{"queries": views}], lambda model: {})
        >>> call["keys"].z[0].tolist()
        [0.0, 0.5, 0.5]
    """

    def change(self, call: Call) -> Call:
        """The call with all views as queries, and what is left of each as keys."""
        every = every_point(call)
        if not {"sample", "view"} <= every.columns.keys():
            raise InputError("the rest of the views is of a sample", fix="give points a 'sample' and a 'view' column")
        u = F.normalize(every.z, dim=1)
        ids, place = torch.unique(every.columns["sample"], return_inverse=True)
        number = torch.bincount(place, minlength=len(ids)).to(u)[place, None]
        total = u.new_zeros(len(ids), u.shape[1]).index_add(0, place, u)[place]
        return {"queries": every.with_z(u), "keys": every.with_z((total - u) / (number - 1).clamp_min(1))}


class PairsOfViews(Procedure):
    """Every two views of the batch are a call of their own, whose points no other view is a negative of.

    The usual way to train on more than two views: the mean over pairs of a loss of two (Tian et al. 2020, "Contrastive
    Multiview Coding", equation 8 for all pairs, 7 for those with the first view).

    Args:
        first: Only those with the first view, which are queries.

    Raises:
        InputError: in a call, for points that do not say which view they are.

    Examples:
        >>> views = Points(torch.eye(6), sample=torch.arange(6) % 2, view=torch.arange(6) // 2)
        >>> calls = PairsOfViews()([{"queries": views}], lambda model: {})
        >>> [(call["queries"].columns["view"][0].item(), call["keys"].columns["view"][0].item()) for call in calls]
        [(0, 1), (0, 2), (1, 2)]
    """

    def __init__(self, *, first: bool = False) -> None:
        super().__init__()
        self.first = first

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """A call for each pair."""
        del again
        (call,) = calls
        every = every_point(call)
        if "view" not in every.columns:
            raise InputError("nothing says which points are of one view", fix="give points a 'view' column")
        view = every.columns["view"]
        sides = [every[view == number] for number in torch.unique(view).tolist()]
        pairs = combinations(sides, 2) if not self.first else ((sides[0], other) for other in sides[1:])
        return [{"queries": a, "keys": b} for a, b in pairs]


class SeveralItems(Procedure):
    """A row's views are of several items, so many of each: the points of an item belong together, and no others do.

    View `v` of row `r` is of item `v // views` of the row. `sample` becomes a number of row and item; `label`, where it
    has one for each item of a row, the item's own; and nothing else is known of the points. So hard
    negatives are in a batch as items like all others, each with its own positive. Source: PEARL (Chen et al. 2024), the
    authors' code (loader.py).

    Args:
        views: Of each item.

    Raises:
        InputError: in a call, for points that do not say which sample and which view they are.

    Examples:
        >>> columns = {"sample": torch.zeros(4).long(), "view": torch.arange(4), "label": torch.tensor([[7, 8]] * 4)}
        >>> (call,) = SeveralItems()([{"queries": Points(torch.eye(4), columns)}], lambda model: {})
        >>> [call["queries"].columns[name].tolist() for name in ("sample", "label")]
        [[0, 0, 1, 1], [7, 7, 8, 8]]
    """

    def __init__(self, views: int = 2) -> None:
        super().__init__()
        self.views = views

    def change(self, call: Call) -> Call:
        """The call with all views as queries, each of its item."""
        every = every_point(call)
        if not {"sample", "view"} <= every.columns.keys():
            raise InputError("views of several items are of a sample", fix="give points a 'sample' and a 'view' column")
        item = every.columns["view"] // self.views
        columns = {"sample": every.columns["sample"] * (1 + int(item.max())) + item}
        label = every.columns.get("label")
        if label is not None:
            columns["label"] = label if label.ndim == 1 else label.gather(1, item[:, None])[:, 0]
        return {"queries": Points(every.z, columns)}


class TurnedViews(Procedure):
    """Views beyond the first two are turned: keys of all, of their own sample positives or negatives, and no anchors.

    Whether they are positives of their own sample, a column says: 1 that they are, 0 that they are negatives like those
    of all others, below 0 that there are to be none. Source: Miyai et al. 2023, "Rethinking Rotation in Self-Supervised
    Contrastive Learning: Adaptive Positive or Negative Data Augmentation", section 3.2, and the authors' code.

    Args:
        column: Of whole numbers.

    Raises:
        InputError: in a call, for points without these columns.

    Examples:
        >>> none = torch.zeros(3).long()
        >>> views = Points(torch.eye(3), sample=none, view=torch.arange(3), alike=none)
        >>> (call,) = TurnedViews("alike")([{"queries": views}], lambda model: {})
        >>> call["queries"].columns["sample"].tolist(), call["queries"].columns["weight"].tolist()
        ([0, 0, -1], [1.0, 1.0, 0.0])
    """

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def change(self, call: Call) -> Call:
        """The call with what the turned views are."""
        every = as_points(call["queries"])
        if not {"sample", "view", self.column} <= every.columns.keys():
            raise InputError(f"views need the columns 'sample', 'view' and {self.column!r}", fix="give them these")
        turned, alike = every.columns["view"] > 1, every.columns[self.column]
        sample = every.columns["sample"].masked_fill(turned & (alike == 0), -1)
        points = Points(every.z, sample=sample, weight=(~turned).to(every.z))
        return {"queries": points[~turned | (alike >= 0)]}


class Forget(Procedure):
    """Points without some of their columns: without `input`, say, copies count as negatives like all others.

    Args:
        *columns: Left out where they are.

    Examples:
        >>> points = Points(torch.eye(2), input=torch.tensor([7, 7]), sample=torch.arange(2))
        >>> (call,) = Forget("input")([{"queries": points, "keys": None}], lambda model: {})
        >>> list(call["queries"].columns)
        ['sample']
    """

    def __init__(self, *columns: str) -> None:
        super().__init__()
        self.columns = columns

    def change(self, call: Call) -> Call:
        """The call with what is left."""
        return {side: self._left(points) if isinstance(points, Points) else points for side, points in call.items()}

    def _left(self, points: Points) -> Points:
        return Points(points.z, {name: c for name, c in points.columns.items() if name not in self.columns})


class Lists(Procedure):
    """Each query gets its own list of the batch's keys as owned keys, with a teacher's scores of them for a guide.

    Which keys they are says the column `listed` of the queries, the hash of each (`input` of the keys), the positive
    first; `teacher` has the scores, NaN where a list is shorter. The shared keys stay. Columns are made by
    `counterpoint.negatives.prepare.taught`. Source: lists of one positive and mined negatives are those of
    Ren et al. 2021 (RocketQAv2), section 3.2.

    Raises:
        InputError: in a call, without these columns.

    Examples:
        >>> from counterpoint.points import Points
        >>> keys = Points(torch.eye(2), input=torch.tensor([7, 8]))
        >>> asked = Points(torch.eye(2)[:1], listed=torch.tensor([[8, 7]]), teacher=torch.tensor([[2.0, 1.0]]))
        >>> (call,) = Lists()([{"queries": asked, "keys": keys}], lambda model: {})
        >>> call["owned"].z[0].tolist(), call["guide"].owned.tolist()
        ([[0.0, 1.0], [1.0, 0.0]], [[2.0, 1.0]])
    """

    def change(self, call: Call) -> Call:
        """The call with its lists."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        lacking = {"listed", "teacher"} - queries.columns.keys()
        if lacking or "input" not in keys.columns:
            raise InputError("lists of keys need the columns listed, teacher and input", fix="prepare the data: taught")
        listed, teacher = queries.columns["listed"], queries.columns["teacher"]
        found = join(listed.flatten(), keys.columns["input"], most=len(keys), hashes=True)
        assert found is not None
        index, weight = (side[:, :1].view_as(listed) for side in found)
        valid = (weight > 0) & ~teacher.isnan()
        positive = torch.zeros_like(teacher)
        positive[:, 0] = 1.0
        owned = Points(keys.z[index], positive=positive, valid=valid)
        plain = {name: column for name, column in queries.columns.items() if name not in ("listed", "teacher")}
        guide = Guide(owned=teacher.nan_to_num().to(keys.z))
        return {**call, "queries": Points(queries.z, plain), "owned": owned, "guide": guide}
