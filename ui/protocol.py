"""The protocol between the page and its engines: the messages of a run with their results, and the questions.

These types are written here alone. The page has them as ui/web/messages/protocol.d.ts, which
`python ui/web/page_types.py` makes: a field's comment goes with it.
"""

from collections.abc import Callable, Mapping
from typing import Generic, Literal, NotRequired, TypedDict, TypeVar

from ui.pictures.encoded import Sprite

# --- A run

# The stage of a run; ui/runs/states.py lists which follows which.
State = Literal["queued", "loading", "running", "stopping", "finished", "stopped", "error", "lost"]

R = TypeVar("R")


class LoadStatus(TypedDict):
    """A model is loaded."""

    kind: Literal["load"]
    ref: str


class DownloadStatus(TypedDict):
    """The files of a model are downloaded."""

    kind: Literal["download"]
    ref: str
    done: int  # bytes
    total: int
    speed: float | None  # bytes a second


class LineStatus(TypedDict):
    """The run waits for its first turn."""

    kind: Literal["line"]
    before: int  # runs that begin before it
    loads: bool  # whether a model is loading, and so nobody knows when it begins
    seconds: float | None  # until it begins


class SharedStatus(TypedDict):
    """The run takes turns with others."""

    kind: Literal["shared"]
    others: int


class ClosingStatus(TypedDict):
    """The app is about to stop."""

    kind: Literal["closing"]
    seconds: float  # that the run has to finish


class PlainStatus(TypedDict):
    """previous: it waits for the last step of the run before. first: its first step is under way. closed: the app has
    stopped. replaced: a newer run of the page has taken its place. unheard: nobody listened. cut: its worker was ended
    within a step. full: the browser could not keep its model. gone: the state with which it was to begin is not kept
    any more.
    """

    kind: Literal["previous", "first", "closed", "replaced", "unheard", "cut", "full", "gone"]


# What is said of a run beside its state. The words are the page's: ui/web/words/status.js.
RunStatus = LoadStatus | DownloadStatus | LineStatus | SharedStatus | ClosingStatus | PlainStatus


class RunMessage(TypedDict, Generic[R]):
    """How a run stands, and what it has computed since the message before."""

    run: str  # its id
    seq: int  # 1, 2, …
    state: State
    status: RunStatus | None  # null for the usual words of the state
    text: str  # the sentence of an error or of a library, said in place of the status; "" for none
    progress: float | None  # 0 to 1
    left: float | None  # seconds
    results: list[R]


class NetworkBlock(TypedDict):
    """A block of a U-Net."""

    name: str
    shape: list[int]  # channels, rows, columns
    parts: str  # its layers, such as "2 resnets, 1 attention"
    attentions: int  # how many of these are attention


class Figures(TypedDict):
    """What `python -m benchmarks inside` has measured with parts of a network switched off."""

    seeds: int
    steps: int
    # What the numbers are: the share of runs that show the right class, or the distance (RMS) from the whole runs.
    unit: Literal["right", "rms"]
    judge: dict[str, float] | None  # how often the classifier of digits is right, and on how many; null without it
    whole: float  # the number of the whole runs
    off: dict[str, dict[str, float]]  # by part: switched off in all steps, in the first half, in the second
    condition: dict[str, float]  # with the class in some steps only
    graft: dict[str, dict[str, float]]  # with the middle of a run of another class, by its steps


class Opening(TypedDict):
    """What the engine has read before the first step; the page's own plan adds the rest."""

    kind: Literal["plan"]
    words: NotRequired[list[str]]  # the prompt of one lane, as the model reads it
    unknown: NotRequired[list[str]]  # words that are new to the model
    published: NotRequired[list[list[float]] | None]  # the paper's numbers for the measured pictures: t, rate, RMSE
    blocks: NotRequired[list[NetworkBlock]]  # the blocks of an opened network, in the order of the computation
    skips: NotRequired[list[str]]  # the coarsest first
    # How well each block can be read at each step; null where no readers were fitted.
    r2: NotRequired[dict[str, list[float]] | None]
    figures: NotRequired[Figures | None]


