"""Settings of OpenAI's published files that tensor shapes do not show, from their READMEs and scripts/launch.sh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ddpm_core.checkpoint.openai.shapes import Flags

# diffusers' scheduler class for each schedule that is defined by its noise levels.
SIGMAS = {"edm": "EDMEulerScheduler", "consistency": "CMStochasticIterativeScheduler"}


@dataclass(frozen=True)
class Preset:
    """The settings that `--like` names.

    Attributes:
        schedule, T: the schedule of the training, and its number of steps.
        heads: the number of heads in each attention layer; None if head_width is given.
        head_width: the number of channels of each head; None if heads is given.
        new_order: whether the rows of qkv are ordered by query, key and value, and then by head, instead of by head
            first.
        time_scale: the network multiplies its time by this number before it embeds the time.
    """

    schedule: Literal["linear", "cosine", "edm", "consistency"]
    T: int = 1000
    heads: int | None = None
    head_width: int | None = None
    new_order: bool = False
    time_scale: float = 1.0


PRESETS = {
    # The scripts of improved-diffusion set the flag rescale_timesteps, which multiplies times by 1000/4000.
    "improved-diffusion": Preset("cosine", 4000, heads=4, time_scale=1000 / 4000),
    "improved-diffusion-classes": Preset("cosine", 4000, heads=4),
    "improved-diffusion-lsun": Preset("linear", heads=1),
    "guided-diffusion": Preset("linear", head_width=64),
    "guided-diffusion-64": Preset("cosine", head_width=64, new_order=True),
    "guided-diffusion-128": Preset("linear", heads=4),
    # OpenAI's EDM networks embed 1000 ln σ/4. Here, an EDM network gets ln σ/4 as its time.
    "edm": Preset("edm", head_width=64, new_order=True, time_scale=1000),
    "consistency-distillation": Preset("consistency", 40, head_width=64, new_order=True),
    "consistency-training": Preset("consistency", 151, head_width=64, new_order=True),
    "consistency-training-64": Preset("consistency", 201, head_width=64, new_order=True),
}


def preset_of(flags: Flags, stem: str) -> str:
    """Return the name of the preset of the published file with these flags. stem: the file's name without its ending.

    Raise ValueError if no published file has them.
    """
    found = _published(flags, stem)
    if found is None:
        raise ValueError(
            "no published file has these shapes, and they don't say the schedule and the heads of attention: "
            f"add --like with one of {', '.join(PRESETS)}"
        )
    return found


def _published(flags: Flags, stem: str) -> str | None:
    """Return the preset of the published file with these flags, or None.

    In OpenAI's repository consistency_models, files with different presets have the same flags. For these files, `stem`
    decides.
    """
    if flags.flat:  # a file of consistency_models
        trained = "consistency-training" + ("-64" if flags.side == 64 else "")
        known = {"edm": "edm", "cd": "consistency-distillation", "ct": trained}
        return known.get(stem.lower().partition("_")[0])
    attended = [flags.side >> level for level, here in enumerate(flags.attention) if here]
    family = (flags.side, flags.channels, flags.blocks, attended, flags.scale_shift, flags.updown, flags.classes)
    return next((name for name, of in _FAMILIES if of == family and flags.learned), None)


_FAMILIES: list[tuple[str, tuple]] = [
    ("improved-diffusion", (32, 128, 3, [16, 8], True, False, 0)),
    ("improved-diffusion", (64, 128, 3, [16, 8], True, False, 0)),
    ("improved-diffusion-classes", (64, 192, 3, [16, 8], True, False, 1000)),
    ("improved-diffusion-lsun", (256, 128, 2, [16], False, False, 0)),
    ("guided-diffusion", (256, 256, 2, [32, 16, 8], True, True, 0)),
    ("guided-diffusion", (256, 256, 2, [32, 16, 8], True, True, 1000)),
    ("guided-diffusion", (512, 256, 2, [32, 16, 8], True, True, 1000)),
    ("guided-diffusion-64", (64, 192, 3, [32, 16, 8], True, True, 1000)),
    ("guided-diffusion-128", (128, 256, 2, [32, 16, 8], True, True, 1000)),
]
