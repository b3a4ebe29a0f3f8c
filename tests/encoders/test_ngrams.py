"""Vectors of n-grams beside those of tokens, against a loop over each text."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import NGramEncoder, StaticEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import token_table, with_ngrams
from counterpoint.errors import InputError

TEXTS = ["one red cat sleeps", "two dogs", "cat", "", "red cat red dogs sleep"]


def made(n=2, buckets=11, **options) -> NGramEncoder:
    torch.manual_seed(0)
    return NGramEncoder(StaticEncoder.from_corpus(TEXTS, dim=4, normalize=False, **options), buckets, n)


def naive(encoder, ids, blocked=()) -> torch.Tensor:
    """The mean over tokens and n-grams of one text."""
    vectors = [encoder.encoder.embedding.weight[t] for t in ids]
    for start in range(len(ids)):
        for end in range(start + 2, min(start + encoder.n, len(ids)) + 1):
            if not set(range(start, end)) & set(blocked):
                code = ids[start]
                for t in ids[start + 1 : end]:
                    code = code % 2**31 * 116049371 + t
                vectors.append(encoder.grams.weight[code % encoder.buckets])
    return torch.stack(vectors).mean(0) if vectors else torch.zeros(encoder.dim)


@pytest.mark.parametrize("n", [2, 3])
def test_a_vector_is_the_mean_of_tokens_and_n_grams(n):
    encoder = made(n)
    features = encoder.tokenize(TEXTS)
    ids = [row.tolist() for row in features["input_ids"].split(features["offsets"].diff().tolist())]
    z = encoder(features)
    wanted = torch.stack([naive(encoder, row) for row in ids])
    torch.testing.assert_close(z, wanted)
    weight = torch.randn_like(z)
    for parameter in (encoder.encoder.embedding.weight, encoder.grams.weight):
        (found,) = torch.autograd.grad((z * weight).sum(), parameter, retain_graph=True)
        (same,) = torch.autograd.grad((wanted * weight).sum(), parameter, retain_graph=True)
        torch.testing.assert_close(found, same)
        assert bool(found.any())


def test_blocked_tokens_are_in_no_n_gram():
    encoder = made(3)
    features = encoder.tokenize(TEXTS[:1] * 3)
    ids = features["input_ids"][: int(features["offsets"][1])].tolist()
    blocked = torch.tensor([[1, -1], [-1, -1], [3, 0]])
    z = encoder({**features, "blocked": blocked})
    wanted = [naive(encoder, ids, set(row.tolist()) - {-1}) for row in blocked]
    torch.testing.assert_close(z, torch.stack(wanted))
    assert not torch.allclose(z[0], z[1])


def test_it_is_saved_and_loaded(tmp_path):
    encoder = made(3, default_prompt_name="p", prompts={"p": "red "})
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.n, other.buckets, other.normalize, other.prompts) == (3, 11, False, {"p": "red "})
    assert (other.encode(TEXTS) == encoder.encode(TEXTS)).all()


def test_a_transformer_gives_its_token_vectors():
    base = small_transformer(TEXTS, layers=1, width=8, heads=2, max_seq_length=4)
    table = token_table(base)
    weight = base.model.get_input_embeddings().weight
    ids = base.tokenize(["red cat"])["input_ids"][1:-1]  # without [CLS] and [SEP]
    torch.testing.assert_close(
        table(table.tokenize(["red cat"]))[0], torch.nn.functional.normalize(weight[ids].mean(0), dim=0)
    )
    assert len(table.tokenize(["red cat " * 9])["input_ids"]) == 18
    assert token_table(table) is table
    assert torch.equal(with_ngrams(base).encoder.embedding.weight, weight)


def test_what_has_no_n_grams_is_refused():
    encoder = made()
    assert with_ngrams(encoder) is encoder
    with pytest.raises(InputError, match="no token vectors"):
        with_ngrams(torch.nn.Linear(2, 2))
    for buckets, n in ((0, 2), (5, 1)):
        with pytest.raises(InputError, match="buckets for n-grams"):
            NGramEncoder(encoder.encoder, buckets, n)
