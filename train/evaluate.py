"""python -m train evaluate: scores of a checkpoint by steps, variance and sampler, its bits/dim and rate–distortion.

Everything is computed in parts whose files are whole or absent, so a study that was killed goes on where it stopped and
gives the same numbers: a cell (one sampler, variance, spacing and number of steps) in batches of images, likelihood in
batches of test images. Features are kept until their cell is scored, images only if asked.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from ddpm_core.__main__ import Where, open_checkpoint
from train import TrainError
from train.files import read_json, save, write_json

METRICS = ("fid", "kid", "is", "bpd", "rate-distortion")
GRID = 64  # images in a cell's grid
PACKAGES = ("torch", "numpy", "diffusers", "torch-fidelity", "datasets", "accelerate", "safetensors")


@dataclass
class Options:
    """Measure a checkpoint. Started again with the same --out, a study goes on; other steps or variances add to it."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    data: str
    """what it was trained on: a folder of images, parquet, a Hub data set or cifar10"""
    out: Path
    """folder of the study"""
    metrics: str = "fid,kid,is"
    """any of fid, kid, is, bpd, rate-distortion"""
    steps: str = "10,20,50,100,1000"
    """numbers of steps"""
    variance: str = "beta,beta_tilde,analytic"
    """reverse variances, for the sampler ddpm and for bpd"""
    sampler: str = "ddpm,ddim"
    """any of ddpm, ddim, dpm++, unipc"""
    spacing: str = "linspace"
    """any of linspace, quadratic, leading, trailing"""
    eta: str = "0"
    """DDIM's noise, 0 to 1"""
    samples: int = 50_000
    """generated images in each cell; a Fréchet distance depends on it"""
    split: str = "train"
    """the reference images' split of the data"""
    references: int = 50_000
    """at most so many reference images"""
    test_split: str = "test"
    """the split of the data for bpd and rate-distortion"""
    test_images: int = 256
    """how many of it; 0: all"""
    extractor: str = "inception-v3-compat"
    """feature extractor: one of torch-fidelity's, or module:attribute (a function from uint8 (N, H, W, 3) to (N, D), or
    a torch-fidelity class); any but the default gives a Fréchet distance, not an FID"""
    batch: int = 100
    """images sampled at once"""
    keep_images: bool = False
    """keep the generated images too"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)


@dataclass(frozen=True)
class Cell:
    """One set of samples. variance is None for all samplers but ddpm, eta for all but ddim."""

    sampler: str
    variance: str | None
    eta: float | None
    spacing: str
    steps: int
    samples: int

    @property
    def name(self) -> str:
        parts = (self.sampler, self.variance, None if self.eta is None else f"eta{self.eta:g}", self.spacing)
        return "-".join([*filter(None, parts), f"{self.steps}steps", f"{self.samples}images"])

    def arguments(self) -> dict:
        """For ddpm_core.trajectory."""
        return {
            "steps": self.steps,
            "sampler": self.sampler,
            "variance": self.variance,
            "spacing": self.spacing,
            "eta": self.eta or 0.0,
        }


class Study:
    """The folder of a study and what its parts share. Raises TrainError or ValueError before anything is sampled."""

    def __init__(self, options: Options):
        from accelerate import PartialState

        self.options, self.out = options, options.out.expanduser()
        self.process = PartialState(cpu=options.where.device == "cpu")
        if self.process.num_processes > 1 and options.where.device == "auto":
            options.where.device = str(self.process.device)
        self.metrics = words(options.metrics, "metrics", METRICS)
        self.scores = [metric for metric in self.metrics if metric in METRICS[:3]]
        self.model = open_checkpoint(options.checkpoint, options.where)
        self.cells = self._cells() if self.scores else []
        self.chains = self._chains()
        if min(options.batch, options.references) < 1 or (self.scores and options.samples < 2):
            raise TrainError("--batch and --references must be at least 1, --samples at least 2.")
        self.identity = self._identity()

    def run(self) -> None:
        from train.bits import Bits

        self._prepare()
        bits = Bits(self) if self.chains else None
        todo = [cell for cell in self.cells if not self._is_done(cell)]
        evaluations = sum(len(seeds) * cell.steps for cell in todo for _, seeds in self.share(self._batches(cell)))
        # The bar counts evaluations of the network, which is what takes the time.
        with tqdm(
            total=evaluations + (bits.evaluations() if bits else 0),
            unit="evaluation",
            unit_scale=True,
            smoothing=0.05,
            disable=not self.process.is_local_main_process,
        ) as self.bar:
            for cell in todo:
                self.bar.set_description(cell.name)
                self._run_cell(cell)
            if bits:
                self.bar.set_description("bits/dim")
                bits.run()
        if self.process.is_main_process:
            from train.study import write_report

            write_report(self.out)

    def _cells(self) -> list[Cell]:
        from ddpm_core import trajectory
        from ddpm_core.process import VARIANCES
        from ddpm_core.samplers import SAMPLERS
        from ddpm_core.timesteps import SPACINGS

        o, cells = self.options, []
        for sampler in words(o.sampler, "sampler", SAMPLERS):
            variances = words(o.variance, "variance", VARIANCES) if sampler == "ddpm" else [None]
            etas = numbers(o.eta, "eta", float) if sampler == "ddim" else [None]
            for spacing in words(o.spacing, "spacing", SPACINGS):
                for steps in numbers(o.steps, "steps", int):
                    cells += [Cell(sampler, v, e, spacing, steps, o.samples) for v in variances for e in etas]
        for cell in cells:  # says what can't be before hours are spent
            trajectory(self.model, [0], labels=self._labels([0]), **cell.arguments())
        return sorted(cells, key=lambda cell: cell.steps)

    def _chains(self) -> list[tuple[str, int, str]]:
        """(variance, steps, spacing) of each bound. rate-distortion belongs to the full chain."""
        from ddpm_core.likelihood import chain
        from ddpm_core.process import VARIANCES
        from ddpm_core.timesteps import SPACINGS

        o, T = self.options, self.model.schedule.T
        if not {"bpd", "rate-distortion"} & set(self.metrics):
            return []
        steps = numbers(o.steps, "steps", int) if "bpd" in self.metrics else []
        lengths = [(n, spacing) for spacing in words(o.spacing, "spacing", SPACINGS) for n in steps]
        if (T, "linspace") not in lengths:
            lengths.append((T, "linspace"))
        chains = [(variance, *length) for variance in words(o.variance, "variance", VARIANCES) for length in lengths]
        for each in chains:
            chain(self.model, *each)  # says what can't be before hours are spent
        return chains

    def _identity(self) -> dict:
        """What all parts of a study must have in common."""
        from ddpm_core.analytic import sha256

        source, gamma = self.model.source, self.model.gamma
        estimate = {} if gamma is None else {"gamma_sha256": hashlib.sha256(gamma.numpy().tobytes()).hexdigest()}
        return {
            **estimate,
            "checkpoint": source.name,
            "revision": source.revision,
            "weights": source.weights,
            "weights_sha256": sha256(source.folder / source.file),
            "engine": getattr(self.model.network, "description", ""),
            "batch": self.options.batch,
        }

    def _prepare(self) -> None:
        """Make the extractor and the references, and see that the folder holds this study or none."""
        from train.features import open_extractor, reference
        from train.images import Sample

        o = self.options
        if self.scores:
            self.extractor = open_extractor(o.extractor, self.scores, self.process.device)
        with self.process.main_process_first():  # the others find the cache filled
            split = o.split if self.scores else o.test_split
            sample = Sample(o.data, split, self.model.image_size, o.references)
            if self.scores:
                self.reference = reference(self.extractor, sample)
                self.identity |= {
                    "extractor": o.extractor,
                    "references": self.reference.n,
                    "references_sha256": self.reference.sha256,
                }
        file = self.out / "study.json"
        before = read_json(file)["identity"] if file.is_file() else {}
        other = [key for key, value in self.identity.items() if before.get(key, value) != value]
        if other:
            raise TrainError(f"{o.out} holds a study with another {', '.join(other)}: choose another --out.")
        self.process.wait_for_everyone()
        if self.process.is_main_process:
            about = {
                "identity": before | self.identity,
                "data": sample.description,
                "model": {"image_size": self.model.image_size, "T": self.model.schedule.T},
                "schedule": {k: v for k, v in self.model.schedule.config.items() if k != "trained_betas"},
                "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
                "machine": platform.machine(),
                "processes": self.process.num_processes,
                "threads": os.environ.get("OMP_NUM_THREADS"),
            }
            write_json(file, about)

    def _labels(self, seeds) -> list[int] | None:
        """No label where the model can do without; else the classes in turn."""
        if not self.model.num_classes or self.model.null_label is not None:
            return None
        return [seed % self.model.num_classes for seed in seeds]

    def _folder(self, cell: Cell) -> Path:
        return self.out / "cells" / cell.name

    def _batches(self, cell: Cell) -> list[tuple[Path, range]]:
        """The file of features and the seeds of each batch."""
        starts = range(0, cell.samples, self.options.batch)
        kind = "features-logits" if "is" in self.scores else "features"
        return [
            (self._folder(cell) / f"{kind}-{first:06d}.npz", range(first, min(first + starts.step, cell.samples)))
            for first in starts
        ]

    def _is_done(self, cell: Cell) -> bool:
        file = self._folder(cell) / "result.json"
        return file.is_file() and set(self.scores) <= {row["metric"] for row in read_json(file)["scores"]}

    def _run_cell(self, cell: Cell) -> None:
        from ddpm_core import imaging, sample
        from train.features import score

        folder, batches = self._folder(cell), self._batches(cell)
        for file, seeds in self.share(batches):
            started = time.monotonic()
            images = sample(self.model, seeds, labels=self._labels(seeds), **cell.arguments())
            seconds = time.monotonic() - started
            folder.mkdir(parents=True, exist_ok=True)
            if seeds.start == 0:
                (folder / "grid.png").write_bytes(imaging.png(imaging.grid(images[:GRID])))
            if self.options.keep_images:
                save(folder / f"images-{seeds.start:06d}.npz", images=images)
            save(file, seconds=seconds, **self.extractor(images))
            self.bar.update(len(seeds) * cell.steps)
        self.process.wait_for_everyone()
        if self.process.is_main_process:
            parts = [dict(np.load(file)) for file, _ in batches]
            outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "seconds"}
            scores = [
                {"metric": metric, "title": self.extractor.title(metric), **score(metric, outputs, self.reference)}
                for metric in self.scores
            ]
            if (folder / "result.json").is_file():  # of a run that asked for other scores of the same images
                scores += [
                    row for row in read_json(folder / "result.json")["scores"] if row["metric"] not in self.scores
                ]
            labels = "none" if self._labels([0]) is None else "all classes in turn"
            seconds = sum(float(part["seconds"]) for part in parts)
            result = {**asdict(cell), "scores": scores, "sampling_seconds": seconds, "labels": labels}
            write_json(folder / "result.json", result)
            for leftover in [*folder.glob("features-*"), *folder.glob(".*")]:
                leftover.unlink()
        self.process.wait_for_everyone()

    def share(self, batches: list[tuple[Path, range]]) -> list[tuple[Path, range]]:
        """The batches that this process has to make. Which one makes a batch changes nothing in it."""
        mine = batches[self.process.process_index :: self.process.num_processes]
        return [(file, seeds) for file, seeds in mine if not file.is_file()]


def words(text: str, flag: str, allowed) -> list[str]:
    """A comma-separated list of names. Raises TrainError for one that is not allowed."""
    found = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in found:
        if word not in allowed:
            raise TrainError(f"--{flag} can't be {word!r}: choose from {', '.join(allowed)}.")
    return found


def numbers(text: str, flag: str, kind: type) -> list:
    """A comma-separated list of numbers. Raises TrainError for anything else."""
    try:
        return list(dict.fromkeys(kind(word) for word in text.split(",")))
    except ValueError:
        raise TrainError(f"--{flag} takes numbers with commas between them, not {text!r}.") from None


def main(arguments: list[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m train evaluate")
    Study(options).run()
    return 0
