"""Several vectors a text: which tokens they are of, parts, padding, chunks; saved and loaded, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Items
from counterpoint.encoders import (
    EachVector,
    ImageEncoder,
    MultiVectorEncoder,
    NuggetEncoder,
    StaticEncoder,
    concat,
    late,
    load,
    take,
)
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import first_vectors, late_interaction
from counterpoint.errors import InputError

TEXTS = ["one red cat", "a dog, is red . and a cat is not !", "dogs", ",", "one two three four five six seven eight"]


def bert(**options):
    torch.manual_seed(0)
    return small_transformer(TEXTS, **{"layers": 1, "width": 8, "heads": 2, "spread": 0.5} | options)


def table():
    return StaticEncoder.from_corpus(TEXTS, dim=6, prompts={})


def naive(encoder, text, kind):
    """Token by token."""
    inner = encoder.encoder
    ids = inner.tokenize([text])["input_ids"]
    if isinstance(inner, StaticEncoder):
        states = inner.embedding(ids)
    else:
        states = inner.model(input_ids=ids[None]).last_hidden_state[0]
    limit = encoder.asked if kind == "query" and encoder.asked else encoder.most
    if not encoder.punctuation and kind != "query":
        words = [inner.tokenizer.decode([i]) for i in ids.tolist()]
        kept = [w not in (",", ".", "!") for w in words]
        states = states[torch.tensor(kept if any(kept) else [True] * len(kept), dtype=torch.bool)]
    if encoder.means:
        number, size = min(limit, len(states)), len(states)
        cut = [[i for i in range(size) if i * number // size == part] for part in range(number)]
        states = torch.stack([states[rows].mean(0) for rows in cut]) if number else states[:0]
    states = states[:limit]
    if encoder.size:
        states = states @ encoder.projection.weight.T
    if encoder.layer_norm:
        centred = states - states.mean(1, keepdim=True)
        states = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        states = states * encoder.norm.weight + encoder.norm.bias
    return F.normalize(states, dim=1) if encoder.normalize else states


MADE = {
    "all": lambda: MultiVectorEncoder(bert()),
    "ColBERT": lambda: late_interaction(bert(), size=3, most=7),
    "ME-BERT": lambda: first_vectors(bert(normalize=False)),
    "parts": lambda: first_vectors(table(), 2),
    "more asked": lambda: MultiVectorEncoder(table(), 2, asked=4),
    "projected table": lambda: late_interaction(table(), size=3),
}


@pytest.mark.parametrize("kind", ["query", "document", None])
@pytest.mark.parametrize("name", MADE)
def test_vectors_are_those_of_a_loop_over_tokens(name, kind):
    encoder = MADE[name]().eval()
    if encoder.layer_norm:
        torch.nn.init.normal_(encoder.norm.weight)
        torch.nn.init.normal_(encoder.norm.bias)
    z = encoder.each(encoder.tokenize(TEXTS, kind))
    assert z.shape[1:] == (max(encoder.most, encoder.asked), encoder.dim)
    ragged = encoder.encode_each(Items("text", TEXTS), kind=kind)
    for i, text in enumerate(TEXTS):
        wanted = naive(encoder, text, kind)
        torch.testing.assert_close(z[i, : len(wanted)], wanted)
        assert bool((z[i, len(wanted) :] == 0).all())
        own = ragged.vectors_td[ragged.offsets_n[i] : ragged.offsets_n[i + 1]]
        torch.testing.assert_close(torch.from_numpy(own), wanted.detach())
        mean = wanted.detach().mean(0) if len(wanted) else torch.zeros(encoder.dim)
        mean = F.normalize(mean, dim=0) if encoder.normalize else mean
        torch.testing.assert_close(torch.from_numpy(encoder.encode([text], kind=kind))[0], mean)


def test_chunks_and_sides_are_the_same_as_all_at_once():
    encoder = late_interaction(bert(), size=3, most=7).eval()
    encoder.encoder.batch_tokens = 10
    sides = [encoder.tokenize(TEXTS, kind) for kind in ("query", "document")]
    both = EachVector(encoder)(concat(sides))
    torch.testing.assert_close(both, torch.cat([encoder.each(side) for side in sides]))
    rows = torch.tensor([7, 0, 3])
    torch.testing.assert_close(encoder.each(take(concat(sides), rows)), both[rows])
    ragged = encoder.encode_each(Items("text", TEXTS), kind="document")
    torch.testing.assert_close(torch.from_numpy(ragged.vectors_td), both[5:][(both[5:] != 0).any(-1)].detach())


def test_vectors_with_a_prompt_of_fewer_dimensions_in_half_the_memory(monkeypatch):
    encoder = late_interaction(bert(), size=3, most=7)
    monkeypatch.setattr(late, "WINDOW", 3)
    told = []
    with encoder.counting() as cut:
        found = encoder.encode_each(
            Items("text", TEXTS),
            kind="document",
            prompt="red ",
            truncate_dim=2,
            half=True,
            progress=lambda done, total: told.append((done, total)),
        )
    assert found.vectors_td.dtype == np.float16
    assert cut.of == len(TEXTS)
    assert told[-1] == (len(TEXTS), len(TEXTS))
    assert (encoder.dim, encoder.prompts) == (3, encoder.encoder.prompts)
    encoder.prompts, encoder.default_prompt_name, encoder.truncate_dim = {"own": "red "}, "own", 2
    wanted = encoder.encode_each(Items("text", TEXTS), kind="document")
    np.testing.assert_array_equal(found.offsets_n, wanted.offsets_n)
    np.testing.assert_array_equal(found.vectors_td, wanted.vectors_td.astype(np.float16))
    assert wanted.vectors_td.shape[1] == 2
    with pytest.raises(InputError, match="cannot truncate to 4 dimensions"):
        encoder.encode_each(Items("text", TEXTS), truncate_dim=4)


def test_nothing_has_no_vectors_and_a_gradient():
    encoder = MultiVectorEncoder(table())
    z = EachVector(encoder)(encoder.tokenize([]))
    assert z.shape == (0, 128, 6)
    assert z.requires_grad
    assert len(encoder.encode_each(Items("text", []))) == 0
    assert encoder.encode_each(Items("text", ["", "one"])).offsets_n.tolist() == [0, 0, 1]


def test_what_fills_up_has_no_gradient():
    encoder = first_vectors(table(), 3)
    z = encoder.each(encoder.tokenize(["one", "red cat"]))
    (z * torch.tensor([0.0, 0.0, 1.0])[:, None]).sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in encoder.parameters())


@pytest.mark.parametrize("name", MADE)
def test_it_is_saved_and_loaded(name, tmp_path):
    encoder = MADE[name]()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(1.5)
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    asked = Items("text", TEXTS)
    for kind in ("query", "document"):
        one, again = encoder.encode_each(asked, kind=kind), other.encode_each(asked, kind=kind)
        np.testing.assert_allclose(one.vectors_td, again.vectors_td, atol=1e-6)
        np.testing.assert_array_equal(one.offsets_n, again.offsets_n)


def test_training_mode_is_kept_and_dropout_is_off():
    encoder = MultiVectorEncoder(bert(dropout=0.5)).train()
    one, two = (encoder.encode_each(Items("text", TEXTS)).vectors_td for _ in range(2))
    assert encoder.training
    np.testing.assert_array_equal(one, two)


def test_what_has_several_vectors_stays_as_it_is():
    encoder = first_vectors(table())
    assert late_interaction(encoder) is encoder
    assert first_vectors(encoder) is encoder


def test_what_has_no_token_vectors_is_refused():
    with pytest.raises(InputError, match="without states of tokens"):
        MultiVectorEncoder(NuggetEncoder(bert()))
    with pytest.raises(InputError, match="no encoder of texts"):
        late_interaction(ImageEncoder(widths=(8,)))
    with pytest.raises(InputError, match="only a MultiVectorEncoder"):
        EachVector(table())
    for options in ({"most": 0}, {"asked": -1}, {"size": -1}):
        with pytest.raises(InputError, match="vectors a text"):
            MultiVectorEncoder(table(), **options)
