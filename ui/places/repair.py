"""What the model knows: a picture of which only a part is left, and several ways to complete it."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import ddpm_core
from ddpm_core import defaults, imaging
from ddpm_core.model import Model, ModelSpec, check_pixels
from ui import pixels
from ui.export import scripts
from ui.fields import Choice, Picture, Request, Seed, Whole, declare
from ui.jobs import Work
from ui.lab import Lab
from ui.offered import named, short_name
from ui.offers import estimate
from ui.pictures import LOSSLESS, kept_steps, uri
from ui.place import Place, Run, Values
from ui.rows import KINDS, Rows, sent, spread
from ui.run_settings import CHECKPOINT, LABEL, SAMPLER, STEPS, Settings

if TYPE_CHECKING:
    from ddpm_core.restore import Measurement

GRID = 32  # cells a side that the brush hides, whatever the model's size
SHRUNK = 4  # times
BLUR = 2  # pixels of standard deviation
GRADIENT = 14  # plain evaluations that one with its gradient takes, measured on a CPU
TASKS = {"mask": "Erased", "downsample": "Small", "grey": "No colour", "blur": "Blurred"}
METHODS = {"ddnm": "DDNM", "replacement": "Replacement", "repaint": "RePaint", "pigdm": "ΠGDM", "dps": "DPS"}
MEANINGS = {
    "ddnm": "Corrects each guess so that it fits what is left. Quick",
    "replacement": "Puts what is left, noised to each step's level, into that step. The rest may not fit it",
    "repaint": "Replacement that repeats each part of the chain ten times, so that the rest fits. Ten times as long",
    "pigdm": "Follows the gradient of how well each guess fits. Slow on a CPU",
    "dps": "As ΠGDM, with a simpler rule that fits less closely. Slow on a CPU",
}
GRADIENTS = ("pigdm", "dps")
METHOD = Choice("method", names=tuple(METHODS), titles=METHODS, sentences=MEANINGS)


@dataclass(frozen=True)
class Hidden(Picture):
    """What is erased: GRID × GRID cells, row by row, a bit each, base64url; "" for nothing."""

    def check(self, value: object) -> bytes:
        try:
            cells = base64.b64decode(str(value or ""), b"-_", validate=True)
        except (binascii.Error, ValueError):
            cells = b"?"
        if len(cells) not in (0, GRID**2 // 8):
            raise ValueError(f"What is erased is a grid of {GRID}×{GRID} cells: paint it again")
        return cells

    def write(self, value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode()

    def form(self) -> dict[str, Any]:
        return super().form() | {"kind": "picture"}  # a link has it after the #, as it is long


@dataclass(frozen=True)
class Repair(Request):
    """A picture, and `count` completions of what is left of it.

    picture: as `pixels.to_text` writes it, "" for the sample of the seed. The completions have the seeds behind it.
    """

    checkpoint: str = declare(CHECKPOINT, defaults.CHECKPOINT)
    picture: str = declare(Picture("picture"), "")
    seed: int = declare(Seed("The seed", help="Of the sample, and of the completions' noise"), defaults.SEED)
    task: str = declare(Choice("task", "What is left", names=tuple(TASKS), titles=TASKS), "mask")
    hidden: bytes = declare(Hidden("mask"), np.packbits(np.arange(GRID) >= GRID // 2).tobytes() * GRID)
    method: str = declare(METHOD, "ddnm")
    method_b: str = declare(
        Choice("second method", "Beside it", names=("none", *METHODS), titles={"none": "nothing"} | METHODS), "none"
    )
    label: str = declare(LABEL, "any")
    count: int = declare(Whole("The number of completions", "Completions", more=True, low=2, high=16), 8)
    steps: int = declare(replace(STEPS, more=True), 50)
    sampler: str = declare(SAMPLER, "ddpm")

    @property
    def methods(self) -> list[str]:
        return [method for method in (self.method, self.method_b) if method != "none"]

    @property
    def seeds(self) -> range:
        return range(self.seed + 1, self.seed + 1 + self.count)

    def known(self, size: int) -> np.ndarray:
        """Which pixels are left, bool (size, size). Raises ValueError where all or none are."""
        cells = np.unpackbits(np.frombuffer(self.hidden or bytes(GRID**2 // 8), np.uint8)).reshape(GRID, GRID)
        at = (np.arange(size) + 0.5) * GRID // size
        known = cells[np.ix_(at.astype(int), at.astype(int))] == 0
        if known.all() or not known.any():
            raise ValueError("Paint over a part of the picture, but not over all of it")
        return known

    def measurement(self, model: ModelSpec) -> Measurement:
        """Raises ValueError for a task that the model's pictures are not for."""
        from ddpm_core import restore  # here for the start time: see ui/__init__.py

        size, channels = model.image_size, model.channels
        if self.task == "grey" and channels < 3:
            raise ValueError("The pictures of this model have no colour: choose another task")
        if self.task == "downsample" and size % SHRUNK:
            raise ValueError(f"The pictures of this model can't be made {SHRUNK} times smaller: choose another task")
        if self.task == "mask":
            return restore.mask(self.known(size))
        if self.task == "grey":
            return restore.grey(channels=channels)
        if self.task == "downsample":
            return restore.downsample(SHRUNK)
        return restore.blur(restore.gaussian_kernel(BLUR, size), size)


