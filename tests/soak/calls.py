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
PARTS = sorted(folder.name for folder in (ROOT / "ui/web/parts").iterdir() if folder.is_dir())

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
SECRETS += (str(ROOT / "app.py"), str(ROOT / "ui" / "serving" / "gate.py"))
RUNS = ("sample", "trajectory")  # what scripts ask for
# Questions of the page, with the names of their values.
ASKS = {
    "engine": ("models", "facts", "pace", "emoji", "stop", "run", "room", "x"),
    "course": ("cards",),
    "train": ("follow",),
}
NAMES = ("ref", "run", "kind", "page", "path", "picture", "text", "checkpoint", "name", "size")
NAMES += ("pixels", "schedule", "t", "seed", "folder", "visitor", "chosen", "what", "number", "version")
NAMES += ("refs", "lanes", "lane", "seeds", "clip", "touch", "sources", "methods", "corners", "graft", "labels", "from")
LANE: dict[str, Any] = {"checkpoint": "cifar10-tiny", "facts": "", "steps": 3, "sampler": "ddpm", "variance": "beta"}


def lanes(checkpoint: str = "cifar10-tiny", steps: int = 3, count: int = 1) -> dict[str, Any]:
    """Return what the page asks of Watch."""
    lane = LANE | {"checkpoint": checkpoint, "steps": steps}
    return {"lanes": [lane], "seeds": [*range(count)], "clip": None, "attention": False, "touch": []}


_ROWS: dict[str, Any] = {"lane": LANE, "clip": None}
_SOURCE = {"seed": 1, "own": ""}
RUN: dict[str, dict[str, Any]] = {  # what it asks of a part; of one that is not here, only odd values
    "watch": lanes(),
    "compare": lanes() | {"lanes": [LANE, LANE]},
    "grid": lanes() | {"lanes": [LANE] * 4},
    "sketch": lanes(),
    "latents": _ROWS | {"sources": [_SOURCE], "times": [500], "seeds": [1], "weights": []},
    "repair": _ROWS | {"source": _SOURCE, "task": "grey", "methods": ["ddnm"], "seeds": [1], "hidden": ""},
    "between": _ROWS | {"corners": ["a", "b", "c", "d"], "seed": 1},
    "network": _ROWS | {"seed": 1, "block": "middle", "cut": [], "graft": None, "first": 1, "last": 0, "place": None},
    "likelihood": {"checkpoint": "cifar10-tiny", "picture": "", "count": 1, "labels": None},
    "fetch": {"refs": ["cifar10-tiny"]},
}
SCRIPT: dict[str, Any] = {  # a run of a script, in the order of its values
    **{"checkpoint": "cifar10-tiny", "sampler": "ddpm", "steps": 3, "spacing": "auto", "variance": "beta_tilde"},
    **{"eta": 0, "clip": None, "seed": 13, "count": 1, "label": "any", "guidance": None, "prompt": "", "negative": ""},
}


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
    """Makes calls, from a seed."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)

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
        return self._random.choice((*PARTS, *ASKS, "x", self.value()))

    def posted(self, where: str, data: list[Any]) -> Call:
        """Sometimes too few or too many."""
        more = self._random.choice((0, 0, 0, 0, 0, 0, -1, 1))
        data = data[:more] if more < 0 else data + [self.value()] * more
        return json_call(f"{API}/{where}", {"data": data, "session_hash": self.session()})

    def ask(self) -> Call:
        part = self.part()
        named = part if isinstance(part, str) else ""
        what = self._random.choice((*ASKS.get(named, ()), "x"))
        usual = dict.fromkeys(self._random.sample(NAMES, 4), 1)
        values = self.value() if self._random.random() < 0.1 else self.some(usual)
        what = self.value() if self._random.random() < 0.05 else what
        return json_call("/ask", {"part": part, "what": what, "values": values, "page": self.session()})

    def run(self) -> Call:
        part = self.part()
        values = self.some(RUN.get(part if isinstance(part, str) else "", {}))
        if values.get("lanes") and self._random.random() < 0.5:
            values["lanes"] = [self.some(LANE)]
        if self._random.random() < 0.1:
            values = self._random.choice((self.value(), {"resume": self.value()}))
        return json_call("/run", {"part": part, "values": values, "page": self.session(), "number": 1})

    def join(self) -> Call:
        index = self._random.choice((0, 1, 2, 3, -1, 10**6, "x", None))
        content = {"data": list(self.some(SCRIPT).values()), "fn_index": index, "session_hash": self.session()}
        return json_call(f"{API}/queue/join", content | {"event_data": self.value(), "trigger_id": self.value()})

    def script(self) -> Call:
        name = self._random.choice((*RUNS, *RUNS, "x"))
        return self.posted(f"call/{name}", list(self.some(SCRIPT).values())[: len(SCRIPT)])

    def script_v2(self) -> Call:
        return json_call(f"{API}/call/v2/{self._random.choice(RUNS)}", self.some(SCRIPT))

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
