"""The table of docs/library/choices.md that says what each public function takes: every cell is tried."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import ddpm_core as d

DOCUMENT = Path(__file__).parents[2] / "docs" / "library" / "choices.md"
SCHEDULE = d.NoiseSchedule.linear(10)
X, T = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([5, 2])
PICTURES = torch.arange(32, dtype=torch.uint8).reshape(2, 4, 4, 1)
MODEL = d.Model(
    network=lambda x, t, labels: 0.1 * x,
    **{"schedule": SCHEDULE, "image_size": 4, "channels": 1, "prediction": "epsilon"},
    **{"num_classes": 3, "null_label": 3, "class_names": ("a", "b", "c")},
)
FROM = d.NoiseSchedule
# argument of the table -> a value as a tensor, and each function with this argument
CALLS = {
    "seeds": (
        torch.tensor([1, 2]),
        {
            "sample": lambda v: d.sample(MODEL, v, 2),
            "trajectory": lambda v: next(iter(d.trajectory(MODEL, v, 2))).x,
            "side_by_side": lambda v: [step.x for _, step in d.side_by_side(MODEL, v, [{"steps": 1}])],
            "encode": lambda v: d.encode(MODEL, PICTURES, 5, v),
            "reconstruct": lambda v: d.reconstruct(MODEL, X, 5, v, 2),
            "seeded_noise": lambda v: d.seeded_noise(v)(0, X),
        },
    ),
    "steps": (
        torch.tensor([9, 4, 1]),
        {
            "sample": lambda v: d.sample(MODEL, [1], v),
            "bits_per_dim": lambda v: d.bits_per_dim(MODEL, PICTURES, steps=v, labels=0).total,
            "timestep_pairs": lambda v: d.timestep_pairs(10, v),
        },
    ),
    "labels": (
        torch.tensor([1, 2]),
        {
            "sample": lambda v: d.sample(MODEL, [1, 2], 2, labels=v),
            "predict": lambda v: d.predict(MODEL, X, 5, v).eps,
            "invert": lambda v: d.invert(MODEL, PICTURES, 3, labels=v),
            "loss": lambda v: d.loss(MODEL, X, v, T, X),
        },
    ),
    "images": (
        PICTURES,
        {
            "from_uint8": d.from_uint8,
            "encode": lambda v: d.encode(MODEL, v, 5, [1, 2]),
            "invert": lambda v: d.invert(MODEL, v, 3),
            "bits_per_dim": lambda v: d.bits_per_dim(MODEL, v, steps=3, labels=0).total,
            "ode_log_prob": lambda v: d.ode_log_prob(MODEL, v, labels=0, tolerance=0.1).log_prob,
        },
    ),
    "states": (
        X,
        {
            "sample": lambda v: d.sample(MODEL, [1, 2], 2, x_T=v),
            "predict": lambda v: d.predict(MODEL, v, 5).eps,
            "q_sample": lambda v: d.q_sample(SCHEDULE, v, 5, v),
            "posterior": lambda v: d.posterior(SCHEDULE, v, v, 5)[0],
            "loss": lambda v: d.loss(MODEL, v, None, T, v),
            "reconstruct": lambda v: d.reconstruct(MODEL, v, 5, [1, 2], 2),
            "interpolate": lambda v: d.interpolate(MODEL, v[:1], v[1:], 5, [0.5], 1, 2),
            "to_uint8": d.to_uint8,
        },
    ),
    "t": (
        T,
        {
            "predict": lambda v: d.predict(MODEL, X, v).eps,
            "q_sample": lambda v: d.q_sample(SCHEDULE, X, v, X),
            "posterior": lambda v: d.posterior(SCHEDULE, X, X, v)[0],
            "reverse_variance": lambda v: d.reverse_variance(SCHEDULE, v, 1, "beta"),
        },
    ),
    "weights": (torch.tensor([0.25, 1]), {"interpolate": lambda v: d.interpolate(MODEL, X[:1], X[1:], 5, v, 1, 2)}),
    "tables": (
        torch.tensor([0.2], dtype=torch.float64),
        {
            "NoiseSchedule.from_betas": lambda v: FROM.from_betas(v).beta,
            "NoiseSchedule.from_alpha_bar": lambda v: FROM.from_alpha_bar(v).beta,
            "NoiseSchedule.from_sigmas": lambda v: FROM.from_sigmas(v).beta,
            "NoiseSchedule.times_at": SCHEDULE.times_at,
        },
    ),
}
AS = {"lists": torch.Tensor.tolist, "NumPy": torch.Tensor.numpy, "tensors": lambda value: value}


def table():
    """argument -> its functions, and for each form whether it is taken."""
    section = DOCUMENT.read_text(encoding="utf-8").split("## What functions take\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    heading, *rest = rows
    found = {}
    for argument, functions, *cells in rest[1:]:
        name = re.match(r"`?(\w+)", argument)[1]
        found[name] = (re.findall(r"`([\w.]+)`", functions), dict(zip(heading[2:], cells, strict=True)))
    return found


TABLE = table()


def test_the_table_names_what_is_tried_here():
    assert {argument: {*functions} for argument, (functions, _) in TABLE.items()} == {
        argument: {*functions} for argument, (_, functions) in CALLS.items()
    }


def numbers(found):
    return np.concatenate([np.ravel(one) for one in found]) if isinstance(found, list) else np.asarray(found)


@pytest.mark.parametrize("form", AS)
@pytest.mark.parametrize(("argument", "function"), [(a, f) for a, (_, calls) in CALLS.items() for f in calls])
def test_a_cell_of_the_table_is_true(argument, function, form):
    value, calls = CALLS[argument]
    if TABLE[argument][1][form] == "—":
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            calls[function](AS[form](value))
    else:
        assert np.array_equal(numbers(calls[function](AS[form](value))), numbers(calls[function](value)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("function", ["predict", "q_sample", "posterior"])
def test_a_result_has_the_dtype_and_the_device_of_the_state(function, dtype):
    call = CALLS["states"][1][function]
    assert call(X.to(dtype)).dtype == dtype
    if function != "predict":
        assert call(X.to("meta", dtype)).device.type == "meta"
