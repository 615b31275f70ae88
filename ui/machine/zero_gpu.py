"""Runs on ZeroGPU, where a Space borrows a GPU for the seconds of one call.

There the process of the page has no GPU. What needs one is a function under `spaces.GPU`, which runs in a forked
process: its arguments and everything that it yields are pickled, and it may take the seconds that `seconds` asks for.
Elsewhere `on_gpu` is None, nothing calls `side_by_side`, and the package `spaces` is not needed.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import ddpm_core

if TYPE_CHECKING:  # it needs torch, which must wait for `prepare`
    from ddpm_core.model import Model
    from ddpm_core.runs import Lane

MOST = 80  # seconds: a visitor without an account has 120 in a day, and ZeroGPU counts 1.5 for one of a Blackwell
START = 15.0  # seconds until a process has the GPU and the weights on it
STEP = 0.03  # seconds of one evaluation, however small
SPEED = 5e12  # FLOP/s that a U-Net reaches at least on the GPU; a guess, as no ZeroGPU could be tried

Arguments = dict[str, Any]  # the arguments of `ddpm_core.trajectory`, which checks them

log = logging.getLogger(__name__)


def is_here() -> bool:
    """Whether this is a Space on ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class Interrupted(ValueError):
    """A run that had begun on the GPU can't go on there."""


def seconds(refs: Sequence[str], lanes: Sequence[Arguments], shared: Arguments, flop: float) -> int:
    """How long a run needs the GPU, from its steps, its larger network and its number of images. At most MOST."""
    images = len(shared["seeds"])
    batches = [images * (1 if lane.get("guidance") is None else 2) for lane in lanes]
    work = sum(lane["steps"] * (STEP + n * flop / SPEED) for lane, n in zip(lanes, batches, strict=True))
    return min(MOST, math.ceil(START + work))


def _steps(
    refs: Sequence[str], lanes: Sequence[Arguments], shared: Arguments, flop: float
) -> Iterator[tuple[int, ddpm_core.Step]]:
    """The steps of a run as `ddpm_core.side_by_side` yields them, with their tensors on the CPU. refs: of each lane.

    It may run in a process that was forked from one with many threads, where torch must not use its own threads.
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


_MODELS: dict[str, Model] = {}  # of a process with a GPU, which may be used for several runs: those of the newest
on_gpu: Callable[..., Iterator[tuple[int, ddpm_core.Step]]] | None = None
"""runs `_steps` on the GPU; None where there is no ZeroGPU"""
# What `spaces` says. It calls every error in the process with the GPU a "ZeroGPU worker error", whose text is the
# error's class, and so too when it kills that process because its time is over.
_REFUSALS = ("quota", "credits", "queue", "duration")  # in titles
_KILLED = "GPU task aborted"


def prepare() -> None:
    """Declare the function that needs a GPU, as ZeroGPU demands before the page is served. Elsewhere nothing happens.

    To be called before anything imports torch, which `spaces` changes.
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
    """Yield the steps of a run, on the GPU while some of its time is left, else with the models.

    arguments: of each lane for `ddpm_core.trajectory`, as another process makes its chain anew. shared: those that all
    lanes have. flop: of one evaluation of the larger network, 0 where it is not known. notify(sentence) is called when
    a run that could have had a GPU goes on without. Raises Interrupted.
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
        except Exception as error:  # the package `spaces` raises its own kinds, which only exist there
            # gradio's Error, with a title such as "ZeroGPU quota exceeded"
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
    from ddpm_core.runs import follow  # it needs torch, which must wait for `prepare`

    yield from follow(lanes, **shared)


def _reference(model: Model) -> str | None:
    """What another process loads the model by."""
    source = model.source
    return source and (f"{source.name}@{source.revision}" if source.revision else source.ref)
