"""What editors know of `train.preset` and the trainer: the list of changes, and the signature."""

import inspect
import json
import os
import re
import types
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest

import train
from train.common import changes
from train.common.config import Config, names

FILE = Path(changes.__file__)
WIDER = {str: "str | PathLike[str]", bool: "bool", int: "int", float: "float", type(None): "None"}


def written(kind) -> str:
    """The type that a program may give for a field of this type."""
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(json.dumps, get_args(kind)))}]"
    if get_origin(kind) is tuple:
        return "Sequence[int]"
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(part for one in get_args(kind) for part in written(one).split(" | ")))
    return WIDER[kind]


def test_the_list_of_changes_is_that_of_the_configuration():
    hints = get_type_hints(Config)
    fields = [name for name in names(Config()) if name not in ("config", "resume", "out")]
    lines = "".join(f"    {name}: {'Data' if name == 'data' else written(hints[name])}\n" for name in fields)
    before = FILE.read_text(encoding="utf-8")
    now = re.sub(r"(?<=each means\.\"\"\"\n\n).*?(?=\n\nclass)", lambda _: lines, before, flags=re.S)
    if os.environ.get("DDPM_WRITE_CHANGES"):
        FILE.write_text(now, encoding="utf-8")
    assert now == before


@pytest.mark.parametrize(
    ("function", "name", "kind"),
    [(train.preset, "name", changes.PresetChanges), (train.resume, "out", changes.Changes)],
)
def test_the_signature_lists_the_changes(function, name, kind):
    """As IPython completes them, and help() shows them."""
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == name and [one.name for one in others] == list(get_type_hints(kind))
    assert {one.kind for one in others} == {inspect.Parameter.KEYWORD_ONLY}