class LaneFrame(TypedDict):
    """The pictures after step k of a lane. Long runs are thinned: not every k comes."""

    kind: Literal["frame"]
    lane: int
    k: int
    sigma: float
    x: Sprite  # x_s
    x0: Sprite  # x̂_0 as seen from x_t
    z: NotRequired[Sprite]  # x of a latent model as it is, a pixel for each latent
    z0: NotRequired[Sprite]  # x̂_0 likewise
    decoded: NotRequired[bool]  # whether x and x0 are decoded; else they are previews
    # How far each picture of a touched lane is from lane A's: the mean of |A − B| in grey levels, and the share of
    # pixels in which they differ.
    apart: NotRequired[list[tuple[float, float]]]
    attention: NotRequired[Sprite]  # where each word is looked at: pictures with a row for each word


class Look(TypedDict):
    """Where a place looks in a layer of self-attention."""

    layer: str  # its name in the network
    maps: Sprite  # the attention of its heads: white is the largest share


class BlockPictures(TypedDict):
    """Pictures of the blocks in one evaluation, in the order of the blocks."""

    channels: Sprite  # the channels of the chosen block, each from its darkest number to its brightest one
    read: NotRequired[list[Sprite]]  # the estimate of x̂_0 that a reader makes from each block
    colours: NotRequired[list[Sprite]]  # the numbers of each block as colours
    looks: NotRequired[list[Look]]  # where the chosen place looks


class InsideFrame(BlockPictures):
    """What an opened network gives at step k of a lane."""

    kind: Literal["inside"]
    lane: int
    k: int
    t: int
    x: Sprite  # x_s
    x0: Sprite


class SourcePicture(TypedDict):
    """A picture from which rows begin, on its way or final."""

    kind: Literal["source"]
    i: int
    x: Sprite
    final: bool


class RowHead(TypedDict):
    """The pictures beside a row: what it began with, or where its pictures differ."""

    kind: Literal["latent", "map"]
    row: int
    x: list[Sprite]


class RowStep(TypedDict):
    """The pictures of a row after step k."""

    kind: Literal["step"]
    row: int
    k: int
    s: int
    x0: Sprite
    x: NotRequired[Sprite]


class RowEnd(TypedDict):
    """The end of a row, in grey levels."""

    kind: Literal["row"]
    row: int
    spread: float
    gap: NotRequired[float]


class CellPictures(TypedDict):
    """Pictures beside each other, and their places."""

    kind: Literal["cells"]
    cells: list[int]
    x: Sprite


class Decoding(TypedDict):
    """The receiver's guesses: a row for each picture."""

    kind: Literal["decoding"]
    times: list[int]
    rows: list[Sprite]


class Early(TypedDict):
    """The bits/dim of the first picture, by a short chain."""

    kind: Literal["early"]
    steps: int
    bits: float


class BoundCurves(TypedDict):
    """Curves of a bound at its times, in bits/dim."""

    L: list[float]
    rate: list[float]


class MeanBound(TypedDict):
    """A bound, as means over pictures."""

    # By variance and steps: bits/dim, its standard error, prior, L_0.
    chains: dict[str, dict[str, tuple[float, float | None, float, float]]]
    curves: dict[str, BoundCurves]  # by variance
    rmse: list[float]  # at the times, on the scale 0 to 255
    times: list[int]  # ascending


class MeanBits(MeanBound):
    """The bound of the pictures so far."""

    kind: Literal["bits"]
    done: int  # pictures


Result = (
    Opening
    | LaneFrame
    | InsideFrame
    | SourcePicture
    | RowHead
    | RowStep
    | RowEnd
    | CellPictures
    | Decoding
    | Early
    | MeanBits
)


# --- Questions: an engine gives the answer that stands here, or {error}, a sentence


Asked = Mapping[str, object]  # The values of a question: they may come from anybody, so each is checked.


class Nothing(TypedDict):
    """A question or an answer without values."""


