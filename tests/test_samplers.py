"""DDPM and DDIM against the oracle and diffusers step by step; seeds, noise, labels, guidance and refusals."""

import numpy as np
import oracle
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from ddpm_core import Model, NoiseSchedule, sample, trajectory
from ddpm_core.imaging import to_uint8
from ddpm_core.noise import gaussian
from ddpm_core.process import PREDICTIONS
from ddpm_core.timesteps import SPACINGS, timestep_pairs

LINEAR = NoiseSchedule.linear()
AB = oracle.alpha_bar(oracle.linear_betas())
SHAPE = (2, 3, 4, 4)
X_T = 1.3 * gaussian(0, 0, SHAPE).double()


def z(index, x=X_T):
    """The injected noise of a step, which diffusers draws as well when its generator has this seed."""
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(index), dtype=x.dtype)


def numpy_z(index, x):
    return z(index).numpy()


def learned_range_v(x, t):
    """The second half of a toy network with learned_range: from log beta_tilde at -1 to log beta at 1."""
    return np.cos(x + t)


def learned_v(x, t):
    """The second half of a toy network with learned: a log-variance near log beta_t."""
    return np.log(1 - AB[t] / AB[t - 1]) + np.cos(x + t)


SECOND_HALF = {"learned": learned_v, "learned_range": learned_range_v}


def toy_model(prediction="epsilon", variance="beta", schedule=LINEAR, **fields):
    """oracle.toy_eps as a ddpm_core Model of 3 x 4 x 4 images; labels, where given, shift eps by .3 each."""
    ab = schedule.alpha_bar.numpy()

    def network(x, t_index, labels):
        assert t_index.dtype == torch.int64 and t_index.shape == (len(x),)
        (t,) = set((t_index + 1).tolist())
        eps = oracle.toy_eps(x.numpy(), t)
        if labels is not None:
            assert labels.dtype == torch.int64
            eps = eps + 0.3 * labels.numpy().reshape(-1, 1, 1, 1)
        output = oracle.output_of(ab, prediction, eps, x.numpy(), t)
        if variance in SECOND_HALF:
            output = np.concatenate([output, SECOND_HALF[variance](x.numpy(), t)], axis=1)
        return torch.from_numpy(output).to(x.dtype)

    return Model(network, schedule, 4, prediction=prediction, variance=variance, **fields)


def blur_model():
    """A network of additions and multiplications only: its float32 result for an image is the same in any batch."""

    def network(x, t_index, labels):
        return 0.7 * x + 0.2 * x.roll(1, -1) * x + 0.001 * t_index.reshape(-1, 1, 1, 1)

    return Model(network, LINEAR, 4)


def run(model, steps, seeds=(0, 1), x_T=X_T, noise=z, **options):
    return list(trajectory(model, seeds, steps, x_T=x_T, noise=noise, **options))


def assert_chain(ours, theirs, pairs, tolerance=1e-10):
    """Step by step the same x, x0_hat and sigma."""
    theirs = list(theirs)
    assert [(step.index, step.t, step.s) for step in ours] == [(i, t, s) for i, (t, s) in enumerate(pairs)]
    assert len(theirs) == len(ours)
    for step, expected in zip(ours, theirs, strict=True):
        for name, a, b in zip(("x", "x0_hat", "sigma"), (step.x, step.x0_hat, step.sigma), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"{name} at t = {step.t}")


# Against the oracle


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("steps", [1000, 50, 7, 1])
def test_ddpm_is_the_oracles_chain(steps, variance, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, variance, numpy_z, clip)
    assert_chain(run(toy_model(), steps, variance=variance, clip=clip), expected, pairs)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1000, 50, 7, 1])
