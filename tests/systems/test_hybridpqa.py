"""HybridPQA: a dense and a sparse softmax over all contexts of the batch, what keeps weights few, and both as a sum."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from counterpoint.data.rows import rows_of
from counterpoint.encoders import ImageEncoder, SpladeEncoder, Towers, load
from counterpoint.errors import InputError
from counterpoint.evaluate import similarity_of
from counterpoint.objectives import FLOPS
from counterpoint.systems import get
from counterpoint.systems.retrieval.hybridpqa import dense_alone, of_both, sparse_alone
from counterpoint.tasks import pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.expanded import expanded, found_by_half
from systems.through import same
from systems.words import PAIRS, small_bert, small_table, step_of_texts

KEPT = 512


def wide(data):
    """A table with more tokens than weigh."""
    table = small_table(data)
    more = torch.randn(KEPT + 40 - len(table.embedding.weight), 16, generator=torch.Generator().manual_seed(0))
    return table.with_table(torch.cat([table.embedding.weight.detach(), more]))


def halves(tower, inputs):
    """Of the table's rows a text's mean, scaled, and of each token of the vocabulary its best product with them."""
    rows, dense, sparse = tower.encoder.embedding.weight, [], []
    vocabulary = tower.encoder.tokenizer.get_vocab()
    counts = torch.ones(len(rows))
    counts[[vocabulary["[PAD]"], vocabulary["[DOC]"]]] = 0
    for a, b in pairwise(inputs["offsets"].tolist()):
        tokens = rows[inputs["input_ids"][a:b]]
        mean = tokens.mean(0) - tokens.mean()
        dense.append(mean / (mean.square().mean() + 1e-5).sqrt())
        weights = torch.log1p(torch.relu((tokens @ rows.T).max(0).values + tower.offset)) * counts
        sparse.append(weights * (weights >= weights.detach().sort(descending=True).values[KEPT - 1]))
    return dense, sparse


def contrast(asked, given, seen):
    """Cross-entropy of products over 0.5, in a loop over questions."""
    loss = torch.zeros(())
    for i, (q, shown) in enumerate(zip(asked, seen, strict=True)):
        scores = torch.stack([q @ given[j] / 0.5 for j in shown])
        loss = loss + (torch.logsumexp(scores, 0) - scores[shown.index(i)]) / len(asked)
    return loss


def products(texts):
    """How many products one with another would take, made smooth."""
    return sum((sum(column) / len(texts)) ** 2 for column in torch.stack(texts).T)


def naive(step, *, dense=True, sparse=True, grown=(1 / 1699) ** 2):
    """Both losses over all contexts of the batch but copies of a question's own, and the regulariser."""
    (call,) = step.calls
    towers, sides = step.network[0], step.payload.inputs.parts
    asked, given = halves(towers.query, sides[0]), halves(towers.document, sides[1])
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    seen = [[j for j in range(len(shown)) if j == i or shown[j] != own] for i, own in enumerate(partner)]
    loss = dense * contrast(asked[0], given[0], seen)
    if not sparse:
        return loss
    regular = 3e-4 * products(asked[1]) + 1e-4 * products(given[1])
    return loss + contrast(asked[1], given[1], seen) + grown * regular


def test_loss_is_that_of_a_naive_loop_over_both_parts():
    step = step_of_texts("hybridpqa", make=wide)
    # four that are not the answer for each question
    assert [len(step.calls[0][side]) for side in ("queries", "keys")] == [8, 40]
    same(step, naive(step), rtol=1e-3)
    for part in ({"dense": False}, {"sparse": False}):
        with pytest.raises(AssertionError):
            same(step, naive(step, **part), rtol=1e-3)


def test_the_regulariser_draws_on_weights():
    step = step_of_texts(get("hybridpqa").method().varied("whole", objective=partial(of_both, 1)), make=wide)
    same(step, naive(step, grown=1), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, naive(step), rtol=1e-3)


def test_the_regulariser_grows_with_the_square_of_the_step():
    objective = get("hybridpqa").method().stages[0].objective().train()
    (regular,) = (part for part in objective.modules() if isinstance(part, FLOPS))
    regular.step.fill_(848)
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.cat([torch.randn(3, 768, generator=generator) / 10, torch.rand(3, 5, generator=generator) * 9], 1)
            for _ in range(2))  # fmt: skip
    seen = [[0, 1, 2]] * 3
    wanted = sum(contrast(q[:, part], k[:, part], seen) for part in (slice(0, 768), slice(768, None)))
    (asked, given) = (products(list(side[:, 768:])) for side in (q, k))
    wanted = wanted + (849 / 1699) ** 2 * (3e-4 * asked + 1e-4 * given)
    torch.testing.assert_close(objective(q, k), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "part"), [(dense_alone, {"sparse": False}), (sparse_alone, {"dense": False})])
def test_each_rival_has_its_own_loss_alone(make, part):
    step = step_of_texts(make(), make=wide)
    same(step, naive(step, **part), rtol=1e-3)
    # the bias of a token's weight has no other teacher
    assert bool(step.gradient["0.document.offset"].any() if "0.document.offset" in step.gradient else 0) == (
        make is sparse_alone
    )


def test_transformers_give_their_first_token_and_the_weights_of_two_encoders():
    towers = get("hybridpqa").method().settle(small_bert(rows_of(PAIRS)))
    assert isinstance(towers, Towers)
    assert similarity_of(towers) == "dot"
    assert towers.query is not towers.document
    for tower in (towers.query, towers.document):
        assert isinstance(tower, SpladeEncoder)
        assert (tower.dense, tower.keep, tower.normalize, tower.encoder.pooling) == (768, 512, False, "cls")
    assert get("hybridpqa").method().settle(towers) is towers
    assert [type(side.encoder).__name__ for side in (towers.query, towers.document)] == ["TransformerEncoder"] * 2


def made():
    data = rows_of(PAIRS)
    towers = get("hybridpqa").method().settle(wide(data))
    torch.manual_seed(0)
    for tower in (towers.query, towers.document):
        torch.nn.init.normal_(tower.offset, std=0.5)
    return Made("", towers, (data, pairs(data)), 0)


def test_each_half_ranks_by_its_products(tmp_path):
    trained = made()
    trained.encoder.save(tmp_path / "model")
    data, encoder = trained.train, load(tmp_path / "model")
    q, d = encoder.encode(data.anchors.texts, kind="query"), encoder.encode(data.others.texts, kind="document")
    for half, dims in (("dense", slice(0, 768)), ("sparse", slice(768, None))):
        total, scores = 0.0, q[:, dims] @ d[:, dims].T
        for i, row in enumerate(scores):
            place = 1 + int((np.delete(row, i) > row[i]).sum())
            total += float(1 / np.log2(1 + place)) if place <= 10 else 0.0
        assert found_by_half(half).of(trained) == pytest.approx(total / len(data), abs=1e-4)


def test_signal_is_the_share_of_weights_on_tokens_that_are_not_there():
    trained = made()
    tower, own, whole = trained.encoder.document, 0.0, 0.0
    for text in trained.train.others.texts:
        weights = tower.encode([text], kind="document")[0, 768:]
        own += sum(float(weights[v]) for v in set(tower.tokenize([text], kind="document")["input_ids"].tolist()))
        whole += float(weights.sum())
    assert expanded.of(trained) == pytest.approx(1 - own / whole, rel=1e-5)


def test_what_reads_no_texts_is_refused():
    with pytest.raises(InputError, match="without states of tokens"):
        get("hybridpqa").method().settle(ImageEncoder(widths=(8,)))
