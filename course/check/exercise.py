"""How a student's function is checked: it sees the same hidden inputs as the library's, and the results are compared.

A wrong result is compared with the results of functions that make the classic mistakes. One that agrees gives its
sentence, which names the mistake and never the solution.
"""

from __future__ import annotations

import builtins
import html
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core import NoiseSchedule

Outputs = tuple[Any, ...]
FLOAT64 = torch.float64
HERE = Path(__file__).parent
NOT_FILLED_IN = "Not filled in yet: replace the line `raise NotImplementedError` by your own."
OUTSIDE = (
    "You use a schedule from outside of the function. Take the one in the argument `schedule`: it may be another one."
)
FIRST_TIME = "You take the first time, t[0], for all images. Each image has its own: t is a tensor of N times."
OWN_NOISE = "You draw noise of your own, so each call gives something else. Take the noise that is in the arguments."
# What torch says, and what it means here.
EXPLAINED = {
    "bitwise_xor": "In Python ^ is no power: write a ** 0.5, or a.sqrt().",
    "must match the size of tensor": "Shapes do not fit. One number for each image needs the shape (N, 1, 1, 1) before "
    "it can multiply images (N, C, H, W).",
    "a leaf Variable that requires grad": "Torch refuses to change a parameter while it keeps track of gradients: work "
    "inside `with torch.no_grad():`.",
    "does not require grad": "The loss has no gradient. Something cut it off: .item(), .detach() or torch.no_grad().",
}


@dataclass(frozen=True)
class Case:
    """Hidden arguments. where: "t = 1", for the sentence. part: cases of one part must all show the same mistake."""

    where: str
    arguments: tuple
    part: str = ""


@dataclass(frozen=True)
class Result:
    """What the notebook shows below an exercise."""

    exercise: str
    passed: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.exercise}: {self.sentence}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour = "#1a7f37" if self.passed else "#b35900"
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 4px 10px"><b style="color: {colour}">'
            f"{'✓' if self.passed else '✗'} {self.exercise}</b> {html.escape(self.sentence)}</div>"
        )


class Fault(Exception):
    """A result that can't be compared; str(fault) is the sentence for the student."""


def call(function: Callable, *arguments: Any) -> Any:
    """The usual way to look at a function: its result."""
    return function(*arguments)


