"""`Model` is a network with its specification; `ModelSpec` is the specification alone.

Reading the specification from a checkpoint's files takes almost no time; loading the network takes seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, fields, replace
from pathlib import Path
from shlex import quote
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ddpm_core.coordinates import Coordinates, RectifiedFlow, TrainedOn, check
from ddpm_core.imaging import to_uint8
from ddpm_core.names import (
    LEARNED,
    OWN_VARIANCES,
    PREDICTIONS,
    VARIANCES,
    Averaging,
    OwnVariance,
    Prediction,
    Sampler,
    Variance,
    count_of,
)
from ddpm_core.schedule import NoiseSchedule, find
from ddpm_core.student import Student

Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]
OptimisedTimes = Mapping[Sampler, Mapping[int, tuple[int, ...]]]  # [sampler][steps]: the times t, descending


@dataclass(frozen=True)
class Source:
    """The source of a model."""

    ref: str = ""
    """the argument of `load`"""
    name: str = ""
    """the name for the user"""
    revision: str | None = None
    """the Hub's commit"""
    weights: Averaging = "unknown"
    """whether they are the moving average"""
    file: str | None = None
    """the name of the weights' file in the folder"""
    bytes: int | None = None
    """the size of that file"""
    parameters: int | None = None
    """the number of the network's parameters, None before it is loaded"""
    folder: Path | None = None
    """the root of the checkpoint"""
    fixed: bool = False
    """whether `ref` means the same files on every machine: those of the project, or of a commit on the Hub"""

    @property
    def weights_path(self) -> Path | None:
        """Return the file of the weights; None for a model that was not loaded from one."""
        return None if self.folder is None or self.file is None else self.folder / self.file


def other_weights(source: Source) -> Source:
    """Return the source of a model with replaced weights, without the facts that belong to the old weights."""
    return Source(source.ref, source.name, source.revision)


@dataclass(kw_only=True, repr=False)
class ModelSpec:
    """A model without its network, decoder and text encoder: all other attributes of `Model`.

    Raises:
        ValueError: as `Model` does.
    """

    schedule: NoiseSchedule
    image_size: int
    prediction: Prediction
    channels: int = 3
    variance: OwnVariance = "beta"
    num_classes: int = 0
    null_label: int | None = None
    class_names: tuple[str, ...] | None = None
    clip: bool = True
    source: Source | None = None
    gamma: Tensor | None = None
    optimised: OptimisedTimes | None = None
    student: Student | None = None
    latent: bool = False
    factor: int = 1
    takes_words: bool = False
    leading_offset: int = 0
    coordinates: Coordinates | None = None
    snr: float | None = None
    corrections: int = 1

    @property
    def picture_size(self) -> int:
        """Pixels a side of the pictures."""
        return self.image_size * self.factor

    @property
    def picture_channels(self) -> int:
        """Channels of the pictures."""
        return 3 if self.latent else self.channels

    @property
    def trained_on(self) -> NoiseSchedule:
        """The schedule of the network's training: another one than `schedule` after `with_schedule`."""
        return self.coordinates.trained if isinstance(self.coordinates, TrainedOn) else self.schedule

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"unknown prediction {self.prediction!r}: choose from {', '.join(PREDICTIONS)}")
        if self.variance not in OWN_VARIANCES:
            raise ValueError(f"a model's own variance is one of {', '.join(OWN_VARIANCES)}, got {self.variance!r}")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"{self.num_classes} classes need as many names, got {len(self.class_names)}")
        if self.prediction == "flow" and self.coordinates is None:
            self.coordinates = RectifiedFlow()
        if self.coordinates is not None:
            check(self.coordinates, self.schedule, self.prediction)
        check_langevin(self.snr, self.corrections)
        if self.student is not None and self.student.times[0] != self.schedule.T:
            raise ValueError(f"a student starts at t = T = {self.schedule.T}, got {self.student.times[0]}")

    def with_schedule(self, schedule: NoiseSchedule | str) -> Self:
        """Return the same on another schedule: see `Model.with_schedule`. Raise what that does before it evaluates."""
        if self.student is not None:
            raise ValueError("a student has learned its own times: give the schedule to its teacher")
        if self.prediction == "mu" or self.variance == "learned":
            what = "the mean of x_{t−1}" if self.prediction == "mu" else "the variance of the step to t − 1"
            raise ValueError(f"this network predicts {what}, which belongs to the schedule of its training")
        if isinstance(schedule, str):
            schedule = find(schedule, self.schedule.T)
        its = self.coordinates
        everywhere = isinstance(its, (TrainedOn, RectifiedFlow))  # a flow's τ goes from 0 to 1: that is every σ
        coordinates = its if everywhere else TrainedOn(self.schedule, its)
        more: dict[str, Any] = {"gamma": None, "optimised": None, "leading_offset": 0}
        return replace(self, schedule=schedule, coordinates=coordinates, **more)

    def __repr__(self) -> str:
        name = [repr(self.source.ref)] if self.source and self.source.ref else []
        size = f"{self.image_size}×{self.image_size}×{self.channels}" + (" latents" if self.latent else "")
        classes = [f"{self.num_classes} classes"] if self.num_classes else []
        student = [f"{self.student.method} student"] if self.student else []
        parts = [*name, size, self.prediction, self.variance, f"T = {self.schedule.T}", *classes, *student]
        return f"{type(self).__name__}({', '.join(parts)})"


