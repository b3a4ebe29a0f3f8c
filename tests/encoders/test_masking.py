"""Names masked before anything is read: by a rule, and by a classifier of tokens."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import MaskedEntityEncoder, StaticEncoder, load
from counterpoint.encoders.masking import capitalised, finder_of, masked, without_names
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXTS = ["Police in New South Wales arrested Bob.", "a port in Peru", "A port.", ""]
READ = ["Police in [MASK] arrested [MASK].", "a port in [MASK]", "A port.", ""]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Nothing. The end. And so on", []),
        ("The Duke of York met O'Neill and the Queen Mother", ["The Duke of York", "O'Neill and the Queen Mother"]),
        ("In 1956, Élodie Dupont-Martin left", ["Élodie Dupont-Martin"]),
        ('He said: "Rain fell" to Ann', ["Ann"]),
        ("a letter by J. S. Bach. Then", ["J. S. Bach"]),
        ("une école en Île-de-France; élan", ["Île-de-France"]),
        ("the song of Ann and the rest", ["Ann"]),
        ("", []),
    ],
)
def test_runs_of_capitalised_words_are_names(text, names):
    assert [text[a:b] for a, b in capitalised(text)] == names


def test_what_is_read_is_the_masked_text():
    for inner in (
        StaticEncoder.from_corpus(TEXTS, dim=6),
        small_transformer(TEXTS, layers=1, width=8, heads=2, dropout=0.0),
    ):
        encoder = MaskedEntityEncoder(inner)
        assert encoder.masked(TEXTS) == READ
        torch.testing.assert_close(torch.from_numpy(encoder.encode(TEXTS)), torch.from_numpy(inner.encode(READ)))
        z = encoder(encoder.tokenize(TEXTS[:2]))
        torch.testing.assert_close(z, inner(inner.tokenize(READ[:2])))
        assert z.requires_grad


def test_the_mask_is_the_tokenizer_s_own():
    inner = small_transformer(TEXTS, layers=1, width=8, heads=2)
    inner.tokenizer.mask_token = "[SEP]"
    assert MaskedEntityEncoder(inner).masked(TEXTS[1:2]) == ["a port in [SEP]"]


def test_a_prompt_is_no_name():
    inner = StaticEncoder.from_corpus([*TEXTS, "Query"], dim=6)
    inner.prompts["query"] = "Query in "
    encoder = MaskedEntityEncoder(inner)
    found = encoder.encode(TEXTS[1:2], kind="query")
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(inner.encode(READ[1:2], kind="query")))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier of tokens that calls every token of some words a name."""
    from transformers import BertConfig, BertForTokenClassification

    tokenizer = small_transformer(["peru chile", "a port in"], layers=1, width=8, heads=2).tokenizer
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    labels = {0: "O", 1: "B-LOC", 2: "I-LOC"}
    config = BertConfig(vocab_size=len(tokenizer), id2label=labels, label2id={v: k for k, v in labels.items()}, **size)
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    folder = tmp_path_factory.mktemp("names") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_classifier_of_tokens_finds_names(classifier, tmp_path):
    text = "a port in peru"
    assert {text[a:b] for a, b in finder_of(classifier)(text)} == {"a", "port", "in", "peru"}
    assert finder_of(classifier)(" ") == []
    encoder = MaskedEntityEncoder(StaticEncoder.from_corpus([text], dim=4), classifier)
    assert encoder.masked([text]) == ["[MASK] [MASK] [MASK] [MASK]"]
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert isinstance(again, MaskedEntityEncoder)
    assert again.entities == classifier
    torch.testing.assert_close(torch.from_numpy(again.encode([text])), torch.from_numpy(encoder.encode([text])))


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="no model that finds names"):
        finder_of(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="only an encoder of texts"):
        without_names(torch.nn.Identity())
    with pytest.raises(InputError, match="line 2"):
        MaskedEntityEncoder(StaticEncoder.from_corpus(["a"], dim=4)).tokenize(["a", 3])


def test_one_that_reads_no_names_stays():
    encoder = without_names(StaticEncoder.from_corpus(["a"], dim=4))
    assert without_names(encoder) is encoder
    assert masked("a", []) == "a"
