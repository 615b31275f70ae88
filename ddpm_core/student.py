"""A student is a model that was distilled from a teacher, so that it needs few steps. `Student` describes its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ddpm_core.names import DISTILLATIONS, Distillation, Sampler, count_of

# {method of distillation: sampler of its students}.
SAMPLERS: dict[Distillation, Sampler] = {"consistency": "consistency", "progressive": "ddim"}


@dataclass(frozen=True)
class Student:
    """The runs for which a distilled model was made.

    Raises:
        ValueError: for an unknown method, for times that do not descend or end below 1, and for wrong usual times.
    """

    method: Distillation
    """the method of distillation, one of names.DISTILLATIONS"""
    times: tuple[int, ...]
    """the times at which the network was trained, descending from T. After progressive distillation, a chain visits all
    of them; after consistency distillation, it visits some of them"""
    teacher: str = ""
    """the teacher's name, "" if it is not known"""
    guidance: float | None = None
    """the scale of the teacher's guidance, which the student has learned; None without guidance"""
    finished: bool = True
    """whether the training reached its end"""
    usual: tuple[int, ...] = ()
    """the times of a consistency model's run if the user gives no number of steps; () means 2 of `times`"""

    def __post_init__(self) -> None:
        if self.method not in DISTILLATIONS:
            raise ValueError(f"unknown method {self.method!r}: choose from {', '.join(DISTILLATIONS)}")
        descending = all(a > b for a, b in pairwise(self.times))
        if not self.times or not descending or self.times[-1] < 1:
            raise ValueError(f"a student's times descend and end at 1 or later, got {self.times}")
        learned = set(self.times)
        descending = all(a > b for a, b in pairwise(self.usual)) and all(t in learned for t in self.usual)
        if self.usual and not (self.method == "consistency" and descending and self.usual[0] == self.times[0]):
            raise ValueError(f"a consistency model's usual times descend from its first one, got {self.usual}")

    @property
    def sampler(self) -> Sampler:
        """Return the sampler for which the student was made."""
        return SAMPLERS[self.method]

    @property
    def steps(self) -> int:
        """Return the number of steps of a run if the user gives none.

        After progressive distillation, it is the number of all times. Else it is the number of usual times, or 2.
        """
        if self.usual:
            return len(self.usual)
        return len(self.times) if self.method == "progressive" else min(2, len(self.times))

    def pairs(self, steps: int, start: float | None = None) -> list[tuple[int, int]]:
        """Return the steps (t, s) of a run, spread evenly over the times. start: the first time; None for T.

        Raise ValueError for a start that is not one of the times, and for a number of steps that is not possible from
        there.
        """
        times = self.times if start is None else self._from(start)
        most = len(times)
        if self.method == "progressive" and steps != most:
            raise self._wrong_number(steps, times)
        if not 1 <= steps <= most:
            learned = f"{most} times" if times == self.times else f"{most} times up to t = {start}"
            raise ValueError(f"this student has learned {learned}: it takes 1 to {most} steps, not {steps}")
        if steps == len(self.usual) and times == self.times:
            times = self.usual
        else:
            times = [times[k * most // steps] for k in range(steps)]
        return list(zip(times, [*times[1:], 0], strict=True))

    def check(self, sampler: str, pairs: Sequence[tuple[float, float]], eta: float) -> None:
        """Raise ValueError for a sampler, times or an eta for which the student was not made."""
        if sampler != self.sampler or eta:
            needed = f"{self.sampler!r}, not {sampler!r}" if sampler != self.sampler else f"{sampler!r} with eta 0"
            raise ValueError(f"this model is a {self.method} student: it needs the sampler {needed}")
        visited = [t for t, _ in pairs]
        self.check_times(visited)
        if self.method == "progressive" and len(visited) != len(times := self._from(visited[0])):
            raise self._wrong_number(len(visited), times)

    def check_times(self, times: Iterable[float], instead: str = "use its own steps, or its teacher") -> None:
        """Raise ValueError for a time at which the network was not trained. instead: the advice in the message."""
        learned = set(self.times)
        foreign = [t for t in times if t not in learned]
        if foreign:
            known = _listed(self.times)
            raise ValueError(f"this model is a student that has not learned t = {foreign[0]}, only {known}: {instead}")

    def _from(self, start: float) -> tuple[int, ...]:
        """Return `start` and the times below it. Raise ValueError if `start` is not one of the times."""
        self.check_times([start])
        return self.times[self.times.index(int(start)) :]

    def _wrong_number(self, steps: int, times: tuple[int, ...]) -> ValueError:
        """Return the error for a number of steps that a progressively distilled student can't take."""
        there = "" if times == self.times else f", {len(times)} of them from t = {times[0]}"
        return ValueError(f"this student was made for {self._made_for}{there}: it can't take {steps}")

    def __str__(self) -> str:
        what = f"{self.method} distillation" + (f" of {self.teacher}" if self.teacher else "")
        what += "" if self.guidance is None else f", guidance {self.guidance:g}"
        if self.method == "consistency":
            made_for = f"1 to {len(self.times)} steps among t = {_listed(self.times)}"
        else:
            made_for = self._made_for
        return f"{what}, for {made_for}" + ("" if self.finished else ", unfinished")

    @property
    def _made_for(self) -> str:
        """The number of steps and their times as text."""
        n = len(self.times)
        return f"{count_of(n, 'step')} at t = {_listed(self.times)}"


def _listed(times: Sequence[int]) -> str:
    """Return times as text: all of them, or the first three and the last one if there are more than 10."""
    each = [str(t) for t in times]
    return ", ".join(each if len(each) <= 10 else [*each[:3], "…", *each[-1:]])
