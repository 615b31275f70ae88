"""What a run promises: no noise at the end, noise by seed and stream, lazy steps, dtypes, refusals."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
import torch
from toy import AB, LINEAR, SHAPE, X_T, assert_chain, blur_model, run, toy_model, z

import ddpm_core
from ddpm_core import Model, NoiseSchedule, sample, side_by_side, trajectory
from ddpm_core.analytic import estimate_gamma
from ddpm_core.imaging import to_uint8
from ddpm_core.names import SAMPLERS
from ddpm_core.noise import gaussian
from ddpm_core.prediction import predict
from ddpm_core.runs import Condition, Lane, follow, make_chain
from ddpm_core.samplers import Step, StepSampler

ZERO_SNR = NoiseSchedule.from_config({"num_train_timesteps": 10, "rescale_betas_zero_snr": True})

# Clipping


@pytest.mark.parametrize("own", [True, False])
def test_without_clip_the_checkpoint_decides(own):
    model = toy_model(clip=own)
    by_clip = {clip: run(model, 8, clip=clip)[-1].x for clip in (None, True, False)}
    assert torch.equal(by_clip[None], by_clip[own]) and not torch.equal(by_clip[None], by_clip[not own])
    *_, (_, last) = side_by_side(model, (0, 1), [{"steps": 8}], x_T=X_T)
    assert torch.equal(last.x, run(model, 8, noise=None, clip=own)[-1].x)


def test_zero_terminal_snr_runs_with_v_prediction():
    model = Model(network=lambda x, t_index, labels: 0.5 * x, schedule=ZERO_SNR, image_size=4, prediction="v")
    for options in ({"variance": "beta"}, {"variance": "beta_tilde"}, {"sampler": "ddim", "eta": 0.5}):
        steps = run(model, 10, **options)
        assert all(torch.isfinite(step.x).all() for step in steps)
        assert torch.equal(steps[0].x0_hat, (-0.5 * X_T).clamp(-1, 1))


@pytest.mark.parametrize("prediction", ["v", "x0"])
def test_where_next_to_nothing_is_left_at_T_there_are_numbers_all_the_same(prediction):
    schedule = NoiseSchedule.from_betas([0.5] * 1000 + [1.0])  # ᾱ_1000 = 1e-301
    gamma = torch.ones(1002, dtype=torch.float64)
    model = Model(
        network=lambda x, t_index, labels: 0.5 * x, schedule=schedule, image_size=4, prediction=prediction, gamma=gamma
    )
    for options in ({"variance": "beta"}, {"variance": "analytic"}, {"sampler": "ddim", "eta": 0.5}):
        assert all(torch.isfinite(step.x).all() for step in run(model, 300, **options))


# Seeds and noise


@pytest.mark.parametrize("options", [{"variance": "beta"}, {"variance": "beta_tilde"}, {"sampler": "ddim", "eta": 0.8}])
def test_x_T_is_stream_0_and_step_i_is_stream_i_plus_1(options):
    seeds, pairs = (5, 2**63 - 1), oracle.pairs(1000, 12)

    def streams(index):
        return np.stack([gaussian(seed, index, SHAPE[1:]).numpy().astype(np.float64) for seed in seeds])

    def noise(index, x):
        return streams(index + 1)

    if "sampler" in options:
        expected = oracle.ddim(AB, oracle.toy_eps, streams(0), pairs, options["eta"], noise, True)
    else:
        expected = oracle.ddpm(AB, oracle.toy_eps, streams(0), pairs, options["variance"], noise, True)
    expected = list(expected)
    assert_chain(run(toy_model(), 12, seeds, None, None, **options), expected, pairs, tolerance=1e-4)  # in float32
    assert_chain(run(toy_model(), 12, seeds, torch.from_numpy(streams(0)), None, **options), expected, pairs)


@pytest.mark.parametrize(
    "options", [{}, {"sampler": "ddim", "eta": 1.0}, *({"sampler": name} for name in ("ddim", "dpm++", "unipc"))]
)
def test_an_image_depends_on_its_seed_alone(options):
    """Alone, in a batch of 16, in any order, beside a copy of itself: the same bits at every step."""
    seeds = list(range(40, 56))
    batch = list(trajectory(blur_model(), seeds, 15, **options))
    shuffled = [55, 42, 40, 42, 51]
    for step, again in zip(batch, trajectory(blur_model(), shuffled, 15, **options), strict=True):
        for image, seed in zip(again.x, shuffled, strict=True):
            assert torch.equal(image, step.x[seeds.index(seed)])
    for step, alone in zip(batch, trajectory(blur_model(), [42], 15, **options), strict=True):
        assert torch.equal(alone.x[0], step.x[2]) and torch.equal(alone.x0_hat[0], step.x0_hat[2])
    assert np.array_equal(sample(blur_model(), [42], 15, **options)[0], sample(blur_model(), seeds, 15, **options)[2])


@pytest.mark.parametrize("options", [{}, {"sampler": "ddim", "eta": 0.5}, {"sampler": "unipc"}])
def test_x_T_and_noise_stand_for_the_seeds(options):
    with_seeds = run(toy_model(num_classes=2), 5, labels=[0, 1], **options)
    without = trajectory(toy_model(num_classes=2), steps=5, x_T=X_T, noise=z, labels=[0, 1], **options)
    for step, other in zip(with_seeds, without, strict=True):
        assert torch.equal(step.x, other.x)


def test_x_T_is_left_as_it_was():
    x_T = X_T.clone()
    run(toy_model(), 5, x_T=x_T)
    assert torch.equal(x_T, X_T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"sampler": "ddim", "eta": 0.5}, {"clip": False}])
def test_the_state_keeps_the_dtype_of_x_T_and_the_network_sees_it(dtype, options):
    seen = set()

    def network(x, t_index, labels):
        seen.add(x.dtype)
        return 0.9 * x

    for step in run(
        Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"),
        5,
        x_T=X_T.to(dtype),
        noise=None,
        **options,
    ):
        assert step.x.dtype == step.x0_hat.dtype == dtype
    assert seen == {dtype}


class Reached(Exception):
    pass


class Elsewhere(torch.nn.Module):
    """A plain module on another device than the CPU; it needs its inputs there, and says when it has them."""

    def __init__(self, parts):
        super().__init__()
        if parts == "parameters":
            self.weight = torch.nn.Parameter(torch.ones(1, device="meta"))
        else:
            self.register_buffer("scale", torch.ones(1, device="meta"))

    def forward(self, x, t_index, labels):
        assert {part.device.type for part in (x, t_index, labels)} == {"meta"}
        raise Reached


@pytest.mark.parametrize("parts", ["parameters", "buffers"])
@pytest.mark.parametrize("method", [False, True])
def test_a_plain_module_gets_its_inputs_where_its_parameters_are(parts, method):
    module, images = Elsewhere(parts), np.zeros((2, 4, 4, 3), np.uint8)
    model = Model(
        network=module.forward if method else module,
        schedule=LINEAR,
        image_size=4,
        prediction="epsilon",
        num_classes=2,
        null_label=2,
    )
    for compute in (
        lambda: next(trajectory(model, [0, 1], 5, labels=[0, 1])),
        lambda: next(trajectory(model, [0, 1], 5, labels=1, guidance=2.0, sampler="ddim")),
        lambda: next(side_by_side(model, [0, 1], [{}, {"steps": 3}], x_T=X_T)),
        lambda: ddpm_core.bits_per_dim(model, images, steps=2),
        lambda: estimate_gamma(model, images),
        lambda: predict(model, X_T, 5, torch.tensor([0, 1])),
    ):
        with pytest.raises(Reached):
            compute()


# Trajectory and sample


def test_steps_are_computed_as_they_are_asked_for():
    calls = []

    def network(x, t_index, labels):
        calls.append(t_index.tolist())
        return x

    steps = trajectory(Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"), [0, 1], 1000)
    assert calls == []
    next(steps)
    assert calls == [[999, 999]]
    next(steps), next(steps)
    assert len(calls) == 3


@pytest.mark.parametrize("options", [{}, {"sampler": "ddim", "eta": 0.5}, *({"sampler": s} for s in SAMPLERS[2:])])
def test_what_is_given_is_the_callers(options):
    """Changing a step in place changes neither the run, nor one beside it, nor what was given before; nor does changing
    x_T after the call, or the state that one's own noise is told.
    """

    def noise(index, x):
        return x.copy_(z(index))

    x_T, lanes = X_T.clone(), [{"steps": 5, **options}, {"steps": 3, "variance": "beta"}]
    expected = run(toy_model(), 5, **options)
    steps = trajectory(toy_model(), [0, 1], 5, x_T=x_T, noise=noise, **options)
    x_T.zero_()
    for step, other in zip(steps, expected, strict=True):
        assert torch.equal(step.x, other.x) and torch.equal(step.x0_hat, other.x0_hat)
        step.x.zero_(), step.x0_hat.zero_()
    expected = [step.x for _, step in side_by_side(toy_model(), [0, 1], lanes)]
    for (_, step), x in zip(side_by_side(toy_model(), [0, 1], lanes), expected, strict=True):
        assert torch.equal(step.x, x)
        step.x.zero_(), step.x0_hat.zero_()


@pytest.mark.parametrize("seeds", [np.arange(2), (seed for seed in (0, 1)), torch.tensor([0, 1])], ids=type)
def test_seeds_are_anything_that_holds_whole_numbers(seeds):
    assert np.array_equal(sample(blur_model(), seeds, 3), sample(blur_model(), [0, 1], 3))
    assert np.array_equal(sample(blur_model(), np.array([0]), 3), sample(blur_model(), [0], 3))


def test_sample_is_the_end_of_the_trajectory_in_uint8():
    options = dict(steps=8, sampler="ddim", eta=0.3, spacing="quadratic", clip=False)
    images = sample(blur_model(), range(3), **options)
    *_, last = trajectory(blur_model(), range(3), **options)
    assert images.dtype == np.uint8 and images.shape == (3, 4, 4, 3)
    assert np.array_equal(images, to_uint8(last.x))


def test_the_defaults():
    """50 linspace steps of DDPM with the checkpoint's own variance, clipped."""
    for variance in ("beta", "beta_tilde"):
        model = toy_model(variance=variance)
        plain = list(trajectory(model, [1]))
        spelt = trajectory(model, [1], 50, "ddpm", variance, "linspace", 0.0, True, None, None, None, None)
        assert len(plain) == 50
        assert all(torch.equal(a.x, b.x) and a.sigma == b.sigma for a, b in zip(plain, spelt, strict=True))


