"""A pretend accelerator: tensors that say they are on cuda:0 or mps:0, and are in the CPU's memory.

    with pretend.accelerator("cuda") as waits:
        model = ddpm_core.load("cifar10-tiny")  # on "cuda:0"
        waits.clear()
        ...
        assert not waits

It keeps the rules of a real one (no CPU tensor beside its own, no float64 on MPS, numpy sees none of its memory) and
counts what makes the CPU wait until all kernels before are done: a copy to it from memory that is not pinned, any copy
from it, reading a number. Results are the CPU's, bit for bit. It knows no kernels, no speed, no NCCL and no streams.
"""

import collections
import contextlib
import sys
import warnings
from pathlib import Path
from unittest import mock

import torch
import torch._dynamo  # training imports this; it records torch's functions, which must not be replaced yet

ROOT = str(Path(__file__).resolve().parents[2])
ASIDE = (f"{ROOT}/tests", f"{ROOT}/.")  # a virtual environment may be in a hidden folder
READS = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero"}
FACTORIES = "tensor as_tensor zeros ones full empty arange linspace eye rand randn randint scalar_tensor"
_here = None  # the accelerator of the current block

with torch.device("cpu"):  # here torch first records the functions that make tensors: they must be the originals
    torch.empty(0)


class _Stream(mock.Mock):
    """A stream. It must be a class, because transformers names it in an annotation."""

    def __init__(self, *_, **__):
        super().__init__()


class OnDevice(torch.Tensor):
    """A tensor on the accelerator; `host` holds its numbers. torch's C++ code sees a tensor on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host):
        if _here.kind == "mps" and host.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        layout = {"strides": host.stride(), "storage_offset": host.storage_offset(), "dtype": host.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, host.shape, requires_grad=host.requires_grad, **layout)
        made.host = host
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})

    device = property(lambda self: _here.device)
    is_cpu = property(lambda self: False)
    is_cuda = property(lambda self: _here.kind == "cuda")
    is_mps = property(lambda self: _here.kind == "mps")

    @property
    def data(self):
        return self.detach()

    @data.setter
    def data(self, new):
        self.host = new.host

    def tolist(self):
        _here.wait("tolist")
        return self.host.tolist()

    def numpy(self, *_, **__):
        raise TypeError(f"can't convert {_here.device} device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    def __repr__(self):
        return f"{self.host!r} on {_here.device}"

    def __deepcopy__(self, memo):
        new = OnDevice(self.host.detach().clone(memory_format=torch.preserve_format))
        if isinstance(self, torch.nn.Parameter):
            new = torch.nn.Parameter(new, self.requires_grad)
        memo[id(self)] = new
        return new

    def __reduce_ex__(self, protocol):
        _here.wait("save")
        return self.host.detach().__reduce_ex__(protocol)


def _tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _on_host(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(_on_host, value))
    return value.host if isinstance(value, OnDevice) else value


def _wrapped(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(_wrapped, value))
    return OnDevice(value) if isinstance(value, torch.Tensor) and not isinstance(value, OnDevice) else value


def _dispatch(func, args, kwargs):
    """Run an operation on tensors of which at least one is on the accelerator."""
    result = _computed(func, args, kwargs)
    if _here.recorded is not None:
        _here.recorded.append((func, args, kwargs, result))
    return result


def _computed(func, args, kwargs):
    name = func._schema.name.removeprefix("aten::")
    found = _tensors([*args, *kwargs.values()])
    foreign = [value for value in found if not isinstance(value, OnDevice) and value.ndim]
    if name == "copy_":
        target, source, *rest = args
        if foreign:
            _here.copy(source, target, bool(rest and rest[0]) or kwargs.get("non_blocking", False))
        _on_host(target).copy_(_on_host(source))
        return target
    if name == "mkldnn_convolution":
        raise RuntimeError("itensor_view_from_dense expects CPU tensor input")
    if name in READS:
        _here.wait(name)
    if name in ("index", "index_put", "index_put_"):
        indices = [index for index in args[1] if index is not None]
        if not isinstance(args[0], OnDevice):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if any(not isinstance(index, OnDevice) or index.dtype == torch.bool for index in indices):
            _here.wait("index")
    elif foreign:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {_here.device} and cpu! ({name})")
    if name == "_to_copy" and "device" in kwargs:
        kwargs = {**kwargs, "device": "cpu"}
    result = func(*map(_on_host, args), **{key: _on_host(value) for key, value in kwargs.items()})
    if func._schema.is_mutable and name.endswith("_"):
        return args[0] if result is not None else None
    return _wrapped(result)


class _Accelerator:
    def __init__(self, kind, capability):
        self.kind, self.capability, self.device = kind, capability, torch.device(kind, 0)
        self.recorded = None  # the operations of the graph that is being recorded
        self.waits = collections.Counter()

    def is_meant(self, device):
        return device is not None and torch.device(device).type == self.kind

    def wait(self, why):
        """Record that the CPU waits, and which lines of the project make it wait."""
        frame, lines = sys._getframe(1), []
        while frame and len(lines) < 2:
            path = frame.f_code.co_filename
            if path.startswith(ROOT) and not path.startswith(ASIDE):
                lines.append(f"{path.removeprefix(ROOT)}:{frame.f_lineno}")
            frame = frame.f_back
        self.waits[" < ".join([why, *lines])] += 1

    def copy(self, source, target, non_blocking):
        """Record a copy between the CPU and the accelerator, if the CPU waits for it."""
        near = target if isinstance(source, OnDevice) else source
        if not (non_blocking and near is not None and near.is_pinned()):
            self.wait("copy from the device" if isinstance(source, OnDevice) else "copy to the device")


def _to(original):
    """Return a function like torch.Tensor.to that also takes the accelerator."""

    def to(self, *args, copy=False, **kwargs):
        if args and isinstance(args[0], torch.Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        is_ours, host = isinstance(self, OnDevice), self
        ours = is_ours if device is None else _here.is_meant(device)
        if is_ours == ours:
            device = None
        options = {"memory_format": layout} if layout is not None else {}
        if is_ours != ours:
            _here.copy(self, None, non_blocking)
            host = _Move.apply(self if is_ours else original(self, dtype=dtype or self.dtype))  # converted on the CPU
            copy = False
        return original(host, dtype=dtype or self.dtype, copy=copy, **options)

    return to


class _Move(torch.autograd.Function):
    """Move a tensor from one memory to the other, and its gradient back."""

    @staticmethod
    def forward(ctx, x):
        return x.host.clone() if isinstance(x, OnDevice) else OnDevice(x.detach().clone())

    @staticmethod
    def backward(ctx, gradient):
        return _Move.forward(ctx, gradient)


def _factory(name, original):
    def make(*args, device=None, **kwargs):
        source = next((arg for arg in args[:1] if isinstance(arg, OnDevice)), None)
        if name in ("tensor", "as_tensor") and source is not None:
            return source.to(device or source.device, kwargs.get("dtype"))
        if not _here.is_meant(device):
            return original(*args, device=device, **kwargs)
        if name in ("tensor", "as_tensor"):
            return original(*args, **kwargs).to(device)
        kwargs.pop("pin_memory", None)
        return OnDevice(original(*args, **kwargs))

    return make


def _pin_memory(self, *_):
    pinned = self.clone()
    pinned.pinned = True
    return pinned


class _Autocast(torch.autocast):
    def __init__(self, device_type, *args, **kwargs):
        super().__init__("cpu" if device_type == _here.kind else device_type, *args, **kwargs)


def _grouped(tensors, *rest, original=torch.nn.utils.clip_grad._group_tensors_by_device_and_dtype):
    """Group tensors by device: torch's C++ code would put those of the accelerator under the CPU."""
    place = tensors[0][0].device
    return {(place, dtype): group for (_, dtype), group in original(tensors, *rest).items()}


