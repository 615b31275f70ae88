"""Distillation: losses and sampler against closed forms of Gaussian data, refusals, and whole runs of both methods."""

import dataclasses
import json
import math
import os
import re
import shlex
import shutil
import signal
from contextlib import nullcontext, redirect_stderr
from dataclasses import replace
from functools import cache
from io import StringIO
from itertools import pairwise
from typing import get_type_hints

import numpy as np
import oracle
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_train_command import words_for
from toy import AB, LINEAR, TWO_LEVELS, X_T, assert_chain, numpy_z, run, small_unet, toy_model
from training import as_words, assert_same, make_folder, process_restored, weights  # noqa: F401 (a fixture for all tests)

from ddpm_core import (
    CheckpointError,
    Model,
    NoiseSchedule,
    bits_per_dim,
    encode,
    load,
    reconstruct,
    sample,
    save,
    trajectory,
)
from ddpm_core.analytic import estimate_gamma
from ddpm_core.checkpoint.describe import describe
from ddpm_core.engines.choose import wrap
from ddpm_core.imaging import to_uint8
from ddpm_core.names import OPTIMISED_FOR
from ddpm_core.process import q_sample
from ddpm_core.student import Student
from ddpm_core.timesteps import quarters
from train import TrainError
from train.__main__ import main
from train.distill import end_to_end, task
from train.distill.config import DistillFlags
from train.distill.end_to_end import Encoder, difference, grain
from train.distill.losses import consistency_loss, consistency_target, ddim_step, progressive_loss, progressive_target
from train.distill.start import parse_distill, stages
from train.distill.teacher import complete, open_teacher
from train.fit.flags.limits import check
from train.fit.inputs.init import warm_start
from train.fit.start import parse_fit
from train.fit.trainer import Trainer

M, S2 = 0.3, 0.16  # Gaussian data: every pixel N(M, S2)


def posterior_mean(x, t):
    """E[x_0 | x_t] of the data, what a perfect teacher sees. t: int64 (N,)."""
    ab = torch.tensor(AB)[t].reshape(-1, 1, 1, 1)
    return M + ab.sqrt() * S2 / (ab * S2 + 1 - ab) * (x - ab.sqrt() * M)


def batch(times, n=6):
    """x_t of the data at times, float64, one for each image in turn."""
    generator = torch.Generator().manual_seed(1)
    t = torch.tensor([times[i % len(times)] for i in range(n)])
    x_0 = M + math.sqrt(S2) * torch.randn(n, 1, 4, 4, generator=generator, dtype=torch.float64)
    return q_sample(LINEAR, x_0, t, torch.randn(x_0.shape, generator=generator, dtype=torch.float64)), t


def path(*times, n=6):
    return [torch.full((n,), time) for time in times]


# The losses


@pytest.mark.parametrize("times", [(1000, 562, 250), (250, 62, 0), (2, 1, 0)])
def test_one_step_with_the_progressive_target_is_the_exact_two_step_map(times):
    """Of a linear denoiser, whose two DDIM steps compose in closed form, and of one that is not linear."""
    x_t, _ = batch(times[:1])
    for teacher in (posterior_mean, lambda x, t: (2 * x + t.reshape(-1, 1, 1, 1) / 500).sin()):
        x = x_t
        for t, s in pairwise(times):
            x_0 = teacher(x, torch.full((6,), t)).numpy()
            eps = (x.numpy() - math.sqrt(AB[t]) * x_0) / math.sqrt(1 - AB[t])
            x = torch.from_numpy(math.sqrt(AB[s]) * x_0 + math.sqrt(1 - AB[s]) * eps)
        target = progressive_target(LINEAR, teacher, x_t, path(*times))
        ours = ddim_step(LINEAR, x_t, target, *path(times[0], times[2]))
        torch.testing.assert_close(ours, x, rtol=1e-10, atol=1e-10)


def test_the_progressive_target_stays_within_what_was_clipped():
    def clipped(x, t):
        return posterior_mean(x, t).mul(8).clamp(-1, 1)

    x_t, _ = batch([1000])
    assert progressive_target(LINEAR, clipped, x_t, path(1000, 562, 250)).abs().max() <= 1


