"""`counterpoint`: one application, and what becomes of an error."""

from __future__ import annotations

import errno
import sys

import typer

from counterpoint import __version__
from counterpoint.cli import (
    comparing,
    demo,
    distilling,
    encoding,
    evaluating,
    exporting,
    fitting,
    generating,
    indexing,
    ledger,
    mining,
    pretraining,
    pushing,
    reranking,
    searching,
    serving,
)
from counterpoint.errors import InputError

_OF_THE_USER = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip
"""What is wrong with a path, and not with the program."""

app = typer.Typer(
    name="counterpoint",
    help="Contrastive representation learning: better embeddings for your data, measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(fitting.fit)
app.command()(fitting.report)
app.command()(encoding.encode)
app.command()(mining.mine)
app.command()(reranking.fit_reranker)
app.command()(indexing.index)
app.command()(searching.search)
app.command()(serving.serve)
app.command()(evaluating.evaluate)
app.command()(distilling.distill)
app.command()(generating.generate)
app.command()(pretraining.pretrain)
app.command()(pretraining.first_layers)
app.command()(pushing.push)
app.command()(exporting.export)
app.command()(comparing.compare)
app.command()(demo.demo)
app.command()(ledger.systems)
app.command("run")(ledger.run_system)
app.command()(ledger.verify)


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Contrastive representation learning: better embeddings for your data, measured."""


_INTERRUPTED = 130


def main() -> None:
    """Run the command line: an error in the input is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.exit(0)
        if error.errno not in _OF_THE_USER:
            raise
        sentence = InputError(str(error.strerror).lower(), file=error.filename, fix="check the path and who may use it")
        typer.echo(f"error: {sentence}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        # typer makes an exit of an interrupt
        if isinstance(ended, SystemExit) and ended.code != _INTERRUPTED:
            raise
        typer.echo("stopped; the same command goes on where this one was", err=True)
        sys.exit(_INTERRUPTED)
