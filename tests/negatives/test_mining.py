"""Mining against a naive search, its rules against their formulas, its files read back, its kill."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Example, debian, normalise, read
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.negatives import by_encoder, by_vectors, lexical, mine, mine_to, mining, rules, to_file
from counterpoint.negatives.rules import Candidates
from counterpoint.search import BM25


def rows(rng, n, m, most=3):
    """Rows with one to three positives each among m documents, some of which read alike, and two anchors alike."""
    texts = [f"document {i}" for i in range(m - 2)] + ["Document  0", "anchor 1"]
    examples = [
        Example(f"anchor {i}", tuple(texts[j] for j in rng.choice(m, rng.integers(1, most + 1), replace=False)))
        for i in range(n)
    ]
    examples.append(Example("ANCHOR 0", (texts[int(rng.integers(m))],)))
    data = rows_of([*examples, Example("all", tuple(texts))])
    return data[torch.arange(len(examples))]


def naive(data, z_anchors, z_documents, n, keep):
    """What each row gets, one comparison at a time."""
    anchors, others = data.anchors.texts, data.others.texts
    read_alike = {}
    for a, own in zip(data.anchor.tolist(), data.positives.tolist(), strict=True):
        read_alike.setdefault(normalise(anchors[a]), set()).update(normalise(others[i]) for i in own if i >= 0)
    found = []
    for a, own in zip(data.anchor.tolist(), data.positives.tolist(), strict=True):
        scores = [float(torch.cosine_similarity(z_anchors[a], z, dim=0)) for z in z_documents]
        taken, chosen = read_alike[normalise(anchors[a])] | {normalise(anchors[a])}, []
        for place, i in enumerate(sorted(range(len(others)), key=lambda i: -scores[i]), start=1):
            text = normalise(others[i])
            if text not in taken and keep(place, scores[i], scores[own[0]]):
                chosen.append(i)
            taken = taken | {text}
        found.append(chosen[:n] + [-1] * (n - len(chosen[:n])))
    return found


RULES = {
    "all": ((), lambda place, s, p: True),
    "places": ((rules.places(3, 6),), lambda place, s, p: 3 <= place <= 6),
    "margin": ((rules.margin(0.1),), lambda place, s, p: s <= p - 0.1),
    "share": ((rules.share(0.9),), lambda place, s, p: s <= p - 0.1 * abs(p)),
    "below": ((rules.below(0.2),), lambda place, s, p: s < 0.2),
    "two": ((rules.below(0.4), rules.margin(0.05)), lambda place, s, p: s < 0.4 and s <= p - 0.05),
}


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_mined_are_those_of_a_naive_search(name, seed, n):
    keep, kept = RULES[name]
    rng = np.random.default_rng(seed)
    data = rows(rng, 6, 9)
    z = [rng.normal(size=(len(items), 4)).astype(np.float32) for items in (data.anchors, data.others)]
    mined = mine(data, [by_vectors(*z)], n, depth=20, keep=keep)
    assert mined.negatives.tolist() == naive(data, *map(torch.from_numpy, z), n, kept)
    assert torch.equal(mined.positives, data.positives)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    data = rows(rng, 40, 60)
    z = [rng.normal(size=(len(items), 4)).astype(np.float32) for items in (data.anchors, data.others)]
    whole = mine(data, [by_vectors(*z)], 3, depth=20).negatives
    monkeypatch.setattr(mining, "BLOCK", 7)
    assert torch.equal(mine(data, [by_vectors(*z)], 3, depth=20).negatives, whole)


def test_a_second_ranker_gives_what_the_first_has_not():
    pairs = debian().train.examples[:200]
    data = rows_of(pairs)
    encoder = StaticEncoder.from_corpus([text for e in pairs for text in e.texts], dim=64)
    lexically = mine(data, [lexical(data.others.texts)], 2)
    both = mine(data, [lexical(data.others.texts), by_encoder(encoder, data)], 2)
    assert torch.equal(both.negatives[:, :2], lexically.negatives)
    for row, own in zip(both.negatives.tolist(), both.positives.tolist(), strict=True):
        there = [i for i in row if i >= 0]
        assert len(there) == len(set(there))
        assert not set(there) & set(own)
    assert torch.equal(mine(lexically, [by_encoder(encoder, data)], 2).negatives, both.negatives)


def test_bm25_compares_with_the_score_of_the_positive():
    examples = [Example("red cat", ("a red cat",)), Example("blue", ("nothing alike",)), Example("x", ("red blue",))]
    data = rows_of(examples)
    ranked = lexical(data.others.texts, language="none")(data, np.arange(3), 3)
    bm25 = BM25([*data.others.texts], language="none")
    (scores,) = [block.scores_bm for block in bm25.score_rows([e.anchor for e in examples])]
    assert ranked.positive_b.tolist() == [scores[0, 0], 0.0, 0.0]
    assert ranked.ids_bk[1].tolist() == [2, -1, -1]


def test_draws_follow_their_weights_and_the_seed():
    n = 3000
    # four documents beside the positive, at known cosines with every query
    angles = np.array([0.0, 0.3, 0.6, 0.9, 1.2])
    documents = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    examples = [Example(f"q{i}", ("d0",), tuple(f"d{j}" for j in range(1, 5))) for i in range(n)]
    data = rows_of(examples)
    data = type(data)(data.anchors, data.anchor, data.others, data.positives)
    queries = np.tile(np.array([[1.0, 0.0]], np.float32), (n, 1))
    for draw, weights in (
        (rules.uniform, np.ones(4)),
        (rules.near_positive(3.0, -0.2), np.exp(-3.0 * (np.cos(angles[1:]) - 1 + 0.2) ** 2)),
    ):
        mined = mine(data, [by_vectors(queries, documents)], 1, depth=5, draw=draw, seed=1)
        share = np.bincount(mined.negatives[:, 0].numpy(), minlength=5)[1:] / n
        assert np.abs(share - weights / weights.sum()).max() < 4 * 0.5 / np.sqrt(n)
        again = mine(data, [by_vectors(queries, documents)], 1, depth=5, draw=draw, seed=1)
        other = mine(data, [by_vectors(queries, documents)], 1, depth=5, draw=draw, seed=2)
        assert torch.equal(again.negatives, mined.negatives)
        assert not torch.equal(other.negatives, mined.negatives)


def test_a_judge_reads_only_what_may_be_taken():
    data = rows_of([Example("a", ("b",), ("c", "d", "e"))])
    seen = []

    def score(queries, documents):
        seen.extend(zip(queries, documents, strict=True))
        return np.array([{"c": 0.9, "e": 0.05}[d] for d in documents])

    ids = np.array([[1, 2, 3]])
    found = Candidates(data, np.array([0]), ids, None, None, np.array([[True, False, True]]))
    assert rules.judged(score, 0.1)(found).tolist() == [[False, False, True]]
    assert seen == [("a", "c"), ("a", "e")]


def test_refusals():
    data = rows_of([Example("a", ("b",)), Example("c", ("d",))])
    ranker = lexical(data.others.texts, language="none")
    for numbers in ({"n": 0}, {"depth": 0}):
        with pytest.raises(InputError, match="negatives among the first"):
            mine(data, [ranker], **{"n": 1, "depth": 1} | numbers)
    with pytest.raises(InputError, match="hard negatives are of pairs"):
        mine(rows_of([Example("a"), Example("b")]), [ranker])
    with pytest.raises(InputError, match="not one an anchor and one a document"):
        mine(data, [by_vectors(np.eye(2, dtype=np.float32), np.eye(3, dtype=np.float32)[:, :2])])
    for first, last in ((0, 3), (4, 3)):
        with pytest.raises(InputError, match="count from 1"):
            rules.places(first, last)
    for rule in (rules.margin, rules.share, rules.below):
        with pytest.raises(InputError, match="a bound of nan"):
            rule(float("nan"))
    with pytest.raises(InputError, match="a is 0"):
        rules.near_positive(0.0)


@pytest.fixture
def some():
    pairs = [Example(e.anchor, e.positives) for e in debian().train.examples[:120]]
    return rows_of([*pairs, Example("qqq zzz", ("www",)), Example(pairs[0].anchor, ("another answer", "and one more"))])


@pytest.mark.parametrize("layout", ["tuples", "lists"])
def test_files_are_read_back(tmp_path, some, layout):
    mined = mine_to(tmp_path / "a.jsonl", some, {"BM25": None}, 2, layout=layout)
    expected = mine(some, [lexical(list(some.others.texts))], 2)
    texts = some.others.texts
    rows = [
        (
            some.anchors.texts[a],
            [texts[i] for i in own if i >= 0],
            [texts[i] for i in negatives if i >= 0],
        )
        for a, own, negatives in zip(
            some.anchor.tolist(), some.positives.tolist(), expected.negatives.tolist(), strict=True
        )
    ]
    if layout == "tuples":
        wanted = [(a, (p,), tuple(n)) for a, ps, n in rows if len(n) == 2 for p in ps]
        left_out = [a for a, _, n in rows if len(n) < 2]
    else:
        wanted = [(a, tuple(ps), tuple(n)) for a, ps, n in rows if n]
        left_out = [a for a, _, n in rows if not n]
    back = read(mined.output)
    assert back.schema == "tuples"
    assert [(e.anchor, e.positives, e.negatives) for e in back.examples] == wanted
    assert "qqq zzz" in left_out
    assert mined.short == len(left_out)
    assert mined.rows == len(wanted)
    suspects = [json.loads(line) for line in mined.suspected.read_text().splitlines()]
    assert len(suspects) == mined.suspects["BM25"] > 0
    assert all(s["score"] >= s["positive_score"] for s in suspects)
    gaps = [s["positive_score"] - s["score"] for s in suspects]
    assert gaps == sorted(gaps)
    assert not (tmp_path / "a.jsonl.mining").exists()


def test_other_trainers_columns(tmp_path, some):
    """sentence-transformers takes columns in order: anchor, positive, negatives; FlagEmbedding: query, pos, neg."""
    for layout, keys in (
        ("tuples", ["anchor", "positive", "negative_1", "negative_2"]),
        ("lists", ["query", "pos", "neg"]),
    ):
        mined = mine_to(tmp_path / f"{layout}.jsonl", some, {"BM25": None}, 2, layout=layout)
        lines = [json.loads(line) for line in mined.output.read_text().splitlines()]
        assert all(list(line) == keys for line in lines)
        kinds = {type(value) for line in lines for value in line.values()}
        assert kinds == ({str} if layout == "tuples" else {str, list})


@pytest.mark.parametrize("layout", ["tuples", "lists"])
def test_rows_keep_their_prompts_and_are_mined_with_them(tmp_path, layout):
    """Of two questions of the same words the prompt says what is looked for."""
    fruits, cars = [f"fruit {n} apple" for n in range(4)], [f"car {n} wheel" for n in range(4)]
    examples = [Example("number", (text,), prompt=f"{text.split()[0]} ") for text in (fruits[0], cars[0])]
    examples += [Example(text, (text + " red",)) for text in (*fruits[1:], *cars[1:])]
    data = rows_of(examples)
    encoder = StaticEncoder.from_corpus([*fruits, *cars, "number red"] * 3, dim=32)
    mined = mine_to(tmp_path / "a.jsonl", data, {"model": encoder}, 2, layout=layout)
    wanted = mine(data, [by_encoder(encoder, data)], 2)
    texts = data.others.texts
    back = read(mined.output).examples
    assert [(e.anchor, e.prompt) for e in back] == [(e.anchor, e.prompt) for e in examples]
    assert [e.negatives for e in back] == [tuple(texts[i] for i in own) for own in wanted.negatives.tolist()]
    assert back[0].negatives != back[1].negatives


def test_the_same_call_goes_on_and_another_does_not(tmp_path, some, monkeypatch):
    monkeypatch.setattr(mining, "BLOCK", 25)
    encoder = StaticEncoder.from_corpus(list(some.others.texts), dim=16)
    by = {"BM25": None, "model": encoder}
    mine_to(tmp_path / "whole.jsonl", some, by, 2)
    miner_call, calls = to_file.Miner.__call__, []

    def stopping(self, rows_b, seed):
        calls.append(int(rows_b[0]))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return miner_call(self, rows_b, seed)

    monkeypatch.setattr(to_file.Miner, "__call__", stopping)
    with pytest.raises(KeyboardInterrupt):
        mine_to(tmp_path / "a.jsonl", some, by, 2)
    assert not (tmp_path / "a.jsonl").exists()
    calls.clear()
    monkeypatch.setattr(to_file.Miner, "__call__", lambda *given: (calls.append(0), miner_call(*given))[1])
    mine_to(tmp_path / "a.jsonl", some, by, 2)
    assert len(calls) == 10 - 7
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    # what others left is not gone on with: another number, another model, other rows
    for changed in ({"n": 1}, {"by": {"BM25": None, "model": StaticEncoder.from_corpus(["a"], dim=16)}}, {"seed": 5}):
        calls.clear()
        monkeypatch.setattr(to_file.Miner, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            mine_to(tmp_path / "b.jsonl", some, by, 2)
        calls.clear()
        monkeypatch.setattr(to_file.Miner, "__call__", lambda *given: (calls.append(0), miner_call(*given))[1])
        given_now = {"data": some, "by": by, "n": 2, **changed}
        mine_to(tmp_path / "b.jsonl", **given_now)
        assert len(calls) == 10


def test_nothing_found_leaves_an_older_file_as_it_is(tmp_path, some):
    (tmp_path / "a.jsonl").write_text("older\n")
    with pytest.raises(InputError, match="no negative was found"):
        mine_to(tmp_path / "a.jsonl", some, {"BM25": None}, keep=[rules.below(-1.0)])
    with pytest.raises(InputError, match="no row has all of its 400 negatives"):
        mine_to(tmp_path / "a.jsonl", some, {"BM25": None}, 400)
    assert (tmp_path / "a.jsonl").read_text() == "older\n"
    with pytest.raises(InputError, match="layout 'x', found by 1"):
        mine_to(tmp_path / "a.jsonl", some, {"BM25": None}, layout="x")


def on_a_circle(n):
    """Rows with one positive of five documents at known angles from every query."""
    angles = np.array([0.3, 0.0, 0.6, 0.9, 1.2])
    documents = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    data = rows_of([Example(f"q{i}", ("d0",), tuple(f"d{j}" for j in range(1, 5))) for i in range(n)])
    data = type(data)(data.anchors, data.anchor, data.others, data.positives)
    return data, by_vectors(np.tile(np.array([[1.0, 0.0]], np.float32), (n, 1)), documents)


def test_suspects_score_no_less_than_the_positive():
    data, ranker = on_a_circle(2)
    found = mining.Miner(data, ranker, 1, depth=5)(np.arange(2), 0)
    assert found.above_b.tolist() == [1, 1]
    assert found.above_score_b == pytest.approx([1.0, 1.0])
    assert found.positive_b == pytest.approx([np.cos(0.3)] * 2)
    # it is one also where rules leave it out; what scores less is none
    assert mining.Miner(data, ranker, 1, depth=5, keep=[rules.places(3, 5)])(np.arange(2), 0).above_b.tolist() == [1, 1]
    known = type(data)(data.anchors, data.anchor, data.others, data.positives, torch.full((2, 1), 1))
    found = mining.Miner(known, ranker, 1, depth=5)(np.arange(2), 0)
    assert found.above_b.tolist() == [-1, -1]
    assert np.isnan(found.above_score_b).all()


def test_each_block_has_draws_of_its_own(monkeypatch):
    monkeypatch.setattr(mining, "BLOCK", 50)
    data, ranker = on_a_circle(100)
    drawn = mine(data, [ranker], 1, depth=5, draw=rules.uniform).negatives
    assert not torch.equal(drawn[:50], drawn[50:])


def test_a_judge_is_asked_of_what_rules_before_it_keep():
    data, ranker = on_a_circle(1)
    seen = []

    def score(queries, documents):
        seen.extend(documents)
        return np.zeros(len(documents))

    mine(data, [ranker], 1, depth=5, keep=[rules.places(3, 4), rules.judged(score, 0.5)])
    assert seen == ["d2", "d3"]


def test_the_inner_product_where_an_encoder_compares_by_it():
    rng = np.random.default_rng(0)
    data = rows(rng, 12, 20)
    z = [rng.normal(size=(len(items), 4)).astype(np.float32) * 3 for items in (data.anchors, data.others)]
    scores = z[0][data.anchor.numpy()] @ z[1].T
    found = by_vectors(*z, metric="dot")(data, np.arange(len(data)), 20)
    assert found.ids_bk.tolist() == np.argsort(-scores, axis=1)[:, :20].tolist()
    own = data.positives[:, 0].numpy()
    np.testing.assert_allclose(found.positive_b, scores[np.arange(len(data)), own], rtol=1e-5)

    class Dotted:
        similarity = "dot"

        def encode_items(self, items, *, kind):
            return z[kind == "document"]

    by_dot, by_cosine = (by_encoder(encoder, data)(data, np.arange(3), 5) for encoder in (Dotted(), _cosine(Dotted)()))
    assert by_dot.ids_bk.tolist() == found.ids_bk[:3, :5].tolist()
    assert by_cosine.ids_bk.tolist() != by_dot.ids_bk.tolist()


def _cosine(dotted):
    return type("Cosine", (dotted,), {"similarity": "cosine"})


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_what_answers_a_query_as_near_is_left_out(seed):
    rng = np.random.default_rng(seed)
    data = rows(rng, 8, 12)
    z = rng.normal(size=(len(data.anchors), 3)).astype(np.float32)
    ids = np.stack([rng.permutation(len(data.others)) for _ in range(len(data))])
    kept = rules.other_owners(z, 0.5)(Candidates(data, np.arange(len(data)), ids, None, None, None))
    for b, (anchor, found) in enumerate(zip(data.anchor.tolist(), ids.tolist(), strict=True)):
        for k, i in enumerate(found):
            owners = [a for a, own in zip(data.anchor.tolist(), data.positives.tolist(), strict=True) if i in own]
            near = [float(torch.cosine_similarity(*map(torch.from_numpy, (z[a], z[anchor])), dim=0)) for a in owners]
            assert kept[b, k] == all(s < 0.5 for s in near)


def test_what_holds_an_answer_is_left_out():
    texts = ("Ada Lovelace wrote it", "it was ada\nLOVELACE, they say", "Adam", "Lovelace Ada", "Adalovelace")
    data = rows_of([Example("who wrote it?", ("Ada",), texts), Example("and this?", ("nobody",))])
    ids = np.array([[1, 2, 3, 4, 5]] * 2)
    found = Candidates(data, np.array([0, 1]), ids, None, None, None)
    kept = rules.without_answers([["Ada Lovelace", "Adam"], []])(found)
    assert kept.tolist() == [[False, False, False, True, True], [True] * 5]
