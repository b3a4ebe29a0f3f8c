"""pytorch-metric-learning: losses, miners, distances, reducers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives.peers.rows import (
    LABEL,
    Batch,
    Gap,
    Row,
    classes,
    evenly,
    labelled,
    normal,
    on_the_sphere,
    paired,
    triplets,
)

AVERAGE = "theirs averages over pairs, ours over rows: alike where classes are of one size"
NORMALISED = "with `normalize_embeddings=False`; theirs normalises even dot products unless told not to"


def part(module: str, name: str, **options: Any) -> Any:
    """A class of theirs, imported when a test runs."""
    import importlib

    return getattr(importlib.import_module(f"pytorch_metric_learning.{module}"), name)(**options)


def loss(name: str, *, mean: bool = False, distance: Any = None, **options: Any) -> Any:
    """From a batch to their loss, with their reducer or the mean."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        more = {**options, **({"reducer": part("reducers", "MeanReducer")} if mean else {})}
        if distance is not None:
            more["distance"] = distance()
        return part("losses", name, **more)(b.z, b.label)

    return theirs


def with_weights(name: str, attribute: str, *, columns: bool = True, **options: Any) -> Any:
    """Their loss with `b.w` for its learned vectors, through which the gradient flows."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        peer = part("losses", name, num_classes=4, embedding_size=5, **options)
        delattr(peer, attribute)
        w = b.w.flatten(0, -2)
        setattr(peer, attribute, w.T if columns else w)
        return peer(b.z, b.label)

    return theirs


def pairs_of_classes(seed: int) -> Batch:
    """Two points of each class, in two halves."""
    batch = paired(seed)
    q, k = batch.leaves
    batch.names |= {"z": torch.cat([q, k]), "label": torch.arange(len(q)).repeat(2)}
    return batch


def as_triplets(seed: int) -> Batch:
    """Anchor, positive, negative, one after another, and as queries with two owned keys."""
    batch = triplets(seed)
    q, h = batch.leaves
    batch.names["z"] = torch.cat([q, h[:, 0], h[:, 1]])
    n = torch.arange(len(q))
    batch.names["triplets"] = (n, n + len(q), n + 2 * len(q))
    batch.names["label"] = torch.cat([n, n, n + len(q)])
    return batch


def of_triplets(name: str, **options: Any) -> Any:
    return lambda b: part("losses", name, **options)(b.z, b.label, b.triplets)


def two_steps(seed: int) -> Batch:
    """Two batches; their memory holds both, without gradient, when the second is scored."""
    before, z = normal(len(LABEL), 5, seed=seed + 50), normal(len(LABEL), 5, seed=seed)
    sample = torch.arange(2 * len(LABEL))
    memory = Points(torch.cat([before, z]).detach(), label=LABEL.repeat(2), sample=sample)
    points = Points(z, label=LABEL, sample=sample[len(LABEL) :])
    names = {"before": before.detach(), "z": z, "label": LABEL, "points": points, "memory": memory}
    return Batch("points, memory", names, [z])


def memory(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "CrossBatchMemory", loss=part("losses", "ContrastiveLoss"), embedding_size=5, memory_size=64)
    peer(b.before, b.label)
    return peer(b.z, b.label)


def dynamic(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "DynamicSoftMarginLoss")
    update = peer.update_histogram
    peer.update_histogram = lambda data: update(data.detach())
    return peer(b.z, b.label)


def walked(seed: int) -> Batch:
    """Points, proxies, and the matrix of a walk over both; everyone has a proxy."""
    z, w = normal(10, 5, seed=seed), normal(4, 5, seed=seed + 1)
    meta = torch.arange(10) % 4
    unit = F.normalize(torch.cat([z, w]), dim=1)
    s = (unit @ unit.T).clamp_min(0) / 0.5
    s = s.exp() * (1 - torch.eye(14))
    root = s.sum(1).rsqrt()
    walk = 0.2 * torch.linalg.inv(torch.eye(14) - 0.8 * root[:, None] * s * root)
    names = {
        "z": z, "w": w, "meta": meta, "walks": Points(walk[:10, 10:], sample=meta),
        "ends": Points(torch.eye(4, dtype=torch.float64), sample=torch.arange(4)),
        "contexts": Points(walk[:10], sample=meta), "proxies": Points(walk[10:], sample=torch.arange(4)),
    }  # fmt: skip
    return Batch("", names, [z, w])


def manifold(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "ManifoldLoss", l=5, K=4)
    del peer.proxies
    peer.proxies = b.w
    return peer(b.z, None, b.meta)


def p2s_grad(b: SimpleNamespace) -> torch.Tensor:
    peer = part("losses", "P2SGradLoss", descriptors_dim=5, num_classes=4)
    del peer.weight
    peer.weight = F.normalize(b.w, dim=1).T
    return peer(b.z, b.label)


def shared_points(seed: int) -> Batch:
    batch = labelled(seed)
    batch.call = "points, points"
    return batch


def groups(seed: int) -> Batch:
    batch = evenly(seed)
    batch.call = "points, points"
    return batch


CONTRASTIVE = (
    'Pairs(0.0, over="{over}", geometry={geometry}, relation=labels)'
    ' + Pairs(negative=-1.0, over="{over}", geometry={geometry}, relation=labels)'
)
ALL_TRIPLETS = 'Triplet(0.05, over="active", geometry=unit, relation=labels)'

LOSSES: list[Row | Gap] = [
    Row(
        "AngularLoss", "Angular(math.radians(40), relation=labels)", loss("AngularLoss", alpha=40), on_the_sphere,
        note="theirs leaves the negatives unnormalised: tested on unit vectors", own="Angular",
    ),
    Row(
        "ArcFaceLoss", "Proxies(InfoNCE(1 / 64, angular_margin=math.radians(28.6)), classes=4, dim=5)",
        with_weights("ArcFaceLoss", "W"), classes,
        note="theirs changes the formula for angles beyond pi minus the margin",
    ),
    Row(
        "CircleLoss",
        "Pooled(Pool(0.6, 80, pace=0.8), Pool(0.4, 80, pace=0.8), outer=lambda v: F.softplus(80 * v), relation=labels)",
        loss("CircleLoss", mean=True), labelled,
    ),
    Row("ContrastiveLoss", CONTRASTIVE.format(over="active", geometry="unit"), loss("ContrastiveLoss"), labelled),
    Row(
        "CosFaceLoss", "Proxies(InfoNCE(1 / 64, margin=0.35), classes=4, dim=5)",
        with_weights("CosFaceLoss", "W"), classes,
    ),
    Row(
        "CrossBatchMemory",
        CONTRASTIVE.format(over="active", geometry="unit").replace(
            "relation=labels", 'relation=Relation(same("label"), ignored=same("sample"))'
        ),
        memory, two_steps, note="here over `ContrastiveLoss`; their memory holds the batch itself, without gradient",
    ),
    Row(
        "DynamicSoftMarginLoss", "DynamicTriplet(10, relation=labels)", dynamic, labelled, own="DynamicTriplet",
        note="the first batch; here without gradient through the histogram, which is none of the paper's; later theirs "
        "mixes counts with shares",
    ),
    Row(
        "FastAPLoss",
        "FastAP(10, low=-4.0, high=0.0, geometry=Euclidean(squared=True, normalized=True), relation=labels)",
        loss("FastAPLoss"), labelled, own="FastAP",
    ),
    Gap("GenericPairLoss", "a base class without an equation; ours is `RowObjective`"),
    Row(
        "GeneralizedLiftedStructureLoss",
        "Pooled(Pool(0.0), Pool(-1.0), outer=F.relu, geometry=unit, relation=labels)",
        loss("GeneralizedLiftedStructureLoss"), labelled, note="theirs counts rows without positives, too",
    ),
    Row(
        "HistogramLoss", "Histogram(100, relation=labels)", loss("HistogramLoss", n_bins=100), labelled,
        own="Histogram",
        note="theirs computes the bins in single precision: compared to 1e-5", rtol=1e-5,
    ),
    Row(
        "InstanceLoss",
        'InfoNCE(1 / 64, relation=Relation(same("label")))(points, Points(z, label=torch.arange(len(z))))',
        loss("InstanceLoss"), labelled,
        note="theirs takes point c of the batch for class c; the paper has a classifier, "
        "`Proxies(InfoNCE(1 / 64), ...)`",
    ),
    Row(
        "IntraPairVarianceLoss", "PairVariance(0.01, relation=labels) + PairVariance(negative=0.01, relation=labels)",
        loss("IntraPairVarianceLoss"), labelled, own="PairVariance",
    ),
    Row(
        "LargeMarginSoftmaxLoss", 'Proxies(AngularSoftmax(multiply=4, lengths="both"), classes=4, dim=5)',
        with_weights("LargeMarginSoftmaxLoss", "W"), classes, own="AngularSoftmax",
    ),
    Row(
        "LiftedStructureLoss", "LiftedStructure(geometry=unit, relation=labels)", loss("LiftedStructureLoss"), labelled,
        own="LiftedStructure",
    ),
    Row(
        "ManifoldLoss",
        "1 / len(z) * Mined(InfoNCE(1.0, margin=5e-4, geometry=Dot()), near_the_other_side(5e-4))"
        '(walks, ends, reduction="none").sum()'
        " + 1 / len(z) * Mined(InfoNCE(1.0, margin=5e-4), near_the_other_side(5e-4))"
        '(contexts, proxies, reduction="none").sum()',
        manifold, walked, rtol=1e-3,
        note="`contexts` and `proxies` are rows of a random walk's matrix, `0.2 inv(I - 0.8 S)`, plain "
        "torch; `walks` its "
        "columns of proxies; theirs inverts in single precision: compared to 1e-3",
    ),
    Row(
        "MarginLoss", 'Pairs(-1.0, -1.4, over="active", geometry=unit)', of_triplets("MarginLoss"), as_triplets,
        note="beta 1.2, margin 0.2; theirs counts a pair once for every triplet it is in: tested on "
        "one triplet an anchor",
    ),
    Row(
        "MultiSimilarityLoss", "Pooled(Pool(0.5, 2, floor=True), Pool(0.5, 50, floor=True), relation=labels)",
        loss("MultiSimilarityLoss"), labelled,
    ),
    Row(
        "MultipleLosses", "0.5 * SupCon(0.1) + 2.0 * InfoNCE(0.5, relation=labels)",
        lambda b: part(
            "losses", "MultipleLosses", weights=[0.5, 2.0],
            losses=[part("losses", "SupConLoss", temperature=0.1), part("losses", "NTXentLoss", temperature=0.5)],
        )(b.z, b.label),
        evenly,
    ),
    Row(
        "NCALoss",
        "Pooled(Pool(sharpness=-1), Pool(), outer=F.softplus, geometry=Euclidean(squared=True, normalized=True), "
        "relation=labels)",
        loss("NCALoss"), labelled,
    ),
    Row(
        "NPairsLoss", "InfoNCE(1.0, geometry=Dot())",
        loss("NPairsLoss", distance=lambda: part("distances", "DotProductSimilarity", normalize_embeddings=False)),
        pairs_of_classes, note=NORMALISED,
    ),
    Row(
        "NormalizedSoftmaxLoss", "Proxies(InfoNCE(0.05), classes=4, dim=5)",
        with_weights("NormalizedSoftmaxLoss", "W"), classes,
    ),
    Row("NTXentLoss", "InfoNCE(0.07, relation=labels)", loss("NTXentLoss"), evenly, note=AVERAGE),
    Row(
        "P2SGradLoss", 'Proxies(Pairs(1.0, 0.0, shape=torch.square, over="terms"), classes=4, dim=5)', p2s_grad,
        classes,
    ),
    Row(
        "PNPLoss", "Ranking(0.1, loss=lambda positives, negatives: negatives, relation=labels)",
        loss("PNPLoss", anneal=0.1), shared_points,
        note="variant O; theirs counts the point as its own positive, and so do the same points as keys",
        own="Ranking",
    ),
    Row(
        "PNPLoss (variant Iu)",
        "Ranking(0.1, loss=lambda positives, negatives: (1 + negatives) * torch.log(1 + negatives), relation=labels)",
        loss("PNPLoss", anneal=0.1, variant="Iu"), shared_points, own="Ranking",
    ),
    Row(
        "ProxyAnchorLoss",
        "Proxies(32 * (Pooled(Pool(0.1, 32, floor=True)) + Pooled(push=Pool(-0.1, 32, floor=True))), classes=4, dim=5, "
        'rows="proxies")',
        with_weights("ProxyAnchorLoss", "proxies", columns=False), classes,
    ),
    Row(
        "ProxyNCALoss",
        "Proxies(InfoNCE(1.0, geometry=Euclidean(squared=True, normalized=True)), classes=4, dim=5)",
        with_weights("ProxyNCALoss", "proxies", columns=False), classes,
        note="theirs has the positive in the denominator; the paper does not: `Decoupled` for `InfoNCE`",
    ),
    Row(
        "RankedListLoss",
        "0.5 * Pooled(Pool(-0.8, 0.0, average=True), geometry=unit, relation=labels)"
        " + 0.5 * Pooled(push=Pool(-1.2, 2.0, average=True), geometry=unit, relation=labels)",
        loss("RankedListLoss", margin=0.4, Tn=2, alpha=1.2), labelled,
        note="theirs adds 1e-5 for every pair to each sum of weights: compared to 1e-3", rtol=1e-3,
    ),
    Row(
        "SelfSupervisedLoss", 'InfoNCE(0.1, layout="views")',
        lambda b: part("losses", "SelfSupervisedLoss", loss=part("losses", "NTXentLoss", temperature=0.1))(b.q, b.k),
        paired,
    ),
    Row(
        "SignalToNoiseRatioContrastiveLoss",
        CONTRASTIVE.format(over="active", geometry="NoiseToSignal(normalized=True)"),
        loss("SignalToNoiseRatioContrastiveLoss"), labelled,
    ),
    Row(
        "SmoothAPLoss", "Ranking(0.1, relation=labels)", loss("SmoothAPLoss", temperature=0.1), groups,
        note="theirs computes in single precision (compared to 1e-5), counts the point as its own "
        "positive and is right "
        "only where there are as many classes as points in each",
        own="Ranking", rtol=1e-5,
    ),
    Row(
        "SoftTripleLoss",
        "Proxies(InfoNCE(1 / 20, margin=0.01, geometry=SubCentres(softness=0.1)), classes=4, dim=5, per_class=3)",
        with_weights("SoftTripleLoss", "fc", centers_per_class=3), lambda seed: classes(seed, 3),
    ),
    Row(
        "SphereFaceLoss", 'Proxies(AngularSoftmax(multiply=4, lengths="query"), classes=4, dim=5)',
        with_weights("SphereFaceLoss", "W"), classes, own="AngularSoftmax",
    ),
    Row(
        "SubCenterArcFaceLoss",
        "Proxies(InfoNCE(1 / 64, angular_margin=math.radians(28.6), geometry=SubCentres()), classes=4, dim=5, "
        "per_class=3)",
        with_weights("SubCenterArcFaceLoss", "W", sub_centers=3), lambda seed: classes(seed, 3),
    ),
    Row("SupConLoss", "SupCon(0.1)", loss("SupConLoss"), labelled),
    Row(
        "ThresholdConsistentMarginLoss",
        'Pairs(0.9, over="active", relation=labels) + Pairs(negative=0.5, over="active", relation=labels)',
        loss("ThresholdConsistentMarginLoss"), labelled,
    ),
    Row("TripletMarginLoss", ALL_TRIPLETS, loss("TripletMarginLoss"), labelled),
    Row(
        "TripletMarginLoss (smooth_loss)",
        'Triplet(0.05, shape=F.softplus, over="terms", geometry=unit, relation=labels)',
        loss("TripletMarginLoss", smooth_loss=True), labelled,
    ),
    Row(
        "TupletMarginLoss", "AngularSoftmax(1 / 64, turn=-math.radians(5.73), relation=labels)",
        loss("TupletMarginLoss"), evenly, note=AVERAGE, own="AngularSoftmax",
    ),
    Row(
        "VICRegLoss", "VICReg(25.0, 12.5, 1.0)", lambda b: part("losses", "VICRegLoss")(b.q, ref_emb=b.k), paired,
        note="theirs halves the variance term, as the authors' code does", own="VICReg",
    ),
]  # fmt: skip
