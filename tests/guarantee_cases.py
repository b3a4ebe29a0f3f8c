"""What the guarantee test runs: every registered objective on several kinds of batches, in any way of execution.

Run as a script it is one process of a distributed run: RANK WORLD_SIZE STORE OUTPUT.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist

import guarantee_loop
from counterpoint.engine import all_reduce_gradients, cached
from counterpoint.geometry import Temperature
from counterpoint.objectives import REGISTRY, Guide, Objective, RowObjective
from counterpoint.points import Points
from counterpoint.relation import Relation, kernel, overlap, same
from counterpoint.training._processes import Processes

DTYPES = (torch.float64, torch.float32)
DTYPE_OF = {2: torch.float32, 3: torch.float64}
"""Of a distributed run, by its number of processes: what is computed in one process is tested in both."""
D_IN, D = 6, 5


@dataclass(frozen=True)
class Batch:
    """Payloads `(n, D_IN)` that a linear encoder turns into points, and what is known of them."""

    q: Points
    k: Points | None
    owned: Points | None = None
    guide: Guide | None = None


@dataclass(frozen=True)
class Case:
    """One objective on one kind of batch."""

    name: str
    objective: str
    batch: Batch
    relation: Relation | None = None
    learned: bool = False


def points(generator: torch.Generator, dtype: torch.dtype, *shape: int, **columns: torch.Tensor) -> Points:
    return Points(torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype), columns)


def aligned(g: torch.Generator, dtype: torch.dtype) -> Batch:
    """One positive a query."""
    sample = torch.randperm(11, generator=g)
    score = torch.rand(11, generator=g, dtype=torch.float64).to(dtype)
    label = torch.arange(11) % 4
    first, second = (torch.full((11,), view) for view in (0, 1))
    return Batch(
        points(g, dtype, 11, D_IN, sample=sample, label=label, score=score, view=first),
        points(g, dtype, 11, D_IN, sample=sample[torch.randperm(11, generator=g)], label=label, view=second),
        guide=Guide(points(g, dtype, 11, 4).z, points(g, dtype, 11, 4).z),
    )


def ragged(g: torch.Generator, dtype: torch.dtype) -> Batch:
    """From none to four positives a query, row weights, duplicates, negatives that match nobody, tied scores."""
    n, m = 13, 17
    weight = torch.rand(n, generator=g, dtype=torch.float64).to(dtype) + 0.1
    weight[3] = 0
    return Batch(
        points(
            g, dtype, n, D_IN,
            sample=torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11]),
            label=torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, -1, 4]),
            score=torch.tensor([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0]).to(dtype),
            input=torch.tensor([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 100]),
            partner=torch.tensor([200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 210, 211]),
            weight=weight,
            view=torch.arange(n) % 3,
        ),
        points(
            g, dtype, m, D_IN,
            sample=torch.tensor([0, 0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, -1, -1]),
            label=torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 0, 1, 2, -1, 5]),
            input=torch.tensor([200, 1, 2, 3, 201, 202, 203, 4, 204, 205, 200, 207, 208, 209, 210, 201, 9]),
            partner=torch.tensor([100, 100, 100, 100, 101, 102, 103, 103, 104, 105, 106, 107, 108, 109, 110, 0, 0]),
            weight=torch.ones(m, dtype=dtype),
            view=torch.arange(m) % 3,
        ),
        guide=Guide(points(g, dtype, n, 4).z, points(g, dtype, m, 4).z),
    )  # fmt: skip


def with_owned(g: torch.Generator, dtype: torch.dtype, batch: Batch) -> Batch:
    """Owned keys: hard negatives, some positives with soft weights, padding."""
    n, s = len(batch.q), 3
    positive = torch.zeros(n, s, dtype=dtype)
    positive[::2, 0] = 0.5
    valid = torch.ones(n, s, dtype=torch.bool)
    valid[1::3, 2] = False
    owned = points(g, dtype, n, s, D_IN, positive=positive, valid=valid)
    assert batch.guide is not None
    return replace(batch, owned=owned, guide=replace(batch.guide, owned=points(g, dtype, n, s).z))


SOFT = Relation(
    positive=same("label") & kernel("soft", lambda d: torch.exp(-d.abs())),
    ignored=same("parity") & ~same("label"),
    negative=~same("label") & kernel("soft", lambda d: 1 - 0.5 * torch.exp(-d.abs())),
)


def soft(g: torch.Generator, dtype: torch.dtype) -> Batch:
    """Soft positives, soft negatives, ignored pairs; a temperature for each row."""
    batch = ragged(g, dtype)
    assert batch.k is not None

    def more(p: Points) -> Points:
        values = torch.randn(len(p), generator=g, dtype=torch.float64).to(dtype)
        return p.with_columns(soft=values, parity=torch.arange(len(p)) % 5, temperature=values.exp().clamp(0.5, 2.0))

    return replace(batch, q=more(batch.q), k=more(batch.k))


def sets(g: torch.Generator, dtype: torch.dtype) -> Batch:
    """Points with sets of labels, one of them empty: soft positives by how much two sets have in common."""
    labels = (torch.rand(12, 4, generator=g) < 0.4).float()
    labels[5] = 0
    return Batch(points(g, dtype, 12, D_IN, labels=labels), None)


REMEMBER = {"isogclr", "tico", "sigreg", "sliced-normality", "dynamic-soft-margin"}
"""What an earlier call left behind changes the loss of the next."""

WITHOUT_POSITIVES = {
    "sigmoid", "energy-confusion", "contrastive", "contrastive-active", "binomial-deviance", "pair-variance",
    "self-adversarial", "hardest-share", "histogram", "balance", "kernel-entropy", "inter-set",
}  # fmt: skip
"""A query without positives counts, with its negatives."""


def made(name: str, dim: int = D) -> Objective:
    """The registered objective, for vectors of so many dimensions; what it learns starts alike every time."""
    torch.manual_seed(5)
    learns = "dim" in inspect.signature(REGISTRY[name]).parameters
    return REGISTRY[name](**({"dim": dim} if learns else {}))


def cases(dtype: torch.dtype) -> list[Case]:
    """Every objective on every kind of batch it takes."""
    result = []
    for name in REGISTRY:
        objective = made(name)

        def generator(name: str = name) -> torch.Generator:
            return torch.Generator().manual_seed(sum(name.encode()))

        for kind, build in (("aligned", aligned), ("ragged", ragged)):
            result.append(Case(f"{name}/{kind}", name, build(generator(), dtype)))
        batch = aligned(generator(), dtype)
        if "owned" in objective.uses:
            for kind, build in (("aligned", aligned), ("ragged", ragged)):
                g = generator()
                batch = with_owned(g, dtype, build(g, dtype))
                result.append(Case(f"{name}/{kind}+owned", name, batch, learned=True))
        if getattr(objective, "paired", False):
            continue
        if isinstance(objective, RowObjective):
            if objective.layout != "joint":
                result.append(Case(f"{name}/soft", name, soft(generator(), dtype), SOFT, learned=True))
            if objective.layout in ("views", "within", "one-way") and "guide" not in objective.uses:
                alone = replace(ragged(generator(), dtype), k=None, guide=None)
                result.append(Case(f"{name}/alone", name, alone, Relation(positive=same("label"))))
        else:
            alone = replace(ragged(generator(), dtype), k=None, guide=None)
            result.append(Case(f"{name}/alone", name, alone, Relation(positive=same("label"))))
    for name in ("supcon-out", "supcon-in", "nt-xent"):
        batch = sets(torch.Generator().manual_seed(3), dtype)
        result.append(Case(f"{name}/sets", name, batch, Relation(positive=overlap("labels"))))
    return result


def build(case: Case, dtype: torch.dtype) -> tuple[torch.nn.Module, Objective]:
    """The encoder and the objective of a case, always the same."""
    torch.manual_seed(5)
    objective = made(case.objective)
    if case.relation is not None:
        objective.relation = case.relation  # type: ignore[assignment]
    if case.learned and isinstance(objective, RowObjective) and objective.temperature != 1.0:
        objective.temperature = Temperature(0.3)
    encoder = torch.nn.Linear(D_IN, D, bias=False)
    torch.nn.init.normal_(encoder.weight, generator=torch.Generator().manual_seed(7))
    device = case.batch.q.z.device
    return encoder.to(device, dtype), objective.to(device, dtype)


def call(case: Case, batch: Batch, encoder, objective, **how):
    """The loss of a batch whose payloads the encoder turns into points."""
    owned = batch.owned if "owned" in objective.uses else None
    return objective(
        batch.q.with_z(encoder(batch.q.z)),
        None if batch.k is None else batch.k.with_z(encoder(batch.k.z)),
        owned=None if owned is None else owned.with_z(encoder(owned.z)),
        guide=batch.guide if "guide" in objective.uses else None,
        **how,
    )


def gradients(encoder: torch.nn.Module, objective: Objective) -> torch.Tensor:
    """All gradients in one vector, none being zero."""
    every = [*encoder.parameters(), *objective.parameters()]
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in every])


def run(case: Case, dtype: torch.dtype, **how) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and gradients, in one piece."""
    encoder, objective = build(case, dtype)
    loss = call(case, case.batch, encoder, objective, **how)
    if loss.ndim:  # unreduced: an arbitrary direction
        direction = torch.linspace(-1, 2, len(loss), dtype=loss.dtype, device=loss.device)
        (loss * direction).sum().backward()
    elif loss.requires_grad:
        loss.backward()
    return loss.detach(), gradients(encoder, objective)


