"""Optimised time steps: against brute force, on a model whose exact denoiser is known, and how they are kept."""

import itertools
import json
import math
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import checkpoint_folders
import numpy as np
import pytest
import torch

from ddpm_core import (
    CheckpointError,
    Model,
    NoiseSchedule,
    bits_per_dim,
    load,
    optimise_timesteps,
    save,
    trajectory,
)
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.describe import describe
from ddpm_core.checkpoint.sidecars import optimised_file
from ddpm_core.commands.reading import read
from ddpm_core.few_steps.optimised import OptimisedSteps, sharpen
from ddpm_core.few_steps.step_search import best_chains, first_order_errors, second_order_errors, start_errors
from ddpm_core.model import Source
from ddpm_core.names import OPTIMISED_FOR, SAMPLERS
from ddpm_core.solvers import solver
from ddpm_core.student import Student
from ddpm_core.timesteps import FORMULAS, model_pairs, ranges, suited_spacing, timestep_pairs
from train.__main__ import main

LINEAR = NoiseSchedule.linear()
SIZE = 4
MODES = torch.from_numpy(np.random.default_rng(0).uniform(-0.4, 0.4, (5, 3, SIZE, SIZE)))


def mixture(spread=0.3, prediction="epsilon", **fields):
    """The exact network for a mixture of Gaussians N(mode, spread² I): ε = (x − √ᾱ E[x_0 | x]) / √(1 − ᾱ)."""

    def exact(x, t_index, labels):
        alpha_bar = LINEAR.alpha_bar[t_index + 1].reshape(-1, 1, 1, 1)
        x = x.double()
        variance = alpha_bar * spread**2 + 1 - alpha_bar  # of x_t in each mode
        apart = x[:, None] - alpha_bar.sqrt()[:, None] * MODES
        share = (-apart.square().sum((2, 3, 4)) / (2 * variance.flatten()[:, None])).softmax(1)
        towards = alpha_bar.sqrt() * spread**2 / variance
        means = MODES + towards[:, None] * apart  # of x_0, were it in that mode
        x_0 = (share[:, :, None, None, None] * means).sum(1)
        return ((x - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()).float()

    return Model(network=exact, schedule=LINEAR, image_size=SIZE, clip=False, prediction=prediction, **fields)


def test_dynamic_programming_finds_what_trying_everything_finds():
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 7):
        start, first, jump = rng.uniform(size=n), rng.uniform(size=(n, n + 1)), rng.uniform(size=(n, n, n + 1))
        later = np.arange(n + 1) > np.arange(n)[:, None]  # j > i
        first[~later] = np.inf
        jump[~(later[:, :n, None] & later[None])] = np.inf
        chains = best_chains(start, first, jump, n, growth=1.3)

        def cost(chain, n=n, start=start, first=first, jump=jump):
            errors = [start[chain[0]], first[tuple([*chain, n][:2])]]
            errors += [jump[three] for three in zip(chain, chain[1:], [*chain[2:], n], strict=False)]
            return sum(1.3 ** (len(errors) - 1 - i) * error for i, error in enumerate(errors))

        for steps in range(1, n + 1):
            best = min(itertools.combinations(range(n), steps), key=cost)
            assert chains[steps] == list(best), (n, steps)


def states_of(times, seed=0):
    """Random states in the order of the products, and the products."""
    states = torch.from_numpy(np.random.default_rng(seed).normal(size=(2 * len(times) + 1, 50)))
    return states, (states @ states.T / 50).numpy()


