"""solo-learn: the methods that no other peer has, against loops over points and dimensions."""

from __future__ import annotations

from types import SimpleNamespace

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives import naive
from objectives.peers.rows import Batch, Peer, Row, normal, paired

ONE_WAY = "one direction; theirs averages both"


def cross_entropy(scores: list[torch.Tensor], target: int) -> torch.Tensor:
    return -(scores[target].exp() / sum(s.exp() for s in scores)).log()


def infonce(q: torch.Tensor, k: torch.Tensor, temperature: float) -> torch.Tensor:
    rows = [cross_entropy([naive.cosine(a, b) / temperature for b in k], i) for i, a in enumerate(q)]
    return naive.mean(rows)


def clustered(seed: int) -> Batch:
    """Points, two clusterings into 4 and 3 of the last epoch, and their centroids; -1 is in none."""
    z = normal(9, 5, seed=seed)
    first, second = normal(4, 5, seed=seed + 1).detach(), normal(3, 5, seed=seed + 2).detach()
    names = {
        "z": z, "centroids": [first, second],
        "label": [torch.tensor([0, 1, 2, 3, -1, 0, 1, 2, 3]), torch.tensor([0, 0, 1, 1, 2, 2, 0, 1, -1])],
    }  # fmt: skip
    for i in range(2):
        names[f"points{i}"] = Points(z, sample=names["label"][i])
        names[f"centroids{i}"] = Points(names["centroids"][i], sample=torch.arange(4 - i))
    return Batch("", names, [z])


def deep_cluster(b: SimpleNamespace) -> torch.Tensor:
    heads = []
    for centroids, label in zip(b.centroids, b.label, strict=True):
        rows = [
            cross_entropy([naive.cosine(z, c) / 0.1 for c in centroids], int(y)) if y >= 0 else None
            for z, y in zip(b.z, label, strict=True)
        ]
        heads.append(naive.mean(rows))
    return naive.mean(heads)


def with_queue(seed: int) -> Batch:
    """A student, its teacher's view of the same samples, and earlier ones of the teacher, of length one."""
    q = normal(7, 5, seed=seed)
    k, queue = (F.normalize(normal(n, 5, seed=seed + n).detach(), dim=1) for n in (7, 11))
    names = {
        "q": q, "k": k, "queue": queue, "students": Points(q, sample=torch.arange(7)),
        "earlier": Points(queue, sample=torch.full((11,), -1)),
    }  # fmt: skip
    return Batch("students, earlier, guide=Guide(k, queue)", names, [q])


def ressl(b: SimpleNamespace) -> torch.Tensor:
    """KL of the softmax of similarities to the queue, the teacher's sharper."""
    rows = []
    for q, k in zip(b.q, b.k, strict=True):
        s = [naive.cosine(q, x) / 0.1 for x in b.queue]
        t = [(k * x).sum() / 0.04 for x in b.queue]
        rows.append(naive.kl_row(s, t, torch.zeros(len(s)), torch.ones(len(s))))
    return naive.mean(rows)


def neighbours(seed: int) -> Batch:
    """Predictions, and earlier vectors among which each first view has a nearest one."""
    p, first = normal(7, 5, seed=seed), normal(7, 5, seed=seed + 1).detach()
    queue = F.normalize(normal(30, 5, seed=seed + 2).detach(), dim=1)
    names = {"p": p, "first": first, "queue": queue, "nearest": queue[(first @ queue.T).argmax(1)]}
    return Batch("nearest, p", names, [p])


def nnclr(b: SimpleNamespace) -> torch.Tensor:
    nearest = [max(b.queue, key=lambda x, z=z: float(naive.cosine(z, x))) for z in b.first]
    return infonce(torch.stack(nearest), b.p, 0.1)


def vibcreg(b: SimpleNamespace) -> torch.Tensor:
    total = naive.vicreg(b.q, b.k, 25.0, 25.0, 0.0)
    for z in (b.q, b.k):
        n, d = z.shape
        columns = [z[:, j] - sum(z[:, j]) / n for j in range(d)]
        off = [naive.cosine(columns[i], columns[j]) ** 2 for i in range(d) for j in range(d) if i != j]
        total = total + 200.0 * sum(off) / d**2
    return total


def towards(seed: int) -> Batch:
    """A student and its teacher, which has no gradient."""
    batch = paired(seed)
    batch.names["k"] = batch.leaves[1].detach()
    return Batch("q, k", batch.names, batch.leaves[:1])


def all_for_one(seed: int) -> Batch:
    """Vectors enriched by neighbours, of both kinds; neighbours and predictions; teacher and student."""
    batch = neighbours(seed)
    rich, strange, z = (normal(7, 5, seed=seed + i) for i in (10, 11, 12))
    batch.names |= {"rich": rich, "strange": strange, "z": z}
    return Batch("", batch.names, [batch.names["p"], rich, strange, z])


def all4one(b: SimpleNamespace) -> torch.Tensor:
    teacher, z = b.first, b.z
    d = z.shape[1]
    c = [[naive.cosine(teacher[:, i], z[:, j]) for j in range(d)] for i in range(d)]
    on = sum((1 - c[i][i]) ** 2 for i in range(d)) / d
    off = sum(c[i][j] ** 2 for i in range(d) for j in range(d) if i != j) / (d * (d - 1))
    feature = 10 * (0.5 * on.sqrt() + 0.5 * off.sqrt())
    return 0.5 * infonce(b.rich, b.strange, 0.1) + 0.5 * infonce(b.nearest, b.p, 0.2) + 0.5 * feature


LOSSES = [
    Row("All4One",
        "0.5 * InfoNCE(0.1)(rich, strange) + 0.5 * InfoNCE(0.2)(nearest, p)"
        " + 2.5 * Pairs(1.0, shape=torch.square)(first.T, z.T).sqrt()"
        " + 2.5 * Pairs(negative=0.0, shape=torch.square)(first.T, z.T).sqrt()",
        all4one, all_for_one, against="a loop",
        note=ONE_WAY + "; its third term contrasts dimensions: the points are the columns"),
    Row("DeepClusterV2", "0.5 * InfoNCE(0.1)(points0, centroids0) + 0.5 * InfoNCE(0.1)(points1, centroids1)",
        deep_cluster, clustered, against="a loop", note="the clusterings are given: `InfoNCE` with centroids for keys"),
    Row("MoCo v3", "2 * 0.2 * InfoNCE(0.2)", lambda b: 0.4 * infonce(b.q, b.k, 0.2), towards, against="a loop",
        note=ONE_WAY),
    Row("NNCLR", "InfoNCE(0.1)", nnclr, neighbours, against="a loop",
        note=ONE_WAY + "; the neighbours are `queue[(first @ queue.T).argmax(1)]`"),
    Row("ReSSL", "DistillKL(0.1, guide_temperature=0.04, guide_geometry=Dot())", ressl, with_queue, against="a loop",
        note="theirs is a cross-entropy: more by the teacher's entropy, a constant"),
    Row("VIbCReg", "VICReg(25.0, 25.0, 0.0) + 200.0 * Decorrelation()", vibcreg, paired, against="a loop",
        own="Decorrelation"),
]  # fmt: skip

PEER = Peer(
    "solo-learn", "1.0", "",
    "It cannot be installed beside these; what no other peer has is compared with loops over points and dimensions.",
    {"losses": LOSSES},
)  # fmt: skip
