"""Names of functions and digests of words, by which kept measurements are known: the same in every process."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any


def digest(*parts: str) -> str:
    """Of some words.

    Examples:
        >>> digest("a", "b")
        'a76de9f2d561975f'
    """
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def root(function: Callable[..., Any]) -> str:
    """The top-level definition that a function is of, whatever is bound of it.

    Examples:
        >>> from functools import partial
        >>> root(partial(root, root))
        'root'
    """
    function = function.func if isinstance(function, partial) else function
    return str(function.__qualname__).split(".")[0]


def nameless(function: Callable[..., Any]) -> bool:
    """Whether it is a lambda, whose code cannot be told from another's.

    Examples:
        >>> nameless(lambda: 1), nameless(root)
        (True, False)
    """
    function = function.func if isinstance(function, partial) else function
    return str(function.__qualname__).endswith("<lambda>")


def named(make: Any) -> str:
    """Module, name and all arguments, the defaults too: `partial(f, 0.5)` is `f` if 0.5 is what it takes anyhow.

    Of functions that are bound it is their names, which are the same in every process.

    Examples:
        >>> named(partial(root, digest))
        'counterpoint.testbeds.naming.root(function=counterpoint.testbeds.naming.digest(parts=()))'
    """
    if not callable(make):
        return repr(make)
    function, args, keywords = (make.func, make.args, make.keywords) if isinstance(make, partial) else (make, (), {})
    bound = inspect.signature(function).bind_partial(*args, **keywords)
    bound.apply_defaults()
    given = [f"{name}={named(value)}" for name, value in bound.arguments.items()]
    return f"{function.__module__}.{function.__qualname__}({', '.join(given)})"
