"""Random and boundary calls of the app's routes, as a stranger might make them."""

from __future__ import annotations

import base64
import json
import os
import random
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
API = "/gradio_api"

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**40, 1.5, -0.0, 1e308, "NaN", "Infinity"),
    *("", " ", "cifar10-tiny", "google/ddpm-ema-church-256", "a/b", "../../etc/passwd", "/etc/passwd", "~", "a\0b"),
    *("ddpm", "ddim", "beta", "beta_tilde", "learned_range", "linspace", "cat", "any", "42", "1" * 400, "x" * 5000),
    *("<script>alert(1)</script>", "${7*7}", "{{7*7}}", "'; drop table", "\u202e", "😀" * 50, "\ud800"),
    *([], {}, [[]], [None] * 40, {"path": "/etc/passwd"}, {"path": "x", "meta": {"_type": "gradio.FileData"}}),
    *({"__type__": "update"}, {"url": "http://127.0.0.1:1/", "path": None}, {"name": "cat"}, {"size": 32, "seed": 1}),
    *("1,2,3", "750, 500", [1000, 0], "12,-30 4,5", base64.b64encode(bytes(12)).decode()),
)
PATHS = (
    *("/", "/config", "/health", "/app.webmanifest", "/web/0/page.js", "/web/0123456789ab/package.json", "/theme.css"),
    *("/robots.txt", "/manifest.json", "/monitoring", "/monitoring/summary", "/docs", "/openapi.json", "/redoc"),
    *("/svelte/x", "/assets/x", "/static/x", "/runs", "/login", "/logout", "/queue", "/kept/x"),
    *(f"{API}/{name}" for name in ("info", "openapi.json", "app_id", "user", "token", "login_check", "startup-events")),
    *(f"{API}/{name}" for name in ("queue/status", "queue/data?session_hash=x", "upload_progress?upload_id=x")),
    *(f"{API}/{name}" for name in ("deep_link?session_hash=x", "proxy=http://127.0.0.1/", "vibe-code", "vibe-edit")),
    *(f"{API}/{name}" for name in ("process_recording", "dev/reload", "profiling/traces", "run-history/records")),
    *(f"{API}/{name}" for name in ("stream/x/y/1/playlist.m3u8", "custom_component/a/b/c/d")),
)
SECRETS = ("/etc/passwd", "/proc/self/environ", ".git/config", "app.py")
SECRETS += (str(ROOT / "app.py"), str(ROOT / "ui" / "gate.py"))
RUNS = ("sample", "trajectory")  # what scripts ask for
# What the page asks, with the names of its values; of a part also what its form has.
ASKS = {
    "engine": ("models", "facts", "emoji", "stop", "run", "room", "x"),
    "forward": ("cost", "thumbs", "tables", "picture", "noise", "compare"),
    "likelihood": ("cost",),
    "train": ("now", "start", "follow", "do", "use"),
}
NAMES = ("ref", "run", "kind", "page", "path", "picture", "text", "checkpoint", "name", "size")
NAMES += ("pixels", "schedule", "t", "seed", "folder", "visitor", "chosen", "what", "number", "version")
QUICK = {"checkpoint": "cifar10-tiny", "steps": 3, "count": 1, "columns": "1, 2", "images": 1, "points": 20}


class Call(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012, never changed


def json_call(path: str, content: Any) -> Call:
    return Call("POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"})


