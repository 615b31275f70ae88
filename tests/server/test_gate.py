"""The gate of the server, private temporary files, and what is counted and logged."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import anyio.to_thread
import pytest
import test_jobs
import toylab
from browser import run_async
from fastapi import Response
from fastapi.testclient import TestClient
from test_files import held_elsewhere

import app as command
import ui
from ddpm_core.disk import in_use
from ui.machine import temporary_files
from ui.machine.event_log import EventLog, Lines
from ui.machine.limits import Places, Refused, ServerLimits
from ui.machine.turns import Turns
from ui.runs import jobs, visitors
from ui.serving import api, connections, gate, server
from ui.serving.gate import FILES_OF_ONE, MAX_OTHER, MAX_REQUEST, VALUES, Gate
from ui.serving.origins import Origins


def gated(app, origins=None):
    """An app behind a gate that lets everybody in."""
    requests = Places(gate.CROWDED, gate.REQUESTS, gate.REQUESTS_OF_ONE)
    return Gate(app, EventLog(), origins or Origins(any_host=True), requests, lambda cookies: True)


def asked(method, path, body=b"", app=None, root_path="", receive=None):
    """(status, content) of a request, that an app behind the gate answers with 200."""
    sent = []

    async def inside(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    async def whole():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": root_path}
    run_async(gated(app or inside)(scope, receive or whole, send))
    return sent[0]["status"], sent[1]["body"]


# What gradio serves and the page does not need.
GRADIOS = ("openapi.json", "app_id", "user", "login_check", "token", "reset", "theme.css")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/config"),
        ("GET", "/app.webmanifest"),
        ("GET", "/web/0123456789ab/places/latents/grid.js"),
        ("GET", "/kept/0123456789abcdef"),
        ("GET", "/essay"),
        ("GET", "/figure"),
        ("GET", "/checkpoints/mnist-tiny/diffusion_pytorch_model.safetensors"),
        ("GET", "/checkpoints/emoji-tiny-3-steps/unet/config.json"),
        ("POST", "/login"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/file=/tmp/ddpm-lab-tmp-0/x.png"),
        ("GET", "/gradio_api/file=C:/Users/me/AppData/Local/Temp/ddpm-lab-tmp-0/x.png"),
        ("GET", "/gradio_api/file=c:\\Users\\me\\x.png"),  # as gradio_client asks
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/ask"),
        ("POST", "/run"),
        ("POST", "/gradio_api/call/sample"),
        ("GET", "/gradio_api/call/sample/0123abcd"),
        ("GET", "/gradio_api/heartbeat/k2fe0"),
    ],
)
def test_what_the_page_needs_comes_in(method, path):
    assert asked(method, path) == (200, b"inside")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=https://example.com/x"),
        ("GET", "/gradio_api/file=\\\\host\\share\\x"),
        ("GET", "/gradio_api/file=C:/x/http://example.com"),
        ("GET", "/gradio_api/file=C:x"),
        ("GET", "/gradio_api/proxy=https://example.com"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/run/sample"),
        ("GET", "/run"),
        ("GET", "/monitoring"),
        ("DELETE", "/"),
        ("GET", "/gradio_api/file=/a\0b"),
        ("GET", "/gradio_api/file=/" + "x" * 3000),
        ("GET", "/static/..\\secret"),
        ("GET", "/assets/index-ab.js"),
        ("GET", "/web/0123456789ab/..\\secret"),
        ("GET", "/checkpoints/cifar10-tiny/config.json"),
        ("GET", "/checkpoints/mnist-tiny/README.md"),
        ("GET", "/checkpoints/mnist-tiny/../secret.json"),
        *((method, f"/gradio_api/{name}") for name in GRADIOS for method in ("GET", "POST")),
    ],
)
def test_everything_else_stays_outside(method, path):
    status, content = asked(method, path)
    assert status == 404 and json.loads(content) == {"detail": "There is nothing at this address"}


@pytest.mark.parametrize(
    ("path", "most", "said"),
    [
        *((path, MAX_REQUEST, "up to 1 MB are taken") for path in ("/ask", "/run")),
        *((path, MAX_OTHER, "up to 0.066 MB are taken") for path in ("/login", "/gradio_api/queue/join")),
    ],
)
def test_a_request_is_taken_up_to_a_size(path, most, said):
    assert asked("POST", path, bytes(most))[0] == 200
    found, content = asked("POST", path, bytes(most + 1))
    assert found == 413 and said in content.decode()


@pytest.mark.parametrize("path", ["/ask", "/gradio_api/call/sample"])
@pytest.mark.parametrize("one", [b",", b"[", b"{"])
def test_a_request_has_so_many_values(path, one):
    """Reading more takes long, and nobody is answered meanwhile."""
    found, content = asked("POST", path, one * (VALUES + 1))
    assert found == 413 and b"too many values: up to 25,000 are taken" in content
    assert asked("POST", path, b"x" + one * VALUES)[0] == 200


def test_few_have_what_runs_keep_at_once_and_an_address_leaves_places_to_others():
    """Each holds up to 30 MB until it has left."""
    begun, sent = [], []

    async def stays(scope, receive, send):
        begun.append(scope["client"][0])
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message.get("body"))

    async def ask():
        gate = gated(stays)
        scope = {"type": "http", "method": "GET", "path": "/kept/x"}
        addresses = "a" * (FILES_OF_ONE + 1) + "bc"
        tasks = [asyncio.create_task(gate(scope | {"client": (address, 1)}, None, send)) for address in addresses]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()

    run_async(ask())
    assert begun == [*"a" * FILES_OF_ONE, "b", "c"]
    (refused,) = filter(None, sent)
    assert b"too many files at once (at most 64, 16 of one address)" in refused


@pytest.mark.parametrize(
    ("path", "status", "sentence", "level"),
    [
        ("/ask", 500, "The app failed unexpectedly (KeyError): its log says more", "ERROR"),
        ("/gradio_api/queue/join", 400, "This request could not be understood", "INFO"),
    ],
)
def test_an_error_inside_is_our_fault_or_gradios_in_one_sentence_and_its_trace_is_in_the_log(
    path, status, sentence, level, caplog
):
    """What strangers send to gradio's routes runs into errors there, which nobody has to look at."""

    async def broken(scope, receive, send):
        raise KeyError("secret")

    caplog.set_level("INFO")
    assert asked("POST", path, app=broken) == (status, json.dumps({"detail": sentence}).encode())
    assert [record.levelname for record in caplog.records if record.exc_info] == [level]


