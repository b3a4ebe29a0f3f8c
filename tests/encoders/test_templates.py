"""Texts in templates: what is asked, what is taken off in training, what is cut, and a folder of it."""

from __future__ import annotations

import pytest
import torch

from counterpoint.encoders import (
    StaticEncoder,
    TemplateEncoder,
    TemplateMean,
    TransformerEncoder,
    lengths,
    load,
    take,
)
from counterpoint.encoders.features import concat
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import in_each_template, in_templates
from counterpoint.errors import InputError
from counterpoint.views import TextView, another_template
from counterpoint.views.tokens import feature_cutoff, repeated_tokens

TEXTS = ["cats sleep", "a dog that is old barks", "rain"]
TEMPLATES = ('this sentence of "{}" means [MASK].', 'this sentence : "{}" means [MASK].')


def bert(**options):
    texts = [*TEXTS, *(template.format("") for template in TEMPLATES)]
    return small_transformer(texts, layers=1, width=16, heads=2, dropout=0.0, spread=0.3, normalize=False, **options)


@pytest.fixture
def encoder():
    return TemplateEncoder(bert(), TEMPLATES, denoise=True).double().eval()


def states(encoder, text):
    """The last states of a text by the Hugging Face model itself."""
    inputs = encoder.encoder.tokenizer([text], return_tensors="pt")
    hidden = encoder.encoder.model(input_ids=inputs["input_ids"]).last_hidden_state[0]
    return inputs["input_ids"][0], hidden


@pytest.mark.parametrize("number", [0, 1])
def test_the_vector_is_the_mask_s_state_in_the_template(encoder, number):
    z = encoder(another_template(number)(encoder.tokenize(TEXTS)))
    mask = encoder.encoder.tokenizer.mask_token_id
    for i, text in enumerate(TEXTS):
        ids, hidden = states(encoder, TEMPLATES[number].format(text))
        torch.testing.assert_close(z[i], hidden[ids.tolist().index(mask)])
    if number == 0:
        assert torch.equal(z, encoder(encoder.tokenize(TEXTS)))
    # a mask in the text is not the one that is asked
    ids, hidden = states(encoder, TEMPLATES[number].format("a [MASK] barks"))
    found = encoder(another_template(number)(encoder.tokenize(["a [MASK] barks"])))[0]
    torch.testing.assert_close(found, hidden[(ids == mask).nonzero()[-1, 0]])


def test_texts_of_several_templates_are_encoded_together(encoder):
    plain = encoder.tokenize(TEXTS)
    other = another_template()(plain)
    both = concat([plain, other])
    torch.testing.assert_close(encoder(both), torch.cat([encoder(plain), encoder(other)]))
    torch.testing.assert_close(encoder(take(both, [4, 0])), encoder(both)[[4, 0]])


def test_the_template_stands_where_it_stands_around_each_text(encoder):
    for number in (0, 1):
        features = another_template(number)(encoder.tokenize(TEXTS))
        whole, alone = encoder.within(features), encoder.alone(features)
        for i, text in enumerate(TEXTS):
            one, bare = take(whole, [i]), take(alone, [i])
            assert torch.equal(one["input_ids"][bare["position_ids"]], bare["input_ids"])
            gap = set(range(int(lengths(one)))) - set(bare["position_ids"].tolist())
            inner = encoder.encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
            assert [int(one["input_ids"][p]) for p in sorted(gap)] == inner
            said = encoder.encoder.tokenizer(TEMPLATES[number].format(""))["input_ids"]
            assert bare["input_ids"].tolist() == said


def test_in_training_what_the_template_says_by_itself_is_taken_off_with_gradient(encoder):
    features = encoder.tokenize([*TEXTS, "cats bark"])
    whole = encoder(features)
    mask = encoder.encoder.tokenizer.mask_token_id
    model, bias = encoder.encoder.model, []
    said = torch.tensor(encoder.encoder.tokenizer(TEMPLATES[0].format(""))["input_ids"])
    before = said.tolist().index(encoder.encoder.tokenizer.convert_tokens_to_ids('"')) + 1
    for count in (lengths(features) - 2).tolist():
        places = torch.arange(len(said)) + (torch.arange(len(said)) >= before) * count
        hidden = model(input_ids=said[None], position_ids=places[None]).last_hidden_state[0]
        bias.append(hidden[said.tolist().index(mask)])
    wanted = whole - torch.stack(bias)
    found = encoder.train()(features)
    torch.testing.assert_close(found, wanted)
    weight = model.embeddings.word_embeddings.weight
    gradients = [torch.autograd.grad(z.square().sum(), weight, retain_graph=True)[0] for z in (found, wanted)]
    torch.testing.assert_close(*gradients)
    encoder.denoise = False
    torch.testing.assert_close(encoder(features), whole)


def test_a_text_is_cut_and_the_template_is_not():
    encoder = TemplateEncoder(bert(max_seq_length=20), TEMPLATES).eval()
    room = encoder.max_seq_length
    assert 2 < room < 20
    assert encoder.longest >= room
    features = encoder.tokenize(["old " * 30, "old " * (room - 1), "old " * (room - 2), "rain"])
    assert features["cut"].tolist() == [True, True, False, False]
    assert lengths(features).max() == room
    whole = encoder.within(another_template()(features))
    assert lengths(whole).max() <= 20
    tail = encoder.encoder.tokenizer('" means [MASK].')["input_ids"][1:]
    for i in range(4):
        assert take(whole, [i])["input_ids"].tolist()[-len(tail) :] == tail
    with pytest.raises(InputError, match="leave no room"):
        TemplateEncoder(bert(max_seq_length=10), TEMPLATES)


