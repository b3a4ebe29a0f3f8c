"""Pushing, against a hub of our own on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from counterpoint.encoders import StaticEncoder, load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.publishing import push

# in the hub's own client
pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")
ROWS = "query\tdocument\n" + "".join(f"the {c} {n}\t{c} {n} here\n" for c in ("red", "blue", "pink") for n in range(40))
TOKEN = "hf_" + "a" * 30


class Hub(BaseHTTPRequestHandler):
    """The few calls of the hub that an upload makes; weights go the LFS way, the rest inline."""

    def log_message(self, *args): ...

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, value, status=200):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self):
        data = self.body()
        self.server.stored[hashlib.sha256(data).hexdigest()] = data
        self.answer({})

    def do_POST(self):
        server, body, path = self.server, self.body(), self.path.split("?")[0]
        server.calls.append(path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid token"}, 401)
        elif server.status and (server.status != 409 or "/commit/" in path):
            self.answer({"error": "no"}, server.status)
        elif path == "/api/repos/create":
            server.created = json.loads(body)
            self.answer({"url": f"{server.address}/me/small", "name": "me/small"})
        elif path == "/api/validate-yaml":
            bad = [] if b"pipeline_tag" in body else [{"message": "no pipeline"}]
            self.answer({"errors": bad, "warnings": []}, 400 if bad else 200)
        elif "/preupload/" in path:
            modes = [
                {"path": f["path"], "shouldIgnore": False}
                | {"uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular"}
                for f in json.loads(body)["files"]
            ]
            self.answer({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{server.address}/put"}}}
                for o in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            commit = {}
            for line in map(json.loads, body.decode().splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    commit[value["path"]] = base64.b64decode(value["content"])
                if line["key"] == "lfsFile":
                    commit[value["path"]] = server.stored[value["oid"]]
            server.commits.append(commit)
            self.answer({"commitUrl": f"{server.address}/me/small/commit/abc", "commitOid": "abc", "success": True})
        else:
            self.answer({"error": path}, 418)


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.address = f"http://127.0.0.1:{server.server_port}"
    server.calls, server.commits, server.stored, server.status, server.created = [], [], {}, 0, None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work") / "my_data"
    folder.mkdir()
    (folder / "pairs_here.tsv").write_text(ROWS)
    fit(folder / "pairs_here.tsv", folder / "run", base="static", epochs=1, say=lambda _: None)
    return folder / "run"


def test_a_run_is_pushed_whole_in_one_commit(run, hub):
    said = []
    pushed = push(run, "me/small", private=True, say=said.append)
    assert pushed.sent
    assert pushed.address == f"{hub.address}/me/small"
    assert said[-1] == f"model: {pushed.address}"
    assert hub.created["name"] == "small"
    assert hub.created["organization"] == "me"
    assert hub.created.get("private") or hub.created.get("visibility") == "private"
    (commit,) = hub.commits
    assert {path: len(content) for path, content in commit.items()} == pushed.files
    for file in (p for p in (run / "model").rglob("*") if p.is_file() and p.name != "README.md"):
        assert commit.pop(str(file.relative_to(run / "model"))) == file.read_bytes()
    assert commit.keys() == {"README.md", "report.html"}
    for name, content in commit.items():
        text = content.decode()
        assert str(run.parent) not in text.replace("\\", ""), name
        assert "me/small" in text, name
        assert "path/to" not in text, name
    assert "pairs\\_here.tsv" in commit["README.md"].decode()


def test_the_card_has_what_the_hub_reads(run, hub):
    push(run / "model", "me/small", say=lambda _: None)
    card = hub.commits[0]["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert {"sentence-transformers", "sentence-similarity", "feature-extraction"} <= set(front["tags"])
    assert (front["library_name"], front["pipeline_tag"]) == ("sentence-transformers", "sentence-similarity")
    assert front["license"] == "unknown"
    assert "base_model" not in front


def test_what_is_pushed_loads(run, hub, tmp_path):
    push(run, "me/small", say=lambda _: None)
    for name, content in hub.commits[0].items():
        (tmp_path / "down" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "down" / name).write_bytes(content)
    texts = ["the red 1", "blue"]
    assert (load(tmp_path / "down").encode(texts) == load(run / "model").encode(texts)).all()


def test_a_dry_run_sends_nothing_and_needs_no_token(run, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    said = []
    pushed = push(run, "me/small", dry_run=True, with_report=False, say=said.append)
    assert not pushed.sent
    assert not hub.calls
    assert "report.html" not in pushed.files
    size = (run / "model" / "model.safetensors").stat().st_size
    assert f"{size:13,d}  model.safetensors" in said
    assert said[-1].startswith("nothing was sent")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "me/small: the token may not write there, nothing was published; give a token"),
        (409, "me/small: the hub has changed meanwhile, nothing was published; push again."),
        (400, "me/small: the hub answered 400 (no), nothing was published"),
    ],
)
def test_a_refusal_is_one_sentence(run, hub, status, said):
    hub.status = status
    with pytest.raises(InputError, match=re.escape(said)):
        push(run, "me/small", say=lambda _: None)
    assert not hub.commits


def test_a_wrong_token_no_token_no_network(run, hub, monkeypatch):
    with pytest.raises(InputError, match="the hub does not know the token"):
        push(run, "me/small", token="hf_wrong", say=lambda _: None)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="there is no token for the hub; make one"):
        push(run, "me/small", say=lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="the hub cannot be reached"):
        push(run, "me/small", token=TOKEN, say=lambda _: None)
    assert not hub.commits


def test_the_command_says_a_sentence(run, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "counterpoint", "push", str(run), "me/small"]
    done = subprocess.run(line, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "model.safetensors" in done.stdout
    assert done.stderr.startswith("error: there is no token for the hub; ")
    assert done.stderr.count("\n") == 1


def test_a_card_that_the_hub_refuses(model, hub):
    (model / "README.md").write_text("---\nlicense: mine\n---\n")
    with pytest.raises(InputError, match=r"the hub refuses the card .Invalid metadata in README.md. - no pipeline"):
        push(model, "me/small", say=lambda _: None)
    assert not hub.commits


@pytest.mark.parametrize(
    "name", ["small", "me/", "/small", "a/b/c", "me/sm all", "me/..x", "me/a--b", "me/x.git", "é/x"]
)
def test_a_name_that_is_none(run, name):
    with pytest.raises(InputError, match="is not a name on the hub; write OWNER/NAME"):
        push(run, name, dry_run=True)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        push(tmp_path / "absent", "me/small", dry_run=True)
    with pytest.raises(InputError):
        push(tmp_path, "me/small", dry_run=True)


@pytest.fixture
def model(tmp_path):
    StaticEncoder.from_corpus(["a small corpus"], dim=8).save(tmp_path / "made" / "model")
    return tmp_path / "made" / "model"


def sent(model):
    said = []
    return push(model, "me/small", dry_run=True, say=said.append), said


def test_hidden_files_stay_here(model):
    (model / ".secret").write_text("x")
    (model / ".git").mkdir()
    (model / ".git" / "config").write_text("x")
    assert not any(".secret" in path or ".git" in path for path in sent(model)[0].files)


def test_a_secret_or_a_path_is_not_sent(model):
    (model / "README.md").write_text(f"use {TOKEN}")
    with pytest.raises(InputError, match=r"README.md: holds what looks like a token of the hub \(hf_aaa\.\.\.\)"):
        sent(model)
    (model / "README.md").write_text(f"use {Path.home()}/x".replace("/", "&#x2F;"))
    with pytest.raises(InputError, match=r"README.md: names a folder of this machine"):
        sent(model)
    (model / "README.md").write_text("fine")
    (model / "settings.json").write_text(json.dumps({"from": f"{Path.home()}/x"}))
    with pytest.raises(InputError, match=r"settings.json: names a folder of this machine"):
        sent(model)


def test_a_card_of_ones_own_loses_paths_of_this_machine(model, monkeypatch):
    from counterpoint import publishing

    data = model.parent / "my_data.tsv"
    data.write_text("x")
    escaped = str(data).replace("_", "\\_")
    text = f"from {data} and {escaped}, see https://a.b/c/d and and/or and /no/such/place"
    short = "from my_data.tsv and my\\_data.tsv, see https://a.b/c/d and and/or and /no/such/place"
    assert publishing._without_paths(text) == short
