"""The course: every check passes its solution, and gives each classic mistake a sentence of its own."""

import math
import os
import re
import subprocess
import sys
import time

import nbformat
import notebooks
import pytest
import torch

import ddpm_core
from course import check, grade, lab
from course.check.exercise import FIRST_TIME, NOT_FILLED_IN, OUTSIDE, OWN_NOISE
from course.solutions import forward

SLERP = "(torch.sin((1 - weight) * angle) * a + torch.sin(weight * angle) * b) / torch.sin(angle)"
# The mistakes as students write them: the solution with one text replaced, and words of the sentence that they get.
MISTAKES = {
    "alpha_bar": [
        ("torch.cumprod(1 - beta, 0)", "1 - beta", "what one single step keeps"),
        ("cumprod(1 - beta, 0)", "cumprod(beta, 0)", "You multiply the β"),
        ("torch.cumprod(1 - beta, 0)", "1 - torch.cumsum(beta, 0)", "You add up the β"),
        ("torch.cumprod(1 - beta, 0)", "torch.cumprod(1 - torch.cat([beta[:1], beta[:-1]]), 0)", "one step late"),
        ("torch.cumprod(1 - beta, 0)", "torch.cumprod(1 - beta, 0) ** 0.5", "the factor of the picture"),
        ("torch.cumprod(1 - beta, 0)", "1 - torch.cumprod(1 - beta, 0)", "the variance of the noise"),
    ],
    "forward_step": [
        ("schedule.beta[t].sqrt() * eps", "schedule.beta[t] * eps", "wrong strength"),
        ("(1 - schedule.beta[t]).sqrt() * x", "(1 - schedule.beta[t]) * x", "Look at the root"),
        ("(1 - schedule.beta[t]).sqrt() * x", "x", "keeps its full strength"),
        ("schedule.beta[t]", "(1 - schedule.alpha_bar[t])", "You jump"),
        ("[t]", "[t - 1]", "Wrong by one step"),
        ("* x + schedule.beta[t].sqrt() * eps", "* eps + schedule.beta[t].sqrt() * x", "swapped"),
        ("schedule.beta", "ddpm_core.NoiseSchedule.linear().beta", OUTSIDE),
    ],
    "q_sample": [
        ("schedule.alpha_bar[t]", "schedule.alpha[t]", "α where ᾱ belongs"),
        ("alpha_bar_t.sqrt() * x_0", "alpha_bar_t * x_0", "a root is missing"),
        ("(1 - alpha_bar_t).sqrt()", "(1 - alpha_bar_t)", "multiplied by its variance"),
        ("[t]", "[t - 1]", "Wrong by one step"),
        ("(1 - alpha_bar_t).sqrt()", "(1 - alpha_bar_t.sqrt())", "not their factors"),
        ("alpha_bar_t.sqrt() * x_0", "x_0", "it must fade"),
        ("[t].reshape(-1, 1, 1, 1)", "[t[0]]", FIRST_TIME),
        ("* eps", "* torch.randn_like(eps)", OWN_NOISE),
        ("alpha_bar_t.sqrt() * x_0", "alpha_bar_t^.5 * x_0", "no power"),
        ("* x_0 + (1 - alpha_bar_t).sqrt() * eps", "* eps + (1 - alpha_bar_t).sqrt() * x_0", "swapped"),
        (".reshape(-1, 1, 1, 1)", "", "Shapes do not fit"),
        ("schedule.alpha_bar", "ddpm_core.NoiseSchedule.linear().alpha_bar", OUTSIDE),
        ("x_t.to(x_0.dtype)", "x_t", "should be float32"),
    ],
    "snr": [
        ("alpha_bar[1:]", "alpha_bar", "T + 1 entries"),
        ("alpha_bar[1:]", "alpha_bar[:-1]", "first entry belongs to t = 0"),
        ("alpha_bar / (1 - alpha_bar)", "(alpha_bar / (1 - alpha_bar)).sqrt()", "compares variances"),
        ("alpha_bar / (1 - alpha_bar)", "(1 - alpha_bar) / alpha_bar", "turn it over"),
        ("schedule.alpha_bar", "schedule.alpha", "α where ᾱ belongs"),
        ("(1 - alpha_bar)", "(1 - alpha_bar).sqrt()", "compare like with like"),
    ],
    "cosine_alpha_bar": [
        (" ** 2", "", "The square is missing"),
        (" / f[0]", "", "divide by f(0)"),
        ("s = 0.008", "s = 0", "offset"),
        ("torch.arange(T + 1, dtype=torch.float64)", "torch.arange(-1, T, dtype=torch.float64).clamp(0)", "late"),
        ("torch.arange(T + 1,", "torch.arange(1, T + 1,", "one for each t from 0"),
        ("torch.arange(T + 1,", "torch.arange(T,", "one for T too"),
        (" / 2)", ")", "½ of π"),
    ],
    "best_guess": [
        ("math.sqrt(alpha_bar_t) * ", "", "have faded"),
        ("(2 * (1 - alpha_bar_t))", "(1 - alpha_bar_t)", "factor ½"),
        ("data.flatten(1)) ** 2", "data.flatten(1))", "The square in the exponent"),
        ("(2 * (1 - alpha_bar_t))", "(2 * math.sqrt(1 - alpha_bar_t))", "stands the variance"),
        ("weights @ data.flatten(1)", "data.flatten(1)[weights.argmax(1)]", "the average of all"),
        ("-squares /", "0 * squares /", "same weight"),
        ("-squares /", "squares /", "sign is wrong"),
        (", 1)\n    return", ", 0)\n    return", "add up to 1"),
    ],
    "draw_times": [
        ("T + 1", "T", "never drawn"),
        ("1, T + 1", "0, T", "and never t = T"),
        ("1, T + 1", "0, T + 1", "no noise to find. Times"),
        ("T + 1", "T + 2", "t = T + 1"),
        ("torch.randint(1, T + 1, (n,))", "torch.randint(1, T + 1, (1,)).expand(n)", "the same t"),
        ("torch.randint(1, T + 1, (n,))", "torch.arange(n) % 2 + 1", "the same at every call"),
        ("torch.randint(1, T + 1, (n,))", "1 + T * torch.rand(n)", "whole numbers"),
        ("(n,)", "(n, 1)", "the shape (n,)"),
    ],
    "x0_from_eps": [
        ("schedule.alpha_bar[t]", "schedule.alpha[t]", "α where ᾱ belongs"),
        ("/ alpha_bar_t.sqrt()", "/ alpha_bar_t", "You divide by ᾱ_t"),
        ("(1 - alpha_bar_t).sqrt()", "(1 - alpha_bar_t)", "take away the variance"),
        ("[t]", "[t - 1]", "Wrong by one step"),
        (" / alpha_bar_t.sqrt()", "", "still faded"),
        ("[t].reshape(-1, 1, 1, 1)", "[t[0]]", FIRST_TIME),
        ("x_t - (1", "x_t + (1", "add the noise once more"),
        ("/ alpha_bar_t.sqrt()", "* alpha_bar_t.sqrt()", "where you should undo"),
        (".reshape(-1, 1, 1, 1)", "", "Shapes do not fit"),
        ("x_0.to(x_t.dtype)", "x_0", "should be float32"),
    ],
    "l_simple": [
        ("t - 1", "t", "counts from 0"),
        ("(eps - network", "(x_0 - network", "You compare with x_0"),
        ("network(x_t,", "network(x_0,", "gets the clean picture"),
        (".square()", ".abs()", "absolute value"),
        (".square()", "", "The square of Eq. 14 is missing"),
        (".mean()", ".sum()", "You add up all pixels"),
        (".mean()", ".mean().sqrt()", "root of the error"),
        (".square().mean()", ".mean().square()", "The square comes too late"),
        ("(eps - network", "(x_t - network", "compared with x_t"),
        (".mean()", ".mean().item()", "so that it has a gradient"),
        (".mean()", ".mean().detach()", "Something cut it off"),
        (".mean()", ".flatten(1).mean(1)", "one number for the whole batch"),
        ("return", "x =", "returns nothing"),
    ],
    "train_step": [
        ("optimiser.zero_grad()", "", "gradients of earlier steps"),
        ("optimiser.step()", "", "The weights don't move"),
        ("loss.backward()", "", "No gradient was computed"),
        ("optimiser.zero_grad()\n    loss.backward()", "loss.backward()\n    optimiser.zero_grad()", "nothing is left"),
        ("optimiser.step()", "optimiser.step()\n    optimiser.step()", "two steps"),
        (
            "optimiser.zero_grad()\n    loss.backward()\n    optimiser.step()",
            "optimiser.step()\n    optimiser.zero_grad()\n    loss.backward()",
            "comes before the gradients",
        ),
    ],
    "update_average": [
        ("decay * a + (1 - decay) * p", "(1 - decay) * a + decay * p", "swapped"),
        ("decay * a + (1 - decay) * p", "p", "the decay is not used"),
        ("a.copy_(decay * a + (1 - decay) * p)", "a = decay * a + (1 - decay) * p", "does not change"),
        ("a.copy_(", "p.copy_(", "the network that is trained"),
        ("decay * a +", "a +", "grows for ever"),
        (" + (1 - decay) * p", "", "nothing of the network is added"),
        ("with torch.no_grad():", "if True:", "keeps track of gradients through"),
    ],
    "posterior": [
        ("schedule.alpha_bar[t - 1]", "schedule.alpha_bar[t]", "which ᾱ belongs to t − 1"),
        ("(1 - before) / (1 - alpha_bar) * beta\n", "beta\n", "The variance is β_t"),
        ("(1 - before) / (1 - alpha_bar) * beta\n", "((1 - before) / (1 - alpha_bar) * beta).sqrt()\n", "deviation"),
        ("before.sqrt() * beta", "alpha_bar.sqrt() * beta", "x_0 has the factor √ᾱ_t"),
        ("before.sqrt() * beta", "before * beta", "root is missing in the factor of x_0"),
        ("(1 - beta).sqrt()", "(1 - beta)", "root is missing in the factor of x_t"),
        ("(1 - beta).sqrt()", "alpha_bar.sqrt()", "ᾱ where α belongs"),
        ("return mean, variance", "return mean", "2 in all"),
        ("    alpha_bar, before", "    x_0, x_t = x_t, x_0\n    alpha_bar, before", "swapped in the mean"),
    ],
    "mean_from_eps": [
        ("schedule.alpha[t].sqrt()", "schedule.alpha_bar[t].sqrt()", "undo all t steps"),
        ("schedule.alpha[t].sqrt()", "schedule.alpha[t]", "in front of the bracket"),
        ("(1 - schedule.alpha_bar[t]).sqrt()", "(1 - schedule.alpha_bar[t])", "divide ε by a variance"),
        ("(1 - schedule.alpha_bar[t])", "(1 - schedule.alpha[t])", "α where ᾱ belongs"),
        ("schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt()", "(1 - schedule.alpha_bar[t]).sqrt()", "all of the"),
        ("[t]", "[t - 1]", "Wrong by one step"),
        (" / schedule.alpha[t].sqrt()", "", "forget to divide"),
        ("x_t - part", "x_t + part", "which sign has ε"),
        ("* eps", "* torch.randn_like(eps)", OWN_NOISE),
    ],
    "reverse_variance": [
        ("1 - schedule.alpha_bar[t] / schedule.alpha_bar[s]", "schedule.beta[t]", "only for steps from t to t − 1"),
        ("(1 - schedule.alpha_bar[s]) /", "(1 - schedule.alpha_bar[t - 1]) /", "you are at s"),
        ("return beta", "return beta.sqrt()", "gives σ²"),
        ('== "beta"', '!= "beta"', "swapped"),
        ('== "beta"', 'in ("beta", "beta_tilde")', "the same variance for both"),
        ("1 - schedule.alpha_bar[t] / schedule", "-schedule.alpha_bar[t] + schedule", "You subtract"),
        (
            "(1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])",
            "(1 - schedule.alpha_bar[t]) / (1 - schedule.alpha_bar[s])",
            "upside down",
        ),
    ],
    "step_back": [
        ("if t == 1", "if t == 0", "at the last step too. Nothing"),
        ("schedule.beta[t].sqrt() * z", "schedule.beta[t] * z", "Multiply z"),
        (
            "    if t == 1:\n        return mean\n    return mean + schedule.beta[t].sqrt() * z",
            "    return mean + schedule.beta[t] * z",
            "one after the other",
        ),
        (" + schedule.beta[t].sqrt() * z", "", "no noise at all"),
        ("schedule.beta[t].sqrt() * z", "(1 - schedule.alpha_bar[t]).sqrt() * z", "ᾱ where α belongs"),
        ("schedule.beta[t]", "schedule.beta[t - 1]", "β_{t−1}"),
        (
            "schedule.beta[t].sqrt()",
            'ddpm_core.reverse_variance(schedule, t, t - 1, "beta_tilde").sqrt()',
            "β̃_t. That",
        ),
        ("mean + schedule", "mean - schedule", "instead of adding"),
        ("x_t, t, eps)", "x_t, t, 0 * eps)", "The mean is wrong"),
    ],
    "sample": [
        ("range(schedule.T, 0, -1)", "range(schedule.T, 1, -1)", "stops at t = 2"),
        ("range(schedule.T, 0, -1)", "range(schedule.T - 1, 0, -1)", "begins at T − 1"),
        ("range(schedule.T, 0, -1)", "range(1, schedule.T + 1)", "forward in time"),
        ("t - 1)", "t)", "counts from 0"),
        (
            "step_back(schedule, x, t, eps, noise(t, x))",
            "mean_from_eps(schedule, x, t, eps) + schedule.beta[t].sqrt() * noise(t, x)",
            "at the last step too",
        ),
        ("network(x,", "network(x_T,", "about x_T at every step"),
        ("return x", "return x_T", "did not move"),
        ("range(schedule.T, 0, -1)", "range(schedule.T, -1, -1)", "the last step is at t = 1"),
        ("torch.full((len(x),), t - 1)", "t - 1", "one whole number for each image"),
    ],
    "timestep_pairs": [
        ("list(zip(times, [*times[1:], 0], strict=True))", "list(zip(times, [*times[1:], 0]))[::-1]", "go up"),
        ("zip(times, [*times[1:], 0], strict=True)", "zip([*times[1:], 0], times)", "t and s are swapped"),
        ("zip(times, [*times[1:], 0], strict=True)", "zip(times, times[1:])", "last step is missing"),
        ("(T, 1, n)", "(T, 0, n)", "last time t is 0"),
        ("(T, 1, n)", "(T - 1, 1, n)", "begin at T − 1"),
        ("(T, 1, n)", "(T - 1, 0, n)", "as programs count"),
        ("np.linspace(T, 1, n)", "(T - T // n * np.arange(n))", "T // n long"),
        ("(T, 1, n)", "(T, 1, n + 1)", "n + 1 steps"),
        (".round().astype(int)", "", "round them"),
    ],
    "ddim_step": [
        ("at_s.sqrt() * x_0 + (1 - at_s).sqrt() * eps", "x_0", "x̂_0 at once"),
        ("schedule.alpha_bar[s]", "schedule.alpha_bar[t]", "where you came from"),
        ("at_s.sqrt() * x_0", "at_s * x_0", "the factor ᾱ_s"),
        ("(1 - at_s).sqrt()", "(1 - at_s)", "factor 1 − ᾱ_s"),
        ("/ at_t.sqrt()", "/ at_t", "divide by something else"),
        ("(1 - at_t).sqrt()", "(1 - at_t)", "takes away 1 − ᾱ_t"),
        ("alpha_bar", "alpha", "α where ᾱ belongs"),
        ("alpha_bar[s]", "alpha_bar[t - 1]", "always go to t − 1"),
        ("alpha_bar[s]", "alpha_bar[s + 1]", "s + 1"),
        (" + (1 - at_s).sqrt() * eps", "", "alone is not x_s"),
    ],
    "ddim_step_eta": [
        ("(1 - at_s - sigma**2)", "(1 - at_s)", "too much"),
        ("(1 - at_s - sigma**2).sqrt()", "(1 - at_s - sigma).sqrt()", "Under the root"),
        ("(1 - at_s - sigma**2).sqrt()", "((1 - at_s).sqrt() - sigma)", "outside of the root"),
        ("sigma * z", "sigma**2 * z", "z has the factor σ²"),
        ("(1 - at_t / at_s)).sqrt()", "(1 - at_t / at_s))", "σ is η β̃"),
        ("(1 - at_s) / (1 - at_t) * (1 - at_t / at_s)", "1 - at_t / at_s", "comes from β"),
        ("eta * ((", "((", "η does nothing"),
        (" + sigma * z", "", "σ z is missing"),
        ("eta * ((", "eta**0.5 * ((", "only over η"),
    ],
    "guide": [
        ("eps_none + w * (eps_class - eps_none)", "(1 + w) * eps_class - w * eps_none", "counts from 0"),
        ("eps_none + w * (eps_class - eps_none)", "eps_class + w * (eps_none - eps_class)", "The two are swapped"),
        ("(eps_class - eps_none)", "(eps_none - eps_class)", "wrong direction"),
        ("(eps_class - eps_none)", "eps_class", "not w times the difference"),
        ("eps_none + w * (eps_class - eps_none)", "eps_class", "w does nothing"),
    ],
    "interpolate": [
        (SLERP, "(1 - weight) * a + weight * b", "a straight line"),
        ("(1 - weight) * angle) * a + torch.sin(weight", "weight * angle) * a + torch.sin((1 - weight)", "ends"),
        (" / torch.sin(angle)", "", "sine of the whole angle"),
        ("torch.acos((a * b).sum() / (a.norm() * b.norm()))", "torch.tensor(torch.pi / 2)", "right angle"),
        (SLERP, "(1 - weight) ** 0.5 * a + weight**0.5 * b", "keeps the variance"),
        ("torch.acos", "", "torch.acos is missing"),
    ],
    "gaussian_kl": [
        (
            "r = variance_1 / variance_2",
            "r = variance_2 / variance_1\n    variance_2 = variance_1",
            "KL is not symmetric",
        ),
        ("0.5 * ", "", "factor ½"),
        (
            "r = variance_1 / variance_2",
            "variance_1, variance_2 = variance_1.sqrt(), variance_2.sqrt()\n    r = variance_1 / variance_2",
            "standard deviations",
        ),
        ("(mean_1 - mean_2) ** 2", "(mean_1 - mean_2).abs()", "not squared"),
        ("r - 1 -", "r -", "−1 is missing"),
        ("return 0.5", "return 0.5 / math.log(2)", "in bits"),
        ("** 2 / variance_2", "** 2 / variance_1", "divided by the first variance"),
        ("- torch.log(r)", "+ torch.log(r)", "sign of the logarithm"),
    ],
    "pixel_bits": [
        ("torch.log2", "torch.log", "in nats"),
        ("0.999", "9", "are open"),
        ("1 / 255", "2 / 255", "twice as wide"),
        ("1 / 255", "0.5 / 255", "half as wide"),
        ("/ sigma", "/ sigma**2", "divide by the variance"),
        ("return -", "return ", "The sign is wrong"),
        ("-torch.log2(upper - lower)", "upper - lower", "return the probability"),
        (
            "-torch.log2(upper - lower)",
            "-torch.distributions.Normal(mean, sigma).log_prob(x_0) / math.log(2)",
            "density",
        ),
    ],
    "rate": [
        ("terms[t:]", "terms[t - 1 :]", "count L_{t−1} too"),
        ("terms[t:]", "terms[t + 1 :]", "the term L_t is missing"),
        ("terms[t:]", "terms[:t]", "sent later"),
        ("prior + ", "", "L_T is missing"),
        ("terms[t:].sum()", "(terms[t:].mean() if t < len(terms) else 0)", "You take the mean"),
        ("terms[t:]", "terms", "always add up all"),
    ],
    "distortion": [
        (".sqrt()", "", "a mean squared error"),
        (
            "127.5 * (x_0 - x0_hat).square().mean((1, 2, 3)).sqrt()",
            "(127.5 * (x_0 - x0_hat)).square().mean((1, 2, 3))",
            "must be squared",
        ),
        ("127.5", "255", "from 0 to 255 are"),
        ("127.5 * ", "", "on the scale from −1 to 1"),
        (".mean((1, 2, 3))", ".mean()", "one number for all images"),
        (".square().mean((1, 2, 3)).sqrt()", ".abs().mean((1, 2, 3))", "absolute values"),
        (".square().mean((1, 2, 3)).sqrt()", ".flatten(1).norm(dim=1) / x_0[0].numel()", "root comes before"),
    ],
    "frechet_distance": [
        ("means.square().sum()", "means.norm()", "not squared"),
        ("2 * eigenvalues", "eigenvalues", "factor 2"),
        ("2 * eigenvalues.sqrt().sum()", "2 * torch.trace((c_1 @ c_2).abs().sqrt())", "each entry"),
        ("eigenvalues.sqrt().sum()", "eigenvalues.sum()", "product itself"),
        (".T)", ")", "between images"),
        (" + torch.trace(c_1) + torch.trace(c_2) - 2 * eigenvalues.sqrt().sum()", "", "means only"),
        (
            "return means.square().sum() + torch.trace(c_1) + torch.trace(c_2) - 2 * eigenvalues.sqrt().sum()",
            "d = means.square().sum() + torch.trace(c_1) + torch.trace(c_2) - 2 * eigenvalues.sqrt().sum()\n"
            "    return d.sqrt()",
            "root of the whole",
        ),
        ("means.square().sum() + ", "", "part of the means"),
    ],
    "fit_reader": [
        (
            "a.mean(0), x_0.mean(0)",
            "(x.mean((0, 1)).expand_as(x[0]) for x in (a, x_0))",
            "one mean for all places",
        ),
        ("(a - mean_a).flatten(0, 1), (x_0 - mean_x_0)", "a.flatten(0, 1), x_0", "numbers that are not centred"),
        ("(a - mean_a)", "a", "numbers of the block"),
        (" - mean_a @ weights", "", "constants are the mean pictures"),
        ("mean_x_0 - mean_a @ weights", "mean_a @ weights - mean_x_0", "sign of the constants"),
        (
            "torch.linalg.lstsq((a - mean_a).flatten(0, 1), (x_0 - mean_x_0).flatten(0, 1)).solution",
            "(a - mean_a).flatten(0, 1).T @ (x_0 - mean_x_0).flatten(0, 1)",
            "Channels that say the same",
        ),
        (
            "torch.linalg.lstsq((a - mean_a).flatten(0, 1), (x_0 - mean_x_0).flatten(0, 1)).solution\n"
            "    return weights, mean_x_0 - mean_a @ weights",
            "torch.linalg.lstsq((a - mean_a).transpose(0, 1), (x_0 - mean_x_0).transpose(0, 1)).solution\n"
            "    return weights, mean_x_0 - (mean_a[:, None] @ weights)[:, 0]",
            "weights for each place",
        ),
    ],
    "r_squared": [
        ("1 - (x_0 - read)", "(x_0 - read)", "not read"),
        ("x_0.mean(0)", "x_0.mean()", "mean of all pixels"),
        ("(x_0 - x_0.mean(0))", "x_0", "picture of zeros"),
        (".square()", ".abs()", "squares are missing"),
        (".sum()", ".sum().sqrt()", "roots do not belong"),
        (
            "(x_0 - read).square().sum() / (x_0 - x_0.mean(0)).square().sum()",
            "((x_0 - read).square().sum(0) / (x_0 - x_0.mean(0)).square().sum(0)).mean()",
            "pixel by pixel and take",
        ),
    ],
}
NAMES = list(check.EXERCISES)
NOTEBOOK_OF = {e.name: notebook for notebook, exercises in check.NOTEBOOKS.items() for e in exercises}


