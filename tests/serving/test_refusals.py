"""Whatever is asked wrongly, or by somebody who means ill: a reason as JSON, never a trace, and the server lives on."""

from __future__ import annotations

import json
import re
import socket
import threading
import time

import pytest

from counterpoint.search import Index
from counterpoint.serving import Limits, guard, running
from counterpoint.serving.service import Service
from serving.sites import site

SEARCH, EMBED, RANK = "/search", "/v1/embeddings", "/v1/rerank"
DEEP = b'{"query":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        (SEARCH, b"", 422, "the body is missing"),
        (SEARCH, b"{", 400, "the body is no JSON at character 1: Expecting property name enclosed in double quotes"),
        (SEARCH, DEEP, 400, "the body is nested too deeply"),
        (SEARCH, b'{"query": NaN}', 400, "the body is no JSON: NaN is no number"),
        (SEARCH, b'{"query": "a", "k": ' + b"9" * 5000 + b"}", 400, "the body is no JSON: Exceeds the limit"),
        (SEARCH, b'{"query": "\xff"}', 400, "the body is not UTF-8 at byte 11"),
        (SEARCH, b'{"query": "\\ud800"}', 422, "query: Input should be a valid string"),
        (SEARCH, '{"query": "a"}'.encode("utf-16"), 400, "the body is not UTF-8 at byte 0"),
        (SEARCH, b"[1]", 422, "Input should be a valid dictionary"),
        (SEARCH, {}, 422, "query is missing"),
        (SEARCH, {"query": ""}, 422, "query: String should have at least 1 character"),
        (SEARCH, {"query": " \t\n"}, 422, "query: String should match pattern"),
        (SEARCH, {"query": 1}, 422, "query: Input should be a valid string"),
        (SEARCH, {"query": "a", "k": 0}, 422, "k: Input should be greater than or equal to 1"),
        (SEARCH, {"query": "a", "k": 101}, 422, "k: Input should be less than or equal to 100"),
        (SEARCH, {"query": "a", "k": "3"}, 422, "k: Input should be a valid integer"),
        (SEARCH, {"query": "a", "offset": -1}, 422, "offset: Input should be greater than or equal to 0"),
        (
            SEARCH,
            {"query": "a", "offset": 95},
            400,
            "hybrid search ends at place 100; ask for smaller k and offset, or",
        ),
        (SEARCH, {"query": "a", "offset": 995, "mode": "dense"}, 400, "dense search ends at place 1,000"),
        (SEARCH, {"query": "a", "mode": "best"}, 422, "mode: Input should be 'hybrid' or 'dense'"),
        (SEARCH, {"query": "a", "fusion": "both"}, 422, "fusion: Input should be 'ranks' or 'scores'"),
        (
            SEARCH,
            {"query": "a", "fusion": "scores", "mode": "dense"},
            400,
            "fusion scores with mode dense, which",
        ),
        (SEARCH, {"query": "a", "limit": 3}, 422, "limit: Extra inputs are not permitted"),
        (SEARCH, {"query": "a", "where": "length = 1"}, 422, "where: Input should be a valid list"),
        (SEARCH, {"query": "a", "where": ["size = 1"]}, 400, "there is no column 'size'; the columns are length"),
        (SEARCH, {"query": "a", "where": ["length = long"]}, 400, "the column length holds numbers, and 'long' is not"),
        (SEARCH, {"query": "a", "where": ["length"]}, 400, "'length' is not a condition; write, for example"),
        (SEARCH, {"query": "a", "where": ["length = 1"] * 33}, 422, "where: List should have at most 32 items"),
        (SEARCH, {"query": "a", "where": [" " * 999 + "a="]}, 422, "where.0: String should have at most 1000 char"),
        (EMBED, {"input": []}, 422, "input: List should have at least 1 item"),
        (EMBED, {"input": ""}, 422, "input: String should have at least 1 character"),
        (EMBED, {"input": ["a", ""]}, 422, "input.1: String should have at least 1 character"),
        (EMBED, {"input": ["a", 1]}, 422, "input.1: Input should be a valid string"),
        (EMBED, {"input": [1, 2, 3]}, 422, "input: tokens are not taken, since every model has its own; give texts"),
        (EMBED, {"input": [[1, 2], [3]]}, 422, "input: tokens are not taken, since every model has its own; give"),
        (EMBED, {"input": "a", "model": "text-embedding-3-small"}, 404, "there is no such model; this server has 'pac"),
        (EMBED, {"input": "a", "dimensions": 65}, 400, "the model has 64 dimensions, and 65 are asked for"),
        (EMBED, {"input": "a", "dimensions": 0}, 422, "dimensions: Input should be greater than or equal to 1"),
        (EMBED, {"input": "a", "encoding_format": "int8"}, 422, "encoding_format: Input should be 'float' or 'base64'"),
        (EMBED, {"input": "a", "input_type": "passage"}, 422, "input_type: Input should be 'query' or 'document'"),
        (RANK, {"query": "a"}, 422, "documents is missing"),
        (RANK, {"query": " ", "documents": ["a"]}, 422, "query: String should match pattern"),
        (RANK, {"query": "a", "documents": []}, 422, "documents: List should have at least 1 item"),
        (RANK, {"query": "a", "documents": [{"title": "b"}]}, 422, "documents.0.text is missing"),
        (RANK, {"query": "a", "documents": ["b"], "top_n": 0}, 422, "top_n: Input should be greater than or equal"),
        ("/nothing", {}, 404, "there is no such address"),
        ("/health", {}, 405, "this address has no such method"),
    ],
)
def test_what_is_asked_wrongly(reading, path, body, status, why):
    answer = reading.post(path, body)
    assert answer.status == status
    assert answer.why.startswith(why), answer.why


