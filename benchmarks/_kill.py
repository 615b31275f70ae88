"""The app and the trainer killed as by `kill -9`, and started again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._app import ROOT, App

RUN = {"steps": 10, "count": 1, "seed": 5}

Result = dict[str, Any]


def conversion(folder: Path, checkpoint: str, kills: int) -> Result:
    """Killed while it converts the network for OpenVINO, cache empty; then that must be whole or absent."""
    expected = expected_picture(checkpoint)
    rng = random.Random(0)
    cache = folder / "cache" / "ddpm-lab" / "openvino"
    with App(folder, checkpoint):
        started = time.perf_counter()
        until(lambda: _kept(folder), 120)
        needed = time.perf_counter() - started
    unfinished, half = 0, 0
    for _ in range(kills):
        shutil.rmtree(cache)
        app = App(folder, checkpoint)
        time.sleep(rng.uniform(0.5, 1.0) * needed)
        if rng.random() < 0.5:  # else before it writes
            until(cache.is_dir, 60)
        app.kill()
        cache.mkdir(exist_ok=True)
        unfinished += not _kept(folder)
        half += any(entry.name[0] == "." for entry in cache.iterdir())
    with App(folder, checkpoint) as app:
        (picture,) = app.sample(**RUN)
    return {
        "kills": kills,
        "before_the_end_of_the_conversion": unfinished,
        "while_it_was_written": half,
        "entries": len(_kept(folder)),
        "errors": app.errors(),
        "passed": np.array_equal(picture, expected) and kept_are_whole(folder) and not app.errors(),
    }


def _kept(folder: Path) -> list[Path]:
    """The converted networks that the app has kept."""
    return [entry for entry in (folder / "cache" / "ddpm-lab" / "openvino").glob("*") if entry.name[0] != "."]


def kept_are_whole(folder: Path) -> bool:
    """Whether there are some, and each is what its checksums say."""
    kept = _kept(folder)
    return bool(kept) and all(_sums(entry) == (entry / "sha256").read_text() for entry in kept)


def _sums(entry: Path) -> str:
    """What the engine's file of checksums has to say."""
    names = ("model.xml", "model.bin")
    return "".join(f"{hashlib.sha256((entry / name).read_bytes()).hexdigest()}  {name}\n" for name in names)


