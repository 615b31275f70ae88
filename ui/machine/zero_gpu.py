"""Compute runs on ZeroGPU, where a Space (an app on Hugging Face) gets a GPU for the seconds of one function call.

The main process has no GPU. A function decorated with `spaces.GPU` runs in a forked process with a GPU: its arguments
and all that it yields are pickled, and its time is limited to the result of `seconds`. On other machines `on_gpu` is
None, `side_by_side` is not called, and the package `spaces` is not needed.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import ddpm_core

if TYPE_CHECKING:  # this imports torch, which must be imported after `prepare`
    from ddpm_core.model import Model
    from ddpm_core.runs import Lane

# maximum seconds that a run may request: a visitor without an account has 120 s a day, and ZeroGPU charges 1.5 times
# the time of a Blackwell GPU
MOST = 80
START = 15.0  # seconds until a process has the GPU and its weights
STEP = 0.03  # minimum seconds of one evaluation
SPEED = 5e12  # a lower estimate of a U-Net's FLOP/s on the GPU; it was never measured on ZeroGPU

Arguments = dict[str, Any]  # arguments of `ddpm_core.trajectory`, which checks them

log = logging.getLogger(__name__)


def is_here() -> bool:
    """Return whether this process runs in a Space on ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class Interrupted(ValueError):
    """A run that began on the GPU can't be continued there."""


def seconds(refs: Sequence[str], lanes: Sequence[Arguments], shared: Arguments, flop: float) -> int:
    """Return an estimate of the seconds that a run needs the GPU, at most MOST. flop: FLOP of one evaluation of its
    larger network for one image.
    """
    images = len(shared["seeds"])
    batches = [images * (1 if lane.get("guidance") is None else 2) for lane in lanes]
    work = sum(lane["steps"] * (STEP + n * flop / SPEED) for lane, n in zip(lanes, batches, strict=True))
    return min(MOST, math.ceil(START + work))


def _steps(
    refs: Sequence[str], lanes: Sequence[Arguments], shared: Arguments, flop: float
) -> Iterator[tuple[int, ddpm_core.Step]]:
    """Yield the steps of a run as `ddpm_core.side_by_side` does, with their tensors on the CPU. refs: the checkpoint of
    each lane.

    This runs in a process that was forked from a process with many threads. Torch must not start threads there.
    """
    from ddpm_core.engines.choose import use_one_thread

    use_one_thread()
    for ref in [ref for ref in _MODELS if ref not in refs]:
        del _MODELS[ref]
    for ref in refs:
        if ref not in _MODELS:
            _MODELS[ref] = ddpm_core.load(ref, engine="torch")
    own = [{**lane, "model": _MODELS[ref]} for ref, lane in zip(refs, lanes, strict=True)]
    for lane, step in ddpm_core.side_by_side(own[0]["model"], lanes=own, **shared):
        yield lane, step.cpu()


_MODELS: dict[str, Model] = {}  # models of the newest run in the process with the GPU, which may serve several runs
on_gpu: Callable[..., Iterator[tuple[int, ddpm_core.Step]]] | None = None
"""`_steps`, decorated to run on the GPU; None without ZeroGPU"""
# The package `spaces` reports every error of the GPU process as a "ZeroGPU worker error", whose text is the error's
# class. The package also reports this error when it kills the process because the process's time is over.
_REFUSALS = ("quota", "credits", "queue", "duration")  # words in the titles of errors that refuse GPU time
_KILLED = "GPU task aborted"


def prepare() -> None:
    """Register the function that needs a GPU: ZeroGPU requires this before the page is served. Without ZeroGPU do
    nothing.

    Call this before torch is imported, because `spaces` patches torch.
    """
    global on_gpu
    if is_here() and on_gpu is None:
        import spaces  # pyright: ignore[reportMissingImports]

        on_gpu = spaces.GPU(duration=seconds)(_steps)


def side_by_side(
    lanes: Sequence[Lane],
    arguments: Sequence[Arguments],
    shared: Arguments,
    flop: float,
    notify: Callable[[str], None],
) -> Iterator[tuple[int, ddpm_core.Step]]:
    """Yield the steps of a run: on the GPU while the visitor has time there, else with the loaded models.

    arguments: the arguments of `ddpm_core.trajectory` for each lane, from which the other process makes the chain.
    shared: arguments of all lanes. flop: FLOP of one evaluation of the larger network, 0 if unknown. notify(sentence):
    called if the run continues without the GPU. Raises Interrupted if the GPU fails after the first step.
    """
    refs = [_reference(lane.model) for lane in lanes]
    if flop and all(refs):
        own = [
            {**each, "on_step": lane.on_step, "after": lane.after} for each, lane in zip(arguments, lanes, strict=True)
        ]
        assert on_gpu is not None
        steps, done = on_gpu(refs, own, shared, flop), 0
        try:
            for done, item in enumerate(steps, 1):  # noqa: B007
                yield item
            return
        except Exception as error:  # the error classes of `spaces` exist only on ZeroGPU
            # gradio's Error has a title such as "ZeroGPU quota exceeded"
            title, text = (str(getattr(error, name, "")) for name in ("title", "message"))
            if not title.startswith("ZeroGPU"):
                raise
            log.warning("no GPU after %d steps: %s: %s", done, title, text)
            if done:
                used_up = "The time of the GPU for this run was used up: take fewer steps or images"
                failed = f"The GPU failed in this run ({text}): start it again"
                raise Interrupted(used_up if text == _KILLED else failed) from None
            refused = any(word in title for word in _REFUSALS)
            why = "There is no GPU time left for you today" if refused else f"The GPU failed ({text})"
        notify(f"{why}: this run goes on without one")
    from ddpm_core.runs import follow  # this imports torch, which must be imported after `prepare`

    yield from follow(lanes, **shared)


def _reference(model: Model) -> str | None:
    """Return the reference with which another process loads the model; None if it has no source."""
    source = model.source
    return source and (f"{source.name}@{source.revision}" if source.revision else source.ref)
