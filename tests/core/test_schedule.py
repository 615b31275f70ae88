"""Schedules against the papers' formulas in float64, diffusers' float32 tables, and published numbers."""

import math
import pickle

import numpy as np
import oracle
import pytest
import torch
from diffusers import CMStochasticIterativeScheduler, DDPMScheduler

from ddpm_core.schedule import NoiseSchedule

NAMED = ["linear", "scaled_linear", "squaredcos_cap_v2", "laplace", "sigmoid"]  # all that DDPMScheduler knows


def assert_tables(schedule, betas, rtol=1e-10, atol=1e-14):
    """The three tables are those of `betas`, with a first entry for t = 0.

    β = 1 − f((t + 1)/T)/f(t/T) loses digits: some eps/β, of the smallest β, 4e-5, 1e-11.
    """
    T = len(betas)
    assert schedule.T == T
    for table in (schedule.beta, schedule.alpha, schedule.alpha_bar):
        assert table.dtype == torch.float64 and table.device.type == "cpu" and table.shape == (T + 1,)
    assert (schedule.beta[0], schedule.alpha[0], schedule.alpha_bar[0]) == (0, 1, 1)
    np.testing.assert_allclose(schedule.beta[1:], betas, rtol=rtol, atol=atol)
    np.testing.assert_allclose(schedule.alpha[1:], 1 - betas, rtol=rtol, atol=atol)
    np.testing.assert_allclose(schedule.alpha_bar, oracle.alpha_bar(betas), rtol=rtol, atol=atol)


def test_the_papers_schedule():
    schedule = NoiseSchedule.linear()
    assert_tables(schedule, oracle.linear_betas())
    assert schedule.beta[1] == 1e-4 and schedule.beta[1000] == 0.02
    # "L_T is about 1e-5 bits/dim" (Ho et al., section 4), for x_0^2 around a third.
    ab = schedule.alpha_bar[-1].item()
    prior = 0.5 * (ab / 3 - ab - math.log1p(-ab)) / math.log(2)
    assert 0.5e-5 < prior < 1.5e-5
    # Measured with diffusers: what sqrt(beta) leaves in the image at s = 0 for 10, 50 and 100 trailing steps.
    left = [(1 - schedule.alpha_bar[t]).sqrt().item() for t in (100, 20, 10)]
    np.testing.assert_allclose(left, [0.32, 0.076, 0.044], atol=5e-3)


@pytest.mark.parametrize("T", [1, 2, 7, 50, 1000])
def test_lengths_and_ends(T):
    if T > 1:
        assert_tables(NoiseSchedule.linear(T, 1e-3, 0.3), oracle.linear_betas(T, 1e-3, 0.3))
        assert_tables(NoiseSchedule.quadratic(T, 1e-3, 0.3), oracle.betas_named("scaled_linear", T, 1e-3, 0.3))
    assert_tables(NoiseSchedule.cosine(T), oracle.betas_from(oracle.cosine, T))


def test_cosine_follows_its_curve_and_stops_at_999():
    schedule = NoiseSchedule.cosine(1000)
    assert schedule.beta.max() == 0.999
    curve = [oracle.cosine(t / 1000) / oracle.cosine(0) for t in range(1000)]
    np.testing.assert_allclose(schedule.alpha_bar[:1000], curve, atol=1e-12)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("T, start, end", [(1000, 1e-4, 0.02), (50, 1e-3, 0.1)])
def test_every_schedule_of_diffusers(name, T, start, end, rescale):
    config = dict(
        num_train_timesteps=T, beta_start=start, beta_end=end, beta_schedule=name, rescale_betas_zero_snr=rescale
    )
    schedule = NoiseSchedule.from_config(config)
    betas = oracle.betas_named(name, T, start, end)
    betas = oracle.zero_snr(betas) if rescale else betas
    # Rescaled, β comes from ᾱ, a product of up to T rounded factors: T eps/β = 5e-9.
    assert_tables(schedule, betas, rtol=1e-8 if rescale else 1e-10)
    theirs = DDPMScheduler(**config)
    np.testing.assert_allclose(schedule.beta[1:], theirs.betas, rtol=1e-3, atol=2e-6)
    np.testing.assert_allclose(schedule.alpha_bar[1:], theirs.alphas_cumprod, rtol=1e-3, atol=2e-6)
    if rescale:
        assert schedule.alpha_bar[-1] == 0


