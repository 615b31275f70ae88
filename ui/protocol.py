"""Define the messages between the page and its engines. An engine is the server or a worker of the browser. A page
sends requests for runs and questions; an engine sends the messages of a run and answers.

Edit these types only here: `python ui/web/page_types.py` writes them, with their comments, as TypeScript into
ui/web/messages/protocol.d.ts.
"""

from collections.abc import Callable, Mapping
from typing import Generic, Literal, NotRequired, TypedDict, TypeVar

from ui.pictures.encoded import Sprite

# --- A run

# The state of a run. The table in ui/runs/states.py lists the states that can follow each state.
State = Literal["queued", "loading", "running", "stopping", "finished", "stopped", "error", "lost"]

R = TypeVar("R")


class LoadStatus(TypedDict):
    """The status of a run while its model is being loaded."""

    kind: Literal["load"]
    ref: str


class DownloadStatus(TypedDict):
    """The status of a run while the files of its model are being downloaded. All sizes are in bytes."""

    kind: Literal["download"]
    ref: str
    done: int  # bytes downloaded so far
    total: int
    speed: float | None  # bytes per second; null until it was measured


class LineStatus(TypedDict):
    """The status of a run that waits for its first turn."""

    kind: Literal["line"]
    before: int  # number of runs that begin before this run
    loads: bool  # whether a model is being loaded now; the waiting time is then unknown
    seconds: float | None  # seconds until this run begins; null if unknown


class SharedStatus(TypedDict):
    """The status of a run that takes turns with other runs."""

    kind: Literal["shared"]
    others: int


class ClosingStatus(TypedDict):
    """The status of a run while the app is about to stop."""

    kind: Literal["closing"]
    seconds: float  # seconds that the run has to finish


class PlainStatus(TypedDict):
    """A status without values. previous: the run waits for the last step of the page's previous run. first: the first
    step is being computed. closed: the app has stopped. replaced: a newer run of the page replaced this run. unheard:
    the run was stopped because no client read its messages. cut: the run's worker was terminated during a step. full:
    the browser had too little memory for the model. gone: the state at which the run should begin is no longer stored.
    """

    kind: Literal["previous", "first", "closed", "replaced", "unheard", "cut", "full", "gone"]


# Details about the state of a run. The page turns them into sentences (ui/web/words/status.js).
RunStatus = LoadStatus | DownloadStatus | LineStatus | SharedStatus | ClosingStatus | PlainStatus


class RunMessage(TypedDict, Generic[R]):
    """A message about a run: its state, and the results that were computed since the previous message."""

    run: str  # id of the run
    seq: int  # number of this message, from 1
    state: State
    status: RunStatus | None  # null if the page's usual sentence for the state suffices
    text: str  # sentence that the page shows instead of the status: an error or a notice; "" if there is none
    progress: float | None  # share of the run that is done, 0..1; null if unknown
    left: float | None  # seconds of computing that are left; null if unknown
    results: list[R]


class NetworkBlock(TypedDict):
    """A block of a U-Net."""

    name: str
    shape: list[int]  # [channels, rows, columns] of the block's output
    parts: str  # layers of the block, such as "2 resnets, 1 attention"
    attentions: int  # number of attention layers in the block


class Figures(TypedDict):
    """The measurements of `python -m benchmarks inside`: the effect of switching off parts of a network."""

    seeds: int
    steps: int
    # The quantity that the numbers below measure. right: the share of runs that show the requested class. rms: the root
    # mean square of the difference from the runs of the unchanged network.
    unit: Literal["right", "rms"]
    # accuracy of the digit classifier ("right") and the number of its test digits ("digits"); null for "rms"
    judge: dict[str, float] | None
    whole: float  # the measurement for the unchanged network
    # for each part of the network: the measurement if it is switched off in "all" steps, or in the "first" or "second"
    # half
    off: dict[str, dict[str, float]]
    # for each range of steps: the measurement if the network receives the class only in these steps
    condition: dict[str, float]
    # for each range of steps: measurements if the middle block's output in these steps comes from a run of another
    # class
    graft: dict[str, dict[str, float]]


