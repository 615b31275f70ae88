"""Latents: encoding by q, reconstructions that share x_t, interpolations; and chains that start below T."""

import itertools
import math

import numpy as np
import oracle
import pytest
import torch
import toy
from toy import AB, LINEAR, X_T, assert_chain, blur_model, numpy_z, run, toy_model

import ddpm_core
from ddpm_core import encode, interpolate, reconstruct, timestep_pairs
from ddpm_core.latents import mix
from ddpm_core.names import SAMPLERS
from ddpm_core.timesteps import FORMULAS

MODEL = blur_model()
SHAPE = (3, 4, 4)
T = LINEAR.T
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
SEEDS = [7, 2**40]


@pytest.mark.parametrize("t", [1, 250, T - 1])
def test_a_latent_is_the_picture_noised_by_the_seeds_x_T(t):
    eps = np.stack([np.random.Generator(np.random.Philox(key=[s, 0])).standard_normal(SHAPE, "f4") for s in SEEDS])
    x_0 = IMAGES.transpose(0, 3, 1, 2) / 127.5 - 1
    expected = math.sqrt(AB[t]) * x_0 + math.sqrt(1 - AB[t]) * eps
    np.testing.assert_allclose(encode(MODEL, IMAGES, t, SEEDS), expected, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spacing", FORMULAS)
def test_a_reconstruction_goes_from_the_picture_to_the_run_of_its_seed(sampler, spacing):
    options = {"sampler": sampler, "spacing": spacing} | ({"eta": 0.5} if sampler == "ddim" else {})
    same = reconstruct(MODEL, encode(MODEL, IMAGES, 0, SEEDS), 0, SEEDS, 6, **options)
    np.testing.assert_array_equal(same, IMAGES)
    whole = reconstruct(MODEL, encode(MODEL, IMAGES, T, SEEDS), T, SEEDS, 6, **options)
    np.testing.assert_array_equal(whole, ddpm_core.sample(MODEL, SEEDS, 6, **options))


@pytest.mark.parametrize("t", [0, 3, 500, T])
def test_the_ends_of_an_interpolation_are_the_two_reconstructions(t):
    x, other = encode(MODEL, IMAGES, t, SEEDS).split(1)
    pictures = interpolate(MODEL, x, other, t, [0, 0.5, 1], seed=9, steps=5)
    for end, latent in ((0, x), (2, other)):
        np.testing.assert_array_equal(pictures[end], reconstruct(MODEL, latent, t, [9], 5)[0])
    assert (pictures[1] != pictures[0]).any() and (pictures[1] != pictures[2]).any()


def test_reconstructions_share_the_latent_and_differ_more_the_earlier_it_is():
    """By the spread of x_0 over seeds, against the closed form for a network that predicts ε = 0: x_0 = x_t/√ᾱ_t."""
    silent = ddpm_core.Model(
        network=lambda x, t, labels: 0 * x, schedule=LINEAR, image_size=4, prediction="epsilon", clip=False
    )
    found, seeds = [], range(400)
    for t in (50, 200, 400):
        pairs = timestep_pairs(T, 10, start=t)
        x_t = encode(silent, IMAGES[:1] // 64 + 126, t, [1])  # nearly grey, so that nothing is cut off at ±1
        *_, last = ddpm_core.trajectory(silent, seeds, 10, x_T=x_t.expand(400, -1, -1, -1), start=t, variance="beta")
        spread = last.x.var(0).mean().item()
        # Each step divides by √α_{t|s} and adds β_{t|s} of noise but for the last one.
        variance = 0.0
        for time, s in pairs:
            alpha = AB[time] / AB[s]
            variance = variance / alpha + (1 - alpha if s else 0)
        assert spread == pytest.approx(variance, rel=0.05)
        found.append(spread)
    assert found == sorted(found)


def test_a_shared_latent_is_that_latent_for_each_seed():
    x = encode(MODEL, IMAGES[:1], 300, [4])
    np.testing.assert_array_equal(
        reconstruct(MODEL, x, 300, [5, 6], 4), reconstruct(MODEL, torch.cat([x, x]), 300, [5, 6], 4)
    )


def test_there_are_never_more_steps_than_times():
    x = encode(MODEL, IMAGES, 3, SEEDS)
    np.testing.assert_array_equal(reconstruct(MODEL, x, 3, SEEDS, 50), reconstruct(MODEL, x, 3, SEEDS, 3))


@pytest.mark.parametrize("spacing", FORMULAS)
@pytest.mark.parametrize(("start", "n"), [(1, 1), (2, 2), (250, 10), (250, 250), (999, 7)])
def test_steps_from_an_intermediate_time_are_spread_over_what_is_left(spacing, start, n):
    pairs = timestep_pairs(T, n, spacing, start=start)
    assert len(pairs) == n and pairs[0][0] == start and pairs[-1][1] == 0
    assert all(t > s for t, s in pairs) and all(a[1] == b[0] for a, b in itertools.pairwise(pairs))
    assert pairs[1:] == timestep_pairs(start, n, spacing)[1:]
    assert timestep_pairs(T, n, spacing, start=T) == timestep_pairs(T, n, spacing)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_a_chain_from_an_intermediate_time_is_algorithm_2_on_its_pairs(variance):
    model = toy_model()
    ours = run(model, 7, variance=variance, start=400)
    pairs = oracle.pairs(400, 7)
    assert_chain(ours, oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, variance, numpy_z, True), pairs)


def test_a_learned_variance_needs_every_time_from_where_the_chain_starts():
    model = toy_model(variance="learned")
    found = run(model, 5, start=5)
    v = toy.learned_v
    pairs = oracle.pairs(5, 5)
    assert_chain(found, oracle.ddpm(AB, oracle.toy_eps, X_T.numpy(), pairs, "learned", numpy_z, True, v), pairs)
    assert reconstruct(model, X_T, 5, [1, 2], 50).shape == (2, 4, 4, 3)
    with pytest.raises(ValueError, match="as many steps as there are times"):
        run(model, 4, start=5)


def gaussian_model(mean=0.1, variance=0.04):
    """The exact network of data N(mean, variance), on which the ODE of DDIM has a closed form."""

    def network(x, t_index, labels):
        return oracle.gaussian_eps(AB, mean, variance, x, int(t_index[0]) + 1)

    return ddpm_core.Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon", clip=False)


def test_an_inversion_is_the_ode_upwards_and_the_way_back_closes_with_more_steps():
    model, away, apart = gaussian_model(), [], []
    x_0 = ddpm_core.from_uint8(IMAGES)
    exact = math.sqrt(AB[T]) * 0.1 + (x_0 - 0.1) * math.sqrt((AB[T] * 0.04 + 1 - AB[T]) / 0.04)
    for steps in (125, 250, 500):
        x_T = ddpm_core.invert(model, IMAGES, steps)
        *_, last = run(model, steps, x_T=x_T, sampler="ddim")
        away.append((x_T - exact).abs().max().item())
        apart.append((last.x - x_0).abs().max().item())
    for errors in (away, apart):  # Euler's method is of first order
        assert [a / b for a, b in itertools.pairwise(errors)] == pytest.approx([2, 2], rel=0.2)
    found = ddpm_core.sample(model, steps=T, seeds=[0, 1], x_T=ddpm_core.invert(model, IMAGES, T), sampler="ddim")
    assert np.abs(found.astype(int) - IMAGES).max() <= 2


def test_an_inversion_ends_where_it_is_asked_to():
    model = gaussian_model()
    assert ddpm_core.invert(model, IMAGES, t=20).equal(ddpm_core.invert(model, IMAGES, 20, t=20))  # 50 would be more
    x_t = ddpm_core.invert(model, IMAGES, 300, t=300)
    back = reconstruct(model, x_t, 300, [0, 1], 300, sampler="ddim")
    assert np.abs(back.astype(int) - IMAGES).max() <= 2


def test_an_arc_keeps_the_length_of_noise_and_its_ends():
    a, b = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).split(1)
    arc, line = mix(a, b, [0, 0.5, 1], "slerp"), mix(a, b, [0, 0.5, 1])
    assert torch.equal(arc[0], a[0]) and torch.equal(arc[2], b[0])
    # Squares of lengths add for noise, of 3072 numbers each: their deviations are 1/√1536 and 1/√3072.
    assert arc[1].norm() == pytest.approx(a.norm().item(), rel=0.1)
    assert line[1].norm() == pytest.approx(a.norm().item() / math.sqrt(2), rel=0.1)
    assert torch.equal(mix(a, a, [0.5], "slerp"), mix(a, a, [0.5])) and mix(a, -a, [0.5], "slerp").isfinite().all()
    x, other = encode(MODEL, IMAGES, T, SEEDS).split(1)
    found = interpolate(MODEL, x, other, T, [0.5], 9, 5, how="slerp")
    np.testing.assert_array_equal(found, reconstruct(MODEL, mix(x, other, [0.5], "slerp"), T, [9], 5))


