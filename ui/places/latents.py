"""What a noisy picture remembers: noised up to t and decoded again (Fig. 7), or two mixed on the way (Figs. 8, 9)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

import ddpm_core
from ddpm_core import defaults, imaging
from ddpm_core.model import Model, ModelSpec, check_pixels
from ddpm_core.timesteps import chain_length, quarters
from ui import formats, pixels
from ui.export import scripts
from ui.fields import Choice, Picture, Request, Seed, Whole, Wholes, declare
from ui.jobs import Work
from ui.lab import Lab
from ui.offered import named, short_name
from ui.offers import estimate
from ui.pictures import LOSSLESS, kept_steps
from ui.place import Place, Run, Values
from ui.rows import KINDS, Rows, sent, spread
from ui.run_settings import CHECKPOINT, ETA, LABEL, STEPS, VARIANCE, Settings

if TYPE_CHECKING:
    from ddpm_core.latents import Latent

Mode = Literal["reconstruct", "interpolate"]
SAMPLERS = ("ddpm", "ddim", "consistency")  # the last one is of students
SAMPLES = 4  # every so many steps of a sample's way are shown
TITLES = {"reconstruct": "Reconstruct", "interpolate": "Interpolate"}


@dataclass(frozen=True)
class Latents(Request):
    """Rows of pictures, one for each time t. reconstruct: one latent x_t, decoded with several seeds. interpolate: two
    latents mixed, from the first one to the second one.

    seed, seed_b: encode the first and the second picture. count: columns. times: of the rows, empty for quarters of T.
    picture, picture_b: as `pixels.to_text` writes them, "" for the sample of the seed.
    """

    mode: Mode = declare(
        Choice("mode", "What to do", names=("reconstruct", "interpolate"), titles=TITLES), "reconstruct"
    )
    checkpoint: str = declare(CHECKPOINT, defaults.CHECKPOINT)
    picture: str = declare(Picture("picture"), "")
    seed: int = declare(Seed("The seed", help="Of the first picture, and of its noise"), defaults.SEED)
    picture_b: str = declare(Picture("picture"), "")
    seed_b: int = declare(Seed("The second seed", help="Of the second picture, and of its noise"), defaults.SEED + 1)
    times: tuple[int, ...] = declare(
        Wholes(
            "Times",
            "Times t",
            "A row for each: at T only noise is left, at 0 the picture",
            placeholder="1000, 750, 500, 250",
            example="750, 500, 250",
            may_be_empty=True,
        ),
        (),
    )
    label: str = declare(LABEL, "any")
    count: int = declare(Whole("The number of columns", "Columns", more=True, low=2, high=16), 8)
    steps: int = declare(replace(STEPS, more=True), 50)
    sampler: str = declare(Choice("sampler", more=True, names=SAMPLERS, titles=formats.SAMPLER), "ddpm")
    variance: str = declare(replace(VARIANCE, more=True), "beta_tilde")
    eta: float = declare(ETA, 0.0)

    @property
    def chain(self) -> Settings:
        """The run of a row."""
        own = {
            name: getattr(self, name)
            for name in ("checkpoint", "steps", "variance", "sampler", "label", "seed", "count")
        }
        return Settings(**own, eta=self.eta if self.sampler == "ddim" else 0.0)

    @property
    def sources(self) -> tuple[tuple[int, str], ...]:
        """(seed, picture) of the first picture, and of the second where there is one."""
        both = ((self.seed, self.picture), (self.seed_b, self.picture_b))
        return both if self.mode == "interpolate" else both[:1]

    @property
    def weights(self) -> list[float]:
        """λ of each column of an interpolation."""
        return np.linspace(0, 1, self.count).tolist()

    @property
    def columns(self) -> list[str]:
        if self.mode == "interpolate":
            return [f"λ {weight:.2f}".rstrip("0").rstrip(".") for weight in self.weights]
        return [f"seed {seed}" for seed in self.chain.seeds]


class LatentsRun(Rows):
    """times: of the rows.

    Its results, by "kind": "plan" once; "source", a picture on its way or final; "latent" of each row; "step" of a row;
    "row", when one is done.
    """

    def __init__(self, lab: Lab, request: Latents):
        super().__init__()
        self.request = request
        self.refs = (request.checkpoint,)
        self.images = request.count
        self.model: ModelSpec | None = None
        self.times: tuple[int, ...] = ()
        self.options: dict[str, Any] = {}  # of ddpm_core.reconstruct, after the seeds
        self._lab = lab
        self._evaluations = 0  # of the network on single pictures, all samples and rows together

    def prepare(self, models: Sequence[ModelSpec]) -> None:
        from ddpm_core.latents import check_chains  # here for the start time: see ui/__init__.py

        (model,), request = models, self.request
        check_pixels(model, "this part of the page")
        T = model.schedule.T
        self.model, self.times = model, request.times or tuple(quarters(model))
        if max(self.times) > T:
            raise ValueError(f"Times go from 0 to {T} for this checkpoint, got {max(self.times)}")
        arguments = request.chain.resolved(model).arguments(model)
        self.options = {name: value for name, value in arguments.items() if name != "seeds"}
        check_chains(model, self.times, **self.options)
        for _, picture in request.sources:
            if picture:
                pixels.from_text(picture, model)
        drawn = sum(not picture for _, picture in request.sources)
        self._evaluations = (
            drawn * request.steps + sum(chain_length(model, t, request.steps) for t in self.times) * request.count
        )
        self._lab.limits.check_run(self._evaluations, 1, self._lab.models.flop(request.checkpoint) or 0)

    def left(self, done: int = 0) -> float | None:
        pace = self._lab.pace.seconds(self.request.checkpoint, self.request.count)
        return pace and pace / self.request.count * (self._evaluations - done)

    def compute(self, models: Sequence[Model], work: Work) -> None:
        (model,), request = models, self.request
        work.expect(self._evaluations)
        work.give(
            {
                "kind": "plan",
                "mode": request.mode,
                "times": self.times,
                "T": model.schedule.T,
                "columns": request.columns,
                "steps": [chain_length(model, t, request.steps) for t in self.times],
                "size": model.image_size,
                "pixelated": model.image_size <= LOSSLESS,
            }
        )
        sources = [self._source(model, i, work) for i in range(len(request.sources))]
        latents = []
        for row, t in enumerate(self.times):
            x_t = [
                ddpm_core.encode(model, source, t, [seed])
                for source, (seed, _) in zip(sources, request.sources, strict=True)
            ]
            latents.append(x_t)
            work.give({"kind": "latent", "row": row, "x": [sent(imaging.to_uint8(one)) for one in x_t]})
        for row, t in enumerate(self.times):
            self._row(model, row, t, latents[row], work)

    def _source(self, model: Model, i: int, work: Work) -> np.ndarray:
        """The i-th picture, uint8 (1, H, W, C)."""
        seed, text = self.request.sources[i]
        if text:
            picture = pixels.from_text(text, model)
            work.give({"kind": "source", "i": i, "x": sent(picture), "final": True})
            return picture
        x = None
        for step in ddpm_core.trajectory(model, [seed], **self.options):
            work.count()
            final = step.s == 0
            x = imaging.to_uint8(step.x)
            if final or step.index % SAMPLES == 0:
                shown = x if final else imaging.to_uint8(step.x0_hat)
                work.give({"kind": "source", "i": i, "x": sent(shown), "final": final})
        assert x is not None
        return x

    def _row(self, model: Model, row: int, t: int, x_t: list[Latent], work: Work) -> None:
        from ddpm_core.latents import mix  # here for the start time: see ui/__init__.py

        request, columns = self.request, self.request.count
        if request.mode == "interpolate":
            start, seeds = mix(x_t[0], x_t[1], request.weights), [request.seed] * columns
        else:
            start, seeds = x_t[0].expand(columns, -1, -1, -1), list(request.chain.seeds)
        steps, x = chain_length(model, t, request.steps), imaging.to_uint8(start)
        if steps:
            self.frames[row] = {}
            kept = kept_steps(steps, model.image_size, columns * len(self.times), model.channels)
            began, waited = time.perf_counter(), work.waited
            for step in ddpm_core.trajectory(model, seeds, x_T=start, start=t, **{**self.options, "steps": steps}):
                work.count(columns)
                x = imaging.to_uint8(step.x)
                if step.index in kept:
                    guess = imaging.to_uint8(step.x0_hat) if step.s else x
                    self.frames[row][step.index] = guess
                    work.give({"kind": "step", "row": row, "k": step.index, "s": step.s, "x0": sent(guess)})
            seconds = time.perf_counter() - began - (work.waited - waited)
            self._lab.pace.note(request.checkpoint, columns, seconds / steps)
        else:
            work.give({"kind": "step", "row": row, "k": 0, "s": 0, "x0": sent(x)})
        self.rows[row] = x
        work.give({"kind": "row", "row": row, "spread": spread(x)})

    def log(self) -> dict[str, Any]:
        request = self.request
        return {
            "checkpoint": named(request.checkpoint),
            "sampler": request.sampler,
            "steps": request.steps,
            "images": request.count,
        }

    # --- Files

    def about(self) -> str:
        """The settings as JSON. A picture of one's own is only said to be one."""
        request = self.request
        names = ("mode", "checkpoint", "steps", "variance", "sampler", "eta", "label", "seed", "seed_b", "count")
        content: dict[str, Any] = {name: getattr(request, name) for name in names} | {"times": self.times}
        content["pictures"] = ["own" if text else "sample" for _, text in request.sources]
        return json.dumps(content, ensure_ascii=False)


