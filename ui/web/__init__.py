"""The page's own HTML, CSS and JavaScript: ES modules that the browser loads as they are, without a bundler."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse

FILES = Path(__file__).parent
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
}
IMPORT = re.compile(r'^(?:import|.*} from) "(\..+)";$', re.M)
FIRST = ("app.js", "parts/watch.js")  # modules that every page needs, and those that they import: fetched at once


def text(name: str) -> str:
    """The text of a file, by its path in ui/web."""
    return (FILES / name).read_text(encoding="utf-8")


@cache
def served() -> dict[str, Path]:
    """The files that a browser may fetch, by their path in ui/web."""
    found = (file for file in FILES.rglob("*") if file.suffix in TYPES and "node_modules" not in file.parts)
    return {
        file.relative_to(FILES).as_posix(): file
        for file in sorted(found)
        if not file.relative_to(FILES).as_posix().startswith(("tests/", "package", "tsconfig", "biome"))
    }


@cache
def version() -> str:
    """Changes with any of the files: it is part of their addresses, so that browsers can keep them for good."""
    digest = hashlib.sha256()
    for name, file in served().items():
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def page(given: dict[str, Any], preview: str, address: str = "") -> str:
    """The page. given: what its modules need from the beginning. preview: the address of the picture that other sites
    show beside a link to it. address: its own, for search engines; "" where it is not known.
    """
    modules = [("modulepreload", name) for name in sorted(_imported(*FIRST, given["client"]))]
    styles = [("stylesheet", name) for name in served() if name.endswith(".css")]
    styles.sort(key=lambda style: style[1].startswith("parts/"))  # they change what all share
    links = "\n".join(f'<link rel="{kind}" href="web/{version()}/{name}">' for kind, name in styles + modules)
    content = json.dumps(given, ensure_ascii=False).replace("<", "\\u003c")
    filled = text("index.html").replace("VERSION", version()).replace("PREVIEW", html.escape(preview))
    canonical = f'<link rel="canonical" href="{html.escape(address)}">' if address else ""
    filled = filled.replace("<!-- canonical -->\n", canonical and f"{canonical}\n")
    return filled.replace("<!-- modules -->", links).replace('"GIVEN"', content)


def _imported(*names: str) -> set[str]:
    """These modules, all that they import, and so on."""
    found, new = set(names), set(names)
    while new:
        paths = [served()[name].parent / path for name in new for path in IMPORT.findall(text(name))]
        new = {path.resolve().relative_to(FILES).as_posix() for path in paths} - found
        found |= new
    return found


def policy(page: bytes, *connect: str) -> str:
    """What a browser may load and run for a page: the app's own files, pictures in it, and the scripts in it.

    connect: what else it may fetch from, and then it may compile WebAssembly.
    """
    scripts = re.findall(rb'<script(?: type="module"| nomodule)?>(.*?)</script>', page, re.S)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts]
    rules = ["default-src 'self'", "script-src 'self' " + " ".join(hashes), "style-src 'self' 'unsafe-inline'"]
    if connect:
        rules[1] += " 'wasm-unsafe-eval'"
        rules.append(f"connect-src 'self' {' '.join(connect)}")
    rules += ["img-src 'self' data: blob:", "object-src 'none'", "base-uri 'self'", "form-action 'self'"]
    return "; ".join(rules)


def routes(app: FastAPI, index: Callable[[Request], Response]) -> None:
    """Add the page and its files to the app."""

    def root(request: Request) -> Response:
        answer = index(request)
        answer.headers["cache-control"] = "no-store"
        answer.headers["content-security-policy"] = policy(bytes(answer.body))
        if "gzip" in request.headers.get("accept-encoding", ""):  # gradio compresses by the ending of a path only
            answer.body = gzip.compress(answer.body, 6)
            answer.headers.update({"content-encoding": "gzip", "vary": "accept-encoding"})
            answer.headers["content-length"] = str(len(answer.body))
        return answer

    def file(asked: str, name: str) -> Response:
        path = served().get(name)
        if path is None:
            raise HTTPException(404)
        # A page of another version still gets what it asks for, but is not to keep it under that version's address.
        keep = "public, max-age=31536000, immutable" if asked == version() else "no-store"
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"cache-control": keep})

    def manifest() -> Response:
        return Response(text("manifest.webmanifest").replace("VERSION", version()), media_type=TYPES[".webmanifest"])

    app.add_api_route("/", root, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route("/web/{asked}/{name:path}", file, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route("/app.webmanifest", manifest, methods=["GET", "HEAD"], response_model=None)
