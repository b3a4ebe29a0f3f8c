"""Models that read a query and a document together: scores, folders, what sentence-transformers makes of them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoint.encoders import StaticEncoder, crossing, load
from counterpoint.encoders.crossing import KernelCrossEncoder, Readers, load_cross_encoder
from counterpoint.encoders.crossing_transformer import TransformerCrossEncoder
from counterpoint.errors import InputError

QUERIES = ["dogs", "a man plays", "football in the river", "dogs"]


def made(tiny, name: str):
    if name == "kernels":
        return KernelCrossEncoder(tiny("static"))
    return TransformerCrossEncoder.of(tiny(name), seed=1)


NAMES = ["kernels", "bert", "roberta", "distilbert", "llama", "gpt2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_scores_the_same_alone_and_in_any_company(tiny, corpus, name):
    model = made(tiny, name)
    queries, documents = QUERIES + QUERIES[::-1], corpus + corpus[:2]
    together = model.score(queries, documents)
    alone = [model.score([q], [d])[0] for q, d in zip(queries, documents, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(model.score(queries, documents, batch_size=3), together, atol=1e-5)
    assert together.std() > 1e-4
    assert together.dtype == np.float32
    assert model.score([], []).shape == (0,)


@pytest.mark.parametrize("name", NAMES[1:])
def test_both_texts_and_their_order_count(tiny, corpus, name):
    model = made(tiny, name)
    straight, other, turned = model.score([corpus[0]] * 2 + [corpus[3]], [corpus[3], corpus[4], corpus[0]])
    assert abs(straight - other) > 1e-4
    assert abs(straight - turned) > 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(tiny, corpus, tmp_path, name):
    model = made(tiny, name)
    before = model.score(QUERIES, corpus[:4])
    model.save(tmp_path / "model")
    again = load_cross_encoder(tmp_path / "model")
    np.testing.assert_allclose(again.score(QUERIES, corpus[:4]), before, atol=1e-6)
    assert not [file for file in (tmp_path / "model").rglob("*") if file.suffix in (".bin", ".pkl", ".pt")]
    again.save(tmp_path / "model")
    np.testing.assert_allclose(load_cross_encoder(tmp_path / "model").score(QUERIES, corpus[:4]), before, atol=1e-6)
    with pytest.raises(InputError, match="not an encoder that gives one vector a text; use load_cross_encoder"):
        load(tmp_path / "model")


@pytest.mark.parametrize("name", NAMES[1:])
def test_sentence_transformers_gives_the_same_scores(tiny, corpus, tmp_path, name):
    peer = pytest.importorskip("sentence_transformers")
    model = made(tiny, name)
    model.save(tmp_path / "model")
    theirs = peer.CrossEncoder(str(tmp_path / "model"), device="cpu")
    pairs = list(zip(QUERIES, corpus[:4], strict=True))
    np.testing.assert_allclose(theirs.predict(pairs), model.score(QUERIES, corpus[:4]), atol=1e-5)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    np.testing.assert_allclose(
        load_cross_encoder(tmp_path / "theirs").score(QUERIES, corpus[:4]), theirs.predict(pairs), atol=1e-5
    )


def test_a_folder_that_says_nothing_of_its_scores_has_the_sigmoid(tiny, corpus, tmp_path):
    model = made(tiny, "bert")
    model.save(tmp_path / "model")
    (tmp_path / "model" / "config_sentence_transformers.json").unlink()
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    del config["sbert_ce_default_activation_function"], config["sentence_transformers"]
    path.write_text(json.dumps(config))
    plain = model.score(QUERIES, corpus[:4])
    np.testing.assert_allclose(
        load_cross_encoder(tmp_path / "model").score(QUERIES, corpus[:4]), 1 / (1 + np.exp(-plain)), atol=1e-5
    )


def test_what_is_read_is_both_texts_with_a_token_between(tiny):
    ids = lambda name: made(tiny, name).pairs(["dogs"], ["the cat"]).parts[0][0].tolist()  # noqa: E731
    tokenizer = made(tiny, "bert").tokenizer
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    dogs, the, cat = tokenizer.convert_tokens_to_ids(["dogs", "the", "cat"])
    assert ids("bert") == [start, dogs, end, the, cat, end]
    assert ids("llama") == [dogs, end, the, cat]
    assert made(tiny, "bert").pairs(["dogs"], ["the cat"]).parts[1][0].tolist() == [0, 0, 0, 1, 1, 1]


def test_it_begins_as_the_encoder_and_leaves_it_alone(tiny, corpus):
    encoder = tiny("bert")
    before = encoder.encode(corpus)
    model = TransformerCrossEncoder.of(encoder, seed=3)
    assert torch.equal(
        model.model.bert.encoder.layer[0].output.dense.weight, encoder.model.encoder.layer[0].output.dense.weight
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert np.array_equal(encoder.encode(corpus), before)
    one, same, other = (TransformerCrossEncoder.of(encoder, seed=s).model.classifier.weight for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_longer_text_is_cut(tiny):
    model = TransformerCrossEncoder.of(tiny("bert"), max_length=8)
    (ids,) = model.pairs(["dogs"], ["the cat sat on the mat and looked"]).parts[0].tolist()
    assert len(ids) == 8
    assert ids[1] == model.tokenizer.convert_tokens_to_ids("dogs")
    assert ids[-1] == model.tokenizer.eos_token_id


def test_dropout_is_off_in_scores_and_back_afterwards(tiny, corpus):
    model = made(tiny, "bert").train()
    assert np.array_equal(model.score(QUERIES, corpus[:4]), model.score(QUERIES, corpus[:4]))
    assert model.training


def test_refusals(tiny, corpus, tmp_path):
    model = made(tiny, "kernels")
    with pytest.raises(InputError, match="2 queries and 1 documents"):
        model.score(["a", "b"], ["c"])
    with pytest.raises(InputError, match="is int, not a string"):
        model.score([1], ["c"])
    with pytest.raises(InputError, match="pairs of 4 tokens"):
        TransformerCrossEncoder.of(tiny("bert"), max_length=4)
    tiny("bert").save(tmp_path / "encoder")
    with pytest.raises(InputError, match="holds no cross-encoder: classifier"):
        load_cross_encoder(tmp_path / "encoder")
    model.save(tmp_path / "kernels")
    with pytest.raises(InputError, match="max_length is for transformers"):
        load_cross_encoder(tmp_path / "kernels", max_length=9)
    (tmp_path / "kernels" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json: is missing"):
        load_cross_encoder(tmp_path / "kernels")


def test_of_readers_side_by_side_each_says_its_own_and_the_first_is_asked_and_kept(tiny, corpus, tmp_path):
    first, second = (TransformerCrossEncoder.of(tiny("bert"), seed=seed) for seed in (1, 2))
    both, documents = Readers(first, second).eval(), corpus[: len(QUERIES)]
    with torch.no_grad():
        scores = both(both.pairs(QUERIES, documents))
    assert scores.shape == (len(QUERIES), 2)
    for column, model in enumerate((first, second)):
        said = model.eval()(model.pairs(QUERIES, documents))[:, 0].detach()
        torch.testing.assert_close(scores[:, column], said)
    np.testing.assert_array_equal(both.score(QUERIES, documents), first.score(QUERIES, documents))
    both.save(tmp_path / "model")
    kept = load_cross_encoder(tmp_path / "model")
    np.testing.assert_allclose(kept.score(QUERIES, documents), first.score(QUERIES, documents), atol=1e-6)
    with pytest.raises(InputError, match="no model that reads"):
        Readers()


def test_tokens_are_remembered_for_so_many_texts_and_are_those_of_each_text(monkeypatch):
    table = StaticEncoder.from_corpus(["red fox", "blue ant", "old oak"], dim=8, prompts={})
    texts = ["red fox", "blue", "old oak", "fox", "ant blue", "oak", "", "red fox"]
    fresh = [float(KernelCrossEncoder(table).score([text], ["red oak fox"])[0]) for text in texts]
    monkeypatch.setattr(crossing, "_REMEMBERED", 3)
    model = KernelCrossEncoder(table)
    assert [float(model.score([text], ["red oak fox"])[0]) for text in texts] == fresh
    assert len(set(fresh)) > 3
    assert len(model._tokens._known) <= 4

    read = []

    def encode(new, **how):
        read.extend(new)
        return model.tokenizer.encode_batch_fast(new, **how)

    monkeypatch.setattr(crossing, "_REMEMBERED", 30)
    monkeypatch.setattr(model._tokens, "_tokenizer", SimpleNamespace(encode_batch_fast=encode))
    model.score(["red fox"], ["red oak fox"])
    read.clear()
    model.score(["new", "new", "red fox"], ["red oak fox"] * 3)
    assert read == ["new"]
