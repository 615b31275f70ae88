"""Every kind of model in everything that takes a model: each cell is right, or refused in one sentence before any work.

What is right is known from `kinds.Twin`, which shares no code with the library. The tables stand in
docs/library/kinds.md, and `DDPM_WRITE_TABLE=1 python -m pytest -n 0 tests/core/test_every_kind.py` writes them. A new
kind is a row of `kinds.KINDS`, a new use a function with `@use`.
"""

import csv
import io
import json
import os
import re
import sys
import types
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import plans
import pytest
import torch
import toylab
from diffusers import DiTTransformer2DModel, UNet2DConditionModel, UNet2DModel
from kinds import CLASSES, KINDS, T, Twin, draw, levels
from PIL import Image
from pipelines import DRAWING
from training import process_restored, weights  # noqa: F401 (a fixture for all tests)

pytest.importorskip("transformers", reason="needed for words only")
pytest.importorskip("torch_fidelity")
pytest.importorskip("onnxruntime")

import ddpm_core
from ddpm_core import CheckpointError, predict, sample, side_by_side, trajectory
from ddpm_core.__main__ import main as library
from ddpm_core.checkpoint import load as loading
from ddpm_core.few_steps.optimised import optimise_timesteps
from ddpm_core.restore import mask, restore
from train import TrainError
from train.__main__ import main as trainer
from train.distill.task import Distilling
from train.evaluate import report
from train.evaluate.results import read_arrays
from train.tuning import refine
from ui.models.loaded import Models
from ui.models.services import Services
from ui.parts.latents import LatentsPart
from ui.parts.likelihood import LikelihoodPart
from ui.parts.part import Part
from ui.parts.repair import RepairPart
from ui.parts.sampling import SamplingPart
from ui.pictures import as_text
from ui.recorded import page

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("kinds")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "library" / "kinds.md"
MARKS = "<!-- kinds: written by tests/core/test_every_kind.py -->", "<!-- kinds end -->"
SEEDS = [5, 6]


class Refused(Exception):
    """One sentence, before any work."""


# --- What is counted, and how a refusal is told from a failure


