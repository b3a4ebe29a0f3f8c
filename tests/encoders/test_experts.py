"""Vectors by the perceptrons of a text's domain, against a transformer of each domain."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import ExpertEncoder, StaticEncoder, TransformerEncoder, load
from counterpoint.encoders.experts import by_domain, domains_of
from counterpoint.encoders.features import concat, take
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

BARE = ["a trial of statins", "a rash", "the skin is red", "statins", "the heart"]
SAID = ["heart", "skin", "skin", "heart", "lung"]
TEXTS = [f"{name}\t{text}" for name, text in zip(SAID, BARE, strict=True)]
DOMAINS = ("heart", "skin", "lung")


def bert(**options):
    return small_transformer(BARE, layers=2, width=8, heads=2, dropout=0.0, spread=0.5, **options)


def llama():
    from transformers import LlamaConfig, LlamaModel

    tokenizer = bert().tokenizer
    size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    return TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **size)), tokenizer)


def distilbert():
    from transformers import DistilBertConfig, DistilBertModel

    tokenizer = bert().tokenizer
    size = {"dim": 8, "hidden_dim": 16, "n_layers": 2, "n_heads": 2, "dropout": 0.0, "attention_dropout": 0.0}
    torch.manual_seed(0)
    return TransformerEncoder(DistilBertModel(DistilBertConfig(vocab_size=len(tokenizer), **size)), tokenizer)


def apart(encoder):
    """Experts that are no longer copies of each other."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in encoder.others.parameters():
            p.add_(torch.randn(p.shape, generator=generator))
    return encoder


MLP = {
    bert: ("encoder.layer.{}.intermediate.dense", "encoder.layer.{}.output.dense"),
    llama: ("layers.{}.mlp",),
    distilbert: ("transformer.layer.{}.ffn",),
}


def each(encoder, make):
    """A transformer of each domain, all weights its own: those of the encoder, and those of the domain's expert."""
    found = []
    for k in range(len(encoder.domains)):
        whole = copy.deepcopy(encoder.encoder)
        paths = [path.format(i) for i in range(2) for path in MLP[make]]
        for path, expert in zip(paths, encoder.others[k - 1] if k else [None] * len(paths), strict=True):
            if expert is not None:
                own = whole.model.get_submodule(path)
                wanted = expert.dense if hasattr(expert, "dense") else expert
                own.load_state_dict(wanted.state_dict())
        found.append(whole)
    return found


@pytest.mark.parametrize("make", MLP)
def test_a_vector_is_that_of_a_transformer_of_its_domain_and_so_is_its_gradient(make):
    encoder = apart(ExpertEncoder(make(), DOMAINS))
    z = encoder(encoder.tokenize(TEXTS))
    alone = each(encoder, make)
    wanted = torch.cat([alone[DOMAINS.index(k)](alone[0].tokenize([t])) for k, t in zip(SAID, BARE, strict=True)])
    torch.testing.assert_close(z, wanted)
    assert (z[1] - alone[0](alone[0].tokenize(BARE[1:2]))[0]).abs().max() > 1e-2
    weight = torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
    (z * weight).sum().backward()
    (wanted * weight).sum().backward()
    paths = [path.format(i) for i in range(2) for path in MLP[make]]
    for k, whole in enumerate(alone):
        for j, path in enumerate(paths):
            expert = encoder.encoder.model.get_submodule(path) if not k else encoder.others[k - 1][j]
            expert = getattr(expert, "dense", expert)
            for own, other in zip(expert.parameters(), whole.model.get_submodule(path).parameters(), strict=True):
                torch.testing.assert_close(own.grad, other.grad)
    # all else is shared: what each domain's texts ask of it is added
    for name, p in encoder.encoder.model.named_parameters():
        if p.grad is not None and not any(name.startswith(path) for path in paths):
            total = sum(dict(whole.model.named_parameters())[name].grad for whole in alone)
            torch.testing.assert_close(p.grad, total, rtol=1e-4, atol=1e-6)


def test_experts_begin_as_copies_and_share_all_else():
    inner = bert()
    encoder = ExpertEncoder(inner, DOMAINS)
    torch.testing.assert_close(encoder(encoder.tokenize(TEXTS)), inner(inner.tokenize(BARE)))
    own = sum(p.numel() for name, p in inner.named_parameters() if ".intermediate." in name or ".output.dense" in name)
    own -= sum(p.numel() for name, p in inner.named_parameters() if "attention.output" in name and "dense" in name)
    assert sum(p.numel() for p in encoder.parameters()) == sum(p.numel() for p in inner.parameters()) + 2 * own
    before = [id(module) for module in inner.model.modules()]
    encoder.encode(TEXTS)
    assert [id(module) for module in inner.model.modules()] == before


