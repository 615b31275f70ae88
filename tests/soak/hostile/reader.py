"""Reads hostile files in a process of its own, and judges how they were refused."""

from __future__ import annotations

import multiprocessing
import time
from typing import Any, NamedTuple

from soak.hostile.case import Case

SECONDS = 10.0  # that a refusal may take


class Outcome(NamedTuple):
    """sentence: "" where it was read. seconds, memory: what that took; memory is the process's peak, in bytes."""

    sentence: str
    seconds: float
    memory: int


def read(case: Case) -> str:
    """Read it as the page does: "" or the sentence with which it is refused. Other errors come out."""
    import ddpm_core
    from ddpm_core import CheckpointError
    from ui.machine.limits import ServerLimits
    from ui.models.loaded import Models

    try:
        models = Models(limits=ServerLimits.public())
        models.peek(str(case.path))
        models.flop(str(case.path))
        ddpm_core.load(case.path, engine="torch", device="cpu")
    except (CheckpointError, ValueError) as refusal:
        return str(refusal)
    return ""


def serve(pipe: Any) -> None:
    """The child process: reads what it is sent."""
    import ddpm_core.checkpoint.cost
    import ddpm_core.checkpoint.load  # noqa: F401, the time of these imports is not a file's
    from benchmarks._measure import peak_resident

    pipe.send("ready")
    while (case := pipe.recv()) is not None:
        started = time.monotonic()
        try:
            outcome: Any = read(case)
        except BaseException as error:
            outcome = error
        text = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, BaseException) else outcome
        pipe.send((isinstance(outcome, BaseException), Outcome(text, time.monotonic() - started, peak_resident())))


class Reader:
    """A child process that reads one case after another."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        assert self._pipe.recv() == "ready"

    def read(self, case: Case, seconds: float = 60) -> tuple[str, Outcome | None]:
        """(what is wrong, the outcome); the former is "" where all is well."""
        self._pipe.send(case)
        try:
            if not self._pipe.poll(seconds):
                raise EOFError
            failed, outcome = self._pipe.recv()
        except EOFError:
            alive = self._process.is_alive()
            self._process.kill()
            self._process.join()
            code = self._process.exitcode
            self._start()
            return (f"no answer in {seconds:.0f} s" if alive else f"the process died ({code})"), None
        if failed:
            return f"an error that is no refusal: {outcome.sentence}", outcome
        return judged(case, outcome), outcome

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join(10)
        self._process.kill()


def judged(case: Case, outcome: Outcome) -> str:
    """What is wrong with an outcome; "" for nothing."""
    if outcome.seconds > SECONDS:
        return f"took {outcome.seconds:.1f} s"
    if not outcome.sentence and not case.may_load:
        return "was read"
    if "\n" in outcome.sentence or len(outcome.sentence) > 1000:
        return f"no single sentence: {outcome.sentence[:300]!r}"
    return ""
