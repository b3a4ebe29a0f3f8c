"""Between pairs and retrieval tests."""

from __future__ import annotations

from collections.abc import Iterable

from counterpoint.data.hashing import normalise
from counterpoint.data.types import Example, Retrieval, Schema, TextData
from counterpoint.errors import InputError, refuse_string


def retrieval_from_pairs(
    examples: Iterable[Example], extra_documents: Iterable[str] = (), source: str = "pairs"
) -> Retrieval:
    """Make a retrieval test of held-out pairs: anchors are queries, their positives what they should find.

    Equal texts (after `normalise`) are one document or one query, so that a copy of a relevant text is never
    counted as wrong; queries with different prompts are different queries. Ids are "q0", "q1", ... and "d0", "d1", ...
    in order of appearance.

    Args:
        examples: Pairs or tuples; negatives are left out (give them as `extra_documents` to add them).
        extra_documents: Further documents to search among, relevant to nothing unless equal to one that is.
        source: What to call the result.

    Examples:
        >>> test = retrieval_from_pairs([Example("a", ("A text",)), Example("b", ("a  text", "more"))], ["x"])
        >>> test.corpus
        {'d0': 'A text', 'd1': 'more', 'd2': 'x'}
        >>> test.qrels
        {'q0': {'d0': 1.0}, 'q1': {'d0': 1.0, 'd1': 1.0}}
    """
    refuse_string(extra_documents, "extra_documents")
    documents: dict[tuple[str, str], tuple[str, str]] = {}
    queries: dict[tuple[str, str], tuple[str, str]] = {}
    qrels: dict[str, dict[str, float]] = {}
    prompts: dict[str, str] = {}

    def add(table: dict[tuple[str, str], tuple[str, str]], prefix: str, text: str, prompt: str = "") -> str:
        return table.setdefault((prompt, normalise(text)), (f"{prefix}{len(table)}", text))[0]

    for example in examples:
        query = add(queries, "q", example.anchor, example.prompt)
        if example.prompt:
            prompts[query] = example.prompt
        for positive in example.positives:
            qrels.setdefault(query, {})[add(documents, "d", positive)] = 1.0
    for text in extra_documents:
        add(documents, "d", text)
    return Retrieval(dict(documents.values()), dict(queries.values()), qrels, source, prompts=prompts)


def pairs_from_retrieval(retrieval: Retrieval) -> TextData:
    """Training data of a BEIR folder: each judged query with its relevant documents.

    Documents judged 0 or less are its negatives. A query without a relevant document is left out. The
    schema is "pairs" if every query has one positive and no negative, else "tuples".

    Raises:
        InputError: No query has a relevant document.

    Examples:
        >>> test = Retrieval({"1": "x", "2": "y"}, {"q": "a"}, {"q": {"1": 1.0, "2": 0.0}}, "memory")
        >>> pairs_from_retrieval(test).examples == [Example("a", ("x",), ("y",))]
        True
    """
    examples = []
    for query, gains in retrieval.qrels.items():
        positives = tuple(retrieval.corpus[doc] for doc, gain in gains.items() if gain > 0)
        negatives = tuple(retrieval.corpus[doc] for doc, gain in gains.items() if gain <= 0)
        if positives:
            prompt = retrieval.prompts.get(query, "")
            examples.append(Example(retrieval.queries[query], positives, negatives, prompt=prompt))
    if not examples:
        raise InputError("no query has a relevant document", file=retrieval.source, fix="check the judgements")
    single = all(len(e.positives) == 1 and not e.negatives for e in examples)
    columns = {"anchor": "queries", "positive": "corpus"}
    schema: Schema = "pairs" if single else "tuples"
    return TextData(schema, examples, retrieval.source, columns)
