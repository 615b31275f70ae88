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
OptimisedTimes = Mapping[Sampler, Mapping[int, tuple[int, ...]]]  # {sampler: {number of steps: times t, descending}}


@dataclass(frozen=True)
class Source:
    """The checkpoint from which a model was loaded."""

    ref: str = ""
    """the argument of `load`"""
    name: str = ""
    """the model's name for the user"""
    revision: str | None = None
    """the commit on the Hub"""
    weights: Averaging = "unknown"
    """whether the weights are an exponential moving average"""
    file: str | None = None
    """the path of the weights' file inside the folder"""
    bytes: int | None = None
    """the size of the weights' file"""
    parameters: int | None = None
    """the number of the network's parameters, None before it is loaded"""
    folder: Path | None = None
    """the checkpoint's folder"""
    fixed: bool = False
    """whether `ref` means the same files on every machine: an embedded checkpoint, or a commit on the Hub"""

    @property
    def weights_path(self) -> Path | None:
        """The path of the weights' file; None for a model that was not loaded from a file."""
        return None if self.folder is None or self.file is None else self.folder / self.file


def other_weights(source: Source) -> Source:
    """Return the source of a model with replaced weights, without the facts that belong to the old weights."""
    return Source(source.ref, source.name, source.revision)


@dataclass(kw_only=True, repr=False)
class ModelSpec:
    """A model without its network, decoder and text encoder. `Model` explains the attributes.

    Raises:
        ValueError: the errors of `Model`.
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
        """The schedule of the network's training. After `with_schedule`, it is not the same as `schedule`."""
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
        """Return the same specification on another schedule, as `Model.with_schedule` does for a model.

        Raise the same errors, except those that need an evaluation of the network.
        """
        if self.student is not None:
            raise ValueError("a student has learned its own times: give the schedule to its teacher")
        if self.prediction == "mu" or self.variance == "learned":
            what = "the mean of x_{t−1}" if self.prediction == "mu" else "the variance of the step to t − 1"
            raise ValueError(f"this network predicts {what}, which belongs to the schedule of its training")
        if isinstance(schedule, str):
            schedule = find(schedule, self.schedule.T)
        its = self.coordinates
        # The coordinates of a flow work on any schedule, because τ between 0 and 1 covers every σ.
        everywhere = isinstance(its, (TrainedOn, RectifiedFlow))
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
    """A network that an engine evaluates. Models that `load` returns have such a network.

    device: where the network is evaluated. description: engine, device and precision, for the user. memory: the bytes
    that the network takes, approximately. moves_inputs: True, because the network takes inputs on any device and moves
    them itself. If t_index and labels are on the CPU, it checks them without waiting for a GPU.
    """

    device: torch.device
    description: str

    @property
    def moves_inputs(self) -> bool:
        """True: the network moves its inputs to its device."""
        ...

    @property
    def memory(self) -> int:
        """The bytes that the network takes, approximately."""
        ...

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the network's output for x, (N, C, H, W) of any float dtype; the output has the same dtype.

        t_index: t − 1, int64 (N,); or, if the network takes other numbers such as σ, these numbers, float (N,).
        labels: int64 (N,) for classes. Raise ValueError for other shapes and dtypes, as `engines.common.Inputs.checked`
        does.
        """
        ...

    @property
    def with_gradients(self) -> Callable[..., Tensor]:
        """Return a function that evaluates the network with gradients with respect to x (N, C, H, W).

        The function has the arguments and the result of the network. It uses PyTorch in float32, whatever the engine
        is. It raises ValueError if the weights were rounded and no file has the exact weights.
        """
        ...

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the attention of each pixel of x to each token, (N, L, H, W), for a network that takes words.

        states: the output of the text encoder, (N, L, D). PyTorch computes the attention in float32, with the errors of
        `with_gradients`.
        """
        ...


