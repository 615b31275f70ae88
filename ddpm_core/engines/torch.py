"""PyTorch as the engine, eager or compiled, on any device."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_core.engines import same_bits
from ddpm_core.engines.attention import CrossAttention
from ddpm_core.engines.common import (
    DTYPES,
    CompiledHere,
    Inputs,
    example_inputs,
    forbid_tf32,
    in_two_parts,
    single,
    takes_sigma,
    weight_bytes,
)
from ddpm_core.engines.from_diffusers import Attention, UNet2DModel
from ddpm_core.engines.networks import Network, first_convolution
from ddpm_core.engines.networks.times import known_times
from ddpm_core.names import Arithmetic
from ddpm_core.process import to_device

# An image must have the same bits in any batch. But torch chooses kernels by the size of the batch, and their sums
# differ in the last bits. On a CPU, `same_bits` solves this. On a GPU, a batch is evaluated in chunks of these sizes,
# and the last chunk is padded, because a GPU computes many small images in the time of one.
_CHUNKS = (256, 64, 8, 1)
_PIXELS = 256 * 32 * 32 * 2  # maximum number of pixels in a chunk on a GPU
_CPU_CHUNK = 64  # maximum number of images in a chunk on a CPU
_CPU_PIXELS = 16 * 64 * 64  # maximum number of pixels in a chunk on a CPU
_TRIED = (0, 10, 100, 999)  # values of t_index at which `stays_finite` evaluates a network


class _InputConv(nn.Module):
    """The first convolution of a network in half precision. It takes a float32 image and uses all of its digits."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding = conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of a float32 image, in half precision."""
        parts = in_two_parts(x, self.weight.dtype).to(self.weight.dtype)
        return F.conv2d(parts, torch.cat([self.weight, self.weight], 1), self.bias, self.stride, self.padding)