@pytest.mark.parametrize(
    ("documents", "status", "why"),
    [
        ([], 422, "documents: List should have at least 1 item"),
        ([{"id": "", "text": "a"}], 422, "documents.0.id: String should have at least 1 character"),
        ([{"id": "x" * 1025, "text": "a"}], 422, "documents.0.id: String should have at most 1024 characters"),
        ([{"id": "x", "text": "a"}, {"id": "x", "text": "b"}], 400, "the id 'x' stands twice"),
        ([{"id": "x", "text": "a", "size": 1}], 422, "documents.0.size: Extra inputs are not permitted"),
        ([{"id": "x", "text": "a", "columns": {"size": [1]}}], 422, "documents.0.columns.size: Input should be"),
        (
            [{"id": "x", "text": "a", "columns": {"size": 2**63}}],
            400,
            "the column size of 'x' is 9223372036854775808, beyond 64 bits",
        ),
        ([{"id": "x", "text": "a", "columns": {str(i): i for i in range(101)}}], 400, "a document has at most 100"),
        ([{"id": "x", "text": "a" * 32_769}], 400, "text 0 has 32,769 characters; at most 32,768 (--max-characters)"),
    ],
)
def test_what_cannot_be_added(writing, documents, status, why):
    answer = writing.post("/documents", {"documents": documents})
    assert (answer.status, answer.why[: len(why)]) == (status, why)
    infinite = b'{"documents": [{"id": "x", "text": "a", "columns": {"size": 1e999}}]}'
    assert writing.post("/documents", infinite).why.startswith("documents.0.columns.size: Input should be")
    assert writing.get("/about").json["documents"] == 3


def test_limits(small):
    for body, why in (
        ({"input": ["a"] * 9}, "9 texts; a request has at most 8 (--max-inputs)"),
        ({"input": ["a", "b" * 101]}, "text 1 has 101 characters; at most 100 (--max-characters)"),
    ):
        answer = small.post(EMBED, body)
        assert (answer.status, answer.why) == (400, why)
    assert small.post(RANK, {"query": "a" * 101, "documents": ["a"]}).why.startswith("text 0 has 101 characters")
    answer = small.post(EMBED, {"input": "a" * 4096})
    assert (answer.status, answer.why) == (413, "a request has at most 4,096 bytes (--max-body)")
    assert answer.headers["connection"] == "close"


