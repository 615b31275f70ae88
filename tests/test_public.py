"""A public page as a stranger meets it, behind a proxy with a root path: one server for all of these tests."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import browser, page  # noqa: F401
from gradio_client import Client
from gradio_client.exceptions import AppError
from ui.runs.warmup import Warmup

import ui
from benchmarks import fuzz
from ui.limits import ServerLimits
from ui.models import Models

LIMITS = ServerLimits(run_tflop=1, upload_mb=0.5, upload_megapixels=1)


@pytest.fixture(scope="module")
def served():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Models, "refresh", lambda self: None)  # asks the Hub
        warmups, start = [], Warmup.start
        patch.setattr(Warmup, "start", lambda self: warmups.append(self) or start(self))
        demo = ui.build("cifar10-tiny", public=True, limits=LIMITS)
        ui.launch(demo, prevent_thread_lock=True, root_path="/lab")
        assert warmups[0].ready.wait(120)
        yield demo
        demo.sweeper.stop()
        demo.close()


@pytest.fixture(scope="module")
def port(served):
    return served.server_port


def test_calls_do_not_fill_the_memory_with_the_state_of_pages(served):
    for i in range(ui.SESSIONS + 5):
        served.state_holder[f"page {i}"]  # as gradio does for each
    assert len(served.state_holder.session_data) <= ui.SESSIONS


def test_no_event_needs_the_state_of_a_page(served):
    """So that it may be dropped at any time: no gr.State, and no value is compared with what a component was told."""
    assert not any(block.stateful for block in served.blocks.values())
    checked = {type(input).__name__ for fn in served.fns.values() if fn.preprocess for input in fn.inputs}
    assert checked <= {"Textbox", "Api"}


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


def test_a_run_in_a_browser_behind_the_proxy(page, proxy):  # noqa: F811
    page.set_default_timeout(120_000)  # six connections for all that a page asks
    page.goto(proxy)
    page.fill("#steps input[type=number]", "5")
    page.press("#steps input[type=number]", "Tab")
    page.click("#run")
    page.wait_for_selector(".ddpm-player[data-state=finished][data-frames='5']")
    assert "From the list" in page.inner_text("#controls") and "Hub id" not in page.inner_text("#controls")
    page.fill("#steps input[type=number]", "500")
    page.press("#steps input[type=number]", "Tab")
    page.click("#run")
    page.wait_for_selector(".ddpm-player[data-state=error]")
    assert "(limit: run_tflop = 1)" in page.inner_text(".status-text")


def test_strangers_get_no_other_checkpoint_and_no_large_run(port):
    client = Client(f"http://127.0.0.1:{port}/", verbose=False)
    for wrong, sentence in (
        ({"steps": 1000, "count": 16}, "(limit: run_tflop = 1)"),
        ({"checkpoint": "owner/name"}, "checkpoints of its list only"),
        ({"checkpoint": "/etc"}, "checkpoints of its list only"),
        ({"checkpoint": "google/ddpm-ema-church-256@refs/pr/1"}, "no other revision"),
    ):
        with pytest.raises(AppError) as refusal:
            client.predict(**{"steps": 2, "count": 1, **wrong}, api_name="/sample")
        assert sentence in str(refusal.value)


def test_health(port):
    answer = fuzz.send(port, fuzz.Call("GET", "/health"))
    assert answer.status == 200 and json.loads(answer.text)["status"] == "ok"


def test_uploads_are_limited_and_reach_only_who_knows_their_path(port):
    def upload(content, name="x.png"):
        head = f'--e\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        headers = {"Content-Type": "multipart/form-data; boundary=e"}
        call = fuzz.Call("POST", "/gradio_api/upload", head + content + b"\r\n--e--\r\n", headers)
        return fuzz.send(port, call)

    assert upload(bytes(600_000)).status == 413
    assert upload(bytes(900_000)).status == 413
    (path,) = json.loads(upload(b"mine", "../../mine.txt").text)
    folder = Path(path)
    assert folder.name == "mine.txt" and folder.parents[1] == Path(fuzz.os.environ["GRADIO_TEMP_DIR"])
    assert folder.parents[1].stat().st_mode & 0o777 == 0o700
    assert fuzz.send(port, fuzz.Call("GET", f"/gradio_api/file={path}")).text == "mine"
    for guess in (folder.parent, folder.parents[1], folder.parents[1] / "mine.txt", folder.with_name("other.txt")):
        assert fuzz.send(port, fuzz.Call("GET", f"/gradio_api/file={guess}")).status == 403


def test_no_file_route_gives_what_is_outside(port):
    fuzzing = fuzz.Fuzz(json.loads(fuzz.send(port, fuzz.Call("GET", "/config")).text), seed=0)
    for _ in range(60):
        call = fuzzing.file()
        answer = fuzz.send(port, call)
        assert answer.status in (400, 403, 404, 405), call
        assert fuzz.judged(call, answer) == "", call


def test_random_calls_are_answered(port):
    """A few of those of `python -m benchmarks fuzz`."""
    fuzzing = fuzz.Fuzz(json.loads(fuzz.send(port, fuzz.Call("GET", "/config")).text), seed=4)
    for _ in range(150):
        call = fuzzing.call()
        assert fuzz.judged(call, fuzz.send(port, call)) == "", call
