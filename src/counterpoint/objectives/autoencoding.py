"""Losses of auto-encoders: of probabilistic and adversarial ones, of a topic model, of a sparse one, and of tokens."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Normal

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


class AutoEncoding(PointObjective):
    """`-log p(x|z) - (log q(z|x) + log p(z)) / 2`, the mean over queries: codes that say much and lie together.

    A query is `(3, d)`: `z`, a sample of the Gaussian `q(z|x)`, its mean and its log-variance
    (`counterpoint.heads.Gaussian`). `p(x|z)` is Bernoulli for each value of `x`, and `p(z)` the standard normal. Keys
    are not looked at. Source: Livne et al. 2019, "MIM: Mutual Information Machine", the asymmetric loss with the
    decoder's marginal for `q(x)`.

    Args:
        decoder: From codes `(n, d)` to logits of the values.
        column: What is to be decoded, `(n, values)`, each from 0 to 1.

    Raises:
        InputError: in a call, for other points, or without the column.

    Examples:
        >>> import torch
        >>> codes = Points(torch.zeros(1, 3, 2), target=torch.ones(1, 1), sample=torch.arange(1))
        >>> decoder = nn.Linear(2, 1, bias=False)  # of a code of 0 it says 1/2
        >>> round(AutoEncoding(decoder)(codes).item(), 4)  # log(2) + 2 log(2 pi) / 2
        2.531
    """

    def __init__(self, decoder: nn.Module, column: str = "target") -> None:
        super().__init__(geometry=Dot())
        self.decoder, self.column = decoder, column

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the queries."""
        del keys, i, j
        sample, mean, log_variance = gaussian_parts(queries)
        target = _decoded(queries, self.column).to(sample)
        decoded = -F.binary_cross_entropy_with_logits(self.decoder(sample), target, reduction="none")
        inferred = Normal(mean, (log_variance / 2).exp()).log_prob(sample)
        prior = Normal(0.0, 1.0).log_prob(sample)
        loss: Tensor = -(decoded.sum(1) + (inferred.sum(1) + prior.sum(1)) / 2).mean()
        return loss


