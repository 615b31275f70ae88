"""Everything that is used from diffusers, imported in one place.

diffusers replaces its own module while it is imported: a second thread that imports it at that time gets the unfinished
module, and fails. Through this module, Python makes that thread wait.

A network of one file should not cost the import of them all, which took more time than torch. So three things wait
until they are needed: the lists of diffusers' rooms, torch's compiler, and the classes of `LATER`.
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

ROOMS = ("hooks", "models.autoencoders", "models.transformers", "models.unets")  # each __init__ imports all its modules
# The first two have adapters, which bring transformers and peft where these are installed.
LATER = ("AutoencoderKL", "UNet2DConditionModel", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler")
_running = RLock()  # one for all rooms: they may import one another


def _skip_compiler() -> None:
    """Import diffusers' helpers without torch._dynamo, in whose place they have a function that does nothing.

    They only mark classes for torch.compile, which compiles a network's layers with and without the mark.
    """
    if "torch._dynamo" in sys.modules:
        return
    sys.modules["torch._dynamo"] = None  # pyright: ignore[reportArgumentType]  # the import system's mark: not here
    try:
        import_module("diffusers.utils.torch_utils")
    except ImportError:  # something else there needs it: the imports below bring it
        pass
    finally:
        del sys.modules["torch._dynamo"]


def postpone(room: str) -> None:
    """Run the __init__ of a room of diffusers when it is asked for a name. Its modules are found before that.

    Threads that ask meanwhile wait. An __init__ that raises is run again for the next name.
    """
    package = f"diffusers.{room}"
    spec = None if package in sys.modules else find_spec(package)
    if spec is None or spec.loader is None:
        return
    module, run = module_from_spec(spec), spec.loader.exec_module
    runs = False

    def get(name: str) -> Any:
        nonlocal runs
        if name.startswith("__"):  # asked of any module
            raise AttributeError(name)
        with _running:
            if runs:  # the __init__ itself asks, or what it imports
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
    """Let a network of diffusers find its device by its weights alone meanwhile.

    Otherwise it first looks whether its layers are offloaded in groups. For that it imports torch's compiler, which
    takes as long as converting a network does.
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
    """Import a class of LATER."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with collector_off():
        return getattr(import_module("diffusers"), name)


def takes_words(network: object) -> TypeGuard[UNet2DConditionModel]:
    """Whether a network is a UNet2DConditionModel, which need not be imported to see that another is none."""
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