def engine_network(model: Model) -> EngineNetwork:
    """Return the network of a model that `load` returned, as a type that has the attributes of `EngineNetwork`.

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
        """Return approximate pictures at almost no cost, (N, 3, H, W): one pixel for each place of the latent."""
        ...


Text = Callable[[list[str]], Tensor]  # a text encoder: it returns the condition of N prompts, float32 (N, L, D)


@runtime_checkable
class WordReader(Protocol):
    """A text encoder that also splits a prompt into words, for the page. `load` returns such text encoders."""

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Return the condition of each prompt, float32 (N, L, D)."""
        ...

    def words(self, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the words of a prompt, each with the positions 0..L − 1 of its tokens."""
        ...

    def unknown(self, prompt: str) -> list[str]:
        """Return the words of a prompt that were in no caption of the training, as far as this is known."""
        ...


def word_reader(model: Model) -> WordReader:
    """Return the text encoder of a model that takes words, as a type that has the methods of `WordReader`.

    Raises:
        TypeError: if the model takes no words, or if the text encoder is your own function.
    """
    if not isinstance(model.text, WordReader):
        raise TypeError(f"the text encoder of this model does not know words, a {type(model.text).__name__}")
    return model.text


class _Itself:
    """A descriptor: `Model._before` is None, and `model._before` is the model itself.

    So `__post_init__` gets None for a new model, and the old model from `dataclasses.replace`.
    """

    def __get__(self, model: Model | None, kind: type) -> Model | None:
        """Return the model, or None for the class."""
        return model


@dataclass(kw_only=True, repr=False)
class Model(ModelSpec):
    """A network with its prediction and its schedule.

    `dataclasses.replace` with another network, schedule, prediction or coordinates drops Γ and the optimised times,
    unless you give new values, because they were measured on the old model. Another network also drops the facts of
    `source` about the old weights. `evaluated_by` replaces the network and keeps all of this.

    Attributes:
        schedule: the noise schedule of the forward process.
        image_size: the height and width of x: in pixels, or in places of the latent for a latent model.
        channels: the channels of x, which is an image or a latent.
        prediction: the output of the network, one of names.PREDICTIONS. It has no default, because a network with a
            wrong prediction trains and samples without a warning.
        variance: the checkpoint's own reverse variance, one of names.OWN_VARIANCES.
        num_classes: the number of classes, without the null label; labels are 0..num_classes − 1.
        null_label: the label that means "no class", None if there is none.
        class_names: one for each class, or None.
        clip: whether the checkpoint says that x̂_0 is clipped to [−1, 1].
        source: the checkpoint from which the model was loaded, None for your own model.
        gamma: Γ_t for the variance "analytic", float64 (T + 1,), None if it was not estimated.
        optimised: the times of the spacing "optimised", None if they were not searched.
        student: the runs for which a distilled model was made, None for other models.
        network: network(x, t_index, labels) → tensor like x, (N, C, H, W), with 2C channels for a learned variance.
            t_index = t − 1 and labels are int64 (N,). labels are None for a model without classes, and the output of
            `text` for a model that takes words. If the result is an object of diffusers, its tensor `sample` is used.
        latent: whether x is a latent of an autoencoder, and not a picture.
        factor: the side of a picture divided by the side of x; 1 except for a latent model.
        takes_words: whether the model's condition is a prompt.
        leading_offset: a number that the spacing "leading" adds to each of its times.
        coordinates: how to translate x_t and t − 1 into the network's input, and its output into the prediction: see
            ddpm_core.coordinates. None if no translation is needed; for "flow", `coordinates.RectifiedFlow`.
        snr: the checkpoint's r for the sampler "langevin", None for `samplers.SNR`.
        corrections: the number of Langevin corrections that "langevin" makes before each step of DDPM.
        decoder: for a latent model, the autoencoder that makes pictures from x, and x from pictures.
        text: text(prompts) → the condition of each prompt, float32 (N, L, D), if the model takes words.

    Raises:
        ValueError: for values outside these sets and ranges, and for values that do not agree with each other.
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
        """Return the same model with another function that evaluates the same weights.

        Arguments:
            network: the function, for example one that counts the calls of the old network.
        """
        model = replace(self, network=network)
        model.gamma, model.optimised, model.source = self.gamma, self.optimised, self.source
        return model

    def with_schedule(self, schedule: NoiseSchedule | str) -> Model:
        """Return a model with the same network on another schedule.

        At each σ = √((1 − ᾱ_t)/ᾱ_t), the network is evaluated at the time that had this σ in training, because only σ
        matters to a network. Between two times that it has learned, t is interpolated in ln σ. Γ and the optimised
        times belong to the old schedule, so the new model has none. `save` keeps both schedules.

        Arguments:
            schedule: any schedule, or its text: see `schedule.find`. If a σ is outside the range of the training, the
                network is evaluated at the nearest end of the range.

        Raises:
            ValueError: for a student, for the prediction "mu" and the variance "learned", which belong to the steps of
                one schedule, and for a network that takes only whole times. To find this out, your own network is
                evaluated once.
        """
        model = super().with_schedule(schedule)
        check_fractional_times(self, "on another schedule, a network gets fractions of t")
        return model

    @property
    def spec(self) -> ModelSpec:
        """Return the specification, without the network and the other parts that take memory."""
        return ModelSpec(**{row.name: getattr(self, row.name) for row in fields(ModelSpec)})

    def pictures(self, x: Tensor) -> np.ndarray:
        """Return a state as pictures. For a latent model, the decoder makes them.

        Arguments:
            x: (N, C, H, W).

        Returns:
            uint8 (N, H, W, C).
        """
        return to_uint8(x if self.decoder is None else self.decoder.decode(x))


def check_real_times(model: Model, why: str) -> None:
    """Raise ValueError if the model certainly takes only whole times. why: the start of the message.

    This function does not evaluate a user's network; `check_fractional_times` does.
    """
    network: Any = model.network
    unet = getattr(network, "unet", None)
    if model.prediction == "mu":
        raise ValueError(f"{why}, but this network predicts the mean of x_{{t−1}}, which belongs to whole times")
    if (
        unet is not None
        and getattr(network, "moves_inputs", False)  # only the networks of engines have the attribute moves_inputs
        and (getattr(unet, "known_times", None) or unet.config.get("time_embedding_type") == "learned")
    ):
        raise ValueError(f"{why}, but this network knows only whole ones")


def check_fractional_times(model: Model, why: str) -> None:
    """Raise ValueError for a network that takes only whole times t − 1. why: the start of the message.

    To find this out, a user's network is evaluated once, at t − 1 = 0.5, for one image of zeros.
    """
    network: Any = model.network
    check_real_times(model, why)
    if getattr(network, "moves_inputs", False):
        return
    owner = getattr(network, "__self__", network)  # the object if network is a bound method
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
    except (LookupError, RuntimeError, TypeError, ValueError) as error:  # a run reports other errors itself
        if takes_whole_times(error):
            raise ValueError(f"{why}, but this network knows only whole ones") from error


# Matches the messages of torch and NumPy about an index that is not a whole number.
_OF_WHOLE = re.compile("indices|integer|scalar types: Long")


def takes_whole_times(error: Exception) -> bool:
    """Return whether a network raised this error because its time was not a whole number."""
    return _OF_WHOLE.search(str(error)) is not None


def check_langevin(snr: float | None, corrections: int | None) -> None:
    """Raise ValueError for wrong options of the sampler "langevin".

    snr may be any finite number of at least 0, and corrections any whole number of at least 0. Either may be None,
    which stands for its default.
    """
    if snr is not None and not is_number(snr, 0):
        raise ValueError(f"snr must be a number of at least 0, got {snr!r}")
    if corrections is not None and not is_whole(corrections, 0):
        raise ValueError(f"corrections must be a whole number of at least 0, got {corrections!r}")


def check_pixels(model: ModelSpec, what: str) -> None:
    """Raise ValueError for a latent model. what: the subject of the message."""
    if model.latent:
        raise ValueError(f"{what} works only for models of pixels, but this model draws latents of an autoencoder")


def is_number(value: Any, least: float, most: float = math.inf) -> bool:
    """Return whether the value is a finite number from least to most. For text and NaN the result is False."""
    try:
        return bool(least <= value <= most and abs(value) < math.inf)
    except (TypeError, ValueError, RuntimeError):  # value is text, or a tensor of several numbers
        return False


def is_whole(value: Any, least: int, most: float = math.inf) -> bool:
    """Return whether the value is an int, or NumPy's, from least to most. For True and 2.0 the result is False."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(least <= value <= most)


def check_state(model: ModelSpec, x: Any, name: str, n: int | None = None) -> None:
    """Raise ValueError unless x is a state that the model's network takes: float (N, C, H, W).

    H and W may differ from the model's image size, because a U-Net takes every side that it can halve often enough.
    name: the argument's name for the message. n: the number of images, None for any number.
    """

    def wanted() -> str:
        """Return the first part of the message: the shape that x must have."""
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
    """Return a tensor's shape and dtype as text, such as "(4, 3, 32, 32) float32"."""
    return f"{tuple(x.shape)} {dtype_text(x.dtype)}"


def dtype_text(dtype: torch.dtype) -> str:
    """Return the name of a dtype, such as float32."""
    return str(dtype).removeprefix("torch.")


def check_variance(
    model: ModelSpec, variance: Variance | None, pairs: Sequence[tuple[float, float]], guidance: float | None = None
) -> Variance:
    """Return the variance to use: the argument, or the model's own for None.

    Raise ValueError for an unknown variance, and if the model, the steps or the guidance don't allow this variance.
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
    """Return a sentence about the size of a model's images, for a message."""
    name = (model.source and model.source.name) or "the model"
    return f"{name} makes {model.image_size}×{model.image_size} pixels in {count_of(model.channels, 'channel')}"
