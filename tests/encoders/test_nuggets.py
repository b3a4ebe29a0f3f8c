"""Nuggets: which tokens they are, saved and loaded, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from counterpoint.encoders import NuggetEncoder, StaticEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import in_nuggets
from counterpoint.errors import InputError

TEXTS = ["one red cat", "a dog is red and a cat is not", "dogs", "one two three four five six seven eight"]


def made(ratio=0.3, **options) -> NuggetEncoder:
    torch.manual_seed(0)
    sizes = {"layers": 2, "width": 8, "heads": 2, "spread": 0.5, "normalize": False}
    return NuggetEncoder(small_transformer(TEXTS, **sizes), ratio, **options)


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.3, 1.0])
@pytest.mark.parametrize("evenly", [False, True])
def test_the_highest_are_chosen_in_the_order_of_the_text(ratio, evenly):
    encoder = made(ratio, evenly=evenly).eval()
    inputs = encoder.tokenize(TEXTS)
    scores, states, offsets = encoder.scores(inputs), encoder.encoder._hidden(inputs), inputs["offsets"].tolist()
    nuggets, told = encoder.padded(inputs)
    for i, (first, last) in enumerate(pairwise(offsets)):
        count = last - first
        most = math.ceil(round(ratio * count, 6))
        best = sorted(sorted(range(first, last), key=lambda t: -float(scores.detach()[t]))[:most])
        if evenly:
            best = [first + t for t in range(count) if (t + 1) * most // count > t * most // count]
            assert best[-1] == last - 1
        torch.testing.assert_close(nuggets[i, :most], states[best])
        torch.testing.assert_close(told[i, :most], scores[best])
        assert (nuggets[i, most:] == 0).all()
        assert told[i, most:].eq(-math.inf).all()


def test_scores_are_read_from_first_layers_that_do_not_drop():
    encoder = made(layers=1).train()
    assert len(encoder.before.model.encoder.layer) == 1
    inputs = encoder.tokenize(TEXTS)
    assert torch.equal(encoder.scores(inputs), encoder.scores(inputs))
    first = encoder.encoder.eval()._hidden(inputs, 1)
    torch.testing.assert_close(encoder.scores(inputs), encoder.score(first)[:, 0])


def test_it_is_saved_and_loaded(tmp_path):
    encoder = made(0.25, layers=1)
    with torch.no_grad():
        encoder.encoder.model.get_input_embeddings().weight.mul_(1.5)
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.ratio, other.layers, other.evenly, other.normalize) == (0.25, 1, False, False)
    # what scores are read from is not what the encoder has become
    torch.testing.assert_close(torch.tensor(other.encode(TEXTS)), torch.tensor(encoder.encode(TEXTS)))
    assert in_nuggets(other) is other


def test_what_has_no_nuggets_is_refused():
    for ratio in (0.0, 1.1):
        with pytest.raises(InputError, match="nuggets for each token"):
            made(ratio)
    with pytest.raises(InputError, match="nuggets are tokens of a transformer"):
        in_nuggets(StaticEncoder.from_corpus(TEXTS, dim=4))
