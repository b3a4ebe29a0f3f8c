"""The application: all addresses, behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from counterpoint import __version__
from counterpoint.errors import InputError
from counterpoint.serving import models, searching
from counterpoint.serving.guard import Guard, logger
from counterpoint.serving.metrics import CONTENT_TYPE
from counterpoint.serving.page import page_response
from counterpoint.serving.problems import Refused, answer, misfit, problems, refused
from counterpoint.serving.routes import StrictRoute, as_json, request_id, service_of
from counterpoint.serving.service import Service
from counterpoint.serving.shapes import AboutAnswer, HealthAnswer

_about = APIRouter(route_class=StrictRoute, tags=["server"])
_missing = APIRouter(include_in_schema=False)


def application(service: Service, *, token: str = "", hosts: Collection[str] | None = None) -> Guard:
    """What answers requests (ASGI); when it ends, it closes `service`.

    Args:
        service: What is served.
        token: What requests must show as `Authorization: Bearer TOKEN`; "" for none.
        hosts: The names by which requests may call the server; None for any.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="Counterpoint",
        version=__version__,
        description="Embeddings, reranking and search from one model.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(models.router)
    app.include_router(_about)
    if service.index is not None:
        app.include_router(searching.router)
        if service.writable:
            app.include_router(searching.writing)
        if service.pictures is not None:
            app.include_router(searching.pictures)
    app.include_router(_missing)
    app.add_exception_handler(RequestValidationError, _misfit)
    for kind in (HTTPException, InputError):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, service.limits, service.metrics, token=token, hosts=hosts)


async def _misfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(misfit(error.errors()), request_id(request))


async def _refused(request: Request, error: Exception) -> Response:
    problem, name = refused(error), request_id(request)
    if problem.status_code == 500:
        logger.error("request %s failed", name, exc_info=error)
    return answer(problem, name)


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody thought of; it goes on to the guard, which tells the log."""
    return answer(refused(error), request_id(request))


@_about.get("/", include_in_schema=False)
async def page() -> Response:
    """The page to search from."""
    return page_response()


@_about.get("/health", response_model=HealthAnswer, responses=problems())
async def health() -> Response:
    """Whether the server answers; needs no token."""
    return as_json({"status": "ok"})


@_about.get("/about", response_model=AboutAnswer, responses=problems())
async def about(request: Request) -> Response:
    """What is served."""
    service = service_of(request)
    index = service.index

    def look() -> tuple[int, dict[str, list[str]]]:
        if index is None:
            return 0, {}
        return len(index), {name: sorted(kinds) for name, kinds in index.columns.items()}

    documents, columns = await service.within(look)
    searches = index is not None and service.reads("query")
    return as_json(
        {
            "model": service.name,
            "dimensions": service.dim,
            "index": index is not None,
            "documents": documents,
            "columns": columns,
            "modes": ["hybrid", "dense"] if searches else [],
            "searches": searches,
            "writable": service.writable,
            "pictures": service.pictures is not None,
            "reranker": service.reranker is not None,
            "limits": asdict(service.limits),
        }
    )


@_about.get(
    "/metrics",
    response_class=Response,
    responses=problems() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)


@_missing.api_route("/search", methods=["GET", "POST"])
@_missing.get("/neighbours/{id:path}")
@_missing.get("/documents/{id:path}")
async def no_index() -> Response:
    """Where there is no index; where there is one, its own addresses come first."""
    raise Refused(404, "no_index", "this server has a model and no index; serve an index to search")


@_missing.post("/documents")
@_missing.delete("/documents/{id:path}")
async def reads_only() -> Response:
    """Where writing is not allowed."""
    raise Refused(403, "reads_only", "this server only reads; it writes when it is started with --writable")