def test_where_no_noise_is_added_none_is_drawn():
    """At the end, and by DDIM at η = 0."""
    drawn = []
    run(toy_model(), 6, noise=lambda index, x: drawn.append(index) or z(index))
    assert drawn == list(range(5))
    run(toy_model(), 5, sampler="ddim", noise=pytest.fail)


# Refusals, all at the call, before the network is asked anything


def refused(match, model=None, seeds=(0, 1), steps=5, **options):
    return match, model or toy_model(), seeds, steps, options


CONDITIONAL = toy_model(num_classes=3, null_label=3)
STRICT = toy_model(num_classes=3)  # without a null label
REFUSED = {
    "no steps": refused("1000", steps=0),
    "too many steps": refused("1000", steps=1001),
    "unknown sampler": refused("ddpm.*ddim", sampler="plms"),
    "unknown variance": refused("beta_tilde", variance="fixed_small"),
    "unknown spacing": refused("quadratic", spacing="even"),
    "no seeds": refused("seed", seeds=()),
    "one number for seeds": refused("list, one for each image.*got 13", seeds=13),
    "an array of seeds with shape": refused("seed", seeds=np.zeros((2, 2), int)),
    "negative seed": refused("63", seeds=(0, -1)),
    "seed too large": refused("63", seeds=(2**63, 0)),
    "eta above 1": refused("eta", sampler="ddim", eta=1.1),
    "epsilon where x_T is noise alone": refused("pure noise", toy_model(schedule=ZERO_SNR)),
    "variance of another sampler": refused(
        "variance .* 'ddpm' and 'langevin', .* 'ddim'", sampler="ddim", variance="beta"
    ),
    "eta of another sampler": refused("eta .* 'ddim', .* 'ddpm'", eta=0.5),
    "eta NaN": refused("eta", sampler="ddim", eta=float("nan")),
    "eta above 1 where it is not heeded": refused("eta", eta=2),
    "learned without a network for it": refused("learned", variance="learned"),
    "learned on a strided chain": refused("1000", toy_model(variance="learned")),
    "analytic without gamma": refused("analytic", variance="analytic"),
    "x_T of another batch": refused("x_T", x_T=X_T[:1]),
    "x_T without channels": refused("x_T", x_T=X_T[:, 0]),
    "x_T of whole numbers": refused("x_T", x_T=X_T.long()),
    "labels for a model without classes": refused("class", labels=1),
    "guidance for a model without classes": refused("class", guidance=3.0),
    "class needed": refused("0 to 2", STRICT),
    "guidance without a null label": refused("null", STRICT, labels=1, guidance=3.0),
    "guidance without a class": refused("guidance", CONDITIONAL, guidance=3.0),
    "guidance not finite": refused("guidance", CONDITIONAL, labels=1, guidance=float("inf")),
    "guidance not finite in the state": refused("finite", CONDITIONAL, labels=1, guidance=1e39, x_T=X_T.float()),
    "guidance towards the null label": refused("class label", CONDITIONAL, labels=torch.tensor([3, 3]), guidance=3.0),
    "guidance of one image towards it": refused("class label", CONDITIONAL, labels=[0, None], guidance=0.0),
    "no seeds and no x_T": refused("seed", seeds=None, noise=z),
    "no seeds and no noise": refused("seed", seeds=None, x_T=X_T),
    "label too large": refused("0 to 2", CONDITIONAL, labels=4),
    "label negative": refused("0 to 2", CONDITIONAL, labels=[0, -1]),
    "null label of a model without": refused("0 to 2", STRICT, labels=3),
    "labels for another batch": refused("2", CONDITIONAL, labels=[0, 1, 2]),
    "the null label by its number": refused("0 to 2, or None for no class, got 3", CONDITIONAL, labels=3),
    "the same for one image": refused("None for no class, got 3", CONDITIONAL, labels=[0, 3]),
    "a name of no class": refused("no class 'cat': choose from 0 to 2", CONDITIONAL, labels="cat"),
    "no class where there is no null label": refused("needs a class label, 0 to 2", STRICT, labels=[1, None]),
    "labels from a generator": refused("got <generator", CONDITIONAL, labels=(label for label in (0, 1))),
    "prompts instead of labels": refused("no prompts: leave out the prompts, and give", CONDITIONAL, prompts="1"),
    "prompts for a model that takes nothing": refused("no prompts: leave out the prompts$", prompts="1"),
    "a mixture of classes": refused("names of classes, or None", CONDITIONAL, labels={"0": 1.0}),
    "one label not whole": refused("label", CONDITIONAL, labels=[1, 1.5]),
}


