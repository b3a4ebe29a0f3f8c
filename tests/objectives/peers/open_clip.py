"""open_clip: its losses, on features of length one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from counterpoint.points import Points
from objectives.peers.loading import module
from objectives.peers.rows import Batch, Peer, Row, normal, paired


def peer(name: str, **options: Any) -> Any:
    return getattr(module("open_clip.loss"), name)(**options)


def learned(seed: int) -> Batch:
    """Pairs, a learned temperature and a learned bias, in the order of our parameters."""
    batch = paired(seed)
    log_scale = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-4.0, dtype=torch.float64, requires_grad=True)
    batch.names |= {"log_scale": log_scale, "bias": bias}
    return Batch(batch.call, batch.names, batch.leaves, [log_scale])


def learned_with_bias(seed: int) -> Batch:
    batch = learned(seed)
    batch.parameters = [batch.names["bias"], batch.names["log_scale"]]
    return batch


def captioned(seed: int) -> Batch:
    """Pairs, states of a decoder, a vocabulary of 6; token 0 is padding."""
    batch = paired(seed)
    h, w = normal(8, 5, seed=seed + 3), normal(6, 5, seed=seed + 4)
    token = torch.tensor([1, 4, 2, 0, 3, 5, 0, 1])
    states = Points(h, label=torch.where(token == 0, -1, token))
    batch.names |= {"h": h, "w": w, "token": token, "states": states, "vocabulary": Points(w, label=torch.arange(6))}
    return Batch("", batch.names, [*batch.leaves, h, w])


def taught(seed: int) -> Batch:
    batch = paired(seed)
    teacher = [F.normalize(normal(7, 4, seed=seed + i).detach(), dim=1) for i in (60, 70)]
    batch.names |= {"teacher_q": teacher[0], "teacher_k": teacher[1]}
    batch.call = "q, k, guide=Guide(teacher_q, teacher_k)"
    return batch


def clip(b: SimpleNamespace) -> torch.Tensor:
    return peer("ClipLoss")(F.normalize(b.q, dim=1), F.normalize(b.k, dim=1), b.log_scale.exp())


def siglip(b: SimpleNamespace) -> torch.Tensor:
    return peer("SigLipLoss")(F.normalize(b.q, dim=1), F.normalize(b.k, dim=1), b.log_scale.exp(), b.bias)


def coca(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("CoCaLoss", caption_loss_weight=2.0, clip_loss_weight=1.0)
    logits = (b.h @ b.w.T).unflatten(0, (2, 4))
    return sum(loss(F.normalize(b.q, dim=1), F.normalize(b.k, dim=1), logits, b.token.unflatten(0, (2, 4)), 20.0))


def distilled(b: SimpleNamespace) -> torch.Tensor:
    loss = peer("DistillClipLoss")
    features = F.normalize(b.q, dim=1), F.normalize(b.k, dim=1)
    total = sum(loss(*features, 20.0, b.teacher_q, b.teacher_k, 30.0))
    logits = 30.0 * b.teacher_q @ b.teacher_k.T
    entropy = [-(x.softmax(1) * x.log_softmax(1)).sum(1).mean() for x in (logits, logits.T)]
    return total - sum(entropy) / 2


LOSSES = [
    Row("ClipLoss", 'InfoNCE(Temperature(0.07), layout="symmetric")', clip, learned),
    Row("SigLipLoss", "Sigmoid(Temperature(0.1), bias=-10.0)", siglip, learned_with_bias, own="Sigmoid"),
    Row(
        "CoCaLoss",
        'InfoNCE(0.05, layout="symmetric")(q, k)'
        " + 2.0 * InfoNCE(1.0, geometry=Dot(), relation=labels)(states, vocabulary)",
        coca, captioned, note="captions are a classification of the decoder's states among the vocabulary's vectors",
    ),
    Row(
        "DistillClipLoss",
        'InfoNCE(0.05, layout="symmetric")'
        ' + DistillKL(0.05, guide_temperature=1 / 30, layout="symmetric", guide_geometry=Dot())',
        distilled, taught, note="theirs is a cross-entropy: more by the teacher's entropy, a constant, here taken off",
    ),
]  # fmt: skip

PEER = Peer("open_clip", "3.3", "open_clip", tables={"losses": LOSSES})
