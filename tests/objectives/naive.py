"""The equations as their papers write them: loops over i and j on scalars, no masks, no log-sum-exp.

Everything takes and gives float64 scalars with gradient, so that autograd of a loop is the reference for gradients too.
"""

from __future__ import annotations

import math

import torch


def cosine(a, b):
    return (a * b).sum() / ((a * a).sum().sqrt() * (b * b).sum().sqrt())


def distance(a, b):
    return ((a - b) ** 2).sum().sqrt()


def mean(values, weights=None):
    """Weighted mean of the values that are not None; 0 if there is none."""
    weights = [1.0] * len(values) if weights is None else [float(w) for w in weights]
    kept = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None and w > 0]
    if not kept:
        return torch.zeros((), dtype=torch.float64)
    return sum(v * w for v, w in kept) / sum(w for _, w in kept)


def softmax_row(s, p, n, denominator, average):
    """The family of `counterpoint.objectives.softmax`, as its module says it."""
    positives = [j for j in range(len(s)) if p[j] > 0]
    negatives = [j for j in range(len(s)) if n[j] > 0]
    if not positives or (denominator == "negatives" and not negatives):
        return None
    z_negatives = sum(n[j] * s[j].exp() for j in negatives)
    z_positives = sum(s[j].exp() for j in positives)
    total = sum(p[j] for j in positives)
    terms = []
    for j in positives:
        z = {"each": s[j].exp() + z_negatives, "all": z_positives + z_negatives, "negatives": z_negatives}[denominator]
        terms.append((p[j], s[j].exp() / z))
    if average == "outside":
        return -sum(w * x.log() for w, x in terms) / total
    return -(sum(w * x for w, x in terms) / total).log()


def margin_row(s, p, n, temperature, margin, angle):
    """InfoNCE whose positives score cos(theta + angle) - margin."""
    turned = [
        (torch.cos(torch.acos(x * temperature) + angle) - margin) / temperature if p[j] > 0 else x
        for j, x in enumerate(s)
    ]
    return softmax_row(turned, p, n, "each", "outside")


def bounded_row(s, p, n, alpha, beta):
    """Every negative between `alpha` and `beta` below the mean of the positives."""
    positives = [j for j in range(len(s)) if p[j] > 0]
    if not positives:
        return None
    own = sum(p[j] * s[j] for j in positives) / sum(p[j] for j in positives)
    total = 0 * own
    for j in range(len(s)):
        gap = s[j] - own
        if n[j] > 0:
            total = total + n[j] * (torch.relu(gap + alpha) + torch.relu(-gap - beta))
    return total


def debiased_row(s, p, n, temperature, prior, hardness):
    """Chuang et al. 2020, eq. 7 and 8, with the importance weights of Robinson et al. 2021."""
    positives = [j for j in range(len(s)) if p[j] > 0]
    negatives = [j for j in range(len(s)) if n[j] > 0]
    if not positives or not negatives:
        return None
    weight = {j: n[j] * (hardness * s[j]).exp() for j in negatives}
    all_of_them = sum(weight[j] * s[j].exp() for j in negatives) / sum(weight.values())
    own = sum(p[j] * s[j].exp() for j in positives) / sum(p[j] for j in positives)
    estimate = (all_of_them - prior * own) / (1 - prior)
    estimate = torch.clamp(estimate, min=torch.tensor(-1 / temperature, dtype=torch.float64).exp())
    total = sum(n[j] for j in negatives) * estimate
    return sum(p[j] * ((s[j].exp() + total) / s[j].exp()).log() for j in positives) / sum(p[j] for j in positives)


def triplet_row(s, p, n, margin, mining):
    """Hermans et al. 2017, FaceNet; scores are distances with the sign turned, which the loop turns back."""
    d = [-x for x in s]
    positives = [j for j in range(len(d)) if p[j] > 0]
    negatives = [j for j in range(len(d)) if n[j] > 0]
    if not positives or not negatives:
        return None

    def hinge(a, b):
        return torch.clamp(d[a] - d[b] + margin, min=0)

    if mining == "hard":
        return hinge(max(positives, key=lambda j: d[j]), min(negatives, key=lambda j: d[j]))
    losses = []
    for a in positives:
        if mining == "all":
            losses.append(sum(n[b] * hinge(a, b) for b in negatives) / sum(n[b] for b in negatives))
            continue
        farther = [b for b in negatives if d[b] > d[a]]
        chosen = min(farther, key=lambda j: d[j]) if farther else max(negatives, key=lambda j: d[j])
        losses.append(hinge(a, chosen))
    return sum(p[a] * x for a, x in zip(positives, losses, strict=True)) / sum(p[a] for a in positives)