def test_ddim_is_the_oracles_chain(steps, eta, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddim(AB, oracle.toy_eps, X_T.numpy(), pairs, eta, numpy_z, clip)
    assert_chain(run(toy_model(), steps, sampler="ddim", eta=eta, clip=clip), expected, pairs)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_every_spacing_is_the_oracles_chain(sampler, spacing):
    pairs = oracle.pairs(1000, 20, spacing)
    chain = {
        "ddpm": oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, "beta", numpy_z, True),
        "ddim": oracle.ddim(AB, oracle.toy_eps, X_T.numpy(), pairs, 0.7, numpy_z, True),
    }[sampler]
    assert_chain(run(toy_model(), 20, sampler=sampler, spacing=spacing, variance="beta", eta=0.7), chain, pairs)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("kind, steps", [("learned", 1000), ("learned_range", 1000), ("learned_range", 50)])
def test_learned_variances_are_the_oracles_chain(kind, steps, clip):
    pairs = oracle.pairs(1000, steps)
    expected = oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, kind, numpy_z, clip, SECOND_HALF[kind])
    assert_chain(run(toy_model(variance=kind), steps, clip=clip), expected, pairs)


def test_a_network_with_learned_variance_also_takes_a_fixed_one_and_ddim():
    model = toy_model(variance="learned")
    for options in ({"variance": "beta_tilde"}, {"sampler": "ddim"}):
        ours, fixed = (run(m, 7, **options) for m in (model, toy_model(variance="beta_tilde")))
        assert all(torch.equal(a.x, b.x) for a, b in zip(ours, fixed, strict=True))


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [1000, 50, 7])
@pytest.mark.parametrize("prediction", ["x0", "v", "mu"])
def test_the_same_eps_in_another_prediction_is_the_same_chain(prediction, steps, sampler):
    """mu carries x_0 with a factor of 1e-4 near T, which costs four digits."""
    clip = prediction != "mu"
    ours, by_eps = (
        run(toy_model(p), steps, sampler=sampler, eta=0.5, variance="beta_tilde", clip=clip)
        for p in (prediction, "epsilon")
    )
    for a, b in zip(ours, by_eps, strict=True):
        torch.testing.assert_close(a.x0_hat, b.x0_hat, rtol=0, atol=1e-8 if prediction == "mu" else 1e-10)
        torch.testing.assert_close(a.x, b.x, rtol=0, atol=1e-8 if prediction == "mu" else 1e-10)


@pytest.mark.parametrize("steps", [1000, 7])
def test_the_mean_of_a_mu_prediction_is_never_clipped(steps):
    """The paper's own: only the picture of x_0 shown along the way is."""
    clipped, free = (run(toy_model("mu"), steps, clip=clip) for clip in (True, False))
    for a, b in zip(clipped, free, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.x0_hat, b.x0_hat.clamp(-1, 1))
    assert max(step.x0_hat.abs().max() for step in free) > 1


def test_the_mean_of_a_full_chain_is_the_mu_the_network_gave():
    model, steps = toy_model("mu"), run(toy_model("mu"), 1000, noise=lambda i, x: 0 * x)
    x = X_T
    for step in steps:
        mu = model.network(x, torch.full((2,), step.t - 1), None)
        torch.testing.assert_close(step.x, mu, rtol=0, atol=1e-9)
        x = step.x


# Against diffusers, its float32 tables replaced by float64 ones


def float64_scheduler(kind, **config):
    scheduler = kind(timestep_spacing=config.pop("spacing", "linspace"), **config)
    betas = torch.from_numpy(oracle.linear_betas())
    one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.betas, scheduler.alphas, scheduler.alphas_cumprod = betas, 1 - betas, torch.cumprod(1 - betas, 0)
    scheduler.one = scheduler.final_alpha_cumprod = one
    return scheduler


def diffusers_chain(scheduler, network, **options):
    """(x, x0_hat) per step."""
    x = X_T
    for i, t in enumerate(scheduler.timesteps.tolist()):
        generator = torch.Generator().manual_seed(i)
        output = network(x, torch.full((len(x),), t), None)
        x, x0_hat = scheduler.step(output, t, x, generator=generator, return_dict=False, **options)
        yield x, x0_hat


