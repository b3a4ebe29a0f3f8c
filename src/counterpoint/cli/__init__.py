"""The command line: a thin skin over the Python calls."""

from counterpoint.cli.main import main

__all__ = ["main"]
