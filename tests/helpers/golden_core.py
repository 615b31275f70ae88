"""What golden.py records of ddpm_core: SHA-256 of the states of some hundred runs, with its public names only.

The models are embedded checkpoints, one tiny checkpoint of each kind (kinds.py), and networks of additions and
multiplications, which give the same numbers for an image in any batch.
"""

from __future__ import annotations

import functools
import hashlib
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import kinds
import numpy as np
import torch

import ddpm_core
from ddpm_core import latents, restore

SHAPE = (3, 8, 8)  # shape of the toys' images
T = 100  # number of the toys' time steps


class Said(NamedTuple):
    """A value whose text would be long, and a short text for it."""

    text: str
    value: Any


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the values of every `Said`, as arguments of a function."""

    def plain(value: Any) -> Any:
        if isinstance(value, Said):
            return value.value
        if isinstance(value, dict):
            return given(value)
        return list(map(plain, value)) if isinstance(value, list) else value

    return {name: plain(value) for name, value in options.items()}


def text(options: Mapping[str, Any]) -> str:
    def short(value: Any) -> str:
        if isinstance(value, Said):
            return value.text
        if isinstance(value, dict):
            return f"{{{text(value)}}}"
        return f"[{', '.join(map(short, value))}]" if isinstance(value, list) else repr(value)

    return " ".join(f"{name}={short(value)}" for name, value in sorted(options.items()))


# --- Digests


def digest(*parts: Any) -> str:
    """Return the SHA-256 of tensors and arrays, with their shapes and types, and of numbers as float64."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, (int, float)):
            part = torch.tensor(part, dtype=torch.float64)
        x = torch.as_tensor(part).detach().cpu().contiguous()
        found.update(f"{tuple(x.shape)} {x.dtype}".encode())
        found.update(x.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def of_steps(steps: Iterable[ddpm_core.Step]) -> dict[str, Any]:
    """Return the times of a run, and digests of its state in the middle, of its end, and of everything in its steps."""
    every = list(steps)
    numbers = [part for one in every for part in (one.index, one.t, one.s, one.sigma, one.x, one.x0_hat)]
    looks = [one.attention for one in every if one.attention is not None]
    return {
        "times": " ".join(str(one.t) for one in every) + f" {every[-1].s}",
        "middle": digest(every[(len(every) - 1) // 2].x),
        "end": digest(every[-1].x),
        "all": digest(*numbers, *looks),
        "norm": f"{every[-1].x.double().norm():.5g}",
    }


def of_tensor(x: Any) -> dict[str, Any]:
    return {"end": digest(x), "norm": f"{torch.as_tensor(x).double().norm():.5g}"}


# --- Models


def _toy(prediction: str = "epsilon", variance: str = "beta", classes: int = 0, **fields: Any) -> ddpm_core.Model:
    schedule = fields.pop("schedule", ddpm_core.NoiseSchedule.linear(T))

    def network(x, t_index, labels):
        out = 0.7 * x + 0.2 * x.roll(1, -1) * x + 0.001 * t_index.to(x.dtype).reshape(-1, 1, 1, 1)
        if labels is not None:
            out = out + 0.3 * labels.to(x.dtype).reshape(-1, 1, 1, 1)
        if prediction == "mu":
            out, _ = ddpm_core.posterior(schedule, out, x, t_index + 1, t_index)
        if variance in ("learned", "learned_range"):
            v = 0.3 * x.roll(1, -2)
            out = torch.cat([out, v - 5 if variance == "learned" else v], 1)  # a log-variance, or a fraction v
        return out

    if classes:
        fields |= {"num_classes": classes, "null_label": classes}
    model: Any = ddpm_core.Model
    return model(network=network, schedule=schedule, image_size=8, prediction=prediction, variance=variance, **fields)


TOYS: dict[str, Callable[[], ddpm_core.Model]] = {
    "toy": _toy,
    "toy, classes": functools.partial(_toy, classes=3),
    "toy, x0, cosine": functools.partial(_toy, "x0", schedule=ddpm_core.NoiseSchedule.cosine(T)),
    "toy, v, beta_tilde, not clipped": functools.partial(_toy, "v", "beta_tilde", clip=False),
    "toy, mu": functools.partial(_toy, "mu"),
    "toy, flow": functools.partial(_toy, "flow"),
    "toy, learned": functools.partial(_toy, variance="learned"),
    "toy, learned_range": functools.partial(_toy, variance="learned_range", classes=2),
    "toy, two corrections": functools.partial(_toy, snr=0.3, corrections=2),
}
FOLDER = tempfile.TemporaryDirectory()


@functools.cache
def model(name: str) -> Any:
    """Return the model with this name: a toy, "a checkpoint" in float32, "a checkpoint, openvino", or "kind: …"."""
    if name in TOYS:
        return TOYS[name]()
    ref, _, engine = name.partition(", ")
    kind = name.removeprefix("kind: ")
    if kind != name:
        ref, engine = str(Path(FOLDER.name, str(len(list(Path(FOLDER.name).iterdir()))))), "torch"
        kinds.KINDS[kind].write(Path(ref))
    chosen: Any = engine or "torch"
    return ddpm_core.load(ref, device="cpu", engine=chosen, precision="fp32")


@functools.cache
def pictures(name: str, n: int) -> np.ndarray:
    """Return pictures for a model to encode, restore or measure, uint8 (n, H, W, C)."""
    of = model(name)
    draw = np.random.default_rng(7)
    small = draw.integers(0, 256, (n, 2, 2, of.picture_channels), dtype=np.uint8)
    side = of.picture_size
    index = np.arange(side) * 2 // side
    return np.ascontiguousarray(small[:, index][:, :, index])


def noise_like(name: str, n: int, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    of = model(name)
    x = torch.zeros(n, of.channels, of.image_size, of.image_size, dtype=dtype)
    return ddpm_core.seeded_noise(range(seed, seed + n))(0, x)


# --- Custom samplers, noise and changes


def heun(predict, schedule, pairs, x, *, noise):
    """A custom sampler that evaluates the network twice in a step, and needs more noise than its steps have."""
    x = x + 0.01 * noise(2**30, x)
    for index, (t, s) in enumerate(pairs):
        found, ab = predict(x, t), schedule.alpha_bar[s].item()
        new = ab**0.5 * found.x0 + (1 - ab) ** 0.5 * found.eps
        if s > 0:
            eps = 0.5 * (found.eps + predict(new, s).eps)
            new = ab**0.5 * found.x0 + (1 - ab) ** 0.5 * (0.9 * eps + 0.1 * noise(index, x))
        x = new
        yield ddpm_core.Step(index, t, s, x, found.x0_hat, 0.1 * (1 - ab) ** 0.5)


def averaging(predict, schedule, pairs, x, *, noise):
    """A custom sampler that remembers its last x̂_0."""
    before = None
    for index, (t, s) in enumerate(pairs):
        found, ab = predict(x, t), schedule.alpha_bar[s].item()
        x_0 = found.x0 if before is None else 0.5 * (found.x0 + before)
        before, x = found.x0, ab**0.5 * x_0 + (1 - ab) ** 0.5 * found.eps
        yield ddpm_core.Step(index, t, s, x, found.x0_hat, 0.0)


averaging.memory = True
OWN = [Said("heun", heun), Said("averaging", averaging)]


def own_noise(index, x):
    return torch.from_numpy(np.random.default_rng([3, index]).standard_normal(x.shape)).to(x)


def changes(step):
    """Return a new x for steps with an odd index: half of it is x̂_0, with noise that no step uses."""
    if step.index % 2 == 0:
        return None
    z = ddpm_core.seeded_noise(range(len(step.x)), 2**32)(step.s, step.x)
    return 0.5 * step.x + 0.5 * step.x0_hat + 0.1 * z


def darkens(step):
    """Return a darker x for every step but the last."""
    return 0.9 * step.x - 0.05 if step.s else None


CHANGES = [Said("changes", changes), Said("darkens", darkens)]


# --- Random options, which are almost always valid


def way(draw: random.Random, name: str, most: int = 8) -> dict[str, Any]:
    """Return random steps, a sampler and its options."""
    of = model(name)
    if of.student is not None:
        options: dict[str, Any] = {}
        if of.student.method == "consistency" and draw.random() < 0.8:
            options["steps"] = draw.randint(1, min(most, len(of.student.times)))
        return options | ({"sampler": of.student.sampler} if draw.random() < 0.3 else {})
    end = of.schedule.T
    options = {"sampler": draw.choice(["ddpm", "ddpm", "ddim", "ddim", "dpm++", "unipc", "langevin", "consistency"])}
    sampler = options["sampler"]
    if sampler in ("ddpm", "langevin"):
        variances = ["beta", "beta_tilde", *(["analytic"] if of.gamma is not None else [])]
        if of.variance == "learned_range":
            variances.append("learned_range")
        options["variance"] = draw.choice(variances)
    if sampler == "ddim":
        options["eta"] = draw.choice([0.0, 0.0, 0.3, 1.0])
    if draw.random() < 0.15:
        times = draw.sample(range(1, end + 1), min(draw.randint(1, most), end))
        return options | {"steps": sorted(times, reverse=True)}
    options["steps"] = min(draw.randint(1, most), end)
    spacings = [None, "linspace", "quadratic", "quadratic_T", "leading", "trailing"]
    there = (of.optimised or {}).get(sampler if sampler in ("dpm++", "unipc") else "ddim", {})
    spacings += ["optimised"] * 3 if options["steps"] in there else []
    spacing = draw.choice(spacings)
    return options | ({"spacing": spacing} if spacing else {})


def condition(draw: random.Random, name: str, n: int, analytic: bool = False) -> dict[str, Any]:
    """Return random labels or prompts, and guidance."""
    of = model(name)
    if of.takes_words:
        options: dict[str, Any] = {
            "prompts": draw.choice(["red apple", "green heart", {"red apple": 0.25, "fox": 0.75}])
        }
        if draw.random() < 0.5:
            options["guidance"] = draw.choice([1.0, 2.5])
            options |= draw.choice([{}, {"negative": "blue"}])
        return options
    if not of.num_classes or (of.null_label is not None and draw.random() < 0.3):
        return {}
    each = [draw.randrange(of.num_classes) for _ in range(n)]
    options = {"labels": draw.choice([each, each[0]])}
    if of.null_label is not None and not analytic and draw.random() < 0.6:
        options["guidance"] = draw.choice([0.0, 1.0, 1.5, 3.0])
    return options


def seeds(draw: random.Random, most: int = 3) -> list[int]:
    first = draw.choice([0, 13, 2**32 - 1, 2**40 + 7])
    return [first + k for k in range(draw.randint(1, most))]


def whole(draw: random.Random, name: str, most: int = 8) -> dict[str, Any]:
    """Return random seeds, the options of `way`, and a condition."""
    own, of = seeds(draw), way(draw, name, most)
    options = {"seeds": own} | of | condition(draw, name, len(own), of.get("variance") == "analytic")
    return options | ({"clip": draw.choice([True, False])} if draw.random() < 0.4 else {})


# --- Rooms

Rooms = dict[str, Callable[[], Any]]


def trajectories() -> Rooms:
    draw, found = random.Random(1), {}

    def add(name: str, options: dict[str, Any]) -> None:
        found[f"{name}: {text(options)}"] = lambda: of_steps(ddpm_core.trajectory(model(name), **given(options)))

    for name in [*[*TOYS] * 9, *["mnist-tiny"] * 40, *["cifar10-tiny"] * 3, *["emoji-tiny"] * 6]:
        add(name, whole(draw, name))
    for name in ["mnist-tiny-2-steps", "mnist-tiny-consistency"] * 6:
        add(name, whole(draw, name))
    for name in ("toy", "toy, learned", "toy, classes"):  # the whole chain, with the model's own variance
        add(name, {"seeds": [5, 6], "steps": T} | ({"labels": 1} if "classes" in name else {}))
    add("toy", {"seeds": [5, 6]})  # 50 steps
    for name in ["toy", "toy, classes", "mnist-tiny"] * 6:
        options = whole(draw, name)
        options |= {"sampler": draw.choice(OWN)}
        add(name, {name: value for name, value in options.items() if name not in ("variance", "eta")})
    for name in ["toy", "toy, x0, cosine", "mnist-tiny"] * 8:  # other noise, or another dtype of the state
        options, n = whole(draw, name), 2
        dtype = draw.choice([torch.float32, torch.float64, torch.bfloat16] if name != "mnist-tiny" else [torch.float32])
        options |= {
            "seeds": [3, 4],
            "x_T": Said(f"{str(dtype).removeprefix('torch.')} noise", noise_like(name, n, 9, dtype)),
        }
        if draw.random() < 0.6:
            options |= {"noise": Said("own_noise", own_noise)} | draw.choice([{}, {"seeds": None}])
        if isinstance(options["steps"], int) and options.get("spacing") != "optimised" and draw.random() < 0.6:
            options["start"] = draw.randint(options["steps"], model(name).schedule.T)
        add(name, options | ({"labels": 1} if isinstance(options.get("labels"), list) else {}))
    for attention in (True, False):
        told = {"prompts": "red apple", "negative": "blue", "guidance": 2.0, "attention": attention}
        add("emoji-tiny", {"seeds": [1], "steps": 2, "sampler": "ddim"} | told)
    return found


def every_kind() -> Rooms:
    """Runs of one checkpoint of each kind, with T = 6."""
    draw, found = random.Random(2), {}

    def add(name: str, options: dict[str, Any]) -> None:
        found[f"{name}: {text(options)}"] = lambda: of_steps(ddpm_core.trajectory(model(name), **given(options)))

    for kind, row in kinds.KINDS.items():
        name = f"kind: {kind}"
        add(name, {"seeds": [1, 2]} | dict(row.told) | dict(row.run))
        if kind != "learned variance":
            for _ in range(3):
                add(name, whole(draw, name) | dict(row.told))
    return found


def cut_and_changed() -> Rooms:
    """Chains that stop, that continue after a step or a state, and that are changed on the way."""
    draw, found = random.Random(3), {}

    def alone(name: str, options: dict[str, Any], at: int, as_state: bool) -> Any:
        every = list(ddpm_core.trajectory(model(name), **given(options)))
        step = every[at % (len(every) - 1)] if len(every) > 1 else every[0]
        if step.s == 0:
            return of_steps(every)
        after = (step.s, step.x) if as_state else step
        rest = ddpm_core.trajectory(model(name), **given(options), after=after)
        first = ddpm_core.trajectory(model(name), **given(options), stop=step.s)
        return {"first": of_steps(first), "rest": of_steps(rest)}

    for name in [*[*TOYS] * 4, *["mnist-tiny"] * 10, *["mnist-tiny-consistency", "mnist-tiny-2-steps"] * 2]:
        options = whole(draw, name)
        if options.get("sampler") in ("dpm++", "unipc"):
            options["sampler"] = draw.choice(["ddpm", Said("heun", heun)])
        at, as_state = draw.randrange(8), draw.random() < 0.5
        how = f"cut at {at} as a {'state' if as_state else 'step'}"
        found[f"{name}: {how}: {text(options)}"] = functools.partial(alone, name, options, at, as_state)
        changed = options | {"on_step": draw.choice(CHANGES)}
        found[f"{name}: {text(changed)}"] = functools.partial(
            lambda name, options: of_steps(ddpm_core.trajectory(model(name), **given(options))), name, changed
        )
    return found


def side_by_side() -> Rooms:
    draw, found = random.Random(4), {}

    def run(name: str, options: dict[str, Any], behind: int | None) -> Any:
        plain = given(options)
        if behind is not None:  # one lane continues after a step of the same run alone
            lane = {key: value for key, value in plain["lanes"][behind].items() if key not in ("on_step", "model")}
            shared = {key: value for key, value in plain.items() if key not in ("lanes", "seeds")}
            every = list(ddpm_core.trajectory(model(name), plain["seeds"], **(shared | lane)))
            if len(every) > 1:
                plain["lanes"][behind] |= {"after": every[0]}
        lanes: dict[int, list[ddpm_core.Step]] = {}
        order = []
        for lane, step in ddpm_core.side_by_side(model(name), **plain):
            lanes.setdefault(lane, []).append(step)
            order.append(f"{lane}:{step.t}")
        return {"order": " ".join(order)} | {f"lane {lane}": of_steps(steps) for lane, steps in sorted(lanes.items())}

    def lane(name: str, other: str | None) -> dict[str, Any]:
        of = other if other and draw.random() < 0.5 else name
        options = way(draw, of) | ({"model": Said(of, model(of))} if of != name else {})
        if options.get("sampler") not in ("dpm++", "unipc") and draw.random() < 0.3:
            options["on_step"] = draw.choice(CHANGES)
        if draw.random() < 0.1 and of == name and model(of).student is None:
            options = {"sampler": draw.choice(OWN), "steps": 4}
        if model(of).num_classes and options.get("variance") != "analytic" and draw.random() < 0.3:
            options |= {"labels": draw.randrange(model(of).num_classes), "guidance": draw.choice([1.0, 2.0])}
        return options

    pairs = [("toy", None), ("toy, classes", "toy, x0, cosine"), ("toy, learned_range", None), ("mnist-tiny", None)]
    pairs += [("mnist-tiny", "mnist-tiny-2-steps"), ("mnist-tiny-consistency", "mnist-tiny"), ("toy, flow", "toy")]
    for name, other in pairs * 6:
        lanes = [lane(name, other) for _ in range(draw.randint(2, 4))]
        if draw.random() < 0.4:
            lanes.append(dict(lanes[0]))  # a duplicate lane, which is computed only once
        options = {"seeds": seeds(draw), "lanes": lanes}
        if draw.random() < 0.3:
            options["clip"] = draw.choice([True, False])
        free = [k for k, one in enumerate(lanes) if one.get("sampler") not in ("dpm++", "unipc") and "model" not in one]
        behind = draw.choice(free) if free and draw.random() < 0.3 else None
        how = "" if behind is None else f"lane {behind} goes on behind its first step: "
        found[f"{name}: {how}{text(options)}"] = functools.partial(run, name, options, behind)
    shared = {"seeds": [2, 3], "labels": [1, 2], "guidance": 2.0, "x_T": Said("noise", noise_like("mnist-tiny", 2, 9))}
    options = shared | {"lanes": [{"steps": 3}, {"steps": 4, "guidance": 1.0}, {"steps": 3, "sampler": "ddim"}]}
    found[f"mnist-tiny: {text(options)}"] = functools.partial(run, "mnist-tiny", options, None)
    words = [{"steps": 2, "prompts": "red apple"}, {"steps": 2, "prompts": "green heart", "guidance": 2.0}]
    options = {"seeds": [2], "lanes": words, "attention": True}
    found[f"emoji-tiny: {text(options)}"] = functools.partial(run, "emoji-tiny", options, None)
    return found


def of_latents() -> Rooms:
    draw, found = random.Random(5), {}
    names = ["toy", "toy, classes", "toy, v, beta_tilde, not clipped", "toy, flow", "mnist-tiny", "mnist-tiny"]
    names += ["mnist-tiny-2-steps", "mnist-tiny-consistency", "emoji-tiny"]

    def add(what: str, name: str, options: dict[str, Any], run: Callable[[], Any]) -> None:
        found[f"{name}: {what}: {text(options)}"] = run

    for name in names * 3:
        of: Any = model(name)
        own = of.student.times if of.student else range(1, of.schedule.T + 1)
        t = draw.choice([*own, *[of.schedule.T] * (len(own) // 4)])
        first = seeds(draw)[:2]
        add("encode", name, {"t": t, "seeds": first}, functools.partial(_encode, name, t, first))
        options = way(draw, name) if of.student is None else {}
        if isinstance(options.get("steps"), list) or options.get("spacing") == "optimised":
            options = {"sampler": "ddim", "steps": 3}
        told = condition(draw, name, 1, options.get("variance") == "analytic")
        told = {key: value[0] if isinstance(value, list) else value for key, value in told.items()}
        options |= told | ({"clip": draw.choice([True, False])} if draw.random() < 0.3 else {})
        add("reconstruct", name, {"t": t, "seeds": first} | options, functools.partial(_back, name, t, first, options))
        how = draw.choice(["linear", "slerp"])
        weights = draw.choice([[0, 0.5, 1], [0.25], [0.1, 0.9]])
        call = {"t": t, "seed": first[0], "weights": weights, "how": how} | options
        add("interpolate", name, call, functools.partial(_between, name, call))
        if of.student is None:
            up = told | {"steps": draw.randint(1, 6)}
            up |= draw.choice([{}, {"t": draw.randint(6, of.schedule.T)}, {"spacing": "trailing"}])
            add("invert", name, up, functools.partial(_invert, name, up))
    return found


def _encode(name: str, t: int, seeds: list[int]) -> Any:
    return of_tensor(ddpm_core.encode(model(name), pictures(name, len(seeds)), t, seeds))


def _back(name: str, t: int, seeds: list[int], options: dict[str, Any]) -> Any:
    x_t = ddpm_core.encode(model(name), pictures(name, len(seeds)), t, seeds)
    shared = ddpm_core.reconstruct(model(name), x_t[:1], t, seeds, **given(options))
    return of_tensor(ddpm_core.reconstruct(model(name), x_t, t, seeds, **given(options))) | {"shared": digest(shared)}


def _between(name: str, call: dict[str, Any]) -> Any:
    x_t = ddpm_core.encode(model(name), pictures(name, 2), call["t"], [3, 4])
    mixed = latents.mix(x_t[:1], x_t[1:], call["weights"], call["how"])
    return of_tensor(ddpm_core.interpolate(model(name), x_t[:1], x_t[1:], **given(call))) | {"mixed": digest(mixed)}


def _invert(name: str, options: dict[str, Any]) -> Any:
    return of_tensor(ddpm_core.invert(model(name), pictures(name, 2), **given(options)))


def restorations() -> Rooms:
    draw, found = random.Random(6), {}

    def measurement(name: str, sigma: float) -> Said:
        of = model(name)
        side, channels = of.image_size, of.channels
        columns = torch.arange(side) % 3 > 0
        hole = columns[:, None] & columns
        soft = restore.gaussian_kernel(0.8, side)
        smear = functools.partial(restore.blur, soft, side, sigma)

        def ramp(x: torch.Tensor) -> torch.Tensor:
            return x * torch.linspace(0.5, 1.5, side, dtype=x.dtype)

        choices = [
            Said("mask", restore.mask(hole, sigma)),
            Said("downsample", restore.downsample(2, sigma)),
            Said("grey", restore.grey(sigma, channels)),
            Said("blur", smear()),
            Said("downsample, grey", restore.then(restore.downsample(2), restore.grey(sigma, channels))),
            Said(
                "of my own",  # a measurement whose gram is unknown
                restore.Measurement(ramp, lambda y: y / torch.linspace(0.5, 1.5, side, dtype=y.dtype), sigma),
            ),
        ]
        said = draw.choice(choices)
        return Said(f"{said.text}{f', sigma {sigma}' if sigma else ''}", said.value)

    def run(name: str, n: int, options: dict[str, Any]) -> Any:
        plain = given(options)
        of = model(name)
        x_0 = torch.from_numpy(pictures(name, n)).permute(0, 3, 1, 2).float() / 127.5 - 1
        y = plain["measurement"].observe(x_0.contiguous(), range(n))
        return of_steps(restore.restore(of, y, **plain))

    methods = ["replacement", "repaint", "ddnm", "ddnm", "pigdm", "dps"]
    jumping = [restore.RePaint(jump=jump, rounds=rounds) for jump, rounds in ((1, 1), (1, 3), (2, 2), (3, 2), (10, 2))]
    methods += [Said(repr(one), one) for one in [*jumping, restore.DPS(zeta=0.5), restore.DPS(zeta=0.1)]]
    names = [
        "toy",
        "toy, classes",
        "toy, x0, cosine",
        "toy, learned_range",
        "toy, flow",
        "toy, v, beta_tilde, not clipped",
    ]
    names += ["mnist-tiny"] * 4 + ["cifar10-tiny"]
    for number in range(100):
        name, method = names[number % len(names)], methods[number % len(methods)]
        plain = str(method.text if isinstance(method, Said) else method).lower()
        options = whole(draw, name, most=6)
        stepwise = not plain.startswith(("ddnm", "pigdm"))
        if stepwise and options["sampler"] in ("dpm++", "unipc", "langevin"):
            options["sampler"] = "ddim"
            options.pop("variance", None)
        sigma = draw.choice([0.0, 0.0, 0.1]) if plain.startswith(("ddnm", "pigdm", "dps")) else 0.0
        if sigma and plain.startswith("ddnm"):
            options |= {"sampler": "ddpm", "variance": draw.choice(["beta", "beta_tilde"])}
            options.pop("eta", None)
        if options.get("spacing") == "optimised":
            options.pop("spacing")
        options |= {"method": method, "measurement": measurement(name, sigma)}
        n = len(options["seeds"])
        if draw.random() < 0.15:
            options["x_T"] = Said("noise", noise_like(name, n, 9))
            options |= draw.choice([{}, {"noise": Said("own_noise", own_noise)}])
        found[f"{name}: {text(options)}"] = functools.partial(run, name, n, options)
    return found


def corrected() -> Rooms:
    """Runs with one or two Langevin corrections in a step: whole, changed and cut chains, and lanes beside each
    other.
    """
    draw, found = random.Random(8), {}
    for number in range(16):
        name = ("toy, two corrections", "toy, two corrections", "toy, learned_range", "mnist-tiny")[number % 4]
        options = whole(draw, name, most=6)
        variance = draw.choice(["beta", "beta_tilde"])
        options = {key: value for key, value in options.items() if key not in ("eta", "spacing")}
        options |= {"sampler": "langevin", "variance": variance}
        options |= draw.choice([{}, {"on_step": draw.choice(CHANGES)}, {"noise": Said("own_noise", own_noise)}])
        lanes = [{key: options[key] for key in ("sampler", "variance", "steps")}, {"steps": 3, "sampler": "langevin"}]
        lanes[1] |= {"on_step": draw.choice(CHANGES), "variance": variance}

        def run(name: str = name, options: dict[str, Any] = options, lanes: list[Any] = lanes) -> Any:
            plain, of = given(options), model(name)
            every = list(ddpm_core.trajectory(of, **plain))
            shared = {key: plain[key] for key in ("seeds", "labels", "guidance", "clip") if key in plain}
            beside = list(ddpm_core.side_by_side(of, lanes=given({"lanes": lanes})["lanes"], **shared))
            both = {f"lane {k}": of_steps(step for lane, step in beside if lane == k) for k in (0, 1)}
            if len(every) > 1:
                both["rest"] = of_steps(ddpm_core.trajectory(of, **plain, after=every[0]))
            return of_steps(every) | both

        found[f"{name}: {text(options)}: beside {text({'lanes': lanes})}"] = run
    return found


def on_openvino() -> Rooms:
    draw, found = random.Random(7), {}
    name = "mnist-tiny, openvino"
    for _ in range(10):
        options = whole(draw, name, most=5)
        found[f"{name}: {text(options)}"] = functools.partial(
            lambda options: of_steps(ddpm_core.trajectory(model(name), **given(options))), options
        )
    lanes = [{"steps": 3, "sampler": "ddim"}, {"steps": 4}, {"steps": 3, "sampler": "ddim", "on_step": changes}]

    def beside() -> Any:
        every = list(ddpm_core.side_by_side(model(name), [1, 2], lanes, labels=3, guidance=2.0))
        return {f"lane {k}": of_steps(step for lane, step in every if lane == k) for k in range(len(lanes))}

    return found | {f"{name}: three lanes": beside}


def bounds() -> Rooms:
    """Runs of bits_per_dim, which shares evaluations between pairs."""
    found = {}
    for name in ("toy", "toy, classes", "mnist-tiny"):
        for steps in (3, 7):
            options = {"steps": steps} | ({"labels": 1} if model(name).num_classes else {})

            def run(name: str = name, options: dict[str, Any] = options) -> Any:
                bound = ddpm_core.bits_per_dim(model(name), pictures(name, 2), **options)
                return {"terms": digest(bound.terms), "mse": digest(bound.mse)} | of_tensor(bound.total)

            found[f"{name}: {text(options)}"] = run
    return found


def rooms() -> dict[str, Rooms]:
    found = {
        "trajectory": trajectories(),
        "every_kind": every_kind(),
        "cut_and_changed": cut_and_changed(),
        "side_by_side": side_by_side(),
        "latents": of_latents(),
        "restore": restorations(),
        "corrected": corrected(),
        "openvino": on_openvino(),
        "bits_per_dim": bounds(),
    }
    return found
