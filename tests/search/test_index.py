"""The index, in a folder and in Milvus by its address: a real round trip, and everything a user can do wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.search import BM25, Document, Hit, Index, exact_search, reciprocal_rank_fusion

WORDS = ["lantern", "harbour", "violin", "copper", "meadow", "orbit", "salt", "engine", "feather", "winter"]


def documents(n=60, d=12, seed=0):
    rng = np.random.default_rng(seed)
    ids = [f"doc '{i}' \"é\\" for i in range(n)]  # quotes and a backslash, which a filter would trip over
    texts = [f"{' '.join(rng.choice(WORDS, 4))} number{i}" for i in range(n)]
    return ids, texts, rng.normal(size=(n, d)).astype(np.float32)


def columns(n=60):
    return {
        "lang": [("en", "de", "fr")[i % 3] for i in range(n)],
        "year": [1980 + i if i % 10 else None for i in range(n)],
        "fresh": [i % 2 == 0 for i in range(n)],
        "a size": [i / 4 for i in range(n)],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("pymilvus")
    server = pytest.importorskip("milvus_lite.adapter.grpc.server")
    serving, db, port = server.start_server_in_thread(str(tmp_path_factory.mktemp("server") / "db"))
    yield f"http://127.0.0.1:{port}"
    serving.stop(grace=0).wait()
    db.close()


@pytest.fixture(params=["folder", "milvus"])
def where_to(request):
    """The options of `build` that say where the documents go."""
    return {} if request.param == "folder" else {"uri": request.getfixturevalue("server")}


@pytest.fixture
def built(tmp_path, where_to):
    ids, texts, z = documents()
    folder = tmp_path / "index"
    with Index.build(folder, ids, texts, z, columns=columns(), metadata={"model": "models/small"}, **where_to) as index:
        yield index


def test_it_gives_its_vectors_columns_and_model_back(built):
    ids, _, z = documents()
    asked = [ids[41], ids[3], ids[41]]
    np.testing.assert_allclose(built.vectors(asked), [z[i] / np.linalg.norm(z[i]) for i in (41, 3, 41)], atol=1e-6)
    built.add([ids[3]], ["anew"], z[9:10])
    built.delete([ids[40]])
    np.testing.assert_allclose(built.vectors([ids[3]])[0], z[9] / np.linalg.norm(z[9]), atol=1e-6)
    with pytest.raises(InputError, match="there is no document 'none'; give ids of the index"):
        built.vectors([ids[1], "none"])
    kinds = {"lang": {"text"}, "year": {"number"}, "fresh": {"bool"}, "a size": {"number"}}
    assert (built.columns, built.fingerprint) == (kinds, "")


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_finds_what_exact_search_finds(tmp_path, metric, where_to):
    ids, texts, z = documents()
    z[7] = 0
    queries = np.random.default_rng(1).normal(size=(1100, 12)).astype(np.float32)  # more than one batch
    expected_ids, expected = exact_search(queries, z, 10, metric=metric)
    seen = []
    Index.build(
        tmp_path / "index",
        ids,
        texts,
        z,
        metric=metric,
        metadata={"a": [1]},
        progress=lambda *n: seen.append(n),
        **where_to,
    ).close()
    assert seen[-1] == (60, 60)
    with Index.open(tmp_path / "index") as index:
        assert (len(index), index.dim, index.metric, index.metadata) == (60, 12, metric, {"a": [1]})
        hits = index.search(queries, 10)
        assert len(index.search(queries[:1], 1000)[0]) == 60
        assert index.search(queries[:0]) == []
    assert [[h.id for h in row] for row in hits] == [[ids[i] for i in row] for row in expected_ids]
    np.testing.assert_allclose([[h.score for h in row] for row in hits], expected, atol=1e-5)
    assert hits[0][0].text == texts[expected_ids[0, 0]]
    assert hits[0][0].columns == {}


def test_hybrid_is_the_fusion_of_both(built, where_to):
    ids, texts, z = documents()
    # equal scores are in the order of the documents: as added, or in a cluster by id
    order = sorted(range(60), key=ids.__getitem__) if where_to else list(range(60))
    queries, vectors = ["violin harbour", "number7 salt"], z[[3, 40]] + 0.1
    dense, _ = exact_search(vectors, z, 20)
    lexical = np.array(order)[BM25([texts[i] for i in order]).search(queries, 20)[0]]
    _fused, scores = reciprocal_rank_fusion([dense, lexical], weights=[2, 1], depth=5)
    hits = built.hybrid(queries, vectors, 5, depth=20, weights=(2, 1))
    np.testing.assert_allclose([[h.score for h in row] for row in hits], scores)
    for row, near, words in zip(hits, dense, lexical, strict=True):
        for hit in row:
            i = ids.index(hit.id)
            expected = sum(w / (61 + list(r).index(i)) for w, r in ((2, near), (1, words)) if i in r)
            assert hit.score == pytest.approx(expected)
            assert (hit.text, hit.columns["lang"]) == (texts[i], columns()["lang"][i])


def test_add_replace_delete(built):
    ids, texts, z = documents()
    built.add(
        [ids[0], "new"], ["replaced text zebra", "a new zebra"], np.stack([z[1], -z[1]]), columns={"page": [1, 2]}
    )
    assert len(built) == 61
    assert built.search(-z[1:2], 1) == [[Hit("new", pytest.approx(1.0), "a new zebra", {"page": 2})]]
    assert {hit.id for hit in built.search(z[1:2], 2)[0]} == {ids[0], ids[1]}
    assert {h.id for h in built.hybrid(["zebra"], z[20:21], 3)[0]} >= {ids[0]}
    assert [h.id for h in built.search(z[:1], where=["page >= 1"])[0]] == [ids[0], "new"]
    assert built.delete(["new", "unknown", "new"]) == 1
    assert len(built) == 60
    assert "new" not in [h.id for h in built.hybrid(["zebra"], -z[1:2], 60)[0]]
    assert built.get([ids[0], "new", ids[2]]) == [
        Document(ids[0], "replaced text zebra", {"page": 1}),
        None,
        Document(ids[2], texts[2], {name: values[2] for name, values in columns().items()}),
    ]
    folder = built.folder
    built.close()
    with Index.open(folder) as again:
        assert len(again) == 60
        assert again.hybrid(["zebra"], z[1:2], 1)[0][0].id == ids[0]


def test_an_emptied_index_finds_nothing(built):
    ids, _texts, z = documents()
    assert built.delete(ids) == 60
    assert built.search(z[:2], 3) == [[], []]
    assert built.hybrid(["violin"], z[:1], 3) == [[]]
    assert built.get(ids[:1]) == [None]
    built.add(["a"], ["violin"], z[:1])
    assert [hit.id for hit in built.hybrid(["violin"], z[:1])[0]] == ["a"]


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        (["lang = en"], lambda c: c["lang"] == "en"),
        (["lang != en", "fresh = true"], lambda c: c["lang"] != "en" and c["fresh"]),
        (["lang in en, 'de'"], lambda c: c["lang"] in ("en", "de")),
        (["year >= 2000"], lambda c: c["year"] is not None and c["year"] >= 2000),
        (["year != 1999"], lambda c: c["year"] is not None and c["year"] != 1999),
        (["year<1990", "lang > de"], lambda c: c["year"] is not None and c["year"] < 1990 and c["lang"] > "de"),
        ([("year", "in", [1981, 2001, 1])], lambda c: c["year"] in (1981, 2001)),
        ([("fresh", "=", False)], lambda c: not c["fresh"]),
        ([("lang", "<=", "en")], lambda c: c["lang"] <= "en"),
        (["a size == 2.5"], lambda c: c["a size"] == 2.5),
        ([("a size", ">", np.float32(3))], lambda c: c["a size"] > 3),
        (["lang = ru"], lambda c: False),
        ([], lambda c: True),
    ],
)
def test_filters(built, where, passes):
    ids, texts, z = documents()
    expected = {i for i in range(60) if passes({name: values[i] for name, values in columns().items()})}
    queries, vectors = ["violin number3", "salt"], z[[3, 40]]
    for hits in built.search(vectors, 60, where=where):
        assert {ids.index(h.id) for h in hits} == expected
    near, _ = exact_search(vectors, z, 60)
    nearest = [[i for i in row if i in expected][:5] for row in near]
    assert [[ids.index(h.id) for h in row] for row in built.search(vectors, 5, where=where)] == nearest
    rows, _ = BM25(texts).search(queries, 60)
    words = [{i for i in row if i in expected} for row in rows]
    for hits, found in zip(built.hybrid(queries, vectors, 60, where=where), words, strict=True):
        assert {ids.index(h.id) for h in hits} == expected >= found
    # the best by words have a hundredth more than by vectors alone
    first = built.hybrid(["number13"], z[:1], 1, where=[*where, "lang = de"], weights=(1, 3))[0]
    assert not first or 13 not in expected or first[0].id == ids[13]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["langs = en"], r"no column 'langs'; the columns are a size, fresh, lang, year"),
        ([("langs", "=", "en")], r"no column 'langs'"),
        (["year >= soon"], r"column year holds numbers, and 'soon' is not that"),
        ([("year", ">=", "1990")], r"column year holds numbers, and '1990' is not that"),
        ([("lang", "=", 3)], r"column lang holds text, and 3 is not that"),
        ([("lang", "~", "e")], "is not a condition"),
        ([("lang", "=", None)], "cannot be compared"),
        ([("year", "=", float("nan"))], "is nan"),
        ([("year", "in", [])], "0 values for year"),
        ([("lang", "in", "en")], "must be a list of strings, not one string"),
        ([("year", "in", [1, "a"])], "cannot be compared with year"),
        (["fresh < true"], "no order"),
        (["lang"], "'lang' is not a condition"),
        ([7], "7 is not a condition"),
        ("lang = en", "where must be a list of strings, not one string; write .'lang = en'."),
    ],
)
def test_filters_refuse(built, where, message):
    _ids, _texts, z = documents()
    for call in (lambda: built.search(z[:1], where=where), lambda: built.hybrid(["a"], z[:1], where=where)):
        with pytest.raises(InputError, match=message):
            call()


def test_more_documents_than_are_asked_of_the_database_at_once(tmp_path):
    n = 1300
    ids, texts = [str(i) for i in range(n)], [f"number{i}" for i in range(n)]
    columns = {"half": [i % 2 for i in range(n)]}
    with Index.build(tmp_path / "index", ids, texts, np.ones((n, 2)), columns=columns) as index:
        assert [d and d.id for d in index.get(ids)] == ids
        for i in (1, 701, 1299):
            (hits,) = index.hybrid([f"number{i}"], np.ones((1, 2)), 1, where=["half = 1"], weights=(1e-9, 1))
            assert [h.id for h in hits] == [str(i)]
            (hits,) = index.hybrid([f"number{i}"], np.ones((1, 2)), 1, where=["half = 0"], weights=(1e-9, 1))
            assert [h.id for h in hits] == ["0"]
        assert index.delete(ids) == n
        assert len(index) == 0


def test_rebuilding_replaces_under_those_who_read(built, where_to):
    folder, z = built.folder, documents()[2]
    left = sorted(p.name for p in folder.iterdir())
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2)), **where_to) as index:
        assert (len(index), index.dim) == (1, 2)
    assert len(list(folder.iterdir())) == len(left)
    if not where_to:
        assert built.search(np.ones((1, 2)))[0][0].id == "a"
        with pytest.raises(InputError, match="index of 2 dimensions"):
            built.search(z[:1])


def test_a_failed_rebuild_leaves_the_old_index(built, where_to):
    folder = built.folder

    def fail(*_):
        raise RuntimeError("lights out")

    before = sorted(folder.iterdir())
    with pytest.raises(RuntimeError, match="lights out"):
        Index.build(folder, ["a"], ["b"], np.ones((1, 2)), progress=fail, **where_to)
    assert sorted(folder.iterdir()) == before
    with pytest.raises(RuntimeError, match="lights out"):
        Index.build(folder.with_name("other"), ["a"], ["b"], np.ones((1, 2)), progress=fail, **where_to)
    assert not folder.with_name("other").exists()
    assert len(built) == 60


def test_from_a_folder_to_a_cluster_and_back(tmp_path, server):
    folder = tmp_path / "index"
    for options in ({}, {"uri": server}, {}):
        with Index.build(folder, ["a"], ["b"], np.ones((1, 2)), **options) as index:
            assert index.hybrid(["b"], np.ones((1, 2)))[0][0].id == "a"
        held = {p.name.split("-")[0] for p in folder.iterdir()}
        assert held == ({"index.json", "bm25"} if options else {"index.json", "data"})


def test_a_cluster_holds_one_collection_an_index(tmp_path, server):
    import pymilvus

    client = pymilvus.MilvusClient(uri=server)
    before = set(client.list_collections())
    folder = tmp_path / "index"
    for _ in range(2):
        Index.build(folder, ["a"], ["b"], np.ones((1, 2)), uri=server).close()
    assert len(set(client.list_collections()) - before) == 1
    with pytest.raises(RuntimeError):
        Index.build(
            folder, ["a"], ["b"], np.ones((1, 2)), uri=server, progress=lambda *_: (_ for _ in ()).throw(RuntimeError)
        )
    assert len(set(client.list_collections()) - before) == 1
    client.close()
    # someone else adds to the same documents
    with Index.open(folder) as index, Index.open(folder) as other:
        index.hybrid(["b"], np.ones((1, 2)))
        other.add(["new"], ["a zebra"], np.ones((1, 2)))
        assert "new" in [h.id for h in index.hybrid(["zebra"], np.ones((1, 2)))[0]]


def test_a_cluster_that_does_not_answer(tmp_path, monkeypatch):
    pytest.importorskip("pymilvus")
    with pytest.raises(InputError, match=r"http://127.0.0.1:9: Milvus answered: .*check the address"):
        Index.build(tmp_path / "index", ["a"], ["b"], np.ones((1, 2)), uri="http://127.0.0.1:9")
    assert not (tmp_path / "index").exists()


def test_texts_are_whole_in_a_folder_and_cut_aloud_in_a_cluster(tmp_path, server):
    text = "é" * 40_000
    with Index.build(tmp_path / "index", ["a"], [text], np.ones((1, 2))) as index:
        assert index.search(np.ones((1, 2)), 1)[0][0].text == text
    with pytest.warns(UserWarning, match="1 texts were cut to 65,535 bytes"):
        index = Index.build(tmp_path / "index", ["a"], [text], np.ones((1, 2)), uri=server)
    with index:
        stored = index.search(np.ones((1, 2)), 1)[0][0].text
    assert len(stored.encode()) == 65_534
    assert text.startswith(stored)


@pytest.mark.parametrize(
    ("ids", "texts", "z", "options", "message"),
    [
        (["a"], ["b", "c"], np.ones((1, 2)), {}, "do not fit"),
        ([], [], np.ones((0, 2)), {}, "nothing to index"),
        (["a", "a"], ["b", "c"], np.ones((2, 2)), {}, "the id 'a' stands twice"),
        ([""], ["b"], np.ones((1, 2)), {}, "the id '' has 0 bytes"),
        ([7], ["b"], np.ones((1, 2)), {}, "an id is of type int"),
        (["a"], [None], np.ones((1, 2)), {}, "the text of 'a' is of type NoneType"),
        (["a\ud800"], ["b"], np.ones((1, 2)), {}, "an id holds half a surrogate pair at character 1"),
        (["a"], ["b\udfff"], np.ones((1, 2)), {}, "the text of 'a' holds half a surrogate"),
        (["a"], ["b"], np.array([[1.0, np.nan]]), {}, "row 0 of the embeddings"),
        (["a", "b"], ["b", "c"], np.array([[1.0, 2.0], [1e300, 1.0]]), {}, "row 1 of the embeddings"),
        (["a"], ["b"], np.ones((1, 2)), {"metric": "hamming"}, "hamming"),
        (["a"], ["b"], np.ones((1, 2)), {"language": "klingon"}, "klingon"),
        (["a"], ["b"], np.ones((1, 2)), {"columns": {"x": [1, 2]}}, "column 'x' has 2 values for 1 documents"),
        (["a"], ["b"], np.ones((1, 2)), {"columns": {"x": [[1]]}}, "the column x of 'a' is of type list"),
        (["a"], ["b"], np.ones((1, 2)), {"columns": {"x": [2**63]}}, "beyond 64 bits"),
        (["a"], ["b"], np.ones((1, 2)), {"columns": {"x": [np.inf]}}, "the column x of 'a' is inf"),
        (["a"], ["b"], np.ones((1, 2)), {"columns": {"x": "y"}}, "the column x must be a list"),
        ("a", ["b"], np.ones((1, 2)), {}, "ids must be a list"),
        (["a"], "b", np.ones((1, 2)), {}, "texts must be a list"),
    ],
)
def test_build_refuses(tmp_path, ids, texts, z, options, message):
    with pytest.raises(InputError, match=message):
        Index.build(tmp_path / "index", ids, texts, z, **options)
    assert not list(tmp_path.iterdir())
    with Index.build(tmp_path / "index", ["old"], ["b"], np.ones((1, 2))) as index:
        if not options.keys() & {"metric", "language"}:
            with pytest.raises(InputError, match=message):
                index.add(ids, texts, z, **options)
        assert index.search(np.ones((1, 2))) == [[Hit("old", pytest.approx(1), "b")]]


@pytest.mark.parametrize(
    ("ids", "message"), [("12", "ids must be a list"), ([12], "an id is of type int"), (["\ud800"], "half a surrogate")]
)
def test_ids_that_no_document_can_have_are_refused(tmp_path, ids, message):
    with Index.build(tmp_path / "index", ["12"], ["b"], np.ones((1, 2))) as index:
        for call in (index.get, index.delete):
            with pytest.raises(InputError, match=message):
                call(ids)
        assert len(index) == 1


def test_build_does_not_replace_what_is_not_an_index(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds something else \(thesis.txt\)"):
        Index.build(tmp_path, ["a"], ["b"], np.ones((1, 2)))
    with pytest.raises(InputError, match="is a file"):
        Index.build(tmp_path / "thesis.txt", ["a"], ["b"], np.ones((1, 2)))
    with pytest.raises(InputError, match=r"thesis.txt is a file"):
        Index.build(tmp_path / "thesis.txt" / "index", ["a"], ["b"], np.ones((1, 2)))
    with pytest.raises(InputError, match="there is no index"):
        Index.open(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_search_refuses(built):
    with pytest.raises(InputError, match=r"index of 12 dimensions; encode them with the model .*models/small"):
        built.search(np.ones((1, 5)))
    with pytest.raises(InputError, match="row 0 of the queries"):
        built.search(np.full((1, 12), np.inf))
    with pytest.raises(InputError, match="k is 0"):
        built.search(np.ones((1, 12)), 0)
    with pytest.raises(InputError, match="1 texts and 2 vectors"):
        built.hybrid(["a"], np.ones((2, 12)))
    with pytest.raises(InputError, match="5 dimensions do not go into an index of 12"):
        built.add(["a"], ["b"], np.ones((1, 5)))


def test_a_string_where_a_list_belongs(tmp_path, where_to):
    with Index.build(tmp_path / "index", ["1", "2", "12"], ["a", "b", "c"], np.eye(3), **where_to) as index:
        for call in (
            lambda: index.delete("12"),
            lambda: index.get("12"),
            lambda: index.add("12", ["a", "b"], np.eye(3)[:2]),
            lambda: index.add(["1", "2"], "ab", np.eye(3)[:2]),
            lambda: index.hybrid("abc", np.eye(3)),
        ):
            with pytest.raises(InputError, match="must be a list of strings, not one string"):
                call()
        assert len(index) == 3
        assert index.delete(["12"]) == 1
        assert sorted(h.id for h in index.search(np.eye(3)[:1])[0]) == ["1", "2"]


def test_another_model_of_the_same_width_is_refused(tmp_path):
    folder, texts = tmp_path / "index", ["a small corpus", "of two texts"]
    encoder, other = (StaticEncoder.from_corpus(texts, dim=8, seed=seed) for seed in (0, 1))
    z = encoder.encode(texts, kind="document")
    Index.build(folder, ["a", "b"], texts, z, encoder=encoder, metadata={"model": "models/m"}).close()
    encoder.save(tmp_path / "m")
    from counterpoint.encoders import load

    with Index.open(folder, encoder=load(tmp_path / "m")) as index:
        index.check(encoder)
        with pytest.raises(InputError, match=r"not the model that made the index.*models/m"):
            index.check(other)
    with pytest.raises(InputError, match="not the model that made the index"):
        Index.open(folder, encoder=other)
    Index.build(folder, ["a", "b"], texts, z).close()
    Index.open(folder, encoder=other).close()  # nothing is known of it


def test_open_refuses(tmp_path, built, where_to):
    with pytest.raises(InputError, match="there is no index"):
        Index.open(tmp_path / "absent")
    built.close()
    file = built.folder / "index.json"
    whole = file.read_text()
    for broken in (whole[:40], "[]", json.dumps({**json.loads(whole), "dim": "12"})):
        file.write_text(broken)
        with pytest.raises(InputError, match="description cannot be read"):
            Index.open(built.folder)
    file.write_text(json.dumps({**json.loads(whole), "data": "../elsewhere", "uri": ""}))
    with pytest.raises(InputError, match="description cannot be read"):
        Index.open(built.folder)
    file.write_text(json.dumps({**json.loads(whole), "format": 9}))
    with pytest.raises(InputError, match="another version"):
        Index.open(built.folder)
    missing = {"data": "data-0123456789ab", "collection": "other"}
    file.write_text(json.dumps({**json.loads(whole), **missing}))
    with pytest.raises(InputError, match="no collection other" if where_to else r"not whole \(.*documents.db"):
        Index.open(built.folder)


def test_a_folder_of_the_first_format_is_refused_with_the_command_that_makes_it_anew(tmp_path):
    folder = tmp_path / "run" / "index"
    (folder / "index.db").mkdir(parents=True)
    (folder / "bm25").mkdir()
    (tmp_path / "run" / "model").mkdir()
    old = {"format": 1, "metric": "cosine", "dim": 2, "uri": "", "collection": "c", "stemmer": "english"}
    (folder / "index.json").write_text(json.dumps({**old, "metadata": {"model": "../model"}}))
    with pytest.raises(InputError) as refused:
        Index.open(folder)
    assert f"counterpoint index SOURCE --output {folder} --model {tmp_path / 'run' / 'model'}." in str(refused.value)
    with Index.build(folder, ["a"], ["b"], np.ones((1, 2))) as index:
        assert len(index) == 1
    assert sorted(p.name.split("-")[0] for p in folder.iterdir()) == ["data", "index.json"]