@pytest.mark.parametrize("sampler", ["ddim", "dpm++", "unipc"])
def test_the_error_of_a_jump_is_that_of_the_samplers_own_step(sampler):
    """UniPC's first try of x_s is DPM-Solver++'s; only the step after it corrects it."""
    times = [1000, 700, 330, 12]
    states, products = states_of(times)
    x, x_0 = states[:5], states[5:]
    first, second = first_order_errors(LINEAR, times, products), second_order_errors(LINEAR, times, products)
    for h, i, j in itertools.combinations(range(5), 3):
        pairs = [(times[h], times[i]), (times[i], [*times, 0][j])]
        alpha_bar_t, alpha_bar_s = LINEAR.alpha_bar[list(pairs[1])].tolist()
        if sampler == "ddim":
            eps = (x[i] - math.sqrt(alpha_bar_t) * x_0[i]) / math.sqrt(1 - alpha_bar_t)
            jump, error = math.sqrt(alpha_bar_s) * x_0[i] + math.sqrt(1 - alpha_bar_s) * eps, first[i, j]
        else:
            advance, error = solver("dpm++", LINEAR, [*pairs, (pairs[1][1], 0)] if j < 4 else pairs), second[h, i, j]
            advance(x_0[h].reshape(1, 50, 1, 1), pairs[0][0], x[h].reshape(1, 50, 1, 1))
            jump = advance(x_0[i].reshape(1, 50, 1, 1), pairs[1][0], x[i].reshape(1, 50, 1, 1)).flatten()
        assert error == pytest.approx((jump - x[j]).square().mean().item(), rel=1e-6), (h, i, j)
    expected = (x[0] - x[:4]).square().mean(1)
    np.testing.assert_allclose(start_errors(products), expected, atol=1e-12)
    assert np.isinf(first[2, :3]).all() and np.isinf(second[2, 1]).all() and np.isinf(second[:, 2, :3]).all()


@pytest.mark.parametrize("detail", [0, 0.5, 1])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 6), (1, 1)])
def test_waves_are_amplified_by_their_frequency(height, width, detail):
    y, x = np.mgrid[:height, :width]
    squares = [1 + min(i, height - i) ** 2 + min(j, width - j) ** 2 for i, j in np.ndindex(height, width)]
    weight = sum(square**detail for square in squares)
    for i, j in np.ndindex(height // 2 + 1, width // 2 + 1):
        wave = torch.tensor(np.cos(2 * np.pi * (i * y / height + j * x / width)), dtype=torch.float32)
        gain = ((1 + i**2 + j**2) ** detail * height * width / weight) ** 0.5
        torch.testing.assert_close(sharpen(wave[None, None], detail), gain * wave[None, None], atol=1e-4, rtol=0)


COUNTS, SOLVERS = (5, 8), ("ddim", "dpm++", "unipc")


@pytest.fixture(scope="module")
def found():
    seen = []
    steps = optimise_timesteps(mixture(), COUNTS, progress=lambda *count: seen.append(count))
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done) and done[-1] == total[-1] and len(set(total)) == 1
    return steps


@pytest.fixture(scope="module")
def errors(found):
    """Mean distance of x_0 from that of 200 steps, by sampler, spacing and steps, for other seeds."""
    seeds, model = range(1000, 1064), replace(mixture(), optimised=found.times)

    def x_0(steps, sampler, spacing):
        *_, last = trajectory(model, seeds, steps, sampler, spacing=spacing)
        return last.x

    exact = x_0(200, "dpm++", "linspace")
    ways = itertools.product(SOLVERS, (*FORMULAS, "optimised"), COUNTS)
    return {
        (sampler, spacing, n): sharpen(x_0(n, sampler, spacing) - exact).square().mean((1, 2, 3)).sqrt().mean().item()
        for sampler, spacing, n in ways
    }


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("sampler", SOLVERS)
def test_they_come_nearer_to_the_exact_pictures_than_every_named_spacing(sampler, n, errors):
    named = {spacing: errors[sampler, spacing, n] for spacing in FORMULAS}
    assert errors[sampler, "optimised", n] < 0.8 * min(named.values()), named


def test_what_it_takes_is_said_before_anything_is_computed():
    model = replace(mixture(), network=None)  # never called
    for wrong, what in (
        ({"steps": [5, 61]}, "steps must be whole numbers from 1 to 60, got 61"),
        ({"steps": []}, "steps must be whole numbers from 1 to 60, got none"),
        ({"steps": [2.5]}, "got 2.5"),
        ({"seeds": []}, "at least one seed"),
        ({"samplers": ["ddpm"]}, "samplers must be some of ddim, dpm\\+\\+, unipc, got \\['ddpm'\\]"),
        ({"samplers": []}, r"got \[\]"),
        ({"samplers": "ddim"}, "samplers must be some of ddim, dpm\\+\\+, unipc, got 'ddim'"),
        ({"samplers": np.array(["ddim", "ddpm"])}, "got array"),
        ({"samplers": 5}, "got 5"),
        ({"points": 1}, "points must be a whole number of at least 2"),
        ({"labels": 3}, "no classes"),
    ):
        with pytest.raises(ValueError, match=what):
            optimise_timesteps(model, **wrong)
    with pytest.raises(ValueError, match="nothing to choose"):
        optimise_timesteps(replace(model, schedule=NoiseSchedule.linear(1)))


