"""Collections: what counts as equal, what is known, what is left out."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.data import Example, Retrieval, retrieval_from_pairs
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.tasks import Collection, Find, halves, links, pairs, sentences, task_for, views
from counterpoint.tasks.find import LINKS

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[2] / "../shared/data"))
TEXTS = st.sampled_from(["red car", "Red  car", "blue boat", "a lamp", "A LAMP", "door"])


def answers(collection):
    """Query -> the texts that answer it."""
    texts = collection.corpus.texts
    return {collection.queries.texts[q]: {texts[d] for d in gains} for q, gains in collection.answers.relevant.items()}


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=6),
    others=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4),
)
def test_pairs_of_texts_are_the_collection_of_their_retrieval_test(rows, others):
    test = [Example(anchor, tuple(positives)) for anchor, positives in rows]
    train = [Example(anchor, (positive,), (negative,)) for anchor, positive, negative in others]
    more = [text for e in train for text in (*e.positives, *e.negatives)]
    expected = Collection.of(retrieval_from_pairs(test, more))
    found = pairs(rows_of(test), rows_of(train))
    assert list(found.corpus.texts) == list(expected.corpus.texts)
    assert list(found.queries.texts) == list(expected.queries.texts)
    assert list(found.answers.queries) == list(expected.answers.queries)
    assert found.answers.relevant == expected.answers.relevant


def test_a_part_of_the_rows_has_only_its_own_documents():
    data = rows_of([Example("a", ("x",), ("n",)), Example("b", ("y",)), Example("c", ("z",))])
    held, train = data[torch.tensor([1])], data[torch.tensor([0])]
    assert sorted(pairs(held, train).corpus.texts) == ["n", "x", "y"]
    assert answers(pairs(held)) == {"b": {"y"}}


def test_equal_pictures_are_one_and_names_are_kept():
    pixels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    pixels[2:] = 9
    pictures = Items("image", pixels, ["a", "b", "c", "d"])
    captions = Items("text", ["dark", "Dark", "light"])
    data = Data(pictures, torch.tensor([0, 1, 2, 3]), captions, torch.tensor([[0], [1], [2], [2]]))
    collection = pairs(data)
    assert collection.queries.names == ["a", "c"]
    assert collection.answers.queries == ["a", "c"]
    texts = collection.corpus.texts
    assert sorted(texts) == ["dark", "light"]
    assert collection.answers.relevant == {0: {texts.index("dark"): 1.0}, 1: {texts.index("light"): 1.0}}
    other = collection.swapped()
    assert other.queries.modality, other.corpus.modality == ("text", "image")
    assert other.answers.relevant == {texts.index("dark"): {0: 1.0}, texts.index("light"): {1: 1.0}}


def test_pairs_need_partners():
    with pytest.raises(InputError, match="rows of items, where pairs are needed"):
        links(Data.alone(Items("entity", torch.arange(3))))


def test_halves_of_texts():
    data = Data.alone(Items("text", ["one two three four five", "too few words", "東京都は日本の首都です"]))
    half = halves(data)
    assert half.anchors.texts == ["one three five", "東京日本都で"]
    assert half.others.texts == ["two four", "都はの首す"]
    assert answers(pairs(half))["one three five"] == {"two four"}


def test_a_sentence_of_a_long_text_is_to_find_the_rest_among_all_texts():
    texts = [f"The {w} is here. It was in room {i}. No {w} is like it." for i, w in enumerate(("car", "boat", "cat"))]
    part = Data.alone(Items("text", [*texts, "alone"]))
    train = Data.alone(Items("text", ["One more. And so on.", "two more"]))
    collection = sentences(part, train)
    assert len(collection.queries) == 3
    assert set(collection.corpus.texts) >= {"alone", "One more. And so on.", "two more"}
    # what is asked for is not beside its own whole text
    assert sorted(sentences(part, part).corpus.texts) == sorted(sentences(part).corpus.texts)
    for i, (asked, found) in enumerate(answers(collection).items()):
        (rest,) = found
        assert asked in texts[i]
        assert sorted([*rest.split(), *asked.split()]) == sorted(texts[i].split())
    encoder = StaticEncoder.from_corpus([*texts, "alone"], dim=4)
    chosen = task_for(train, part, part, encoder)
    assert chosen.test.queries.texts == chosen.dev.queries.texts == collection.queries.texts
    short = Data.alone(Items("text", ["one two three four", "five six seven eight", *texts[:1]]))
    assert len(task_for(train, short, short, encoder).test.queries) == 1
    for trained, asked in ((short, part), (train, short[torch.tensor([0, 1])])):
        assert task_for(trained, asked, asked, encoder).test.queries.texts == pairs(halves(asked)).queries.texts
    assert len(sentences(part[torch.tensor([0])]).corpus) == 1


def test_among_keeps_what_answers_and_asking_keeps_who_asks():
    corpus = {f"d{i}": f"text {i}" for i in range(100)}
    qrels = {f"q{i}": {f"d{i}": 1.0, f"d{i + 1}": 0.0} for i in range(12)}
    whole = Collection.of(Retrieval(corpus, {q: f"query {q}" for q in qrels}, qrels, ""))
    part = whole.asking(4).among(20)
    assert [part.queries.texts[q] for q in part.answers.judged] == [f"query q{i}" for i in (0, 3, 6, 9)]
    found = {q: {t for t in texts} for q, texts in answers(whole).items()}
    for q, gains in part.answers.relevant.items():
        right = {part.corpus.texts[d] for d, gain in gains.items() if d >= 0 and gain > 0}
        assert right == {f"text {part.answers.queries[q][1:]}"} <= found[part.queries.texts[q]]
    assert 20 <= len(part.corpus) < 50
    assert len(set(part.corpus.texts)) == len(part.corpus)


TRIPLES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=12)


def triples(rows, entities=5):
    found = torch.tensor(rows).view(-1, 3)
    asked = Items("query", found[:, :2])
    return Data(asked, torch.arange(len(found)), Items("entity", torch.arange(entities)), found[:, 2:])


class Table:
    """A vector of whole numbers for each entity and each (head, relation)."""

    def __init__(self, seed, similarity, entities=5, relations=2):
        draw = np.random.default_rng(seed)
        self.similarity = similarity
        self.entity = draw.integers(-2, 3, (entities, 3)).astype(np.float32)
        self.query = draw.integers(-2, 3, (entities, relations, 3)).astype(np.float32)

    def encode_items(self, items, *, kind=None):
        assert (items.modality, kind) in {("query", "query"), ("entity", "document")}
        ids = items.tensor.numpy()
        return self.entity[ids] if ids.ndim == 1 else self.query[ids[:, 0], ids[:, 1]]

    def score(self, head, relation, tail):
        q, e = self.query[head, relation].astype(float), self.entity[tail].astype(float)
        apart = {"euclidean": np.sqrt(((q - e) ** 2).sum()), "manhattan": np.abs(q - e).sum()}
        return -apart[self.similarity] if self.similarity in apart else float(q @ e)


def filtered_ranks(encoder, test, known, entities):
    """Every rank that each triple's tail can have among those that are not known to be right, one at a time."""
    for head, relation, tail in test:
        own = encoder.score(head, relation, tail)
        others = [
            encoder.score(head, relation, e) for e in range(entities) if e != tail and (head, relation, e) not in known
        ]
        above, level = sum(s > own for s in others), sum(s == own for s in others)
        yield [above + 1 + i for i in range(level + 1)]