class Opening(TypedDict):
    """The first result of a run: what the engine knows before the first step. The page adds the rest of the plan."""

    kind: Literal["plan"]
    words: NotRequired[list[str]]  # words of the prompt as the tokenizer splits them; only for runs with one lane
    unknown: NotRequired[list[str]]  # words of the prompt that did not occur in the training captions
    # the paper's Table 4 if it applies to these pictures: rows of [t, rate in bits/dim, RMSE in grey levels]
    published: NotRequired[list[list[float]] | None]
    blocks: NotRequired[list[NetworkBlock]]  # blocks of the network in the order of computation
    skips: NotRequired[list[str]]  # names of the skip connections, from the lowest resolution to the highest
    # For each block, R² at each step of its reader, which predicts x̂_0 from the block's output; null if no readers
    # were fitted.
    r2: NotRequired[dict[str, list[float]] | None]
    figures: NotRequired[Figures | None]


class LaneFrame(TypedDict):
    """The pictures after step k of a lane. If a run has many steps, only some of them get a frame."""

    kind: Literal["frame"]
    lane: int
    k: int
    sigma: float
    x: Sprite  # x_s, the state after the step
    x0: Sprite  # x̂_0, predicted from x_t
    z: NotRequired[Sprite]  # preview of the latent x_s, one pixel per position; only for latent models
    z0: NotRequired[Sprite]  # preview of the latent x̂_0, one pixel per position; only for latent models
    decoded: NotRequired[bool]  # whether the decoder made x and x0; if false, they are enlarged previews
    # Differences between each picture of an edited lane and the same picture of lane A: the mean of |A − B| in grey
    # levels, and the share of pixels that differ visibly.
    apart: NotRequired[list[tuple[float, float]]]
    attention: NotRequired[Sprite]  # attention of each picture to each word of the prompt, one row of pictures per word


class Look(TypedDict):
    """The self-attention of one position of the picture, in one layer."""

    layer: str  # name of the layer in the network
    maps: Sprite  # one map per attention head; the largest weight is white


class BlockPictures(TypedDict):
    """Pictures of the blocks' outputs in one evaluation of the network. Lists are in the order of the blocks."""

    channels: Sprite  # one picture per channel of the selected block; the least value is black, the largest is white
    read: NotRequired[list[Sprite]]  # estimate of x̂_0 that each block's reader makes
    colours: NotRequired[list[Sprite]]  # the values of each block's output as colours
    looks: NotRequired[list[Look]]  # self-attention of the selected position, for each layer


class InsideFrame(BlockPictures):
    """The result of an opened network for step k of a lane."""

    kind: Literal["inside"]
    lane: int
    k: int
    t: int
    x: Sprite  # x_s, the state after the step
    x0: Sprite


class SourcePicture(TypedDict):
    """A picture from which the rows of pictures begin. It may still be noisy (final = false)."""

    kind: Literal["source"]
    i: int
    x: Sprite
    final: bool


class RowHead(TypedDict):
    """Pictures at the head of a row. latent: the noisy pictures at which the row begins. map: a picture that is bright
    where the row's pictures differ.
    """

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
    """Statistics of a finished row, in grey levels. spread: the standard deviation between its pictures. gap: the RMS
    difference between the measured values of its pictures and the given values.
    """

    kind: Literal["row"]
    row: int
    spread: float
    gap: NotRequired[float]


class CellPictures(TypedDict):
    """Finished pictures, and the indices of their cells in the square."""

    kind: Literal["cells"]
    cells: list[int]
    x: Sprite


class Decoding(TypedDict):
    """Progressive decoding: for each measured picture, one row with the guesses x̂_0 at these times."""

    kind: Literal["decoding"]
    times: list[int]
    rows: list[Sprite]


class Early(TypedDict):
    """The bits/dim of the first picture, computed with a short chain. steps: the length of this chain."""

    kind: Literal["early"]
    steps: int
    bits: float


class BoundCurves(TypedDict):
    """Curves of a variational bound over the times of `MeanBound.times`, in bits/dim. L: the terms L_{t−1}. rate: the
    bits that are sent until time t.
    """

    L: list[float]
    rate: list[float]


class MeanBound(TypedDict):
    """A variational bound (Eq. 5 of the DDPM paper), averaged over pictures."""

    # For each variance and number of steps: [bits/dim, standard error, prior term L_T, last term L_0].
    chains: dict[str, dict[str, tuple[float, float | None, float, float]]]
    curves: dict[str, BoundCurves]  # curves for each variance
    rmse: list[float]  # RMSE of x̂_0 at each time, on the scale 0..255
    times: list[int]  # times t of the curves, ascending


class MeanBits(MeanBound):
    """The bound, averaged over the pictures that are done."""

    kind: Literal["bits"]
    done: int  # number of pictures that are done


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


# --- Questions: an engine answers with the type below, or with {error: a sentence}


Asked = Mapping[str, object]  # The values of a question. Anybody can send them, so the engine checks each value.


