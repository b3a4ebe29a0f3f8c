"""Batches of texts: who is whose positive, and what is left out of which text."""

from __future__ import annotations

import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.features import drop_tokens, lengths
from counterpoint.objectives import InfoNCE
from counterpoint.training import RowBatches

WORDS = "a b c d e f g h i j k l m n o p"


def encoder(**options):
    return StaticEncoder.from_corpus([WORDS] * 2, dim=8, **options)


def dropped(features):
    return drop_tokens(features, 0.5)


def arguments(examples, rows, **options):
    model = encoder(prompts={})
    data = rows_of(examples)
    batches = RowBatches(data, model, views=1 if data.schema == "labelled" else 2, **options)
    payload = batches.payload(torch.tensor(rows))
    return payload, payload.arguments(model(payload.inputs))


def test_positives_then_everybodys_negatives():
    examples = [Example("a", ("b", "c"), ("d",)), Example("e", ("f",), ("g", "h"))]
    payload, found = arguments(examples, [1, 0])
    q, k = found["queries"].columns, found["keys"].columns
    assert q["sample"].tolist() == [1, 0]
    assert k["sample"].tolist() == [1, 0, 0, -1, -1, -1]
    assert len(payload.cost) == 2 + 6
    # a query is no stranger to its own positives
    assert (q["group"][1] == k["group"][1:3]).all()
    assert q["group"][0] != q["group"][1]


def test_a_text_alone_is_its_own_positive():
    _, found = arguments([Example("a b"), Example("c d"), Example("a b")], [0, 1])
    assert found["keys"].columns["sample"].tolist() == [0, 1]
    # as two are copies
    assert torch.equal(found["keys"].columns["input"], found["queries"].columns["input"])


def test_labels_have_no_keys_and_scores_come_along():
    _, found = arguments([Example("a", label="x"), Example("b", label="y"), Example("c", label="x")], [2, 0, 1])
    assert found["keys"] is None
    assert found["queries"].columns["label"].tolist() == [0, 0, 1]
    _, found = arguments([Example("a", ("b",), score=0.5), Example("c", ("d",), score=1.0)], [1, 0])
    assert found["queries"].columns["score"].tolist() == [1.0, 0.5]


def test_sets_of_labels_are_columns_of_ones_and_equal_sets_one_label():
    rows = [
        Example("a", labels=("y", "x")),
        Example("b", labels=()),
        Example("c", labels=("z",)),
        Example("d", labels=("x", "y")),
    ]
    _, found = arguments(rows, [2, 0, 1, 3])
    assert found["keys"] is None
    columns = found["queries"].columns
    assert columns["labels"].tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 0]]
    label = columns["label"].tolist()
    assert label[1] == label[3] != label[0]
    assert label[2] == -1


def test_duplicates_are_never_negatives():
    same = [Example("a b", ("c d",)), Example("a b", ("e f",)), Example("g", ("h",))]
    _, found = arguments(same, [0, 1, 2])
    q, k = found["queries"].z.detach(), found["keys"].z.detach()
    loss = InfoNCE(1.0)(**found, reduction="none")
    # by hand: the second positive of the same text is left out of the first row's denominator
    scores = torch.nn.functional.cosine_similarity(q[:1], k)
    torch.testing.assert_close(loss[0].detach(), torch.logsumexp(scores[[0, 2]], 0) - scores[0])


def test_tokens_are_left_out_of_keys_only():
    examples = [Example(WORDS, (WORDS + " q",)) for _ in range(4)]
    torch.manual_seed(0)
    payload, _ = arguments(examples, [0, 1, 2, 3], view=(None, dropped))
    counts = lengths(payload.inputs)
    assert (counts[:4] == counts[0]).all()
    assert (counts[4:] < counts[0]).all()
    torch.manual_seed(0)
    again, _ = arguments(examples, [0, 1, 2, 3], view=(None, dropped))
    assert torch.equal(payload.inputs["input_ids"], again.inputs["input_ids"])


def test_without_keys_tokens_are_left_out_of_anchors():
    torch.manual_seed(0)
    payload, _ = arguments([Example(WORDS, label="x"), Example(WORDS, label="y")], [0, 1], view=(None, dropped))
    assert int(lengths(payload.inputs).max()) < len(WORDS.split())
