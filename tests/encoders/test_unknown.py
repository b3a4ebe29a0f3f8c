"""The share of tokens that a tokenizer does not know."""

from __future__ import annotations

import pytest

from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, unknown_note, unknown_share


@pytest.mark.parametrize("name", ["static", "bert", "gpt2"])
def test_share(tiny, corpus, name):
    encoder = tiny(name)
    assert unknown_share(encoder, corpus) == 0
    assert unknown_note(encoder, corpus) == ""
    assert unknown_share(encoder, []) == 0
    # two words that it knows, two that it does not; no special token is counted
    assert unknown_share(encoder, ["the dog 猫", "猫"]) == pytest.approx(0.5)
    assert "50% of the texts' tokens are unknown" in unknown_note(encoder, ["the dog 猫", "猫"])


def test_many_texts_are_sampled(corpus):
    encoder = StaticEncoder.from_corpus(corpus, dim=4)
    assert unknown_share(encoder, ["猫", "dog"] * 5000) == pytest.approx(0.5, abs=0.05)


def test_minilm_and_chinese():
    from counterpoint.fitting.bases import make_base, minilm_folder

    if minilm_folder() is None:
        pytest.skip("MiniLM is not installed")
    minilm = make_base("minilm", rows_of([]), 0)
    assert unknown_share(minilm, ["Where is the station?", "déjà vu"]) == 0
    assert unknown_share(minilm, ["请问倦圛伂在哪里"]) > 0.2
