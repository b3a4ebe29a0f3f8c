"""Addresses of the model: embeddings as OpenAI's, reranking as Cohere's and Jina's."""

from __future__ import annotations

import base64

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from counterpoint.serving.encoding import Asked
from counterpoint.serving.problems import Refused, problems
from counterpoint.serving.routes import StrictRoute, as_json, check_model, check_texts, request_id, service_of
from counterpoint.serving.shapes import (
    EmbeddingsAnswer,
    EmbeddingsRequest,
    ModelsAnswer,
    RerankAnswer,
    RerankRequest,
)

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["model"])


@router.get("/models", response_model=ModelsAnswer, responses=problems())
async def models(request: Request) -> Response:
    """The one model that is served."""
    service = service_of(request)
    entry = {"id": service.name, "object": "model", "created": service.created, "owned_by": "counterpoint"}
    return as_json({"object": "list", "data": [entry]})


@router.post("/embeddings", response_model=EmbeddingsAnswer, responses=problems(404))
async def embeddings(request: Request, asked: EmbeddingsRequest) -> Response:
    """A vector for each text."""
    service = service_of(request)
    check_model(service, asked.model)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    check_texts(service, texts, "input")
    if asked.dimensions is not None and asked.dimensions > service.dim:
        said = f"the model has {service.dim} dimensions, and {asked.dimensions} are asked for"
        raise Refused(400, "too_many_dimensions", said, param="dimensions")
    found = await service.encode(texts, Asked(asked.input_type, None, asked.dimensions))
    vectors = [one.vector for one in found]
    if asked.encoding_format == "base64":
        rows = [base64.b64encode(z.astype("<f4").tobytes()).decode() for z in vectors]
    else:
        rows = np.stack(vectors).tolist()
    tokens = sum(one.tokens for one in found)
    service.metrics.tokens(tokens)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "truncated_texts": sum(one.cut for one in found)}
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
    return as_json({"object": "list", "data": data, "model": service.name, "usage": usage})


@router.post("/rerank", response_model=RerankAnswer, responses=problems(404))
async def rerank(request: Request, asked: RerankRequest) -> Response:
    """The documents by how relevant they are to the query: by a cross-encoder if there is one, else by vectors."""
    service = service_of(request)
    check_model(service, asked.model)
    texts = [one if isinstance(one, str) else one.text for one in asked.documents]
    check_texts(service, [asked.query], "query")
    check_texts(service, texts, "documents")
    scores, tokens = await service.relevance(asked.query, texts)
    order = sorted(range(len(texts)), key=lambda i: (-scores[i], i))[: asked.top_n]
    results = [
        {"index": i, "relevance_score": scores[i]}
        | ({"document": {"text": texts[i]}} if asked.return_documents else {})
        for i in order
    ]
    usage = {"total_tokens": tokens}
    return as_json({"id": request_id(request), "model": service.name, "results": results, "usage": usage})
