"""ExplaGraph CL: graphs are written after a text, and told from wrong graphs as wholes or token by token."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.graph_texts import edges_of
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.pretraining import Continuation, log_likelihood
from counterpoint.systems import get
from counterpoint.systems.sentences import explagraph
from counterpoint.testbeds import Made
from counterpoint.testbeds.graphs import _edited, structure, told_apart, truth
from counterpoint.views import graph_edits
from systems.through import same
from systems.words import small_table, steady_bert, step_of_texts

PAIRS = [
    Example("cat; owl", ("(cat; eats; hen)(hen; fears; owl)(owl; sees; bee)",)),
    Example("dog; ant", ("(dog; is; fox)(ant; fears; fox)",)),
    Example("pig; yak; cow", ("(pig; sees; cow)(cow; is; yak)(cow; eats; emu)(emu; fears; eel)",)),
]


def step_of(method="explagraph-cl", **options):
    return step_of_texts(method, PAIRS, make=steady_bert, n=3, **options)


def tokens_of(task, first: str, second: str) -> tuple[list[int], list[int]]:
    first, second = (task.encoder.tokenize([text])["input_ids"].tolist() for text in (first, second))
    return first, second[1:]


def states_of(task, first: list[int], second: list[int]) -> torch.Tensor:
    """The state before each token of the second text, of one pair alone."""
    length = len(first) + len(second)
    mask = torch.full((length, length), torch.finfo(torch.float32).min)
    for i in range(length):
        for j in range(length):
            if j < len(first) or j <= i:
                mask[i, j] = 0.0
    ids = torch.tensor([first + second])
    states = task.encoder.model(input_ids=ids, attention_mask=mask[None, None]).last_hidden_state[0]
    return states[len(first) - 1 : -1]


def rows_seen(task):
    """Of each row the first text, the graph, what says the same, and what is wrong, as texts."""
    data = task._data
    text = data.others.texts if data.others is not None else ()
    for i, right, wrong in zip(data.anchor.tolist(), data.positives.tolist(), data.negatives.tolist(), strict=True):
        yield data.anchors.texts[i], *(text[k] for k in right), [text[k] for k in wrong if k >= 0]


def written(task) -> torch.Tensor:
    """Token by token: cross-entropy over the vocabulary."""
    table, losses = task.encoder.model.get_input_embeddings().weight, []
    for first, graph, _, _ in rows_seen(task):
        x, y = tokens_of(task, first, graph)
        losses += [F.cross_entropy(table @ h, torch.tensor(v)) for h, v in zip(states_of(task, x, y), y, strict=True)]
    return torch.stack(losses).mean()


def contrast(task) -> torch.Tensor:
    """Row by row: the mean state of a graph against those of its own others."""
    losses = []
    for first, *right, wrong in rows_seen(task):
        z, alike, *others = (states_of(task, *tokens_of(task, first, text)).mean(0) for text in (*right, *wrong))
        scores = torch.stack([F.cosine_similarity(z, k, dim=0) / 0.1 for k in (alike, *others)])
        losses.append(torch.logsumexp(scores, 0) - scores[0])
    return torch.stack(losses).mean()


def margins(task) -> torch.Tensor:
    """Place by place: a right token's log-probability against that of the wrong one there, after the right graph."""
    table, losses = task.encoder.model.get_input_embeddings().weight, []
    for first, graph, _, wrong in rows_seen(task):
        x, y = tokens_of(task, first, graph)
        logs = (states_of(task, x, y) @ table.T).log_softmax(1)
        for text in wrong:
            _, other = tokens_of(task, first, text)
            losses += [(1 - logs[t, y[t]] + logs[t, other[t]]).clamp_min(0) for t in range(min(len(y), len(other)))]
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_graphs():
    step = step_of()
    task = step.network[0]
    assert sum(len(wrong) for *_, wrong in rows_seen(task)) == 13  # a chain of two edges does not fall apart
    same(step, written(task) + 0.1 * contrast(task), rtol=1e-3)
    for other in (written(task), written(task) + 0.2 * contrast(task)):
        with pytest.raises(AssertionError):
            same(step, other, rtol=1e-3)


