"""One training set for every schema and modality: the batches that it gives."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ImageEncoder, StaticEncoder
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.relation import Relation, own_mined
from counterpoint.training.rows import RowBatches

TEXTS = ["a red fox runs", "the blue ant sits", "one green bird flies", "x y z"]


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.from_corpus(TEXTS, dim=8)


def captioned() -> tuple[Data, Towers]:
    pixels = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = Data(
        Items("image", pixels), torch.arange(6), Items("text", TEXTS), torch.tensor([[0, 1]] * 3 + [[2, -1]] * 3)
    )
    torch.manual_seed(0)
    captions = StaticEncoder.from_corpus(TEXTS, dim=16, prompts={})
    return data, Towers(ImageEncoder(1, widths=(8, 16)), captions)


def test_two_towers_see_their_own_sides_in_any_chunks() -> None:
    data, towers = captioned()
    payload = RowBatches(data, towers).payload(torch.tensor([0, 4, 2]))
    whole = towers(payload.inputs)
    assert torch.allclose(whole[0], towers.query(data.anchors.tensor[:1].float() / 255)[0], atol=1e-6)
    texts = towers.document(towers.document.tokenize(["the blue ant sits"], "document"))
    assert torch.allclose(whole[4], texts[0], atol=1e-6)
    for budget in (1, 3, 7, 100):
        chunks = payload.chunks(budget)
        parts = torch.cat([towers(payload.take(payload.inputs, chunk)) for chunk in chunks])
        assert torch.allclose(parts[torch.argsort(torch.cat(chunks))], whole, atol=1e-6)
    arguments = payload.arguments(whole)
    assert arguments["keys"].columns["sample"].tolist() == [0, 0, 4, 2, 2]
    # pictures of the same captions are one group, never each other's negatives
    group = arguments["queries"].columns["group"].tolist()
    assert group[0] == group[2] != group[1]


def test_hard_negatives_know_the_row_that_brought_them() -> None:
    examples = [Example(f"q{i}", (f"p{i}",), tuple(f"n{i}{j}" for j in range(i))) for i in range(3)]
    data = rows_of(examples)
    encoder = StaticEncoder.from_corpus([text for e in examples for text in e.texts], dim=4)
    payload = RowBatches(data, encoder).payload(torch.tensor([2, 0, 1]))
    found = payload.arguments(encoder(payload.inputs))
    queries, keys = found["queries"], found["keys"]
    assert queries.columns["row"].tolist() == [2, 0, 1]
    assert keys.columns["row"].tolist() == [2, 0, 1, 2, 2, 1]
    sides = ({k: v[:, None] for k, v in queries.columns.items()}, {k: v[None] for k, v in keys.columns.items()})
    weight = own_mined(*sides)
    wanted = [[0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]
    assert weight.int().tolist() == wanted


def test_drawn_negatives_are_each_anchors_own() -> None:
    data, towers = captioned()
    data = Data(data.anchors, data.anchor, data.others, data.positives[:, :1])
    batches = RowBatches(data, towers, sampled=5)
    payload = batches.payload(torch.arange(6))
    arguments = payload.arguments(towers(payload.inputs))
    owned = arguments["owned"]
    assert owned.z.shape == (6, 6, 16)
    assert owned.columns["positive"].tolist() == [[1.0, 0, 0, 0, 0, 0]] * 6
    texts = towers.document(towers.document.tokenize(TEXTS, "document"))
    for row in range(6):
        own = texts[data.positives[row, 0]]
        copies = torch.tensor([torch.allclose(z, own, atol=1e-6) for z in owned.z[row]])
        # a drawn copy of the positive does not count; the positive does
        assert owned.columns["valid"][row].tolist() == [True, *(~copies[1:]).tolist()]


def triples() -> tuple[Data, KnowledgeGraph]:
    """Of entity 0 three rows say that 1, 2 and 3 answer; of entity 4 one that 0 does."""
    entities = Items("entity", torch.arange(6))
    queries = Items("query", torch.tensor([[0, 0], [4, 1]]))
    data = Data(queries, torch.tensor([0, 0, 0, 1]), entities, torch.tensor([[1], [2], [3], [0]]))
    torch.manual_seed(0)
    return data, KnowledgeGraph.of(data, dim=4)


def test_what_belongs_by_another_row_is_no_drawn_negative() -> None:
    data, graph = triples()
    payload = RowBatches(data, graph, sampled=40).payload(torch.tensor([1, 3]))
    owned = payload.arguments(graph(payload.inputs))["owned"]
    for row, (own, belong) in enumerate(((2, {1, 2, 3}), (0, {0}))):
        ids = [int((graph.document.weight == z).all(1).nonzero()) for z in owned.z[row]]
        assert ids[0] == own
        assert set(range(6)) == set(ids)
        assert owned.columns["valid"][row].tolist() == [True, *(i not in belong for i in ids[1:])]


def test_all_as_keys_are_a_classification_into_items() -> None:
    """The loss and the gradient are those of a cross-entropy over all entities; copies of the answer are left out."""
    data, graph = triples()
    payload = RowBatches(data, graph, shared=6).payload(torch.tensor([1, 3]))
    InfoNCE(1.0, geometry=Dot())(**payload.arguments(graph(payload.inputs))).backward()
    found = graph.document.weight.grad.clone(), graph.query.weight.grad.clone()
    graph.zero_grad()
    logits = graph.query(data.anchors.tensor) @ graph.document.weight.T
    torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0])).backward()
    torch.testing.assert_close(found, (graph.document.weight.grad, graph.query.weight.grad))
    texts = Items("text", ["a red fox", "the blue ant", "a red fox"])
    data = Data(Items("query", torch.tensor([[0, 0], [1, 1]])), torch.arange(2), texts, torch.tensor([[0], [1]]))
    torch.manual_seed(0)
    towers = Towers(graph.query, StaticEncoder.from_corpus(TEXTS, dim=4))
    payload = RowBatches(data, towers, shared=3).payload(torch.arange(2))
    arguments = payload.arguments(towers(payload.inputs))
    _, negative = Relation().weights(
        {k: c[:, None] for k, c in arguments["queries"].columns.items()},
        {k: c[None] for k, c in arguments["keys"].columns.items()},
        (2, 3),
        torch.zeros(1),
    )
    assert negative.tolist() == [[0, 1, 0], [1, 0, 1]]


def test_shared_keys_are_the_positives_and_drawn_others() -> None:
    entities, queries = torch.arange(300), torch.tensor([[0, 0], [1, 0], [2, 0], [3, 1]])
    answers = torch.tensor([[7], [8], [7], [299]])
    data = Data(Items("query", queries), torch.arange(4), Items("entity", entities), answers)
    torch.manual_seed(0)
    graph = KnowledgeGraph.of(data, dim=4)
    batches = RowBatches(data, graph, shared=20)
    seen = torch.zeros(300)
    for _ in range(60):
        payload = batches.payload(torch.tensor([2, 1, 0]))
        arguments = payload.arguments(graph(payload.inputs))
        keys = arguments["keys"].columns["sample"]
        assert arguments["queries"].columns["sample"].tolist() == [7, 8, 7]
        assert torch.equal(arguments["keys"].z, graph.document.weight[keys])
        assert len(keys) == len(keys.unique()) <= 22
        seen[keys] += 1
    assert seen[7] == seen[8] == 60
    # what is drawn is drawn evenly: 60 * 20 / 300 = 4 times each
    rest = seen[torch.tensor([i not in (7, 8) for i in range(300)])]
    assert 3 < float(rest.mean()) < 4.2
    assert float(rest.max()) < 16


def test_what_does_not_fit_is_said() -> None:
    data, towers = captioned()
    with pytest.raises(InputError, match="0 views"):
        RowBatches(data, towers, views=0)
    with pytest.raises(InputError, match="drawn for rows with positives"):
        RowBatches(Data.alone(data.anchors), towers.query, sampled=2)
    for options in ({"shared": 3}, {"shared": 3, "sampled": 2}):
        with pytest.raises(InputError, match="drawn for all anchors of pairs"):
            RowBatches(data if "sampled" not in options else triples()[0], towers, **options)
    with pytest.raises(InputError, match="rows beyond the 4 items"):
        Data(data.anchors, data.anchor, data.others, torch.full((6, 1), 4))
    with pytest.raises(InputError, match="one modality"):
        Items.cat([data.anchors, data.others])
    with pytest.raises(InputError, match="where texts are needed"):
        data.anchors.texts  # noqa: B018 - the property raises


def test_each_of_several_views_may_be_one_of_its_own_and_the_last_is_for_all_that_follow() -> None:
    data = Data.alone(Items("image", torch.zeros(3, 1, 8, 8)))
    plus = [lambda x, i=i: x + i for i in (1, 2, 3)]
    payload = RowBatches(data, ImageEncoder(1, widths=(8, 16)), view=tuple(plus), views=5).payload(torch.arange(3))
    assert [float(view.mean()) for view in payload.inputs.chunk(5)] == [1, 2, 3, 3, 3]
    payload = RowBatches(data, ImageEncoder(1, widths=(8, 16)), view=(None, plus[0]), views=3).payload(torch.arange(3))
    assert [float(view.mean()) for view in payload.inputs.chunk(3)] == [0, 1, 1]
