"""Texts that are cut are counted: each as often as it stands in the data, whatever the batches."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.encoders import Cut, count_cut, load
from encoders.conftest import make_encoder

BERT = make_encoder("bert", max_seq_length=8, prompts={"query": "query : "})


def tokens(text, prompt=""):
    return len(BERT.tokenizer(prompt + text)["input_ids"])


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.integers(0, 9).map(lambda n: " ".join(["dogs"] * n)), max_size=25),
    window=st.integers(1, 9),
    kind=st.sampled_from([None, "query"]),
)
def test_counting_is_by_rows(texts, window, kind):
    prompt = BERT.prompt(kind)
    for source in (texts, iter(texts)):
        with BERT.counting() as cut:
            BERT.encode(source, window=window, kind=kind)
        assert (cut.texts, cut.of) == (sum(tokens(t, prompt) > 8 for t in texts), len(texts))
    different = set(texts)
    once = count_cut(BERT, texts, kind)
    assert (once.texts, once.of) == (sum(tokens(t, prompt) > 8 for t in different), len(different))


def test_counting_within_counting_and_after_it():
    with BERT.counting() as outer:
        BERT.encode(["dogs " * 7, "dogs"])
        with BERT.counting() as inner:
            BERT.encode(["dogs " * 7])
    BERT.encode(["dogs " * 7])
    assert (outer.texts, outer.of, inner.texts, inner.of) == (2, 3, 1, 1)


def test_what_an_earlier_call_encoded_is_counted_too(tmp_path):
    texts = ["dogs " * n for n in range(10)]

    def stop(done, _):
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BERT.encode(texts, out=tmp_path / "z.npy", window=3, progress=stop)
    with BERT.counting() as cut:
        BERT.encode(texts, out=tmp_path / "z.npy", window=3)
    assert (cut.texts, cut.of) == (sum(tokens(t) > 8 for t in texts), 10)


def test_a_saved_model_cuts_where_it_did(tmp_path):
    BERT.save(tmp_path / "model")
    assert count_cut(load(tmp_path / "model"), ["dogs " * 7, "dogs"]) == Cut(8, 1, 2)


def test_a_static_model_cuts_nothing(tiny):
    static = tiny("static")
    with static.counting() as cut:
        static.encode(["dogs " * 5000, "dogs"])
    assert cut == Cut(None, 0, 2)
    assert count_cut(static, ["dogs " * 5000, "dogs"]) == Cut(None, 0, 2)
    assert cut.sentence() == ""
