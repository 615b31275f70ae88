"""Scripts that repeat a run: with ddpm_core, and with diffusers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ddpm_core.model import ModelSpec
from ddpm_core.samplers import DEFAULTS
from ddpm_core.solvers import SOLVERS
from ui.export import pipelines
from ui.models.home import Home, home
from ui.runs import touch
from ui.runs.captions import Row
from ui.runs.settings import Settings, Touched, options_of
from ui.runs.touch import Touches


def for_run(
    lanes: Sequence[Settings], models: Sequence[ModelSpec], steps: Sequence[list[Row]], touches: Touches | None = None
) -> dict[str, str]:
    """{python, diffusers, why}: both scripts, and why there is none for diffusers. Of a grid there is none.

    lanes: resolved, each with its model and its steps. touches: of lane B.
    """
    if len(lanes) > 2:
        return {"python": "", "diffusers": "", "why": "A grid is many runs: open one of its cells"}
    script = copied(python, lanes, models, touches)
    try:
        return {"python": script, "diffusers": _plain(diffusers(lanes, models, steps)), "why": ""}
    except ValueError as reason:
        return {"python": script, "diffusers": "", "why": str(reason)}


def copied(script: Callable[..., str], *arguments: Any) -> str:
    """A script, or as a comment why there is none."""
    try:
        return _plain(script(*arguments))
    except ValueError as error:
        return f"# {error}\n"


def _plain(script: str) -> str:
    """Return a script in ASCII: whoever copies it sees every letter of a prompt or a name. Some letters are invisible,
    others turn a line around or look like ASCII.
    """
    return script.encode("ascii", "backslashreplace").decode()


def python(lanes: Sequence[Settings], models: Sequence[ModelSpec], touches: Touches | None = None) -> str:
    """A script that repeats a run with ddpm_core. lanes: resolved, each with its model. touches: of lane B.

    Raises ValueError, with the reason, for a model that only this page has.
    """
    first, model = lanes[0], models[0]
    told = [_told(lane, own) for lane, own in zip(lanes, models, strict=True)]
    same = {name: value for name, value in told[0].items() if all(one.get(name) == value for one in told)}
    shared = {"seeds": first.seeds, "clip": first.clip, **same}
    ways = [
        lane.sampling | {name: value for name, value in own.items() if name not in same}
        for lane, own in zip(lanes, told, strict=True)
    ]
    lines = [
        "from PIL import Image",
        "",
        "import ddpm_core",
        "",
        f"model = ddpm_core.load({reference(first.checkpoint, model)!r})",
    ]
    if len(lanes) == 1:
        lines += [f"images = ddpm_core.sample(model, {_arguments(shared | ways[0])})  # uint8 (N, H, W, C)"]
        lines += [f"for seed, image in zip({first.seeds!r}, images):"]
        lines += ['    Image.fromarray(image.squeeze()).save(f"seed-{seed}.png")']
        return "\n".join(lines) + "\n"
    written = [repr(way) for way in ways]
    if touches:
        lines[:4] = touch.IMPORTS.split("\n")
        lines += touch.script(touches, first.seeds, model)
        written[1] = f"{written[1][:-1]}, 'on_step': on_step}}"
    if lanes[1].checkpoint != first.checkpoint:
        lines += [f"other = ddpm_core.load({reference(lanes[1].checkpoint, models[1])!r})"]
        written[1] = f"{written[1][:-1]}, 'model': other}}"
    lines += ["lanes = [", *(f"    {way}," for way in written), "]"]
    lines += ["last = {}", f"for lane, step in ddpm_core.side_by_side(model, lanes=lanes, {_arguments(shared)}):"]
    lines += ["    last[lane] = step.x", "for lane, x in last.items():"]
    own = "model" if lanes[1].checkpoint == first.checkpoint else "[model, other][lane]"
    lines += [f"    for seed, image in zip({first.seeds!r}, {own}.pictures(x)):"]
    lines += ['        Image.fromarray(image.squeeze()).save(f"lane-{lane}-seed-{seed}.png")']
    return "\n".join(lines) + "\n"


def diffusers(lanes: Sequence[Settings], models: Sequence[ModelSpec], steps: Sequence[list[Row]]) -> str:
    """The same with diffusers alone. Raises ValueError, with the reason, for a run that diffusers cannot repeat."""
    if len(lanes) > 1:
        other = "open one of them in Watch" if not isinstance(lanes[1], Touched) else "it changes none on its way"
        raise ValueError(f"diffusers runs one lane: {other}")
    run, model = lanes[0], models[0]
    times = _indices(run, model, steps[0])
    reference(run.checkpoint, model)
    for name, value in options_of(run).items():
        if name not in ("variance", "eta") and value != DEFAULTS[name]:
            raise ValueError(f"diffusers does not have the option {name} of this sampler")
    if model.coordinates is not None:
        label = _told(run, model).get("labels")
        return pipelines.script(run, model, steps[0], label, times, home(model).where, _noise(model))
    if run.sampler == "ddim" and (run.spacing != "trailing" or model.schedule.T % run.steps or run.eta):
        raise ValueError("diffusers repeats DDIM with trailing spacing, steps that divide T, and η = 0 only")
    ways = {"ddpm": _ancestral, "ddim": _ddim, **dict.fromkeys(SOLVERS, _solver)}
    if run.sampler not in ways:
        raise ValueError("diffusers does not have this sampler")
    if run.sampler == "ddpm" and run.variance not in ("beta", "beta_tilde"):
        raise ValueError("Of DDPM only β or β̃ can be repeated with diffusers")
    if model.prediction == "mu":
        raise ValueError("diffusers does not sample from what this network predicts")
    place = home(model)
    if place.own_class:
        raise ValueError("This network is one of a class of ddpm_core, which diffusers does not have")
    unet = scheduler = place.where  # each may have a folder of its own
    folder = _folder(model)
    if folder:
        unet += f", subfolder={folder!r}"
    if place.has_scheduler:
        scheduler += ", subfolder='scheduler'"
    sampler = ways[run.sampler](run, model, times, scheduler)
    call, guided = _call(run, model)
    kind = "UNet2DConditionModel" if model.takes_words else "UNet2DModel"
    if folder == "transformer":
        kind = "DiTTransformer2DModel"
    if model.variance.startswith("learned"):
        call += f"[:, :{model.channels}]"  # the rest is v
    latent = _latent(model, place)
    return "\n".join(
        [
            "import numpy as np",
            "import torch",
            f"from diffusers import {', '.join(sorted([*sampler.classes, kind, *latent.classes]))}",
            *sampler.imports,
            "from PIL import Image",
            *latent.imports,
            "",
            f"seeds = {run.seeds!r}",
            f"unet = {kind}.from_pretrained({unet})",
            *latent.load,
            *sampler.scheduler,
            "",
            "",
            *_noise(model),
            *guided,
            "",
            "",
            "x = noise(0)",
            "for i, t in enumerate(scheduler.timesteps):",
            *sampler.before,
            "    with torch.no_grad():",
            f"        output = {call}",
            *sampler.step,
            *latent.decode,
            "images = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()",
            "for seed, image in zip(seeds, images):",
            '    Image.fromarray(image.squeeze()).save(f"seed-{seed}.png")',
            "",
        ]
    )


def _noise(model: ModelSpec) -> list[str]:
    return [
        "def noise(stream):  # a function of seed and stream alone: 0 is x_T, i + 1 belongs to step i",
        f"    shape = ({model.channels}, {model.image_size}, {model.image_size})",
        "    draws = [np.random.Generator(np.random.Philox(key=[seed, stream])) for seed in seeds]",
        "    return torch.from_numpy(np.stack([draw.standard_normal(shape, dtype=np.float32) for draw in draws]))",
    ]


@dataclass(frozen=True)
class _Sampler:
    """The lines of a script that depend on the sampler. classes: of diffusers. before, step: in the loop, around the
    network's call."""

    classes: list[str]
    scheduler: list[str]
    step: list[str]
    imports: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)


