"""Documents after queries: what is read, how many vectors there are, and that each is that of the text it reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders import QueriedEncoder, StaticEncoder, load
from counterpoint.encoders.queried import after_queries
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

DOCUMENT = "the cat sleeps all night\twho sleeps\twhen"
READ = "who sleeps [SEP] the cat sleeps all night"


def bert(**options):
    known = [DOCUMENT.replace("\t", " "), "a passage: query:"]
    return small_transformer(known, layers=1, width=16, heads=2, dropout=0.0, spread=0.3, normalize=False, **options)


def words(encoder, texts, kind=None):
    features = encoder.tokenize(texts, kind)
    bounds = zip(features["offsets"][:-1], features["offsets"][1:], strict=True)
    return [" ".join(encoder.encoder.tokenizer.convert_ids_to_tokens(features["input_ids"][a:b])) for a, b in bounds]


def test_the_first_query_stands_before_the_document_and_a_prompt_before_both():
    encoder = QueriedEncoder(bert(prompts={"document": "passage: "}))
    assert words(encoder, [DOCUMENT, "who sleeps"]) == [f"[CLS] {READ} [SEP]", "[CLS] who sleeps [SEP]"]
    assert words(encoder, [DOCUMENT], "document") == [f"[CLS] passage : {READ} [SEP]"]
    assert words(QueriedEncoder(bert(), 0), [DOCUMENT]) == ["[CLS] the cat sleeps all night [SEP]"]
    assert encoder.tokenize([])["offsets"].tolist() == [0]
    # where there is no such token
    table = StaticEncoder.from_corpus(["who", "a cat"], dim=4)
    wanted = table.encode(["who\na cat"])
    np.testing.assert_array_equal(QueriedEncoder(table).encode(["a cat\twho"]), wanted)


def test_each_vector_is_that_of_the_text_after_one_query():
    encoder = QueriedEncoder(bert()).eval()
    items = Items("text", [DOCUMENT, "when", f"{DOCUMENT}\tthe cat"])
    z = encoder.encode_each(items, kind="document")
    read = [f"{query} [SEP] the cat sleeps all night" for query in ("who sleeps", "when", "the cat")]
    wanted = encoder.encoder.encode([*read[:2], "when", *read], kind="document")
    assert z.offsets_n.tolist() == [0, 2, 3, 6]
    np.testing.assert_allclose(z.vectors_td, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_items(items, kind="document"), wanted[[0, 2, 3]], rtol=1e-5, atol=1e-6)
    assert QueriedEncoder(encoder.encoder, 2).encode_each(items).offsets_n.tolist() == [0, 2, 3, 5]
    assert QueriedEncoder(encoder.encoder, 0).encode_each(items).offsets_n.tolist() == [0, 1, 2, 3]
    assert encoder.encode_each(Items("text", [])).vectors_td.shape == (0, 16)


def test_texts_of_a_batch_are_those_one_by_one_with_a_gradient():
    encoder = QueriedEncoder(bert()).eval()
    z = encoder(encoder.tokenize([DOCUMENT, "when"]))
    torch.testing.assert_close(z[1], encoder(encoder.tokenize(["when"]))[0])
    torch.testing.assert_close(z[0], encoder.encoder(encoder.encoder.tokenize([READ]))[0])
    z.sum().backward()
    assert all(p.grad is not None for p in encoder.encoder.model.embeddings.word_embeddings.parameters())


def test_a_prompt_of_an_items_own_stands_before_the_document():
    encoder = QueriedEncoder(bert()).eval()
    z = encoder.encode_each(Items("text", [DOCUMENT, "when"], prompts=["a ", ""]), kind="document").vectors_td
    wanted = encoder.encoder.encode([READ.replace("the", "a the"), "when [SEP] a the cat sleeps all night", "when"])
    np.testing.assert_allclose(z, wanted, rtol=1e-5, atol=1e-6)


def test_it_is_cut_where_the_encoder_cuts_and_saved_with_it(tmp_path):
    encoder = QueriedEncoder(bert(max_seq_length=6), 3)
    assert words(encoder, [DOCUMENT]) == ["[CLS] who sleeps [SEP] the [SEP]"]
    with encoder.counting() as cut:
        encoder.encode([DOCUMENT])
    assert (cut.texts, cut.limit) == (1, 6)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.most == 3
    assert (again.encode([DOCUMENT], dtype="float32") == encoder.encode([DOCUMENT], dtype="float32")).all()


def test_what_it_takes_and_only_once():
    with pytest.raises(InputError, match="-1 vectors"):
        QueriedEncoder(bert(), -1)
    with pytest.raises(InputError, match="int, not a string"):
        QueriedEncoder(bert()).tokenize(["a", 3])
    with pytest.raises(InputError, match="no encoder of texts"):
        after_queries(nn.Linear(2, 2))
    encoder = after_queries(StaticEncoder.from_corpus(["a cat"], dim=4), 2)
    assert after_queries(encoder, 5) is encoder