class Counted:
    """A network that counts what it does as work."""

    def __init__(self, network: Any, work: Work):
        self._network, self._work, self.device = network, work, network.device

    def __call__(self, x: Any, *conditions: Any) -> Any:
        output = self._network(x, *conditions)
        self._work.count(len(x))
        return output

    def with_gradients(self, x: Any, *conditions: Any) -> Any:
        output = self._network.with_gradients(x, *conditions)
        self._work.count(GRADIENT * len(x))
        return output


class RepairRun(Rows):
    """Its results, by "kind": "plan" once; "source", the picture and then what is left; "step" of a row, which is a
    method; "map" and "row", when one is done."""

    def __init__(self, lab: Lab, request: Repair):
        super().__init__()
        self.request = request
        self.refs = (request.checkpoint,)
        self.images = request.count
        self.options: dict[str, Any] = {}  # of ddpm_core.sample and restore, after the seeds
        self._lab = lab
        self._work = 0  # plain evaluations of single pictures

    def evaluations(self, method: str) -> int:
        """Of each completion, as many plain ones as take the same time."""
        from ddpm_core import restore

        found = restore.METHODS[method]  # pyright: ignore[reportArgumentType]
        return self.request.steps * (GRADIENT if method in GRADIENTS else getattr(found, "rounds", 1))

    def prepare(self, models: Sequence[ModelSpec]) -> None:
        from ddpm_core import restore
        from ddpm_core.runs import SamplerSettings

        (model,), request = models, self.request
        check_pixels(model, "restoration")
        shared = ("checkpoint", "steps", "seed", "label", "sampler")
        chain = Settings(variance="beta_tilde", **{name: getattr(request, name) for name in shared}).resolved(model)
        steps = SamplerSettings(**chain.sampling).chain(model)
        self.options = {name: value for name, value in chain.arguments(model).items() if name != "seeds"}
        task: Any = restore.Task(request.measurement(model), ..., steps, model.clip)  # pyright: ignore[reportArgumentType]
        for method in request.methods:
            restore.METHODS[method].check(task)  # pyright: ignore[reportArgumentType]
        if request.picture:
            pixels.from_text(request.picture, model)
        self._work = sum(map(self.evaluations, request.methods)) * request.count
        self._work += 0 if request.picture else request.steps
        self._lab.limits.check_run(self._work, 1, self._lab.models.flop(request.checkpoint) or 0)

    def left(self, done: int = 0) -> float | None:
        pace = self._lab.pace.seconds(self.request.checkpoint, self.request.count)
        return pace and pace / self.request.count * (self._work - done)

    def compute(self, models: Sequence[Model], work: Work) -> None:
        (lent,), request = models, self.request
        model = replace(lent, network=Counted(lent.network, work))
        work.expect(self._work)
        titles = [METHODS[method] for method in request.methods]
        work.give(
            {
                "kind": "plan",
                "titles": titles,
                "sources": ["The picture", "What is left, y"],
                "what": "completions",
                "columns": [f"seed {seed}" for seed in request.seeds],
                "steps": [request.steps] * len(titles),
                "pixelated": model.image_size <= LOSSLESS,
            }
        )
        if request.picture:
            picture = pixels.from_text(request.picture, model)
        else:
            picture = ddpm_core.sample(model, [request.seed], **self.options)
        work.give({"kind": "source", "i": 0, "x": sent(picture), "final": True})
        measurement = request.measurement(model)
        y = measurement(ddpm_core.from_uint8(picture))
        work.give({"kind": "source", "i": 1, "x": sent(_whole(imaging.to_uint8(y), model)), "final": True})
        for row, method in enumerate(request.methods):
            self._row(model, row, method, y, measurement, work)

    def _row(self, model: Model, row: int, method: Any, y: Any, measurement: Measurement, work: Work) -> None:
        from ddpm_core.restore import restore

        request, step = self.request, None
        self.frames[row] = {}
        kept = kept_steps(request.steps, model.image_size, request.count * len(request.methods), model.channels)
        began, waited = time.perf_counter(), work.waited
        for step in restore(model, y, measurement, method, request.seeds, **self.options):
            if step.index in kept:
                x, guess = imaging.to_uint8(step.x), imaging.to_uint8(step.x0_hat)
                self.frames[row][step.index] = guess if step.s else x
                work.give({"kind": "step", "row": row, "k": step.index, "s": step.s, "x": sent(x), "x0": sent(guess)})
        assert step is not None  # there is at least one
        seconds = time.perf_counter() - began - (work.waited - waited)
        if method not in GRADIENTS:
            self._lab.pace.note(request.checkpoint, request.count, seconds / self.evaluations(method))
        self.rows[row] = images = imaging.to_uint8(step.x)
        differ = (2 * images.astype(float).std(0).mean(-1)).clip(0, 255).astype(np.uint8)
        work.give({"kind": "map", "row": row, "x": [uri(differ[None, ..., None], "png")]})
        gap = 127.5 * (measurement(step.x) - y).square().mean().sqrt().item()
        work.give({"kind": "row", "row": row, "spread": spread(images), "gap": gap})

    def log(self) -> dict[str, Any]:
        request = self.request
        about = {"checkpoint": named(request.checkpoint), "sampler": request.sampler}
        return about | {"steps": request.steps, "images": request.count}

    def about(self) -> str:
        """The settings as JSON. A picture of one's own is only said to be one."""
        request = self.request
        names = ("checkpoint", "task", "steps", "sampler", "label", "seed", "count")
        content = {name: getattr(request, name) for name in names} | {"methods": request.methods}
        if request.task == "mask":
            content["hidden"] = Repair.kinds()["hidden"].write(request.hidden)
        return json.dumps(content | {"picture": "own" if request.picture else "sample"}, ensure_ascii=False)


