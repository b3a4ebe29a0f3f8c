"""PyGCL: losses of two graphs' nodes and a mask of positives."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives import naive
from objectives.peers.loading import module
from objectives.peers.rows import Batch, Gap, Peer, Row, normal, paired

CRASHES = "theirs raises an error"


def masked(seed: int) -> Batch:
    """Anchors and samples with labels; every anchor has positives and negatives."""
    q, k = normal(6, 5, seed=2 * seed), normal(8, 5, seed=2 * seed + 1)
    left, right = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    mask = (left[:, None] == right).double()
    names = {"q": q, "k": k, "mask": mask, "anchors": Points(q, label=left), "samples": Points(k, label=right)}
    return Batch("anchors, samples", names, [q, k])


def theirs(file: str, name: str, **options: Any) -> Any:
    def loss(b: SimpleNamespace) -> torch.Tensor:
        mask = b.mask if hasattr(b, "mask") else torch.eye(len(b.q), dtype=torch.float64)
        return getattr(module(f"GCL.losses.{file}"), name)(**options)(b.q, b.k, mask, 1 - mask)

    return loss


def rows_of(row: Any) -> Any:
    """The mean of a loop's loss over anchors."""

    def loss(b: SimpleNamespace) -> torch.Tensor:
        found = []
        for i in range(len(b.q)):
            scores = [naive.cosine(b.q[i], k) / 0.5 for k in b.k]
            found.append(row(scores, b.mask[i], 1 - b.mask[i]))
        return naive.mean(found)

    return loss


def debiased_jsd(b: SimpleNamespace) -> torch.Tensor:
    """Theirs adds log 2 for every entry that is no positive, times prior / (1 - prior), over the positives: a
    constant."""
    loss = theirs("jsd", "DebiasedJSD", tau_plus=0.1)(b)
    return loss - 0.1 / 0.9 * math.log(2) * float((1 - b.mask).sum() / b.mask.sum())


def hard_jsd(b: SimpleNamespace) -> torch.Tensor:
    """Negatives of an anchor weighted by exp(b s), with mean 1 and without gradient."""
    found = []
    for i in range(len(b.q)):
        s = [(b.q[i] * k).sum() for k in b.k]
        negatives = [x for x, m in zip(s, b.mask[i], strict=True) if m == 0]
        weights = [(0.05 * x.detach()).exp() for x in negatives]
        found.append(sum(w * (1 + x.exp()).log() for w, x in zip(weights, negatives, strict=True)) / sum(weights))
    positives = [(1 + (-(q * k).sum()).exp()).log() for q, m in zip(b.q, b.mask, strict=True)
                 for k, y in zip(b.k, m, strict=True) if y == 1]  # fmt: skip
    return naive.mean(positives) + naive.mean(found)


def ring(b: SimpleNamespace) -> torch.Tensor:
    loss = module("GCL.losses.infonce").RingLoss()
    return loss(b.q, b.k, torch.arange(len(b.q)), tau=0.5, threshold=0.1)


def all_triplets(b: SimpleNamespace) -> torch.Tensor:
    """The mean of all triplets of the batch."""
    found = []
    for q, mask in zip(b.q, b.mask, strict=True):
        d = [naive.distance(q, k) for k in b.k]
        found += [F.relu(d[p] - d[n] + 1.0) for p in range(len(d)) for n in range(len(d)) if mask[p] > mask[n]]
    return naive.mean(found)


JSD = (
    'Pairs(0.0, shape=lambda v: F.softplus(v) - math.log(2), over="terms", geometry=Dot(), relation=labels)'
    ' + {weight}Pairs(negative=0.0, shape=lambda v: F.softplus(v) - math.log(2), over="terms", geometry=Dot(), '
    "relation=labels)"
)

LOSSES = [
    Row("BarlowTwins", "BarlowTwins(1 / 5, epsilon=0.0, unbiased=True)",
        theirs("barlow_twins", "BarlowTwins", eps=0.0), paired,
        note="here without their epsilon, which they add to the deviation", own="BarlowTwins"),
    Row("BootstrapLatent", "Pairs(0.0, shape=lambda v: -v)", theirs("bootstrap", "BootstrapLatent"), paired,
        note="theirs is the similarity itself, which their contrast model subtracts"),
    Row("DebiasedInfoNCE", 'Debiased(0.5, prior=0.1, layout="one-way", relation=labels)',
        rows_of(lambda s, p, n: naive.debiased_row(s, p, n, 0.5, 0.1, 0.0)), masked, against="a loop",
        note=CRASHES, own="Debiased"),
    Row("DebiasedJSD",
        JSD.format(weight="1 / 0.9 * ")
        + ' + 0.1 / 0.9 * Pairs(0.0, shape=lambda v: F.softplus(-v), over="terms", geometry=Dot(), relation=labels)',
        debiased_jsd, masked,
        note="theirs also counts log 2 for every entry that is no positive, a constant, here taken off"),
    Row("HardnessInfoNCE", 'Debiased(0.5, prior=0.1, hardness=1.0, layout="one-way", relation=labels)',
        rows_of(lambda s, p, n: naive.debiased_row(s, p, n, 0.5, 0.1, 1.0)), masked, against="a loop",
        note=CRASHES, own="Debiased"),
    Row("HardnessJSD",
        'Pairs(0.0, shape=F.softplus, over="terms", geometry=Dot(), relation=labels)'
        " + Mined(Pairs(negative=0.0, shape=F.softplus, geometry=Dot(), relation=labels), softmax_weighted(0.05))",
        hard_jsd, masked, against="a loop",
        note="theirs weighs easy negatives more, and the positives' empty entries; here as the InfoNCE "
        "of that name does"),
    Row("InfoNCE", 'SupCon(0.5, layout="one-way")', theirs("infonce", "InfoNCE", tau=0.5), masked),
    Row("InfoNCESP", "InfoNCE(0.5)", theirs("infonce", "InfoNCESP", tau=0.5), paired),
    Row("JSD", JSD.format(weight=""), theirs("jsd", "JSD"), masked),
    Row("RingLoss", "Mined(Decoupled(0.5, relation=Relation(negative=~never)), between(0.0, 0.05))", ring,
        lambda seed: paired(seed, 12),
        note="the positive is among the candidates, and the point itself counts as the nearest that is "
        "left out; theirs "
        "gives infinity for fewer than 10 nodes"),
    Row("TripletMargin", 'Triplet(1.0, over="terms", relation=labels)', all_triplets, masked, against="a loop",
        note=CRASHES),
    Row("TripletMarginSP",
        "Pooled(Pool(sharpness=0), Pool(sharpness=0), outer=lambda v: F.relu(v + 1.0), geometry=Euclidean(), "
        "relation=labels)",
        theirs("triplet", "TripletMarginSP"), masked),
    Row("VICReg", "VICReg()", theirs("vicreg", "VICReg"), paired, own="VICReg"),
    Gap("HardMixingLoss", "raises an error there; its mixed negatives come from a learned projection drawn at random"),
]  # fmt: skip

PEER = Peer("PyGCL", "0.1.2", "GCL", tables={"losses": LOSSES})
