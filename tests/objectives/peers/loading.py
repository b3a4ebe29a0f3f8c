"""Single modules of packages whose `__init__` needs what is not installed (torchvision, datasets, graph libraries)."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def installed(package: str) -> bool:
    """Whether it is there; nothing is imported."""
    return importlib.util.find_spec(package) is not None


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
