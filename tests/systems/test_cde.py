"""CDE: texts in context, batches of like pairs, and what is no negative there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ContextualEncoder
from counterpoint.errors import InputError
from counterpoint.negatives.topics import spherical_kmeans, surrogate, topics_of_pairs
from counterpoint.systems import get
from counterpoint.systems.retrieval import cde
from counterpoint.testbeds import Made
from counterpoint.testbeds.contextual import FEW_OF_A_SECTION, FOUND, FOUND_IN_CORPUS, SECTIONS, new_section
from systems.contexts import ids_of, read_by_hand, vectors_by_hand
from systems.through import same
from systems.words import KINDS, steady_bert, step_of_texts

NAME = "cde-contextual-document-embeddings"
PAIRS = [
    Example(f"a {kind} at {where}", (f"the {kind} sleeps all {where}, says number {i}",))
    for i, kind in enumerate(KINDS[:4])
    for where in ("night", "noon", "home")
]


CROSSED = [
    Example(f"the {KINDS[i]} here", (f"the {KINDS[i]} beside {KINDS[i + 1]} and {KINDS[i + 1]}, no {i}",))
    for i in range(6)
]
"""Most are nearer to what another one's positive says than to their own."""


def guided(examples):
    """What latent semantic analysis makes of anchors and positives, scaled."""
    counted = TfidfVectorizer(sublinear_tf=True)
    documents = counted.fit_transform([e.positives[0] for e in examples])
    svd = TruncatedSVD(min(128, *documents.shape), random_state=0).fit(documents)
    sides = (svd.transform(counted.transform([e.anchor for e in examples])), svd.transform(documents))
    return [F.normalize(torch.from_numpy(side.astype(np.float32)), dim=1) for side in sides]


