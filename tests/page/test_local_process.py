"""The page's own process (ui/web/process) computes what ddpm_core does: one run of node answers all questions.

A formula of sums and products stands for the network, so that chains can agree in every bit.
"""

import base64
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import ddpm_core
from ddpm_core import Model, NoiseSchedule, plane, restore
from ddpm_core.analytic import Gamma
from ddpm_core.coordinates import Translation
from ddpm_core.latents import encode, mix
from ddpm_core.names import PREDICTIONS, SAMPLERS, SHAPES, VARIANCES
from ddpm_core.noise import gaussian
from ddpm_core.plane import forward
from ddpm_core.runs import make_chain
from ddpm_core.samplers import DEFAULTS, OPTIONS, SWITCHES
from ddpm_core.schedule import _BETAS
from ddpm_core.student import Student
from ddpm_core.timesteps import FORMULAS, model_pairs, timestep_pairs
from ui.pictures.encoded import DRAWINGS, read_drawing

SCRIPT = Path(__file__).parents[2] / "ui/web/tests/local/process.mjs"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

LINEAR = {"beta_schedule": "linear"}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
ZERO_SNR = {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True}
EXPLODING = NoiseSchedule.from_sigmas(np.geomspace(0.02, 100, 50)).config
SCHEDULES = [
    EXPLODING,
    LINEAR,
    COSINE,
    ZERO_SNR,
    {"beta_schedule": "linear", "num_train_timesteps": 1},
    {"beta_schedule": "linear", "num_train_timesteps": 37, "beta_start": 0.003, "beta_end": 0.3},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "sigmoid", "num_train_timesteps": 200},
    {"beta_schedule": "laplace", "num_train_timesteps": 400},
    {"trained_betas": [0.1, 0.2, 0.4, 1.0]},
]
GAMMA = {"times": [1, 4, 37, 250, 999], "gamma": [0.3, 0.7, 0.95, 0.999, 1.0]}
OPTIMISED = {"times": {"ddim": {"3": "900 411 33"}, "unipc": {"4": "881 500 90 7"}}}
SEEDS = [0, 1, 13, 2**31, 2**53 + 1, 2**63 - 1]
STREAMS = [0, 1, 50, 2**20, 30 * 2**20 + 999, 2**32]
PROGRESSIVE = {"method": "progressive", "times": [1000, 750, 500, 250]}
CONSISTENCY = {"method": "consistency", "times": [1000, 562, 250, 62]}
SIZE, CHANNELS = 8, 3
LEVELS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, CHANNELS), np.uint8)


def unpacked(value):
    if isinstance(value, dict) and "bytes" in value:
        return np.frombuffer(base64.b64decode(value["bytes"]), np.dtype(value["type"].removesuffix("Array").lower()))
    if isinstance(value, dict):
        return {name: unpacked(part) for name, part in value.items()}
    return [unpacked(part) for part in value] if isinstance(value, list) else value


def formula(model):
    """The network of process.mjs."""

    def network(x, t_index, labels):
        shift = 0.125 + t_index / 1024 + (0 if labels is None else labels / 16)
        first = 0.25 * x + shift.to(x).reshape(-1, 1, 1, 1)
        return torch.cat([first, x / 16], 1) if model.get("variance", "").startswith("learned") else first

    return network


class Untranslated:
    """A flow whose network sees x_t and t − 1, as the page translates them elsewhere (ui/web/network/model.js)."""

    gives = "flow"

    def translation(self, schedule):
        return Translation(schedule.t - 1)


def python_model(model):
    """The Model that a question's `model` describes."""
    schedule = NoiseSchedule.from_config(model["config"])
    student, gamma, optimised = (model.get(name) for name in ("student", "gamma", "optimised"))
    return Model(
        network=formula(model),
        schedule=schedule,
        image_size=SIZE,
        channels=CHANNELS,
        prediction=model["prediction"],
        coordinates=Untranslated() if model["prediction"] == "flow" else None,
        variance=model.get("variance", "beta"),
        clip=model.get("clip", True),
        num_classes=model.get("classes", 0),
        null_label=model.get("nullLabel"),
        leading_offset=model.get("offset", 0),
        student=student and Student(student["method"], tuple(student["times"])),
        gamma=gamma and table(gamma, schedule),
        optimised=optimised
        and {
            sampler: {int(n): tuple(map(int, text.split())) for n, text in chains.items()}
            for sampler, chains in optimised["times"].items()
        },
    )