@settings(max_examples=60, deadline=None)
@given(
    train=TRIPLES,
    dev=TRIPLES,
    test=TRIPLES,
    seed=st.integers(0, 99),
    similarity=st.sampled_from(["dot", "euclidean", "manhattan"]),
)
def test_links_are_ranked_among_what_is_not_known_to_be_right(train, dev, test, seed, similarity):
    encoder = Table(seed, similarity)
    task = task_for(triples(train), triples(dev), triples(test), encoder)
    assert task.metric == "mrr"
    assert task.lower == ("mean rank",)
    figures = task.measure("table", encoder).figures
    ranks = list(filtered_ranks(encoder, test, {*train, *dev, *test}, 5))
    assert figures["mrr"].values.tolist() == pytest.approx([np.mean([1 / r for r in some]) for some in ranks])
    assert figures["mean rank"].values.tolist() == pytest.approx([np.mean(some) for some in ranks])
    for k in (1, 3, 10):
        expected = [np.mean([r <= k for r in some]) for some in ranks]
        assert figures[f"hit@{k}"].values.tolist() == pytest.approx(expected)
    of_dev = list(filtered_ranks(encoder, dev, {*train, *dev}, 5))
    assert task.validate(encoder) == pytest.approx(np.mean([np.mean([1 / r for r in some]) for some in of_dev]))


