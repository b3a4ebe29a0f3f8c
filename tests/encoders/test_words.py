"""The word table against the tokenizer itself."""

from __future__ import annotations

import copy
import gzip
import itertools
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from counterpoint.encoders import StaticEncoder, _words, static
from counterpoint.encoders._words import Words, kind_of

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared/data"))
CORPUS = [
    "The cat's café, re-opened (2nd floor)!",
    "naïve ΟΔΟΣ straße 東京 は",
    "\u0301a b\u00a0c\td\ne  f ½ ﬁ",
    "C++ [PAD] x[PAD]y",
]


def make(name: str) -> Tokenizer:
    bert, simple = normalizers.BertNormalizer(), normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase()])
    if name == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
        tokenizer.normalizer, tokenizer.pre_tokenizer = bert, pre_tokenizers.BertPreTokenizer()
    elif name == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
        steps = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
        tokenizer.normalizer, tokenizer.pre_tokenizer = simple, pre_tokenizers.Sequence(steps)
    elif name == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=90, special_tokens=["[PAD]", "[UNK]"], unk_token="[UNK]", show_progress=False
        )
        tokenizer.normalizer, tokenizer.pre_tokenizer = simple, pre_tokenizers.Whitespace()
    elif name == "byte level":
        tokenizer = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["[PAD]"], show_progress=False)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        return StaticEncoder.train_tokenizer(CORPUS * 3, 150 if name == "ours" else 900)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


TOKENIZERS = {name: make(name) for name in ("wordpiece", "bpe", "unigram", "byte level", "ours", "ours, bytes")}


def rows(words: Words, texts: list[str]) -> list[list[int]]:
    features = words.features(texts)
    ids, offsets = features["input_ids"].tolist(), features["offsets"].tolist()
    return [ids[a:b] for a, b in itertools.pairwise(offsets)]


def itself(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


pieces = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        *" ".join(CORPUS).split(" "),
        "[PAD]",
        "[DOC]",
        "C++",
        "re-run",
        "a_b",
        "\n",
        "\U0010fffd",
        "a\u0301",
        "\u0301",
        "\x1c",
        "Σ",
        "cats",
        "cat",
        "",
    ]
)
texts = st.lists(st.lists(pieces, max_size=8).map(" ".join), max_size=5)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=150)
@given(first=texts, second=texts)
def test_the_ids_are_the_tokenizers(name, first, second):
    tokenizer = TOKENIZERS[name]
    words = Words(tokenizer, static._LOCAL)
    assert rows(words, first) == itself(tokenizer, first)
    assert rows(words, second + first) == itself(tokenizer, second + first)


@pytest.mark.parametrize("between", [1990, 1991, 1999, 2000, 2001, 2002, 3000, 6000])
def test_a_word_that_comes_again_far_away(between):
    tokenizer = TOKENIZERS["ours"]
    filling = ("running dogs, " * 500)[: between - 2]
    some = [f"cats {filling} cat", f"[DOC] cats {filling} cat", f"cat\n{filling}\ncat\n"]
    assert rows(Words(tokenizer, static._LOCAL), some) == itself(tokenizer, some)


@pytest.mark.parametrize(
    "text", ["[DOC]", "[DOC] ", "[DOC] [DOC] cat", "[DOC] cat [DOC] cat", "[DOC]cat cat", " [DOC] cat"]
)
def test_special_tokens_in_texts(text):
    tokenizer = TOKENIZERS["ours"]
    assert rows(Words(tokenizer, static._LOCAL), [text, "cat cat"]) == itself(tokenizer, [text, "cat cat"])


def test_how_each_is_cut():
    known = {name: kind_of(tokenizer, static._LOCAL) for name, tokenizer in TOKENIZERS.items()}
    assert known == {"wordpiece": "spaces", "bpe": "spaces", "unigram": "spaces", "byte level": "whole"} | {
        "ours": "runs",
        "ours, bytes": "runs",
    }


