"""The language of texts: right on real ones, none where there is none or more than one."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest
import Stemmer

from counterpoint.search import BM25, recognise
from counterpoint.search._function_words import FUNCTION_WORDS

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
TATOEBA = {
    "deu": "german", "fra": "french", "spa": "spanish", "por": "portuguese", "rus": "russian", "ara": "arabic",
    "hin": "hindi", "tur": "turkish", "cmn": "", "jpn": "", "swh": "", "kat": "",
}  # fmt: skip
MULTI30K = ("english", "german", "french", "czech")


def rows(name: str) -> list[list[str]]:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} here")
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file][1:]


def tatoeba(code: str) -> list[str]:
    return [row[1] for row in rows("tatoeba/tatoeba.tsv.gz") if row[0] == code]


@pytest.mark.parametrize("code", TATOEBA)
@pytest.mark.parametrize("size", [12, 1000])
def test_tatoeba(code, size):
    texts = tatoeba(code)
    assert recognise(random.Random(1).sample(texts, min(size, len(texts)))).language == TATOEBA[code]


@pytest.mark.parametrize("column", range(4))
def test_multi30k(column):
    captions = [row[column] for row in rows("multi30k/val.tsv.gz")]
    assert recognise(captions).language == MULTI30K[column]
    assert recognise(captions[:12]).language == MULTI30K[column]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("english", "Where is the nearest station, and how do I get there from here?"),
        ("german", "Ich weiß nicht, ob das Haus noch zu haben ist."),
        ("dutch", "Ik weet niet waar het boek is dat hij mij heeft gegeven."),
        ("swedish", "Jag vet inte vad det är som har hänt med honom."),
        ("danish", "Jeg ved ikke, hvad der er blevet af mig og min bog."),
        ("norwegian", "Jeg vet ikke hva som har skjedd med meg etter at du ble her."),
        ("italian", "Non so che cosa sia successo alla ragazza della casa sul mare."),
        ("catalan", "No sé què ha passat amb els nens que hi eren, però tot va bé."),
        ("romanian", "Nu știu ce s-a întâmplat cu el și cum este în casa lui."),
        ("polish", "Nie wiem, co się stało z tym domem, ale to jest już tylko jego."),
        ("czech", "Nevím, co se stalo, ale když jsem tam byl, nebylo to jako teď."),
        ("finnish", "Hän ei ole siellä, mutta minä olen täällä ja tämä on hyvä."),
        ("hungarian", "Nem tudom, hogy mi ez, de az egy nagyon szép ház volt."),
        ("turkish", "Bu çok güzel bir ev, ama benim için daha iyi olan var."),
        ("indonesian", "Saya tidak tahu apa yang akan terjadi dengan orang itu."),
        ("greek", "Δεν ξέρω τι είναι αυτό που έγινε με το σπίτι του."),
        ("serbian", "Не знам шта се десило, али то није оно што сам ја хтео."),
        ("persian", "من نمی دانم که این کتاب را از او برای چه گرفته است"),
        ("tamil", "இது ஒரு நல்ல வீடு என்று நான் நினைக்கிறேன்"),
        ("", "Я не знаю, що це таке, але він є там, де й був."),  # Ukrainian has no stemmer
        ("", "Không, tôi không biết những người này là ai và ở đâu."),
        ("", "kernel driver module vim editor gcc compiler"),
        ("", ""),
    ],
)
def test_one_sentence(language, text):
    assert recognise([text]).language == language


def test_every_stemmer_has_its_words():
    assert set(Stemmer.algorithms()) - {"porter", "dutch_porter"} <= FUNCTION_WORDS.keys()


@pytest.mark.parametrize(("first", "second"), [("deu", "fra"), ("spa", "por"), ("rus", "tur")])
def test_mixed(first, second):
    texts = [text for pair in zip(tatoeba(first)[:300], tatoeba(second)[:300], strict=True) for text in pair]
    found = recognise(texts * 8)  # more than are looked at, one language and the other in turns
    assert found.language == ""
    assert TATOEBA[first].capitalize() in found.why
    assert TATOEBA[second].capitalize() in found.why


def test_one_of_a_few_texts_does_not_make_them_mixed():
    english = ["the cat is on the mat", "it was not for them", "they are in this house"]
    assert recognise([*english, "der Hund ist nicht im Haus"]).language == "english"
    assert recognise([*english, *["der Hund ist nicht im Haus und nicht am See"] * 4]).language != "english"


def test_a_script_without_blanks_does_not_hide_the_language_of_the_rest():
    assert recognise([*tatoeba("cmn")[:300], *tatoeba("deu")[:100]]).language == "german"
    assert recognise([f"{text} iPhone" for text in tatoeba("cmn")[:300]]).language == ""
    # three words among thousands of characters, each of them Portuguese by chance
    assert recognise([*tatoeba("cmn")[:300], "e", "e", "e"]).why == "pairs of characters, as the script has no blanks"


def test_stems_are_those_of_the_language():
    german = ["die Häuser sind an der See", "der Baum ist nicht im Wald"]
    assert BM25(german).search(["Haus"], k=1)[0].tolist() == [[0]]
    assert BM25(german, language="english").search(["Haus"], k=1)[0].tolist() == [[-1]]
    assert BM25(german, language="none").search(["Haus"], k=1)[0].tolist() == [[-1]]
    assert BM25(german).language == BM25(german, language="german").language == "german"


def test_a_word_that_two_languages_share_is_not_enough():
    assert recognise(["Aardvark care feed it ants every day", "Boat care paint it every spring"]).language == "english"
    found = recognise(["Aardvark care", "Boat care", "Lamp care"])
    assert (found.language, found.why) == ("", "too few words to tell the language by")
