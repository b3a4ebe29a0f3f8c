"""Functions of Python files with what their docstrings say of them: pairs for code search. Nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_LEFT_OUT = {"test", "tests", "testing", "idle_test", "site-packages"}
"""Folders of tests, and of what others have installed."""


@dataclass(frozen=True, slots=True)
class Function:
    """A documented function.

    Attributes:
        name: Of its definition.
        doc: The first paragraph of its docstring, in one line.
        code: Its definition without docstring and comments, as `ast.unparse` writes it.
        file: Where it is, below the folder.
    """

    name: str
    doc: str
    code: str
    file: Path


def read_functions(folder: str | Path) -> list[Function]:
    """The documented functions and methods of all Python files below a folder, in the order of their paths.

    Filtered much as CodeSearchNet is (Husain et al. 2019, "CodeSearchNet Challenge: Evaluating the State of Semantic
    Code Search"): a first paragraph of three words or more, a body of two lines or more without it, no tests, and no
    methods that the language names (`__init__`). What is within a function is not looked at. Files that cannot be read
    or parsed are left out.

    Args:
        folder: Or a file.

    Examples:
        >>> import tempfile
        >>> source = 'def area(a, b):\\n    "Size of a rectangle."\\n    c = a * b  # in metres\\n    return c\\n'
        >>> with tempfile.TemporaryDirectory() as place:
        ...     _ = Path(place, "shapes.py").write_text(source)
        ...     (found,) = read_functions(place)
        >>> found.doc, found.code
        ('Size of a rectangle.', 'def area(a, b):\\n    c = a * b\\n    return c')
    """
    root, found = Path(folder), list[Function]()
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    for file in files:
        below = file.relative_to(root) if file != root else Path(file.name)
        if not set(below.parts[:-1]) & _LEFT_OUT:
            found += [Function(*parts, below) for parts in functions_of(file)]
    return found


def functions_of(file: Path) -> Iterator[tuple[str, str, str]]:
    """Name, first paragraph and code of each documented function of a file."""
    try:
        with warnings.catch_warnings():
            # of escapes in other people's strings
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return
    for node in _definitions(tree):
        doc = re.split(r"\n\s*\n", ast.get_docstring(node) or "")[0].split()
        dunder = node.name.startswith("__") and node.name.endswith("__")
        if len(doc) < 3 or dunder or "test" in node.name.lower():
            continue
        node.body = node.body[1:]
        code = ast.unparse(node) if node.body else ""
        if code.count("\n") > 1:
            yield node.name, " ".join(doc), code


def _definitions(tree: ast.Module | ast.ClassDef) -> Iterator[_Definition]:
    for node in tree.body:
        if isinstance(node, _Definition):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node)
