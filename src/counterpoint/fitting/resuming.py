"""A folder holds one run, and the same command goes on with it after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError
from counterpoint.files import remove, write_json
from counterpoint.training.checkpoint import has_checkpoint

TRAINING = ".training"
"""Where a run keeps what it goes on from."""


def check_run(output: Path, asked: dict[str, Any], *, finished: str = "run.json", shown: str = "report.html") -> None:
    """Refuse a folder whose run is finished, or was begun with other settings, once there is something to go on from.

    Args:
        output: The folder of the run.
        asked: What it is asked to do.
        finished: The file that a finished run leaves.
        shown: What to look at then.

    Raises:
        InputError: It is not for this run.
    """
    if (output / finished).exists():
        raise InputError("this run is finished", file=output, fix=f"see {output / shown}, or give another --output")
    if not has_checkpoint(output / TRAINING):
        return
    asked, before = as_kept(asked), asked_before(output)
    changed = sorted(k for k in asked if asked[k] != before.get(k))
    changed += sorted(before.keys() - asked.keys() - {"data", "start"})
    if changed:
        raise InputError(
            f"the folder holds an unfinished run with other settings or data ({', '.join(changed)})",
            file=output,
            fix="repeat them to go on with it, or give another --output",
        )


STORED = "texts"
"""Of the folder of training: where texts of shards are."""


def bind(output: Path, asked: dict[str, Any], **where: str) -> None:
    """`check_run`; then nothing that other settings or other data left is used, and what these left is kept."""
    check_run(output, asked, **where)
    if as_kept(asked) != asked_before(output):
        kept = output / TRAINING / "asked.json"
        # first, so that a kill leaves nothing that seems to belong to it
        remove(kept)
        for each in kept.parent.iterdir() if kept.parent.is_dir() else ():
            # the texts of shards know by themselves what they are of
            if each.name != STORED:
                remove(each)
        write_json(kept, asked)


def as_kept(asked: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back, which has lists for tuples.

    Examples:
        >>> as_kept({"columns": {"negative": ("a", "b")}})
        {'columns': {'negative': ['a', 'b']}}
    """
    kept: dict[str, Any] = json.loads(json.dumps(asked))
    return kept


def asked_before(output: Path) -> dict[str, Any]:
    """What the run in the folder was asked to do; {} where there is none."""
    try:
        before: dict[str, Any] = json.loads((output / TRAINING / "asked.json").read_text())
    except (OSError, ValueError):
        return {}
    return before
