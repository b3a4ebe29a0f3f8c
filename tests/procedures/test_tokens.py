"""Tokens beside texts: both terms are what each would be alone, whatever is known of the texts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import DetectReplaced, Rebuild, TokenTask
from counterpoint.procedures.tokens import Asked


class Guess(TokenTask):
    """Of three tokens which of four they are."""

    reads = ("tokens",)

    def __init__(self, dim=3):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.states = nn.Parameter(torch.randn(3, dim, generator=generator))
        self.table = nn.Parameter(torch.randn(4, dim, generator=generator))

    def asked(self, points):
        self.seen = points
        return Asked(self.states, torch.tensor([2, 0, 2]), self.table)


def texts(**columns):
    generator = torch.Generator().manual_seed(1)
    return [Points(torch.randn(4, 5, generator=generator).requires_grad_(), {
        "sample": torch.arange(4), "view": torch.full((4,), view), "tokens": torch.ones(4, 6, dtype=torch.long),
        **columns}) for view in (0, 1)]  # fmt: skip


@pytest.mark.parametrize("dim", [3, 8])
def test_the_loss_is_the_sum_of_both_terms(dim):
    """Tokens narrower and wider than texts; copies, weights and temperatures of texts are none of tokens."""
    known = {
        "input": torch.tensor([5, 6, 7, 5]), "partner": torch.tensor([5, 6, 7, 5]),
        "weight": torch.tensor([1.0, 2.0, 0.5, 1.0]), "temperature": torch.tensor([1.0, 2.0, 1.0, 1.0]),
    }  # fmt: skip
    queries, keys = texts(**known)
    task = Guess(dim)
    (call,) = task([{"queries": queries, "keys": keys}], lambda model: {})
    found = TokenTask.beside(InfoNCE(0.2), 0.7)(**call)
    wanted = InfoNCE(0.2)(queries, keys) + 0.7 * F.cross_entropy(task.states @ task.table.T, torch.tensor([2, 0, 2]))
    torch.testing.assert_close(found, wanted)
    leaves = [queries.z, keys.z, task.states, task.table]
    for a, b in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(a, b)
    assert "tokens" not in call["queries"].columns
    assert len(task.seen) == 8


def test_one_side_is_refused():
    with pytest.raises(InputError, match="beside two sides"):
        Guess()([{"queries": texts()[0], "keys": None}], lambda model: {})


def test_detection_is_refused_where_it_cannot_be():
    small = small_transformer(["a b c"], layers=1, width=8, heads=2)
    for encoder in (small, StaticEncoder.from_corpus(["a b c"], dim=6)):
        with pytest.raises(InputError, match="second transformer of width 6"):
            DetectReplaced(6).start(nn.Sequential(encoder, nn.Identity()))
    task = DetectReplaced(8)
    task.start(nn.Sequential(small, nn.Identity()))
    with pytest.raises(InputError, match="no edited text"):
        task.asked(Points(torch.zeros(1, 8)))
    ids = torch.tensor([[2, 5, 6]])
    with pytest.raises(InputError, match="cannot stand for a token of 8"):
        task.asked(Points(torch.zeros(1, 7), tokens=ids, filled=ids[:, None]))


def test_tokens_of_a_text_see_no_other_text():
    small = small_transformer(["a b c"], layers=1, width=8, heads=2, dropout=0.0)
    task = DetectReplaced(8)
    task.start(nn.Sequential(small, nn.Identity()))
    z, ids = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([[2, 5, 6], [2, 6, -1]])
    both = task.asked(Points(z, tokens=ids, filled=ids[:, None]))
    alone = task.asked(Points(z[1:], tokens=ids[1:], filled=ids[1:, None]))
    torch.testing.assert_close(both.states[3:], alone.states)
    assert both.answer.tolist() == [0] * 5


def rebuilding(**options):
    """A task that drops nothing but what is hidden, and the texts it is asked of."""
    small = small_transformer(["a b c d e"], layers=1, width=8, heads=2, dropout=0.0, spread=0.5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = Rebuild(8, layers=1, heads=2, **options)
    task.start(nn.Sequential(small, nn.Identity()))
    for part in task.decoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return task, Points(z, tokens=torch.tensor([[2, 5, 6, 7], [2, 8, 3, -1]]))


def test_a_text_is_written_from_its_own_vector_and_no_other_text():
    task, points = rebuilding(hidden=0.0)
    both = task.asked(points)
    assert both.answer.tolist() == [2, 5, 6, 7, 2, 8, 3]
    alone = task.asked(Points(points.z[1:], tokens=points.columns["tokens"][1:, :3]))
    torch.testing.assert_close(both.states[4:], alone.states)
    nothing = Points(torch.ones(1, 8), tokens=torch.full((1, 4), -1))
    torch.testing.assert_close(task.asked(Points.cat([points, nothing])).states, both.states)
    (slope,) = torch.autograd.grad(both.states[:4].square().sum(), points.z)
    assert slope[0].norm() > 0
    assert not slope[1].any()


def test_where_all_is_hidden_the_vector_alone_tells():
    task, points = rebuilding(hidden=1.0)
    states = task.asked(points).states
    torch.testing.assert_close(states[:4], states[:1].expand(4, -1))
    assert not torch.allclose(states[0], states[4])
    seen, _ = rebuilding(hidden=0.0)
    assert not torch.allclose(*seen.asked(points).states[:2])


def test_what_is_ahead_is_not_seen():
    task, points = rebuilding(hidden=0.0, ahead=True)
    asked = task.asked(points)
    assert asked.answer.tolist() == [5, 6, 7, 8, 3]
    other = task.asked(points.with_columns(tokens=torch.tensor([[2, 5, 9, 7], [2, 8, 3, -1]])))
    same = (asked.states == other.states).all(1)
    assert same.tolist() == [True, True, False, True, True]


def test_embeddings_that_are_read_have_no_gradient_and_token_vectors_have():
    task, points = rebuilding(hidden=0.0)
    model = task._encoder[0].model.embeddings
    asked = task.asked(points)
    read = torch.autograd.grad(asked.states.square().sum(), model.position_embeddings.weight, allow_unused=True)
    assert read == (None,)
    loss = F.cross_entropy(asked.states @ asked.table.T, asked.answer)
    assert all(g.any() for g in torch.autograd.grad(loss, [model.word_embeddings.weight, task.bias]))


def test_of_pairs_the_anchors_are_written():
    task, points = rebuilding(hidden=0.0)
    queries = points.with_columns(sample=torch.arange(2))
    (call,) = task([{"queries": queries, "keys": Points(torch.ones(2, 8), sample=torch.arange(2))}], lambda model: {})
    assert call["queries"].columns["answer"].tolist() == [-1, -1, 2, 5, 6, 7, 2, 8, 3]


def test_rebuilding_is_refused_where_it_cannot_be():
    with pytest.raises(InputError, match=r"share of 1\.5 is hidden"):
        Rebuild(8, layers=1, hidden=1.5)
    with pytest.raises(InputError, match="transformer of width 6"):
        Rebuild(6, layers=1).start(nn.Sequential(StaticEncoder.from_corpus(["a b c"], dim=6), nn.Identity()))
    task, points = rebuilding()
    with pytest.raises(InputError, match="with_tokens"):
        task.asked(Points(points.z))
    with pytest.raises(InputError, match="tells no decoder of 8"):
        task.asked(Points(torch.ones(2, 7), tokens=points.columns["tokens"]))