def test_arrays_and_generators_serve_as_lists():
    x, other = encode(MODEL, IMAGES, 300, SEEDS).split(1)
    expected = interpolate(MODEL, x, other, 300, [0, 0.5, 1], seed=9, steps=3)
    for weights in (np.linspace(0, 1, 3), torch.linspace(0, 1, 3), (i / 2 for i in range(3))):
        np.testing.assert_array_equal(interpolate(MODEL, x, other, 300, weights, seed=9, steps=3), expected)
    for seeds in (np.array(SEEDS), torch.tensor(SEEDS), iter(SEEDS)):
        np.testing.assert_array_equal(encode(MODEL, IMAGES, 300, seeds), torch.cat([x, other]))


def test_an_array_that_is_read_backwards_is_what_it_shows():
    for way in (np.s_[:, ::-1], np.s_[::-1], np.s_[..., ::-1]):
        backwards = IMAGES[way]
        np.testing.assert_array_equal(ddpm_core.from_uint8(backwards), ddpm_core.from_uint8(backwards.copy()))
        np.testing.assert_array_equal(encode(MODEL, backwards, 5, SEEDS), encode(MODEL, backwards.copy(), 5, SEEDS))


def test_a_student_is_decoded_from_0_too():
    """At 0 there is no step, whatever its times are."""
    student = ddpm_core.student.Student("progressive", (T, 500))
    model = toy_model(student=student)
    images = reconstruct(model, encode(model, IMAGES, 0, SEEDS), 0, SEEDS, 2)
    np.testing.assert_array_equal(images, IMAGES)


