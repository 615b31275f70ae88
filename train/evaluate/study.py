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
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from tqdm import tqdm

from ddpm_core.__main__ import Where, open_checkpoint
from train import TrainError
from train.evaluate.results import read_bits, read_cells, read_study
from train.files import check_folder, write_json
from train.flags import parse, place
from train.lock import locked
from train.words import check_range, numbers, words

METRICS = ("fid", "kid", "is", "bpd", "rate-distortion")
SCORES = METRICS[:3]
LIMITS = {"samples": (2, 10**7), "references": (2, 10**7), "test_images": (0, 10**7), "batch": (1, 10**5)}
PACKAGES = (
    "torch",
    "numpy",
    "diffusers",
    "openvino",
    "torch-fidelity",
    "datasets",
    "torchvision",
    "pillow",
    "accelerate",
    "safetensors",
)


@dataclass
class Options:
    """Measure a checkpoint. Started again with the same --out, a study goes on; other steps or variances add to it."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    data: str
    """what it was trained on: a folder of images, parquet, a Hub data set, cifar10 or mnist"""
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
    """the reference images' split of the data; of a folder of images, LSUN or one parquet file, all images are taken"""
    references: int = 50_000
    """at most so many reference images"""
    test_split: str = "test"
    """the split of the data for bpd and rate-distortion, as for --split"""
    test_images: int = 256
    """how many of it; 0: all"""
    extractor: str = "inception-v3-compat"
    """feature extractor: one of torch-fidelity's, or module:attribute (a function from uint8 (N, H, W, 3) to (N, D), or
    a torch-fidelity class); any but the default gives a Fréchet distance, not an FID"""
    labels: Literal["none", "classes"] | None = None
    """for a class-conditional model: no label, or every image's class (samples: all classes in turn); left out: no
    label where the model can do without"""
    batch: int = 100
    """images sampled at once"""
    keep_images: bool = False
    """keep the generated images of the cells still to be sampled"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)


class Study:
    """The folder of a study and what its parts share. Raises TrainError or ValueError before anything is sampled."""

    def __init__(self, options: Options):
        from accelerate import PartialState

        self._started, self._began = time.monotonic(), datetime.now(timezone.utc)
        self.options, self.out = options, place(options.out)
        self.process = PartialState(cpu=options.where.device == "cpu")
        if self.process.num_processes > 1 and options.where.device == "auto":
            options.where.device = str(self.process.device)
        check_range(options, LIMITS)
        check_folder(self.out, "out")
        metrics = words(options.metrics, "metrics", METRICS)
        self.model = open_checkpoint(options.checkpoint, options.where)
        self.labels = self._label_mode()
        self.chains = self._chains(metrics)
        self._cells = self._open_cells([metric for metric in metrics if metric in SCORES])

    def run(self) -> None:
        """Make what is missing. Raises TrainError when another command is at work in the folder."""
        with locked(self.out):
            self._run_parts(self._prepare())

    def _run_parts(self, parts: list) -> None:
        # The bar counts evaluations of the network, which is what takes the time.
        with tqdm(
            total=sum(part.evaluations() for part in parts),
            unit="evaluation",
            unit_scale=True,
            smoothing=0.05,
            disable=not self.process.is_local_main_process,
        ) as self.bar:
            for part in parts:
                part.run()
            if self.process.is_main_process:
                from train.evaluate.report import write_report

                self.bar.set_description("tables and plots")
                self.record()
                write_report(self.out)

    def record(self) -> None:
        """Write what the study is and how it is being made, this run and those before it."""
        write_json(self.out / "study.json", {**self._about, "runs": [*self._runs, self._run()]})

    def share(self, batches: list[tuple[Path, range]]) -> list[tuple[Path, range]]:
        """The batches that this process has to make. Which one makes a batch changes nothing in it."""
        mine = batches[self.process.process_index :: self.process.num_processes]
        return [(file, seeds) for file, seeds in mine if not file.is_file()]

    def _label_mode(self) -> str:
        """ "none" or "classes"."""
        asked, model = self.options.labels, self.model
        if asked == "classes" and not model.num_classes:
            raise TrainError("--labels classes needs a class-conditional model, and this one has no classes.")
        if asked == "none" and model.num_classes and model.null_label is None:
            raise TrainError("This model always needs a class: use --labels classes, or leave --labels out.")
        return asked or ("classes" if model.num_classes and model.null_label is None else "none")

    def _open_cells(self, scores: list[str]):
        if not scores:
            return None
        from train.evaluate.cells import Cells

        return Cells(self, scores)

    def _chains(self, metrics: list[str]) -> list[tuple[str, int, str]]:
        """(variance, steps, spacing) of each bound. rate-distortion belongs to the full chain."""
        from ddpm_core.likelihood import chain
        from ddpm_core.names import SPACINGS, VARIANCES

        o, T = self.options, self.model.schedule.T
        if not {"bpd", "rate-distortion"} & set(metrics):
            return []
        steps = numbers(o.steps, "steps", int) if "bpd" in metrics else []
        lengths = [(n, spacing) for spacing in words(o.spacing, "spacing", SPACINGS) for n in steps]
        if (T, "linspace") not in lengths:
            lengths.append((T, "linspace"))
        chains = [(variance, *length) for variance in words(o.variance, "variance", VARIANCES) for length in lengths]
        for each in chains:
            chain(self.model, *each)  # says what can't be before hours are spent
        return chains

    def _prepare(self) -> list:
        """Open the parts of the study, and see that the folder holds this study or none."""
        from train.evaluate.bits import Bits

        read_cells(self.out), read_bits(self.out)  # the report needs them: says which is damaged before hours are spent
        before = read_study(self.out) or {"identity": {}, "runs": []}
        identity = self._identity()
        with self.process.main_process_first():  # the others find the caches filled
            bits = Bits(self) if self.chains else None
            if self._cells:
                identity |= self._cells.open()
        other = [key for key, value in identity.items() if not _same(key, before["identity"].get(key, value), value)]
        if other:
            raise TrainError(f"{self.options.out} holds a study with another {', '.join(other)}: choose another --out.")
        self._runs = before["runs"]
        self._about = {
            "identity": identity | before["identity"],
            "data": before.get("data") or identity.get("reference") or bits.data,
            "model": {
                "image_size": self.model.image_size,
                "T": self.model.schedule.T,
                "null_label": self.model.null_label,
            },
            "schedule": {k: v for k, v in self.model.schedule.config.items() if k != "trained_betas"},
        }
        self.process.wait_for_everyone()
        if self.process.is_main_process:
            self.record()
        return [part for part in (self._cells, bits) if part]

    def _identity(self) -> dict:
        """What all parts of a study must have in common."""
        from ddpm_core.files import sha256

        source, gamma = self.model.source, self.model.gamma
        estimate = {} if gamma is None else {"gamma_sha256": hashlib.sha256(gamma.numpy().tobytes()).hexdigest()}
        return {
            **estimate,
            "checkpoint": source.name,
            "revision": source.revision,
            "weights": source.weights,
            "weights_sha256": sha256(source.folder / source.file),
            "engine": getattr(self.model.network, "description", ""),
            "labels": self.labels,
            "batch": self.options.batch,
        }

    def _run(self) -> dict:
        """This run so far: when, for how long, with which options, on which machine, by which packages."""
        options = asdict(self.options)
        # Places, which another machine hasn't got; the identity says what was found there.
        for name in ("checkpoint", "data", "out"):
            del options[name]
        return {
            "started": self._began.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._started, 1),
            "options": options,
            "machine": machine(self.process.device),
            "processes": self.process.num_processes,
            "versions": {"python": platform.python_version(), **{name: package_version(name) for name in PACKAGES}},
        }


def machine(device: torch.device) -> dict:
    """The processor, its number of cores and of threads used, and the GPU where there is one."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def processor() -> str:
    """The processor's model, or where that is not to be had its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def package_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _same(key: str, a, b) -> bool:
    """Whether two studies agree about something in their identity."""
    if key != "extractor_outputs":
        return a == b
    from train.evaluate.features import same_probe

    return same_probe(a, b)


def main(arguments: list[str]) -> int:
    options = parse(Options, arguments, prog="python -m train evaluate")
    Study(options).run()
    return 0
