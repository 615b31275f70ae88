"""The optimal reverse variance (Bao et al. 2022, "Analytic-DPM"): Γ_t of a checkpoint, estimated once and kept with it.

Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)) over q(x_t) is all that the formula, process.reverse_variance, needs of a network.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ddpm_core import files
from ddpm_core.checkpoint.fields import is_whole, read_json
from ddpm_core.checkpoint.refs import ANALYTIC, CheckpointError
from ddpm_core.schedule import NoiseSchedule

if TYPE_CHECKING:
    from ddpm_core.checkpoint.load import Model, Source


@dataclass(frozen=True, eq=False)
class Gamma:
    """Γ at some times, ascending, with the standard error of each: float64 (K,). images: how many they come from."""

    times: tuple[int, ...]
    gamma: Tensor
    standard_error: Tensor
    images: int

    def table(self, schedule: NoiseSchedule) -> Tensor:
        """Γ_t for t = 0..T, float64 (T + 1,); entry 0 is never used.

        E‖ε_θ‖²/d is linear in log t between the times, and constant beyond them. In a schedule with ᾱ_T = 0 the time T
        tells nothing (process.gamma_time): after the last other one Var[x_0 | x_t] is constant instead.
        """
        alpha_bar = schedule.alpha_bar.numpy()
        noise = 1 - alpha_bar
        log_t = np.log(np.maximum(np.arange(schedule.T + 1), 1))
        known = list(self.times)
        second_moment = np.interp(log_t, log_t[known], self.gamma.numpy() * noise[known])
        if alpha_bar[-1] == 0 and known[0] < schedule.T:
            last = max(t for t in known if t < schedule.T)
            signal_to_noise = alpha_bar[last:] / noise[last:]
            second_moment[last:] = 1 - signal_to_noise / signal_to_noise[0] * (1 - second_moment[last])
        return torch.from_numpy(second_moment / np.maximum(noise, noise[1]))


def default_times(T: int, n: int = 48) -> tuple[int, ...]:
    """At most n times from 1 to T, evenly spaced in log t as far as whole numbers can be."""
    return tuple(np.unique(np.geomspace(1, T, n).round().astype(int)).tolist())


def estimate_gamma(
    model: Model,
    images: np.ndarray | Tensor,
    times: Sequence[int] | None = None,
    labels: int | Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Gamma:
    """Estimate Γ from one draw of x_t for each image and time. x̂_0 is not clipped: Γ belongs to the network itself.

    images: uint8 (N, H, W, C), at least 2; a few hundred for a standard error of a few thousandths. times: any of 1..T,
    None for `default_times`. labels: see predict.label_tensor. progress(done, total) counts evaluations. Raises
    ValueError for values outside these.
    """
    from ddpm_core.likelihood import evaluations, image_state  # seconds, which reading a table need not take

    times = default_times(model.schedule.T) if times is None else sorted(set(times))
    x_0 = image_state(model, images, torch.float32)
    if len(x_0) < 2:
        raise ValueError("an estimate with a standard error needs at least 2 images")
    pairs = [(t, t - 1) for t in times]
    learned, true = [], []
    for prediction, x_0_part, x_t, t, _ in evaluations(model, x_0, pairs, labels, False, None, progress):
        alpha_bar = model.schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        eps = (x_t - alpha_bar.sqrt().to(x_t) * x_0_part) / (1 - alpha_bar).sqrt().to(x_t)
        learned.append(_mean_square(prediction.eps))
        true.append(_mean_square(eps))
    learned, true = (torch.cat(parts).reshape(len(times), len(x_0)) for parts in (learned, true))
    # E‖ε‖²/d = 1 is known, and at large t ‖ε_θ‖² follows ‖ε‖²: what regression on it explains is removed.
    centred = true - true.mean(1, keepdim=True)
    slope = (centred * learned).sum(1, keepdim=True) / centred.square().sum(1, keepdim=True)
    values = learned - slope * (true - 1)
    noise = 1 - model.schedule.alpha_bar[list(times)]
    return Gamma(tuple(times), values.mean(1) / noise, values.std(1) / len(x_0) ** 0.5 / noise, len(x_0))


def place(model: Model) -> Path:
    """The file where `write` keeps Γ, in a folder that is made if need be.

    Raises ValueError for a model that was not loaded, and CheckpointError where nothing can be written.
    """
    source = model.source
    if source is None or source.folder is None:
        raise ValueError("only a checkpoint that was loaded has a place to keep Γ")
    path = _places(source)[-1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
    return path


def write(model: Model, estimate: Gamma, **about: str | int) -> Path:
    """Keep an estimate beside the weights, in the user's cache for a checkpoint from the Hub. Returns the file's path.

    about: anything worth keeping with it, such as the data set's name. Raises CheckpointError when the disk refuses.
    """
    path, source = place(model), model.source
    content = {
        "about": "Γ_t = E‖ε_θ(x_t, t)‖² / (d (1 − ᾱ_t)), for the variance 'analytic'",
        **about,
        "images": estimate.images,
        "weights_sha256": sha256(source.folder / source.file),
        "times": estimate.times,
        "gamma": [float(f"{value:.9g}") for value in estimate.gamma],
        "standard_error": [float(f"{value:.3g}") for value in estimate.standard_error],
    }
    try:
        files.write_json(path, content)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}") from None
    return path


def beside(model: Model, weights: Path, rounded: bool) -> dict:
    """The content of the file of Γ that belongs beside a copy of the weights of a model that has Γ.

    weights: the copy's file. rounded: to float16, which changes ε_θ by some 1e-4 and so Γ by less than can be measured.
    """
    source, copied = model.source, {"weights_sha256": sha256(weights)}
    if rounded:
        copied["weights"] = "rounded to float16 after the estimate"
    for path in filter(Path.is_file, _places(source) if source and source.folder else ()):
        with suppress(OSError, ValueError, KeyError, TypeError, IndexError):  # not the file that was loaded
            content = json.loads(path.read_text(encoding="utf-8"))
            if _estimate(content).table(model.schedule).equal(model.gamma):
                return content | copied
    return copied | {
        "about": "Γ_t as it was given to the model: how it was estimated is not known",
        "images": None,
        "times": list(range(1, model.schedule.T + 1)),
        "gamma": model.gamma[1:].tolist(),
        "standard_error": [],
    }


def read(source: Source, schedule: NoiseSchedule) -> Tensor | None:
    """The table of Γ kept with a checkpoint, or None where there is none that was made for these very weights.

    Raises CheckpointError for a file that is not such a table.
    """
    for path in filter(Path.is_file, _places(source)):
        try:
            content = read_json(path)
            times = content["times"]
            inside = all(is_whole(t) and 0 < t <= schedule.T for t in times)
            if not inside or times != sorted(set(times)):
                raise ValueError
            table = _estimate(content).table(schedule)
            if not bool((table.isfinite() & (table >= 0)).all()):
                raise ValueError
            if content["weights_sha256"] == sha256(source.folder / source.file):
                return table
        except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError, OverflowError):
            raise CheckpointError(f"{path} is not a table of Γ_t: delete it, or make it again") from None
    return None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _estimate(content: dict) -> Gamma:
    values = [torch.tensor(content[key], dtype=torch.float64) for key in ("gamma", "standard_error")]
    return Gamma(tuple(content["times"]), *values, content["images"])


def _places(source: Source) -> list[Path]:
    """Where Γ may lie, the last one being where it is written."""
    beside = source.folder / ANALYTIC
    if source.revision is None:
        return [beside]
    return [beside, files.cache_folder(source.name.replace("/", "--"), source.revision, ANALYTIC)]


def _mean_square(x: Tensor) -> Tensor:
    return x.double().square().flatten(1).mean(1).cpu()