def test_a_full_disk_is_one_sentence_without_its_trace(monkeypatch, caplog):
    async def full(scope, receive, send):
        await receive()
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/secret")
        except OSError as error:
            raise RuntimeError from error

    status, content = asked("POST", "/ask", app=full)
    assert status == 507 and json.loads(content) == {"detail": temporary_files.FULL}
    assert not any(record.exc_info for record in caplog.records)


def test_health_is_counts_also_behind_a_root_path():
    for path, root in (("/health", ""), ("/lab/health", "/lab")):
        status, content = asked("GET", path, root_path=root)
        assert status == 200
        assert json.loads(content)["status"] == "ok" and "finished" in json.loads(content)


# --- What is counted and logged


@pytest.fixture
def events(caplog):
    caplog.set_level(logging.INFO, "ddpm_lab")
    return lambda: [json.loads(Lines().format(r)) for r in caplog.records if getattr(r, "event", "") == "run"]


def watched(services):
    """The updates of a run of this lab."""
    return jobs.Job(toylab.sampling(services, test_jobs.SETTINGS), services).updates()


def test_a_run_is_counted_and_logged_without_anything_personal(events):
    services = toylab.toy_services()
    list(watched(services))
    assert services.events.read()["finished"] == 1 and services.events.here == 0
    (event,) = events()
    assert event["outcome"] == "finished" and event["steps"] == 10 and event["images"] == 2
    assert event["checkpoint"] == "another"  # its name was given by the visitor
    assert not {"seed", "session", "address", "ip"} & set(event)