def assert_same_as_diffusers(ours, theirs, tolerance=1e-10):
    for step, (x, x0_hat) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(step.x0_hat, x0_hat, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(step.x, x, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("steps, spacing", [(1000, "linspace"), (50, "linspace"), (7, "linspace"), (50, "leading")])
@pytest.mark.parametrize("variance, theirs", [("beta", "fixed_large"), ("beta_tilde", "fixed_small")])
def test_ddpm_is_diffusers_chain(variance, theirs, steps, spacing, clip):
    scheduler = float64_scheduler(DDPMScheduler, spacing=spacing, variance_type=theirs, clip_sample=clip)
    scheduler.set_timesteps(steps)
    model = toy_model()
    ours = run(model, steps, variance=variance, spacing=spacing, clip=clip)
    assert_same_as_diffusers(ours, diffusers_chain(scheduler, model.network))


def test_trailing_beta_is_diffusers_chain_but_for_the_noise_it_leaves():
    scheduler = float64_scheduler(DDPMScheduler, spacing="trailing", variance_type="fixed_large")
    scheduler.set_timesteps(10)
    model = toy_model()
    ours = run(model, 10, variance="beta", spacing="trailing")
    theirs = list(diffusers_chain(scheduler, model.network))
    assert_same_as_diffusers(ours[:-1], theirs[:-1])
    (x, x0_hat), last = theirs[-1], ours[-1]
    torch.testing.assert_close(last.x0_hat, x0_hat, rtol=0, atol=1e-10)
    torch.testing.assert_close(last.x + (1 - LINEAR.alpha_bar[100]).sqrt() * z(9), x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("prediction, theirs", [("x0", "sample"), ("v", "v_prediction")])
@pytest.mark.parametrize("clip", [True, False])
def test_other_predictions_are_diffusers_chains(prediction, theirs, clip):
    scheduler = float64_scheduler(DDPMScheduler, prediction_type=theirs, clip_sample=clip)
    scheduler.set_timesteps(50)
    model = toy_model(prediction)
    ours = run(model, 50, variance="beta_tilde", clip=clip)
    assert_same_as_diffusers(ours, diffusers_chain(scheduler, model.network))


def test_learned_range_is_diffusers_chain():
    scheduler = float64_scheduler(DDPMScheduler, variance_type="learned_range")
    scheduler.set_timesteps(50)
    model = toy_model(variance="learned_range")
    assert_same_as_diffusers(run(model, 50), diffusers_chain(scheduler, model.network))


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps, spacing", [(1000, "linspace"), (50, "leading"), (7, "leading"), (50, "trailing")])
def test_ddim_is_diffusers_chain_where_its_stride_is_the_next_step(steps, spacing, eta, clip):
    scheduler = float64_scheduler(DDIMScheduler, spacing=spacing, clip_sample=clip)
    scheduler.set_timesteps(steps)
    model = toy_model()
    ours = run(model, steps, sampler="ddim", spacing=spacing, eta=eta, clip=clip)
    theirs = diffusers_chain(scheduler, model.network, eta=eta, use_clipped_model_output=True)
    assert_same_as_diffusers(ours, theirs)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_is_diffusers_step_on_the_matching_pairs_of_linspace(eta):
    """30 of the 49 inner pairs of 50 linspace steps have diffusers' stride of 20; so, in effect, has the last one."""
    scheduler = float64_scheduler(DDIMScheduler)
    scheduler.set_timesteps(50)
    model, x, compared = toy_model(), X_T, 0
    for step in run(model, 50, sampler="ddim", eta=eta):
        if step.t - step.s == 20 or step.s == 0:
            output = model.network(x, torch.full((2,), step.t - 1), None)
            options = dict(eta=eta, use_clipped_model_output=True, generator=torch.Generator().manual_seed(step.index))
            expected, x0_hat = scheduler.step(output, step.t - 1, x, return_dict=False, **options)
            torch.testing.assert_close((step.x, step.x0_hat), (expected, x0_hat), rtol=1e-10, atol=1e-10)
            compared += 1
        x = step.x
    assert compared == 31


# The end of a chain


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_the_last_step_adds_no_noise(spacing, steps):
    """x_0 is the last x0_hat itself, and sigma says 0: the mean of Eq. 7 at s = 0."""
    options = [dict(variance=v) for v in ("beta", "beta_tilde")] + [dict(sampler="ddim", eta=eta) for eta in (0.0, 1.0)]
    for model, option in [*((toy_model(), option) for option in options), (toy_model(variance="learned_range"), {})]:
        *_, last = run(model, steps, spacing=spacing, **option)
        assert last.s == 0 and last.sigma == 0
        torch.testing.assert_close(last.x, last.x0_hat, rtol=1e-12, atol=1e-12)


def test_the_last_noise_of_a_learned_full_chain_is_left_out_too():
    *_, last = run(toy_model(variance="learned"), 1000)
    assert last.sigma == 0
    torch.testing.assert_close(last.x, last.x0_hat, rtol=1e-12, atol=1e-12)


def test_sigma_is_the_deviation_of_the_noise():
    """Twice the noise of one step moves that step's x by sigma times the noise."""
    for variance in ("beta", "beta_tilde"):
        once, twice = (run(toy_model(), 10, variance=variance, noise=lambda i, x, f=f: f * z(i))[0] for f in (1, 2))
        torch.testing.assert_close(twice.x - once.x, once.sigma * z(0), rtol=0, atol=1e-12)
        assert isinstance(once.sigma, float)


# Clipping


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_clip_keeps_x0_hat_in_range_and_without_it_x0_hat_leaves(sampler):
    clipped, free = (run(toy_model(), 20, sampler=sampler, clip=clip) for clip in (True, False))
    assert max(step.x0_hat.abs().max() for step in clipped) == 1
    assert max(step.x0_hat.abs().max() for step in free) > 2


def test_zero_terminal_snr_runs_with_v_prediction():
    schedule = NoiseSchedule.from_config({"num_train_timesteps": 10, "rescale_betas_zero_snr": True})
    model = Model(lambda x, t_index, labels: 0.5 * x, schedule, 4, prediction="v")
    for options in ({"variance": "beta"}, {"variance": "beta_tilde"}, {"sampler": "ddim", "eta": 0.5}):
        steps = run(model, 10, **options)
        assert all(torch.isfinite(step.x).all() for step in steps)
        assert torch.equal(steps[0].x0_hat, (-0.5 * X_T).clamp(-1, 1))


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


@pytest.mark.parametrize("options", [{}, {"sampler": "ddim", "eta": 1.0}, {"sampler": "ddim"}])
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


def test_the_same_run_twice_is_the_same_and_another_seed_is_not():
    one, again, other = (sample(blur_model(), [seed], 10) for seed in (7, 7, 8))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_giving_x_T_shifts_no_noise(sampler):
    seeds = [3, 4]
    seeded = torch.stack([gaussian(seed, 0, SHAPE[1:]) for seed in seeds])
    options = dict(seeds=seeds, noise=None, sampler=sampler, eta=1.0)
    for a, b in zip(
        run(blur_model(), 9, x_T=seeded, **options), run(blur_model(), 9, x_T=None, **options), strict=True
    ):
        assert torch.equal(a.x, b.x)


def test_x_T_is_left_as_it_was():
    x_T = X_T.clone()
    run(toy_model(), 5, x_T=x_T)
    assert torch.equal(x_T, X_T)


def test_both_variances_meet_the_same_noise():
    by_variance = [run(blur_model(), 10, variance=v, noise=None, clip=False)[0] for v in ("beta", "beta_tilde")]
    mean = [step.x - step.sigma * torch.stack([gaussian(s, 1, SHAPE[1:]) for s in (0, 1)]) for step in by_variance]
    torch.testing.assert_close(mean[0], mean[1], rtol=0, atol=1e-5)


def test_injected_noise_gets_the_index_and_the_state():
    seen = []

    def noise(index, x):
        seen.append((index, x))
        return torch.zeros_like(x)

    steps = run(toy_model(), 6, noise=noise)
    assert [index for index, _ in seen] == list(range(5))  # none in the last step
    assert all(torch.is_tensor(x) and x.shape == SHAPE and x.dtype == torch.float64 for _, x in seen)
    assert len(steps) == 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"sampler": "ddim", "eta": 0.5}, {"clip": False}])
