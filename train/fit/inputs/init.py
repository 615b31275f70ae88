"""The values that a run takes from the checkpoint of --init: weights, and fields of the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ddpm_core import CheckpointError, NoiseSchedule, load
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.coordinates import RectifiedFlow
from ddpm_core.engines import networks
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.engines.torch import TorchNetwork
from ddpm_core.model import ModelSpec
from ddpm_core.names import LEARNED
from ddpm_core.prediction import few
from train import TrainError
from train.common.command_line import flag
from train.common.config import OF_NETWORK, Config, Kind
from train.fit.recipe import architecture, has_null_label, make_network, make_schedule

SCHEDULES = ("linear", "cosine", "quadratic", "flow")


def apply_init(config: Kind) -> Kind:
    """Return a configuration with the fields that the checkpoint of its `init` decides. Only `image_size` may differ
    from the checkpoint's.

    An image_size of 0 stands for the checkpoint's. Raises TrainError for a checkpoint that can't be trained.
    """
    model, shape, decoder = _read(config)
    size = config.image_size or model.picture_size
    null = model.null_label is not None
    return replace(
        config,
        **of_network(shape, size // model.factor),
        **of_process(model),
        image_size=size,
        channels=model.picture_channels,
        conditional=model.num_classes > 0,
        label_dropout=(config.label_dropout or 0.1) if null or not model.num_classes else 0.0,
        decoder=decoder,
        sample_steps=min(config.sample_steps, model.schedule.T),
        loss=("hybrid" if config.loss == "simple" else config.loss) if model.variance in LEARNED else "simple",
    )


def of_network(shape: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return the fields of a configuration that describe a network. size: the side of its images or latents.

    shape: the network's configuration, as diffusers names the fields.
    """
    return {
        "widths": tuple(shape["block_out_channels"]),
        "blocks": shape["layers_per_block"],
        "attention": tuple(size >> i for i, kind in enumerate(shape["down_block_types"]) if "Attn" in kind),
        # if the file has no value, diffusers' rule gives it
        "norm_groups": shape["norm_num_groups"] or max(1, min(shape["block_out_channels"][0] // 4, 32)),
    }


def of_process(model: ModelSpec) -> dict[str, Any]:
    """Return the fields of a configuration that describe a model's process and prediction, as far as `fit` has them."""
    schedule, found = model.schedule, {"T": model.schedule.T, "variance": model.variance}
    name = schedule_name(schedule)
    if name in SCHEDULES:
        ends = {name: schedule.config[name] for name in ("beta_start", "beta_end") if name in schedule.config}
        found |= {"schedule": name, **ends}
    flow = {"flow_time": model.coordinates.times} if isinstance(model.coordinates, RectifiedFlow) else {}
    return found | flow | {"prediction": model.prediction}


def schedule_name(schedule: NoiseSchedule) -> str:
    """Return the name of a schedule, as --schedule takes it. A flow is recognised by its β, which are all that a
    checkpoint keeps.
    """
    return "flow" if _same(schedule, NoiseSchedule.flow(schedule.T)) else schedule.name


def _same(one: NoiseSchedule, other: NoiseSchedule) -> bool:
    """Return whether two schedules have the same β."""
    return one.T == other.T and torch.allclose(one.beta, other.beta, rtol=1e-12, atol=0)


def check_init(config: Config) -> None:
    """Raise TrainError, before the images are read, if flags contradict the checkpoint of --init."""
    model, _, _ = _read(config)
    if model.latent != (config.decoder is not None):
        needed = "give its autoencoder with --decoder" if model.latent else "leave out --decoder"
        raise TrainError(f"--init {config.init} draws {'latents' if model.latent else 'pixels'}: {needed}.")
    schedule = model.schedule
    if not _has_schedule(config, schedule):
        name = schedule_name(schedule)
        theirs = f"--init {config.init} has the noise schedule {name}"
        if name not in SCHEDULES:
            own = ": give it as --schedule module:function" if name == "custom" else ""
            raise TrainError(f"{theirs}, which is none of {', '.join(SCHEDULES)}{own}.")
        raise TrainError(f"{theirs}, T = {schedule.T}: leave out --T, --schedule, --beta-start and --beta-end.")
    checkpoint = apply_init(config)
    for name in (*OF_NETWORK, "flow_time"):
        here, there = getattr(config, name), getattr(checkpoint, name)
        if here != there and (name, here) != ("channels", None):
            found = f"--init {config.init} has {flag(name)} {_as_flag_value(there)}"
            raise TrainError(f"{found}, and can't be continued with {_as_flag_value(here)}: leave this flag out.")


def _has_schedule(config: Config, schedule: NoiseSchedule) -> bool:
    """Return whether the flags make this schedule."""
    try:
        return _same(make_schedule(config), schedule)
    except ValueError:
        return False


def _as_flag_value(value: object) -> str:
    """Return the value of a flag as the command line has it."""
    return " ".join(map(str, value)) or "(none)" if isinstance(value, tuple) else str(value)


def _read(config: Config) -> tuple[ModelSpec, dict[str, Any], str | None]:
    """Return the model of --init without its network, the network's configuration, and the folder of its autoencoder or
    None.

    Raises TrainError for a checkpoint that can't be read or trained.
    """
    ref = config.init
    assert ref is not None
    try:
        checkpoint = snapshots.fetch(refs.parse(ref), spec.check)
        found = spec.read(checkpoint)
    except CheckpointError as error:
        raise TrainError(f"--init: {error}.") from error
    if found.spec.takes_words:
        raise TrainError(f"--init {ref} is a text-to-image model: these can't be continued.")
    kind = found.unet["_class_name"]
    if kind != UNet2DModel.__name__:
        raise TrainError(f"Only networks of the class UNet2DModel can be trained, not {kind}.")
    defaults = {name: field.default for name, field in inspect.signature(UNet2DModel).parameters.items()}
    part = checkpoint.layout.decoder
    decoder = str(checkpoint.file(part[1]).parent) if found.decoder is not None and part else None
    return found.spec, {**defaults, **found.unet}, decoder


def warm_start(config: Config, classes: Sequence[str]) -> tuple[UNet2DModel, str]:
    """Return the network of --init with its weights, and a sentence for the user, which may be "".

    Flags decide part of the architecture, the checkpoint decides the rest. classes: the names of the classes to train;
    empty for an unconditional run. Raises TrainError if the network can't be loaded, or if flags ask for another
    network.
    """
    assert config.init is not None
    try:
        loaded = load(config.init, device="cpu", precision="fp32", engine="torch")
    except CheckpointError as error:
        raise TrainError(f"--init: {error}.") from error
    assert isinstance(loaded.network, TorchNetwork)
    null = bool(classes) and has_null_label(config)
    network, new = relabel(loaded.network.unet, loaded, classes, null)
    counts = f"{config.init} has {loaded.num_classes or 'no'} classes, the images {len(classes)}"
    sentence = f"{counts}: the embeddings of these begin as no class: {few(new)}." if new else ""
    return copy_to_train(network, config, len(classes)), sentence


def relabel(
    network: networks.Network, model: ModelSpec, classes: Sequence[str], null: bool
) -> tuple[UNet2DModel, list[str]]:
    """Return a copy of a model's network for these classes, and the names of the classes that are new to it.

    A class keeps the embedding of its name. If there are as many classes as before and all have new names, a class
    keeps the embedding of its number. A new class starts with the embedding for "no class": that of the null label,
    else the mean of all classes, else 0. null: whether the copy has a null label.
    """
    weights = dict(network.state_dict())
    time = weights["time_embedding.linear_2.bias"]
    table = weights.pop("class_embedding.weight", time.new_zeros(0, len(time)))
    names = list(model.class_names or map(str, range(model.num_classes)))
    if model.null_label is not None:
        none = table[model.null_label]
    else:
        none = table.mean(0) if len(table) else torch.zeros_like(time)
    by_number = len(classes) == len(names) and not set(classes) & set(names)
    names = list(classes) if by_number else names
    if classes:
        rows = [table[names.index(name)] if name in names else none for name in classes]
        weights["class_embedding.weight"] = torch.stack([*rows, *[none] * null])
    else:
        weights["time_embedding.linear_2.bias"] = time + none  # `none` replaces the class embedding
    relabelled = UNet2DModel(**{**architecture(network), "num_class_embeds": len(classes) + null or None})
    relabelled.load_state_dict(weights)
    return relabelled, [name for name in classes if name not in names]


def copy_to_train(network: networks.Network, config: Config, num_classes: int) -> UNet2DModel:
    """Return a copy of a network, to continue its training. Raises TrainError if flags ask for another network.

    It is not enough to compare the shapes of the weights: a network with another time embedding has the same shapes.
    """
    theirs = architecture(network)
    copied = make_network(config, num_classes, theirs)
    for name, ours in architecture(copied).items():
        if name not in ("sample_size", "dropout") and ours != theirs[name]:
            raise TrainError(
                f"--init {config.init} is another network than this configuration's: {name} is {theirs[name]} there, "
                f"and {ours} here."
            )
    copied.load_state_dict(network.state_dict())
    return copied
