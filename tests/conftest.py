"""For every test: one thread per worker, and random inputs that are the same in each run."""

import atexit
import gc
import importlib
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest_plugins = ("browser",)  # its fixtures

# Of each worker alone: an app that starts deletes what others have left in the folder of temporary files.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="ddpm-lab-tests-")
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

# Files that take longest, the longest first: one that began last would be waited for alone. Those that mostly wait for
# a browser take turns with those that compute, so that both cores have work.
SLOW = (
    "test_browsers",
    *("test_static", "test_every_kind", "test_engine", "test_app", "test_presses", "test_own_pictures"),
    *("test_lessons", "test_train", "test_explore_page", "test_readers", "test_essay", "test_evaluate"),
    *("test_visitors", "test_captions", "test_hub", "test_train_processes", "test_words", "test_strangers"),
    *("test_documents", "test_openai", "test_accelerator", "test_families", "test_distill", "test_ui_network"),
    *("test_local_network", "test_local_inside", "test_own_data", "test_checkpoint", "test_gate"),
    *("test_local_batch", "test_dit", "test_public", "test_learning", "test_openvino_graph", "test_ui_words"),
    *("test_train_page", "test_answers", "test_latent_commands", "test_benchmarks", "test_ui_files"),
)
# SyntaxWarning: of files that Python compiles for the first time; ruff finds those of ours.
TRANSIENT = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ImportWarning", "SyntaxWarning")
ROOT = Path(__file__).parents[1]
OURS = {path.stem for folder in ("", "tests", "tests/*") for path in ROOT.glob(f"{folder}/*.py".lstrip("/"))}
OURS |= {"soak", "__main__"}
OURS |= {path.parent.name for path in ROOT.glob("*/*.py")}
OTHERS = rf"(?!({'|'.join(map(re.escape, sorted(OURS)))})\b)"  # matches the beginning of any other module's name
FILES = {path.stem: path for path in Path(__file__).parent.glob("*/test_*.py")}
assert set(SLOW) <= FILES.keys(), set(SLOW) - FILES.keys()


def pytest_addoption(parser):
    soak = parser.getgroup("soak", "load, kills and hostile input: tests/soak, which need --soak")
    soak.addoption("--soak", choices=("quick", "whole"), help="quick: whether they work, in minutes; whole: hours")
    soak.addoption("--checkpoint", default="mnist-tiny", help="the app's model: an embedded name or a folder")
    soak.addoption("--minutes", type=float, help="how long the part `hours` takes (10)")
    soak.addoption("--kills", type=int, help="how often to kill in each part that does")


def pytest_ignore_collect(collection_path, config):
    return True if collection_path.name == "soak" and not config.getoption("--soak") else None


def pytest_configure(config):
    config.option.loadscopereorder = False  # pytest-xdist would begin with the files that have the most tests
    # What other packages deprecate among themselves differs with every version: theirs to mend. What our modules use
    # and is deprecated fails the run, as any other warning does.
    for category in TRANSIENT:
        config.addinivalue_line("filterwarnings", f"ignore::{category}:{OTHERS}")


def pytest_sessionstart(session):
    if session.config.pluginmanager.hasplugin("dsession"):
        return  # the process that hands the tests out, which all workers wait for: it needs none of these libraries
    gc.disable()  # until everything is imported: see pytest_collection_finish
    import torch
    from hypothesis import settings

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    with suppress(ImportError):  # not everywhere
        from ddpm_core.engines import openvino

        openvino.CORE.set_property("CPU", {"INFERENCE_NUM_THREADS": 1})
    # No deadline: the machine may be busy. Derandomised: a red run can be repeated.
    settings.register_profile("seeded", deadline=None, derandomize=True)
    settings.load_profile("seeded")
    _share_rewriting(session.config)


def _share_rewriting(config):
    """Of a test file the rewriting of its assertions takes longest: each worker begins with another part of them all.

    What it writes, the others only read then. So it writes also where Python is told not to.
    """
    if not hasattr(config, "workerinput") or config.option.file_or_dir:
        return
    sys.dont_write_bytecode = False
    for name in sorted(FILES)[int(config.workerinput["workerid"][2:]) :: config.workerinput["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # which collecting meets again
            importlib.import_module(name)


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(SLOW)))  # else in the order of their names


def pytest_collection_finish():
    """Python looks through all its objects from time to time: not those that stay, two million after these imports."""
    gc.freeze()
    gc.enable()


@contextmanager
def no_openvino():
    """Models load as where neither OpenVINO (converting takes a second) nor native bf16 (it rounds) is to be had."""
    from ddpm_core.engines import choose as engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "find_spec", lambda name: None)
        patch.setattr(engine, "torch_precision", lambda precision, device: precision.replace("auto", "fp32"))
        yield


@pytest.fixture
def torch_engine():
    """For a test whose subject is not the engine."""
    with no_openvino():
        yield


@pytest.fixture(scope="module")
def torch_page():
    """For a module whose page or server loads models by itself: before it is served."""
    with no_openvino():
        yield


@pytest.fixture(scope="session")
def narrow_copies(tmp_path_factory):
    from checkpoint_folders import narrow_copies

    return narrow_copies(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def narrow_page(torch_page, narrow_copies):
    """`torch_page` for a module that asks how models are used, not what they draw: their networks are narrow ones."""
    from ddpm_core.checkpoint import refs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refs, "embedded", lambda: narrow_copies)
        yield


@pytest.fixture
def slow_network(monkeypatch):
    """An evaluation takes a tenth of a second, in which the processor has nothing to do: a long run is still there."""
    from ddpm_core.engines.torch import TorchNetwork

    evaluate = TorchNetwork.__call__
    monkeypatch.setattr(TorchNetwork, "__call__", lambda *inputs: time.sleep(0.1) or evaluate(*inputs))


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """run_script(text, model) runs a script of the page in a folder, which it returns; model: what the script loads."""
    from diffusers.schedulers import scheduling_ddpm

    import ddpm_core

    def run(text, model=None):
        if model is not None:
            monkeypatch.setattr(ddpm_core, "load", lambda ref: model)
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", scheduling_ddpm.randn_tensor)  # some replace it
        exec(text, {"__name__": "__main__"})
        return tmp_path

    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def ipv6():
    """Whether this machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