class Nothing(TypedDict):
    """A question or answer without values."""


class ModelChoice(TypedDict):
    """A checkpoint in the page's list of models."""

    ref: str
    label: NotRequired[str]  # name of the app's start folder, or the name that the visitor gave to a trained model
    # here: on this machine. trained: a model that the visitor trained, or the app's start folder. hub: must be
    # downloaded.
    group: Literal["here", "trained", "hub"]
    data: str  # code of the training data if the model is on the Hub; "" if unknown
    ready: bool  # whether a visitor can choose it
    latent: bool
    picture: str  # URL of a thumbnail; "" if there is none
    state: NotRequired[Literal["download", "offline", "missing"]]  # why its files are not on this machine
    bytes: NotRequired[int]  # bytes that must be downloaded first
    # code of the kind of model; this field and those below exist only for models of the Hub list
    family: NotRequired[str]
    steps: NotRequired[int]  # number of steps that its authors use; 0 if they name none
    gigabytes: NotRequired[float]  # approximate size of its files
    tflop: NotRequired[float]  # TFLOP of one evaluation for one picture; 0 if it was not counted


class Device(TypedDict):
    """The hardware and software that evaluate the network."""

    engine: str
    precision: str  # precision of the network's arithmetic, such as "bf16"; "" before a model was loaded


class ModelList(TypedDict):
    models: list[ModelChoice]
    device: Device
    known: bool  # whether the server has queried the Hub for all models of the list


class ModelAsked(TypedDict):
    ref: str
    pictures: NotRequired[bool]  # whether the answer should include example pictures
    typed: NotRequired[bool]  # whether the visitor chose the model; false if a link names it


class Origin(TypedDict):
    """The source of a checkpoint (see `ddpm_core.model.Source`)."""

    ref: NotRequired[str | None]
    name: NotRequired[str | None]
    revision: NotRequired[str | None]
    weights: NotRequired[str | None]
    file: NotRequired[str | None]
    fixed: NotRequired[bool | None]


class StudentSpec(TypedDict):
    """The properties of a distilled model."""

    method: Literal["consistency", "progressive"]
    times: list[int]
    usual: list[int]  # times of the recommended number of steps; empty if all `times` are recommended
    guidance: float | None  # guidance scale that distillation built into the model; null without guidance


class Spec(TypedDict):
    """The fields of `ddpm_core.model.ModelSpec` that are plain data."""

    image_size: int
    channels: int
    factor: int  # picture pixels per latent position along one side; 1 for models without an autoencoder
    prediction: str
    variance: str
    num_classes: int
    null_label: int | None
    class_names: list[str] | None
    clip: bool
    source: Origin | None
    gamma: bool | None  # true if Γ was estimated for these weights; else null
    optimised: dict[str, dict[str, list[int]]] | None  # optimised times for each sampler and number of steps
    student: StudentSpec | None
    latent: bool
    takes_words: bool
    leading_offset: int
    # class name of the coordinates (ddpm_core.coordinates); null for DDPM models on their own schedule
    coordinates: str | None
    floor: NotRequired[float]  # minimum σ of a model with coordinates
    snr: float | None
    corrections: int
    readers: bool  # whether readers of x̂_0 were fitted to the blocks (`python -m train readers`)
    whole_times: NotRequired[bool]  # true if the network takes only integer times t; else absent


class Autoencoder(TypedDict):
    """The autoencoder of a latent model. The network works on scale · (z − shift)."""

    folder: str  # folder of the autoencoder in the checkpoint
    kind: str  # class name in diffusers
    scale: float
    shift: float


class Home(TypedDict):
    """The location of a checkpoint, as code for diffusers needs it."""

    where: str  # arguments of `from_pretrained` in Python syntax
    has_scheduler: bool  # whether the checkpoint has a folder for its scheduler
    autoencoder: Autoencoder | None
    own_class: bool  # whether diffusers lacks the network's class


class ScheduleTable(TypedDict):
    """The values of a noise schedule for t = 0..T."""

    T: int
    beta: list[float]
    alphaBar: list[float]
    exploding: NotRequired[bool]


class KeptGamma(TypedDict):
    """Γ at some times. The times ascend."""

    times: list[int]
    gamma: list[float]


class KeptTimes(TypedDict):
    times: dict[str, dict[str, str]]  # optimised times for each sampler and number of steps, as text, descending


class Sidecars(TypedDict):
    """The contents of the files beside the weights that sampling uses; null if there is no such file."""

    gamma: KeptGamma | None
    optimised: KeptTimes | None