def test_a_run_too_many_is_refused_with_the_limit(events):
    gate = test_jobs.Gate()
    services = toylab.toy_services(toylab.Models(gate), Turns(1, 1))
    *runs, third = (watched(services) for _ in range(3))
    assert "error" not in [next(run).state for run in runs]
    toylab.wait_for(lambda: len(services.turns) == 2)
    last = list(third)[-1]
    assert last.state == "error" and last.text.endswith("(limit: waiting_runs = 1)")
    assert events()[-1]["outcome"] == "refused" and events()[-1]["limit"] == "waiting_runs"
    for run in runs:
        run.close()
    for _ in range(20):
        gate.go.release()
    toylab.wait_for(lambda: not services.events.here)
    assert [event["outcome"] for event in events()[-2:]] == ["gone", "gone"]


def test_when_the_app_is_told_to_stop_runs_are_told_and_new_ones_refused(events):
    services = toylab.toy_services(toylab.Models(lambda x, t, labels: time.sleep(0.05) or x))
    run = watched(services)
    next(run)
    services.events.close(7)
    assert services.events.read()["status"] == "stopping"
    update = next(update for update in run if update.status == {"kind": "closing", "seconds": 7})
    assert update.state == "running"
    assert services.turns.stop_all(30)
    *_, last = run
    assert (last.state, last.status) == ("lost", {"kind": "closed"})
    assert events()[-1]["outcome"] == "stopped"
    (last,) = watched(services)
    assert last.state == "error" and "about to stop" in last.text
    assert events()[-1]["limit"] == "shutdown_seconds"


def test_the_app_ends_when_no_run_computes_or_says_that_one_does():
    """A step that takes long can't be stopped, and Python aborts when it ends while a thread computes."""
    gate = test_jobs.Gate()
    services = toylab.toy_services(toylab.Models(gate))
    _, thread = test_jobs.in_background(jobs.Job(toylab.sampling(services, test_jobs.SETTINGS), services))
    assert gate.entered.acquire(timeout=10)
    closed = []
    served = SimpleNamespace(close=lambda seconds: closed.append(len(services.turns)))
    warm = [True, False, True]
    warmup = SimpleNamespace(close=lambda seconds: warm.pop(0))
    app = SimpleNamespace(services=services, warmup=warmup, server=served, api=Future())
    assert not server.close(app, seconds=0.1)
    gate.go.release()
    assert not server.close(app)  # a model is being loaded
    assert server.close(app)
    thread.join(10)
    assert closed == [1, 0, 0]


def test_runs_that_do_not_end_and_the_rest_have_one_deadline(monkeypatch):
    """Docker kills the app ten seconds after it told it to stop."""
    now, said = [0.0], []

    def takes(timeout):
        now[0] += max(0.0, timeout)

    def stop_all(seconds):
        said.append(("runs stop", round(now[0])))
        takes(seconds)
        return False

    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=takes))
    services = SimpleNamespace(events=EventLog(), turns=SimpleNamespace(stop_all=stop_all))
    services.events.begin()
    served = SimpleNamespace(close=lambda seconds: said.append(("the server ends", now[0] + seconds)))
    warmup = SimpleNamespace(close=lambda seconds: said.append(("the warm-up ends", round(now[0] + seconds))))
    app = SimpleNamespace(services=services, warmup=warmup, server=served, api=Future())
    assert not server.close(app, 5, 2)
    assert said == [("runs stop", 5), ("the warm-up ends", 7), ("the server ends", 7.5)]


def test_sigterm_gives_runs_their_time_and_the_rest_a_second(monkeypatch):
    """Also while gradio is still being imported."""
    closed = []
    monkeypatch.setattr(ui, "build", lambda *_: SimpleNamespace(local_url=""))
    monkeypatch.setattr(ui, "close", lambda _, *given, **more: closed.append((given, more)) or True)
    for end in (command.Terminated, KeyboardInterrupt):
        monkeypatch.setattr(ui, "launch", Mock(side_effect=end))
        command.main(["--port", "0", "--limit", "shutdown_seconds=8"])
    assert closed == [((8, 1), {}), ((0, 5), {})]
    ends = [max(limits.shutdown_seconds for limits in (ServerLimits(), ServerLimits.public())), 1, server.LAST]
    assert sum([*ends, connections.LAST]) <= 9  # and Docker kills after 10