@runtime_checkable
class EngineNetwork(Protocol):
    """A network that an engine evaluates, as those of the models that `load` returns.

    device: where its inputs are evaluated. description: engine, device and precision, for the user. memory: bytes that
    the network takes by now, about. moves_inputs: it takes inputs on any device. Where t_index and labels are on the
    CPU, they are checked without waiting for a device.
    """

    device: torch.device
    description: str

    @property
    def moves_inputs(self) -> bool: ...

    @property
    def memory(self) -> int: ...

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """x: (N, C, H, W) of any float dtype, which the output has too; t_index = t − 1 and labels: int64 (N,).

        Where the network takes other numbers than t − 1, they take its place, of any float dtype. Raises what
        `engines.common.Inputs.checked` does.
        """
        ...

    @property
    def with_gradients(self) -> Callable[..., Tensor]:
        """Evaluate the network with gradients with respect to x (N, C, H, W), in PyTorch and float32.

        The arguments are those of the network, and so is the result. The engine does not matter.

        Raises ValueError where the weights were rounded, and there is no file to read the exact ones from.
        """
        ...

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """How much each place of x looks at each token, (N, L, H, W), for a network that takes words.

        states: of the text encoder, (N, L, D). Computed in PyTorch and float32, and raises, as `with_gradients` does.
        """
        ...


def engine_network(model: Model) -> EngineNetwork:
    """Return the network of a model that `load` returned.

    Raises:
        TypeError: if the network is your own function.
    """
    if not isinstance(model.network, EngineNetwork):
        raise TypeError(f"no engine evaluates the network of this model, a {type(model.network).__name__}")
    return model.network


class Decoder(Protocol):
    """An autoencoder: it makes pictures from latents, and latents from pictures."""

    def decode(self, x: Tensor) -> Tensor:
        """Decode latents (N, C, H, W) into pictures, about in [−1, 1], (N, 3, factor · H, factor · W)."""
        ...

    def encode(self, pictures: Tensor) -> Tensor:
        """Encode pictures in [−1, 1], (N, 3, factor · H, factor · W), as latents (N, C, H, W)."""
        ...

    def preview(self, x: Tensor) -> Tensor:
        """Return roughly the result of `decode`, at almost no cost: (N, 3, H, W), one pixel for each latent."""
        ...


Text = Callable[[list[str]], Tensor]  # a text encoder: of each prompt its condition, float32 (N, L, D)


@runtime_checkable
class WordReader(Protocol):
    """A text encoder that also knows the words of a prompt, as that of a model from `load`. The page needs it."""

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Return the condition of each prompt, float32 (N, L, D)."""
        ...

    def words(self, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the words of a prompt, each with the numbers of its tokens, 0..L − 1."""
        ...

    def unknown(self, prompt: str) -> list[str]:
        """Return the words of a prompt that were in no caption of the training, as far as this is known."""
        ...