def change(tokenizer: Tokenizer, what: str) -> None:
    if what == "a token with a blank":
        tokenizer.add_tokens(["new york"])
    if what == "a token that takes blanks":
        tokenizer.add_tokens([AddedToken("<m>", lstrip=True)])
    if what == "a pattern":
        tokenizer.normalizer = normalizers.Replace(Regex(r"(\w+) \1"), "")
    if what == "a blank replaced":
        tokenizer.normalizer = normalizers.Replace("a b", "c")
    if what == "strip":
        tokenizer.normalizer = normalizers.Strip()
    if what == "chance":
        tokenizer.model.dropout = 0.5
    if what == "no splitting":
        tokenizer.pre_tokenizer = pre_tokenizers.Punctuation()
    if what == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()


@pytest.mark.parametrize(
    "what",
    [
        "a token with a blank",
        "a token that takes blanks",
        "a pattern",
        "a blank replaced",
        "strip",
        "chance",
        "no splitting",
        "metaspace",
    ],
)
def test_what_looks_across_words_is_left_to_the_tokenizer(what):
    tokenizer = make("bpe")
    change(tokenizer, what)
    assert kind_of(tokenizer, static._LOCAL) == "whole"


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("name", ["wordpiece", "ours"])
def test_a_truncation_is_kept_to(name, direction):
    tokenizer = make(name)
    tokenizer.enable_truncation(3, direction=direction)
    words = Words(tokenizer, static._LOCAL)
    assert rows(words, [*CORPUS, "a"]) == itself(tokenizer, [*CORPUS, "a"])
    tokenizer.no_truncation()
    assert rows(words, CORPUS) == itself(tokenizer, CORPUS)


@pytest.mark.parametrize("name", ["wordpiece", "ours"])
def test_a_full_table_forgets_what_came_last(name, monkeypatch):
    monkeypatch.setattr(_words, "_MOST_PIECES", 6)
    tokenizer = TOKENIZERS[name]
    words = Words(tokenizer, static._LOCAL)
    for _ in range(2):
        for text in CORPUS:
            assert rows(words, [text, "cat cat"]) == itself(tokenizer, [text, "cat cat"])
    assert len(words._numbers) <= 6


@pytest.mark.parametrize("name", ["wordpiece", "ours", "byte level"])
def test_an_interrupted_call_leaves_a_table_that_is_right(name, monkeypatch):
    tokenizer = TOKENIZERS[name]
    words = Words(tokenizer, static._LOCAL)
    rows(words, CORPUS[:2])
    with monkeypatch.context() as during:
        during.setattr(words, "_tokenized", lambda pieces: [][1])
        with pytest.raises(IndexError):
            words.features([*CORPUS, "dogs and cats"])
    assert rows(words, [*CORPUS, "dogs and cats", "more"]) == itself(tokenizer, [*CORPUS, "dogs and cats", "more"])


def test_copies_share_the_table_and_pickles_begin_anew():
    words = Words(TOKENIZERS["wordpiece"])
    words.features(CORPUS)
    assert copy.deepcopy(words) is words
    assert rows(pickle.loads(pickle.dumps(words)), CORPUS) == rows(words, CORPUS)


FILES = (
    "tatoeba/tatoeba.tsv.gz",
    "text/brown.txt.gz",
    "classify/trec-train.tsv",
    "scifact/corpus.jsonl",
    "stsb/pt-test.tsv",
)


@pytest.mark.parametrize("name", ["wordpiece", "ours"])
@pytest.mark.parametrize("file", FILES)
def test_real_corpora(file, name):
    path = DATA / file
    if not path.is_file():
        pytest.skip(f"no {file} in {DATA}")
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        some = [line.rstrip("\n") for line in lines][:20_000:10]
    assert rows(Words(TOKENIZERS[name], static._LOCAL), some) == itself(TOKENIZERS[name], some)
