"""HyDE: a query is encoded along with passages that a language model writes as its answers; nothing is trained."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.adapting import unscaled
from counterpoint.errors import InputError
from counterpoint.generating import Generator, Hypothetical
from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Untrained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.hypothetical import (
    HELD_TITLES,
    HELD_TITLES_ON_TABLE,
    answer_near,
    writer,
    writer_of_answers,
    writer_of_anything,
    writer_of_little,
)

PASSAGES = 8


def answered(encoder: nn.Module, generator: Generator, passages: int = PASSAGES) -> nn.Module:
    """Vectors as long as they come, and queries with passages."""
    if not isinstance(encoder, TextEncoder):
        raise InputError("passages are written for texts", fix="give an encoder of texts")
    unscaled(encoder)
    return Hypothetical(encoder, generator, passages=passages)


def hyde() -> Recipe:
    """Gao et al. 2022 and their code: the mean of the query and eight passages."""
    return Recipe("HyDE", (), Takes("nothing"), adapt=partial(answered, generator=writer()))


def query_alone() -> Recipe:
    """No passages."""
    return hyde().varied("query alone", adapt=unscaled)


def other_passages() -> Recipe:
    """Passages that answer nothing."""
    return hyde().varied("HyDE, any passages", adapt=partial(answered, generator=writer_of_anything()))


def knowing_little() -> Recipe:
    """Written by what knows less."""
    return hyde().varied("HyDE, a weaker writer", adapt=partial(answered, generator=writer_of_little()))


def knowing_answers() -> Recipe:
    """Written by what knows the answer."""
    return hyde().varied("HyDE, an oracle", adapt=partial(answered, generator=writer_of_answers()))


_NDCG = found("ndcg@10")
_CEILING = Untrained(knowing_answers)


system(
    "HyDE",
    title="Precise Zero-Shot Dense Retrieval without Relevance Labels",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_hyde.py::test_a_query_is_the_mean_of_itself_and_eight_passages",
    claims=(
        Claim(
            "Passages that are written as answers find more than the query alone, with an encoder that was never shown "
            "what answers what",
            _NDCG,
            "the query alone",
            HELD_TITLES,
            Untrained(query_alone),
            system=Untrained(hyde),
            off=Untrained(other_passages),
            ceiling=_CEILING,
            floors=(),
        ),
        Claim(
            "A writer that knows more finds more",
            _NDCG,
            "a writer that knows an eighth",
            HELD_TITLES,
            Untrained(knowing_little),
            system=Untrained(hyde),
            ceiling=_CEILING,
            floors=(),
        ),
    ),
    signal=Signal(answer_near, off=Untrained(other_passages), system=Untrained(hyde)),
    sample=HELD_TITLES_ON_TABLE,
    setup="Nothing is trained, so that seeds differ by what is asked alone. What writes is no language model, whose "
    "passages would take hours here: it answers a title with how one of five packages is described whose titles share "
    "most words with it, of packages that are not searched, and so stands for a model that has read of such things; "
    "`generating.Hypothetical` takes any. Titles and descriptions stand in for questions and passages, SmolLM2's first "
    "layer, mean-pooled, for Contriever. Passages count by the length of their vectors, as theirs; documents are "
    "compared by the cosine, since the lengths of this start say nothing, where Contriever's inner product is used. "
    "The prompt is one of our own for all. The oracle's passages are half of the answer's words.",
)(hyde)
