"""What MoCo's loss is made of in a step of training, from the teacher and the queue themselves; and its views."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.systems import get


def sides(step):
    """Queries with gradient, the teacher's keys for them, both ways, and the queue before the step: of length one."""
    q, other = step.z()
    teacher, queue = step.procedure.procedures[0], step.procedure.procedures[1]
    with torch.no_grad():
        back, k = teacher.model(step.payload.inputs).chunk(2)
    held = queue.z[: int(queue.filled)]
    unit = [F.normalize(side, dim=1) for side in (q, k, held, other, back)]
    return {"q": unit[0], "k": unit[1], "queue": unit[2], "other": unit[3], "back": unit[4]}


def cross_entropy(q, own, negatives, temperature=0.2):
    """Row by row: the own key against itself and the negatives, `(s, d)` shared or `(n, s, d)` each query's own."""
    total = torch.zeros(())
    for i in range(len(q)):
        those = negatives if negatives.ndim == 2 else negatives[i]
        logits = torch.stack([q[i] @ own[i], *(those @ q[i])]) / temperature
        total = total + torch.logsumexp(logits, 0) - logits[0]
    return total / len(q)


def assert_random_views(step, name):
    """All views are random, of the same pictures, and differ from each other."""
    plain = get(name).sample.parts(0)[0].anchors.tensor[: len(step.views()[0])].float()
    plain = plain / 255 if plain.max() > 1 else plain
    seen = [plain, *step.views()]
    for i, a in enumerate(seen):
        for b in seen[:i]:
            assert a.shape == b.shape
            assert not torch.isclose(a, b).all(dim=(1, 2, 3)).any()
