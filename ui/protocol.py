"""The protocol between the page and its engines: the messages of a run with the results in them, and the questions.

The page has the same types in ui/web/messages/protocol.js, as its own engine says the same.
tests/page/test_protocol.py compares them.
"""

from collections.abc import Callable, Mapping
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


# --- Questions: an engine answers each with what stands here, or {error}, a sentence


Asked = Mapping[str, object]  # the values of a question as they come: from anybody, so each is checked


class Nothing(TypedDict):
    pass


class ModelChoice(TypedDict):
    ref: str
    label: str
    about: str
    group: str
    ready: bool
    latent: bool
    picture: str


class Device(TypedDict):
    note: str
    engine: str


class ModelList(TypedDict):
    models: list[ModelChoice]
    device: Device
    known: bool


class ModelAsked(TypedDict):
    ref: str
    pictures: NotRequired[bool]
    typed: NotRequired[bool]


class Origin(TypedDict):
    ref: NotRequired[str | None]
    name: NotRequired[str | None]
    revision: NotRequired[str | None]
    weights: NotRequired[str | None]
    file: NotRequired[str | None]
    fixed: NotRequired[bool | None]


class StudentSpec(TypedDict):
    method: Literal["consistency", "progressive"]
    times: list[int]
    usual: list[int]
    guidance: float | None


class Spec(TypedDict):
    image_size: int
    channels: int
    factor: int
    prediction: str
    variance: str
    num_classes: int
    null_label: int | None
    class_names: list[str] | None
    clip: bool
    source: Origin | None
    gamma: bool | None
    optimised: dict[str, dict[str, list[int]]] | None
    student: StudentSpec | None
    latent: bool
    takes_words: bool
    leading_offset: int
    coordinates: str | None
    floor: NotRequired[float]
    snr: float | None
    corrections: int
    readers: bool


class Autoencoder(TypedDict):
    folder: str
    kind: str
    scale: float
    shift: float


class Home(TypedDict):
    where: str
    has_scheduler: bool
    autoencoder: Autoencoder | None
    own_class: bool


class ScheduleTable(TypedDict):
    T: int
    beta: list[float]
    alphaBar: list[float]
    exploding: NotRequired[bool]


class KeptGamma(TypedDict):
    times: list[int]
    gamma: list[float]


class KeptTimes(TypedDict):
    times: dict[str, dict[str, str]]


class Sidecars(TypedDict):
    gamma: KeptGamma | None
    optimised: KeptTimes | None


class Pipeline(TypedDict):
    name: str
    sigma: float | None


class ModelFacts(TypedDict):
    spec: Spec
    home: Home
    scheduler: ScheduleTable
    sidecars: Sidecars
    pipeline: NotRequired[Pipeline | None]
    colours: NotRequired[list[list[float]] | None]


class ShippedSet(TypedDict):
    title: str
    count: int


class Example(TypedDict):
    name: str
    text: str


class Known(TypedDict):
    ref: str
    count: int
    download: int
    facts: ModelFacts | None
    set: NotRequired[ShippedSet | None]
    examples: NotRequired[list[Example]]


class Download(TypedDict):
    ref: str
    bytes: int


class RunCost(TypedDict):
    seconds: float | None
    missing: list[Download]
    device: str
    busy: bool


class RunAsked(TypedDict):
    run: str | None


class RunHere(TypedDict):
    closing: bool


class RoomAsked(TypedDict):
    page: str


class Invitation(TypedDict):
    address: NotRequired[str]
    code: NotRequired[str]
    why: NotRequired[str]


class EngineQuestions(TypedDict):
    models: Callable[[Nothing], ModelList]
    facts: Callable[[ModelAsked], Known]
    emoji: Callable[[Nothing], dict[str, str]]
    stop: Callable[[RunAsked], Nothing]
    run: Callable[[RunAsked], RunHere]
    room: Callable[[RoomAsked], Invitation]


class Weights(TypedDict):
    beta: np.ndarray
    signal: np.ndarray
    noise: np.ndarray
    of_x_0: np.ndarray
    of_x_t: np.ndarray
    beta_tilde: np.ndarray


class DrawingAsked(TypedDict):
    name: str


class Drawing(TypedDict):
    picture: np.ndarray


class NoiseAsked(TypedDict):
    size: int
    seed: int


class Noise(TypedDict):
    epsilon: np.ndarray


class WalkAsked(TypedDict):
    size: int
    pixels: str
    schedule: str
    t: int
    seed: int


class Comparison(TypedDict):
    walk: Sprite
    jump: Sprite
    mean: tuple[float, float]
    std: tuple[float, float]
    sigma: float
    edges: list[float]
    densities: tuple[list[float], list[float]]
    gap: float
    chance: float


class ForwardQuestions(TypedDict):
    thumbs: Callable[[Nothing], dict[str, Sprite]]
    tables: Callable[[Nothing], dict[str, Weights]]
    picture: Callable[[DrawingAsked], Drawing]
    noise: Callable[[NoiseAsked], Noise]
    compare: Callable[[WalkAsked], Comparison]


class Grid(TypedDict):
    step: int
    seconds: float
    error: float | None
    ema: Sprite | None
    raw: Sprite | None
    pairs: NotRequired[Sprite]
    likeness: NotRequired[float]


TrainState = Literal[
    "idle",
    "starting",
    "waiting",
    "running",
    "pausing",
    "paused",
    "stopping",
    "stopped",
    "finished",
    "error",
    "silent",
]


_From = TypedDict("_From", {"from": NotRequired[tuple[int, int]]})  # no name in Python


class TrainingNow(_From):
    state: TrainState
    number: int
    text: NotRequired[str]
    title: NotRequired[str]
    recipe: NotRequired[str]
    followed: NotRequired[str | None]
    step: NotRequired[int]
    left: NotRequired[float | None]
    saved: NotRequired[bool]
    version: NotRequired[int]
    points: NotRequired[list[tuple[int, float | None, float | None, float]]]
    grids: NotRequired[list[Grid]]
    more: NotRequired[bool]
    total: NotRequired[int]
    batch: NotRequired[int]
    classes: NotRequired[int]


class NowAsked(TypedDict):
    visitor: str
    number: int
    version: int
    points: int
    grids: int


class StartAsked(TypedDict):
    visitor: str
    data: NotRequired[str]
    path: NotRequired[str]
    prediction: NotRequired[str]
    objective: NotRequired[str]
    length: NotRequired[str]
    lr: NotRequired[str]
    width: NotRequired[str]
    drawings: NotRequired[list[list[list[int]]]]


class Found(TypedDict):
    found: str


class FollowAsked(TypedDict):
    visitor: str
    path: str


class DoAsked(TypedDict):
    visitor: str
    what: Literal["pause", "resume", "stop", "hurry", "keep"]


class Did(TypedDict):
    kept: NotRequired[str]
    data: NotRequired[str | None]


class UseAsked(TypedDict):
    visitor: str


class Used(TypedDict):
    ref: str


class TrainQuestions(TypedDict):
    now: Callable[[NowAsked], TrainingNow]
    start: Callable[[StartAsked], Nothing]
    pictures: Callable[[FollowAsked], Found]
    follow: Callable[[FollowAsked], Nothing]
    do: Callable[[DoAsked], Did]
    use: Callable[[UseAsked], Used]


class Cards(TypedDict):
    html: str


class CourseQuestions(TypedDict):
    cards: Callable[[Nothing], Cards]


class Questions(TypedDict):
    engine: EngineQuestions
    forward: ForwardQuestions
    train: TrainQuestions
    course: CourseQuestions
