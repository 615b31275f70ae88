"""Read the options of an OpenAI U-Net from the shapes of its tensors, and translate its tensor names to diffusers'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
# {channel multiplier of each level, finest first: image side in pixels}, as in OpenAI's function `create_model`.
SIDES: dict[tuple[float, ...], int] = {
    (1, 2, 2, 2): 32,
    (1, 2, 3, 4): 64,
    (1, 1, 2, 3, 4): 128,
    (1, 1, 2, 2, 4, 4): 256,
    (0.5, 1, 1, 2, 2, 4, 4): 512,
}
_RES = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ATTENTION = {"norm": "group_norm", "qkv": "qkv", "proj_out": "to_out.0"}
_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb": "class_embedding",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}


@dataclass(frozen=True)
class Flags:
    """The options of a U-Net that follow from the shapes of its tensors.

    Attributes:
        image_channels: the channels of an image.
        channels: OpenAI's option num_channels.
        widths: the channels of each level, the finest first.
        blocks: OpenAI's option num_res_blocks.
        attention: whether each level has attention.
        scale_shift: OpenAI's option use_scale_shift_norm.
        updown: OpenAI's option resblock_updown.
        classes: the number of classes, 0 for none.
        learned: whether the variance is learned.
        flat: whether attention uses 2-D convolutions, as in consistency_models.
    """

    image_channels: int
    channels: int
    widths: tuple[int, ...]
    blocks: int
    attention: tuple[bool, ...]
    scale_shift: bool
    updown: bool
    classes: int
    learned: bool
    flat: bool

    @property
    def side(self) -> int:
        """The height and width of images in pixels. Raise ValueError for widths that no published network has."""
        multipliers = tuple(width / self.channels for width in self.widths)
        if multipliers not in SIDES:
            known = ", or ".join(" ".join(f"{m:g}" for m in each) for each in SIDES)
            raise ValueError(
                f"out_layers of output_blocks are {', '.join(map(str, self.widths))} wide, from the finest level down: "
                f"known are {known} times the {self.channels} of time_embed.0.weight"
            )
        return SIDES[multipliers]


def read_flags(shapes: Shapes) -> Flags:
    """Return a U-Net's options. Raise ValueError, with the name, for a tensor that is missing or has a wrong shape."""
    first = _shape(shapes, "input_blocks.0.0.weight", 4)
    wide, channels = _shape(shapes, "time_embed.0.weight", 2)
    if wide != 4 * channels:
        raise ValueError(f"time_embed.0.weight has shape {(wide, channels)}, not {(4 * channels, channels)}")
    last = _shape(shapes, "out.2.weight", 4)
    if last[0] not in (first[1], 2 * first[1]):
        raise ValueError(
            f"out.2.weight gives {last[0]} channels, and input_blocks.0.0.weight takes {first[1]}: "
            "only networks with as many channels out as in can be converted, not upsamplers"
        )
    outputs = 0
    while f"output_blocks.{outputs}.0.out_layers.3.weight" in shapes:
        outputs += 1
    ends = [
        i
        for i in range(outputs)
        if any(f"output_blocks.{i}.{k}.{part}.weight" in shapes for k in (1, 2) for part in ("conv", "in_layers.0"))
    ]
    blocks = ends[0] if ends else outputs - 1
    each = blocks + 1  # number of output blocks in each level
    if blocks < 1 or outputs != each * (len(ends) + 1) or ends != [each * k - 1 for k in range(1, len(ends) + 1)]:
        raise ValueError(
            f"output_blocks.{outputs}.0.out_layers.3.weight is missing, or levels have different numbers of blocks"
        )
    levels = [each * k for k in reversed(range(len(ends) + 1))]  # index of the first output block of each level
    attention = [f"output_blocks.{i}.1.qkv.weight" in shapes for i in levels]
    qkv = shapes.get("middle_block.1.qkv.weight", ())
    embedded = _shape(shapes, "input_blocks.1.0.emb_layers.1.weight", 2)
    return Flags(
        image_channels=first[1],
        channels=channels,
        widths=tuple(_shape(shapes, f"output_blocks.{i}.0.out_layers.3.weight", 4)[0] for i in levels),
        blocks=blocks,
        attention=tuple(attention),
        scale_shift=embedded[0] == 2 * _shape(shapes, "input_blocks.1.0.out_layers.3.weight", 4)[0],
        updown=any(f"output_blocks.{i}.{k}.in_layers.0.weight" in shapes for i in ends[:1] for k in (1, 2)),
        classes=_shape(shapes, "label_emb.weight", 2)[0] if "label_emb.weight" in shapes else 0,
        learned=last[0] != first[1],
        flat=len(qkv) == 4,
    )