def test_by_default_there_are_the_usual_numbers_of_steps_as_far_as_the_process_has_them():
    short = replace(mixture(), schedule=NoiseSchedule.linear(7, 0.1, 0.5), network=lambda x, t_index, labels: 0.1 * x)
    assert set(optimise_timesteps(short, seeds=[0]).times["ddim"]) == {4, 5, 6}


def test_only_the_samplers_that_are_named_are_searched():
    counts = []
    found = optimise_timesteps(
        mixture(), [2], range(2), 5, samplers=["unipc"], progress=lambda *count: counts.append(count)
    )
    assert set(found.times) == set(found.errors) == {"unipc"} and counts[-1][0] == counts[-1][1]


def test_what_the_progress_raises_ends_the_work():
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise_timesteps(mixture(), [5], progress=stop)


@pytest.mark.parametrize("schedule", [NoiseSchedule.linear(5, 0.1, 0.5), NoiseSchedule.linear(200, 1e-3, 0.1)])
def test_any_length_and_a_start_from_noise_alone(schedule):
    """Chains of distinct times, also where ᾱ_T = 0, from which no solver starts; labels go through all classes."""
    seen = set()

    def network(x, t_index, labels):
        seen.update(labels.tolist())
        return 0.1 * x

    ends = NoiseSchedule.from_config({**schedule.config, "rescale_betas_zero_snr": True})
    for one in (schedule, ends):
        model = Model(network=network, schedule=one, image_size=2, num_classes=3, null_label=3, prediction="v")
        seen.clear()
        found = optimise_timesteps(model, [3, 4], range(4), points=20)
        assert seen == {0, 1, 2} and set(found.times) == set(OPTIMISED_FOR) and found.images == 4
        for sampler, chains in found.times.items():
            assert set(chains) == {3, 4}
            for n, chain in chains.items():
                assert list(chain) == sorted(set(chain), reverse=True) and len(chain) == n
                assert chain[-1] >= 1 and one.alpha_bar[chain[0]] > 0
                run = trajectory(replace(model, optimised=found.times), [0], n, sampler, spacing="optimised")
                assert tuple(step.t for step in run) == chain


# The spacing


STEPS = {"ddim": {3: (900, 500, 40)}, "dpm++": {3: (950, 450, 30)}, "unipc": {3: (940, 440, 20), 4: (940, 440, 20, 1)}}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_spacing_is_the_models_own_for_each_sampler(sampler):
    model = replace(mixture(), optimised=STEPS)
    times = STEPS["ddim" if sampler in ("ddpm", "langevin", "consistency", "heun") else sampler][3]
    pairs = list(zip(times, [*times[1:], 0], strict=True))
    assert [(s.t, s.s) for s in trajectory(model, [0], 3, sampler, spacing="optimised")] == pairs
    assert model_pairs(model, 3, "optimised", sampler) == pairs
    assert model_pairs(model, 3, "trailing", sampler) == timestep_pairs(1000, 3, "trailing")


def test_where_there_are_none_the_command_is_named():
    for source, commands in (
        (Source(ref="runs/model"), "`python -m train schedule runs/model`"),
        (
            Source(ref="owner/name", fixed=True),
            "`python -m ddpm_core export owner/name FOLDER` and `python -m train schedule FOLDER`",
        ),
    ):
        with pytest.raises(ValueError, match=f"no optimised steps yet: run {commands}, or"):
            trajectory(replace(mixture(), source=source), [0], 5, "ddim", spacing="optimised")
    with pytest.raises(ValueError, match="for 3 to 4 steps, not for 7: run `python -m train schedule FOLDER --step"):
        trajectory(replace(mixture(), optimised=STEPS), [0], 7, "unipc", spacing="optimised")
    with pytest.raises(ValueError, match="no optimised steps for ddim, not for 3: run `python -m train schedule FOLD"):
        trajectory(replace(mixture(), optimised={"unipc": STEPS["unipc"]}), [0], 3, "ddpm", spacing="optimised")
    student = replace(mixture(), student=Student("consistency", (1000, 500)))
    with pytest.raises(ValueError, match="a student has no optimised steps: use its own steps"):
        trajectory(student, [0], 2, "ddim", spacing="optimised")
    with pytest.raises(ValueError, match="choose from linspace, quadratic, quadratic_T, leading, trailing here"):
        timestep_pairs(1000, 5, "optimised")
    with pytest.raises(ValueError, match="choose from linspace"):
        bits_per_dim(mixture(), np.zeros((1, SIZE, SIZE, 3), np.uint8), steps=3, spacing="optimised")