def test_the_state_keeps_the_dtype_of_x_T_and_the_network_sees_it(dtype, options):
    seen = set()

    def network(x, t_index, labels):
        seen.add(x.dtype)
        return 0.9 * x

    for step in run(Model(network, LINEAR, 4), 5, x_T=X_T.to(dtype), noise=None, **options):
        assert step.x.dtype == step.x0_hat.dtype == dtype
    assert seen == {dtype}


def test_float32_unless_x_T_says_otherwise():
    assert next(trajectory(blur_model(), [0], 5)).x.dtype == torch.float32


# Trajectory and sample


def test_steps_are_computed_as_they_are_asked_for():
    calls = []

    def network(x, t_index, labels):
        calls.append(t_index.tolist())
        return x

    steps = trajectory(Model(network, LINEAR, 4), [0, 1], 1000)
    assert calls == []
    next(steps)
    assert calls == [[999, 999]]
    next(steps), next(steps)
    assert len(calls) == 3


def test_the_network_is_told_t_minus_1():
    times = []

    def network(x, t_index, labels):
        assert labels is None
        times.append(int(t_index[0]))
        return x

    run(Model(network, LINEAR, 4), 10)
    assert times == [t - 1 for t, _ in timestep_pairs(1000, 10, "linspace")]


def test_steps_already_given_are_not_changed_later():
    steps = trajectory(toy_model(), [0, 1], 5, x_T=X_T)
    first = next(steps)
    kept = first.x.clone(), first.x0_hat.clone()
    list(steps)
    assert torch.equal(first.x, kept[0]) and torch.equal(first.x0_hat, kept[1])


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