def solution_source(name: str) -> str:
    return notebooks.solution(NOTEBOOK_OF[name], name)


def function(name: str, source: str):
    """The function that this source defines, in a notebook where the other exercises are solved."""
    names = {"math": math, "torch": torch, "ddpm_core": ddpm_core, **vars(notebooks.solutions(NOTEBOOK_OF[name]))}
    exec(source, names)
    return names[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_is_right(name):
    result = check.EXERCISES[name](function(name, solution_source(name)))
    assert result.passed and str(result) == f"✓ {name}: Right."


@pytest.mark.parametrize("name", NAMES)
def test_a_classic_mistake_gets_its_sentence(name):
    right = solution_source(name)
    start = right.rindex('"""') + 3
    for old, new, words in MISTAKES[name]:
        wrong = right[:start] + right[start:].replace(old, new)
        assert wrong != right, old
        result = check.EXERCISES[name](function(name, wrong))
        assert not result.passed and words in result.sentence, new


@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_of_an_exercise_has_a_sentence_of_its_own(name):
    """Each row of the table gives another sentence, and each sentence of the exercise is in the table."""
    exercise = check.EXERCISES[name]
    assert len(MISTAKES[name]) >= 5
    for sentence in exercise.mistakes:
        assert sum(words in sentence for _, _, words in MISTAKES[name]) == 1, sentence
    assert exercise.hint not in exercise.mistakes


def broken(function, change):
    """The function with each tensor that it returns changed."""

    def changed(*arguments):
        found = function(*arguments)
        return tuple(map(change, found)) if isinstance(found, tuple) else change(found)

    return changed


@pytest.mark.parametrize("name", ["q_sample", "posterior"])  # one tensor, and two
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[None], "should have the shape"),
        (lambda x: x * math.nan, "NaN"),
        (lambda x: x.numpy(), "yours is a NumPy array"),
        (lambda x: x.tolist(), "should be a tensor"),
        (lambda x: None, "returns nothing"),
        (lambda x: x + 7, "ot "),
    ],
    ids=["shape", "NaN", "numpy", "list", "nothing", "unknown mistake"],
)
def test_what_is_wrong_with_any_result_is_said(name, change, words):
    solution = function(name, solution_source(name))
    result = check.EXERCISES[name](broken(solution, change) if words != "returns nothing" else lambda *arguments: None)
    assert not result.passed and words in result.sentence
    assert result.sentence not in check.EXERCISES[name].mistakes


