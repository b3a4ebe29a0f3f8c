"""HyDE: the mean of the query's vector and those of what is written for it."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.evaluate import similarity_of
from counterpoint.generating import Generator, Hypothetical, Rules, Sampling
from counterpoint.systems import get
from counterpoint.systems.retrieval import hyde
from counterpoint.testbeds import hypothetical
from systems.words import PAIRS, small_table

QUERIES = [e.anchor for e in PAIRS[:3]]


def writes(said):
    def write(prompt, draw):
        said.append(prompt)
        return f"the {draw.choice(['cat', 'dog', 'fox', 'owl'])} sleeps"

    return Generator(Rules(write, name="animals"))


@pytest.fixture
def arms(monkeypatch):
    """The recipe with a writer of ours, and what that was asked."""
    said = []
    generator = writes(said)
    monkeypatch.setattr(hyde, "writer", lambda: generator)
    return said, generator


def test_a_query_is_the_mean_of_itself_and_eight_passages(arms):
    said, generator = arms
    encoder = get("hyde").method().settle(small_table(rows_of(PAIRS)))
    found = encoder.encode(QUERIES, kind="query")
    plain = encoder.encoder
    assert not plain.normalize
    for query, z in zip(QUERIES, found, strict=True):
        (answers,) = generator.ask([p for p in said if query in p][:1], sampling=encoder.sampling, samples=8)
        passages = [plain.encode([one.value], kind="document")[0] for one in answers]
        assert len(passages) == 8
        assert len({one.value for one in answers}) > 1
        wanted = (plain.encode([query], kind="query")[0] + sum(passages)) / 9
        np.testing.assert_allclose(z, wanted, rtol=1e-5, atol=1e-6)


def test_documents_are_what_they_were(arms):
    said, _ = arms
    encoder = get("hyde").method().settle(small_table(rows_of(PAIRS)))
    np.testing.assert_array_equal(encoder.encode(QUERIES), encoder.encoder.encode(QUERIES))
    np.testing.assert_array_equal(
        encoder.encode(QUERIES, kind="document"), encoder.encoder.encode(QUERIES, kind="document")
    )
    assert said == []
    assert similarity_of(encoder) == "cosine"
    assert encoder.encode([], kind="query").shape == (0, 16)


def test_what_cannot_be_written_is_left_out():
    half = Generator(Rules(lambda prompt, draw: "" if "dog" in prompt else "the cat sleeps", name="half"))
    encoder = Hypothetical(small_table(rows_of(PAIRS)), half, passages=2)
    z, own = (one.encode(QUERIES, kind="query") for one in (encoder, encoder.encoder))
    np.testing.assert_allclose(z[1], own[1], rtol=1e-6)
    assert np.abs(z[0] - own[0]).max() > 1e-3
    with pytest.raises(InputError, match="0 passages"):
        Hypothetical(encoder.encoder, half, passages=0)


def test_the_paper_draws_at_seven_tenths_until_three_line_breaks(arms):
    sampling = get("hyde").method().settle(small_table(rows_of(PAIRS))).sampling
    assert sampling == Sampling(max_tokens=512, temperature=0.7, top_p=1.0, stop=("\n\n\n",))


def test_only_texts_have_passages():
    with pytest.raises(InputError, match="for texts"):
        hyde.answered(nn.Linear(2, 2), writes([]))


def test_arms_are_written_by_others_and_the_query_alone_by_none():
    kinds = [hyde.query_alone, hyde.hyde, hyde.other_passages, hyde.knowing_little, hyde.knowing_answers]
    encoders = [make().settle(small_table(rows_of(PAIRS))) for make in kinds]
    assert [getattr(e, "generator", None) for e in encoders] == [
        None,
        hypothetical.writer(),
        hypothetical.writer_of_anything(),
        hypothetical.writer_of_little(),
        hypothetical.writer_of_answers(),
    ]
    assert len({e.generator.model.identity for e in encoders[1:]}) == 4
    assert not encoders[0].normalize


def test_the_writer_knows_no_description_that_is_searched():
    train, test = hypothetical.held_titles(0)
    asked = test.queries.texts[:3]
    prompts = [f"Question: {text}\nPassage:" for text in asked]
    known, searched = ({" ".join(text.split()) for text in side.texts} for side in (train.others, test.corpus))
    drawn = Sampling(temperature=1.0, max_tokens=10_000)
    for answers in hypothetical.writer_of_little().ask(prompts, sampling=drawn, samples=4):
        said = {" ".join(one.value.split()) for one in answers}
        assert said <= known - searched
    for text, (one,) in zip(asked, hypothetical.writer_of_answers().ask(prompts, sampling=drawn), strict=True):
        place = next(q for q, query in enumerate(test.queries.texts) if query == text)
        words = test.corpus.texts[next(iter(test.answers.relevant[place]))].split()
        assert set(one.value.split()) <= set(words)
        assert len(one.value.split()) == (len(words) + 1) // 2
    other = hypothetical.held_titles(1)[1]
    assert set(other.queries.texts) != set(test.queries.texts)
    assert sorted(other.corpus.texts) == sorted(test.corpus.texts)
