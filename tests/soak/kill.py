"""The app killed as by `kill -9`, and started again."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hub_server import HubServer

from soak.served import ServedApp

RUN = {"steps": 10, "count": 1, "seed": 5}

Result = dict[str, Any]


def conversion(folder: Path, checkpoint: str, kills: int) -> Result:
    """Killed while it converts the network for OpenVINO, cache empty; then that must be whole or absent."""
    expected = expected_picture(checkpoint)
    rng = random.Random(0)
    cache = folder / "cache" / "ddpm-lab" / "openvino"
    with ServedApp(folder, checkpoint):
        started = time.perf_counter()
        until(lambda: _kept(folder), 120)
        needed = time.perf_counter() - started
    unfinished, half = 0, 0
    for _ in range(kills):
        shutil.rmtree(cache)
        app = ServedApp(folder, checkpoint)
        time.sleep(rng.uniform(0.5, 1.0) * needed)
        if rng.random() < 0.5:  # else before it writes
            until(cache.is_dir, 60)
        app.kill()
        cache.mkdir(exist_ok=True)
        unfinished += not _kept(folder)
        half += any(entry.name[0] == "." for entry in cache.iterdir())
    with ServedApp(folder, checkpoint) as app:
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
    with HubServer() as hub:
        hub.add_repo("owner/name", source.folder)
        env = {**hub.env(folder / "hub"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        hub.bytes_per_second = source.weights_path.stat().st_size / 8
        rng, partial = random.Random(0), 0
        for _ in range(kills):
            app = ServedApp(folder, "cifar10-tiny", env)
            events = app.events("sample", **RUN, checkpoint="owner/name")
            next(events)
            until(lambda: any((folder / "hub").rglob("*.incomplete")), 30)
            time.sleep(rng.uniform(0, 3))
            app.kill()
            partial += any((folder / "hub").rglob("*.incomplete"))
        hub.bytes_per_second = None
        with ServedApp(folder, "cifar10-tiny", env) as app:
            (picture,) = app.sample(**RUN, checkpoint="owner/name")
    blobs = [path for path in (folder / "hub").rglob("blobs/*") if len(path.name) == 64]
    whole = [hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs]
    return {
        "kills": kills,
        "during_the_download": partial,
        "errors": app.errors(),
        "passed": np.array_equal(picture, expected) and bool(whole) and all(whole) and not app.errors(),
    }


def expected_picture(checkpoint: str) -> np.ndarray:
    import ddpm_core

    model = ddpm_core.load(checkpoint)
    return ddpm_core.sample(model, [RUN["seed"]], RUN["steps"], variance="beta_tilde").squeeze()


def until(condition: Callable[[], object], seconds: float, every: float = 0.02) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(every)