@pytest.mark.parametrize("order", [1, 2])
def test_the_target_follows_the_teachers_trajectory_to_its_order(order):
    """Half the step, in log λ, makes the error of one step 2^(order + 1) times smaller, to the leading order."""

    def error(half_width):
        middle = math.log(AB[400] / (1 - AB[400]))
        ends = (
            int(np.abs(np.log(AB[1:] / (1 - AB[1:])) - middle - d).argmin()) + 1 for d in (-half_width, 0, half_width)
        )
        times = path(*ends)
        x_t, _ = batch([int(times[0][0])])
        target = progressive_target(LINEAR, posterior_mean, x_t, times, order)
        reached = ddim_step(LINEAR, x_t, target, times[0], times[2])
        ab = torch.tensor(AB)[[int(times[0][0]), int(times[2][0])]]
        sd_t, sd_s = (ab * S2 + 1 - ab).sqrt()
        exact = ab[1].sqrt() * M + sd_s / sd_t * (x_t - ab[0].sqrt() * M)
        return (reached - exact).abs().mean()

    assert 0.8 * 2 ** (order + 1) < error(1.6) / error(0.8) < 1.25 * 2 ** (order + 1)


@pytest.mark.parametrize("times", [(250, 62, 0), (62, 16, 0)])
def test_the_last_step_is_ddims_at_any_order(times):
    x_t, _ = batch(times[:1])
    first, second = (progressive_target(LINEAR, posterior_mean, x_t, path(*times), order) for order in (1, 2))
    assert torch.equal(first, second)


def test_the_progressive_loss_is_weighted_by_the_larger_of_snr_and_1_and_0_for_its_target():
    times = path(1000, 562, 250), path(62, 16, 0)
    for steps in times:
        x_t, t = batch([int(steps[0][0])])
        target = progressive_target(LINEAR, posterior_mean, x_t, steps)
        assert progressive_loss(LINEAR, lambda x, t, y=target: y, posterior_mean, x_t, steps).max() == 0
        off = progressive_loss(LINEAR, lambda x, t, y=target: y + 0.1, posterior_mean, x_t, steps)
        snr = AB[t] / (1 - AB[t])
        np.testing.assert_allclose(off, 0.01 * np.maximum(snr, 1), rtol=1e-9)


def test_every_discrete_chain_has_the_consistency_loss_0_for_its_own_end():
    """The student that runs the teacher's DDIM chain to 0 is the exact fixed point, whatever the chain's error."""
    chain = [1000, 562, 250, 62, 0]

    def end(x, t):
        x, t = x.clone(), int(t[0])
        for a, b in pairwise(chain):
            if a <= t:
                steps = path(a, b)
                x = ddim_step(LINEAR, x, posterior_mean(x, steps[0]), *steps)
        return x

    for i in range(4):
        for width in range(1, 5 - i):
            steps = path(*chain[i : i + width + 1])
            x_t, _ = batch(chain[i : i + 1])
            assert consistency_loss(LINEAR, end, posterior_mean, x_t, steps).max() < 1e-20
            torch.testing.assert_close(consistency_target(LINEAR, end, posterior_mean, x_t, steps), end(x_t, steps[0]))


def test_targets_have_no_gradient_and_images_have_times_of_their_own():
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    x_t, t = batch([1000, 62])
    steps = [t, torch.where(t == 1000, 562, 16), torch.where(t == 1000, 250, 0)]

    def network(x, t):
        return weight * posterior_mean(x, t)

    def consistency(x_t, steps):
        return consistency_target(LINEAR, network, network, x_t, steps)

    def progressive(x_t, steps):
        return progressive_target(LINEAR, network, x_t, steps)

    for target in (consistency, progressive):
        together = target(x_t, steps)
        assert not together.requires_grad
        one_by_one = [target(x_t[i : i + 1], [time[i : i + 1] for time in steps]) for i in range(6)]
        torch.testing.assert_close(together, torch.cat(one_by_one))


# The sampler


def test_consistency_sampling_is_the_formula_with_the_seeded_noise():
    pairs = oracle.pairs(1000, 5, "trailing")
    ours = run(toy_model(), 5, sampler="consistency", spacing="trailing", clip=False)

    def chain():
        x = X_T.numpy()
        for index, (t, s) in enumerate(pairs):
            eps = oracle.toy_eps(x, t)
            x_0 = (x - math.sqrt(1 - AB[t]) * eps) / math.sqrt(AB[t])
            x = math.sqrt(AB[s]) * x_0 + math.sqrt(1 - AB[s]) * numpy_z(index, x)
            yield x, x_0, math.sqrt(1 - AB[s])

    assert_chain(ours, chain(), pairs, 1e-8)
    seeded = [*trajectory(toy_model(), [3, 4], 3, sampler="consistency", x_T=X_T)][1]
    assert not torch.equal(seeded.x[0], seeded.x[1])