class Pipeline(TypedDict):
    """The diffusers pipeline of a model with coordinates."""

    name: str
    sigma: float | None  # standard deviation of the initial state x_T


class CheckpointFacts(TypedDict):
    """Everything that is known about a checkpoint from its small files, without the weights."""

    spec: Spec
    home: Home
    scheduler: ScheduleTable
    sidecars: Sidecars
    pipeline: NotRequired[Pipeline | None]
    colours: NotRequired[list[list[float]] | None]  # linear map from latent channels to colours, for previews
    stamp: NotRequired[str]  # hash of all facts, which changes when any of them changes


class ShippedSet(TypedDict):
    """A set of pictures that comes with the page."""

    name: str  # code of the set
    count: int


class ExamplePicture(TypedDict):
    """A picture of a set that comes with the page."""

    name: str  # name of its class
    text: str  # the pixels as text (see ui/web/pictures/text.js)


class FactsAnswer(TypedDict):
    """The answer to `facts`: what the page needs to offer a checkpoint."""

    ref: str
    count: int  # default number of pictures
    download: int  # bytes to download; 0 if the files are here or the size is unknown
    facts: CheckpointFacts | None  # null until the files are on this machine
    set: NotRequired[ShippedSet | None]
    examples: NotRequired[list[ExamplePicture]]


class PaceAsked(TypedDict):
    refs: list[str]  # checkpoints, or other names under which the engine stores step times


class PaceOf(TypedDict):
    """The step time of one entry of `PaceAsked.refs`."""

    seconds: list[tuple[int, int, float]]  # measured steps: (number of lanes, images per evaluation, seconds per step)
    flop: float | None  # FLOP of one evaluation for one image; null if unknown
    download: int  # bytes that must be downloaded first


class Pace(TypedDict):
    """The answer to `pace`: how long a step takes."""

    paces: dict[str, PaceOf]
    device: str  # kind of device: "CPU" or "GPU"
    busy: bool  # whether the server is public and computes for other visitors now
    tflop: float | None  # limit of a run's cost in TFLOP; null if there is none
    workers: NotRequired[int]  # number of workers that compute at the same time in a browser


class RunAsked(TypedDict):
    run: str | None


class RunHere(TypedDict):
    """The answer to `run` if the messages of the run are still stored."""

    closing: bool  # whether the run ended because the app stopped


class RoomAsked(TypedDict):
    page: str  # URL of the page


class Invitation(TypedDict):
    """The URL at which others can open the page, or the reason why they can't."""

    address: NotRequired[str]
    code: NotRequired[str]  # QR code of the URL: an SVG image as data URI
    # alone: only this machine can open the page. nowhere: the page has no usable URL. static: each browser computes on
    # its own.
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
    """Sample pictures at a step of a training; null if a file is missing."""

    step: int
    seconds: float  # seconds of training until this step
    error: float | None  # error of x̂_0 with the averaged (EMA) weights, in grey levels
    ema: Sprite | None  # samples with the averaged (EMA) weights
    raw: Sprite | None  # samples with the latest weights


# from: numbers of [points, grids] that the page already has. This is not a class because Python reserves the name
# `from`.
Continued = TypedDict("Continued", {"from": tuple[int, int]})


class Followed(Continued):
    """The state of a training in another terminal, and its news since the page's last question."""

    state: Literal["running", "finished", "silent"]  # silent: the training has written nothing for two minutes
    title: str
    step: int
    left: float | None  # seconds until the end; null if unknown
    model: str | None  # folder of the saved model; null until it exists
    version: int  # number that changes when the page must discard its points and grids
    points: list[tuple[int, float | None, float | None, float]]  # [step, loss, images per second, seconds of training]
    grids: list[TrainingGrid]
    more: bool  # whether more grids are waiting, so the page should ask again at once
    total: int  # number of steps of the whole training
    batch: int  # images per step
    classes: int


class FollowAsked(TypedDict):
    path: str  # folder of the training
    version: NotRequired[int]  # `version` of the latest answer
    points: NotRequired[int]  # number of points that the page has
    grids: NotRequired[int]  # number of grids that the page has


class TrainQuestions(TypedDict):
    follow: Callable[[FollowAsked], Followed]


class Cards(TypedDict):
    html: str  # HTML of the course's cards


class CourseQuestions(TypedDict):
    cards: Callable[[Nothing], Cards]


class Questions(TypedDict):
    engine: EngineQuestions
    train: TrainQuestions
    course: CourseQuestions
