"""WordNet's files, and the views that stand on them."""

from __future__ import annotations

import zipfile

import pytest
import torch

from counterpoint.data import WordNet
from counterpoint.errors import InputError
from counterpoint.views import eda, insertion, synonyms

DATA = {
    "noun": [
        ("car", "06 n 02 car 0 motor_car 0 000 | a machine with wheels; \"he needs a car\"; \"two cars\""),
        ("dog", "05 n 01 dog 0 000 | a friendly animal; it barks"),
        ("bus", "06 n 02 coach 0 Bus 0 000 | a large car"),
    ],
    "verb": [("run", "38 v 02 run 0 jog 0 000 01 + 02 00 | move fast")],
    "adj": [
        ("old", "03 a 01 old(a) 0 001 ! {young} a 0101 | of great age"),
        ("young", "03 a 01 young 0 001 ! {old} a 0101 | of small age"),
    ],
    "adv": [],
}  # fmt: skip
INDEX = {"car": "car", "motor_car": "car", "dog": "dog", "coach": "bus", "bus": "bus", "jog": "run"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dict").mkdir()
    header = "  1 A licence.\n"
    for part, rows in DATA.items():
        # every line begins with its own place, and all places are of eight digits
        sizes = [9 + len(line.format(**{n: "00000000" for n, _ in rows})) + 1 for _, line in rows]
        places = {n: f"{len(header) + sum(sizes[:i]):08d}" for i, (n, _) in enumerate(rows)}
        lines = [f"{places[n]} {line.format(**places)}\n" for n, line in rows]
        (tmp_path / "dict" / f"data.{part}").write_text(header + "".join(lines))
        words = {**{n: n for n in places}, **{w: n for w, n in INDEX.items() if n in places}}
        index = [f"{w} {part[0]} 1 0 1 0 {places[n]}  \n" for w, n in words.items()]
        (tmp_path / "dict" / f"index.{part}").write_text(header + "".join(index))
    (tmp_path / "dict" / "verb.exc").write_text("ran run\n")
    return tmp_path / "dict"


def test_words_of_one_meaning(folder):
    net = WordNet(folder)
    assert net.synonyms("car") == ["motor car"]
    assert net.synonyms("Cars") == ["car", "motor car"]
    assert net.synonyms("motor car") == ["car"]
    assert net.synonyms("coach") == ["Bus"]
    assert net.synonyms("buses") == ["coach", "Bus"]
    assert net.synonyms("ran") == ["run", "jog"]
    assert net.synonyms("dog") == net.synonyms("unheard") == []
    assert net.antonyms("old") == ["young"]
    assert net.antonyms("younger") == ["old"]
    assert net.antonyms("car") == []


def test_definitions_are_without_examples(folder):
    net = WordNet(folder)
    assert net.definitions("car") == ["a machine with wheels"]
    assert net.definitions("dogs") == ["a friendly animal; it barks"]
    assert list(net.words()) == ["car", "dog", "bus", "motor car", "coach", "run", "jog", "old", "young"]


def test_words_of_every_meaning(folder):
    net = WordNet(folder)
    assert list(net.synsets("noun")) == [["car", "motor car"], ["dog"], ["coach", "Bus"]]
    assert list(net.synsets("noun", (5, 38))) == [["dog"]]
    assert list(net.synsets("adj", (3,))) == [["old"], ["young"]]
    with pytest.raises(InputError, match="no part of speech is 'nouns'"):
        next(net.synsets("nouns"))


def test_it_is_found_by_the_variable_or_where_nltk_has_it(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(folder))
    assert WordNet().synonyms("car") == ["motor car"]
    monkeypatch.delenv("WNSEARCHDIR")
    corpora = tmp_path / "nltk" / "corpora"
    corpora.mkdir(parents=True)
    with zipfile.ZipFile(corpora / "wordnet.zip", "w") as packed:
        for path in folder.iterdir():
            packed.write(path, f"wordnet/{path.name}")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    monkeypatch.setattr("counterpoint.data.wordnet.PLACES", ())
    assert WordNet().antonyms("old") == ["young"]


def test_a_missing_one_is_one_sentence(tmp_path, monkeypatch):
    for variable in ("WNSEARCHDIR", "NLTK_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("counterpoint.data.wordnet.PLACES", ())
    with pytest.raises(InputError, match="WordNet is needed, and not found; install Debian's wordnet-base"):
        WordNet()
    with pytest.raises(InputError, match="has no WordNet in it"):
        WordNet(tmp_path)


def drawn(view, text, seed):
    return view(text, torch.Generator().manual_seed(seed))


def test_synonyms_take_the_place_of_different_words_wherever_they_stand(folder):
    view = synonyms(WordNet(folder), 0.5)
    seen = {drawn(view, "The Car, a car and (ran) dogs.", seed) for seed in range(60)}
    assert seen <= {
        f"The {car[0].upper() + car[1:]}, a {car} and ({ran}) {dogs}."
        for car in ("car", "motor car") for ran in ("ran", "run", "jog") for dogs in ("dogs", "dog")
    }  # fmt: skip
    # three at most, and all that have some are replaced
    assert "The Motor car, a motor car and (jog) dog." in seen
    assert all("motor car" in text for text in seen)
    one = {drawn(synonyms(WordNet(folder), 0.1), "a car ran", seed) for seed in range(40)}
    assert one == {"a motor car ran", "a car run", "a car jog"}


def test_insertions_are_synonyms_of_words_that_stand_there(folder):
    view = insertion(WordNet(folder))
    seen = {drawn(view, "a car and", seed) for seed in range(60)} - {"a car and"}
    assert seen == {"motor car a car and", "a motor car car and", "a car motor car and", "a car and motor car"}
    assert drawn(view, "of the unheard", 0) == "of the unheard"


def test_eda_draws_each_of_four(folder):
    seen = {drawn(eda(WordNet(folder), 0.4), "car stands here", seed) for seed in range(200)}
    assert "motor car stands here" in seen
    assert any(len(text.split()) == 2 for text in seen)
    assert any(text.count("car") == 2 for text in seen)
    assert {"here stands car", "stands car here", "car here stands"} <= seen


def test_the_real_one_where_it_is():
    try:
        net = WordNet()
    except InputError as error:
        pytest.skip(str(error))
    assert "automobile" in net.synonyms("cars")
    assert "a young dog" in net.definitions("puppy")
    assert "cold" in net.antonyms("hot")
    assert {"dirty", "soiled"} & set(net.antonyms("clean"))
    assert sum(1 for _ in net.words()) > 140_000
