"""Texts to vectors by the workers of a Ray cluster: as many as there are, and what a lost one did is done again."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.encoders.cutting import Cut
from counterpoint.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder

_PATIENCE = 10.0
"""Seconds for a cluster to answer."""
_LOST = 5
"""Times that a worker may be lost: one that always is has too little memory, say."""

Window = list[str]
Done = tuple[Window, Float[np.ndarray, "n d"], Cut]


class Spread:
    """Windows of texts to vectors, in order, by workers; a window that a lost worker had is given to its successor.

    Made by `on_ray`. At most two windows a worker are on their way, so memory does not grow with the number of texts.
    """

    def __init__(self, ray: Any, workers: int, options: dict[str, Any]) -> None:
        self._ray, self.workers = ray, workers
        worker = ray.remote(max_restarts=_LOST, max_task_retries=_LOST, **options)(_Worker)
        self._idle = [worker.remote() for _ in range(workers)]

    def __call__(self, encoder: TextEncoder, windows: Iterator[Window], **options: Any) -> Iterator[Done]:
        """Each window with its vectors and what was cut of it.

        Args:
            encoder: Kept in the cluster's memory meanwhile.
            windows: Read as they are needed.
            **options: Of `counterpoint.encoders.encode`.

        Raises:
            InputError: What encoding refuses; workers are lost again and again.
        """
        ray = self._ray
        try:
            sent = ray.put(encoder)
        except Exception as error:  # whatever keeps it from being sent
            fix = "take one that is not compiled for this processor (--backend torch)"
            raise InputError(f"the model cannot be sent to other processes ({error})", fix=fix) from error
        asked: deque[tuple[Window, Any]] = deque()
        busy: dict[Any, Any] = {}
        more = True
        try:
            while more or asked:
                while more and self._idle and len(asked) < 2 * self.workers:
                    window = next(windows, None)
                    more = window is not None
                    if window is not None:
                        worker = self._idle.pop()
                        answer = worker.encode.remote(sent, window, options)
                        asked.append((window, answer))
                        busy[answer] = worker
                while asked and asked[0][1] not in busy:
                    window, answer = asked.popleft()
                    yield (window, *self._got(answer))
                if busy:
                    ready, _ = ray.wait(list(busy), num_returns=1, fetch_local=False)
                    self._idle += [busy.pop(answer) for answer in ready]
        finally:
            self._idle += busy.values()

    def _got(self, answer: Any) -> tuple[Float[np.ndarray, "n d"], Cut]:
        errors = self._ray.exceptions
        try:
            z_nd, cut = self._ray.get(answer)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            what = f"a worker of the Ray cluster was lost again and again ({type(error).__name__})"
            raise InputError(what, fix="look whether its machine has memory enough") from error
        return z_nd, cut


def _check_reached(address: str) -> None:
    """Ray itself asks for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, ValueError) as error:
        fix = "check it (HOST:PORT, ray://HOST:PORT), or give auto or local"
        raise InputError(f"no Ray cluster answers at {address} ({error})", fix=fix) from error


class _Worker:
    """A process of the cluster."""

    def encode(
        self, encoder: TextEncoder, window: Window, options: dict[str, Any]
    ) -> tuple[Float[np.ndarray, "n d"], Cut]:
        """The vectors of a window."""
        encoder.to("cuda" if torch.cuda.is_available() else "cpu")
        with encoder.counting() as cut:
            return encoder.encode(window, window=len(window), **options), cut


@contextlib.contextmanager
def on_ray(address: str, workers: int | None = None) -> Iterator[Spread]:
    """Within: a Ray cluster is at hand, for `encode(..., spread=...)`.

    Counterpoint is to be installed where its workers are; the model is sent to them. Vectors are those of one process
    where the processors are of one kind.

    Args:
        address: `HOST:PORT` or `ray://HOST:PORT` of a cluster, `auto` for the one that this machine is part of, or
            `local` for one of this machine's processors that ends with the block.
        workers: How many; one a GPU if the cluster has any, else one a processor, if not given.

    Raises:
        InputError: There is no cluster, or fewer workers than one are asked for.
        MissingExtra: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", extra="scale") from error
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers", fix="give 1 or more")
    local = address == "local"
    if not local and address != "auto":
        _check_reached(address)
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if local else {}
    try:
        ray.init(address=address, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        said = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise InputError(f"no Ray cluster at {address} ({said})", fix="check the address, or give local") from error
    try:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        room, what = (gpus, "GPUs") if gpus else (int(there.get("CPU", 1)), "processors")
        if (workers or room) > room:
            raise InputError(f"{workers} workers, and the cluster has {room} {what}", fix=f"give {room} at most")
        yield Spread(ray, workers or room, {"num_gpus": 1} if gpus else {"num_cpus": 1})
    finally:
        ray.shutdown()
