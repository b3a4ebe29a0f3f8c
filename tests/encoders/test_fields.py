"""Vectors of fields, averaged, against encoding each."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Items
from counterpoint.encoders import FieldEncoder, StaticEncoder, load
from counterpoint.encoders.features import concat, drop_tokens, take
from counterpoint.encoders.scratch import small_transformer
from counterpoint.encoders.wrapping import in_fields
from counterpoint.errors import InputError

TEXTS = ["red shoes\tlight shoes for runners", "for runners", "\tred", "red\t", "shoes for red runners\tred red shoes"]


def table(**options) -> StaticEncoder:
    return StaticEncoder.from_corpus(TEXTS, dim=6, **options)


def bert(**options):
    return small_transformer(TEXTS, layers=1, width=8, heads=2, dropout=0.0, **options)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("make", [table, bert])
def test_a_vector_is_the_mean_of_unit_vectors_of_fields(make, normalize):
    inner = make(normalize=normalize)
    encoder = FieldEncoder(inner, (0.25, 0.75))
    z = encoder(encoder.tokenize(TEXTS))
    wanted = []
    for text in TEXTS:
        fields = [F.normalize(inner(inner.tokenize([field])), dim=1)[0] for field in text.split("\t")]
        total = sum(w * u for w, u in zip((0.25, 0.75), fields, strict=False))
        wanted.append(F.normalize(total, dim=0) if normalize else total)
    torch.testing.assert_close(z, torch.stack(wanted))
    weight = torch.randn_like(z)
    for parameter in [p for p in inner.parameters() if p.requires_grad][:2]:
        (found,) = torch.autograd.grad((z * weight).sum(), parameter, retain_graph=True)
        (same,) = torch.autograd.grad((torch.stack(wanted) * weight).sum(), parameter, retain_graph=True)
        torch.testing.assert_close(found, same)


def test_texts_are_taken_and_put_together_like_others():
    encoder = FieldEncoder(table())
    whole = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(take(whole, [4, 0])), encoder(whole)[[4, 0]])
    both = concat([encoder.tokenize(TEXTS[1:2]), whole])
    torch.testing.assert_close(encoder(both), encoder(whole)[[1, 0, 1, 2, 3, 4]])
    assert encoder.tokenize([])["fields"].shape == (0, 2)


def test_what_views_make_of_embeddings_is_seen():
    encoder = FieldEncoder(table())
    features = encoder.tokenize(TEXTS)
    kept = torch.ones(len(features["input_ids"]), 6)
    torch.testing.assert_close(encoder({**features, "scale": kept}), encoder(features))
    kept[:, :3] = 0
    assert not bool(encoder({**features, "scale": kept})[:, :3].any())


def test_a_long_field_is_cut_by_itself():
    encoder = FieldEncoder(bert(max_seq_length=4))
    features = encoder.tokenize(["red shoes for runners for runners\tred", "red\tred"])
    assert features["cut"].tolist() == [True, False]
    assert features["fields"].tolist() == [[4, 3], [3, 3]]


def test_it_is_saved_and_wrapped_once(tmp_path):
    encoder = in_fields(table(), (0.2, 0.8))
    assert in_fields(encoder) is encoder
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert tuple(again.shares) == (0.2, 0.8)
    torch.testing.assert_close(torch.from_numpy(again.encode(TEXTS)), torch.from_numpy(encoder.encode(TEXTS)))


def test_bad_input_is_refused():
    for shares in ((), (0.5, 0.0), (float("inf"),)):
        with pytest.raises(InputError, match="fields weigh"):
            FieldEncoder(table(), shares)
    encoder = FieldEncoder(table())
    with pytest.raises(InputError, match="3 fields, where 2 have a share"):
        encoder.tokenize(["a", "a\tb\tc"])
    torch.manual_seed(0)
    with pytest.raises(InputError, match="a view has changed how many tokens"):
        encoder(drop_tokens(encoder.tokenize(TEXTS), 0.9))
    features = encoder.tokenize(TEXTS)
    with pytest.raises(InputError, match="a view has changed position_ids"):
        encoder({**features, "position_ids": features["input_ids"]})
    with pytest.raises(InputError, match="no encoder of texts to give fields to"):
        in_fields(torch.nn.Identity())


@pytest.mark.parametrize("kind", ["query", "document"])
def test_an_item_s_own_prompt_takes_the_place_of_the_wrapper_s_and_of_what_it_holds(kind):
    inner = StaticEncoder.from_corpus([*TEXTS, "find said"], dim=6, prompts={"query": "find ", "document": "said "})
    encoder, plain = FieldEncoder(inner), table_like(inner)
    items = Items("text", TEXTS[1:3], prompts=("for ", ""))
    found = encoder.encode_items(items, kind=kind)
    before = inner.prompts[kind]
    wanted = FieldEncoder(plain).encode(["for " + TEXTS[1], before + TEXTS[2]])
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(wanted))
    assert encoder.prompts == inner.prompts == {"query": "find ", "document": "said "}


def table_like(encoder):
    """The same table without prompts."""
    other = copy.deepcopy(encoder)
    other.prompts = {}
    return other