def table(gamma, schedule):
    values = torch.tensor(gamma["gamma"], dtype=torch.float64)
    return Gamma(tuple(gamma["times"]), values, values, 1).table(schedule)


def described(config, prediction="v", **rest):
    return {"config": config, "prediction": prediction, "variance": "beta", "size": SIZE, "channels": CHANNELS, **rest}


def python_run(model, settings):
    """The steps of a question's run."""
    names = {"label": "labels", "xT": "x_T"}
    options = {names.get(name, name): value for name, value in settings.items() if name != "seed"}
    return list(ddpm_core.trajectory(python_model(model), [int(settings["seed"])], **options))


# --- Questions: (what, asked)

NOISE = [("noise", {"seed": str(seed), "stream": k, "n": 20_000}) for seed in SEEDS for k in STREAMS]
TABLES = [("schedule", {"config": config}) for config in SCHEDULES]
REAL = [
    ("between", {"config": config, "times": [0.3, 1, 1.5, 2.25, 3.75, 7.5, 36.5], "sigmas": [0, 0.003, 0.2, 1.5, 1e9]})
    for config in SCHEDULES
    if config.get("num_train_timesteps", 1000) >= 37 and "trained_betas" not in config
]
WEIGHTS = [("tables", {"name": name}) for name in forward.SCHEDULES]
EPSILON = ("epsilon", {"seed": 4, "size": 9})
DRAWN = [("drawing", {"name": file.stem}) for file in sorted(DRAWINGS.glob("*.png"))]
GAMMAS = [("gamma", {"config": config, "estimate": GAMMA}) for config in (LINEAR, COSINE, ZERO_SNR)]
PAIRS = [
    ("pairs", {"T": T, "spacing": name, "start": start, "every": every})
    for T, start, every in [(1, None, 1), (2, None, 1), (100, None, 1), (1000, None, 3), (1000, 1, 1), (1000, 250, 3)]
    for name in FORMULAS
]

_OF_MODEL = described(LINEAR, optimised=OPTIMISED, offset=1)
TIMES = [
    ("times", {"model": _OF_MODEL, "n": n, "spacing": spacing, "sampler": sampler, "start": start})
    for n, spacing, sampler, start in [
        *((n, "leading", "ddpm", start) for n in (1, 10, 1000) for start in (None, 1000)),
        (5, "leading", "ddpm", 500),
        (5, "linspace", "ddim", 12.25),
        (1, "trailing", "ddim", 0.5),
        (3, "optimised", "ddpm", None),
        (4, "optimised", "unipc", 1000),
        (7, None, "ddpm", None),
    ]
]
TIMES += [
    ("times", {"model": described(LINEAR, student=student), "n": n, "spacing": None, "sampler": "", "start": start})
    for student, n, start in [
        (PROGRESSIVE, 4, None),
        (PROGRESSIVE, 2, 500),
        *((CONSISTENCY, n, None) for n in (1, 2, 3, 4)),
        (CONSISTENCY, 2, 562),
    ]
]

