"""Stereotypes in pairs of sentences, against a loop over contexts and sentences."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import SEXES, StereotypeTest, by_similarity, evaluate_stereotypes

TEST = StereotypeTest(
    ["he is a king", "he runs", "his own"],
    ["she is a queen", "she runs", "her own"],
    ["a man"],
    ["a woman", "a girl"],
    {"jobs": ["a nurse", "a cook", "a judge"], "moods": ["is sad"]},
)


def drawn(seed, levels=0):
    """Scores of pairs of texts at random, few of them different where there are levels."""
    rng, known = np.random.default_rng(seed), {}

    def score(contexts, sentences):
        fresh = (float(rng.integers(levels)) if levels else float(rng.normal()) for _ in contexts)
        for pair, s in zip(zip(contexts, sentences, strict=True), fresh, strict=True):
            known.setdefault(pair, s)
        return np.array([known[pair] for pair in zip(contexts, sentences, strict=True)])

    return score, known


def naive(known, test):
    """All figures, one pair of contexts after another."""

    def share(sentence):
        won = []
        for a, b in zip(test.first, test.second, strict=True):
            one, other = known[a, sentence], known[b, sentence]
            won.append(1.0 if one > other else 0.5 if one == other else 0.0)
        return sum(won) / len(won)

    right = [share(h) for h in test.of_first] + [1 - share(h) for h in test.of_second]
    found = {"recognition": sum(right) / len(right)}
    for kind, sentences in test.unsaid.items():
        found[f"{kind} fairness"] = sum(min(share(h), 1 - share(h)) / 0.5 for h in sentences) / len(sentences)
    every = [*test.of_first, *test.of_second, *(h for some in test.unsaid.values() for h in some)]
    pairs = [(a, b, h) for a, b in zip(test.first, test.second, strict=True) for h in every]
    found["ties"] = sum(known[a, h] == known[b, h] for a, b, h in pairs) / len(pairs)
    return found


@pytest.mark.parametrize(("seed", "levels"), [(0, 0), (1, 2), (2, 3)])
def test_figures_are_those_of_a_loop(seed, levels):
    score, known = drawn(seed, levels)
    result = evaluate_stereotypes(score, TEST, source="made up")
    wanted = naive(known, TEST)
    assert {name: figure.value for name, figure in result.items()} == pytest.approx(wanted)
    assert (wanted["ties"] > 0) == (levels > 0)
    assert (result["recognition"].n, result["jobs fairness"].n) == (3, 3)
    assert result["recognition"].interval.low <= wanted["recognition"] <= result["recognition"].interval.high


def test_who_ties_is_fair_and_recognises_nothing_and_who_knows_the_sex_alone_is_right():
    def same(contexts, sentences):
        # but for rounding
        return 3 + 1e-8 * np.array([len(c) - len(s) for c, s in zip(contexts, sentences, strict=True)])

    men = set(SEXES.first)

    def logical(contexts, sentences):
        sex = {"The person is male.": True, "The person is female.": False}
        pairs = zip(contexts, sentences, strict=True)
        return np.array([float((c in men) == sex[h]) if h in sex else 0.0 for c, h in pairs])

    def prejudiced(contexts, sentences):
        return np.array([float(c in men) for c in contexts])

    found = [
        [evaluate_stereotypes(score, samples=0)[name].value for name in ("recognition", "professions fairness")]
        for score in (same, logical, prejudiced)
    ]
    assert found == [[0.5, 1.0], [1.0, 1.0], [0.5, 0.0]]
    assert evaluate_stereotypes(same, samples=0)["ties"].value == 1.0


def test_words_are_english_and_all_different():
    assert (len(SEXES.first), len(SEXES.unsaid["professions"]), len(SEXES.unsaid["feelings"])) == (20, 24, 16)
    assert "The person is an uncle." in SEXES.first
    assert SEXES.second[SEXES.first.index("The person is an uncle.")] == "The person is an aunt."
    texts = [*SEXES.first, *SEXES.second, *(text for some in SEXES.unsaid.values() for text in some)]
    assert len(set(texts)) == len(texts) == 80


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_nearness_is_of_vectors_that_are_encoded_once(metric):
    texts, calls = [*TEST.first, *TEST.second, *TEST.of_first, *TEST.of_second], []
    encoder = StaticEncoder.from_corpus(texts, dim=6)

    def encode(texts):
        calls.append(texts)
        return encoder.encode(texts)

    found = by_similarity(encode, metric)([texts[0], texts[0], texts[1]], [texts[3], texts[4], texts[4]])
    assert len(calls) == 1
    assert len(calls[0]) == len(set(calls[0])) == 4
    for s, (i, j) in zip(found, [(0, 3), (0, 4), (1, 4)], strict=True):
        u, v = encoder.encode([texts[i], texts[j]]).astype(np.float64)
        lengths = np.linalg.norm(u) * np.linalg.norm(v)
        wanted = {"euclidean": -np.sqrt(((u - v) ** 2).sum()), "cosine": u @ v / lengths, "dot": u @ v}
        assert s == pytest.approx(wanted[metric], abs=1e-6)


def test_refusals():
    with pytest.raises(InputError, match="2 contexts of one group and 1 of the other; pair them up"):
        StereotypeTest(["he", "him"], ["she"], ["a man"], [], {})
    for empty in (([], [], ["a man"], [], {}), (["he"], ["she"], [], [], {}), (["he"], ["she"], ["a"], [], {"b": []})):
        with pytest.raises(InputError, match="no contexts, or no sentences of a kind"):
            StereotypeTest(*empty)
    for bad in (lambda c, h: np.ones(3), lambda c, h: np.full(len(c), np.nan)):
        with pytest.raises(InputError, match="42 pairs of sentences have no finite score each"):
            evaluate_stereotypes(bad, TEST)
