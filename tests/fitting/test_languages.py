"""Texts that are not English, from the file to the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.fitting import fit


def write(folder, rows):
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps({"anchor": a, "positive": p}) + "\n" for a, p in rows), "utf-8")
    return file


def run(folder, rows, **options):
    said: list[str] = []
    settings = {"base": "static", "epochs": 1, "test": 0.3, "dev": 0.1} | options
    result = fit(write(folder, rows), folder / "run", say=said.append, **settings)
    return {m.name: m.figures["mrr@10"].value for m in result.measured}, said, result


def named(first, last, n=60):
    """Names of three letters, no letter in two of them, so that those of the test are unseen in training."""
    letters = np.random.default_rng(0).permutation(np.arange(first, last))[: 3 * n].reshape(n, 3)
    return ["".join(map(chr, row)) for row in letters]


@pytest.mark.parametrize(
    ("names", "question", "answer"),
    [
        (named(0x4E00, 0x9FA0), "请问{}在哪里", "{}位于城市中心的大街上"),
        (named(0xAC00, 0xD7A0), "{} 어디에 있습니까", "{} 도시의 중심에 있다"),
        ([f"{a}{b}" for a in "กขคงจชดต" for b in ("ัน", "าม", "ีก", "ือง", "ูล", "ึง")], "{}อยู่ที่ไหน", "เมือง{}เป็นเมืองใหญ่"),
        (
            [
                "寿司",
                "天ぷら",
                "ラーメン",
                "うどん",
                "そば",
                "カレー",
                "餃子",
                "焼肉",
                "刺身",
                "納豆",
                "豆腐",
                "味噌汁",
            ],
            "{}の作り方を教えて",
            "おいしい{}を作るには水が必要です",
        ),
    ],
    ids=["Chinese", "Korean", "Thai", "Japanese"],
)
def test_names_that_training_has_not_seen_are_found(tmp_path, names, question, answer):
    found, said, result = run(tmp_path, [(question.format(name), answer.format(name)) for name in names])
    assert min(found["BM25"], found["untrained"], found["trained"]) > 0.9
    assert any(line.startswith("BM25 (words as they are: pairs of characters") for line in said)
    assert "pairs of characters" in result.content.settings["BM25"]


def test_the_language_is_said_and_can_be_overruled(tmp_path):
    rows = [(f"Wo ist der Hund {i}?", f"Der Hund {i} ist nicht im Haus.") for i in range(30)]
    said = run(tmp_path, rows)[1]
    assert any(line.startswith("BM25 (German stems): ") for line in said)
    assert any(line.startswith("textbook BM25 (words as they are: no stems): ") for line in said)
    (tmp_path / "again").mkdir()
    assert any(
        line.startswith("BM25 (French stems, as asked): ")
        for line in run(tmp_path / "again", rows, language="french")[1]
    )
    with pytest.raises(InputError, match="no stemmer for the language 'klingon'"):
        run(tmp_path, rows, language="klingon")


def test_no_verdict_over_a_baseline_that_found_nothing(tmp_path):
    # no word of a query is in any document, but learning finds which belong together
    names = named(0x4E00, 0x9FA0, 12)
    rows = [(f"{i % 12 + 10}a{i}", f"{names[i % 12]}") for i in range(120)]
    _, _, result = run(tmp_path, rows, test=0.2)
    rivals = {d.b: d for d in result.content.differences if d.metric == "mrr@10" and d.a == "trained"}
    assert rivals["BM25"].answered == 0
    assert rivals["untrained"].answered is None


def test_unknown_tokens_of_a_base_are_said(tmp_path, tiny_english):
    rows = [(f"请问{name}在哪里", f"{name}位于城市中心的大街上") for name in named(0x4E00, 0x9FA0, 30)]
    _, said, _ = run(tmp_path, rows, base=str(tiny_english))
    assert any(line.startswith("note: 100% of the texts' tokens are unknown") for line in said)


@pytest.fixture
def tiny_english(tmp_path):
    from counterpoint.encoders.scratch import small_transformer

    small_transformer(["a small corpus", "of two texts"], layers=1, width=16, vocab_size=60).save(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_chinese_texts_alone_have_a_test(tmp_path):
    names = named(0x4E00, 0x9FA0, 40)
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(f"今天{name}的天气晴朗气温二十度" for name in names), "utf-8")
    result = fit(file, tmp_path / "run", base="static", epochs=1, test=0.3, dev=0.1, say=lambda _: None)
    assert result.measured[0].figures["mrr@10"].n == 12