# What a student was made for

CONSISTENCY = Student("consistency", (1000, 562, 250, 62), "mnist-tiny")
PROGRESSIVE = Student("progressive", (1000, 250), "mnist-tiny", guidance=1.5)


def test_a_student_runs_as_it_was_made_unless_told_otherwise():
    def visited(student, **options):
        return [(step.t, step.s) for step in trajectory(toy_model(student=student), [0], **options)]

    assert visited(PROGRESSIVE) == [(1000, 250), (250, 0)]
    assert visited(CONSISTENCY) == [(1000, 250), (250, 0)]
    assert visited(CONSISTENCY, steps=3) == [(1000, 562), (562, 250), (250, 0)]
    assert visited(CONSISTENCY, steps=1, spacing="trailing") == [(1000, 0)]
    model, by_name = toy_model(student=PROGRESSIVE), {"sampler": "ddim", "steps": 2}
    assert np.array_equal(sample(model, [7]), sample(model, [7], **by_name))
    assert visited(None)[:2] == [(1000, 980), (980, 959)]  # others still: 50 steps of DDPM


@pytest.mark.parametrize(
    "student, options, sentence",
    [
        (CONSISTENCY, {"sampler": "ddpm"}, "needs the sampler 'consistency', not 'ddpm'"),
        (CONSISTENCY, {"steps": 5}, "has learned 4 times: it takes 1 to 4 steps, not 5"),
        (CONSISTENCY, {"steps": 2, "spacing": "linspace"}, "has not learned t = 1, only 1000, 562, 250, 62"),
        (PROGRESSIVE, {"sampler": "consistency"}, "needs the sampler 'ddim', not 'consistency'"),
        (PROGRESSIVE, {"eta": 0.5}, "needs the sampler 'ddim' with eta 0"),
        (PROGRESSIVE, {"steps": 4}, "was made for 2 steps at t = 1000, 250: it can't take 4"),
        (PROGRESSIVE, {"steps": 2, "spacing": "trailing"}, "has not learned t = 500, only 1000, 250"),
        (PROGRESSIVE, {"start": 500, "x_T": X_T[:1]}, "has not learned t = 500, only 1000, 250"),
        (PROGRESSIVE, {"start": 250, "x_T": X_T[:1]}, "at t = 1000, 250, 1 of them from t = 250: it can't take 2"),
        (CONSISTENCY, {"start": 250, "x_T": X_T[:1], "steps": 3}, "2 times up to t = 250: it takes 1 to 2 steps"),
        *(
            (CONSISTENCY, {"start": start, "x_T": X_T[:1]}, "starts at a t above 0 and at most 1000, got")
            for start in (0, False, True, "250")
        ),
        *((CONSISTENCY, {"steps": n}, "steps must be a whole number") for n in (2.0, "2", True)),
        (PROGRESSIVE, {"steps": True}, "steps must be a whole number from 1 to 1000, or a list of times, got True"),
        (PROGRESSIVE, {"start": 0, "x_T": X_T[:1]}, "starts at a t above 0 and at most 1000, got 0"),
    ],
)
def test_a_run_that_a_student_was_not_made_for_is_refused_in_one_sentence(student, options, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        trajectory(toy_model(student=student), [0], **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("student", [PROGRESSIVE, CONSISTENCY])
def test_a_student_decodes_latents_of_its_own_times(student):
    """From T that is its run of the seed, and from a later one the rest of its steps."""
    model, images = toy_model(student=student), np.full((1, 4, 4, 3), 90, np.uint8)
    assert np.array_equal(reconstruct(model, encode(model, images, 1000, [7]), 1000, [7]), sample(model, [7]))
    x_t = encode(model, images, 250, [7])
    steps = list(trajectory(model, [7], len(student.times[student.times.index(250) :]), x_T=x_t, start=250))
    assert tuple(step.t for step in steps) == student.times[student.times.index(250) :]
    assert np.array_equal(reconstruct(model, x_t, 250, [7], 50), to_uint8(steps[-1].x))
    assert quarters(model) == {PROGRESSIVE: [1000, 250], CONSISTENCY: [1000, 562, 250]}[student]


def test_a_student_is_no_denoiser_at_other_times():
    model = toy_model(student=CONSISTENCY)
    images = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"a student that has not learned t = .*: measure its teacher$"):
        bits_per_dim(model, images)
    with pytest.raises(ValueError, match="a student that has not learned t = "):
        estimate_gamma(model, images)
    estimate_gamma(model, images, times=[62, 250])


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"method": "magic", "times": (1000,)}, "unknown method"),
        ({"method": "progressive", "times": (250, 1000)}, "times descend"),
        ({"method": "progressive", "times": (1000, 0)}, "times descend"),
        ({"method": "progressive", "times": (500, 100)}, "starts at t = T = 1000, got 500"),
    ],
)
def test_a_student_needs_a_method_and_times_that_descend_from_T(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        toy_model(student=Student(**fields))


# Checkpoints and runs, of a network of 8×8 pixels


def make_teacher(folder, blocks=None, **fields):
    """A v-network with random weights, saved; blocks: of small_unet; fields: of Model."""
    model = Model(
        **{
            "network": wrap(small_unet(num_class_embeds=3, **(blocks or {})), "cpu", "fp32", "torch"),
            "schedule": NoiseSchedule.linear(40, 1e-3, 0.4),
            "image_size": 8,
            "prediction": "v",
            "num_classes": 2,
            "null_label": 2,
            "class_names": ("cat", "dog"),
            **fields,
        }
    )
    save(model, folder)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    optimised = {sampler: {2: (39, 10)} for sampler in OPTIMISED_FOR}
    return make_teacher(tmp_path_factory.mktemp("lab") / "tiny-teacher", optimised=optimised)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("data"), 12)