def download(folder: Path, checkpoint: str, kills: int) -> Result:
    """Killed while it downloads a checkpoint from a Hub on this machine; then the same run must succeed."""
    import ddpm_core

    source = ddpm_core.load(checkpoint, device="cpu").source
    assert source is not None and source.folder is not None and source.weights_path is not None
    expected = expected_picture(checkpoint)
    with _hub_server() as hub:
        hub.add_repo("owner/name", source.folder)
        env = {**hub.env(folder / "hub"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        hub.bytes_per_second = source.weights_path.stat().st_size / 8
        rng, partial = random.Random(0), 0
        for _ in range(kills):
            app = App(folder, "cifar10-tiny", env)
            events = app.events("sample", **RUN, checkpoint="owner/name")
            next(events)
            until(lambda: any((folder / "hub").rglob("*.incomplete")), 30)
            time.sleep(rng.uniform(0, 3))
            app.kill()
            partial += any((folder / "hub").rglob("*.incomplete"))
        hub.bytes_per_second = None
        with App(folder, "cifar10-tiny", env) as app:
            (picture,) = app.sample(**RUN, checkpoint="owner/name")
    blobs = [path for path in (folder / "hub").rglob("blobs/*") if len(path.name) == 64]
    whole = [hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs]
    return {
        "kills": kills,
        "during_the_download": partial,
        "errors": app.errors(),
        "passed": np.array_equal(picture, expected) and bool(whole) and all(whole) and not app.errors(),
    }


def export(folder: Path, checkpoint: str, kills: int) -> Result:
    """Killed while it makes files of a run: pictures, animations, ZIP; then the same files must be made again."""
    rng = random.Random(0)
    during = 0
    for _ in range(kills):
        app = App(folder, checkpoint)
        page = Page(app)
        page.run(steps=50)
        saved = page.join(rng.choice(page.saves))
        time.sleep(rng.uniform(0, 0.15))
        app.kill()
        during += saved not in page.seen
    with App(folder, checkpoint) as app:
        page = Page(app)
        page.run(steps=50)
        files = [page.file(save) for save in page.saves]
        for path in files:  # the app deletes them when it ends
            _open(path)
    return {
        "kills": kills,
        "before_the_end_of_the_export": during,
        "files": [path.suffix for path in files],
        "errors": app.errors(),
        "passed": len(files) == len(page.saves) >= 4 and not app.errors(),
    }


def _open(path: Path) -> None:
    """Read all of a picture, a film or an archive; an error is raised."""
    if path.suffix == ".mp4":
        import av  # a page without it has no button for films

        with av.open(str(path)) as film:
            assert sum(1 for _ in film.decode(video=0)) > 1
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    else:
        with Image.open(path) as image:
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                image.load()


class Page:
    """What the page sends when its user presses Run, and then one of the buttons that save."""

    def __init__(self, app: App):
        self._app = app
        self._session = uuid.uuid4().hex
        config = app.http.get(app.url.replace("/gradio_api", "/config")).json()
        self._inputs = {one["id"]: one["props"].get("value") for one in config["components"]}
        self._events = {str(one["api_name"]): one for one in config["dependencies"]}
        self.saves = [name for name in self._events if re.fullmatch(r"save(_\d)?", name)]
        self.seen: dict[str, Any] = {}  # by event: what it returned

    def run(self, **values: Any) -> None:
        """Press Run, and wait for the end."""
        from ui.runs.settings import PAGE

        given = [self._inputs[one] for one in self._events["prepare"]["inputs"]]
        data = [values.get(name, value) for name, value in zip(PAGE, given, strict=False)] + given[len(PAGE) :]
        body = {"data": data, "session_hash": self._session}
        self._app.http.post(f"{self._app.url}/run/prepare", json=body).raise_for_status()
        self.wait(self.join("stream"))

    def join(self, name: str) -> str:
        """Order an event: its id."""
        body = {"data": [], "fn_index": self._events[name]["id"], "session_hash": self._session}
        answer = self._app.http.post(f"{self._app.url}/queue/join", json=body)
        answer.raise_for_status()
        return answer.json()["event_id"]

    def wait(self, event: str) -> Any:
        """What an event returns in the end."""
        query = {"session_hash": self._session}
        with self._app.http.stream("GET", f"{self._app.url}/queue/data", params=query) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    self.seen[message["event_id"]] = message["output"]
                if event in self.seen:
                    break
        return self.seen[event]

    def file(self, save: str) -> Path:
        """Press one of the buttons that save: the file."""
        output = self.wait(self.join(save))
        return Path(output["data"][0]["path"])


def training(folder: Path, kills: int) -> Result:
    """The trainer's own test: killed so often at random moments and resumed, equal parameters in the end."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "tests/test_train_processes.py", "-k", "kill_9"]
    started = time.perf_counter()
    env = {**os.environ, "DDPM_KILLS": str(kills)}
    done = subprocess.run(
        [*command, f"--basetemp={folder / 'pytest'}"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    return {
        "kills": kills,
        "seconds": time.perf_counter() - started,
        "passed": done.returncode == 0,
        **({} if done.returncode == 0 else {"output": done.stdout[-2000:]}),
    }


def expected_picture(checkpoint: str) -> np.ndarray:
    import ddpm_core

    model = ddpm_core.load(checkpoint)
    return ddpm_core.sample(model, [RUN["seed"]], RUN["steps"], variance="beta_tilde").squeeze()


def _hub_server() -> Any:
    """The Hub of the tests."""
    spec = importlib.util.spec_from_file_location("hub_server", ROOT / "tests" / "hub_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HubServer()


def until(condition: Callable[[], object], seconds: float, every: float = 0.02) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(every)