def test_the_command_does_not_wait_until_python_has_freed_everything():
    """That takes seconds with models in memory, and fails while a step still computes. What has to be done is done."""
    code = "import app, atexit, sys\nclass Model:\n    def __del__(self): print('freed')\n"
    code += "model = Model(); atexit.register(print, 'cleaned'); app.leave()"
    root = Path(temporary_files.__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (said.stdout, said.stderr, said.returncode) == ("cleaned\n", "", 0)
    assert re.search(r"\n    main\(\)\n    leave\(\)\n$", (root / "app.py").read_text())


def test_a_server_that_does_not_answer_itself_is_one_sentence(monkeypatch):
    def launch(**_):
        raise Exception("Couldn't start the app because 'http://127.0.0.1:7860/' failed (code 502).")

    closed, gradios = [], SimpleNamespace(launch=launch, events=SimpleNamespace(forgetting=None))
    monkeypatch.setattr(ui, "build", lambda *_: SimpleNamespace(local_url=""))
    monkeypatch.setattr(ui, "launch", lambda *_, **__: api.Api.join(gradios, None, None))
    monkeypatch.setattr(ui, "close", closed.append)
    with pytest.raises(SystemExit, match="a proxy stands before localhost"):
        command.main(["--port", "0"])
    assert len(closed) == 1


def test_with_log_json_everything_on_stderr_is_json():
    """Also what gradio and uvicorn print, warnings, and the error of a thread."""
    code = """
import logging, sys, threading, traceback, types, warnings
sys.modules["ui"] = m = types.ModuleType("ui"); m.__path__ = ["ui"]
from ui.machine import event_log as counts
counts.log_as_json()
from uvicorn import Config
Config(None, log_config=None, log_level="error")
logging.getLogger("uvicorn.error").error("an error")
warnings.warn("a warning")
print("half a ", end="", file=sys.stderr); print("line", file=sys.stderr)
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
thread = threading.Thread(target=lambda: {}["gone"]); thread.start(); thread.join()
counts.log_event("started", public=True)
"""
    root = Path(temporary_files.__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    text = " ".join(line.get("message", "") for line in lines)
    for part in ("an error", "a warning", "half a line", "ZeroDivisionError", "KeyError: 'gone'"):
        assert part in text, said.stderr
    assert lines[-1]["event"] == "started" and said.returncode == 0


# --- Temporary files


def test_the_folder_is_private_and_goes_with_the_process(tmp_path):
    begin = "from ui.machine import temporary_files; import os; f = temporary_files.use_private_folder(); "
    begin += "other = temporary_files.make_folder('train'); "
    code = begin + "print(f, oct(f.stat().st_mode)[-3:], other)"
    killed = begin + "os.kill(os.getpid(), 9)"
    root = Path(temporary_files.__file__).parents[2]
    stub = "import sys, types; sys.modules['ui'] = m = types.ModuleType('ui'); m.__path__ = ['ui'];"  # without gradio
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)}

    def process(code):
        command = [sys.executable, "-c", stub + code]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)

    process(killed)
    assert len(list(tmp_path.iterdir())) == 2
    said = process(code)
    folder, mode, other = said.stdout.split()
    assert Path(folder).parent == Path(other).parent == tmp_path and mode == "700", said.stderr
    assert list(tmp_path.iterdir()) == []  # nor what a killed process left


