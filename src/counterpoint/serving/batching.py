"""Batches across requests: what waits at the same time is worked on together, in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterpoint.errors import InputError


class Full(InputError):  # noqa: N818 - as the other errors a user sees
    """There is no room for what is asked now; later there may be."""


@dataclass(eq=False)
class _Job:
    """What one request asked for."""

    key: Hashable
    items: Sequence[Any]
    future: asyncio.Future[list[Any]]
    arrived: float = field(default_factory=time.monotonic)
    taken: int = 0
    found: list[Any] = field(default_factory=list)


class Batcher:
    """One thread that takes what is queued, up to so many items at a time, whichever requests they are of.

    The first item of a batch waits for others, but not longer than `wait`. A request with more items than one batch
    holds goes to the end of the queue after each part, so that small ones do not wait until a large one is done. Items
    with different keys are worked on one after another within a batch. If the work on several requests fails, each is
    worked on by itself, so that only the one whose fault it is fails.

    Args:
        work: Called in the thread with a key and items; gives one result an item.
        most: Items of a batch.
        wait: Seconds.
        room: Items that wait at most.
        told: Called with the items of each batch.

    Examples:
        >>> batcher = Batcher(lambda key, items: [key * item for item in items], most=2, wait=0, room=8)
        >>> async def ask():
        ...     return await asyncio.gather(batcher([1, 2, 3], 10), batcher([5], 2))
        >>> asyncio.run(ask())
        [[10, 20, 30], [10]]
        >>> batcher.close()
    """

    def __init__(
        self,
        work: Callable[[Any, list[Any]], Sequence[Any]],
        *,
        most: int,
        wait: float,
        room: int,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._work, self._told = work, told
        self._most, self._wait, self._room = most, wait, room
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="counterpoint-batches", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return self._waiting

    async def __call__(self, items: Sequence[Any], key: Hashable = None) -> list[Any]:
        """One result an item, in order; what the work raises is raised here.

        Raises:
            Full: There is no room for so many, or the server is about to end.
        """
        if not items:
            return []
        job = _Job(key, items, asyncio.get_running_loop().create_future())
        with self._change:
            if self._closed:
                raise Full("the server is about to end", fix="ask again in a while")
            if self._waiting + len(items) > self._room:
                raise Full(f"{self._waiting:,} texts are waiting already", fix="ask again in a while, or for less")
            self._jobs.append(job)
            self._waiting += len(items)
            self._change.notify()
        return await job.future

    def close(self) -> None:
        """Take nothing more, finish what is queued, end."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            self._told(sum(len(some) for _, some in batch))
            groups: dict[Hashable, list[tuple[_Job, Sequence[Any]]]] = {}
            for job, some in batch:
                groups.setdefault(job.key, []).append((job, some))
            for key, parts in groups.items():
                if not self._try(key, parts) and len(parts) > 1:
                    for part in parts:
                        self._try(key, [part])

    def _next(self) -> list[tuple[_Job, Sequence[Any]]]:
        """The next batch, each job with those of its items that are in it; nothing once it is closed."""
        with self._change:
            while True:
                while not self._jobs and not self._closed:
                    self._change.wait()
                if not self._jobs:
                    return []
                deadline = self._jobs[0].arrived + self._wait
                while self._waiting < self._most and not self._closed and (left := deadline - time.monotonic()) > 0:
                    self._change.wait(left)
                if batch := self._taken():
                    return batch

    def _taken(self) -> list[tuple[_Job, Sequence[Any]]]:
        batch: list[tuple[_Job, Sequence[Any]]] = []
        room, unfinished = self._most, []
        while self._jobs and room:
            job = self._jobs.popleft()
            if job.future.done():  # whoever asked is gone, or a part of it failed
                self._waiting -= len(job.items) - job.taken
                continue
            some = job.items[job.taken : job.taken + room]
            job.taken += len(some)
            room -= len(some)
            batch.append((job, some))
            if job.taken < len(job.items):
                unfinished.append(job)
        self._jobs.extend(unfinished)
        self._waiting -= self._most - room
        return batch

    def _try(self, key: Hashable, parts: Sequence[tuple[_Job, Sequence[Any]]]) -> bool:
        """Work on these together; a failure is theirs if it is only one."""
        try:
            found = list(self._work(key, [item for _, some in parts for item in some]))
        except Exception as error:
            if len(parts) == 1:
                _settle(parts[0][0], error)
            return False
        start = 0
        for job, some in parts:
            job.found += found[start : start + len(some)]
            start += len(some)
            if len(job.found) == len(job.items):
                _settle(job, None)
        return True


def _settle(job: _Job, error: Exception | None) -> None:
    """Give the request its answer, in the thread that it waits in."""

    def give() -> None:
        if job.future.done():
            return
        if error is None:
            job.future.set_result(job.found)
        else:
            job.future.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
        job.future.get_loop().call_soon_threadsafe(give)