def _ancestral(run: Settings, model: ModelSpec, times: str, scheduler: str) -> _Sampler:
    """DDPM."""
    kind = {"beta": "fixed_large", "beta_tilde": "fixed_small"}[run.variance]
    return _Sampler(
        ["DDPMScheduler"],
        [
            f"scheduler = DDPMScheduler.from_pretrained({scheduler}, variance_type={kind!r},",
            f"                                          clip_sample={run.clip})",
            f"scheduler.set_timesteps(timesteps={times})",
        ],
        ["    x = scheduler.step(output, t, x).prev_sample"],
        ["from diffusers.schedulers import scheduling_ddpm"],
        [
            "    last = i + 1 == len(scheduler.timesteps)",
            "    # diffusers draws its own noise, and with fixed_large may add some in the last step, too",
            "    scheduling_ddpm.randn_tensor = lambda *_, **__: torch.zeros_like(x) if last else noise(i + 1)",
        ],
    )


def _ddim(run: Settings, model: ModelSpec, times: str, scheduler: str) -> _Sampler:
    """DDIM without noise, at times that diffusers visits by itself."""
    return _Sampler(
        ["DDIMScheduler"],
        [
            f"scheduler = DDIMScheduler.from_pretrained({scheduler}, clip_sample={run.clip},",
            "                                          set_alpha_to_one=True, timestep_spacing='trailing')",
            f"scheduler.set_timesteps({run.steps})",
        ],
        ["    x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample"],
    )


