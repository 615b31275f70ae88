"""The types of what an engine says: Python and the page have the same."""

import re
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from ui.pictures.encoded import Sprite
from ui.runs import protocol
from ui.runs.states import State
from ui.web import FILES

OF_PAGE = (FILES / "shared/run/protocol.js").read_text(encoding="utf-8")
PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", NoneType: "null", np.ndarray: "np.ndarray"}


def of_python(kind) -> str:
    """A type as JSDoc has it."""
    if kind == Sprite:
        return "Sprite"
    if kind == State:
        return "State"
    if kind in PLAIN:
        return PLAIN[kind]
    if is_typeddict(kind):
        return kind.__name__
    if kind == protocol.Result:
        return "R"
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(f'"{part}"' for part in parts)
    inner = [of_python(part) for part in parts]
    if origin is list:
        return f"({inner[0]})[]" if " | " in inner[0] else f"{inner[0]}[]"
    if origin is tuple:
        return f"[{', '.join(inner)}]"
    return f"Record<{', '.join(inner)}>" if origin is dict else " | ".join(inner)


def test_both_languages_have_the_same_messages():
    own = {}
    for name, kind in vars(protocol).items():
        if is_typeddict(kind):
            hints = get_type_hints(kind)  # without NotRequired
            own[name] = {(f"[{key}]" if key in kind.__optional_keys__ else key): of_python(hints[key]) for key in hints}
    theirs = {}
    for name, text in re.findall(r"@typedef \{object\} (\w+)(.*?)\*/", OF_PAGE, re.S):
        found = re.findall(r"@property \{(.+)\} (\[?\w+\]?)", text)
        theirs[name] = {key: re.sub(r"Int\d+Array", "np.ndarray", kind) for kind, key in found}
    assert own == theirs
    (union,) = re.findall(r"@typedef \{(.+)\} Result", OF_PAGE)
    assert union.split(" | ") == [kind.__name__ for kind in get_args(protocol.Result)]