def test_loss_with_margins_is_that_of_a_naive_loop_over_tokens():
    step = step_of("explagraph-cl-max-margin")
    task = step.network[0]
    same(step, written(task) + margins(task), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, written(task), rtol=1e-3)


@pytest.mark.parametrize("name", ["explagraph-cl", "explagraph-cl-max-margin"])
def test_chunks_give_the_whole_s_loss_and_gradient(name):
    whole, parts = (step_of(get(name).method().changed(chunk_tokens=n)) for n in (1 << 20, 12))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    for key, gradient in whole.gradient.items():
        torch.testing.assert_close(parts.gradient[key], gradient, rtol=1e-3, atol=1e-5, msg=key)


def test_the_baseline_writes_alone():
    step = step_of(explagraph.cross_entropy())
    task = step.network[0]
    task._data = graph_edits()(task._data, task, 0)
    same(step, written(task), rtol=1e-3)


def test_the_numbers_of_the_code_stand_in_the_recipe():
    (stage,) = get("explagraph-cl").method().stages
    assert (stage.train.learning_rate, stage.train.batch_size, stage.train.epochs) == (3e-5, 8, 15)
    objective = stage.objective()
    assert (objective.weights, objective.objectives[1].objective.temperature) == ((1.0, 0.1), 0.1)
    (stage,) = explagraph.max_margin().stages
    objective = stage.objective()
    assert (objective.weights, objective.objectives[1].objective.margin) == ((1.0, 1.0), 1.0)


def test_with_a_thesaurus_a_graph_says_the_same_in_other_words():
    class Felines:
        def synonyms(self, word):
            return ["big cat"] if word == "cat" else []

    task = step_of(explagraph.with_thesaurus(Felines())).network[0]
    _, graph, alike, _ = next(rows_seen(task))
    assert edges_of(alike) == (("big cat", "eats", "hen"), *edges_of(graph)[1:])


@torch.no_grad()
def test_figures_are_of_the_test_s_graphs_and_their_wrong_ones():
    data = rows_of(PAIRS)
    encoder = steady_bert(data)
    made = Made("", encoder, (data, data), 0)
    task = Continuation(encoder, _edited(made))
    table = encoder.model.get_input_embeddings().weight

    def likely(first, text):
        x, y = tokens_of(task, first, text)
        logs = (states_of(task, x, y) @ table.T).log_softmax(1)
        return float(torch.stack([logs[t, v] for t, v in enumerate(y)]).mean())

    graphs = list(rows_seen(task))
    torch.testing.assert_close(log_likelihood(encoder, data), torch.tensor([likely(*row[:2]) for row in graphs]))
    shaped = [likely(first, g) > likely(first, w) for first, g, _, wrong in graphs for w in wrong[:-1]]
    assert structure.of(made) == pytest.approx(sum(shaped) / len(shaped))
    assert truth.of(made) == pytest.approx(sum(likely(f, g) > likely(f, w[-1]) for f, g, _, w in graphs) / 3)
    right, wrong = [], []
    for first, *same_, others in graphs:
        z, alike, *rest = (states_of(task, *tokens_of(task, first, text)).mean(0) for text in (*same_, *others))
        right.append(F.cosine_similarity(z, alike, dim=0))
        wrong += [F.cosine_similarity(z, k, dim=0) for k in rest]
    gap = float(torch.stack(right).mean() - torch.stack(wrong).mean())
    assert told_apart.of(made) == pytest.approx(gap, abs=1e-5)


def test_what_is_no_graph_and_what_is_no_transformer_is_refused():
    with pytest.raises(InputError, match="is no graph"):
        step_of_texts("explagraph-cl", [Example("a", ("no graph",))] * 3, make=steady_bert, n=3)
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of_texts("explagraph-cl", PAIRS, make=small_table, n=3)
    unprepared = get("explagraph-cl").method().varied("unprepared", prepare=())
    with pytest.raises(InputError, match="prepare the data"):
        step_of_texts(unprepared, PAIRS, make=steady_bert, n=3)
