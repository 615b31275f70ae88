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
    told_numbers,
    weight_bytes,
)
from ddpm_core.engines.from_diffusers import Attention, UNet2DModel
from ddpm_core.engines.networks import Network, first_convolution
from ddpm_core.engines.networks.times import known_times
from ddpm_core.names import Arithmetic
from ddpm_core.process import to_device

# torch chooses convolution kernels by batch size, and their sums differ in the last bits; so that an image is the same
# in any batch, see `same_bits` for a CPU. A GPU computes many small images in the time of one: there a batch is
# evaluated in chunks of these sizes, the last one padded.
_CHUNKS = (256, 64, 8, 1)
_CPU_CHUNK = 64  # images that a CPU evaluates together, at most
_CPU_PIXELS = 16 * 64 * 64  # pixels that these images have together, at most
_TRIED = (0, 10, 100, 999)  # values of t_index with which a new network is tried
_PIXELS = 256 * 32 * 32 * 2  # a chunk has at most so many


class _InputConv(nn.Module):
    """A network's first convolution in half precision, applied to a float32 image; its parameters keep their names."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding = conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        parts = in_two_parts(x, self.weight.dtype).to(self.weight.dtype)
        return F.conv2d(parts, torch.cat([self.weight, self.weight], 1), self.bias, self.stride, self.padding)


def _round_skip(block: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
    """The first Skip block of a network reads the float32 image too: cast it to the dtype of the block's weights."""
    skip = keywords["skip_sample"].to(keywords["hidden_states"].dtype)
    return arguments, {**keywords, "skip_sample": skip}


def _round_time(module: nn.Module, arguments: tuple) -> tuple:
    """Convert the embedded time to the dtype of the module, as networks with prompts embed it in float32."""
    embedded, *rest = arguments
    return embedded.to(next(module.parameters()).dtype), *rest


def _padded(part: Tensor, size: int) -> Tensor:
    """A tensor with its last row repeated until it has `size` rows."""
    return torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])


def chunks(n: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(images, size) of the chunks of n images, the largest first. sizes: descending, 1 the last.

    A chunk that is not full is padded: it is at least half full.
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
    """evaluate(x, t_index, labels) in chunks of fixed sizes; its results with the dtype and on the device of x.

    together: how many images at most `evaluate` may be given on a CPU.
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
    """evaluate(x, *conditions) for a chunk, padded to its size."""
    n = len(x)
    if n < size:
        conditions = tuple(_padded(part, size) for part in conditions)
        x = _padded(x, size)
    return evaluate(x.contiguous(memory_format=layout(x.device)), *conditions)[:n]


def layout(device: torch.device) -> torch.memory_format:
    """Channels innermost, but for Apple's GPUs, some of whose kernels get that wrong (pytorch#174345, #180984)."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


class _KnownDtype(UNet2DModel):
    """A U-Net of diffusers without the walk through all layers, twice in an evaluation, to find its dtype."""

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype


_KnownDtype.__name__ = UNet2DModel.__name__  # a saved config.json names this class


class _PlainAttention(Attention):
    """An attention layer of diffusers without the look at its processor's signature in every evaluation.

    That look drops keywords that the processor does not name. diffusers' processors ignore these.
    """

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **others: Any,
    ) -> Tensor:
        return self.processor(self, hidden_states, encoder_hidden_states, attention_mask, **others)


# Both take much of the time of a small network, in Python.
_QUICKER: dict[type, type] = {UNet2DModel: _KnownDtype, Attention: _PlainAttention}


class ExactNetwork:
    """Evaluates a network in PyTorch and float32, whatever the engine is: with gradients with respect to x.

    unet: the engine's, which may hold rounded weights. exact: reads the network with the weights of its file; what it
    returns is kept. compiled: whether the engine has compiled the weights and shares some of their memory.
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
        """Return the maps of `CrossAttention`, (N, L, H, W), with the dtype and on the device of x."""
        with self._lock:
            if self._attention is None:
                self._attention = CrossAttention(self.module())
        return _in_chunks(self._attention, self._device, x, *self._inputs.checked(x, t_index, states))

    def module(self) -> Any:
        """Return the network in float32, in evaluation mode. Raises ValueError where there are no exact weights."""
        with self._lock:
            if self._found is None:
                self._found = self._float32()
            return self._found

    def trainable(self) -> Any:
        """Return `module()` for who may change its weights.

        Where they are compiled, it is a copy: else some layers would have the new weights, and others the old ones.
        """
        with self._lock:
            if self.module() is self._unet and self._compiled:
                self._found = copy.deepcopy(self._unet)
            return self._found

    def __getstate__(self) -> dict[str, Any]:  # a copy has a lock of its own, and finds the attention again
        return vars(self) | {"_lock": None, "_attention": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"_lock": threading.RLock()})

    @property
    def kept(self) -> Network:
        """The network whose weights are the model's, also when they are trained: see `blocks.module`."""
        return self._unet if self._found is None else self._found

    @property
    def memory(self) -> int:
        """Bytes that it takes besides the engine's network."""
        return 0 if self._found is None or self._found is self._unet else weight_bytes(self._found)

    @torch.inference_mode(False)  # else no gradients, for ever
    def _float32(self) -> Network:
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
    """What words say is of a float dtype, and must have the network's."""
    if labels and labels[0].is_floating_point():
        labels = (labels[0].to(next(unet.parameters()).dtype),)
    return unet(x, t_index, *labels, return_dict=False)[0]