class ModelChoice(TypedDict):
    """A checkpoint in the list of models."""

    ref: str
    label: NotRequired[str]  # the name that a user gave it
    group: Literal["here", "trained", "hub"]  # whether it is here, was trained here, or needs the Hub
    data: str  # the code of the set with which a model of the Hub was trained; "" if that is not known
    ready: bool  # whether it can be chosen
    latent: bool
    picture: str  # the address of a thumbnail, "" for none
    state: NotRequired[Literal["download", "offline", "missing"]]  # of its files, if they are not here
    bytes: NotRequired[int]  # of its files, if they must come first
    family: NotRequired[str]  # this and the rest are of a model of the Hub's list: the code of its kind
    steps: NotRequired[int]  # of a picture, as its authors draw one; 0 if they don't say it
    gigabytes: NotRequired[float]  # about how much its files take
    tflop: NotRequired[float]  # the cost of one evaluation for one picture; 0 if it was not counted


class Device(TypedDict):
    """What computes."""

    engine: str
    precision: str  # the precision of the network's arithmetic, such as "bf16"; "" before a model was loaded


class ModelList(TypedDict):
    models: list[ModelChoice]
    device: Device
    known: bool  # whether the Hub has been asked for all of them


class ModelAsked(TypedDict):
    ref: str
    pictures: NotRequired[bool]  # whether examples are wanted
    typed: NotRequired[bool]  # whether the visitor has chosen it, and no link


class Origin(TypedDict):
    """Where a checkpoint is from."""

    ref: NotRequired[str | None]
    name: NotRequired[str | None]
    revision: NotRequired[str | None]
    weights: NotRequired[str | None]
    file: NotRequired[str | None]
    fixed: NotRequired[bool | None]


class StudentSpec(TypedDict):
    """What a distilled model was made for."""

    method: Literal["consistency", "progressive"]
    times: list[int]
    usual: list[int]  # the times of its authors, where they take fewer steps; else empty
    guidance: float | None  # the scale that it has learned


class Spec(TypedDict):
    """The fields of `ddpm_core.model.ModelSpec` that are plain data."""

    image_size: int
    channels: int
    factor: int  # pixels a side of one number of x: 1 but for a latent model
    prediction: str
    variance: str
    num_classes: int
    null_label: int | None
    class_names: list[str] | None
    clip: bool
    source: Origin | None
    gamma: bool | None  # whether Γ was estimated for these weights
    optimised: dict[str, dict[str, list[int]]] | None  # times by sampler and number of steps
    student: StudentSpec | None
    latent: bool
    takes_words: bool
    leading_offset: int
    coordinates: str | None  # null but for score, EDM and flow models, and on another schedule
    floor: NotRequired[float]  # the least σ of such a model
    snr: float | None
    corrections: int
    readers: bool  # whether readers were fitted
    whole_times: NotRequired[bool]  # whether the network takes only whole times; absent for others


class Autoencoder(TypedDict):
    """The autoencoder of a latent model: the network knows z · scale, shifted."""

    folder: str  # its folder in the checkpoint
    kind: str  # its class
    scale: float
    shift: float


class Home(TypedDict):
    """Where a checkpoint lies for diffusers."""

    where: str  # the arguments of `from_pretrained` that name it, as Python
    has_scheduler: bool  # whether its scheduler has its own folder
    autoencoder: Autoencoder | None
    own_class: bool  # whether diffusers lacks the network's class


class ScheduleTable(TypedDict):
    """A schedule at t = 0..T."""

    T: int
    beta: list[float]
    alphaBar: list[float]
    exploding: NotRequired[bool]


class KeptGamma(TypedDict):
    """Γ at some times, ascending."""

    times: list[int]
    gamma: list[float]


class KeptTimes(TypedDict):
    times: dict[str, dict[str, str]]  # by sampler and number of steps, descending


class Sidecars(TypedDict):
    """The files beside the weights, as far as they are used; null where there are none."""

    gamma: KeptGamma | None
    optimised: KeptTimes | None


class Pipeline(TypedDict):
    """diffusers' pipeline for a model with coordinates."""

    name: str
    sigma: float | None  # σ of the state x_T


class CheckpointFacts(TypedDict):
    """Everything about a checkpoint except its network, known when its files are here."""

    spec: Spec
    home: Home
    scheduler: ScheduleTable
    sidecars: Sidecars
    pipeline: NotRequired[Pipeline | None]
    colours: NotRequired[list[list[float]] | None]  # of the preview of a latent
    stamp: NotRequired[str]  # changes when any of these does


