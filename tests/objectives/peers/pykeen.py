"""PyKEEN: losses of the scores of a true triple and of its corruptions."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch

from counterpoint.points import Points
from objectives.peers.loading import module
from objectives.peers.rows import Batch, Peer, Row, normal


def scores(seed: int) -> Batch:
    """Six triples with four corruptions each. Any scores are dot products with 1 of vectors of one dimension."""
    s = normal(6, 5, seed=seed)
    positive = torch.zeros(6, 5)
    positive[:, 0] = 1
    names = {"s": s, "one": torch.ones(6, 1, dtype=torch.float64), "scores": Points(s[..., None], positive=positive)}
    return Batch("one, owned=scores", names, [s])


def theirs(name: str, **options: Any) -> Any:
    def loss(b: SimpleNamespace) -> torch.Tensor:
        peer = getattr(module("pykeen.losses"), name)(**options)
        return peer.process_slcwa_scores(b.s[:, :1].contiguous(), b.s[:, 1:].contiguous())

    return loss


EACH = 'Pairs({margins}, shape={shape}, over="terms", geometry=Dot())'
LOGISTIC = EACH.format(margins="0.0, 0.0", shape="F.softplus")
ADVERSARIAL = (
    "0.5 * (Pairs({m}, shape=F.softplus, geometry=Dot())"
    " + Mined(Pairs(negative={m}, shape=F.softplus, geometry=Dot()), softmax_weighted(1.0)))"
)

LOSSES = [
    Row("AdversarialBCEWithLogitsLoss", ADVERSARIAL.format(m="0.0"), theirs("AdversarialBCEWithLogitsLoss"), scores),
    Row("BCEAfterSigmoidLoss", LOGISTIC, theirs("BCEAfterSigmoidLoss"), scores),
    Row("BCEWithLogitsLoss", LOGISTIC, theirs("BCEWithLogitsLoss"), scores),
    Row("CrossEntropyLoss", "InfoNCE(1.0, geometry=Dot())", theirs("CrossEntropyLoss"), scores),
    Row("DoubleMarginLoss", "0.5 * Pairs(1.0, geometry=Dot()) + 0.5 * Pairs(negative=0.0, geometry=Dot())",
        theirs("DoubleMarginLoss"), scores),
    Row("FocalLoss", EACH.format(margins="0.0, 0.0", shape="lambda v: v.sigmoid() ** 2 * F.softplus(v)"),
        theirs("FocalLoss", gamma=2.0), scores),
    Row("InfoNCELoss", "InfoNCE(0.05, margin=0.02, geometry=Dot())",
        theirs("InfoNCELoss", margin=0.02, log_adversarial_temperature=math.log(0.05)), scores),
    Row("MarginRankingLoss", "Triplet(1.0, geometry=Dot())", theirs("MarginRankingLoss"), scores),
    Row("MSELoss", EACH.format(margins="1.0, 0.0", shape="torch.square"), theirs("MSELoss"), scores),
    Row("NSSALoss", ADVERSARIAL.format(m="-9.0"), theirs("NSSALoss", margin=9.0), scores),
    Row("PairwiseLogisticLoss", "Triplet(0.0, shape=F.softplus, geometry=Dot())", theirs("PairwiseLogisticLoss"),
        scores),
    Row("PointwiseHingeLoss", EACH.format(margins="1.0, -1.0", shape="F.relu"), theirs("PointwiseHingeLoss"), scores),
    Row("SoftMarginRankingLoss", "Triplet(1.0, shape=F.softplus, geometry=Dot())", theirs("SoftMarginRankingLoss"),
        scores),
    Row("SoftPointwiseHingeLoss", EACH.format(margins="1.0, -1.0", shape="F.softplus"),
        theirs("SoftPointwiseHingeLoss"), scores),
    Row("SoftplusLoss", LOGISTIC, theirs("SoftplusLoss"), scores),
]  # fmt: skip

PEER = Peer(
    "PyKEEN", "1.11", "pykeen",
    "Theirs are functions of scores; here a score is a dot product with 1 of a vector of one dimension.",
    {"losses": LOSSES},
)  # fmt: skip
