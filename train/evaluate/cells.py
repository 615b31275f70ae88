"""The sampled part of a study: cells (one sampler, variance, spacing and number of steps each) and their scores."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ddpm_core import imaging
from ddpm_core.names import Variance
from ddpm_core.runs import Condition, Lane, follow, make_chain, of_chain
from ddpm_core.samplers import OPTIONS, find
from train import TrainError
from train.common.files import save_arrays, write_bytes, write_json
from train.data.sample import sample_for
from train.evaluate.features import IS_SPLITS, open_extractor, reference, score, shorten
from train.evaluate.results import CellSpacing, read_arrays, read_cell
from train.evaluate.study import Batch, Study
from train.evaluate.tables import shortest

GRID = 64  # number of images in a cell's grid
REFERENCES = 1000  # number of reference images whose features are in one file while they are computed


@dataclass(frozen=True)
class Cell:
    """The settings of one set of samples."""

    sampler: str
    variance: Variance | None  # None if the sampler takes no variance
    eta: float | None  # None if the sampler takes no η
    spacing: CellSpacing
    steps: int
    samples: int

    @property
    def name(self) -> str:
        """Return the name of the cell's folder."""
        eta = None if self.eta is None else f"eta{shortest(self.eta)}"
        parts = (self.sampler.replace(":", "."), self.variance, eta, self.spacing)
        return "-".join([*filter(None, parts), f"{self.steps}steps", f"{self.samples}images"])

    def lane(self, study: Study, seeds: Iterable[int]) -> Lane:
        """Return the run that draws the images of some seeds with the settings of this cell.

        Raises ValueError for an unknown sampler, and for options that the model can't have.

        The class of an image is its seed modulo the number of classes, whatever batch it is in.
        """
        model, spacing = study.model, None if self.spacing == "own" else self.spacing
        labels = [seed % model.num_classes for seed in seeds] if study.labels == "classes" else None
        own = of_chain(vars(self) | {"sampler": find(self.sampler), "spacing": spacing})
        return Lane(model, make_chain(model, **own, condition=Condition(labels)))


def plan_cells(study: Study) -> list[Cell]:
    """Return the cells of a study, those of few steps first; none if no score is wanted.

    Raises TrainError or ValueError for cells that can't be sampled or scored.
    """
    options, cells = study.options, []
    scores = options.score_list()
    if not scores:
        return []
    if "is" in scores and options.samples < IS_SPLITS:
        raise TrainError(f"The Inception score needs --samples of at least {IS_SPLITS}.")
    for sampler in options.sampler_list():
        own = next((its for name, its in OPTIONS.items() if name == sampler), {})
        tried = {"variance": options.variance_list, "eta": options.eta_list}
        ways = [*product(*(values() if name in own else [None] for name, values in tried.items()))]
        for spacing in options.spacing_list():
            for steps in options.step_list():
                cells += [Cell(sampler, variance, eta, spacing, steps, options.samples) for variance, eta in ways]
    for cell in cells:
        cell.lane(study, [0])
    return sorted(cells, key=lambda cell: cell.steps)