class TorchNetwork:
    """A network as `network(x, t_index, labels) -> tensor like x`, evaluated in chunks.

    batched: on a CPU let what is computed for an image depend, in its last bits, on the others in its batch.
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
        # nn.Module's own `to`: that of diffusers warns that norms should stay in float32.
        moved: Any = nn.Module.to
        # Fourier features are angles of hundreds of radians, so their frequencies stay exact.
        time_proj = copy.deepcopy(getattr(unet, "time_proj", None))
        moved(unet, device, DTYPES[precision], memory_format=layout(device))
        if time_proj is not None:
            unet.register_module("time_proj", time_proj.to(device))
        self.unet = unet.eval().requires_grad_(False)
        self.device = device
        self._inputs = Inputs(unet)
        self._same_together: set[Any] = set()  # how inputs lie of which no function is computed alone
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
        """Prepare the engine, once, when the network is ready for evaluation."""
        for part in self.unet.modules():
            part.__class__ = _QUICKER.get(type(part), type(part))
        if self.device.type == "cpu" and next(self.unet.parameters()).dtype == torch.float32:
            same_bits.prepare(self.unet)

    @property
    def memory(self) -> int:
        """Bytes that the network takes: its weights."""
        return weight_bytes(self.unet) + self.with_gradients.memory

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """x: (N, C, H, W) of any float dtype, which the output has too; t_index = t − 1 and labels: int64 (N,)."""
        condition = self._inputs.checked(x, t_index, labels)
        return _in_chunks(self._forward, self.device, x, *condition, self.together)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return how much each place looks at each token of the prompt, (N, L, H, W): see `EngineNetwork`."""
        return self.with_gradients.attention(x, t_index, states)

    @torch.inference_mode()  # quicker than no_grad; `_in_chunks` copies the output, and the copy may have gradients
    def _forward(self, *inputs: Tensor) -> Tensor:
        lie = torch.get_num_threads(), *((part.shape, part.stride(), part.dtype) for part in inputs)
        if len(inputs[0]) == 1 or not self.each_alone or lie in self._same_together:
            return _output(self.unet, *inputs)
        with same_bits.SameBits(len(inputs[0])) as mode:
            output = _output(self.unet, *inputs)
        if not mode.alone:  # a mode costs time
            self._same_together.add(lie)
        return output


# torch before 2.13 keeps CUDA graphs in the thread that made the first of them (pytorch#123177): one thread evaluates
# compiled networks, all of them, for all callers, and records each shape once.
_COMPILED = ThreadPoolExecutor(1, "ddpm-compiled")


def stays_finite(unet: Network, device: torch.device) -> bool:
    """Whether a network gives finite numbers in fp16, whose largest is 65,504. It stays as it is.

    It is tried at several t, with inputs of twice the deviation that x_t has; not where a network's inputs are others.
    """
    if told_numbers(unet):
        return False
    network = TorchNetwork(copy.deepcopy(unet), device, "fp16")
    x, _, *labels = example_inputs(unet, len(_TRIED))
    x = 2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    times = torch.tensor(_TRIED).clamp(max=(known_times(unet) or max(_TRIED) + 1) - 1)
    return bool(network(x, times, *labels).isfinite().all())


class CompiledNetwork(CompiledHere, TorchNetwork):
    """TorchNetwork through torch.compile, compiled for one chunk of the network's own size; on CUDA as a CUDA graph."""

    name = "torch.compile"
    together = 1

    def _prepare(self) -> None:
        mode = "reduce-overhead" if self.device.type == "cuda" else None
        # torch compiles a function for eight shapes at most, those of all networks that share its code: this is a copy.
        own = FunctionType(_output.__code__.replace(), _output.__globals__)
        self._compiled = torch.compile(MethodType(own, self.unet), mode=mode, dynamic=False)
        self(*example_inputs(self.unet))

    def _forward(self, *inputs: Tensor) -> Tensor:
        return _COMPILED.submit(self._replay, *inputs).result()

    @torch.no_grad()  # that of the caller holds for the caller's thread only
    def _replay(self, *inputs: Tensor) -> Tensor:
        # The next replay of a CUDA graph overwrites its output: hand out a copy.
        return self._compiled(*inputs).clone()


_RECORDING = threading.Lock()  # a process records one CUDA graph at a time, on one stream


class GraphNetwork(CompiledHere, TorchNetwork):
    """TorchNetwork recorded once for each shape of a chunk, as a CUDA graph that is replayed: one launch a step."""

    name = "CUDA graph"

    def _prepare(self) -> None:
        self._recorded: dict[Any, tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]] = {}
        self._lock = threading.Lock()  # a graph has one place for its inputs and one for its output
        self(*example_inputs(self.unet))

    @torch.inference_mode()  # in which the output is recorded
    def _forward(self, *inputs: Tensor) -> Tensor:
        shapes = tuple((part.shape, part.dtype) for part in inputs)
        with self._lock, torch.cuda.device(self.device):  # only kernels on the current device are recorded
            if shapes not in self._recorded:
                self._recorded[shapes] = self._record(inputs)
            graph, places, output = self._recorded[shapes]
            for place, part in zip(places, inputs, strict=True):
                place.copy_(part)
            graph.replay()
            return output.clone()

    def _record(self, inputs: Sequence[Tensor]) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]:
        places = [part.clone() for part in inputs]
        aside = torch.cuda.Stream(self.device)
        aside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(aside):  # kernels are chosen, and libraries opened, before anything is recorded
            for _ in range(2):
                super()._forward(*places)
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with _RECORDING, torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads compute meanwhile
            output = super()._forward(*places)
        return graph, places, output
