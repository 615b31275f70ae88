"""The checks of a configuration that need no data. They come before any work."""

from __future__ import annotations

import math

from ddpm_core.checkpoint.config import fields
from ddpm_core.imaging.image_files import MODES
from ddpm_core.names import LEARNED
from ddpm_core.process import check_signal
from train import TrainError
from train.common.command_line import flag
from train.common.config import Config, to_dict
from train.fit.recipe import loss_weights, make_schedule, time_distribution

# A resumed run may change only these fields and PLACES, so that its checkpoint describes the whole run.
FREE_ON_RESUME = {
    *("data", "data_cache", "out", "resume", "memory", "workers", "steps", "accumulate", "device", "precision"),
    *("channels_last", "compile", "fused", "threads", "lr", "lr_decay", "weight_decay", "clip", "ema", "ema2"),
    *("tracker", "log_every", "checkpoint_every", "sample_every", "sample_count", "sample_steps"),
    *("sample_seconds", "ema_snapshots"),
}
PLACES = ("decoder", "teacher", "text")  # these fields may change to a folder with the same weights

# The least and the greatest value of each number. The greatest is far beyond any known training. With a larger value,
# the machine would compute for hours, or run out of memory, before it failed. The limits of a network are those of a
# network in a checkpoint.
LIMITS = {
    "seed": (0, 2**63 - 1),
    "image_size": fields.LIMITS["sample_size"],
    "workers": (0, 512),
    "blocks": fields.LIMITS["layers_per_block"],
    "norm_groups": fields.LIMITS["norm_num_groups"],
    "text_width": (8, 4096),
    "text_layers": (1, 64),
    "text_length": (4, 77),
    "flow_time": fields.LIMITS["times"],
    "T": (2, fields.LIMITS["num_train_timesteps"][1]),
    "steps": (1, 10**9),
    "batch": (1, 2**20),
    "accumulate": (1, 2**20),
    "warmup": (0, 10**9),
    "threads": (1, 4096),
    "log_every": (1, 10**9),
    "checkpoint_every": (1, 10**9),
    "ema_snapshots": (0, 10_000),
    "sample_every": (0, 10**9),
    "sample_count": (1, 2**14),
    "sample_steps": (1, 100_000),
}
HEADS = 4  # number of attention heads of a network that takes words
WIDEST = fields.LIMITS["block_out_channels"][1]
MOST_PIXELS = 2**28  # largest number of pixels in the images of one round, and in a sample grid


def check(config: Config) -> None:
    """Raise TrainError for values that no run can have."""
    _check_numbers(config)
    _check_network(config)
    _check_sizes(config)
    _check_words(config)
    _check_objective(config)
    _check_device(config)


def _check_numbers(config: Config) -> None:
    """Raise TrainError for a number outside its limits."""
    for name, value in to_dict(config).items():
        if isinstance(value, float):
            _require(math.isfinite(value), name, config, "must be a finite number")
    for name, (least, most) in LIMITS.items():
        value = getattr(config, name)
        if value is not None:
            _require(value >= least, name, config, f"must be at least {least}")
            _require(value <= most, name, config, f"can be at most {most:,}")
    for name in ("warmup", "memory", "weight_decay", "sample_seconds"):
        _require(getattr(config, name) >= 0, name, config, "can't be negative")
    for name in ("label_dropout", "dropout", "ema", "ema2"):
        value = getattr(config, name)
        _require(value is None or 0 <= value < 1, name, config, "must be at least 0 and below 1")
    for name in ("lr", "clip", "log_sigma_std", "text_rate", "token_rate"):
        _require(getattr(config, name) > 0, name, config, "must be above 0")
    _require(config.channels in (None, *MODES), "channels", config, f"must be among {', '.join(map(str, MODES))}")
    _require(config.sample_steps <= config.T, "sample_steps", config, f"can't exceed T = {config.T}")


def _check_device(config: Config) -> None:
    """Raise TrainError for flags that don't go with --fused."""
    if config.fused and (
        config.compile or not config.channels_last or config.precision not in ("auto", "fp32", "bf16")
    ):
        raise TrainError("--fused goes with --channels-last, --no-compile and --precision fp32 or bf16.")


def _check_network(config: Config) -> None:
    """Raise TrainError for a U-Net that can't be built."""
    widths = config.widths
    possible = 1 <= len(widths) <= fields.MAX_LEVELS and min(widths) >= 1 and max(widths) <= WIDEST
    _require(possible, "widths", config, f"must be 1 to {fields.MAX_LEVELS} whole numbers between 1 and {WIDEST:,}")
    if config.decoder is None:  # recipe.of_latents checks the sides of latents
        step = 2 ** (len(widths) - 1)
        fits = config.image_size % step == 0
        _require(fits, "image_size", config, f"must be a multiple of {step} for these --widths")
        sizes = [config.image_size >> level for level in range(len(widths))]
        _require(set(config.attention) <= set(sizes), "attention", config, f"must be among the resolutions {sizes}")
    uneven = [width for width in widths if width % config.norm_groups]
    _require(not uneven, "norm_groups", config, "must divide each of --widths")
    weights = sum(18 * width**2 for width in widths) * (2 * config.blocks + 1)  # 18: two 3×3 convolutions in each block
    _require(
        weights <= fields.MAX_PARAMETERS,
        "widths",
        config,
        f"must make a network of at most {fields.MAX_PARAMETERS:,} weights",
    )


