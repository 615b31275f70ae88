"""A public page as a stranger meets it, behind a proxy with a root path: one server for all of these tests."""

import html
import http.client
import io
import json
import os
import re
import resource
import shutil
import socket
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
import toylab
from browser import served
from gradio.context import LocalContext
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from soak import fuzz
from soak.calls import Call, Fuzz, page_data
from test_strangers import answered, got, messages, told
from toylab import wait_for

import ui
from ui import web
from ui.export import link_preview
from ui.machine import zero_gpu
from ui.machine.limits import ServerLimits
from ui.serving import api

LIMITS = ServerLimits(run_tflop=1)
API = "/gradio_api"


@pytest.fixture(scope="module")
def app(torch_page):
    with served("cifar10-tiny", public=True, limits=LIMITS, launch={"root_path": "/lab"}) as app:
        assert app.warmup.ready.wait(240)
        yield app


@pytest.fixture(scope="module")
def port(app):
    return app.server.port


def asked(port, part, what, values):
    return told(port, {"part": part, "what": what, "values": values, "page": "a page"})


def test_calls_do_not_fill_the_memory_with_the_state_of_pages(app):
    gradios = app.api.result()
    for i in range(api.SESSIONS + 5):
        gradios.state_holder[f"page {i}"]  # as gradio does for each
    assert len(gradios.state_holder.session_data) <= api.SESSIONS
    assert not any(block.stateful for block in gradios.get_blocks().blocks.values())  # so it may be dropped at any time


def test_a_page_that_nobody_uses_leaves_the_processor_alone(app):
    """gradio's queue alone would look a thousand times a second whether there is anything to do."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    time.sleep(0.5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before < 100


# --- The page and its files


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"Host": "lab.example"}, "http://lab.example/lab"),
        (
            {"Host": "inside", "X_Forwarded_Host": "lab.example", "X_Forwarded_Proto": "https"},
            "https://lab.example/lab",
        ),
        ({"Host": 'a"><script>alert(1)</script>'}, None),
    ],
)
def test_the_first_html_says_what_it_is_and_how_a_link_to_it_looks(headers, base, port):
    status, text, sent = got(port, "GET", "/", **headers)
    assert "<script>alert" not in text
    if base is None:
        return
    assert status == 200 and sent["cache-control"] == "no-store"
    assert "Watch noise become a picture, one step at a time" in text.split("<script type=")[0]
    tags = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', text))
    assert tags["title"] == "DDPM Lab" and tags["description"].endswith(".")
    assert tags["image"] == f"{base}/preview.png?"
    assert f'<link rel="canonical" href="{base}/">' in text
    page_data(text)


def test_beside_a_link_stands_what_its_run_ends_with(port, monkeypatch):
    def linked(query):
        tag = re.search(r'og:image" content="([^"]*)"', got(port, "GET", f"/?{query}")[1])
        assert tag
        path = html.unescape(tag[1]).partition("/lab")[2]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.read()

    run = linked("tab=watch&seed=5&steps=2&count=1&label=3")
    assert Image.open(io.BytesIO(run)).size == (1200, 630)
    assert run == linked("seed=5&steps=2&count=1&label=3") != linked("seed=6&steps=2&count=1&label=3")
    usual = (web.FILES / "icons/preview.png").read_bytes()
    others = ("", "seed=-1", "tab=plane&seed=5", "tab=nowhere&x=y", "checkpoint=nowhere", "steps=1000&count=16")
    for query in (*others, "lesson=which-noise&steps=1&count=1"):
        assert linked(query) == usual, query
    monkeypatch.setattr(link_preview, "PATIENCE", 0.0)
    assert linked("tab=watch&seed=5&steps=2&count=1&label=3") == usual


def test_an_error_without_a_reason_names_no_folder(app, monkeypatch):
    def refused(values):
        raise shutil.Error([("/secret/a", "/secret/b", "[Errno 5] Input/output error")])

    monkeypatch.setitem(app.parts["course"].questions, "cards", refused)
    assert app.ask("course", "cards", {}) == {"error": "The system refused it: Error"}


def test_every_file_that_the_page_names_is_served_and_kept_for_good(port):
    _, text, _ = got(port, "GET", "/")
    named = set(re.findall(r'(?:src|href)="(web/[^"]+)"', text))
    assert len(named) >= 5
    for path in named:
        status, _, headers = got(port, "GET", f"/{path}")
        assert status == 200 and headers["cache-control"] == "public, max-age=31536000, immutable", path
    _, _, headers = got(
        port, "GET", "/web/0123456789ab/parts/compare/mount.js"
    )  # of a page that was loaded before an update
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name",
    [
        *("__init__.py", "../server.py", "..%2fserver.py", "%2e%2e/server.py", "node_modules/typescript/package.json"),
        *("tests/page.test.js", "package.json", "tsconfig.json", "biome.json", "index.html", "login.html", "x", "//x"),
    ],
)
def test_no_other_file_is_served(name, port):
    assert got(port, "GET", f"/web/{web.version()}/{name}")[0] in (404, 405)


@pytest.mark.parametrize("path", ["/", "/app.webmanifest", f"/web/{web.version()}/page.js", "/health"])
def test_the_head_of_what_there_is(path, port):
    status, text, headers = got(port, "HEAD", path)
    assert status == 200 and not text and headers["content-type"]


@pytest.fixture(scope="module")
def proxy(port):
    """The address of the page behind a proxy, which takes the root path off."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self):
            if not self.path.startswith("/lab/"):
                return self.send_error(404)
            inside = http.client.HTTPConnection("127.0.0.1", port)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            inside.request(self.command, self.path.removeprefix("/lab"), body, dict(self.headers))
            answer = inside.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while block := answer.read1(1 << 16):
                self.wfile.write(block)
                self.wfile.flush()
            inside.close()

        do_GET = do_POST = do_HEAD = forward

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/lab/"
    server.shutdown()


