"""Notebook 2, learning to denoise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course.check.exercise import Case, Exercise, Fault
from course.check.hidden import SCHEDULE, noise, per_image
from ddpm_core import Model, NoiseSchedule
from ddpm_core.objective import loss
from ddpm_core.process import q_sample, to_x0_eps

# --- draw_times


def _look_at_times(draw_times: Callable, n: int, T: int) -> tuple[Tensor, Tensor]:
    """Which of 0..T + 1 are drawn at all; and whether the times of one batch differ."""
    t = draw_times(n, T)
    if not isinstance(t, Tensor):
        raise Fault(f"The times should be a tensor, one for each image: yours is {type(t).__name__}.")
    if t.dtype != torch.int64:
        raise Fault("The times should be whole numbers, int64: torch.randint draws such numbers.")
    if t.shape != (n,):
        raise Fault(f"The times should have the shape (n,), here ({n},): yours has {tuple(t.shape)}.")
    drawn = torch.zeros(T + 2)
    for _ in range(200):  # of 7 times even one time a call misses none but once in 10¹²
        drawn[draw_times(n, T).clamp(-1, T + 1)] = 1  # −1 is the last place
    return drawn, torch.tensor(float((t != t[0]).any()))


draw_times = Exercise(
    name="draw_times",
    right=lambda n, T: torch.randint(1, T + 1, (n,)),
    cases=lambda: [Case("T = 7", (50, 7))],
    mistakes={
        "t = T is never drawn. In torch.randint(low, high, …) the upper end is not included.": (
            lambda n, T: torch.randint(1, T, (n,))
        ),
        "You draw t = 0, where there is no noise to find, and never t = T. Times run from 1 to T.": (
            lambda n, T: torch.randint(0, T, (n,))
        ),
        "You draw t = 0, where there is no noise to find. Times run from 1 to T.": (
            lambda n, T: torch.randint(0, T + 1, (n,))
        ),
        "You draw t = T + 1, which is not in the table. Times run from 1 to T.": (
            lambda n, T: torch.randint(1, T + 2, (n,))
        ),
        "All images of a batch get the same t. Draw one for each image.": (
            lambda n, T: torch.randint(1, T + 1, (1,)).repeat(n)
        ),
        "The times are the same at every call. Draw them at random.": lambda n, T: torch.arange(n) % 2 + 1,
    },
    hint="Each t = 1, …, T should be drawn, with the same probability.",
    outputs=("the set of times", "the difference between images"),
    observe=_look_at_times,
)


# --- x0_from_eps


def _invert(signal: Callable[[Tensor], Tensor], sigma: Callable[[Tensor], Tensor], late: int = 0) -> Callable:
    """x̂_0 = (x_t − sigma(ᾱ_t) ε) / signal(ᾱ_t), with the table shifted by `late`."""

    def x0_from_eps(schedule: object, x_t: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        alpha_bar = per_image(SCHEDULE.alpha_bar, t - late, x_t.double())
        return ((x_t - sigma(alpha_bar) * eps) / signal(alpha_bar)).to(x_t.dtype)

    return x0_from_eps


def _x0_cases() -> list[Case]:
    t = torch.tensor([2, 400, 1000])
    x_t, eps = noise(0, dtype=torch.float32), noise(1, dtype=torch.float32)
    inputs = {"x_t alone": (x_t, 0 * eps), "ε alone": (0 * x_t, eps), "both": (x_t, eps)}
    return [Case("t = 2, 400 and 1000", (SCHEDULE, a, t, b), part) for part, (a, b) in inputs.items()]


def _root(x: Tensor) -> Tensor:
    return x.sqrt()


x0_from_eps = Exercise(
    name="x0_from_eps",
    right=lambda schedule, x_t, t, eps: to_x0_eps(schedule, "epsilon", eps, x_t, t)[0],
    cases=_x0_cases,
    mistakes={
        "That is α where ᾱ belongs: x_t went through all the steps from 1 to t.": lambda schedule, x_t, t, eps: (
            (x_t - per_image(schedule.beta, t, x_t).sqrt() * eps) / per_image(schedule.alpha, t, x_t).sqrt()
        ),
        "You divide by ᾱ_t. In Eq. 4 x_0 has the factor √ᾱ_t.": _invert(lambda a: a, lambda a: (1 - a).sqrt()),
        "You take away the variance 1 − ᾱ_t times ε. In Eq. 4 the noise has a standard deviation as its factor.": (
            _invert(_root, lambda a: 1 - a)
        ),
        "Wrong by one step: you take the table at t − 1.": _invert(_root, lambda a: (1 - a).sqrt(), late=1),
        "The noise is taken away, but the picture is still faded: undo the factor of x_0 too.": _invert(
            torch.ones_like, lambda a: (1 - a).sqrt()
        ),
        "You add the noise once more. Solve Eq. 4 for x_0 and look at the sign.": _invert(
            _root, lambda a: -(1 - a).sqrt()
        ),
        "You multiply by √ᾱ_t where you should undo this factor.": _invert(
            lambda a: 1 / a.sqrt(), lambda a: (1 - a).sqrt()
        ),
    },
    hint="Solve Eq. 4 for x_0: first take the noise away, then undo the factor of x_0.",
)


# --- loss


class _Known(nn.Module):
    """A network of one weight whose result depends on x_t and on the index of t."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor, t_index: Tensor) -> Tensor:
        if not isinstance(t_index, Tensor) or t_index.shape != (len(x),):
            raise Fault("The network wants one index for each image, a tensor (N,), as its second argument.")
        return torch.sin(3 * x) * self.weight + 0.1 * (t_index + 1).reshape(-1, 1, 1, 1).to(x.dtype)


