"""Diagnostics of an embedding cloud: alignment, uniformity, effective rank, and whether it or its classes collapsed.

All take time linear in `n` (uniformity: quadratic); a few thousand rows every few hundred steps cost little beside
training.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError

SAME = 0.99
SAME_PLACE = 1 / 256
NARROW = 0.05


@torch.no_grad()
def alignment(x_nd: Float[Tensor, "n d"], y_nd: Float[Tensor, "n d"], *, alpha: float = 2.0) -> float:
    """Mean distance of positives, `E |x_i - y_i|^alpha` of unit vectors; lower is better, 0 to `2^alpha`.

    Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere", ICML 2020, section 4.1. Rows are scaled to length one first.

    Raises:
        InputError: The shapes differ, or there are no rows.

    Examples:
        >>> round(alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])), 6)
        2.0
    """
    if x_nd.shape != y_nd.shape or x_nd.ndim != 2 or len(x_nd) == 0:
        raise InputError(
            f"no alignment of shapes {tuple(x_nd.shape)} and {tuple(y_nd.shape)}",
            fix="give two matrices whose rows are positives of each other",
        )
    difference_nd = F.normalize(x_nd.double(), dim=1) - F.normalize(y_nd.double(), dim=1)
    # 2 - 2 cos would be cheaper and loses the small distances
    return float(difference_nd.norm(dim=1).pow(alpha).mean())


@torch.no_grad()
def uniformity(z_nd: Float[Tensor, "n d"], *, t: float = 2.0, block: int = 1024) -> float:
    """How evenly unit vectors cover the sphere, `log E_{i != j} exp(-t |z_i - z_j|^2)`; lower is better.

    Wang and Isola 2020, section 4.1. 0 if all are the same; about `-2 t` (exactly so for `d` to infinity) if
    they are spread uniformly. Rows are scaled to length one first, and taken `block` at a time.

    Raises:
        InputError: Fewer than 2 rows.

    Examples:
        >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        -8.0
    """
    z_nd = F.normalize(_rows(z_nd), dim=1)
    n = len(z_nd)
    parts = []
    for start in range(0, n, block):
        square_bn = (2 - 2 * z_nd[start : start + block] @ z_nd.T).clamp_min(0)
        square_bn.diagonal(start).fill_(torch.inf)  # a row with itself is no pair
        parts.append((-t * square_bn).logsumexp((0, 1)))
    return torch.stack(parts).logsumexp(0).item() - math.log(n * (n - 1))


@torch.no_grad()
def tolerance(z_nd: Float[Tensor, "n d"], labels_n: Int[Tensor, " n"]) -> float:
    """Mean cosine of two different points of the same class; higher keeps classes together, at most 1.

    Wang and Liu, "Understanding the Behaviour of Contrastive Loss", CVPR 2021, section 3.4, where the mean is over all
    pairs with those of different classes counted as 0: that is this times the share of pairs of the same class.

    Args:
        z_nd: Scaled to length one first.
        labels_n: The class of each row.

    Raises:
        InputError: No class has two points, or there are not as many labels as rows.

    Examples:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> tolerance(z, torch.tensor([0, 0, 1]))
        0.0
    """
    z_nd = F.normalize(_rows(z_nd), dim=1)
    _check_labels(z_nd, labels_n)
    _, class_n, count_c = labels_n.unique(return_inverse=True, return_counts=True)
    # |sum z|^2 is the sum over all pairs of a class, each point with itself among them
    sum_cd = torch.zeros(len(count_c), z_nd.shape[1], dtype=z_nd.dtype).index_add_(0, class_n, z_nd)
    pairs = int((count_c * (count_c - 1)).sum())
    if pairs == 0:
        raise InputError("no class has two points", fix="give more points or fewer classes")
    return float((sum_cd.square().sum() - z_nd.square().sum()) / pairs)


@dataclass(frozen=True, slots=True)
class Variation:
    """Where the variance of labelled points lies: shares that sum to 1, or all 0 if the points are all the same.

    Attributes:
        between: Of the class means around the mean of all; 1 if every class is a point.
        subclasses: Of the means of subclasses around those of their classes; 0 if no subclasses were given.
        within: Of the points around the means of their subclasses, or of their classes if there are none.
    """

    between: float
    subclasses: float
    within: float


@torch.no_grad()
def variation(
    z_nd: Float[Tensor, "n d"], labels_n: Int[Tensor, " n"], subclasses_n: Int[Tensor, " n"] | None = None
) -> Variation:
    """Class collapse and subclass collapse: how much of the variance is within classes, and between their subclasses.

    The law of total variance, twice: `sum |z - m|^2 = sum |m_c - m|^2 + sum |m_s - m_c|^2 + sum |z - m_s|^2` over
    points, with `m`, `m_c`, `m_s` the mean of all, of the point's class and of its subclass. A class has collapsed
    (Papyan et al. 2020, "Prevalence of Neural Collapse", NC1) as `between` nears 1. Its subclasses are then lost
    (Chen et al. 2022, "Perfectly Balanced", who train on classes and test on subclasses): `subclasses` nears 0. Of `k`
    random subclasses of `c` classes it is not 0 but about `(k - c) / (n - c)` of what lies within classes.

    Args:
        z_nd: The embeddings as they are; scale them to length one for what cosines see.
        labels_n: The class of each row.
        subclasses_n: A finer class of each row; those of different classes differ whatever their numbers.

    Raises:
        InputError: Fewer than 2 rows, or not one label a row.

    Examples:
        >>> z = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
        >>> variation(z, torch.tensor([0, 0, 1, 1]))
        Variation(between=0.8, subclasses=0.0, within=0.2)
        >>> variation(z, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]))
        Variation(between=0.8, subclasses=0.2, within=0.0)
    """
    z_nd = _rows(z_nd)
    _check_labels(z_nd, labels_n)
    center_nd = fine_nd = _class_means(z_nd, labels_n)
    if subclasses_n is not None:
        _check_labels(z_nd, subclasses_n)
        fine_nd = _class_means(z_nd, torch.stack([labels_n, subclasses_n], 1))
    parts = [center_nd - z_nd.mean(0), fine_nd - center_nd, z_nd - fine_nd]
    shares = F.normalize(torch.stack([part.square().sum() for part in parts]), p=1, dim=0)
    return Variation(*shares.tolist())


@torch.no_grad()
def neural_collapse(z_nd: Float[Tensor, "n d"], labels_n: Int[Tensor, " n"]) -> float:
    """How far classes are from points, `tr(S_W S_B^+) / c`; 0 if every class is a point.

    Papyan, Han and Donoho, "Prevalence of Neural Collapse during the Terminal Phase of Deep Learning Training", PNAS
    2020, NC1 as their figures have it: `S_W` is the covariance of the points around their classes' means, `S_B` that of
    the means, and `+` the pseudoinverse. Unlike `variation` it weighs each direction by how well it tells classes
    apart. Their classes are of equal size; here a mean counts as often as its class has points.

    Raises:
        InputError: Fewer than 2 rows or classes, or not one label a row.

    Examples:
        >>> z = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
        >>> round(neural_collapse(z, torch.tensor([0, 0, 1, 1])), 6)
        0.125
    """
    z_nd = _rows(z_nd)
    _check_labels(z_nd, labels_n)
    classes = len(labels_n.unique())
    if classes < 2:
        raise InputError("the labels are all the same", fix="give two classes or more")
    mean_nd = _class_means(z_nd, labels_n)
    within_nd, between_nd = z_nd - mean_nd, mean_nd - mean_nd.mean(0)
    # the means span at most c - 1 directions; what is left of the others is rounding
    inverse_dd = torch.linalg.pinv(between_nd.T @ between_nd, hermitian=True, rtol=1e-10)
    return float((within_nd.T @ within_nd * inverse_dd).sum() / classes)


def _class_means(z_nd: Float[Tensor, "n d"], labels: Int[Tensor, "n *k"]) -> Float[Tensor, "n d"]:
    """The mean of each row's class."""
    _, class_n, count_c = labels.unique(dim=0, return_inverse=True, return_counts=True)
    sum_cd = z_nd.new_zeros(len(count_c), z_nd.shape[1]).index_add_(0, class_n, z_nd)
    mean_nd: Tensor = (sum_cd / count_c[:, None])[class_n]
    return mean_nd


