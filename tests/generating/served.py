"""A server of OpenAI's protocol on this machine, which behaves as a test wants."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(text, *, finish="stop", usage=True, **more):
    """The body of a proper answer."""
    body = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}]}
    return body | ({"usage": {"prompt_tokens": 3, "completion_tokens": len((text or "").split())}} if usage else {})


def asked(body):
    """What the user said last."""
    return body["messages"][-1]["content"] if "messages" in body else body["prompt"]


class Served:
    """What was asked: `bodies`, `paths`, `tokens` in order; `counts` of each prompt; `busiest`: most at once."""

    def __init__(self, answer):
        self.answer = answer
        self.bodies, self.paths, self.tokens, self.counts = [], [], [], Counter()
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    def take(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            self.bodies.append(body)
            self.paths.append(handler.path)
            self.tokens.append(handler.headers.get("Authorization"))
            self.counts[asked(body)] += 1
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            count = self.counts[asked(body)]
        try:
            self.answer(handler, body, count)
        except (BrokenPipeError, ConnectionResetError):
            pass  # nobody waits for it any more
        finally:
            with self.lock:
                self.busy -= 1


def reply(handler, body, status=200, **headers):
    """Send a whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in ({"Content-Length": len(data)} | headers).items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(data)


@contextmanager
def serving(answer):
    """(url, `Served`) while `answer(handler, body, count)` replies; `count` says how often this prompt was asked."""
    served = Served(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            served.take(self)

        def log_message(self, *args):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, address):
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", served
    finally:
        server.shutdown()
        server.server_close()