def words(teacher, data, out, **changes):
    run = {"batch": 4, "steps": 4, "checkpoint_every": 4, "threads": 1, "device": "cpu", "log_every": 2, **changes}
    return ["distill", str(teacher), "--data", str(data), "--out", str(out), *as_words(run)]


@cache
def opened(teacher):
    return open_teacher(str(teacher))


METHODS = {
    "progressive": {"method": "progressive", "teacher_steps": 4, "guidance": 1.5},
    "consistency": {"method": "consistency", "teacher_steps": 8, "student_steps": 4},
}


@pytest.mark.parametrize("student", [Student("consistency", (40, 10), "x", 2.0), Student("progressive", (40,))])
def test_a_saved_student_is_read_back_and_described(teacher, tmp_path, student):
    model = load(teacher, device="cpu", engine="torch")
    assert model.student is None and "student" not in describe(model)
    model.student = student
    save(model, tmp_path / "student")
    again = load(tmp_path / "student", device="cpu", engine="torch")
    assert again.student == student
    assert student.method in describe(again)["student"]


@pytest.mark.parametrize(
    "change",
    [
        *({"times": times} for times in ([], [10, 40], [20], 40)),
        *({"method": "magic"}, {"teacher": 5}, {"guidance": "much"}, {"finished": "yes"}),
    ],
)
def test_a_damaged_student_is_refused_in_one_sentence(teacher, tmp_path, change):
    shutil.copytree(teacher, tmp_path / "student")
    path = tmp_path / "student" / "ddpm_core.json"
    student = {"method": "progressive", "times": [40, 10], "teacher": "x", **change}
    path.write_text(json.dumps({**json.loads(path.read_text()), "student": student}))
    with pytest.raises(CheckpointError):
        load(tmp_path / "student", device="cpu", engine="torch")