def run_cached(case: Case, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and gradients, encoding four payloads at a time."""
    encoder, objective = build(case, dtype)
    batch = case.batch
    owned = batch.owned if "owned" in objective.uses else None
    sides = [batch.q, *([] if batch.k is None else [batch.k])]
    payloads = [p.z for p in sides] + ([] if owned is None else [owned.z.flatten(0, 1)])
    chunks = [lambda x=x: encoder(x) for x in torch.cat(payloads).split(4)]

    def loss(z: torch.Tensor) -> torch.Tensor:
        parts = z.split([len(p) for p in payloads])
        return objective(
            batch.q.with_z(parts[0]),
            None if batch.k is None else batch.k.with_z(parts[1]),
            owned=None if owned is None else owned.with_z(parts[-1].unflatten(0, owned.z.shape[:2])),
            guide=batch.guide if "guide" in objective.uses else None,
            block=3,
        )

    return cached(chunks, loss), gradients(encoder, objective)


def part(batch: Batch, rank: int, world: int) -> Batch:
    """One process's share; processes hold different numbers of queries and of keys."""

    def rows(n: int, shares: list[int]) -> slice:
        edges = [0]
        for share in shares:
            edges.append(edges[-1] + share)
        return slice(edges[rank], n if rank == world - 1 else edges[rank + 1])

    q = rows(len(batch.q), [*[4, 3, 0][: world - 1], 0])
    k = rows(0 if batch.k is None else len(batch.k), [*[5, 2, 0][: world - 1], 0])
    guide = batch.guide
    if guide is not None:
        guide = Guide(guide.queries[q], guide.keys[k], None if guide.owned is None else guide.owned[q])
    return Batch(
        batch.q[q],
        None if batch.k is None else batch.k[k],
        None if batch.owned is None else batch.owned[q],
        guide,
    )


def unreduced(objective: Objective, case: Case) -> bool:
    """Objectives with a value for every query, whichever process it is on."""
    return isinstance(objective, RowObjective) and (objective.layout == "one-way" or case.batch.k is None)


def main(rank: int, world: int, store: str, output: str) -> None:
    """One process of a distributed run."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    results, dtype = {}, DTYPE_OF[world]
    for case in cases(dtype):
        batch = part(case.batch, rank, world)
        for block in (0, 2):
            encoder, objective = build(case, dtype)
            loss = call(case, batch, encoder, objective, block=block, group=dist.group.WORLD)
            if loss.requires_grad:
                loss.backward()
            all_reduce_gradients([*encoder.parameters(), *objective.parameters()])
            results[f"{case.name}|{block}"] = (loss.detach(), gradients(encoder, objective))
        if unreduced(objective, case):
            encoder, objective = build(case, dtype)
            loss = call(case, batch, encoder, objective, group=dist.group.WORLD, reduction="none")
            start = [0, 4, 7][rank]
            n = len(case.batch.q)
            direction = torch.linspace(-1, 2, n, dtype=dtype)[start : start + len(loss)]
            (loss * direction).sum().backward()
            all_reduce_gradients([*encoder.parameters(), *objective.parameters()])
            results[f"{case.name}|none"] = (loss.detach(), gradients(encoder, objective))
    looped = {
        f"{name}|{chunk}": guarantee_loop.run(case, dtype, Processes(rank, world, dist.group.WORLD), chunk)
        for name, case in guarantee_loop.CASES.items()
        for chunk in (1000, 2)
    }
    torch.save(looped, f"{output}.loop.{rank}")
    if rank == 0:
        torch.save(results, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