def raw(port, *parts, timeout=10):
    """What the server says to these bytes until it lets go."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        said = b""
        try:
            for part in parts:
                client.sendall(part)
            while more := client.recv(65536):
                said += more
        except ConnectionError:
            pass
        return said


def test_half_a_character_among_documents_is_refused(reading):
    for documents in (["fox", "\ud800"], [{"text": "\ud800"}]):
        refused = reading.post(RANK, {"query": "fox", "documents": documents, "return_documents": True})
        assert refused.status == 422
        assert "half a character" in refused.why or "unicode" in refused.why or "surrogates" in refused.why


HEAD = b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def test_a_body_of_unknown_size_ends_at_the_limit(small):
    chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
    said = raw(small.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)
    assert said.startswith(b"HTTP/1.1 413 ")


def test_slow_clients_are_let_go(small, monkeypatch):
    monkeypatch.setattr(guard, "_SENT", 0.2)
    monkeypatch.setattr(running, "_HEAD", 0.2)
    assert raw(small.port, HEAD + b"Content-Length: 10\r\n\r\n{").startswith(b"HTTP/1.1 408 ")
    assert raw(small.port) == b""
    assert raw(small.port, b"GET /health HTT") == b""
    # also on a connection that has been answered
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        said = b""
        while not said.endswith(b'{"status":"ok"}'):
            said += client.recv(65536)
        client.sendall(b"GET /hea")
        assert client.recv(65536) == b""


def test_what_is_no_http_and_headers_that_would_break_out(small):
    assert raw(small.port, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert raw(small.port, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000).startswith(b"HTTP/1.1 400 ")
    for given, kept in (("mine-1", True), ("a b", False), ("a" * 65, False), ("\xe9", False), ("<script>", False)):
        found = small.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"]
        assert (found == given) == kept
        assert re.fullmatch(r"[\w.-]{1,64}", found)
    answer = small.get("/nothing%0d%0aX-Evil:%201")
    assert answer.status == 404
    assert "x-evil" not in answer.headers


def test_a_client_that_goes_away_does_no_harm(reading):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", reading.port)) as client:
            client.sendall(HEAD + b'Content-Length: 14\r\n\r\n{"query": "a"}')
        with socket.create_connection(("127.0.0.1", reading.port)) as client:
            client.sendall(HEAD + b"Content-Length: 14\r\n\r\n{")
    assert reading.get("/health").json == {"status": "ok"}


class Slow:
    """An encoder that waits until it may."""

    modality, dim = "text", 2

    def __init__(self, encoder):
        self.encoder, self.may = encoder, threading.Event()

    def __getattr__(self, name):
        return getattr(self.encoder, name)

    def encode(self, texts, **options):
        assert self.may.wait(20)
        return self.encoder.encode(texts, **options)


def test_too_much_at_a_time_is_told_to_come_again(encoder):
    slow = Slow(encoder)
    with site(Service(slow, "slow", limits=Limits(inputs=4, queue=4, batch=1, requests=4))) as running:
        ask = lambda count: running.post(EMBED, {"input": ["a"] * count})  # noqa: E731
        answers = []
        waiting = [threading.Thread(target=lambda: answers.append(ask(2))) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while running.service._vectors.waiting < 3:  # one is at work
            time.sleep(0.01)
        full = ask(3)
        slow.may.set()
        for thread in waiting:
            thread.join()
    assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert full.why == "3 texts are waiting already; ask again in a while, or for less"
    assert full.json["error"]["type"] == "overloaded_error"
    assert [answer.status for answer in answers] == [200, 200]


def test_too_many_requests_at_a_time(encoder):
    slow = Slow(encoder)
    with site(Service(slow, "slow", limits=Limits(requests=1))) as running:
        waiting = threading.Thread(target=lambda: running.post(EMBED, {"input": "a"}))
        waiting.start()
        while running.get("/v1/models").status == 200:
            time.sleep(0.01)
        answer = running.get("/v1/models")
        assert running.get("/health").status == 200
        slow.may.set()
        waiting.join()
    assert (answer.status, answer.why) == (503, "too many requests at a time; ask again in a while")


def test_a_token(encoder, place):
    index = Index.open(place / "index")
    with site(Service(encoder, "packages", index), token="s3cret") as running:
        assert running.get("/").status == running.get("/health").status == 200
        for path in ("/about", "/v1/models", "/metrics", "/openapi.json", "/search?q=a", "//", "/health/", "/nothing"):
            answer = running.get(path)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="counterpoint"')
            assert answer.why == "a token is needed: Authorization: Bearer TOKEN"
        for wrong in ("Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer", "Bearer \xe9"):
            answer = running.get("/about", headers={"Authorization": wrong})
            assert (answer.status, answer.why) == (401, "the token is wrong")
        assert running.get("/about", headers={"Authorization": "bearer s3cret"}).status == 200


def test_another_host_is_refused_where_no_token_is_asked_for(encoder):
    with site(Service(encoder, "small"), hosts={"127.0.0.1", "localhost"}) as running:
        assert running.get("/health").status == 200
        assert running.get("/health", headers={"Host": "LOCALHOST:80"}).status == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80", ""):
            answer = running.get("/health", headers={"Host": host})
            assert (answer.status, answer.why) == (
                421,
                "this server is not called so; ask it by the address that it says",
            )


def test_a_form_of_another_site_is_not_taken_for_json(writing):
    """A browser sends such without asking this server first."""
    body = json.dumps({"documents": [{"id": "x", "text": "a"}]}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"):
        assert writing.post("/documents", body, headers={"Content-Type": kind}).status == 422
    assert writing.get("/about").json["documents"] == 3


def test_an_error_of_our_own_is_logged_and_not_shown(writing, monkeypatch, caplog):
    monkeypatch.setattr(writing.service.index, "search", lambda *_, **__: 1 / 0)
    answer = writing.post(SEARCH, {"query": "a", "mode": "dense"}, headers={"X-Request-ID": "mine"})
    assert (answer.status, answer.why) == (500, "this failed; the server's log says why under the request's id")
    while "ZeroDivisionError" not in caplog.text:  # it is logged once it is answered
        time.sleep(0.01)
    assert "request mine failed" in caplog.text
    assert "ZeroDivisionError" not in answer.body.decode()


def test_what_prometheus_is_told(encoder):
    with site(Service(encoder, "small")) as running:
        running.post(EMBED, {"input": ["a", "b"]})
        running.get("/made/up/path")
        running.get("/search?q=a")
        answer = running.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    said = answer.body.decode()
    for line in (
        'counterpoint_requests_total{path="/v1/embeddings",status="200"} 1.0',
        'counterpoint_requests_total{path="other",status="404"} 1.0',
        'counterpoint_request_seconds_count{path="/v1/embeddings"} 1.0',
        "counterpoint_batch_texts_sum 2.0",
        "counterpoint_queue_texts 0.0",
    ):
        assert line in said
    assert "made" not in said