@pytest.mark.parametrize("method", METHODS)
def test_a_distillation_makes_students_that_say_what_they_are_and_resumes_exactly(
    teacher, data, tmp_path, method, monkeypatch, capsys, torch_engine
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run = {**METHODS[method], "steps": 2, "checkpoint_every": 2}
    samples = {"sample_every": 2, "sample_seconds": 1e-9, "sample_count": 4}
    assert main(words(teacher, data, whole, **run, **samples)) == 0
    stages = {"2-steps": (40, 10), "1-steps": (40,)} if method == "progressive" else {"": (40, 22, 10, 2)}
    for name, times in stages.items():
        model = load(whole / name / "model", device="cpu", engine="torch")
        guidance = METHODS[method].get("guidance")
        assert model.student == Student(method, times, "tiny-teacher", guidance, finished=True)
        assert (model.class_names, model.null_label, model.prediction) == (("cat", "dog"), 2, "v")
        assert model.optimised is None  # those of the teacher's weights
        assert sample(model, [0], labels=0).shape == (1, 8, 8, 3)
        card = (whole / name / "model" / "README.md").read_text()
        assert f"{method} distillation" in card and "python -m train distill tiny-teacher " in card
        assert "--out whole " in card and str(tmp_path) not in card and "T = 40, linear schedule, variance beta" in card
        assert "![samples](samples.png)" in card
        grids = [f"step-{step:09}-{weights}.png" for step in (0, 2) for weights in ("ema", "raw")]
        assert sorted(path.name for path in (whole / name / "samples").iterdir()) == grids
        noted = [json.loads(line) for line in (whole / name / "progress.jsonl").read_text().splitlines()]
        errors = {line["error"] for line in noted if "samples" in line}
        assert errors == {None}  # it is not asked at times that it does not know

    real = Trainer.train_step

    def stopped(trainer, *arguments):
        real(trainer, *arguments)
        if trainer.config.stage in (0, 1) and trainer.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    last = list(stages)[-1]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopped)
        assert main(words(teacher, data, broken, **run)) == 128 + signal.SIGTERM
    unfinished = load(broken / last / "model", device="cpu", engine="torch")
    assert unfinished.student is not None and not unfinished.student.finished
    assert main(words(broken / last / "model", data, tmp_path / "next", teacher_steps=2)) == 2
    advice = re.search(r"whose training is not finished.*`python -m train (.*)`", capsys.readouterr().err)
    assert main([str(broken) if word == "OUT" else word for word in advice[1].split()]) == 0
    for part in ("model", "ema"):
        assert_same(weights(broken / last, 2, part), weights(whole / last, 2, part))
    assert load(broken / last / "model", device="cpu", engine="torch").student.finished


def test_the_first_halving_alone_is_of_the_order_that_was_asked_for(teacher, data, tmp_path, monkeypatch):
    orders = []
    monkeypatch.setattr(task, "progressive_loss", lambda *_, order: orders.append(order) or progressive_loss(*_, order))
    run = {**METHODS["progressive"], "teacher_order": 2, "steps": 1}
    assert main(words(teacher, data, tmp_path / "run", **run)) == 0
    assert orders == [2, 1]
    assert "4 evaluations, two a step of DPM" in (tmp_path / "run" / "2-steps" / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    "changes, times",
    [
        ({}, (40, 10)),
        ({"pairs": 6, "student_steps": 1}, (40,)),
        ({"student_times": (40, 20, 5), "teacher_times": (39, 10)}, (40, 20, 5)),
    ],
)
def test_a_student_goes_on_with_all_its_steps_at_once_and_resumes_exactly(
    teacher, data, tmp_path, monkeypatch, torch_engine, changes, times
):
    made = Student("progressive", (40, 10), "tiny-teacher", 2.0)
    teacher = shutil.copytree(teacher, tmp_path / "tiny-teacher")
    student = make_teacher(tmp_path / "student", student=made)
    network = load(student, device="cpu", engine="torch").network.unet
    torch.nn.init.normal_(network.conv_out.weight, std=0.05)
    network.save_pretrained(student)
    run = {"method": "end-to-end", "student": student, "teacher_steps": 2, "lr": 0.01, **changes}
    line = words(teacher, data, tmp_path / "whole", **run)
    noises = []
    with monkeypatch.context() as patch:
        teach = end_to_end.trajectory
        patch.setattr(end_to_end, "trajectory", lambda *own, **more: noises.append(more["x_T"]) or teach(*own, **more))
        assert main(line) == 0
    assert len(torch.cat(noises).unique(dim=0)) == len(torch.cat(noises)) == changes.get("pairs", 16)
    model = load(tmp_path / "whole" / "model", device="cpu", engine="torch")
    assert model.student == replace(made, times=times)
    card = (tmp_path / "whole" / "model" / "README.md").read_text()
    assert "all steps at once" in card and "`tiny-teacher`, 2 steps of UniPC, with guidance 2 |" in card
    (command,) = re.findall(r"^python -m train (distill .*)", card, re.M)
    assert "--guidance" not in command  # which is refused: --student decides

    def drawn(ref, **options):
        return [*trajectory(load(ref, device="cpu", engine="torch"), range(10), labels=1, **options)][-1].x

    theirs = drawn(teacher, steps=(39, 10), sampler="unipc", guidance=2.0)
    after, before = ((drawn(ref) - theirs).square() for ref in (tmp_path / "whole" / "model", student))
    assert after.mean() < before.mean()

    def halfway(trainer, *arguments, real=Trainer.train_step):
        real(trainer, *arguments)
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", halfway)
        assert main([word.replace("whole", "broken") for word in line]) == 128 + signal.SIGTERM
    searched = load(teacher, device="cpu", engine="torch", precision="fp32")
    searched.optimised = {"unipc": {2: (30, 20)}}
    save(searched, teacher)  # what a search finds meanwhile changes no run that has begun
    assert main(["distill", "--resume", "--out", str(tmp_path / "broken")]) == 0
    assert_same(weights(tmp_path / "broken", 4, "model"), weights(tmp_path / "whole", 4, "model"))


