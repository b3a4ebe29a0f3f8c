"""Relations as operators: the papers' scores, the two ways round, one table, completion by names."""

from __future__ import annotations

import copy

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import load
from counterpoint.encoders.inputs import Sides
from counterpoint.encoders.knowledge import OPERATORS, KnowledgeGraph
from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE
from counterpoint.training import TrainConfig, train
from counterpoint.training.rows import RowBatches

ENTITIES, RELATIONS, D = ["ann", "bob", "eve", "dan", "ida"], ["mother of", "knows", "son of"], 6


def graph(operator: str, **options) -> KnowledgeGraph:
    torch.manual_seed(0)
    return KnowledgeGraph(ENTITIES, RELATIONS, operator, dim=D, **options)


def complex_numbers(z: torch.Tensor) -> list[complex]:
    return [complex(a, b) for a, b in zip(z[: D // 2].tolist(), z[D // 2 :].tolist(), strict=True)]


def published(operator: str, h: torch.Tensor, r: torch.Tensor, t: torch.Tensor) -> float:
    """The score of a triple as its paper has it, in plain numbers."""
    if operator == "transe":
        return -sum(abs(a + b - c) for a, b, c in zip(h.tolist(), r.tolist(), t.tolist(), strict=True))
    if operator == "distmult":
        return sum(a * b * c for a, b, c in zip(h.tolist(), r.tolist(), t.tolist(), strict=True))
    head, tail = complex_numbers(h), complex_numbers(t)
    if operator == "complex":
        return sum((a * b * c.conjugate()).real for a, b, c in zip(head, complex_numbers(r), tail, strict=True))
    turns = torch.polar(torch.ones_like(r), r).tolist()
    return -sum(abs(a * b - c) for a, b, c in zip(head, turns, tail, strict=True))


@pytest.mark.parametrize("operator", OPERATORS)
def test_scores_are_the_papers_both_ways_round(operator: str) -> None:
    """Undone, a relation scores (tail, inverse, head) as (head, relation, tail)."""
    model = graph(operator, reciprocal=False)
    h, r, t = torch.tensor([[0, 0, 1], [3, 2, 0], [4, 1, 4], [2, 2, 3]]).T
    queries = torch.stack([h, r], 1), torch.stack([t, r + len(RELATIONS)], 1)
    table, relation = model.document.weight.detach(), model.query.weight.detach()
    triples = zip(h.tolist(), r.tolist(), t.tolist(), strict=True)
    wanted = torch.tensor([published(operator, table[a], relation[b], table[c]) for a, b, c in triples])
    for query, answer in zip(queries, (t, h), strict=True):
        z = model.query(query), model.document(answer)
        torch.testing.assert_close(model.geometry.shared(*z, 1.0).diagonal(), wanted)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_reciprocal_relation_has_its_own_vector(operator: str) -> None:
    model = graph(operator)
    query = torch.tensor([[0, 1], [0, 1 + len(RELATIONS)]])
    before = model.query(query)
    with torch.no_grad():
        model.query.weight[1 + len(RELATIONS)] += 0.5
    after = model.query(query)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("reciprocal", [True, False])
def test_both_towers_teach_one_table(operator: str, reciprocal: bool) -> None:
    """The gradient of a step is that of the scores written down over one table; a copy, too, has one."""
    model = copy.deepcopy(graph(operator, reciprocal=reciprocal)).double()
    query, answer = torch.tensor([[0, 0], [1, 4]]), torch.tensor([1, 2])
    z = model(Sides.of(query, answer))
    loss = InfoNCE(1.0, geometry=model.geometry)(z[:2], z[2:])
    loss.backward()
    table = model.document.weight.detach().clone().requires_grad_()
    vectors = model.query.weight.detach().clone().requires_grad_()
    chosen = OPERATORS[operator]
    inverse = vectors[4] if reciprocal else chosen.invert(vectors[1:2])[0]
    q = chosen.apply(table[:2], torch.stack([vectors[0], inverse]))
    InfoNCE(1.0, geometry=model.geometry)(q, table[1:3]).backward()
    torch.testing.assert_close(model.document.weight.grad, table.grad)
    torch.testing.assert_close(model.query.weight.grad, vectors.grad)
    # entity 1 is asked about and answers
    assert model.document.weight.grad[1].any()
    assert len(list(model.parameters())) == 2
    assert set(model.state_dict()) == {"query.weight", "document.weight", "known"}


def family() -> Data:
    """bob's mother is ann, eve's bob; asked both ways."""
    queries = torch.tensor([[0, 0], [1, 0], [1, 3], [2, 3]])
    entities = Items("entity", torch.arange(5), ENTITIES)
    return Data(Items("query", queries), torch.arange(4), entities, torch.tensor([[1], [2], [0], [1]]))


def test_a_model_of_data_knows_their_triples() -> None:
    data = family()
    with pytest.raises(InputError, match="no triples"):
        KnowledgeGraph.of(Data.alone(data.anchors))
    model = KnowledgeGraph.of(data, RELATIONS, dim=4)
    assert model.entities == tuple(ENTITIES)
    assert model.known.tolist() == [[0, 0, 1], [1, 0, 2]]
    with pytest.raises(InputError, match="beyond"):
        KnowledgeGraph.of(data, ["mother of"]).encode_items(data.anchors, kind="query")


def test_completion_leaves_out_what_is_known() -> None:
    torch.manual_seed(0)
    model = KnowledgeGraph.of(family(), RELATIONS, operator="distmult", dim=4)
    every = model.complete("ann", "mother of", known=True)
    assert [name for name, _ in model.complete("ann", "mother of")] == [name for name, _ in every if name != "bob"]
    assert [score for _, score in every] == sorted((score for _, score in every), reverse=True)
    assert "ann" not in dict(model.complete(None, "mother of", "bob"))
    assert "ann" in dict(model.complete(None, "mother of", "bob", known=True))
    assert len(model.complete("ann", "knows")) == 5
    z = torch.from_numpy(model.encode_items(Items("query", torch.tensor([[0, 0]])), kind="query"))
    scores = z @ torch.from_numpy(model.encode_items(family().others)).T
    assert dict(every) == pytest.approx(dict(zip(ENTITIES, scores[0].tolist(), strict=True)), abs=1e-6)


def test_what_does_not_fit_is_said() -> None:
    model = graph("complex")
    for call, what in (
        (lambda: KnowledgeGraph(ENTITIES, RELATIONS, "transh"), "no operator is called 'transh'; choose from transe"),
        (lambda: KnowledgeGraph(ENTITIES, RELATIONS, dim=5), "5 dimensions are no complex numbers"),
        (lambda: model.complete("anne", "knows"), "no entity is called 'anne'; did you mean 'ann'"),
        (lambda: model.complete("ann", "xyz"), "no relation is called 'xyz'; give another relation"),
        (lambda: model.complete("ann", "knows", "bob"), "give one of the two"),
        (lambda: model.complete(None, "knows"), "give one of the two"),
        (lambda: model.encode_items(Items("entity", torch.tensor([5]))), "numbers beyond the model's 5"),
        (lambda: model.encode_items(Items("query", torch.tensor([[0, 6]])), kind="query"), "the model's 5 and 6"),
        (lambda: model.document.inputs(Items("image", torch.zeros(1))), "modality 'image', where 'entity' is needed"),
    ):
        with pytest.raises(InputError, match=what):
            call()


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_folder_has_the_names_and_what_is_known(tmp_path, operator: str) -> None:
    torch.manual_seed(0)
    model = KnowledgeGraph.of(family(), ["mother\tof", "knows", "é"], operator=operator, dim=4, reciprocal=False)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.settings() == model.settings()
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())
    assert again.complete(None, "é", "ida") == model.complete(None, "é", "ida")
    # and still one table
    again(Sides.of(torch.tensor([[0, 0]]), torch.tensor([1]))).sum().backward()
    assert again.document.weight.grad[:2].any(1).all()
    settings = tmp_path / "model" / "counterpoint.json"
    settings.write_text(settings.read_text().replace('"ida"', '"ida", "eva"'))
    with pytest.raises(InputError, match=r"counterpoint.json: the model cannot be made"):
        load(tmp_path / "model")


def trained(folder, average: float = 0.0, **options) -> KnowledgeGraph:
    torch.manual_seed(0)
    data = family()
    config = TrainConfig(batch_size=2, epochs=4, learning_rate=0.1, average=average, validations=2)
    model = KnowledgeGraph.of(data, RELATIONS, operator="complex", dim=4)
    train(model, RowBatches(data, model), InfoNCE(1.0, geometry=model.geometry), config, folder=folder, **options)
    return model


class KilledError(Exception):
    pass


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_training_goes_on_after_a_stop(tmp_path, average: float) -> None:
    """The table is once in the checkpoint, in the average and in the optimiser's state."""

    def kill(row):
        if row["step"] == 3:
            raise KilledError

    unbroken = trained(tmp_path / "unbroken", average)
    with pytest.raises(KilledError):
        trained(tmp_path / "broken", average, on_row=kill)
    again = trained(tmp_path / "broken", average)
    for one, other in zip(unbroken.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_best_is_kept_of_both_towers(tmp_path, average: float) -> None:
    """Nothing is found better than the start."""
    model = trained(tmp_path, average, validate=lambda: {"mrr": 1.0})
    torch.manual_seed(0)
    start = KnowledgeGraph.of(family(), RELATIONS, operator="complex", dim=4)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), start.parameters(), strict=True))
