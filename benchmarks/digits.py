"""Measure whether generated digits are right, and whether they are new: `python -m benchmarks digits REF --data
ylecun/mnist`.

This trains a small classifier on the real training digits and keeps it in the cache. The classifier counts how many
samples show the requested digit. Its features give a Fréchet distance to the training digits. This distance is no FID,
but it ranks samplers and numbers of steps for pictures that Inception was not made for. `python -m train evaluate
--extractor benchmarks.digits:features` uses the same features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

import ddpm_core
from benchmarks._measure import describe
from ddpm_core import imaging
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.imaging.image_files import over_grey
from ddpm_core.runs import make_chain
from train.data.sample import ImageSample
from train.evaluate.features import Extractor, Reference, reference, score

SIZE = 28
DIGITS = tuple(map(str, range(10)))
WAYS = "ddim:50:linspace", "unipc:10:quadratic"
EPOCHS = 20
BATCH = 100
COPIES_SHOWN = 20  # number of samples in the picture of nearest neighbours


class DigitClassifier(nn.Module):
    """A classifier of digits. Input: (N, 1, 28, 28) in [−1, 1]. Output: logits of the classes (N, 10), and features (N,
    128).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 32, 32, 64, 64, 128)
        pools = (False, True, False, True, False)
        layers: list[nn.Module] = []
        for i, pool in enumerate(pools):
            layers += [nn.Conv2d(widths[i], widths[i + 1], 3, padding=1), nn.BatchNorm2d(widths[i + 1]), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] * pool
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the features of digits."""
        features = self.body(x)
        return self.head(features), features


def kept_classifier() -> Path:
    """Return the path of the trained classifier in the cache."""
    return files.cache_folder("digits") / "classifier.safetensors"


def ready_classifier(training: ImageSample | None = None, retrain: bool = False) -> DigitClassifier:
    """Return the classifier of the cache. If the cache has none, or with `retrain`, train it on these digits first.

    Raises FileNotFoundError, which names the command to train a classifier, if there is neither a classifier nor
    training data.
    """
    if training is not None and (retrain or not kept_classifier().is_file()):
        classifier = train_classifier(training.pixels(), training.labels(DIGITS))
        with files.replacing(kept_classifier()) as file:
            file.write(save(classifier.state_dict()))
        load_classifier.cache_clear()
    return load_classifier()


@cache
def load_classifier() -> DigitClassifier:
    """Return the classifier of the cache. Raises FileNotFoundError, which names the command to train a classifier, if
    the cache has none.
    """
    if not kept_classifier().is_file():
        raise FileNotFoundError(
            "there is no classifier of digits yet: python -m benchmarks digits --data DATA makes it"
        )
    classifier = DigitClassifier()
    classifier.load_state_dict(load_file(kept_classifier()))
    return classifier.eval()


def train_classifier(images: np.ndarray, digits: np.ndarray, epochs: int = EPOCHS) -> DigitClassifier:
    """Train a classifier on images, uint8 (N, 28, 28, 1), and their digits, (N,). The images are shifted by up to 2
    pixels.
    """
    torch.manual_seed(0)
    classifier = DigitClassifier()
    x, y = imaging.from_uint8(images), torch.from_numpy(digits)
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    order = torch.cat([torch.randperm(len(x))[: len(x) // BATCH * BATCH] for _ in range(epochs)]).view(steps, BATCH)
    for batch in tqdm(order, "training the classifier", unit="step", leave=False):
        row, column = torch.randint(0, 5, (2,)).tolist()
        shifted = F.pad(x[batch], (2, 2, 2, 2), value=-1)[:, :, row : row + SIZE, column : column + SIZE]
        loss = F.cross_entropy(classifier(shifted)[0], y[batch], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    return classifier.eval()


@torch.inference_mode()
def judge(classifier: DigitClassifier, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classify images of any size, uint8 (N, H, W, C). Return the digits, int64 (N,), and the features, float32 (N,
    128).
    """
    grey = imaging.from_uint8(over_grey(images)).mean(1, keepdim=True)
    if grey.shape[-2:] != (SIZE, SIZE):
        grey = F.interpolate(grey, (SIZE, SIZE), mode="bilinear", antialias=True)
    parts = [classifier(part) for part in grey.split(BATCH)]
    return torch.cat([logits.argmax(1) for logits, _ in parts]).numpy(), torch.cat([f for _, f in parts]).numpy()


def features(images: np.ndarray) -> np.ndarray:
    """Return the features, float32 (N, 128), of images, uint8 (N, H, W, C). `train evaluate --extractor` calls this
    function.
    """
    return judge(load_classifier(), images)[1]


EXTRACTOR = Extractor("benchmarks.digits:features", lambda images: {"features": features(images)})


