"""Serve the page's HTML, CSS and JavaScript. scripts.py bundles the modules that the page needs when it opens."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse

from ui.web import scripts
from ui.web.scripts import FILES

STYLE = "page.css"  # all style sheets in one file, to save requests
CLIENT = "server/client.js"  # module of the client that sends requests to a server
DIGITS = FILES.parents[1] / "ddpm_core/data/digits.npz"  # training data for Train in the browser
SCRIPT = "text/javascript"
TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".npz": "application/octet-stream",
}
# matches a placeholder in the essay: the name of a figure, and its alternative text
STILL = re.compile(r"<!-- still (\w+): (.*?) -->")
COMPRESSIBLE = (".svg", ".json")  # types of files that gzip makes smaller


def text(name: str) -> str:
    """Return the text of a file of ui/web."""
    return (FILES / name).read_text(encoding="utf-8")


@cache
def list_files() -> dict[str, Path]:
    """Return the files that are sent to browsers unchanged, by their paths in ui/web, and the training digits."""
    found = (file for file in FILES.rglob("*") if file.suffix in TYPES and "node_modules" not in file.parts)
    return {
        file.relative_to(FILES).as_posix(): file
        for file in sorted(found)
        if not file.relative_to(FILES).as_posix().startswith(("tests/", "words/", "package", "tsconfig", "biome"))
    } | {DIGITS.name: DIGITS}


@cache
def style() -> str:
    """Return all style sheets as one text without comments. The sheets of parts come last, because they override common
    rules.
    """
    found = (file.relative_to(FILES) for file in FILES.rglob("*.css"))
    files = [file.as_posix() for file in found if file.parts[0] not in ("node_modules", "essay")]
    sheets = [text(name) for name in sorted(files, key=lambda name: (name.startswith("parts/"), name))]
    return re.sub(scripts.REMARK, "", "".join(sheets))


@cache
def version() -> str:
    """Return a hash of all files. It is part of their URLs, so that browsers can cache them for ever."""
    digest = hashlib.sha256(style().encode())
    made = {name: FILES / name for name in (*scripts.modules(), "scripts.py")}
    for name, file in (list_files() | made).items():
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def page(given: Mapping[str, object], preview: str, address: str = "", essay: str = "essay") -> str:
    """Return the HTML of the page.

    given: the data with which its modules start (`Given` of app.js). preview: URL of the picture that other sites show
    beside a link to the page. address: URL of the page for search engines; "" if unknown. essay: URL of the essay; ""
    if there is none.
    """
    first = {STYLE: "stylesheet", scripts.PAGE: "modulepreload", scripts.COMMON: "modulepreload"}
    links = "\n".join(f'<link rel="{kind}" href="web/{version()}/{name}">' for name, kind in first.items())
    return _fill("index.html", given, preview, address, essay).replace("<!-- first -->", links)


def essay(given: Mapping[str, object], preview: str, address: str = "") -> str:
    """Return the HTML of the essay. Its text is complete without JavaScript.

    given: `Given` of figures/figure.js. The other arguments are those of `page`.
    """
    style = re.sub(scripts.REMARK, "", text("essay/essay.css"))
    links = [f'<link rel="modulepreload" href="web/{version()}/{name}">' for name in scripts.first_of_essay()]
    filled = _fill("essay/essay.html", given, preview, address).replace("<!-- first -->", "\n".join(links))
    filled = filled.replace("<!-- style -->", f"<style>\n{style}</style>")
    return STILL.sub(_still_image, filled)


def figure(given: Mapping[str, object], essay: str) -> str:
    """Return the HTML of a page that shows one figure, for embedding in other sites. essay: URL of the essay."""
    return _fill("essay/figure.html", given, essay=essay)


def _fill(name: str, given: Mapping[str, object], preview: str = "", address: str = "", essay: str = "") -> str:
    """Return an HTML file with its placeholders filled. given: the data for its modules. preview, address, essay: URLs
    as in `page`.
    """
    content = json.dumps(given, ensure_ascii=False).replace("<", "\\u003c")
    filled = text(name).replace("VERSION", version()).replace("PREVIEW", html.escape(preview))
    canonical = f'<link rel="canonical" href="{html.escape(address)}">' if address else ""
    filled = filled.replace("<!-- canonical -->\n", canonical and f"{canonical}\n")
    filled = filled.replace("ESSAY", html.escape(essay)) if essay else re.sub(r".*\bESSAY\b.*\n", "", filled)
    return filled.replace('"GIVEN"', content)


def _still_image(found: re.Match[str]) -> str:
    """Return the HTML of the picture that a figure shows until it starts; "" if there is none. found: a
    match of STILL.
    """
    name, words = found.groups()
    file = FILES / f"examples/essay/{name}.webp"
    if not file.is_file():
        return ""
    width, height = _size_of_webp(file.read_bytes())
    return (
        f'<img src="web/{version()}/examples/essay/{name}.webp" width="{width}" height="{height}" alt="{words}"'
        f' loading="lazy" decoding="async">'
    )


def _size_of_webp(content: bytes) -> tuple[int, int]:
    """Return the width and height of a lossy WebP without transparency, in pixels (RFC 9649, section 2.5)."""
    return tuple(int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))  # type: ignore[return-value]


def policy(page: bytes, *connect: str) -> str:
    """Return the Content-Security-Policy of a page. It allows the app's own files, the scripts inside the page,
    pictures, and WebAssembly.

    connect: further addresses from which the page may fetch.
    """
    scripts = re.findall(rb'<script(?: type="module"| nomodule)?>(.*?)</script>', page, re.S)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts]
    own = " ".join(["script-src 'self' 'wasm-unsafe-eval'", *hashes])
    rules = ["default-src 'self'", own, "style-src 'self' 'unsafe-inline'"]
    if connect:
        rules.append(f"connect-src 'self' {' '.join(connect)}")
    rules += ["img-src 'self' data: blob:", "object-src 'none'", "base-uri 'self'", "form-action 'self'"]
    return "; ".join(rules)


def compress(answer: Response, request: Request) -> Response:
    """Compress a response by gzip if the browser accepts that, and return it."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        answer.body = gzip.compress(answer.body, 6)
        answer.headers.update({"content-encoding": "gzip", "content-length": str(len(answer.body))})
    answer.headers["vary"] = "accept-encoding"
    return answer