def word_reader(model: Model) -> WordReader:
    """Return the text encoder of a model that `load` returned and that takes words.

    Raises:
        TypeError: if the model takes no words, or if the text encoder is your own function.
    """
    if not isinstance(model.text, WordReader):
        raise TypeError(f"the text encoder of this model does not know words, a {type(model.text).__name__}")
    return model.text


class _Itself:
    """The default of `Model._before`: None for a new model; dataclasses.replace finds the model that it changes."""

    def __get__(self, model: Model | None, kind: type) -> Model | None:
        return model


@dataclass(kw_only=True, repr=False)
class Model(ModelSpec):
    """A network with its prediction and its schedule.

    `dataclasses.replace` with another network, schedule, prediction or coordinates drops Γ and the optimised times,
    unless you give new ones: they were measured on the old model. Another network also drops the facts of `source`
    about the old weights. `evaluated_by` keeps all of this.

    Attributes:
        schedule: β_t of the forward process.
        image_size: pixels a side; for a latent model, latents a side.
        channels: the channels of x, which is an image or a latent.
        prediction: the output of the network, one of names.PREDICTIONS. It has no default: a wrong one trains and
            samples without a warning.
        variance: the checkpoint's own reverse variance, one of names.OWN_VARIANCES.
        num_classes: labels are 0..num_classes − 1; the null label is not counted.
        null_label: the label that means "no class", None if there is none.
        class_names: one for each class, or None.
        clip: whether the checkpoint says that x̂_0 is clipped to [−1, 1].
        source: where it was loaded from, None for your own model.
        gamma: Γ_t for the variance "analytic", float64 (T + 1,), None if it was not estimated.
        optimised: the times of the spacing "optimised", None if they were not searched.
        student: the runs for which a distilled model was made, None for other models.
        network: network(x, t_index, labels) → tensor like x, (N, C, H, W), with 2C channels for a learned variance.
            t_index = t − 1 and labels are int64 (N,). labels are None for a model without classes, and the output of
            `text` for a model that takes words. If the output is that of a diffusers network, its tensor is used.
        latent: whether x lives in the latents of an autoencoder.
        factor: how many pixels a side one number of x covers: 1 except for a latent model.
        takes_words: whether its condition is a prompt.
        leading_offset: a number that the spacing "leading" adds to each of its times.
        coordinates: the network's input instead of x_t and t − 1, and the prediction that follows from its output: see
            ddpm_core.coordinates. None for ours; for the prediction "flow", `coordinates.RectifiedFlow`.
        snr: the checkpoint's r for the sampler "langevin", None for `samplers.SNR`.
        corrections: the number of steps of Langevin dynamics that this sampler takes before each step of DDPM.
        decoder: for a latent model; it makes pictures from x, and x from pictures.
        text: text(prompts) → the condition of each, float32 (N, L, D), if the model takes words.

    Raises:
        ValueError: for other values.
    """

    network: Network
    decoder: Decoder | None = None
    text: Text | None = None
    _before: InitVar[Any] = _Itself()

    def __post_init__(self, _before: Model | None) -> None:
        super().__post_init__()
        if _before is None:
            return
        other_network = self.network is not _before.network
        if other_network and self.source is not None and self.source is _before.source:
            self.source = other_weights(self.source)
        if (
            other_network
            or not self.schedule.beta.equal(_before.schedule.beta)
            or (self.prediction, self.coordinates) != (_before.prediction, _before.coordinates)
        ):
            for measured in ("gamma", "optimised"):
                if getattr(self, measured) is getattr(_before, measured):
                    setattr(self, measured, None)

    def evaluated_by(self, network: Network) -> Model:
        """Return the same model with another function for the same weights.

        Arguments:
            network: for example one that counts its calls.
        """
        model = replace(self, network=network)
        model.gamma, model.optimised, model.source = self.gamma, self.optimised, self.source
        return model

    def with_schedule(self, schedule: NoiseSchedule | str) -> Model:
        """Return the same network on another schedule. At each σ, it is evaluated at the time that had this σ in
        training.

        x_t is x_0 with noise of σ = √((1 − ᾱ)/ᾱ), scaled by √ᾱ; nothing else in a schedule matters to a network.
        Between two times that it has learned, t is interpolated in ln σ. Γ and optimised times belong to the old
        schedule. `save` keeps both schedules.

        Arguments:
            schedule: any schedule, or its text: see `schedule.find`. A σ below or above all that the network has
                learned counts as its first or last.

        Raises:
            ValueError: for a student, for predictions that belong to steps (μ̃, and the variance "learned"), and for a
                network that takes only whole times. To learn this of your own network, it is evaluated once.
        """
        model = super().with_schedule(schedule)
        check_fractions(self, "on another schedule, a network gets fractions of t")
        return model

    @property
    def spec(self) -> ModelSpec:
        """Return the specification, without the network and the other parts that take memory."""
        return ModelSpec(**{row.name: getattr(self, row.name) for row in fields(ModelSpec)})

    def pictures(self, x: Tensor) -> np.ndarray:
        """Return the pictures of a state: its pixels, or the decoder's pictures of its latents.

        Arguments:
            x: (N, C, H, W).

        Returns:
            uint8 (N, H, W, C).
        """
        return to_uint8(x if self.decoder is None else self.decoder.decode(x))