def test_an_exercise_that_is_not_filled_in_is_not_wrong():
    def empty(*arguments):
        raise NotImplementedError

    assert {exercise(empty).sentence for exercise in check.EXERCISES.values()} == {NOT_FILLED_IN}


def test_a_function_that_stops_is_told_where():
    def forward_step(schedule, x, t, eps):
        return schedule.betas[t] * x

    sentence = check.EXERCISES["forward_step"](forward_step).sentence
    assert "AttributeError" in sentence and "`return schedule.betas[t] * x`" in sentence


def test_a_result_of_another_dtype_or_a_changed_argument_is_told():
    step = function("forward_step", solution_source("forward_step"))
    assert "should be float64" in check.EXERCISES["forward_step"](broken(step, torch.Tensor.float)).sentence

    def in_place(schedule, x, t, eps):
        x.copy_(step(schedule, x, t, eps))
        return x

    assert "changes one of its arguments" in check.EXERCISES["forward_step"](in_place).sentence


def test_a_result_is_given_instead_of_the_function():
    assert "without brackets" in check.EXERCISES["alpha_bar"](torch.zeros(3)).sentence


def test_a_mistake_in_one_factor_is_found_beside_an_unknown_one_in_the_other():
    def forward_step(schedule, x, t, eps):
        return (1 - schedule.beta[t]) * x + 0.123 * eps

    assert "Look at the root" in check.EXERCISES["forward_step"](forward_step).sentence