WAYS = [
    {"variance": "beta"},
    {"variance": "beta_tilde"},
    {"variance": "analytic"},
    {"sampler": "ddim"},
    {"sampler": "ddim", "eta": 0.3},
    {"sampler": "ddim", "eta": 1.0},
    {"sampler": "dpm++"},
    {"sampler": "unipc"},
    {"sampler": "consistency"},
    {"sampler": "langevin", "variance": "beta_tilde"},
    {"sampler": "langevin", "snr": 0.25, "corrections": 2},
    {"sampler": "heun"},
    *(
        {"sampler": name, option: not SWITCHES[option]}
        for name, own in OPTIONS.items()
        for option in own
        if option in SWITCHES
    ),
]
_RUNS = [
    (described(config, prediction, clip=clip, gamma=GAMMA), {"steps": n, "spacing": spacing, **way})
    for (config, prediction), clip, way in itertools.product(
        [(LINEAR, "epsilon"), (COSINE, "v"), (LINEAR, "x0"), (LINEAR, "mu"), (LINEAR, "flow"), (ZERO_SNR, "v")],
        (True, False),
        WAYS,
    )
    for n, spacing in ([(7, "quadratic"), (10, "linspace")] if prediction == "v" else [(6, "trailing")])
    if not (config is ZERO_SNR and way.get("sampler") in ("dpm++", "unipc", "heun"))
]
_CLASSES = described(LINEAR, classes=10, nullLabel=10)
_RUNS += [(_CLASSES, {"steps": 5, **way, **told}) for way in WAYS[3:] for told in ({}, {"label": 3})]
_RUNS += [(_CLASSES, {"steps": 5, "label": 3, "guidance": w, **way}) for w in (0, 1, 2.7, -1) for way in WAYS[:2]]
_RUNS += [(described(EXPLODING, clip=False), {"steps": 5, **way}) for way in WAYS[:2]]
_RUNS += [(described(LINEAR, optimised=OPTIMISED), {"steps": 4, "sampler": "unipc", "spacing": "optimised"})]
_RUNS += [(described(LINEAR, student=CONSISTENCY), {"steps": n}) for n in (None, 1, 4)]
_RUNS += [(described(COSINE, student=PROGRESSIVE), {})]
_RUNS += [
    (described(LINEAR, offset=1), {"steps": n, "spacing": "leading", **WAYS[i]}) for i in (0, 7) for n in (1, 2, 9)
]
RUNS = [
    ("run", {"model": model, "settings": {"seed": str(2**63 - 1 - i), **settings}})
    for i, (model, settings) in enumerate(_RUNS)
]
LEARNED = [
    ("run", {"model": described(LINEAR, "epsilon", variance="learned_range"), "settings": {"seed": "5", "steps": 9}}),
    (
        "run",
        {
            "model": described({"num_train_timesteps": 8, "beta_end": 0.3}, variance="learned"),
            "settings": {"seed": "5", "steps": 8},
        },
    ),
]
CHURNED = [  # these evaluate between whole times
    ("run", {"model": described(config, prediction), "settings": {"seed": "6", "steps": 7, "sampler": "heun", **churn}})
    for config, prediction in [(LINEAR, "epsilon"), (COSINE, "v"), (LINEAR, "flow")]
    for churn in ({"S_churn": 2.0}, {"S_churn": 9.0, "S_min": 0.05, "S_max": 50.0, "S_noise": 1.003})
]
CHAINS = [
    ("chain", {"model": model, "settings": settings})
    for model, settings in [*_RUNS[:40], (described(LINEAR), {"steps": 1})]
]
CHAINS += [("chain", {"model": described(LINEAR, variance="learned_range"), "settings": {"steps": 5}})]
CHAINS += [("chain", {"model": described(LINEAR), "settings": {"steps": 5, "sampler": "heun", "S_churn": 2.0}})]
_LANES = [{"model": 0, "steps": 4}, {"model": 1, "steps": 6, "sampler": "ddim"}, {"model": 0, "steps": 3, **WAYS[1]}]
LANES = [("lanes", {"models": [described(LINEAR), described(COSINE)], "seeds": ["3", "8"], "lanes": _LANES})]
_PICTURE = {"model": described(LINEAR), "levels": LEVELS[0].ravel().tolist()}
PICTURES = [("levels", {"levels": list(range(252)), "channels": 3})]
PICTURES += [("encode", {**_PICTURE, "t": t, "seed": "4"}) for t in (0, 1, 500, 1000)]
REAL_STARTS = [  # a chain from a time between two whole ones
    (
        "latents",
        {
            **{"model": model, "levels": LEVELS.reshape(2, -1).tolist(), "t": t, "seeds": ["4", "5"]},
            **{"weight": 0.3, "settings": {"seed": "6", **settings}},
        },
    )
    for model, t, settings in [
        (described(LINEAR), 12.25, {"steps": 4}),
        (described(LINEAR, "epsilon"), 0.5, {"steps": 1, "sampler": "ddim"}),
        (described(COSINE), 411.7, {"steps": 4, "sampler": "ddim", "eta": 0.5}),
        (described(COSINE, gamma=GAMMA), 300.5, {"steps": 4, "variance": "analytic"}),
        (described(LINEAR), 411.7, {"steps": 4, "sampler": "dpm++"}),
        (described(LINEAR), 411.7, {"steps": 4, "sampler": "heun", "S_churn": 2.0}),
    ]
]
COMPARED = [("compare", {"config": COSINE, "levels": _PICTURE["levels"], "t": t, "seed": "4"}) for t in (0, 1, 90)]
BETWEEN = [
    (
        "latents",
        {
            **{"model": model, "levels": LEVELS.reshape(2, -1).tolist(), "t": t, "seeds": ["4", "5"]},
            **{"weight": weight, "settings": {"seed": "6", **settings}},
        },
    )
    for weight in (0, 0.3)
    for model, t, settings in [
        (described(LINEAR), 500, {"steps": 4}),
        (described(LINEAR), 3, {"steps": 3, "sampler": "ddim", "eta": 0.5}),
        (described(COSINE), 1000, {"steps": 4, **WAYS[1]}),
        (described(LINEAR, student=CONSISTENCY), 562, {"steps": 2}),
    ]
]
_KNOWN = (np.arange(SIZE * SIZE) % 5 < 2).astype(int).reshape(SIZE, SIZE)
MEASUREMENTS = {
    "mask": (restore.mask(_KNOWN), [_KNOWN.ravel().tolist()]),
    "downsample": (restore.downsample(4), [4, SIZE]),
    "grey": (restore.grey(), [CHANNELS]),
    "blur": (restore.blur(restore.gaussian_kernel(2, SIZE), SIZE), [2, SIZE]),
}
RESTORED = [
    (
        "restore",
        {**_PICTURE, "measurement": [name, *details], "method": method, "settings": {"seed": "9", **settings}},
    )
    for name, (_, details) in MEASUREMENTS.items()
    for method, settings in [
        ("ddnm", {"steps": 6}),
        ("ddnm", {"steps": 6, "sampler": "unipc"}),
        ("replacement", {"steps": 6, "sampler": "ddim", "eta": 0.5}),
        ("repaint", {"steps": 12}),
    ]
]
_CLOUD = {"data": {"centres": plane.shape("moons").centres.flatten().tolist(), "width": 0.06}, "points": 40}
PLANE = [("shape", {"name": name, "width": 0.06}) for name in SHAPES]
PLANE += [("plane", {**_CLOUD, "settings": {"seed": "13", "steps": 20, **way}}) for way in (WAYS[0], WAYS[3], WAYS[7])]
REFUSED = [
    ("noise", {"seed": 7, "stream": 0, "n": 1}),
    ("noise", {"seed": str(2**63), "stream": 0, "n": 1}),
    ("schedule", {"config": {"beta_schedule": "exponential"}}),
    ("schedule", {"config": {"beta_end": 2}}),
    *(
        ("run", {"model": model, "settings": {"seed": "1", **settings}})
        for model, settings in [
            (described(LINEAR, "v_prediction"), {}),
            (described(LINEAR), {"sampler": "euler"}),
            (described(LINEAR), {"variance": "gamma"}),
            (described(LINEAR), {"spacing": "karras"}),
            (described(LINEAR), {"steps": 1001}),
            (described(LINEAR), {"steps": 2.5}),
            (described(LINEAR), {"sampler": "ddim", "variance": "beta"}),
            (described(LINEAR), {"eta": 0.5}),
            (described(LINEAR), {"sampler": "ddim", "eta": 1.5}),
            (described(LINEAR), {"variance": "analytic"}),
            (described(LINEAR), {"variance": "learned"}),
            (described(LINEAR), {"label": 3}),
            (described(LINEAR), {"start": 500}),
            (_CLASSES, {"label": 11}),
            (_CLASSES, {"guidance": 2}),
            (described(ZERO_SNR, "epsilon"), {}),
            (described(ZERO_SNR, "v"), {"sampler": "unipc"}),
            (described(ZERO_SNR, "v"), {"sampler": "heun"}),
            (described(LINEAR, "mu"), {"sampler": "heun", "S_churn": 2}),
            (described(LINEAR, wholeTimes=True), {"sampler": "heun", "S_churn": 2}),
            (described(LINEAR), {"sampler": "heun", "S_churn": -1}),
            (described(LINEAR, student=PROGRESSIVE), {"steps": 3}),
            (described(LINEAR, student=CONSISTENCY), {"sampler": "ddpm"}),
        ]
    ),
]
OPTIONS_OF = [("options", {})]
QUESTIONS = (
    OPTIONS_OF + NOISE + TABLES + REAL + CHURNED + WEIGHTS + [EPSILON] + DRAWN + GAMMAS + PAIRS + TIMES + RUNS + LEARNED
)
QUESTIONS += CHAINS + LANES + PICTURES
QUESTIONS += COMPARED + REAL_STARTS + BETWEEN + RESTORED + PLANE + REFUSED


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """The answer of the page's code to one of QUESTIONS."""
    folder = tmp_path_factory.mktemp("process")
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps(QUESTIONS))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=60)
    found = dict(zip(map(id, QUESTIONS), json.loads(answered.read_text()), strict=True))
    return lambda question: unpacked(found[id(question)])