def _nothing(*_, **__):
    return None


class _Graph:
    """A CUDA graph: it repeats its operations, and writes the results into the memory of the first ones."""

    def replay(self):
        for func, args, kwargs, result in self.recorded:
            again = _computed(func, args, kwargs)
            for old, new in zip(_tensors([result]), _tensors([again]), strict=True):
                if new is not old:
                    old.host.copy_(new.host)


@contextlib.contextmanager
def _recording(graph, **_):
    _here.recorded = graph.recorded = []
    try:
        yield
    finally:
        _here.recorded = None


def _cuda(accelerator):
    return {
        **dict.fromkeys(("set_device", "synchronize", "manual_seed", "manual_seed_all", "empty_cache"), _nothing),
        "set_sync_debug_mode": lambda *_: warnings.warn("may not detect all synchronizing operations", stacklevel=2),
        "_lazy_init": _nothing,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,  # emulation counts, too
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda *_: accelerator.capability,
        "get_device_name": lambda *_: "Pretend GPU",
        "mem_get_info": lambda *_: (70 << 30, 80 << 30),
        "max_memory_allocated": lambda *_: 0,
        "CUDAGraph": _Graph,
        "graph": _recording,
        "is_current_stream_capturing": lambda: False,
        "Stream": _Stream,
        "current_stream": lambda *_: mock.Mock(),
        **dict.fromkeys(("stream", "device"), contextlib.nullcontext),
    }


@contextlib.contextmanager
def accelerator(kind="cuda", capability=(9, 0)):
    """Make a machine with one accelerator inside the block: "cuda" with a compute capability, or "mps". Yield its
    waits.

    waits: how often each line of the project made the CPU wait. Clear it before the lines that you count.
    """
    global _here
    _here = _Accelerator(kind, capability)
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    with contextlib.ExitStack() as patches:

        def patch(owner, **values):
            for name, value in values.items():
                patches.enter_context(mock.patch.object(owner, name, value))

        patches.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "'pin_memory' argument is set as true")  # a loader sees no accelerator here
        patch(torch.Tensor, to=_to(torch.Tensor.to), pin_memory=_pin_memory)
        patch(torch.Tensor, is_pinned=lambda self, *_: getattr(self, "pinned", False))
        patch(
            torch.Tensor, cpu=lambda self: self.to("cpu"), cuda=lambda self, *_, **options: self.to("cuda", **options)
        )
        patch(torch, autocast=_Autocast, **{name: _factory(name, getattr(torch, name)) for name in FACTORIES.split()})
        # Newer versions of accelerate find an accelerator in this way.
        patch(torch.accelerator, is_available=lambda: True, current_accelerator=lambda *_, **__: torch.device(kind))
        patch(torch.nn.utils.clip_grad, _group_tensors_by_device_and_dtype=_grouped)
        if kind == "cuda":
            patch(torch.cuda, **_cuda(_here))
            # A torch that is built for CUDA calls its driver before each optimiser step, even if there is none.
            patch(torch.accelerator, current_stream=lambda *_: mock.Mock(is_capturing=lambda: False))
        else:
            patch(torch.backends.mps, is_available=lambda: True, is_built=lambda: True)
            patch(torch.mps, manual_seed=_nothing, empty_cache=_nothing)
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            yield _here.waits
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swapped)
            _here = None
