"""The arguments that functions pass on to `trajectory`, as types: for editors, and for messages about wrong names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict, TypeVar

from torch import Tensor

from ddpm_core.names import OtherOptions, Spacing, Variance
from ddpm_core.noise import Noise
from ddpm_core.prediction import Labels, Prompts
from ddpm_core.samplers import AnySampler, Step

OnStep = Callable[[Step], "Tensor | None"]


# `sample` and other functions pass these arguments on to `trajectory`, whose docstring explains each of them.


class ConditionOptions(TypedDict, total=False):
    """The options that say what to draw. They are the fields of `Condition`."""

    labels: Labels
    guidance: float | None
    prompts: Prompts | None
    negative: Prompts | None


class ChainOptions(TypedDict, total=False):
    """The options that decide which steps a run takes."""

    sampler: AnySampler | None
    variance: Variance | None
    spacing: Spacing | None
    eta: float


class DecodingOptions(ChainOptions, ConditionOptions, OtherOptions, total=False):
    """The options that `reconstruct` and `interpolate` pass on to `trajectory`. They set `start` themselves."""

    clip: bool | None
    noise: Noise | None
    stop: float | None
    on_step: OnStep | None
    attention: bool


class RunOptions(DecodingOptions, total=False):
    """The options that `sample` passes on to `trajectory`."""

    x_T: Tensor | None
    start: float | None
    after: Step | tuple[float, Tensor] | None


class RestoreOptions(OtherOptions, total=False):
    """The options of a run that `restore` takes besides its own arguments."""

    labels: Labels
    guidance: float | None
    x_T: Tensor | None
    noise: Noise | None
    stop: float | None


Function = TypeVar("Function", bound=Callable[..., Any])
UNCHOSEN = {"eta": 0.0, "attention": False}  # defaults of `trajectory`; every other option has the default None


def completes(options: type) -> Callable[[Function], Function]:
    """Return a decorator that lists the names of **options in a function's signature, so that editors complete them.

    options: the TypedDict with which **options is annotated.
    """

    def named(function: Function) -> Function:
        """Change the signature of a function, and return the function."""
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind != one.VAR_KEYWORD]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=UNCHOSEN.get(name), annotation=kind)
            for name, kind in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return named


def arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's arguments after its first, the model."""
    each = inspect.signature(function).parameters.values()
    return [argument.name for argument in each if argument.kind != argument.VAR_KEYWORD][1:]


def check_options(function: str, given: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ValueError for a given option that is not allowed. function: the function's name for the message."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"{function} has no argument {unknown[0]!r}: choose from {', '.join(allowed)}")