def test_ddim_ignores_the_variance():
    a, b = (run(toy_model(), 5, sampler="ddim", eta=1.0, variance=variance)[-1] for variance in ("beta", "beta_tilde"))
    assert torch.equal(a.x, b.x)


def test_ddim_at_eta_0_draws_no_noise():
    def noise(index, x):
        raise AssertionError("eta = 0 has no noise to draw")

    run(toy_model(), 5, sampler="ddim", noise=noise)


# Labels and guidance

CLASSES = dict(num_classes=3, null_label=3)


def counting(model):
    """The model, and a list that collects the labels of every image its network is asked about."""
    seen, network = [], model.network

    def count(x, t_index, labels):
        seen.extend(labels.tolist())
        return network(x, t_index, labels)

    model.network = count
    return model, seen


@pytest.mark.parametrize(
    "labels, expected", [(None, [3, 3]), (2, [2, 2]), ([0, 2], [0, 2]), (torch.tensor([1, 3]), [1, 3])]
)
@pytest.mark.parametrize("guidance", [None, 1, 1.0])
def test_one_pass_with_the_labels_and_none_is_the_null_label(labels, expected, guidance):
    model, seen = counting(toy_model(**CLASSES))
    ours = run(model, 1, labels=labels, guidance=guidance)
    assert seen == expected
    shift = 0.3 * np.array(expected).reshape(-1, 1, 1, 1)
    chain = oracle.ddpm(AB, lambda x, t: oracle.toy_eps(x, t) + shift, X_T.numpy(), [(1000, 0)], "beta", numpy_z, True)
    assert_chain(ours, chain, [(1000, 0)])


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("w", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_guidance_moves_eps_from_the_null_label_through_the_class(sampler, w, prediction):
    """eps = eps_null + w (eps_c - eps_null), each image towards its own class; clipping comes afterwards."""
    labels = np.array([0, 2]).reshape(-1, 1, 1, 1)

    def guided(x, t):
        null, conditional = oracle.toy_eps(x, t) + 0.3 * 3, oracle.toy_eps(x, t) + 0.3 * labels
        return null + w * (conditional - null)

    pairs, clip = oracle.pairs(1000, 10), prediction != "mu"
    if sampler == "ddpm":
        expected = oracle.ddpm(AB, guided, X_T.numpy(), pairs, "beta_tilde", numpy_z, clip)
    else:
        expected = oracle.ddim(AB, guided, X_T.numpy(), pairs, 0.5, numpy_z, clip)
    model, seen = counting(toy_model(prediction, **CLASSES))
    ours = run(model, 10, sampler=sampler, variance="beta_tilde", eta=0.5, clip=clip, labels=[0, 2], guidance=w)
    assert_chain(ours, expected, pairs, tolerance=1e-8 if prediction == "mu" else 1e-10)
    assert len(seen) == 10 * 4 and sorted(seen[:4]) == [0, 2, 3, 3]


def test_the_learned_variance_is_the_conditional_one():
    """Only eps is guided."""

    def network(x, t_index, labels):
        v = -labels.to(x.dtype).reshape(-1, 1, 1, 1).expand_as(x)
        return torch.cat([0.5 * x, v], dim=1)

    model = Model(network, LINEAR, 4, variance="learned", **CLASSES)
    for guidance in (None, 4.0):
        step = next(trajectory(model, [0, 1], 1000, labels=[0, 2], guidance=guidance, x_T=X_T))
        sigma = torch.tensor([0.0, -1.0], dtype=torch.float64).exp().reshape(-1, 1, 1, 1)
        torch.testing.assert_close(step.sigma, sigma.expand_as(step.sigma), rtol=1e-12, atol=0)


def test_an_unconditional_network_gets_no_labels():
    def network(x, t_index, labels):
        assert labels is None
        return x

    run(Model(network, LINEAR, 4), 2)
    run(Model(network, LINEAR, 4), 2, guidance=1.0)


# Refusals, all at the call, before the network is asked anything


def refused(match, model=None, seeds=(0, 1), steps=5, **options):
    return match, model or toy_model(), seeds, steps, options


CONDITIONAL = toy_model(**CLASSES)
STRICT = toy_model(num_classes=3)  # without a null label
REFUSED = {
    "no steps": refused("1000", steps=0),
    "too many steps": refused("1000", steps=1001),
    "half a step": refused("1000", steps=2.5),
    "unknown sampler": refused("ddpm.*ddim", sampler="plms"),
    "unknown variance": refused("beta_tilde", variance="fixed_small"),
    "unknown spacing": refused("quadratic", spacing="even"),
    "no seeds": refused("seed", seeds=()),
    "negative seed": refused("63", seeds=(0, -1)),
    "seed too large": refused("63", seeds=(2**63, 0)),
    "seed not whole": refused("63", seeds=(0.5, 1)),
    "eta below 0": refused("eta", sampler="ddim", eta=-0.1),
    "eta above 1": refused("eta", sampler="ddim", eta=1.1),
    "eta NaN": refused("eta", sampler="ddim", eta=float("nan")),
    "learned without a network for it": refused("learned", variance="learned"),
    "learned_range without a network for it": refused("learned", variance="learned_range"),
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
    "label too large": refused("0 to 2", CONDITIONAL, labels=4),
    "label negative": refused("0 to 2", CONDITIONAL, labels=[0, -1]),
    "null label of a model without": refused("0 to 2", STRICT, labels=3),
    "labels for another batch": refused("2", CONDITIONAL, labels=[0, 1, 2]),
    "label by name": refused("label", CONDITIONAL, labels="cat"),
    "label not whole": refused("label", CONDITIONAL, labels=1.5),
    "one label not whole": refused("label", CONDITIONAL, labels=[1, 1.5]),
}


@pytest.mark.parametrize("match, model, seeds, steps, options", REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_one_sentence(match, model, seeds, steps, options):
    for call in (trajectory, sample):
        with pytest.raises(ValueError, match=match) as error:
            call(model, seeds, steps, **options)
        assert "\n" not in str(error.value) and len(str(error.value)) > 15


def test_a_network_of_the_wrong_width_is_refused():
    for model in (
        Model(lambda x, t, labels: x[:, :2], LINEAR, 4),
        Model(lambda x, t, labels: x, LINEAR, 4, variance="learned_range"),
    ):
        with pytest.raises(ValueError, match="network"):
            next(trajectory(model, [0], 5))