def test_texts_are_taken_and_put_together_like_others():
    encoder = apart(ExpertEncoder(bert(), DOMAINS))
    whole = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(take(whole, [4, 0])), encoder(whole)[[4, 0]])
    both = concat([encoder.tokenize(TEXTS[1:2]), whole])
    torch.testing.assert_close(encoder(both), encoder(whole)[[1, 0, 1, 2, 3, 4]])
    assert encoder.encode([]).shape == (0, 8)


def test_vectors_at_half_precision_are_of_their_own_experts():
    encoder = apart(ExpertEncoder(bert(), DOMAINS)).eval()
    torch.testing.assert_close(
        torch.from_numpy(encoder.encode(TEXTS, dtype="bfloat16")), torch.from_numpy(encoder.encode(TEXTS))
    )


def test_prompts_stand_before_the_text_and_not_before_its_domain():
    inner = bert()
    inner.prompts["query"] = "the "
    encoder = ExpertEncoder(inner, DOMAINS)
    found = encoder.encode(TEXTS, kind="query")
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(inner.encode(BARE, kind="query")))


def test_it_is_saved_and_loaded_with_its_experts(tmp_path):
    encoder = apart(ExpertEncoder(bert(), DOMAINS))
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert isinstance(again, ExpertEncoder)
    assert again.domains == DOMAINS
    torch.testing.assert_close(torch.from_numpy(again.encode(TEXTS)), torch.from_numpy(encoder.encode(TEXTS)))


def test_domains_are_learned_of_the_data_and_once():
    encoder = by_domain(bert())
    assert by_domain(encoder) is encoder
    data = Data(Items("text", TEXTS[:2]), torch.arange(2), Items("text", TEXTS[3:]), torch.arange(2)[:, None])
    assert domains_of(data, encoder, 0) is data
    assert encoder.domains == ("heart", "lung", "skin")
    assert len(encoder.others) == 2
    apart(encoder)
    kept = encoder.encode(TEXTS)
    domains_of(data, encoder, 0)
    torch.testing.assert_close(torch.from_numpy(encoder.encode(TEXTS)), torch.from_numpy(kept))


def test_texts_without_a_domain_are_one_more_and_before_any_is_known_all_are_read_alike():
    inner = bert()
    encoder = by_domain(inner)
    plain = torch.from_numpy(inner.encode(BARE))
    torch.testing.assert_close(torch.from_numpy(encoder.encode(TEXTS)), plain)
    torch.testing.assert_close(torch.from_numpy(encoder.encode(BARE)), plain)
    domains_of(Data.alone(Items("text", [*BARE, TEXTS[1]])), encoder, 0)
    assert encoder.domains == ("", "skin")
    apart(encoder)
    torch.testing.assert_close(torch.from_numpy(encoder.encode(BARE)), plain)
    assert abs(encoder.encode(TEXTS[1:2])[0] - plain[1].numpy()).max() > 1e-2


def test_bad_input_is_refused():
    encoder = ExpertEncoder(bert(), DOMAINS)
    with pytest.raises(InputError, match=r"line 2.*'eye', where 'heart', 'skin', 'lung' are known"):
        encoder.tokenize([TEXTS[0], "eye\ta text"])
    with pytest.raises(InputError, match=r"line 1.*a text of domain ''"):
        encoder.tokenize(["a text"])
    many = Data.alone(Items("text", [f"{i}\ta text" for i in range(101)]))
    with pytest.raises(InputError, match="101 domains, of which '1' is one"):
        domains_of(many, by_domain(bert()), 0)
    for names in (("a", "a"), ("a\tb",)):
        with pytest.raises(InputError, match="name each once"):
            ExpertEncoder(bert(), names)
    with pytest.raises(InputError, match="only a transformer has experts"):
        by_domain(StaticEncoder.from_corpus(["a"], dim=4))
    inner = bert()
    inner.checkpoint_gradients()
    with pytest.raises(InputError, match="checkpoint_gradients"):
        ExpertEncoder(inner, DOMAINS).train()(encoder.tokenize(TEXTS))
    odd = bert()
    odd.model.encoder.layer = nn.ModuleList([nn.Identity(), nn.Identity()])
    with pytest.raises(InputError, match="no perceptron by a known name"):
        ExpertEncoder(odd, DOMAINS)
