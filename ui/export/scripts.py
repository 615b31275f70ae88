"""Scripts that repeat a run: with ddpm_core, and with diffusers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddpm_core.checkpoint import refs
from ddpm_core.model import ModelSpec, Source
from ddpm_core.timesteps import timestep_pairs
from ui.runs.models import revision
from ui.runs.settings import LANE, Settings


def python(lanes: Sequence[Settings], model: ModelSpec) -> str:
    """A script that repeats a run with ddpm_core."""
    first = lanes[0]
    shared = {"seeds": first.seeds, "clip": first.clip, **_labels(first, model)}
    ways = [{name: getattr(lane, name) for name in (*LANE, "spacing")} for lane in lanes]
    lines = [
        "from PIL import Image",
        "",
        "import ddpm_core",
        "",
        f"model = ddpm_core.load({reference(first, model)!r})",
    ]
    if len(lanes) == 1:
        lines += [f"images = ddpm_core.sample(model, {_arguments(shared | ways[0])})  # uint8 (N, H, W, C)"]
        lines += [f"for seed, image in zip({first.seeds!r}, images):"]
        lines += ['    Image.fromarray(image.squeeze()).save(f"seed-{seed}.png")']
    else:
        lines[2:3] = ["import ddpm_core", "from ddpm_core.imaging import to_uint8"]
        lines += ["lanes = [", *(f"    {way!r}," for way in ways), "]"]
        lines += ["last = {}", f"for lane, step in ddpm_core.side_by_side(model, lanes=lanes, {_arguments(shared)}):"]
        lines += ["    last[lane] = step.x", "for lane, x in last.items():"]
        lines += [f"    for seed, image in zip({first.seeds!r}, to_uint8(x)):"]
        lines += ['        Image.fromarray(image.squeeze()).save(f"lane-{lane}-seed-{seed}.png")']
    return "\n".join(lines) + "\n"


def diffusers(lanes: Sequence[Settings], model: ModelSpec) -> str:
    """The same with diffusers alone. Raises ValueError, with the reason, for a run that diffusers cannot repeat."""
    if len(lanes) > 1:
        raise ValueError("diffusers runs one lane: turn Compare off")
    run = lanes[0]
    if run.sampler != "ddpm" or run.variance not in ("beta", "beta_tilde"):
        raise ValueError("Only DDPM with β or β̃ can be repeated with diffusers; its DDIM visits other times")
    if model.prediction == "mu" or model.variance.startswith("learned"):
        raise ValueError("diffusers does not sample from what this network predicts")
    unet, scheduler = _diffusers_parts(_source(model))
    kind = {"beta": "fixed_large", "beta_tilde": "fixed_small"}[run.variance]
    labels = _labels(run, model).get("labels")
    if model.num_classes and labels is None:
        labels = model.null_label
    size = model.image_size
    call = "unet(x, t).sample"
    if labels is not None:
        call = "unet(x, t, torch.full((len(seeds),), {})).sample"
        if run.guidance != 1:
            call = f"guided({call.format(labels)}, {call.format(model.null_label)}, {run.guidance:g})"
        else:
            call = call.format(labels)
    guided = [
        "",
        "",
        "def guided(conditional, unconditional, w):",
        "    return unconditional + w * (conditional - unconditional)",
    ]
    return "\n".join(
        [
            "import numpy as np",
            "import torch",
            "from diffusers import DDPMScheduler, UNet2DModel",
            "from diffusers.schedulers import scheduling_ddpm",
            "from PIL import Image",
            "",
            f"seeds = {run.seeds!r}",
            f"unet = UNet2DModel.from_pretrained({', '.join(unet)})",
            f"scheduler = DDPMScheduler.from_pretrained({', '.join(scheduler)}, variance_type={kind!r},",
            f"                                          clip_sample={run.clip})",
            f"scheduler.set_timesteps(timesteps={_indices(run, model)})",
            "",
            "",
            "def noise(stream):  # a function of seed and stream alone: 0 is x_T, i + 1 belongs to step i",
            f"    shape = ({model.channels}, {size}, {size})",
            "    draws = [np.random.Generator(np.random.Philox(key=[seed, stream])) for seed in seeds]",
            "    return torch.from_numpy(np.stack([draw.standard_normal(shape, dtype=np.float32) for draw in draws]))",
            *(guided if "guided" in call else []),
            "",
            "",
            "x = noise(0)",
            "for i, t in enumerate(scheduler.timesteps):",
            "    last = i + 1 == len(scheduler.timesteps)",
            "    # diffusers draws its own noise, and with fixed_large may add some in the last step, too",
            "    scheduling_ddpm.randn_tensor = lambda *_, **__: torch.zeros_like(x) if last else noise(i + 1)",
            "    with torch.no_grad():",
            f"        output = {call}",
            "    x = scheduler.step(output, t, x).prev_sample",
            "images = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()",
            "for seed, image in zip(seeds, images):",
            '    Image.fromarray(image.squeeze()).save(f"seed-{seed}.png")',
            "",
        ]
    )


def reference(settings: Settings, model: ModelSpec) -> str:
    """The checkpoint with the revision that was loaded."""
    commit = revision(model)
    return f"{_repository(_source(model))}@{commit}" if commit else settings.checkpoint


def _source(model: ModelSpec) -> Source:
    """Where a model comes from; every model of the page was loaded from somewhere."""
    assert model.source is not None
    return model.source


def _repository(source: Source) -> str:
    """The Hub id of a checkpoint from the Hub."""
    return source.ref.partition("@")[0]


def _diffusers_parts(source: Source) -> list[list[str]]:
    """The arguments of `from_pretrained` for the network and for the scheduler: each may have a folder of its own."""
    assert source.folder is not None and source.file is not None
    if source.revision:
        where = [repr(_repository(source)), f"revision={source.revision!r}"]
    elif source.ref in refs.embedded():
        where = [repr(f"checkpoints/{source.ref}")]
    else:
        where = [repr(str(source.folder))]
    inside = {
        "unet": source.file.startswith("unet/"),
        "scheduler": (source.folder / "scheduler" / "scheduler_config.json").is_file(),
    }
    return [[*where, f"subfolder={name!r}"] if inner else where for name, inner in inside.items()]


def _labels(settings: Settings, model: ModelSpec) -> dict[str, Any]:
    arguments = settings.arguments(model)
    return {name: arguments[name] for name in ("labels", "guidance") if arguments[name] is not None}


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _indices(settings: Settings, model: ModelSpec) -> str:
    """The t − 1 of the run's steps, as Python."""
    if settings.spacing == "linspace" and settings.steps > 1:
        return f"np.linspace(0, {model.schedule.T - 1}, {settings.steps}).round().astype(int)[::-1].tolist()"
    return repr([t - 1 for t, _ in timestep_pairs(model.schedule.T, settings.steps, settings.spacing)])
