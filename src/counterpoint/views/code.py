"""Views of source code: its tokens masked, or in their place what kind each is; and functions' bodies alone."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable

import torch

from counterpoint.views._draw import below, check_share
from counterpoint.views.words import WordView

_TOKEN = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\d[\w.]*|\w+|[^\w\s]")
KINDS = ("keyword", "identifier", "string", "number", "separator", "operator")
"""Of tokens."""


def kind(token: str) -> str:
    """What a token is; keywords are Python's.

    Examples:
        >>> [kind(token) for token in ("return", "x", "'a'", "1.5", "(", "+")]
        ['keyword', 'identifier', 'string', 'number', 'separator', 'operator']
    """
    if token[0] in "\"'" and len(token) > 1:
        return "string"
    if token[0].isdigit():
        return "number"
    if token[0].isalpha() or token[0] == "_":
        return "keyword" if keyword.iskeyword(token) else "identifier"
    return "separator" if token in "()[]{},;:." else "operator"


def masked_code(share: float = 0.1, mark: str = "[MASK]") -> WordView:
    """Each token of a code is masked with this probability: dynamic masking.

    Source, as of the other two views of kinds: Shi et al. 2023, "CoCoSoDa: Effective Contrastive Learning for Code
    Search", and the authors' code (run.py), which leaves a fifth of those that are drawn unmasked.

    Args:
        share: The probability, from 0 to below 1.
        mark: A tokenizer's mask token.

    Examples:
        >>> masked_code(0.5)("x = f(1)", torch.Generator().manual_seed(0))
        'x [MASK] [MASK] [MASK] 1 [MASK]'
    """
    return _of_tokens(share, lambda _token, _kind: mark)


def typed_code(share: float = 0.1) -> WordView:
    """In place of each token stands with this probability what kind it is: dynamic replacement.

    Args:
        share: The probability, from 0 to below 1.

    Examples:
        >>> typed_code(0.5)("x = f(1)", torch.Generator().manual_seed(0))
        'x operator identifier separator 1 separator'
    """
    return _of_tokens(share, lambda token, _kind: kind(token))


def one_kind(share: float = 0.1, mark: str = "") -> WordView:
    """The same of the tokens of one kind, which is drawn: dynamic replacement of a specified type, or its masking.

    Args:
        share: The probability of each token of that kind, from 0 to below 1.
        mark: In their place; "": their kind.

    Examples:
        >>> one_kind(0.9, "[MASK]")("x = f(y)", torch.Generator().manual_seed(1))
        '[MASK] = [MASK] ( [MASK] )'
    """
    return _of_tokens(share, lambda token, chosen: (mark or chosen) if kind(token) == chosen else token)


def _of_tokens(share: float, change: Callable[[str, str], str]) -> WordView:
    check_share(share)

    def view(text: str, generator: torch.Generator) -> str:
        tokens: list[str] = _TOKEN.findall(text)
        chosen = KINDS[below(len(KINDS), generator)]
        drawn = (torch.rand(len(tokens), generator=generator) < share).tolist()
        return " ".join(change(token, chosen) if on else token for token, on in zip(tokens, drawn, strict=True))

    return view


def body_of(code: str) -> str:
    """A Python function without its signature and without what it returns: a hard positive of its docstring.

    What is no function, or does nothing but return, stays as it is; so do functions within it. Source: Zhang et al.
    2024, "Code Representation Learning At Scale" (CodeSage), the part on hard positives.

    Examples:
        >>> print(body_of("def total(prices):\\n    found = sum(prices)\\n    return found"))
        found = sum(prices)
    """
    try:
        (function,) = ast.parse(code).body
    except (SyntaxError, ValueError):
        return code
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return code
    visited = [_Unreturned().visit(one) for one in function.body]
    function.body = [one for one in visited if isinstance(one, ast.stmt)]
    return "\n".join(ast.unparse(one) for one in function.body) or code


class _Unreturned(ast.NodeTransformer):
    """Takes out what is returned; a block that did nothing else passes."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        """Blocks are changed, definitions are not."""
        if isinstance(node, ast.Return):
            return None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node
        visited: ast.AST = self.generic_visit(node)
        if getattr(visited, "body", None) == []:
            visited.body = [ast.Pass()]  # type: ignore[attr-defined]
        return visited