def test_numbers_are_listed_as_ranges():
    assert ranges([4, 5, 6, 8, 10]) == "4 to 6, 8, 10" and ranges([7]) == "7"


# Its file


@pytest.fixture
def checkpoint(tmp_path):
    checkpoint_folders.write(tmp_path / "model", **checkpoint_folders.SMALLEST)
    return tmp_path / "model"


FOUND = OptimisedSteps(STEPS, {"ddim": {3: 0.2}, "dpm++": {3: 0.1}, "unipc": {3: 0.1, 4: 0.05}}, 16)


def test_they_are_kept_beside_the_weights_and_belong_to_them(checkpoint):
    model = load(checkpoint, engine="torch")
    assert model.optimised is None
    path = optimised_file.write(model, FOUND, engine="torch")
    assert path == checkpoint / "optimised_steps.json" and json.loads(path.read_text())["engine"] == "torch"
    again = load(checkpoint, engine="torch", precision="fp32")
    assert again.optimised == STEPS and describe(again)["optimised steps"] == (
        "ddim, dpm++ for 3 steps; unipc for 3 to 4 steps"
    )
    more = OptimisedSteps({name: {5: (5, 4, 3, 2, 1)} for name in STEPS}, {name: {5: 0.0} for name in STEPS}, 16)
    optimised_file.write(again, more)  # the former ones stay
    assert load(checkpoint, engine="torch").optimised["unipc"] == {**STEPS["unipc"], 5: (5, 4, 3, 2, 1)}

    again.network.unet.conv_out.weight.mul_(1.1)
    save(again, checkpoint)
    assert not path.exists() and load(checkpoint, engine="torch").optimised is None
    optimised_file.write(again, FOUND)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": "0" * 64}))
    assert load(checkpoint, engine="torch").optimised is None


def test_there_need_not_be_some_for_each_sampler(checkpoint):
    model = load(checkpoint, engine="torch", precision="fp32")
    model.optimised = {"unipc": STEPS["unipc"]}
    save(model, checkpoint)
    found = load(checkpoint, engine="torch")
    assert found.optimised == model.optimised and describe(found)["optimised steps"] == "unipc for 3 to 4 steps"
    optimised_file.write(found, OptimisedSteps({"ddim": STEPS["ddim"]}, {"ddim": {3: 0.2}}, 16))
    assert load(checkpoint, engine="torch").optimised == {"ddim": STEPS["ddim"], "unipc": STEPS["unipc"]}