def _whole(y: np.ndarray, model: ModelSpec) -> np.ndarray:
    """What is left, uint8 (1, h, w, c), with the size and the channels of the model's pictures."""
    factor = model.image_size // y.shape[1]
    large = y.repeat(factor, 1).repeat(factor, 2)
    return np.broadcast_to(large, (*large.shape[:3], model.channels))


class RepairPlace(Place):
    forms: ClassVar[Mapping[str, type[Request]]] = {"repair": Repair}

    def request(self, part: str, values: Values) -> RepairRun:
        return RepairRun(self.lab, Repair.check(values))

    def describe(self, computation: RepairRun) -> Values:
        """{estimate, seconds, auto, python}"""
        model, python = self.lab.models.known(computation.request.checkpoint), ""
        if model:
            computation.prepare([model])
            python = scripts.copied(script, computation, model)
        return estimate(self.lab, computation.refs, computation.left()) | {"python": python}

    def save(self, run: Run, kind: str) -> tuple[str, bytes]:
        request = run.computation.request
        return run.computation.save(kind, f"{short_name(request.checkpoint)}-{request.task}-seed-{request.seed}")

    def initial(self) -> Values:
        return {"kinds": KINDS}


def script(run: RepairRun, model: ModelSpec) -> str:
    """A script that repeats the completions with ddpm_core, and saves them as the page does."""
    request, size = run.request, model.image_size
    options = {name: value for name, value in run.options.items() if value is not None}
    lines = ["from PIL import Image", "", "import ddpm_core", "from ddpm_core import restore"]
    lines += ["from ddpm_core.imaging import grid", ""]
    lines += [f"model = ddpm_core.load({scripts.reference(request.checkpoint, model)!r})", f"options = {options!r}"]
    imports = ["import numpy as np"]
    if request.picture:
        lines += scripts.picture("picture", request.picture, (1, size, size, model.channels))
    else:
        lines += [f"picture = ddpm_core.sample(model, [{request.seed}], **options)"]
    if request.task == "mask":
        lines += scripts.picture("known", pixels.to_text(request.known(size).astype(np.uint8)), (size, size))
        lines += ["A = restore.mask(known)"]
    elif request.task == "blur":
        lines += [f"A = restore.blur(restore.gaussian_kernel({BLUR}, {size}), {size})"]
    else:
        lines += [
            f"A = restore.{request.task}({SHRUNK if request.task == 'downsample' else f'channels={model.channels}'})"
        ]
    if request.picture or request.task == "mask":
        imports = ["import base64", "import zlib", "", *imports]
    lines += ["y, rows = A(ddpm_core.from_uint8(picture)), []", f"for method in {request.methods!r}:"]
    lines += [f"    *_, last = restore.restore(model, y, A, method, {request.seeds!r}, **options)"]
    lines += ["    rows.append(ddpm_core.to_uint8(last.x))"]
    lines += [f'Image.fromarray(grid(np.concatenate(rows), {request.count}).squeeze()).save("{request.task}.png")']
    return "\n".join([*imports, *lines]) + "\n"
