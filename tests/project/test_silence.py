"""What only a fresh process shows: slow libraries wait until they are used, and no way in tells anybody of its use.

No name is looked up, and nothing is written under the home folder. One process for all, as importing takes ten seconds.
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from test_app import LONG
from toylab import wait_for
from training import flags, make_folder

ROOT = Path(__file__).resolve().parents[2]
# Python runs it at the start of every process, those that a process starts included.
SPY = """
import os, sys

def spy(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex"):
        with open(os.environ["SPY_LOG"], "a") as log:
            log.write(f"{arguments[0]}\\n")

sys.addaudithook(spy)
"""
CODE = """
import gc, importlib, os, runpy, sys, threading
gc.disable()  # a fifth of the time
from ddpm_core import timesteps
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.hub import snapshots
failed = [*{{"torch", "diffusers"}} & set(sys.modules)]
def use(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(error)
names = [f"ddpm_core.{{name}}" for name in ("engines.network", "engines.choose", "runs")]
threads = [threading.Thread(target=use, args=[name]) for name in names]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert failed == [], failed

import ddpm_core
for engine in ("torch", "openvino"):
    ddpm_core.sample(ddpm_core.load("mnist-tiny", engine=engine), [1], 1)
failed = [*{{"torch._dynamo", "peft", "transformers.modeling_utils"}} & set(sys.modules)]
assert failed == [], failed
from diffusers.models.unets import UNet1DModel  # of a list that was postponed

from train.__main__ import main
assert main({words!r}) == 0

print("-- app --", file=sys.stderr, flush=True)
sys.argv = {arguments!r}
runpy.run_path({app!r}, run_name="__main__")
"""


@pytest.mark.long
def test_slow_libraries_wait_two_threads_can_import_at_once_and_the_app_tells_its_users_alone(tmp_path, ipv6):
    """The app's page needs the first modules at once, and torch only for the first model; while one thread loads that,
    another is asked for a run. Nobody is told by the library, the trainer, the app.

    The app, at an IPv6 address where there is one: it prints its address, asks for the password, and logs. SIGTERM lets
    a run go on, and Ctrl-C then ends it at once.
    """
    (tmp_path / "sitecustomize.py").write_text(SPY)
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    silent = ("CI", "TF_BUILD", "JENKINS_URL")  # where OpenVINO sends nothing anyway
    environment = {name: value for name, value in os.environ.items() if name not in silent}
    environment |= {
        "HOME": str(home),
        "SPY_LOG": str(log),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "PYTHONWARNINGS": "ignore",  # they depend on which of two threads imports first
        "DDPM_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hub"),
        "OMP_NUM_THREADS": "1",
    }
    host, expected = ("::1", r"\[::1\]") if ipv6 else ("127.0.0.1", r"127\.0\.0\.1")
    arguments = ["app.py", "--host", host, "--port", "0", "--no-browser", "--auth", "me:secret", "--log-json"]
    words = ["fit", *flags(data=str(make_folder(tmp_path / "data")), out=str(tmp_path / "run"), steps=1)]
    code = CODE.format(words=words, arguments=arguments, app=str(ROOT / "app.py"))
    # A process that a shell starts in the background ignores Ctrl-C, and so would its children.
    as_usual = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with (tmp_path / "errors").open("w") as errors:
        options = {"stdout": subprocess.PIPE, "stderr": errors, "text": True, "cwd": tmp_path, "env": environment}
        server = subprocess.Popen([sys.executable, "-c", code], preexec_fn=as_usual, **options)
    try:
        address = next((found for line in server.stdout if (found := re.fullmatch(r"DDPM Lab: (\S+)\n", line))), None)
        assert address is not None, (tmp_path / "errors").read_text()
        assert re.fullmatch(rf"http://{expected}:\d+/", address[1])
        stop_the_app(server, address[1])
    finally:
        server.kill()
    lines = (tmp_path / "errors").read_text().partition("-- app --\n")[2].splitlines()
    events = {event["event"]: event for event in map(json.loads, lines)}
    assert [event for event in events if event not in ("message", "run")] == ["started", "stopping", "stopped"]
    assert events["stopping"]["patience_s"] > 0 and events["run"]["outcome"] != "finished"
    names = set(log.read_text().split()) if log.exists() else set()
    assert names <= {"127.0.0.1", "localhost", "None", "huggingface.co", "::1", "[::1]"}
    assert list(home.rglob("*")) == []


def stop_the_app(server, address):
    """While a visitor's run goes on."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address + "config")
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    body = urllib.parse.urlencode({"username": "me", "password": "secret"}).encode()
    assert visitor.open(address + "login", body).status == 200

    def health():
        return json.load(urllib.request.urlopen(address + "health"))["status"]

    assert health() == "ok"
    run = {"data": ["mnist-tiny", *LONG[1:]]}  # the model that is ready
    call = f"{address}gradio_api/call/sample"
    asked = urllib.request.Request(call, json.dumps(run).encode(), {"Content-Type": "application/json"})
    with visitor.open(f"{call}/{json.load(visitor.open(asked))['event_id']}") as stream:
        assert b"event: generating" in stream.readline()
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: health() == "stopping")
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=120)
    assert server.returncode == 0
