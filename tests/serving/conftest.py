"""Servers on real sockets, in threads of this process, over one small index."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from counterpoint.data import debian
from counterpoint.encoders import StaticEncoder, load
from counterpoint.search import Index

SCRIPT = '<script>document.title = "broken into"</script>'
IMAGE = '<img src=x onerror="document.title = \'broken into\'">'
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdac\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"
)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def why(self):
        """What a refusal says; it is JSON, names the request and holds no trace."""
        error = self.json["error"]
        assert error.keys() == {"message", "type", "code", "param", "request_id"}
        assert error["request_id"] == self.headers["x-request-id"]
        assert not any(word in self.body for word in (b"Traceback", b".py", b"/tmp"))
        return error["message"]


@dataclass
class Site:
    """A server that can be asked."""

    port: int
    service: object = None
    headers: dict = field(default_factory=dict)

    def ask(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = dict(self.headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        with contextlib.closing(connection):
            connection.request(method, path, body, sent | (headers or {}))
            got = connection.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)


@contextlib.contextmanager
def site(service, **options):
    """A service on a socket."""
    from counterpoint.serving.app import application
    from counterpoint.serving.running import listen, server_of

    listening = listen("127.0.0.1", 0)
    server = server_of(application(service, **options))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield Site(listening.getsockname()[1], service)
    finally:
        server.should_exit = True
        thread.join()


def built(folder: Path, encoder) -> Path:
    """An index of package descriptions and of three documents that would break into a page."""
    corpus = list(debian().heldout.corpus.items())[:400]
    ids = [name for name, _ in corpus] + [SCRIPT, IMAGE, "sub/red.png"]
    texts = [text for _, text in corpus] + [f"break in {SCRIPT}", f"break in {IMAGE}", "a red picture"]
    columns = {
        "length": [len(text) for text in texts],
        "letter": [text[:1].lower() for text in texts],
        "short": [len(text) < 60 for text in texts],
        "note": [None] * 400 + [SCRIPT, IMAGE, None],
    }
    z = encoder.encode(texts, kind="document")
    Index.build(folder, ids, texts, z, columns=columns, encoder=encoder, metadata={"model": "../model"}).close()
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A run with a model and an index, and a folder of pictures."""
    folder = tmp_path_factory.mktemp("served") / "packages"
    texts = list(debian().heldout.corpus.values())[:400]
    StaticEncoder.from_corpus([*texts, "break in a red picture"], dim=64).save(folder / "model")
    built(folder / "index", load(folder / "model"))
    (folder / "pictures" / "sub").mkdir(parents=True)
    (folder / "pictures" / "sub" / "red.png").write_bytes(PNG)
    (folder / "secret.png").write_bytes(b"secret")
    (folder / "pictures" / "sub" / "program.svg").write_text("<svg/>")
    (folder / "pictures" / "link.png").symlink_to(folder / "secret.png")
    return folder


@pytest.fixture(scope="session")
def encoder(place):
    return load(place / "model")


@pytest.fixture(scope="session")
def reading(place, encoder):
    """One that only reads."""
    from counterpoint.serving.service import Service

    index = Index.open(place / "index")
    with site(Service(encoder, "packages", index, pictures=place / "pictures")) as running:
        yield running


@pytest.fixture(scope="session")
def small(encoder):
    """A model alone, which takes little."""
    from counterpoint.serving import Limits
    from counterpoint.serving.service import Service

    limits = Limits(body=4096, characters=100, inputs=8, batch=4, wait=5, queue=16)
    with site(Service(encoder, "small", limits=limits)) as running:
        yield running


@pytest.fixture
def writing(tmp_path, encoder):
    """One that writes, with an index of its own."""
    from counterpoint.serving.service import Service

    texts = ["paint the boat", "feed the cat", "rain on the roof"]
    columns = {"lang": ["en", "en", "en"]}
    z = encoder.encode(texts, kind="document")
    index = Index.build(tmp_path / "index", ["a", "b", "c"], texts, z, columns=columns, encoder=encoder)
    with site(Service(encoder, "packages", index, writable=True)) as running:
        yield running
