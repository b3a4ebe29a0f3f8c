"""Search over a socket finds what the index finds; documents, neighbours, pictures; and writing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest

from counterpoint.data import Documents, in_passages
from counterpoint.data.items import Items
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.wrapping import late_interaction
from counterpoint.errors import InputError
from counterpoint.search import Index, maxsim
from counterpoint.serving.service import Service
from serving.sites import IMAGE, PNG, SCRIPT, site

PICTURES = {"sub/red.png": "/pictures/sub/red.png"}


def shown(hits):
    """Hits as they are answered."""
    return [
        {"id": h.id, "text": h.text, "columns": h.columns, "picture": PICTURES.get(h.id)}
        | {"score": pytest.approx(h.score, abs=1e-6)}
        for h in hits
    ]


def expected(encoder, index, query, k, mode, where=None):
    z = encoder.encode([query], kind="query")
    return (index.hybrid([query], z, k, where=where) if mode == "hybrid" else index.search(z, k, where=where))[0]


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
@pytest.mark.parametrize("where", [[], ["letter = t", "short = false"], ["length in 66, 67, 120"]])
def test_it_finds_what_the_index_finds(reading, place, encoder, mode, where):
    with Index.open(place / "index") as index:
        hits = expected(encoder, index, "play chess", 7, mode, where)
    answer = reading.post("/search", {"query": "play chess", "k": 7, "mode": mode, "where": where}).json
    assert answer["hits"] == shown(hits)
    address = "/search?q=play%20chess&k=7&mode=" + mode + "".join(f"&where={quote(one)}" for one in where)
    assert reading.get(address).json == answer


def test_it_fuses_scores_where_it_is_asked_to(reading, place, encoder):
    with Index.open(place / "index") as index:
        z = encoder.encode(["play chess"], kind="query")
        (hits,) = index.hybrid(["play chess"], z, 7, by="scores")
        (ranks,) = index.hybrid(["play chess"], z, 7)
    answer = reading.post("/search", {"query": "play chess", "k": 7, "fusion": "scores"}).json
    assert answer["hits"] == shown(hits) != shown(ranks)
    assert reading.get("/search?q=play%20chess&k=7&fusion=scores").json == answer
    assert reading.get("/search?q=play%20chess&k=7&fusion=ranks").json["hits"] == shown(ranks)


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_pages_follow_one_another(reading, mode):
    def page(offset, k, **more):
        answer = reading.post("/search", {"query": "a game", "k": k, "offset": offset, "mode": mode} | more).json
        return [hit["id"] for hit in answer["hits"]], answer["more"]

    whole, more = page(0, 100)
    assert (len(whole), more) == (100, mode == "dense")
    parts = [page(offset, 15) for offset in range(0, 90, 15)]
    assert [name for ids, _ in parts for name in ids] == whole[:90]
    assert all(more for _, more in parts)
    few, more = page(0, 10, where=["letter = x"])
    assert more is False
    assert len(few) < 10


def test_a_query_by_address_is_the_query_that_was_meant(reading):
    assert reading.get("/search?q=caf%C3%A9%20%26%20%22tea%22").json["query"] == 'café & "tea"'


def test_documents_and_neighbours(reading, place):
    with Index.open(place / "index") as index:
        (document,) = index.get([SCRIPT])
        near = index.search(index.vectors([SCRIPT]), 4)[0]
    answer = reading.get(f"/documents/{quote(SCRIPT, safe='')}").json
    assert answer == {"id": SCRIPT, "text": document.text, "columns": document.columns, "picture": None}
    found = reading.get(f"/neighbours/{quote(SCRIPT, safe='')}?k=3").json
    assert found == {"id": SCRIPT, "hits": shown(near[1:])}
    assert near[0].id == SCRIPT
    assert near[1].id == IMAGE
    for address in ("/documents/none", "/neighbours/none"):
        answer = reading.get(address)
        assert (answer.status, answer.why) == (404, "there is no document with this id")


def test_pictures_come_from_their_folder_and_nowhere_else(reading):
    answer = reading.get("/documents/sub/red.png").json
    assert answer["picture"] == "/pictures/sub/red.png"
    picture = reading.get(answer["picture"])
    assert (picture.body, picture.headers["content-type"]) == (PNG, "image/png")
    assert picture.headers["x-content-type-options"] == "nosniff"
    for name in (
        "../secret.png",
        "sub/../../secret.png",
        "..%2fsecret.png",
        "%2e%2e/secret.png",
        "/etc/passwd",
        "link.png",
        "sub/program.svg",
        "sub",
        "sub/red.png%00.png",
        "none.png",
        "n" * 300 + ".png",
        "%ff.png",
        "..\\secret.png",
    ):
        answer = reading.get(f"/pictures/{name}")
        assert (answer.status, answer.why) == (404, "there is no such picture"), name


def test_without_an_index_there_is_nothing_to_search(small):
    assert small.get("/about").json["modes"] == []
    for answer in (
        small.get("/search?q=a"),
        small.post("/search", {"query": "a"}),
        small.get("/documents/a"),
        small.get("/neighbours/a"),
    ):
        assert (answer.status, answer.why) == (404, "this server has a model and no index; serve an index to search")


def test_a_server_that_only_reads(reading):
    for answer in (
        reading.post("/documents", {"documents": [{"id": "a", "text": "b"}]}),
        reading.ask("DELETE", "/documents/a"),
    ):
        assert answer.status == 403
        assert answer.why == "this server only reads; it writes when it is started with --writable"


def test_documents_are_added_replaced_and_taken_out(writing, encoder):
    more = [
        {"id": "b", "text": "the violin"},
        {"id": "d/é", "text": "a new violin", "columns": {"lang": "de", "year": 1990, "new": True, "none": None}},
    ]
    assert writing.post("/documents", {"documents": more}).json == {"added": 1, "replaced": 1, "documents": 4}
    found = writing.post("/search", {"query": "violin", "k": 2}).json["hits"]
    assert {hit["id"]: hit["columns"] for hit in found} == {"b": {}, "d/é": {"lang": "de", "year": 1990, "new": True}}
    assert writing.post("/search", {"query": "violin", "where": ["year > 1980"]}).json["hits"][0]["id"] == "d/é"
    with Index.open(writing.service.index.folder, encoder=encoder) as index:
        z = encoder.encode(["the violin"], kind="document")
        assert index.search(z, 1)[0][0].score == pytest.approx(1, abs=1e-5)
        assert writing.ask("DELETE", f"/documents/{quote('d/é', safe='')}").json == {"deleted": "d/é"}
        assert index.get(["d/é"]) == [None]
    assert writing.ask("DELETE", "/documents/d").status == 404


def test_writers_and_readers_at_once(writing):
    """Each write is whole, whatever else is asked meanwhile, and none is lost."""

    def work(number):
        documents = [{"id": f"{number}.{i}", "text": f"number {number}"} for i in range(3)]
        added = writing.post("/documents", {"documents": documents})
        found = writing.get("/search?q=number&k=50")
        assert added.json["added"] == 3
        ids = [hit["id"].split(".")[0] for hit in found.json["hits"] if "." in hit["id"]]
        assert all(ids.count(one) in ((2, 3) if int(one) % 2 else (3,)) for one in ids)
        if number % 2:
            assert writing.ask("DELETE", f"/documents/{number}.0").status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(12)))
    assert writing.get("/about").json["documents"] == 3 + 12 * 3 - 6


def test_a_prompt_and_dimensions_of_the_index_are_those_of_queries_and_new_documents(tmp_path, encoder):
    texts = ["paint the boat", "feed the cat"]
    z = encoder.encode(texts, kind="document", prompt="spring ", truncate_dim=8)
    index = Index.build(
        tmp_path / "index", ["a", "b"], texts, z, encoder=encoder, metadata={"prompt": "spring ", "dim": 8}
    )
    with site(Service(encoder, "m", index, "autumn ", writable=True)) as running:
        assert running.post("/documents", {"documents": [{"id": "c", "text": "a cat"}]}).status == 200
        hits = running.post("/search", {"query": "boat", "mode": "dense"}).json["hits"]
        asked = encoder.encode(["autumn boat"], prompt="", truncate_dim=8)[0]
        every = encoder.encode([f"spring {text}" for text in [*texts, "a cat"]], prompt="", truncate_dim=8)
    assert {hit["id"]: hit["score"] for hit in hits} == pytest.approx(
        dict(zip("abc", (every @ asked).tolist(), strict=True)), abs=1e-5
    )


def test_an_index_that_was_built_again_with_another_model(writing, encoder, caplog):
    other = encoder.with_table(encoder.folded() + 1)
    z = other.encode(["a"], kind="document")
    Index.build(writing.service.index.folder, ["a"], ["a"], z, encoder=other).close()
    answer = writing.get("/search?q=a")
    assert (answer.status, answer.why) == (
        500,
        "the server cannot do this now: the index was built again with another model",
    )
    assert "start again" in caplog.text


def test_of_passages_each_document_is_found_once_by_its_best(tmp_path, encoder):
    parts = in_passages(Documents(["cats", "ships"], ["Cats sleep. Mice run.", "Boats sail. Wind blows."], {}, "x"), 2)
    z = encoder.encode(parts.texts, kind="document")
    settings = {"columns": parts.columns, "encoder": encoder, "metadata": {"passages": 2}}
    Index.build(tmp_path / "index", parts.ids, parts.texts, z, **settings).close()
    with pytest.raises(InputError, match="an index of passages is not written to"):
        Service(encoder, "passages", Index.open(tmp_path / "index"), writable=True)
    with site(Service(encoder, "passages", Index.open(tmp_path / "index"))) as running:
        for mode in ("hybrid", "dense"):
            hits = running.get(f"/search?q=Mice+run&mode={mode}").json["hits"]
            assert [hit["id"].partition("#")[0] for hit in hits] == ["cats", "ships"]
            assert (hits[0]["id"], hits[0]["text"]) == ("cats#2", "Mice run.")
        assert running.get("/documents/cats%232").json["text"] == "Mice run."


def test_an_index_of_several_vectors_a_document(tmp_path):
    texts = ["paint the boat", "the roof of the boat house", "a red lamp"]
    encoder = late_interaction(StaticEncoder.from_corpus([*texts, "a new lamp"], dim=32), size=8)
    z = encoder.encode_each(Items("text", texts), kind="document")
    with Index.build(tmp_path / "index", ["a", "b", "c"], texts, z, encoder=encoder) as index:
        near = [hit.id for hit in index.search(index.vectors(["a"]))[0][1:]]
        asked = encoder.encode_each(Items("text", ["a boat"]), kind="query")
        wanted = {"dense": index.search(asked), "hybrid": index.hybrid(["a boat"], asked)}
        more = encoder.encode_each(Items("text", ["a new lamp"]), kind="document")
        score = maxsim(encoder.encode_each(Items("text", ["new"]), kind="query"), more.astype(np.float16), 1)[1][0, 0]
        with site(Service(encoder, "late", Index.open(tmp_path / "index"), writable=True)) as running:
            for mode, (hits,) in wanted.items():
                answer = running.post("/search", {"query": "a boat", "mode": mode}).json
                assert answer["hits"] == [one | {"picture": None} for one in shown(hits)]
            assert [hit["id"] for hit in running.get("/neighbours/a").json["hits"]] == near
            body = {"documents": [{"id": "d", "text": "a new lamp"}]}
            assert running.post("/documents", body).status == 200
            (hit, *_) = running.post("/search", {"query": "new", "mode": "dense", "k": 4}).json["hits"]
            assert (hit["id"], hit["score"]) == ("d", pytest.approx(float(score), rel=1e-5))