def test_pictures_differ_by_the_square_of_what_the_encoder_sees_of_them():
    encoder = Encoder(small_unet(num_class_embeds=3).double(), LINEAR, (2, 5), torch.tensor([2]), nullcontext)
    generator = torch.Generator().manual_seed(0)
    wanted, shift = torch.randn(2, 3, 3, 8, 8, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, 3, 3, 8, 8, generator=generator, dtype=torch.float64)
    seen = [encoder(wanted + size * shift, noise) for size in (0, 1e-4, 2e-4)]
    none, some, twice = (difference(states, seen[0]) for states in seen)
    assert none.max() == 0 and some.min() > 0
    torch.testing.assert_close(twice, 4 * some, rtol=1e-3, atol=0)


def test_grain_is_how_much_the_teacher_takes_away_at_its_last_time():
    left = torch.tensor([0.25, -0.5])[:, None, None, None].expand(2, 3, 8, 8)
    teacher = Model(network=lambda x, t, labels: left, schedule=LINEAR, prediction="x0", image_size=8)
    x_0, wanted = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not grain(teacher, x_0, x_0, None).any()
    away, theirs = ((pictures - left).square().mean((1, 2, 3)).sqrt() for pictures in (x_0, wanted))
    found = grain(teacher, x_0.requires_grad_(), wanted, None)
    torch.testing.assert_close(found, (away - theirs).square())
    (gradient,) = torch.autograd.grad(found.sum(), x_0)
    share = 2 * (1 - theirs / away)[:, None, None, None]
    torch.testing.assert_close(gradient, share * (x_0 - left).detach() / x_0[0].numel())
    same = left.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(grain(teacher, same, wanted, None).sum(), same)
    assert not gradient.any()  # and no NaN, which counts as any


