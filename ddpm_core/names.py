"""The names that a user can choose from: each list as a type, and as a tuple in the order of display.

`count_of` puts a number and a noun together.
"""

from typing import Annotated, Literal, TypedDict, get_args

Sampler = Literal["ddpm", "ddim", "dpm++", "unipc", "langevin", "consistency", "heun"]
Variance = Literal["beta", "beta_tilde", "analytic", "learned", "learned_range"]
OwnVariance = Literal["beta", "beta_tilde", "learned", "learned_range"]
Spacing = Literal["linspace", "quadratic", "quadratic_T", "leading", "trailing", "optimised"]
Mixing = Literal["linear", "slerp"]  # rules for mixing two latents
Prediction = Literal["epsilon", "x0", "v", "mu", "flow"]
Loss = Literal["simple", "vlb", "hybrid"]
Engine = Literal["auto", "torch", "compile", "graph", "openvino"]
Arithmetic = Literal["fp32", "bf16", "fp16"]  # number formats; the precision "auto" chooses one of them
Precision = Literal["auto", Arithmetic]
Cdf = Literal["tanh", "exact"]
Trace = Literal["hutchinson", "exact"]
Distillation = Literal["consistency", "progressive"]
Shape = Literal["ring", "moons", "spiral", "gaussian"]  # example distributions of points in the plane
Averaging = Literal["EMA", "not EMA", "unknown"]  # whether weights are an exponential moving average

SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
VARIANCES: tuple[Variance, ...] = get_args(Variance)
OWN_VARIANCES: tuple[OwnVariance, ...] = get_args(OwnVariance)  # variances that can be a checkpoint's own
LEARNED: tuple[Variance, ...] = ("learned", "learned_range")  # half of the network's output is for the variance
SPACINGS: tuple[Spacing, ...] = get_args(Spacing)
MIXINGS: tuple[Mixing, ...] = get_args(Mixing)
OPTIMISED_FOR: tuple[Sampler, ...] = ("ddim", "dpm++", "unipc")  # samplers for which times can be searched
PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)
LOSSES: tuple[Loss, ...] = get_args(Loss)
ENGINES: tuple[Engine, ...] = get_args(Engine)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
CDFS: tuple[Cdf, ...] = get_args(Cdf)
TRACES: tuple[Trace, ...] = get_args(Trace)
AVERAGINGS: tuple[Averaging, ...] = get_args(Averaging)
SHAPES: tuple[Shape, ...] = get_args(Shape)
DISTILLATIONS: tuple[Distillation, ...] = get_args(Distillation)


class OtherOptions(TypedDict, total=False):
    """The options of samplers that are not named arguments of `trajectory`, each with the help text of its flag.

    They are in this module because command lines need them before torch is imported.
    """

    snr: Annotated[float | None, "r of langevin's corrections; default: the checkpoint's own, or 0.16"]
    corrections: Annotated[int | None, "langevin's corrections in a step; default: the checkpoint's own, or 1"]
    S_churn: Annotated[float | None, "heun's added noise in all steps together; default: 0, none"]
    S_min: Annotated[float | None, "the smallest noise level at which heun adds noise; default: 0"]
    S_max: Annotated[float | None, "the largest one; default: no limit"]
    S_noise: Annotated[float | None, "the factor of the noise that heun adds; default: 1"]


def count_of(n: int, thing: str) -> str:
    """Return a number with its noun: "1 step" for (1, "step"), "10 steps" for (10, "step")."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
