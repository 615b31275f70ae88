"""What a visitor can choose for a training, and the flags of `train fit` that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train import TrainError
from train.command_line import user_path
from train.data.sources import ImageSource, open_source

PRESET = "mnist-tiny"
BATCH = 64  # images a step, as in the preset
WARMUP = 50  # steps; the preset's 200 are a fifth of a short run
SAMPLES = 20  # of a grid; for classes, as many rows as are full
SAMPLE_STEPS = 10
SAMPLE_SECONDS = 4.0
LOG_EVERY = 2
CHECKPOINT_EVERY = 100
# Lognormal t where a digit's shape is decided. The preset also learns lower noise, for details that a short run does
# not reach. Other pictures keep the preset's t, as their shapes may form elsewhere.
DIGITS_FORM = ("--log-sigma-mean", "0.4", "--log-sigma-std", "1.1")
LOOKED_AT = 20  # pictures, to find one that can be read
OWN_SIZE = 32  # pixels, of pictures that are larger than the digits


@dataclass(frozen=True)
class Option:
    """name: in messages; label, sentence: for the visitor; flags: of `train fit`; short: in the name of a run."""

    name: str
    label: str
    sentence: str
    flags: tuple[str, ...] = ()
    short: str = ""


@dataclass(frozen=True)
class Group:
    """A choice of one option; the first one stands at the start, or the one named by `first`."""

    name: str
    label: str
    options: tuple[Option, ...]
    first: str

    def option(self, name: object) -> Option:
        """Raises ValueError for a name that is not among the options."""
        for option in self.options:
            if option.name == name:
                return option
        raise ValueError(f"{self.label}: choose from {', '.join(option.label for option in self.options)}")


DATA = Group(
    "data",
    "Pictures",
    (
        Option(
            "digits",
            "3,000 digits",
            "Handwritten, of MNIST; they come with the lab.",
            ("--data", "digits", "--sample-count", str(SAMPLES), *DIGITS_FORM),
        ),
        Option("own", "My own", "A folder of images on this computer, or a data set."),
    ),
    "digits",
)
GROUPS = (
    Group(
        "prediction",
        "The network predicts",
        (
            Option(
                "v",
                "v",
                "A mix of noise and picture, √ᾱ ε − √(1−ᾱ) x₀, that is as easy at every t.",
                ("--prediction", "v"),
                "v",
            ),
            Option(
                "epsilon",
                "ε, the noise",
                "As in the paper. At large t a small error of ε is a large one of x̂₀.",
                ("--prediction", "epsilon"),
                "ε",
            ),
        ),
        "v",
    ),
    Group(
        "objective",
        "Loss, and the t it is taken at",
        (
            Option(
                "lognormal",
                "Plain, t where shapes form",
                "L_simple. log σ_t is drawn from a normal distribution (Karras et al. 2022).",
                ("--loss", "simple", "--times", "lognormal"),
                "lognormal t",
            ),
            Option(
                "uniform",
                "Plain, every t alike",
                "L_simple as in the paper (Eq. 14). At half of the t there is almost only noise.",
                ("--loss", "simple", "--times", "uniform"),
                "uniform t",
            ),
            Option(
                "min_snr",
                "Weighted, every t alike",
                "L_simple, with the error of x₀ weighted by the signal-to-noise ratio up to 5 (Hang et al. 2023).",
                ("--loss", "simple", "--times", "uniform", "--min-snr", "5"),
                "min-SNR",
            ),
            Option(
                "vlb",
                "The bound, every t alike",
                "L (Eq. 5), for the likelihood. It cares most for small t, where details are; shapes come later.",
                ("--loss", "vlb", "--times", "uniform"),
                "bound",
            ),
        ),
        "lognormal",
    ),
    Group(
        "lr",
        "Learning rate",
        (
            Option("low", ".0005", "Small steps: safe, and slower.", ("--lr", "5e-4"), "lr .0005"),
            Option("middle", ".002", "As for the embedded digits model.", ("--lr", "2e-3")),
            Option("high", ".008", "Large steps: faster at first, and restless.", ("--lr", "8e-3"), "lr .008"),
        ),
        "middle",
    ),
    Group(
        "width",
        "Width of the network",
        (
            Option(
                "narrow",
                "8 16 32",
                "A quarter of the weights: quicker, coarser.",
                ("--widths", "8", "16", "32"),
                "narrow",
            ),
            Option("middle", "16 32 64", "The embedded digits model: 700,000 weights.", ("--widths", "16", "32", "64")),
            Option(
                "wide",
                "32 64 128",
                "Four times the weights: better, and slower.",
                ("--widths", "32", "64", "128"),
                "wide",
            ),
        ),
        "middle",
    ),
    Group(
        "length",
        "Length",
        (
            Option("short", "64,000 images", "Digits that can be read.", ("--steps", "1000")),
            Option("middle", "192,000 images", "Good digits, in three times the time.", ("--steps", "3000")),
            Option("long", "640,000 images", "The preset's length.", ("--steps", "10000")),
        ),
        "short",
    ),
)


def groups(public: bool) -> list[dict[str, Any]]:
    """The groups for the page. public: strangers use it, so there is no choice of files on this machine."""
    return [
        {
            "name": group.name,
            "label": group.label,
            "first": group.first,
            "options": [{"name": o.name, "label": o.label, "sentence": o.sentence} for o in group.options],
        }
        for group in (*(() if public else (DATA,)), *GROUPS)
    ]


def title(chosen: Mapping[str, object]) -> str:
    """What a run is called: "v, lognormal t", with all that is not as usual."""
    options = [group.option(chosen.get(group.name, group.first)) for group in GROUPS]
    data = [] if chosen.get("data", DATA.first) == DATA.first else ["own pictures"]
    return ", ".join([option.short for option in options if option.short] + data)


def flags(chosen: Mapping[str, object], public: bool) -> list[str]:
    """The flags of `train fit` for a visitor's choices, but for those of the machine and the folder.

    Raises ValueError, with one sentence, for a choice that is not offered, and TrainError for pictures that can't be
    had.
    """
    words = ["--config", PRESET]
    for group in GROUPS:
        words += group.option(chosen.get(group.name, group.first)).flags
    words += ["--batch", str(BATCH), "--warmup", str(WARMUP), "--log-every", str(LOG_EVERY)]
    words += ["--checkpoint-every", str(CHECKPOINT_EVERY), "--sample-every", "0", "--sample-steps", str(SAMPLE_STEPS)]
    words += ["--sample-seconds", f"{SAMPLE_SECONDS:g}"]
    data = DATA.option(DATA.first if public else chosen.get("data", DATA.first))
    if data.name != "own":
        return [*words, *data.flags]
    path = str(chosen.get("path") or "").strip()
    if not path:
        raise ValueError("Say which pictures: a folder, a .parquet or .npz file, or a data set such as cifar10")
    return words + _own(path)


def _own(data: str) -> list[str]:
    """The flags for a visitor's own pictures."""
    source, place = open_source(data), user_path(data)
    # The trainer works in another folder.
    words = [
        "--data",
        str(place.resolve()) if place.exists() else data,
        "--channels",
        "None",
        "--sample-count",
        str(_count(source)),
    ]
    if not source.classes:
        words.append("--no-conditional")
    if _is_large(source):
        words += ["--image-size", str(OWN_SIZE), "--attention", str(OWN_SIZE // 4)]
    return words


def _count(source: ImageSource) -> int:
    """Images of a grid: full rows of one image for each class, where there are few."""
    classes = len(source.classes or ())
    return SAMPLES // classes * classes if 0 < classes <= SAMPLES else SAMPLES


def _is_large(source: ImageSource) -> bool:
    """Whether pictures are larger than digits, by the first one that can be read."""
    for i in range(min(len(source), LOOKED_AT)):
        try:
            return min(source.picture(i).size) > 28
        except Exception:  # Pillow raises many kinds for broken files
            continue
    raise TrainError(f"None of the pictures of {source.description} can be read")
