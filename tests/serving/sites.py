"""A server on a real socket, in a thread of this process, and how to ask it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from dataclasses import dataclass, field

SCRIPT = '<script>document.title = "broken into"</script>'
IMAGE = "<img src=x onerror=\"document.title = 'broken into'\">"
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
