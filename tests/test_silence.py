"""No way in tells anybody that it is used: no name is looked up, and nothing is written under the home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
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
WAYS = {
    "library, then trainer": """
import ddpm_core
ddpm_core.sample(ddpm_core.load("mnist-tiny", engine="torch"), [1], 1)
from train.__main__ import main
assert main({words!r}) == 0
""",
    "app": """
import ui
from ui.limits import ServerLimits
demo = ui.build("mnist-tiny", "cpu", False, ServerLimits.choose(False, []), False, False)
ui.launch(demo, server_name="127.0.0.1", server_port=None, prevent_thread_lock=True)
ui.close(demo, 1)
""",
}
# What tells is the import of OpenVINO; at once, as a model may still be loading in the background.
END = "\nimport ddpm_core.engines.openvino, os\nos._exit(0)"


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_told(way, tmp_path):
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
    fit = flags(data=str(make_folder(tmp_path / "data")), out=str(tmp_path / "run"), steps=1)
    code = WAYS[way].format(words=["fit", "--config", "cifar10", *fit]) + END
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path, timeout=300)
    names = set(log.read_text().split()) if log.exists() else set()
    assert names <= {"127.0.0.1", "localhost", "None", "huggingface.co"}
    assert list(home.rglob("*")) == []
