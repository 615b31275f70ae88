"""The engine OpenVINO, which evaluates a network on a CPU.

Converting a network takes seconds, so converted networks are stored on disk. Only the graph is stored, without the
weights. So networks of the same configuration share a stored graph, and the weights are in memory only once, as torch's
tensors.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import shutil
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from openvino import Node
from openvino import opset13 as opset
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor, nn

from ddpm_core.disk import files
from ddpm_core.engines import common, from_diffusers
from ddpm_core.engines.networks import Network, first_convolution, is_network, least_side
from ddpm_core.engines.openvino_graph import (
    keep_channels_together,
    take_two_parts,
    unite_attention,
    upsample_in_one,
)
from ddpm_core.engines.torch import ExactNetwork
from ddpm_core.names import Arithmetic, Precision

_HINTS = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16, "fp16": openvino.Type.f16}
CACHE_BYTES = 128 * 1024**2  # maximum bytes of all converted networks on disk
_ALONE = (
    "on this processor, OpenVINO in %s gives a picture other last bits in a batch than alone: "
    "this network draws one picture after the other"
)
_FILES = ("model.xml", "model.bin")  # files of a converted network, as OpenVINO names them
_CHECKSUMS = "sha256"  # name of the file with the checksums of _FILES
PREFIX = "self.module."  # prefix of the names of weights in a converted network
_LARGEST_CHUNK = 16  # maximum number of images evaluated together, for small networks and images
_SMALL_IMAGE = 64 * 64  # maximum number of pixels of a small image
_SMALL_NETWORK = 200e6  # maximum number of parameters of a small network
_GRAPH = 3  # version of the stored files: increase it when openvino_graph changes, so that networks are converted again
KEPT_SHAPES = 5  # maximum number of input shapes whose compiled networks stay in memory
_TRIED_IMAGES = 4  # minimum number of images that `_try_batch` evaluates, in batches and singly
# Approximate memory of a compiled network, divided by the memory of its weights. The compiled network contains the
# weights in another layout, and the activations. Measured at 32×32 in fp32: 1.4 for one image, 2 for 16 images.
_SHAPE_WEIGHTS = 1.5

# The process has one Core, which is never deleted. Each Core installs an alternate signal stack in the thread that made
# it. A Core that is deleted restores the previous stack, which another Core may have freed; then the next signal would
# crash the process.
CORE = openvino.Core()

_CONVERTING = threading.Lock()  # torch can trace only one network at a time

log = logging.getLogger(__name__)

Shapes = tuple[tuple[int, ...], ...]
Part = tuple[int, bool]  # number of images evaluated together, and the argument `apart` of `upsample_in_one`


class _Converted(common.CompiledHere):
    """A torch module that OpenVINO evaluates. It is compiled for each shape of its inputs when this shape first occurs.

    config: the module's configuration. weights: a function that returns the weights; it is called after the conversion.
    example: inputs for whose shapes the module is compiled at once, to see whether this works.
    """

    device = torch.device("cpu")

    def __init__(
        self,
        module: nn.Module,
        config: Mapping[str, Any],
        precision: Arithmetic,
        weights: Callable[[], Mapping[str, Tensor]],
        example: Sequence[Tensor],
    ):
        # Without this hint, OpenVINO computes in bf16 on every processor that has bf16.
        self._config = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
        self._precision = precision
        self._requests: OrderedDict[tuple[Shapes, bool], openvino.InferRequest] = OrderedDict()
        self._lock = threading.Lock()
        self._entry = _cache() / _key(module, config)
        self._prepare(module, weights, tuple(tuple(part.shape) for part in example))

    def _prepare(self, module: nn.Module, weights: Callable[[], Mapping[str, Tensor]], shapes: Shapes) -> None:
        """Convert and compile the module. If a conversion from disk does not work, delete it and convert again."""
        for anew in (False, True):
            with _CONVERTING:
                self._model, kept = _converted(module, self._entry)
            try:
                self._rewrite()
                _replace_inputs_by_weights(self._model, weights())
                self._request(shapes)
                return
            except (LookupError, OSError, RuntimeError, TypeError, ValueError):  # a damaged file may raise any of these
                shutil.rmtree(self._entry, ignore_errors=True)
                self._restore()
                if anew or not kept:
                    raise

    def _rewrite(self) -> None:
        """Change the converted module for this precision. Subclasses define it; the default does nothing."""

    def _restore(self) -> None:
        """Restore the module's exact weights after a failure. Subclasses define it; the default does nothing."""

    def _infer(self, arrays: Sequence[np.ndarray], parts: Sequence[Part]) -> np.ndarray:
        """Return the output for a batch, evaluated in these parts."""
        outputs, start = [], 0
        # Requests run one after the other, because each uses all cores.
        with self._lock:
            for size, apart in parts:
                chunk = [array[start : start + size] for array in arrays]
                request = self._request(tuple(part.shape for part in chunk), apart)
                outputs.append(request.infer(chunk, share_inputs=True)[0])
                start += size
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _request(self, shapes: Shapes, apart: bool = False) -> openvino.InferRequest:
        """Return the compiled module for inputs of these shapes. Compile it if it is not in memory."""
        key = shapes, apart
        if key not in self._requests:
            model = self._model.clone()
            model.reshape(dict(zip(model.inputs, shapes, strict=True)))
            unite_attention(model)
            if self._precision != "fp32":  # in fp32, this call would change the last bits
                upsample_in_one(model, common.DTYPES[self._precision], apart)
            self._requests[key] = CORE.compile_model(model, "CPU", self._config).create_infer_request()
            while len(self._requests) > KEPT_SHAPES:
                self._requests.popitem(last=False)
        self._requests.move_to_end(key)
        return self._requests[key]

    def _compiled_bytes(self, module: nn.Module) -> int:
        """Return the bytes of memory that the compiled modules take, approximately."""
        each = sum(weight.numel() for weight in module.parameters()) * common.DTYPES[self._precision].itemsize
        return int(len(self._requests) * _SHAPE_WEIGHTS * each)


