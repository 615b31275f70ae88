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

ROOT = Path(__file__).resolve().parents[1]
API = "/gradio_api"

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**40, 1.5, -0.0, 1e308, "NaN", "Infinity"),
    *("", " ", "cifar10-tiny", "google/ddpm-ema-church-256", "a/b", "../../etc/passwd", "/etc/passwd", "~", "a\0b"),
    *("ddpm", "ddim", "beta", "beta_tilde", "learned_range", "linspace", "cat", "any", "42", "1" * 400, "x" * 5000),
    *("<script>alert(1)</script>", "${7*7}", "{{7*7}}", "'; drop table", "\u202e", "😀" * 50, "\ud800"),
    *([], {}, [[]], [None] * 40, {"path": "/etc/passwd"}, {"path": "x", "meta": {"_type": "gradio.FileData"}}),
    *({"__type__": "update"}, {"url": "http://127.0.0.1:1/", "path": None}, {"name": "cat"}, {"size": 32, "seed": 1}),
    {"size": 2, "pixels": base64.b64encode(bytes(12)).decode(), "schedule": "linear", "t": 5, "seed": 0},
    {"size": 128, "pixels": "!", "schedule": "none", "t": -1, "seed": 2**70},
)
PATHS = (
    *("/", "/config", "/health", "/theme.css", "/robots.txt", "/manifest.json", "/monitoring", "/monitoring/summary"),
    *(
        "/docs",
        "/openapi.json",
        "/redoc",
        "/svelte/x",
        "/assets/x",
        "/static/x",
        "/runs",
        "/login",
        "/logout",
        "/queue",
    ),
    *(f"{API}/{name}" for name in ("info", "openapi.json", "app_id", "user", "token", "login_check", "startup-events")),
    *(f"{API}/{name}" for name in ("queue/status", "queue/data?session_hash=x", "upload_progress?upload_id=x")),
    *(f"{API}/{name}" for name in ("deep_link?session_hash=x", "proxy=http://127.0.0.1/", "vibe-code", "vibe-edit")),
    *(f"{API}/{name}" for name in ("process_recording", "dev/reload", "profiling/traces", "run-history/records")),
    *(
        f"{API}/{name}"
        for name in ("stream/x/y/1/playlist.m3u8", "stream/x/y/1/playlist-file", "custom_component/a/b/c/d")
    ),
)
SECRETS = (
    "/etc/passwd",
    "/proc/self/environ",
    str(ROOT / "app.py"),
    str(ROOT / "ui" / "gate.py"),
    ".git/config",
    "app.py",
)


# A short run, by the names of the endpoints' parameters.
RUN = {
    **{
        "checkpoint": "cifar10-tiny",
        "sampler": "ddpm",
        "steps": 3,
        "spacing": "linspace",
        "variance": "beta",
        "eta": 0,
    },
    **{"clip": True, "seed": 7, "count": 1, "label": "any", "guidance": 1},
}
RUNS = ("sample", "trajectory")


class Call(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012, never changed


def json_call(path: str, content: Any) -> Call:
    return Call("POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"})


class Fuzz:
    """Makes calls, from a seed. config: what the page says of itself."""

    def __init__(self, config: dict[str, Any], seed: int):
        self._random = random.Random(seed)
        self._events = [one for one in config["dependencies"] if one["api_name"]]
        self._components = [one["id"] for one in config["components"]]
        self._html = [one["id"] for one in config["components"] if one["type"] == "html"]
        self._given = {one["id"]: one["props"].get("value") for one in config["components"]}
        serves = [(one["id"], one["props"].get("server_fns") or ()) for one in config["components"]]
        self._served = [(component, name) for component, names in serves for name in names]

    def call(self) -> Call:
        makers = (self.run, self.run, self.join, self.call_v1, self.call_v2, self.server, self.server, self.upload)
        return self._random.choice((*makers, self.file, self.file, self.path, self.cancel, self.garbage))()

    def value(self) -> Any:
        return self._random.choice(VALUES)

    def values(self, given: list[Any]) -> list[Any]:
        """In the place of what the page would give: none to all of it are odd, and sometimes the number of values."""
        odd = self._random.choice((0.0, 0.1, 0.1, 1.0))
        values = [self.value() if self._random.random() < odd else value for value in given]
        more = self._random.choice((0, 0, 0, 0, -1, 1, 20))
        return values[:more] if more < 0 else values + [self.value() for _ in range(more)]

    def inputs(self, event: dict[str, Any]) -> list[Any]:
        """What the page gives to an event at first."""
        return list(RUN.values()) if event["api_name"] in RUNS else [self._given.get(one) for one in event["inputs"]]

    def run(self) -> Call:
        event = self._random.choice(self._events)
        content = {"data": self.values(self.inputs(event)), "session_hash": self.session()}
        return json_call(f"{API}/run/{event['api_name']}", content)

    def join(self) -> Call:
        event = self._random.choice(self._events)
        index = self._random.choice((event["id"], event["id"], -1, 10**6, "x", None))
        content = {"data": self.values(self.inputs(event)), "fn_index": index, "session_hash": self.session()}
        return json_call(f"{API}/queue/join", content | {"event_data": self.value(), "trigger_id": self.value()})

    def call_v1(self) -> Call:
        name = self._random.choice((*RUNS, *RUNS, "describe", "x"))
        return json_call(f"{API}/call/{name}", {"data": self.values(list(RUN.values()))})

    def call_v2(self) -> Call:
        odd = {name: self.value() for name in (*RUN, "oddity") if self._random.random() < 0.1}
        return json_call(f"{API}/call/v2/{self._random.choice(RUNS)}", RUN | odd)

    def server(self) -> Call:
        component = self._random.choice((*self._html, self._random.choice(self._components), -1, "x", None))
        function = self._random.choice(("__init__", "load", "_id", "postprocess"))
        if self._served and self._random.random() < 0.7:
            component, function = self._random.choice(self._served)
        content = {"component_id": component, "fn_name": function, "session_hash": self.session()}
        return json_call(f"{API}/component_server", content | {"data": self.value()})

    def upload(self) -> Call:
        name = self._random.choice(
            ("x.png", "../../x.png", "..\\x", "a\0b.png", "/etc/passwd", "x" * 300, "", "é.svg", ".")
        )
        content = self._random.choice((b"", b"\x89PNG\r\n\x1a\n" + bytes(50), b"<svg onload='1'/>", os.urandom(2000)))
        field = self._random.choice(("files", "files", "file", ""))
        head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        body = head.encode("utf-8", "replace") + content + b"\r\n--edge--\r\n"
        if self._random.random() < 0.2:
            body = body[: self._random.randrange(len(body))]
        where = self._random.choice((f"{API}/upload", f"{API}/upload?upload_id=a", f"{API}/process_recording"))
        return Call("POST", where, body, {"Content-Type": "multipart/form-data; boundary=edge"})

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
        event = self._random.choice(self._events)["api_name"]
        where = self._random.choice(
            (f"run/{event}", "queue/join", "call/sample", "component_server", "upload", "cancel")
        )
        return Call("POST", f"{API}/{where}", body, {"Content-Type": kind})

    def session(self) -> Any:
        return self._random.choice(("a1", "b2", "c3", "x" * 3000, None, 5, "../x", ""))
