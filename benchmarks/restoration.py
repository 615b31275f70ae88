"""What methods of restoration do: `python -m benchmarks restoration gaussian|pictures`.

`gaussian` compares each method's samples with a posterior p(x_0 | y) that is known in closed form, that of a mixture of
Gaussians in the plane, the exact ε being the network; and so azula's methods (`pip install azula==0.11`, left out where
it isn't there) with the same denoiser. `pictures` restores test pictures: hours, and started again with the same --out,
it goes on. Both print their tables in the end.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ddpm_core
from benchmarks._measure import describe
from benchmarks.digits import DIGITS, judge, load_classifier, ready_classifier
from ddpm_core import plane, restore
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.noise import gaussian
from ddpm_core.restore import DDNM, DPS, Measurement, Method, PiGDM, RePaint
from train.data.sample import ImageSample

POINTS = 10_000
BATCH = 10  # pictures restored at once
PLANE_METHODS: dict[str, Method] = {
    "replacement": RePaint(1, 1),
    "RePaint": RePaint(1, 10),
    "DDNM": DDNM(),
    "ΠGDM": PiGDM(),
    "DPS, ζ = 0.1": DPS(0.1),
    "DPS, ζ = 1": DPS(1.0),
}
PICTURE_METHODS: dict[str, Method] = {
    "replacement": RePaint(1, 1),
    "RePaint": RePaint(10, 10),
    "DDNM": DDNM(),
    "ΠGDM": PiGDM(),
    "DPS": DPS(1.0),
}


# --- Points in the plane


@dataclass(frozen=True)
class Posterior:
    """Parts of N(mean, covariance) with these weights: (K,), (K, 2) and (2, 2), float64."""

    weights: Tensor
    means: Tensor
    covariance: Tensor

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.means

    @property
    def whole(self) -> Tensor:
        """The covariance of all parts together."""
        around = self.means - self.mean
        return self.covariance + around.T @ (self.weights[:, None] * around)

    def draw(self, n: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        part = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        values, vectors = torch.linalg.eigh(self.covariance)
        z = torch.randn(n, 2, generator=generator).double()
        return self.means[part] + (z * values.clamp(min=0).sqrt()) @ vectors.T

    def shares(self, points: Tensor) -> Tensor:
        """The mean over points (N, 2) of each part's probability: of draws from the posterior, its weights."""
        values, vectors = torch.linalg.eigh(self.covariance)
        axes = vectors[:, values > 1e-9] / values[values > 1e-9].sqrt()  # none where y is exact
        gaps = points[:, None] @ axes - self.means @ axes
        return (self.weights.log() - gaps.square().sum(2) / 2).softmax(1).mean(0)


def posterior(mixture: plane.Mixture, row: Tensor, y: float, sigma: float) -> Posterior:
    """Of x_0 from a mixture given y = row · x_0 + σ n, by Bayes' rule."""
    variance = mixture.width**2 * row @ row + sigma**2
    gain = mixture.width**2 * row / variance
    gaps = y - mixture.centres @ row
    covariance = mixture.width**2 * (torch.eye(2).double() - torch.outer(gain, row))
    return Posterior(
        (-gaps.square() / (2 * variance)).softmax(0), mixture.centres + torch.outer(gaps, gain), covariance
    )


def compare(points: Tensor, truth: Posterior, row: Tensor) -> dict[str, float]:
    """Points (N, 2) beside a posterior: distance of the means; ‖C − C*‖/‖C*‖ of the covariances; the mean and the
    deviation of A x̂; the total variation between the parts' shares and weights."""
    return {
        "mean": (points.mean(0) - truth.mean).norm().item(),
        "covariance": ((points.T.cov() - truth.whole).norm() / truth.whole.norm()).item(),
        "A x̂": (points @ row).mean().item(),
        "± of A x̂": (points @ row).std().item(),
        "weights": (truth.shares(points) - truth.weights).abs().sum().item() / 2,
    }


def plane_tasks() -> dict[str, tuple[plane.Mixture, Measurement, list[float], float]]:
    """Data, measurement, its row, and y."""
    three = plane.Mixture(torch.tensor([[-0.6, -0.5], [-0.2, 0.6], [0.5, 0.4]]), 0.25)
    normal = plane.Mixture(torch.tensor([[0.3, -0.2]]), 1.0)
    first = torch.tensor([[[1.0]], [[0.0]]])
    return {
        "N(m, I), y the mean of its coordinates, σ_y = 0.3": (normal, restore.grey(0.3, 2), [0.5, 0.5], 1.2),
        "three Gaussians, y the first coordinate": (three, restore.mask(first), [1.0, 0.0], 0.1),
        "three Gaussians, y the first coordinate, σ_y = 0.2": (three, restore.mask(first, 0.2), [1.0, 0.0], 0.1),
        "three Gaussians, y the mean of the coordinates, σ_y = 0.2": (three, restore.grey(0.2, 2), [0.5, 0.5], 0.1),
    }