def same_bits(found, expected, about):
    expected = np.asarray(expected, np.float32).ravel()
    differ = int((found.view(np.uint32) != expected.view(np.uint32)).sum())
    assert not differ, f"{differ} of {expected.size} numbers differ, by {np.abs(found - expected).max()}: {about}"


def test_every_name_is_asked_about():
    assert {config.get("beta_schedule", "linear") for config in SCHEDULES} == _BETAS.keys()
    settings = [question[1]["settings"] for question in RUNS + CHURNED]
    assert {run.get("sampler", "ddpm") for run in settings} == set(SAMPLERS)
    assert {name for run in settings for name in run} >= DEFAULTS.keys()
    variances = {run.get("variance") for run in settings} | {run["model"]["variance"] for _, run in LEARNED}
    assert variances == {None, *VARIANCES}
    assert {question[1]["model"]["prediction"] for question in RUNS} == set(PREDICTIONS)


def test_noise_is_numpys(answer):
    for question in NOISE:
        _, asked = question
        same_bits(answer(question), gaussian(int(asked["seed"]), asked["stream"], (asked["n"],)), asked)


def test_schedules_and_what_follows_from_them(answer):
    """To 1e-12 and no closer: torch's linspace, cos and exp are not V8's in their last bits."""
    close = lambda found, expected: np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)  # noqa: E731
    for question in TABLES:
        found, schedule = answer(question), NoiseSchedule.from_config(question[1]["config"])
        assert found["T"] == schedule.T
        close(found["beta"], schedule.beta)
        close(found["alphaBar"], schedule.alpha_bar)
    for question in WEIGHTS:
        expected, found = forward.tables(forward.SCHEDULES[question[1]["name"]]()), answer(question)
        assert found.keys() == expected.keys()
        for name, column in expected.items():
            close(found[name], column)
    for question in GAMMAS:
        close(answer(question)[1:], table(GAMMA, NoiseSchedule.from_config(question[1]["config"]))[1:])


