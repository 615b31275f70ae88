"""The flags of `python -m train evaluate`, and methods that read their texts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ddpm_core.commands.chain import Where
from ddpm_core.commands.reading import Unset
from ddpm_core.model import ModelSpec
from ddpm_core.names import SAMPLERS, VARIANCES, Variance
from train import TrainError
from train.common.command_line import check_range, names, numbers
from train.evaluate.metrics import METRICS, SCORES, BoundName, ScoreName
from train.evaluate.results import CELL_SPACINGS, CellSpacing

LIMITS = {"samples": (2, 10**7), "references": (2, 10**7), "test_images": (0, 10**7), "batch": (1, 10**5)}

LabelMode = Literal["none", "classes"]

_OR_ITS = "default: ddpm,ddim, or that of a student"
_OWN = "own: the times that a student was made for; default: linspace, or own for a student"


@dataclass
class Options:
    """Measure a checkpoint. Run it again with the same --out to continue a study, or to add other steps or
    variances.
    """

    checkpoint: Annotated[str, tyro.conf.Positional]
    """embedded name, local folder, or Hub id (owner/name, owner/name@revision)"""
    data: str
    """the data on which it was trained: a folder of images, parquet, a Hub data set, cifar10 or mnist"""
    out: Path
    """folder of the study"""
    metrics: Annotated[str, tyro.conf.arg(help=f"any of {', '.join(METRICS)}")] = "fid,kid,is"
    steps: Unset[str] = None
    """numbers of steps; default: 10,20,50,100,1000, or a student's own"""
    variance: str = "beta,beta_tilde,analytic"
    """reverse variances, for the samplers ddpm and langevin, and for bpd"""
    sampler: Annotated[Unset[str], tyro.conf.arg(help=f"{', '.join(SAMPLERS)}, module:sampler; {_OR_ITS}")] = None
    spacing: Annotated[Unset[str], tyro.conf.arg(help=f"any of {', '.join(CELL_SPACINGS)}; {_OWN}")] = None
    eta: str = "0"
    """DDIM's noise, 0 to 1"""
    samples: int = 50_000
    """generated images in each cell; a Fréchet distance depends on their number"""
    split: str = "train"
    """the split of the data for reference images; a folder of images, LSUN or one parquet file gives all its images"""
    references: int = 50_000
    """the number of reference images, at most"""
    test_split: str = "test"
    """the split of the data for bpd and rate-distortion, as for --split"""
    test_images: int = 256
    """the number of test images; 0: all"""
    extractor: str = "inception-v3-compat"
    """feature extractor: one of torch-fidelity's, or module:attribute (a function from uint8 (N, H, W, 3) to (N, D), or
    a torch-fidelity class); any but the default gives a Fréchet distance, not an FID"""
    labels: Unset[LabelMode] = None
    """for a class-conditional model: no label, or every image's class (for samples, all classes in turn); default: no
    label, if the model can do without"""
    batch: Unset[int] = None
    """images sampled at once; default: 100, on a GPU 256"""
    keep_images: bool = False
    """keep the generated images of the cells that are not sampled yet"""
    where: tyro.conf.OmitArgPrefixes[Where] = field(default_factory=Where)

    def for_model(self, model: ModelSpec) -> Options:
        """Return the options, with defaults that suit the model. Raises TrainError for the spacing "own" unless the
        model is a student.
        """
        student = model.student
        usual = ("10,20,50,100,1000", "ddpm,ddim", "linspace")
        steps, sampler, spacing = (str(student.steps), student.sampler, "own") if student else usual
        chosen = replace(
            self, steps=self.steps or steps, sampler=self.sampler or sampler, spacing=self.spacing or spacing
        )
        if student is None and "own" in chosen.spacing_list():
            raise TrainError("--spacing own is only for students: choose another.")
        return chosen

    def check_numbers(self) -> None:
        """Raise TrainError for a number outside its limits."""
        check_range(self, LIMITS)

    # Each of the following methods reads the text of one flag, and raises TrainError if the text is wrong. `for_model`
    # must be called first, because it sets the defaults of steps, sampler and spacing.

    def metric_list(self) -> list[ScoreName | BoundName]:
        """Return the metrics of --metrics."""
        return names(self.metrics, "metrics", METRICS)

    def score_list(self) -> list[ScoreName]:
        """Return the metrics that need samples, in the order of --metrics."""
        wanted = self.metric_list()
        return sorted((score for score in SCORES if score in wanted), key=wanted.index)

    def step_list(self) -> list[int]:
        """Return the numbers of steps of --steps."""
        return numbers(self.steps or "", "steps", int)

    def variance_list(self) -> list[Variance]:
        """Return the variances of --variance."""
        return names(self.variance, "variance", VARIANCES)

    def sampler_list(self) -> list[str]:
        """Return the samplers of --sampler: names, and module:sampler for your own."""
        own = [word.strip() for word in (self.sampler or "").split(",") if ":" in word]
        return names(self.sampler or "", "sampler", [*SAMPLERS, *own])

    def spacing_list(self) -> list[CellSpacing]:
        """Return the spacings of --spacing."""
        return names(self.spacing or "", "spacing", CELL_SPACINGS)

    def eta_list(self) -> list[float]:
        """Return the values of --eta."""
        return numbers(self.eta, "eta", float)
