"""The classes of networks that a config.json may name: three classes of diffusers, and our OpenAIUNet."""

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from torch import nn

from ddpm_core.engines import from_diffusers
from ddpm_core.engines.from_diffusers import DiTTransformer2DModel, UNet2DModel, takes_words
from ddpm_core.engines.networks.openai_unet import OpenAIUNet

if TYPE_CHECKING:
    from ddpm_core.engines.from_diffusers import UNet2DConditionModel

Network: TypeAlias = "UNet2DModel | UNet2DConditionModel | DiTTransformer2DModel"
NETWORKS = ("UNet2DModel", "OpenAIUNet", "UNet2DConditionModel", "DiTTransformer2DModel")


def make_network(config: dict[str, Any]) -> Any:
    """Return a network with arbitrary weights. config: a config.json that `checkpoint.spec` has accepted."""
    name = config["_class_name"]
    return (OpenAIUNet if name == "OpenAIUNet" else getattr(from_diffusers, name)).from_config(config)


def is_network(thing: object) -> TypeGuard[Network]:
    """Return whether an object is a network of one of the classes NETWORKS."""
    return isinstance(thing, UNet2DModel | DiTTransformer2DModel) or takes_words(thing)


def first_convolution(network: Network) -> str:
    """Return the name of the convolution that takes x."""
    return "pos_embed.proj" if isinstance(network, DiTTransformer2DModel) else "conv_in"


def least_side(network: Network) -> int:
    """Return the smallest height and width of x with which the network can be tried.

    A U-Net then has two pixels a side at its lowest resolution; with one pixel, most of each kernel would only see
    padding. A transformer takes only its own size, because it has learned an embedding for each place.
    """
    if isinstance(network, DiTTransformer2DModel):
        return network.config["sample_size"]
    return 2 ** len(network.config["block_out_channels"])


def takes_labels(network: Network) -> bool:
    """Return whether the network takes class labels."""
    return isinstance(network, DiTTransformer2DModel) or network.class_embedding is not None


def known_labels(network: Network) -> int | None:
    """Return the number of the network's label embeddings, including the null label; None if it takes no labels."""
    tables = (part for part in network.modules() if isinstance(part, nn.Embedding))
    return next((table.num_embeddings for table in tables), None) if takes_labels(network) else None


def out_channels(network: Network) -> int:
    """Return the number of channels of the network's output."""
    return network.config["out_channels"] or network.config["in_channels"]
