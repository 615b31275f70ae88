"""Linear readers, which predict x̂_0 from the output of a U-Net's block, and colours for this output.

A reader maps the C numbers that a block outputs at one place to the pixels of x̂_0 at this place. This map is linear,
fitted by least squares to runs of the model itself: a linear probe (Alain & Bengio 2016, arXiv:1610.01644; for
diffusion models Chen et al. 2023, arXiv:2306.05720). All places share its weights, and each place has its own constant.
So if a block contains nothing of x̂_0, its reader gives the mean of all pictures. The rank of the weights is at most 6
(reduced-rank regression, Izenman 1975), which lowers R² by at most 0.02 in cifar10-tiny.

A reader predicts the x̂_0 of the same step, and not the final picture of the run. In mnist-tiny at t = T, R² of the
last block is 0.97 for x̂_0, but only 0.51 for the final picture, which the network can't compute from x_T in one
evaluation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ddpm_core.engines.blocks import inside
from ddpm_core.model import Model
from ddpm_core.runs import make_chain, trajectory

RANK = 6  # maximum rank of a reader's weights
LARGEST = 64  # maximum height and width of a reading; x̂_0 of larger pictures is averaged over squares
STEPS = 20  # number of DDIM steps in the runs that fit the readers and measure R²
# Maximum and minimum number of times t for which readers are fitted; at other t, readings are interpolated. A run with
# fewer steps has fewer times.
TIMES, FEWEST_TIMES = 8, 4
BYTES = 275_000  # maximum bytes of a file of readers, exceeded only if FEWEST_TIMES times need more
BATCH = 10  # number of pictures sampled in one batch
RIDGE = 1e-3  # ridge penalty of the least-squares fit, relative to the mean variance of a block's channels
_D65 = (0.9505, 1.0, 1.089)  # XYZ coordinates of the white point D65
_SRGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))  # from XYZ to linear sRGB


class BlockReaders(NamedTuple):
    """The linear probes (readers) of one block and its PCA colours, float16, for each of K times.

    The block has C channels and h × h places. A reading, the predicted x̂_0, has S × S pixels. So each place predicts P
    numbers: s · s pixels with all channels of x, where s = S/h.

    Attributes:
        features: the weights from channels to features, (K, R, C) with R = min(6, P, C).
        offset: the constant of each feature at each place, (K, R, h, h).
        patches: the weights from features to the P numbers that a place predicts, (K, P, R).
        basis: three directions for lightness, green to red, and blue to yellow, (3, C).
        centre: the mean of the coordinates in this basis, (K, 3).
        spread: the standard deviation of the coordinates in this basis, (K, 3).
    """

    features: Tensor
    offset: Tensor
    patches: Tensor
    basis: Tensor
    centre: Tensor
    spread: Tensor


@dataclass(frozen=True, eq=False)
class Readers:
    """The linear probes (readers) of a model's blocks and their PCA colours, as `python -m train readers` stores them.

    Attributes:
        times: the K times t that have readers, ascending. Between them, readings are interpolated linearly.
        clip: whether readings are clipped to [−1, 1], as x̂_0 was.
        mean: the mean of x̂_0 in all runs, (K, channels of x, S, S), float16. S is the height and width of x, halved
            until it is at most 64.
        blocks: the readers of each block, by the names of `Inside.blocks`.
        measured: the times at which R² was measured, ascending.
        shares: R² of each block at these times, by the names of `Inside.blocks`.
        seeds: the number of runs to which the readers were fitted, and the number of runs on which R² was measured.
        figures: the results of `python -m benchmarks inside` for the same weights, as JSON; empty if there are none.
    """

    times: tuple[int, ...]
    clip: bool
    mean: Tensor
    blocks: Mapping[str, BlockReaders]
    measured: tuple[int, ...]
    shares: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, int]
    figures: Mapping[str, Any]

    def read(self, name: str, found: Tensor, t: float) -> Tensor:
        """Return the prediction of x̂_0 from a block's output by its reader.

        Arguments:
            name: the name of a block.
            found: its output, (N, C, h, h), from `Inside.taps`.
            t: the time of the evaluation, `Inside.t`.

        Returns:
            float32 (N, channels of x, S, S): pixels in [−1, 1], or latents, for `Model.pictures`.

        Raises:
            ValueError: for another name, or a tensor of another shape than this block's output.
        """
        block, (j, weight) = self._block(name, found), _interpolation(self.times, t)
        a, pictures = _pooled(found.float().cpu(), self.mean.shape[-1]), 0.0
        for i, share in ((j, 1 - weight), (min(j + 1, len(self.times) - 1), weight)):
            features = torch.einsum("rc,nchw->nrhw", block.features[i].float(), a) + block.offset[i].float()
            pixels = torch.einsum("pr,nrhw->nphw", block.patches[i].float(), features)
            s = self.mean.shape[-1] // a.shape[-1]
            pictures = pictures + share * (F.pixel_shuffle(pixels, s) + self.mean[i].float())
        assert isinstance(pictures, Tensor)
        return pictures.clamp(-1, 1) if self.clip else pictures

    def r2(self, name: str, t: float) -> float:
        """Return R² of `read`, measured on other runs than the runs to which the readers were fitted.

        Arguments:
            name: the name of a block.
            t: 1..T; between two measured times, R² is interpolated.

        Raises:
            ValueError: for another name.
        """
        self._block(name)
        return float(np.interp(t, self.measured, self.shares[name]))

    def colours(self, name: str, found: Tensor, t: float) -> np.ndarray:
        """Return pictures of a block's output: three directions of its C numbers as lightness and two colours.

        The directions are the first three components of a PCA over all times, so a colour means the same at every t.

        Arguments:
            name: the name of a block.
            found: its output, (N, C, h, h).
            t: the time of the evaluation, `Inside.t`.

        Returns:
            uint8 (N, h, h, 3), sRGB.

        Raises:
            ValueError: as `read` does.
        """
        block, (j, weight) = self._block(name, found), _interpolation(self.times, t)
        after = min(j + 1, len(self.times) - 1)
        centre, spread = (
            torch.lerp(row[j].float(), row[after].float(), weight) for row in (block.centre, block.spread)
        )
        p = (torch.einsum("kc,nchw->nhwk", block.basis.float(), found.float().cpu()) - centre) / spread
        return _srgb(1.6 * torch.tanh(p / 1.6) * torch.tensor([22.0, 30.0, 30.0]) + torch.tensor([56.0, 0.0, 0.0]))

    def _block(self, name: str, found: Tensor | None = None) -> BlockReaders:
        """Return the readers of a block. Raise ValueError for an unknown name or an output of another shape."""
        if name not in self.blocks:
            raise ValueError(f"there is no block {name!r} with a reader: choose from {', '.join(self.blocks)}")
        block = self.blocks[name]
        if found is not None and (found.ndim != 4 or found.shape[1] != block.basis.shape[1]):
            raise ValueError(f"{name} gives (N, {block.basis.shape[1]}, h, h), got {tuple(found.shape)}")
        if found is not None and _side(found.shape[-1], self.mean.shape[-1]) != block.offset.shape[-1]:
            raise ValueError(f"the readers are for pictures of the model's own size, got {tuple(found.shape)}")
        return block


def fit_readers(
    model: Model,
    seeds: int = 200,
    held_out: int = 50,
    prompts: Sequence[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Readers:
    """Return linear probes (readers) and colours of all blocks, fitted to runs of the model itself. This needs no data.

    The runs take 20 steps of DDIM, or a student's own steps, without guidance. The runs use all classes in turn, or all
    prompts if the model takes words.

    Arguments:
        model: as for `inside`.
        seeds: the number of runs to fit to, at least 2.
        held_out: the number of other runs on which R² is measured, at least 2.
        prompts: the prompts for a model that takes words; None for the empty prompt.
        progress: progress(done, total) counts runs.

    Raises:
        ValueError: for fewer than 2 runs, for prompts that the model does not take; and the errors of `inside`.
    """
    if min(seeds, held_out) < 2:
        raise ValueError(f"readers need at least 2 runs, and 2 more to measure them, got {seeds} and {held_out}")
    if prompts is not None and (not model.takes_words or not prompts):
        raise ValueError("prompts must be one text or more, and only for a model that takes words")
    opened, size = inside(model), _side(model.image_size, LARGEST)
    measured = sorted(int(t) for t, _ in make_chain(model, **_run_options(model)).pairs)
    sums = {name: _Sums(block.shape, model.channels, size) for name, block in opened.blocks.items()}
    # Chebyshev points are denser towards both ends, where linear interpolation is worst.
    angles = np.linspace(0, np.pi, _number_of_times(sums, len(measured)))
    chosen = ((1 - np.cos(angles)) / 2 * (len(measured) - 1)).round().astype(int)
    times = [measured[i] for i in np.unique(chosen)]  # rounding can choose a time twice
    gathered = {t: copy.deepcopy(sums) for t in times}
    means = {t: torch.zeros(model.channels, size, size, dtype=torch.float64) for t in measured}
    done = 0

    def runs(first: int, count: int) -> Iterator[tuple[int, Tensor, dict[str, Tensor]]]:
        """Yield (t, x̂_0, taps) for each step of runs with the seeds first..first + count − 1, in batches."""
        nonlocal done
        for start in range(first, first + count, BATCH):
            batch = range(start, min(start + BATCH, first + count))
            condition: dict[str, Any] = {"labels": [i % model.num_classes for i in batch]} if model.num_classes else {}
            if prompts:
                condition = {"prompts": [prompts[i % len(prompts)] for i in batch]}
            for step in trajectory(opened.model, batch, **_run_options(model), **condition):
                yield int(step.t), _pooled(step.x0_hat.cpu().float(), size), opened.taps
            done += len(batch)
            if progress:
                progress(done, seeds + held_out)

    for t, x0, taps in runs(0, seeds):
        means[t] += x0.double().sum(0) / seeds
        for name, one in gathered.get(t, {}).items():
            one.add(taps[name], x0)
    fitted = Readers(
        times=tuple(times),
        clip=model.clip,
        mean=torch.stack([means[t] for t in times]).half(),
        blocks={name: _fitted([gathered[t][name] for t in times]) for name in sums},
        measured=tuple(measured),
        shares={},
        seeds=(seeds, held_out),
        figures={},
    )
    wrong = {name: dict.fromkeys(measured, 0.0) for name in sums}
    spread = dict.fromkeys(measured, 0.0)
    for t, x0, taps in runs(seeds, held_out):
        spread[t] += (x0 - means[t]).square().sum().item()
        for name in sums:
            wrong[name][t] += (fitted.read(name, taps[name], t) - x0).square().sum().item()
    shares = {name: tuple(round(1 - wrong[name][t] / spread[t], 3) for t in measured) for name in sums}
    return replace(fitted, shares=shares)


def _run_options(model: Model) -> dict[str, Any]:
    """Return steps and sampler of the runs as arguments of `trajectory`; {} for a student, which has its own."""
    return {} if model.student else {"steps": min(STEPS, model.schedule.T), "sampler": "ddim"}


def _side(side: int, most: int) -> int:
    """Return a side length in pixels, halved until it is at most `most`."""
    while side > most:
        side //= 2
    return side


def _pooled(found: Tensor, size: int) -> Tensor:
    """Return a tensor (N, C, H, H) averaged over squares, so that it has at most size × size places."""
    side = _side(found.shape[-1], size)
    return found if side == found.shape[-1] else F.avg_pool2d(found, found.shape[-1] // side)


class _Sums:
    """Sums over all runs, for a least-squares fit of x̂_0 from the output of one block at one t."""

    def __init__(self, shape: tuple[int, int, int], channels: int, size: int):
        self.side, self.n = _side(shape[-1], size), 0
        self.s = size // self.side
        c, pixels, places = shape[0], channels * self.s**2, self.side**2
        self.rank = min(RANK, c, pixels)
        self.bytes = 2 * (self.rank * (c + pixels + places))  # bytes of a reader in float16
        self.a, self.x0 = (torch.zeros(places, n, dtype=torch.float64) for n in (c, pixels))
        self.aa, self.ax0 = (torch.zeros(c, n, dtype=torch.float64) for n in (c, pixels))

    def add(self, found: Tensor, x0: Tensor) -> None:
        """Add N pictures to the sums. found: the block's output, (N, C, h, h); x0: x̂_0, (N, channels, S, S)."""
        a = _pooled(found.cpu().float(), self.side).flatten(2).transpose(1, 2).double()  # (N, places, C)
        pixels = F.pixel_unshuffle(x0, self.s).flatten(2).transpose(1, 2).double()  # (N, places, P)
        self.n += len(a)
        self.a += a.sum(0)
        self.x0 += pixels.sum(0)
        self.aa += a.flatten(0, 1).T @ a.flatten(0, 1)
        self.ax0 += a.flatten(0, 1).T @ pixels.flatten(0, 1)

    def reader(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the fitted features, offset and patches for one time: see `BlockReaders`."""
        a, x0 = self.a / self.n, self.x0 / self.n
        aa, ax0 = self.aa - self.n * a.T @ a, self.ax0 - self.n * a.T @ x0
        ridge = RIDGE * aa.trace() / len(aa) * torch.eye(len(aa), dtype=torch.float64)
        weights = torch.linalg.solve(aa + ridge, ax0)  # (C, P)
        # Reduced rank: keep the directions in which the predictions vary most.
        patches = torch.linalg.eigh(weights.T @ aa @ weights)[1][:, -self.rank :]
        features = (weights @ patches).T
        return features, -(features @ a.T).unflatten(1, (self.side, self.side)), patches

    def moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean (C,) and covariance (C, C) of the block's channels, and their covariance (C,) with lightness.

        All three are computed over all pictures and places. The lightness of a place is the mean of its numbers in
        x̂_0.
        """
        count, mean = self.n * len(self.a), self.a.mean(0) / self.n
        light = self.ax0.mean(1) / count - mean * self.x0.mean() / self.n
        return mean, self.aa / count - torch.outer(mean, mean), light


def _number_of_times(sums: dict[str, _Sums], most: int) -> int:
    """Return the number of times t that get readers: at most `most`, and fewer if the file would exceed BYTES."""
    first = next(iter(sums.values()))
    each = sum(one.bytes for one in sums.values()) + 2 * first.x0.numel()
    return min(most, max(FEWEST_TIMES, min(TIMES, BYTES // each)))


def _fitted(sums: list[_Sums]) -> BlockReaders:
    """Return a block's readers and colours, computed from its sums at each time."""
    readers = zip(*(one.reader() for one in sums), strict=True)
    features, offset, patches = (torch.stack(parts).half() for parts in readers)
    means, covariances, lights = (torch.stack(parts) for parts in zip(*(one.moments() for one in sums), strict=True))
    variances = covariances.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    basis = torch.linalg.eigh((covariances / variances[:, None, None]).mean(0))[1][:, -3:].flip(1).T
    signs = basis.gather(1, basis.abs().argmax(1, keepdim=True)).sign()
    # The sign of the first direction makes it light where the picture is light.
    signs[0] = (basis[0] @ (lights / variances.sqrt()[:, None]).mean(0)).sign() or 1
    basis = F.pad(basis * signs, (0, 0, 0, 3 - len(basis)))  # rows of zeros if a block has fewer than three channels
    spread = torch.einsum("kc,tcd,kd->tk", basis, covariances, basis).clamp(min=1e-12).sqrt()
    colours = basis.half(), (means @ basis.T).half(), spread.half().clamp(min=1e-4)
    return BlockReaders(features, offset, patches, *colours)


def _interpolation(times: Sequence[int], t: float) -> tuple[int, float]:
    """Return the position of t among ascending times: (j, u) with t = (1 − u) times[j] + u times[j + 1].

    If t is below the first time or above the last time, return the position of the first or the last time.
    """
    if len(times) == 1:
        return 0, 0.0
    j = max(0, min(int(np.searchsorted(times, t, side="right")) - 1, len(times) - 2))
    return j, min(max((t - times[j]) / (times[j + 1] - times[j]), 0.0), 1.0)


def _srgb(lab: Tensor) -> np.ndarray:
    """Return CIELAB colours (…, 3) with the white point D65 as sRGB (IEC 61966-2-1), uint8."""
    fy = (lab[..., 0] + 16) / 116
    f = torch.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1)
    xyz = torch.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * torch.tensor(_D65)
    linear = (xyz @ torch.tensor(_SRGB).T).clamp(0, 1)
    light = torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    return (255 * light).round().to(torch.uint8).numpy()