def test_where_a_result_is_right_is_told():
    step = function("forward_step", solution_source("forward_step"))

    def forward_step(schedule, x, t, eps):
        return step(schedule, x, t, eps) * (1 if t == 1000 else 1.01)

    assert (
        "Right at t = 1000, but not at t = 1, t = 2 and t = 500"
        in check.EXERCISES["forward_step"](forward_step).sentence
    )


def test_a_result_in_a_notebook_is_safe_html():
    def forward_step(schedule, x, t, eps):
        raise ValueError("<script>")

    shown = check.EXERCISES["forward_step"](forward_step)._repr_html_()
    assert "&lt;script&gt;" in shown and "<script>" not in shown


@pytest.mark.parametrize("name", check.NOTEBOOKS)
def test_a_notebook_is_clean(name):
    """Valid, without outputs, with ids that say what a cell is."""
    notebook = notebooks.read(name)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert ids[:2] == ["goal", "setup"] and len(set(ids)) == len(ids)
    assert not [id for id in ids if not re.fullmatch(r"[a-z]+(-\w+)*", id)]
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)
    assert (notebooks.COURSE / f"{name}.ipynb").stat().st_size < 60_000


@pytest.mark.parametrize("name", check.NOTEBOOKS)
def test_a_notebook_asks_what_the_solutions_answer(name):
    """At most 7 exercises, in the order of the checks, each with the signature and docstring of its solution."""
    cells = notebooks.exercise_cells(notebooks.read(name))
    assert list(cells) == [exercise.name for exercise in check.NOTEBOOKS[name]] and 1 <= len(cells) <= 7
    for exercise, cell in cells.items():
        assert cell.source == notebooks.question(name, exercise)


