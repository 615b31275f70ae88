"""What the Likelihood tab can be asked to measure: checked values, and the script that repeats it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ddpm_core.model import ModelSpec
from ddpm_core.names import LEARNED, Variance
from ui.export.scripts import reference
from ui.runs.parameters import Choice, Whole
from ui.runs.settings import Settings
from ui.sets import PictureSet, set_for
from ui.tabs.latents import pixels

MOST = 64  # pictures of a set
LABELS = ("classes", "none")  # each picture's own class, or none
STEPS = (10, 20, 50, 100)  # of the shorter chains that are measured beside the full one


@dataclass(frozen=True)
class Wanted:
    """picture: as `pixels.to_text` writes it, "" for the first `count` pictures of the shipped set. labels: of LABELS,
    for a set; an own picture has the class `settings.label`.
    """

    settings: Settings
    picture: str
    count: int
    labels: str

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Wanted:
        """Raises ValueError, with one sentence, for the first value that is not possible for any model."""
        chain = {name: values[name] for name in ("checkpoint", "label") if name in values}
        return cls(
            settings=Settings.check({**chain, "steps": 1, "clip": None, "count": 1}),  # its steps are not used
            picture=str(values.get("picture") or ""),
            count=Whole("The number of pictures", 1, MOST).check(values.get("count", 8)),
            labels=Choice("kind of labels", LABELS).check(values.get("labels", LABELS[0])),
        )

    def pictures(self, model: ModelSpec) -> tuple[np.ndarray, list[int] | None]:
        """uint8 (N, H, W, C), and the label of each; None for no labels, which is the null label where there is one.

        Raises ValueError where there are none for this model.
        """
        label = self.settings.arguments(model)["labels"]
        if self.picture:
            return pixels.from_text(self.picture, model), None if label is None else [label]
        found = self.set(model)
        labels = found.labels_for(model) if self.labels == "classes" else None
        return found.images[: self.count], None if labels is None else list(labels[: self.count])

    def set(self, model: ModelSpec) -> PictureSet:
        found = set_for(model)
        if found is None:
            size = f"{model.image_size}×{model.image_size} pixels in {model.channels} channels"
            raise ValueError(f"No pictures of {size} come with the page: choose one of your own")
        return found

    def is_cifar10(self, model: ModelSpec) -> bool:
        """Whether the paper's numbers for CIFAR-10 belong beside this."""
        return not self.picture and self.set(model).name == "cifar10" and model.schedule.T == 1000


def variances(model: ModelSpec) -> list[Variance]:
    """Those whose bound is measured, the one that the network is evaluated for first.

    With a learned variance or μ̃-prediction each would need evaluations of its own (likelihood.rechain).
    """
    if model.variance in LEARNED or model.prediction == "mu":
        return [model.variance]
    return ["beta_tilde", "beta", *(["analytic"] if model.gamma is not None else [])]


def lengths(model: ModelSpec) -> list[int]:
    """Steps of the chains that follow from the full one, without it."""
    T = model.schedule.T
    return [n for n in STEPS if n < T] if len(variances(model)) > 1 else []


def python(wanted: Wanted, model: ModelSpec) -> str:
    """A script that measures the same with ddpm_core."""
    images, labels = wanted.pictures(model)
    ref = reference(wanted.settings, model)
    lines = ["import numpy as np", "", "import ddpm_core", "from ddpm_core.likelihood import rechain", ""]
    lines += [f"model = ddpm_core.load({ref!r})"]
    if wanted.picture:
        lines[:0] = ["import base64", "import zlib", ""]
        lines += [f'pixels = bytearray(zlib.decompress(base64.urlsafe_b64decode("{wanted.picture}")))']
        lines += [f"images = np.frombuffer(pixels, np.uint8).reshape{images.shape}"]
    else:
        lines += _of_set(wanted.set(model), len(images))
    first, *others = variances(model)
    T = model.schedule.T
    lines += [f"full = ddpm_core.bits_per_dim(model, images, {first!r}, labels={labels!r})"]
    lines += [f"print({first!r}, {T}, *full.total.tolist())"]
    chains: Sequence[tuple[Variance, int]] = [(name, T) for name in others]
    chains = [*chains, *((name, n) for name in (first, *others) for n in lengths(model))]
    if chains:
        lines += [f"for variance, steps in {chains!r}:"]
        lines += ['    bound = rechain(full, model, images, variance, steps, "linspace")']
        lines += ["    print(variance, steps, *bound.total.tolist())"]
    else:
        lines.remove("from ddpm_core.likelihood import rechain")
    return "\n".join(lines) + "\n"


def _of_set(found: PictureSet, n: int) -> list[str]:
    size, channels = found.images.shape[1], found.images.shape[3]
    return [
        "from PIL import Image",
        "",
        f'grid = np.asarray(Image.open("ui/sets/{found.name}.png"))  # in a checkout of DDPM Lab',
        f"rows = grid.reshape(-1, {size}, 10, {size}, {channels}).swapaxes(1, 2)",
        f"images = rows.reshape(-1, {size}, {size}, {channels})[:{n}]",
    ]
