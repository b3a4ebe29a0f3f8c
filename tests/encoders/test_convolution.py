"""Filters over token states against a loop over windows, whatever stands beside a text, and what vectors tell."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders import ConvolutionEncoder, ReconstructionBeside, StaticEncoder, load, take
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import with_filters
from counterpoint.errors import InputError
from encoders.test_adapting import llama

TEXTS = ["a small corpus", "small", "of a small corpus small a", ""]


def made(base=None, kernels=(1, 3, 4), channels=3, **options):
    options = {"dropout": 0.0, "spread": 0.4, "normalize": False, **options}
    base = small_transformer(["of a small corpus"], layers=1, width=8, heads=2, **options) if base is None else base
    torch.manual_seed(0)
    return ConvolutionEncoder(base, kernels, channels).eval()


def states(encoder, features, i):
    """Those of a text by itself; of a text without words those of its special tokens."""
    ids = take(features, [i])["input_ids"]
    x = encoder.encoder.model(input_ids=ids[None]).last_hidden_state[0]
    says = [t for t, token in enumerate(ids.tolist()) if token not in encoder.special_tokens]
    return x[says or list(range(len(ids)))]


def windows(encoder, x):
    found = []
    for k, filters in zip(encoder.kernels, encoder.filters, strict=True):
        padded = F.pad(x, (0, 0, 0, max(0, k - len(x))))
        said = [
            [(w * padded[t : t + k].T).sum() + b for t in range(len(padded) - k + 1)]
            for w, b in zip(filters.weight, filters.bias, strict=True)
        ]
        found += [max(0 * row[0], *row) for row in said]
    return encoder.merge(torch.stack(found))


@pytest.mark.parametrize("base", [None, "causal"])
def test_a_vector_is_what_filters_found_in_the_words(base):
    encoder = made(llama() if base else None)
    encoder.normalize = False
    features = encoder.tokenize(TEXTS)
    z, wanted = encoder(features), [windows(encoder, states(encoder, features, i)) for i in range(4)]
    torch.testing.assert_close(z, torch.stack(wanted))
    weight = torch.randn_like(z)
    for p in (encoder.filters[1].weight, encoder.encoder.model.get_input_embeddings().weight):
        (a,), (b,) = (
            torch.autograd.grad((out * weight).sum(), p, retain_graph=True) for out in (z, torch.stack(wanted))
        )
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        assert bool(b.any())
    # nothing of other texts is in it
    torch.testing.assert_close(encoder(take(features, [1])), z[1:2])


def test_errors_are_those_of_a_decoder_that_knows_vector_and_place():
    encoder = made()
    beside = ReconstructionBeside(encoder, 5).eval()
    features = encoder.tokenize(TEXTS)
    row = beside(features)
    torch.testing.assert_close(row[:, :8], encoder(features))
    wanted = torch.zeros(4, 5)
    for i in range(4):
        x = states(encoder, features, i).detach()
        for t, state in enumerate(x[:5]):
            hidden = F.gelu(beside.first(encoder(features)[i]) + beside.place.weight[t])
            scaled = (state - state.mean()) / (state.var(correction=0) + 1e-5).sqrt()
            wanted[i, t] = ((beside.second(hidden) - scaled) ** 2).mean()
    torch.testing.assert_close(row[:, 8:], wanted)
    assert (wanted > 0).sum(1).tolist() == [3, 1, 5, 2]
    names = (beside.place.weight, encoder.merge.weight, encoder.encoder.model.get_input_embeddings().weight)
    for p in names:
        (a,), (b,) = (torch.autograd.grad(out.square().sum(), p, retain_graph=True) for out in (row[:, 8:], wanted))
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        assert bool(b.any())
    assert beside(take(features, [])).shape == (0, 13)


def test_vectors_are_shortened_and_scaled_as_the_encoder_s():
    encoder = made(normalize=True, truncate_dim=6)
    beside = ReconstructionBeside(encoder, 2)
    features = encoder.tokenize(TEXTS)
    row = beside(features)
    assert beside.dim == 6
    torch.testing.assert_close(row[:, :6], encoder(features))
    torch.testing.assert_close(row[:, :6].norm(dim=1), torch.ones(4))
    assert row.shape == (4, 8)


def test_it_is_saved_and_loaded(tmp_path):
    encoder = made(prompts={"p": "small "}, default_prompt_name="p")
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.kernels, other.channels, other.prompts) == ((1, 3, 4), 3, {"p": "small "})
    assert (other.encode(TEXTS) == encoder.encode(TEXTS)).all()


def test_what_has_no_states_is_refused():
    encoder = made()
    assert with_filters(encoder) is encoder
    table = StaticEncoder.from_corpus(["a"], dim=4)
    with pytest.raises(InputError, match="filters read the states"):
        with_filters(table)
    for kernels, channels in (((), 3), ((0,), 3), ((2,), 0)):
        with pytest.raises(InputError, match="filters of heights"):
            ConvolutionEncoder(encoder.encoder, kernels, channels)
    with pytest.raises(InputError, match="only a ConvolutionEncoder"):
        ReconstructionBeside(encoder.encoder)
    with pytest.raises(InputError, match="0 tokens to tell"):
        ReconstructionBeside(encoder, 0)