def test_between_two_times_the_noise_is_the_same(answer):
    for question in REAL:
        asked, found = question[1], answer(question)
        schedule = NoiseSchedule.from_config(asked["config"])
        expected = [schedule.alpha_bar_at(t) for t in asked["times"]]
        np.testing.assert_allclose(found["alphaBar"], expected, rtol=1e-12, atol=1e-15)
        # Where β is 4e-5, ln σ has an error of eps/4e-5 = 5e-12 times the number of steps.
        np.testing.assert_allclose(found["times"], [schedule.time_at(s) for s in asked["sigmas"]], rtol=1e-8)


def test_chains_with_churn_agree_to_single_precision(answer):
    """The exp and log of float64 differ in their last bits, so a coefficient may be rounded to its neighbour."""
    for question in CHURNED:
        expected, found = python_run(question[1]["model"], question[1]["settings"]), answer(question)
        for one, step in zip(found, expected, strict=True):
            np.testing.assert_allclose(one["x"], step.x.flatten(), rtol=0, atol=2e-6 * step.x.abs().max().item())
            assert one["sigma"] == pytest.approx(step.sigma, rel=1e-9)
        assert found[1]["sigma"] > 0


def test_chains_from_a_real_time_agree_to_single_precision(answer):
    """As with churn, a coefficient may be rounded to its neighbour."""
    for question in REAL_STARTS:
        asked, found = question[1], answer(question)
        model, t, pictures = python_model(asked["model"]), asked["t"], np.array(asked["levels"], np.uint8)
        x, other = (
            encode(model, picture.reshape(1, SIZE, SIZE, CHANNELS), t, [int(seed)])
            for picture, seed in zip(pictures, asked["seeds"], strict=True)
        )
        settings = {name: value for name, value in asked["settings"].items() if name != "seed"}
        start = mix(x, other, [asked["weight"]])
        expected = [*ddpm_core.trajectory(model, [6], x_T=start, start=t, **settings)]
        assert [(one["t"], one["s"]) for one in found] == [(step.t, step.s) for step in expected] and found[0]["t"] == t
        for one, step in zip(found, expected, strict=True):
            np.testing.assert_allclose(one["x"], step.x.flatten(), rtol=0, atol=2e-6 * step.x.abs().max().item())


