"""The types of what an engine is asked, and says: Python and the page have the same."""

import re
from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from ui import protocol
from ui.pictures.encoded import Sprite
from ui.runs.states import State
from ui.web import FILES

OF_PAGE = (FILES / "messages/protocol.js").read_text(encoding="utf-8")
PLAIN = {
    int: "number",
    float: "number",
    str: "string",
    bool: "boolean",
    NoneType: "null",
    Any: "any",
    np.ndarray: "np.ndarray",
}


def of_python(kind) -> str:
    """A type as JSDoc has it."""
    if kind == Sprite:
        return "Sprite"
    if kind in (State, protocol.TrainState):
        return "State" if kind == State else "TrainState"
    if kind in PLAIN:
        return PLAIN[kind]
    if is_typeddict(kind):
        return kind.__name__
    if kind == protocol.Result:
        return "R"
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(f'"{part}"' for part in parts)
    if origin is Callable:
        (asked,), said = parts
        return f"(asked: {of_python(asked)}) => {of_python(said)}"
    if set(get_args(Sprite)) < {*parts}:
        return " | ".join(["Sprite", *(of_python(part) for part in parts if part not in get_args(Sprite))])
    inner = [of_python(part) for part in parts]
    if origin is list:
        return f"({inner[0]})[]" if " | " in inner[0] and inner[0][0] != "[" else f"{inner[0]}[]"
    if origin is tuple:
        return f"[{', '.join(inner)}]"
    return f"Record<{', '.join(inner)}>" if origin is dict else " | ".join(inner)


def test_both_languages_have_the_same_messages_and_questions():
    own = {}
    for name, kind in vars(protocol).items():
        if is_typeddict(kind) and not name.startswith("_"):
            hints = get_type_hints(kind)  # without NotRequired
            own[name] = {(f"[{key}]" if key in kind.__optional_keys__ else key): of_python(hints[key]) for key in hints}
    theirs = {}
    for name, text in re.findall(r"@typedef \{object\} (\w+)(.*?)\*/", OF_PAGE, re.S):
        found = re.findall(r"@property \{(.+)\} (\[?\w+\]?)", text)
        theirs[name] = {key: re.sub(r"(Int|Float)\d+Array|Picture\[\]", "np.ndarray", kind) for kind, key in found}
    assert own == theirs
    (union,) = re.findall(r"@typedef \{(.+)\} Result", OF_PAGE)
    assert union.split(" | ") == [kind.__name__ for kind in get_args(protocol.Result)]
    (states,) = re.findall(r"@typedef \{(.+)\} TrainState", OF_PAGE)
    assert re.findall(r"\w+", states) == [*get_args(protocol.TrainState)]