def check_real_times(model: Model, why: str) -> None:
    """Raise ValueError if the model certainly takes only whole times. why: where it gets others, for the sentence."""
    network: Any = model.network
    unet = getattr(network, "unet", None)
    if model.prediction == "mu":
        raise ValueError(f"{why}, but this network predicts the mean of x_{{t−1}}, which belongs to whole times")
    if (
        unet is not None
        and getattr(network, "moves_inputs", False)  # an engine's
        and (getattr(unet, "known_times", None) or unet.config.get("time_embedding_type") == "learned")
    ):
        raise ValueError(f"{why}, but this network knows only whole ones")


def check_fractions(model: Model, why: str) -> None:
    """Raise ValueError for a network that takes only whole times t − 1. why: where it gets others, for the sentence.

    A network of the user's is evaluated at a time between two, for one image of zeros.
    """
    network: Any = model.network
    check_real_times(model, why)
    if getattr(network, "moves_inputs", False):
        return
    owner = getattr(network, "__self__", network)  # the object of a method, such as a module's forward
    weights = owner.parameters() if isinstance(owner, torch.nn.Module) else ()
    like = next((weight for weight in weights if weight.is_floating_point()), torch.zeros(0, dtype=torch.float32))
    x = like.new_zeros(1, model.channels, model.image_size, model.image_size)
    labels = None
    if model.text is not None:
        labels = model.text([""])
    elif model.num_classes:
        labels = torch.tensor([model.null_label or 0], device=x.device)
    try:
        with torch.no_grad():
            network(x, torch.full((1,), 0.5, dtype=torch.float32, device=x.device), labels)
    except (LookupError, RuntimeError, TypeError, ValueError) as error:  # another reason comes out in a run
        if takes_whole_times(error):
            raise ValueError(f"{why}, but this network knows only whole ones") from error


# What torch and NumPy say where an index is no whole number.
_OF_WHOLE = re.compile("indices|integer|scalar types: Long")


def takes_whole_times(error: Exception) -> bool:
    """Return whether a network raises this error because its time is no whole number."""
    return _OF_WHOLE.search(str(error)) is not None


def check_langevin(snr: float | None, corrections: int | None) -> None:
    """Raise ValueError unless these can be the options of the sampler "langevin". None: left open."""
    if snr is not None and not is_number(snr, 0):
        raise ValueError(f"snr must be a number of at least 0, got {snr!r}")
    if corrections is not None and not is_whole(corrections, 0):
        raise ValueError(f"corrections must be a whole number of at least 0, got {corrections!r}")


def check_pixels(model: ModelSpec, what: str) -> None:
    """Raise ValueError for a latent model. what: the name of the thing that only models of pixels can do."""
    if model.latent:
        raise ValueError(f"{what} works only for models of pixels, and this one draws latents of an autoencoder")


