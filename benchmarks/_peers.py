"""Peers' losses beside ours on the same data: each contest is checked to be one loss before anybody is timed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterpoint.geometry import Dot, Euclidean
from counterpoint.objectives import (
    CoSENT,
    Decoupled,
    DistillKL,
    Guide,
    InfoNCE,
    MarginMSE,
    Objective,
    SupCon,
    Triplet,
    VICReg,
)
from counterpoint.points import Points
from counterpoint.relation import Relation, same

LABEL = Relation(same("label"))
Loss = Callable[[], Tensor]


class Data:
    """`n` pairs `q`, `k`; or `q` as points of which two have a label; with four owned keys and a teacher's scores."""

    def __init__(self, n: int, d: int) -> None:
        g = torch.Generator().manual_seed(0)
        self.q, self.k = (torch.randn(n, d, generator=g).requires_grad_() for _ in range(2))
        self.label = torch.arange(n) // 2
        self.score, self.teacher = torch.rand(n, generator=g), torch.randn(n, 4, generator=g)
        self.owned = torch.randn(n, 4, d, generator=g).requires_grad_()
        # a peer takes them one by one
        self.each = [column.detach().clone().requires_grad_() for column in self.owned.unbind(1)]
        self.points, self.scored = Points(self.q, label=self.label), Points(self.q, score=self.score)
        self.candidates = Points(self.owned, positive=torch.eye(4)[:1].repeat(n, 1))
        self.list = Points(self.owned, positive=torch.ones(n, 4))

    def pairs(self, objective: Objective) -> Loss:
        return lambda: objective(self.q, self.k)

    def alone(self, objective: Objective) -> Loss:
        return lambda: objective(self.points)


@dataclass(frozen=True)
class Contest:
    """Two losses that are one, to the tolerance."""

    name: str
    data: Data
    ours: Loss
    theirs: Loss
    tolerance: float = 1e-4

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        return self.data.q, self.data.k, self.data.owned, *self.data.each

    def difference(self) -> float:
        a, b = float(self.ours().detach()), float(self.theirs().detach())
        return abs(a - b) / max(abs(b), 1e-6)


def sentence_transformers(d: int) -> Iterator[Contest]:
    from sentence_transformers.sentence_transformer import losses

    def pair(name: str, objective: Objective, n: int = 1024, **options: Any) -> Contest:
        data, peer = Data(n, d), getattr(losses, name)(None, **options)
        return Contest(
            name, data, data.pairs(objective), lambda: peer.compute_loss_from_embeddings([data.q, data.k], None)
        )

    every = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
    yield pair("MultipleNegativesRankingLoss", InfoNCE())
    yield pair("MultipleNegativesSymmetricRankingLoss", InfoNCE(layout="symmetric"))
    joint = pair("MultipleNegativesRankingLoss", InfoNCE(layout="joint"), directions=every)
    yield Contest("MultipleNegativesRankingLoss, joint", joint.data, joint.ours, joint.theirs)

    data = Data(1024, d)
    ours, cosent = CoSENT(), losses.CoSENTLoss(None)
    yield Contest(
        "CoSENTLoss",
        data,
        lambda: ours(data.scored, data.k),
        lambda: cosent.compute_loss_from_embeddings([data.q, data.k], data.score),
    )
    embeddings = [data.q, *data.each]
    margin, mse = MarginMSE(), losses.MarginMSELoss(None)
    kl, divergence = DistillKL(1.0, geometry=Dot()), losses.DistillKLDivLoss(None)
    guide = Guide(owned=data.teacher)
    yield Contest(
        "MarginMSELoss, 3 negatives",
        data,
        lambda: margin(data.q, owned=data.candidates, guide=guide),
        lambda: mse.compute_loss_from_embeddings(embeddings, data.teacher),
    )
    yield Contest(
        "DistillKLDivLoss, 4 keys",
        data,
        lambda: kl(data.q, owned=data.list, guide=guide),
        lambda: divergence.compute_loss_from_embeddings(embeddings, data.teacher),
    )
    for name, method, n, options in (
        ("BatchHardTripletLoss", "batch_hard_triplet_loss", 1024, {"mining": "hard"}),
        ("BatchSemiHardTripletLoss", "batch_semi_hard_triplet_loss", 128, {"mining": "semi-hard"}),
    ):
        some = Data(n, d)
        triplet = Triplet(5.0, layout="views", relation=LABEL, **options)
        peer = getattr(getattr(losses, name)(None, margin=5.0), method)
        yield Contest(
            name, some, some.alone(triplet), lambda some=some, peer=peer: peer(some.label, some.q).reshape(())
        )


def pytorch_metric_learning(d: int) -> Iterator[Contest]:
    from pytorch_metric_learning import distances, losses, reducers

    def labelled(name: str, objective: Objective, n: int, **options: Any) -> Contest:
        data, peer = Data(n, d), getattr(losses, name)(**options)
        return Contest(name, data, data.alone(objective), lambda: peer(data.q, data.label))

    mean = reducers.MeanReducer()
    plain = distances.LpDistance(normalize_embeddings=False)
    yield labelled("NTXentLoss", InfoNCE(0.5, layout="views", relation=LABEL), 128, temperature=0.5)
    yield labelled("SupConLoss", SupCon(0.1), 1024, temperature=0.1)
    yield labelled(
        "TripletMarginLoss",
        Triplet(1.0, layout="views", relation=LABEL, geometry=Euclidean()),
        128,
        margin=1.0,
        distance=plain,
        reducer=mean,
    )
    data, vicreg, theirs = Data(1024, d), VICReg(variance=12.5), losses.VICRegLoss()
    yield Contest("VICRegLoss", data, data.pairs(vicreg), lambda: theirs(data.q, ref_emb=data.k))


def lightly(d: int) -> Iterator[Contest]:
    root = next(iter(importlib.import_module("lightly").__path__))
    # without torchvision their packages do not load, but their losses do
    for package in ("loss", "models", "models.modules", "models.utils"):
        if importlib.util.find_spec("torchvision") is None:
            empty = types.ModuleType(f"lightly.{package}")
            empty.__path__ = [f"{root}/{package.replace('.', '/')}"]
            sys.modules.setdefault(empty.__name__, empty)

    def pair(module: str, name: str, objective: Objective, **options: Any) -> Contest:
        data = Data(1024, d)
        peer = getattr(importlib.import_module(f"lightly.loss.{module}"), name)(**options)
        return Contest(name, data, data.pairs(objective), lambda: peer(data.q, data.k))

    yield pair("ntx_ent_loss", "NTXentLoss", InfoNCE(0.5, layout="views"), temperature=0.5)
    yield pair("dcl_loss", "DCLLoss", Decoupled(0.1, layout="views"), temperature=0.1)
    yield pair("vicreg_loss", "VICRegLoss", VICReg(variance=12.5))


PEERS = {
    "sentence-transformers": sentence_transformers,
    "pytorch-metric-learning": pytorch_metric_learning,
    "lightly": lightly,
}


def contests(d: int, say: Callable[[str], None]) -> Iterator[Contest]:
    """Each class of each installed peer beside ours; a peer that is absent, or another loss, is said in one line."""
    for peer, entries in PEERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for entry in entries(d):
                    apart = entry.difference()
                    note = "" if apart <= entry.tolerance else f", losses {apart:.1%} apart"
                    name = f"{peer} {entry.name} n={len(entry.data.q)}{note}"
                    yield Contest(name, entry.data, entry.ours, entry.theirs)
        except ImportError as error:
            say(f"  {peer} is left out: {error}")
