"""What all addresses share: JSON read strictly, answers written once, what was asked checked against the limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from counterpoint.serving.problems import Refused
from counterpoint.serving.service import Service


class _Strict(Request):
    """A request whose body is JSON in UTF-8, and nothing else."""

    async def json(self) -> Any:
        """What it says.

        Raises:
            Refused: It is no JSON, is nested too deeply, or holds NaN.
        """
        try:
            return json.loads((await self.body()).decode("utf-8"), parse_constant=_constant)
        except UnicodeDecodeError as error:
            raise Refused(400, "invalid_json", f"the body is not UTF-8 at byte {error.start}") from None
        except json.JSONDecodeError as error:
            raise Refused(400, "invalid_json", f"the body is no JSON at character {error.pos}: {error.msg}") from None
        except RecursionError:
            raise Refused(400, "invalid_json", "the body is nested too deeply") from None
        except ValueError as error:
            raise Refused(400, "invalid_json", f"the body is no JSON: {error}"[:200]) from None


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


class StrictRoute(APIRoute):
    """A route that reads its body so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_Strict(request.scope, request.receive))

        return strict


def as_json(value: Any, status: int = 200) -> Response:
    """An answer; NaN is an error here, not something to send."""
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")


def service_of(request: Request) -> Service:
    """What the application serves."""
    service: Service = request.app.state.service
    return service


def request_id(request: Request) -> str:
    """The request's."""
    return str(request.state.request_id)


def check_model(service: Service, name: str | None) -> None:
    """Refuse the name of a model that is not this one.

    Raises:
        Refused: It is another.
    """
    if name not in (None, service.name):
        raise Refused(
            404, "model_not_found", f"there is no such model; this server has {service.name!r}", param="model"
        )


def check_texts(service: Service, texts: Sequence[str], param: str) -> None:
    """Refuse more or longer texts than the limits say.

    Raises:
        Refused: There are, and which.
    """
    limits = service.limits
    if len(texts) > limits.inputs:
        said = f"{len(texts):,} texts; a request has at most {limits.inputs:,} (--max-inputs)"
        raise Refused(400, "too_many", said, param=param)
    for number, text in enumerate(texts):
        if len(text) > limits.characters:
            said = f"text {number} has {len(text):,} characters; at most {limits.characters:,} (--max-characters)"
            raise Refused(400, "too_long", said, param=param)
