"""The door of the server, private temporary files, and what is counted and logged."""

import asyncio
import errno
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import test_jobs
import toylab
from test_files import held_elsewhere

import app as command
import ui
from ui.machine import temporary_files
from ui.machine.event_log import Counts, Lines
from ui.machine.limits import ServerLimits
from ui.machine.turns import Turns
from ui.runs import jobs
from ui.serving import server
from ui.serving.gate import MAX_REQUEST, Gate


def asked(method, path, body=b"", app=None, root_path=""):
    """(status, content) of a request, that an app behind the gate answers with 200."""
    sent = []

    async def inside(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": root_path}
    asyncio.run(Gate(app or inside, ServerLimits(upload_mb=2), Counts())(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/config"),
        ("GET", "/app.webmanifest"),
        ("GET", "/web/0123456789ab/places/latents/grid.js"),
        ("POST", "/login"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/file=/tmp/ddpm-lab-tmp-0/x.png"),
        ("GET", "/gradio_api/file=C:/Users/me/AppData/Local/Temp/ddpm-lab-tmp-0/x.png"),
        ("GET", "/gradio_api/file=c:\\Users\\me\\x.png"),  # as gradio_client asks
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/run/ask"),
        ("POST", "/gradio_api/call/sample"),
        ("GET", "/gradio_api/call/run/0123abcd"),
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
        ("POST", "/gradio_api/process_recording"),
        ("GET", "/monitoring"),
        ("DELETE", "/"),
        ("GET", "/gradio_api/file=/a\0b"),
        ("GET", "/gradio_api/file=/" + "x" * 3000),
        ("GET", "/static/..\\secret"),
        ("GET", "/assets/index-ab.js"),
        ("GET", "/web/0123456789ab/..\\secret"),
    ],
)
def test_everything_else_stays_outside(method, path):
    status, content = asked(method, path)
    assert status == 404 and json.loads(content) == {"detail": "There is nothing at this address"}


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("queue/join", MAX_REQUEST, 200),
        ("queue/join", MAX_REQUEST + 1, 413),
        ("upload", 2_000_000, 200),
        ("upload", 2_100_000, 413),
    ],
)
def test_a_request_is_taken_up_to_a_size(path, size, status):
    found, content = asked("POST", f"/gradio_api/{path}", bytes(size))
    assert found == status
    most = "2.1" if path == "upload" else "1.0"
    assert status == 200 or f"up to {most} MB are taken" in content.decode()


def test_an_error_inside_is_one_sentence_without_its_trace():
    async def broken(scope, receive, send):
        raise KeyError("secret")

    sentence = b'{"detail": "This request could not be understood"}'
    assert asked("POST", "/gradio_api/run/ask", app=broken) == (400, sentence)


def test_a_full_disk_is_one_sentence_without_its_trace(monkeypatch, caplog):
    async def full(scope, receive, send):
        await receive()
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/secret")
        except OSError as error:
            raise RuntimeError from error

    for path in ("upload", "run/ask"):
        status, content = asked("POST", f"/gradio_api/{path}", app=full)
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


def watched(lab):
    """The updates of a run of this lab."""
    return jobs.Job(toylab.sampling(lab, test_jobs.SETTINGS), lab).updates()


def test_a_run_is_counted_and_logged_without_anything_personal(events):
    lab = toylab.toy_lab()
    list(watched(lab))
    assert lab.counts.read()["finished"] == 1 and lab.counts.here == 0
    (event,) = events()
    assert event["outcome"] == "finished" and event["steps"] == 10 and event["images"] == 2
    assert event["checkpoint"] == "another"  # its name was given by the visitor
    assert not {"seed", "session", "address", "ip"} & set(event)


def test_a_run_too_many_is_refused_with_the_limit(events):
    gate = test_jobs.Gate()
    lab = toylab.toy_lab(toylab.Models(gate), Turns(1, 1))
    *runs, third = (watched(lab) for _ in range(3))
    assert "error" not in [next(run).state for run in runs]
    toylab.wait_for(lambda: len(lab.turns) == 2)
    last = list(third)[-1]
    assert last.state == "error" and last.text.endswith("(limit: waiting_runs = 1)")
    assert events()[-1]["outcome"] == "refused" and events()[-1]["limit"] == "waiting_runs"
    for run in runs:
        run.close()
    for _ in range(20):
        gate.go.release()
    assert [event["outcome"] for event in events()[-2:]] == ["gone", "gone"]


def test_when_the_app_is_told_to_stop_runs_are_told_and_new_ones_refused(events):
    lab = toylab.toy_lab(toylab.Models(lambda x, t, labels: time.sleep(0.05) or x))
    run = watched(lab)
    next(run)
    lab.counts.close(7)
    assert lab.counts.read()["status"] == "stopping"
    assert any("told to stop: this run has 7 s to finish" in update.text for update in run)
    (last,) = watched(lab)
    assert last.state == "error" and "about to stop" in last.text
    assert events()[-1]["limit"] == "shutdown_seconds"


def test_the_app_ends_when_no_run_computes_or_says_that_one_does():
    """A step that takes long can't be stopped, and Python aborts when it ends while a thread computes."""
    gate = test_jobs.Gate()
    lab = toylab.toy_lab(toylab.Models(gate))
    _, thread = test_jobs.in_background(jobs.Job(toylab.sampling(lab, test_jobs.SETTINGS), lab))
    assert gate.entered.acquire(timeout=10)
    closed = []
    blocks = SimpleNamespace(close=lambda verbose: closed.append(len(lab.turns)))
    app = SimpleNamespace(lab=lab, training=None, sweeper=None, get_blocks=lambda: blocks)
    assert not server.close(app, seconds=0.1)
    gate.go.release()
    assert server.close(app)
    thread.join(10)
    assert closed == [1, 0]


def test_a_step_that_takes_too_long_does_not_keep_the_command(monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    left, app = [], SimpleNamespace(local_url="http://127.0.0.1/")
    monkeypatch.setattr(command.time, "sleep", interrupted)
    monkeypatch.setattr(ui, "build", lambda *_: app)
    monkeypatch.setattr(ui, "launch", lambda *_, **__: None)
    monkeypatch.setattr(temporary_files, "remove_folder", lambda: left.append("removed"))
    monkeypatch.setattr(command.os, "_exit", left.append)
    for stopped, expected in ((True, []), (False, ["removed", 0])):
        monkeypatch.setattr(ui, "close", lambda *_, stopped=stopped, **__: stopped)
        command.main(["--port", "0"])
        assert left == expected


# --- Temporary files


def test_the_folder_is_private_and_goes_with_the_process(tmp_path):
    begin = "from ui.machine import temporary_files as temporary; import os; f = temporary.use_private_folder(); "
    begin += "other = temporary.make_folder('train'); "
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
    for name, age in (("tmp-broken-off", 2 * temporary_files.UNFINISHED), ("tmp-under-way", 1)):  # uploads
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    left = temporary_files.Sweeper(demo, 10_000).sweep()
    assert (tmp_path / "tmp-under-way").exists() and not (tmp_path / "tmp-broken-off").exists()
    assert left == 8192
    assert sorted(path.parent.name for path in tmp_path.rglob("*.png")) == ["2", "3"]
    assert not demo.temp_file_sets[0]


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