def test_old_files_go_and_then_the_oldest_until_the_rest_is_within_the_limit(tmp_path):
    demo = SimpleNamespace(GRADIO_CACHE=str(tmp_path), temp_file_sets=[set()])
    for number, age in enumerate((2 * temporary_files.AGE, 300, 200, 100)):
        path = tmp_path / str(number) / "x.png"
        path.parent.mkdir()
        path.write_bytes(bytes(100 if number == 1 else 4096))  # a file takes whole blocks
        os.utime(path, (time.time() - age,) * 2)
        demo.temp_file_sets[0].add(str(path))
    left = temporary_files.Sweeper(demo, 10_000).sweep()
    assert left == 8192
    assert sorted(path.parent.name for path in tmp_path.rglob("*.png")) == ["2", "3"]
    assert not demo.temp_file_sets[0]


def test_a_file_that_can_not_be_written_leaves_nothing_and_room_is_made_before(tmp_path, monkeypatch):
    """So the next, smaller one finds the disk as it was."""
    sweeper = temporary_files.Sweeper(SimpleNamespace(GRADIO_CACHE=str(tmp_path), temp_file_sets=[]), 10_000)
    first = sweeper.keep(bytes(4096), "x.png")
    os.utime(first, (time.time() - 100,) * 2)
    second, third = (sweeper.keep(bytes([n]) * 4096, "x.png") for n in (1, 2))
    assert not first.exists() and second.exists() and third.exists()
    assert third.read_bytes() == bytes([2]) * 4096

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = set(tmp_path.rglob("*.png"))
    with pytest.raises(OSError, match="No space"):
        sweeper.keep(b"x" * 2000, "x.png")
    assert set(tmp_path.rglob("*.png")) <= before


@pytest.mark.parametrize("back", [False, True])
def test_a_folder_that_somebody_has_deleted_is_private_and_held_again(back):
    """Also where it is there again, as gradio makes it: for all to read, and to be taken for left behind."""
    folder = temporary_files.make_folder("test")
    sweeper = temporary_files.Sweeper(SimpleNamespace(GRADIO_CACHE=str(folder), temp_file_sets=[]), 1e9)
    shutil.rmtree(folder)
    if back:
        folder.mkdir(mode=0o755)
    assert sweeper.keep(b"x", "x.png").read_bytes() == b"x"
    assert folder.stat().st_mode & 0o777 == 0o700
    with in_use.unused(folder) as is_unused:
        assert not is_unused
    shutil.rmtree(folder)
    sweeper.sweep()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_killed_apps_left_goes_and_what_this_one_has_made_stays():
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    training, users = temporary_files.make_folder("train"), folder.parent / "ddpm-lab-tmp-mine"
    dead, elsewhere = (training.with_name(training.name[:-2] + end) for end in ("d0", "e0"))
    for one in (dead, elsewhere, users):
        one.mkdir(exist_ok=True)
    try:
        with held_elsewhere(elsewhere):  # an app in another container that shares the folder
            temporary_files.Sweeper(SimpleNamespace(GRADIO_CACHE=str(folder), temp_file_sets=[]), 1e9).sweep()
            assert all(one.is_dir() for one in (folder, training, users, elsewhere)) and not dead.exists()
        temporary_files.Sweeper(SimpleNamespace(GRADIO_CACHE=str(folder), temp_file_sets=[]), 1e9).sweep()
        assert not elsewhere.exists()
    finally:
        users.rmdir()


# --- Addresses and names


@pytest.mark.parametrize(
    ("host", "counts_as"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", None),
    ],
)
def test_what_counts_as_one_address(host, counts_as):
    assert visitors.neighbourhood(host) == counts_as


def test_on_a_space_its_page_may_ask(monkeypatch):
    """It is shown inside huggingface.co, which may not ask itself."""
    monkeypatch.setenv("SPACE_HOST", "owner-space.hf.space")
    space = Origins(any_host=True)
    space.serve_this_machine()
    inside = {b"host": b"10.16.1.2:7860", b"sec-fetch-site": b"cross-site", b"sec-fetch-mode": b"navigate"}
    space.check(inside)
    space.check({b"host": b"10.16.1.2:7860", b"origin": b"https://owner-space.hf.space"})
    with pytest.raises(Refused, match="another site"):
        space.check({b"host": b"10.16.1.2:7860", b"origin": b"https://huggingface.co"})


