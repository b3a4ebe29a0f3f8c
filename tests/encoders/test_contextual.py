"""Texts in context against the parts of `transformers`, and that a context stays whole whatever is taken."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.items import Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import ContextualEncoder, InContext, StaticEncoder, drop_tokens, load
from counterpoint.encoders.features import concat
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import in_context
from counterpoint.engine import cached
from counterpoint.errors import InputError
from counterpoint.training import RowBatches
from counterpoint.training._processes import Processes
from systems.contexts import ids_of, read_by_hand, vectors_by_hand

TEXTS = ["red shoes", "light shoes for runners", "for red runners and others", "a cat", "dogs and cats at night"]
KEYS = ["what runners wear", "shoes that are light", "all in red", "it sleeps", "they run at night", "no animal at all"]


def bert(seed: int = 0, **options):
    size = {"layers": 1, "width": 8, "heads": 2, "dropout": 0.0, "vocab_size": 90, "spread": 0.5}
    return small_transformer([*TEXTS, *KEYS], seed=seed, **size, **options)


def two_stages(size: int = 3, **options) -> ContextualEncoder:
    torch.manual_seed(1)
    return ContextualEncoder(bert(**options), bert(1), size=size, prompts_learned=2)


def gradients(encoder, loss):
    found = torch.autograd.grad(loss, list(encoder.parameters()), allow_unused=True, retain_graph=True)
    return [torch.zeros(()) if g is None else g for g in found]


@pytest.mark.parametrize("normalize", [True, False])
def test_a_vector_is_of_a_text_behind_its_context(normalize):
    encoder = two_stages(normalize=normalize)
    features, weight = encoder.tokenize(TEXTS), torch.randn(len(TEXTS), 8, generator=torch.Generator().manual_seed(0))
    inputs = encoder.among(features, KEYS, (2, 3), 0)
    z = encoder(inputs)
    before = [vectors_by_hand(encoder, context) for context in inputs.contexts]
    by_hand = [read_by_hand(encoder, ids_of(features, i), before[0 if i < 2 else 1]) for i in range(len(TEXTS))]
    wanted = torch.stack([F.normalize(v, dim=0) if normalize else v for v in by_hand])
    torch.testing.assert_close(z, wanted)
    for mine, hand in zip(
        gradients(encoder, (z * weight).sum()), gradients(encoder, (wanted * weight).sum()), strict=True
    ):
        torch.testing.assert_close(mine, hand, rtol=1e-4, atol=1e-5)
    reached = dict(zip([name for name, _ in encoder.named_parameters()], gradients(encoder, z.sum()), strict=True))
    assert reached["learned"].any()
    assert reached["first.model.embeddings.word_embeddings.weight"].any() or normalize


def test_what_was_read_stands_before_whatever_is_encoded():
    encoder = two_stages()
    alone = torch.from_numpy(encoder.encode(TEXTS))
    torch.testing.assert_close(
        alone[1], F.normalize(read_by_hand(encoder, ids_of(encoder.tokenize(TEXTS), 1), []), dim=0)
    )
    encoder.read(KEYS, 5)
    assert len(set(encoder.context)) == 3
    assert set(encoder.context) < set(KEYS)
    z = torch.from_numpy(encoder.encode(TEXTS))
    context = vectors_by_hand(encoder, encoder.first.tokenize(encoder.context, "document"))
    for i in range(len(TEXTS)):
        hand = read_by_hand(encoder, ids_of(encoder.tokenize(TEXTS), i), context)
        torch.testing.assert_close(z[i], F.normalize(hand, dim=0))
    before = encoder.context
    encoder.read(KEYS, 6)
    assert encoder.context != before
    encoder.read(KEYS, 5)
    assert encoder.context == before
    encoder.context = before[::-1]
    torch.testing.assert_close(torch.from_numpy(encoder.encode(TEXTS)), z)
    encoder.read(["one text", "another"])
    assert sorted(map(encoder.context.count, ["one text", "another"])) == [1, 2]


def test_a_context_stays_whole_whatever_rows_are_taken():
    encoder = two_stages()
    inputs = encoder.among(encoder.tokenize(TEXTS), KEYS, (2, 3), 0)
    whole = encoder(inputs)
    torch.testing.assert_close(encoder(inputs.take(torch.tensor([4, 0]))), whole[[4, 0]])
    assert inputs.cost().tolist() == [4 + n for n in encoder.tokenize(TEXTS)["offsets"].diff().tolist()]
    rows = [torch.tensor([0, 3]), torch.tensor([2]), torch.tensor([1, 4])]
    weight = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))

    def loss(z):
        return ((z * weight[torch.cat(rows)]).sum() - 1).square()

    wanted = gradients(encoder, loss(whole[torch.cat(rows)]))
    cached([lambda at=at: encoder(inputs.take(at)) for at in rows], loss)
    for parameter, one in zip(encoder.parameters(), wanted, strict=True):
        found = torch.zeros(()) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, one, rtol=1e-4, atol=1e-5)
    assert encoder(inputs.take(torch.tensor([], dtype=torch.long))).shape == (0, 8)


def test_views_of_tokens_and_of_embeddings_are_of_the_text_alone():
    encoder = two_stages()
    features = concat([encoder.tokenize(TEXTS[:2]), encoder.tokenize(TEXTS[2:])])
    plain = encoder(features)
    scale = torch.ones(len(features["input_ids"]), 8)
    torch.testing.assert_close(encoder({**features, "scale": scale, "shift": torch.zeros_like(scale)}), plain)
    assert not torch.allclose(encoder({**features, "scale": 0 * scale}), plain)
    torch.manual_seed(0)
    fewer = drop_tokens(features, 0.5)
    torch.testing.assert_close(encoder(fewer)[1], F.normalize(read_by_hand(encoder, ids_of(fewer, 1), []), dim=0))
    with encoder.at(torch.bfloat16), torch.no_grad():
        encoder.read(KEYS)
        low = encoder(features)
    torch.testing.assert_close(low.float(), encoder(features), rtol=0.1, atol=0.05)


def test_what_was_read_is_encoded_once_for_all_texts_of_a_call():
    encoder = two_stages()
    encoder.read(KEYS)
    wanted = torch.cat([encoder(encoder.tokenize([text])) for text in TEXTS])
    with patch.object(encoder.first, "_embed", wraps=encoder.first._embed) as embed:
        found = torch.from_numpy(encoder.encode(TEXTS, batch_tokens=8, dtype="float32"))
        assert embed.call_count == 1
    torch.testing.assert_close(found, wanted)
    with patch.object(encoder.first, "_embed", wraps=encoder.first._embed) as embed:
        encoder(encoder.tokenize(TEXTS[:1])).sum().backward()
        assert embed.call_count == 1
    assert any(p.grad is not None for p in encoder.first.parameters())


def test_a_batch_is_its_own_context():
    encoder = two_stages(size=4)
    data = rows_of([Example(a, (k,), ("hard",)) for a, k in zip(TEXTS, KEYS, strict=False)])
    batches = RowBatches(data, encoder)
    torch.manual_seed(3)
    whole = batches.payload(torch.arange(3)).inputs
    assert isinstance(whole, InContext)
    assert whole.which.tolist() == [0] * 3 + [1] * 6
    documents = {tuple(ids_of(encoder.first.tokenize([t], "document"), 0)[0].tolist()) for t in [*KEYS[:3], "hard"]}
    seen = [[tuple(ids_of(c, j)[0].tolist()) for j in range(4)] for c in whole.contexts]
    assert all(set(each) <= documents for each in seen)
    assert seen[0] != seen[1]
    torch.manual_seed(3)
    part = batches.payload(torch.tensor([1]), torch.arange(3)).inputs
    assert [[tuple(ids_of(c, j)[0].tolist()) for j in range(4)] for c in part.contexts] == seen
    torch.testing.assert_close(encoder(part), encoder(whole)[[1, 4, 7]])
    torch.manual_seed(3)
    with patch.object(Processes, "broadcast", lambda _self, _drawn: 11):
        assert torch.equal(batches.payload(torch.arange(3)).inputs.contexts[0]["input_ids"], encoder.among(
            encoder.tokenize([]), [*KEYS[:3], "hard", "hard", "hard"], (0, 0), 11
        ).contexts[0]["input_ids"])  # fmt: skip
    alone = RowBatches(rows_of([Example(text) for text in TEXTS]), encoder).payload(torch.arange(2)).inputs
    assert len(alone.contexts) == 2


def test_saved_and_loaded_it_has_read_the_same(tmp_path):
    encoder = two_stages()
    encoder.read(KEYS)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.context == encoder.context
    torch.testing.assert_close(torch.from_numpy(again.encode(TEXTS)), torch.from_numpy(encoder.encode(TEXTS)))


def test_a_transformer_becomes_one_and_one_stays():
    base = bert()
    encoder = in_context(base, 7)
    assert encoder.size == 7
    assert encoder.encoder is base
    assert encoder.first is not base
    torch.testing.assert_close(encoder.first(base.tokenize(TEXTS)), base(base.tokenize(TEXTS)))
    assert in_context(encoder) is encoder
    items = Items("text", TEXTS)
    assert encoder.encode_items(items).shape == (5, 8)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="there is no transformer to read a context"):
        in_context(torch.nn.Identity())
    with pytest.raises(InputError, match="tokens that know nothing of each other"):
        ContextualEncoder(StaticEncoder.from_corpus(TEXTS, dim=8), bert())
    with pytest.raises(InputError, match="vectors of 4 dimensions among embeddings of 8"):
        ContextualEncoder(bert(), StaticEncoder.from_corpus(TEXTS, dim=4))
    for options in ({"size": 0}, {"prompts_learned": -1}):
        with pytest.raises(InputError, match="give 1 or more, 0 or more"):
            ContextualEncoder(bert(), bert(1), **options)
    with pytest.raises(InputError, match="a context of no texts"):
        two_stages().read([])
