"""Whatever comes in, an objective ends in a finite loss with finite gradients, its rows counted, or in one sentence."""

from __future__ import annotations

import copy
import inspect
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Temperature
from counterpoint.objectives import REGISTRY, Guide, InfoNCE, Matryoshka, Objective, RowObjective
from counterpoint.points import Points
from counterpoint.relation import Rule, same
from guarantee_cases import D, made

NAMES = list(REGISTRY)
ROWS = [name for name in NAMES if isinstance(made(name), RowObjective)]
OUT = Rule(lambda q, k: (q["out"] > 0) & (k["out"] == k["out"]) if "out" in q and "out" in k else None)


@dataclass
class Call:
    """One call of an objective, whose parts are spoilt before it is made."""

    objective: Objective
    q: Points
    k: Points
    owned: Points | None
    guide: Guide
    block: int | None = 0

    def leaves(self) -> list[torch.Tensor]:
        points = [self.q.z, self.k.z] + ([] if self.owned is None else [self.owned.z])
        return points + list(self.objective.parameters())

    def terms(self) -> list[Objective]:
        """The objective, or those it is a sum of."""
        return [m for m in self.objective.modules() if hasattr(m, "relation")]

    def loss(self, **how) -> torch.Tensor:
        guide = self.guide if "guide" in self.objective.uses else None
        return self.objective(self.q, self.k, owned=self.owned, guide=guide, block=self.block, **how)

    def columns(self, **columns) -> None:
        """Both sides with these columns."""
        self.q, self.k = self.q.with_columns(**columns), self.k.with_columns(**columns)


