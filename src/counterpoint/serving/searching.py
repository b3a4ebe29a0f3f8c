"""Addresses of the index: search, neighbours, documents, and writing where that is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from counterpoint.search import Document, Fusion, Hit
from counterpoint.serving.pictures import picture_of, read_picture
from counterpoint.serving.problems import Refused, problems
from counterpoint.serving.routes import StrictRoute, as_json, check_texts, service_of
from counterpoint.serving.service import Service
from counterpoint.serving.shapes import (
    AddAnswer,
    AddRequest,
    DeleteAnswer,
    DocumentAnswer,
    Fuse,
    Mode,
    NeighboursAnswer,
    Offset,
    SearchAnswer,
    SearchRequest,
    Top,
    Where,
    Words,
)

router = APIRouter(route_class=StrictRoute, tags=["index"])
writing = APIRouter(route_class=StrictRoute, tags=["writing"])
pictures = APIRouter(route_class=StrictRoute, tags=["index"])


@router.post("/search", response_model=SearchAnswer, responses=problems())
async def search(request: Request, asked: SearchRequest) -> Response:
    """The documents that fit a query best."""
    return await _search(service_of(request), asked.query, asked.k, asked.offset, asked.mode, asked.where, asked.fusion)


@router.get("/search", response_model=SearchAnswer, responses=problems())
async def search_by_address(
    request: Request,
    q: Annotated[Words, Query(description="The query.")],
    k: Annotated[Top, Query()] = 10,
    offset: Annotated[Offset, Query()] = 0,
    mode: Annotated[Mode, Query()] = "hybrid",
    fusion: Annotated[Fuse, Query()] = "ranks",
    where: Annotated[Where, Query()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """The same by an address; `where` can be repeated."""
    return await _search(service_of(request), q, k, offset, mode, where, fusion)


async def _search(
    service: Service, query: str, k: int, offset: int, mode: str, where: Sequence[str], fusion: Fusion
) -> Response:
    check_texts(service, [query], "query")
    hits, more = await service.search(query, k, offset, mode, where, fusion)
    found = await _shown(service, hits)
    return as_json({"query": query, "mode": mode, "offset": offset, "hits": found, "more": more})


@router.get("/neighbours/{id:path}", response_model=NeighboursAnswer, responses=problems(404))
async def neighbours(request: Request, id: str, k: Annotated[Top, Query()] = 10) -> Response:
    """The documents nearest to one of them."""
    service = service_of(request)
    hits = await service.near(_id(id), k)
    if hits is None:
        raise _no_document()
    return as_json({"id": id, "hits": await _shown(service, hits)})


@router.get("/documents/{id:path}", response_model=DocumentAnswer, responses=problems(404))
async def document(request: Request, id: str) -> Response:
    """A document by its id."""
    service = service_of(request)
    name, index = _id(id), service.index
    assert index is not None
    (found,) = await service.within(lambda: index.get([name]))
    if found is None:
        raise _no_document()
    return as_json((await _shown(service, [found]))[0])


@writing.post("/documents", response_model=AddAnswer, responses=problems())
async def add(request: Request, asked: AddRequest) -> Response:
    """Add documents; those with known ids are replaced. When this answers, they are on the disk."""
    service = service_of(request)
    texts, ids = [one.text for one in asked.documents], [one.id for one in asked.documents]
    check_texts(service, texts, "documents")
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise Refused(400, "id_twice", f"the id {twice[0][:100]!r} stands twice", param="documents")
    if max(len(one.columns) for one in asked.documents) > 100:
        raise Refused(400, "too_many", "a document has at most 100 columns", param="documents")
    replaced, total = await service.add(ids, texts, [one.columns for one in asked.documents])
    return as_json({"added": len(ids) - replaced, "replaced": replaced, "documents": total})


@writing.delete("/documents/{id:path}", response_model=DeleteAnswer, responses=problems(404))
async def delete(request: Request, id: str) -> Response:
    """Take a document out. When this answers, it is gone from the disk."""
    if not await service_of(request).delete(_id(id)):
        raise _no_document()
    return as_json({"deleted": id})


@pictures.get(
    "/pictures/{name:path}", response_class=Response, responses=problems(404) | {200: {"content": {"image/*": {}}}}
)
async def picture(request: Request, name: str) -> Response:
    """A picture that a document is named after."""
    service = service_of(request)
    folder = service.pictures
    assert folder is not None
    found = await service.within(lambda: read_picture(folder, name))
    if found is None:
        raise Refused(404, "not_found", "there is no such picture")
    content, kind = found
    return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=300"})


async def _shown(service: Service, found: Sequence[Document | Hit]) -> list[dict[str, Any]]:
    """Documents as they are answered, with the addresses of their pictures."""
    folder = service.pictures
    names: list[str | None] = [None] * len(found)
    if folder is not None:
        names = await service.within(lambda: [picture_of(folder, one) for one in found])
    shown = []
    for one, name in zip(found, names, strict=True):
        about: dict[str, Any] = {"id": one.id, "text": one.text, "columns": one.columns}
        about["picture"] = None if name is None else f"/pictures/{quote(name)}"
        shown.append(about | ({"score": one.score} if isinstance(one, Hit) else {}))
    return shown


def _id(given: str) -> str:
    """An id as it may be in an index: an address can hold bytes that are no text."""
    if "\ufffd" in given or any("\ud800" <= c <= "\udfff" for c in given):
        raise _no_document()
    return given


def _no_document() -> Refused:
    return Refused(404, "not_found", "there is no document with this id")
