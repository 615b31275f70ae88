"""The analytic variance: against optima known in closed form, and how Γ is estimated, saved and refused."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import small_unet

from ddpm_core import CheckpointError, Model, NoiseSchedule, bits_per_dim, load, reverse_variance, save, trajectory
from ddpm_core.analytic import Gamma, default_times, estimate_gamma
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.sidecars import gamma_file
from ddpm_core.coordinates import VarianceExploding
from ddpm_core.engines.choose import wrap
from ddpm_core.likelihood import progressive_decoding
from ddpm_core.model import Source
from ddpm_core.noise import gaussian

pytestmark = pytest.mark.usefixtures("torch_engine")

SCHEDULE = NoiseSchedule.linear(200, 1e-4, 0.1)
TABLE = SCHEDULE.alpha_bar
SIZE = 32


def spread(c, t):
    """Var[x_t] for data of variance c."""
    return TABLE[t] * c + 1 - TABLE[t]


def gaussian_model(c, **fields):
    """The exact network for data N(0, c): ε = E[ε | x_t], and its Γ_t = 1 / Var[x_t]."""
    of_x = ((1 - TABLE).sqrt() / (TABLE * c + 1 - TABLE)).reshape(-1, 1, 1, 1)

    def exact(x, t_index, labels):
        return of_x[t_index + 1].to(x.dtype) * x

    return Model(
        network=exact,
        schedule=SCHEDULE,
        image_size=SIZE,
        prediction="epsilon",
        gamma=1 / (TABLE * c + 1 - TABLE),
        **fields,
    )


def test_estimate_and_standard_error_agree_with_the_closed_form():
    c = 0.04
    images = (gaussian(1, 0, (40, SIZE, SIZE, 3)) * c**0.5 * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
    seen = []
    found = estimate_gamma(gaussian_model(c), images, progress=lambda done, total: seen.append((done, total)))
    assert found.times == default_times(200) and found.times[0] == 1 and found.times[-1] == 200
    assert seen[-1] == (40 * len(found.times),) * 2 and found.images == 40
    truth = 1 / spread(c, list(found.times))
    deviations = (found.gamma - truth) / found.standard_error
    assert deviations.square().mean() < 4 and deviations.abs().max() < 5
    assert (found.standard_error / truth).max() < 0.01
    torch.testing.assert_close(found.table(SCHEDULE)[1:], 1 / spread(c, torch.arange(1, 201)), rtol=0.02, atol=0)


def test_regression_on_the_known_noise_makes_large_times_exact():
    images = np.full((8, SIZE, SIZE, 3), 128, np.uint8)
    found = estimate_gamma(gaussian_model(1e-5), images, [1, 200])
    plain = (2 / (3 * SIZE * SIZE * 8)) ** 0.5  # the standard error of E‖ε‖²/d without it
    assert found.standard_error[1] < plain / 1000


def test_between_its_times_the_mean_square_is_linear_in_log_t():
    """E‖ε_θ‖²/d = (1 − ᾱ_t) Γ_t is the smooth one: Γ itself falls by thousands. Beyond the times it stays."""
    times, squares = (4, 16, 100), np.array([0.2, 0.5, 0.9])
    noise = 1 - np.cumprod(1 - np.linspace(1e-4, 0.1, 200))  # of t = 1..200
    estimate = Gamma(times, torch.from_numpy(squares / noise[[3, 15, 99]]), torch.zeros(3), 2)
    table = estimate.table(SCHEDULE).numpy()[1:] * noise
    expected = {1: 0.2, 4: 0.2, 8: 0.35, 16: 0.5, 40: 0.7, 100: 0.9, 200: 0.9}  # 8 and 40 halve log(t) between times
    np.testing.assert_allclose([table[t - 1] for t in expected], list(expected.values()), rtol=1e-12)


def test_gamma_is_of_the_network_itself_not_of_what_clipping_makes_of_it():
    """ε_θ = x_t/2 takes x̂_0 far out of [−1, 1], and Γ_t is (1/4) E‖x_t‖² / (d (1 − ᾱ_t))."""
    half = Model(network=lambda x, t_index, labels: 0.5 * x, schedule=SCHEDULE, image_size=SIZE, prediction="epsilon")
    images = np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), dtype=np.uint8)
    found, x_0 = estimate_gamma(half, images, [50, 200]), images / 127.5 - 1.0
    second_moment = TABLE[[50, 200]] * (x_0**2).mean() + 1 - TABLE[[50, 200]]
    torch.testing.assert_close(found.gamma, second_moment / 4 / (1 - TABLE[[50, 200]]), rtol=0.02, atol=0)


def test_noise_before_the_last_step_is_capped_there_only():
    steps = {kind: list(trajectory(gaussian_model(0.3), [0], 6, variance=kind)) for kind in ("analytic", "beta")}
    cap = 2 * (2 / 255) * math.sqrt(math.pi / 2)
    *free, capped, last = steps["analytic"]
    assert capped.s == 1 and capped.sigma == cap and last.sigma == 0
    gamma = gaussian_model(0.3).gamma
    for step in free:
        sigma = reverse_variance(SCHEDULE, step.t, step.s, "analytic", gamma=gamma[step.t]).sqrt()
        assert step.sigma == sigma.item() > cap
    assert steps["beta"][-2].sigma > cap
    full = list(trajectory(gaussian_model(0.0), [0], 200, variance="analytic"))
    assert full[-2].sigma < cap  # where it is smaller it stays


ZERO_SNR = NoiseSchedule.from_config({"num_train_timesteps": 10, "beta_end": 0.5, "rescale_betas_zero_snr": True})


def zero_snr_model(c, gamma=None):
    """The exact v of Gaussian data where x_T is noise alone; gamma None: the exact table, with Γ_T = 1."""
    ab = ZERO_SNR.alpha_bar
    of_x = ((ab * (1 - ab)).sqrt() * (1 - c) / (ab * c + 1 - ab)).reshape(-1, 1, 1, 1)

    def exact(x, t_index, labels):
        return of_x[t_index + 1].to(x.dtype) * x

    gamma = 1 / (ab * c + 1 - ab) if gamma is None else gamma
    return Model(network=exact, schedule=ZERO_SNR, image_size=SIZE, prediction="v", gamma=gamma)


@pytest.mark.parametrize("c", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("steps", [3, 10])
def test_from_noise_alone_it_has_the_spread_of_the_data(c, steps):
    """Γ_T = 1 for any data: 0/0 in the formula, whose limit is Var[x_s] = 1 − ᾱ_s + ᾱ_s Var[x_0]."""
    model = zero_snr_model(c)
    first, *_ = trajectory(model, [0], steps, variance="analytic", clip=False)
    truth = 1 - ZERO_SNR.alpha_bar[first.s] * (1 - c)
    assert first.t == 10 and first.sigma**2 == pytest.approx(truth.item(), rel=0.02)
    t, s = torch.tensor([10, 10, 5]), torch.tensor([4, 9, 4])
    several = reverse_variance(ZERO_SNR, t, s, "analytic", gamma=model.gamma[torch.tensor([9, 9, 5])]).flatten()
    alone = [reverse_variance(ZERO_SNR, 10, s, "analytic", gamma=model.gamma[9]) for s in (4, 9)]
    assert several[:2].tolist() == pytest.approx([float(v) for v in alone], rel=1e-12)
    assert reverse_variance(ZERO_SNR, 10, 4, "analytic", gamma=1.0).isfinite()


def test_an_estimate_from_noise_alone_is_no_chance_either():
    """The time T tells nothing of the data: after the last other one their spread given x_t stays as it is."""
    c = 0.04
    images = (gaussian(1, 0, (20, SIZE, SIZE, 3)) * c**0.5 * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
    table = estimate_gamma(zero_snr_model(c, torch.ones(11)), images, [1, 3, 7, 10]).table(ZERO_SNR)
    ab = ZERO_SNR.alpha_bar
    x_0_variance = ((1 - ab) / ab * (1 - (1 - ab) * table))[7:10]
    assert table.isfinite().all() and table[10] == 1
    torch.testing.assert_close(x_0_variance, x_0_variance[:1].expand(3), rtol=1e-9, atol=0)
    assert x_0_variance[0] == pytest.approx(c, rel=0.2)
    bits = bits_per_dim(zero_snr_model(c, table), images[:2], "analytic")
    assert bits.terms.isfinite().all()


LONGER = NoiseSchedule.linear(SCHEDULE.T, 1e-4, 0.03)
MEASURED = {"gamma": torch.full((SCHEDULE.T + 1,), 0.5, dtype=torch.float64), "optimised": {"ddim": {2: (9, 2)}}}
OTHERS = {
    "network": {"network": lambda x, t_index, labels: -x},
    "schedule": {"schedule": LONGER},
    "prediction": {"prediction": "x0"},
    "coordinates": {"coordinates": VarianceExploding()},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_what_was_measured_on_a_model_is_not_that_of_a_changed_one(changed, tmp_path):
    source = Source("a/b", "b", "abc", "EMA", "model.safetensors", 5, 7, tmp_path, True)
    model = replace(gaussian_model(0.3), source=source)
    model.gamma, model.optimised = MEASURED.values()  # also where they were set later
    other = replace(model, **changed)
    assert other.gamma is None and other.optimised is None
    assert other.source == (Source("a/b", "b", "abc") if "network" in changed else source)
    with pytest.raises(ValueError, match="not estimated for these weights"):
        trajectory(other, [0], 5, variance="analytic")
    with pytest.warns(UserWarning, match="everything except your own network"):
        save(other, tmp_path / "saved")
    assert not {refs.ANALYTIC, refs.OPTIMISED} & {file.name for file in (tmp_path / "saved").iterdir()}
    own = {"gamma": torch.ones(SCHEDULE.T + 1), "optimised": {"ddim": {1: (5,)}}, "source": Source("c")}
    given = replace(model, **changed, **own)
    assert all(getattr(given, name) is value for name, value in own.items())
    again = replace(other, clip=False)
    assert again.gamma is None and again.network is other.network


def test_what_was_measured_stays_with_the_weights():
    model = replace(gaussian_model(0.3), **MEASURED, source=Source("a", parameters=5))
    counting = model.evaluated_by(lambda x, t_index, labels: model.network(x, t_index, labels))
    same = replace(model, clip=False, schedule=NoiseSchedule.from_betas(SCHEDULE.beta[1:]))
    for other in (counting, same, replace(counting, clip=False), copy.deepcopy(model)):
        assert other.optimised == model.optimised and other.gamma.equal(model.gamma) and other.source == model.source
    assert counting.network is not model.network


def test_missing_gamma_and_guidance_are_refused_before_anything_runs():
    bare = replace(gaussian_model(0.3), gamma=None)
    for attempt in (
        lambda: trajectory(bare, [0], 5, variance="analytic"),
        lambda: bits_per_dim(bare, np.zeros((1, SIZE, SIZE, 3), np.uint8), "analytic"),
    ):
        with pytest.raises(
            ValueError, match="not estimated for these weights: run `python -m train gamma CHECKPOINT --data DATA`"
        ):
            attempt()
    guided = gaussian_model(0.3, num_classes=3, null_label=3)
    with pytest.raises(ValueError, match="not defined with guidance"):
        trajectory(guided, [0], 5, variance="analytic", labels=1, guidance=2.0)
    list(trajectory(guided, [0], 2, variance="analytic", labels=1, guidance=1.0))


@pytest.fixture
def checkpoint(tmp_path):
    save(
        Model(network=wrap(small_unet(sample_size=SIZE)), schedule=SCHEDULE, image_size=SIZE, prediction="epsilon"),
        tmp_path / "model",
    )
    return tmp_path / "model"


def test_it_is_kept_beside_the_weights_and_belongs_to_them(checkpoint):
    model = load(checkpoint)
    assert model.gamma is None
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    found = estimate_gamma(model, images, [1, 20, 200])
    path = gamma_file.write(model, found, data="noise")
    assert path == checkpoint / "analytic_variance.json" and json.loads(path.read_text())["data"] == "noise"
    again = load(checkpoint, precision="fp32")
    torch.testing.assert_close(again.gamma, found.table(SCHEDULE), rtol=1e-8, atol=0)
    assert next(trajectory(again, [0], 5, variance="analytic")).sigma > 0

    unet = again.network.unet
    unet.conv_out.weight.mul_(1.1)
    save(again, checkpoint)  # replaces the folder
    assert not path.exists() and load(checkpoint).gamma is None
    gamma_file.write(again, found)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "weights_sha256": "0" * 64}))
    assert load(checkpoint).gamma is None


def test_a_copy_of_the_weights_keeps_it(checkpoint, tmp_path):
    found = Gamma((1, 20, 200), torch.tensor([0.9, 1.0, 1.1]).double(), torch.full((3,), 0.01).double(), 128)
    path = gamma_file.write(load(checkpoint, engine="torch"), found, data="noise")
    before = json.loads(path.read_text())
    for half, precision in ((False, "fp32"), (False, "bf16"), (True, "fp32")):
        model = load(checkpoint, precision=precision, engine="torch")
        save(model, tmp_path / "copy", half=half)
        assert load(tmp_path / "copy", engine="torch").gamma.equal(model.gamma)
        after = json.loads((tmp_path / "copy" / path.name).read_text())
        assert all(after[name] == value for name, value in before.items() if name != "weights_sha256")
        assert ("weights" in after) == half

    model.gamma = torch.linspace(0.5, 1.5, SCHEDULE.T + 1, dtype=torch.float64)  # given by hand
    for source in (model.source, None):
        model.source = source
        save(model, tmp_path / "copy")
        again = load(tmp_path / "copy", engine="torch")
        # Interpolated in log t between t and t, whose rounding weighs eps · log T/(log T − log(T − 1)) = 2e-12 at most.
        torch.testing.assert_close(again.gamma[1:], model.gamma[1:], rtol=1e-11, atol=0)


def test_hub_checkpoints_keep_it_in_the_users_cache(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = load(checkpoint)
    model.source = replace(model.source, name="some/model", revision="abc123")
    found = estimate_gamma(model, np.zeros((2, SIZE, SIZE, 3), np.uint8), [1, 200])
    path = gamma_file.write(model, found)
    assert path == tmp_path / "cache/ddpm-lab/some--model/abc123/analytic_variance.json"
    torch.testing.assert_close(gamma_file.read(model.source, SCHEDULE), found.table(SCHEDULE), rtol=1e-8, atol=0)


def test_a_damaged_file_gets_one_sentence(checkpoint):
    table = '{{"times": {}, "gamma": {}, "standard_error": [0, 0], "images": 2}}'.format
    times = ("[-5, 200]", "[20, 1]", "[1, 10000]", "[1, true]", "[1.5, 2]", "12")
    gammas = ("[1]", "[1, -1]", "[1, NaN]", '[1, "a"]', f"[1, {10**400}]")
    texts = ["{", "[]", '{"gamma": [1]}', "null", "[" * 100_000]
    texts += [table("[1, 200]", "[1, 1]").replace(*odd) for odd in ((": 2", ": NaN"), ("[0, 0]", "[0, NaN]"))]
    texts += [table(t, "[1, 1]") for t in times] + [table("[1, 200]", gamma) for gamma in gammas]
    for text in texts:
        (checkpoint / "analytic_variance.json").write_text(text)
        with pytest.raises(CheckpointError, match="not a table of"):
            load(checkpoint)


NO_TIMES = [[], [0], [201], [2.5], [True], 5, "5", [[1, 2]]]


@pytest.mark.parametrize("times", NO_TIMES)
def test_what_are_no_times_is_a_sentence(times):
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    for ask in (estimate_gamma, progressive_decoding):
        with pytest.raises(ValueError, match="times are a list of whole numbers from 1 to 200, got "):
            ask(gaussian_model(0.3), images, times)


def test_times_may_be_an_array_or_a_generator(checkpoint):
    model = load(checkpoint)
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    expected = estimate_gamma(model, images, [1, 20, 200])
    for times in (np.array([200, 1, 20]), torch.tensor([1, 20, 200]), iter([1, 200, 20])):
        found = estimate_gamma(model, images, times)
        assert found.times == (1, 20, 200) and torch.equal(found.gamma, expected.gamma)
        gamma_file.write(model, found)


def test_too_few_images_get_one_sentence():
    with pytest.raises(ValueError, match="at least 2 images"):
        estimate_gamma(gaussian_model(0.3), np.zeros((1, SIZE, SIZE, 3), np.uint8))
