"""The script in the archive of a run, which repeats it with ddpm_core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ddpm_core.model import ModelSpec
from ui.runs import touch
from ui.runs.settings import Settings
from ui.runs.touch import Touches


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


def reference(ref: str, model: ModelSpec) -> str:
    """A checkpoint with the revision that was loaded. Raises ValueError for a model that only this page has."""
    source = model.source
    if source and ref != source.ref:  # its folder is none of a stranger's business
        raise ValueError("This model is on this page, and nowhere else")
    return f"{source.ref.partition('@')[0]}@{source.revision}" if source and source.revision else ref


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