def test_trained_betas_win_over_the_schedules_name():
    betas = [0.1, 0.05, 0.3]
    config = dict(num_train_timesteps=3, beta_schedule="linear", trained_betas=betas)
    assert_tables(NoiseSchedule.from_config(config), np.array(betas))
    np.testing.assert_allclose(
        NoiseSchedule.from_config(config).alpha_bar[1:], DDPMScheduler(**config).alphas_cumprod, rtol=1e-6
    )


@pytest.mark.parametrize("betas", [[0.1, 0.2], np.array([0.1, 0.2]), torch.tensor([0.1, 0.2], dtype=torch.float64)])
def test_from_betas_takes_any_list(betas):
    assert_tables(NoiseSchedule.from_betas(betas), np.array([0.1, 0.2]))


def test_a_flows_times_are_the_middles_of_equal_parts():
    schedule = NoiseSchedule.flow(4)
    torch.testing.assert_close(
        schedule.sigma[1:], torch.tensor([1 / 7, 3 / 5, 5 / 3, 7], dtype=torch.float64), rtol=1e-9, atol=0
    )  # τ is 1/8, 3/8, 5/8, 7/8
    assert NoiseSchedule.flow(1).alpha_bar[1] == 0.5


def test_diffusers_defaults_hold_where_a_config_is_silent():
    assert_tables(NoiseSchedule.from_config({}), oracle.linear_betas())
    full = dict(DDPMScheduler(beta_schedule="squaredcos_cap_v2", num_train_timesteps=20).config)
    assert_tables(NoiseSchedule.from_config(full), oracle.betas_from(oracle.cosine, 20))


