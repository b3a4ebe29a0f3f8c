"""Batches across requests: together, in order, fairly, within bounds, and each request's fault its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from counterpoint.errors import InputError
from counterpoint.serving import Batcher, Full, Limits


class Work:
    """Doubles numbers, when it may."""

    def __init__(self):
        self.batches, self.may, self.began = [], threading.Event(), threading.Event()

    def __call__(self, key, items):
        self.began.set()
        assert self.may.wait(10)
        self.batches.append((key, list(items)))
        if "bad" in items:
            raise ValueError("bad")
        return [2 * item for item in items]


def run(work, ask, **options):
    batcher = Batcher(work, **{"most": 4, "wait": 0, "room": 100} | options)
    try:
        return asyncio.run(ask(batcher))
    finally:
        work.may.set()
        batcher.close()


async def begun(work, batcher):
    """A request that the thread is at work on, while others queue."""
    first = asyncio.ensure_future(batcher([0]))
    while not work.began.is_set():
        await asyncio.sleep(0.001)
    return first


def test_what_waits_is_worked_on_together_and_a_large_request_does_not_hold_small_ones_up():
    work = Work()

    async def ask(batcher):
        first = await begun(work, batcher)
        large = asyncio.ensure_future(batcher(list(range(10, 16))))
        small = [asyncio.ensure_future(batcher([i])) for i in (1, 2)]
        await asyncio.sleep(0)
        assert batcher.waiting == 8
        work.may.set()
        return await asyncio.gather(first, large, *small)

    assert run(work, ask) == [[0], [20, 22, 24, 26, 28, 30], [2], [4]]
    assert [items for _, items in work.batches] == [[0], [10, 11, 12, 13], [1, 2, 14, 15]]


def test_keys_are_not_mixed_and_a_failure_is_its_own_requests():
    work = Work()

    async def ask(batcher):
        first = await begun(work, batcher)
        asked = [batcher([1], "a"), batcher(["bad"], "a"), batcher([3], "b")]
        others = [asyncio.ensure_future(one) for one in asked]
        await asyncio.sleep(0)
        work.may.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    found = run(work, ask)
    assert (found[0], found[1], found[3]) == ([0], [2], [6])
    assert isinstance(found[2], ValueError)
    assert work.batches[1:4] == [("a", [1, "bad"]), ("a", [1]), ("a", ["bad"])]


def test_there_is_a_bound_and_who_went_away_makes_room():
    work = Work()

    async def ask(batcher):
        first = await begun(work, batcher)
        gone = asyncio.ensure_future(batcher([1, 2, 3]))
        await asyncio.sleep(0)
        with pytest.raises(Full, match="3 texts are waiting already; ask again in a while, or for less"):
            await batcher([4, 5])
        gone.cancel()
        work.may.set()
        assert await asyncio.gather(first, batcher([6])) == [[0], [12]]
        return batcher.waiting

    assert run(work, ask, room=4) == 0
    assert [items for _, items in work.batches] == [[0], [6]]


def test_a_batch_waits_for_more_but_not_when_it_is_full():
    work = Work()
    work.may.set()

    async def ask(batcher):
        return await asyncio.gather(*(batcher([i]) for i in range(4)))

    assert run(work, ask, wait=60) == [[0], [2], [4], [6]]
    assert [items for _, items in work.batches] == [[0, 1, 2, 3]]


def test_at_its_end_it_finishes_what_is_queued_and_takes_nothing_more():
    work = Work()

    async def ask(batcher):
        first = await begun(work, batcher)
        queued = asyncio.ensure_future(batcher([1]))
        await asyncio.sleep(0)
        ending = asyncio.ensure_future(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.01)
        with pytest.raises(Full, match="the server is about to end"):
            await batcher([2])
        work.may.set()
        await ending
        return await asyncio.gather(first, queued)

    assert run(work, ask) == [[0], [2]]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"body": 0}, "the limit of body is 0; give 1 or more"),
        ({"wait": -1}, "the limit of wait is -1; give 0 or more"),
        ({"wait": float("nan")}, "the limit of wait is nan"),
        ({"inputs": 9, "queue": 8}, "requests of up to 9 texts never fit in a queue of 8"),
    ],
)
def test_limits_refuse(limits, message):
    with pytest.raises(InputError, match=message):
        Limits(**limits)
