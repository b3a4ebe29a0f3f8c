"""`counterpoint push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    folder: Annotated[Path, typer.Argument(help="A run of fit, or a model folder.")],
    name: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub.")],
    private: Annotated[bool, typer.Option("--private", help="For you alone, where the repository is made.")] = False,
    report: Annotated[bool, typer.Option(help="The run's report too; it quotes some of the data's texts.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
) -> None:
    """Upload a model with its card and report to the Hugging Face hub, in one commit.

    Example: counterpoint push runs/fit me/my-model --private

    The token is in HF_TOKEN, or where `hf auth login` put it.
    """
    from counterpoint.publishing import push as run

    run(folder, name, private=private, with_report=report, dry_run=dry_run, say=typer.echo)
