"""Folders of sentence tasks in the layouts in which they are handed out; each fault in one sentence."""

from __future__ import annotations

import pytest

from counterpoint.data import read_sentence_tasks
from counterpoint.data.sentence_tasks import STS, TRANSFER, YEARS
from counterpoint.errors import InputError
from data.senteval import write_senteval


@pytest.fixture
def folder(tmp_path):
    return write_senteval(tmp_path / "data")


def test_all_tasks_of_the_folder_in_the_order_of_papers(folder):
    tasks = read_sentence_tasks(folder)
    assert tuple(tasks.scored) == STS
    assert tuple(tasks.labelled) == TRANSFER
    assert tasks.notes == ()
    for year, subsets in YEARS.items():
        assert tuple(tasks.scored[year]) == subsets
    assert {task: tuple(parts) for task, parts in tasks.labelled.items()} == {
        **dict.fromkeys(("MR", "CR", "SUBJ", "MPQA"), ("all",)),
        "SST": ("train", "dev", "test"),
        "TREC": ("train", "test"),
        "MRPC": ("train", "test"),
    }
    # the same from within
    for part in (folder / "downstream", folder / "downstream" / "STS"):
        assert tuple(read_sentence_tasks(part).scored) == STS[: 7 if part.name == "downstream" else 6]
    assert list(read_sentence_tasks(folder / "downstream" / "MR").labelled) == ["MR"]


def test_what_rows_say(folder):
    tasks = read_sentence_tasks(folder)
    pair = tasks.scored["STS12"]["MSRpar"].examples[0]
    assert (pair.anchor, pair.positives, pair.score, pair.line) == ("the 0 red cat", ("a 0 cat",), 0.0, 1)
    pair = tasks.scored["STS-B"][""].examples[1]
    assert (pair.anchor, pair.positives, pair.score) == ('bench "1 red', ("bench 1 blue",), 1.5)
    pair = tasks.scored["SICK-R"][""].examples[0]
    assert (pair.anchor, pair.positives, pair.score, pair.line) == ("sick 0", ("sick 0 too",), 1.0, 2)
    first, last = tasks.labelled["SUBJ"]["all"].examples[0], tasks.labelled["SUBJ"]["all"].examples[-1]
    assert (first.anchor[:9], first.label, last.label) == ("objective", "1", "0")
    assert tasks.labelled["TREC"]["test"].examples[0].label == "ABBR"
    assert tasks.labelled["TREC"]["test"].examples[0].anchor == "what is 0 ?"
    paraphrase = tasks.labelled["MRPC"]["train"].examples[0]
    assert (paraphrase.texts, paraphrase.label, paraphrase.line) == (("first 0", "second 0"), "0", 2)
    sentiment = tasks.labelled["SST"]["dev"].examples[1]
    assert (sentiment.anchor, sentiment.label) == ("it is 1 fine", "1")


def test_pairs_without_a_score_and_further_subsets_are_left_out_aloud(folder):
    year = folder / "downstream" / "STS" / "STS13-en-test"
    gold = year / "STS.gs.FNWN.txt"
    gold.write_text("\n" + "\n".join(gold.read_text().split("\n")[1:]))
    (year / "STS.input.SMT.txt").write_text("a\tb\n")
    tasks = read_sentence_tasks(folder)
    assert len(tasks.scored["STS13"]["FNWN"]) == len(tasks.scored["STS13"]["OnWN"]) - 1
    assert tasks.notes == (
        "not part of STS13 in SentEval, so left out: SMT",
        "pairs of STS.input.FNWN.txt left out, as they have no score: 1",
    )


def test_years_are_known_by_their_subsets(folder, tmp_path):
    (folder / "downstream" / "STS" / "STS14-en-test").rename(tmp_path / "sts-en-test-gs-2014")
    assert list(read_sentence_tasks(tmp_path / "sts-en-test-gs-2014").scored) == ["STS14"]


def test_languages(tmp_path):
    inputs, gold = tmp_path / "STS2017" / "eval", tmp_path / "STS2017" / "gs"
    for place in (inputs, gold, tmp_path / "extended", tmp_path / "multi"):
        place.mkdir(parents=True)
    (inputs / "STS.input.track5.en-en.txt").write_text("a cat\tone cat\tSNLI\na cat\ta dog\tSNLI\n")
    (gold / "STS.gs.track5.en-en.txt").write_text("5\n1.5\n")
    (tmp_path / "extended" / "STS.en-de.txt").write_text("a cat\teine Katze\t5.0\na cat\tein Hund\t1.0\n")
    (tmp_path / "multi" / "stsb-de-test.csv").write_text('"ein Hund, alt","der Hund",4.5\nein Haus,die Katze,0.5\n')
    tasks = read_sentence_tasks(tmp_path)
    assert {task: list(parts) for task, parts in tasks.scored.items()} == {
        "eval": ["track5.en-en"],
        "extended": ["en-de"],
        "multi": ["de"],
    }
    assert tasks.scored["multi"]["de"].examples[0].texts == ("ein Hund, alt", "der Hund")


