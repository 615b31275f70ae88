"""The state of a run on disk: checkpoints, written whole or not at all, checked before use, the last two kept."""

from __future__ import annotations

import errno
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ddpm_core.checkpoint import refs
from ddpm_core.disk import files
from ddpm_core.errors import first_line
from train import TrainError
from train.common.command_line import user_path
from train.common.config import Kind, from_dict
from train.common.errors import as_train_error
from train.fit.flags.limits import PLACES

KEPT = 2
# The parts of a checkpoint that can be checked without the run. "ema2" and "scaler" may be missing or None.
_PARTS = {
    "config": dict,
    "step": int,
    "model": dict,
    "ema": dict,
    "ema_updates": int,
    "optimizer": dict,
    "data": dict,
}
_NAME = re.compile(r"step-(\d+)\.pt")


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Steps done when this checkpoint was written."""
    return int(path.stem.removeprefix("step-"))


def save_checkpoint(state: dict[str, Any], folder: Path, step: int) -> Path:
    """Write one checkpoint whole, then drop all but the last two.

    Raises TrainError when the disk refuses; older checkpoints are untouched then.
    """
    path = folder / f"step-{step:09d}.pt"
    try:
        with files.replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch wraps some of the disk's errors in RuntimeError
        raise TrainError(f"{_why(error)}: the checkpoint of step {step} was not written. {_kept(folder)}") from error
    _drop_old(folder, step)
    return path


def copied(value: Any) -> Any:
    """A state, or a part of one, with tensors of its own in the memory of the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    return [copied(part) for part in value] if isinstance(value, list) else value


class Writer:
    """Writes one thing after the other: in a thread while a GPU computes. On a CPU none is free for that."""

    MOST = 2  # so many writes may wait: each holds a copy of what it writes in memory

    def __init__(self, device: torch.device):
        self._thread = None if device.type == "cpu" else ThreadPoolExecutor(1, "train-writer")
        self._pending: deque[Future[object]] = deque()

    def __call__(self, write: Callable[[], object]) -> None:
        """Call write(). What that raises comes out of this or a later call, or of `wait`."""
        if self._thread is None:
            write()
            return
        self._pending.append(self._thread.submit(write))
        while self._pending and (len(self._pending) > self.MOST or self._pending[0].done()):
            self._pending.popleft().result()

    def wait(self) -> None:
        """Wait until all is written. Raises what the writing raised."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Wait, whatever happens to what is written."""
        if self._thread is not None:
            self._thread.shutdown()


def _drop_old(folder: Path, step: int) -> None:
    """Keep the last two checkpoints up to this step, which was just written. Damaged ones get another name and don't
    count. Later ones are damaged, too: the run continued from an older one because of that.
    """
    kept = 0
    for path in find_checkpoints(folder):
        if kept == KEPT:
            path.unlink(missing_ok=True)
        elif step_of(path) > step or (step_of(path) < step and _damage(path)):
            path.replace(path.with_suffix(".pt.damaged"))
        else:
            kept += 1


def last_good_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole."""
    return next((path for path in find_checkpoints(folder) if _damage(path) is None), None)


def _damage(path: Path) -> str | None:
    """Return what is wrong with a checkpoint's file, or None. Every byte is read: the archive keeps a CRC of each
    tensor.
    """
    try:
        with as_train_error(str), zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        return None if broken is None else f"{broken} is damaged"
    except TrainError as error:
        return str(error)


def _is_state(state: Any) -> bool:
    """Whether what was loaded is a checkpoint of this trainer."""
    if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in _PARTS.items()):
        return False
    images, classes = (state["data"].get(name) for name in ("images", "classes"))
    return isinstance(images, int) and isinstance(classes, list)


def load_latest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The newest checkpoint that is whole, on the CPU, and one sentence for each newer one that isn't.

    Raises TrainError when there is none.
    """
    paths, complaints = find_checkpoints(folder), []
    for path in paths:
        reason = _damage(path)
        if reason is None:
            try:
                with as_train_error(str):
                    state = torch.load(path, map_location="cpu", weights_only=True)
                if _is_state(state):
                    return state, complaints
                reason = "it is no checkpoint of this trainer"
            except TrainError as error:
                reason = str(error)
        complaints.append(f"{path} can't be read and was passed over ({reason}).")
    if complaints:
        raise TrainError(f"No checkpoint in {folder} can be read. {complaints[0]} Start again in another --out.")
    raise TrainError(f"There is no checkpoint to resume in {folder}: check --out, or leave out --resume.")


def resumed(state: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """The configuration of a checkpoint. A folder that is not here is looked for where the run was started."""
    config, there = from_dict(state["config"], kind), Path(state.get("started_in", ""))
    texts = {name: getattr(config, name, None) for name in PLACES}
    paths = {name: user_path(text) for name, text in texts.items() if text and text not in refs.embedded()}
    moved = {name: str(there / path) for name, path in paths.items() if not path.exists() and (there / path).is_dir()}
    return replace(config, **moved)


def _why(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return f"Writing failed ({first_line(error)})"
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full"
    return f"Writing failed ({cause.strerror})"


def _kept(folder: Path) -> str:
    last = last_good_checkpoint(folder)
    return f"The last good one is {last}." if last else "There is no earlier one."


@contextmanager
def fitting(state: Mapping[str, Any]) -> Iterator[None]:
    """Raise TrainError when a part of a checkpoint does not belong to this network and optimiser."""
    try:
        yield
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise TrainError(
            f"The checkpoint of step {state['step']} does not fit this run: {first_line(error)}"
        ) from error
