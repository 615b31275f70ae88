"""The likelihood part of a study: bits/dim by steps and variance, every L_t, rate and distortion, decoding by t."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ddpm_core import bits_per_dim, imaging
from ddpm_core.likelihood import BitsPerDim, progressive_decoding, rechain
from ddpm_core.names import LEARNED
from ddpm_core.noise import gaussian_batch
from train.data.sample import Sample
from train.evaluate.results import read_arrays, read_bits
from train.files import save, write_bytes, write_json

if TYPE_CHECKING:
    from train.evaluate.study import Study

BATCH = 16  # images whose terms are one file
DECODED = 8  # images shown in the progressive decoding

Chain = tuple[str, int, str]  # variance, steps, spacing


class Bits:
    """Measures every chain of a study on the test images. Raises what `Sample` and `bits_per_dim` raise."""

    def __init__(self, study: Study):
        self._study, self._model, options = study, study.model, study.options
        size, channels, quiet = self._model.image_size, self._model.channels, not study.process.is_local_main_process
        sample = Sample(options.data, options.test_split, size, options.test_images, channels, quiet)
        self._labels = sample.labels(self._model) if study.labels == "classes" else None
        self._images, self.data = sample.pixels(), sample.description
        self._about = {
            "images": len(sample),
            "data": sample.description,
            "split": sample.split,
            "images_sha256": hashlib.sha256(self._images).hexdigest(),
            "labels": study.labels,
            "labels_sha256": None if self._labels is None else hashlib.sha256(self._labels).hexdigest(),
            "clip": self._model.clip,
            "cdf": "tanh",
        }
        # Terms belong to these very images and labels, and to a clipped x̂_0 or not.
        unclipped = None if self._about["clip"] else "unclipped"
        sums = filter(None, (self._about["images_sha256"], self._about["labels_sha256"], unclipped))
        self._folder = study.out / "bits" / "-".join(text[:12] for text in sums)
        self._passes = list(dict.fromkeys(map(self._measured, study.chains)))
        T = self._model.schedule.T
        self._times = sorted({max(1, round(T * share / 8)) for share in range(9)}, reverse=True)  # that are decoded

    def evaluations(self) -> int:
        """Evaluations of the network still to be made by this process."""
        decoding = 0
        if self._study.process.is_main_process and not self._is_decoded():
            decoding = len(self._times) * len(self._images[:DECODED])
        return decoding + sum(len(rows) * chain[1] for chain in self._passes for _, rows in self._todo(chain))

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
            file, T, decoded = self._study.out / "bits.json", self._model.schedule.T, self._is_decoded()
            chains = {_chain(row): row for row in self._before().get("chains", ())}
            for chain in self._study.chains:
                chains[chain] = _summary(chain, self._result(chain), full=chain[1] == T)
            seconds = sum(float(read_arrays(part, "seconds")["seconds"]) for part in self._folder.glob("[!.]*.npz"))
            content = {**self._about, "evaluation_seconds": seconds, "chains": list(chains.values())}
            if not decoded:
                write_json(file, content)  # decoding_times say that the picture belongs to these images
                self._study.bar.set_description("progressive decoding")
                self._draw_decoding()
            write_json(file, {**content, "decoding_times": self._times})

    def _before(self) -> dict:
        """What an earlier run found for the same images; empty where none has."""
        before = read_bits(self._study.out) or {}
        return before if all(before.get(key) == value for key, value in self._about.items()) else {}

    def _is_decoded(self) -> bool:
        return "decoding_times" in self._before() and (self._study.out / "decoding.png").is_file()

    def _measured(self, chain: Chain) -> Chain:
        """The chain whose evaluations also tell this one's terms: see likelihood.rechain."""
        if chain[0] in LEARNED or self._model.prediction == "mu":
            return chain
        return "beta_tilde", self._model.schedule.T, "linspace"

    def _files(self, chain: Chain) -> list[tuple[Path, range]]:
        """A file of terms and the rows of its images."""
        n, name = len(self._images), "-".join(map(str, chain))
        starts = range(0, n, BATCH)
        return [(self._folder / f"{name}-{i:06d}.npz", range(i, min(i + BATCH, n))) for i in starts]

    def _todo(self, chain: Chain) -> list[tuple[Path, range]]:
        return self._study.share(self._files(chain))

    def _evaluate(self, chain: Chain, rows: range) -> BitsPerDim:
        variance, steps, spacing = chain
        labels = None if self._labels is None else self._labels[rows.start : rows.stop].tolist()
        images, noise, progress = self._images[rows.start : rows.stop], _noise(rows), self._progress()
        return bits_per_dim(self._model, images, variance, steps, spacing, labels, noise=noise, progress=progress)

    def _progress(self):
        """A new count of evaluations that moves the study's bar."""
        done = 0

        def progress(evaluated: int, _: int) -> None:
            nonlocal done
            self._study.bar.update(evaluated - done)
            done = evaluated

        return progress

    def _result(self, chain: Chain) -> BitsPerDim:
        measured = self._measured(chain)
        parts = [read_arrays(file) for file, _ in self._files(measured)]
        prior, terms, mse = (torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in ("prior", "terms", "mse"))
        result = BitsPerDim(tuple(parts[0]["times"].tolist()), prior, terms, mse)
        return result if measured == chain else rechain(result, self._model, self._images, *chain)

    def _draw_decoding(self) -> None:
        """Fig. 6 the other way round: real images, and what is made of their x_t, from much noise to none."""
        rows = range(min(DECODED, len(self._images)))
        images = self._images[rows.start : rows.stop]
        labels = None if self._labels is None else self._labels[: len(rows)].tolist()
        noise, progress = _noise(rows), self._progress()
        x0_hat = progressive_decoding(self._model, images, self._times, labels, noise=noise, progress=progress)
        pictures = [imaging.to_uint8(part) for part in x0_hat] + [images]
        # one row an image, one column a time, the image itself last
        flat = np.stack(pictures, 1).reshape(-1, *images.shape[1:])
        write_bytes(self._study.out / "decoding.png", imaging.png(imaging.grid(flat, columns=len(pictures))))


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