@dataclass(frozen=True)
class Way:
    """The settings of a sampler, written SAMPLER:STEPS[:SPACING[:VARIANCE]]."""

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Return the arguments of `ddpm_core.sample`. Raises ValueError if the text has another form."""
        sampler, *rest = self.name.split(":")
        if not 1 <= len(rest) <= 3 or not rest[0].isdecimal():
            raise ValueError(f"a way is SAMPLER:STEPS[:SPACING[:VARIANCE]], got {self.name!r}")
        named = dict(zip(("spacing", "variance"), rest[1:], strict=False))
        return {"steps": int(rest[0]), "sampler": sampler, **named}


def samples(model: ddpm_core.Model, way: Way, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample images without guidance. The seeds start at 0, and the classes alternate. Return the images, uint8 (count,
    H, W, C), and the requested digits, (count,).
    """
    labels = np.arange(count) % model.num_classes
    names = model.class_names or tuple(map(str, range(model.num_classes)))
    batches = []
    for first in tqdm(range(0, count, BATCH), way.name, unit="batch", leave=False):
        seeds = range(first, min(first + BATCH, count))
        own = labels[first : first + len(seeds)].tolist()
        batches.append(ddpm_core.sample(model, seeds, labels=own, **way.settings))
    return np.concatenate(batches), np.array([int(names[label]) for label in labels])


def measure(model: ddpm_core.Model, ways: list[Way], count: int, real: Reference) -> Iterator[dict[str, Any]]:
    """Yield for each of `ways` the share of samples that show the requested digit, its standard error, and the Fréchet
    distance.
    """
    for way in ways:
        images, asked = samples(model, way, count)
        found, outputs = judge(load_classifier(), images)
        right = found == asked
        yield {
            "way": way.name,
            "samples": count,
            "right": float(right.mean()),
            "standard_error": float(right.std() / np.sqrt(count)),
            "frechet_distance": score("fid", {"features": outputs}, real)["value"],
        }


def neighbours(images: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 (H, W, C). The first row shows the samples, the second their nearest training digits by
    pixels, the third their nearest by features.
    """

    def nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the index of the nearest row of b for each row of a."""
        rows, others = (torch.from_numpy(x.reshape(len(x), -1).astype(np.float32)) for x in (a, b))
        return torch.cdist(rows, others).argmin(1).numpy()

    rows = images, real[nearest(images, real)], real[nearest(features(images), features(real))]
    return imaging.grid(np.concatenate(rows), columns=len(images))


def main(arguments: list[str]) -> None:
    """Print the results of all checkpoints and settings."""
    parser = Parser(prog="python -m benchmarks digits", description="How many generated digits are right.")
    parser.add_argument("checkpoint", nargs="*", default=["mnist-tiny"], help="embedded names, folders or Hub ids")
    parser.add_argument("--data", default="mnist", help="MNIST: mnist, ylecun/mnist, or a folder of its parquet files")
    parser.add_argument("--ways", nargs="+", default=WAYS, metavar="SAMPLER:STEPS[:SPACING[:VARIANCE]]")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--retrain", action="store_true", help="train the classifier again")
    parser.add_argument("--neighbours", type=Path, help="write a picture of samples and nearest training digits there")
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args(arguments)
    ways = [Way(name) for name in options.ways]
    if options.samples < 2:
        parser.error("--samples must be at least 2")
    models = {ref: ddpm_core.load(ref) for ref in options.checkpoint}
    for model in models.values():
        if not set(model.class_names or map(str, range(model.num_classes))) <= set(DIGITS):
            parser.error("the checkpoint's classes must be digits")
        for way in ways:
            try:
                make_chain(model, **way.settings)
            except ValueError as error:
                parser.error(str(error))

    training, test = (ImageSample(options.data, split, SIZE, channels=1) for split in ("train", "test"))
    digits = test.labels(DIGITS)
    found = judge(ready_classifier(training, options.retrain), test.pixels())[0]
    real = reference(EXTRACTOR, training)
    report = {
        "machine": describe(torch.device("cpu")),
        "classifier": {"right": float((found == digits).mean()), "test_digits": len(found)},
        "results": [],
    }
    print(json.dumps({name: report[name] for name in ("machine", "classifier")}, indent=1))
    for ref, model in models.items():
        for result in measure(model, ways, options.samples, real):
            report["results"].append({"checkpoint": ref, **result})
            print(json.dumps(report["results"][-1]), flush=True)
            if options.json:
                files.write_json(options.json, report)
    if options.neighbours:
        images, _ = samples(next(iter(models.values())), ways[0], COPIES_SHOWN)
        Image.fromarray(neighbours(images, training.pixels()).squeeze()).save(options.neighbours)
