"""One evaluation of the network: labels and guidance, then x̂_0 and ε from its prediction."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from itertools import chain, product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ddpm_core import coordinates
from ddpm_core.model import (
    Model,
    ModelSpec,
    Network,
    Text,
    check_real_times,
    check_state,
    dtype_text,
    is_number,
    is_whole,
    takes_whole_times,
    tensor_text,
)
from ddpm_core.names import LEARNED
from ddpm_core.process import Time, check_time, is_whole_time, to_device, to_x0_eps

Prompt = str | Mapping[str, float]  # a text, or a mixture of texts: {text: weight}
Prompts = Prompt | Sequence[Prompt]
Label = int | np.integer | str
Labels = Label | Sequence[Label | None] | npt.NDArray[Any] | Tensor | Prompts | None
MAX_PROMPT = 1000  # maximum characters of a prompt, far more than any text encoder reads


class Denoised(NamedTuple):
    """The quantities that follow from the network's output for x_t: tensors like x_t."""

    x0: Tensor
    """x̂_0, from which a sampler computes x_s"""
    eps: Tensor
    """ε, so that x_t = √ᾱ_t x0 + √(1 − ᾱ_t) eps"""
    x0_hat: Tensor
    """x̂_0 for display, clipped if clip is on; x0 is the same, except that it is never clipped with μ̃-prediction"""
    v: Tensor | None
    """the second half of the network's output for a learned variance, else None"""

    def clone(self) -> Denoised:
        """Return a copy whose tensors can be changed without changing the original."""
        return Denoised(*(None if part is None else part.clone() for part in self))  # pyright: ignore[reportArgumentType]

    def __repr__(self) -> str:
        learned = "" if self.v is None else ", v"
        return f"Denoised(x0, eps, x0_hat{learned}: {tensor_text(self.x0)})"


def predict(
    model: Model,
    x_t: Tensor,
    t: Time | np.integer | None = None,
    labels: Labels = None,
    guidance: float | None = None,
    clip: bool | None = None,
    grad: bool = False,
    sigma: float | Tensor | None = None,
) -> Denoised:
    """Evaluate the network at x_t. Return x̂_0 and ε, each (N, C, H, W), and v if the variance is learned.

    Arguments:
        model: a model from `load`, or your own Model.
        x_t: (N, C, H, W), of a float dtype; the results have the same dtype.
        t: above 0 and at most T, a real number, or one for each image (N,). `NoiseSchedule.at` defines ᾱ_t between two
            whole times. Below 1, the network gets the first time that it has learned.
        labels: a class for all images, or one for each: its number or its name, None for no class. Or a tensor from
            `label_tensor`. For a model that takes words, one prompt, or one for each image.
        guidance: w of ε = ε_∅ + w (ε_c − ε_∅) (Ho & Salimans 2022; their w is ours minus 1). None or 1 means one
            conditional evaluation.
        clip: whether to clip x̂_0 to [−1, 1] and compute ε from it again. If None, the checkpoint decides. With
            μ̃-prediction, only x0_hat is clipped: the paper leaves the mean as the network predicted it.
        grad: compute gradients with respect to x_t, in PyTorch and float32, whatever the engine is. The first such call
            may load the exact weights, which are kept. Your own network must compute in PyTorch.
        sigma: the noise level σ = √((1 − ᾱ_t)/ᾱ_t) instead of t, a number, or one for each image (N,). x_t is still
            √ᾱ_t (x_0 + σ ε).

    Raises:
        ValueError: for a t that is not above 0 and at most T; unless exactly one of t and sigma is given; for a t
            between two whole times if the network takes only whole times or predicts μ̃; for an x_t of another shape;
            for labels or guidance that the model does not have; for a time that a student has not learned; if x_t
            requires gradients but grad is False, or the network computes none; if your own network does not take the
            dtype of x_t, or returns neither a tensor nor the output of a diffusers network.
        CheckpointError: if the exact weights are needed but their file can't be read.
    """
    check_state(model, x_t, "x_t")
    t = check_time(_time_of(model, t, sigma), x_t, 1, model.schedule.T)
    if not is_whole_time(t):
        check_real_times(model, f"t = {t} is no whole time")
    if x_t.requires_grad and torch.is_grad_enabled() and not grad:
        raise ValueError("x_t requires gradients, and this evaluation has none: ask for them with grad=True, or detach")
    if grad:
        check_gradients()
    if model.takes_words and isinstance(labels, Tensor):
        _check_states(labels, len(x_t))
    else:
        labels = label_tensor(model, labels, len(x_t), guidance)
    check_guidance(guidance, x_t.dtype)
    if model.student is not None:
        model.student.check_times(torch.as_tensor(t).unique().tolist())
    return evaluation(model, x_t, t, labels, guidance, clip, grad)


