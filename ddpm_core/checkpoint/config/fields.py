"""Read values from a checkpoint's JSON files, and check their types and limits.

Anybody can put files on the Hub, so no value is used without a check. All functions raise ValueError, with one
sentence, for a value that is not allowed.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

from ddpm_core.errors import first_line

# Minimum and maximum of each number in a checkpoint's JSON files. All public checkpoints are far inside these limits.
LIMITS: dict[str, tuple[float, float]] = {
    # fields of a U-Net's config.json
    "sample_size": (1, 1024),
    "in_channels": (1, 64),
    "out_channels": (1, 128),
    "block_out_channels": (1, 8192),
    "layers_per_block": (1, 16),
    "norm_num_groups": (1, 8192),
    "attn_norm_num_groups": (1, 8192),
    "attention_head_dim": (1, 8192),
    "num_class_embeds": (1, 100_000),
    "time_embedding_dim": (1, 65_536),
    "freq_shift": (0, 1),
    "downsample_padding": (0, 1),
    "mid_block_scale_factor": (1e-6, 1e6),
    "norm_eps": (0, 1),
    "dropout": (0, 1),
    # fields that only OpenAI's U-Nets have
    "num_heads": (1, 1024),
    "time_width": (2, 8192),
    "time_scale": (1e-6, 1000),
    # fields of latent models
    "cross_attention_dim": (1, 8192),
    "addition_embed_type_num_heads": (1, 1024),
    "num_attention_heads": (1, 1024),
    "latent_channels": (1, 64),
    "num_encoder_blocks": (1, 16),
    "num_decoder_blocks": (1, 16),
    "num_vq_embeddings": (1, 2**20),
    "vq_embed_dim": (1, 1024),
    "scaling_factor": (1e-6, 1e6),
    "shift_factor": (-1e6, 1e6),
    "vocab_size": (1, 2**20),
    "hidden_size": (1, 8192),
    "intermediate_size": (1, 65_536),
    "num_hidden_layers": (1, 64),
    "max_position_embeddings": (2, 1024),
    "bos_token_id": (0, 2**20),
    "eos_token_id": (0, 2**20),
    "pad_token_id": (0, 2**20),
    "layer_norm_eps": (0, 1),
    # fields of a DiT
    "num_layers": (1, 128),
    "patch_size": (1, 64),
    "num_embeds_ada_norm": (1, 100_000),
    # fields of scheduler_config.json
    "num_train_timesteps": (1, 10_000),
    "steps_offset": (0, 1),
    "beta_start": (0, 1),
    "beta_end": (0, 1),
    "trained_betas": (0, 1),
    "clip_sample_range": (0, math.inf),
    "sigma_min": (1e-5, 1e3),
    "sigma_max": (1e-3, 1e6),
    "sigma_data": (1e-3, 1e3),
    "rho": (0.1, 100),
    "s_noise": (0, 10),
    "snr": (1e-6, 10),
    "sampling_eps": (0, 0.1),
    "correct_steps": (0, 100),
    "corrections": (0, 100),
    "low": (-1e3, 0.999),
    "early": (0, 0.1),
    # fields of ddpm_core.json
    "image_size": (1, 1024),
    "channels": (1, 64),
    "num_classes": (0, 100_000),
    "null_label": (0, 100_000),
    "times": (1, 100_000),
    "usual": (1, 100_000),
    "guidance": (-1000, 1000),
}
# Maximum number of levels (resolutions) of a U-Net; the paper has at most 6. Loading tries a network on an image of
# 2^levels pixels a side. With 10 levels, this image has 1024 pixels a side, and a file of 70 MB could cause 27 TFLOP.
MAX_LEVELS = 8
MAX_PARAMETERS = 10**9  # maximum number of a network's parameters; the largest networks for pixels have half as many
MAX_WEIGHT = 1e8  # maximum magnitude of a weight, far above any trained weight; larger weights could overflow
MAX_ACTIVATION = 2**28  # maximum number of values that one layer passes to the next, for one image
MAX_ATTENDED = 128 * 128  # maximum number of pixels in an attention layer
MAX_TABLE = 2**25  # maximum number of values in a table of embedded times; OpenAI's networks need 0.8 million
MAX_JSON = 500_000  # maximum bytes of a JSON file; a file with a β for each of 10,000 times has 300,000
MAX_FILE = 16_000_000  # maximum bytes of a tokenizer's file (CLIP's: up to 2.2 MB) or of readers.safetensors


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raise ValueError for anything else."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"it is larger than {MAX_JSON // 1000} kB")
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} cannot be read as JSON (it is nested too deeply)") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as JSON ({first_line(error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must hold a JSON object, not a {type(content).__name__}")
    return content


def plain(value: Any) -> Any:
    """Return a value that JSON can store: numbers of NumPy and torch become Python's, and tuples become lists."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value


