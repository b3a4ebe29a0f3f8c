"""Knowledge graphs: both directions, known answers, what can be wrong with a file."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
import torch

from counterpoint.data.items import Data
from counterpoint.data.loaded import Loaded
from counterpoint.data.several import load_sources
from counterpoint.data.sources import load_source, source_kind
from counterpoint.errors import InputError

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
FAMILY = [("ann", "mother of", "bob"), ("bob", "father of", "eve"), ("ann", "mother of", "dan")]
MORE = [("dan", "father of", "ann"), ("eve", "mother of", "dan")]


def write(path: Path, rows, mark="\t", header=()):
    path.write_text("".join(mark.join(row) + "\n" for row in ([header] if header else []) + list(rows)))
    return path


def named(loaded: Loaded, data: Data) -> list[tuple[str, str, str]]:
    """The forward rows, by their names, of a file's rows in order."""
    assert data.others is not None
    assert data.positives is not None
    half = len(data) // 2
    names, queries = data.others.names, data.anchors.tensor[data.anchor]
    rows = zip(queries[:half].tolist(), data.positives[:half, 0].tolist(), strict=True)
    return [(names[h], loaded.relations[r], names[t]) for (h, r), t in rows]


def test_each_triple_is_asked_both_ways(tmp_path):
    loaded = load_source(write(tmp_path / "a.tsv", FAMILY + MORE))
    data = loaded.data
    assert loaded.kind == "triples"
    assert data.modalities == ("query", "entity")
    assert data.schema == "pairs"
    assert named(loaded, data) == FAMILY + MORE
    half, relations = len(data) // 2, len(loaded.relations)
    forward, back = data.anchors.tensor[data.anchor].split(half)
    answers, inverse_answers = data.positives[:, 0].split(half)
    assert torch.equal(forward[:, 0], inverse_answers)
    assert torch.equal(back[:, 0], answers)
    assert torch.equal(back[:, 1], forward[:, 1] + relations)
    # a query is one item, whatever the number of its answers
    assert len(data.anchors.tensor.unique(dim=0)) == len(data.anchors)
    assert data.anchors.names[int(data.anchor[0])] == "ann, mother of, ?"
    assert data.anchors.names[int(data.anchor[half])] == "?, mother of, bob"


@pytest.mark.parametrize(
    ("name", "mark", "header", "order"),
    [
        ("a.csv", ",", ("subject", "predicate", "object"), (0, 1, 2)),
        ("a.tsv", "\t", ("relation", "tail", "head"), (1, 2, 0)),
        ("a.txt", "\t", (), (0, 1, 2)),
        ("a.csv", ",", ("Head", "Relation", "Tail"), (0, 1, 2)),
    ],
)
def test_layouts(tmp_path, name, mark, header, order):
    rows = [tuple(row[i] for i in order) for row in FAMILY + MORE]
    loaded = load_source(write(tmp_path / name, rows, mark, header))
    assert named(loaded, loaded.data) == FAMILY + MORE


def test_gzip_json_and_columns_by_word(tmp_path):
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as file:
        file.writelines("\t".join(row) + "\n" for row in FAMILY + MORE)
    loaded = load_source(tmp_path / "a.tsv.gz")
    assert named(loaded, loaded.data) == FAMILY + MORE
    (tmp_path / "a.jsonl").write_text(
        '{"h": "x", "r": 1, "t": 7, "note": "n"}\n{"h": 7, "r": 2, "t": "x", "note": ""}\n'
    )
    loaded = load_source(tmp_path / "a.jsonl")
    assert named(loaded, loaded.data) == [("x", "1", "7"), ("7", "2", "x")]
    write(tmp_path / "b.tsv", [("x", "2020", "loves", "y"), ("y", "2021", "loves", "z")])
    loaded = load_source(tmp_path / "b.tsv", columns={"head": 1, "relation": 3, "tail": 4})
    assert named(loaded, loaded.data) == [("x", "loves", "y"), ("y", "loves", "z")]
    assert loaded.columns == {"head": "1", "relation": "3", "tail": "4"}