SCHEDULES = [
    NoiseSchedule.linear(),
    NoiseSchedule.linear(50, 1e-3, 0.1),
    NoiseSchedule.quadratic(20),
    NoiseSchedule.cosine(30),
    NoiseSchedule.from_betas([0.1, 0.2, 0.3]),
    NoiseSchedule.from_sigmas([0.02, 0.7, 30]),
    NoiseSchedule.from_config({"beta_schedule": "sigmoid", "num_train_timesteps": 9, "rescale_betas_zero_snr": True}),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_config_rebuilds_the_schedule_here_and_in_diffusers(schedule):
    again = NoiseSchedule.from_config(schedule.config)
    assert torch.equal(again.beta, schedule.beta) and torch.equal(again.alpha_bar, schedule.alpha_bar)
    theirs = DDPMScheduler.from_config(schedule.config)
    assert theirs.config.num_train_timesteps == schedule.T
    np.testing.assert_allclose(theirs.alphas_cumprod, schedule.alpha_bar[1:], rtol=1e-3, atol=2e-6)


def test_a_schedule_says_what_it_is():
    names = ["linear", "linear", "quadratic", "cosine", "custom", "growing noise", "sigmoid (zero terminal SNR)"]
    assert [schedule.name for schedule in SCHEDULES] == names


def test_sigmas_are_the_schedules_own():
    """σ² loses what 1 − ᾱ does: eps/4e-6 for the smallest σ of a consistency model."""
    sigmas = torch.logspace(np.log10(0.002), np.log10(2700), 2000, dtype=torch.float64)
    schedule = NoiseSchedule.from_sigmas(sigmas)
    torch.testing.assert_close(schedule.sigma[1:], sigmas, rtol=1e-9, atol=0)
    torch.testing.assert_close(schedule.alpha_bar[1:], 1 / (1 + sigmas**2), rtol=1e-12, atol=0)
    assert schedule.sigma[0] == 0 and schedule.exploding and not NoiseSchedule.linear().exploding
    assert NoiseSchedule.from_config(schedule.config).exploding


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_only_adds_noise(schedule):
    assert (schedule.beta[1:] > 0).all() and (schedule.beta <= 1).all()
    assert (schedule.alpha_bar.diff() < 0).all() and (schedule.alpha_bar >= 0).all()


BAD = {
    "T of 0": lambda: NoiseSchedule.linear(0),
    "T of 0, of a flow": lambda: NoiseSchedule.flow(0),
    "betas of 0": lambda: NoiseSchedule.linear(10, 0.0, 0.02),
    "beta above 1": lambda: NoiseSchedule.linear(10, 1e-4, 1.5),
    "no betas": lambda: NoiseSchedule.from_betas([]),
    "NaN": lambda: NoiseSchedule.from_betas([0.1, math.nan]),
    "no sigmas": lambda: NoiseSchedule.from_sigmas([]),
    "sigmas that fall": lambda: NoiseSchedule.from_sigmas([0.1, 0.3, 0.2]),
    "a sigma of 0": lambda: NoiseSchedule.from_sigmas([0.0, 0.3]),
    "a sigma beyond all numbers": lambda: NoiseSchedule.from_sigmas([0.1, math.inf]),
    "a sigma beside which x_0 is nothing": lambda: NoiseSchedule.from_sigmas([0.1, 1e9]),
    "a sigma that is nothing beside x_0": lambda: NoiseSchedule.from_sigmas([1e-9, 1]),
    "a beta that adds nothing": lambda: NoiseSchedule.from_betas([0.1, 1e-17, 0.1]),
    "a table": lambda: NoiseSchedule.from_betas([[0.1, 0.2]]),
    "nothing left long before T": lambda: NoiseSchedule.from_betas([0.9] * 400),
    "too many steps for the betas": lambda: NoiseSchedule.linear(100_000),
    "nothing left before the last step": lambda: NoiseSchedule.from_betas([0.5] * 1080 + [1.0]),
    "next to nothing left at T": lambda: NoiseSchedule.from_betas([0.5] * 1000 + [1 - 1e-9]),
    "unknown name": lambda: NoiseSchedule.from_config({"beta_schedule": "cubic"}),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_bad_schedules_are_refused_in_one_sentence(call):
    with pytest.raises(ValueError, match=r"^[^\n]{15,}$"):
        call()


def test_numbers_are_taken_in_the_order_in_which_an_array_shows_them():
    falling, rising = np.linspace(50, 0.01, 8), np.linspace(0.01, 50, 8)
    for make, numbers in (
        (NoiseSchedule.from_sigmas, falling[::-1]),
        (NoiseSchedule.from_betas, falling[::-1] / 100),
        (NoiseSchedule.from_alpha_bar, rising[::-1] / 100),
    ):
        assert torch.equal(make(numbers).beta, make(numbers.tolist()).beta)


def test_the_unknown_name_is_told_what_is_known():
    with pytest.raises(ValueError, match="cubic") as error:
        NoiseSchedule.from_config({"beta_schedule": "cubic"})
    assert all(name in str(error.value) for name in NAMED)


def test_a_schedule_is_a_function_of_time():
    given = [math.cos(t / 20 * math.pi / 2) ** 2 for t in range(1, 21)]
    made = NoiseSchedule.from_alpha_bar(lambda u: math.cos(u * math.pi / 2) ** 2, T=20)
    assert made.T == 20 and torch.allclose(made.alpha_bar[1:], torch.tensor(given, dtype=torch.float64), atol=1e-15)
    for wrong in ({"alpha_bar": lambda u: 1 - u}, {"alpha_bar": lambda u: 1 - u, "T": 0}, {"alpha_bar": [0.5], "T": 1}):
        with pytest.raises(ValueError, match="T "):
            NoiseSchedule.from_alpha_bar(**wrong)
    with pytest.raises(ValueError, match="must fall"):
        NoiseSchedule.from_alpha_bar(lambda u: u, 5)


def test_times_at_a_sigma():
    """Those of Karras et al. 2022, Eq. 5, against a search through the table."""
    schedule = NoiseSchedule.linear()
    asked = [(80 ** (1 / 7) + i / 17 * (0.02 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    table = [math.sqrt((1 - a) / a) for a in schedule.alpha_bar[1:].tolist()]
    nearest = [1 + min(range(1000), key=lambda i: abs(math.log(table[i] / sigma))) for sigma in asked]
    assert schedule.times_at([*asked, 0.0], whole=True) == nearest
    real = schedule.times_at([*asked, 0.0])
    # σ² has an error of eps/1e-4, which is the smallest 1 − ᾱ.
    found = schedule.at(torch.tensor(real, dtype=torch.float64)).sigma
    np.testing.assert_allclose(found, asked, rtol=1e-11)
    assert [round(t) for t in real] == nearest
    assert schedule.times_at(schedule.sigma[[700, 20, 3]]) == [700, 20, 3]
    assert schedule.times_at([1e9, 1e-9], whole=True) == [1000, 1]
    assert schedule.times_at([1e9, 0.001]) == pytest.approx([1000, 0.1], rel=1e-4)
    silent = NoiseSchedule.from_config({"rescale_betas_zero_snr": True})  # whose own σ_T is infinite
    for own in (schedule, silent):
        for whole in (True, False):
            assert own.times_at([math.inf, math.inf, own.sigma[900].item(), 0.0], whole) == [1000, 900]
    for wrong in ([1.0, 2.0], [0.0], [float("nan")], [-1.0], []):
        with pytest.raises(ValueError, match="sigmas"):
            schedule.times_at(wrong)


BETWEEN = {  # ᾱ at a real t, by the formula of each schedule
    "cosine": (NoiseSchedule.cosine(50), lambda t: oracle.cosine(t / 50) / oracle.cosine(0), 49),
    "laplace": (
        NoiseSchedule.from_config({"beta_schedule": "laplace", "num_train_timesteps": 20}),
        lambda t: oracle.laplace(t / 20) / oracle.laplace(0),
        20,
    ),
    "a function": (NoiseSchedule.from_alpha_bar(lambda u: 1 - 0.9 * u, 7), lambda t: 1 - 0.9 * t / 7, 7),
    "flow": (NoiseSchedule.flow(9), lambda t: (9.5 - t) ** 2 / ((9.5 - t) ** 2 + (t - 0.5) ** 2), 9),
    "EDM": (
        NoiseSchedule.from_config({"_class_name": "CMStochasticIterativeScheduler"}),
        lambda t: 1 / (1 + (0.002 ** (1 / 7) + (t - 1) / 39 * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 14),
        40,
    ),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_between_two_times_alpha_bar_follows_the_schedules_formula(name):
    schedule, expected, last = BETWEEN[name]
    first = 1 if name in ("flow", "EDM") else 0  # these begin at t = 1
    for t in np.linspace(first, last, 57).tolist():
        # ᾱ of the table is a product of up to T factors, each rounded.
        assert schedule.alpha_bar_at(t) == pytest.approx(expected(t), rel=1e-11)
        found = schedule.time_at(math.sqrt(1 / schedule.alpha_bar_at(t) - 1))
        assert found == pytest.approx(t, abs=1e-4)  # the curve "laplace" jumps a little in its middle


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_between_two_times_the_noise_rises_and_whole_times_have_their_bits(schedule):
    t = torch.linspace(0, schedule.T, 40 * schedule.T + 1, dtype=torch.float64)
    there = schedule.at(t)
    assert torch.equal(there.alpha_bar[::40], schedule.alpha_bar) and bool((there.alpha_bar.diff() < 0).all())
    assert torch.equal(schedule.at(schedule.t.reshape(1, -1)).sigma[0], schedule.sigma)
    assert [schedule.time_at(sigma) for sigma in schedule.sigma.tolist()] == list(range(schedule.T + 1))
    if schedule.name == "linear":
        middle = schedule.at(torch.arange(1, schedule.T) + 0.5).sigma
        even = (schedule.sigma[1:-1] * schedule.sigma[2:]).sqrt()  # ln σ is linear
        torch.testing.assert_close(middle, even, rtol=1e-11, atol=0)
        assert schedule.at(0.25).sigma == pytest.approx(schedule.sigma[1].item() / 4, rel=1e-8)
    for wrong in (-1.0, math.nan):
        with pytest.raises(ValueError, match="sigma must be a number of at least 0"):
            schedule.time_at(wrong)


def test_a_schedule_is_pickled_with_its_formula_if_that_can_be_found_again():
    cosine, own = NoiseSchedule.cosine(9), NoiseSchedule.from_alpha_bar(lambda u: 1 - 0.9 * u, 7)
    assert pickle.loads(pickle.dumps(cosine)).alpha_bar_at(2.5) == cosine.alpha_bar_at(2.5)
    again = pickle.loads(pickle.dumps(own))
    assert torch.equal(again.beta, own.beta) and again.formula is None


def test_times_as_diffusers_counts_them():
    scheduler = CMStochasticIterativeScheduler()
    schedule = NoiseSchedule.from_config({**scheduler.config, "_class_name": "CMStochasticIterativeScheduler"})
    times = schedule.times_of_diffusers([22, 0])
    scheduler.set_timesteps(timesteps=[22, 0])
    assert times == [40, 18] and schedule.sigma[times].numpy() == pytest.approx(scheduler.sigmas[:2].numpy())
    ddpm = DDPMScheduler()
    ddpm.set_timesteps(10)
    times = NoiseSchedule.linear().times_of_diffusers(ddpm.timesteps)
    found = NoiseSchedule.linear().alpha_bar[times]
    assert times[0] == 901 and found.numpy() == pytest.approx(ddpm.alphas_cumprod[ddpm.timesteps].numpy(), rel=1e-4)
    for wrong in ([1000], [-1], [0.5], [], 5, torch.tensor(5)):
        with pytest.raises(ValueError, match="whole numbers from 0 to 999"):
            NoiseSchedule.linear().times_of_diffusers(wrong)
    with pytest.raises(ValueError, match="times_at"):
        NoiseSchedule.from_config({"_class_name": "ScoreSdeVeScheduler"}).times_of_diffusers([3])