def shown(value: Any) -> str:
    """Return a value as text for a message, shortened if it is long."""
    return reprlib.repr(value)


def is_whole(value: Any) -> bool:
    """Return whether a JSON value is a whole number. For true and false, the result is False."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a finite number."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def whole(config: dict, key: str, default: int | None = None, optional: bool = False) -> Any:
    """Return config[key], a whole number within LIMITS[key], or null if `optional`. Raise ValueError for any other."""
    return _within(config, key, default, optional, "a whole number", is_whole)


def number(config: dict, key: str, default: float | None = None) -> float:
    """Return config[key], a number within LIMITS[key]. Raise ValueError for anything else."""
    return _within(config, key, default, False, "a number", is_number)


def numbers(config: dict, key: str, most: int, only_whole: bool = False) -> list:
    """Return config[key], a list of 1 to `most` numbers within LIMITS[key]. Raise ValueError for anything else."""
    low, high = LIMITS[key]
    values, fits = config.get(key), is_whole if only_whole else is_number
    if (
        not isinstance(values, list)
        or not 1 <= len(values) <= most
        or not all(fits(value) and low <= value <= high for value in values)
    ):
        kind = "whole numbers" if only_whole else "numbers"
        raise ValueError(f"{key} must be a list of 1 to {most:,} {kind} from {low} to {high:,}, got {shown(values)}")
    return values


def flag(config: dict, key: str, default: bool) -> bool:
    """Return config[key], true or false. Raise ValueError for anything else."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {shown(value)}")
    return value


def choice(config: dict, key: str, allowed: Iterable[str | None], default: str | None = None) -> Any:
    """Return config[key], one of the allowed values. Raise ValueError for anything else."""
    allowed = tuple(allowed)
    value = config.get(key, default)
    if not (value is None or isinstance(value, str)) or value not in allowed:
        names = ", ".join("null" if name is None else name for name in allowed)
        raise ValueError(f"unknown {key} {shown(value)}: allowed are {names}")
    return value


def text(config: dict, key: str, default: str = "") -> str:
    """Return config[key], a string of at most 200 characters. Raise ValueError for anything else."""
    value = config.get(key, default)
    if not isinstance(value, str) or not _is_text(value) or len(value) > 200:
        raise ValueError(f"{key} must be a text of at most 200 characters, got {shown(value)}")
    return value


def names(config: dict, key: str, allowed: Container[str] | None = None) -> list[str]:
    """Return config[key], a list of strings. allowed: the strings that may occur, None for any.

    Raise ValueError for anything else.
    """
    values = config.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) and _is_text(value) for value in values):
        raise ValueError(f"{key} must be a list of names, got {shown(values)}")
    for value in values:
        if allowed is not None and value not in allowed:
            raise ValueError(f"unknown {key} {shown(value)}")
    return values


def _within(config: dict, key: str, default: Any, optional: bool, kind: str, fits: Callable[[Any], bool]) -> Any:
    """Return config[key], a value within LIMITS[key] for which `fits` is true. Raise ValueError for any other.

    kind: the value's kind, for the message.
    """
    value = config.get(key, default)
    low, high = LIMITS[key]
    if (optional and value is None) or (fits(value) and low <= value <= high):
        return value
    reach = f"of at least {low:,}" if high == math.inf else f"from {low:,} to {high:,}"
    raise ValueError(f"{key} must be {kind} {reach}{' or null' if optional else ''}, got {shown(value)}")


def _is_text(value: str) -> bool:
    """Return whether a string has no lone surrogate. JSON can contain one, but it can't be printed or stored."""
    return not any(0xD800 <= ord(character) < 0xE000 for character in value)