def test_pages_of_other_sites_show_this_one_in_a_frame_only_if_allowed():
    own = Origins(any_host=False)
    client = TestClient(gated(Response("inside"), own), base_url="http://localhost")

    def ancestors():
        return client.get("/figure").headers["content-security-policy"]

    assert ancestors() == "frame-ancestors 'self'"
    for wrong in ("https://*", "blog.example", "https://blog.example/x", "https://a b", "https://a; script-src *"):
        with pytest.raises(ValueError, match="origin such as"):
            own.allow_frames("https://good.example", wrong)
    assert ancestors() == "frame-ancestors 'self'"
    own.allow_frames("https://blog.example", "http://localhost:8000")
    assert ancestors() == "frame-ancestors 'self' https://blog.example http://localhost:8000"


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [("http://lab", True), ("https://lab", True), ("http://lab:9", False), ("https://lab:8443", False)],
)
def test_a_name_without_a_port_is_that_of_the_usual_ones(origin, is_own):
    """Other programs on the same machine have other ports, and are other sites."""
    headers = {b"host": b"lab", b"origin": origin.encode()}
    if is_own:
        return Origins(any_host=False).check(headers)
    with pytest.raises(Refused, match="another site"):
        Origins(any_host=False).check(headers)
    behind = Origins(any_host=False)  # a proxy that leaves the port out
    behind.serve(origin)
    behind.check(headers)


def test_a_body_that_comes_steadily_but_slowly_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def receive():
        now[0] += 5
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    status, content = asked("POST", "/ask", receive=receive)
    assert status == 408 and b"too slowly" in content and now[0] == 15


def test_what_comes_in_pieces_of_unknown_length_is_not_read_on(monkeypatch):
    """Each piece costs the parser as much as a small request: a megabyte of them held up everybody for seconds."""
    read, receive = [], connections.H11Protocol.data_received
    monkeypatch.setattr(
        connections.H11Protocol, "data_received", lambda self, data: read.append(len(data)) or receive(self, data)
    )
    head = b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with bare(gated(None)) as server:
        said = exchanged(server.port, head + b"1\r\nx\r\n" * 170_000)
    assert said.startswith(b"HTTP/1.1 411 ") and sum(read) <= 3 * connections.READ


def test_requests_one_after_the_other_on_a_connection_are_answered_in_their_order(bare_server):
    """Also those that are sent before the answers have come, with more bytes than are read at once."""
    head = b" HTTP/1.1\r\nHost: x\r\n"
    sent = [b"POST /%d%sContent-Length: 9000\r\n\r\n%s" % (n, head, b"x" * 9000) for n in range(30)]
    said = exchanged(bare_server, b"".join(sent) + b"GET /last" + head + b"Connection: close\r\n\r\n")
    assert re.findall(rb"\r\n\r\n(/\d+|/last)", said) == [*(b"/%d" % n for n in range(30)), b"/last"]


@pytest.mark.parametrize("reads", [False, True])
def test_an_answer_has_to_be_read(reads, bare_server, monkeypatch):
    """Or it stays in memory as long as whoever asked for it likes."""
    monkeypatch.setattr(connections, "READS", 0.2)
    with socket.create_connection(("127.0.0.1", bare_server), timeout=20) as one:
        one.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got, part = 0, b"-"
        time.sleep(0 if reads else 2.5)  # it is looked once a second
        with contextlib.suppress(ConnectionResetError):
            while part:
                part = one.recv(1 << 20)
                got += len(part)
                time.sleep(0.01)  # it takes half a second in all
    assert (got > 50_000_000) == reads


async def path(scope, receive, send):
    """Answer every request with its path, /large with 50 MB."""
    body = bytes(50_000_000) if scope["path"] == "/large" else scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def bare(app=path):
    """A server that holds 4 connections, without our app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "raise_file_limit", lambda: 4)
        server = connections.Server(app, socket.create_server(("127.0.0.1", 0)), "127.0.0.1")
    server.start()
    try:
        yield server
    finally:
        server.close(0)


@pytest.fixture
def bare_server():
    """The port of one."""
    with bare() as server:
        yield server.port


def exchanged(port, sent):
    """All that the server answers to these bytes, until it closes the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one, contextlib.suppress(ConnectionError):
        one.sendall(sent)
        while part := one.recv(1 << 16):
            got += part
    return got


