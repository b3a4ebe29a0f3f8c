from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from counterpoint.encoders import StaticEncoder, distill, load
from counterpoint.encoders.distilling import _kept
from counterpoint.errors import InputError


def naive(encoder, dim, sif=1e-4, texts=None):
    """The equation, token by token, with an SVD."""
    tokenizer, model = encoder.tokenizer, encoder.model
    names = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    kept = [t for _, t in names if t not in tokenizer.all_special_ids]
    rows = []
    for t in kept:
        ids = torch.tensor([[tokenizer.bos_token_id, t, tokenizer.eos_token_id]])
        with torch.no_grad():
            rows.append(model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0).numpy())
    z = np.stack(rows).astype(np.float64)
    z -= z.mean(0)
    share = 1 / (np.arange(len(kept)) + 2.0)
    if texts is not None:
        share = np.zeros(len(kept))
        for text in texts:
            for t in tokenizer.encode(text, add_special_tokens=False):
                if t in kept:
                    share[kept.index(t)] += 1
    share /= share.sum()
    table = np.zeros((len(names), dim))
    table[kept] = (z @ np.linalg.svd(z, full_matrices=False)[2][:dim].T) * (sif / (sif + share))[:, None]
    return table


def vectors(table, tokenizer, texts):
    z = np.stack([table[tokenizer.encode(text, add_special_tokens=False)].mean(0) for text in texts])
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("given", [False, True])
def test_the_table_is_that_of_a_naive_loop(tiny, corpus, given):
    teacher = tiny("bert")
    texts = corpus if given else None
    student = distill(teacher, texts, dim=16)
    table = naive(teacher, 16, texts=texts)
    ours = student.embedding.weight.detach().numpy()
    signs = np.sign((ours * table).sum(0))
    np.testing.assert_allclose(ours, table * signs, atol=1e-5)
    expected = vectors(table, teacher.tokenizer, corpus)
    cosine = ((student.encode(corpus) * signs) * expected).sum(1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


def test_without_weights_and_with_all_components_distances_stay(tiny):
    teacher = tiny("bert")
    student = distill(teacher, dim=32, sif=0)
    table = naive(teacher, 32, sif=1e9)
    ours = student.embedding.weight.detach().numpy()
    kept = np.abs(table).sum(1) > 0
    np.testing.assert_allclose(ours[kept] @ ours[kept].T, table[kept] @ table[kept].T, atol=1e-3)
    assert not ours[~kept].any()
    # which way a direction points is left open; here its largest coordinate is positive
    assert (np.abs(ours).max(axis=0) == ours.max(axis=0)).all()


def test_special_and_unused_tokens_have_no_row():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[unused1]": 1, "[UNK]": 2, "b": 3}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]"])
    assert _kept(tokenizer) == [0, 3]


def test_the_teacher_is_left_as_it_was(tiny, corpus):
    teacher = tiny("bert", normalize=True, max_seq_length=9, prompts={"query": "query: "})
    before, settings = teacher.encode(corpus, kind="query"), teacher.tokenizer.backend_tokenizer.to_str()
    distill(teacher, dim=4)
    assert teacher.tokenizer.backend_tokenizer.to_str() == settings
    np.testing.assert_array_equal(teacher.encode(corpus, kind="query"), before)


def test_words_of_the_texts_become_tokens(tiny, corpus):
    teacher = tiny("bert")
    texts = ["zebras zebras gnus", "gnus zebras cat a x"]
    student = distill(teacher, texts, dim=16, vocabulary=1)
    cut = teacher.tokenizer.tokenize("gnus")
    assert len(cut) > 1
    assert student.tokenizer.encode("the Zebras gnus").tokens == ["the", "zebras", *cut]
    # the row of the word is what the teacher makes of the whole word, on the same components as the rest
    alone = [teacher.tokenizer.bos_token_id, *teacher.tokenizer.encode("zebras", add_special_tokens=False)]
    ids = torch.tensor([[*alone, teacher.tokenizer.eos_token_id]])
    with torch.no_grad():
        whole = teacher.model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0).numpy()
    more = distill(teacher, texts, dim=32, vocabulary=1, sif=0)
    table = more.embedding.weight.detach().numpy()
    cat, zebras = more.tokenizer.token_to_id("cat"), more.tokenizer.token_to_id("zebras")
    ids = torch.tensor([[teacher.tokenizer.bos_token_id, cat, teacher.tokenizer.eos_token_id]])
    with torch.no_grad():
        other = teacher.model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0).numpy()
    assert np.linalg.norm(table[zebras] - table[cat]) == pytest.approx(np.linalg.norm(whole - other), rel=1e-4)


def test_words_of_a_byte_pair_tokenizer(tiny):
    from tokenizers import Tokenizer, models, pre_tokenizers

    teacher = tiny("gpt2")
    letters = {c: i for i, c in enumerate(["<pad>", "<unk>", "<s>", "</s>", *"abcdefgh ", "ab"])}
    backend = Tokenizer(models.BPE(letters, [("a", "b")], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    teacher.tokenizer._tokenizer = backend
    student = distill(teacher, ["abba cab", "abba"], dim=4, vocabulary=1)
    assert student.tokenizer.encode("abba cab ab").tokens == ["abba", "c", "ab", "ab"]


def test_the_folder_is_read_by_peers(tiny, corpus, tmp_path):
    student = distill(tiny("bert"), corpus, dim=8, vocabulary=2)
    student.save(tmp_path / "model")
    z = student.encode(corpus)
    np.testing.assert_allclose(load(tmp_path / "model").encode(corpus), z, atol=1e-6)
    peer = pytest.importorskip("sentence_transformers").SentenceTransformer(str(tmp_path / "model"), device="cpu")
    np.testing.assert_allclose(peer.encode(corpus), z, atol=1e-5)


def test_what_a_stopped_call_left_is_gone_on_with(tiny, tmp_path):
    teacher = tiny("bert")
    whole = distill(teacher, dim=8).embedding.weight
    out = tmp_path / "tokens.npy"
    distill(teacher, dim=8, out=out)
    again = distill(teacher, dim=8, out=out)
    torch.testing.assert_close(again.embedding.weight, whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 33}, "dim is 33, it must be from 1 to the model's 32"),
        ({"dim": 0}, "dim is 0"),
        ({"vocabulary": 3}, "words for the vocabulary can only be taken from texts; give texts too"),
        ({"sif": -1.0}, "must be 0 or more"),
    ],
)
def test_settings_that_do_not_do(tiny, options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        distill(tiny("bert"), **({"dim": 8} | options))


def test_a_static_encoder_is_not_distilled(tiny):
    with pytest.raises(InputError, match="a StaticEncoder cannot be distilled; give a transformer"):
        distill(tiny("static"))


def test_it_is_what_model2vec_makes(tiny, corpus):
    pytest.importorskip("skeletoken", reason="model2vec[distill] is not installed")
    from model2vec.distill import distill_from_model

    teacher = tiny("bert")
    theirs = distill_from_model(
        teacher.model, teacher.tokenizer, device="cpu", pca_dims=16, sif_coefficient=None, quantize_to="float32"
    )
    student = distill(teacher, dim=16, sif=0)
    assert isinstance(student, StaticEncoder)
    z, reference = student.encode(corpus), theirs.encode(corpus)
    np.testing.assert_allclose(np.abs((z @ z.T) - (reference @ reference.T)).max(), 0, atol=0.05)
