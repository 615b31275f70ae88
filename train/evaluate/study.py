"""The data that all parts of a study share: model, folder, processes, progress bar, and the file study.json."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from accelerate import PartialState
from tqdm import tqdm

from ddpm_core import Model
from ddpm_core.checkpoint.config.fields import read_json
from ddpm_core.disk.files import sha256
from ddpm_core.engines.latent import ClipText, LatentDecoder
from ddpm_core.model import ModelSpec
from ddpm_core.prediction import network_device
from train import TrainError
from train.common.command_line import user_path
from train.common.files import write_json
from train.common.machine import machine, package_version
from train.evaluate.options import LabelMode, Options
from train.fit.inputs.latents import digest_of, identity_of

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


Batch = tuple[Path, range]  # the file of a batch; its seeds, or the indices of its images in the data set


class Study:
    """The measurement of one model, shared by several processes.

    options: the options of the command. model: the measured model. process: this process, one of those that share the
        work. device: where the model is. batch: the number of images sampled at once. labels: "classes" if samples and
        test images have classes, else "none". bar: the progress bar, which counts evaluations of the network. Raises
        TrainError for labels and steps that the model can't have.
    """

    def __init__(self, options: Options, model: Model, process: PartialState):
        self.model, self.process = model, process
        self.device = network_device(model.network) or torch.device("cpu")
        self.batch = options.batch or (100 if self.device.type == "cpu" else 256)
        self.options = replace(options.for_model(model), batch=self.batch)
        self.out = user_path(options.out)
        self.labels = _label_mode(options.labels, model)
        self.bar = tqdm(disable=True)
        self._monotonic_start, self._start = time.monotonic(), datetime.now(UTC)
        self._about: dict[str, Any] = {}
        self._earlier_runs: list[Any] = []

    @property
    def quiet(self) -> bool:
        """Return whether another process of this machine shows the progress."""
        return not self.process.is_local_main_process

    def share(self, batches: Sequence[Batch], turn: int = 0) -> Iterator[Batch]:
        """Yield the batches that this process has to make. A batch is the same in every process.

        turn: the index of this list among several lists. It decides which process begins, so that all get equal shares.
        """
        n = self.process.num_processes
        return _lacking(batches[(self.process.process_index + turn) % n :: n])

    def missing(self, batches: Sequence[Batch], turn: int = 0) -> Iterator[Batch]:
        """Yield this process's share, then the batches that other processes have not made yet, the last batches first.

        So no process waits for another: NCCL would give up after ten minutes, and a GPU would be idle. A batch may be
        made twice.
        """
        yield from self.share(batches, turn)
        yield from _lacking(batches[::-1])

    def identity(self) -> dict[str, Any]:
        """Return the facts that all parts of a study must share. Raises TrainError for a model without files."""
        source, gamma = self.model.source, self.model.gamma
        if source is None or source.folder is None or source.file is None:
            raise TrainError("Only a model that was loaded from files can be measured.")
        estimate: dict[str, Any] = (
            {} if gamma is None else {"gamma_sha256": hashlib.sha256(gamma.numpy().tobytes()).hexdigest()}
        )
        if "optimised" in self.options.spacing_list():
            times = repr({name: sorted(chains.items()) for name, chains in (self.model.optimised or {}).items()})
            estimate["optimised_sha256"] = hashlib.sha256(times.encode()).hexdigest()
        if isinstance(self.model.decoder, LatentDecoder):
            estimate["decoder"] = identity_of(self.model.decoder)
        if isinstance(self.model.text, ClipText):
            estimate["text_sha256"] = digest_of(self.model.text.encoder)
        return {
            **estimate,
            **_of_model(self.model.spec),
            "network": _network(source.folder / source.file),
            **_own_samplers(self.options.sampler_list()),
            "checkpoint": source.name,
            "revision": source.revision,
            "weights": source.weights,
            "weights_sha256": sha256(source.folder / source.file),
            "engine": getattr(self.model.network, "description", ""),
            "labels": self.labels,
            "batch": self.batch,
        }

    def describe(self, identity: dict[str, Any], data: str, earlier_runs: list[Any]) -> None:
        """Set the facts that `record` writes."""
        schedule = self.model.schedule
        self._about = {
            "identity": identity,
            "data": data,
            "model": {"image_size": self.model.picture_size, "T": schedule.T, "null_label": self.model.null_label},
            "schedule": {name: value for name, value in schedule.config.items() if name != "trained_betas"},
        }
        self._earlier_runs = earlier_runs

    def record(self) -> None:
        """Write study.json: the facts about the study, the runs before, and this run."""
        write_json(self.out / "study.json", {**self._about, "runs": [*self._earlier_runs, self._run()]})

    def _run(self) -> dict[str, Any]:
        """Return a record of this run so far: start, duration, options, machine and versions of packages."""
        options = asdict(self.options)
        # Another machine does not have these paths. The identity describes their content.
        for name in ("checkpoint", "data", "out"):
            del options[name]
        return {
            "started": self._start.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._monotonic_start, 1),
            "options": options,
            "machine": machine(self.device),
            "processes": self.process.num_processes,
            "versions": {"python": platform.python_version(), **{name: package_version(name) for name in PACKAGES}},
        }


def _of_model(spec: ModelSpec) -> dict[str, Any]:
    """Return the fields of a specification, except its weights and the tables that were made for them."""
    found = {field.name: getattr(spec, field.name) for field in fields(spec)}
    for name in ("source", "gamma", "optimised"):
        del found[name]
    schedule = spec.schedule.beta.numpy().tobytes() + bytes([spec.schedule.exploding])
    found["schedule"] = hashlib.sha256(schedule).hexdigest()
    return {
        name: value if isinstance(value, (str, float, int, NoneType)) else repr(value) for name, value in found.items()
    }


def _network(weights: Path) -> dict[str, Any] | None:
    """Return the configuration of the network beside a file of weights; None if the weights' file holds the
    configuration.
    """
    file = weights.with_name("config.json")
    if not file.is_file():
        return None
    return {name: value for name, value in read_json(file).items() if not name.startswith("_")}


def _own_samplers(samplers: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of the file of each of your own samplers, if its module has a file."""
    own = {name: import_module(name.partition(":")[0]) for name in samplers if ":" in name}
    files = {name: getattr(module, "__file__", None) for name, module in own.items()}
    return {name: sha256(Path(file)) for name, file in files.items() if file}


def _lacking(batches: Sequence[Batch]) -> Iterator[Batch]:
    """Yield the batches whose file does not exist when it is their turn."""
    return ((file, rows) for file, rows in batches if not file.is_file())


def _label_mode(asked: LabelMode | None, model: Model) -> LabelMode:
    """Return whether images have classes. Raises TrainError if the model can't have what was asked."""
    needs_class = bool(model.num_classes) and model.null_label is None
    if asked == "classes" and not model.num_classes:
        raise TrainError("--labels classes needs a class-conditional model, and this one has no classes.")
    if asked == "none" and needs_class:
        raise TrainError("This model always needs a class: use --labels classes, or leave --labels out.")
    return asked or ("classes" if needs_class else "none")
