"""DPR: two encoders, [CLS], inner product, n positives and n BM25 negatives as columns for every question."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders.towers import Towers
from counterpoint.evaluate import similarity_of
from counterpoint.fitting import fit
from counterpoint.search import exact_search
from counterpoint.systems import get
from counterpoint.systems.retrieval.dpr import in_batch, two_mined
from systems.through import same
from systems.words import PAIRS, small_bert, small_table, step_of_texts


def naive(step, columns):
    """Equation 2 over all passages of the batch, but for copies of a question's own passage."""
    (call,) = step.calls
    towers = step.network[0]
    sides = step.payload.inputs.parts
    q, p = towers.query(sides[0]), towers.document(sides[1])
    assert len(q) == 8
    assert len(p) == columns
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    total = torch.zeros(())
    for i in range(8):
        scores = [q[i] @ p[j] for j in range(columns) if j == i or shown[j] != partner[i]]
        total = total - q[i] @ p[i] + torch.logsumexp(torch.stack(scores), 0)
    return total / 8


def test_loss_is_that_of_a_naive_loop_over_n_plus_n_passages():
    step = step_of_texts("dpr", make=lambda data: small_bert(data, dropout=0.0))
    assert step.layers() == ["Identity"]
    same(step, naive(step, 16))


@pytest.mark.parametrize(("make", "columns"), [(in_batch, 8), (two_mined, 24)])
def test_other_numbers_of_mined_passages(make, columns):
    step = step_of_texts(make())
    same(step, naive(step, columns))


def test_mined_passages_are_negatives_of_all_and_no_answers():
    (call,) = step_of_texts("dpr").calls
    keys, queries = call["keys"].columns, call["queries"].columns
    assert keys["sample"].tolist() == [*queries["sample"].tolist(), *[-1] * 8]
    assert not (keys["input"][8:] == queries["partner"]).any()


def test_questions_and_passages_have_encoders_of_their_own_whose_first_token_counts():
    step = step_of_texts("dpr", make=small_bert)
    towers = step.network[0]
    assert isinstance(towers, Towers)
    assert [tower.pooling for tower in (towers.query, towers.document)] == ["cls", "cls"]
    for side in ("query", "document"):
        assert any(name.startswith(f"0.{side}.") for name in step.gradient)


def test_vectors_are_not_scaled_and_are_compared_by_the_inner_product():
    step = step_of_texts("dpr")
    towers = step.network[0]
    assert similarity_of(towers) == "dot"
    lengths = towers.query(step.payload.inputs.parts[0]).detach().norm(dim=1)
    assert float(lengths.std()) > 1e-3
    # the longer vector wins although the other is nearer in angle
    ids, _ = exact_search(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [5.0, 5.0]]), 1, metric="dot")
    assert ids.tolist() == [[1]]


def test_towers_that_are_given_are_trained_as_they_are():
    from counterpoint.data.rows import rows_of

    data = rows_of(PAIRS)
    given = Towers(small_table(data))
    encoder, _ = get("dpr").method().changed(steps=1, batch_size=4).make(data, encoder=given)
    assert encoder is given


def test_fit_builds_them_and_they_are_loaded_again(tmp_path):
    kinds = ("red", "blue", "pink")
    rows = "".join(f"the {c} number {n}\t{c} {n} is here\n" for c in kinds for n in range(40))
    (tmp_path / "pairs.tsv").write_text("query\tdocument\n" + rows)
    told = []
    result = fit(
        tmp_path / "pairs.tsv", tmp_path / "run", base="static", method=get("dpr").method(), say=told.append, epochs=1
    )
    assert isinstance(result.encoder, Towers)
    assert {"query", "document"} <= {p.name for p in (tmp_path / "run" / "model").iterdir()}
    from counterpoint.encoders import load

    again = load(tmp_path / "run" / "model")
    assert similarity_of(again) == "dot"
    texts = ["the red number 1"]
    assert again.encode(texts, kind="query") == pytest.approx(result.encoder.encode(texts, kind="query"), abs=1e-6)
