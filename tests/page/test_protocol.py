"""The types of what an engine is asked, and says: the page's file of them is made from Python's."""

import re
from pathlib import Path
from typing import is_typeddict

import numpy as np
import pytest
from protocol_types import fits

from ui import protocol
from ui.web.page_types import FILE, HEAD, SOURCE, PageTypes

ROOT = Path(__file__).parents[2]


def made(source: str) -> str:
    """The types that the page has for these, without what stands before them."""
    return PageTypes(source).text.removeprefix(f"{HEAD}\n")


def test_the_page_has_the_types_of_python():
    assert FILE.read_text(encoding="utf-8") == PageTypes(SOURCE.read_text(encoding="utf-8")).text, (
        "ui/protocol.py has changed: run python ui/web/page_types.py"
    )


def test_a_type_keeps_its_fields_and_their_meanings():
    source = '''
class Frame(TypedDict, Generic[R]):
    """Pictures after a step.

    Not every one."""

    kind: Literal["frame", "inside"]
    # The pixels, and
    # where they are.
    x: NotRequired[list[Sprite | None]]
    found: dict[str, tuple[int, R]]  # by name


State = Literal["idle"]  # how it stands
From = TypedDict("From", {"from": list[int]})


class Questions(From):
    ask: Callable[[Frame], State | None]
'''
    assert (
        made(source)
        == """/** Pictures after a step. Not every one. */
export type Frame<R> = {
  kind: "frame" | "inside";
  /** The pixels, and where they are. */
  x?: (Sprite | null)[];
  /** by name */
  found: Record<string, [number, R]>;
};

/** how it stands */
export type State = "idle";

export type From = {
  from: number[];
};

export type Questions = From & {
  ask: (asked: Frame) => State | null;
};
"""
    )


def test_a_name_of_the_protocol_is_no_other_class_of_the_project():
    files = [file for package in ("ddpm_core", "ui", "train") for file in (ROOT / package).rglob("*.py")]
    classes = [re.findall(r"^class (\w+)", file.read_text(encoding="utf-8"), re.M) for file in files if file != SOURCE]
    own = {name for name, kind in vars(protocol).items() if is_typeddict(kind)}
    assert {name for names in classes for name in names} & own == set() and len(own) > 50


@pytest.mark.parametrize("kind", ["set[int]", "Unknown", "np.ndarray", "list", "Literal"])
def test_a_type_that_the_page_does_not_know_is_refused_in_a_sentence(kind):
    with pytest.raises(ValueError) as refusal:
        PageTypes(f"class Frame(TypedDict):\n    k: int\n    x: {kind}\n")
    assert str(refusal.value) == f"protocol.py, line 3: the page has no type for {kind}"


def test_what_is_said_is_checked_to_the_last_number():
    frame = {"kind": "frame", "lane": 0, "k": 1, "sigma": 0.5, "x": np.zeros((1, 8, 8, 3), np.uint8)}
    frame["x0"] = frame["x"]
    assert fits(frame, protocol.Result)
    assert fits(frame | {"apart": [(0.5, 1)]}, protocol.Result)
    for wrong in ({"k": None}, {"k": True}, {"apart": [(0.5,)]}, {"kind": "frames"}, {"more": 1}, {"x": [1]}):
        assert not fits(frame | wrong, protocol.Result), wrong
    del frame["k"]
    assert not fits(frame, protocol.Result)
