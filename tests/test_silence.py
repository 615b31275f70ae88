"""What only a fresh process shows: slow libraries wait until they are used, and no way in tells anybody of its use.

No name is looked up, and nothing is written under the home folder. One process for all, as importing takes ten seconds.
"""

import os
import subprocess
import sys
from pathlib import Path

from training import flags, make_folder

ROOT = Path(__file__).resolve().parent.parent
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
import gc, importlib, os, sys, threading
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
ddpm_core.sample(ddpm_core.load("mnist-tiny", engine="torch"), [1], 1)
import ddpm_core.engines.openvino  # what tells is the import of OpenVINO

from train.__main__ import main
assert main({words!r}) == 0

import ui
from ui.machine.limits import ServerLimits
demo = ui.build("mnist-tiny", "cpu", False, ServerLimits.choose(False, []), False, False)
ui.launch(demo, server_name="127.0.0.1", server_port=None, prevent_thread_lock=True)
ui.close(demo, 1)
os._exit(0)  # at once, as a model may still be loading in the background
"""


def test_slow_libraries_wait_two_threads_can_import_at_once_and_nobody_is_told(tmp_path):
    """The app's page needs the first modules at once, and torch only for the first model; while one thread loads that,
    another is asked for a run. Nobody is told by the library, the trainer, the app.
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
        "DDPM_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hub"),
        "OMP_NUM_THREADS": "1",
    }
    words = ["fit", *flags(data=str(make_folder(tmp_path / "data")), out=str(tmp_path / "run"), steps=1)]
    command = [sys.executable, "-c", CODE.format(words=words)]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, timeout=300)
    names = set(log.read_text().split()) if log.exists() else set()
    assert names <= {"127.0.0.1", "localhost", "None", "huggingface.co"}
    assert list(home.rglob("*")) == []