def test_parallel(tmp_path):
    (tmp_path / "tatoeba.deu-eng.deu").write_text("Hallo .\nEin Hund .\n")
    (tmp_path / "tatoeba.deu-eng.eng").write_text("Hello .\nA dog .\n")
    tasks = read_sentence_tasks(tmp_path)
    assert tasks.parallel["deu-eng"].examples[1].texts == ("Ein Hund .", "A dog .")
    (tmp_path / "tatoeba.deu-eng.eng").write_text("Hello .\n")
    with pytest.raises(InputError, match=r"eng:1: tatoeba.deu-eng.deu has 2 lines and tatoeba.deu-eng.eng 1;"):
        read_sentence_tasks(tmp_path)


def test_single_files(folder):
    downstream = folder / "downstream"
    assert list(read_sentence_tasks(downstream / "STS" / "STSBenchmark" / "sts-dev.csv").scored) == ["STS-B"]
    assert list(read_sentence_tasks(downstream / "SICK" / "SICK_trial.txt").scored) == ["SICK-R"]


def test_other_sources_are_none_of_these(tmp_path):
    assert read_sentence_tasks(tmp_path) is None
    assert read_sentence_tasks(tmp_path / "missing") is None
    assert read_sentence_tasks("hf:owner/name") is None
    other = tmp_path / "sts-mine.csv"
    other.write_text("a,b,score\nx,y,1\n")
    assert read_sentence_tasks(other) is None


def test_latin_1_is_read(folder):
    (folder / "downstream" / "MR" / "rt-polarity.pos").write_bytes("café fine\n".encode("latin-1") * 12)
    assert read_sentence_tasks(folder).labelled["MR"]["all"].examples[0].anchor == "café fine"


STS12 = "downstream/STS/STS12-en-test"
FAULTS = [
    (f"{STS12}/STS.gs.MSRvid.txt", None, r"STS.input.MSRvid.txt: pairs without their scores; put STS.gs.MSRvid.txt"),
    (f"{STS12}/STS.input.MSRvid.txt", None, r"STS.input.MSRvid.txt: STS12 lacks this file"),
    (f"{STS12}/STS.gs.MSRvid.txt", "1\n2\n", r"STS.gs.MSRvid.txt:2: .* has 6 lines and STS.gs.MSRvid.txt 2"),
    (f"{STS12}/STS.gs.MSRvid.txt", "1\n2\nx\n3\n4\n5\n", r"STS.gs.MSRvid.txt:3: the score is not a finite number: 'x'"),
    (f"{STS12}/STS.gs.MSRvid.txt", "1\n2\nnan\n3\n4\n5\n", r"txt:3: the score is not a finite number: 'nan'"),
    (f"{STS12}/STS.gs.MSRvid.txt", "\n" * 6, r"STS.gs.MSRvid.txt: no pair has a score"),
    (f"{STS12}/STS.gs.MSRvid.txt", "1\n" * 6, r"STS.gs.MSRvid.txt: all scores are the same"),
    (f"{STS12}/STS.input.MSRvid.txt", "a\tb\n" * 2 + "ab\n" + "a\tb\n" * 3, r"MSRvid.txt:3: 1 field where two texts"),
    (f"{STS12}/STS.input.MSRvid.txt", "a\tb\n" * 2 + " \tb\n" + "a\tb\n" * 3, r"MSRvid.txt:3: a text of the pair"),
    ("downstream/STS/STSBenchmark/sts-test.csv", None, r"sts-test.csv: STS-B lacks this file"),
    ("downstream/STS/STSBenchmark/sts-test.csv", "a\tb\n", r"sts-test.csv:1: 2 fields where 7 or more"),
    ("downstream/SICK/SICK_test_annotated.txt", None, r"annotated.txt: SICK-R lacks this file"),
    ("downstream/SICK/SICK_test_annotated.txt", "", r"annotated.txt: no pair has a score"),
    ("downstream/MR/rt-polarity.neg", None, r"rt-polarity.neg: MR lacks this file"),
    ("downstream/MR/rt-polarity.neg", "", r"MR: MR has rows of one label alone \(all\)"),
    ("downstream/SST/binary/sentiment-dev", None, r"sentiment-dev: binary lacks this file"),
    ("downstream/SST/binary/sentiment-dev", "fine\t1\nbad 0\n", r"sentiment-dev:2: not a text, a tab and 0 or 1"),
    ("downstream/SST/binary/sentiment-dev", "", r"SST has no rows \(dev\)"),
    ("downstream/TREC/TREC_10.label", "NUM:dist how far ?\nODD:x what ?\n", r"TREC_10.label:2: not COARSE:fine"),
    ("downstream/MRPC/msr_paraphrase_test.txt", "Quality\t1\t2\ta\tb\nx\t1\t2\ta\tb\n", r"test.txt:2: not 0 or 1, two"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), FAULTS)
def test_faults_are_one_sentence(folder, name, content, sentence):
    file = folder / name
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_sentence_tasks(folder)


def test_a_task_twice(folder):
    copy = folder / "downstream" / "MR2"
    copy.mkdir()
    for side in ("pos", "neg"):
        (copy / f"rt-polarity.{side}").write_text("a\nb\n")
    with pytest.raises(InputError, match="MR2: a second MR"):
        read_sentence_tasks(folder)
