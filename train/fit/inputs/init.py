"""The values that a run takes from the checkpoint of --init: network and process as fields of a configuration, and
weights.
"""

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


def begun(config: Kind) -> Kind:
    """A configuration with what the checkpoint of its `init` decides; only `image_size` may be another one.

    image_size 0 stands for the checkpoint's own. Raises TrainError for a checkpoint that can't be trained on.
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
    """The fields that say what a network is, of its configuration, for images or latents of so many numbers a side."""
    return {
        "widths": tuple(shape["block_out_channels"]),
        "blocks": shape["layers_per_block"],
        "attention": tuple(size >> i for i, kind in enumerate(shape["down_block_types"]) if "Attn" in kind),
        # diffusers' own rule where the file leaves it open
        "norm_groups": shape["norm_num_groups"] or max(1, min(shape["block_out_channels"][0] // 4, 32)),
    }


def of_process(model: ModelSpec) -> dict[str, Any]:
    """The fields that say what a model's process and prediction are, as far as `fit` has flags for them."""
    schedule, found = model.schedule, {"T": model.schedule.T, "variance": model.variance}
    name = schedule_name(schedule)
    if name in SCHEDULES:
        ends = {name: schedule.config[name] for name in ("beta_start", "beta_end") if name in schedule.config}
        found |= {"schedule": name, **ends}
    flow = {"flow_time": model.coordinates.times} if isinstance(model.coordinates, RectifiedFlow) else {}
    return found | flow | {"prediction": model.prediction}


def schedule_name(schedule: NoiseSchedule) -> str:
    """The name of a schedule as --schedule has it. A checkpoint keeps only the β of a flow's."""
    return "flow" if _same(schedule, NoiseSchedule.flow(schedule.T)) else schedule.name


def _same(one: NoiseSchedule, other: NoiseSchedule) -> bool:
    return one.T == other.T and torch.allclose(one.beta, other.beta, rtol=1e-12, atol=0)


def check_init(config: Config) -> None:
    """Raise TrainError, before the images are read, for flags that contradict the checkpoint of --init."""
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
    checkpoint = begun(config)
    for name in (*OF_NETWORK, "flow_time"):
        here, there = getattr(config, name), getattr(checkpoint, name)
        if here != there and (name, here) != ("channels", None):
            found = f"--init {config.init} has {flag(name)} {_words(there)}"
            raise TrainError(f"{found}, and can't be continued with {_words(here)}: leave this flag out.")


def _has_schedule(config: Config, schedule: NoiseSchedule) -> bool:
    try:
        return _same(make_schedule(config), schedule)
    except ValueError:
        return False


def _words(value: object) -> str:
    return " ".join(map(str, value)) or "(none)" if isinstance(value, tuple) else str(value)


def _read(config: Config) -> tuple[ModelSpec, dict[str, Any], str | None]:
    """The model of --init without its network, the configuration of that, and the folder of its autoencoder."""
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
    """The network of --init: its weights, and what no flag decides of its architecture. And a sentence for the user.

    classes: names of those that are trained, none for an unconditional run. Raises TrainError when it can't be loaded,
    or where flags ask for another network.
    """
    assert config.init is not None
    try:
        loaded = load(config.init, device="cpu", precision="fp32", engine="torch")
    except CheckpointError as error:
        raise TrainError(f"--init: {error}.") from error
    assert isinstance(loaded.network, TorchNetwork)
    null = bool(classes) and has_null_label(config)
    network, new = relabelled(loaded.network.unet, loaded, classes, null)
    counts = f"{config.init} has {loaded.num_classes or 'no'} classes, the images {len(classes)}"
    sentence = f"{counts}: the embeddings of these begin as no class: {few(new)}." if new else ""
    return continued(network, config, len(classes)), sentence


def relabelled(
    network: networks.Network, model: ModelSpec, classes: Sequence[str], null: bool
) -> tuple[UNet2DModel, list[str]]:
    """A network for these classes, made of that of a model which may have others; and the classes that are new to it.

    A class keeps the embedding of its name; that of its number where as many classes have other names. A new one
    begins with what stands for no class: the null label, else the mean of all classes; without classes, nothing.
    null: whether it has a null label.
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
        weights["time_embedding.linear_2.bias"] = time + none  # the embedding of every class is added to it
    relabelled = UNet2DModel(**{**architecture(network), "num_class_embeds": len(classes) + null or None})
    relabelled.load_state_dict(weights)
    return relabelled, [name for name in classes if name not in names]


def continued(network: networks.Network, config: Config, num_classes: int) -> UNet2DModel:
    """A copy of a network, to be trained on. Raises TrainError where flags ask for another one.

    The shapes of weights are not enough: networks with another time embedding have the same shapes.
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
