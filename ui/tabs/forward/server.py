"""What the page asks the server for in the Forward tab. Anybody can call these functions: they check what they get."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from ddpm_core import forward, imaging
from ddpm_core.schedule import NoiseSchedule
from ui import web
from ui.events import address
from ui.runs.limits import Refused, ServerLimits
from ui.runs.quick import QUICK
from ui.runs.settings import MAX_SEED
from ui.tabs.forward import pictures

T = 1000
EPSILON_UNIT = 1 / 4096  # ε goes to the page as 16-bit whole numbers: ±8 in steps of .03 grey levels

SCHEDULES = {name: make(T=T) for name, make in forward.SCHEDULES.items()}


def functions(limits: ServerLimits) -> list[Callable[[Any], Any]]:
    """The functions, by whose names the page calls them, with the server's limits for uploads."""
    return web.functions(tables, pictures_within(limits), noise, compare)


def tables(_asked: object = None) -> dict[str, dict[str, str]]:
    """The tables of all schedules. The page asks when the tab is opened, as they are as large as half of the page.

    gradio always passes an argument, which is ignored.
    """
    return {name: _columns(schedule) for name, schedule in SCHEDULES.items()}


def pictures_within(limits: ServerLimits) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function `picture` with the server's limits for uploads."""

    def picture(asked: dict[str, Any]) -> dict[str, Any]:
        return _picture(asked, limits)

    return picture


def _picture(asked: dict[str, Any], limits: ServerLimits) -> dict[str, Any]:
    """{name} of a drawn picture or {path} of an upload -> {size, pixels}, or {error}: a sentence for the user."""
    try:
        if "name" in asked:
            name = str(asked["name"])
            if name not in pictures.DRAWINGS:
                raise ValueError(f"There is no picture of that name: choose from {', '.join(pictures.DRAWINGS)}")
            image = pictures.drawn(name)
        else:
            image = pictures.read(pictures.uploaded(asked.get("path")), limits)
    except ValueError as error:
        return {"error": str(error)}
    return {"size": len(image), "pixels": _text(image)}


def noise(asked: dict[str, Any]) -> dict[str, Any]:
    """{size, seed} -> {epsilon}: the ε of Eq. 4 for a picture of that size, in units of EPSILON_UNIT."""
    try:
        size = _whole(asked, "size", 1, pictures.SIZE)
        epsilon = forward.epsilon(_whole(asked, "seed", 0, MAX_SEED), (size, size, 3))
    except ValueError as error:
        return {"error": str(error)}
    return {"epsilon": _text((epsilon / EPSILON_UNIT).round().clip(-32768, 32767).astype("<i2"))}


def compare(asked: dict[str, Any]) -> dict[str, Any]:
    """{size, pixels, schedule, t, seed} -> `forward.Comparison` for the page."""
    try:
        size = _whole(asked, "size", 1, pictures.SIZE)
        t, seed = _whole(asked, "t", 0, T), _whole(asked, "seed", 0, MAX_SEED)
        schedule = SCHEDULES.get(str(asked.get("schedule")))
        if schedule is None:
            raise ValueError(f"There is no such schedule: choose from {', '.join(SCHEDULES)}")
        pixels = base64.b64decode(str(asked.get("pixels")), validate=True)
        if len(pixels) != 3 * size * size:
            raise ValueError("The picture and its size do not agree")
    except ValueError as error:
        return {"error": str(error)}
    image = np.frombuffer(bytearray(pixels), np.uint8).reshape(size, size, 3)
    try:
        with QUICK.turn(address()):  # a walk uses a core for up to a second
            result = forward.compare(schedule, image, t, seed)
    except Refused as refused:
        return {"error": str(refused)}
    return {
        "walk": uri(result.walk),
        "jump": uri(result.jump),
        "mean": result.mean,
        "std": result.std,
        "sigma": result.sigma,
        "edges": result.edges.tolist(),
        "densities": [result.walk_density.tolist(), result.jump_density.tolist()],
        "gap": result.gap,
        "chance": result.chance,
    }


def _whole(asked: dict[str, Any], name: str, low: int, high: int) -> int:
    value = asked.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}")
    return value


def _columns(schedule: NoiseSchedule) -> dict[str, str]:
    """The schedule's tables as base64 of float32, which is enough: columns are near 0 where their digits matter."""
    return {name: _text(column.astype("<f4")) for name, column in forward.tables(schedule).items()}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def uri(image: np.ndarray) -> str:
    """A picture, uint8 (H, W, C), as a PNG in a data-URI."""
    return f"data:image/png;base64,{base64.b64encode(imaging.png(image)).decode()}"