def gaussian_part(steps: int) -> Iterator[dict[str, Any]]:
    for title, (mixture, A, weights, value) in plane_tasks().items():
        row = torch.tensor(weights).double()
        truth = posterior(mixture, row, value, A.sigma)
        y = torch.tensor([value, 0.0] if A.name == "mask" else [value]).reshape(1, -1, 1, 1)
        model = plane.exact_model(mixture)
        runs: dict[str, Callable[[], Tensor]] = {"draws from the posterior": lambda truth=truth: truth.draw(POINTS)}
        for name, method in PLANE_METHODS.items():
            runs[name] = lambda method=method, model=model, A=A, y=y: ours(model, A, y, method, steps)
        about = {
            "task": title,
            "steps": steps,
            "true": [(row @ truth.mean).item(), (row @ truth.whole @ row).sqrt().item()],
        }
        for name, run in (runs | azulas(mixture, A, y, steps)).items():
            try:
                points = run().double()
            except ValueError as error:
                yield {**about, "method": name, "refused": str(error)}
            else:
                yield {**about, "method": name, **compare(points, truth, row)}


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

    found = {"azula ΠGDM": lambda: run(PGDMSampler, A, A.pseudoinverse, eta=1.0)}
    for zeta in (0.1, 1.0):
        # It divides by the norm of the residual of the whole batch, √N times the quadratic mean of the points'.
        found[f"azula DPS, ζ = {zeta:g}"] = lambda zeta=zeta: run(DPSSampler, A, zeta=zeta * math.sqrt(POINTS))
    if A.name == "mask" and not A.sigma:
        known = A(torch.ones(1, 2, 1, 1)).bool()
        found["azula RePaint"] = lambda: run(RePaintSampler, known, iterations=10, eta=1.0)
    return found


def gaussian_tables(results: list[dict[str, Any]]) -> str:
    lines = []
    for task in dict.fromkeys(result["task"] for result in results):
        rows = [result for result in results if result["task"] == task]
        mean, deviation = rows[0]["true"]
        lines += [f"{task}. A x_0 of the posterior: {mean:.3f} ± {deviation:.3f}.", ""]
        lines += ["| method | steps | A x̂ | mean | covariance | weights |", "| --- " * 6 + "|"]
        for row in rows:
            if "refused" not in row:
                off = f"{row['mean']:.3f} | {row['covariance']:.0%} | {row['weights']:.0%}".replace("%", " %")
                lines.append(f"| {row['method']} | {row['steps']} | {row['A x̂']:.3f} ± {row['± of A x̂']:.3f} | {off} |")
        lines += ["", *(f"{row['method']}: {row['refused']}." for row in rows if "refused" in row), ""]
    return "\n".join(lines)


# --- Pictures


