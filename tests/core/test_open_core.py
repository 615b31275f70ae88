"""What one's own code may do: samplers, chains that are cut, continued and changed, gradients, schedules."""

import copy
import itertools
import math
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import LINEAR, TWO_LEVELS, X_T, blur_model, run, small_unet, toy_model

import ddpm_core
from ddpm_core import Model, NoiseSchedule, Step, predict, sample, seeded_noise, side_by_side, trajectory
from ddpm_core.engines.choose import wrap
from ddpm_core.latents import check_chains, interpolate, reconstruct
from ddpm_core.likelihood import progressive_decoding
from ddpm_core.names import PREDICTIONS, SAMPLERS, OtherOptions
from ddpm_core.noise import gaussian_batch
from ddpm_core.process import q_sample
from ddpm_core.restore import mask, restore
from ddpm_core.runs import arguments, make_chain
from ddpm_core.samplers import DDIM, DDPM, DEFAULTS, NAMED, OPTIONS, SNR, SWITCHES, Langevin, Solver, StepSampler, find

WITHOUT_MEMORY = [
    {"variance": "beta"},
    {"sampler": "ddim", "eta": 0.7},
    {"sampler": "consistency"},
    {"sampler": "langevin"},
    {"sampler": "heun", "S_churn": 3.0},
]


def heun(predict, schedule, pairs, x, *, noise):
    """Heun's method on dx/dσ in σ = √((1 − ᾱ)/ᾱ): two evaluations a step."""
    scale = schedule.alpha_bar.rsqrt().tolist()
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt().tolist()
    for index, (t, s) in enumerate(pairs):
        now = predict(x, t)
        u, slope = scale[t] * x, now.eps
        x = (u + (sigma[s] - sigma[t]) * slope) / scale[s]
        if s > 0:
            x = (u + (sigma[s] - sigma[t]) * (slope + predict(x, s).eps) / 2) / scale[s]
        yield Step(index, t, s, x, now.x0_hat, 0.0)


@dataclass(frozen=True)
class Renoised(StepSampler):
    """Consistency sampling as a step of one's own."""

    def sigmas(self, schedule, pairs):
        return [math.sqrt(1 - schedule.alpha_bar[s].item()) for _, s in pairs]

    def start(self, schedule, pairs):
        def advance(found, k, t, s, x, noise):
            sigma = self.sigmas(schedule, pairs)[k]
            x_0 = math.sqrt(schedule.alpha_bar[s].item()) * found.x0
            return (x_0 + sigma * noise(k, x) if s else x_0), sigma

        return advance


class Fading(DDIM):
    """A step whose option is no field."""

    def __init__(self, share):
        super().__init__()
        vars(self)["share"] = share

    def start(self, schedule, pairs):
        step = super().start(schedule, pairs)
        return lambda *given: (self.share * step(*given)[0], 0.0)


def test_samplers_with_other_options_are_not_taken_for_one_another():
    samplers = [Fading(1), Fading(0.5), Fading(1)]
    lanes = [{"steps": 4, "sampler": sampler} for sampler in samplers]
    last = {lane: step.x for lane, step in side_by_side(blur_model(), [3], lanes)}
    for lane, sampler in enumerate(samplers):
        *_, alone = trajectory(blur_model(), [3], 4, sampler)
        assert torch.equal(last[lane], alone.x)


class Cut(StepSampler):
    """A step that loses channels."""

    def start(self, schedule, pairs):
        return lambda found, k, t, s, x, noise: (x[:, :1], 0.0)


# Samplers of one's own


@pytest.mark.parametrize(
    "own, options",
    [
        (DDPM("beta"), {"variance": "beta"}),
        (DDIM(0.5), {"sampler": "ddim", "eta": 0.5}),
        (Solver("unipc"), {"sampler": "unipc"}),
        (Langevin("beta", snr=SNR), {"sampler": "langevin", "variance": "beta"}),
        (Renoised(), {"sampler": "consistency"}),
        (heun, None),
    ],
)
def test_a_sampler_or_a_function_is_taken_wherever_a_name_is(own, options):
    model, seeds = blur_model(), [3, 4]
    alone = list(trajectory(model, seeds, 6, own))
    if options:
        assert all(
            torch.equal(a.x, b.x) and a.sigma == b.sigma
            for a, b in zip(alone, trajectory(model, seeds, 6, **options), strict=True)
        )
    assert np.array_equal(sample(model, seeds, 6, sampler=own), ddpm_core.to_uint8(alone[-1].x))
    lanes = [{"steps": 6, "sampler": own}, {"steps": 6}, {"steps": 4, "sampler": own}]
    mine = [step for lane, step in side_by_side(model, seeds, lanes) if lane == 0]
    assert all(torch.equal(a.x, b.x) and a.t == b.t for a, b in zip(mine, alone, strict=True))
    x_t = torch.ones(2, 3, 4, 4)
    *_, last = trajectory(model, seeds, 5, own, x_T=x_t, start=300)
    assert np.array_equal(reconstruct(model, x_t, 300, seeds, 5, sampler=own), ddpm_core.to_uint8(last.x))


