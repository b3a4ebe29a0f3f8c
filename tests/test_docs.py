"""Every example in README and docs runs, in the order of its page."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = "fit|encode|index|search|serve|evaluate|export|generate|compare|pretrain|first-layers|fit-reranker"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small model, standing for the ones that pages say were made before."""
    from counterpoint.encoders import StaticEncoder

    folder = tmp_path_factory.mktemp("model") / "model"
    StaticEncoder.from_corpus(["find duplicate photos", "a cat sleeps", "rain falls on the roof"], dim=16).save(folder)
    return folder


def small_scifact(folder: Path) -> None:
    """A BEIR folder in the place of one that a page works on for an hour."""
    colours = ["red", "blue", "green", "grey"]
    things = ["car", "boat", "house", "lamp", "coat", "door", "chair", "bird", "clock", "table"]
    every = [(colour, thing) for colour in colours for thing in things]
    rows = {
        "corpus": [f"a {thing} that is {colour}, in room {i}" for i, (colour, thing) in enumerate(every)],
        "queries": [f"the {colour} {thing} is in room {i}" for i, (colour, thing) in enumerate(every)],
    }
    (folder / "qrels").mkdir(parents=True)
    for name, texts in rows.items():
        lines = [json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    for part, chosen in (("train", [i for i in range(len(every)) if i % 4]), ("test", range(0, len(every), 4))):
        (folder / "qrels" / f"{part}.tsv").write_text("".join(f"{i}\t{i}\t1\n" for i in chosen))


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_page(page, model, tmp_path, monkeypatch):
    blocks = BLOCK.findall(page.read_text())
    if not blocks:
        pytest.skip("no examples")
    monkeypatch.chdir(tmp_path)
    for name in ("runs/debian", "runs/fit", "demo/static"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model").symlink_to(model)
    small_scifact(tmp_path / "scifact")
    names: dict[str, object] = {}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    try:
        for kind, text in blocks:
            if kind == "python":
                exec(compile(text, str(page), "exec"), names)
                continue
            done = subprocess.run(
                ["bash", "-euc", text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"
    finally:
        # a server that the page has begun, if it did not come to its end
        if (tmp_path / "serve.pid").exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int((tmp_path / "serve.pid").read_text()), signal.SIGKILL)


def test_every_option_in_the_docs_exists():
    helps = {}
    for page in PAGES:
        for command, rest in re.findall(
            rf"counterpoint ({COMMANDS}) ([^`\n]*)",
            page.read_text(),
        ):
            for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
                if command not in helps:
                    helps[command] = subprocess.run(
                        [sys.executable, "-m", "counterpoint", command, "--help"],
                        capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"}, check=True,
                    ).stdout  # fmt: skip
                assert option in helps[command], f"{page.name}: counterpoint {command} {option}"
    assert helps