def _solver(run: Settings, model: ModelSpec, times: str, scheduler: str) -> _Sampler:
    """DPM-Solver++ or UniPC. They are given x̂_0, as diffusers does not clip it for them, and our times."""
    name = SOLVERS[run.sampler]
    x_0 = {
        "epsilon": "(x - (1 - alpha_bar[t]).sqrt() * output) / alpha_bar[t].sqrt()",
        "v": "alpha_bar[t].sqrt() * x - (1 - alpha_bar[t]).sqrt() * output",
        "x0": "output",
    }[model.prediction]
    return _Sampler(
        ["DDPMScheduler", name],
        [
            f"alpha_bar = DDPMScheduler.from_pretrained({scheduler}).alphas_cumprod",
            f"times = {times}",
            f"scheduler = {name}(num_train_timesteps={model.schedule.T}, prediction_type='sample',",
            f"            {' ' * len(name)}final_sigmas_type='zero')",
            "scheduler.set_timesteps(len(times))",
            "scheduler.timesteps = torch.tensor(times)  # in the place of its own",
            "scheduler.sigmas = torch.cat([((1 - alpha_bar) / alpha_bar).sqrt()[times], torch.zeros(1)])",
        ],
        [
            f"    x_0 = {x_0}",
            *(["    x_0 = x_0.clamp(-1, 1)"] if run.clip else []),
            "    x = scheduler.step(x_0, t, x).prev_sample",
        ],
    )


@dataclass(frozen=True)
class _Latent:
    """The lines of a script that a latent model needs besides. classes: of diffusers."""

    classes: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    load: list[str] = field(default_factory=list)
    decode: list[str] = field(default_factory=list)


