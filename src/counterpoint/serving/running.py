"""A server on a socket, until it is told to end."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from counterpoint.errors import InputError
from counterpoint.serving.guard import Guard

_HEAD = 10.0  # seconds that the head of a request has to come
_IDLE = 30  # seconds that a connection is kept for the next request
_GRACE = 30  # seconds that requests have to be finished when the server ends
_BACKLOG = 2048


class _Patient(H11Protocol):
    """Lets go of a connection on which no request comes: else a few thousand such would take all there are."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(_HEAD, self._let_go)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waits = self.conn.their_state is h11.IDLE
        if waits and self._late is None:
            self._late = self.loop.call_later(_HEAD, self._let_go)
        elif not waits:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _let_go(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Examples:
        >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "example.org", "")]
        [True, True, True, False, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is one that is free.

    Raises:
        InputError: It is taken, or there is no such host.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen at {host}:{port} ({error})", fix="choose another --port or --host, or end what is there"
        ) from error


def address(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(app: Guard) -> uvicorn.Server:
    """What serves an application, with bounds on how long clients may take."""
    config = uvicorn.Config(
        app,
        http=_Patient,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def run(app: Guard, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT: requests that were begun are finished, then all is closed.

    Args:
        app: See `application`.
        listening: See `listen`.
        ready: Called when requests are about to be answered.
    """
    # uvicorn raises the signal again when it has ended: to end so is not to be killed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    ready()
    server_of(app).run(sockets=[listening])
