"""A model to the Hugging Face hub: its folder, a card that fits there, the report; one commit."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.report import Content

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_PATH = re.compile(r"[\w.~\\-]*(?:/[\w.~\\-]+)+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_HERE = "path/to/this/folder"  # what cards and reports call the model before it has a name
_REASONS = {
    401: ("the hub does not know the token", "make one at huggingface.co/settings/tokens and set HF_TOKEN to it"),
    403: ("the token may not write there", "give a token that may, or a name of your own"),
    404: ("the hub has no such owner, or the token may not see it", "check the name and the token"),
    409: ("the hub has changed meanwhile", "push again"),
}


@dataclass(frozen=True)
class Pushed:
    """What was sent, or would be.

    Attributes:
        address: Where it is on the hub.
        files: Name there -> bytes.
        sent: False for a dry run.
    """

    address: str
    files: dict[str, int]
    sent: bool


def push(
    folder: str | Path,
    name: str,
    *,
    private: bool = False,
    with_report: bool = True,
    dry_run: bool = False,
    token: str | None = None,
    say: Callable[[str], None] = print,
) -> Pushed:
    """Upload a model to the Hugging Face hub, in one commit; nothing is sent before everything is checked.

    The card of a run is written anew for the hub: the model's name there in its examples, the metadata of
    sentence-transformers' models, and no path of this machine (of a file, its name only). A model folder keeps its own
    card without such paths, or gets a short one. A repository that is there gets another commit.

    Args:
        folder: A run of `fit`, or a model folder.
        name: OWNER/NAME.
        private: Make the repository private, if it is made.
        with_report: Upload the run's report too, which quotes some of the data's texts.
        dry_run: Only say what would be sent; no token is needed and the hub is not asked.
        token: Of the hub; HF_TOKEN, or what `hf auth login` left, if not given.
        say: Told what happens, a sentence at a time.

    Raises:
        InputError: There is no model, it cannot be loaded or names a secret or a path of this machine; the name is no
            name; there is no token; the hub refuses or cannot be reached.

    Examples:
        >>> import tempfile
        >>> from counterpoint.encoders import StaticEncoder
        >>> folder = tempfile.mkdtemp() + "/model"
        >>> StaticEncoder.from_corpus(["a small corpus"], dim=8).save(folder)
        >>> sorted(push(folder, "me/small", dry_run=True, say=lambda _: None).files)[:2]
        ['README.md', 'config_sentence_transformers.json']
    """
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT

    from counterpoint.encoders import load

    if not _NAME.fullmatch(name) or ".." in name or "--" in name or len(name) > 96 or name.endswith(".git"):
        raise InputError(f"{name!r} is not a name on the hub", fix="write OWNER/NAME")
    model, run = _folders(Path(folder))
    encoder = load(model)
    content = None if run is None else _content(run, name)
    files: dict[str, bytes | Path] = {
        str(p.relative_to(model)): p
        for p in sorted(model.rglob("*"))
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(model).parts)
    }
    files["README.md"] = _without_paths(_card(model, content, encoder, name)).encode()
    if content is not None and with_report:
        files["report.html"] = _report(content)
        say("report.html quotes some of the data's texts; --no-report leaves it out")
    _check(files, model)
    sizes = {path: len(f) if isinstance(f, bytes) else f.stat().st_size for path, f in sorted(files.items())}
    for path, size in sizes.items():
        say(f"{size:13,d}  {path}")
    say(f"{sum(sizes.values()):13,d}  bytes in {len(sizes)} files")
    address = f"{ENDPOINT}/{name}"
    if dry_run:
        say(f"nothing was sent; without --dry-run it goes to {address}")
        return Pushed(address, sizes, sent=False)
    token = token or get_token()
    if not token:
        raise InputError(
            "there is no token for the hub", fix="make one at huggingface.co/settings/tokens and set HF_TOKEN to it"
        )
    _send(files, name, private, token)
    say(f"model: {address}")
    return Pushed(address, sizes, sent=True)


def _folders(folder: Path) -> tuple[Path, Path | None]:
    """The model's folder, and the run's if it is of one."""
    if (folder / "run.json").is_file():
        return folder / "model", folder
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder, fix="give a run of fit or a model folder")
    run = folder.absolute().parent
    return folder, run if folder.absolute().name == "model" and (run / "run.json").is_file() else None


def _content(run: Path, name: str) -> Content:
    """What the run's report says, with the hub's name for the model's folder."""
    from counterpoint.report import Command, Content

    file = run / "run.json"
    try:
        content = Content.from_json(json.loads(file.read_text(encoding="utf-8"))["content"], file=str(file))
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("is not a finished run's", file=file, fix="give the model folder instead") from error
    data, model = content.data, content.model
    base = _MINILM if model.base == "minilm" else model.base
    source = data.source if data.source.startswith("hf:") else Path(data.source).name
    return replace(
        content,
        data=replace(data, source=source, rejected_file=""),
        model=replace(model, base="" if not _NAME.fullmatch(base) or Path(base).exists() else base,
                      license=model.license or "unknown"),
        files={},
        commands=(Command("encode texts", f"counterpoint encode texts.txt --model {name} --output vectors.npy"),),
    )  # fmt: skip


