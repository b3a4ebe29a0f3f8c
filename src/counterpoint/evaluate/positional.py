"""Does an encoder see the beginning of a document better than the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.cutting import count_cut
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.encoder import Encodes, encoded_in_full, similarity_of
from counterpoint.evaluate.figures import Figure, Result
from counterpoint.evaluate.frozen import similarity
from counterpoint.evaluate.ranking import Judged, reciprocal_rank
from counterpoint.search.exact import TIED, exact_search

PLACES = 10
"""Segments of a document, and places where a passage is put, as in the paper."""


@dataclass(frozen=True)
class Answered:
    """A query, and the passage of a document that answers it.

    Attributes:
        query: What is asked.
        passage: It is in the document, word for word, once at least.
        document: Which of the documents, from 0.
    """

    query: str
    passage: str
    document: int


def segments(document: str, count: int = PLACES) -> list[str]:
    """A document cut into so many parts of as many words each, but for one; none where it has fewer words.

    Examples:
        >>> segments("one two three four five", 2)
        ['one two', 'three four five']
        >>> segments("one", 2)
        []
    """
    words = document.split()
    ends = [len(words) * i // count for i in range(count + 1)]
    return [" ".join(words[a:b]) for a, b in pairwise(ends)] if len(words) >= count else []


def moved(document: str, passage: str, count: int = PLACES) -> list[str]:
    """The document with its passage taken out, and put back at so many places, evenly from the first word to the last.

    The i-th is after `(i - 1) (l_d - l_p) / (count - 1)` words, with `l_d` and `l_p` the words of both.

    Raises:
        InputError: The passage is not in the document; fewer than two places.

    Examples:
        >>> moved("It flies. It sings. It sleeps.", "It sings.", 3)
        ['It sings. It flies. It sleeps.', 'It flies. It sings. It sleeps.', 'It flies. It sleeps. It sings.']
    """
    words, part = document.split(), passage.split()
    at = next((i for i in range(len(words)) if part and words[i : i + len(part)] == part), None)
    if at is None or count < 2:
        raise InputError(
            f"{passage[:40]!r} is not in its document, or cannot be put at {count} places",
            fix="give a part of the document, word for word, and two places or more",
        )
    rest = words[:at] + words[at + len(part) :]
    starts = [round(i * len(rest) / (count - 1)) for i in range(count)]
    return [" ".join(rest[:start] + part + rest[start:]) for start in starts]


def positional_bias(
    encoder: Encodes,
    documents: Sequence[str],
    answered: Sequence[Answered] = (),
    *,
    places: int = PLACES,
    k: int = 100,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """How near segments of documents are to the whole, and how well documents are found by where the answer stands.

    | figure | what it is |
    |---|---|
    | `cosine of segment i` | of the i-th of `places` equal segments of a document with the document |
    | `first segment nearer` | how often the first is nearer than another one: a half where places do not count |
    | `mrr@k` | of queries among all documents, these as they are |
    | `mrr@k, passage at i` | the same, the query's own document with its passage at the i-th of `places` places |
    | `first place better` | how often that document scores higher with the passage first than elsewhere |

    The last two shares compare each document with itself, so that they do not depend on how good the encoder is or how
    near all its vectors are to each other. Other documents of the same query do not count in its ranks. Source: Coelho
    et al. 2024, "Dwell in the Beginning: How Language Models Embed Long Documents for Dense Retrieval"; the
    shares are ours. What is beyond the encoder's length it cannot see, which a note says.

    Args:
        encoder: Any encoder of texts.
        documents: Those of fewer words than `places` have no segments.
        answered: Queries with their passages; without any only segments are compared.
        places: 2 or more.
        k: Of the mean reciprocal rank.
        source: What was measured, for the record.
        samples: Bootstrap resamples for the intervals, 0 for none.
        seed: Of the bootstrap.

    Raises:
        InputError: No document of so many words, fewer than two places, a passage that is not in its document, or a
            document that there is not.

    Examples:
        >>> class First:  # sees the first letter alone
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text[0] == letter for letter in "abc"] for text in texts], dtype=np.float32)
        >>> result = positional_bias(First(), ["a b", "b c", "c a"], [Answered("b", "b", 0)], places=2, samples=0)
        >>> {name: round(found.value, 2) for name, found in result.items() if name.startswith(("mrr", "first"))}
        {'first segment nearer': 1.0, 'mrr@100': 0.42, 'mrr@100, passage at 1': 0.75, 'mrr@100, passage at 2': 0.42, \
'first place better': 1.0}
    """
    refuse_string(documents, "documents")
    if wrong := [each for each in answered if not 0 <= each.document < len(documents)]:
        raise InputError(f"there is no document {wrong[0].document} of {len(documents):,}", fix="number them from 0")
    parts = [segments(document, places) for document in documents]
    whole = [i for i, part in enumerate(parts) if part]
    if places < 2 or not whole:
        raise InputError(
            f"no document has {places} words or more to be cut into as many segments, of two at least",
            fix="give longer documents, or fewer places",
        )
    z_md = encoded_in_full(encoder, documents, kind="document")
    found = dict[str, Figure]()

    def keep(name: str, values_n: Float[np.ndarray, " n"]) -> None:
        found[name] = figure(name, values_n, samples=samples, seed=seed)

    flat = encoded_in_full(encoder, [text for i in whole for text in parts[i]], kind="document")
    near_np = similarity(flat, np.repeat(z_md[whole], places, 0)).reshape(-1, places)
    for i in range(places):
        keep(f"cosine of segment {i + 1}", near_np[:, i])
    keep("first segment nearer", _above(near_np))
    if answered:
        name, metric = f"mrr@{k}", similarity_of(encoder)
        q_nd = encoded_in_full(encoder, [each.query for each in answered], kind="query")
        changed = [text for each in answered for text in moved(documents[each.document], each.passage, places)]
        own = encoded_in_full(encoder, changed, kind="document")
        score_np = similarity(np.repeat(q_nd, places, 0), own, metric).reshape(-1, places)
        as_it_is_n = similarity(q_nd, z_md[[each.document for each in answered]], metric)
        other_nm = _others(q_nd, z_md, answered, metric)
        keep(name, _reciprocal(as_it_is_n, other_nm, k))
        for i in range(places):
            keep(f"{name}, passage at {i + 1}", _reciprocal(score_np[:, i], other_nm, k))
        keep("first place better", _above(score_np))
    notes = [f"{len(documents) - len(whole):,} documents of fewer than {places} words have no segments"]
    if isinstance(encoder, TextEncoder) and (cut := count_cut(encoder, documents, "document").sentence()):
        notes.append(cut)
    return Result("positional bias", source, found, tuple(notes if len(whole) < len(documents) else notes[1:]))


def _above(score_np: Float[np.ndarray, "n p"]) -> Float[np.ndarray, " n"]:
    """How often the first of a row is above another; scores that are equal but for rounding count half."""
    gap_np = score_np[:, :1] - score_np[:, 1:]
    within = TIED * np.abs(score_np).max(1, keepdims=True)
    return np.asarray(((gap_np > within) + 0.5 * (np.abs(gap_np) <= within)).mean(1))


def _others(q_nd: np.ndarray, z_md: np.ndarray, answered: Sequence[Answered], metric: str) -> Float[np.ndarray, "n m"]:
    """Scores of each query with all documents, those that answer it left out: -inf."""
    ids_nm, score_nm = exact_search(q_nd, z_md, len(z_md), metric=metric)  # type: ignore[arg-type]
    other_nm = np.empty(score_nm.shape)
    np.put_along_axis(other_nm, ids_nm, score_nm, 1)
    answers = dict[str, list[int]]()
    for each in answered:
        answers.setdefault(each.query, []).append(each.document)
    for row, each in zip(other_nm, answered, strict=True):
        row[answers[each.query]] = -np.inf
    return other_nm


def _reciprocal(own_n: np.ndarray, other_nm: np.ndarray, k: int) -> Float[np.ndarray, " n"]:
    gap_nm = other_nm - own_n[:, None]
    within_n1 = TIED * np.maximum(np.abs(own_n), 1e-6)[:, None]
    above_n, tied_n = (gap_nm > within_n1).sum(1), (np.abs(gap_nm) <= within_n1).sum(1) + 1
    places = [[(int(above), int(tied), 1.0)] for above, tied in zip(above_n, tied_n, strict=True)]
    return reciprocal_rank(Judged.of([str(i) for i in range(len(own_n))], places, 0), k)
