"""The likelihood part of a study: bits/dim by steps and variance, every L_t, rate and distortion, decoding by t."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ddpm_core import bits_per_dim, imaging
from ddpm_core.likelihood import BitsPerDim, progressive_decoding, rechain
from ddpm_core.noise import gaussian_batch
from ddpm_core.process import LEARNED
from train import TrainError
from train.files import read_json, save, write_json
from train.images import Sample

if TYPE_CHECKING:
    from train.evaluate import Study

BATCH = 16  # images whose terms are one file
DECODED = 8  # images shown in the progressive decoding

Chain = tuple[str, int, str]  # variance, steps, spacing


class Bits:
    """Measures every chain of a study on the test images. Raises what `Sample` and `bits_per_dim` raise."""

    def __init__(self, study: Study):
        self._study, self._model, options = study, study.model, study.options
        sample = Sample(options.data, options.test_split, self._model.image_size, options.test_images)
        if study.labels == "classes" and sample.labels is None:
            raise TrainError(f"{options.data} has no class labels, which bpd needs with --labels classes.")
        self._images, self._labels = sample.pixels(), sample.labels if study.labels == "classes" else None
        self.data, self._split, self._sha256 = sample.description, options.test_split, sample.sha256()
        self._passes = list(dict.fromkeys(map(self._measured, study.chains)))

    def evaluations(self) -> int:
        """Evaluations of the network still to be made by this process."""
        return sum(len(rows) * chain[1] for chain in self._passes for _, rows in self._todo(chain))

    def run(self) -> None:
        self._study.bar.set_description("bits/dim")
        for chain in self._passes:
            for file, rows in self._todo(chain):
                started = time.monotonic()
                found = self._evaluate(chain, rows)
                seconds = time.monotonic() - started
                save(file, seconds=seconds, times=found.times, prior=found.prior, terms=found.terms, mse=found.mse)
        self._study.process.wait_for_everyone()
        if self._study.process.is_main_process:
            file, T = self._study.out / "bits.json", self._model.schedule.T
            about = {
                "images": len(self._images),
                "data": self.data,
                "split": self._split,
                "images_sha256": self._sha256,
                "labels": self._study.labels,
                "clip": True,
                "cdf": "tanh",
            }
            before = read_json(file) if file.is_file() else {}
            same_images = all(before.get(key) == value for key, value in about.items())
            chains = {_chain(row): row for row in before["chains"]} if same_images else {}
            for chain in self._study.chains:
                chains[chain] = _summary(chain, self._result(chain), full=chain[1] == T)
            decoded = self._draw_decoding()
            files = (self._study.out / "bits").glob(f"{self._sha256[:12]}/*.npz")
            seconds = sum(float(np.load(part)["seconds"]) for part in files)
            content = {**about, "evaluation_seconds": seconds, "decoding_times": decoded}
            write_json(file, {**content, "chains": list(chains.values())})

    def _measured(self, chain: Chain) -> Chain:
        """The chain whose evaluations also tell this one's terms: see likelihood.rechain."""
        if chain[0] in LEARNED or self._model.prediction == "mu":
            return chain
        return "beta_tilde", self._model.schedule.T, "linspace"

    def _files(self, chain: Chain) -> list[tuple[Path, range]]:
        """A file of terms and the rows of its images. The folder's name keeps those of other images apart."""
        n, name = len(self._images), "-".join(map(str, chain))
        folder = self._study.out / "bits" / self._sha256[:12]
        return [
            (folder / f"{name}-{first:06d}.npz", range(first, min(first + BATCH, n))) for first in range(0, n, BATCH)
        ]

    def _todo(self, chain: Chain) -> list[tuple[Path, range]]:
        return self._study.share(self._files(chain))

    def _evaluate(self, chain: Chain, rows: range) -> BitsPerDim:
        variance, steps, spacing = chain
        labels = None if self._labels is None else self._labels[rows.start : rows.stop].tolist()
        done = 0

        def progress(evaluated: int, _: int) -> None:
            nonlocal done
            self._study.bar.update(evaluated - done)
            done = evaluated

        images = self._images[rows.start : rows.stop]
        return bits_per_dim(
            self._model, images, variance, steps, spacing, labels, noise=_noise(rows), progress=progress
        )

    def _result(self, chain: Chain) -> BitsPerDim:
        measured = self._measured(chain)
        parts = [dict(np.load(file)) for file, _ in self._files(measured)]
        prior, terms, mse = (torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in ("prior", "terms", "mse"))
        result = BitsPerDim(tuple(parts[0]["times"].tolist()), prior, terms, mse)
        return result if measured == chain else rechain(result, self._model, self._images, *chain)

    def _draw_decoding(self) -> list[int]:
        """Fig. 6 the other way round: real images, and what is made of their x_t, from much noise to none.

        Returns the times of the columns; the images themselves are the last one.
        """
        rows, T = range(min(DECODED, len(self._images))), self._model.schedule.T
        images = self._images[rows.start : rows.stop]
        labels = None if self._labels is None else self._labels[: len(rows)].tolist()
        times = sorted({max(1, round(T * share / 8)) for share in range(9)}, reverse=True)
        x0_hat = progressive_decoding(self._model, images, times, labels, noise=_noise(rows))
        pictures = [imaging.to_uint8(part) for part in x0_hat] + [images]
        # one row an image, one column a time, the image itself last
        flat = np.stack(pictures, 1).reshape(-1, *images.shape[1:])
        (self._study.out / "decoding.png").write_bytes(imaging.png(imaging.grid(flat, columns=len(pictures))))
        return times


def _noise(rows: range):
    """Noise that belongs to the image, whichever batch it is in."""
    return lambda index, x: gaussian_batch(rows, index + 1, x.shape[1:])


def _chain(row: dict) -> Chain:
    return row["variance"], row["steps"], row["spacing"]


def _summary(chain: Chain, result: BitsPerDim, full: bool) -> dict:
    variance, steps, spacing = chain
    n = len(result.prior)
    content = {
        "variance": variance,
        "steps": steps,
        "spacing": spacing,
        "bits_per_dim": result.total.mean().item(),
        "standard_error": result.total.std().item() / n**0.5 if n > 1 else None,
        "prior": result.prior.mean().item(),
        "L_0": result.terms[:, 0].mean().item(),
    }
    if full:
        content |= {
            "L": result.terms.mean(0).tolist(),
            "rate": [result.rate(t).mean().item() for t in result.times],
            "rmse": [result.distortion(t).mean().item() for t in result.times],
        }
    return content