class Counter:
    """Evaluations of U-Nets by anything, but for the one that loading a checkpoint takes."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.evaluations, self._loading = 0, False
        for kind in (UNet2DModel, UNet2DConditionModel, DiTTransformer2DModel):
            patch.setattr(kind, "forward", self._counted(kind.forward))
        patch.setattr(loading, "check_evaluation", self._uncounted(loading.check_evaluation))

    def _counted(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            counted_only = next(arguments[0].parameters()).is_meta  # by checkpoint.cost, which computes nothing
            self.evaluations += not (self._loading or counted_only)
            return forward(*arguments, **options)

        return counted

    def _uncounted(self, check: Callable[..., None]) -> Callable[..., None]:
        def uncounted(*arguments: Any) -> None:
            self._loading = True
            try:
                check(*arguments)
            finally:
                self._loading = False

        return uncounted

    @contextmanager
    def refusing(self):
        """What is refused in here is refused before any work, and in one sentence."""
        before = self.evaluations
        try:
            yield
        except (ValueError, CheckpointError, TrainError) as error:
            self.refuse(str(error), before)

    def refuse(self, sentence: str, before: int) -> None:
        assert self.evaluations == before, f"refused after {self.evaluations - before} evaluations: {sentence}"
        assert "images must be" not in sentence, f"pictures of the model's size are refused: {sentence}"
        words = re.sub(r"python -m train .*", "COMMAND", sentence)  # which some end with
        assert words and "\n" not in sentence and len(words) < 400, f"no sentence: {sentence!r}"
        assert not re.search(r"Error\b|object has no|unexpected keyword|not supported between", sentence), sentence
        raise Refused(sentence)


@dataclass
class Case:
    """A kind's checkpoint, its twin, its model, and a folder of pictures for it."""

    name: str
    folder: Path
    twin: Twin
    model: ddpm_core.Model
    told: dict[str, Any]
    run: dict[str, Any]
    scratch: Path
    counter: Counter

    @property
    def options(self) -> dict[str, Any]:
        return self.told | self.run

    @property
    def t(self) -> int:
        """In the middle of a chain."""
        return self.twin.student["times"][1] if self.twin.student else T // 2

    @property
    def steps(self) -> int | None:
        return self.run.get("steps")

    @property
    def pictures(self) -> np.ndarray:
        """Three, of the model's size; each of another class where there are any."""
        channels, side = self.twin.picture
        return np.random.default_rng(1).integers(0, 256, (3, side, side, channels), dtype=np.uint8)

    @cached_property
    def end(self) -> np.ndarray:
        """x_0 of a run with SEEDS and `options`."""
        return self.twin.run(self.twin.x_T(SEEDS), self.twin.pairs(self.steps), SEEDS)

    @cached_property
    def expected(self) -> np.ndarray:
        """Its pictures."""
        return levels(self.twin.decoded(self.end))

    @cached_property
    def services(self) -> Services:
        """Of its runs on the page, which load the model once."""
        return toylab.toy_services(Models(device="cpu"))

    @property
    def classes(self) -> list[int] | None:
        """What the trainer's measurements tell a model of the three: their classes, if it does not do without."""
        return [0, 1, 2] if self.twin.embeddings and "null_label" not in self.twin.own else None

    def ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self.counter.refusing():
            found = call(*arguments, **options)
            return list(found) if isinstance(found, types.GeneratorType) else found

    def new(self, name: str) -> Path:
        """A folder that is not there yet."""
        made = sum(path.name.startswith(name) for path in self.scratch.iterdir())
        return self.scratch / f"{name}-{made}"

    def data(self) -> Path:
        """The pictures as a folder to train on: in class folders, or with captions."""
        folder = self.scratch / "data"
        if not folder.exists():
            for i, picture in enumerate(self.pictures):
                place = folder / CLASSES[i] if self.twin.embeddings else folder
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.squeeze()).save(place / f"{i}.png")
            lines = [json.dumps({"file_name": f"{i}.png", "text": text}) for i, text in enumerate(("red", "a fox", ""))]
            if self.twin.words:
                (folder / "metadata.jsonl").write_text("\n".join(lines))
        return folder

    def command(self, main: Callable[[list[str]], Any], *words: object) -> str:
        """Run a command; what it prints."""
        before, said, out = self.counter.evaluations, io.StringIO(), io.StringIO()
        files = {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
        with redirect_stderr(said), redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
            patch.setenv("DDPM_CACHE", str(self.new("cache")))  # whose features are those of other kinds' pictures, too
            try:
                status, end = main([str(word) for word in words]), ""
            except SystemExit as error:
                status, end = error.code, f"{error.code}"
        if status:
            end = end or said.getvalue().strip().splitlines()[-1]
            assert end.startswith("error: "), said.getvalue()
            assert files == {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
            self.counter.refuse(end.removeprefix("error: "), before)
        return out.getvalue()

    def values(self, part: Part, name: str) -> dict[str, Any]:
        """What the page asks of a part for the model: what it offers, and few steps."""
        about = plans.offered(part.services, str(self.folder))
        usual = {"steps": self.steps or about["steps"][2], "sampler": about["samplers"][0], "count": 2, "seed": 5}
        usual |= {"variance": self.twin.variance, "spacing": "auto" if self.twin.student else "linspace"}
        usual |= {f"{name}_b": usual[name] for name in ("steps", "sampler", "variance")}
        usual |= {"label": CLASSES[1]} if self.twin.embeddings else {}
        usual |= {"prompt": self.told["prompts"], "guidance": 1} if self.twin.words else {}
        known = {field["name"] for field in page.ask({"forms": name})["fields"]}
        return {"checkpoint": str(self.folder)} | {name: value for name, value in usual.items() if name in known}

    def page(self, kind: type[Part], name: str, **values: Any) -> tuple[Any, list[Any]]:
        """A run of a part of the page: (the run, its results)."""
        part, before = kind(self.services), self.counter.evaluations
        run, seen = toylab.messages(part, name, self.values(part, name) | values)
        if seen[-1]["state"] == "error":
            self.counter.refuse(seen[-1]["text"], before)
        assert seen[-1]["state"] == "finished", seen[-1]
        return run, toylab.results(seen)


@pytest.fixture(scope="module")
def cases(tmp_path_factory, torch_page):
    """kind -> its Case."""
    root = tmp_path_factory.mktemp("kinds")
    extractor = types.ModuleType("kinds_extractor")
    extractor.seen = []

    def features(images):
        extractor.seen.append(images)
        return images.reshape(len(images), -1)[:, :6].astype(np.float32)

    extractor.features = features
    with pytest.MonkeyPatch.context() as patch:
        counter = Counter(patch)
        patch.setattr(report, "draw_plots", lambda *_: None)
        patch.setattr(refine, "REACHES", (1 / 3,))
        patch.setitem(sys.modules, "kinds_extractor", extractor)

        @lru_cache(1)  # of one kind after the other: Python looks through all the networks that are there, often
        def made(name: str) -> Case:
            kind, number = KINDS[name], [*KINDS].index(name)
            folder, scratch = root / f"kind-{number}", root / f"scratch-{number}"
            scratch.mkdir(exist_ok=True)
            kind.write(folder)
            model = ddpm_core.load(folder, device="cpu", precision="fp32", engine="torch")
            return Case(name, folder, Twin(folder, kind.told), model, {**kind.told}, {**kind.run}, scratch, counter)

        yield made


USES: dict[str, dict[str, Callable[[Case], None]]] = {"library": {}, "commands": {}, "page": {}}


def use(group: str, title: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    def note(function: Callable[[Case], None]) -> Callable[[Case], None]:
        USES[group][title] = function
        return function

    return note


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Pictures of uint8, from float32 and from float64: a number at the border of two levels may fall on either."""
    assert found.shape == expected.shape and found.dtype == np.uint8
    worst = np.abs(found.astype(int) - expected).max()
    assert worst <= 1


def close(found: Any, expected: Any) -> None:
    """States, whose network is evaluated in float32; what differs in its last bits grows by 1/√ᾱ_T, five times."""
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-3, atol=1e-3)


# --- The library


@use("library", "`sample`")
def _(case):
    same(case.ask(sample, case.model, SEEDS, **case.options), case.expected)


@use("library", "guidance")
def _(case):
    found = case.ask(sample, case.model, SEEDS, guidance=2.0, **case.options)
    same(found, case.twin.pictures(SEEDS, case.steps, guidance=2.0))


def _trajectory(case, sampler, **options):
    steps = case.ask(trajectory, case.model, SEEDS, sampler=sampler, **case.options, **options)
    x = case.twin.x_T(SEEDS)
    close(steps[-1].x, case.twin.run(x, case.twin.pairs(case.steps), SEEDS, sampler, **options))


@use("library", "DDIM")
def _(case):
    _trajectory(case, "ddim", eta=0.5)


@use("library", "DPM-Solver++, UniPC")
def _(case):
    _trajectory(case, "dpm++")
    _trajectory(case, "unipc")


@use("library", "consistency sampling")
def _(case):
    _trajectory(case, "consistency")


@use("library", "`side_by_side`")
def _(case):
    last = {}
    for lane, step in case.ask(side_by_side, case.model, SEEDS, [case.run, case.run], **case.told):
        last[lane] = step.x
    close(last[0], case.end)
    close(last[1], case.end)


@use("library", "gradients")
def _(case):
    x = torch.tensor(case.twin.x_T(SEEDS), requires_grad=True)
    told, found = next(iter(case.told.values()), None), []
    for function in (lambda x, t: case.ask(predict, case.model, x, t, told, grad=True), case.twin.denoised):
        _, _, x_0, _ = function(x, case.t)
        found.append(torch.autograd.grad(x_0.square().sum(), x)[0])
    close(*found)


@use("library", "`restore`")
def _(case):
    channels, side = case.twin.shape[0], case.twin.shape[1]
    known = torch.arange(side).expand(side, side) < side // 2
    y = torch.tensor(case.twin.encoded(case.pictures[:1])).float() * known
    told = {name: value for name, value in case.told.items() if name == "labels"}
    steps = case.ask(restore, case.model, y, mask(known), "ddnm", SEEDS, **told, **case.run)
    assert steps[-1].x.shape == (2, channels, side, side)

    def fitted(x_0):
        return np.where(known, y, x_0)

    close(steps[-1].x, case.twin.run(case.twin.x_T(SEEDS), case.twin.pairs(case.steps), SEEDS, fitted=fitted))


def _x_t(case):
    ab = case.twin.ab[case.t]
    return ab**0.5 * case.twin.encoded(case.pictures[:2]) + (1 - ab) ** 0.5 * draw(SEEDS, 0, case.twin.shape)


@use("library", "`encode`")
def _(case):
    close(case.ask(ddpm_core.encode, case.model, case.pictures[:2], case.t, SEEDS), _x_t(case))


@use("library", "`invert`")
def _(case):
    found = case.ask(ddpm_core.invert, case.model, case.pictures[:2], 3, **case.told)
    x, ab = case.twin.encoded(case.pictures[:2]), case.twin.ab
    for t, s in reversed(oracle.pairs(T, 3)):
        eps = case.twin.denoised(x, max(s, 1))[1]
        x = ab[t] ** 0.5 * (x / ab[s] ** 0.5 + ((1 / ab[t] - 1) ** 0.5 - (1 / ab[s] - 1) ** 0.5) * eps)
    close(found, x)


@use("library", "`reconstruct`")
def _(case):
    x_t, pairs = _x_t(case), case.twin.pairs(case.steps, case.t)
    given = torch.tensor(x_t).float()
    found = case.ask(ddpm_core.reconstruct, case.model, given, case.t, SEEDS, **case.options)
    same(found, levels(case.twin.decoded(case.twin.run(x_t, pairs, SEEDS))))


@use("library", "`interpolate`")
def _(case):
    x_t = _x_t(case)
    a, b = torch.tensor(x_t).float().split(1)
    found = case.ask(ddpm_core.interpolate, case.model, a, b, case.t, [0.25, 1], 5, **case.options)
    mixed = np.stack([0.75 * x_t[0] + 0.25 * x_t[1], x_t[1]])
    same(found, levels(case.twin.decoded(case.twin.run(mixed, case.twin.pairs(case.steps, case.t), [5, 5]))))


@use("library", "`bits_per_dim`")
def _(case):
    steps = case.steps or 3
    told = next(iter(case.told.values()), None)
    found = case.ask(ddpm_core.bits_per_dim, case.model, case.pictures, steps=steps, labels=told)
    close(found.total, case.twin.bits(case.pictures, oracle.pairs(T, steps)))


@use("library", "`ode_log_prob`")
def _(case):
    pytest.importorskip("scipy")
    picture, told = case.pictures[:1], next(iter(case.told.values()), None)
    found = case.ask(ddpm_core.ode_log_prob, case.model, picture, told, tolerance=1e-4)
    expected, permitted = case.twin.log_prob(picture, 1e-4)
    assert permitted / found.dimensions < 0.05  # nats, of 4 to 14
    # Both take the same steps, but for what float32 rounds differently: then they may be apart by two permitted errors.
    np.testing.assert_allclose(found.log_prob, expected, rtol=0, atol=2 * permitted)


@use("library", "`optimise_timesteps`")
def _(case):
    options = {"points": 3, "detail": 0.0, "samplers": ["ddim"], **case.told}
    options.pop("prompts", None)  # its teacher is told none
    found = case.ask(optimise_timesteps, case.model, [2], SEEDS, **options)
    told = None if case.twin.words else ...

    x = case.twin.x_T(SEEDS)

    def pairs(times):
        return list(zip(times, [*times[1:], 0], strict=True))

    def ends(times, sampler):
        return case.twin.run(x, pairs(times), SEEDS, sampler, told=told)

    teacher = ends((T, T // 2, 1), "dpm++")

    def error(times):
        return np.sqrt(((ends(times, "ddim") - teacher) ** 2).mean((1, 2, 3))).mean()

    chain = found.times["ddim"][2]
    close(found.errors["ddim"][2], error(chain))
    assert error(chain) <= min(error((T, T // 2)), error((T - 1, 1))) + 1e-3


@use("library", "`save` and `load`")
def _(case):
    folder = case.new("saved")
    case.ask(ddpm_core.save, case.model, folder)
    again = ddpm_core.load(folder, device="cpu", precision="fp32", engine="torch")
    for field in fields(ddpm_core.model.ModelSpec):
        ours, theirs = (getattr(model, field.name) for model in (case.model, again))
        if field.name == "schedule":
            assert torch.equal(ours.alpha_bar, theirs.alpha_bar)
        elif field.name != "source":
            assert ours == theirs, field.name
    same(sample(again, SEEDS, **case.options), case.expected)  # by diffusers it is read in `export`


# --- Commands


WHERE = ("--device", "cpu", "--precision", "fp32", "--engine", "torch")


@use("commands", "`sample`")
def _(case):
    grid = case.scratch / "sample.png"
    words = [word for name, value in case.told.items() for word in (f"--{name.rstrip('s')}", value)]
    words += ["--steps", case.steps] if case.steps else []
    case.command(library, "sample", "--checkpoint", case.folder, "--seeds", "5", "--grid", grid, *words, *WHERE)
    found = np.asarray(Image.open(grid)).reshape(1, case.twin.picture[1], case.twin.picture[1], -1)
    same(found, case.expected[:1])


@use("commands", "`export`")
def _(case):
    folder = case.new("export")
    case.command(library, "export", case.folder, folder)
    same(Twin(folder, case.told).pictures(SEEDS, case.steps), case.expected)


@use("commands", "`export --onnx`")
def _(case):
    file = case.new("network").with_suffix(".onnx")
    printed = case.command(library, "export", case.folder, "--onnx", file).splitlines()
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"]) for name in printed]
    told, facts = next(iter(case.told.values()), None), sessions[0].get_modelmeta().custom_metadata_map["ddpm_core"]
    np.testing.assert_allclose(json.loads(facts)["alpha_bar"], case.twin.ab, rtol=1e-9)
    for n in (1, 3):  # any number of images
        x = torch.tensor(draw(range(n), 0, case.twin.shape)).float()
        expected = case.twin.output(x.double(), case.t, told).detach().numpy()
        inputs = {"x": x.numpy(), "t_index": np.full(n, case.t - 1)}
        if conditions := case.twin.conditions(told, n):
            inputs["states" if case.twin.words else "labels"] = conditions[0].numpy()
        _as_exact(sessions[0].run(None, inputs)[0], expected)
        if case.twin.latent:
            _as_exact(sessions[1].run(None, {"x": x.numpy()})[0], case.twin.decoded(x.double().numpy()))
        if case.twin.words:
            tokens = case.twin.tokens([told] * n).numpy()
            _as_exact(sessions[2].run(None, {"tokens": tokens})[0], inputs["states"])


def _as_exact(found: np.ndarray, expected: np.ndarray) -> None:
    """Numbers of float32, summed in another order: of what is largest, hundreds of roundings (6e-8 each) at most."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@use("commands", "`gamma`")
def _(case):
    copy = case.new("gamma")
    ddpm_core.save(case.model, copy)
    twin = case.twin
    case.command(trainer, "gamma", copy, "--data", case.data(), "--images", 3, *WHERE)
    kept = json.loads((copy / "analytic_variance.json").read_text())
    x_0 = twin.encoded(case.pictures)
    for k, t in enumerate(kept["times"][:2]):
        eps = draw(range(3), k + 1, twin.shape)
        x_t = twin.ab[t] ** 0.5 * x_0 + (1 - twin.ab[t]) ** 0.5 * eps
        _, learned, _, _ = twin.denoised(x_t, t, case.classes, clip=False)
        ours, true = ((value**2).mean((1, 2, 3)) for value in (learned, eps))
        slope = np.polyfit(true, ours, 1)[0]  # the part that ‖ε‖² explains is known: E‖ε‖²/d = 1
        close(kept["gamma"][k], (ours - slope * (true - 1)).mean() / (1 - twin.ab[t]))


def _judged(case):
    """The features were those of pictures, but for the first ones, by which an extractor is known."""
    _, *seen = sys.modules["kinds_extractor"].seen
    assert seen and {images.shape[1] for images in seen} == {case.twin.picture[1]}


@use("commands", "`schedule`")
def _(case):
    copy = case.new("schedule")
    sys.modules["kinds_extractor"].seen.clear()
    ddpm_core.save(case.model, copy)
    words = ("--steps", "2", "--images", 1, "--points", 3, "--detail", 0, "--samplers", "ddim")
    case.command(
        trainer,
        "schedule",
        copy,
        *words,
        "--data",
        case.data(),
        "--samples",
        2,
        "--extractor",
        "kinds_extractor:features",
        *WHERE,
    )
    _judged(case)
    kept = json.loads((copy / "optimised_steps.json").read_text())
    assert kept["images"] == 1 and "distances" in kept
    again = ddpm_core.load(copy, device="cpu", precision="fp32", engine="torch")
    told = {} if case.twin.words else case.told
    found = sample(again, SEEDS, 2, sampler="ddim", spacing="optimised", **told)
    times = again.optimised["ddim"][2]
    x = case.twin.run(
        case.twin.x_T(SEEDS),
        [(times[0], times[1]), (times[1], 0)],
        SEEDS,
        "ddim",
        told=None if case.twin.words else ...,
    )
    same(found, levels(case.twin.decoded(x)))


def _learned_on(case, states):
    """What a run has trained on are its pictures, as the twin encodes them."""
    expected = case.twin.encoded(case.pictures)
    assert states
    for x_0 in states:
        assert x_0.shape[1:] == expected.shape[1:]
        for one in x_0.numpy():
            assert min(np.abs(one - own).max() for own in expected) < 1e-3


TINY = (
    "--steps",
    1,
    "--batch",
    2,
    "--device",
    "cpu",
    "--threads",
    1,
    "--no-flip",
    "--log-every",
    1,
    "--sample-every",
    0,
)


@use("commands", "`distill`")
def _(case):
    out, states = case.new("distill"), []
    losses = Distilling.losses
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Distilling,
            "losses",
            lambda self, network, x_0, *rest: (states.append(x_0), losses(self, network, x_0, *rest))[1],
        )
        words = ("--teacher-steps", 2, "--student-steps", 1, "--spacing-power", 1)
        case.command(trainer, "distill", case.folder, "--data", case.data(), "--out", out, *words, *TINY)
    _learned_on(case, states)
    student = ddpm_core.load(out / "1-steps" / "model", device="cpu", precision="fp32", engine="torch")
    assert student.student.times == (T,) and student.student.method == "progressive"
    same(sample(student, SEEDS, **case.told), Twin(out / "1-steps" / "model", case.told).pictures(SEEDS))


@use("commands", "`fit --init`")
def _(case):
    twin, out = case.twin, case.new("init")
    of = twin.unet.config
    words = ["--widths", *of.get("block_out_channels", (32,)), "--norm-groups", of.norm_num_groups or 8]
    words += ["--blocks", of.get("layers_per_block", 1)]
    words += ["--image-size", twin.picture[1], "--T", T, "--beta-start", 0.02, "--beta-end", 0.6, "--sample-steps", 2]
    words += ["--prediction", twin.prediction, "--variance", twin.variance, "--attention"]
    words += ["--loss", "hybrid"] if twin.variance.startswith("learned") else []
    words += ["--channels", twin.shape[0]] if not twin.latent else []
    words += (
        ["--decoder", next(part for part in (case.folder / "vae", case.folder / "vqvae") if part.is_dir())]
        if twin.latent
        else []
    )
    words += ["--captions"] if twin.words else []
    words += ["--conditional", "--label-dropout", 0.1 if "null_label" in twin.own else 0] if twin.embeddings else []
    before = {name: value.clone() for name, value in twin.unet.state_dict().items()}
    case.command(trainer, "fit", "--init", case.folder, "--data", case.data(), "--out", out, *words, *TINY)
    first = weights(out, 0)
    assert first.keys() == before.keys() and all(torch.equal(first[name], before[name]) for name in first)
    again = ddpm_core.load(out / "model", device="cpu", precision="fp32", engine="torch")
    assert (again.picture_size, again.picture_channels) == (twin.picture[1], twin.picture[0])


def _evaluate(case, out, *words):
    steps = ("--steps", case.steps) if case.steps else ()
    words = (*words, *steps, "--variance", case.twin.variance, "--data", case.data(), "--out", out)
    case.command(trainer, "evaluate", case.folder, *words, *WHERE)


@use("commands", "`evaluate`, scores")
def _(case):
    out = case.new("scores")
    sampler = () if case.twin.student else ("--sampler", "ddpm")
    more = ("--metrics", "fid", "--samples", 3, "--extractor", "kinds_extractor:features", "--keep-images", *sampler)
    _evaluate(case, out, *more)
    (images,) = [read_arrays(file)["images"] for file in out.glob("cells/*/images-*.npz")]
    same(images, case.twin.pictures([0, 1, 2], case.steps, told=case.classes))


@use("commands", "`evaluate`, bits/dim")
def _(case):
    out = case.new("bits")
    _evaluate(case, out, "--metrics", "bpd", "--test-images", 3)
    whole = not case.twin.variance.startswith("learned") and case.twin.prediction != "mu"
    for row in json.loads((out / "results.json").read_text())["bits"]["chains"]:
        expected = case.twin.bits(case.pictures, oracle.pairs(T, row["steps"]), case.classes, whole=whole)
        close(row["bits_per_dim"], expected.mean())


# --- The page


@use("page", "Watch")
def _(case):
    run, found = case.page(SamplingPart, "watch")
    table = toylab.saved(SamplingPart(case.services), "watch", run, "csv")["csv"][1].decode()
    (lane,), model = run.plan.lanes, case.services.models.known(str(case.folder))
    chain = lane.chain
    for row, (t, s), sigma in zip(csv.DictReader(table.splitlines()), chain.pairs, chain.sigmas, strict=True):
        told = [float(row[name] or "nan") for name in ("t", "s", "alpha_bar_t", "sigma")]
        step = np.array([t, s, model.schedule.alpha_bar[t].item(), sigma], float)
        np.testing.assert_allclose(told, step, rtol=1e-9)  # σ is NaN where only the network knows it
    shown = toylab.decoded([one for one in found if one["kind"] == "frame"][-1]["x"], case.twin.picture[1])
    same(shown, _rgb(case.expected))


@use("page", "Compare")
def _(case):
    _, found = case.page(SamplingPart, "compare")
    for lane in (0, 1):
        frame = [one for one in found if one["kind"] == "frame" and one["lane"] == lane][-1]
        same(toylab.decoded(frame["x"], case.twin.picture[1]), _rgb(case.expected))


@use("page", "Grid")
def _(case):
    run, found = case.page(
        SamplingPart, "grid", columns=str(case.steps or len(case.twin.pairs(None))), rows="sampler", count=1
    )
    for number, lane in enumerate(run.plan.lanes):
        frame = [one for one in found if one["kind"] == "frame" and one["lane"] == number][-1]
        expected = case.twin.pictures(SEEDS[:1], lane.asked.steps, sampler=lane.asked.sampler)
        same(toylab.decoded(frame["x"], case.twin.picture[1]), _rgb(expected))


@use("page", "Latents")
def _(case):
    text = as_text.to_text(case.pictures[0])
    _, found = case.page(LatentsPart, "latents", picture=text, times=str(case.t))
    shown = [one for one in found if one["kind"] == "step" and one["s"] == 0][-1]["x0"]
    x_t = np.repeat(_x_t(case)[:1], 2, 0)
    expected = case.twin.run(x_t, case.twin.pairs(case.steps, case.t), [6, 7])  # the rows' own noise
    same(toylab.decoded(shown, case.twin.picture[1]), _rgb(levels(case.twin.decoded(expected))))


@use("page", "Repair")
def _(case):
    run, found = case.page(RepairPart, "repair", picture=as_text.to_text(case.pictures[0]))
    known = run.plan.request.known(case.twin.shape[1])
    y = case.twin.encoded(case.pictures[:1])
    seeds = [6, 7]
    variance = "beta_tilde" if case.twin.sampler == "ddpm" else None  # the page's own

    def fitted(x_0):
        return np.where(known, y, x_0)

    x = case.twin.run(case.twin.x_T(seeds), case.twin.pairs(case.steps), seeds, variance=variance, fitted=fitted)
    shown = [one for one in found if one["kind"] == "step" and one["s"] == 0][-1]["x"]
    same(toylab.decoded(shown, case.twin.picture[1]), _rgb(levels(x)))


@use("page", "Likelihood")
def _(case):
    run, _ = case.page(LikelihoodPart, "likelihood", picture=as_text.to_text(case.pictures[0]))
    found = run.recording.bound
    variance = None if case.twin.variance.startswith("learned") or case.twin.prediction == "mu" else "beta_tilde"
    close(found.total, case.twin.bits(case.pictures[:1], oracle.pairs(T, T), variance=variance))


@contextmanager
def _there(folder: Path):
    """In a folder, where diffusers is as before at the end: its script replaces some functions."""
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        for module in DRAWING:
            patch.setattr(module, "randn_tensor", module.randn_tensor)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _said(place, values):
    """What the page says of a run. Raises ValueError, as it would be refused."""
    said = plans.described(place, "watch", values)
    if isinstance(said, str):
        raise ValueError(said)
    return said


def _script(case, name):
    place, before = SamplingPart(case.services), case.counter.evaluations
    scripts = case.ask(lambda: _said(place, case.values(place, "watch")))
    if not scripts[name]:
        case.counter.refuse(scripts["why"], before)
    folder = case.new("script")
    folder.mkdir()
    with _there(folder):
        exec(compile(scripts[name], name, "exec"), {"__name__": "__main__"})
    found = [np.asarray(Image.open(folder / f"seed-{seed}.png")) for seed in SEEDS]
    expected = case.expected
    same(np.stack(found).reshape(expected.shape), expected)


@use("page", "Python script")
def _(case):
    _script(case, "python")


@use("page", "diffusers script")
def _(case):
    _script(case, "diffusers")


def _rgb(pictures: np.ndarray) -> np.ndarray:
    """As the page's picture is decoded: three channels."""
    return np.stack([np.asarray(Image.fromarray(one.squeeze()).convert("RGB")) for one in pictures])


# --- The table


ALL = {(group, title): function for group, uses in USES.items() for title, function in uses.items()}


@pytest.fixture(scope="module")
def found(cases):
    """(kind, group, title) -> "" where it is right, or the sentence with which it is refused."""

    @cache
    def cell(kind: str, group: str, title: str) -> str:
        case = cases(kind)
        try:
            ALL[group, title](case)
        except Refused as refused:
            folders = rf"{case.folder}|{case.scratch}/[\w-]*|{case.folder.name}"
            sentence = re.sub(folders, "MODEL", str(refused).rstrip("."))
            return sentence[:1].upper() + re.sub(r"python -m train fit .*", "(the command)", sentence[1:])
        return ""

    return cell


@pytest.mark.parametrize(("group", "title"), ALL, ids=lambda part: part.replace("`", ""))
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_model_in_what_takes_a_model(found, kind, group, title):
    found(kind, group, title)


def written(found: Callable[[str, str, str], str]) -> str:
    """The tables as Markdown: a row for each kind, and the sentences under them."""
    sentences = {(kind, *use): found(kind, *use) for kind in KINDS for use in ALL}
    reasons: dict[str, int] = {}
    lines = []
    for group, heading in HEADINGS.items():
        lines += [f"| {heading} | {' | '.join(USES[group])} |", "|---|" + "---|" * len(USES[group])]
        for kind in KINDS:
            cells = []
            for title in USES[group]:
                sentence = sentences[kind, group, title]
                cells.append(f"{reasons.setdefault(sentence, len(reasons) + 1)}" if sentence else "✓")
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, *(f"{number}. {sentence}" for sentence, number in reasons.items())])


HEADINGS = {"library": "The library", "commands": "Commands", "page": "The page"}


def test_the_document_has_this_table(found):
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    table, after = rest.split(MARKS[1])
    now = f"\n\n{written(found)}\n\n"
    if os.environ.get("DDPM_WRITE_TABLE"):
        DOCUMENT.write_text(f"{before}{MARKS[0]}{now}{MARKS[1]}{after}", encoding="utf-8")
        return
    assert table == now, "run DDPM_WRITE_TABLE=1 python -m pytest -n 0 tests/core/test_every_kind.py, see what is new"
