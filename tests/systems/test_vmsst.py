"""VMSST: translations both ways, and the bound of a shared variable and one of each language."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import vmsst
from systems.through import same
from systems.words import PAIRS, small_table, steady_bert, step_of_texts


def step_of(method=None, examples=PAIRS, *, make=steady_bert, n=3):
    """Of one batch."""
    return step_of_texts(method or get("vmsst").method(), examples, make=make, n=n)


def texts(side) -> list[torch.Tensor]:
    return list(side["input_ids"].split(side["offsets"].diff().tolist()))


def state(encoder, ids, added=None) -> torch.Tensor:
    """The mean state of one text; `added` to what leaves the embeddings."""
    model = encoder.model
    if added is None:
        return model(input_ids=ids[None]).last_hidden_state[0].mean(0)
    x = model.embeddings(input_ids=ids[None]) + added
    for layer in model.encoder.layer:
        out = layer(x)
        x = out[0] if isinstance(out, tuple) else out
    return x[0].mean(0)


def said(task, ids, known, language) -> torch.Tensor:
    """Minus the logarithm of how likely a text is, token by token, each from those before it."""
    table, layer, total = task.encoder.model.get_input_embeddings().weight, task.decoder, torch.zeros(())
    for place in range(1, len(ids)):
        x = table[ids[:place]] + task.position.weight[:place] + task.language.weight[language]
        told = known.expand(place, -1)
        # the last place sees all before it; what the others see does not matter in a single layer
        x = layer.after[0](x + layer.attention(x[None], x[None], x[None])[0][0])
        x = layer.after[1](x + layer.told(torch.cat([x, told], 1)))
        x = layer.after[2](x + layer.wide(x))
        h = task.transform(torch.cat([x, told], 1))[-1]
        total = total + F.cross_entropy(table @ h + task.bias, ids[place])
    return total


def divergence(mean, log_variance) -> torch.Tensor:
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()


def drawn(mean, log_variance, noise) -> torch.Tensor:
    return mean + (log_variance / 2).exp() * noise


def loss_of(step, *, weight=0.1, own=True, of=(0, 1)) -> torch.Tensor:
    """The mean over pairs of translations, and of what the shared variable and the language's make of both."""
    task, sides = step.network[0], step.payload.inputs
    losses = []
    for i, pair in enumerate(zip(*map(texts, sides), strict=True)):
        noise, read = sides[0]["noise"][i], int(sides[0]["read"][i])
        means = [state(task.encoder, ids) for ids in pair]
        nothing = torch.zeros_like(means[0])
        loss = sum(said(task, ids, torch.cat([means[1 - k], nothing]), of[k]) for k, ids in enumerate(pair))
        gaussians = [(means[read], task.variance(means[read]))]
        if own:
            for k, ids in enumerate(pair):
                pooled = state(task.second, ids, task.second_language.weight[of[k]])
                gaussians.append(task.gaussian(pooled).chunk(2))
        z = [drawn(*one, noise[k]) for k, one in enumerate(gaussians)]
        rebuilt = sum(
            said(task, ids, torch.cat([z[0], z[1 + k] if own else nothing]), of[k]) for k, ids in enumerate(pair)
        )
        losses.append(loss + weight * (rebuilt + sum(divergence(*one) for one in gaussians)))
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_translations_and_variables():
    step = step_of()
    same(step, loss_of(step), rtol=1e-3)
    for name in ("encoder.model.embeddings.word_embeddings.weight", "second_language.weight", "variance.weight"):
        assert bool(step.gradient[f"0.{name}"].any())
    with pytest.raises(AssertionError):
        same(step, loss_of(step, weight=0.0), rtol=1e-3)


@pytest.mark.parametrize(("make", "weight"), [(vmsst.bitranslation, 0.0), (vmsst.one_variable, 0.1)])
def test_baselines_only_translate_or_have_one_variable(make, weight):
    step = step_of(make(), n=2)
    same(step, loss_of(step, weight=weight, own=False), rtol=1e-3)


def test_languages_are_those_of_the_data_and_the_translation_s_is_the_first():
    data = rows_of(PAIRS)
    assert vmsst.languages(data) is None
    data = replace(data, columns={**data.columns, "language": torch.arange(len(data)) % 2})
    assert vmsst.languages(data).tolist()[:3] == [[1, 0], [2, 0], [1, 0]]


def test_either_sentence_is_read_and_samples_are_drawn_anew():
    data = rows_of(PAIRS)
    task = vmsst.separated(data, steady_bert(data))
    first, second = (task.payload(torch.arange(12)).inputs[0] for _ in range(2))
    assert set(first["read"].tolist()) == {0, 1}
    assert not torch.equal(first["noise"], second["noise"])


def test_sentences_without_translation_are_left_out_and_tables_are_refused():
    data = rows_of(PAIRS)
    positives = data.positives.clone()
    positives[1] = -1
    data = replace(data, positives=positives, columns={**data.columns, "language": torch.arange(len(data))})
    assert len(vmsst.separated(data, steady_bert(data))) == len(PAIRS) - 1
    assert vmsst.languages(data).tolist()[:2] == [[1, 0], [3, 0]]
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of(make=small_table)