def test_every_spacing_has_the_same_pairs(answer):
    for question in PAIRS:
        asked = question[1]
        T, start = asked["T"], asked["start"]
        pairs = (timestep_pairs(T, n, asked["spacing"], start) for n in range(1, (start or T) + 1, asked["every"]))
        times = itertools.chain.from_iterable(itertools.chain.from_iterable(pairs))
        assert np.array_equal(answer(question), np.fromiter(times, np.int16)), asked


def test_times_of_a_model_and_of_students(answer):
    for question in TIMES:
        asked = question[1]
        model = python_model(asked["model"])
        expected = model_pairs(model, asked["n"], asked["spacing"], asked["sampler"], asked["start"])
        assert [tuple(pair) for pair in answer(question)] == expected, asked


def test_chains_agree_in_every_bit(answer):
    for question in RUNS:
        model, settings = question[1]["model"], question[1]["settings"]
        expected, found = python_run(model, settings), answer(question)
        assert len(found) == len(expected), settings
        for one, step in zip(found, expected, strict=True):
            assert (one["index"], one["t"], one["s"]) == (step.index, step.t, step.s)
            same_bits(one["x0"], step.x0_hat, question[1])
            same_bits(one["x"], step.x, question[1])
            assert one["sigma"] == pytest.approx(step.sigma, rel=1e-9)


def test_chains_of_learned_variances_agree_to_single_precision(answer):
    """torch's exp of float32 is not the rounded one of float64: some ulps of each step's noise."""
    for question in LEARNED:
        expected, found = python_run(question[1]["model"], question[1]["settings"]), answer(question)
        for one, step in zip(found, expected, strict=True):
            np.testing.assert_allclose(one["x"], step.x.flatten(), rtol=0, atol=3e-6 * step.x.abs().max().item())
            if step.s:
                np.testing.assert_allclose(one["sigma"], step.sigma.flatten(), rtol=1e-6)
        assert found[-1]["sigma"] == 0


def test_samplers_have_the_same_options_with_the_same_defaults(answer):
    assert answer(OPTIONS_OF[0]) == OPTIONS


def test_steps_and_sigmas_are_known_before_a_run(answer):
    for question in CHAINS:
        chain = make_chain(python_model(question[1]["model"]), **question[1]["settings"])
        found = answer(question)
        assert [tuple(pair) for pair in found["pairs"]] == list(chain.pairs)
        sigmas = (np.array(values, float) for values in (found["sigmas"], chain.sigmas))  # NaN for None
        np.testing.assert_allclose(*sigmas, rtol=1e-9)


def test_lanes_come_in_the_servers_order(answer):
    ((_, asked),) = LANES
    models = [python_model(model) for model in asked["models"]]
    seeds = [int(seed) for seed in asked["seeds"]]
    lanes = [{**lane, "model": models[lane["model"]]} for lane in asked["lanes"]]
    found = iter(answer(LANES[0]))
    for lane, step in ddpm_core.side_by_side(models[0], seeds, lanes):
        for image in range(len(seeds)):
            one = next(found)
            assert (one["lane"], one["image"], one["step"]["t"]) == (lane, image, step.t)
            same_bits(one["step"]["x"], step.x[image], lane)
    assert next(found, None) is None