def _look_at_loss(loss: Callable, *arguments: object) -> tuple[Tensor, Tensor]:
    """The loss, and its derivative by the network's weight."""
    network = _Known()
    value = loss(network, *arguments)
    if value is None:
        raise Fault("Your function returns nothing: is there a `return` in its last line?")
    if not isinstance(value, Tensor):
        raise Fault(f"The loss should be a tensor, so that it has a gradient: yours is {type(value).__name__}.")
    if value.shape != ():
        raise Fault(f"The loss should be one number for the whole batch: yours has the shape {tuple(value.shape)}.")
    (gradient,) = torch.autograd.grad(value, network.weight)
    return value, gradient


def _l(target: str = "eps", late: int = 1, error: Callable[[Tensor], Tensor] = torch.square) -> Callable:
    """Mean error between the network's result and a target; late: the index is t − late."""

    def loss(network: nn.Module, schedule: object, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        x_t = q_sample(SCHEDULE, x_0, t, eps)
        return error({"eps": eps, "x_0": x_0, "x_t": x_t}[target] - network(x_t, t - late)).mean()

    return loss


def _blind(network: nn.Module, schedule: object, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    return (eps - network(x_0, t - 1)).square().mean()


l_simple = Exercise(
    name="l_simple",
    right=lambda network, schedule, x_0, t, eps: loss(eps_model(network, schedule), x_0, t=t, eps=eps).mean(),
    cases=lambda: [
        Case("t = 1, 400 and 1000", (SCHEDULE, noise(0, dtype=torch.float32), torch.tensor([1, 400, 1000]), eps))
        for eps in (noise(1, dtype=torch.float32), noise(2, dtype=torch.float32))
    ],
    mistakes={
        "The network gets t, but it counts from 0: give it t − 1. (Off by one: nothing breaks, and no other program "
        "can use your network.)": _l(late=0),
        "You compare with x_0. This network should find the noise: what is the target in Eq. 14?": _l("x_0"),
        "The network gets the clean picture. It should see the noised one, and guess what was added.": _blind,
        "You take the absolute value: Eq. 14 has a square.": _l(error=torch.abs),
        "The square of Eq. 14 is missing: without it, plus and minus cancel.": _l(error=lambda x: x),
        "You add up all pixels. Take the mean, so that the learning rate does not depend on the size of images and "
        "batch.": lambda *arguments: _l()(*arguments) * arguments[2].numel(),
        "You take the root of the error: Eq. 14 has none.": lambda *arguments: _l()(*arguments).sqrt(),
        "The square comes too late: you square the mean of the differences, where plus and minus cancel.": (
            lambda *arguments: _l(error=lambda x: x)(*arguments) ** 2
        ),
        "The network's result is compared with x_t. It should find the noise alone.": _l("x_t"),
    },
    hint="Make x_t with ddpm_core.q_sample, ask the network, compare with ε as in Eq. 14.",
    outputs=("the loss", "its gradient"),
    observe=_look_at_loss,
)


def eps_model(network: nn.Module, schedule: NoiseSchedule) -> Model:
    """A network without labels as a model that predicts ε, for the library's own loss."""
    return Model(
        network=lambda x, t_index, _: network(x, t_index),
        schedule=schedule,
        image_size=4,
        channels=2,
        prediction="epsilon",
    )


# --- train_step


class _Counting(torch.optim.SGD):
    """Counts its steps."""

    steps = 0

    def step(self, closure: None = None) -> None:
        self.steps += 1
        super().step()


def _look_at_training(train_step: Callable, learning_rate: float) -> tuple[Tensor, int, int]:
    """The weights of a small network after each of three steps; how often gradients and steps were asked for."""
    network = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -0.3]]))
    optimiser = _Counting(network.parameters(), lr=learning_rate)
    weights, gradients = [], []
    for k in range(3):
        loss = (network(noise(k, (4, 2))) - noise(9 + k, (4, 1))).square().mean()
        loss.register_hook(gradients.append)
        train_step(optimiser, loss)
        weights.append(network.weight.detach().clone())
    return torch.stack(weights), len(gradients), optimiser.steps