def _time_of(model: ModelSpec, t: Time | np.integer | None, sigma: float | Tensor | None) -> Time | np.integer:
    """Return t, or the time of sigma if sigma is given. Raise ValueError unless exactly one of them is given."""
    if sigma is None:
        if t is None:
            raise ValueError("give t or sigma")
        return t
    if t is not None:
        raise ValueError("give t or sigma, not both")
    if isinstance(sigma, Tensor) and sigma.ndim:
        return torch.tensor([model.schedule.time_at(one) for one in sigma.flatten().tolist()], dtype=torch.float64)
    return model.schedule.time_at(float(sigma))


def evaluation(
    model: Model,
    x_t: Tensor,
    t: Time,
    labels: Tensor | None,
    guidance: float | None = None,
    clip: bool | None = None,
    grad: bool = False,
) -> Denoised:
    """Return the same as `predict`, without its checks. x_t: (N, C, H, W); labels: from `label_tensor`."""
    clip = model.clip if clip is None else clip
    with torch.set_grad_enabled(grad):
        output, v = _evaluate(model, *network_inputs(model, x_t, t), labels, guidance, grad)
        if model.coordinates is not None:
            output = coordinates.predicted(model.coordinates, model.schedule, output, x_t, t)
        if x_t.requires_grad and grad and not output.requires_grad:
            raise ValueError("the network lets no gradients through: it must compute in PyTorch, without no_grad")
        return denoised(model, output, x_t, t, clip, v)


def denoised(model: ModelSpec, output: Tensor, x_t: Tensor, t: Time, clip: bool, v: Tensor | None = None) -> Denoised:
    """Return x̂_0 and ε for a network's output at x_t; all are (N, C, H, W).

    v: the network's output for the learned variance, None if it has none. The other arguments are those of `predict`.
    """
    x_0, eps = to_x0_eps(model.schedule, model.prediction, output, x_t, t)
    x0_hat = x_0.clamp(-1, 1) if clip else x_0
    if clip and model.prediction != "mu":
        x_0, eps = to_x0_eps(model.schedule, "x0", x0_hat, x_t, t)
    return Denoised(x_0, eps, x0_hat, v)


def check_gradients() -> None:
    """Raise ValueError inside torch.inference_mode(), where torch computes no gradients."""
    if torch.is_inference_mode_enabled():
        raise ValueError("torch.inference_mode() allows no gradients: leave it out, or use torch.no_grad() instead")


def check_attention(model: Model) -> None:
    """Raise ValueError for a model without attention to words, and for a network that can't return it."""
    if not model.takes_words:
        raise ValueError("this model takes no prompts, so it has no attention to words")
    if not hasattr(model.network, "attention"):
        raise ValueError(
            "this network shows no attention to words: use the model that was opened, or give your own network a "
            "method attention(x, t_index, states)"
        )


def attention_maps(model: Model, x_t: Tensor, t: float, words: Tensor | None) -> Tensor:
    """Return the attention of each pixel of x_t to each of L tokens of the prompt, float32 (N, L, H, W).

    The sum over L is 1 at each pixel. words: the prompts, from `label_tensor`. Call `check_attention` for the model
    first.
    """
    check_state(model, x_t, "x_t")
    check_time(t, x_t, 1, model.schedule.T)
    network: Any = model.network
    return _call(network.attention, *network_inputs(model, x_t.float(), t), _with_null(model, words)[0])


def network_inputs(model: ModelSpec, x: Tensor, t: Time) -> tuple[Tensor, Tensor]:
    """Return the network's input, x and the time of each image (N,). t: a result of `check_time`.

    The time is t − 1, because networks are trained on 0..T − 1. A model with coordinates translates both. If t is on
    the CPU, t − 1 stays on the CPU, where an engine can check it without waiting for a GPU.
    """
    if model.coordinates is not None:
        return coordinates.network_input(model.coordinates, model.schedule, x, t)
    if not is_whole_time(t):
        return x, coordinates.network_times((torch.as_tensor(t, dtype=torch.float64) - 1).clamp(min=0), x)
    if isinstance(t, Tensor) and t.ndim:
        return x, t.long() - 1
    return x, torch.full((len(x),), int(t) - 1)


def network_device(network: Network | nn.Module) -> torch.device | None:
    """Return the device for a network's inputs: its attribute `device`, or the device of an nn.Module's parameters.

    Return None for a network with neither, such as a function.
    """
    owner = getattr(network, "__self__", network)  # the object if network is a bound method
    device = getattr(owner, "device", None)
    if device is None and isinstance(owner, nn.Module):
        device = next((tensor.device for tensor in chain(owner.parameters(), owner.buffers())), None)
    return None if device is None else torch.device(device)


