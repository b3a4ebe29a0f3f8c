"""Texts after demonstrations: what stands where, what is left out, what is learned, and what is drawn."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import DemonstrationEncoder, TemplateEncoder, lengths, load, take
from counterpoint.encoders.features import concat
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.views import Demonstrated, another_template, demonstrated_by
from encoders.test_adapting import llama

TEXTS = ["cats sleep", "a dog barks", "it rains", "snow falls"]
DATA = Data.alone(Items("text", TEXTS), label=torch.tensor([0, 0, 1, 1]))
TEMPLATES, WORDS = ("{} : [MASK] .", "about {} : [MASK]"), ("animals", "weather")


def bert(length=64):
    known = [*TEXTS, "about : . animals weather", *(c for c in "abcdefghijklmnopqrstuvwxyz")]
    options = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.0, "spread": 0.3, "normalize": False}
    return small_transformer(known, max_seq_length=length, **options)


def encoder_of(virtual=0, length=64):
    torch.manual_seed(0)
    encoder = DemonstrationEncoder(bert(length), TEMPLATES, WORDS, virtual=virtual).eval()
    demonstrated_by(DATA, encoder, 0)
    return encoder


def read(encoder, features):
    seen = encoder.within(features)
    rows = seen["input_ids"].split(lengths(seen).tolist())
    return [" ".join(encoder.encoder.tokenizer.convert_ids_to_tokens(row.tolist())[1:-1]) for row in rows]


def test_demonstrations_are_of_each_class_in_the_template_of_the_text():
    encoder = encoder_of()
    plain = encoder.tokenize(["cats sleep", "it rains"])
    front = "cats sleep : animals . it rains : weather . "
    assert read(encoder, plain) == [front + "cats sleep : [MASK] .", front + "it rains : [MASK] ."]
    other = {**another_template()(plain), "shown": torch.tensor([[2, -1], [0, 2]])}
    assert read(encoder, other) == [
        "about a dog barks : animals about cats sleep : [MASK]",
        "about cats sleep : animals about snow falls : weather about it rains : [MASK]",
    ]
    both = concat([plain, other])
    torch.testing.assert_close(encoder(both), torch.cat([encoder(plain), encoder(other)]))
    torch.testing.assert_close(encoder(take(both, [3, 0])), encoder(both)[[3, 0]])
    assert not torch.allclose(*encoder(plain))
    encoder.support = ()
    assert read(encoder, plain)[0] == "cats sleep : [MASK] ."
    bare = TemplateEncoder(encoder.encoder, TEMPLATES).eval()
    assert torch.equal(encoder(plain), bare(plain))


def test_a_causal_model_sees_them_before_the_text():
    encoder = DemonstrationEncoder(llama(), ["{} It was [MASK]."], ("good", "bad")).eval()
    alone = encoder(encoder.tokenize(["a cat"]))
    encoder.support = (("a small corpus",), ("a cat",))
    assert not torch.allclose(alone, encoder(encoder.tokenize(["a cat"])))


def test_what_has_no_room_is_left_out():
    encoder = encoder_of(length=14)
    # of 14 places 7 are free beside [CLS] cats sleep : [MASK] . [SEP]
    assert read(encoder, encoder.tokenize(["cats sleep"])) == ["cats sleep : animals . cats sleep : [MASK] ."]
    assert encoder.max_seq_length == encoder_of(length=64).max_seq_length - 50


def test_learned_vectors_have_room():
    encoder = encoder_of(virtual=2, length=14)
    # 4 places are theirs, 3 the template's
    assert encoder.max_seq_length == 14 - 4 - 3
    long = encoder.tokenize(["cats sleep it rains snow falls"])
    (row,) = read(encoder, {**long, "shown": torch.tensor([[1, 1]])})
    assert row.endswith(" cats sleep it rains snow : [MASK] .")
    assert len(row.split()) == 4 + 5 + 3
    with pytest.raises(InputError, match="no room for text in 14"):
        encoder_of(virtual=5, length=14)


def test_learned_vectors_stand_for_a_class_that_shows_nothing():
    encoder = encoder_of(virtual=2)
    plain = encoder.tokenize(["snow falls"])
    other = {**plain, "shown": torch.tensor([[0, 1]])}
    assert encoder.vectors.shape == (2, 2, 16)
    assert len(read(encoder, other)[0].split()) == 2 + 5 + 5
    seen = encoder.within(plain)
    table = encoder.encoder.model.embeddings
    places = torch.arange(len(seen["input_ids"]))[None]
    embedded = table(input_ids=seen["input_ids"][None], position_ids=places)[0]
    embedded = torch.cat([embedded[:1], encoder.vectors.flatten(0, 1), embedded[5:]])
    hidden = encoder.encoder.model.encoder(embedded[None])[0][0]
    torch.testing.assert_close(encoder(plain)[0], hidden[-3], rtol=1e-4, atol=1e-5)
    for features, learned in ((plain, [True, True]), (other, [True, False])):
        (gradient,) = torch.autograd.grad(encoder(features).square().sum(), encoder.vectors)
        assert gradient.flatten(1).any(1).tolist() == learned
    spread = DemonstrationEncoder(bert(), TEMPLATES, WORDS, virtual=25).vectors.detach().std()
    assert float(spread) == pytest.approx(0.3, rel=0.15)


@pytest.mark.parametrize("virtual", [0, 2])
def test_a_folder_of_it(tmp_path, virtual):
    encoder = encoder_of(virtual)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert [list(texts) for texts in again.support] == [list(texts) for texts in encoder.support]
    for dtype in ("float32", "bfloat16"):
        found, wanted = (one.encode(TEXTS, dtype=dtype) for one in (again, encoder))
        assert found == pytest.approx(wanted, abs=1e-5)
    assert encoder.encode(TEXTS, dtype="bfloat16") == pytest.approx(encoder.encode(TEXTS, dtype="float32"), abs=0.1)


def drawn(view, encoder, numbers=range(40)):
    items = Items("text", ["cats sleep"] * len(numbers))
    return view(items, encoder.inputs(items), encoder, None, list(numbers))


def test_a_text_is_never_its_own_demonstration_and_all_others_are_drawn():
    encoder = encoder_of()
    found = drawn(Demonstrated(templates=(0, 1)), encoder)
    assert {tuple(row) for row in found["shown"].tolist()} == {(2, 1), (2, 2)}
    assert set(found["template"].tolist()) == {0, 1}
    assert torch.equal(drawn(Demonstrated(templates=(0, 1)), encoder, [7])["shown"][0], found["shown"][7])
    encoder.support = (("cats sleep",), ("it rains",))
    assert {tuple(row) for row in drawn(Demonstrated(), encoder)["shown"].tolist()} == {(-1, 1)}


def test_of_some_classes_none_is_shown():
    found = drawn(Demonstrated(shown=1), encoder_of(virtual=2))["shown"].tolist()
    assert {tuple(row) for row in found} == {(2, 0), (0, 1), (0, 2)}


def test_words_have_the_mean_of_their_tokens():
    encoder = encoder_of()
    table = encoder.encoder.model.get_input_embeddings().weight
    encoder.words = ("animals", "cats sleep")
    ids = [encoder.encoder.tokenizer.convert_tokens_to_ids(word) for word in ("animals", "cats", "sleep")]
    torch.testing.assert_close(encoder.word_vectors(), torch.stack([table[ids[0]], table[ids[1:]].mean(0)]))


def test_bad_input():
    with pytest.raises(InputError, match="0 words"):
        DemonstrationEncoder(bert(), TEMPLATES, ())
    with pytest.raises(InputError, match="-1 vectors"):
        DemonstrationEncoder(bert(), TEMPLATES, WORDS, virtual=-1)
    encoder = DemonstrationEncoder(bert(), TEMPLATES, WORDS[:1])
    with pytest.raises(InputError, match="2 classes, and words for 1"):
        demonstrated_by(DATA, encoder, 0)
    for refusing in (
        lambda: demonstrated_by(DATA, bert(), 0),
        lambda: Demonstrated().check(DATA.anchors, TemplateEncoder(bert(), TEMPLATES)),
    ):
        with pytest.raises(InputError, match="shows no demonstrations"):
            refusing()
