"""Restoration: each method beside a posterior that is known, and on test pictures. python -m benchmarks.restoration

`gaussian` needs seconds: a mixture of Gaussians in the plane, whose posterior is one too, with the exact ε; where azula
is installed, its samplers on the same denoiser. `pictures` needs hours, and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ddpm_core
from benchmarks.digits import judge, load_classifier
from ddpm_core import plane, restore
from ddpm_core.noise import gaussian
from ddpm_core.restore import DDNM, DPS, Measurement, Method, PiGDM, RePaint

CENTRES = torch.tensor([[-0.6, -0.5], [-0.2, 0.6], [0.5, 0.4]], dtype=torch.float64)
WIDTH = 0.25
POINTS = 20_000
METHODS: dict[str, Method] = {
    "replacement": RePaint(1, 1),
    "repaint": RePaint(1, 10),
    "ddnm": DDNM(),
    "pigdm": PiGDM(),
    "dps, ζ = 0.1": DPS(0.1),
    "dps, ζ = 1": DPS(1.0),
}


def posterior(y: Tensor, rows: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (K,), means (K, 2) and the one covariance (2, 2) of x_0 given y = rows x_0 + σ n, for the mixture."""
    inner = WIDTH**2 * rows @ rows.T + sigma**2 * torch.eye(len(rows)).double()
    gain = WIDTH**2 * rows.T @ torch.linalg.inv(inner)
    gaps = y - CENTRES @ rows.T
    logits = -(gaps @ torch.linalg.inv(inner) * gaps).sum(1) / 2
    covariance = WIDTH**2 * (torch.eye(2).double() - gain @ rows)
    return logits.softmax(0), CENTRES + gaps @ gain.T, covariance


def compare(points: Tensor, weights: Tensor, means: Tensor, covariance: Tensor, rows: Tensor) -> dict[str, float]:
    """How far points (N, 2) are from a posterior: mean, spread along and across what is measured, weights of modes."""
    centre = weights @ means
    around = means - centre
    whole = covariance + around.T @ (weights[:, None] * around)
    across = torch.linalg.svd(rows).Vh[-1]
    nearest = torch.cdist(points @ across[:, None], means @ across[:, None]).argmin(1)
    share = torch.bincount(nearest, minlength=len(means)) / len(points)
    along = rows[0] / rows[0].norm()
    exact = (along @ whole @ along).clamp(min=0).sqrt().item()
    return {
        "mean": (points.mean(0) - centre).norm().item(),
        "spread across, of the true": ((points @ across).var() / (across @ whole @ across)).sqrt().item(),
        "spread along": (points @ along).std().item(),
        "true spread along": exact,
        "modes": (share - weights).abs().sum().item() / 2,
    }


def gaussian_tasks() -> dict[str, tuple[Measurement, Tensor, Tensor, float]]:
    first = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    mean = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    known = torch.tensor([[[1.0]], [[0.0]]])
    return {
        "one coordinate, exact": (restore.mask(known), first, torch.tensor([0.1]).double(), 0.0),
        "one coordinate, σ_y = 0.2": (restore.mask(known, 0.2), first, torch.tensor([0.1]).double(), 0.2),
        "the mean, σ_y = 0.2": (restore.grey(0.2, channels=2), mean, torch.tensor([0.1]).double(), 0.2),
    }


def gaussian_part(steps: int) -> list[dict[str, Any]]:
    mixture = plane.Mixture(CENTRES, WIDTH)
    model, found = plane.exact_model(mixture), []
    for title, (A, rows, value, sigma) in gaussian_tasks().items():
        truth = posterior(value, rows, sigma)
        y = torch.tensor([value.item(), 0.0]) if A.name == "mask" else value.float()
        y = y.reshape(1, -1, 1, 1)
        runs: dict[str, Callable[[], Tensor]] = {}
        for name, method in METHODS.items():
            runs[name] = lambda method=method, A=A, y=y: ours(model, A, y, method, steps)
        runs |= azulas(mixture, A, y, steps)
        for name, run in runs.items():
            try:
                points = run()
            except ValueError as error:
                found.append({"task": title, "method": name, "refused": str(error)})
                continue
            found.append({"task": title, "method": name, **compare(points.double(), *truth, rows)})
            print(json.dumps(found[-1], ensure_ascii=False), flush=True)
    return found


def ours(model: ddpm_core.Model, A: Measurement, y: Tensor, method: Method, steps: int) -> Tensor:
    def noise(index: int, x: Tensor) -> Tensor:
        return gaussian(1, index + 1, x.shape).to(x)

    x_T = gaussian(1, 0, (POINTS, 2, 1, 1))
    *_, last = restore.restore(model, y, A, method, steps=steps, variance="beta_tilde", x_T=x_T, noise=noise)
    return last.x.flatten(1)