class Cells:
    """Samples and scores the cells of a study.

    identity: the facts about scores that must stay when a study continues. data: description of the reference images.
        Raises TrainError if the feature extractor or the reference images are not available.
    """

    def __init__(self, study: Study, cells: list[Cell]):
        self._study, self._model, self._cells = study, study.model, cells
        options = study.options
        self._scores = options.score_list()
        self._extractor = open_extractor(options.extractor, self._scores, study.device)
        sample = sample_for(self._model, options.data, options.split, options.references, study.quiet)
        if len(sample) < 2:
            raise TrainError(f"Scores need at least 2 reference images, and the {sample.description} has 1.")
        self._references = sample
        self.data = sample.description
        self.identity: dict[str, Any] = {
            "reference": sample.description,
            "split": sample.split,
            "extractor": options.extractor,
            "extractor_outputs": shorten(self._extractor.probe),
            "references": len(sample),
            "references_sha256": sample.sha256(),
        }

    def evaluations(self) -> int:
        """Return the number of evaluations of the network that this process still has to make."""
        todo = [(turn, cell) for turn, cell in enumerate(self._cells) if not self._is_done(cell)]
        shares = [(cell, self._study.share(self._batches(cell), turn)) for turn, cell in todo]
        return sum(len(seeds) * cell.steps for cell, share in shares for _, seeds in share)

    def run(self) -> None:
        """Sample and score what is missing. Each cell is scored by one of the processes."""
        if all(map(self._is_done, self._cells)):
            return
        self._reference = reference(self._extractor, self._references, features=self._reference_features)
        process = self._study.process
        mine = self._cells[process.process_index :: process.num_processes]  # cells that this process scores
        for turn, cell in enumerate(self._cells):
            if not self._is_done(cell):
                self._sample(cell, self._study.share(self._batches(cell), turn))
            self._score_complete(mine)
        for cell in self._cells:
            self._sample(cell, self._study.missing(self._batches(cell)))
            self._score_complete(mine)
        if process.is_main_process:
            while not all(map(self._is_done, self._cells)):  # other processes are still scoring
                time.sleep(0.1)
            shutil.rmtree(self._reference_folder, ignore_errors=True)

    @property
    def _reference_folder(self) -> Path:
        """Return the folder for the features of reference images."""
        return self._study.out / "references"

    def _reference_features(self, key: str) -> np.ndarray:
        """Return the features of the reference images. The processes share this work. key: a name for the features."""
        self._study.bar.set_description("features of references")
        n = len(self._references)
        starts = range(0, n, REFERENCES)
        batches = [
            (self._reference_folder / f"{key[:16]}-{first:06d}.npz", range(first, min(first + REFERENCES, n)))
            for first in starts
        ]
        for file, rows in self._study.missing(batches):
            save_arrays(file, features=self._extractor(self._references.batch(rows))["features"])
        return np.concatenate([read_arrays(file)["features"] for file, _ in batches])

    def _folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self._study.out / "cells" / cell.name

    def _batches(self, cell: Cell) -> list[tuple[Path, range]]:
        """Return the file of features and the seeds of each batch."""
        starts = range(0, cell.samples, self._study.batch)
        kind = "features-logits" if "is" in self._scores else "features"
        return [
            (self._folder(cell) / f"{kind}-{first:06d}.npz", range(first, min(first + starts.step, cell.samples)))
            for first in starts
        ]

    def _is_done(self, cell: Cell) -> bool:
        """Return whether a cell has all scores that are wanted."""
        found = read_cell(self._folder(cell))
        return found is not None and set(self._scores) <= {row["metric"] for row in found["scores"]}

    def _sample(self, cell: Cell, batches: Iterable[Batch]) -> None:
        """Sample these batches of a cell, and write their features."""
        folder = self._folder(cell)
        for file, seeds in batches:
            if self._is_done(cell):
                return
            self._study.bar.set_description(cell.name)
            started = time.monotonic()
            x_0 = None
            for _, step in follow([cell.lane(self._study, seeds)], seeds):
                self._study.bar.update(len(seeds))
                x_0 = step.x
            assert x_0 is not None  # a chain has at least one step
            images, seconds = self._model.pictures(x_0), time.monotonic() - started
            if seeds.start == 0:
                write_bytes(folder / "grid.png", imaging.png(self._grid(images)))
            if self._study.options.keep_images:
                save_arrays(folder / f"images-{seeds.start:06d}.npz", images=images)
            features = self._extractor(images)
            if not self._is_done(cell):  # another process may have finished the cell
                save_arrays(file, seconds=seconds, **features)

    def _grid(self, images: np.ndarray) -> np.ndarray:
        """Return a grid of the first images. With labels, a column shows one class."""
        images = images[:GRID]
        columns = self._model.num_classes if self._study.labels == "classes" else 0
        if 1 < columns <= min(16, len(images)):
            return imaging.grid(images[: len(images) // columns * columns], columns)
        return imaging.grid(images)

    def _score_complete(self, cells: Iterable[Cell]) -> None:
        """Score the cells whose features are complete."""
        for cell in cells:
            if not self._is_done(cell) and all(file.is_file() for file, _ in self._batches(cell)):
                self._study.bar.set_description(f"{cell.name}, scoring")
                self._score(cell)
                if self._study.process.is_main_process:
                    self._study.record()

    def _score(self, cell: Cell) -> None:
        """Score the features of a cell, write its result, and delete the features."""
        folder = self._folder(cell)
        parts = [read_arrays(file) for file, _ in self._batches(cell)]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "seconds"}
        scores = [
            {"metric": metric, "title": self._extractor.title(metric), **score(metric, outputs, self._reference)}
            for metric in self._scores
        ]
        if before := read_cell(folder):  # scores of an earlier run with other metrics
            scores += [row for row in before["scores"] if row["metric"] not in self._scores]
        about = {**asdict(cell), "labels": self._study.labels}
        seconds = sum(float(part["seconds"]) for part in parts)
        write_json(folder / "result.json", {**about, "scores": scores, "sampling_seconds": seconds})
        for leftover in folder.glob("features-*"):
            leftover.unlink()
