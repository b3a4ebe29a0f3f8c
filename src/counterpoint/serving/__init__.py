"""A model and an index behind HTTP: embeddings, reranking, search, and a page to search from.

`counterpoint serve` runs it. FastAPI, uvicorn and prometheus-client come with the extra `serve`; the modules of this
room that need them are imported when a server is made.
"""

from counterpoint.serving.batching import Batcher, Full
from counterpoint.serving.limits import Limits

__all__ = ["Batcher", "Full", "Limits"]