def test_texts_stay_texts(tmp_path):
    texts = [("what is a cat?", "an animal", "a plant"), ("what is a rose?", "a plant", "an animal")] * 3
    assert source_kind(write(tmp_path / "a.tsv", texts)) == "texts"
    assert source_kind(write(tmp_path / "b.tsv", [(a, b) for a, b, _ in FAMILY])) == "texts"
    scored = [("0.5", "a cat", "a dog"), ("0.5", "a dog", "a cat"), ("1.0", "a dog", "a rose")]
    assert source_kind(write(tmp_path / "c.tsv", scored)) == "texts"
    labelled = [(f"id{i}", "sport", f"text {i}") for i in range(6)]
    assert source_kind(write(tmp_path / "d.tsv", labelled)) == "texts"


def folder(path: Path, **parts):
    path.mkdir()
    for part, rows in parts.items():
        write(path / f"{part}.tsv", rows)
    return path


def test_a_folder_has_parts_over_the_same_items(tmp_path):
    test = [("eve", "father of", "bob")]
    loaded = load_source(folder(tmp_path / "g", train=FAMILY + MORE, valid=[("bob", "mother of", "ann")], test=test))
    assert loaded.dev is not None
    assert loaded.test is not None
    assert named(loaded, loaded.test) == test
    assert loaded.dev.anchors is loaded.data.anchors is loaded.test.anchors
    assert loaded.dev.others is loaded.data.others
    assert "5 triples of 4 entities and 2 relations" in loaded.describe()
    assert "1 of validation, 1 of test" in loaded.describe()


def test_a_triple_is_in_one_part(tmp_path):
    rows = FAMILY + MORE
    path = folder(tmp_path / "g", train=rows, dev=[rows[2], ("eve", "father of", "dan")], test=[rows[2], rows[2]])
    loaded = load_source(path)
    assert loaded.dev is not None
    assert loaded.test is not None
    assert named(loaded, loaded.data) == [*rows[:2], *rows[3:]]
    assert named(loaded, loaded.dev) == [("eve", "father of", "dan")]
    assert named(loaded, loaded.test) == [rows[2]]
    said = loaded.describe()
    assert "left out of train, as they are in dev or test, too: 1" in said
    assert "left out of dev, as they are in test, too: 1" in said
    assert "1 of test.tsv are there already" in said