def test_runs_in_a_browser_behind_the_proxy(page, proxy):
    page.set_default_timeout(120_000)  # six connections for all that a page asks
    asked = urlencode({"checkpoint": "cifar10-tiny", "steps": 5, "count": 1})
    page.goto(f"{proxy}?{asked}")
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    page.click(".part-watch .run")
    page.wait_for_selector(".part-watch[data-state=finished] .ddpm-player[data-frames='5']")
    page.fill(".part-watch [data-name=steps] input:not([type=range])", "500")
    page.press(".part-watch [data-name=steps] input:not([type=range])", "Tab")
    page.wait_for_selector(".part-watch :text('(limit: run_tflop = 1)'):visible")
    assert "Hub id" not in page.inner_text("body")


# --- What strangers may


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"steps": 1000, "count": 16}, "(limit: run_tflop = 1)"),
        ({"checkpoint": "/etc"}, "only the checkpoints of its list"),
    ],
)
def test_strangers_get_no_other_checkpoint_and_no_large_run(wrong, sentence, port):
    values = {"checkpoint": "cifar10-tiny", "steps": 2, "count": 1, **wrong}
    (*_, last) = messages(port, "watch", values)
    assert last["state"] == "error" and sentence in last["text"]
    with pytest.raises(AppError) as refusal:
        Client(f"http://127.0.0.1:{port}/", verbose=False).predict(**values, api_name="/sample")
    assert sentence in str(refusal.value)


def test_strangers_follow_no_folder(port):
    error = "Only a page on your own computer follows a folder"
    assert asked(port, "train", "follow", {"path": "."}) == {"error": error}


def test_the_page_is_there_before_gradio_and_who_asks_for_that_waits(torch_page):
    app, listening, is_open = ui.build("cifar10-tiny"), socket.create_server(("127.0.0.1", 0)), threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.warmup, "start", lambda: None)
        thread = threading.Thread(target=ui.launch, args=(app, listening), kwargs={"opened": is_open.set})
        thread.start()
        assert is_open.wait(20)
        asks = {"part": "engine", "what": "emoji", "values": {}}
        assert got(app.server.port, "GET", "/")[0] == 200 and told(app.server.port, asks)
        assert not app.api.done()
        assert "/sample" in got(app.server.port, "GET", f"{API}/info")[1]
        thread.join()
    assert ui.close(app)


