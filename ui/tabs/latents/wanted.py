"""What the Latents tab can be asked for: checked values, and the script that repeats it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ddpm_core import defaults
from ddpm_core.model import ModelSpec
from ddpm_core.timesteps import chain_length, quarters
from ui.export.scripts import reference
from ui.runs.parameters import Choice, Whole, shown
from ui.runs.settings import SEED, Settings

Mode = Literal["reconstruct", "interpolate"]
MODES: tuple[Mode, ...] = ("reconstruct", "interpolate")
ROWS = 12  # at most
CHAIN = ("checkpoint", "steps", "variance", "sampler", "eta", "label", "seed", "count")  # of Settings
COUNT = Whole("The number of columns", 2, 16)


@dataclass(frozen=True)
class Wanted:
    """Rows of pictures, one for each time t; mode "reconstruct": one latent x_t, decoded with several seeds; mode
    "interpolate": two latents mixed, from the first one to the second one.

    chain: of the reverse chains; its seed encodes the first picture, and its count is the number of columns. seed_b:
    encodes the second picture. times: of the rows, empty for `quarters`. pictures: the first and the second, as
    `pixels.to_text` writes them, "" for the sample of the seed.
    """

    mode: Mode
    chain: Settings
    seed_b: int
    times: tuple[int, ...]
    pictures: tuple[str, str]

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Wanted:
        """Raises ValueError, with one sentence, for the first value that is not possible for any model."""
        mode = Choice("mode", MODES).check(values.get("mode", MODES[0]))
        chain = {name: values[name] for name in CHAIN if name in values}
        COUNT.check(chain.get("count", 8))
        if chain.get("sampler") != "ddim":
            chain["eta"] = 0.0
        pictures = tuple(str(values.get(name) or "") for name in ("picture", "picture_b"))
        return cls(
            mode=mode,  # pyright: ignore[reportArgumentType]
            chain=Settings.check({"count": 8, **chain, "clip": None}),
            seed_b=SEED.check(values.get("seed_b", defaults.SEED + 1)),
            times=times(str(values.get("times") or "")),
            pictures=pictures,  # pyright: ignore[reportArgumentType]
        )

    @property
    def sources(self) -> tuple[tuple[int, str], ...]:
        """(seed, picture) of the first picture, and of the second where there is one."""
        both = ((self.chain.seed, self.pictures[0]), (self.seed_b, self.pictures[1]))
        return both if self.mode == "interpolate" else both[:1]

    @property
    def weights(self) -> list[float]:
        """λ of each column of an interpolation."""
        return np.linspace(0, 1, self.chain.count).tolist()

    @property
    def columns(self) -> list[str]:
        if self.mode == "interpolate":
            return [f"λ {weight:.2f}".rstrip("0").rstrip(".") for weight in self.weights]
        return [f"seed {seed}" for seed in self.chain.seeds]

    def rows(self, model: ModelSpec) -> tuple[int, ...]:
        """The times of the rows. Raises ValueError for one that the model does not have."""
        T = model.schedule.T
        if not self.times:
            return tuple(quarters(model))
        if max(self.times) > T:
            raise ValueError(f"Times go from 0 to {T} for this checkpoint, got {max(self.times)}")
        return self.times

    def evaluations(self, model: ModelSpec) -> int:
        """Of the network on single images, all samples and rows together."""
        drawn = sum(not picture for _, picture in self.sources)
        chains = sum(chain_length(model, t, self.chain.steps) for t in self.rows(model))
        return drawn * self.chain.steps + chains * self.chain.count

    def options(self, model: ModelSpec) -> dict[str, Any]:
        """The arguments of `ddpm_core.reconstruct` after the seeds; ValueError for what the model does not have."""
        arguments = self.chain.arguments(model)
        return {name: value for name, value in arguments.items() if name != "seeds"}


def times(text: str) -> tuple[int, ...]:
    """ "750, 500" as times. Raises ValueError for what is not a list of at most ROWS whole numbers."""
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    if not all(re.fullmatch(r"\d{1,6}", part, re.ASCII) for part in parts) or len(parts) > ROWS:
        raise ValueError(f"Times are up to {ROWS} whole numbers such as 750, 500, 250, got {shown(text)}")
    return tuple(dict.fromkeys(map(int, parts)))


def python(wanted: Wanted, model: ModelSpec) -> str:
    """A script that repeats the rows with ddpm_core, and saves them as the page does."""
    options = {name: value for name, value in wanted.options(model).items() if value is not None}
    chain, T = wanted.chain, model.schedule.T
    lines = [
        "import numpy as np",
        "from PIL import Image",
        "",
        "import ddpm_core",
        "from ddpm_core.imaging import grid",
        "",
    ]
    if any(picture for _, picture in wanted.sources):
        lines[:0] = ["import base64", "import zlib", ""]
    lines += [f"model = ddpm_core.load({reference(chain, model)!r})", f"options = {options!r}"]
    for name, (seed, picture) in zip("ab", wanted.sources, strict=False):
        if picture:
            lines += [f'pixels = bytearray(zlib.decompress(base64.urlsafe_b64decode("{picture}")))']
            shape = (1, model.image_size, model.image_size, model.channels)
            lines += [f"{name} = np.frombuffer(pixels, np.uint8).reshape{shape}"]
        else:
            lines += [f"{name} = ddpm_core.sample(model, [{seed}], **options)"]
    lines += ["rows = []", f"for t in {list(wanted.rows(model))}:  # of {T}"]
    lines += [f"    x_t = ddpm_core.encode(model, a, t, [{chain.seed}])"]
    if wanted.mode == "interpolate":
        lines += [f"    other = ddpm_core.encode(model, b, t, [{wanted.seed_b}])"]
        lines += [f"    weights = np.linspace(0, 1, {chain.count}).tolist()"]
        lines += [f"    rows.append(ddpm_core.interpolate(model, x_t, other, t, weights, {chain.seed}, **options))"]
    else:
        lines += [f"    rows.append(ddpm_core.reconstruct(model, x_t, t, {chain.seeds!r}, **options))"]
    lines += [f'Image.fromarray(grid(np.concatenate(rows), {chain.count}).squeeze()).save("{wanted.mode}.png")']
    return "\n".join(lines) + "\n"