class LatentsPlace(Place):
    forms: ClassVar = {"latents": Latents}

    def request(self, part: str, values: Values) -> LatentsRun:
        return LatentsRun(self.lab, Latents.check(values))

    def describe(self, computation: LatentsRun) -> Values:
        """{estimate, seconds, auto, python}"""
        model = self.lab.models.known(computation.request.checkpoint)
        python = ""
        if model:
            computation.prepare([model])
            python = scripts.copied(script, computation, model)
        return estimate(self.lab, computation.refs, computation.left()) | {"python": python}

    def save(self, run: Run, kind: str) -> tuple[str, bytes]:
        request = run.computation.request
        return run.computation.save(kind, f"{short_name(request.checkpoint)}-{request.mode}-seed-{request.seed}")

    def initial(self) -> Values:
        return {"kinds": KINDS}


def script(run: LatentsRun, model: ModelSpec) -> str:
    """A script that repeats the rows with ddpm_core, and saves them as the page does."""
    request = run.request
    options = {name: value for name, value in run.options.items() if value is not None}
    lines = [
        "import numpy as np",
        "from PIL import Image",
        "",
        "import ddpm_core",
        "from ddpm_core.imaging import grid",
        "",
        f"model = ddpm_core.load({scripts.reference(request.checkpoint, model)!r})",
        f"options = {options!r}",
    ]
    if any(picture for _, picture in request.sources):
        lines[:0] = ["import base64", "import zlib", ""]
    for name, (seed, picture) in zip("ab", request.sources, strict=False):
        if picture:
            lines += scripts.picture(name, picture, (1, model.image_size, model.image_size, model.channels))
        else:
            lines += [f"{name} = ddpm_core.sample(model, [{seed}], **options)"]
    lines += ["rows = []", f"for t in {list(run.times)}:  # of {model.schedule.T}"]
    lines += [f"    x_t = ddpm_core.encode(model, a, t, [{request.seed}])"]
    if request.mode == "interpolate":
        lines += [f"    other = ddpm_core.encode(model, b, t, [{request.seed_b}])"]
        lines += [f"    weights = np.linspace(0, 1, {request.count}).tolist()"]
        lines += [f"    rows.append(ddpm_core.interpolate(model, x_t, other, t, weights, {request.seed}, **options))"]
    else:
        lines += [f"    rows.append(ddpm_core.reconstruct(model, x_t, t, {request.chain.seeds!r}, **options))"]
    lines += [f'Image.fromarray(grid(np.concatenate(rows), {request.count}).squeeze()).save("{request.mode}.png")']
    return "\n".join(lines) + "\n"
