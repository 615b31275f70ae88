"""What an engine says of a run: the messages, and the results in them.

The page has the same types in ui/web/shared/run/protocol.js, as its own engine says the same.
tests/page/test_protocol.py compares them.
"""

from typing import Literal, NotRequired, TypedDict

import numpy as np

from ui.pictures.encoded import Sprite
from ui.runs.states import State


class Block(TypedDict):
    name: str
    shape: list[int]
    parts: str


class Figures(TypedDict):
    seeds: int
    steps: int
    unit: Literal["right", "rms"]
    judge: dict[str, float] | None
    whole: float
    off: dict[str, dict[str, float]]
    condition: dict[str, float]
    graft: dict[str, dict[str, float]]


class Opening(TypedDict):
    kind: Literal["plan"]
    words: NotRequired[list[str]]
    unknown: NotRequired[list[str]]
    published: NotRequired[list[list[float]] | None]
    blocks: NotRequired[list[Block]]
    skips: NotRequired[list[str]]
    r2: NotRequired[dict[str, list[float]] | None]
    figures: NotRequired[Figures | None]


class Frame(TypedDict):
    kind: Literal["frame"]
    lane: int
    k: int
    sigma: float
    x: Sprite
    x0: Sprite
    z: NotRequired[Sprite]
    z0: NotRequired[Sprite]
    decoded: NotRequired[bool]
    apart: NotRequired[list[tuple[float, float]]]
    attention: NotRequired[Sprite]


class Look(TypedDict):
    layer: str
    maps: Sprite


class Inside(TypedDict):
    kind: Literal["inside"]
    lane: int
    k: int
    t: int
    x: Sprite
    x0: Sprite
    channels: Sprite
    read: NotRequired[list[Sprite]]
    colours: NotRequired[list[Sprite]]
    looks: NotRequired[list[Look]]


class Source(TypedDict):
    kind: Literal["source"]
    i: int
    x: Sprite
    final: bool


class Head(TypedDict):
    kind: Literal["latent", "map"]
    row: int
    x: list[Sprite]


class Step(TypedDict):
    kind: Literal["step"]
    row: int
    k: int
    s: int
    x0: Sprite
    x: NotRequired[Sprite]


class Row(TypedDict):
    kind: Literal["row"]
    row: int
    spread: float
    gap: NotRequired[float]


class Cells(TypedDict):
    kind: Literal["cells"]
    cells: list[int]
    x: Sprite


class Training(TypedDict):
    kind: Literal["training"]
    steps: int
    curve: list[tuple[int, float]]
    least: float
    x: np.ndarray | None


class Cloud(TypedDict):
    kind: Literal["frame"]
    lane: int
    s: int
    alpha_bar: float
    reach: float
    x: np.ndarray
    field: np.ndarray | None


class Decoding(TypedDict):
    kind: Literal["decoding"]
    times: list[int]
    rows: list[Sprite]


class Early(TypedDict):
    kind: Literal["early"]
    steps: int
    bits: float


class Curves(TypedDict):
    L: list[float]
    rate: list[float]


class Bits(TypedDict):
    kind: Literal["bits"]
    done: int
    chains: dict[str, dict[str, tuple[float, float | None, float, float]]]
    curves: dict[str, Curves]
    rmse: list[float]
    times: list[int]


Result = Opening | Frame | Inside | Source | Head | Step | Row | Cells | Training | Cloud | Decoding | Early | Bits


class Message(TypedDict):
    run: str
    seq: int
    state: State
    text: str
    progress: float | None
    left: float | None
    results: list[Result]
