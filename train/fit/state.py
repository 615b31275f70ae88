"""The state of a run on disk. A checkpoint is written whole or not at all, and checked before use."""

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
# The types of the parts that every checkpoint has. The parts "ema2" and "scaler" are optional.
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
    """Return the checkpoints in a folder, newest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Return the number of steps that were done when this checkpoint was written."""
    return int(path.stem.removeprefix("step-"))


def save_checkpoint(state: dict[str, Any], folder: Path, step: int) -> Path:
    """Write one checkpoint whole, then delete all but the last two. Return its path.

    Raises TrainError if the checkpoint can't be written; the older checkpoints then stay as they were.
    """
    path = folder / f"step-{step:09d}.pt"
    try:
        with files.replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch turns some errors of the disk into RuntimeError
        raise TrainError(
            f"{_reason_of(error)}: the checkpoint of step {step} was not written. {_name_last_good(folder)}"
        ) from error
    _drop_old(folder, step)
    return path


def copy_to_cpu(value: Any) -> Any:
    """Return a copy of a state, or of a part of it, with all tensors in the CPU's memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: copy_to_cpu(part) for key, part in value.items()}
    return [copy_to_cpu(part) for part in value] if isinstance(value, list) else value


class Writer:
    """Runs one write after the other. With a GPU, a thread runs them during training; a CPU has no free thread."""

    MOST = 2  # largest number of waiting writes; each keeps a copy of its data in memory

    def __init__(self, device: torch.device):
        self._thread = None if device.type == "cpu" else ThreadPoolExecutor(1, "train-writer")
        self._pending: deque[Future[object]] = deque()

    def __call__(self, write: Callable[[], object]) -> None:
        """Call write(). If it raises an error, this call, a later call or `wait` raises the error."""
        if self._thread is None:
            write()
            return
        self._pending.append(self._thread.submit(write))
        while self._pending and (len(self._pending) > self.MOST or self._pending[0].done()):
            self._pending.popleft().result()

    def wait(self) -> None:
        """Wait until all is written. Raises the error of a write."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Wait until all writes have ended, and ignore their errors."""
        if self._thread is not None:
            self._thread.shutdown()


def _drop_old(folder: Path, step: int) -> None:
    """Keep the last two checkpoints up to this step, which was just written. Rename damaged checkpoints; they do not
    count.

    Checkpoints of later steps are damaged, too: otherwise the run would have continued from them.
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
    """Return the newest checkpoint that is undamaged, or None."""
    return next((path for path in find_checkpoints(folder) if _damage(path) is None), None)


def _damage(path: Path) -> str | None:
    """Return what is wrong with a checkpoint's file, or None. Every byte is checked against the file's CRCs."""
    try:
        with as_train_error(str), zipfile.ZipFile(path) as archive:  # a damaged file raises errors of many types
            broken = archive.testzip()
        return None if broken is None else f"{broken} is damaged"
    except TrainError as error:
        return str(error)


def _is_state(state: Any) -> bool:
    """Return whether a loaded object is a checkpoint of this trainer."""
    if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in _PARTS.items()):
        return False
    images, classes = (state["data"].get(name) for name in ("images", "classes"))
    return isinstance(images, int) and isinstance(classes, list)


def load_latest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the newest undamaged checkpoint, loaded on the CPU, and one sentence for each damaged checkpoint that is
    newer.

    Raises TrainError if there is none.
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


def restore_config(state: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Return the configuration of a checkpoint. If a folder in it is missing, look for it where the run was started."""
    config, there = from_dict(state["config"], kind), Path(state.get("started_in", ""))
    texts = {name: getattr(config, name, None) for name in PLACES}
    paths = {name: user_path(text) for name, text in texts.items() if text and text not in refs.embedded()}
    moved = {name: str(there / path) for name, path in paths.items() if not path.exists() and (there / path).is_dir()}
    return replace(config, **moved)


def _reason_of(error: Exception) -> str:
    """Return the reason of a failed write, as the start of a sentence."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return f"Writing failed ({first_line(error)})"
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full"
    return f"Writing failed ({cause.strerror})"


def _name_last_good(folder: Path) -> str:
    """Return a sentence that names the last good checkpoint."""
    last = last_good_checkpoint(folder)
    return f"The last good one is {last}." if last else "There is no earlier one."


@contextmanager
def fitting(state: Mapping[str, Any]) -> Iterator[None]:
    """Turn errors of the code inside into a TrainError: the checkpoint does not fit this network and optimiser."""
    try:
        yield
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise TrainError(
            f"The checkpoint of step {state['step']} does not fit this run: {first_line(error)}"
        ) from error
