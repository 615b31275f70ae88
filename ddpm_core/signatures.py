"""Signatures of the public functions, as IPython and `help` show them, with the values that each argument can have."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, ForwardRef, Literal, SupportsIndex, Union, get_args, get_origin

_WORD = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?![\w.'\"])")


class _Shown:
    """An annotation that prints as its text, without quotes."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text


@cache
def readable(thing: Any) -> Any:
    """Return a function or class whose signature has the values of this project's types instead of their names.

    `variance: 'Variance | None'` becomes `variance: Literal['beta', 'beta_tilde', …] | None`. Type checkers are not
    affected, because they read the source.
    """
    function = vars(thing).get("__init__") if inspect.isclass(thing) else thing
    if isinstance(function, types.FunctionType):
        signature, names = inspect.signature(function), vars(sys.modules[function.__module__])
        each = [one for one in signature.parameters.values() if one.name == "self" or not one.name.startswith("_")]
        shown: Any = signature.replace(
            parameters=[one.replace(annotation=_annotation(one.annotation, names)) for one in each],
            return_annotation=_annotation(signature.return_annotation, names),
        )
        function.__signature__ = shown  # pyright: ignore[reportFunctionMemberAccess]
    return thing


def _annotation(kind: Any, names: dict[str, Any]) -> Any:
    """Return an annotation with its type names replaced. names: the variables of its module."""
    return kind if kind is inspect.Parameter.empty else _Shown(_text(kind, names))


def _text(kind: Any, names: dict[str, Any]) -> str:
    """Return an annotation as text. names: the variables of its module."""
    origin, inner = get_origin(kind), [_text(one, names) for one in get_args(kind)]
    if isinstance(kind, str):
        return _WORD.sub(lambda found: _named(found[0], names), kind)
    if isinstance(kind, ForwardRef):
        return _text(kind.__forward_arg__, names)
    if origin is Annotated:
        return inner[0]
    if getattr(origin, "__name__", "") == "ndarray":  # leaves out the shape and dtype, which are Any
        return "ndarray"
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(inner))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, get_args(kind)))}]"
    if origin is not None and get_args(kind) and isinstance(get_args(kind)[0], list):  # Callable[[…], …]
        arguments = ", ".join(_text(one, names) for one in get_args(kind)[0])
        return f"{origin.__name__}[[{arguments}], {inner[1]}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(inner)}]"
    if kind in (None, type(None)):
        return "None"
    # np.integer is compared by its name, because importing NumPy takes time.
    if kind is SupportsIndex or getattr(kind, "__name__", "") == "integer":
        return "int"
    return "..." if kind is Ellipsis else getattr(kind, "__name__", repr(kind))


def _named(word: str, names: dict[str, Any]) -> str:
    """Return the values of a word that names one of this project's types; return other words unchanged."""
    meant: Callable[..., Any] | Any = names.get(word)
    alias = meant is SupportsIndex or get_origin(meant) is not None
    return _text(meant, names) if alias else word