class OpenVINONetwork(_Converted):
    """A network as network(x, t_index, labels) → tensor like x, for any batch and size, evaluated by OpenVINO.

    precision: "auto" is bf16 if the CPU has it (AMX, AVX512-BF16) and is faster in it, else fp32. If the CPU lacks the
    precision, fp32 is used, with a warning. owned: whether nobody else uses `unet`; then, in bf16, its kernels and
    matrices are rounded as OpenVINO does, which halves their memory. exact: reads the network with its exact weights.

    A network compiled for one fixed shape is faster than one for any shape. So a batch is evaluated in chunks of 16, 8,
    4, 2 and 1, each compiled when it is first needed. On some processors, OpenVINO chooses kernels by the size of the
    batch, so an image in a batch gets other last bits than alone. So each size is first tried on this machine with the
    network's own weights, and only sizes that give the bits of single images are used. The results are stored on disk.
    """

    moves_inputs = True

    def __init__(
        self,
        unet: Network,
        precision: Precision = "auto",
        owned: bool = False,
        exact: Callable[[], Network] | None = None,
    ):
        nn.Module.to(unet, self.device, torch.float32)  # changes the module in place
        self.unet = unet.eval().requires_grad_(False)
        chosen, why = _precision(precision)
        self.precision: Arithmetic = chosen
        self.with_gradients = ExactNetwork(unet, self.device, exact, compiled=True)
        self._inputs = common.Inputs(unet)
        self._found: dict[Shapes, bool | None] = {}  # stored results of `_apart`, by the shapes of the inputs
        self._finding = threading.Lock()
        self._parameters = sum(weight.numel() for weight in unet.parameters())
        self.description = f"OpenVINO · cpu · {self.precision}{why}"
        self._rounds = owned and self.precision == "bf16"
        self._exact = exact if self._rounds else None
        self._rounded: dict[str, Tensor] = {}
        x, time, *labels = common.example_inputs(unet)
        time_proj: Any = getattr(unet, "time_proj", None)
        rounds_times = self.precision != "fp32" and isinstance(time_proj, from_diffusers.Timesteps)
        self._takes_features = common.takes_sigma(unet) or rounds_times
        self._features = lru_cache(1000)(lambda number, dtype: time_proj(torch.tensor([number], dtype=dtype)))
        converted = _taking_features(unet) if self._takes_features else unet
        inputs = [self._image(x), self._time(time), *labels]
        super().__init__(converted, converted.config, self.precision, self._weights, inputs)
        # Rounding comes last: if anything before it fails, another engine needs the exact weights.
        for name, parameter in self.unet.named_parameters():
            parameter.data = self._rounded.get(name, parameter.data)
        self._rounded.clear()
        common.return_freed_memory()

    def _weights(self) -> Mapping[str, Tensor]:
        """Return the weights, rounded to bf16 if the network is owned.

        If `exact` can read the exact weights again, the network's own weights are rounded in place, so that a large
        network is never in memory in both precisions.
        """
        for name, parameter in self.unet.named_parameters(remove_duplicate=False):
            if self._rounds and parameter.ndim > 1:
                self._rounded[name] = parameter.data.bfloat16()
                if self._exact is not None:
                    parameter.data = self._rounded[name]
        if self._exact is not None:
            common.return_freed_memory()
        return self.unet.state_dict() | self._rounded

    def _restore(self) -> None:
        """Read the exact weights again if they were rounded in place."""
        if self._exact is not None:
            for name, parameter in self._exact().named_parameters():
                self.unet.get_parameter(name).data = parameter.data

    def _rewrite(self) -> None:
        """Let the converted network take its image in two parts, unless the precision is fp32."""
        if self.precision != "fp32":
            take_two_parts(self._model, f"{PREFIX}{first_convolution(self.unet)}.weight")

    @property
    def memory(self) -> int:
        """The bytes of memory that the weights and the compiled networks take, approximately."""
        return common.weight_bytes(self.unet) + self.with_gradients.memory + self._compiled_bytes(self.unet)

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the output for x (N, C, H, W), with its dtype and on its device: see `EngineNetwork`."""
        t_index, labels = self._inputs.checked(x, t_index, labels)
        if t_index.is_floating_point() and not self._takes_features:  # this graph takes only whole t
            with torch.no_grad():
                return self.with_gradients(x, t_index, labels)
        given = [x, t_index] if labels is None else [x, t_index, labels]
        largest = largest_chunk(x[0, 0].numel(), self._parameters)
        parts = _parts(len(x), largest, lambda size: self._apart([part[:size] for part in given]))
        output = torch.from_numpy(self._infer(self._arrays(*given), parts))
        if self.unet.config.get("time_embedding_type") == "fourier":
            output = output / common.single(t_index).to(output.device).reshape(-1, 1, 1, 1)
        return output.to(x.device, x.dtype)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the attention of each place to each token of the prompt, (N, L, H, W): see `EngineNetwork`."""
        return self.with_gradients.attention(x, t_index, states)

    def _arrays(self, x: Tensor, t_index: Tensor, *labels: Tensor) -> list[np.ndarray]:
        """Return the inputs as the converted network takes them."""
        conditions = [part.float() if part.is_floating_point() else part for part in labels]
        inputs = [self._image(x), self._time(t_index), *conditions]
        return [part.detach().cpu().contiguous().numpy() for part in inputs]

    def _apart(self, given: Sequence[Tensor]) -> bool | None:
        """Return the argument `apart` of `upsample_in_one` with which images have the same bits in a batch and alone.

        The result is None if neither True nor False does this. given: inputs for a batch of this size. Only their
        shapes and labels are used; the trial has other x and times.
        """
        x, time, *labels = given
        if len(x) == 1:
            return False
        shapes = tuple(tuple(part.shape) for part in given)
        with self._finding:
            if shapes not in self._found:
                kept = self._entry / f"batch-{self._trial_key(shapes)}"
                try:
                    self._found[shapes] = json.loads(kept.read_text())
                except (OSError, ValueError):
                    self._found[shapes] = self._try_batch(x, time, *labels)
                    with suppress(OSError):
                        kept.write_text(json.dumps(self._found[shapes]))
                if self._found[shapes] is None and len(x) == 2:
                    log.warning(_ALONE, self.precision)
        return self._found[shapes]

    def _try_batch(self, x: Tensor, time: Tensor, *labels: Tensor) -> bool | None:
        """Evaluate images singly and in batches of this size, compare the bits, and return the result of `_apart`."""
        n = len(x)
        generator = torch.Generator().manual_seed(0)
        trials = []
        for first in range(0, max(n, _TRIED_IMAGES), n):
            images = torch.randn(x.shape, generator=generator, dtype=torch.float32)
            times = time.cpu() * torch.arange(first + 1, first + n + 1) / max(n, _TRIED_IMAGES)
            trials.append(self._arrays(images, times.to(time.dtype), *labels))
        alone = [self._infer(arrays, [(1, False)] * n) for arrays in trials]
        for apart in (False, True)[: 1 if self.precision == "fp32" else 2]:
            same = all(
                np.array_equal(self._infer(arrays, [(n, apart)]), expected, equal_nan=True)
                for arrays, expected in zip(trials, alone, strict=True)
            )
            if same:
                return apart
            with self._lock:  # removes the compiled network that failed the trial
                self._requests.pop((tuple(part.shape for part in trials[0]), apart), None)
        return None

    def _trial_key(self, shapes: Shapes) -> str:
        """Return a hash of everything that the result of `_apart` depends on, besides the converted network."""
        with self._lock:
            compiled = next(iter(self._requests.values())).get_compiled_model()
        threads = compiled.get_property("INFERENCE_NUM_THREADS")
        about = [shapes, self.precision, threads, _processor(), self._weights_hash]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    @cached_property
    def _weights_hash(self) -> str:
        """The SHA-256 of the network's weights."""
        digest = hashlib.sha256()
        for weight in self.unet.state_dict().values():
            digest.update(weight.reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    @torch.no_grad()
    def _time(self, time: Tensor) -> Tensor:
        """Return the time as the converted network takes it: t_index, or its sines and cosines (N, D)."""
        if not self._takes_features:
            return time
        time = common.single(time)
        # Each time is computed alone, because torch computes the last few numbers of a batch without vector
        # instructions, which gives other last bits.
        return torch.cat([self._features(number, time.dtype) for number in time.tolist()])

    def _image(self, x: Tensor) -> Tensor:
        """Return x as the converted network takes it: in two parts unless the precision is fp32."""
        x = x.float()
        if self.precision == "fp32":
            return x
        return common.in_two_parts(
            2 * x - 1 if self.unet.config.get("center_input_sample") else x, common.DTYPES[self.precision]
        )


class _Features(nn.Module):
    """Replaces the layer `time_proj` of a network. It takes the layer's output, (D, N), and returns it as (N, D)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return features (D, N) as (N, D)."""
        return features.T


def _taking_features(unet: Network) -> Network:
    """Return a copy of a network, with the same weights, that takes the sines and cosines of the time as its time.

    In bf16, OpenVINO would round the times and the angles, which are hundreds of radians. For networks that take σ, the
    copy leaves out the last division by σ, too: `OpenVINONetwork.__call__` divides.
    """
    twin: Any = copy.copy(unet)
    twin._modules = {**unet._modules, "time_proj": _Features()}
    if from_diffusers.takes_words(unet):
        twin.get_time_embed = lambda sample, timestep: timestep.T  # the original method accepts only times (N,)
    twin._internal_dict = type(unet.config)({**unet.config, "time_embedding_type": "positional"})
    return twin


class OpenVINODecoder(_Converted):
    """The decoder of an autoencoder, evaluated by OpenVINO, each picture alone.

    config: the configuration of the autoencoder. example: a z of the usual shape, (1, C, H, W).
    """

    def __init__(self, decoder: nn.Module, config: Mapping[str, Any], precision: Arithmetic, example: Tensor):
        super().__init__(decoder, config, precision, decoder.state_dict, [example])
        self._decoder = decoder

    @property
    def memory(self) -> int:
        """The bytes of memory that the compiled decoder takes, approximately."""
        return self._compiled_bytes(self._decoder)

    def __call__(self, z: Tensor) -> Tensor:
        """Return the pictures (N, 3, H, W) of latents z (N, C, H, W), float32."""
        return torch.from_numpy(self._infer([z.contiguous().numpy()], [(1, False)] * len(z)))


def largest_chunk(pixels: int, parameters: int) -> int:
    """Return the maximum number of images that are evaluated together.

    This number is 1 for large images and large networks, because one image then uses all cores, and each size of a
    chunk would need another copy of the weights.
    """
    return _LARGEST_CHUNK if pixels <= _SMALL_IMAGE and parameters <= _SMALL_NETWORK else 1


def _parts(n: int, largest: int, apart: Callable[[int], bool | None]) -> list[Part]:
    """Divide a batch of n images into parts of at most `largest`.

    Their sizes are powers of two for which `apart(size)` is not None.
    """
    parts = []
    while n:
        size = min(largest, 1 << (n.bit_length() - 1))
        while (way := apart(size)) is None:
            largest = size = size // 2
        parts.append((size, way))
        n -= size
    return parts


@lru_cache(maxsize=1)
def _processor() -> str:
    """Return a text with everything by which OpenVINO chooses kernels: the processor's name and its features."""
    found = [str(CORE.get_property("CPU", name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    with suppress(OSError):  # only Linux has this file; a virtual processor's name, such as "AMD EPYC", is not enough
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        found += [line for line in lines if line.startswith(("cpu family", "model", "stepping", "cache", "flags"))]
    return "\n".join(found)


def _precision(precision: Precision) -> tuple[Arithmetic, str]:
    """Return the precision to use, and the reason as text if it is not the requested precision."""
    native = CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        if "BF16" not in native:
            return "fp32", " (no native bf16)"
        return ("bf16", "") if common.bf16_is_fast() else ("fp32", " (bf16 is slower here)")
    if precision.upper() in native:
        return precision, ""
    warnings.warn(f"this CPU has no {precision} arithmetic: using fp32", stacklevel=4)
    return "fp32", f" (no native {precision})"


def _converted(module: nn.Module, entry: Path) -> tuple[openvino.Model, bool]:
    """Return the module converted for OpenVINO, with its weights as named inputs, and whether it was read from disk."""
    try:
        if (entry / _CHECKSUMS).read_text() != _checksums(entry):
            raise OSError("damaged")
        model = CORE.read_model(entry / _FILES[0])
        if _weight_inputs(model).keys() != module.state_dict().keys():
            raise KeyError("another network's")
        os.utime(entry)  # stores the time of the latest use, for `_evict`
        return model, True
    except (RuntimeError, OSError, KeyError, ValueError):
        shutil.rmtree(entry, ignore_errors=True)  # the entry is missing or damaged
    model = convert(module)
    try:
        _replace_weights_by_inputs(model, module)
        _store(model, entry)
        _evict(entry.parent)
    except (RuntimeError, OSError, KeyError) as error:
        log.warning("the converted network cannot be kept in %s: %s", entry.parent, error)
    return model, False


def _replace_weights_by_inputs(model: openvino.Model, module: nn.Module) -> None:
    """Replace the weights in the graph by inputs with the same names. Raise KeyError if a weight is not in it."""
    constants = {node.get_friendly_name(): node for node in model.get_ops() if node.get_type_name() == "Constant"}
    weights = {name: constants[name] for name in (PREFIX + name for name in module.state_dict())}
    for name, weight in weights.items():
        parameter = opset.parameter(weight.shape, weight.get_element_type())
        parameter.set_friendly_name(name)
        for target in weight.output(0).get_target_inputs():
            target.replace_source_output(parameter.output(0))
        model.add_parameters([parameter])


def _weight_inputs(model: openvino.Model) -> dict[str, openvino.op.Parameter]:
    """Return the inputs that replaced weights, by the weights' names in torch."""
    names = {parameter.get_friendly_name(): parameter for parameter in model.get_parameters()}
    return {name.removeprefix(PREFIX): node for name, node in names.items() if name.startswith(PREFIX)}


def _replace_inputs_by_weights(model: openvino.Model, weights: Mapping[str, Tensor]) -> None:
    """Replace the inputs that stand for weights by the weights, which share torch's memory."""
    for name, parameter in _weight_inputs(model).items():
        constant = _constant(weights[name])
        for target in parameter.output(0).get_target_inputs():
            target.replace_source_output(constant.output(0))
        model.remove_parameter(parameter)


def _constant(weight: Tensor) -> Node:
    """Return a float32 constant of the graph that shares the tensor's memory."""
    if weight.dtype == torch.float32:
        return openvino.op.Constant(np.ascontiguousarray(weight.numpy()), shared_memory=True)
    bits = weight.contiguous().view(torch.int16).numpy()  # the bits as int16, because NumPy has no bfloat16
    stored = openvino.op.Constant(openvino.Tensor(bits, weight.shape, openvino.Type.bf16), shared_memory=True)
    constant = opset.convert(stored, "f32")
    constant.get_rt_info()["decompression_0"] = ""  # OpenVINO then converts it to float32 only when needed
    return constant


def convert(module: nn.Module) -> openvino.Model:
    """Return a network or a decoder as a graph of OpenVINO, with its weights as constants."""

    class Forward(nn.Module):
        """The module as a function of tensors only, which the tracer needs."""

        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, x: Tensor, *others: Tensor) -> Tensor:
            """Return the module's output. others: the time and the condition of a network."""
            if not others:
                return self.module(x)
            time, *labels = others
            # Features of the time are (N, D), and a network multiplies its time by ones (N,). So the network gets the
            # features as (D, N).
            return self.module(x, time.T if time.ndim == 2 else time, *labels, return_dict=False)[0]

    # openvino.convert_model would do the same, but it turns off all logging during the conversion, and sends usage
    # statistics. The tracer reads all attributes of a module, including its device: so `without_offloading` saves time.
    with warnings.catch_warnings(), torch.no_grad(), from_diffusers.without_offloading():
        warnings.simplefilter("ignore")  # the tracer warns about every size check in diffusers
        # The example has two images, because with one image the tracer might treat the batch as a constant. The images
        # are small, because the graph is the same for every size, and tracing took five times as long at 256×256.
        inputs = _example(module)
        # check_trace would trace a second time, which takes as long, only to warn about differences.
        decoder = TorchScriptPythonDecoder(Forward(), example_input=inputs, trace_kwargs={"check_trace": False})
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    keep_channels_together(model)
    return model


def _example(module: Any) -> tuple[Tensor, ...]:
    """Return inputs for the tracer: two images of the smallest size for a network, or two latents for a decoder."""
    if is_network(module):
        x, time, *labels = common.example_inputs(module, 2, least_side(module))
        if isinstance(getattr(module, "time_proj", None), _Features):
            first: Any = module.get_submodule("time_embedding.linear_1")
            time = torch.zeros(2, first.in_features, dtype=torch.float32)
        return x, time, *labels
    convolution = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    return (torch.zeros(2, convolution.in_channels, 2, 2, dtype=torch.float32),)


def _key(module: nn.Module, config: Mapping[str, Any]) -> str:
    """Return a hash of everything that the converted module depends on, except the weights.

    These are the configuration, the class of every layer, the versions of the libraries and of `openvino_graph`, and
    the buffers that are no weights.
    """
    versions = [torch.__version__, from_diffusers.__version__, openvino.__version__, _GRAPH]
    config = {name: value for name, value in config.items() if not name.startswith("_")}
    parts = {name: f"{type(part).__module__}.{type(part).__qualname__}" for name, part in module.named_modules()}
    weights = module.state_dict().keys()
    others = {
        name: hashlib.sha256(buffer.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
        for name, buffer in module.named_buffers()
        if name not in weights
    }
    whole = json.dumps([versions, config, parts, others], sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()


def _cache() -> Path:
    """Return the folder of all converted networks."""
    return files.cache_folder("openvino")


def _store(model: openvino.Model, entry: Path) -> None:
    """Write a converted network to disk, so that other processes see either all of it or nothing."""
    with files.new_folder(entry) as new:
        # By default, OpenVINO would round all stored numbers to fp16.
        openvino.save_model(model, new / _FILES[0], compress_to_fp16=False)
        (new / _CHECKSUMS).write_text(_checksums(new))


def _checksums(entry: Path) -> str:
    """Return the content of the checksum file: a line with the SHA-256 and the name of each file."""
    return "".join(f"{files.sha256(entry / name)}  {name}\n" for name in _FILES)


def _evict(folder: Path) -> None:
    """Delete the least recently used entries until the rest has at most CACHE_BYTES. The newest entry always stays."""
    entries = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    entries.sort(key=lambda entry: entry.stat().st_mtime)
    sizes = [sum(file.stat().st_size for file in entry.rglob("*") if file.is_file()) for entry in entries]
    for entry, size in list(zip(entries, sizes, strict=True))[:-1]:
        if sum(sizes) <= CACHE_BYTES:
            return
        shutil.rmtree(entry, ignore_errors=True)
        sizes.remove(size)