def test_a_progressive_student_can_be_halved_again_and_no_other_student_distilled(teacher, data, tmp_path, capsys):
    cosine = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 40, "beta_start": 0.001}
    for method, times in (("progressive", (40, 10)), ("consistency", (40, 10))):
        student = Student(method, times, "first", 2.0)
        make_teacher(tmp_path / method, student=student, schedule=NoiseSchedule.from_config(cosine))
    again = words(tmp_path / "progressive", data, tmp_path / "again", teacher_steps=2, steps=1)
    assert main(again) == 0
    card = (tmp_path / "again" / "1-steps" / "model" / "README.md").read_text()
    assert "T = 40, cosine schedule, variance beta" in card  # the teacher's own
    model = load(tmp_path / "again" / "1-steps" / "model", device="cpu", engine="torch")
    assert model.student == Student("progressive", (40,), "first", 2.0)
    capsys.readouterr()
    for place, method in (("progressive", "consistency"), ("consistency", "progressive")):
        assert main(words(tmp_path / place, data, tmp_path / "no", method=method, teacher_steps=2)) == 2
        assert f"is itself a student, of {place} distillation: distil its teacher first" in capsys.readouterr().err
    for changes, sentence in (
        ({"teacher_steps": 4}, "--teacher-steps must be 2"),
        ({"teacher_steps": 2, "teacher_times": (40, 20)}, "--teacher-times is for a teacher that is no student"),
    ):
        assert main(words(tmp_path / "progressive", data, tmp_path / "no", **changes)) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"teacher_steps": 6}, "Halving 6 steps does not lead to 1"),
        ({"teacher_steps": 4, "student_steps": 4}, "Halving 4 steps does not lead to 4"),
        ({"method": "consistency", "teacher_steps": 8, "student_steps": 3}, "must divide --teacher-steps 8, got 3"),
        ({"teacher_steps": 64}, "more than the 40 times"),
        ({"teacher_steps": 32}, "visit one time twice"),
        ({"teacher_steps": 4, "spacing_power": 0}, "--spacing-power must be above 0"),
        ({"method": "consistency", "teacher_steps": 4, "teacher_order": 2}, "2 goes with --method progressive"),
        ({"method": "end-to-end"}, "needs --student"),
        ({"student": "mnist-tiny-2-steps"}, "--student needs --method end-to-end"),
        ({"distance": "squared"}, "--distance needs --method end-to-end"),
        ({"method": "end-to-end", "student_steps": 3}, "--student-steps must divide --teacher-steps 16, got 3"),
        ({"method": "end-to-end", "teacher_steps": 2, "student_steps": 1}, "2 times that fall from T = 40, got 39, 10"),
        ({"teacher_steps": 2, "teacher_times": (40,)}, "needs 2 times that fall from T = 40, got 40"),
        ({"teacher_steps": 2, "teacher_times": (40, 40)}, "needs 2 times that fall from T = 40, got 40, 40"),
        ({"teacher_steps": 2, "teacher_times": (40, 0)}, "needs 2 times that fall from T = 40, got 40, 0"),
        ({"method": "end-to-end", "student": "mnist-tiny"}, "--student mnist-tiny must be a finished student"),
        ({"method": "end-to-end", "student": "mnist-tiny-2-steps"}, "do not have the same image size"),
        ({"method": "end-to-end", "student": "mnist-tiny-2-steps", "guidance": 2}, "--guidance was decided when"),
        (
            {"method": "end-to-end", "student": "mnist-tiny-2-steps", "student_steps": 3},
            "divide the 2 times of the student",
        ),
        ({"pairs": 4}, "--pairs needs --method end-to-end"),
        ({"student_times": (40,)}, "--student-times needs --method end-to-end"),
        (
            {"method": "end-to-end", "teacher_steps": 2, "student_times": (39, 10)},
            "--student-times must fall from T = 40, got 39, 10",
        ),
        (
            {"method": "end-to-end", "student_times": (40, 10, 5), "student_steps": 2},
            "the 3 times of the student, got 2",
        ),
        ({"method": "end-to-end", "pairs": -1, "student_steps": 1}, "--pairs must be"),
        ({"teacher_steps": 4, "lr": -1}, "--lr must be above 0"),
        ({"teacher_steps": 4, "guidance": 2000}, "--guidance must be -1,000 to 1,000, got 2000.0"),
    ],
)
def test_settings_that_make_no_chain_are_refused_before_any_work(teacher, data, tmp_path, capsys, changes, sentence):
    assert main(words(teacher, data, tmp_path / "run", **changes)) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_cant_be_fused_is_refused_before_any_work(data, tmp_path, capsys):
    folder = make_teacher(tmp_path / "gelu", blocks={"act_fn": "gelu"})
    assert main([*words(folder, data, tmp_path / "run", teacher_steps=4), "--fused", "--channels-last"]) == 2
    assert "have the activation GELU, not SiLU: leave it out" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


KINDS = get_type_hints(DistillFlags)
FLAGS = st.one_of(
    st.sampled_from([("--no-flip", ()), ("--resume", ()), ("more", ())]),
    *(
        st.tuples(st.just(f"--{field.name.replace('_', '-')}"), words_for(KINDS[field.name]))
        for field in dataclasses.fields(DistillFlags)
    ),
)


@settings(max_examples=12)
@given(st.lists(FLAGS, max_size=4))
@example([("--teacher-steps", ["2"])])
def test_any_command_line_is_a_valid_distillation_or_a_sentence(teacher, tmp_path_factory, chosen):
    """Up to where it would read the data. tyro prints what it refuses itself and leaves with 2."""
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(StringIO()):
        patch.chdir(tmp_path_factory.getbasetemp())
        patch.setattr("train.distill.teacher.open_teacher", lambda ref: opened(teacher))
        try:
            words = [word for flag, values in chosen for word in (flag, *values)]
            words += [] if "--teacher-steps" in words else ["--teacher-steps", "4"]
            found = list(stages(complete(parse_distill([str(teacher), *words]))))
            for stage in found:
                check(stage)
        except TrainError as error:
            assert str(error) and "\n" not in str(error).strip()
        except SystemExit as stop:
            assert stop.code == 2
        else:
            assert found