# --- Grading


def hand_in(folder, **changes):
    """A student's folder with notebook 1 solved, but for exercises that have another source."""
    folder.mkdir(parents=True)
    notebook = notebooks.solved("1_forward")
    for exercise, cell in notebooks.exercise_cells(notebook).items():
        cell.source = changes.get(exercise, cell.source)
    nbformat.write(notebook, folder / "my copy.ipynb")


def test_grading_says_which_checks_pass(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grade, "apart", grade.grade)
    hand_in(
        tmp_path / "ada",
        snr="def snr(schedule):\n    return schedule.T / 0",
        alpha_bar="def alpha_bar(beta):\n    return 1 - beta",
        q_sample=notebooks.question("1_forward", "q_sample"),
        forward_step="def forward_step(",
    )
    hand_in(tmp_path / "bob")
    (tmp_path / "bob" / "broken.ipynb").write_text("{")
    grade.main([str(tmp_path)])
    shown = capsys.readouterr().out
    assert re.search(r"^ada +✗··✗✓✓ .* 2/28$", shown, re.M) and re.search(r"^bob +✓{6} .* 6/28$", shown, re.M)
    assert "alpha_bar: That is α_t" in shown and "ZeroDivisionError" in shown and "broken.ipynb is no notebook" in shown


def test_a_function_that_does_not_come_to_an_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.1)
    result = grade.checked(check.EXERCISES["snr"], lambda schedule: time.sleep(1000))
    assert not result.passed and "Not at its end" in result.sentence


