"""The classes of networks that a config.json may name: diffusers' own, and those of ours where diffusers has none."""

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
    """A network with any weights. config: of a config.json that `checkpoint.spec` has accepted."""
    name = config["_class_name"]
    return (OpenAIUNet if name == "OpenAIUNet" else getattr(from_diffusers, name)).from_config(config)


def is_network(thing: object) -> TypeGuard[Network]:
    """Return whether it is a network of one of these classes."""
    return isinstance(thing, UNet2DModel | DiTTransformer2DModel) or takes_words(thing)


def first_convolution(network: Network) -> str:
    """The name of the convolution that takes x."""
    return "pos_embed.proj" if isinstance(network, DiTTransformer2DModel) else "conv_in"


def least_side(network: Network) -> int:
    """Two pixels a side at a U-Net's lowest resolution: with one, most of a kernel would see nothing but padding.

    A transformer has learned the places of its patches, and takes x of no other size than its own.
    """
    if isinstance(network, DiTTransformer2DModel):
        return network.config["sample_size"]
    return 2 ** len(network.config["block_out_channels"])


def takes_labels(network: Network) -> bool:
    """Return whether the network's condition is a class."""
    return isinstance(network, DiTTransformer2DModel) or network.class_embedding is not None


def known_labels(network: Network) -> int | None:
    """Return how many labels the network has embeddings for, with the null label; None if it takes no labels."""
    tables = (part for part in network.modules() if isinstance(part, nn.Embedding))
    return next((table.num_embeddings for table in tables), None) if takes_labels(network) else None


def out_channels(network: Network) -> int:
    """Channels of what it returns."""
    return network.config["out_channels"] or network.config["in_channels"]