@dataclass(frozen=True)
class Exercise:
    """One function of the course. Call it with the student's function to get a Result.

    right: the same function, from the library. cases: makes the hidden inputs. mistakes: by sentence, functions that
    make a classic mistake; where several agree with the student, the first. hint: for a mistake that is not known.
    outputs: the names of what the function returns. observe(function, *arguments): what is compared, for functions
    whose work is not in what they return; it raises Fault for what can't be.
    """

    name: str
    right: Callable
    cases: Callable[[], Sequence[Case]]
    mistakes: Mapping[str, Callable]
    hint: str
    outputs: tuple[str, ...] = ("the result",)
    observe: Callable[..., Any] = call

    def __call__(self, function: Callable) -> Result:
        """`check`; what no notebook and no prompt shows is printed."""
        result = self.check(function)
        if not hasattr(builtins, "__IPYTHON__") and not hasattr(sys, "ps1"):
            print(result)
        return result

    def check(self, function: Callable) -> Result:
        """Whether the function is right, and if not, one sentence of help."""
        sentence = self._fault(function)
        return Result(self.name, sentence is None, sentence or "Right.")

    def _fault(self, function: Callable) -> str | None:
        """What is wrong, in one sentence; None if nothing is."""
        if not callable(function):
            return f"Give the function itself, without brackets: check.{self.name}({self.name})."
        cases = self.cases()
        wanted = [self._outputs(self.right, case) for case in cases]
        try:
            given = [self._outputs(function, case, strict=True) for case in cases]
        except Fault as fault:
            return str(fault)
        if all(map(_same_all, given, wanted)):
            return next(
                (fault for case, g, w in zip(cases, given, wanted, strict=True) if (fault := self._form(case, g, w))),
                None,
            )
        if self._differs(function, cases, given) and not self._differs(self.right, cases, wanted):
            return OWN_NOISE
        known = {}
        for sentence, tried in self._known(cases):
            if all(map(_same_all, given, tried)):
                return sentence
            known[sentence] = tried
        for case, g, w in zip(cases, given, wanted, strict=True):  # before values are compared one by one
            if any(_shape(a) != _shape(b) for a, b in zip(g, w, strict=True)):
                return self._form(case, g, w)
        sentence = self._by_part(cases, given, wanted, known)
        if sentence:
            return sentence
        for case, g, w in zip(cases, given, wanted, strict=True):
            if fault := self._form(case, g, w):
                return fault
        return self._unknown(cases, given, wanted)

    def _known(self, cases: Sequence[Case]) -> Iterator[tuple[str, list[Outputs]]]:
        """What each mistake gives, one computed after the other; the last are those of any exercise."""
        for sentence, mistake in self.mistakes.items():
            yield sentence, self._tried(mistake, cases)
        if any(_is_times(argument) for argument in cases[0].arguments):
            yield FIRST_TIME, self._tried(self.right, [_at_first_time(case) for case in cases])
        if any(isinstance(argument, NoiseSchedule) for argument in cases[0].arguments):
            yield OUTSIDE, self._tried(self.right, [_with_other_schedule(case) for case in cases])

    def _by_part(
        self, cases: Sequence[Case], given: list[Outputs], wanted: list[Outputs], known: Mapping[str, list[Outputs]]
    ) -> str | None:
        """The sentence of a mistake that explains the first wrong output in the first part where it is wrong."""
        for part in dict.fromkeys(case.part for case in cases):
            here = [i for i, case in enumerate(cases) if case.part == part]
            for k in range(len(self.outputs)):
                if all(same(given[i][k], wanted[i][k]) for i in here):
                    continue
                for sentence, tried in known.items():
                    if all(same(given[i][k], tried[i][k]) for i in here):
                        return sentence
        return None

    def _unknown(self, cases: Sequence[Case], given: list[Outputs], wanted: list[Outputs]) -> str:
        """Where it is right and where not, and the hint."""
        pairs = list(zip(given, wanted, strict=True))
        k = next(k for k in range(len(self.outputs)) if not all(same(g[k], w[k]) for g, w in pairs))
        what = "" if len(self.outputs) == 1 else f" ({self.outputs[k]})"
        wrong = dict.fromkeys(c.where for c, (g, w) in zip(cases, pairs, strict=True) if not same(g[k], w[k]))
        right = [where for where in dict.fromkeys(case.where for case in cases) if where not in wrong]
        if right:
            return f"Right at {_listed(right)}, but not at {_listed([*wrong])}{what}. {self.hint}"
        return f"Not right yet{what}. {self.hint}"

    def _differs(self, function: Callable, cases: Sequence[Case], before: list[Outputs]) -> bool:
        """Whether the function gives something else when it is called again."""
        return not all(map(_same_all, self._tried(function, cases), before))

    def _tried(self, mistake: Callable, cases: Sequence[Case]) -> list[Outputs]:
        try:
            return [self._outputs(mistake, case) for case in cases]
        except (Fault, ArithmeticError, IndexError):
            return [(None,) * len(self.outputs)] * len(cases)

    def _outputs(self, function: Callable, case: Case, strict: bool = False) -> Outputs:
        """What the function gives for a case. strict: it is the student's; Fault is raised for what it must not do."""
        arguments = [argument.clone() if isinstance(argument, Tensor) else argument for argument in case.arguments]
        try:
            found = self.observe(function, *arguments)
        except Fault:
            raise
        except Exception as error:
            if not strict:
                raise
            if isinstance(error, NotImplementedError) and not str(error):  # torch's own say what is not implemented
                raise Fault(NOT_FILLED_IN) from None
            raise Fault(_stopped(error, case)) from None
        outputs = found if isinstance(found, tuple) else (found,)
        if strict:
            self._check_kind(found, outputs, case, arguments)
        return outputs

    def _check_kind(self, found: Any, outputs: Outputs, case: Case, arguments: Sequence[Any]) -> None:
        if found is None:
            raise Fault("Your function returns nothing: is there a `return` in its last line?")
        if found is Ellipsis or found is NotImplemented:
            raise Fault(NOT_FILLED_IN)
        if len(outputs) != len(self.outputs):
            raise Fault(f"Return {_listed(self.outputs)}, {len(self.outputs)} in all: yours returns {len(outputs)}.")
        for name, output in zip(self.outputs, outputs, strict=True):
            if isinstance(output, np.ndarray):
                raise Fault(
                    f"{_capital(name)} should be a tensor: yours is a NumPy array. Compute with torch's functions, or "
                    "let torch.as_tensor(…) make a tensor of it."
                )
            if not isinstance(output, Tensor | int | float):
                raise Fault(f"{_capital(name)} should be a tensor: yours is {_a(type(output).__name__)}.")
        for before, after in zip(case.arguments, arguments, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                raise Fault(
                    "Your function changes one of its arguments, which the caller still needs: an operation whose name "
                    "ends in _, or an assignment such as +=, works in place."
                )

    def _form(self, case: Case, given: Outputs, wanted: Outputs) -> str | None:
        """What is wrong with the shape or dtype, or with numbers that are none."""
        for name, g, w in zip(self.outputs, given, wanted, strict=True):
            if _shape(g) != _shape(w):
                return f"{_capital(name)} should have the shape {_shape(w)} here: yours has {_shape(g)}."
            if isinstance(g, Tensor) and isinstance(w, Tensor) and g.ndim and g.dtype != w.dtype:
                why = " The schedule's tables are float64: convert what you compute from them." * (g.dtype == FLOAT64)
                return f"{_capital(name)} should be {_dtype(w)} here, and yours is {_dtype(g)}.{why}"
            if not bool(torch.as_tensor(g, dtype=FLOAT64).isfinite().all()):
                return (
                    f"{_capital(name)} has NaN or infinite numbers at {case.where}: is there a division by 0, or the "
                    "root of a negative number?"
                )
        return None


def _with_other_schedule(case: Case) -> Case:
    linear = NoiseSchedule.linear()
    return replace(case, arguments=tuple(linear if isinstance(a, NoiseSchedule) else a for a in case.arguments))


def _is_times(argument: Any) -> bool:
    return isinstance(argument, Tensor) and argument.dtype == torch.int64 and argument.numel() > 1


def _at_first_time(case: Case) -> Case:
    return replace(case, arguments=tuple(a[:1].expand_as(a) if _is_times(a) else a for a in case.arguments))


def same(a: Any, b: Any) -> bool:
    """Whether two outputs agree, up to rounding: in float32, 1 − ᾱ_t loses digits where it is small."""
    if a is None or b is None or _shape(a) != _shape(b):
        return False
    a, b = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
    rtol, atol = (1e-3, 1e-5) if torch.float32 in (a.dtype, b.dtype) else (1e-5, 1e-6)
    return torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=True)


def _same_all(a: Outputs, b: Outputs) -> bool:
    return len(a) == len(b) and all(map(same, a, b))


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape) if isinstance(x, Tensor) else ()


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _stopped(error: Exception, case: Case) -> str:
    """An exception in the student's function, with its line."""
    text = str(error).splitlines()[0] if str(error) else ""
    for said, meaning in EXPLAINED.items():
        if said in text:
            return meaning
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f", in the line `{f.line}`" for f in frames if Path(f.filename).parent != HERE and f.line), "")
    return f"Your function stops at {case.where} with {type(error).__name__}: {text.rstrip('.')}{line}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
