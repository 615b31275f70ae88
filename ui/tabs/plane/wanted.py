"""What the Plane tab can be asked for: checked values, and the script that repeats it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddpm_core import defaults
from ddpm_core.names import SHAPES
from ddpm_core.timesteps import FORMULAS, model_pairs, suited_spacing
from ui.runs import formats
from ui.runs.parameters import Choice, Number, Whole, shown
from ui.runs.settings import AUTO, SEED

if TYPE_CHECKING:
    from ddpm_core.model import ModelSpec
    from ddpm_core.plane import Mixture

T = 1000  # of the paper's schedule, which every run here has
DRAWING = "drawing"
KINDS = (*SHAPES, DRAWING)
DENOISERS = ("exact", "trained")
SAMPLERS = ("ddpm", "ddim", "dpm++", "unipc")
VARIANCES = ("beta", "beta_tilde")
DRAWN = 200  # points of a drawing, at most
FRAMES = 60  # steps of a lane whose clouds are shown, at most
HUNDREDTHS = re.compile(r"-?\d{1,3},-?\d{1,3}", re.ASCII)

WIDTH = Number("The width", 0.02, 0.6, step=0.01)
COUNT = Whole("The number of points", 10, 2000)
STEPS = Whole("Steps", 1, T)
TRAINING = Whole("The steps of the training", 1, 10_000)
OF_LANE = {
    "denoiser": Choice("denoiser", DENOISERS),
    "sampler": Choice("sampler", SAMPLERS),
    "steps": STEPS,
    "variance": Choice("variance", VARIANCES),
}
DEFAULTS = ({"variance": "beta"}, {"variance": "beta_tilde"})  # what the lanes differ in at first


@dataclass(frozen=True)
class Lane:
    """denoiser: of DENOISERS. The other fields are those of `ddpm_core.trajectory`."""

    denoiser: str = "exact"
    sampler: str = "ddpm"
    steps: int = 10
    variance: str = "beta"


@dataclass(frozen=True)
class Wanted:
    """Two lanes of one cloud of points. kind: of KINDS. drawn: the centres of a drawing. count: points of the cloud.
    training: steps of the training where a lane needs a network.
    """

    kind: str
    drawn: tuple[tuple[float, float], ...]
    width: float
    count: int
    seed: int
    spacing: str
    training: int
    lanes: tuple[Lane, Lane]

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Wanted:
        """Raises ValueError, with one sentence, for the first value that is not possible."""
        kind = Choice("shape", KINDS).check(values.get("shape", KINDS[0]))
        return cls(
            kind=kind,
            drawn=drawn(str(values.get("drawing") or "")) if kind == DRAWING else (),
            width=WIDTH.check(values.get("width", 0.06)),
            count=COUNT.check(values.get("cloud", 1000)),
            seed=SEED.check(values.get("seed", defaults.SEED)),
            spacing=Choice("spacing", (AUTO, *FORMULAS)).check(values.get("spacing", AUTO)),
            training=TRAINING.check(values.get("training", 3000)),
            lanes=(_lane(values, ""), _lane(values, "_b")),
        )

    @property
    def trains(self) -> bool:
        return any(lane.denoiser == "trained" for lane in self.lanes)

    @property
    def network(self) -> Hashable:
        """What a trained network depends on."""
        return self.kind, self.drawn, self.width, self.training

    def mixture(self) -> Mixture:
        """The data."""
        from ddpm_core import plane  # here for the start time: see ui/__init__.py

        if self.kind == DRAWING:
            return plane.drawing(self.drawn, self.width)
        return plane.shape(self.kind, self.width)  # pyright: ignore[reportArgumentType]

    def name(self, lane: Lane, model: ModelSpec) -> str:
        """A lane in a few words."""
        sampler = formats.SAMPLER[lane.sampler]
        way = f"{sampler} {formats.VARIANCE[lane.variance]}" if lane.sampler == "ddpm" else sampler
        spacing = self.options(lane, model)["spacing"]
        steps = f"{lane.steps} step{'s' * (lane.steps > 1)}"
        return " · ".join([f"{lane.denoiser} ε", way, steps, *([spacing] if spacing != FORMULAS[0] else [])])

    def options(self, lane: Lane, model: ModelSpec) -> dict[str, Any]:
        """The arguments of `ddpm_core.plane.cloud` after the number of points."""
        options: dict[str, Any] = {"steps": lane.steps, "sampler": lane.sampler, "spacing": self.spacing}
        if self.spacing == AUTO:
            options["spacing"] = suited_spacing(model, lane.sampler, lane.steps)  # pyright: ignore[reportArgumentType]
        return options | ({"variance": lane.variance} if lane.sampler == "ddpm" else {})

    def times(self, lane: Lane, model: ModelSpec) -> list[int]:
        """The times at which a lane's cloud is shown, from T down to 0: all, or FRAMES evenly spaced steps."""
        options = self.options(lane, model)
        ends = [s for _, s in model_pairs(model, lane.steps, options["spacing"], options["sampler"])]
        kept = sorted({round(i * (len(ends) - 1) / (FRAMES - 1)) for i in range(FRAMES)})
        return [T, *(ends if len(ends) <= FRAMES else (ends[i] for i in kept))]


