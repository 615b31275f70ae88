"""Scripts that repeat a run of a score or a consistency model with the pipeline that diffusers has for it."""

from __future__ import annotations

from ddpm_core.checkpoint.config.families import FAMILIES
from ddpm_core.model import ModelSpec
from ddpm_core.samplers import CORRECTIONS
from ui.runs.captions import Row
from ui.runs.settings import Settings

SAVED = 'Image.fromarray((255 * image).round().astype(np.uint8)).save(f"seed-{seed}.png")'


def script(
    run: Settings, model: ModelSpec, steps: list[Row], label: int | None, times: str, where: str, noise: list[str]
) -> str:
    """The script. Raises ValueError, with the reason, for a run that the pipeline cannot repeat.

    run: resolved; steps and label: of it. times: its t − 1, as Python. where: the arguments that name the checkpoint.
    noise: the lines that define noise(stream).
    """
    family = FAMILIES.get(model.schedule.config.get("_class_name", ""))
    makers = {"ScoreSdeVePipeline": _score, "ConsistencyModelPipeline": _consistency}
    if family is None or family.pipeline not in makers:
        raise ValueError("diffusers does not sample from what this network predicts")
    if model.channels != 3:
        raise ValueError(f"the {family.pipeline} of diffusers draws three channels")
    head = [f"seeds = {run.seeds!r}", f"pipeline = {family.pipeline}.from_pretrained({where})"]
    modules, lines = makers[family.pipeline](run, model, steps, label, times, noise)
    imports = ["import numpy as np", "import torch", f"from diffusers import {family.pipeline}", *modules]
    return "\n".join([*imports, "from PIL import Image", "", *head, *lines, ""])


def _score(
    run: Settings, model: ModelSpec, steps: list[Row], label: int | None, times: str, noise: list[str]
) -> tuple[list[str], list[str]]:
    """One picture at a time, as its corrector takes the means over a batch. It would begin at 0, without the data."""
    if run.sampler not in ("ddpm", "langevin") or run.variance != "beta":
        raise ValueError("Of score models diffusers has DDPM and Langevin with βₜ only, the authors’ reverse diffusion")
    if run.clip:
        raise ValueError("diffusers does not clip x̂₀ of score models: switch that off")
    corrections = model.corrections if run.sampler == "langevin" else 0
    corrected = [
        f"        for k in range({corrections}):  # corrections have streams of their own",
        f"            yield noise((k + 1) * {CORRECTIONS} + i + 1)",
    ]
    return [
        "from diffusers.pipelines.deprecated.score_sde_ve import pipeline_score_sde_ve",
        "from diffusers.schedulers import scheduling_sde_ve",
    ], [
        "scheduler = pipeline.scheduler",
        f"scheduler.register_to_config(correct_steps={corrections})",
        f"scheduler.set_timesteps({model.schedule.T})",
        f"scheduler.set_sigmas({model.schedule.T})",
        "every, told = scheduler.discrete_sigmas, scheduler.sigmas.flip(0)  # σ of each t, and as it is told",
        f"times = {times}",
        "",
        "",
        "def set_sigmas(n):  # those of our times, with timesteps that are not rounded to another σ",
        "    scheduler.timesteps = (torch.arange(n).flip(0) + 0.5) / max(n - 1, 1)",
        "    scheduler.discrete_sigmas, scheduler.sigmas = every[times[::-1]], told[times]",
        "",
        "",
        *noise,
        "",
        "",
        "def draws():  # what the pipeline asks for, one after the other",
        "    yield 0.5 / every[-1] + (0.25 / every[-1] ** 2 + 1) ** 0.5 * noise(0)  # x_T has some data left in it",
        "    for i in range(len(times)):",
        *(corrected if corrections else []),
        "        yield noise(i + 1)",
        "",
        "",
        "scheduler.set_sigmas = set_sigmas",
        "for seed in list(seeds):",
        "    seeds, drawn = [seed], draws()",
        "    pipeline_score_sde_ve.randn_tensor = scheduling_sde_ve.randn_tensor = lambda *_, **__: next(drawn)",
        '    image = pipeline(num_inference_steps=len(times), output_type="np").images[0]',
        f"    {SAVED}",
    ]


def _consistency(
    run: Settings, model: ModelSpec, steps: list[Row], label: int | None, times: str, noise: list[str]
) -> tuple[list[str], list[str]]:
    sigma = model.schedule.config["sigma_max"]
    told = "" if label is None else f"class_labels=[{label}] * len(seeds), "
    numbers = [model.schedule.T - t for t, *_ in reversed(steps)]
    return ["from diffusers.schedulers import scheduling_consistency_models"], [
        f"pipeline.scheduler.register_to_config(clip_denoised={run.clip})",
        "",
        "",
        *noise,
        "",
        "",
        f"streams = iter(range(1, {len(steps) + 1}))  # diffusers draws its own noise",
        "scheduling_consistency_models.randn_tensor = lambda *_, **__: noise(next(streams))",
        f"x_T = (1 + 1 / {sigma:g} ** 2) ** 0.5 * noise(0)  # with some data left in it",
        f"images = pipeline(len(seeds), {told}num_inference_steps=None, timesteps={numbers}, latents=x_T,",
        '                  output_type="np").images',
        "for seed, image in zip(seeds, images):",
        f"    {SAVED}",
    ]
