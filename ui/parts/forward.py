"""What noise destroys: a picture noised by Eq. 4, the schedules, the posterior, and t small steps against one jump.

The page mixes x_0 and ε itself with the weights of `ddpm_core.plane.forward.tables`, so dragging t needs no server.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from ddpm_core.commands import defaults
from ddpm_core.plane import forward
from ddpm_core.schedule import NoiseSchedule
from ui.forms.fields import Choice, Request, Seed, Whole, declare
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures import encoded
from ui.pictures.encoded import Sprite
from ui.protocol import Asked, DrawnNoise, DrawnPicture, ForwardQuestions, ScheduleWeights, WalkComparison
from ui.runs.log import Values
from ui.runs.visitors import address

T = 1000
EPSILON_UNIT = 1 / 4096  # ε goes to the page as 16-bit whole numbers: ±8 in steps of .03 grey levels
SCHEDULES = {name: make(T=T) for name, make in forward.SCHEDULES.items()}


@dataclass(frozen=True)
class Forward(Request):
    """What is shown; the page computes it."""

    picture: str = declare(Choice("picture", names=encoded.DRAWINGS), "lighthouse")
    schedule: str = declare(
        Choice(
            "schedule",
            help="How the variance βₜ of each small step grows",
            names=tuple(SCHEDULES),
            titles={name: name.capitalize() for name in SCHEDULES},
            sentences={
                "linear": "βₜ in a straight line, as in the paper",
                "cosine": "ᾱₜ follows cos²: keeps the picture longer",
                "quadratic": "√βₜ in a straight line: gentler start",
            },
        ),
        "linear",
    )
    t: int = declare(
        Whole("Time", "Time t", "How many of the 1000 small steps of noise", low=0, high=T, slider=True), 250
    )
    seed: int = declare(
        Seed("The seed", "Noise", "ε: a draw of N(0, 1) for each pixel and colour, fixed by its seed"), defaults.SEED
    )


class ForwardPart(Part):
    names = ("forward",)
    forms: ClassVar = {"forward": Forward}

    def __init__(self, services: Services):
        super().__init__(services)
        answers: ForwardQuestions = {
            "thumbs": self._thumbs,
            "tables": self._tables,
            "picture": self._picture,
            "noise": self._noise,
            "compare": self._compare,
        }
        self.answer(answers)

    def initial(self) -> Values:
        return {"T": T, "EPSILON_UNIT": EPSILON_UNIT}

    def _thumbs(self, asked: Asked) -> dict[str, Sprite]:
        """{} -> each drawn picture at half its size."""
        return {name: encoded.drawn(name)[None, ::2, ::2] for name in encoded.DRAWINGS}

    def _tables(self, asked: Asked) -> dict[str, ScheduleWeights]:
        """{} -> the tables of all schedules, in float32, which is enough: columns are near 0 where their digits matter.
        The page asks when the part is opened, as they are large.
        """
        return {name: _weights(schedule) for name, schedule in SCHEDULES.items()}

    def _picture(self, asked: Asked) -> DrawnPicture:
        """{name} of a drawn picture -> {picture}."""
        return {"picture": encoded.drawn(Forward.kinds()["picture"].check(asked.get("name")))[None]}

    def _noise(self, asked: Asked) -> DrawnNoise:
        """{size, seed} -> {epsilon}: the ε of Eq. 4 for a picture of that size, in units of EPSILON_UNIT."""
        size = SIZE.check(asked.get("size"))
        epsilon = forward.epsilon(Forward.kinds()["seed"].check(asked.get("seed")), (size, size, 3))
        return {"epsilon": (epsilon / EPSILON_UNIT).round().clip(-32768, 32767).astype(np.int16)}

    def _compare(self, asked: Asked) -> WalkComparison:
        """{size, pixels, schedule, t, seed} -> `forward.Comparison` for the page. pixels: as base64."""
        wanted = Forward.check({name: asked.get(name) for name in ("schedule", "t", "seed")})
        size = SIZE.check(asked.get("size"))
        try:
            pixels = base64.b64decode(str(asked.get("pixels")), validate=True)
        except ValueError:
            pixels = b""
        if len(pixels) != 3 * size * size:
            raise ValueError("The picture and its size do not agree")
        image = np.frombuffer(bytearray(pixels), np.uint8).reshape(size, size, 3)
        with self.services.quick_turns.turn(address()):  # a walk uses a core for up to a second
            result = forward.compare(SCHEDULES[wanted.schedule], image, wanted.t, wanted.seed)
        return {
            "walk": encoded.encoded(result.walk[None], "png"),
            "jump": encoded.encoded(result.jump[None], "png"),
            "mean": result.mean,
            "std": result.std,
            "sigma": result.sigma,
            "edges": result.edges.tolist(),
            "densities": (result.walk_density.tolist(), result.jump_density.tolist()),
            "gap": result.gap,
            "chance": result.chance,
        }


def _weights(schedule: NoiseSchedule) -> ScheduleWeights:
    columns = {name: column.astype(np.float32) for name, column in forward.tables(schedule).items()}
    return cast("ScheduleWeights", columns)


SIZE = Whole("The size", low=1, high=encoded.SIZE)