def test_pictures_and_latents_agree_in_every_bit(answer):
    x, levels = answer(PICTURES[0])
    of_all = np.arange(252, dtype=np.uint8).reshape(1, -1, 1, 3)
    same_bits(x, ddpm_core.from_uint8(of_all), "levels")
    assert np.array_equal(levels, of_all.ravel())
    for question in PICTURES[1:]:
        asked = question[1]
        same_bits(answer(question), encode(python_model(asked["model"]), LEVELS[:1], asked["t"], [4]), asked)
    for question in BETWEEN:
        asked = question[1]
        model, t, settings = python_model(asked["model"]), asked["t"], asked["settings"]
        x_t = mix(*(encode(model, LEVELS[i : i + 1], t, [4 + i]) for i in range(2)), [asked["weight"]])
        found = answer(question)
        expected = python_run(asked["model"], {**settings, "start": t, "xT": x_t})
        assert len(found) == len(expected) == settings["steps"]
        same_bits(found[-1]["x"], expected[-1].x, asked)


def test_what_forward_shows_is_the_drawn_picture_and_the_noise_of_the_library(answer):
    same_bits(answer(EPSILON), forward.epsilon(4, (9, 9, 3)).ravel(), "epsilon")
    for question in DRAWN:
        assert np.array_equal(answer(question), read_drawing(question[1]["name"]).ravel()), question
    assert len(DRAWN) == 4


def test_a_walk_and_a_jump_add_the_same(answer):
    for question in COMPARED:
        found, t = answer(question), question[1]["t"]
        schedule = NoiseSchedule.from_config(COSINE)
        expected = forward.compare(schedule, LEVELS[0], t, 4)
        same_bits(found["walk"], forward.walk(schedule, ddpm_core.from_uint8(LEVELS[:1]), t, 4), t)
        assert np.array_equal(
            ddpm_core.to_uint8(torch.tensor(found["jump"]).reshape(1, 3, SIZE, SIZE))[0], expected.jump
        )
        for name in ("mean", "std", "sigma", "edges", "gap", "chance"):
            np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found["densities"], [expected.walk_density, expected.jump_density], atol=1e-12)


def test_restorations_agree(answer):
    """In every bit, but for a blur: its matrices are of cosines here, and products of float32 of an SVD there, whose
    errors, some 1e-6, A⁺ makes up to 100 times as large."""
    for question in RESTORED:
        asked = question[1]
        name, A = asked["measurement"][0], MEASUREMENTS[asked["measurement"][0]][0]
        y = A(ddpm_core.from_uint8(LEVELS[:1]))
        options = {**asked["settings"], "seeds": [9]}
        del options["seed"]
        steps = list(restore.restore(python_model(asked["model"]), y, A, asked["method"], **options))
        found = answer(question)
        pairs = [(found["y"], y), (found["back"], A.pseudoinverse(y))]
        for one, step in zip(found["steps"], steps, strict=True):
            pairs += [(one["x"], step.x), (one["x0"], step.x0_hat)]
        for mine, expected in pairs:
            if name == "blur":
                np.testing.assert_allclose(mine, expected.flatten(), rtol=0, atol=5e-4)
            else:
                same_bits(mine, expected, asked)


def test_the_plane_has_the_same_shapes_and_clouds(answer):
    """Exact ε is a float64 of exp and sums in another order, rounded: single bits of float32 may differ."""
    for question in PLANE[: len(SHAPES)]:
        expected = plane.shape(question[1]["name"]).centres.flatten()
        np.testing.assert_allclose(answer(question)["centres"], expected, atol=1e-12)
    for question in PLANE[len(SHAPES) :]:
        settings = {**question[1]["settings"]}
        del settings["seed"]
        for one, step in zip(answer(question), plane.cloud(_exact(), 13, 40, **settings), strict=True):
            np.testing.assert_allclose(one["x"], step.x.flatten(), rtol=0, atol=1e-5)


def _exact():
    return plane.exact_model(plane.shape("moons"))


def test_what_is_unknown_gets_a_sentence(answer):
    for question in REFUSED:
        assert len(answer(question)["error"]) > 20, question


def test_a_student_of_the_most_times_that_a_checkpoint_may_have_is_checked_at_once():
    student = Student("progressive", tuple(range(100_000, 0, -1)))
    began = time.perf_counter()
    student.check("ddim", student.pairs(100_000), 0.0)
    Student("consistency", student.times, usual=student.times)
    assert time.perf_counter() - began < 5  # 0.1 s; a search for each time takes more than a minute
