"""Documents with queries that a language model writes for them."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoint.encoders.propositions import marked
from counterpoint.errors import refuse_string
from counterpoint.generating.asking import Sampling
from counterpoint.generating.generator import Generator
from counterpoint.generating.parsing import one_line
from counterpoint.generating.views import fill

QUERY = "Write a search query that the text below answers, in one line and nothing else.\n\n{text}"
_DRAWN = Sampling(max_tokens=64, temperature=1.0)


def with_queries(
    documents: Sequence[str],
    generator: Generator,
    template: str = QUERY,
    *,
    queries: int = 10,
    sampling: Sampling = _DRAWN,
) -> list[str]:
    """Each document followed by queries that it may answer, as `counterpoint.encoders.QueriedEncoder` reads it.

    What is no query (nothing, a refusal) is asked for again, and left out if that fails for good, so that a
    document may have fewer, or none; equal queries of a document are one. Of a document's own lines and blanks each is
    one blank. Source: Li et al. 2022, "Learning Diverse Document Representations with Deep Query Interactions for
    Dense Retrieval", where a T5 that was trained on pairs of queries and passages draws ten
    (docT5query).

    Args:
        documents: Texts.
        generator: What writes.
        template: The prompt, with `{text}`.
        queries: Draws a document.
        sampling: How they are drawn.

    Raises:
        InputError: No queries, a template that names something else, or the generator cannot go on.

    Examples:
        >>> from counterpoint.generating import Rules
        >>> asks = Rules(lambda prompt, draw: "who " + draw.choice(prompt.split()[-2:]))
        >>> with_queries(["a dog barks"], Generator(asks), queries=4)
        ['a dog barks\\twho dog\\twho barks']
    """
    refuse_string(documents, "documents")
    plain = [" ".join(text.split()) for text in documents]
    written = generator.ask([fill(template, text=text) for text in plain], one_line, sampling, samples=queries)
    return [
        marked(text, list(dict.fromkeys(one.value for one in several if one.value)))
        for text, several in zip(plain, written, strict=True)
    ]
