"""What stands before every request: its size, its time, its token, its id; and what becomes of an error."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from counterpoint.serving.limits import Limits
from counterpoint.serving.metrics import Metrics
from counterpoint.serving.problems import AGAIN, Refused, answer, refused

logger = logging.getLogger("counterpoint.serving")

OPEN = ("/", "/health")
"""Addresses that ask for no token: a page without contents, and that the server lives."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SENT = 30.0  # seconds that a body has to come, and that a part of an answer has to be taken
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Guard:
    """An application behind its bounds.

    Args:
        app: It.
        limits: See `Limits`.
        metrics: Is told of every request.
        token: What requests must show; "" for none.
        hosts: What a request may call this server; None for anything. A page of another site that a browser was led to
            believe to be this host (DNS rebinding) gives itself away by it.
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, metrics: Metrics, *, token: str = "", hosts: Collection[str] | None = None
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token = token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, request_id = time.perf_counter(), _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.setdefault("headers", [])
                names = {name.lower() for name, _ in given}
                more = (*_HEADERS, _POLICY, (b"x-request-id", request_id.encode()))
                message["headers"] = [*given, *((name, value) for name, value in more if name not in names)]
            async with asyncio.timeout(_SENT):
                await send(message)

        self.running += 1
        try:
            self._check(scope)
            body = await self._body(scope, receive)
            await self._app(scope, _again(body, receive), out)
        except TimeoutError:
            logger.warning("request %s: the client takes nothing", request_id)
        except Exception as error:
            problem = refused(error)
            if problem.status_code == 500:
                logger.error("request %s failed", request_id, exc_info=error)
            if not status:
                await answer(problem, request_id)(scope, receive, out)
        finally:
            self.running -= 1
            path = getattr(scope.get("route"), "path_format", "other")
            # 499, as others do: the client went away or took nothing
            self._metrics.done(path, status or 499, time.perf_counter() - begun)

    def _check(self, scope: Scope) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if self._hosts is not None:
            host = [value.decode("latin-1") for name, value in headers if name == b"host"]
            if len(host) != 1 or re.sub(r":\d*$", "", host[0]).lower() not in self._hosts:
                raise Refused(421, "wrong_host", "this server is not called so; ask it by the address that it says")
        if self._token and scope["path"] not in OPEN:
            given = [value for name, value in headers if name == b"authorization"]
            scheme, _, shown = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(shown.strip(), self._token):
                raise Refused(
                    401,
                    "invalid_token",
                    "the token is wrong" if given else "a token is needed: Authorization: Bearer TOKEN",
                    headers={"WWW-Authenticate": 'Bearer realm="counterpoint"'},
                )
        if self.running > self._limits.requests and scope["path"] != "/health":
            raise Refused(503, "busy", "too many requests at a time; ask again in a while", headers=AGAIN)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """All of it, if it comes in time and is not too large."""
        most = self._limits.body
        large = Refused(
            413, "too_large", f"a request has at most {most:,} bytes (--max-body)", headers={"Connection": "close"}
        )
        length = [value for name, value in scope["headers"] if name == b"content-length"]
        if length and length[0].isdigit() and int(length[0][:20]) > most:
            raise large
        parts, size = [], 0
        try:
            async with asyncio.timeout(_SENT):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "gone", "the client went away")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            said = f"the body did not come within {_SENT:.0f} seconds"
            raise Refused(408, "too_slow", said, headers={"Connection": "close"}) from None


def _request_id(scope: Scope) -> str:
    """The client's own, if it is a plain one, else a new one."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _ID.fullmatch(given[0]):
        return given[0].decode()
    return uuid.uuid4().hex


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read already, and then what comes after it."""
    read = False

    async def once() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