def _check_labels(z_nd: Tensor, labels_n: Tensor) -> None:
    if len(labels_n) != len(z_nd):
        raise InputError(f"{len(z_nd)} rows and {len(labels_n)} labels", fix="give one label a row")


@torch.no_grad()
def effective_rank(z_nd: Float[Tensor, "n d"], *, center: bool = False) -> float:
    """`exp(-sum p_k ln p_k)` with `p_k = s_k / sum s` of the singular values `s`; 1 to `min(n, d)`.

    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007, definition 1.
    The number of dimensions the cloud fills, were it to fill them evenly.

    Args:
        z_nd: The embeddings as they are.
        center: Take the mean off first, so that a common direction does not count.

    Returns:
        The effective rank; 0 if all values are 0.

    Raises:
        InputError: Fewer than 2 rows.

    Examples:
        >>> round(effective_rank(torch.eye(5)), 6)
        5.0
    """
    return _perplexity(_shares(_rows(z_nd), center))


@torch.no_grad()
def rankme(z_nd: Float[Tensor, "n d"], *, epsilon: float = 1e-7) -> float:
    """RankMe: the effective rank with `p_k = s_k / sum s + epsilon`.

    Garrido et al., "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations
    by Their Rank", ICML 2023, equation 1. Higher tends to go with better linear probes.

    Examples:
        >>> round(rankme(torch.eye(5)), 4)
        5.0
    """
    return _perplexity(_shares(_rows(z_nd), center=False) + epsilon)


def _shares(z_nd: Float[Tensor, "n d"], center: bool) -> Float[Tensor, " r"]:
    if center:
        z_nd = z_nd - z_nd.mean(0)
    n, d = z_nd.shape
    # the Gram matrix of the shorter side has the squares of the singular values
    gram = z_nd.T @ z_nd if n >= d else z_nd @ z_nd.T
    squares = torch.linalg.eigvalsh(gram).clamp_min(0)
    # below this an eigenvalue is rounding, and its root would not be small
    squares[squares < squares.max() * max(n, d) * torch.finfo(squares.dtype).eps] = 0
    s = squares.sqrt()
    return F.normalize(s, p=1, dim=0)