class Halved(torch.nn.Module):
    """A network of one's own with float32 weights."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[[[0.5]]]]))

    def forward(self, x, t_index, labels=None):
        return torch.nn.functional.conv2d(x, self.weight.expand(3, 1, 1, 1), groups=3)


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("network", [Halved(), Halved().forward])
def test_bits_of_a_network_with_float32_weights(network):
    """0.5 x has no rounding, so the bound is that of the same function of float64."""
    found, expected = (
        ddpm_core.bits_per_dim(
            Model(network=one, schedule=LINEAR, image_size=4, prediction="epsilon"), IMAGES, steps=3
        ).total
        for one in (network, lambda x, t, labels: 0.5 * x.float().to(x))
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_function_that_takes_no_float64_says_what_to_do():
    inner = Halved()
    model = Model(network=lambda x, t, labels: inner(x, t), schedule=LINEAR, image_size=4, prediction="epsilon")
    with pytest.raises(ValueError, match="ask for float32"):
        ddpm_core.bits_per_dim(model, IMAGES, steps=3)
    assert ddpm_core.bits_per_dim(model, IMAGES, steps=3, dtype=torch.float32).total.shape == (2,)


class InPlace(torch.nn.Module):
    """A network of one's own that changes all that it gets, and returns the same tensor every time."""

    def __init__(self, in_place=True):
        super().__init__()
        self.silu, self.in_place = torch.nn.SiLU(in_place), in_place
        self.output = torch.zeros(())

    def forward(self, x, time, labels):
        out = self.silu(x) + 0.001 * time.reshape(-1, 1, 1, 1) + labels.reshape(-1, 1, 1, 1)
        if self.in_place:
            time += 1
            labels += 1
            self.output = out if self.output.shape != out.shape else self.output.copy_(out)
            return self.output
        return out


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "flow"])
@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_a_network_may_compute_in_place(prediction, sampler):
    """The times of a flow come from a table."""
    kept, changing = (
        Model(network=InPlace(way), schedule=LINEAR, image_size=4, prediction=prediction, num_classes=2)
        for way in (False, True)
    )
    x, labels = gaussian_batch([7], 0, (3, 4, 4)), torch.tensor([1])
    given = x.clone(), labels.clone()
    found = predict(changing, x, torch.tensor([500]), labels, clip=False)
    assert x.equal(given[0]) and labels.equal(given[1])
    expected = predict(kept, x, torch.tensor([500]), labels, clip=False)
    assert found.x0.equal(expected.x0) and found.eps.equal(expected.eps)
    predict(changing, x, 900, labels)  # writes its output again
    assert found.eps.equal(expected.eps) and found.x0.equal(expected.x0)
    for dtype in (torch.float32, torch.float64):
        options = dict(sampler=sampler, labels=labels, clip=False, x_T=x.to(dtype), steps=4)
        ours, theirs = (sample(model, [7], **options) for model in (changing, kept))
        assert np.array_equal(ours, theirs)
    leaf = x.clone().requires_grad_()
    predict(changing, leaf, 500, labels, grad=True).x0.sum().backward()
    assert leaf.grad is not None


LAYERS = {
    "a product": torch.nn.Linear(4, 4),
    "a convolution": torch.nn.Conv2d(3, 3, 1),
    "a transposed convolution": torch.nn.ConvTranspose2d(3, 3, 1),
    "a norm": torch.nn.GroupNorm(1, 3),
}
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_dtype_that_a_network_does_not_take_is_one_sentence(layer, dtype):
    layer = copy.deepcopy(layer).to(dtype)
    functions = (
        (lambda x, t, labels: layer(x)),
        Model(network=Layer(layer), schedule=LINEAR, image_size=4, prediction="epsilon").network,
    )
    for network, state in itertools.product(functions, DTYPES):
        model, x = (
            Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"),
            torch.zeros(1, 3, 4, 4, dtype=state),
        )
        try:
            assert predict(model, x, 5).x0.dtype == state
        except ValueError as error:
            assert dtype != state
            assert str(error).startswith(f"the network does not compute in {str(state)[6:]}: cast x in it, or ask for")
            assert network is functions[0] or f"ask for {str(dtype)[6:]} " in str(error)


class Layer(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, t_index, labels):
        return self.layer(x)


def test_an_error_of_the_network_itself_comes_out_as_it_is():
    weight = torch.ones(4, 4)
    for network in (lambda x, t, labels: x @ torch.ones(3, 3), lambda x, t, labels: t.reshape(1, 1) @ weight):
        with pytest.raises(RuntimeError):
            predict(
                Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"), torch.zeros(1, 3, 4, 4), 5
            )


OUTPUTS = {
    "nothing": (lambda x: None, "a NoneType"),
    "a tuple": (lambda x: (x,), "a tuple"),
    "an array": (lambda x: x.numpy(), "a ndarray"),
    "a dict": (lambda x: {"sample": x}, "a dict"),
    "a distribution": (lambda x: torch.distributions.Normal(x, 1.0), "a method"),
    "whole numbers": (lambda x: x.long(), r"\(1, 3, 4, 4\) int64"),
    "complex numbers": (lambda x: x.to(torch.complex64), r"\(1, 3, 4, 4\) complex64"),
}


@pytest.mark.parametrize("output, found", OUTPUTS.values(), ids=OUTPUTS)
def test_what_is_no_output_of_a_network_is_one_sentence(output, found):
    model = Model(network=lambda x, t_index, labels: output(x), schedule=LINEAR, image_size=4, prediction="epsilon")
    with pytest.raises(ValueError, match=f"^the network must return a float tensor like x, got {found}$"):
        predict(model, X, 5)