class TakesOver(asyncio.Protocol):
    """In the place of the protocol to which uvicorn hands WebSockets where a package for them is installed: the first
    one hears no more of its connection.
    """

    def __init__(self, **_):
        pass

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        self.transport.close()


def test_a_websocket_is_a_request_like_others(monkeypatch, request, caplog):
    """Each counted as a connection for ever, until no other one was taken."""
    monkeypatch.setattr("uvicorn.protocols.websockets.auto.AutoWebSocketsProtocol", TakesOver)
    port = request.getfixturevalue("bare_server")
    head = b"GET /x HTTP/1.1\r\nHost: x\r\n"
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    for _ in range(6):
        exchanged(port, head + upgrade + b"Sec-WebSocket-Version: 13\r\n\r\n")
    assert exchanged(port, head + b"Connection: close\r\n\r\n").endswith(b"/x")
    assert not caplog.records  # each would be a line of the log that strangers write


HEAD = b"Host: x\r\nConnection: close\r\n"
TWICE = b"Content-Length: 2\r\nContent-Length: 40\r\n"


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"x" * 100_000,
        HEAD + b"a:b\r\n" * 20_000,
        b"Connection: close",
        HEAD + b"Host: y",
        HEAD + TWICE,
        HEAD + b"Content-Length: +2",
        HEAD + b"Content-Length: -1",
        HEAD + b"Content-Length: " + b"9" * 30,
        HEAD + b"Transfer-Encoding : chunked",
        HEAD + b"Transfer-Encoding: identity",
        HEAD + b"X: a\0b",
        HEAD + b"X: a\rTransfer-Encoding: chunked",
    ],
    ids=lambda head: head[-20:],
)
def test_a_head_that_another_server_could_read_in_another_way_is_refused(head, monkeypatch, request):
    """A proxy in front may take for one request what would be two here. And with whatever parser is installed."""
    monkeypatch.setattr("uvicorn.protocols.http.auto.AutoHTTPProtocol", None)
    port = request.getfixturevalue("bare_server")
    said = exchanged(port, b"POST /x HTTP/1.1\r\n" + head + b"\r\n\r\n{}GET /y HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert said.startswith(b"HTTP/1.1 400 ") and said.count(b"HTTP/1.1 ") == 1


def test_a_server_ends_in_time_though_a_thread_of_a_request_goes_on():
    """asyncio waits for it, and so for all questions of a busy page."""

    async def asked(scope, receive, send):
        if scope["type"] == "http":
            await anyio.to_thread.run_sync(goes_on.wait)

    goes_on = threading.Event()
    with bare(asked) as server, socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        begun = time.monotonic()
        server.close(0.1)
        assert time.monotonic() - begun < 2
        goes_on.set()
        server.close(5)


def test_an_address_has_so_many_connections_but_a_proxy_as_many_as_it_needs(monkeypatch):
    monkeypatch.setattr(connections, "OF_ONE", 3)
    monkeypatch.setattr(connections, "neighbourhood", lambda host: host.replace("127.0.0.", "198.51.100."))
    with bare() as server, contextlib.ExitStack() as here:
        server.connections.most = 100

        def opened(count, source):
            """How many of so many connections stay open."""
            made = [
                here.enter_context(socket.create_connection(("127.0.0.1", server.port), 20, (source, 0)))
                for _ in range(count)
            ]
            return sum(is_answered(one) for one in made)

        assert opened(5, "127.0.0.2") == 3 and opened(2, "127.0.0.3") == 2
        assert opened(5, "127.0.0.1") == 5  # which is trusted to be a proxy
        assert server.connections.of.total() == 10


def is_answered(one):
    with contextlib.suppress(ConnectionError):
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return one.recv(1000).startswith(b"HTTP/1.1 200")
    return False
