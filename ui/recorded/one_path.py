"""The figure of the lesson "One path": one network read in five ways, and DDIM beside the straight steps of a flow.

`python -m ui.recorded one-path` draws it anew, after the model has been trained again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ddpm_core import imaging
from ddpm_core.checkpoint.refs import embedded
from ddpm_core.disk import files
from ddpm_core.model import Model
from ddpm_core.schedule import NoiseSchedule
from ui.parts import course
from ui.runs.settings import Settings
from ui.web import FILES

if TYPE_CHECKING:
    from ddpm_core.model import Tensor

PICTURE = FILES / "examples" / "course" / "one-path.webp"  # a row for each of ROWS, a column for each time
NUMBERS = PICTURE.with_suffix(".json")
LESSON = next(lesson for lesson in course.LESSONS if lesson.name == "one-path")
SETTINGS = replace(Settings.check(LESSON.values), count=1)
ROWS = ("ddim", "flow", "x0", "eps", "v", "score", "difference")
WIDEST = 2.5  # of what is no picture: from black, −WIDEST deviations, to white
LIMIT = 10.5  # of log SNR, at the ends of the axis
TICKS = {  # round values of each clock
    "t": (1, 10, 30, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000),
    "σ": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100),
    "log SNR": (10, 8, 6, 4, 2, 0, -2, -4, -6, -8, -10),
    "τ": (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
}


def model() -> Model:
    """The network of the lesson, exact."""
    import ddpm_core  # here for the start time: see ui/__init__.py

    return ddpm_core.load(SETTINGS.checkpoint, precision="fp32")


def as_flow(model: Model) -> Model:
    """The same network behind the face of a rectified flow: it sees (1 − τ) x_0 + τ ε and τ, and gives ε − x_0."""
    import ddpm_core

    tau = clocks(model.schedule)["τ"]

    def network(y: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        t = int(np.abs(tau - float(time[0])).argmin())  # of all images, as a chain asks
        x_0, eps = _read(model, y * _width(model.schedule, t), t, labels)
        return eps - x_0

    return ddpm_core.Model(
        network=network,
        schedule=model.schedule,
        image_size=model.image_size,
        channels=model.channels,
        prediction="flow",
        num_classes=model.num_classes,
        null_label=model.null_label,
        clip=model.clip,
        class_names=model.class_names,
    )


def clocks(schedule: NoiseSchedule) -> dict[str, np.ndarray]:
    """The times t = 0..T in each unit; σ is 0 and log SNR infinite at t = 0."""
    sigma = schedule.sigma.numpy()
    with np.errstate(divide="ignore"):
        return {"t": np.arange(schedule.T + 1), "σ": sigma, "log SNR": -2 * np.log(sigma), "τ": sigma / (1 + sigma)}


def ddim(model: Model) -> tuple[list[tuple[int, int]], list[Tensor]]:
    """The steps (t, s) of DDIM, and the states on the way, each (1, C, H, W): x_T, then x_s of each step."""
    import ddpm_core
    from ddpm_core.noise import gaussian_batch

    x_T = gaussian_batch(SETTINGS.seeds, 0, (model.channels, model.image_size, model.image_size))
    arguments = SETTINGS.resolved(model).arguments(model)
    steps = list(ddpm_core.trajectory(model, **arguments))
    return [(step.t, step.s) for step in steps], [x_T, *(step.x for step in steps)]


def euler(model: Model, pairs: list[tuple[int, int]], x_T: Tensor) -> list[Tensor]:
    """The same states by y + (τ_s − τ_t) u, with what `as_flow` gives as u; in our coordinates, to be compared."""
    flow, schedule = as_flow(model), model.schedule
    assert model.null_label is not None
    tau, y = clocks(schedule)["τ"], x_T / _width(schedule, pairs[0][0])
    states = [x_T]
    for t, s in pairs:
        labels = x_T.new_full((len(x_T),), model.null_label).long()
        y = y + (tau[s] - tau[t]) * flow.network(y, x_T.new_full((len(x_T),), tau[t]), labels)
        states.append(y * _width(schedule, s))
    return states


def readings(model: Model, x_t: Tensor, t: int) -> dict[str, Tensor]:
    """What the network says of x_t, in five ways: each (1, C, H, W)."""
    alpha_bar = model.schedule.alpha_bar[t].item()
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    x_0, eps = _read(model, x_t, t, None)
    return {
        "x0": x_0,
        "eps": eps,
        "v": signal * eps - noise * x_0,
        "score": -eps / noise,
        "difference": eps - x_0,
    }


def _read(model: Model, x_t: Tensor, t: int, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    from ddpm_core.prediction import predict

    found = predict(model, x_t, t, labels)
    return found.x0, found.eps


def _width(schedule: NoiseSchedule, t: int) -> float:
    """Of our x_t, where that of a flow is 1: √ᾱ_t + √(1 − ᾱ_t)."""
    alpha_bar = schedule.alpha_bar[t].item()
    return alpha_bar**0.5 + (1 - alpha_bar) ** 0.5


def weights() -> str:
    """The hash of the weights that the pictures are drawn with."""
    return files.sha256(embedded()[SETTINGS.checkpoint] / "diffusion_pytorch_model.safetensors")


def record() -> None:
    """Draw the pictures, and write the times: some seconds."""
    network = model()
    pairs, states = ddim(network)
    columns: dict[str, list[Tensor]] = {"ddim": states, "flow": euler(network, pairs, states[0])}
    for (t, _), x_t in zip(pairs, states[:-1], strict=True):
        for name, read in readings(network, x_t, t).items():
            is_picture = name == "x0"
            columns.setdefault(name, []).append(read if is_picture else read / (WIDEST * read.std()))
    for name in ROWS[2:]:
        columns[name].append(columns["ddim"][-1] if name == "x0" else 0 * states[0])  # nothing is asked at the end
    shown = np.concatenate([imaging.to_uint8(x) for name in ROWS for x in columns[name]])
    grid = imaging.grid(shown, len(states), gap=0)
    Image.fromarray(grid.squeeze()).save(PICTURE, lossless=True, method=6)
    known = clocks(network.schedule)
    times = [pair[0] for pair in pairs] + [0]
    numbers = {
        "weights": weights(),
        "side": network.image_size,
        "times": [{name: float(f"{table[t]:.3g}") for name, table in known.items()} for t in times[:-1]],
        "at": [round(_place(known["log SNR"][t]), 4) for t in times],
        "ticks": {name: _ticks(known, name) for name in TICKS},
    }
    files.write_bytes(NUMBERS, (json.dumps(numbers, ensure_ascii=False, indent=1) + "\n").encode())


def _place(log_snr: float) -> float:
    """On the axis: 0 where nearly all is noise, 1 where nearly all is picture."""
    return float(np.clip(log_snr, -LIMIT, LIMIT) / (2 * LIMIT) + 0.5)


def _ticks(known: dict[str, np.ndarray], name: str) -> list[tuple[str, float]]:
    """Round values of a clock, and where they are on the axis: those on it that have room."""
    ticks: list[tuple[str, float]] = []
    for value in TICKS[name]:
        log_snr = value if name == "log SNR" else float(_log_snr(known, name, value))
        place = _place(log_snr)
        if abs(log_snr) <= LIMIT and all(abs(place - other) > 0.055 for _, other in ticks):
            ticks.append((f"{value:g}".replace("-", "−"), round(place, 4)))
    return ticks


def _log_snr(known: dict[str, np.ndarray], name: str, value: float) -> float:
    sigma = {"t": lambda: known["σ"][int(value)], "σ": lambda: value, "τ": lambda: value / (1 - value)}[name]()
    return -2 * np.log(sigma)
