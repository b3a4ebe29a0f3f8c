"""lightly: losses of self-supervised learning."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from counterpoint.objectives import sinkhorn
from counterpoint.points import Points
from objectives.peers.loading import module, standing_in
from objectives.peers.rows import Batch, Gap, Peer, Row, normal, paired

ENTROPY = "theirs is a cross-entropy: more by the teacher's entropy, a constant, here taken off"
STATE = "; the centre's moving average is given"


def peer(file: str, name: str, **options: Any) -> Any:
    """A class of theirs; torchvision is imported beside it, and not needed."""
    with standing_in("torchvision"):
        return getattr(module(f"lightly.loss.{file}"), name)(**options)


def of_pairs(file: str, name: str, **options: Any) -> Any:
    return lambda b: peer(file, name, **options)(b.q, b.k)


def of_points(seed: int) -> Batch:
    z = normal(9, 5, seed=seed)
    return Batch("z", {"z": z}, [z])


def entropy(logits: torch.Tensor) -> torch.Tensor:
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


def views(seed: int) -> Batch:
    """Two students' and two teachers' outputs for 7 samples, 5 prototypes, and the teacher's centre."""
    s, t = normal(14, 5, seed=seed), normal(14, 5, seed=seed + 9).detach()
    centre = normal(1, 5, seed=seed + 20).detach() / 3
    # a dot product with an axis is an output; ours are the students against the other view's teacher
    axes = Points(torch.eye(5, dtype=torch.float64), sample=torch.full((5,), -1))
    names = {"s": s, "t": t, "centre": centre, "axes": axes, "other": t.roll(7, 0)}
    names["students"] = Points(s, sample=torch.arange(14))
    return Batch("students, axes, guide=Guide(other - centre, axes.z)", names, [s])


def dino(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("dino_loss", "DINOLoss", output_dim=5)
    loss.center.data = b.centre[None].clone()
    total = loss(list(b.t.split(7)), list(b.s.split(7)))
    return total - entropy((b.t - b.centre) / 0.04).mean()


def patches(seed: int) -> Batch:
    """Tokens of 3 images of 2 x 3 patches, of which some are masked: 3, 1 and 2."""
    batch = views(seed)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0]], dtype=torch.bool)
    s, t = normal(18, 5, seed=seed), normal(18, 5, seed=seed + 9).detach()
    weight = 1 / torch.where(mask, mask.sum(1, keepdim=True), (~mask).sum(1, keepdim=True)).flatten().double()
    tokens = Points(s, sample=torch.arange(18), weight=weight)
    hidden, seen = (mask.flatten() == x for x in (True, False))
    batch.names |= {
        "s": s, "t": t, "mask": mask, "masked": tokens[hidden], "visible": tokens[seen],
        "t_masked": t[hidden], "t_visible": t[seen],
    }  # fmt: skip
    return Batch("masked, axes, guide=Guide(t_masked - centre, axes.z)", batch.names, [s])


