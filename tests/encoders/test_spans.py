"""Passages, their parts and queries as sets of vectors: which tokens are of which, and how they are compared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Items
from counterpoint.encoders import EachSpan, MultiVectorEncoder, SpanEncoder, StaticEncoder, load, take
from counterpoint.encoders.features import concat
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError

TEXT = "the cat sleeps. a dog barks, the cat runs."
PASSAGES = [f"{TEXT}\tthe cat sleeps.\ta dog barks, the cat runs.", "a dog runs.\ta dog runs."]
PROMPTS = {"query": "query: ", "document": "passage: "}


def bert(**options):
    known = [TEXT, "query: passage: part: who"]
    options = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.0, "spread": 0.3, "prompts": PROMPTS} | options
    return small_transformer(known, **options)


def spanned(marker="part: ", **options):
    torch.manual_seed(0)
    return SpanEncoder(MultiVectorEncoder(bert(), 40, size=8, **options), marker).eval()


def vectors(encoder, text):
    """Those of the tokens of a text, and what each says."""
    late = encoder.encoder
    features = late.encoder.tokenize([text])
    ids = features["input_ids"]
    hidden = late.encoder._hidden({"input_ids": ids, "offsets": torch.tensor([0, len(ids)])})
    return F.normalize(late.projection(hidden), dim=1).detach(), late.encoder.tokenizer.convert_ids_to_tokens(
        ids.tolist()
    )


def bare(encoder):
    """The same without prompts of its own."""
    encoder.encoder.encoder.prompts = {}
    return encoder


def test_a_passage_is_encoded_once_and_its_parts_are_its_tokens():
    encoder = spanned()
    sets = encoder.each(encoder.tokenize(PASSAGES, "document"))
    z, words = vectors(bare(encoder), f"passage: {TEXT}")
    assert sets.shape == (2, 3, 40, 8)
    torch.testing.assert_close(sets[0, 0, : len(z)], z)
    assert not sets[0, :, len(z) :].any()
    stop = words.index(".")
    for part, places in ((1, range(3, stop + 1)), (2, range(stop + 1, len(words) - 1))):
        there = sets[0, part].abs().sum(1) > 0
        assert there.nonzero()[:, 0].tolist() == list(places)
        torch.testing.assert_close(sets[0, part][there], z[list(places)])
    assert not sets[1, 2].any()


def test_a_query_is_encoded_after_its_prompt_and_after_the_marker():
    encoder = spanned()
    sets = encoder.each(encoder.tokenize(["who barks", "who"], "query"))
    for i, text in enumerate(("who barks", "who")):
        for place, prompt in enumerate(("query: ", "part: ")):
            z, _ = vectors(bare(spanned()), prompt + text)
            torch.testing.assert_close(sets[i, place, : len(z)], z)
            assert not sets[i, place, len(z) :].any()
    same = spanned("")
    sets = same.each(same.tokenize(["who barks"], "query"))
    assert sets.shape[1] == 2
    assert torch.equal(sets[0, 0], sets[0, 1])


@pytest.mark.parametrize("options", [{}, {"punctuation": False}])
def test_scores_are_those_of_a_loop_over_tokens(options):
    encoder = spanned(**options)
    whole, parts = encoder.scores(Items("text", ["who barks", "the cat"]), Items("text", PASSAGES))
    plain = bare(spanned(**options))
    for i, query in enumerate(("who barks", "the cat")):
        q, asked = (vectors(plain, prompt + query)[0] for prompt in ("query: ", "part: "))
        for j, passage in enumerate(PASSAGES):
            text, *own = passage.split("\t")
            z, words = vectors(plain, f"passage: {text}")
            has = [bool(options == {} or any(c.isalnum() for c in word)) for word in words]
            kept = torch.tensor(has)
            assert whole[i, j] == pytest.approx(float((q @ z[kept].T).amax(1).sum()), rel=1e-5)
            stop = words.index(".") + 1
            bounds = [(3, stop), (stop, len(words) - 1)][: len(own)]
            for p, (a, b) in enumerate(bounds):
                inside = z[a:b][kept[a:b]]
                assert parts[i, j, p] == pytest.approx(float((asked @ inside.T).amax(1).sum()), rel=1e-5)
    assert np.isnan(parts[:, 1, 1]).all()


def test_batches_of_both_kinds_are_their_rows():
    encoder = spanned()
    asked, found = encoder.tokenize(["who barks", "who"], "query"), encoder.tokenize(PASSAGES, "document")
    each = EachSpan(encoder)
    both = each(concat([asked, found]))
    torch.testing.assert_close(both[:2, :2], each(asked))
    assert not both[:2, 2].any()
    torch.testing.assert_close(both[2:], each(found))
    torch.testing.assert_close(each(take(found, [1, 0])), each(found)[[1, 0]])
    assert each(take(found, [])).requires_grad
    assert each(take(found, [])).shape == (0, 3, 40, 8)
    both.sum().backward()
    assert encoder.encoder.projection.weight.grad is not None


def test_whole_passages_are_searched_without_what_follows_them(tmp_path):
    encoder = spanned()
    late, items = encoder.encoder, Items("text", PASSAGES)
    wanted = late.encode_each(Items("text", [text.partition("\t")[0] for text in PASSAGES]), kind="document")
    z = encoder.encode_each(items, kind="document")
    assert z.offsets_n.tolist() == wanted.offsets_n.tolist()
    np.testing.assert_allclose(z.vectors_td, wanted.vectors_td, rtol=1e-5, atol=1e-6)
    means = np.stack([part.mean(0) for part in np.split(z.vectors_td, z.offsets_n[1:-1])])
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode_items(items, kind="document"), unit, rtol=1e-4, atol=1e-5)
    asked = late.encode_each(Items("text", ["who"]), kind="query").vectors_td
    np.testing.assert_allclose(encoder.encode_each(Items("text", ["who"]), kind="query").vectors_td, asked)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.marker == "part: "
    for a, b in zip(again.scores(items, items), encoder.scores(items, items), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_text_with_a_tab_that_is_none_of_ours_is_searched_whole():
    encoder = spanned()
    (whole, cut), wanted = (
        [encoder.encode_each(Items("text", [text]), kind="document").vectors_td for text in ("a cat\tsleeps", "a cat")],
        encoder.encoder.encode_each(Items("text", ["a cat\tsleeps"]), kind="document").vectors_td,
    )
    np.testing.assert_array_equal(whole, wanted)
    assert len(whole) > len(cut)
    features = encoder.tokenize(["a cat\tsleeps"], "document")
    assert features["inside"].shape[1] == 0
    assert torch.equal(features["input_ids"], encoder.tokenize(["a cat sleeps"], "document")["input_ids"])


def test_what_it_takes():
    with pytest.raises(InputError, match="tokens of a transformer"):
        SpanEncoder(bert())
    with pytest.raises(InputError, match="tokens of a transformer"):
        SpanEncoder(MultiVectorEncoder(StaticEncoder.from_corpus(["a cat"], dim=4)))
    with pytest.raises(InputError, match="int, not a string"):
        spanned().tokenize([3], "document")
    with pytest.raises(InputError, match="only a SpanEncoder"):
        EachSpan(bert())