def _round_skip(block: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
    """Cast the float32 image, which the first Skip block also takes, to the dtype of the block's other input.

    This is a forward pre-hook.
    """
    skip = keywords["skip_sample"].to(keywords["hidden_states"].dtype)
    return arguments, {**keywords, "skip_sample": skip}


def _round_time(module: nn.Module, arguments: tuple) -> tuple:
    """Cast the embedded time, which some networks compute in float32, to the dtype of the module.

    This is a forward pre-hook.
    """
    embedded, *rest = arguments
    return embedded.to(next(module.parameters()).dtype), *rest


def _padded(part: Tensor, size: int) -> Tensor:
    """Return a tensor with its last row repeated until it has `size` rows."""
    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


def chunks(n: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Divide n images into chunks. Return (number of images, size) of each chunk, the largest first.

    A chunk may have fewer images than its size, but at least half as many; then it is padded. sizes: the allowed sizes,
    descending, with 1 as the last.
    """
    taken = []
    for size in sizes:
        full, left = divmod(n, size)
        taken += [(size, size)] * full
        n = left
        if 2 * left >= size:
            taken.append((left, size))
            n = 0
    return taken


def _in_chunks(
    evaluate: Callable[..., Tensor],
    device: torch.device,
    x: Tensor,
    t_index: Tensor,
    labels: Tensor | None,
    together: int = 1,
) -> Tensor:
    """Return evaluate(x, t_index, labels), called for chunks, with the dtype and on the device of x.

    together: the maximum number of images in a chunk on a CPU.
    """
    inputs = [to_device(x, device, torch.float32), to_device(single(t_index), device)]
    if labels is not None:
        inputs.append(to_device(labels, device))
    pixels = x[0, 0].numel()
    if device.type == "cpu":
        most = max(1, min(together, _CPU_PIXELS // pixels))
        taken = [(n, n) for n in (min(most, len(x) - i) for i in range(0, len(x), most))]
    else:
        taken = chunks(len(x), [size for size in _CHUNKS if size == 1 or size * pixels <= _PIXELS])
    parts = zip(*(part.split([n for n, _ in taken]) for part in inputs), strict=True)
    outputs = [_in_one(evaluate, size, *part) for (_, size), part in zip(taken, parts, strict=True)]
    return torch.cat(outputs).to(x.device, x.dtype)


def _in_one(evaluate: Callable[..., Tensor], size: int, x: Tensor, *conditions: Tensor) -> Tensor:
    """Return evaluate(x, *conditions) for one chunk, which is padded to its size for the call."""
    n = len(x)
    if n < size:
        conditions = tuple(_padded(part, size) for part in conditions)
        x = _padded(x, size)
    return evaluate(x.contiguous(memory_format=layout(x.device)), *conditions)[:n]


def layout(device: torch.device) -> torch.memory_format:
    """Return the memory layout for a device: channels last, except for Apple's GPUs.

    Some kernels of Apple's GPUs give wrong results for channels last (pytorch#174345, #180984).
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


class _KnownDtype(UNet2DModel):
    """A U-Net of diffusers that finds its dtype at once. The original searches all layers, twice in each evaluation."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the network's weights."""
        return self.conv_in.weight.dtype


_KnownDtype.__name__ = UNet2DModel.__name__  # a saved config.json names this class


class _PlainAttention(Attention):
    """An attention layer of diffusers that passes all keywords to its processor.

    The original inspects the processor's signature in each evaluation, to drop keywords that the processor does not
    name. diffusers' processors ignore such keywords.
    """

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **others: Any,
    ) -> Tensor:
        """Return the processor's output."""
        return self.processor(self, hidden_states, encoder_hidden_states, attention_mask, **others)


# {class of diffusers: class without some Python code that takes much of a small network's time}.
_QUICKER: dict[type, type] = {UNet2DModel: _KnownDtype, Attention: _PlainAttention}


class ExactNetwork:
    """Evaluates a network in PyTorch and float32 with gradients with respect to x, whatever the engine is.

    unet: the engine's network, whose weights may be rounded. exact: a function that reads the network with the exact
    weights of its file; it is called at most once. compiled: whether the engine has compiled the weights, and shares
    some of their memory.
    """

    moves_inputs = True

    def __init__(
        self, unet: Network, device: torch.device, exact: Callable[[], Network] | None, compiled: bool = False
    ):
        self._inputs = Inputs(unet)
        self._unet, self._device, self._exact, self._compiled = unet, device, exact, compiled
        self._found: Network | None = None
        self._attention: CrossAttention | None = None
        self._lock = threading.RLock()

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the network's output for x (N, C, H, W), with its dtype and on its device, and with gradients."""
        condition = self._inputs.checked(x, t_index, labels)
        return _in_chunks(partial(_output, self.module()), self._device, x, *condition)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the attention of each place to each token, (N, L, H, W), with the dtype and on the device of x."""
        with self._lock:
            if self._attention is None:
                self._attention = CrossAttention(self.module())
        return _in_chunks(self._attention, self._device, x, *self._inputs.checked(x, t_index, states))

    def module(self) -> Any:
        """Return the network in float32, in evaluation mode. Raise ValueError if there are no exact weights."""
        with self._lock:
            if self._found is None:
                self._found = self._float32()
            return self._found

    def trainable(self) -> Any:
        """Return the network of `module()` for a caller who may change its weights.

        If the engine has compiled the weights, the result is a copy. If the weights that the engine shares were
        changed, some compiled layers would have new weights, and others would have old weights.
        """
        with self._lock:
            if self.module() is self._unet and self._compiled:
                self._found = copy.deepcopy(self._unet)
            return self._found

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy or a pickle, without the lock and the copy of the network for attention."""
        return vars(self) | {"_lock": None, "_attention": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a state that `__getstate__` returned, and make a new lock."""
        vars(self).update(state | {"_lock": threading.RLock()})

    @property
    def kept(self) -> Network:
        """The network that has the model's weights, including changes by training: see `blocks.module`."""
        return self._unet if self._found is None else self._found

    @property
    def memory(self) -> int:
        """The bytes of the exact weights, if they are stored in addition to the engine's network."""
        return 0 if self._found is None or self._found is self._unet else weight_bytes(self._found)

    @torch.inference_mode(False)  # weights that are made in inference mode never allow gradients
    def _float32(self) -> Network:
        """Return the network with exact float32 weights. Raise ValueError if they can't be read or have changed."""
        rounded = dict(self._unet.named_parameters())
        if all(weight.dtype == torch.float32 for weight in rounded.values()):
            return self._unet
        found = None if self._exact is None else self._exact()
        same = found is not None and all(
            weight.detach().to(rounded[name].dtype).equal(rounded[name].detach().cpu())
            for name, weight in found.named_parameters()
        )
        if found is None or not same:
            raise ValueError(
                "gradients and attention need the exact weights, and here they are rounded: load with precision='fp32'"
            )
        forbid_tf32()
        nn.Module.to(found, self._device)
        return found.eval().requires_grad_(False)


def _output(unet: Network, x: Tensor, t_index: Tensor, *labels: Tensor) -> Tensor:
    """Return the network's output.

    The states of prompts, a floating-point condition, are cast to the network's dtype.
    """
    if labels and labels[0].is_floating_point():
        labels = (labels[0].to(next(unet.parameters()).dtype),)
    return unet(x, t_index, *labels, return_dict=False)[0]


class TorchNetwork:
    """A network as network(x, t_index, labels) → tensor like x, evaluated by PyTorch in chunks.

    batched: whether, on a CPU, the last bits of an image may depend on the other images of its batch, which is faster.
    """

    name = "torch"
    moves_inputs = True
    together = _CPU_CHUNK

    def __init__(
        self,
        unet: Network,
        device: torch.device,
        precision: Arithmetic,
        exact: Callable[[], Network] | None = None,
        batched: bool = False,
    ):
        if precision == "fp32":
            forbid_tf32()
        self.each_alone = device.type == "cpu" and not batched
        # The method `to` of diffusers would warn that norms should stay in float32.
        moved: Any = nn.Module.to
        # The embedding of the time stays in float32, because angles of hundreds of radians need exact frequencies.
        time_proj = copy.deepcopy(getattr(unet, "time_proj", None))
        moved(unet, device, DTYPES[precision], memory_format=layout(device))
        if time_proj is not None:
            unet.register_module("time_proj", time_proj.to(device))
        self.unet = unet.eval().requires_grad_(False)
        self.device = device
        self._inputs = Inputs(unet)
        # Shapes and strides of inputs for which no function needs to be computed for each image alone.
        self._same_together: set[Any] = set()
        self.with_gradients = ExactNetwork(unet, device, exact)
        self.description = f"{self.name} · {device.type} · {precision}" + (" · batched" if batched else "")
        first: Any = unet.get_submodule(first_convolution(unet))
        if precision != "fp32" and not isinstance(first, _InputConv):
            unet.set_submodule(first_convolution(unet), _InputConv(first))
            for name, part in unet.named_modules():
                if name == "time_embedding":
                    part.register_forward_pre_hook(_round_time)
                elif hasattr(part, "skip_conv") and name.startswith("down_blocks."):
                    part.register_forward_pre_hook(_round_skip, with_kwargs=True)
        self._prepare()

    def _prepare(self) -> None:
        """Prepare the engine. The constructor calls this last."""
        for part in self.unet.modules():
            part.__class__ = _QUICKER.get(type(part), type(part))
        if self.device.type == "cpu" and next(self.unet.parameters()).dtype == torch.float32:
            same_bits.prepare(self.unet)

    @property
    def memory(self) -> int:
        """The bytes of the network's weights."""
        return weight_bytes(self.unet) + self.with_gradients.memory

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the output for x (N, C, H, W), with its dtype and on its device: see `EngineNetwork`."""
        condition = self._inputs.checked(x, t_index, labels)
        return _in_chunks(self._forward, self.device, x, *condition, self.together)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the attention of each place to each token of the prompt, (N, L, H, W): see `EngineNetwork`."""
        return self.with_gradients.attention(x, t_index, states)

    @torch.inference_mode()  # faster than no_grad; `_in_chunks` returns a copy, which may get gradients
    def _forward(self, *inputs: Tensor) -> Tensor:
        """Evaluate one chunk. On a CPU, each image gets the bits that it has alone, unless `batched` is on."""
        key = torch.get_num_threads(), *((part.shape, part.stride(), part.dtype) for part in inputs)
        if len(inputs[0]) == 1 or not self.each_alone or key in self._same_together:
            return _output(self.unet, *inputs)
        with same_bits.SameBits(len(inputs[0])) as mode:
            output = _output(self.unet, *inputs)
        if not mode.alone:  # from now on, these shapes run without `SameBits`, which takes time
            self._same_together.add(key)
        return output


# Before torch 2.13, CUDA graphs belong to the thread that made the first of them (pytorch#123177). So a single thread
# evaluates all compiled networks for all callers, and records each shape once.
_COMPILED = ThreadPoolExecutor(1, "ddpm-compiled")


def stays_finite(unet: Network, device: torch.device) -> bool:
    """Return whether a network gives finite numbers in fp16, whose largest number is 65,504.

    A copy of the network is tried at several t, with inputs that have twice the standard deviation of x_t. A network
    that takes other times than t − 1 is not tried, and the result is False.
    """
    if takes_sigma(unet):
        return False
    network = TorchNetwork(copy.deepcopy(unet), device, "fp16")
    x, _, *labels = example_inputs(unet, len(_TRIED))
    x = 2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    times = torch.tensor(_TRIED).clamp(max=(known_times(unet) or max(_TRIED) + 1) - 1)
    return bool(network(x, times, *labels).isfinite().all())


class CompiledNetwork(CompiledHere, TorchNetwork):
    """A network compiled by torch.compile, on CUDA as a CUDA graph. The constructor compiles it for one image."""

    name = "torch.compile"
    together = 1

    def _prepare(self) -> None:
        """Compile the network. It is evaluated once, because torch compiles at the first evaluation."""
        mode = "reduce-overhead" if self.device.type == "cuda" else None
        # Torch compiles a function for at most eight shapes, counted over all networks that share its code. So each
        # network gets a copy of the function.
        own = FunctionType(_output.__code__.replace(), _output.__globals__)
        self._compiled = torch.compile(MethodType(own, self.unet), mode=mode, dynamic=False)
        self(*example_inputs(self.unet))

    def _forward(self, *inputs: Tensor) -> Tensor:
        """Evaluate one chunk on the thread of the compiled networks."""
        return _COMPILED.submit(self._replay, *inputs).result()

    @torch.no_grad()  # this runs in another thread, where the caller's no_grad is not active
    def _replay(self, *inputs: Tensor) -> Tensor:
        """Return a copy of the compiled function's output, because the next replay of a CUDA graph overwrites it."""
        return self._compiled(*inputs).clone()


_RECORDING = threading.Lock()  # a process can record only one CUDA graph at a time


class GraphNetwork(CompiledHere, TorchNetwork):
    """A network recorded as a CUDA graph, once for each shape of a chunk.

    The CPU then starts all work of an evaluation by one call to the GPU.
    """

    name = "CUDA graph"

    def _prepare(self) -> None:
        """Record the graph for one image."""
        self._recorded: dict[Any, tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]] = {}
        self._lock = threading.Lock()  # one evaluation at a time, because a graph reads and writes fixed addresses
        self(*example_inputs(self.unet))

    @torch.inference_mode()  # the graph is also recorded in inference mode
    def _forward(self, *inputs: Tensor) -> Tensor:
        """Evaluate one chunk by the graph for its shape. If there is no such graph yet, record it first."""
        shapes = tuple((part.shape, part.dtype) for part in inputs)
        with self._lock, torch.cuda.device(self.device):  # a graph records only the current device
            if shapes not in self._recorded:
                self._recorded[shapes] = self._record(inputs)
            graph, places, output = self._recorded[shapes]
            for place, part in zip(places, inputs, strict=True):
                place.copy_(part)
            graph.replay()
            return output.clone()

    def _record(self, inputs: Sequence[Tensor]) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]:
        """Record an evaluation. Return the graph, the tensors that it reads, and the tensor that it writes."""
        places = [part.clone() for part in inputs]
        aside = torch.cuda.Stream(self.device)
        aside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(aside):  # two evaluations choose kernels and load libraries before the recording
            for _ in range(2):
                super()._forward(*places)
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # "thread_local" lets other threads compute during the recording.
        with _RECORDING, torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = super()._forward(*places)
        return graph, places, output