def _check_sizes(config: Config) -> None:
    """Raise TrainError for more rounds (the --accumulate parts of a batch) than images in the batch, and for a round or
    a sample grid with too many pixels.
    """
    _require(config.accumulate <= config.batch, "accumulate", config, f"can't exceed the batch of {config.batch}")
    fits = config.batch // config.accumulate * config.image_size**2 <= MOST_PIXELS
    _require(fits, "batch", config, f"must have at most {MOST_PIXELS:,} pixels a round: add rounds with --accumulate")
    fits = config.sample_count * config.image_size**2 <= MOST_PIXELS
    _require(fits, "sample_count", config, f"must make a grid of at most {MOST_PIXELS:,} pixels")


def _check_words(config: Config) -> None:
    """Raise TrainError for flags of latents or captions that exclude each other."""
    if config.decoder is not None:
        if config.flip:
            raise TrainError("--flip mirrors pixels, and latents can't be mirrored: add --no-flip.")
        if config.channels not in (None, 3):
            raise TrainError("--decoder takes pictures in colours: leave out --channels.")
    if not config.captions:
        if config.text is not None:
            raise TrainError("--text needs --captions: without captions there is no text encoder.")
        return
    if config.decoder is None:
        raise TrainError("--captions needs --decoder: models that take words draw in the latents of an autoencoder.")
    if config.conditional:
        raise TrainError("--captions and --conditional exclude each other: choose words or classes.")
    if config.init is not None:
        raise TrainError("--init can't be combined with --captions.")
    if config.variance in LEARNED:
        raise TrainError("--captions can't be combined with a learned variance.")
    heads = [width for width in (*config.widths, config.text_width) if width % HEADS]
    _require(not heads, "widths", config, f"and --text-width must be multiples of {HEADS}")


def _check_objective(config: Config) -> None:
    """Raise TrainError for a loss, variance, schedule or distribution of t that can't be combined."""
    learned = config.variance in LEARNED
    if learned and config.loss == "simple":
        raise TrainError("L_simple can't train a learned variance: add --loss hybrid (or vlb).")
    if config.loss == "hybrid" and not learned:
        raise TrainError("L_hybrid trains a learned variance: add --variance learned_range (or learned).")
    if config.min_snr is not None:
        _require(config.min_snr > 0, "min_snr", config, "must be above 0")
        if config.loss != "simple" or config.prediction == "mu":
            raise TrainError("--min-snr weights L_simple: it needs --loss simple, and not --prediction mu.")
    if config.loss_weight is not None and (config.loss != "simple" or config.min_snr is not None):
        raise TrainError("--loss-weight weights L_simple: it needs --loss simple, and no --min-snr.")
    if config.weight_decay and config.optimizer == "adam":
        raise TrainError(
            "--weight-decay needs --optimizer adamw or muon: with Adam the decay would become part of the gradient."
        )
    if config.times != "uniform" and config.loss != "simple":
        raise TrainError("--times lognormal weights L_simple: the bound needs --times uniform.")
    try:
        schedule = make_schedule(config)
        check_signal(config.prediction, schedule.alpha_bar)
    except ValueError as error:
        raise TrainError(f"Noise schedule: {error}.") from None
    loss_weights(config, schedule)
    share = time_distribution(config)  # P(t <= n) for n = 1..T
    if share is not None and not math.isfinite(share[-1]):
        raise TrainError("--times lognormal needs a schedule whose σ_t are above 0 and finite: change the β.")


def _require(condition: bool, name: str, config: Config, rule: str) -> None:
    """Raise TrainError unless the condition holds. name: the field; rule: what its value must be."""
    if not condition:
        raise TrainError(f"{flag(name)} {rule}, got {getattr(config, name)}.")


def check_resume(stored: Config, config: Config, step: int) -> None:
    """Raise TrainError if a run that is resumed at this step changes a field that can't change."""
    for name, value in to_dict(stored).items():
        now = getattr(config, name)
        free = name in FREE_ON_RESUME or (name in PLACES and None not in (value, now))
        if not free and now != value:
            raise TrainError(f"{flag(name)} can't change when a run is resumed: it was {value}, not {now}.")
    if config.ema_snapshots and not stored.ema_snapshots:
        raise TrainError(
            "--ema-snapshots can't begin when a run is resumed: its averages need every step from the first one on."
        )
    if config.steps < step:
        raise TrainError(f"--steps {config.steps} is less than the {step} steps that this run has done.")