def _shape(shapes: Shapes, name: str, ndim: int) -> tuple[int, ...]:
    """Return the shape of a tensor. Raise ValueError if it is missing or does not have `ndim` axes."""
    if name not in shapes:
        raise ValueError(f"it has no {name}, which every diffusion U-Net of OpenAI's has")
    if len(shapes[name]) != ndim or 0 in shapes[name]:
        raise ValueError(f"{name} has shape {shapes[name]}, where {ndim} numbers above 0 are expected")
    return shapes[name]


def config_of(flags: Flags) -> dict[str, Any]:
    """Return the fields of UNet2DModel that follow from the options."""
    resnet = ("Resnet{}sampleBlock2D", "Attn{}Block2D") if flags.updown else ("{}Block2D", "Attn{}Block2D")
    down = [resnet[here].format("Down") for here in flags.attention]
    up = [resnet[here].format("Up") for here in reversed(flags.attention)]
    sampling = "resnet" if flags.updown else "conv"
    return {
        "sample_size": flags.side,
        "in_channels": flags.image_channels,
        "out_channels": flags.image_channels * (2 if flags.learned else 1),
        "block_out_channels": [*flags.widths],
        "layers_per_block": flags.blocks,
        "down_block_types": down,
        "up_block_types": up,
        "downsample_type": sampling,
        "upsample_type": sampling,
        "resnet_time_scale_shift": "scale_shift" if flags.scale_shift else "default",
        "attn_norm_num_groups": 32,
        "time_embedding_dim": 4 * flags.channels,
        "num_class_embeds": flags.classes or None,
    }


def names(flags: Flags) -> Iterator[tuple[str, str]]:
    """Yield (OpenAI's name, diffusers' name) of each layer that may have weights.

    OpenAI's layer "qkv" of an attention is three layers of diffusers. A network need not have all of these layers.
    """

    def parts(theirs: str, ours: str, of: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield (OpenAI's name, diffusers' name) of a module's layers. of: {OpenAI's layer: diffusers' layer}."""
        yield from ((f"{theirs}.{name}", f"{ours}.{other}") for name, other in of.items())

    def block(theirs: str, ours: str, i: int, attends: bool) -> Iterator[tuple[str, str]]:
        """Yield the names of the layers in residual block i of a level, and in its attention if it has one."""
        yield from parts(f"{theirs}.0", f"{ours}.resnets.{i}", _RES)
        if attends:
            yield from parts(f"{theirs}.1", f"{ours}.attentions.{i}", _ATTENTION)

    def sampler(theirs: str, ours: str, conv: str) -> Iterator[tuple[str, str]]:
        """Yield the names of the layers that halve or double the resolution. conv: OpenAI's name of the convolution."""
        yield from parts(theirs, ours, _RES if flags.updown else {conv: "conv"})

    yield from _ENDS.items()
    levels = len(flags.widths)
    at = 1
    for level, attends in enumerate(flags.attention):
        for i in range(flags.blocks):
            yield from block(f"input_blocks.{at}", f"down_blocks.{level}", i, attends)
            at += 1
        if level < levels - 1:
            yield from sampler(f"input_blocks.{at}.0", f"down_blocks.{level}.downsamplers.0", "op")
            at += 1
    yield from parts("middle_block.0", "mid_block.resnets.0", _RES)
    yield from parts("middle_block.1", "mid_block.attentions.0", _ATTENTION)
    yield from parts("middle_block.2", "mid_block.resnets.1", _RES)
    at = 0
    for level, attends in enumerate(reversed(flags.attention)):
        for i in range(flags.blocks + 1):
            yield from block(f"output_blocks.{at}", f"up_blocks.{level}", i, attends)
            if level < levels - 1 and i == flags.blocks:
                yield from sampler(f"output_blocks.{at}.{1 + attends}", f"up_blocks.{level}.upsamplers.0", "conv")
            at += 1