class TopicELBO(PointObjective):
    """`-sum_v x_v log p_v + KL(q(z|x) || N(0, variance))`, the mean over queries: the loss of a neural topic model.

    A query is `(3, d)` as for `AutoEncoding`. Its topics are `softmax(z)` of the sample, and `p` the softmax of what
    the decoder makes of them, of which `x` counts words. Keys are not looked at. Source: Srivastava and Sutton 2017,
    "Autoencoding Variational Inference for Topic Models"; with the default variance the prior is their Gaussian for a
    Dirichlet of all ones, `1 - 1/d`, as in the code of Scholar (Card et al. 2018).

    Args:
        decoder: From topics `(n, d)` to a logit for each word; columns of a linear one are the topics.
        column: How often each word is in the text, `(n, words)`.
        variance: Of the prior; None: `1 - 1/d`.

    Raises:
        InputError: in a call, for other points, or without the column.

    Examples:
        >>> import torch
        >>> codes = Points(torch.zeros(1, 3, 2), words=torch.tensor([[2.0, 1.0]]), sample=torch.arange(1))
        >>> decoder = nn.Linear(2, 2, bias=False)
        >>> _ = nn.init.zeros_(decoder.weight)  # each word is as likely
        >>> round(TopicELBO(decoder, variance=1.0)(codes).item(), 4)  # 3 log(2), and no divergence
        2.0794
    """

    def __init__(self, decoder: nn.Module, column: str = "words", variance: float | None = None) -> None:
        super().__init__(geometry=Dot())
        self.decoder, self.column, self.variance = decoder, column, variance

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the queries."""
        del keys, i, j
        sample, mean, log_variance = gaussian_parts(queries)
        counts = _decoded(queries, self.column).to(sample)
        logits: Tensor = self.decoder(sample.softmax(1))
        variance = 1 - 1 / sample.shape[1] if self.variance is None else self.variance
        ratio = log_variance.exp() / variance
        divergence = (ratio + mean.square() / variance - 1 - ratio.log()).sum(1) / 2
        loss: Tensor = (divergence - (counts * logits.log_softmax(1)).sum(1)).mean()
        return loss


class Adversary(PointObjective):
    """`-w log D(z) - log(1 - D(z)) - log D(u)`, the mean over queries: codes against a critic that knows noise.

    A query begins with three logits of a critic `D`: of a code `z`, by which the code learns and the critic does not;
    of the same, the other way round; and of noise `u`. Whoever makes them sees to what learns. Keys are not looked at.
    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", section 3, with `-log D` for `log(1 - D)`, on codes
    as Makhzani et al. 2015, "Adversarial Autoencoders".

    Args:
        weight: `w`.

    Examples:
        >>> import torch
        >>> undecided = Points(torch.zeros(1, 3), sample=torch.arange(1))
        >>> round(Adversary(2.0)(undecided).item(), 4)  # 4 log(2)
        2.7726
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(geometry=Dot())
        self.weight = weight

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the queries."""
        del keys, i, j
        code, known, noise = queries.z[:, :3].unbind(1)
        return (self.weight * F.softplus(-code) + F.softplus(known) + F.softplus(-noise)).mean()


class SparseReconstruction(PointObjective):
    """`E |e_k|^2 + w E |e_4k|^2 + r E |e_dead|^2 / E |e_k - mean e_k|^2`: what sparse codes leave unsaid.

    Points are those of `counterpoint.procedures.SparseCodes`, `(n, 4, m)`. The last term, which brings dead latents
    back, is the share that they leave of what the code leaves; its denominator has no gradient, and where it is 0 the
    term is 0. The mean over both sides. Source: Wen et al. 2025, "Beyond Matryoshka", the authors' code.

    Args:
        wide: `w`; 1/8 is theirs.
        revive: `r`; 1/32 is theirs.

    Raises:
        InputError: in a call, for other points.

    Examples:
        >>> import torch
        >>> code, e = torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])
        >>> points = Points(torch.stack([code, e, e, e], 1), sample=torch.arange(2))
        >>> SparseReconstruction(wide=0.2, revive=0.1)(points).item()  # 5 + 0.2 * 5 + 0.1 * 5 / 1
        6.5
    """

    def __init__(self, wide: float = 1 / 8, revive: float = 1 / 32) -> None:
        super().__init__(geometry=Dot())
        self.wide, self.revive = wide, revive

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides, each by itself; who matches whom does not matter."""
        del i, j
        return (self._side(queries.z) + self._side(keys.z)) / 2

    def _side(self, z: Float[Tensor, "n 4 m"]) -> Float[Tensor, ""]:
        if z.ndim != 3 or z.shape[1] != 4:
            raise InputError(
                f"points of shape {tuple(z.shape)} are no codes and errors", fix="put the procedure SparseCodes before"
            )
        _, error, wide, dead = z.unbind(1)
        left = error.detach()
        variance = (left - left.mean(0)).square().sum(1).mean()
        revived = dead.square().sum(1).mean()
        share = revived / variance if bool(variance > 0) else revived * 0
        loss: Tensor = error.square().sum(1).mean() + self.wide * wide.square().sum(1).mean() + self.revive * share
        return loss


class WeightedErrors(PointObjective):
    """`sum_t w_t e_t / sum_t w_t`, the mean over both sides: errors that points bring, some of more weight.

    Points are errors `(n, l)`, such as those of a text's tokens; their weights are a column `(n, l)`, 0 where there is
    no token. A point without any weight has none to answer for, and is 0.

    Args:
        column: Of the weights.

    Raises:
        InputError: in a call, without the column, or with weights of another shape.

    Examples:
        >>> import torch
        >>> weight = torch.tensor([[3.0, 1.0, 0.0]])
        >>> points = Points(torch.tensor([[1.0, 5.0, 9.0]]), weights=weight, sample=torch.arange(1))
        >>> WeightedErrors()(points).item()  # (3 * 1 + 1 * 5) / 4
        2.0
    """

    def __init__(self, column: str = "weights") -> None:
        super().__init__(geometry=Dot())
        self.column = column

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Both sides together; who matches whom does not matter."""
        del i, j
        points = queries if keys is queries else Points.cat([queries, keys])
        weight = _decoded(points, self.column).to(points.z)
        if weight.shape != points.z.shape:
            raise InputError(
                f"weights of shape {tuple(weight.shape)} for errors of {tuple(points.z.shape)}", fix="give each one"
            )
        total = weight.sum(1)
        loss: Tensor = ((weight * points.z).sum(1) / total.where(total > 0, 1.0)).mean()
        return loss


def gaussian_parts(points: Points) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, mean and log-variance of each point.

    Raises:
        InputError: They are no such points.
    """
    if points.z.ndim != 3 or points.z.shape[1] != 3:
        raise InputError(
            f"points of shape {tuple(points.z.shape)} are no sample, mean and log-variance",
            fix="put the head Gaussian before it",
        )
    sample, mean, log_variance = points.z.unbind(1)
    return sample, mean, log_variance


def _decoded(points: Points, column: str) -> Tensor:
    if column not in points.columns:
        raise InputError(f"what is decoded is the column {column!r}, which is lacking", fix="give it to them")
    return points.columns[column]