def _perplexity(p: Float[Tensor, " r"]) -> float:
    p = p[p > 0]
    return torch.exp(-(p * p.log()).sum()).item() if len(p) else 0.0


@torch.no_grad()
def mean_cosine(z_nd: Float[Tensor, "n d"]) -> float:
    """Mean cosine of two different rows; 0 for a cloud without a common direction, 1 if all point one way.

    Raises:
        InputError: Fewer than 2 rows.

    Examples:
        >>> mean_cosine(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        0.0
    """
    z_nd = F.normalize(_rows(z_nd), dim=1)
    n = len(z_nd)
    own = (z_nd * z_nd).sum()  # n, but for zero vectors
    return ((z_nd.sum(0).square().sum() - own) / (n * (n - 1))).item()


@dataclass(frozen=True, slots=True)
class Collapse:
    """What is wrong with an embedding cloud.

    Attributes:
        kind: "not finite", "complete" or "dimensional".
        mean_cosine: Of two different rows; 0 if not finite.
        effective_rank: Of the centred unit vectors; 0 if not finite.
        limit: The highest effective rank there could be.
        sentence: The verdict in words, with the figures.
    """

    kind: Literal["not finite", "complete", "dimensional"]
    mean_cosine: float
    effective_rank: float
    limit: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


@torch.no_grad()
def collapse(z_nd: Float[Tensor, "n d"], *, classes: int | None = None, distances: bool = False) -> Collapse | None:
    """Whether an embedding cloud has collapsed, and how (Jing et al. 2022, "Understanding Dimensional Collapse").

    - *complete*: two different texts have a cosine of 0.99 or more on average, an angle under 8 degrees. A
      MiniLM with random weights gives 0.92 on 2,048 titles, a trained one 0.10, and models trained at very
      low temperatures some 0.8: none of these has collapsed.
    - *dimensional*: the effective rank of the centred unit vectors is under 5% of the highest possible,
      `min(n - 1, d)`. MiniLM, trained or random, fills 69% to 79%; a cloud in 16 of 384 dimensions fills 4%.

    Training on few classes ends, rightly, with one direction a class (Papyan et al. 2020): say how many there
    are, and the highest rank expected is `classes - 1`.

    Where points are compared by their distances, not by their directions, an offset that all of them share says
    nothing: they are then at one place where they are from their mean, in the root mean square, less than 1/256 of
    their length (what bfloat16 tells apart), and the rank is that of the points as they are, centred.

    Args:
        z_nd: Embeddings of different inputs, some hundred or more: of `n` rows no rank above `n - 1` can be seen.
        classes: How many classes the model was trained to tell apart, if it was.
        distances: Points are compared by distances of the vectors as they are.

    Returns:
        The verdict, or None if all is well. Below 4 possible dimensions only complete collapse is looked for.

    Raises:
        InputError: Fewer than 2 rows.

    Examples:
        >>> generator = torch.Generator().manual_seed(0)
        >>> z = torch.randn(500, 64, generator=generator)
        >>> print(collapse(z))
        None
        >>> print(collapse(z[:, :2] @ torch.randn(2, 64, generator=generator)))
        dimensional collapse: the embeddings fill 2.0 of 64 dimensions (mean cosine 0.01)
    """
    z_nd = _rows(z_nd)
    limit = min(len(z_nd) - 1, z_nd.shape[1], *([] if classes is None else [max(1, classes - 1)]))
    finite = z_nd.isfinite().all(dim=1)
    if not finite.all():
        bad = len(z_nd) - int(finite.sum())
        sentence = f"not finite: {bad} of {len(z_nd)} embeddings hold NaN or infinite values"
        return Collapse("not finite", 0.0, 0.0, limit, sentence)
    cosine = mean_cosine(z_nd)
    rank = effective_rank(z_nd if distances else F.normalize(z_nd, dim=1), center=True)
    off = (z_nd - z_nd.mean(0)).square().sum()
    same = off <= SAME_PLACE**2 * z_nd.square().sum() if distances else cosine >= SAME
    if same or not z_nd.any():
        sentence = f"complete collapse: all embeddings are nearly the same (mean cosine {cosine:.4f})"
        return Collapse("complete", cosine, rank, limit, sentence)
    if limit >= 4 and rank < max(1.5, NARROW * limit):
        sentence = (
            f"dimensional collapse: the embeddings fill {rank:.1f} of {limit} dimensions (mean cosine {cosine:.2f})"
        )
        return Collapse("dimensional", cosine, rank, limit, sentence)
    return None


def _rows(z_nd: Tensor) -> Float[Tensor, "n d"]:
    if z_nd.ndim != 2 or len(z_nd) < 2 or z_nd.shape[1] == 0:
        raise InputError(
            f"embeddings of shape {tuple(z_nd.shape)} have no geometry", fix="give a matrix of 2 rows or more"
        )
    return z_nd.double()