def test_a_student_whose_code_ends_python_is_graded_alone(tmp_path, monkeypatch):
    def forked(command, **options):
        """What it would run in a fresh Python, which would import for ten seconds."""

        def instead():
            os.closerange(3, 4096)  # with the pipe by which Python learns that a program has begun
            sys.stdout = os.fdopen(1, "w", closefd=False)
            exec(command[-1], {})

        return run(command, preexec_fn=instead, **options)

    run = subprocess.run
    monkeypatch.setattr(grade.subprocess, "run", forked)
    hand_in(tmp_path / "bob")
    hand_in(tmp_path / "eve", snr="import os\n\n\ndef snr(schedule):\n    os._exit(3)")
    assert grade.apart(tmp_path / "bob")["wrong"] == []
    assert grade.apart(tmp_path / "eve")["wrong"] == ["The functions stopped Python, or did not come to an end."]


@pytest.mark.parametrize(("folder", "words"), [("nowhere", "there is no folder"), ("", "has no folders")])
def test_grading_needs_folders(folder, words, tmp_path):
    with pytest.raises(SystemExit, match=words):
        grade.main([str(tmp_path / folder)])


def test_what_neither_a_notebook_nor_a_prompt_shows_is_printed(capsys, monkeypatch):
    wrong = check.alpha_bar(lambda beta: beta)
    assert capsys.readouterr().out == f"{wrong}\n"
    monkeypatch.setattr("builtins.__IPYTHON__", True, raising=False)
    check.alpha_bar(lambda beta: beta)
    assert capsys.readouterr().out == ""