class ShippedSet(TypedDict):
    """A set of pictures that comes with the page."""

    name: str  # its code
    count: int


class ExamplePicture(TypedDict):
    """A picture of such a set."""

    name: str  # what it shows
    text: str  # the picture, as addresses have it: see ui/web/pictures/text.js


class FactsAnswer(TypedDict):
    """The answer to `facts`: what a page needs to offer a checkpoint."""

    ref: str
    count: int  # pictures of a first run
    download: int  # bytes, 0 where it is here or nobody knows
    facts: CheckpointFacts | None  # null as long as its files are not here
    set: NotRequired[ShippedSet | None]
    examples: NotRequired[list[ExamplePicture]]


class PaceAsked(TypedDict):
    refs: list[str]  # checkpoints, and what else takes time


class PaceOf(TypedDict):
    """How long a step takes of one of `PaceAsked.refs`."""

    seconds: list[tuple[int, int, float]]  # as measured: (lanes, images, seconds) of a step
    flop: float | None  # of an evaluation of one image, null where that is not known
    download: int  # bytes that must come first


class Pace(TypedDict):
    """How long steps take: the answer to `pace`."""

    paces: dict[str, PaceOf]
    device: str  # "CPU" or "GPU"
    busy: bool  # whether others compute on it, on a page for all
    tflop: float | None  # the most that a run may take, null for any
    workers: NotRequired[int]  # of a browser, how many compute at once


class RunAsked(TypedDict):
    run: str | None


class RunHere(TypedDict):
    """A run whose messages can still be had."""

    closing: bool  # whether they end with this app


class RoomAsked(TypedDict):
    page: str  # the address of the page


class Invitation(TypedDict):
    """How others can open the page, or why they can't."""

    address: NotRequired[str]
    code: NotRequired[str]  # the address as a QR code, an SVG as data-URI
    # Why they can't: only this machine opens the page, the page has no address, or it computes in the browser alone.
    why: NotRequired[Literal["alone", "nowhere", "static"]]


class EngineQuestions(TypedDict):
    models: Callable[[Nothing], ModelList]
    facts: Callable[[ModelAsked], FactsAnswer]
    pace: Callable[[PaceAsked], Pace]
    emoji: Callable[[Nothing], dict[str, str]]
    stop: Callable[[RunAsked], Nothing]
    run: Callable[[RunAsked], RunHere]
    room: Callable[[RoomAsked], Invitation]


class TrainingGrid(TypedDict):
    """Samples of a step of a training; null where a picture is gone."""

    step: int
    seconds: float  # seconds of training until this step
    error: float | None  # the error of x̂_0 with the averaged weights, in grey levels
    ema: Sprite | None  # with the moving average
    raw: Sprite | None  # with the weights themselves


# How many points and grids the new ones follow. (`from` can't be the name of a field in a class.)
Continued = TypedDict("Continued", {"from": tuple[int, int]})


class Followed(Continued):
    """The state of a training in another terminal, and what the page does not know of it yet."""

    state: Literal["running", "finished", "silent"]  # silent: nothing has come from it for a while
    title: str
    step: int
    left: float | None  # seconds
    model: str | None  # the folder of its model, once there is one
    version: int  # changes when what the page knew no longer holds
    points: list[tuple[int, float | None, float | None, float]]  # step, loss, images a second, seconds
    grids: list[TrainingGrid]
    more: bool  # grids are left: ask again at once
    total: int  # steps
    batch: int  # images a step
    classes: int


class FollowAsked(TypedDict):
    path: str  # of its folder
    version: NotRequired[int]  # this and the rest: what the page has
    points: NotRequired[int]
    grids: NotRequired[int]


class TrainQuestions(TypedDict):
    follow: Callable[[FollowAsked], Followed]


class Cards(TypedDict):
    html: str  # of its lessons


class CourseQuestions(TypedDict):
    cards: Callable[[Nothing], Cards]


class Questions(TypedDict):
    engine: EngineQuestions
    train: TrainQuestions
    course: CourseQuestions