def _card(model: Path, content: Content | None, encoder: TextEncoder, name: str) -> str:
    from counterpoint.report import model_card

    own = model / "README.md"
    if content is not None:
        return model_card(content).replace(_HERE, name)
    if own.is_file():
        return own.read_text(encoding="utf-8").replace(_HERE, name)
    return f"""---
tags: [sentence-transformers, sentence-similarity, feature-extraction, counterpoint]
license: unknown
pipeline_tag: sentence-similarity
library_name: sentence-transformers
---

# {name}

A {type(encoder).__name__} of {encoder.dim} dimensions, made with Counterpoint.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}")
z = model.encode(["a text", "another text"])
```
"""


def _report(content: Content) -> bytes:
    import tempfile

    from counterpoint.report import write_report

    with tempfile.TemporaryDirectory() as folder:
        write_report(content, Path(folder) / "report.html")
        return (Path(folder) / "report.html").read_bytes()


def _without_paths(text: str) -> str:
    """`text` with the name only of every path that is there on this machine (Markdown's backslashes aside)."""

    def shorten(match: re.Match[str]) -> str:
        try:
            there = Path(match[0].replace("\\", "")).expanduser().exists()
        except (OSError, RuntimeError):
            there = False
        return match[0].rsplit("/", 1)[-1] if there else match[0]

    return _PATH.sub(shorten, text)


def _check(files: dict[str, bytes | Path], model: Path) -> None:
    """No secrets in what people read or write, no home or folder of this machine in cards and settings."""
    places = {str(p) + "/" for p in (Path.home(), Path.cwd(), model.absolute().parent) if len(p.parts) > 1}
    for path, file in files.items():
        if not path.endswith((".json", ".md", ".html", ".txt")) or Path(path).stem in ("tokenizer", "vocab"):
            continue
        text = html.unescape((file if isinstance(file, bytes) else file.read_bytes()).decode("utf-8", "replace"))
        found = _TOKEN.search(text)
        if found:
            raise InputError(
                f"holds what looks like a token of the hub ({found[0][:6]}...)", file=path, fix="remove it"
            )
        # the report quotes the data, in which paths are what they are
        named = next((place for place in sorted(places) if place in text), None)
        if named and path != "report.html":
            raise InputError(f"names a folder of this machine ({named})", file=path, fix="remove it")


def _send(files: dict[str, bytes | Path], name: str, private: bool, token: str) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    added = [CommitOperationAdd(path, file if isinstance(file, bytes) else str(file)) for path, file in files.items()]
    try:
        api.create_repo(name, private=private, exist_ok=True)
        api.create_commit(name, added, commit_message="Model, card and report, with Counterpoint")
    except Exception as error:  # the HTTP library that the hub's client raises from changes with its version
        answer: BaseException | None = error
        while answer is not None and not isinstance(answer, HfHubHTTPError):
            answer = None if isinstance(answer, ValueError) else answer.__cause__
        if isinstance(answer, HfHubHTTPError):
            status = answer.response.status_code
            what, fix = _REASONS.get(status, (f"the hub answered {status} ({_first(answer)})", "try again later"))
        elif isinstance(error, ValueError):
            what, fix = f"the hub refuses the card ({_first(error)})", "correct README.md"
        else:
            what, fix = f"the hub cannot be reached ({_first(error)})", "check the network, then again"
        raise InputError(f"{name}: {what}, nothing was published", fix=fix) from error


def _first(error: Any) -> str:
    return str(getattr(error, "server_message", None) or error).strip().replace("\n", " ").rstrip(".")[:200]