# --- What the texts say


def test_a_guesser_that_begins_with_noise_copies():
    """Notebook 2: to begin with noise does not rule out copies. Notebook 1 has the guesser."""
    digits = lab.digits()[::10]

    def network(x, t_index, labels):
        return forward.best_guess(schedule, digits, x, int(t_index[0]) + 1)

    schedule = ddpm_core.NoiseSchedule.linear()
    model = ddpm_core.Model(network=network, schedule=schedule, image_size=28, channels=1, prediction="x0")
    *_, last = ddpm_core.trajectory(model, range(8), 50, variance="beta_tilde")
    nearest = torch.cdist(last.x.flatten(1), digits.flatten(1)).amin(1) / 28  # as RMS
    assert nearest.max() < 0.01
    (text,) = [cell.source for cell in notebooks.read("2_learning").cells if cell.id == "sample-text"]
    assert "does not rule out copies" in text


def test_teachers_read_the_right_numbers():
    schedule, teaching = ddpm_core.NoiseSchedule.linear(), (notebooks.COURSE / "teaching.md").read_text("utf-8")
    small, large = schedule.sigma[[1, 1000]].tolist()  # √(1 − ᾱ_t)/√ᾱ_t
    assert f"which is {small:.2f} at t = 1 and {large:.0f} at t = 1000" in teaching
    assert lab.digits().var() < 0.5  # so the noise is stronger than the digits before SNR is 1