def test_a_causal_model_is_asked_at_the_end_of_its_template():
    from transformers import LlamaConfig, LlamaModel

    tokenizer = bert().tokenizer
    tokenizer.mask_token = None
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **size)).eval()
    causal = TransformerEncoder(model, tokenizer, normalize=False)
    encoder = TemplateEncoder(causal, ['this sentence : "{}" means [MASK].']).eval()
    ids = tokenizer(['this sentence : "a dog" means'], return_tensors="pt")["input_ids"]
    # [SEP] stands at the end of every text of this tokenizer
    wanted = model(input_ids=ids).last_hidden_state[0, -2]
    torch.testing.assert_close(encoder(encoder.tokenize(["a dog"]))[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_folder_keeps_templates_and_settings(encoder, tmp_path):
    encoder = encoder.float()
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.templates, again.denoise, again.normalize) == (TEMPLATES, True, False)
    torch.testing.assert_close(again.encode(TEXTS, dtype="float32"), encoder.encode(TEXTS, dtype="float32"))


def test_layers_after_pooling_come_after_the_mask():
    from counterpoint.encoders.adapting import tanh_layer

    inner = tanh_layer(bert())
    encoder = TemplateEncoder(inner, TEMPLATES).eval()
    plain = TemplateEncoder(bert(), TEMPLATES).eval()
    plain.encoder.model.load_state_dict(inner.model.state_dict())
    features = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(features), inner.heads[0](plain(features)))


def test_views_of_words_and_tokens_that_come_and_go_are_within_the_template(encoder):
    from counterpoint.data.items import Items

    items, features = Items("text", TEXTS), encoder.tokenize(TEXTS)
    longer = TextView(tokens=repeated_tokens(0.9))(items, features, encoder, None, [1, 2, 3])
    assert lengths(longer).sum() > lengths(features).sum()
    assert (lengths(encoder.within(longer)) - lengths(longer)).unique().numel() == 1
    moved = TextView(tokens=feature_cutoff(0.5))(items, features, encoder, None, [1, 2, 3])
    with pytest.raises(InputError, match="scale of tokens"):
        encoder(moved)


@pytest.mark.parametrize("pattern", ["no place [MASK]", "{} {} [MASK]", "[MASK]: {}", "{}", "{} [MASK] [MASK]"])
def test_a_template_without_place_is_refused(pattern):
    with pytest.raises(InputError, match="the template"):
        TemplateEncoder(bert(), [pattern])


def test_what_stands_in_templates_stays_and_what_is_no_transformer_is_refused(encoder):
    assert in_templates(encoder, ["{} [MASK]"]) is encoder
    with pytest.raises(InputError, match="needs a transformer"):
        in_templates(StaticEncoder.from_corpus(TEXTS, dim=4), TEMPLATES)
    with pytest.raises(InputError, match="template 2 of 2"):
        encoder(another_template(2)(encoder.tokenize(TEXTS)))
    with pytest.raises(InputError, match="no template"):
        TemplateEncoder(bert(), [])


@pytest.mark.parametrize("layer", [-1, 0, 1, 2])
def test_the_mean_is_of_all_templates_after_a_layer(layer, tmp_path):
    texts = [*TEXTS, *(template.format("") for template in TEMPLATES)]
    inner = small_transformer(texts, layers=2, width=16, heads=2, dropout=0.0, spread=0.3, normalize=False)
    encoder = TemplateMean(inner, TEMPLATES, layer=layer).double().eval()
    mask, model = inner.tokenizer.mask_token_id, inner.model
    wanted = []
    for text in TEXTS:
        rows = [inner.tokenizer([t.format(text)], return_tensors="pt")["input_ids"] for t in TEMPLATES]
        states = [model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0] for ids in rows]
        at = [state[ids[0].tolist().index(mask)] for ids, state in zip(rows, states, strict=True)]
        wanted.append((at[0] + at[1]) / 2)
    features = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(features), torch.stack(wanted))
    weight = model.embeddings.word_embeddings.weight
    gradients = [torch.autograd.grad(z.square().sum(), weight)[0] for z in (encoder(features), torch.stack(wanted))]
    torch.testing.assert_close(*gradients)
    # there is no template to choose, and dropout has the layer's states, too
    assert torch.equal(encoder(another_template(1)(features)), encoder(features))
    dropped = {**features, "dropout": torch.tensor([0.0, -1.0, 0.0])}
    torch.testing.assert_close(encoder(dropped), encoder(features))
    encoder.float().save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.templates, again.layer) == (TEMPLATES, layer)
    torch.testing.assert_close(again.encode(TEXTS, dtype="float32"), encoder.encode(TEXTS, dtype="float32"))


def test_a_mean_of_templates_refuses_layers_that_are_not_there():
    for layer in (-2, 2):
        with pytest.raises(InputError, match=f"layer {layer} of 1"):
            in_each_template(bert(), TEMPLATES, layer=layer)
    encoder = in_each_template(bert(), TEMPLATES)
    assert in_each_template(encoder, ["{} [MASK]"]) is encoder
    assert in_templates(encoder, ["{} [MASK]"]) is encoder
    with pytest.raises(InputError, match="needs a transformer"):
        in_each_template(StaticEncoder.from_corpus(TEXTS, dim=4), TEMPLATES)


def test_layers_after_pooling_come_after_the_mean():
    from counterpoint.encoders.adapting import tanh_layer

    inner = tanh_layer(bert())
    encoder = TemplateMean(inner, TEMPLATES).eval()
    features = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(features), inner.heads[0](encoder.each(features).mean(0)))