class Whole:
    """A model's network, whose gradients are computed for a whole batch at once: 3 times as fast on a CPU as one by
    one, which makes a picture the same bytes in every batch, and is not needed here. It counts evaluations."""

    def __init__(self, checkpoint: str, network: Any):
        exact: Any = ddpm_core.load(checkpoint, engine="torch", precision="fp32").network
        self._network, self._unet = network, exact.unet
        self.device, self.count = network.device, 0

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        self.count += 1
        return self._network(x, t_index, labels)

    def with_gradients(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        self.count += 1
        return self._unet(x, t_index, labels, return_dict=False)[0]


def picture_tasks(size: int, channels: int) -> dict[str, Measurement]:
    keep = torch.ones(size, size, dtype=torch.bool)
    keep[:, size // 2 :] = False
    quarter = size // 4
    hole = torch.ones(size, size, dtype=torch.bool)
    hole[quarter:-quarter, quarter:-quarter] = False
    last = (
        {"grey": restore.grey()}
        if channels == 3
        else {"blurred, σ = 2": restore.blur(restore.gaussian_kernel(2, size), size)}
    )
    return {
        "right half missing": restore.mask(keep),
        "middle missing": restore.mask(hole),
        "4 times smaller": restore.downsample(4),
        **last,
    }


def pictures_part(checkpoint: str, data: str, count: int, out: Path, steps: int) -> Iterator[dict[str, Any]]:
    """The results of each batch, task and method, from --out or new: a list with an entry a picture in each."""
    model = ddpm_core.load(checkpoint)
    network = Whole(checkpoint, model.network)
    model = model.evaluated_by(network)
    test = ImageSample(data, "test", model.image_size, channels=model.channels)
    order = np.random.default_rng(0).permutation(len(test))[:count]  # so that more pictures begin with the same ones
    images, digits = test.pixels()[order], None
    if model.channels == 1:
        digits = test.labels(DIGITS)[order]
        ready_classifier(ImageSample(data, "train", model.image_size, channels=1))
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, BATCH):
        originals = images[first : first + BATCH]
        x_0, seeds = ddpm_core.from_uint8(originals), range(first, first + len(originals))
        for title, A in picture_tasks(model.image_size, model.channels).items():
            for name, method in ({"only A⁺ y": None} | PICTURE_METHODS).items():
                file = out / f"{Path(checkpoint).name}-{steps}-{title}-{name}-{first:04}.json".replace(" ", "_")
                if not file.exists():
                    y, network.count, started = A(x_0), 0, time.process_time()
                    x = A.pseudoinverse(y)
                    if method is not None:
                        *_, last = restore.restore(model, y, A, method, seeds, steps)
                        x = last.x
                    result: dict[str, Any] = {
                        "checkpoint": checkpoint,
                        "task": title,
                        "method": name,
                        "evaluations": network.count,
                        "seconds": (time.process_time() - started) / len(x_0),
                        "gap": (127.5 * (A(x) - y).flatten(1).square().mean(1).sqrt()).tolist(),
                    }
                    restored = ddpm_core.to_uint8(x)
                    error = np.square(restored.astype(float) - originals).mean((1, 2, 3))
                    result["psnr"] = (10 * np.log10(255**2 / np.maximum(error, 1e-2))).tolist()
                    if digits is not None:
                        found = judge(load_classifier(), np.concatenate([restored, originals]))[0].reshape(2, -1)
                        result["right"], result["real"] = (found == digits[first : first + BATCH]).tolist()
                    files.write_json(file, result)
                yield json.loads(file.read_text())


def pictures_table(results: list[dict[str, Any]]) -> str:
    lines = ["| task | method | pictures | evaluations | ‖A x̂ − y‖ | PSNR | right | seconds |", "| --- " * 8 + "|"]
    for task, method in dict.fromkeys((result["task"], result["method"]) for result in results):
        rows = [result for result in results if (result["task"], result["method"]) == (task, method)]
        gap, psnr, right = (
            np.array([value for row in rows for value in row.get(name, ())]) for name in ("gap", "psnr", "right")
        )
        error = psnr.std() / math.sqrt(len(psnr))
        share = (
            f"{right.mean():.1%} ± {right.std() / math.sqrt(len(right)):.1%}".replace("%", " %") if len(right) else ""
        )
        lines += [
            f"| {task} | {method} | {len(gap)} | {rows[0]['evaluations']} | {gap.mean():.2f} | {psnr.mean():.1f} ± "
            f"{error:.1f} | {share} | {np.mean([row['seconds'] for row in rows]):.2f} |"
        ]
    real = [value for row in results for value in row.get("real", ())]
    return "\n".join(lines) + (f"\n\nright of the real pictures: {np.mean(real):.1%}" if real else "")


def main(arguments: list[str]) -> None:
    """The command."""
    parser = Parser(prog="python -m benchmarks restoration", description="What methods of restoration do.")
    parser.add_argument("part", choices=("gaussian", "pictures"))
    parser.add_argument("--steps", type=int, nargs="+", default=[100])
    parser.add_argument("--checkpoint", default="mnist-tiny", help="embedded name, folder or Hub id")
    parser.add_argument("--data", default="mnist", help="test pictures: what `train evaluate --data` takes")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("restoration"), help="folder of the results")
    options = parser.parse_args(arguments)
    print(json.dumps(describe(torch.device("cpu"))))
    results = []
    for steps in options.steps:
        found = (
            gaussian_part(steps)
            if options.part == "gaussian"
            else pictures_part(options.checkpoint, options.data, options.count, options.out, steps)
        )
        for result in found:
            results.append(result)
            short = {
                name: np.mean(value) if name in ("gap", "psnr", "right") else value for name, value in result.items()
            }
            print(json.dumps({name: v for name, v in short.items() if name != "real"}, ensure_ascii=False), flush=True)
    print(gaussian_tables(results) if options.part == "gaussian" else pictures_table(results))