def self_adversarial_row(s, p, n, margin, sharpness):
    """Sun et al. 2019, eq. 5 and 6, f = s the negative distance; the weights of eq. 5 are numbers, without gradient."""
    (positive,) = [j for j in range(len(s)) if p[j] > 0]
    negatives = [j for j in range(len(s)) if n[j] > 0]
    weight = {j: math.exp(sharpness * float(s[j].detach())) for j in negatives}
    loss = -(1 / (1 + (-(margin + s[positive])).exp())).log()
    for j in negatives:
        loss = loss - weight[j] / sum(weight.values()) * (1 / (1 + (s[j] + margin).exp())).log()
    return loss / 2


def sigmoid_row(s, p, n, bias):
    """Zhai et al. 2023, eq. 1: log of 1 / (1 + exp(z (-t x.y - b)))."""
    if not any(p[j] > 0 or n[j] > 0 for j in range(len(s))):
        return None
    total = torch.zeros((), dtype=torch.float64)
    for j in range(len(s)):
        total = total + p[j] * (1 + (-(s[j] + bias)).exp()).log() + n[j] * (1 + (s[j] + bias).exp()).log()
    return total


def spectral_row(s, p, n):
    """HaoChen et al. 2021, eq. 6: -2 E[s+] + E[(s-)^2]."""
    positives = [j for j in range(len(s)) if p[j] > 0]
    negatives = [j for j in range(len(s)) if n[j] > 0]
    if not positives or not negatives:
        return None
    attract = sum(p[j] * s[j] for j in positives) / sum(p[j] for j in positives)
    return -2 * attract + sum(n[j] * s[j] ** 2 for j in negatives) / sum(n[j] for j in negatives)


def information_row(s, p, n, attract, repel):
    """Mean over positives of one function of the score and over negatives of another."""
    positives = [j for j in range(len(s)) if p[j] > 0]
    negatives = [j for j in range(len(s)) if n[j] > 0]
    if not positives or not negatives:
        return None
    near = sum(p[j] * attract(s[j]) for j in positives) / sum(p[j] for j in positives)
    return near + sum(n[j] * repel(s[j]) for j in negatives) / sum(n[j] for j in negatives)


def margin_mse_row(s, t, p, n):
    """Every positive against every negative."""
    total, weight = 0.0, 0.0
    for a in range(len(s)):
        for b in range(len(s)):
            if p[a] > 0 and n[b] > 0:
                total = total + p[a] * n[b] * ((s[a] - s[b]) - (t[a] - t[b])) ** 2
                weight = weight + p[a] * n[b]
    return total / weight if weight > 0 else None


def kl_row(s, t, p, n):
    """sum_j T_j log(T_j / S_j) over what is positive or negative."""
    seen = [j for j in range(len(s)) if p[j] > 0 or n[j] > 0]
    if not seen:
        return None
    z_s, z_t = sum(s[j].exp() for j in seen), sum(t[j].exp() for j in seen)
    return sum(t[j].exp() / z_t * ((t[j].exp() / z_t) / (s[j].exp() / z_s)).log() for j in seen)


def against_ranker_row(s, t, p, n):
    """-sum_j -log(e^{t_+} / (e^{t_+} + e^{t_j})) log S_j over what is positive or negative, t_+ the positives' mean."""
    seen = [j for j in range(len(s)) if p[j] > 0 or n[j] > 0]
    if not any(x > 0 for x in p):
        return None
    own = sum(t[j] * p[j] for j in seen) / sum(p[j] for j in seen)
    z = sum(s[j].exp() for j in seen)
    return sum((own.exp() / (own.exp() + t[j].exp())).log() * (s[j].exp() / z).log() for j in seen)


