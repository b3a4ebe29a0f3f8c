"""The page to search from: one answer with its style and its script, which nothing else may join."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources

from starlette.responses import Response


def page_response() -> Response:
    """The page, with a policy under which a browser runs this script alone and loads nothing from elsewhere."""
    html, policy = _page()
    return Response(html, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})


@functools.cache
def _page() -> tuple[str, str]:
    style, script = _read("page.css"), _read("page.js")
    html = _read("page.html").replace("/* style */", style).replace("/* script */", script)
    policy = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "blob:",  # fetched with the token
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return html, "; ".join(f"{name} {value}" for name, value in policy.items())


def _read(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