def _in_order(*names: str) -> Callable:
    def train_step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        for name in names:
            getattr(loss if name == "backward" else optimiser, name)()

    return train_step


train_step = Exercise(
    name="train_step",
    right=_in_order("zero_grad", "backward", "step"),
    cases=lambda: [Case("a learning rate of 0.1", (0.1,))],
    mistakes={
        "The gradients of earlier steps are still there: torch adds new ones to them. Set them to 0 first.": (
            _in_order("backward", "step")
        ),
        "The weights don't move: gradients are there, but the optimiser has to make its step.": (
            _in_order("zero_grad", "backward")
        ),
        "No gradient was computed: which call goes back from the loss to the weights?": _in_order("zero_grad", "step"),
        "You set the gradients to 0 after computing them and before the step: nothing is left to use.": _in_order(
            "backward", "zero_grad", "step"
        ),
        "The optimiser's step comes before the gradients of this loss are there: it uses those of the step before.": (
            _in_order("step", "zero_grad", "backward")
        ),
        "You make two steps with one gradient.": _in_order("zero_grad", "backward", "step", "step"),
    },
    hint="Three calls, each once: forget the old gradients, compute the new ones, let the optimiser step.",
    outputs=("the weights", "the number of gradients", "the number of steps"),
    observe=_look_at_training,
)


# --- update_average


def _look_at_average(update_average: Callable, decay: float) -> tuple[Tensor, Tensor, Tensor]:
    """The average's weights after two updates, the network's, and whether the average keeps track of gradients."""
    network = nn.Linear(3, 2, dtype=torch.float64)
    with torch.no_grad():
        for k, parameter in enumerate(network.parameters()):
            parameter.copy_(noise(k, parameter.shape))
    average = copy.deepcopy(network).requires_grad_(False)
    with torch.no_grad():
        for parameter in average.parameters():
            parameter.mul_(-0.5)
    for _ in range(2):
        update_average(average, network, decay)
    averaged, trained = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (average, network))
    tracked = any(parameter.requires_grad for parameter in average.parameters())
    return averaged, trained, torch.tensor(float(tracked))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _each(update: Callable[[Tensor, Tensor, float], object], quiet: Callable = torch.no_grad) -> Callable:
    """update(average, parameter, decay), in place, for each pair of parameters."""

    def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
        with quiet():
            for a, p in zip(average.parameters(), network.parameters(), strict=True):
                update(a, p, decay)

    return update_average


update_average = Exercise(
    name="update_average",
    right=_each(lambda a, p, decay: a.lerp_(p, 1 - decay)),
    cases=lambda: [Case(f"a decay of {decay}", (decay,)) for decay in (0.9, 0.99)],
    mistakes={
        "The weights of the sum are swapped: the average should change slowly when the decay is near 1.": _each(
            lambda a, p, decay: a.lerp_(p, decay)
        ),
        "The average is a copy of the network: the decay is not used.": _each(lambda a, p, decay: a.copy_(p)),
        "The average does not change. `a = …` gives a new tensor the name a; the average itself needs an operation in "
        "place, such as a.copy_(…).": _each(lambda a, p, decay: None),
        "You change the network that is trained. Only the average should change.": _each(
            lambda a, p, decay: p.copy_(decay * a + (1 - decay) * p)
        ),
        "You add the network's weights without making the average smaller: it grows for ever.": _each(
            lambda a, p, decay: a.add_(p * (1 - decay))
        ),
        "The average gets smaller, and nothing of the network is added.": _each(lambda a, p, decay: a.mul_(decay)),
        "The values are right, but torch keeps track of gradients through the average, and memory would fill up: work "
        "inside `with torch.no_grad():`.": _each(lambda a, p, decay: a.lerp_(p, 1 - decay), quiet=_nothing),
    },
    hint="Each weight of the average becomes decay · (itself) + (1 − decay) · (the network's weight).",
    outputs=("the average", "the network", "keeping track of gradients"),
    observe=_look_at_average,
)

EXERCISES = (draw_times, x0_from_eps, l_simple, train_step, update_average)