def test_a_network_of_diffusers_is_taken_as_it_is():
    plain, classes = small_unet(sample_size=4), small_unet(sample_size=4, num_class_embeds=3)
    for network, fields, labels in ((plain, {}, None), (classes, {"num_classes": 3}, 1)):
        model = Model(network=network, schedule=LINEAR, image_size=4, **{"prediction": "epsilon", **fields})
        ids = None if labels is None else torch.tensor([labels])
        with torch.no_grad():
            expected = network(X + 1, torch.tensor([4]), ids).sample
        assert predict(model, X + 1, 5, labels, clip=False).eps.equal(expected)
        assert sample(model, [1], 2, labels=labels).shape == (1, 4, 4, 3)


@pytest.mark.parametrize("make", [iter, np.array])
def test_lanes_take_their_seeds_from_an_array_or_a_generator(make):
    lanes = [{"steps": 2}, {"steps": 3}]
    found, expected = (list(side_by_side(blur_model(), seeds, lanes)) for seeds in (make([1, 2]), [1, 2]))
    assert [(lane, step.t) for lane, step in found] == [(lane, step.t) for lane, step in expected]
    assert torch.equal(found[-1][1].x, expected[-1][1].x)


NOISES = {
    "a number": (lambda index, x: 1.0, "a float"),
    "a scalar": (lambda index, x: torch.tensor(1.0), r"\(\) float32"),
    "one image for all": (lambda index, x: x[:1], r"\(1, 3, 4, 4\) float32"),
    "nothing": (lambda index, x: None, "a NoneType"),
    "an array": (lambda index, x: x.numpy(), "a ndarray"),
    "whole numbers": (lambda index, x: x.long(), r"\(2, 3, 4, 4\) int64"),
}
USES = {
    "a run": lambda noise: list(trajectory(blur_model(), [1, 2], 3, noise=noise)),
    "corrections": lambda noise: list(trajectory(blur_model(), [1, 2], 3, "langevin", noise=noise)),
    "a restoration": lambda noise: list(restore(blur_model(), X, mask(torch.eye(4)), seeds=[1, 2], noise=noise)),
    "bits": lambda noise: ddpm_core.bits_per_dim(blur_model(), IMAGES, steps=3, noise=noise, dtype=torch.float32),
    "decoding": lambda noise: progressive_decoding(blur_model(), IMAGES, [5], noise=noise),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_noise_of_ones_own_is_like_the_state(use):
    for noise, found in NOISES.values():
        with pytest.raises(ValueError, match=rf"^noise\(index, x\) .* \(2, 3, 4, 4\) float32, got {found}$"):
            use(noise)
    with pytest.raises(ValueError, match=r"noise is a function noise\(index, x\) .*, got 5"):
        use(5)


def test_noise_of_another_dtype_or_drawn_in_place_leaves_the_state_as_it_is():
    def draw(dtype):
        return lambda index, x: torch.randn(x.shape, generator=torch.Generator().manual_seed(index)).to(dtype)

    def in_place(index, x):
        return x.copy_(draw(torch.float32)(index, x)).requires_grad_()

    for call in (
        lambda noise: [step.x for step in trajectory(blur_model(), [1, 2], 3, noise=noise)],
        lambda noise: [ddpm_core.bits_per_dim(blur_model(), IMAGES, steps=3, noise=noise, dtype=torch.float32).terms],
    ):
        expected = call(draw(torch.float32))
        for noise in (draw(torch.float64), in_place):
            found = call(noise)
            assert all(a.dtype == b.dtype and a.equal(b) for a, b in zip(found, expected, strict=True))


X = torch.zeros(1, 3, 4, 4)
MISTAKES = {
    "a name of diffusers": (
        lambda: sample(blur_model(), [1], num_inference_steps=5),
        "choose from seeds, steps, sampler",
    ),
    "the same for latents": (lambda: reconstruct(blur_model(), X, 5, [1], num_inference_steps=5), "reconstruct has no"),
    "a start that is t": (lambda: reconstruct(blur_model(), X, 5, [1], start=5), "no argument 'start'"),
    "a lane's steps": (lambda: side_by_side(blur_model(), [1], [dict(step=2)]), "a lane has no argument 'step'"),
    "no lane": (lambda: side_by_side(blur_model(), [1], [5]), "a lane is a dict"),
    "a lane's model": (lambda: side_by_side(blur_model(), [1], [dict(model="x")]), "what `load` gives"),
    "two axes": (lambda: predict(blur_model(), X[0, 0], 5), r"x_t must be .* \(N, 3, 4, 4\), got \(4, 4\)"),
    "other channels": (lambda: predict(blur_model(), X[:, :1], 5), r"got \(1, 1, 4, 4\)"),
    "whole numbers": (lambda: predict(blur_model(), X.long(), 5), "float tensor"),
    "numpy": (lambda: predict(blur_model(), X.numpy(), 5), "got a ndarray"),
    "no image": (lambda: predict(blur_model(), X[:0], 5), "x_t must be"),
    "an x_T of numpy": (lambda: trajectory(blur_model(), [1], 5, x_T=X.numpy()), "x_T must be"),
    "a latent of two axes": (lambda: reconstruct(blur_model(), X[0, 0], 0, [1]), "x_t must be"),
    "an x_T of NaN": (lambda: trajectory(blur_model(), [1], 5, x_T=X / 0), "x_T has NaN"),
    "clip as text": (lambda: trajectory(blur_model(), [1], 5, clip="no"), "clip must be True, False or None, got 'no'"),
    "an snr of NaN": (lambda: trajectory(blur_model(), [1], 5, "langevin", snr=math.nan), "snr must be a number"),
    "corrections": (
        lambda: trajectory(blur_model(), [1], 5, "langevin", corrections=1.5),
        "whole number of at least 0",
    ),
    "eta as text": (lambda: trajectory(blur_model(), [1], 5, "ddim", eta="1"), "between 0 and 1, got '1'"),
    "guidance as text": (lambda: trajectory(toy_model(num_classes=2), [1], 5, labels=1, guidance="3"), "guidance"),
    "a list of spacings": (lambda: trajectory(blur_model(), [1], 5, spacing=["linspace"]), "unknown spacing"),
    "a list of samplers": (lambda: trajectory(blur_model(), [1], 5, ["ddpm"]), "unknown sampler"),
    "a number to go on from": (lambda: trajectory(blur_model(), [1], 5, after=5), "after must be a step"),
    "one weight": (lambda: ddpm_core.interpolate(blur_model(), X, X, 5, 0.5, 1), "weights are a list"),
    "a number of steps": (lambda: ddpm_core.optimise_timesteps(blur_model(), steps=5), "list of whole numbers"),
}


@pytest.mark.parametrize("call, match", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_is_computed(call, match):
    with pytest.raises(ValueError, match=match) as error:
        call()
    assert "\n" not in str(error.value)


def test_sides_that_a_u_net_cannot_halve_are_refused():
    network = wrap(small_unet(sample_size=4, **TWO_LEVELS), "cpu", "fp32", "torch")
    model = Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon")
    assert predict(model, torch.zeros(1, 3, 6, 4), 5).x0.shape == (1, 3, 6, 4)
    for call in (lambda x: predict(model, x, 5), lambda x: trajectory(model, [1], 5, x_T=x)):
        with pytest.raises(ValueError, match="multiples of 2"):
            call(torch.zeros(1, 3, 5, 4))


def test_the_table_holds_every_name():
    assert tuple(NAMED) == SAMPLERS == tuple(sampler.name for sampler in NAMED.values())


# A value of each option of the samplers that is not its default.
OTHER = {"variance": "beta_tilde", "eta": 0.5, "snr": 0.3, "corrections": 2}
OTHER |= {"S_churn": 2.0, "S_min": 0.5, "S_max": 0.03, "S_noise": 0.9}
OTHER |= {option: not usual for option, usual in SWITCHES.items()}
TAKE_OPTIONS = {
    "sample": lambda model, **own: sample(model, [1], 4, **own),
    "a lane": lambda model, **own: [step.x for _, step in side_by_side(model, [1], [own | {"steps": 4}])][-1],
    "reconstruct": lambda model, **own: reconstruct(model, X, 9, [1], 4, **own),
    "interpolate": lambda model, **own: interpolate(model, X, X + 1, 9, [0.5], 1, 4, **own),
    "restore": lambda model, **own: [*restore(model, X, mask(torch.eye(4)), seeds=[1], steps=4, **own)][-1].x,
    "make_chain": lambda model, **own: make_chain(model, 4, **own).sampler,
}


@pytest.mark.parametrize("use", TAKE_OPTIONS)
def test_whatever_takes_a_sampler_takes_its_options_by_their_names(use):
    model, take = blur_model(), TAKE_OPTIONS[use]
    for name, options in OPTIONS.items():
        for option in options:
            more = {"S_churn": 2.0} if name == "heun" and option != "S_churn" else {}  # else these do nothing
            own = {option: OTHER[option], **more}
            if name in ("dpm++", "unipc") and use == "restore":
                continue
            found, expected, plain = (
                take(model, sampler=name, **own),
                take(model, sampler=replace(NAMED[name], **own)),
                take(model, sampler=name, **more),
            )
            assert (found == expected) is True if use == "make_chain" else np.array_equal(found, expected), own
            assert not (found == plain if use == "make_chain" else np.array_equal(found, plain)), own


def test_type_checkers_and_command_lines_know_every_option():
    assert OtherOptions.__annotations__.keys() == DEFAULTS.keys() - {*arguments(make_chain), "variance", "eta"}


def test_an_option_has_one_default_and_a_default_is_left_to_the_sampler():
    assert all(own[option] == DEFAULTS[option] for own in OPTIONS.values() for option in own)
    assert make_chain(blur_model(), 4, DDIM(eta=0.5), **DEFAULTS).sampler == DDIM(eta=0.5)
    assert OPTIONS["consistency"] == OPTIONS["unipc"] == {}  # what `bind` alone sets is none


@pytest.mark.parametrize("option", OTHER)
def test_an_option_that_a_sampler_lacks_is_refused_by_all(option):
    owners = " and ".join(repr(name) for name, own in OPTIONS.items() if option in own)
    sentence = f"^{option} belongs to the sampler {owners}, and this run has 'unipc': leave it out$"
    own = {"sampler": "unipc", option: OTHER[option]}
    for take in (*TAKE_OPTIONS.values(), lambda model, **own: check_chains(model, [0, 5], **own)):
        with pytest.raises(ValueError, match=sentence):
            take(blur_model(), **own)


@pytest.mark.parametrize(
    "wrong, match",
    [
        (lambda: trajectory(toy_model(), [1], 4, temperature=2), "^trajectory has no argument 'temperature': choose"),
        (lambda: sample(toy_model(), [1], 4, sampler=Cut()), "x of the sampler 'of your own' must be like x"),
        (lambda: DDIM(eta=1.5), "between 0 and 1, got 1.5"),
        (lambda: sample(toy_model(), [1], 4, sampler=DDPM("wide")), "unknown variance 'wide'"),
        (lambda: sample(toy_model(), [1], 4, sampler=DDPM(), eta=0.5), "eta belongs to the sampler 'ddim'"),
        (
            lambda: trajectory(toy_model(), [1], 4, Solver("unipc"), on_step=lambda step: None),
            "remembers earlier steps",
        ),
    ],
)
def test_the_options_of_a_sampler_are_checked(wrong, match):
    with pytest.raises(ValueError, match=match):
        wrong()


def test_a_sampler_by_its_import_path():
    assert find("test_open_core:heun") is heun or find("test_open_core:heun").__name__ == "heun"
    assert find("ddim") == "ddim"
    for text, match in (
        ("euler", "choose from ddpm"),
        ("no_such_module:f", "can't be imported"),
        (":f", "can't be imported"),
        ("math:tau", "no sampler 'tau'"),
        ("math:nothing", "no sampler 'nothing'"),
    ):
        with pytest.raises(ValueError, match=match):
            find(text)


class Odd:
    """A sampler that misbehaves in step `at` as `how` says."""

    def __init__(self, how, at):
        self.how, self.at = how, at

    def __call__(self, predict, schedule, pairs, x, *, noise):
        if self.how == "nothing":
            return None
        return self.steps(predict, pairs, x)

    def steps(self, predict, pairs, x):
        for index, (t, s) in enumerate(pairs):
            step = Step(index, t, s, x, predict(x, t).x0_hat, 0.0)
            if index == self.at:
                if self.how == "ends":
                    return
                if self.how == "raises":
                    raise ZeroDivisionError
                step = "step" if self.how == "no step" else replace(step, **self.wrong(step).get(self.how, {}))
            yield step
        if self.how == "goes on":
            yield step

    def wrong(self, step):
        return {
            "shape": {"x": step.x[:, :1]},
            "dtype": {"x": step.x.float()},
            "x0_hat": {"x0_hat": None},
            "time": {"s": step.s + 1},
            "index": {"index": step.index + 1},
        }


ODD = ("nothing", "raises", "no step", "shape", "dtype", "x0_hat", "time", "index", "ends", "goes on")


@given(st.sampled_from(ODD), st.integers(0, 3))
@settings(max_examples=60)
def test_a_sampler_that_breaks_its_promise_is_told_of_it_in_a_sentence(how, at):
    with pytest.raises(ValueError, match="the sampler 'of your own'") as error:
        run(toy_model(), 4, sampler=Odd(how, at))
    assert "\n" not in str(error.value)


# Real times


def recorded(model):
    """The model, and the times that its network gets."""
    told = []

    def network(x, t_index, labels):
        told.append(t_index.clone())
        return model.network(x, t_index, labels)

    return model.evaluated_by(network), told


def test_an_evaluation_takes_a_real_time_or_a_noise_level():
    model, told = recorded(smooth_model("epsilon"))
    alpha_bar = LINEAR.alpha_bar_at(412.7)
    sigma = math.sqrt(1 / alpha_bar - 1)
    found = predict(model, X_T, 412.7, clip=False)
    torch.testing.assert_close(found.x0, (X_T - math.sqrt(1 - alpha_bar) * found.eps) / math.sqrt(alpha_bar))
    assert told[-1].dtype == torch.float64 and told[-1].tolist() == [411.7] * 2
    for same in (torch.tensor([412.7] * 2, dtype=torch.float64), np.float64(412.7)):
        assert all(a.equal(b) for a, b in zip(predict(model, X_T, same, clip=False)[:3], found[:3], strict=True))
    for by_sigma in (sigma, torch.tensor([sigma, sigma], dtype=torch.float64)):
        torch.testing.assert_close(predict(model, X_T, sigma=by_sigma, clip=False).x0, found.x0, rtol=0, atol=1e-9)
    predict(model, X_T.float(), torch.tensor([5.5, 0.25]))  # below 1: the first time that it has learned
    assert told[-1].dtype == torch.float32 and told[-1].tolist() == [4.5, 0.0]
    for whole in (5.0, np.float32(5), torch.tensor([5.0, 5.0]), torch.tensor(5.0)):
        assert predict(model, X_T, whole).eps.equal(predict(model, X_T, 5).eps) and told[-1].dtype == torch.int64
    for wrong, match in (
        ({}, "give t or sigma"),
        ({"t": 5, "sigma": 1.0}, "not both"),
        ({"sigma": -1.0}, "at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            predict(model, X_T, **wrong)
    for wrong in (0.0, 1000.5, -0.5, math.nan):
        with pytest.raises(ValueError, match="t must be above 0 and at most 1000"):
            predict(model, X_T, wrong)


def test_a_chain_visits_real_times_and_is_cut_at_them():
    model, told = recorded(blur_model())
    run = {"seeds": [3, 4], "steps": [999.5, 500, 20.25], "sampler": "ddim", "eta": 0.5}
    whole = list(trajectory(model, **run))
    assert [(step.t, step.s) for step in whole] == [(999.5, 500), (500, 20.25), (20.25, 0)]
    assert [time[0].item() for time in told[-3:]] == [998.5, 499, 19.25]
    *_, last = trajectory(model, **run, after=(20.25, whole[1].x))
    assert torch.equal(last.x, whole[-1].x)
    x_t = ddpm_core.encode(model, IMAGES, 300.5, [5, 6])
    decoded = reconstruct(model, x_t, 300.5, [5, 6], 4, sampler="ddim")
    assert np.array_equal(decoded, sample(model, [5, 6], 4, x_T=x_t, start=300.5, sampler="ddim"))
    assert told[-4][0].item() == np.float32(299.5)


class TableOfTimes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.times = torch.nn.Embedding(1000, 3)

    def forward(self, x, t_index, labels):
        return x + self.times(t_index)[:, :, None, None]


def test_a_network_that_knows_whole_times_alone_says_so_before_it_computes():
    known = wrap(small_unet(sample_size=4), "cpu", "fp32", "torch")
    known.unet.known_times = 1000
    shape = {"schedule": LINEAR, "image_size": 4, "prediction": "epsilon"}
    for model in (Model(network=known, **shape), Model(network=TableOfTimes(), **shape)):
        for call in (
            lambda model: trajectory(model, [1], [999.5, 1]),
            lambda model: trajectory(model, [1], 4, "heun", S_churn=2.0),
            lambda model: predict(model, X, 5.5),
        ):
            with pytest.raises(ValueError, match="this network knows only whole ones"):
                call(model)
        assert sample(model, [1], 2, sampler="heun").shape == (1, 4, 4, 3)
    for call in (
        lambda: predict(toy_model("mu"), X_T, 5.5),
        lambda: trajectory(toy_model("mu"), [1], [5.5, 1]),
        lambda: ddpm_core.bits_per_dim(blur_model(), IMAGES, steps=[5.5, 1]),
    ):
        with pytest.raises(ValueError, match=r"whole times"):
            call()


def test_a_function_evaluates_anywhere():
    """Midpoint steps in ln σ, against DDIM's with the same network in the limit of many steps."""

    def midpoint(predict, schedule, pairs, x, *, noise):
        for k, (t, s) in enumerate(pairs):
            here, there = (max(schedule.at(time).sigma.item(), 1e-3) for time in (t, s))
            half = schedule.time_at(math.sqrt(here * there))
            first = predict(x, t)
            middle = q_sample(schedule, first.x0, half, first.eps)
            second = predict(middle, half)
            a = math.sqrt(schedule.alpha_bar_at(s) / schedule.alpha_bar_at(t))
            b = math.sqrt(1 - schedule.alpha_bar_at(s)) - a * math.sqrt(1 - schedule.alpha_bar_at(t))
            x = a * x + b * second.eps
            yield Step(k, t, s, x, first.x0_hat, 0.0)

    model = smooth_model("epsilon")
    # Up to T/2, as this network's x̂_0 is far from the data at T. The errors fall as 1/n² and 1/n.
    ends = {
        (name, n): [*trajectory(model, [1], n, sampler, x_T=X_T[:1], start=500, clip=False)][-1].x
        for name, sampler, n in (
            ("own", midpoint, 20),
            ("own", midpoint, 40),
            ("ddim", "ddim", 500),
            ("heun", "heun", 40),
        )
    }
    exact = ends["ddim", 500]
    assert (ends["own", 40] - exact).abs().max() < (ends["own", 20] - exact).abs().max() < 0.2
    assert (ends["heun", 40] - exact).abs().max() < 0.2


# Chains that are cut, continued and changed


@pytest.mark.parametrize("options", [*WITHOUT_MEMORY, {"sampler": heun}, {"variance": "analytic"}])
@given(st.data())
@settings(max_examples=8)
def test_a_chain_that_is_cut_and_continued_is_the_whole_chain(options, data):
    gamma = torch.full((1001,), 0.9, dtype=torch.float64)
    arguments = dict(seeds=[5, 6], steps=9, **options)
    model = replace(blur_model(), gamma=gamma)
    whole = list(trajectory(model, **arguments))
    parts, after = [], None
    for s in [*sorted(data.draw(st.sets(st.sampled_from([step.s for step in whole[:-1]]))), reverse=True), 0]:
        parts += trajectory(model, **arguments, after=after, stop=s)
        assert parts[-1].s == s
        after = parts[-1] if data.draw(st.booleans()) else (s, parts[-1].x)
    for step, again in zip(whole, parts, strict=True):
        assert (step.index, step.t, step.s, step.sigma) == (again.index, again.t, again.s, again.sigma)
        assert torch.equal(step.x, again.x) and torch.equal(step.x0_hat, again.x0_hat)


def test_lanes_that_begin_at_one_state_share_its_evaluations():
    evaluated, model = [], blur_model()
    counting = model.evaluated_by(lambda x, *given: evaluated.append(len(x)) or model.network(x, *given))
    *_, first, _, last = trajectory(model, [5, 6], 4)
    for other in (first.x, first.x.clone()):
        lanes = [{"steps": 4, "after": (first.s, x)} for x in (first.x, other)]
        ends = [step.x for _, step in side_by_side(counting, [5, 6], lanes)][-2:]
        assert all(torch.equal(end, last.x) for end in ends)
    assert evaluated == [2, 2, 4, 4]


def test_up_again_and_down_with_fresh_noise():
    model, seeds = blur_model(), [5, 6]
    first, second, *_ = trajectory(model, seeds, 9)
    up = q_sample(LINEAR, second.x, second.t, torch.zeros_like(second.x), second.s)
    torch.testing.assert_close(up, (LINEAR.alpha_bar[second.t] / LINEAR.alpha_bar[second.s]).sqrt().float() * second.x)
    for fresh in (0, 2**32):
        noise = seeded_noise(seeds, 1 + fresh)
        (again,) = trajectory(model, seeds, 9, after=(first.s, first.x), stop=second.s, noise=noise)
        assert torch.equal(again.x, second.x) == (fresh == 0)


def test_q_from_s_composes_to_q_from_0():
    """From x_0 up to x_s and from there to x_t without noise: the factors of Eq. 4 multiply."""
    zero = torch.zeros_like(X_T)
    two = q_sample(LINEAR, q_sample(LINEAR, X_T, 200, zero), 700, zero, 200)
    torch.testing.assert_close(two, q_sample(LINEAR, X_T, 700, zero))
    noise = q_sample(LINEAR, zero, 700, torch.ones_like(zero), 200)
    expected = 1 - LINEAR.alpha_bar[700] / LINEAR.alpha_bar[200]
    torch.testing.assert_close(noise.square(), expected.expand_as(noise))
    with pytest.raises(ValueError, match=r"200\.\.1000"):
        q_sample(LINEAR, X_T, 100, zero, 200)


@pytest.mark.parametrize("sampler", [{}, {"sampler": "heun", "S_churn": 3.0}], ids=["ddpm", "heun"])
def test_on_step_changes_the_state_and_says_so(sampler):
    model, given = blur_model(), {"seeds": [5, 6], "steps": 9, **sampler}

    def halve(step):
        return step.x / 2 if step.index == 3 else None

    whole = list(trajectory(model, **given))
    changed = list(trajectory(model, **given, on_step=halve))
    assert [step.index for step in changed] == list(range(9))
    assert all(torch.equal(a.x, b.x) for a, b in zip(whole[:3], changed[:3], strict=True))
    assert torch.equal(changed[3].x, whole[3].x / 2)
    rest = trajectory(model, **given, after=(changed[3].s, whole[3].x / 2))
    assert all(torch.equal(a.x, b.x) for a, b in zip(rest, changed[4:], strict=True))
    *_, silent = trajectory(model, **given, on_step=lambda step: (step.x.zero_(), None)[1])
    assert torch.equal(silent.x0_hat, whole[-1].x0_hat)


@pytest.mark.parametrize("options", [{"after": (667, X_T)}, {"on_step": lambda step: None}])
@pytest.mark.parametrize("sampler", ["dpm++", "unipc", "own"])
def test_samplers_with_memory_say_that_they_have_one(sampler, options):
    def own(*_, **__):
        yield from ()

    own.memory = True
    with pytest.raises(ValueError, match="remembers earlier steps"):
        trajectory(toy_model(), [0, 1], 4, own if sampler == "own" else sampler, **options)
    steps = [step.s for step in trajectory(toy_model(), [0, 1], 4, "dpm++", x_T=X_T, stop=334)]
    assert steps == [667, 334]


@pytest.mark.parametrize(
    "options, match",
    [
        ({"stop": 5}, "stops at one of its times 667, 334, 1, 0, got 5"),
        ({"stop": 667, "after": (667, X_T)}, "stops at one of its times 334, 1, 0"),
        ({"after": (5, X_T)}, "starts at t = 5: its times are 1000, 667, 334, 1"),
        ({"after": (0, X_T)}, "starts at t = 0"),
        ({"after": (667, X_T), "x_T": X_T}, "it replaces x_T"),
        ({"after": (667, X_T[:1])}, "float tensor of shape"),
    ],
)
def test_where_a_chain_cannot_be_cut(options, match):
    with pytest.raises(ValueError, match=match):
        trajectory(toy_model(), [0, 1], 4, **options)


@pytest.mark.parametrize("returned", [X_T[:1], 3, X_T.long()], ids=["batch", "number", "whole"])
def test_what_on_step_may_return(returned):
    with pytest.raises(ValueError, match="on_step returns None, or an x"):
        run(toy_model(), 4, on_step=lambda step: returned)


# Gradients


def smooth_model(prediction, **fields):
    """A network in torch, not linear in x; labels shift it."""

    def network(x, t_index, labels):
        shift = 0.0 if labels is None else 0.3 * labels.reshape(-1, 1, 1, 1)
        return (0.8 * x + shift + 0.001 * t_index.reshape(-1, 1, 1, 1)).sin() + 0.1 * x.roll(1, -1) * x

    return Model(network=network, schedule=LINEAR, image_size=4, prediction=prediction, **fields)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("guidance", [None, 2.5])
@pytest.mark.parametrize("clip", [True, False])
def test_gradients_are_those_of_finite_differences(prediction, guidance, clip):
    model = smooth_model(prediction, num_classes=3, null_label=3)
    weights, h = torch.cos(torch.arange(X_T.numel(), dtype=torch.float64)).reshape(X_T.shape), 1e-6

    def loss(x, grad):
        found = predict(model, x, 400, [0, 2], guidance, clip, grad)
        return (weights * (found.x0 + 0.5 * found.x0_hat + 0.1 * found.eps)).flatten(1).sum(1)

    x = (0.3 * X_T).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, True).sum(), x)
    for i in ((0, 0, 0), (1, 2, 3), (2, 3, 1)):
        step = torch.zeros_like(x)
        step[(slice(None), *i)] = h
        with torch.no_grad():
            numeric = (loss(x + step, False) - loss(x - step, False)) / (2 * h)
        # The loss is below 100: rounding it makes 100 eps/h = 2e-8 of the quotient, and the curvature h² = 1e-12.
        torch.testing.assert_close(gradient[(slice(None), *i)], numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine, precision", [("torch", "fp32"), ("torch", "bf16"), ("openvino", "auto")])
def test_gradients_go_through_torch_whatever_the_engine(engine, precision, tmp_path):
    """The network is the exact one in the file, and an image's gradient is its own whatever the batch."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    unet = small_unet()
    ddpm_core.save(
        Model(
            network=wrap(unet, engine="torch", precision="fp32"), schedule=LINEAR, image_size=8, prediction="epsilon"
        ),
        tmp_path,
    )
    model = ddpm_core.load(tmp_path, device="cpu", engine=engine, precision=precision)
    x = torch.linspace(-1, 1, 2 * 3 * 64).reshape(2, 3, 8, 8).requires_grad_()
    found = predict(model, x, 300, clip=False, grad=True)
    (gradient,) = torch.autograd.grad(found.eps.square().sum(), x)
    (expected,) = torch.autograd.grad(unet(x, torch.tensor([299, 299]))[0].square().sum(), x)
    # Layouts of memory sum differently: some twenty layers of sums of 144 in float32, 20 √144 eps = 3e-5.
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-4 * expected.abs().max().item())
    (alone,) = torch.autograd.grad(predict(model, x[1:], 300, clip=False, grad=True).eps.square().sum(), x)
    assert torch.equal(alone[1], gradient[1])


def test_gradients_that_cannot_be_had_are_refused():
    x = X_T.clone().requires_grad_()

    def network(x, t_index, labels):
        with torch.no_grad():
            return 0.5 * x

    with pytest.raises(ValueError, match="lets no gradients through"):
        predict(Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"), x, 5, grad=True)
    rounded = wrap(small_unet(), "cpu", "bf16", "torch")
    with pytest.raises(ValueError, match="load with precision='fp32'"):
        predict(
            Model(network=rounded, schedule=LINEAR, image_size=8, prediction="epsilon"),
            torch.zeros(1, 3, 8, 8),
            5,
            grad=True,
        )


def test_labels_of_an_evaluation_are_those_of_a_run():
    model = smooth_model("epsilon", num_classes=3, null_label=3)
    for labels, expected in ((None, [3, 3]), (1, [1, 1]), ([0, 2], [0, 2]), (torch.tensor([0, 2]), [0, 2])):
        found = predict(model, X_T, 5, labels)
        assert torch.equal(found.eps, predict(model, X_T, 5, torch.tensor(expected)).eps)
    with pytest.raises(ValueError, match="labels go from 0 to 2"):
        predict(model, X_T, 5, 7)


# Schedules, and what a user sees of things


@pytest.mark.parametrize("schedule", [LINEAR, NoiseSchedule.cosine(100), NoiseSchedule.from_betas([0.1, 0.5, 1.0])])
def test_a_schedule_from_its_alpha_bar_is_the_schedule(schedule):
    again = NoiseSchedule.from_alpha_bar(schedule.alpha_bar[1:])
    torch.testing.assert_close(again.alpha_bar, schedule.alpha_bar, rtol=1e-12, atol=0)
    assert torch.equal(NoiseSchedule.from_config(again.config).beta, again.beta)


@pytest.mark.parametrize(
    "alpha_bar", [[], [1.0, 0.5], [0.5, 0.5], [0.5, 0.6], [0.5, -0.1], [0.5, float("nan")], [[0.5]]]
)
def test_an_alpha_bar_that_is_none_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar"):
        NoiseSchedule.from_alpha_bar(alpha_bar)


def test_what_is_printed_fits_a_line():
    model = toy_model(num_classes=2)
    step = run(model, 2, labels=0)[0]
    found = predict(model, X_T, 5, 1)
    for value, has in (
        (model, "4×4×3"),
        (model.schedule, "linear, T = 1000"),
        (step, "t = 1000 → s = 1"),
        (found, "x0_hat"),
    ):
        assert has in repr(value) and len(repr(value)) < 100 and "\n" not in repr(value)


def test_a_model_is_copied_and_pickled_with_its_own_weights(torch_engine):
    model = ddpm_core.load("mnist-tiny")
    ddpm_core.predict(model, torch.zeros(1, 1, 28, 28), 5, labels=3, grad=True)  # whose network is kept
    before = ddpm_core.sample(model, [1], 2)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (ddpm_core.sample(copied, [1], 2) == before).all()
        assert copied.optimised == model.optimised and copied.source == model.source
        ddpm_core.module(copied).get_parameter("conv_out.bias").fill_(0.5)
        assert (ddpm_core.sample(copied, [1], 2) != before).any()
    assert (ddpm_core.sample(model, [1], 2) == before).all()


def test_what_was_compiled_is_not_copied(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    model = ddpm_core.load("mnist-tiny", device="cpu", engine="compile")
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="engine='torch'"):
            copied(model)


def test_a_network_of_diffusers_is_a_network(tmp_path, torch_engine):
    loaded = ddpm_core.load("mnist-tiny")
    unet = UNet2DModel.from_pretrained("checkpoints/mnist-tiny").eval()
    own = replace(loaded, network=unet)
    options = {"seeds": [1, 2], "steps": 3, "labels": 3}
    steps = [*ddpm_core.trajectory(own, **options)], [*ddpm_core.trajectory(loaded, **options)]
    for a, b in zip(*steps, strict=True):
        assert torch.allclose(a.x, b.x, atol=1e-4)
    assert ddpm_core.module(own) is unet
    x_0, t, eps = torch.zeros(2, 1, 28, 28), torch.tensor([5, 700]), torch.ones(2, 1, 28, 28)
    labels = torch.tensor([3, 4])
    losses = [ddpm_core.loss(one, x_0, labels, t, eps) for one in (own, loaded)]
    assert torch.allclose(*losses, rtol=1e-4)
    ddpm_core.save(own, tmp_path / "saved")  # its weights, too
    again = ddpm_core.load(tmp_path / "saved")
    assert (ddpm_core.sample(again, **options) == ddpm_core.sample(loaded, **options)).all()
