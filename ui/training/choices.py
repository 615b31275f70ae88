"""What a visitor can choose for a training, and the flags of `train fit` that it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from train import TrainError
from train.common.command_line import user_path
from train.data.sources import HUB_ID, SHIPPED, TORCHVISION, ImageSource, open_source
from ui.forms.fields import SET, Choice, Request, Text, declare, near

PRESET = "mnist-tiny"
INIT = "mnist-tiny"  # whose weights learn drawings, which are lines as digits are
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
DRAWN_STEPS = 320  # 20,000 images: two minutes of two quiet cores
LOOKED_AT = 20  # pictures, to find one that can be read
COUNTED = 10_000  # pictures of a folder, at most, before a training
PATIENCE = 2.0  # seconds to look for them
SMALL, OWN_SIZE = 28, 32  # pixels: pictures larger than the digits are learned at OWN_SIZE


@dataclass(frozen=True)
class Option:
    """title, sentence: for the visitor; flags: of `train fit`; short: in the name of a run."""

    title: str
    sentence: str
    flags: tuple[str, ...] = ()
    short: str = ""


OPTIONS: dict[str, dict[str, Option]] = {
    "data": {
        "digits": Option(
            "3,000 digits",
            "Handwritten digits of MNIST, which come with the lab.",
            ("--data", "digits", "--sample-count", str(SAMPLES), *DIGITS_FORM),
        ),
        "own": Option("My own", "What you draw, or pictures that you have.", short="own pictures"),
    },
    "prediction": {
        "v": Option(
            "a mix, v",
            "A mixture of noise and picture, √ᾱ ε − √(1−ᾱ) x₀. It is about equally hard to predict at every t.",
            ("--prediction", "v"),
            "v",
        ),
        "epsilon": Option(
            "the noise, ε",
            "As in the paper. At large t, a small error in ε is a large error in x̂₀.",
            ("--prediction", "epsilon"),
            "ε",
        ),
    },
    "objective": {
        "lognormal": Option(
            "Plain, t where shapes form",
            "The squared error, mostly at levels of noise where shapes are decided (Karras et al. 2022).",
            ("--loss", "simple", "--times", "lognormal"),
            "lognormal t",
        ),
        "uniform": Option(
            "Plain, every t alike",
            "The squared error, as in the paper (Eq. 14). At half of the t there is almost only noise.",
            ("--loss", "simple", "--times", "uniform"),
            "uniform t",
        ),
        "min_snr": Option(
            "Weighted, every t alike",
            "The squared error of x̂₀, weighted by the signal-to-noise ratio, up to 5 (Hang et al. 2023).",
            ("--loss", "simple", "--times", "uniform", "--min-snr", "5"),
            "min-SNR",
        ),
        "vlb": Option(
            "The bound, every t alike",
            "The bound of the likelihood, L (Eq. 5). Small t count most, where details are; shapes come later.",
            ("--loss", "vlb", "--times", "uniform"),
            "bound",
        ),
    },
    "lr": {
        "low": Option(".0005", "Small steps: safe, and slower.", ("--lr", "5e-4"), "lr .0005"),
        "middle": Option(".002", "As for the embedded digits model.", ("--lr", "2e-3")),
        "high": Option(".008", "Large steps: faster at first, less steady.", ("--lr", "8e-3"), "lr .008"),
    },
    "width": {
        "narrow": Option(
            "8 16 32", "A quarter of the weights: quicker, coarser.", ("--widths", "8", "16", "32"), "narrow"
        ),
        "middle": Option("16 32 64", "The embedded digits model: 700,000 weights.", ("--widths", "16", "32", "64")),
        "wide": Option(
            "32 64 128", "Four times the weights: better, and slower.", ("--widths", "32", "64", "128"), "wide"
        ),
    },
    "length": {
        "short": Option("64,000 images", "You can read the digits.", ("--steps", "1000")),
        "middle": Option("192,000 images", "The digits are good. It takes three times as long.", ("--steps", "3000")),
        "long": Option("640,000 images", "The preset trains for this long.", ("--steps", "10000")),
    },
}


def _choice(name: str, title: str, label: str, more: bool = False) -> Choice:
    options = OPTIONS[name]
    titles = {name: option.title for name, option in options.items()}
    sentences = {name: option.sentence for name, option in options.items()}
    return Choice(title, label, more=more, names=tuple(options), titles=titles, sentences=sentences)


@dataclass(frozen=True)
class Recipe(Request):
    """What is trained on what. path: own pictures, a folder or a data set."""

    data: str = declare(_choice("data", "kind of pictures", "Pictures"), "digits")
    path: str = declare(
        Text("path", "Folder or data set", placeholder="a folder, .parquet, .npz, or cifar10"),
        "",
        shown_if=[{"data": "own"}],
    )
    prediction: str = declare(_choice("prediction", "prediction", "The network predicts"), "v")
    objective: str = declare(_choice("objective", "loss", "Loss, and how t is drawn"), "lognormal")
    length: str = declare(_choice("length", "length", "Length"), "short", shown_if=[{"data": "digits"}, {"path": SET}])
    lr: str = declare(_choice("lr", "learning rate", "Learning rate", more=True), "middle")
    width: str = declare(_choice("width", "width", "Width of the network", more=True), "middle")

    @property
    def options(self) -> dict[str, Option]:
        """What is chosen."""
        return {name: options[getattr(self, name)] for name, options in OPTIONS.items()}

    @property
    def draws(self) -> bool:
        """Whether it learns what the visitor has drawn."""
        return self.data == "own" and not self.path

    @property
    def title(self) -> str:
        """What a run is called: "v, lognormal t", with all that is not as usual."""
        data, *others = self.options.values()
        return ", ".join(option.short for option in (*others, data) if option.short)


def flags(recipe: Recipe) -> list[str]:
    """The flags of `train fit` for a visitor's choices, but for those of the machine, the folder and its drawings.

    Raises TrainError for pictures that can't be had, and ValueError for a folder of another machine.
    """
    words = ["--config", PRESET]
    for name, option in recipe.options.items():
        words += option.flags if name != "length" or not recipe.draws else ("--steps", str(DRAWN_STEPS))
    words += ["--batch", str(BATCH), "--warmup", str(WARMUP), "--log-every", str(LOG_EVERY)]
    words += ["--checkpoint-every", str(CHECKPOINT_EVERY), "--sample-every", "0", "--sample-steps", str(SAMPLE_STEPS)]
    words += ["--sample-seconds", f"{SAMPLE_SECONDS:g}"]
    if recipe.data != "own":
        return words
    if recipe.path:
        return words + _own(near(recipe.path))
    words += ["--no-conditional", "--sample-count", str(SAMPLES), *DIGITS_FORM]
    is_that_of_init = (recipe.prediction, recipe.width) == ("v", "middle")
    return [*words, "--init", INIT] if is_that_of_init else words


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
    if not source.classes or -1 in (source.labels or ()):
        words.append("--no-conditional")
    if min(_size(source)) > SMALL:
        words += ["--image-size", str(OWN_SIZE), "--attention", str(OWN_SIZE // 4)]
    return words


def _count(source: ImageSource) -> int:
    """Images of a grid: full rows of one image for each class, where there are few."""
    classes = len(source.classes or ())
    return SAMPLES // classes * classes if 0 < classes <= SAMPLES else SAMPLES


def _size(source: ImageSource) -> tuple[int, int]:
    """Width and height of the first picture that can be read. Raises TrainError where none can."""
    for i in range(min(len(source), LOOKED_AT)):
        try:
            return source.picture(i).size
        except Exception:  # Pillow raises many kinds for broken files
            continue
    raise TrainError(f"None of the pictures of {source.description} can be read")


def pictures_in(path: object) -> str:
    """Say how many pictures a file or folder has, and the size of the first: "40 pictures found, 80×60".

    Of a folder with more than COUNTED pictures, or that takes longer than PATIENCE: "more than 10,000 pictures found".
    Returns "" for the name of a data set: opening it could download gigabytes. Raises TrainError and ValueError, as
    `flags` does.
    """
    text = near(path).strip()
    named = not text or text in (*TORCHVISION, *SHIPPED) or HUB_ID.fullmatch(text)
    if named and not (text and user_path(text).exists()):
        return ""
    source = open_source(text, most=COUNTED, seconds=PATIENCE)
    (width, height), count = _size(source), len(source)
    more = "" if source.is_all else "more than "
    return f"{more}{count:,} picture{'s' if count > 1 else ''} found, {width}×{height}"
