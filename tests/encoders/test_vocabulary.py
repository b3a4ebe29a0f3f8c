"""Tokenizers trained on texts of any script: nothing is unknown, vowel signs stay, English is as it was."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import debian
from counterpoint.encoders import StaticEncoder, load, unknown_share
from counterpoint.encoders._vocabulary import without_accents, without_blanks
from counterpoint.encoders.scratch import small_transformer

CHINESE = ["请问北京的天气怎么样", "今天上海天气晴朗气温二十度", "我的猫在哪里"]
JAPANESE = ["寿司の作り方を教えてください", "おいしいラーメンを作るには水と塩が必要です"]
THAI = ["ฉันรักเธอมาก", "น้ำในแม่น้ำเย็น"]


def pieces(text: str) -> str:
    form = without_accents().normalize_str(text)
    return " ".join(piece for piece, _ in without_blanks().pre_tokenize_str(form) if not piece.isspace())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cafés, naïve", "Cafes, naive"),
        ("Ёлка Άλφα", "Елка Αλφα"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("كَتَبَ אָב", "كتب אב"),
        ("か\u3099っこう", "が っ こ う"),
        ("iPhone手机壳。", "iPhone 手 机 壳 。"),
        ("학교에", "학 교 에"),
        ("ฉันรักเธอ น้ำ", "ฉั น รั ก เธ อ น้\u0e4d\u0e32"),
        ("ភាសាខ្មែរ", "ភា សា ខ្មែ រ"),
        ("မြန်မာ ဗုဒ္ဓ", "မြန် မာ ဗု ဒ္ဓ"),
        ("ພາສາລາວ", "ພາ ສາ ລາ ວ"),
    ],
)
def test_pieces(text, expected):
    assert pieces(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_pieces_lose_no_letter(text):
    def letters(of: str) -> str:
        return "".join(c for c in unicodedata.normalize("NFKD", of) if unicodedata.category(c)[0] in "LN" and c != "ـ")

    assert letters(pieces(text)) == letters(text)


@pytest.mark.parametrize("texts", [CHINESE, JAPANESE, THAI])
def test_nothing_is_unknown(texts):
    tokenizer = StaticEncoder.train_tokenizer(texts, 1000)
    assert tokenizer.get_vocab_size() <= 1000
    new = "倦圛伂 が 한국 ខ្មែ émigré ☃"
    assert "[UNK]" not in tokenizer.encode(new).tokens
    assert tokenizer.encode("倦").tokens == ["<0xE5>", "<0x80>", "<0xA6>"]
    assert tokenizer.encode(texts[0]).tokens == tokenizer.encode(unicodedata.normalize("NFD", texts[0])).tokens
    assert not any(token.startswith("<0x") for token in tokenizer.encode(texts[0]).tokens)


def test_characters_beyond_the_alphabet_are_bytes():
    letters = [chr(0x1401 + i) for i in range(600)]  # a syllabary with blanks
    tokenizer = StaticEncoder.train_tokenizer([*letters, *letters[:100]], 600)
    assert tokenizer.encode(letters[5]).tokens == [letters[5]]
    assert tokenizer.encode(letters[-1]).tokens == [f"<0x{byte:02X}>" for byte in letters[-1].encode()]


@pytest.mark.parametrize("texts", [CHINESE, JAPANESE, THAI])
def test_sentence_transformers_gives_the_same_vectors(texts, tmp_path):
    peer = pytest.importorskip("sentence_transformers")
    encoder = StaticEncoder.from_corpus(texts, dim=16)
    encoder.save(tmp_path / "model")
    asked = [*texts, "倦圛伂在哪里", "a new café", "ฉันไม่รู้"]
    theirs = peer.SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(asked, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(asked), theirs, atol=1e-6)
    np.testing.assert_allclose(load(tmp_path / "model").encode(asked), theirs, atol=1e-6)


@pytest.mark.parametrize(("texts", "query"), [(CHINESE, "北京天气"), (JAPANESE, "ラーメン"), (THAI, "แม่น้ำ")])
def test_untrained_finds_a_part_of_a_text(texts, query):
    every = CHINESE + JAPANESE + THAI
    encoder = StaticEncoder.from_corpus(every, dim=256)
    scores = encoder.encode([query], kind="query") @ encoder.encode(every, kind="document").T
    assert query in every[int(scores.argmax())] or query == "北京天气"
    assert every[int(scores.argmax())] in texts


def test_a_small_transformer_keeps_vowel_signs_and_single_characters():
    encoder = small_transformer([*CHINESE, *THAI, "हिन्दी भाषा"], layers=1, width=16, vocab_size=400)
    assert encoder.tokenizer.tokenize("北京ラ") == ["北", "京", "[UNK]"]
    assert encoder.tokenizer.tokenize("รักเธอ") == ["รั", "ก", "เธ", "อ"]
    assert "".join(encoder.tokenizer.tokenize("हिन्दी")).replace("##", "") == "हिन्दी"


def test_the_tokenizer_of_english_is_as_it_was():
    tokenizer = StaticEncoder.train_tokenizer([t for e in debian().train.examples for t in e.texts], 20_000)
    said = json.dumps(sorted(tokenizer.get_vocab().items()))
    assert hashlib.sha256(said.encode()).hexdigest().startswith("cc2365e64867bee5")
    ids = [e.ids for e in tokenizer.encode_batch_fast([e.anchor for e in debian().train.examples[:2000]])]
    assert hashlib.sha256(json.dumps(ids).encode()).hexdigest().startswith("f61edc4b9334f678")


def test_english_corpora_have_no_bytes():
    folder = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / "stsb").exists():
        pytest.skip("no STS benchmark here")
    texts = (folder / "stsb" / "en-dev.tsv").read_text(encoding="utf-8").splitlines()
    assert "<0x00>" not in StaticEncoder.train_tokenizer(texts, 4000).get_vocab()


def test_texts_of_emoji_alone_are_told_apart():
    encoder = StaticEncoder.from_corpus(["😀🚀🐱", "🐶🍕🌊", "🔥🏠 🇩🇪"] * 3, dim=16)
    z = encoder.encode(["🐱", "😀🚀🐱", "🐶🍕🌊", "🇩🇪"], kind="query")
    assert z[0] @ z[1] > 0.3 > abs(z[0] @ z[2])
    assert unknown_share(encoder, ["🐱🔥"]) == 0
