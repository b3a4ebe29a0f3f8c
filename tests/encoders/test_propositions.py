"""Propositions of a text: which tokens are theirs, and that their vectors are means of those alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from counterpoint.data.items import Items
from counterpoint.encoders import EachProposition, PropositionEncoder, StaticEncoder, TransformerEncoder, load, take
from counterpoint.encoders.features import concat
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import with_propositions
from counterpoint.errors import InputError
from encoders.test_adapting import llama

TEXT = "The catfish and a cat sleep."
TEXTS = [f"{TEXT}\tcat\tThe ... sleep", "a cat\ta cat", "a cat", "the end\tthe end"]


def bert(**options):
    known = [TEXT, "the end", *(c for c in "abcdefghijklmnopqrstuvwxyz")]
    options = {"normalize": False, **options}
    return small_transformer(known, layers=1, width=16, heads=2, dropout=0.0, spread=0.3, **options)


def words(encoder, features, i, p):
    rows = slice(*features["offsets"][i : i + 2].tolist())
    ids = features["input_ids"][rows][features["inside"][rows, p]].tolist()
    return encoder.encoder.tokenizer.convert_ids_to_tokens(ids)


def test_tokens_of_a_proposition_are_those_of_whole_words_in_their_order():
    encoder = PropositionEncoder(bert())
    features = encoder.tokenize(TEXTS)
    assert [words(encoder, features, 0, p) for p in (0, 1)] == [["cat"], ["the", "sleep"]]
    assert words(encoder, features, 1, 0) == ["a", "cat"]
    assert not words(encoder, features, 1, 1)
    assert not words(encoder, features, 2, 0)
    plain = encoder.encoder.tokenize([text.partition("\t")[0] for text in TEXTS])
    assert torch.equal(features["input_ids"], plain["input_ids"])


@pytest.mark.parametrize("wrong", ["dog", "", "fish", "sleep ... cat"])
def test_what_does_not_stand_in_the_text_is_refused(wrong):
    with pytest.raises(InputError, match="does not stand in"):
        PropositionEncoder(bert()).tokenize([f"{TEXT}\t{wrong}"])


def test_a_vector_is_the_mean_of_its_tokens_in_the_whole_text_behind_two_layers():
    encoder = PropositionEncoder(bert()).eval()
    features = encoder.tokenize(TEXTS)
    hidden = encoder.encoder._hidden(features)
    first, _, last = encoder.layers
    got = EachProposition(encoder)(features)
    for i, p in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 0)):
        rows = range(*features["offsets"][i : i + 2].tolist())
        inside = [t for t in rows if features["inside"][t, p]] or rows
        mean = sum(hidden[t] for t in inside) / len(inside)
        torch.testing.assert_close(got[i, p], last(F.relu(first(mean))))
    torch.testing.assert_close(encoder(features), got[:, 0])


def test_tokens_with_a_blank_before_are_found_too():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "special_tokens": ["<p>"]}
    made.train_from_iterator([TEXT] * 9, trainers.BpeTrainer(show_progress=False, vocab_size=320, **options))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<p>", model_max_length=64)
    encoder = PropositionEncoder(TransformerEncoder(llama().model, tokenizer))
    features = encoder.tokenize([f"{TEXT}\tand a ... sleep"])
    assert tokenizer.decode(features["input_ids"][features["inside"][:, 0]]) == " and a sleep"


def test_rows_are_taken_joined_and_left_empty():
    encoder = PropositionEncoder(bert()).eval()
    each, features = EachProposition(encoder), encoder.tokenize(TEXTS)
    torch.testing.assert_close(each(take(features, [3, 0])), each(features)[[3, 0]])
    torch.testing.assert_close(each(concat([features, features])), torch.cat([each(features)] * 2))
    assert each(take(features, [])).shape == (0, 2, 16)
    assert encoder(take(features, [])).requires_grad


def test_without_layers_length_and_saving(tmp_path):
    encoder = PropositionEncoder(bert(normalize=True), mlp=False).eval()
    inner = encoder.encoder
    features = encoder.tokenize(["a cat"])
    torch.testing.assert_close(encoder(features), inner.eval()(inner.tokenize(["a cat"])))
    each = EachProposition(encoder)(encoder.tokenize(TEXTS))
    torch.testing.assert_close(each.norm(dim=2), torch.ones(4, 2))
    with_layers = PropositionEncoder(bert())
    with_layers.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.encode(TEXTS, dtype="float32") == with_layers.encode(TEXTS, dtype="float32")).all()
    assert again.encode_items(Items("text", TEXTS)).shape == (4, 16)


def test_a_proposition_that_was_cut_off_is_the_whole_text():
    encoder = PropositionEncoder(bert(max_seq_length=5)).eval()
    got = EachProposition(encoder)(encoder.tokenize(["the the the the the cat\tcat\tthe the the the the cat"]))
    assert not torch.allclose(got[0, 0], got[0, 1])
    torch.testing.assert_close(got[0, 0], encoder(encoder.tokenize(["the the the the the cat"]))[0])


def test_only_a_transformer_and_only_once():
    with pytest.raises(InputError, match="tokens in a transformer"):
        with_propositions(StaticEncoder.from_corpus(["a cat"], dim=4))
    encoder = with_propositions(bert(), mlp=False)
    assert with_propositions(encoder) is encoder
    with pytest.raises(InputError, match="only a PropositionEncoder"):
        EachProposition(bert())