def _call(network: Network, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
    """Return the network's output in the dtype and on the device of x, whatever device the network is on.

    A user's network gets copies of the inputs, because it may change them. Its output is copied, because the network
    may keep it and change it later.
    """
    if getattr(network, "moves_inputs", False):  # networks of engines move their inputs themselves
        return network(x, t_index, labels)
    device = network_device(network) or x.device
    single = device.type == "mps" or _weight_dtype(network) == torch.float32  # Apple's GPUs have no float64
    dtype = torch.float32 if single and x.dtype == torch.float64 else x.dtype
    time = t_index.to(dtype) if t_index.dtype == torch.float64 else t_index
    try:
        output: Any = network(
            x.to(device, dtype, copy=True),
            to_device(time, device).clone(),
            None if labels is None else to_device(labels, device).clone(),
        )
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        if t_index.is_floating_point() and takes_whole_times(error):
            raise ValueError("t is no whole time, and this network knows only whole ones") from error
        found, own = str(error).splitlines()[0], _weight_dtype(network)
        if (
            not isinstance(error, RuntimeError)
            or own == dtype
            or not _OF_DTYPES.search(found)
            or _OF_WHOLE_NUMBERS.search(found)
        ):
            raise
        raise ValueError(
            f"the network does not compute in {dtype_text(dtype)}: cast x in it, or ask for "
            f"{dtype_text(own or torch.float32)} (dtype of bits_per_dim, x_T of a run; {found})"
        ) from error
    output = getattr(output, "sample", output)  # diffusers' networks return an object with the attribute sample
    if not isinstance(output, Tensor) or not output.is_floating_point():
        found = tensor_text(output) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise ValueError(f"the network must return a float tensor like x, got {found}")
    return output.to(x, copy=True)


# Torch's error message matches the first pattern if an input has another dtype than the weights. It also matches the
# second pattern if this input has whole numbers: then it is t or the labels, and not x.
_OF_DTYPES = re.compile("dtype|datatype|scalar type|Input type|not implemented for '(Half|BFloat16|Double)'")
_OF_WHOLE_NUMBERS = re.compile(r"Long|Int\b")


def _weight_dtype(network: Network | nn.Module) -> torch.dtype | None:
    """Return the dtype of the weights if the network is a torch module or a method of one; else None."""
    owner = getattr(network, "__self__", network)
    weights = owner.parameters() if isinstance(owner, nn.Module) else ()
    return next((weight.dtype for weight in weights if weight.is_floating_point()), None)


def _evaluate(
    model: Model, x: Tensor, t_index: Tensor, labels: Tensor | None, guidance: float | None, grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the network's prediction, guided if guidance is not 1, and v, which is never guided.

    Guiding the prediction has the same effect as guiding ε, because every prediction is an affine function of ε.
    """
    network = getattr(model.network, "with_gradients", model.network) if grad else model.network
    labels, null = _with_null(model, labels)
    if guidance is None or guidance == 1:
        return _split(model, _call(network, x, t_index, labels), x)
    if labels is None or null is None:
        raise ValueError("guidance needs labels, and a model trained with a null label")
    both = _call(network, torch.cat([x, x]), torch.cat([t_index, t_index]), torch.cat([labels, null]))
    conditional, unconditional = both.chunk(2)
    output, v = _split(model, conditional, x)
    baseline, _ = _split(model, unconditional, x)
    return baseline + guidance * (output - baseline), v


def _with_null(model: Model, labels: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Return the condition, and the condition from which guidance leads away: null label or negative prompt."""
    if labels is None:
        return None, None
    if model.text is not None:
        return labels[:, 0], labels[:, 1]
    return labels, None if model.null_label is None else torch.full_like(labels, model.null_label)


def check_guidance(guidance: float | None, dtype: torch.dtype = torch.float64) -> None:
    """Raise ValueError unless guidance is None or one number that is finite in the dtype of the state."""
    largest = torch.finfo(dtype).max
    if guidance is not None and (getattr(guidance, "ndim", 0) or not is_number(guidance, -largest, largest)):
        raise ValueError(f"guidance must be a finite number in {dtype_text(dtype)}, got {guidance!r}")


def _check_states(states: Tensor, n: int) -> None:
    """Raise ValueError unless the tensor has the shape and dtype that `label_tensor` gives n prompts."""
    if states.ndim != 4 or states.shape[:2] != (n, 2) or not states.is_floating_point():
        raise ValueError(
            f"labels as a tensor must come from label_tensor, float ({n}, 2, L, D), got {tensor_text(states)}"
        )


def _split(model: Model, output: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the output's prediction and v; v is None without a learned variance.

    Raise ValueError for a wrong shape.
    """
    channels = x.shape[1]
    expected = channels * (2 if model.variance in LEARNED else 1)
    if output.shape != (len(x), expected, *x.shape[2:]):
        raise ValueError(f"the network must return {(len(x), expected, *x.shape[2:])}, got {tuple(output.shape)}")
    return output[:, :channels], output[:, channels:] if expected > channels else None


def _is_prompt(given: object) -> bool:
    """Return whether a value is a text or a mixture of texts."""
    return isinstance(given, (str, Mapping))


def _mixtures(given: Any, n: int | None, name: str) -> list[Mapping[str, float]]:
    """Return the prompt of each of n images as a mixture {text: weight}. Raise ValueError for anything else.

    n: the number of images, None if it is not known. name: the prompts' name for the message.
    """
    asked = "" if given is None else given
    each = [asked] * (n or 1) if _is_prompt(asked) else asked
    if not isinstance(each, (list, tuple)) or not all(map(_is_prompt, each)):
        raise ValueError(f"{name} are a text or a mixture of texts, or one for each image, got {given!r}")
    if n not in (None, len(each)):
        raise ValueError(f"give one prompt, or one per image: {n} images, {len(each)} {name}")
    mixtures: list[Mapping[str, float]] = [{prompt: 1.0} if isinstance(prompt, str) else prompt for prompt in each]
    for mixture in mixtures:
        if not all(isinstance(text, str) and is_number(weight, -math.inf) for text, weight in mixture.items()):
            raise ValueError(f"a mixture of prompts gives each text a finite weight, got {mixture!r}")
        if abs(sum(mixture.values()) - 1) > 1e-6:
            raise ValueError(f"the weights of a mixture of prompts sum to 1, got {mixture!r}")
    for mixture in mixtures:
        check_characters("".join(mixture))
    long = max((len(text) for mixture in mixtures for text in mixture), default=0)
    if long > MAX_PROMPT:
        raise ValueError(f"a prompt has at most {MAX_PROMPT:,} characters, got {long:,}")
    return mixtures


def check_characters(text: str) -> None:
    """Raise ValueError for a text with a lone surrogate, half of a character, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a prompt holds half a character (a lone surrogate): leave it out") from None


def word_square(corners: Sequence[str], side: int = 7) -> list[dict[str, float]]:
    """Return the prompts of a square between four texts: side · side mixtures with bilinear weights, row by row.

    Arguments:
        corners: the texts at the top left, top right, bottom left and bottom right.
        side: 2 or more.

    Raises:
        ValueError: unless there are four texts and side is a whole number of at least 2.
    """
    if not isinstance(corners, (list, tuple)) or len(corners) != 4 or not all(isinstance(one, str) for one in corners):
        raise ValueError(f"a square has a text at each of its four corners, got {corners!r}")
    if not is_whole(side, 2):
        raise ValueError(f"a square has 2 or more pictures a side, got {side!r}")
    square = []
    for row, column in product(range(side), repeat=2):
        down, right = row / (side - 1), column / (side - 1)
        weights = (1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right
        mixture = dict.fromkeys(corners, 0.0)  # two corners may have the same text
        for text, weight in zip(corners, weights, strict=True):
            mixture[text] += weight
        square.append(mixture)
    return square


def _text_states(text: Text, mixtures: Sequence[Mapping[str, float]]) -> Tensor:
    """Return the condition of each mixture, float32 (N, L, D): the weighted mean of its texts' hidden states."""
    texts = list(dict.fromkeys(text for mixture in mixtures for text in mixture))
    states = dict(zip(texts, text(texts), strict=True))
    mixed = [
        [states[text] if weight == 1 else weight * states[text] for text, weight in mixture.items() if weight]
        for mixture in mixtures
    ]
    return torch.stack([sum(parts[1:], parts[0]) for parts in mixed])


def class_index(model: ModelSpec, text: str) -> int:
    """Return the number of the class, from 0, that a user's text names.

    The text may be the whole name of a class, its number, or one of several names that commas separate, as ImageNet's
    classes have. Raise ValueError if the model has no such class.
    """
    if not model.num_classes:
        raise ValueError("this model has no classes: leave out the label")
    names = model.class_names or ()
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < model.num_classes:
        return int(text)
    one_of_several = [i for i, name in enumerate(names) if text in name.split(", ")]
    if one_of_several:
        return one_of_several[0]
    among = f"{few(names)}, or " if names else ""
    raise ValueError(f"there is no class {text!r}: choose from {among}0 to {model.num_classes - 1}")


def few(names: Sequence[str], most: int = 20) -> str:
    """Return names as text with commas. Of more than `most`, return the first `most`, and how many there are."""
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def label_tensor(
    model: ModelSpec, labels: Labels, n: int, guidance: float | None, negative: Prompts | None = None
) -> Tensor | None:
    """Return the condition of n images as the network takes it.

    Arguments:
        model: a Model if it takes words; else its specification is enough.
        labels: one class for all images, or one for each: a number 0..num_classes − 1 or a name, as `class_index` takes
            it. None means no class, for which the network gets the null label; only a tensor may contain the null
            label's number. For a model that takes words, these are prompts, one for all images or one for each. None is
            the empty prompt. {text: weight, …}, with weights that sum to 1, is the weighted mean of the texts' states.
        n: the number of images.
        guidance: the scale of guidance. For classes, a scale other than 1 needs a model with a null label.
        negative: the prompts from which guidance leads away; None is the empty prompt.

    Returns:
        None for an unconditional model. For classes, int64 (n,) on the CPU, where an engine can check them without
        waiting for a GPU. For words, float32 (n, 2, L, D) on the network's device: for each image the condition of its
        prompt, and of its negative prompt.

    Raises:
        ValueError: for labels that the model does not have, and for guidance without a label to guide towards.
    """
    check_guidance(guidance)
    if model.takes_words:
        assert isinstance(model, Model) and model.text is not None
        asked, away = _mixtures(labels, n, "prompts"), _mixtures(negative, n, "negative")
        states = torch.stack([_text_states(model.text, asked), _text_states(model.text, away)], 1)
        return states.to(network_device(model.network) or states.device)
    ids = _class_ids(model, labels, n, guidance, negative)
    return None if ids is None else torch.tensor(ids)


def check_labels(
    model: ModelSpec, labels: Labels, n: int | None, guidance: float | None, negative: Prompts | None = None
) -> None:
    """Raise ValueError for labels that `label_tensor` refuses, without using the network and the text encoder.

    n: the number of images, None if it is not known.
    """
    check_guidance(guidance)
    if model.takes_words:
        _mixtures(labels, n, "prompts")
        _mixtures(negative, n, "negative")
    else:
        _class_ids(model, labels, n, guidance, negative)


def _class_ids(
    model: ModelSpec, labels: Labels, n: int | None, guidance: float | None, negative: Prompts | None
) -> list[int] | None:
    """Return the class of each image as the network's number; None for a model without classes."""
    if negative is not None:
        raise no_prompts(model)
    guided = guidance is not None and guidance != 1
    if not model.num_classes:
        if labels is not None or guided:
            raise ValueError("this model has no classes: leave out labels and guidance")
        return None
    if guided and model.null_label is None:
        raise ValueError("guidance needs a model trained with a null label, and this one has none")
    given: Any = labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else labels
    each = list(given) if hasattr(given, "__len__") and not _is_prompt(given) else [given] * (n or 1)
    if n not in (None, len(each)):
        raise ValueError(f"give one label, or one per image: {n} images, {len(each)} labels")
    raw = isinstance(labels, Tensor)  # a tensor may contain the null label's number
    ids = [_class_id(model, label, raw) for label in each]
    if guided and model.null_label in ids:
        raise ValueError("guidance needs a class label to guide towards")
    return ids


def _class_id(model: ModelSpec, label: Any, raw: bool) -> int:
    """Return the network's number for a class, a class name or None, which means the null label.

    raw: whether the null label's number is allowed. Raise ValueError for a class that the model does not have.
    """
    last, null = model.num_classes - 1, model.null_label
    if label is None:
        if null is None:
            raise ValueError(f"this model needs a class label, 0 to {last}")
        return null
    if isinstance(label, str):
        return class_index(model, label)
    none = "" if null is None else ", or None for no class"
    try:
        number = operator.index(label)
    except TypeError:
        number = None
    if number is None or isinstance(label, bool):
        raise ValueError(f"labels are whole numbers from 0 to {last}, or names of classes{none}, got {label!r}")
    if not 0 <= number <= last and not (raw and number == null):
        raise ValueError(f"labels go from 0 to {last}{none}, got {number}")
    return number


def no_prompts(model: ModelSpec) -> ValueError:
    """Return the error for prompts that were given to a model without a text encoder."""
    instead = ", and give labels" if model.num_classes else ""
    return ValueError(f"this model takes no prompts: leave out the prompts{instead}")