def _lane(values: Mapping[str, Any], suffix: str) -> Lane:
    given = DEFAULTS[bool(suffix)] | {
        name: values[name + suffix] for name in OF_LANE if values.get(name + suffix) is not None
    }
    try:
        return Lane(**{name: OF_LANE[name].check(value) for name, value in given.items()})
    except ValueError as error:
        raise ValueError(f"Lane {'B' if suffix else 'A'}: {error}") from None


def drawn(text: str) -> tuple[tuple[float, float], ...]:
    """ "12,-30 4,5", hundredths, as points inside [−1, 1]². Raises ValueError for what is not 1 to DRAWN of them."""
    parts = text.split()
    if not parts:
        raise ValueError("The drawing is empty: draw at least one point")
    if not all(HUNDREDTHS.fullmatch(part) for part in parts):
        raise ValueError(f"A drawing is points such as 12,-30 in hundredths, got {shown(text)}")
    points = tuple((int(x) / 100, int(y) / 100) for x, y in (part.split(",") for part in parts))
    if len(points) > DRAWN or max(max(abs(x), abs(y)) for x, y in points) > 1:
        raise ValueError(f"A drawing has 1 to {DRAWN} points from -100,-100 to 100,100, got {shown(text)}")
    return points


def python(wanted: Wanted, model: ModelSpec) -> str:
    """A script that repeats both clouds with ddpm_core, prints their moments and saves their points."""
    lines = ["import numpy as np", "", "from ddpm_core import plane, plane_network", ""]
    if wanted.kind == DRAWING:
        lines += [f"mixture = plane.drawing({list(wanted.drawn)!r}, width={wanted.width})"]
    else:
        lines += [f"mixture = plane.shape({wanted.kind!r}, width={wanted.width})"]
    lines += ["exact = plane.exact_model(mixture)"]
    if wanted.trains:
        lines += [f"trained = plane_network.train(mixture, steps={wanted.training})  # about ten seconds for 3000"]
    else:
        lines[2] = "from ddpm_core import plane"
    lines += ["lanes = {"]
    lines += [
        f'    "{name}": ({lane.denoiser}, {wanted.options(lane, model)!r}),'
        for name, lane in zip("AB", wanted.lanes, strict=True)
    ]
    lines += [
        "}",
        'print("data: mean", mixture.mean().tolist(), "trace", mixture.covariance().trace().item())',
        "for name, (model, options) in lanes.items():",
        f"    *_, last = plane.cloud(model, {wanted.seed}, {wanted.count}, **options)",
        f"    x = last.x.flatten(1)  # ({wanted.count}, 2)",
        '    print(f"{name}: mean", x.mean(0).tolist(), "trace", x.T.cov().trace().item())',
        '    np.savetxt(f"{name}.csv", x.numpy(), delimiter=",")',
    ]
    return "\n".join(lines) + "\n"