def test_further_triples_that_are_right_are_given():
    encoder = Table(0, "dot")
    whole = triples([(0, 0, 1)]), triples([(0, 0, 2)]), triples([(0, 0, 3)])
    few = task_for(*whole, encoder).test.answers.uncounted[0]
    more = task_for(*whole, encoder, known=[triples([(0, 0, 4), (1, 0, 0)])]).test.answers.uncounted[0]
    assert (len(few), len(more)) == (2, 3)


def test_the_floor_of_links_is_how_often_a_relation_leads_there():
    train, test = triples([(0, 0, 1), (2, 0, 1), (3, 0, 4), (0, 1, 2)]), triples([(4, 0, 1), (3, 0, 4), (2, 1, 3)])
    (floor,) = task_for(train, triples([(4, 1, 0)]), test, Table(0, "dot")).baselines()
    # relation 0 leads to 1 twice and to 4 once; relation 1 to 2 once, so that 3 ties with all but 2 below it
    assert floor.figures["mean rank"].values.tolist() == [1, 2, 1 + (1 + 2 + 3 + 4) / 4]


def test_wordnet_by_an_independent_loop():
    folder = DATA / "wn18rr"
    if not folder.exists():
        pytest.skip("WN18RR is not there (COUNTERPOINT_DATA)")
    read = {}
    for name in ("train", "valid", "test"):
        with gzip.open(folder / f"{name}.tsv.gz", "rt", encoding="utf-8") as lines:
            read[name] = [line.rstrip("\n").split("\t") for line in lines]
    ends = dict.fromkeys(end for part in read.values() for head, _, tail in part for end in (head, tail))
    entity = {end: i for i, end in enumerate(ends)}
    relation = {r: i for i, r in enumerate(sorted({r for _, r, _ in read["train"]}))}
    rows = {name: [(entity[h], relation[r], entity[t]) for h, r, t in part] for name, part in read.items()}
    assert (len(entity), len(relation), len(rows["test"])) == (40943, 11, 3134)
    encoder = Table(0, "dot", len(entity), len(relation))
    parts = {name: triples(part, len(entity)) for name, part in rows.items()}
    collection = links(parts["test"][torch.arange(0, 3134, 40)], parts["train"], parts["valid"], parts["test"])
    figures = Find(collection, collection, metrics=LINKS).measure("table", encoder).figures
    tails = {}
    for head, rel, tail in (triple for part in rows.values() for triple in part):
        tails.setdefault((head, rel), set()).add(tail)
    # of few whole numbers: thousands of ties
    for i, (head, rel, tail) in enumerate(rows["test"][::40]):
        score = encoder.entity @ encoder.query[head, rel]
        score[list(tails[head, rel] - {tail})] = -np.inf
        above, level = (score > score[tail]).sum(), (score == score[tail]).sum()
        ranks = np.arange(above + 1, above + level + 1)
        assert figures["mrr"].values[i] == pytest.approx((1 / ranks).mean())
        assert figures["mean rank"].values[i] == pytest.approx(ranks.mean())
        assert figures["hit@10"].values[i] == pytest.approx((ranks <= 10).mean())


def test_views_are_the_same_each_time_and_other_than_each_other():
    generator = torch.Generator().manual_seed(0)
    pixels = (torch.rand(6, 3, 12, 12, generator=generator) * 255).to(torch.uint8)
    data = Data.alone(Items("image", torch.cat([pixels, pixels[:1]]), [f"{i}.png" for i in range(7)]))
    state = torch.get_rng_state()
    first, second, third = views(data), views(data), views(data, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.queries.tensor, second.queries.tensor)
    assert torch.equal(first.corpus.tensor, second.corpus.tensor)
    assert not torch.equal(first.queries.tensor, third.queries.tensor)
    assert len(first.queries) == len(first.corpus) == 6
    assert first.notes[0] == "copies of pictures left out: 1"
    for q, gains in first.answers.relevant.items():
        (d,) = gains
        assert first.queries.names[q] == first.corpus.names[d]
        assert not torch.equal(first.queries.tensor[q], first.corpus.tensor[d])
        # a view is in the colours of its picture or others, but no picture of its own
        assert first.queries.tensor[q].shape == (3, 12, 12)
    assert {first.corpus.names[d] for gains in first.answers.relevant.values() for d in gains} == {
        f"{i}.png" for i in range(6)
    }