def test_what_was_searched_on_this_machine_changes_no_picture_that_did_not_ask_for_it(
    checkpoint, tmp_path, monkeypatch
):
    """A page's address with the spacing "auto" means the same before and after, here and elsewhere."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))

    def auto():
        model = load(checkpoint, engine="torch")
        return suited_spacing(model, "unipc", 3), suited_spacing(model, "dpm++", 3)

    before = auto()
    path = optimised_file.write(load(checkpoint, engine="torch"), FOUND)
    assert auto() == before == ("quadratic", "quadratic")

    monkeypatch.setattr(refs, "embedded", lambda: {"toy": checkpoint})  # then all who have the checkpoint have them
    for ref in ("toy", checkpoint):
        assert suited_spacing(load(ref, engine="torch"), "unipc", 3) == "optimised"
    older = tmp_path / "cache" / "embedded" / "toy" / path.name  # as this project once wrote it
    older.parent.mkdir(parents=True)
    path.rename(older)
    assert load("toy", engine="torch").optimised is None


def test_a_file_that_holds_something_else_is_named(checkpoint):
    path = optimised_file.write(load(checkpoint, engine="torch"), FOUND)
    odd = ("5 5 1", "1 5 9", "1001 5 1", "5 0", "9 5", "x 3 1", "", 7, None)
    for content in (*({name: {"3": times} for name in STEPS} for times in odd), ["5 3 1"]):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"times": content}))
        with pytest.raises(CheckpointError, match=r"optimised_steps\.json is not a list of optimised steps: delete it"):
            load(checkpoint, engine="torch")


def test_a_model_that_was_not_loaded_has_no_place_for_them():
    with pytest.raises(ValueError, match="can be saved only for a model loaded from a checkpoint"):
        optimised_file.place(mixture())


# python -m train schedule


def test_the_command_finds_them_and_keeps_them(checkpoint, capsys):
    words = ["schedule", str(checkpoint), "--steps", "2,1", "--images", "2", "--points", "4"]
    assert main([*words, "--device", "cpu", "--engine", "torch"]) == 0
    assert capsys.readouterr().out.strip() == str(checkpoint / "optimised_steps.json")
    times = load(checkpoint, engine="torch").optimised
    assert set(times["dpm++"]) == {1, 2}
    content = json.loads((checkpoint / "optimised_steps.json").read_text())
    assert content["images"] == 2 and content["points"] == 4 and content["errors"]["ddim"].keys() == {"1", "2"}


def test_searches_at_the_same_time_write_one_after_another(checkpoint, monkeypatch):
    at_once, writing = [], threading.Lock()
    write = optimised_file.write

    def slow(model, found, **about):
        at_once.append(not writing.acquire(blocking=False))
        time.sleep(0.05)
        writing.release()
        return write(model, found, **about)

    monkeypatch.setattr(optimised_file, "write", slow)
    monkeypatch.setattr(
        "ddpm_core.optimise_timesteps",
        lambda model, steps, *_, **__: OptimisedSteps({"unipc": {n: tuple(range(n, 0, -1)) for n in steps}}, {}, 1),
    )
    numbers, parsing = range(2, 6), threading.Lock()

    def parsed(*arguments, **about):
        with parsing:  # tyro is for one thread, and a command has no other
            return read(*arguments, **about)

    monkeypatch.setattr("train.tuning.schedule.read", parsed)

    def search(n):
        return main(["schedule", str(checkpoint), "--steps", str(n), "--device", "cpu", "--engine", "torch"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(search, numbers)) == [0] * 4
    assert not any(at_once) and set(load(checkpoint, engine="torch").optimised["unipc"]) == set(numbers)


def test_what_the_command_refuses(checkpoint, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(refs, "embedded", lambda: {"toy": checkpoint})
        (checkpoint.parent / "link").symlink_to(checkpoint)
        for place in ("toy", checkpoint, checkpoint.parent / "link", "owner/toy"):
            assert main(["schedule", str(place)]) == 2
            name = place if place == "owner/toy" else "toy"
            assert f"python -m ddpm_core export {name} FOLDER" in capsys.readouterr().err
    monkeypatch.setattr("train.tuning.schedule.open_checkpoint", None)  # what is refused is not loaded
    shutil.copytree(checkpoint, checkpoint.parent / "student")
    own = {"student": {"method": "consistency", "times": [1000, 5], "teacher": "toy"}}
    (checkpoint.parent / "student" / "ddpm_core.json").write_text(json.dumps(own))
    assert main(["schedule", str(checkpoint.parent / "student")]) == 2
    assert "is a student, which takes only the steps" in capsys.readouterr().err
    monkeypatch.setattr("train.tuning.schedule.open_checkpoint", lambda *_: mixture())
    for words, told in (
        (["nowhere"], "there is no checkpoint 'nowhere'"),
        ([str(checkpoint), "--steps", "a"], "--steps takes numbers"),
        ([str(checkpoint), "--images", "0"], "--images must be 1 to"),
        ([str(checkpoint), "--detail", "3"], "--detail must be 0 to 2"),
        ([str(checkpoint)], "only for a model loaded from a checkpoint"),
    ):
        assert main(["schedule", *words]) == 2
        assert told in capsys.readouterr().err