@pytest.mark.parametrize("match, model, seeds, steps, options", REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_one_sentence(match, model, seeds, steps, options):
    for call in (trajectory, sample):
        with pytest.raises(ValueError, match=match) as error:
            call(model, seeds, steps, **options)
        assert "\n" not in str(error.value) and len(str(error.value)) > 15


@pytest.mark.parametrize(
    "wrong", [{"sampler": "plms"}, {"eta": 2}, {"eta": float("nan")}, {"steps": 0}, {"variance": "learned"}], ids=str
)
def test_sigmas_and_lanes_refuse_what_a_run_refuses(wrong):
    for call in (
        lambda: make_chain(toy_model(), **wrong),
        lambda: side_by_side(toy_model(), [0], [{}, wrong]),
    ):
        with pytest.raises(ValueError, match=r"sampler|eta|steps|learned"):
            call()


def test_a_network_of_the_wrong_width_is_refused():
    for model in (
        Model(network=lambda x, t, labels: x[:, :2], schedule=LINEAR, image_size=4, prediction="epsilon"),
        Model(
            network=lambda x, t, labels: x,
            schedule=LINEAR,
            image_size=4,
            prediction="epsilon",
            variance="learned_range",
        ),
    ):
        with pytest.raises(ValueError, match="network"):
            next(trajectory(model, [0], 5))


# Side by side

LANES = [
    {"steps": 10, "variance": "beta"},
    {"steps": 10, "variance": "beta_tilde"},
    {"steps": 25, "sampler": "ddim", "eta": 0.5, "spacing": "quadratic"},
    {"steps": 7, "sampler": "dpm++", "spacing": "trailing"},
    {"steps": 10, "variance": "beta", "on_step": lambda step: 0.9 * step.x if step.index in (4, 9) else None},
]


@pytest.mark.parametrize("lanes", [LANES[:1], LANES[:2], LANES, [LANES[2], LANES[0]], LANES[::4]])
def test_lanes_side_by_side_are_the_runs_alone(lanes):
    model, shared = blur_model(), {"seeds": [3, 2**40]}
    got = list(side_by_side(model, lanes=lanes, **shared))
    for i, lane in enumerate(lanes):
        mine = [step for number, step in got if number == i]
        alone = list(trajectory(model, **shared, **lane))
        assert [(step.index, step.t, step.s, step.sigma) for step in mine] == [
            (step.index, step.t, step.s, step.sigma) for step in alone
        ]
        for step, other in zip(mine, alone, strict=True):
            assert torch.equal(step.x, other.x) and torch.equal(step.x0_hat, other.x0_hat)
    times = [step.t for _, step in got]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(("steps", "batches"), [((10, 10), [2] * 10), ((4, 2), [2, 2, 2, 4]), ((1, 3), [2, 2, 2])])
def test_lanes_at_the_same_t_share_one_evaluation(steps, batches):
    """linspace over T = 10: 4 steps visit 10, 7, 4, 1, and 2 steps 10 and 1. Equal states are evaluated once."""
    seen = []

    def network(x, t_index, labels):
        seen.append(len(x))
        return 0.3 * x

    model = Model(network=network, schedule=NoiseSchedule.linear(10), image_size=4, prediction="epsilon")
    list(side_by_side(model, [0, 1], [{"steps": n} for n in steps]))
    assert seen == batches


def test_labels_and_guidance_hold_for_every_lane_that_has_none_of_its_own():
    model = toy_model(num_classes=3, null_label=3)
    shared = {"seeds": [1, 2], "labels": [0, 2], "guidance": 2.0}
    lanes = [{"steps": 4, "variance": "beta"}, {"steps": 4, "variance": "beta_tilde"}, {"steps": 4, "guidance": 1.0}]
    last = {lane: step.x for lane, step in side_by_side(model, lanes=lanes, **shared)}
    for i, lane in enumerate(lanes):
        *_, alone = trajectory(model, **{**shared, **lane})
        assert torch.equal(last[i], alone.x)


def test_each_lane_goes_on_behind_a_state_of_its_own():
    model, way = toy_model(), {"seeds": [3, 4], "steps": 6}
    whole = list(trajectory(model, **way))
    other = whole[2].x + 1
    lanes = [{"steps": 6, "after": whole[1]}, {"steps": 6, "after": (whole[2].s, other)}]
    got = list(side_by_side(model, way["seeds"], lanes))
    assert [(lane, step.index) for lane, step in got] == [(0, 2), (0, 3), (1, 3), (0, 4), (1, 4), (0, 5), (1, 5)]
    changed = list(trajectory(model, **way, after=(whole[2].s, other)))
    for lane, step in got:
        assert torch.equal(step.x, whole[step.index].x if lane == 0 else changed[step.index - 3].x)
    for wrong in ({"after": whole[1], "sampler": "unipc"}, {"after": 5}, {"after": whole[-1]}):
        with pytest.raises(ValueError, match=r"remembers|after must be a step|no step"):
            side_by_side(model, way["seeds"], [{"steps": 6}, {"steps": 6} | wrong])


def test_lanes_of_two_networks_are_the_runs_alone_and_are_evaluated_apart():
    """Each with its own labels: two checkpoints may number the same classes differently."""
    seen = []

    def other_network(x, t_index, labels):
        seen.append((len(x), labels.tolist()))
        return 0.5 * x + 0.1 * labels.reshape(-1, 1, 1, 1)

    other = Model(
        network=other_network, schedule=NoiseSchedule.linear(), image_size=4, prediction="epsilon", num_classes=3
    )
    model, shared = blur_model(), {"seeds": [3, 4]}
    lanes = [{"steps": 5}, {"steps": 5, "sampler": "ddim"}, {"steps": 5, "model": other, "labels": 2}]
    got = list(side_by_side(model, lanes=lanes, **shared))
    assert seen == [(2, [2, 2])] * 5
    ways = [(model, lanes[0]), (model, lanes[1]), (other, {"steps": 5, "labels": 2})]
    for i, (which, lane) in enumerate(ways):
        mine = [step for number, step in got if number == i]
        for step, alone in zip(mine, trajectory(which, **shared, **lane), strict=True):
            assert torch.equal(step.x, alone.x)


def test_lanes_of_models_with_other_images_are_refused():
    small = Model(network=lambda x, t, labels: x, schedule=LINEAR, image_size=8, prediction="epsilon", channels=1)
    with pytest.raises(
        ValueError,
        match=r"the same size and number of channels: the model makes 4×4 pixels in 3 channels, .* in 1 channel$",
    ):
        side_by_side(blur_model(), [0], [{}, {"model": small}])


def _own_model() -> ddpm_core.Model:
    schedule = ddpm_core.NoiseSchedule.linear(50)
    return ddpm_core.Model(
        schedule=schedule, image_size=4, channels=1, prediction="epsilon", clip=True, network=lambda x, t, _: 0.1 * x
    )


def test_a_step_that_evaluates_its_state_at_another_time_gets_what_the_network_says_there():
    def twice(predict, schedule, pairs, x, *, noise):
        for k, (t, s) in enumerate(pairs):
            first, second = predict(x, t), predict(x, max(1, t // 2))
            assert second.x0.equal(ddpm_core.predict(_own_model(), x, max(1, t // 2)).x0)
            x = second.x0
            yield Step(k, t, s, x, first.x0_hat, 0.0)

    assert len(list(ddpm_core.trajectory(_own_model(), [1], 3, sampler=twice))) == 3


def test_a_sampler_that_computes_in_place_changes_no_other_lane():
    class InPlace(StepSampler):
        def start(self, schedule, pairs):
            return lambda found, k, t, s, x, noise: (found.x0.mul_(0.5).clone(), 0.0)

    lanes = [{"steps": 3, "sampler": InPlace()}, {"steps": 3, "sampler": "ddim"}]
    beside = [step.x for lane, step in ddpm_core.side_by_side(_own_model(), [1], lanes) if lane == 1]
    assert beside[-1].equal([*ddpm_core.trajectory(_own_model(), [1], 3, "ddim")][-1].x)


MADE = {
    "ddpm": ({}, {}, 1),
    "guidance": ({"sampler": "ddim"}, {"labels": [0, 2], "guidance": 2.0}, 2),
    "guidance of 1": ({}, {"labels": 1, "guidance": 1.0}, 1),
    "corrections": ({"sampler": "langevin", "corrections": 2}, {"labels": "b", "guidance": 3.0}, 6),
    "no corrections": ({"sampler": "langevin", "corrections": 0}, {}, 1),
    "a function": ({"sampler": lambda predict, schedule, pairs, x, *, noise: iter(())}, {}, None),
}


@pytest.mark.parametrize("own, condition, evaluations", MADE.values(), ids=MADE)
def test_a_chain_is_made_once_from_the_specification_alone_and_tells_its_cost(own, condition, evaluations):
    seen = []

    def network(x, t_index, labels):
        seen.append(len(x))
        return 0.3 * x

    model = toy_model(num_classes=3, null_label=3, class_names=("a", "b", "c"))
    model = replace(model, network=network)
    chain = make_chain(model.spec, 4, condition=Condition(**condition), n=2, **own)
    assert chain.evaluations == evaluations
    if evaluations is not None:
        steps = [step for _, step in follow([Lane(model, chain)], [1, 2])]
        assert sum(seen) == 2 * len(chain.pairs) * evaluations
        expected = list(trajectory(model, [1, 2], 4, **own, **condition))
        assert all(torch.equal(a.x, b.x) for a, b in zip(steps, expected, strict=True))


NO_SUCH = {
    "class": ({"labels": 3}, "labels go from 0 to 2"),
    "class of one image": ({"labels": [0, "d"]}, "there is no class 'd'"),
    "number of labels": ({"labels": [0, 1, 2]}, "2 images, 3 labels"),
    "prompt": ({"prompts": "a"}, "takes no prompts"),
    "negative prompt": ({"negative": "a"}, "takes no prompts"),
    "guidance": ({"labels": 1, "guidance": float("nan")}, "guidance must be a finite number"),
    "guidance without a class": ({"guidance": 2.0}, "guidance needs a class label"),
}


@pytest.mark.parametrize("condition, match", NO_SUCH.values(), ids=NO_SUCH)
def test_a_chain_is_not_made_for_a_condition_that_the_model_does_not_have(condition, match):
    model = toy_model(num_classes=3, null_label=3).spec
    with pytest.raises(ValueError, match=match):
        make_chain(model, 4, condition=Condition(**condition), n=2)


def test_a_chain_is_not_made_for_a_state_of_other_images():
    for x_T in (X_T[:, :1], X_T[:1], X_T.long()):
        with pytest.raises(ValueError, match=r"x_T must be .* \(2, 3, 4, 4\)"):
            make_chain(toy_model().spec, 4, n=2, x_T=x_T)