def call(name: str, n: int = 4, *, owned: bool = False, seed: int = 0, dtype=torch.float32) -> Call:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g).to(dtype).requires_grad_()

    objective = made(name)
    columns = {"sample": torch.arange(n), "label": torch.arange(n) // 2, "score": torch.arange(n) % 3 / 2}
    first, second = (columns | {"view": torch.full((n,), view)} for view in (0, 1))
    some = Points(normal(n, 2, D), positive=torch.zeros(n, 2)) if owned and "owned" in objective.uses else None
    guide = Guide(normal(n, 2).detach(), normal(n, 2).detach(), None if some is None else normal(n, 2).detach())
    return Call(objective, Points(normal(n, D), first), Points(normal(n, D), second), some, guide)


def spoil(points: Points, row: int, value: float) -> Points:
    z = points.z.detach().clone()
    z[row] = value
    return points.with_z(z.requires_grad_())


def without_match(c: Call, row: int) -> None:
    id_ = c.q.columns["sample"].clone()
    id_[row] = -1
    label = c.q.columns["label"].clone()
    label[row] = -1
    c.q = c.q.with_columns(sample=id_, label=label)


def no_match(c: Call, row: int) -> None:
    c.columns(sample=torch.full((len(c.q),), -1), label=torch.full((len(c.q),), -1))


def ignored(c: Call, row: int) -> None:
    out = torch.zeros(len(c.q))
    out[row:] = 1
    c.columns(out=out)
    for term in c.terms():
        term.relation = replace(term.relation, ignored=OUT)


def numbers(name: str, value: float):
    def change(c: Call, row: int) -> None:
        column = torch.ones(len(c.q))
        column[row] = value
        c.columns(**{name: column})

    return change


def embeddings(side: str, value: float):
    def change(c: Call, row: int) -> None:
        if side == "owned" and c.owned is not None:
            c.owned = spoil(c.owned, row, value)
        elif side == "guide":
            c.guide.keys[row] = value
        elif side != "owned":
            setattr(c, side, spoil(getattr(c, side), row, value))

    return change


def unknown_score(c: Call, row: int) -> None:
    score = c.q.columns["score"].clone()
    score[row] = torch.nan
    c.q = c.q.with_columns(score=score)


# what is defined although it is odd
ODD = {
    "a row that matches nothing": without_match,
    "no row that matches anything": no_match,
    "rows that ignore everything": ignored,
    "a row of weight zero": numbers("weight", 0.0),
    "an unknown score": unknown_score,
    "a query of zeros": embeddings("q", 0.0),
    "a key of zeros": embeddings("k", 0.0),
    "a query of equal numbers": embeddings("q", 1.0),
    "a long query": embeddings("q", 1e18),
    "a short key": embeddings("k", 1e-30),
    "one cluster": lambda c, _: setattr(c, "k", c.k.with_z(c.q.z.detach().clone().requires_grad_())),
}


def mismatch(**parts):
    def change(c: Call, _: int) -> None:
        for name, make in parts.items():
            setattr(c, name, make(getattr(c, name)))

    return change


def column(name: str, make):
    return lambda c, _: c.columns(**{name: make(len(c.q))})


def temperature(value: float):
    def change(c: Call, _: int) -> None:
        parameters = inspect.signature(type(c.objective)).parameters
        needed = [p for p in parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        if "temperature" in parameters and not needed:
            with pytest.raises(InputError, match=r"temperature is .*, it must be above 0"):
                type(c.objective)(temperature=value)
        if not isinstance(getattr(c.objective, "temperature", None), Temperature):
            c.objective.temperature = value

    return change


# what is refused, and what the sentence must say
REFUSED = {
    **{
        f"{value} in the {side}": (embeddings(side, value), rf"row 2 of the {called} holds NaN or infinite values")
        for value in (torch.nan, torch.inf, -torch.inf)
        for side, called in {"q": "queries", "k": "keys", "owned": "owned keys", "guide": "guide's keys"}.items()
    },
    "a negative weight": (numbers("weight", -1.0), "row 2 of the weights of the queries is negative"),
    "an unknown weight": (numbers("weight", torch.nan), "row 2 of the weights of the queries is negative, NaN"),
    **{
        f"row of temperature {value}": (numbers("temperature", value), "row 2 of the temperatures of the queries")
        for value in (0.0, -1.0, torch.nan, torch.inf)
    },
    "a weight with two dimensions": (column("weight", lambda n: torch.ones(n, 1)), r"'weight' has shape \(4, 1\)"),
    "labels that are no integers": (
        lambda c, _: c.columns(label=torch.rand(len(c.q)), sample=torch.rand(len(c.q))),
        "match by the column '(label|sample)', which holds torch.float32",
    ),
    "labels that are yes or no": (
        lambda c, _: c.columns(label=torch.ones(len(c.q)) > 0, sample=torch.ones(len(c.q)) > 0),
        "match by the column '(label|sample)', which holds torch.bool",
    ),
    "labels with two dimensions": (
        column("label", lambda n: torch.zeros(n, 1, dtype=torch.long)),
        r"column 'label' has shape \(4, 1\)",
    ),
    "labels in a list": (column("label", lambda n: ["cat"] * n), "column 'label' is a list"),
    "too few labels": (column("label", lambda n: torch.arange(n - 1)), "column 'label' has .* entries for 4 points"),
    "vectors in a list": (mismatch(q=lambda _: Points([[0.0]])), "points must be floating point .*, not a list"),
    "whole numbers": (mismatch(q=lambda q: q.with_z(q.z.long())), "points must be floating point"),
    "another dimension": (mismatch(k=lambda k: k.with_z(k.z[:, :2])), "queries have shape .* and keys"),
    "keys without ids": (
        mismatch(q=lambda q: q.z, k=lambda k: k.z[:3], guide=lambda _: None),
        "4 queries and 3 keys, and no column says",
    ),
    "a guide of fewer": (
        lambda c, _: setattr(c, "guide", Guide(c.guide.queries[:3], c.guide.keys)),
        "the guide has 3 queries and the student 4",
    ),
    "a guide of two dimensions": (
        lambda c, _: setattr(c, "guide", Guide(c.guide.queries[:, :1], c.guide.keys)),
        "the guide's queries have shape",
    ),
    **{
        f"temperature {value}": (temperature(value), "temperature is .*, it must be above 0")
        for value in (0.0, -1.0, torch.nan, torch.inf)
    },
}  # fmt: skip


def reads(c: Call, kind: str) -> bool:
    """Whether what is spoilt is something that this objective looks at."""
    if "guide" in kind:
        return "guide" in c.objective.uses
    if "owned" in kind:
        return c.owned is not None
    if kind.startswith("temperature"):
        return isinstance(getattr(c.objective, "temperature", None), float)
    if "label" in kind or "ids" in kind:
        return any(isinstance(term.relation.positive, same) for term in c.terms())
    return True


@contextmanager
def sentence_or_nothing():
    """An `InputError` is one sentence, that says what is wrong and what to do; no other error is allowed."""
    try:
        yield
    except InputError as error:
        complete = error.what and error.fix and str(error).endswith(".") and "\n" not in str(error)
        if not complete:
            raise AssertionError(str(error)) from error


def finite(c: Call, loss: torch.Tensor) -> None:
    assert loss.isfinite().all()
    for gradient in torch.autograd.grad(loss.sum(), c.leaves(), allow_unused=True, materialize_grads=True):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_finite_loss_or_one_sentence(name, data):
    """Of no, one or more points; up to three odd things at once, and perhaps one that is refused, in any row."""
    refused = data.draw(st.none() | st.sampled_from(list(REFUSED)))
    n = data.draw(st.sampled_from([0, 1, 2, 4])) if refused is None else 4
    c = call(
        name,
        n,
        owned=data.draw(st.booleans()),
        seed=data.draw(st.integers(0, 99)),
        dtype=data.draw(st.sampled_from([torch.float32, torch.bfloat16])),
    )
    c.block = data.draw(st.sampled_from([0, 1, 3, None]))
    row = data.draw(st.integers(0, max(0, n - 1)))
    expected = refused is not None and reads(c, refused)
    loss = None
    with sentence_or_nothing():
        for kind in data.draw(st.lists(st.sampled_from(list(ODD)), max_size=3, unique=True)) if n else ():
            ODD[kind](c, row)
        if refused is not None:
            REFUSED[refused][0](c, row)
        loss = c.loss()
    assert not (expected and loss is not None)
    if loss is not None:
        finite(c, loss)
        # learned vectors may be rows, too
        rows = 2 * len(c.q) + sum(len(p) for p in c.objective.parameters() if p.ndim > 1)
        assert 0 <= int(c.objective.left_out) <= rows * len(c.terms())


def spoilt(c: Call, change) -> Call:
    change(c, 2)
    return c


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused_is_named(name):
    for kind, (change, sentence) in REFUSED.items():
        c = call(name, owned=True)
        if reads(c, kind):
            with pytest.raises(InputError, match=sentence):
                spoilt(c, change).loss()


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("block", [0, 3])
def test_rows_that_do_not_count_are_counted(name, block):
    """Each row that sees nothing or weighs nothing; one without positives is counted, or has a gradient of its own."""
    for kind in ("rows that ignore everything", "a row of weight zero"):
        c = call(name)
        c.block = block
        finite(c, c.loss())
        before = int(c.objective.left_out)
        ODD[kind](c, 3)
        finite(c, c.loss())
        rows = 1 if c.objective.layout == "one-way" or c.objective.layout == "joint" else 2
        assert int(c.objective.left_out) - before == rows, kind
    c = call(name)
    # near each other, so that a margin is not met
    c.q, c.k = (side.with_z((side.z * 0.01).detach().requires_grad_()) for side in (c.q, c.k))
    without_match(c, 2)
    loss = c.loss()
    if int(c.objective.left_out) == 0 and c.objective.layout == "one-way":
        assert torch.autograd.grad(loss, c.q.z)[0][2].abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_row_is_found_where_it_does_not_count(name):
    """The loss is finite then, and every key's gradient is not."""
    for block in (0, 3):
        c = call(name)
        c.block = block
        without_match(c, 2)
        ODD["a row of weight zero"](c, 2)
        c.q = spoil(c.q, 2, torch.nan)
        with pytest.raises(InputError, match="row 2 of the queries holds NaN"):
            c.loss()


def test_pairs_without_a_score_are_left_out():
    """They sort behind all others, as if they had the highest score, unless they are taken out."""
    c = call("cosent", 6)
    unknown_score(c, 1)
    loss, gradient = c.loss(), torch.autograd.grad(c.loss(), c.q.z)[0]
    assert int(c.objective.left_out) == 1
    without = torch.tensor([0, 2, 3, 4, 5])
    torch.testing.assert_close(loss, c.objective(c.q[without], c.k[without]))
    assert gradient[1].abs().sum() == 0


def test_point_objectives_count_queries_without_a_pair():
    c = call("alignment")
    without_match(c, 2)
    rest = torch.tensor([0, 1, 3])
    torch.testing.assert_close(c.loss(), made("alignment")(c.q[rest], c.k[rest]))
    assert int(c.objective.left_out) == 1


def test_a_sum_counts_for_its_terms():
    c = call("infonce")
    without_match(c, 2)
    c.objective = InfoNCE() + 2.0 * Matryoshka(InfoNCE(), [3, 2])
    c.loss()
    assert int(c.objective.left_out) == 2


def test_overflow_is_no_silence():
    """Vectors that are finite and a score that is not."""
    q, k = torch.full((2, 4), 1e30), torch.full((2, 4), 1e30)
    with pytest.raises(InputError, match=r"the loss is (nan|inf), though the vectors are finite"):
        InfoNCE(geometry=Dot())(q, k)
    # a sum that overflows is no reason to refuse
    assert InfoNCE()(torch.full((4, 3), 3e38), torch.eye(4, 3)).isfinite()


def shares(rank: int) -> list[tuple[str, Call]]:
    """What each of two processes holds: 3 over 2, one sample for both, all of it on one; and NaN on one of them."""
    result = []
    for name in NAMES:
        for n, mine, bad in ((3, 2, None), (1, 1, None), (5, 5, None), (5, 2, "nan in the q"), (3, 3, "inf in the k")):
            c = call(name, n)
            if bad is not None:
                REFUSED[bad][0](c, 2)
            rows = torch.arange(mine) if rank == 0 else torch.arange(mine, n)
            guide = Guide(c.guide.queries[rows], c.guide.keys[rows])
            result.append((f"{name}/{n}/{bad}", replace(c, q=c.q[rows], k=c.k[rows], guide=guide)))
    return result


def main(rank: int, store: str, output: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    found: dict[str, str | float] = {}
    for name, c in shares(rank):
        fresh = c.objective
        for block in (0, 1):
            # some of them change with every call
            c.block, c.objective = block, copy.deepcopy(fresh)
            try:
                loss = c.loss(group=dist.group.WORLD)
                gradients = torch.autograd.grad(loss, (c.q.z, c.k.z))
                assert all(g.isfinite().all() for g in gradients)
                found[f"{name}/{block}"] = float(loss.detach())
            except InputError as error:
                found[f"{name}/{block}"] = str(error)
    torch.save(found, f"{output}{rank}")
    dist.destroy_process_group()


def test_processes_refuse_together(tmp_path):
    """What is bad on one process is refused on both, so that none waits; a share may be of any size, also empty."""
    command = [sys.executable, __file__]
    processes = [
        subprocess.Popen(
            [*command, str(rank), tmp_path / "store", tmp_path / "out"],
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for rank in range(2)
    ]
    for process in processes:
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error.decode()
    here, there = (torch.load(tmp_path / f"out{rank}", weights_only=True) for rank in range(2))
    assert here.keys() == there.keys()
    for key, mine in here.items():
        name, n, bad, _ = key.split("/")
        if bad != "None":
            # the row's place among those of the process that has it
            row, side, holder = (0, "queries", there) if bad == "nan in the q" else (2, "keys", here)
            assert f"row {row} of the {side} holds" in holder[key]
            assert isinstance(mine, str)
            assert isinstance(there[key], str)
        elif isinstance(mine, str):
            assert mine == there[key]
        else:
            whole = float(call(name, int(n)).loss().detach())
            assert mine == pytest.approx(there[key]) == pytest.approx(whole, rel=1e-4, abs=1e-6), key


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
