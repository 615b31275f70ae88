"""The presets, and the configuration of a run: groups of fields, which are the flags of `python -m train fit`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_type_hints

import tyro

from ddpm_core.commands.reading import Unset
from ddpm_core.commands.values import convert, near
from ddpm_core.names import Loss, OwnVariance, Prediction
from train import TrainError
from train.common.command_line import flag

PresetName = Literal[
    "cifar10",
    "cifar10-conditional",
    "cifar10-tiny",
    "mnist-tiny",
    "emoji-tiny",
    "celebahq-256",
    "lsun-bedroom-256",
    "lsun-church-256",
    "lsun-cat-256",
]


PYTHON = "python:"  # prefix of the text that replaces a Python object in a checkpoint and a model card


@dataclass(frozen=True, eq=False)
class OwnData:
    """Images that a Python program passes as an object: see `train.data.objects`."""

    value: Any

    def __str__(self) -> str:
        """Return the text that replaces the object in a checkpoint and a model card, such as "python:list"."""
        kind = type(self.value)
        return f"{PYTHON}{kind.__name__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'}"


@dataclass(frozen=True)
class Run:
    """The settings of every run."""

    out: str = "runs/cifar10"
    """Folder of the run: checkpoints/, samples/, logs/ (TensorBoard) and model/ (the result, in the Hub's layout)."""
    resume: bool = False
    """Continue the run in --out where it stopped. Its configuration gives every other flag its default."""
    seed: int = 0
    """Decides the initial weights, the order of the images and every random draw."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: a GPU if there is one; cuda or mps (Apple's): no run without it. For several GPUs: accelerate launch -m
    train fit ..., or torchrun."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp64"] = "auto"
    """Arithmetic of the network. Weights, loss and optimiser are float32 except with fp64. auto: on CUDA bf16, or fp16
    before compute capability 8; fp32 elsewhere."""
    channels_last: bool = False
    """Keep images with the channels innermost in memory. On CUDA in bf16 or fp16, this is always so."""
    compile: bool = False
    """Compile the network with torch.compile (needs a C++ compiler; some minutes at the start)."""
    threads: int | None = None
    """CPU threads. None: torch's choice. A resumed run repeats exactly only with the same number of threads."""


@dataclass(frozen=True)
class Data:
    """The images for the training."""

    data: Annotated[str | OwnData, tyro.conf.arg(constructor=str)] = ""
    """The images to train on: a folder of images (with or without class folders; hidden folders and __MACOSX don't
    count), a folder or file of parquet, an .npz file (images and, for classes, labels), an LSUN database folder
    (..._lmdb), a Hub data set "owner/name", "digits" (3,000 digits of MNIST that come with the library; their
    split test has 1,000 others), or "cifar10" or "mnist" (from torchvision, downloaded to --data-cache)."""
    split: str = "train"
    """Split of a parquet or Hub data set, of digits, cifar10 and mnist."""
    data_cache: str | None = None
    """The folder for torchvision's downloads. None: your cache folder."""
    flip: bool = True
    """Mirror every second image at random."""
    memory: float = 4.0
    """Data sets of up to this many GB of pixels are decoded once and kept in memory; others stream from disk."""
    workers: int = 0
    """Processes that read images ahead. 0: the training process reads them, as it always does with a stream."""


@dataclass(frozen=True)
class Optimiser:
    """The optimisation."""

    steps: int = 800_000
    """Optimiser steps in all."""
    batch: int = 128
    """Images a step, over all processes and accumulation rounds."""
    accumulate: int = 1
    """Compute each step's batch in this many rounds, to save memory."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """Adam (the paper), AdamW, or Muon for the matrices and AdamW for the rest."""
    lr: float = 2e-4
    """Learning rate."""
    weight_decay: float = 0.0
    """Decay of the weights (--optimizer adamw or muon)."""
    warmup: int = 5000
    """Steps over which the learning rate rises linearly."""
    lr_decay: Literal["none", "cosine", "linear"] = "none"
    """After the warm-up: constant (the paper), or down to 0 at --steps, along a half cosine or a line."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.9999
    """Decay of the weights' moving average. It warms up: at update n it is min(this, (1 + n)/(10 + n))."""


@dataclass(frozen=True)
class Output:
    """The output during a run."""

    log_every: int = 50
    """Steps between two points of the curves."""
    checkpoint_every: int = 1000
    """Steps between two checkpoints; the last two are kept."""
    sample_every: int = 5000
    """Steps between two sample grids. 0: none."""
    tracker: Literal["auto", "tensorboard", "wandb", "none"] = "auto"
    """The program that gets curves and grids: TensorBoard (OUT/logs), or Weights & Biases (log in first: wandb login).
    auto: TensorBoard if it is installed."""
    sample_count: int = 64
    """Images of a sample grid. A short run draws fewer, at least 8, so that grids take only a tenth of the work."""


@dataclass(frozen=True)
class OfDenoisers:
    """Settings of denoisers only, for `fit` and `distill`."""

    ema2: float | None = None
    """Decay of a second moving average, with the same warm-up, stored in model-ema2/. None: no second average."""
    ema_snapshots: int = 0
    """Keep this many snapshots of two power-function averages of the weights in snapshots/, evenly over --steps.
    `python -m train average` makes an average of any length of them. On disk, each takes twice the size of the weights.
    0: none."""
    fused: bool = False
    """On a CPU, in fp32 or bf16: normalise and activate in one pass of code that is compiled at the first start (needs
    a C++ compiler). Needs --channels-last."""
    sample_seconds: float = 0.0
    """Also draw sample grids every this many seconds, the first before the first step, but for at most a tenth of the
    time. 0: none."""


@dataclass(frozen=True)
class Network:
    """The U-Net."""

    widths: tuple[int, ...] = (128, 256, 256, 256)
    """Channels of the U-Net at each resolution, from the full one downwards."""
    blocks: int = 2
    """Residual blocks a resolution."""
    attention: tuple[int, ...] = (16,)
    """Resolutions with self-attention, in pixels."""
    norm_groups: int = 32
    """Groups of the group normalisation; every width must be a multiple of it."""
    dropout: float = 0.1
    """Dropout in residual blocks."""


@dataclass(frozen=True)
class Words:
    """The settings for models that take words."""

    captions: bool = False
    """Train with the images' captions, so that words say what to draw. Captions are in a folder's metadata.jsonl (lines
    with file_name and text), or in a column text or caption of parquet and Hub data sets. Needs transformers."""
    text: str | None = None
    """Take the text encoder and its tokenizer from this checkpoint (embedded name, folder or Hub id), and leave them as
    they are (--captions). None: a text encoder like CLIP's, of the sizes below, is trained with the network."""
    text_width: int = 192
    """Width of the text encoder (--captions)."""
    text_layers: int = 3
    """Layers of the text encoder (--captions)."""
    text_length: int = 20
    """Tokens of a caption; two of them mark its ends (--captions)."""
    text_rate: float = 0.25
    """Learning rate of the text encoder's layers, as a multiple of --lr (--captions)."""
    token_rate: float = 3.0
    """Learning rate of the words' embeddings, as a multiple of --lr (--captions)."""


@dataclass(frozen=True)
class Process:
    """The forward process and the loss."""

    T: int = 1000
    """Steps of the forward process."""
    schedule: Literal["linear", "cosine", "quadratic", "flow"] | str = "linear"
    """Noise schedule; flow: τ of a rectified flow rises linearly. Or your own, as module:function: a function of T that
    returns a NoiseSchedule."""
    beta_start: float = 1e-4
    """β_1 of the linear and the quadratic schedule."""
    beta_end: float = 0.02
    """β_T of the linear and the quadratic schedule."""
    prediction: Prediction = "epsilon"
    """The network's output. flow: ε − x_0 of (1 − τ) x_0 + τ ε, with τ/(1 − τ) = σ_t (flow matching)."""
    flow_time: float = 1000.0
    """--prediction flow: the network gets τ times this number. 1000 suits a network that embeds its time as t − 1."""
    loss: Loss = "simple"
    """L_simple (Eq. 14), the variational bound (Eq. 5), or L_simple + 0.001 L_vlb (Improved DDPM, Eq. 16)."""
    variance: OwnVariance = "beta"
    """Reverse variance σ². The learned ones need --loss vlb or hybrid."""
    times: Literal["uniform", "lognormal"] = "uniform"
    """How t is drawn. uniform: every t with the same probability (the paper). lognormal: log σ_t is normal, with σ_t² =
    (1 − ᾱ_t)/ᾱ_t (Karras et al. 2022)."""
    log_sigma_mean: float = -1.2
    """Mean of log σ_t (--times lognormal)."""
    log_sigma_std: float = 1.2
    """Standard deviation of log σ_t (--times lognormal)."""
    min_snr: float | None = None
    """Weight L_simple so that the error of x_0 has the weight min(SNR, this) at every t. None: the paper's plain
    L_simple."""
    loss_weight: Unset[str] = None
    """Weight L_simple by your own function, as module:function. It gets the schedule and the times t = 1..T, and
    returns a weight for each."""


_types = cache(get_type_hints)


def _own_data(value: Any) -> OwnData:
    """Wrap an object that holds images. Raises TrainError for an object that is neither indexable nor iterable."""
    if isinstance(value, OwnData):
        return value
    if not hasattr(value, "__iter__") and not (hasattr(value, "__getitem__") and hasattr(value, "__len__")):
        kind = type(value).__name__
        raise TrainError(f"--data must be a text, a path, an array, a list, a data set or an iterable, got {kind}.")
    return OwnData(value)


def convert_fields(kind: type[Config], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a configuration as plain values of their types, which a checkpoint can hold.

    Raises TrainError for an unknown field and for a value of another type; the message suggests the nearest name or
    choice.
    """
    types, plain = _types(kind), {}
    known = {field.name for field in fields(kind)}
    for name, value in values.items():
        if name not in known:
            meant = near(name, known)
            end = f"did you mean {meant}?" if meant else f"`python -m train {kind.command} --help` lists them."
            raise TrainError(f"A configuration has no field {name!r}: {end}")
        if name == "data" and not isinstance(value, (str, os.PathLike)):
            plain[name] = _own_data(value)
            continue
        try:
            plain[name] = convert(types[name], value)
        except ValueError as error:
            raise TrainError(f"{flag(name)} {error}") from None
    return plain


@dataclass(frozen=True)
class Config(Process, Words, Network, OfDenoisers, Output, Optimiser, Data, Run):
    """A run of `train fit`: all settings of a denoiser's training.

    The constructor converts each value to its field's type, see `convert_fields`. Raises TrainError where this fails.
    """

    command: ClassVar[str] = "fit"  # the command of `python -m train` that this configuration belongs to

    config: PresetName = "cifar10"
    """The preset that gives every other flag its default."""
    init: Unset[str] = None
    """Start from a checkpoint: embedded name, folder (also a run's) or Hub id. It gives the weights, the architecture
    and the noise schedule; no flag may contradict these. It also gives the defaults of --image-size, --conditional,
    --prediction and --variance. A run without classes uses the model as it is without a label."""
    image_size: int = 32
    """Size of the images in pixels: they are resized (shorter side) and cropped at the centre."""
    channels: int | None = None
    """Channels of an image: 1 grey, 3 colours, 2 or 4 with transparency. None: 1 if all images are grey, else 3."""
    conditional: bool = False
    """Train with class labels, so that you can choose a class when you sample."""
    label_dropout: float = 0.1
    """Share of images without their label (--conditional) or caption (--captions). Guidance needs this."""
    decoder: Unset[str] = None
    """Train in the latents of this autoencoder: the model/ folder of `train autoencoder`, or the vae/ folder of a
    checkpoint. The images' latents are computed once and kept in --out."""
    sample_steps: int = 50
    """DDIM steps of a sample grid."""

    def __post_init__(self) -> None:
        """Convert each value to its field's type."""
        for name, value in convert_fields(type(self), vars(self)).items():
            object.__setattr__(self, name, value)

    @classmethod
    def flags(cls) -> type:
        """Return the class whose fields are the flags of the command."""
        return cls

    def origin(self) -> tuple[list[str], dict[str, Any]]:
        """Return the first words of the command that starts such a run, and the field values that they imply.

        With `init`, the checkpoint fixes the fields of OF_NETWORK and OF_SCHEDULE, so they count as implied. The
        checkpoint gives only defaults for the fields of OF_INIT, so these fields do not count as implied.
        """
        known = to_dict(PRESETS[self.config])
        if self.init is not None:
            known |= {name: getattr(self, name) for name in (*OF_NETWORK, *OF_SCHEDULE)}
            known = {name: value for name, value in known.items() if name not in OF_INIT}
        return ["fit", "--config", self.config], known


# --init fixes the network and the noise schedule. For the fields of OF_INIT, the checkpoint only gives the defaults.
OF_NETWORK = ("widths", "blocks", "attention", "norm_groups", "channels")
OF_SCHEDULE = ("T", "schedule", "beta_start", "beta_end")
OF_INIT = ("image_size", "conditional", "label_dropout", "decoder", "prediction", "variance", "loss")


_CIFAR10 = Config(data="cifar10")
_TINY = replace(  # our own recipe for short training on a CPU
    _CIFAR10,
    conditional=True,
    dropout=0.0,
    prediction="v",
    times="lognormal",
    log_sigma_mean=-0.8,
    log_sigma_std=1.4,
    variance="beta_tilde",  # suits sampling in few steps
    optimizer="muon",
    lr=2e-3,
    warmup=200,
    lr_decay="cosine",
    ema=0.999,
    batch=64,
    steps=20_000,
)
_AT_256 = replace(
    _CIFAR10,
    data="",
    image_size=256,
    widths=(128, 128, 256, 256, 512, 512),
    dropout=0.0,
    variance="beta_tilde",
    batch=64,
    lr=2e-5,
    workers=8,
    sample_count=16,
)
# The paper's values (Appendix B), except for the labels of cifar10-conditional and the presets that end in -tiny.
_NAMED: dict[PresetName, Config] = {
    "cifar10": _CIFAR10,
    "cifar10-conditional": replace(_CIFAR10, conditional=True),
    "cifar10-tiny": replace(_TINY, widths=(32, 96, 192), attention=(8,), norm_groups=16),
    "mnist-tiny": replace(
        _TINY,
        data="mnist",
        image_size=28,
        channels=1,
        flip=False,
        widths=(16, 32, 64),
        blocks=1,
        attention=(7,),
        norm_groups=8,
        steps=10_000,
    ),
    "emoji-tiny": replace(
        _TINY,
        data="",
        image_size=64,
        channels=3,
        flip=False,
        conditional=False,
        captions=True,
        decoder="runs/autoencoder/model",
        widths=(128, 192),
        blocks=1,
        attention=(8,),
        norm_groups=16,
        schedule="cosine",
        log_sigma_mean=0.8,  # more noise: at high noise levels the network decides what a picture shows
        batch=96,
        steps=6000,
        lr_decay="linear",
        ema=0.997,
        sample_count=16,
        sample_steps=20,
    ),
    "celebahq-256": replace(_AT_256, steps=500_000),
    "lsun-bedroom-256": replace(_AT_256, steps=2_400_000, flip=False),
    "lsun-church-256": replace(_AT_256, steps=1_200_000),
    "lsun-cat-256": replace(_AT_256, steps=1_800_000),
}
PRESETS: dict[str, Config] = {name: replace(preset, config=name, out=f"runs/{name}") for name, preset in _NAMED.items()}


# All versions write the fields in this order, so that the same configuration always gives the same card and checkpoint.
_ORDER = """
    config data out resume init seed split data_cache image_size channels flip conditional label_dropout captions
    decoder memory workers widths blocks attention norm_groups dropout text text_width text_layers text_length
    text_rate token_rate T schedule beta_start beta_end prediction flow_time loss variance times log_sigma_mean
    log_sigma_std min_snr loss_weight steps batch accumulate optimizer lr weight_decay warmup lr_decay clip ema ema2
    ema_snapshots device precision channels_last compile fused threads tracker log_every checkpoint_every sample_every
    sample_seconds sample_count sample_steps
""".split()  # noqa: SIM905 (a list of strings would take 63 lines)


Kind = TypeVar("Kind", bound=Config)


def names(config: Config) -> list[str]:
    """Return the names of the fields: first those of `fit`, then those that only this configuration has."""
    return sorted((field.name for field in fields(config)), key=lambda name: (*_ORDER, name).index(name))


def to_dict(config: Config) -> dict[str, Any]:
    """Return the fields as plain values, for a checkpoint. A Python object becomes a text that names its type."""
    values = {name: getattr(config, name) for name in names(config)}
    return values | {"data": str(config.data)}


def from_dict(values: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Return the configuration that `to_dict` has turned into these values. Missing fields take their defaults.

    Raises TrainError for the configuration of another command (see Config.command), for unknown fields, and for values
    of another type.
    """
    values = {"channels": 3, **values}  # a checkpoint without this field was trained on images of three channels
    marks = {"teacher": "distill", "latent_channels": "autoencoder"}  # each of these fields belongs to one command
    made_by = next((command for field, command in marks.items() if field in values), "fit")
    if made_by != kind.command:
        raise TrainError(
            f"This run was started by `python -m train {made_by}`: continue it with "
            f"`python -m train {made_by} --resume --out OUT`, where OUT is its folder."
        )
    odd = set(values) - {field.name for field in fields(kind)}
    if odd:
        names = ", ".join(sorted(map(str, odd)))
        raise TrainError(f"The checkpoint belongs to another version of this trainer, which has also: {names}.")
    try:
        return kind(**values)
    except TrainError as error:
        raise TrainError(f"The checkpoint's configuration is wrong: {error}") from None
