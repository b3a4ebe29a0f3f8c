"""What is answered where something cannot be done: JSON with a reason, in the form that OpenAI's clients read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from counterpoint.errors import InputError
from counterpoint.search._connections import Busy
from counterpoint.serving.batching import Full

_BRANCHES = {"constrained-str", "str", "bool", "constrained-int", "constrained-float", "int", "float", "TextDocument"}
"""In what pydantic calls the branches of a union, which nobody wrote."""

AGAIN = {"Retry-After": "1"}


class Problem(BaseModel):
    """What is wrong."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class ProblemBody(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


class Refused(HTTPException):
    """A request that is answered with a reason.

    Args:
        status: HTTP's number.
        code: A word for programs.
        message: A sentence for people.
        param: The field or parameter that it is about.
        headers: Further ones of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code, self.param = code, param


def refused(error: Exception) -> Refused:
    """An error of the library as an answer.

    What names a file is about this server's files and not about the request: the name stays here.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException):
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        said = {404: "there is no such address", 405: "this address has no such method"}
        message = said.get(error.status_code, str(error.detail))
        return Refused(error.status_code, code, message, headers=error.headers)
    if isinstance(error, Full | Busy):
        return Refused(503, "busy", _sentence(error), headers=AGAIN)
    if isinstance(error, InputError) and error.file is None:
        return Refused(400, "invalid_request", _sentence(error))
    if isinstance(error, InputError):
        return Refused(500, "server_error", f"the server cannot do this now: {error.what}")
    return Refused(500, "server_error", "this failed; the server's log says why under the request's id")


def _sentence(error: InputError) -> str:
    return f"{error.what}; {error.fix}" if error.fix else error.what


def misfit(errors: Sequence[Any]) -> Refused:
    """What does not have the form that it is asked for: its first place is named, and nothing of it is repeated."""
    # of a union, whose branches all say why they are none, the one that came furthest
    first = max(errors, key=lambda error: (len(error["loc"]), not error["type"].endswith("_type")))
    place = [str(part) for part in first["loc"][1:]]
    name = ".".join(part for part in place if "[" not in part and part not in _BRANCHES)
    missing = first["type"] == "missing"
    what = first["msg"].removeprefix("Value error, ")
    said = f"{name or 'the body'} is missing" if missing else f"{name}: {what}" if name else what
    return Refused(422, "does_not_fit", said[:500], param=name[:200] or None)


def answer(problem: Refused, request_id: str) -> Response:
    """The answer to a request."""
    kind = {401: "authentication_error", 503: "overloaded_error"}.get(
        problem.status_code, "server_error" if problem.status_code >= 500 else "invalid_request_error"
    )
    error = {
        "message": problem.detail,
        "type": kind,
        "code": problem.code,
        "param": problem.param,
        "request_id": request_id,
    }
    # what is no text, such as half a surrogate pair, is escaped
    body = json.dumps({"error": error}).encode()
    return Response(body, problem.status_code, problem.headers, "application/json")


_SAID = {
    400: "It cannot be done as it is asked.",
    401: "The token is missing or wrong.",
    403: "This server only reads.",
    404: "There is no such thing.",
    408: "The request did not come in time.",
    413: "The request is too large.",
    421: "The request is for another host.",
    422: "It does not have the form that it is asked for.",
    500: "The server failed.",
    503: "The server has too much to do; Retry-After says when to come again.",
}


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """For the description of an address: how it may refuse."""
    return {
        status: {"model": ProblemBody, "description": _SAID[status]}
        for status in sorted({400, 401, 408, 413, 421, 422, 500, 503, *more})
    }