def test_a_file_of_a_run_reaches_only_who_knows_its_path(app, port):
    path = app.api.result().keep(b"mine", "../../mine.txt")
    folder = Path(path)
    assert folder.name == "mine.txt" and folder.parents[1] == Path(os.environ["GRADIO_TEMP_DIR"])
    assert folder.parents[1].stat().st_mode & 0o777 == 0o700
    assert fuzz.send(port, Call("GET", f"{API}/file={path}")).text == "mine"
    for guess in (folder.parent, folder.parents[1], folder.parents[1] / "mine.txt", folder.with_name("other.txt")):
        assert fuzz.send(port, Call("GET", f"{API}/file={guess}")).status == 403


# --- Hostile calls


@pytest.mark.parametrize("odd", [None, 10**40, "x" * 5000, [], {"a": 1}], ids=lambda odd: repr(odd)[:20])
def test_whatever_the_page_asks_is_answered(odd, port):
    """{} or a sentence; a part or a question that is none, and values that are none."""
    for part, what, values in (
        (odd, "pace", {}),
        ("engine", "pace", {"refs": odd or None}),
        ("watch", odd, {}),
        ("engine", odd, {}),
        ("engine", "stop", {"run": odd}),
    ):
        if isinstance(part, str) and isinstance(what, str):
            answer = asked(port, part, what, values)
            assert answer["error"] and "\n" not in answer["error"], (part, what)
        else:
            assert got(port, "POST", "/ask", {"part": part, "what": what, "values": values})[0] == 422
    for content in ({"part": odd, "values": {}}, {"part": "watch", "values": odd}, odd):
        status, found = answered(port, content)
        assert 400 <= status < 500 or found[-1]["state"] in ("finished", "error"), content


def test_a_request_that_is_overtaken_by_a_newer_one_does_not_stop_its_run(port):
    """As on a busy machine: Run is pressed again before the first request has arrived."""
    values = toylab.asked(checkpoint="cifar10-tiny", steps=1)
    asked = {"part": "watch", "values": values, "page": "overtaken", "load": "x"}
    for number, state in ((2, "finished"), (1, "stopped"), (3, "finished")):
        _, (*_, last) = answered(port, asked | {"number": number})
        assert last["state"] == state


@pytest.mark.parametrize("script", [False, True])
def test_on_zerogpu_a_run_bears_the_request_that_tells_whose_quota_it_uses(port, script, monkeypatch):
    """As the package `spaces` reads it there, in the run's thread."""
    tokens = []

    def noted(*_):
        tokens.append(LocalContext.request.get().headers.get("x-ip-token"))
        yield from ()

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(zero_gpu, "on_gpu", noted)
    values = {"checkpoint": "cifar10-tiny", "steps": 1, "count": 1}
    if script:
        answer = got(port, "POST", f"{API}/call/v2/sample", values, X_IP_Token="me")
        got(port, "GET", f"{API}/call/sample/{json.loads(answer[1])['event_id']}")
    else:
        got(port, "POST", "/run", {"part": "watch", "values": toylab.asked(**values)}, X_IP_Token="me")
    assert tokens == ["me"]


def test_an_event_whose_listener_has_gone_ends_alone(app, port, monkeypatch):
    """gradio's queue would end with it, and refuse everybody with 503."""
    queue = app.api.result().get_blocks()._queue
    monkeypatch.setattr(queue, "sleep_when_free", 1.0)  # it looks no more for a while
    time.sleep(0.1)
    for _ in range(2):
        got(port, "POST", f"{API}/call/v2/sample", {"steps": 1, "count": 1})
    queue.pending_messages_per_session.clear()
    wait_for(lambda: not len(queue))
    monkeypatch.undo()
    assert not queue.stopped
    Client(f"http://127.0.0.1:{port}/", verbose=False).predict(steps=1, count=1, api_name="/sample")


def test_no_file_route_gives_what_is_outside(port):
    fuzzing = Fuzz(seed=0)
    for _ in range(60):
        call = fuzzing.file()
        answer = fuzz.send(port, call)
        assert answer.status in (400, 403, 404, 405), call
        assert fuzz.judged(call, answer) == "", call


def test_random_calls_are_answered(port):
    """A few of those of tests/soak."""
    fuzzing = Fuzz(seed=4)
    for _ in range(150):
        call = fuzzing.call()
        assert fuzz.judged(call, fuzz.send(port, call)) == "", call
