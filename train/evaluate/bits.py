"""The likelihood part of a study: bits/dim of chains and of the flow, all L_t, rate, distortion, and decoding by t."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ddpm_core import bits_per_dim, imaging, likelihood, ode_log_prob
from ddpm_core.likelihood import BitsPerDim, progressive_decoding, rechain
from ddpm_core.names import LEARNED, Spacing, Variance
from ddpm_core.noise import gaussian_batch
from ddpm_core.ode import HUNDREDTHS, check_flow
from ddpm_core.timesteps import timestep_pairs
from train.common.files import save_arrays, write_bytes, write_json
from train.data.sample import sample_for
from train.evaluate.metrics import FLOW_BITS
from train.evaluate.results import Bound, read_arrays, read_bits
from train.evaluate.study import Study

BATCH = 16  # number of images whose terms are stored in one file
DECODED = 8  # number of images in the progressive decoding
FLOW = 450  # approximate network evaluations for an image's flow: 150, and twice as many for gradients


class BoundChain(NamedTuple):
    """A reverse process whose variational bound is computed."""

    variance: Variance
    steps: int
    spacing: Spacing


def plan_chains(study: Study, metrics: Sequence[str]) -> list[BoundChain]:
    """Return the chains whose bound the metrics need. Rate and distortion need the full chain.

    Raises TrainError or ValueError for a chain that the model can't have, and for flow-bpd of a model without a flow.
    """
    options, T = study.options, study.model.schedule.T
    if "flow-bpd" in metrics:
        check_flow(study.model)
    if not {"bpd", "rate-distortion"} & set(metrics):
        return []
    steps = options.step_list() if "bpd" in metrics else []
    likelihood.chain(study.model, None, T, "linspace")  # raises for a student, because it has not learned all times
    spacings: list[Spacing] = [spacing for spacing in options.spacing_list() if spacing != "own"]
    lengths: list[tuple[int, Spacing]] = [(n, spacing) for spacing in spacings for n in steps]
    if "rate-distortion" in metrics and (T, "linspace") not in lengths:
        lengths.append((T, "linspace"))
    chains = [BoundChain(variance, *length) for variance in options.variance_list() for length in lengths]
    for chain in chains:
        likelihood.chain(study.model, *chain)  # raises if the bound can't be computed
    return chains


class Bits:
    """Measures the bounds of a study's chains on test images, and the likelihood of these images by the flow.

    identity: the facts that must stay when a study continues; empty here, because the terms of other images are in
        another folder. data: description of the images. Raises the errors of `sample_for` and `bits_per_dim`.
    """

    def __init__(self, study: Study, chains: list[BoundChain]):
        self._study, self._model, self._chains, options = study, study.model, chains, study.options
        sample = sample_for(self._model, options.data, options.test_split, options.test_images, study.quiet)
        self.identity: dict[str, Any] = {}
        self._labels = (
            sample.labels(self._model.class_names or self._model.num_classes) if study.labels == "classes" else None
        )
        self._images, self.data = sample.pixels(), sample.description
        self._about: dict[str, Any] = {
            "images": len(sample),
            "data": sample.description,
            "split": sample.split,
            "images_sha256": hashlib.sha256(self._images.data).hexdigest(),
            "labels": study.labels,
            "labels_sha256": None if self._labels is None else hashlib.sha256(self._labels.data).hexdigest(),
            "clip": self._model.clip,
            "cdf": "tanh",
        }
        # The name of the folder contains all that the terms depend on: images, labels, and whether x̂_0 is clipped.
        unclipped = None if self._about["clip"] else "unclipped"
        sums = filter(None, (self._about["images_sha256"], self._about["labels_sha256"], unclipped))
        self._folder = study.out / "bits" / "-".join(text[:12] for text in sums)
        T = self._model.schedule.T
        self._whole = BoundChain("beta_tilde", T, "linspace")
        if all(chain.steps < T for chain in chains) and not all(file.is_file() for file, _ in self._files(self._whole)):
            self._whole = None
        self._passes = list(dict.fromkeys(map(self._chain_to_evaluate, chains)))
        self._flow = "flow-bpd" in options.metric_list()
        # The times of the progressive decoding, from T to 1.
        self._times = sorted({max(1, round(T * share / 8)) for share in range(9)}, reverse=True)

    def evaluations(self) -> int:
        """Return the number of evaluations of the network that this process still has to make."""
        decoding = 0
        if self._study.process.is_main_process and self._must_decode():
            decoding = len(self._times) * len(self._images[:DECODED])
        flow = self._study.share(self._files("flow")) if self._flow else ()
        return (
            decoding
            + sum(
                len(rows) * chain.steps for chain in self._passes for _, rows in self._study.share(self._files(chain))
            )
            + sum(FLOW * len(rows) for _, rows in flow)
        )

    def run(self) -> None:
        """Compute the missing terms, then write bits.json and the progressive decoding."""
        self._study.bar.set_description("bits/dim")
        for chain in self._passes:
            for file, rows in self._study.missing(self._files(chain)):
                started = time.monotonic()
                found = self._evaluate(chain, rows)
                seconds = time.monotonic() - started
                save_arrays(
                    file, seconds=seconds, times=found.times, prior=found.prior, terms=found.terms, mse=found.mse
                )
        if self._flow:
            self._study.bar.set_description(FLOW_BITS.title)
            for file, rows in self._study.missing(self._files("flow")):
                self._evaluate_flow(file, rows)
        if self._study.process.is_main_process:
            file, T, to_decode = self._study.out / "bits.json", self._model.schedule.T, self._must_decode()
            decoding = {"decoding_times": self._times} if to_decode or self._is_decoded() else {}
            chains = {_chain(row): row for row in self._read_earlier().get("chains", ())}
            for chain in self._chains:
                chains[chain] = _summary(chain, self._result(chain), full=chain.steps == T)
            seconds = sum(float(read_arrays(part, "seconds")["seconds"]) for part in self._folder.glob("[!.]*.npz"))
            flow = self._flow_result() if self._flow else self._read_earlier().get("flow")
            content = {**self._about, "evaluation_seconds": seconds, "chains": list(chains.values()), "flow": flow}
            if to_decode:
                write_json(file, content)  # decoding_times is added when the picture is complete
                self._study.bar.set_description("progressive decoding")
                self._draw_decoding()
            write_json(file, {**content, **decoding})

    def _read_earlier(self) -> dict[str, Any]:
        """Return the content of bits.json from an earlier run with the same images; empty if there is none."""
        before: dict[str, Any] = {**(read_bits(self._study.out) or {})}
        return before if all(before.get(key) == value for key, value in self._about.items()) else {}

    def _is_decoded(self) -> bool:
        """Return whether an earlier run has drawn the progressive decoding of these images."""
        return "decoding_times" in self._read_earlier() and (self._study.out / "decoding.png").is_file()

    def _must_decode(self) -> bool:
        """Return whether this run has to draw the progressive decoding."""
        return "rate-distortion" in self._study.options.metric_list() and not self._is_decoded()

    def _has_own_terms(self, chain: BoundChain) -> bool:
        """Return whether a chain needs its own evaluations, because `likelihood.rechain` can't convert another chain's
        terms.
        """
        return chain.variance in LEARNED or self._model.prediction == "mu"

    def _chain_to_evaluate(self, chain: BoundChain) -> BoundChain:
        """Return the chain whose evaluations give this chain's terms: the full chain, if it is evaluated."""
        if self._has_own_terms(chain):
            return chain
        return self._whole or chain._replace(variance="beta_tilde")

    def _files(self, chain: BoundChain | Literal["flow"]) -> list[tuple[Path, range]]:
        """Return the files of a chain's terms, or of the flow, each with the rows of its images."""
        n, name = len(self._images), chain if isinstance(chain, str) else "-".join(map(str, chain))
        starts = range(0, n, BATCH)
        return [(self._folder / f"{name}-{i:06d}.npz", range(i, min(i + BATCH, n))) for i in starts]

    def _evaluate_flow(self, file: Path, rows: range) -> None:
        """Compute the bits/dim of some images by the flow, and write them to `file`. An image's seed is its index."""
        started, shown = time.monotonic(), self._progress()
        found = ode_log_prob(
            self._model,
            self._images[rows.start : rows.stop],
            self._labels_of(rows),
            seeds=rows,
            progress=lambda done, _: shown(done * FLOW // HUNDREDTHS, 0),
        )
        seconds = time.monotonic() - started
        save_arrays(file, seconds=seconds, bits=found.bits_per_dim, evaluations=found.evaluations)

    def _flow_result(self) -> dict[str, Any]:
        """Return the entry "flow" of bits.json."""
        parts = [read_arrays(file, "bits", "evaluations") for file, _ in self._files("flow")]
        bits = np.concatenate([part["bits"] for part in parts])
        return {
            "bits_per_dim": float(bits.mean()),
            "standard_error": float(bits.std(ddof=1)) / len(bits) ** 0.5 if len(bits) > 1 else None,
            "evaluations": sum(float(part["evaluations"]) for part in parts) / len(bits),
        }

    def _labels_of(self, rows: range) -> list[int] | None:
        """Return the labels of these images, or None."""
        return None if self._labels is None else self._labels[rows.start : rows.stop].tolist()

    def _evaluate(self, chain: BoundChain, rows: range) -> BitsPerDim:
        """Return the terms of a chain for these images."""
        T, streams = self._model.schedule.T, range(1, chain.steps + 1)
        if not self._has_own_terms(chain):  # each t gets the noise that it has in the full chain
            streams = [T - int(t) + 1 for t, _ in timestep_pairs(T, chain.steps, chain.spacing)]
        images, noise, progress = self._images[rows.start : rows.stop], _noise(rows, streams), self._progress()
        return bits_per_dim(self._model, images, *chain, self._labels_of(rows), noise=noise, progress=progress)

    def _progress(self) -> Callable[[int, int], None]:
        """Return a callback that moves the study's bar. It takes the number of evaluations done, and their total."""
        done = 0

        def progress(evaluated: int, _: int) -> None:
            """Move the bar by the evaluations since the last call."""
            nonlocal done
            self._study.bar.update(evaluated - done)
            done = evaluated

        return progress

    def _result(self, chain: BoundChain) -> BitsPerDim:
        """Return the terms of a chain from its files. If only the full chain was evaluated, convert its terms."""
        measured = self._chain_to_evaluate(chain)
        parts = [read_arrays(file) for file, _ in self._files(measured)]
        prior, terms, mse = (torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in ("prior", "terms", "mse"))
        result = BitsPerDim(tuple(parts[0]["times"].tolist()), prior, terms, mse)
        return result if measured == chain else rechain(result, self._model, self._images, *chain)

    def _draw_decoding(self) -> None:
        """Draw the paper's Fig. 6, but from real images: x̂_0 predicted from their x_t, from large t to small t."""
        rows = range(min(DECODED, len(self._images)))
        images = self._images[rows.start : rows.stop]
        noise, progress = _noise(rows, range(1, len(self._times) + 1)), self._progress()
        x0_hat = progressive_decoding(
            self._model, images, self._times, self._labels_of(rows), noise=noise, progress=progress
        )
        pictures = [imaging.to_uint8(part) for part in x0_hat] + [images]
        # one row for each image, one column for each time; the last column is the image itself
        flat = np.stack(pictures, 1).reshape(-1, *images.shape[1:])
        write_bytes(self._study.out / "decoding.png", imaging.png(imaging.grid(flat, columns=len(pictures))))


def _noise(rows: range, streams: Sequence[int]) -> Callable[[int, Tensor], Tensor]:
    """Return a function (index of the step, x) -> noise. The noise depends on an image's row, not on its batch.

    streams: the stream of random numbers for each step.
    """
    return lambda index, x: gaussian_batch(rows, streams[index], x.shape[1:])


def _chain(row: Bound) -> BoundChain:
    """Return the chain of an entry of bits.json."""
    return BoundChain(row["variance"], row["steps"], row["spacing"])


def _summary(chain: BoundChain, result: BitsPerDim, full: bool) -> dict[str, Any]:
    """Return a chain's entry of bits.json. full: whether the chain has all T steps."""
    n = len(result.prior)
    content = {
        **chain._asdict(),
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