def test_an_epsilon_checkpoint_is_refused_with_the_command_that_tunes_it_to_v(data, tmp_path, capsys):
    folder = make_teacher(tmp_path / "eps", TWO_LEVELS, prediction="epsilon")
    assert main(words(folder, data, tmp_path / "run", teacher_steps=4)) == 2
    error = capsys.readouterr().err
    assert "predicts epsilon" in error
    command = shlex.split(error.split(": ")[-1])
    assert command[:4] == ["python", "-m", "train", "fit"]
    config, _ = parse_fit(command[4:])
    assert config.prediction == "v" and config.init == str(folder)
    check(config)
    warm_start(config, ("cat", "dog"))  # has the teacher's layers


def test_no_command_is_advised_that_would_be_refused_or_train_for_another_process(data, tmp_path, capsys):
    sigmoid = NoiseSchedule.from_config({"beta_schedule": "sigmoid", "num_train_timesteps": 40})
    attention = TWO_LEVELS | {"up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D")}
    for changes, sentence in (
        ({"schedule": sigmoid}, "`train fit` can't make such a model from it: its noise schedule is sigmoid."),
        ({"blocks": attention}, "up_block_types is ['AttnUpBlock2D', 'AttnUpBlock2D'] there"),
    ):
        folder = make_teacher(tmp_path / next(iter(changes)), prediction="epsilon", **changes)
        assert main(words(folder, data, tmp_path / "run", teacher_steps=4)) == 2
        error = capsys.readouterr().err
        assert sentence in error and "python -m" not in error and error.count("\n") == 1


def test_what_has_no_teacher_or_another_is_refused(teacher, data, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["distill", "--data", str(data), "--out", str(out)]) == 2
    assert "Say what to distil" in capsys.readouterr().err
    plain = make_teacher(tmp_path / "plain", class_names=("cat", "fox"))
    assert main(words(plain, data, out, teacher_steps=2)) == 2
    assert "give --data with the teacher's classes" in capsys.readouterr().err
    mine = shutil.copytree(teacher, tmp_path / "mine")
    assert main(words(mine, data, out, teacher_steps=2, steps=1)) == 0
    capsys.readouterr()
    assert main(words(mine, data, out, teacher_steps=2, steps=1)) == 2
    assert "already holds a run: add --resume" in capsys.readouterr().err
    assert main(["fit", "--resume", "--out", str(out / "1-steps")]) == 2
    advice = re.search(r"started by `python -m train distill`: .*`python -m train (.*)`", capsys.readouterr().err)
    assert main([str(out) if word == "OUT" else word for word in advice[1].split()]) == 0
    model = load(mine, device="cpu", engine="torch", precision="fp32")
    model.network.unet.conv_out.bias.data.add_(1)
    save(model, mine)
    assert main(["distill", "--resume", "--out", str(out), "--steps", "2"]) == 2
    assert "has other weights than when this run was started" in capsys.readouterr().err


def test_what_would_make_another_run_of_a_resumed_one_is_refused(teacher, data, tmp_path, capsys):
    """Each of these once began anew beside it, ended in a traceback, or (below 0) never ended."""
    out = tmp_path / "run"
    assert main(words(teacher, data, out, teacher_steps=4, steps=1)) == 0

    def found():
        return sorted(path for path in out.rglob("*") if path.name != ".lock")

    before = found()
    for place, flags, sentence in (
        (out, ["--method", "consistency"], "--method can't change when a run is resumed"),
        (out, ["--student-steps", "2"], "--student-steps can't change"),
        (out, ["--student-steps=-1"], "--student-steps can't change"),
        (out, ["--teacher-steps", "1"], "--teacher-steps can't change"),
        (out / "2-steps", [], f"is one stage of a run: continue that with --resume --out {out}."),
    ):
        capsys.readouterr()
        assert main(["distill", "--resume", "--out", str(place), *flags]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
    assert found() == before


def test_a_teacher_is_not_replaced_by_its_student(teacher, data, tmp_path, capsys):
    shutil.copytree(teacher, tmp_path / "model")
    assert main(words(tmp_path / "model", data, tmp_path, method="consistency", teacher_steps=2)) == 2
    assert "holds a model, which this run would replace" in capsys.readouterr().err
    assert load(tmp_path / "model", device="cpu", engine="torch").student is None


def test_a_later_stage_that_could_not_be_written_is_refused_before_the_first(teacher, data, tmp_path, capsys):
    mine = tmp_path / "run" / "1-steps" / "model" / "precious.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("keep")
    assert main(words(teacher, data, tmp_path / "run", teacher_steps=4)) == 2
    assert "it holds precious.txt" in capsys.readouterr().err
    assert not (tmp_path / "run" / "2-steps").exists()