WRONG = {
    "noise in an inversion": (lambda: ddpm_core.invert(MODEL, IMAGES, 5, eta=1.0), "has no argument 'eta'"),
    "an inversion to 0": (lambda: ddpm_core.invert(MODEL, IMAGES, 5, t=0), "at most 1000"),
    "an unknown mixture": (lambda: mix(X_T[:1], X_T[:1], [0.5], "cubic"), "linear, slerp"),
    "a start past T": (lambda: run(MODEL, 5, start=1001), "at most 1000"),
    "a start of 0": (lambda: run(MODEL, 5, start=0), "at most 1000"),
    "more steps than a real start has times": (lambda: run(MODEL, 5, start=2.5), "from 1 to 3"),
    "more steps than times": (lambda: run(MODEL, 5, start=4), "from 1 to 4"),
    "no state to start from": (lambda: ddpm_core.trajectory(MODEL, [0], 5, start=500), "give it as x_T"),
    "no state for lanes": (lambda: ddpm_core.side_by_side(MODEL, [0], [{"start": 500}]), "give it as x_T"),
    "lanes from two times": (
        lambda: ddpm_core.side_by_side(MODEL, [0], [{"start": 500}, {}], x_T=torch.zeros(1, *SHAPE)),
        "at the same t",
    ),
    "a latent past T": (lambda: encode(MODEL, IMAGES, 1001, SEEDS), "0..1000"),
    "too few seeds": (lambda: encode(MODEL, IMAGES, 5, [1]), "2 images, 1 seeds"),
    "a picture of another size": (lambda: encode(MODEL, IMAGES[:, :2], 5, SEEDS), "images must be"),
    "a weight past 1": (lambda: mix(torch.zeros(1, *SHAPE), torch.zeros(1, *SHAPE), [1.1]), "from 0 to 1"),
    "no weights": (lambda: mix(torch.zeros(1, *SHAPE), torch.zeros(1, *SHAPE), []), "from 0 to 1"),
    "steps as a text": (
        lambda: reconstruct(MODEL, X_T, 500, SEEDS, "3"),
        "steps must be a whole number from 1 to 1000",
    ),
    "steps as a text at 0": (lambda: reconstruct(MODEL, X_T, 0, SEEDS, "3"), "steps must be a whole number"),
    "half a step down": (lambda: reconstruct(MODEL, X_T, 500, SEEDS, 2.5), "steps must be a whole number"),
    "a t of no process": (lambda: reconstruct(MODEL, X_T, -0.5, SEEDS), "t must be a number in 0..1000, got -0.5"),
    "no t": (lambda: reconstruct(MODEL, X_T, False, SEEDS), "t must be a number in 0..1000, got False"),
    "a t for each": (lambda: encode(MODEL, IMAGES, torch.tensor([1, 2]), SEEDS), "t must be a number in 0..1000"),
    "a sampler at 0": (lambda: reconstruct(MODEL, X_T, 0, SEEDS, sampler="euler"), "unknown sampler 'euler'"),
    "labels at 0": (lambda: reconstruct(MODEL, X_T, 0, SEEDS, labels=[3, 3]), "has no classes"),
    "three seeds of two at 0": (lambda: reconstruct(MODEL, X_T, 0, [1, 2, 3]), r"shape \(3, 3, 4, 4\)"),
    "a sampler of some rows at 0": (
        lambda: ddpm_core.latents.check_chains(MODEL, [0], 5, sampler="euler"),
        "unknown sampler 'euler'",
    ),
    "another argument": (
        lambda: reconstruct(MODEL, X_T, 5, SEEDS, n=3),
        "reconstruct has no argument 'n': choose from x_t, t, seeds, steps",
    ),
    "another argument between": (
        lambda: interpolate(MODEL, X_T[:1], X_T[1:], 5, [0.5], 1, n=3),
        "interpolate has no argument 'n': .*, weights, ",
    ),
    "another argument upwards": (lambda: ddpm_core.invert(MODEL, IMAGES, n=5), "'n': choose from images, steps, t, "),
    "another argument of a run": (
        lambda: ddpm_core.sample(MODEL, [0], num_inference_steps=5),
        "choose from seeds, steps, sampler, ",
    ),
    "a weight": (lambda: mix(X_T[:1], X_T[:1], 0.5), "weights are a list of numbers from 0 to 1, got 0.5"),
    "many latents": (lambda: mix(torch.zeros(2, *SHAPE), torch.zeros(2, *SHAPE), [0.5]), "two latents"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_possible_is_said(wrong):
    call, sentence = WRONG[wrong]
    with pytest.raises(ValueError, match=sentence):
        call()
