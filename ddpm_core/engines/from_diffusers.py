"""Everything that is used from diffusers, imported in one place.

diffusers replaces its own module while it is imported: a second thread that imports it at that time gets the unfinished
module, and fails. Through this module, Python makes that thread wait.
"""

from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
    UNet2DModel,
    UniPCMultistepScheduler,
    VQModel,
    __version__,
)
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import KDownsample2D
from diffusers.models.embeddings import PatchEmbed, TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import KUpsample2D, Upsample2D

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
]
