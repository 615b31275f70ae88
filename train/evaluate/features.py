"""Feature extractors, and scores of their features computed by torch-fidelity: FID, KID and IS, or similar scores.

Only the scores of torch-fidelity's Inception network have the published names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from ddpm_core.disk.files import cache_folder
from ddpm_core.engines.choose import choose_device
from ddpm_core.engines.common import forbid_tf32
from ddpm_core.imaging.image_files import opaque, over_grey, to_8_bits
from train import TrainError
from train.common.command_line import import_object
from train.common.errors import as_train_error
from train.common.files import save_arrays
from train.common.lock import in_turn
from train.data.sample import ImageSample
from train.data.sources import ImageFolder
from train.evaluate.metrics import SCORE_METRICS, ScoreName
from train.evaluate.results import read_arrays

INCEPTION = "inception-v3-compat"
BATCH = 100  # number of images in one call of an extractor
IS_SPLITS = 10  # number of parts into which images are split; their mean score is the IS
KID_REFERENCES = 10_000  # number of reference features that are kept for KID, which draws subsets of them
PROBE_ERROR = 0.01  # largest difference between the probes of two machines, as a share of a probe's maximum


@dataclass(frozen=True)
class Extractor:
    """A function from images, uint8 (N, H, W, 1 to 4), to the outputs of `run`, as float32.

    Raises TrainError for any error of `run`, for outputs of another shape, and for numbers that are not finite.
    """

    name: str  # the extractor's name in tables
    run: Callable[
        [np.ndarray], dict[str, np.ndarray]
    ]  # uint8 (N, H, W, 3) -> "features" (N, D) and, for IS, "logits" (N, K)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs of `run` for all images, in batches."""
        images = np.ascontiguousarray(over_grey(images))  # torch can't take an array with negative strides
        parts = [self._run(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs of `run` for one batch, as float32. Raises TrainError if they are wrong."""
        failed = as_train_error(lambda reason: f"The feature extractor {self.name} failed ({reason}).")
        with failed, np.errstate(over="ignore"):  # an overflow gives an infinite value, which is refused below
            outputs = {name: np.asarray(values, np.float32) for name, values in self.run(images).items()}
        for values in outputs.values():
            if values.ndim != 2 or len(values) != len(images) or not values.size:
                shape = tuple(values.shape)
                raise TrainError(f"The feature extractor {self.name} must give {len(images)} rows, but gave {shape}.")
            if not np.isfinite(values).all():
                raise TrainError(f"The feature extractor {self.name} gave a feature that is not a finite number.")
        return outputs

    def title(self, score: ScoreName) -> str:
        """Return the title of a score. Only scores of Inception features have the published name."""
        metric = SCORE_METRICS[score]
        return metric.title if self.name == INCEPTION else f"{metric.other_title} ({self.name})"

    @cached_property
    def probe(self) -> np.ndarray:
        """Return the features of four fixed images, (4, D), which identify the extractor's weights, preprocessing and
        layer.
        """
        return self(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))["features"]


def open_extractor(name: str, scores: Sequence[ScoreName], device: torch.device) -> Extractor:
    """Return the extractor with this name: one of torch-fidelity's, or module:attribute.

    The attribute is a torch-fidelity FeatureExtractorBase class, or a function from uint8 (N, H, W, 3) to (N, D).
    Raises TrainError if the extractor or its weights are not available, or if it can't give a score.
    """
    if "is" in scores and name != INCEPTION:
        raise TrainError(f"The Inception score needs {INCEPTION}: leave `is` out of --metrics with --extractor {name}.")
    kind: Any = FEATURE_EXTRACTORS_REGISTRY.get(name)
    if ":" in name:
        kind = import_object(name, "feature extractor")
        if not isinstance(kind, type):
            return Extractor(name, lambda images: {"features": kind(images)})
    if kind is None or not issubclass(kind, FeatureExtractorBase):
        known = ", ".join(FEATURE_EXTRACTORS_REGISTRY)
        raise TrainError(f"There is no feature extractor {name!r}: give module:attribute, or one of {known}.")
    forbid_tf32()
    what = "FID, KID and IS need Inception weights, which" if name == INCEPTION else f"The weights of {name}"
    advice = "connect to the internet once, or name another --extractor and leave `is` out."
    with as_train_error(lambda reason: f"{what} could not be downloaded ({reason}): {advice}"):
        layers = {"features": kind.get_default_feature_layer_for_metric("fid")}
        if "is" in scores:
            layers["logits"] = kind.get_default_feature_layer_for_metric("isc")
        with in_turn(cache_folder("reference")):  # the constructor may download weights
            network = _network(kind, name, list(layers.values())).to(device)

    @torch.inference_mode()
    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs of the network's layers for images, uint8 (N, H, W, 3)."""
        output = network(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device))
        return {key: values.float().cpu().numpy() for key, values in zip(layers, output, strict=True)}

    return Extractor(name, run)


@dataclass(frozen=True)
class Reference:
    """The features of real images, with which generated images are compared."""

    statistics: dict[str, np.ndarray]  # "mu" and "sigma", the mean and covariance of all features
    features: np.ndarray  # a sample of the features, for KID
    n: int  # number of all features
    sha256: str  # SHA-256 of the pixels
    probe: list[float]  # identifies the extractor, see `same_probe`


def reference(
    extractor: Extractor,
    sample: ImageSample,
    cache: Path | None = None,
    features: Callable[[str], np.ndarray] | None = None,
) -> Reference:
    """Return the reference of a data set. It comes from the cache if the same extractor has seen the same pixels.

    cache: a folder; None is the user's cache folder. features: a function that computes the features of all images; it
        takes a name for them. None: this function computes them.
    """
    probe, data = extractor.probe, sample.sha256()
    # torch-fidelity's own cache uses names as keys, which say nothing about weights or data.
    key = hashlib.sha256(f"{hashlib.sha256(probe.tobytes()).hexdigest()} {data}".encode()).hexdigest()
    path = (cache or cache_folder("reference")) / f"{key}.npz"
    if not path.is_file():
        if features is None:
            batches = sample.batches("features of references")
            found = np.concatenate([extractor(batch)["features"] for batch in batches])
        else:
            found = features(key)
        with in_turn(path.parent):
            if not path.is_file():
                few = np.linspace(0, len(found) - 1, min(len(found), KID_REFERENCES)).round().astype(int)
                save_arrays(path, **_statistics(found), features=found[few], n=len(found))
    kept = read_arrays(path, "mu", "sigma", "features", "n")
    statistics = {name: kept[name] for name in ("mu", "sigma")}
    return Reference(statistics, kept["features"], int(kept["n"]), data, shorten(probe))


def shorten(probe: np.ndarray) -> list[float]:
    """Return one number for each image: the projection of its features on a random direction. Rounding errors hardly
    change it.

    probe: features, float (N, D).
    """
    return (np.random.default_rng(1).standard_normal(probe.shape) * probe).sum(1).tolist()


def same_probe(a: list[float], b: list[float]) -> bool:
    """Return whether two probes belong to the same weights, preprocessing and layer.

    a, b: results of `shorten` for the same images, one number for each image. They count as the same if no number
        differs by more than PROBE_ERROR times the largest of a. Probes of different lengths differ.
    """
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=0, atol=PROBE_ERROR * np.abs(a).max()))


