"""Single modules of packages whose `__init__` needs what is not installed (torchvision, datasets, graph libraries)."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import ClassVar


def installed(package: str) -> bool:
    """Whether it is there; nothing is imported."""
    return importlib.util.find_spec(package) is not None


class _Empty(ModuleType):
    """Has every class one may ask for; none does anything."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A package that is only imported by what we load, never used by it."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        del path, target
        if name.split(".", maxsplit=1)[0] != self.package:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        del module


@contextmanager
def standing_in(package: str) -> Iterator[None]:
    """Where a package is not installed, nothing stands in for it; it is gone again afterwards."""
    if installed(package):
        yield
        return
    finder = StandIn(package)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.split(".", maxsplit=1)[0] == package]:
            del sys.modules[name]


def module(name: str) -> ModuleType:
    """Import `package.sub.module` without running any `__init__` on the way to it, or beside it."""
    package = name.split(".", maxsplit=1)[0]
    if package not in sys.modules:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(f"{package} is not installed")
        root = Path(next(iter(spec.submodule_search_locations)))
        for folder in [root, *(f for f in root.rglob("*") if (f / "__init__.py").exists())]:
            bare = ModuleType(".".join((package, *folder.relative_to(root).parts)))
            bare.__path__ = [str(folder)]
            bare.__spec__ = importlib.machinery.ModuleSpec(bare.__name__, None, is_package=True)
            sys.modules[bare.__name__] = bare
    return importlib.import_module(name)