def test_loss_is_that_of_a_naive_loop_over_texts_in_context():
    step = step_of_texts(NAME, CROSSED, make=steady_bert, n=6)
    encoder, inputs, n = step.network[0], step.payload.inputs, 6
    assert isinstance(encoder, ContextualEncoder)
    assert [len(context["offsets"]) - 1 for context in inputs.contexts] == [512, 512]
    rows = step.calls[0]["queries"].columns["sample"]
    before = [vectors_by_hand(encoder, context) for context in inputs.contexts]
    by_hand = [F.normalize(read_by_hand(encoder, ids_of(inputs.texts, i), before[i // n]), dim=0) for i in range(2 * n)]
    q, d = by_hand[:n], by_hand[n:]
    asked, said = guided(CROSSED)
    total, left_out = torch.zeros(()), 0
    for i, row in enumerate(rows.tolist()):
        own = float(asked[row] @ said[row])
        terms = []
        for j, other in enumerate(rows.tolist()):
            if j != i and float(asked[row] @ said[other]) >= own:
                left_out += 1
            else:
                terms.append(50 * (q[i] @ d[j]))
        total = total + (torch.logsumexp(torch.stack(terms), 0) - 50 * (q[i] @ d[i])) / n
    assert left_out > 0
    same(step, total)
    reached = [name for name, gradient in step.gradient.items() if name.startswith("0.first.") and gradient.any()]
    assert reached


def test_the_context_is_the_batch_s_documents_in_two_orders():
    step = step_of_texts(cde.both(128, 4), PAIRS, make=steady_bert, n=6)
    inputs = step.payload.inputs
    documents = {tuple(ids_of(inputs.texts, i)[0].tolist()) for i in range(6, 12)}
    contexts = [[tuple(ids_of(c, j)[0].tolist()) for j in range(4)] for c in inputs.contexts]
    assert all(set(context) < documents and len(set(context)) == 4 for context in contexts)
    assert contexts[0] != contexts[1]


def test_batches_are_of_pairs_whose_sides_are_near_each_other():
    data = surrogate()(rows_of(PAIRS), steady_bert(rows_of(PAIRS)), 0)
    for column, wanted in zip(("asked", "said"), guided(PAIRS), strict=True):
        torch.testing.assert_close(F.normalize(data.columns[column], dim=1).abs(), wanted.abs(), atol=1e-4, rtol=1e-4)
    topic = topics_of_pairs(3)(data, steady_bert(data), 0).columns["topic"]
    assert 1 < len(topic.unique()) <= 4
    recipe = get(NAME).method()
    # the method's own clusters are larger than these data
    recipe = recipe.varied("CDE", prepare=(*recipe.stages[0].prepare[:-1], topics_of_pairs(3)))
    step = step_of_texts(recipe, PAIRS, make=steady_bert, n=3, steps=4)
    rows = step.calls[0]["queries"].columns["sample"]
    assert len(topic[rows].unique()) == 1 < len(rows)
    q, d = data.columns["asked"], data.columns["said"]
    both = torch.cat([torch.cat([q, d], 1), torch.cat([d, q], 1)])
    assert torch.equal(topic, spherical_kmeans(both, 4, 0)[: len(PAIRS)])


def test_outside_of_batches_texts_are_read_after_training_documents():
    data, recipe = rows_of(PAIRS), get(NAME).method().changed(steps=2, batch_size=4, validations=1)
    encoder, _ = recipe.make(data, 0, encoder=steady_bert(data))
    assert isinstance(encoder, ContextualEncoder)
    assert len(encoder.context) == 512
    assert set(encoder.context) == set(data.others.texts)


def test_arms_differ_in_what_they_say():
    arms = {
        name: getattr(cde, name)()
        for name in ("biencoder", "clustered", "in_batches", "by_chance", "in_architecture", "in_small", "cde")
    }
    together = {name: bool(recipe.stages[0].together) for name, recipe in arms.items()}
    reads = {name: isinstance(r.settle(steady_bert(rows_of(PAIRS))), ContextualEncoder) for name, r in arms.items()}
    filters = {name: recipe.stages[0].procedure is not None for name, recipe in arms.items()}
    batched, read = {"clustered", "in_batches", "by_chance", "in_small", "cde"}, {"in_architecture", "in_small", "cde"}
    assert together == {name: name in batched for name in arms}
    assert reads == {name: name in read for name in arms}
    assert filters == {name: name in batched - {"clustered"} for name in arms}
    assert arms["cde"].stages[0].train.batch_size == 1024
    data = surrogate()(rows_of(PAIRS), None, 0)
    own, chance = (topics_of_pairs(4, chance=c)(data, None, 0).columns["topic"] for c in (False, True))
    assert torch.equal(own.bincount(), chance.bincount())
    assert not torch.equal(own, chance)


def test_figures_are_of_who_has_read_the_corpus():
    bed = FEW_OF_A_SECTION
    parts = bed.parts(0)
    encoder = cde.in_architecture().settle(bed.start(parts[0], 0))
    encoder.read(parts[0].others.texts)
    before, made = encoder.context, Made("x", encoder, parts, 0)
    trained = FOUND.of(made)
    assert FOUND_IN_CORPUS.of(made) != trained
    assert encoder.context == before
    encoder.read(parts[1].corpus.texts, 0)
    assert FOUND.of(made) == FOUND_IN_CORPUS.of(made) != trained


def test_the_test_is_of_a_section_that_was_not_trained_on():
    for seed in (0, 1):
        train, test = new_section(seed, 2000, 50)
        known = new_section.__globals__["known_section"](seed)[0]
        assert SECTIONS[seed] in train.source
        assert len(train) == 2000
        assert len(test.queries) == 50
        assert not set(test.queries.texts) & set(train.anchors.texts)
        assert len(known) == 13_000
    assert set(new_section(0, 9, 50)[1].queries.texts) != set(new_section(5, 9, 50)[1].queries.texts)


def test_what_cannot_be_clustered_is_refused():
    with pytest.raises(InputError, match="clusters of 0 rows"):
        topics_of_pairs(0)
    with pytest.raises(InputError, match="columns that are not there"):
        topics_of_pairs(2)(rows_of(PAIRS), None, 0)
    with pytest.raises(InputError, match="documents are of pairs"):
        surrogate()(rows_of([Example("a")]), None, 0)
