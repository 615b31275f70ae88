"""The only module that imports diffusers.

diffusers replaces its own module during its import. If a second thread imports diffusers at this time, the thread gets
an unfinished module, and fails. If all threads import this module instead, Python makes the second thread wait.

Importing all of diffusers takes longer than importing torch. So three things are imported only when they are needed:
diffusers' packages in ROOMS, torch's compiler, and the classes in LATER.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeGuard

from ddpm_core.imports import collector_off

# Packages of diffusers whose __init__ imports all their modules.
ROOMS = ("hooks", "models.autoencoders", "models.transformers", "models.unets")
# Classes that are imported when they are first used. The first two classes support adapters, so importing them also
# imports transformers and peft if these are installed.
LATER = ("AutoencoderKL", "UNet2DConditionModel", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler")
_running = RLock()  # one lock for all packages, because they may import one another


def _skip_compiler() -> None:
    """Import diffusers' helpers without torch._dynamo, which takes long to import.

    The helpers use torch._dynamo only to mark classes for torch.compile. Without torch._dynamo, they use a function
    that does nothing. torch.compile works on a network with and without these marks.
    """
    if "torch._dynamo" in sys.modules:
        return
    sys.modules["torch._dynamo"] = None  # pyright: ignore[reportArgumentType]  # None makes an import of it fail
    try:
        import_module("diffusers.utils.torch_utils")
    except ImportError:  # one of the helpers needs torch._dynamo: leave the import to later code
        pass
    finally:
        del sys.modules["torch._dynamo"]


def postpone(room: str) -> None:
    """Register a package of diffusers, but run its __init__ only when a name of the package is first read.

    Modules inside the package can be imported before that. While __init__ runs, other threads wait. If __init__ raises
    an error, it runs again for the next name. room: the package's name without "diffusers.".
    """
    package = f"diffusers.{room}"
    spec = None if package in sys.modules else find_spec(package)
    if spec is None or spec.loader is None:
        return
    module, run = module_from_spec(spec), spec.loader.exec_module
    runs = False

    def get(name: str) -> Any:
        """Run the package's __init__ if it has not run, and return the name from the package."""
        nonlocal runs
        if name.startswith("__"):  # the import system looks up names like __path__ in every module
            raise AttributeError(name)
        with _running:
            if runs:  # __init__ itself, or a module that it imports, reads the name
                raise AttributeError(f"module {package!r} has no attribute {name!r} yet")
            if "__getattr__" in vars(module):
                runs = True
                try:
                    run(module)
                finally:
                    runs = False
                del module.__getattr__
        return getattr(module, name)

    module.__getattr__ = get
    sys.modules[package] = module
    parent, _, child = package.rpartition(".")
    setattr(sys.modules[parent], child, module)


@contextmanager
def without_offloading() -> Iterator[None]:
    """Inside the block, let networks of diffusers find their device from their weights alone.

    Normally they first check whether their layers are offloaded in groups. For this check, they import torch's
    compiler, which takes as long as converting a network.
    """
    utils: Any = import_module("diffusers.models.modeling_utils")
    before = utils.get_parameter_device
    utils.get_parameter_device = lambda network: next(network.parameters()).device
    try:
        yield
    finally:
        utils.get_parameter_device = before


with collector_off():
    _skip_compiler()
    import_module("diffusers.models")
    for _room in ROOMS:
        postpone(_room)
    from diffusers import (
        AutoencoderTiny,
        DiTTransformer2DModel,
        UNet2DModel,
        VQModel,
        __version__,
    )
    from diffusers.models.attention_processor import Attention
    from diffusers.models.downsampling import KDownsample2D
    from diffusers.models.embeddings import PatchEmbed, TimestepEmbedding, Timesteps
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.upsampling import KUpsample2D, Upsample2D

if TYPE_CHECKING:
    from diffusers import (
        AutoencoderKL,
        DPMSolverMultistepScheduler,
        UNet2DConditionModel,
        UniPCMultistepScheduler,
    )


def __getattr__(name: str) -> Any:
    """Import and return a class of LATER."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with collector_off():
        return getattr(import_module("diffusers"), name)


def takes_words(network: object) -> TypeGuard[UNet2DConditionModel]:
    """Return whether a network is a UNet2DConditionModel. The name is compared, so that the class is not imported."""
    return any(kind.__name__ == "UNet2DConditionModel" for kind in type(network).__mro__)


__all__ = [
    "Attention",
    "AutoencoderKL",
    "AutoencoderTiny",
    "DPMSolverMultistepScheduler",
    "DiTTransformer2DModel",
    "KDownsample2D",
    "KUpsample2D",
    "PatchEmbed",
    "ResnetBlock2D",
    "TimestepEmbedding",
    "Timesteps",
    "UNet2DConditionModel",
    "UNet2DModel",
    "UniPCMultistepScheduler",
    "Upsample2D",
    "VQModel",
    "__version__",
    "takes_words",
    "without_offloading",
]