def page_data(page: str) -> dict[str, Any]:
    """What a page has from the beginning."""
    found = re.search(r'<script type="application/json" id="given">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


class Fuzz:
    """Makes calls, from a seed. given: `page_data`."""

    def __init__(self, given: dict[str, Any], seed: int):
        self._random = random.Random(seed)
        self._forms = {
            part: {field["name"]: QUICK.get(field["name"], field["default"]) for field in form}
            for part, form in given["forms"].items()
        }
        self._run = {name: value for name, value in self._forms["watch"].items() if name != "clip"} | {"clip": None}

    def call(self) -> Call:
        makers = (self.ask, self.ask, self.ask, self.run, self.run, self.join, self.script, self.script_v2)
        return self._random.choice((*makers, self.file, self.file, self.path, self.cancel, self.garbage))()

    def value(self) -> Any:
        return self._random.choice(VALUES)

    def some(self, given: dict[str, Any]) -> dict[str, Any]:
        """In the place of what the page would give: none to all of it are odd, and sometimes there is more."""
        odd = self._random.choice((0.0, 0.1, 0.1, 1.0))
        values = {name: self.value() if self._random.random() < odd else value for name, value in given.items()}
        more = self._random.choice((0, 0, 1, 3))
        return values | {self._random.choice(NAMES): self.value() for _ in range(more)}

    def part(self) -> Any:
        return self._random.choice((*self._forms, *ASKS, "x", self.value()))

    def posted(self, where: str, data: list[Any]) -> Call:
        """Sometimes too few or too many."""
        more = self._random.choice((0, 0, 0, 0, 0, 0, -1, 1))
        data = data[:more] if more < 0 else data + [self.value()] * more
        return json_call(f"{API}/{where}", {"data": data, "session_hash": self.session()})

    def ask(self) -> Call:
        part = self.part()
        named = part if isinstance(part, str) else ""
        what = self._random.choice((*ASKS.get(named, ("cost",)), "cost"))
        form = self._forms.get(named, dict.fromkeys(self._random.sample(NAMES, 4), 1))
        values = self.value() if self._random.random() < 0.1 else self.some(form)
        what = self.value() if self._random.random() < 0.05 else what
        return json_call("/ask", {"part": part, "what": what, "values": values, "page": self.session()})

    def run(self) -> Call:
        part = self.part()
        values = self.some(self._forms.get(part if isinstance(part, str) else "", {}))
        if self._random.random() < 0.1:
            values = self._random.choice((self.value(), {"resume": self.value()}))
        return json_call("/run", {"part": part, "values": values, "page": self.session(), "number": 1})

    def join(self) -> Call:
        index = self._random.choice((0, 1, 2, 3, -1, 10**6, "x", None))
        content = {"data": list(self.some(self._run).values()), "fn_index": index, "session_hash": self.session()}
        return json_call(f"{API}/queue/join", content | {"event_data": self.value(), "trigger_id": self.value()})

    def script(self) -> Call:
        name = self._random.choice((*RUNS, *RUNS, "cost", "x"))
        return self.posted(f"call/{name}", list(self.some(self._run).values())[: len(self._run)])

    def script_v2(self) -> Call:
        return json_call(f"{API}/call/v2/{self._random.choice(RUNS)}", self.some(self._run))

    def file(self) -> Call:
        secret = self._random.choice(SECRETS)
        forms = (
            secret,
            quote(secret, safe=""),
            quote(quote(secret, safe=""), safe=""),
            "../" * 12 + secret.lstrip("/"),
            quote("../" * 12 + secret.lstrip("/"), safe="").replace(".", "%2e"),
            str(ROOT / "ui" / "web" / "player") + "/../../../" + secret,
            secret + "%00.png",
            "file://" + secret,
            "http://127.0.0.1:1/" + secret,
            "http:" + secret,
            "\\..\\" + secret,
        )
        prefix = self._random.choice((f"{API}/file=", f"{API}/file/", "/file=", "/static/", "/assets/", "/svelte/"))
        path = prefix + self._random.choice(forms)
        return Call(self._random.choice(("GET", "GET", "HEAD")), re.sub(r"[\s\0]", "_", path))

    def path(self) -> Call:
        method = self._random.choice(("GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"))
        return Call(method, self._random.choice(PATHS))

    def cancel(self) -> Call:
        content = {"session_hash": self.session(), "fn_index": self.value(), "event_id": self.value()}
        return json_call(f"{API}/{self._random.choice(('cancel', 'reset'))}", content)

    def garbage(self) -> Call:
        body = self._random.choice(
            (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'{"data":' * 2000, os.urandom(300))
        )
        kind = self._random.choice(
            ("application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "")
        )
        names = (f"{API}/{name}" for name in ("queue/join", "call/sample", "component_server", "upload", "cancel"))
        return Call("POST", self._random.choice(("/ask", "/run", *names)), body, {"Content-Type": kind})

    def session(self) -> Any:
        return self._random.choice(("a1", "b2", "c3", "x" * 3000, None, 5, "../x", ""))