def inverse_propensity_row(s, t, p, n, temperature):
    """mean over positives i and negatives j of log(1 + e^{s_j - s_i}) / (1 - sigmoid(t_j / temperature))."""
    losses, weights = [], []
    for i in range(len(s)):
        for j in range(len(s)):
            looked = 1 / (1 + (-t[j] / temperature).exp())
            losses.append((1 + (s[j] - s[i]).exp()).log() / (1 - looked))
            weights.append(p[i] * n[j])
    return mean(losses, weights) if any(w > 0 for w in weights) else None


def listmle_row(s, t, p, n):
    """sum_k log sum_{l not yet drawn} exp(s_l) - s_k, drawn in the order of t."""
    left = [j for j in range(len(s)) if p[j] > 0 or n[j] > 0]
    if not left:
        return None
    total = 0
    for j in sorted(left, key=lambda j: -t[j]):
        total = total + sum(s[rest].exp() for rest in left).log() - s[j]
        left = [rest for rest in left if rest != j]
    return total


def contrastive_imitation_row(s, t, p, n):
    """The mean over positives of -log softmax of t_j s_j for a positive and (1 - t_j) s_j for a negative."""
    seen = [j for j in range(len(s)) if p[j] > 0 or n[j] > 0]
    if not any(x > 0 for x in p):
        return None
    weighed = {j: s[j] * (t[j] if p[j] > 0 else 1 - t[j]) for j in seen}
    z = sum(x.exp() for x in weighed.values())
    return mean([-(weighed[j].exp() / z).log() if j in weighed else s[j] * 0 for j in range(len(s))], p)


def rank_imitation_row(s, t, p, n):
    """1 - the correlation of s and t over what is positive or negative, by its weight."""
    w = [max(a, b) for a, b in zip(p, n, strict=True)]
    if sum(x > 0 for x in w) < 2:
        return None
    a, b = mean(s, w), mean(t, w)
    both = mean([(x - a) * (y - b) for x, y in zip(s, t, strict=True)], w)
    own = [mean([(x - m) ** 2 for x in side], w) for side, m in ((s, a), (t, b))]
    return 1 - both / (own[0] * own[1]).sqrt()


def order_imitation_row(s, t, p, n):
    """The mean over positives i and negatives j of max(t_i - t_j, 0) log(1 + e^{s_j - s_i})."""
    losses, weights = [], []
    for i in range(len(s)):
        for j in range(len(s)):
            losses.append((t[i] - t[j]).clamp_min(0) * (1 + (s[j] - s[i]).exp()).log())
            weights.append(p[i] * n[j])
    return mean(losses, weights) if any(w > 0 for w in weights) else None


def lengths(q, k, pairs, weight):
    """Zhang et al. 2020: the squared lengths of what is compared, over the true triples."""
    values = [(q[i] ** 2).sum() + (k[j] ** 2).sum() for i, j in pairs]
    return mean(values, [weight[i] for i, _ in pairs])


def uniformity(z, t=2.0):
    """Wang and Isola 2020: log of the mean over pairs of different points."""
    values = [
        (-t * ((z[i] - z[j]) ** 2).sum()).exp() for i in range(len(z)) for j in range(len(z)) if i != j
    ]  # fmt: skip
    return (sum(values) / len(values)).log()


def cosent(cosines, scores, temperature):
    """Su 2022: log(1 + sum over y_a > y_b of exp((cos_b - cos_a) / temperature))."""
    total = torch.ones((), dtype=torch.float64)
    for a in range(len(scores)):
        for b in range(len(scores)):
            if scores[a] > scores[b]:
                total = total + ((cosines[b] - cosines[a]) / temperature).exp()
    return total.log()


def vicreg(x, y, invariance, variance, covariance, gamma=1.0, epsilon=1e-4):
    """Bardes et al. 2022, eq. 1 to 5, invariance averaged over dimensions as in algorithm 1."""
    n, d = x.shape
    total = invariance * sum((x[i, j] - y[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    for z in (x, y):
        means = [sum(z[i, j] for i in range(n)) / n for j in range(d)]
        c = [
            [sum((z[i, a] - means[a]) * (z[i, b] - means[b]) for i in range(n)) / (n - 1) for b in range(d)]
            for a in range(d)
        ]
        total = total + variance * sum(torch.clamp(gamma - (c[j][j] + epsilon).sqrt(), min=0) for j in range(d)) / d
        total = total + covariance * sum(c[a][b] ** 2 for a in range(d) for b in range(d) if a != b) / d
    return total