def routes(app: FastAPI, pages: Mapping[str, Callable[[Request], Response]]) -> None:
    """Add routes to the app: for the pages, by path, and for their files."""

    def add_page(path: str, make: Callable[[Request], Response]) -> None:
        """Add a route for a page that `make` returns."""

        def page(request: Request) -> Response:
            """Return the page with its headers."""
            answer = make(request)
            answer.headers["cache-control"] = "no-store"
            answer.headers["content-security-policy"] = policy(bytes(answer.body))
            return compress(answer, request)

        app.add_api_route(path, page, methods=["GET", "HEAD"], response_model=None)

    def file(request: Request, asked: str, name: str) -> Response:
        """Return a file of the page. asked: the version in its URL."""
        # A page of an older version still gets the file, but must not cache it under the URL of the old version.
        headers = {"cache-control": "public, max-age=31536000, immutable" if asked == version() else "no-store"}
        if name == STYLE:
            return compress(Response(style(), media_type="text/css", headers=headers), request)
        if name in scripts.scripts(CLIENT):
            return compress(Response(scripts.scripts(CLIENT)[name], media_type=SCRIPT, headers=headers), request)
        path = list_files().get(name)
        if path is None:
            raise HTTPException(404)
        kind = TYPES[path.suffix]
        if path.suffix in COMPRESSIBLE:
            return compress(Response(path.read_bytes(), media_type=kind, headers=headers), request)
        return FileResponse(path, media_type=kind, headers=headers)

    def manifest() -> Response:
        """Return the web app manifest."""
        return Response(text("manifest.webmanifest").replace("VERSION", version()), media_type=TYPES[".webmanifest"])

    for path, make in pages.items():
        add_page(path, make)
    app.add_api_route("/web/{asked}/{name:path}", file, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route("/app.webmanifest", manifest, methods=["GET", "HEAD"], response_model=None)
