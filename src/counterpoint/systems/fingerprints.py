"""What code a measurement rests on, as a digest: of a definition and of all in this house that it names."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path

from counterpoint.testbeds.naming import digest

_FOLLOWED = ("counterpoint.systems.", "counterpoint.testbeds")
_LEFT_OUT = ("counterpoint.systems.registry", "counterpoint.testbeds.bed")
"""What carries measurements out and says nothing of what is measured."""
Place = tuple[str, str]
"""A module and a name in it."""


def fingerprint(module: str, *names: str) -> str:
    """A digest of top-level definitions and of those of systems and testbeds that they name, without docstrings.

    It changes when what is measured changes, so that it must be measured again; not with comments, nor with the core
    below, whose own tests hold it to its equations.

    Args:
        module: Where they are.
        *names: Which; none: all of the module.

    Examples:
        >>> fingerprint("counterpoint.systems.core.dcl", "dcl") == fingerprint("counterpoint.systems.core.dcl", "dcl")
        True
    """
    seen: dict[Place, str] = {}
    todo = [(module, name) for name in names or _definitions(module)[0]]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        defined, imported, modules = _definitions(place[0])
        if place[1] in imported:
            todo.append(imported[place[1]])
            continue
        node = defined.get(place[1])
        if node is None:
            continue
        seen[place] = _dump(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id in modules:
                todo.append((modules[inner.value.id], inner.attr))
            elif isinstance(inner, ast.Name) and (inner.id in defined or inner.id in imported):
                todo.append((place[0], inner.id))
    return digest(*(f"{place} {tree}" for place, tree in sorted(seen.items())))


@cache
def _definitions(module: str) -> tuple[dict[str, ast.stmt], dict[str, Place], dict[str, str]]:
    """Of a module what each name is defined by, where imported names come from, and which names are modules."""
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, Place] = {}
    modules: dict[str, str] = {}
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or module in _LEFT_OUT:
        return defined, imported, modules
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (f"{node.module}.").startswith(_FOLLOWED):
            for alias in node.names:
                name, inner = alias.asname or alias.name, f"{node.module}.{alias.name}"
                if _exists(inner):
                    modules[name] = inner
                else:
                    imported[name] = (str(node.module), alias.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = _silent(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {n.id: node for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return defined, imported, modules


def _silent(node: ast.FunctionDef | ast.ClassDef) -> ast.stmt:
    """Without docstrings, and without what it is registered as: a claim's words are no code."""
    node.decorator_list = [d for d in node.decorator_list if "system" not in ast.dump(d)[:80]]
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list):
            inner.body = [s for s in body if not _is_words(s)]  # type: ignore[attr-defined]
    return node


def _dump(node: ast.AST) -> str:
    """The same in every version of Python: 3.12 has type parameters everywhere, 3.13 leaves out what is empty."""
    options: dict[str, bool] = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(node, **options).replace(", type_params=[]", "")


def _is_words(statement: ast.stmt) -> bool:
    """A docstring or an import, which do nothing by themselves."""
    text = isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
    return text or isinstance(statement, ast.Import | ast.ImportFrom)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
