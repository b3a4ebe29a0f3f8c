"""`counterpoint serve` itself: what it refuses to start with, a kill and a new start, and an end in good order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from typer.testing import CliRunner

from counterpoint.cli import serving
from counterpoint.cli.main import app
from counterpoint.errors import InputError, MissingExtra
from serving.sites import Site


def refused(*arguments, **environment):
    done = CliRunner().invoke(app, ["serve", *map(str, arguments)], env=environment)
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


@contextlib.contextmanager
def started(*arguments):
    """`counterpoint serve` in a process of its own, once it answers."""
    command = [sys.executable, "-m", "counterpoint", "serve", *map(str, arguments), "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            line = process.stdout.readline()
            said = re.fullmatch(r"serving .* at http://127\.0\.0\.1:(\d+) \(Ctrl-C ends it\); .*\n", line)
            assert said, line + process.stderr.read()
            yield process, Site(int(said[1]))
        finally:
            if process.poll() is None:
                process.kill()


def test_what_was_acknowledged_is_there_after_a_kill(place, tmp_path):
    """A writer is killed while it writes; the next server has all that was answered, and ends in good order."""
    shutil.copytree(place, tmp_path / "run")
    acknowledged: list[int] = []

    def write(running, threads):
        number = threads
        with contextlib.suppress(OSError, AssertionError, ValueError):
            while True:
                documents = [{"id": f"new {number}", "text": f"violin {number}", "columns": {"number": number}}]
                assert running.post("/documents", {"documents": documents}).status == 200
                acknowledged.append(number)
                if number % 5 == 0:
                    assert running.ask("DELETE", f"/documents/new%20{number}").status == 200
                    acknowledged.append(-number)
                number += 3

    with started(tmp_path / "run", "--writable") as (process, running):
        threads = [threading.Thread(target=write, args=(running, i)) for i in range(1, 4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 40:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    with started(tmp_path / "run", "--writable") as (process, running):
        for number in acknowledged:
            if number > 0 and number % 5:
                found = running.get(f"/documents/new%20{number}")
                assert (found.json["text"], found.json["columns"]["number"]) == (f"violin {number}", number)
            elif number < 0:
                assert running.get(f"/documents/new%20{-number}").status == 404
        found = running.get("/search?q=violin&k=50").json["hits"]
        assert {f"new {n}" for n in acknowledged[:9] if n > 0 and n % 5} <= {hit["id"] for hit in found}
        # a request that has begun is answered, and then the process ends by itself
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as client:
            head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            client.sendall(head + b"Content-Length: 15\r\n\r\n")
            while not running.get("/metrics").body.count(b'path="/about"'):
                running.get("/about")
            process.send_signal(signal.SIGTERM)
            client.sendall(b'{"query": "it"}')
            answer = b""
            while more := client.recv(65536):
                answer += more
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert process.wait(20) == 0
        assert process.stdout.read() == "ended\n"
        assert process.stderr.read() == ""


def test_it_does_not_start_with(place, tmp_path):
    model = place / "model"
    assert refused(model, "--host", "0.0.0.0") == (
        "at 0.0.0.0 other machines could ask without a token; set COUNTERPOINT_TOKEN, or say --without-token."
    )
    assert "the token holds blanks or what is not ASCII" in refused(model, COUNTERPOINT_TOKEN="a b")
    assert "nowhere: there is no such folder; name an index, a run or a model." in refused(tmp_path / "nowhere")
    assert "there is no index to write to or to show pictures of" in refused(model, "--writable", "--port", 0)
    assert "is not a folder; name the folder of the pictures" in refused(place, "--pictures", model / "tokenizer.json")
    assert "the limit of batch is 0; give 1 or more" in refused(place, "--max-batch", 0)
    assert "requests of up to 2,048 texts never fit in a queue of 10" in refused(place, "--max-queue", 10)
    assert "cannot listen at nowhere.invalid:" in refused(model, "--host", "nowhere.invalid", "--without-token")
    assert "there is no index; leave --model out" in refused(model, "--model", model, "--port", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(model, "--port", port)
    assert f"cannot listen at 127.0.0.1:{port} " in said
    assert "choose another --port or --host" in said


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "prometheus_client"])
def test_what_is_not_installed_is_named(place, monkeypatch, name):
    for module in [module for module in sys.modules if module.startswith("counterpoint.serving.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    done = CliRunner().invoke(app, ["serve", str(place)])
    assert isinstance(done.exception, MissingExtra)
    assert str(done.exception) == (
        f"{name.replace('_', '-')} is not installed; run: pip install 'counterpoint[serve]'."
    )


def test_help_has_an_example_and_fits():
    lines = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "80"}).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("Example: counterpoint serve runs/fit --port 8000" in line for line in lines)


@pytest.mark.parametrize(
    ("folder", "name"), [("runs/fit", "fit"), ("runs/fit/model", "fit"), ("runs/fit/index", "fit"), ("a", "a")]
)
def test_a_model_is_called_after_its_run(tmp_path, folder, name):
    assert serving._name(tmp_path / folder) == name