BAD = {
    "two fields": ([*FAMILY, ("ann", "mother of")], r"a\.tsv:4: 2 fields where the first row has 3"),
    "an empty field": ([*FAMILY, ("ann", " ", "bob")], r"a\.tsv:4: the relation is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_has_its_line_and_can_be_skipped(tmp_path, case):
    rows, said = BAD[case]
    path = write(tmp_path / "a.tsv", [*rows, *MORE])
    with pytest.raises(InputError, match=said):
        load_source(path)
    loaded = load_source(path, skip_bad=True)
    assert named(loaded, loaded.data) == FAMILY + MORE
    assert [(bad.file, bad.line) for bad in loaded.rejected] == [(str(path), 4)]
    assert "1 row left out, listed with the reasons in" in loaded.account(tmp_path / "rejected.jsonl")
    assert (tmp_path / "rejected.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("row", [("ann", "mother of", "zoe"), ("zoe", "mother of", "ann"), ("ann", "aunt of", "bob")])
def test_what_only_the_test_has_cannot_be_learned(tmp_path, row):
    path = folder(tmp_path / "g", train=FAMILY + MORE, test=[("ann", "father of", "eve"), row])
    with pytest.raises(InputError, match=r"test\.tsv:2: the (entity 'zoe'|relation 'aunt of') is in no training"):
        load_source(path)
    loaded = load_source(path, skip_bad=True)
    assert loaded.test is not None
    assert named(loaded, loaded.test) == [("ann", "father of", "eve")]
    assert "zoe" not in loaded.data.others.names
    assert len(loaded.rejected) == 1


def test_bad_files(tmp_path):
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputError, match=r"empty\.tsv: the file is empty"):
        load_source(tmp_path / "empty.tsv")
    path = folder(tmp_path / "g", train=FAMILY + MORE, test=[("zoe", "aunt of", "ann")])
    with pytest.raises(InputError, match=r"test\.tsv: no row can be read .*entity 'zoe'"):
        load_source(path, skip_bad=True)
    write(path / "training.tsv", FAMILY)
    with pytest.raises(InputError, match=r"train\.tsv and training\.tsv are one part"):
        load_source(path)
    with pytest.raises(InputError, match="no column for the tail"):
        load_source(write(tmp_path / "a.csv", FAMILY, ",", ("head", "rel", "x")), columns={"head": "head"})


def test_several_files_are_one_graph(tmp_path):
    one, two = (
        write(tmp_path / "a.tsv", FAMILY + MORE),
        write(tmp_path / "b.tsv", [*MORE, ("eve", "mother of", "bob")] * 2),
    )
    loaded = load_sources([one, two])
    assert len(loaded.data.others) == 4
    assert loaded.sources == (str(one), str(two))
    assert named(loaded, loaded.data) == [*FAMILY, *MORE, ("eve", "mother of", "bob")]
    assert loaded.data.columns["source"].tolist() == [0, 0, 0, 0, 0, 1] * 2


def test_descriptions_of_entities(tmp_path):
    path = folder(tmp_path / "g", train=FAMILY + MORE)
    write(path / "entity2text.tsv", [("bob", "a bear, brown"), ("zoe", "nobody"), ("ann", "an ant")])
    (path / "relation2text.tsv").write_text("mother of\tis the mother of\n")
    loaded = load_source(path)
    assert dict(zip(loaded.data.others.names, loaded.descriptions, strict=True)) == {
        **{"ann": "an ant", "bob": "a bear, brown"},
        **{"eve": "", "dan": ""},
    }
    assert "not read: relation2text.tsv" in loaded.describe()
    write(path / "entity2text.tsv", [("bob", "a bear, brown"), ("ann",)])
    with pytest.raises(InputError, match=r"entity2text\.tsv:2: 1 fields where"):
        load_source(path)


GRAPHS = {
    "wn18rr": (86835, 40559, 11, 2824, 2924, 420),
    "kg/umls": (5216, 135, 46, 652, 661, 0),
    "kg/kinship": (8544, 104, 25, 1068, 1074, 0),
    "kg/countries_s2": (1062, 271, 2, 24, 24, 0),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_real_graphs(name):
    if not (FOLDER / name).exists():
        pytest.skip(f"no {name} in {FOLDER}")
    triples, entities, relations, dev, test, left = GRAPHS[name]
    if left:
        with pytest.raises(InputError, match=r"valid\.tsv\.gz:32: the entity '03608870' is in no training triple"):
            load_source(FOLDER / name)
    loaded = load_source(FOLDER / name, skip_bad=True)
    assert loaded.dev is not None
    assert loaded.test is not None
    sizes = [len(part) // 2 for part in (loaded.data, loaded.dev, loaded.test)]
    assert (*sizes, len(loaded.data.others), len(loaded.relations), len(loaded.rejected)) == (
        *(triples, dev, test),
        *(entities, relations, left),
    )
    if name == "wn18rr":
        said = dict(zip(loaded.data.others.names, loaded.descriptions, strict=True))
        assert said["08769179"].startswith("saxony, an area in Germany")
        assert all(loaded.descriptions)
    with gzip.open(FOLDER / name / "test.tsv.gz", "rt") as file:
        raw = [tuple(line.rstrip("\n").split("\t")) for line in file]
    skipped = {bad.line for bad in loaded.rejected if bad.file.endswith("test.tsv.gz")}
    assert named(loaded, loaded.test) == [row for i, row in enumerate(raw, 1) if i not in skipped]