def is_number(value: Any, least: float, most: float = math.inf) -> bool:
    """Return whether this is a number from least to most. Text, NaN and infinity are not."""
    try:
        return bool(least <= value <= most and abs(value) < math.inf)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several numbers
        return False


def is_whole(value: Any, least: int, most: float = math.inf) -> bool:
    """Return whether this is a whole number from least to most. True and 2.0 are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(least <= value <= most)


def check_state(model: ModelSpec, x: Any, name: str, n: int | None = None) -> None:
    """Raise ValueError unless x is a state that the model's network takes. n: the number of images, None for any
    number.

    The sides may differ from the model's: a U-Net takes every side that it can halve.
    """

    def wanted() -> str:
        shape = ("N" if n is None else n, model.channels, model.image_size, model.image_size)
        return f"{name} must be a float tensor of shape ({', '.join(map(str, shape))})"

    if not isinstance(x, Tensor):
        raise ValueError(f"{wanted()}, got a {type(x).__name__}")
    fits = x.ndim == 4 and x.shape[1] == model.channels and len(x) > 0 and n in (None, len(x))
    if not fits or not x.is_floating_point():
        raise ValueError(f"{wanted()}, got {tensor_text(x)}")
    config = getattr(getattr(getattr(model, "network", None), "unet", None), "config", {})
    if "patch_size" in config and x.shape[2:] != (model.image_size, model.image_size):
        raise ValueError(f"{wanted()}: a transformer knows only its own size, got {tensor_text(x)}")
    step = 2 ** (len(config.get("block_out_channels", (1,))) - 1)
    if x.shape[2] % step or x.shape[3] % step:
        raise ValueError(f"the sides of {name} must be multiples of {step} for this network, got {tensor_text(x)}")


def tensor_text(x: Tensor) -> str:
    """Describe a tensor by its shape and its dtype."""
    return f"{tuple(x.shape)} {dtype_text(x.dtype)}"


def dtype_text(dtype: torch.dtype) -> str:
    """Return the name of a dtype, such as float32."""
    return str(dtype).removeprefix("torch.")


def check_variance(
    model: ModelSpec, variance: Variance | None, pairs: Sequence[tuple[float, float]], guidance: float | None = None
) -> Variance:
    """Return the variance to use: the given one, or for None the model's own.

    Raises ValueError for a variance that does not exist, or that this model, these steps or the guidance can't have.
    """
    variance = model.variance if variance is None else variance
    if variance not in VARIANCES:
        raise ValueError(f"unknown variance {variance!r}: choose from {', '.join(VARIANCES)}")
    if variance in LEARNED and variance != model.variance:
        raise ValueError(
            f"variance {variance!r} needs a network that was trained with it; this one has {model.variance!r}"
        )
    if variance == "learned" and any(t - s != 1 for t, s in pairs):
        raise ValueError(
            "variance 'learned' needs the whole chain: use as many steps as there are times "
            f"(from T, {model.schedule.T}), or another variance"
        )
    if variance == "analytic" and model.gamma is None:
        if model.trained_on is not model.schedule:
            raise ValueError(
                "the analytic variance was not estimated for these weights on this schedule: save the model, run "
                "`python -m train gamma FOLDER --data DATA` with the training data, or use another variance"
            )
        ref = quote(model.source.ref) if model.source else "CHECKPOINT"
        raise ValueError(
            f"the analytic variance was not estimated for these weights: run `python -m train gamma {ref} --data DATA` "
            "with the training data, or use another variance"
        )
    if variance == "analytic" and guidance not in (None, 1):
        raise ValueError("the analytic variance is not defined with guidance: use another variance")
    return variance


def check_same_images(models: Sequence[ModelSpec]) -> None:
    """Raise ValueError for models whose images differ in size or channels: they can't share one x_T."""
    first = models[0]
    for other in models[1:]:
        if (other.image_size, other.channels) != (first.image_size, first.channels):
            raise ValueError(
                "two models side by side must make images of the same size and number of channels: "
                f"{_images(first)}, {_images(other)}"
            )


def _images(model: ModelSpec) -> str:
    name = (model.source and model.source.name) or "the model"
    return f"{name} makes {model.image_size}×{model.image_size} pixels in {count_of(model.channels, 'channel')}"