def _latent(model: ModelSpec, place: Home) -> _Latent:
    where, found = place.where, place.autoencoder
    if found is None:
        return _Latent()
    kind = found.kind
    z = f"x / {found.scale:g}" + (f" + {found.shift:g}" if found.shift else "")
    load = [f"vae = {kind}.from_pretrained({where}, subfolder={found.folder!r})"]
    decode = ["with torch.no_grad():", f"    x = vae.decode({z}).sample"]
    if not model.takes_words:
        return _Latent([kind], [], load, decode)
    load += [
        f"tokenizer = CLIPTokenizer.from_pretrained({where}, subfolder='tokenizer')",
        f"encoder = CLIPTextModel.from_pretrained({where}, subfolder='text_encoder')",
        "",
        "",
        "@torch.no_grad()",
        "def words(prompt):",
        "    options = dict(padding='max_length', max_length=tokenizer.model_max_length, truncation=True)",
        "    return encoder(tokenizer([prompt] * len(seeds), return_tensors='pt', **options).input_ids)[0]",
        "",
        "",
    ]
    return _Latent([kind], ["from transformers import CLIPTextModel, CLIPTokenizer"], load, decode)


def _folder(model: ModelSpec) -> str:
    """The folder of the network's files in the checkpoint."""
    path = model.source.file if model.source and model.source.file else ""
    return path.partition("/")[0] if "/" in path else ""


def _call(run: Settings, model: ModelSpec) -> tuple[str, list[str]]:
    """The network's call, and the function that it needs for guidance."""
    labels, null = _told(run, model).get("labels"), model.null_label
    if model.num_classes and labels is None:
        labels = null
    time = "t.expand(len(seeds))" if _folder(model) == "transformer" else "t"
    call = f"unet(x, {time}, torch.full((len(seeds),), {{}})).sample"
    if model.takes_words:
        labels, null = repr(run.prompt), repr(run.negative)
        call = "unet(x, t, words({})).sample"
    if labels is None:
        return "unet(x, t).sample", []
    if run.guidance == 1:
        return call.format(labels), []
    guided = [
        "",
        "",
        "def guided(conditional, unconditional, w):",
        "    return unconditional + w * (conditional - unconditional)",
    ]
    return f"guided({call.format(labels)}, {call.format(null)}, {run.guidance:g})", guided


def reference(ref: str, model: ModelSpec) -> str:
    """A checkpoint with the revision that was loaded. Raises ValueError for a model that only this page has."""
    source = model.source
    if source and ref != source.ref:  # its folder is none of a stranger's business
        raise ValueError("This model is on this page, and nowhere else")
    return f"{source.ref.partition('@')[0]}@{source.revision}" if source and source.revision else ref


def picture(name: str, text: str, shape: tuple[int, ...]) -> list[str]:
    """The lines that make a uint8 array of a picture as text (`ui.pictures.as_text`); they need base64, zlib and np."""
    return [
        f'pixels = bytearray(zlib.decompress(base64.urlsafe_b64decode("{text}")))',
        f"{name} = np.frombuffer(pixels, np.uint8).reshape{shape}",
    ]


def rows_head(ref: str, model: ModelSpec, options: dict[str, Any]) -> list[str]:
    """The first lines of a script that makes rows of pictures. options: of all its chains."""
    return [
        "import numpy as np",
        "from PIL import Image",
        "",
        "import ddpm_core",
        "from ddpm_core.imaging import grid",
        "",
        f"model = ddpm_core.load({reference(ref, model)!r})",
        f"options = {dict(one for one in options.items() if one[1] is not None)!r}",
    ]


def rows_saved(columns: int, name: str) -> str:
    """Its last line."""
    return f'Image.fromarray(grid(np.concatenate(rows), {columns}).squeeze()).save("{name}.png")'


def _told(settings: Settings, model: ModelSpec) -> dict[str, Any]:
    """The arguments of a run that say what to draw."""
    arguments = settings.arguments(model)
    return {
        name: arguments[name]
        for name in ("labels", "prompts", "negative", "guidance")
        if arguments.get(name) is not None
    }


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _indices(settings: Settings, model: ModelSpec, steps: list[Row]) -> str:
    """The t − 1 of the run's steps, as Python."""
    if settings.spacing == "linspace" and settings.steps > 1:
        return f"np.linspace(0, {model.schedule.T - 1}, {settings.steps}).round().astype(int)[::-1].tolist()"
    return repr([t - 1 for t, *_ in steps])