def ibot(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("ibot_loss", "IBOTPatchLoss", output_dim=5)
    loss.center.center.data = b.centre.clone()
    hidden = b.mask.flatten()
    total = loss(b.t[hidden], b.s[hidden], b.mask.unflatten(1, (2, 3)))
    weight = b.masked.columns["weight"]
    return total - (entropy((b.t_masked - b.centre) / 0.04) * weight).sum() / weight.sum()


def ibot_plus(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("ibot_loss", "IBOTPlusPlusPatchLoss", output_dim=5)
    loss.center.center.data = b.centre.clone()
    total = loss(b.t, b.s, b.mask.unflatten(1, (2, 3)))
    for teacher, points in ((b.t_masked, b.masked), (b.t_visible, b.visible)):
        weight = points.columns["weight"]
        total = total - (entropy((teacher - b.centre) / 0.04) * weight).sum() / weight.sum()
    return total


def clustered(seed: int) -> Batch:
    """Teacher's and student's logits of 6 images at 3 positions; each position is assigned by itself."""
    batch = views(seed)
    s, t = normal(6, 3, 5, seed=seed), normal(6, 3, 5, seed=seed + 9).detach() / 5
    targets = torch.stack([sinkhorn(x / 0.06) for x in t.unbind(1)], 1)
    batch.names |= {
        "s": s, "t": t, "targets": targets,
        "students": Points(s.flatten(0, 1), sample=torch.arange(18)), "log_targets": targets.flatten(0, 1).log(),
    }  # fmt: skip
    return Batch("students, axes, guide=Guide(log_targets, axes.z)", batch.names, [s])


def capi(b: SimpleNamespace) -> torch.Tensor:
    return peer("capi_loss", "CAPILoss")(b.t, b.s) - entropy(b.targets.log()).mean()


def prototyped(seed: int) -> Batch:
    """Anchors and targets of the same samples, and prototypes; assignments sharpened and balanced as theirs are."""
    a, t, w = normal(8, 4, seed=seed), normal(8, 4, seed=seed + 1).detach(), normal(5, 4, seed=seed + 2)
    share = F.softmax(F.normalize(t, dim=1) @ F.normalize(w.detach(), dim=1).T / 0.1 / 0.25, dim=1)
    names = {
        "a": a, "t": t, "w": w, "anchors": Points(a, sample=torch.arange(8)),
        "prototypes": Points(w, sample=torch.full((5,), -1)), "log_targets": sinkhorn(share.log()).log(),
        "axes": torch.eye(5, dtype=torch.float64),
        "power": F.normalize(torch.arange(1, 6, dtype=torch.float64) ** -0.25, p=1, dim=0),
    }  # fmt: skip
    return Batch("anchors, prototypes, guide=Guide(log_targets, axes)", names, [a, w])


def msn(file: str, name: str, **options: Any) -> Any:
    return lambda b: peer(file, name, **options)(b.a, b.t, b.w) - entropy(b.log_targets).mean()


def swapped(seed: int) -> Batch:
    batch = paired(seed, 9)
    w = normal(4, 5, seed=seed + 8)
    batch.names["w"] = w
    return Batch(batch.call, batch.names, batch.leaves, [w])


def swav(b: SimpleNamespace) -> torch.Tensor:
    outputs = [F.normalize(z, dim=1) @ F.normalize(b.w, dim=1).T for z in (b.q, b.k)]
    return peer("swav_loss", "SwaVLoss")(outputs, [])


def objects(seed: int) -> Batch:
    """Pooled vectors of 3 objects in each of 4 images, in an order of its own in each view."""
    g = torch.Generator().manual_seed(seed)
    masks = [torch.stack([torch.randperm(3, generator=g) for _ in range(4)]) for _ in range(2)]
    p, t = ([normal(12, 5, seed=seed + i) for i in (first, first + 1)] for first in (1, 11))
    thing = torch.cat([(torch.arange(4)[:, None] * 3 + m).flatten() for m in masks])
    view = torch.arange(2).repeat_interleave(12)
    names = {"p": p, "t": t, "masks": masks}
    for name, z in (("predicted", p), ("targets", t)):
        names[name] = Points(torch.cat(z), object=thing, view=view)
    names["others"] = 'Relation(same("object") & ~same("view"), ignored=same("object") & same("view"))'
    return Batch("predicted, targets", names, [*p, *t])


def objects_alone(seed: int) -> Batch:
    batch = objects(seed)
    batch.call, batch.leaves = "predicted", batch.names["p"]
    return batch


def detcon_b(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("detcon_loss", "DetConBLoss", gather_distributed=False)
    return loss(*(z.unflatten(0, (4, 3)) for z in (*b.p, *b.t)), *b.masks)


def detcon_s(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("detcon_loss", "DetConSLoss", gather_distributed=False)
    return loss(*(z.unflatten(0, (4, 3)) for z in b.p), *b.masks)


def weighted_dcl(b: SimpleNamespace) -> torch.Tensor:
    def weights(a: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return 2 - len(a) * F.softmax((a * c).sum(1) / 0.5, dim=0)

    return peer("dcl_loss", "DCLLoss", temperature=0.1, weight_fn=weights)(b.q, b.k)


def co2(b: SimpleNamespace) -> torch.Tensor:
    """The mean of both KL divergences between a view's similarities to the other view and that one's to it."""
    s = F.normalize(b.q, dim=1) @ F.normalize(b.k, dim=1).T / 0.05
    p, q = s.log_softmax(1), s.T.log_softmax(1)
    wanted = ((q.exp() * (q - p)).sum(1) + (p.exp() * (p - q)).sum(1)).mean() / 2
    if importlib.util.find_spec("lightly"):
        theirs = peer("regularizer.co2", "CO2Regularizer")(b.q.detach(), b.k.detach())
        torch.testing.assert_close(wanted.detach(), theirs)
    return wanted


def unit(seed: int) -> Batch:
    """Of length one, as their models give them."""
    batch = paired(seed)
    batch.names["unit_q"], batch.names["unit_k"] = (F.normalize(x, dim=1) for x in batch.leaves)
    batch.call = "q, k, guide=Guide(unit_k, unit_q)"
    return batch


def whole_batch(seed: int) -> Batch:
    return paired(seed, 12, 4)


def w_mse(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("wmse_loss", "WMSELoss", embedding_dim=4, w_size=12)
    loss.whitening = loss.whitening.double()
    return loss(torch.cat([b.q, b.k]))


def mean_of_views(seed: int) -> Batch:
    batch = paired(seed, 9)
    q, k = batch.leaves
    n = torch.arange(len(q))
    batch.names |= {"views": Points(torch.cat([q, k]), sample=n.repeat(2)), "means": Points((q + k) / 2, sample=n)}
    return batch


_randn = torch.randn


def directions(d: int, number: int) -> torch.Tensor:
    """The first that ours draws."""
    a = _randn(d, number, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return a / a.norm(dim=0)


def gaussian(call: Any) -> Any:
    """Theirs with our random directions."""

    def theirs(b: SimpleNamespace) -> torch.Tensor:
        def draw(*shape: int, **_: Any) -> torch.Tensor:
            return directions(*shape)

        with mock.patch.object(torch, "randn", draw):
            return call(b)

    return theirs


def le_jepa(b: SimpleNamespace) -> torch.Tensor:
    return peer("lejepa_loss", "LeJEPALoss", sigreg_num_vectors=32)(local_proj=b.q[None], global_proj=b.k[None])


def le_wm(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("lewm_loss", "LeWMLoss", sigreg_num_vectors=32)
    return loss(predicted=b.q, target=b.k.detach(), embeddings=torch.stack([b.q, b.k], 1))


def le_wm_batch(seed: int) -> Batch:
    batch = paired(seed, 12)
    batch.names["target"] = batch.leaves[1].detach()
    return batch


def visreg(b: SimpleNamespace) -> torch.Tensor:
    return peer("visreg_loss", "VISRegLoss", num_slices=32)(local_proj=b.q[None], global_proj=b.k[None])


def towards(seed: int) -> Batch:
    """Tokens of one image, and the teacher's, without gradient."""
    batch = paired(seed, 12)
    batch.names["k"] = batch.leaves[1].detach()
    return Batch("q, k", batch.names, batch.leaves[:1])


AXES = "DistillKL({student}, guide_temperature={teacher}, geometry=Dot(), guide_geometry=Dot())"
HEADS = AXES.format(student="0.1", teacher="0.04")
OTHERS = 'Relation(same("object") & ~same("view"), ignored=same("object") & same("view"))'
SINGLE = "theirs holds some constants in single precision: compared to 1e-5"

LOSSES: list[Row | Gap] = [
    Row("BarlowTwinsLoss", "BarlowTwins(0.005)", of_pairs("barlow_twins_loss", "BarlowTwinsLoss"), paired,
        own="BarlowTwins"),
    Row("CAPILoss", AXES.format(student="0.12", teacher="1.0"), capi, clustered,
        note=ENTROPY + "; targets are `sinkhorn(logits / 0.06)` of each position", rtol=1e-5),
    Row("CO2Regularizer", 'DistillKL(0.05, guide_temperature=0.05, layout="symmetric", guide_geometry=Dot())', co2,
        unit,
        against="a loop, and their value", note="theirs returns a number without gradient"),
    Row("DCLLoss", "Decoupled(0.1)", of_pairs("dcl_loss", "DCLLoss", temperature=0.1), paired, own="Decoupled"),
    Row("DCLWLoss", "Decoupled(0.1) + PositiveTilt(0.1)", weighted_dcl, paired,
        note="with gradient through the weights, as the authors' code; their own weights have none",
        own="PositiveTilt"),
    Row("DetConBLoss", f"2 * SupCon(0.1, layout='one-way', relation={OTHERS})", detcon_b, objects,
        note="theirs adds up both views; objects have one mask a view here"),
    Row("DetConSLoss", f"2 * SupCon(0.1, relation={OTHERS})", detcon_s, objects_alone,
        note="theirs adds up both views; objects have one mask a view here"),
    Row("DINOLoss", HEADS, dino, views, note=ENTROPY + STATE),
    Row("DirectCLRLoss", 'Matryoshka(InfoNCE(0.5, layout="views"), [3])',
        of_pairs("directclr_loss", "DirectCLRLoss", loss_dim=3), paired),
    Gap("DSERegularizer",
        "runs a random k-means of an image's tokens within the loss; its terms are spectra of clusters"),
    Row("EMPSSLLoss", "CodingRate(0.2, geometry=Dot())(q, k) + 200 * Pairs(0.0, shape=lambda v: v)(views, means)",
        lambda b: peer("emp_ssl_loss", "EMPSSLLoss")([b.q, b.k]), mean_of_views,
        note="theirs adds the coding rate; the paper subtracts it", own="CodingRate"),
    Row("FroSSLLoss", "FrobeniusSpread()", lambda b: peer("frossl_loss", "FroSSLLoss")([b.q, b.k]), paired,
        own="FrobeniusSpread"),
    Row("HypersphereLoss", "Alignment() + Uniformity(1.0)", of_pairs("hypersphere_loss", "HypersphereLoss"), paired),
    Row("IBOTPatchLoss", HEADS, ibot, patches,
        note=ENTROPY + STATE + "; a token weighs 1 / masked tokens of its image"),
    Row("IBOTPlusPlusPatchLoss",
        f"{HEADS}(masked, axes, guide=Guide(t_masked - centre, axes.z))"
        f" + {HEADS}(visible, axes, guide=Guide(t_visible - centre, axes.z))",
        ibot_plus, patches, note=ENTROPY + STATE),
    Row("KoLeoLoss", "Pooled(push=Pool(sharpness=math.inf), outer=lambda v: -(-v).log(), geometry=unit)",
        lambda b: peer("koleo_loss", "KoLeoLoss")(b.z), of_points),
    Row("LeJEPALoss", "0.05 * SIGReg(32) + 0.95 / (2 * 5) * Alignment(geometry=Dot())", gaussian(le_jepa),
        lambda seed: paired(seed, 12), note="in our random directions; 5: the dimension; " + SINGLE, own="SIGReg",
        rtol=1e-5),
    Row("LeWMLoss", "1 / 5 * Alignment(geometry=Dot())(q, target) + 0.1 * SIGReg(32)(q, k)", gaussian(le_wm),
        le_wm_batch,
        note="in our random directions; 5: the dimension; " + SINGLE, own="SIGReg", rtol=1e-5),
    Row("MACLLoss", "MACL(0.1)", of_pairs("macl_loss", "MACLLoss"), paired, own="MACL",
        note="theirs adds 1e-8 to 1 - P"),
    Row("MMCRLoss", "ManifoldCapacity(0.005, geometry=Dot())",
        lambda b: peer("mmcr_loss", "MMCRLoss")(b.q[:, None], b.k[:, None]), paired, own="ManifoldCapacity"),
    Row("MSNLoss", "DistillKL(0.1, guide_geometry=Dot()) + Balance(0.1)", msn("msn_loss", "MSNLoss"), prototyped,
        note=ENTROPY + "; targets are sharpened and put through `sinkhorn`", own="Balance"),
    Row("NegativeCosineSimilarity", "Pairs(0.0, shape=lambda v: v)",
        of_pairs("negative_cosine_similarity", "NegativeCosineSimilarity"), paired),
    Row("NTXentLoss", 'InfoNCE(0.5, layout="views")', of_pairs("ntx_ent_loss", "NTXentLoss"), paired),
    Row("PatchKernelAlignmentLoss", "KernelAlignment()",
        lambda b: peer("patch_kernel_alignment_loss", "PatchKernelAlignmentLoss")(b.q[None], b.k[None]), towards,
        note="the tokens of one image; theirs computes in single precision: compared to 1e-4", own="KernelAlignment",
        rtol=1e-4),
    Row("PMSNLoss", "DistillKL(0.1, guide_geometry=Dot()) + Balance(0.1, target=power)",
        msn("pmsn_loss", "PMSNLoss"), prototyped, note=ENTROPY + "; `power` is k^-0.25, normalised", own="Balance",
        rtol=1e-5),
    Row("PMSNCustomLoss", "DistillKL(0.1, guide_geometry=Dot()) + Balance(0.1, target=power)",
        lambda b: msn("pmsn_loss", "PMSNCustomLoss", target_distribution=lambda _: b.power)(b), prototyped,
        note=ENTROPY,
        own="Balance"),
    Row("SwaVLoss", "SwAV(5, 4)", swav, swapped, own="SwAV"),
    Row("TiCoLoss", "Pairs(1.0, shape=lambda v: v) + 8.0 * CovarianceContrast(0.9)", of_pairs("tico_loss", "TiCoLoss"),
        paired, own="CovarianceContrast"),
    Row("VICRegLoss", "VICReg(25.0, 12.5, 1.0)", of_pairs("vicreg_loss", "VICRegLoss"), paired, own="VICReg",
        note="theirs halves the variance term, as the authors' code does"),
    Gap("VICRegLLoss",
        "matches patches of two images by place and by nearest feature before any loss; each of its terms "
        "is `VICReg` of the matched pairs"),
    Row("VISRegLoss", "0.9 * SlicedNormality(32) + 0.1 / (2 * 5) * Alignment(geometry=Dot())", gaussian(visreg),
        lambda seed: paired(seed, 12), note="in our random directions; 5: the dimension; " + SINGLE,
        own="SlicedNormality",
        rtol=1e-5),
    Row("WMSELoss", "WMSE()", w_mse, whole_batch, own="WMSE"),
]  # fmt: skip

PEER = Peer("lightly", "1.6", "lightly", tables={"losses": LOSSES})
