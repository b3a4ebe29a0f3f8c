"""The same numbers as other libraries, on plain tensors. Skipped where a peer is not installed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.geometry import Dot, Euclidean
from counterpoint.objectives import CoSENT, DistillKL, Guide, InfoNCE, MarginMSE, Matryoshka, SupCon, Triplet
from counterpoint.points import Points

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def st():
    pytest.importorskip("sentence_transformers", minversion="6.2", reason="a peer")
    from sentence_transformers.sentence_transformer import losses

    return losses


@pytest.fixture(scope="module")
def pml():
    pytest.importorskip("pytorch_metric_learning", reason="a peer")
    import pytorch_metric_learning.distances
    import pytorch_metric_learning.losses
    import pytorch_metric_learning.miners
    import pytorch_metric_learning.reducers

    return pytorch_metric_learning


def normal(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()


def check(found, wanted, *leaves):
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)
    for a, b in zip(
        torch.autograd.grad(found, leaves, retain_graph=True),
        torch.autograd.grad(wanted, leaves, retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


ALL = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


@pytest.mark.parametrize(
    ("layout", "directions", "mode"),
    [
        ("one-way", ("query_to_doc",), "joint"),
        ("symmetric", ("query_to_doc", "doc_to_query"), "per_direction"),
        ("joint", ALL, "joint"),
    ],
)
def test_multiple_negatives_ranking(st, layout, directions, mode):
    q, k = normal(7, 5, seed=1), normal(7, 5, seed=2)
    peer = st.MultipleNegativesRankingLoss(None, scale=20.0, directions=directions, partition_mode=mode)
    check(InfoNCE(0.05, layout=layout)(q, k, block=3), peer.compute_loss_from_embeddings([q, k], None), q, k)


def test_hard_negatives_are_everybodys_there(st):
    """Theirs shows every query every hard negative: here those are shared negatives, not owned ones."""
    q, k, h = normal(5, 4, seed=1), normal(5, 4, seed=2), normal(5, 4, seed=3)
    peer = st.MultipleNegativesRankingLoss(None)
    sample = torch.arange(5)
    keys = Points.cat([Points(k, sample=sample), Points(h, sample=torch.full((5,), -1))])
    found = InfoNCE()(Points(q, sample=sample), keys, block=2)
    check(found, peer.compute_loss_from_embeddings([q, k, h], None), q, k, h)


def test_cosent(st):
    q, k = normal(9, 4, seed=1), normal(9, 4, seed=2)
    score = torch.tensor([0.0, 0.2, 0.2, 1.0, 0.5, 0.5, 0.5, 0.0, 0.9], dtype=torch.float64)
    check(CoSENT()(Points(q, score=score), k), st.CoSENTLoss(None).compute_loss_from_embeddings([q, k], score), q, k)


def test_margin_mse(st):
    q, h = normal(6, 4, seed=1), normal(6, 3, 4, seed=2)
    teacher = normal(6, 3, seed=3).detach()
    positive = torch.zeros(6, 3)
    positive[:, 0] = 1
    found = MarginMSE()(q, owned=Points(h, positive=positive), guide=Guide(owned=teacher), block=2)
    check(found, st.MarginMSELoss(None).compute_loss_from_embeddings([q, *h.unbind(1)], teacher), q, h)


def test_distillation(st):
    """Theirs, at temperature 1, has dot products of the student and Hinton's factor of 1."""
    q, h = normal(6, 4, seed=1), normal(6, 3, 4, seed=2)
    teacher = normal(6, 3, seed=3).detach()
    found = DistillKL(1.0, geometry=Dot())(q, owned=Points(h, positive=torch.ones(6, 3)), guide=Guide(owned=teacher))
    check(found, st.DistillKLDivLoss(None).compute_loss_from_embeddings([q, *h.unbind(1)], teacher), q, h)


def test_matryoshka(st):
    q, k = normal(5, 8, seed=1), normal(5, 8, seed=2)
    plain = st.MultipleNegativesRankingLoss(None)
    wanted = sum(
        plain.compute_loss_from_embeddings([F.normalize(q[:, :d], dim=1), F.normalize(k[:, :d], dim=1)], None)
        for d in (8, 4, 2)
    )
    check(Matryoshka(InfoNCE(), [8, 4, 2])(q, k), wanted, q, k)


LABEL = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])


def test_batch_hard_triplet(st):
    z = normal(8, 4)
    wanted = st.BatchHardTripletLoss(None, margin=1.0).batch_hard_triplet_loss(LABEL[:8], z)
    found = Triplet(1.0, mining="hard", layout="views", relation=SupCon().relation)(Points(z, label=LABEL[:8]), block=3)
    # they take the root of the squared distance plus an epsilon
    torch.testing.assert_close(found, wanted.reshape(()), rtol=1e-4, atol=1e-6)


def test_batch_semi_hard_triplet(st):
    """Theirs averages over all positive pairs of the batch, ours over the positives of each row and then over rows."""
    z, label = normal(8, 4), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    wanted = st.BatchSemiHardTripletLoss(None, margin=1.0).batch_semi_hard_triplet_loss(label, z)
    found = Triplet(1.0, mining="semi-hard", layout="views", relation=SupCon().relation)(
        Points(z, label=label), block=3
    )
    torch.testing.assert_close(found, wanted.reshape(()), rtol=1e-4, atol=1e-6)


def test_supcon(pml):
    z = normal(9, 4)
    peer = pml.losses.SupConLoss(temperature=0.1)
    # theirs averages over all nine with 0 for the lone one unless told to skip zeros
    peer.reducer = pml.reducers.AvgNonZeroReducer()
    check(SupCon(0.1)(Points(z, label=LABEL), block=4), peer(z, LABEL), z)


def test_nt_xent(pml):
    q, k = normal(6, 4, seed=1), normal(6, 4, seed=2)
    label = torch.arange(6)
    peer = pml.losses.NTXentLoss(temperature=0.5)
    check(InfoNCE(0.5, layout="views")(q, k, block=5), peer(torch.cat([q, k]), torch.cat([label, label])), q, k)


def test_nt_xent_with_several_positives(pml):
    """Each positive alone against the negatives. Theirs averages over pairs, so labels are of one size here."""
    z, label = normal(9, 4), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    relation = SupCon().relation
    found = InfoNCE(0.5, layout="views", relation=relation)(Points(z, label=label), block=4)
    check(found, pml.losses.NTXentLoss(temperature=0.5)(z, label), z)


def test_all_triplets(pml):
    z, label = normal(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    distance = pml.distances.LpDistance(normalize_embeddings=False)
    peer = pml.losses.TripletMarginLoss(margin=0.7, distance=distance, reducer=pml.reducers.MeanReducer())
    found = Triplet(0.7, layout="views", relation=SupCon().relation)(Points(z, label=label), block=4)
    check(found, peer(z, label), z)


def test_hard_triplets(pml):
    z, label = normal(8, 4), LABEL[:8]
    miner = pml.miners.BatchHardMiner(distance=pml.distances.LpDistance(normalize_embeddings=True))
    distance = pml.distances.LpDistance(normalize_embeddings=True)
    peer = pml.losses.TripletMarginLoss(margin=0.4, distance=distance, reducer=pml.reducers.MeanReducer())
    geometry, relation = Euclidean(normalized=True), SupCon().relation
    found = Triplet(0.4, mining="hard", layout="views", geometry=geometry, relation=relation)(Points(z, label=label))
    check(found, peer(z, label, miner(z, label)), z)