def score(name: ScoreName, outputs: dict[str, np.ndarray], other: Reference) -> dict[str, float]:
    """Return {"value": v}, and for KID and IS also "std", the standard deviation over subsets. KID is multiplied by
    1000.

    Arguments:
        name: "fid", "kid" or "is".
        outputs: the outputs of an `Extractor` for the generated images: "features", (N, D), and for IS "logits",
            (N, K).
        other: the reference, from real images.
    """
    features = outputs["features"]
    if name == "fid":
        found = fid_statistics_to_metric(_statistics(features), other.statistics, False)
        return {"value": found["frechet_inception_distance"]}
    if name == "kid":
        size = min(1000, len(features), len(other.features))
        found = kid_features_to_metric(
            *map(torch.from_numpy, (features, other.features)), kid_subset_size=size, kid_subsets=100, verbose=False
        )
        return {k: 1000 * found[f"kernel_inception_distance_{name}"] for k, name in (("value", "mean"), ("std", "std"))}
    found = isc_features_to_metric(torch.from_numpy(outputs["logits"]), splits=IS_SPLITS)
    return {"value": found["inception_score_mean"], "std": found["inception_score_std"]}


def _statistics(features: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean (D,) and the covariance (D, D) of features (N, D), also for D = 1."""
    found = fid_features_to_statistics(torch.from_numpy(features))
    return {"mu": found["mu"], "sigma": np.atleast_2d(found["sigma"])}


def compare(
    images: np.ndarray | str | Path,
    others: np.ndarray | str | Path,
    scores: Sequence[ScoreName] = ("fid", "kid"),
    extractor: str = INCEPTION,
    device: str = "auto",
) -> dict[ScoreName, dict[str, float]]:
    """Return scores that compare your own pictures with others, without a data set or a model.

    Arguments:
        images, others: at least two pictures each, as uint8 (N, H, W, C) with 1 to 4 channels, or as a folder. A folder
            stands for all pictures below it, of any sizes.
        scores: any of "fid", "kid" and "is"; "is" depends on `images` alone.
        extractor: the feature extractor, as for `open_extractor`. Only Inception's scores are called FID and KID.
        device: the device of the extractor, as for `ddpm_core.load`.

    Returns:
        The result of `score` for each score: {"fid": {"value": v}, "kid": {"value": v, "std": s}}, KID times 1000.

    Raises:
        TrainError: for other arguments, and for features that are not available.
    """
    if isinstance(scores, str) or not scores:
        raise TrainError(f'scores are a list, such as ["fid", "kid"], got {scores!r}.')
    unknown = [name for name in scores if name not in SCORE_METRICS]
    if unknown:
        raise TrainError(f"There is no score {unknown[0]!r}: choose from {', '.join(SCORE_METRICS)}.")
    try:
        network = open_extractor(extractor, scores, choose_device(device))
    except ValueError as error:
        raise TrainError(f"{error}.") from error
    found, features = _outputs(network, images, "images"), _outputs(network, others, "others")["features"]
    reference = Reference(_statistics(features), features, len(features), "", [])
    return {name: score(name, found, reference) for name in scores}


def _outputs(extractor: Extractor, given: np.ndarray | str | Path, name: str) -> dict[str, np.ndarray]:
    """Return an extractor's outputs for pictures in an array or a folder. Raises TrainError for anything else.

    name: the name of the argument, for messages.
    """
    if isinstance(given, (str, Path)):
        source = ImageFolder(Path(given).expanduser())
        pictures = (np.asarray(opaque(to_8_bits(source.picture(i), 4))) for i in range(len(source)))
        alike = groupby(enumerate(pictures), lambda numbered: (numbered[0] // BATCH, numbered[1].shape))
        runs = (np.stack([picture for _, picture in run]) for _, run in alike)
    elif isinstance(given, np.ndarray) and given.dtype == np.uint8 and given.ndim == 4 and 1 <= given.shape[3] <= 4:
        runs = iter([given] if len(given) else [])
    else:
        found = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
        raise TrainError(f"{name} are uint8 (N, H, W, C) with 1 to 4 channels, or a folder, got {found}.")
    parts = [extractor(run) for run in runs]
    n = sum(len(part["features"]) for part in parts)
    if n < 2:
        raise TrainError(f"A score needs at least two pictures, and {name} are {n}.")
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _network(kind: Any, name: str, layers: list[str]) -> nn.Module:
    """Make an instance of a torch-fidelity class. Its constructor may download weights."""
    return kind(name, layers, verbose=False).eval().requires_grad_(False)
