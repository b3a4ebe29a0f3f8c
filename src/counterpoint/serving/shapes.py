"""What requests and answers look like; the description at /openapi.json is made of this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from counterpoint.serving.service import DEEPEST, FUSED

Filled = Annotated[str, StringConstraints(min_length=1)]
Words = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""Not blanks alone."""


def _of_characters(given: str) -> str:
    """Refuse halves of characters, which no answer could give back."""
    if given.encode("utf-8", "replace").decode() != given:
        raise ValueError("half a character; give whole ones")
    return given


Whole = Annotated[str, AfterValidator(_of_characters)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = bool | int | Finite | str | None
"""Of a column."""


def _whole(given: Any) -> Any:
    """JSON knows no difference between 1 and 1.0."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


Count = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
Top = Annotated[int, Field(ge=1, le=FUSED, description="How many to give."), BeforeValidator(_whole)]
Offset = Annotated[
    int,
    Field(ge=0, lt=DEEPEST, description="How many of the best to leave out: where a page begins."),
    BeforeValidator(_whole),
]
Mode = Annotated[
    Literal["hybrid", "dense"],
    Field(description=f"hybrid: fused with BM25, to place {FUSED}; dense: by meaning, to place {DEEPEST:,}."),
]
Fuse = Annotated[
    Literal["ranks", "scores"],
    Field(description="What hybrid search fuses: reciprocal ranks, or scores from 0 to 1."),
]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]
"""Not longer: to look where its operator stands takes time that grows with the square of its length."""

Where = Annotated[
    list[Condition],
    Field(max_length=32, description="What columns must be, all of it: 'lang = en', 'year >= 1990', 'lang in en, de'."),
]


class Strict(BaseModel):
    """Takes nothing else, and no value for another: a field whose name is misspelt is not passed over."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Compatible(BaseModel):
    """Of another's interface, whose clients may send more than is known here."""

    model_config = ConfigDict(strict=True)

    model: str | None = Field(None, description="What /v1/models names; may be left out.")


def _texts(given: Any) -> Any:
    """Refuse tokens in place of texts with a word about it."""
    first = given[0] if isinstance(given, list) and given else None
    if isinstance(first, int | list) and not isinstance(first, bool):
        raise ValueError("tokens are not taken, since every model has its own; give texts")
    return given


class EmbeddingsRequest(Compatible):
    """As OpenAI's, and the kind of the texts."""

    input: Annotated[Filled | Annotated[list[Filled], Field(min_length=1)], BeforeValidator(_texts)] = Field(
        description="A text, or a list of texts."
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="base64: little-endian float32, which is smaller and faster to read."
    )
    dimensions: Count | None = Field(None, description="Only so many first dimensions.")
    user: str | None = Field(None, description="Not used.")
    input_type: Literal["query", "document"] | None = Field(
        None, description="Chooses the model's prompt; its default one, if it has any, without."
    )


class Embedding(BaseModel):
    """A vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """What it took."""

    prompt_tokens: int
    total_tokens: int
    truncated_texts: int = Field(description="Texts with more tokens than the model reads: it read their beginning.")


class EmbeddingsAnswer(BaseModel):
    """As OpenAI's."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ModelEntry(BaseModel):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsAnswer(BaseModel):
    """As OpenAI's."""

    object: Literal["list"]
    data: list[ModelEntry]


class TextDocument(BaseModel):
    """A document as an object."""

    model_config = ConfigDict(strict=True)

    text: Whole


class RerankRequest(Compatible):
    """As Cohere's and Jina's."""

    query: Words
    documents: list[Whole | TextDocument] = Field(min_length=1)
    top_n: Count | None = Field(None, description="Only so many best.")
    return_documents: bool = Field(False, description="Give the texts back, too.")


class Ranked(BaseModel):
    """A document's place among those that were given, and how relevant it is."""

    index: int
    relevance_score: float
    document: TextDocument | None = None


class RerankUsage(BaseModel):
    """What it took."""

    total_tokens: int


class RerankAnswer(BaseModel):
    """The most relevant first."""

    id: str
    model: str
    results: list[Ranked]
    usage: RerankUsage


class SearchRequest(Strict):
    """A search of the index."""

    query: Words
    k: Top = 10
    offset: Offset = 0
    mode: Mode = "hybrid"
    fusion: Fuse = "ranks"
    where: Where = []


class DocumentAnswer(BaseModel):
    """A document of the index."""

    id: str
    text: str
    columns: dict[str, Value]
    picture: str | None = Field(None, description="Where its picture is, if it is one.")


class Found(DocumentAnswer):
    """A document that was found."""

    score: float


class SearchAnswer(BaseModel):
    """The best first."""

    query: str
    mode: str
    offset: int
    hits: list[Found]
    more: bool = Field(description="Whether there is a next page.")


class NeighboursAnswer(BaseModel):
    """The nearest first."""

    id: str
    hits: list[Found]


class NewDocument(Strict):
    """A document to add; one with the same id is replaced, with all its columns."""

    id: Id
    text: str
    columns: dict[Filled, Value] = {}


class AddRequest(Strict):
    """Documents to add."""

    documents: list[NewDocument] = Field(min_length=1)


class AddAnswer(BaseModel):
    """All of it is on the disk."""

    added: int
    replaced: int
    documents: int = Field(description="In the index.")


class DeleteAnswer(BaseModel):
    """It is gone from the disk, too."""

    deleted: str


class HealthAnswer(BaseModel):
    """It answers."""

    status: Literal["ok"]


class AboutAnswer(BaseModel):
    """What is served."""

    model: str
    dimensions: int
    index: bool
    documents: int
    columns: dict[str, list[str]] = Field(description="What can be filtered by, and the kinds of its values.")
    modes: list[str]
    searches: bool = Field(description="Whether the model takes words, so that there is something to search with.")
    writable: bool
    pictures: bool
    reranker: bool
    limits: dict[str, float]