def azulas(mixture: plane.Mixture, A: Measurement, y: Tensor, steps: int) -> dict[str, Callable[[], Tensor]]:
    """azula's samplers with the same denoiser E[x_0 | x_t], on its own schedule; none where it is not installed."""
    try:
        from azula.denoise import Denoiser, DiracPosterior  # pyright: ignore[reportMissingImports]
        from azula.guidance.dps import DPSSampler  # pyright: ignore[reportMissingImports]
        from azula.guidance.pgdm import PGDMSampler  # pyright: ignore[reportMissingImports]
        from azula.guidance.repaint import RePaintSampler  # pyright: ignore[reportMissingImports]
        from azula.noise import VPSchedule  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    schedule = VPSchedule()

    class Exact(Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.schedule = schedule

        def forward(self, x_t: Tensor, t: Tensor, **_: Any) -> Any:
            alpha, sigma = schedule(t)
            norm = (alpha**2 + sigma**2).sqrt()  # our tables are of √ᾱ and √(1 − ᾱ)
            score = mixture.score(x_t.flatten(1) / norm, (alpha / norm) ** 2).reshape(x_t.shape).to(x_t) / norm
            return DiracPosterior((x_t + sigma**2 * score) / alpha)

    def run(make: Callable[..., Any], *arguments: Any, **options: Any) -> Tensor:
        torch.manual_seed(0)
        sampler = make(Exact(), y.expand(POINTS, -1, -1, -1), *arguments, steps=steps, silent=True, **options)
        return sampler(sampler.init((POINTS, 2, 1, 1))).flatten(1)

    found = {
        "azula PGDM": lambda: run(PGDMSampler, A, A.pseudoinverse, eta=1.0),
        # Its norm is that of the whole batch: by √N larger than that of a point.
        "azula DPS, ζ = 0.1": lambda: run(DPSSampler, A, zeta=0.1 * math.sqrt(POINTS)),
    }
    if A.name == "mask" and not A.sigma:
        known = A(torch.ones(1, 2, 1, 1)).bool()
        found["azula RePaint"] = lambda: run(RePaintSampler, known, iterations=10, eta=1.0)
    return found


# --- Pictures


def picture_tasks(size: int, channels: int) -> dict[str, Measurement]:
    keep = torch.ones(size, size, dtype=torch.bool)
    keep[:, size // 2 :] = False
    quarter = size // 4
    hole = torch.ones(size, size, dtype=torch.bool)
    hole[quarter:-quarter, quarter:-quarter] = False
    last = {"grey": restore.grey()} if channels == 3 else {"blurred": _blurred(size)}
    return {
        "right half missing": restore.mask(keep),
        "middle missing": restore.mask(hole),
        "4 times smaller": restore.downsample(4),
        **last,
    }


def _blurred(size: int) -> Measurement:
    weights = np.exp(-(np.arange(-6, 7) ** 2) / (2 * 2.0**2))
    return restore.blur((weights / weights.sum()).tolist(), size)


def pictures_part(checkpoint: str, images: np.ndarray, labels: np.ndarray, count: int, out: Path, steps: int) -> None:
    model = ddpm_core.load(checkpoint)
    tasks = picture_tasks(model.image_size, model.channels)
    methods = METHODS | {"repaint": RePaint(10, 10)}
    out.mkdir(parents=True, exist_ok=True)
    batch = 10
    for first in range(0, count, batch):
        for title, A in tasks.items():
            for name, method in methods.items():
                file = out / f"{checkpoint}-{title}-{name}-{first:04}.npz".replace(" ", "_").replace("=", "")
                if file.exists():
                    continue
                x_0 = ddpm_core.from_uint8(images[first : first + batch])
                started, seeds = time.process_time(), range(first, first + len(x_0))
                *_, last = restore.restore(model, A(x_0), A, method, seeds, steps)
                seconds = time.process_time() - started
                gap = (A(last.x) - A(x_0)).flatten(1).square().mean(1).sqrt().numpy()
                restored = ddpm_core.to_uint8(last.x)
                error = ((restored.astype(float) - images[first : first + batch]) ** 2).mean((1, 2, 3))
                psnr = 10 * np.log10(255**2 / np.maximum(error, 1e-9))
                right = np.zeros(0)
                if model.channels == 1:
                    right = judge(load_classifier(), restored)[0] == labels[first : first + batch]
                np.savez(file, gap=gap, psnr=psnr, right=right, seconds=seconds)
                print(file.name, gap.mean(), psnr.mean(), right.mean() if len(right) else "", seconds, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("gaussian", "pictures"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--checkpoint", default="mnist-tiny")
    parser.add_argument("--data", help="test pictures: an .npz with images, uint8 (N, H, W, C), and labels")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("restoration"))
    options = parser.parse_args(arguments)
    if options.part == "gaussian":
        gaussian_part(options.steps)
    else:
        data = np.load(options.data)
        pictures_part(options.checkpoint, data["images"], data["labels"], options.count, options.out, options.steps)


if __name__ == "__main__":
    main()
