"""Training in the browser (ui/web/learning) does what `train fit` does: the same losses, gradients, steps and files."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core.checkpoint.save import json_contents
from ddpm_core.engines.choose import wrap
from ddpm_core.imaging import from_uint8
from ddpm_core.objective import loss
from ddpm_core.prediction import predict
from ddpm_core.process import q_sample
from train.common.config import PRESETS
from train.fit import optimisers
from train.fit.ema import EMA
from train.fit.recipe import learning_rate, make_model, make_network, make_schedule, time_distribution

SCRIPT = Path(__file__).parents[2] / "ui/web/tests/local/learning.mjs"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

RECIPE = {
    **{"prediction": "v", "times": "lognormal", "weight": "", "schedule": "linear", "widths": [16, 32], "lr": 3e-3},
    **{"batch": 8, "average": 0.999, "dropout": 0.2, "images": 8000, "seed": 5, "starts": False},
}
SIDE, COUNT = 8, 12
IMAGES = np.random.default_rng(3).integers(0, 256, (COUNT, SIDE, SIDE, 1), dtype=np.uint8)
PICTURES = {
    **{"images": base64.b64encode(IMAGES.tobytes()).decode(), "count": COUNT, "side": SIDE, "channels": 1},
    **{"labels": [i % 3 for i in range(COUNT)], "classes": ["a", "b", "c"]},
}
OBJECTIVES = {
    f"{prediction} {times} {weight}": {"prediction": prediction, "times": times, "weight": weight, "schedule": schedule}
    for prediction, schedule in (("epsilon", "linear"), ("x0", "cosine"), ("v", "linear"), ("flow", "flow"))
    for times in ("lognormal", "uniform")
    for weight in ("", "min_snr")
}
TIMES = [0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]
SCHEDULES = ("linear", "cosine", "flow")
NDTR = [-9.5, -6.0, -2.5, -0.7, 0.0, 0.1, 1.9, 4.0, 8.7]


def settings(recipe):
    """The same in the words of `train fit`."""
    return replace(
        PRESETS["mnist-tiny"],
        **{name: recipe[name] for name in ("prediction", "times", "schedule", "lr", "batch", "seed")},
        **{"widths": tuple(recipe["widths"]), "image_size": SIDE, "attention": (SIDE // 4,), "warmup": 50},
        **{"label_dropout": recipe["dropout"], "ema": recipe["average"], "steps": recipe["images"] // recipe["batch"]},
        **{"log_sigma_mean": 0.4, "log_sigma_std": 1.1, "min_snr": 5.0 if recipe["weight"] else None},
    )


def network_of(recipe, seed=1):
    """A network with random weights, none of which are zeros."""
    torch.manual_seed(seed)
    network = make_network(settings(recipe), 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def model_of(recipe, network):
    config = settings(recipe)
    return make_model(network, config, make_schedule(config), ("a", "b", "c"), "EMA")


def floats(text, *shape, dtype=np.float32):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).copy().reshape(*shape or (-1,)))


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the page computes, by the names of the cases. One run of node answers all."""
    cases = {}
    for name, more in OBJECTIVES.items():
        recipe = RECIPE | more
        weights = {
            name: base64.b64encode(parameter.detach().numpy().tobytes()).decode()
            for name, parameter in network_of(recipe).named_parameters()
        }
        asked = {"recipe": recipe, "pictures": PICTURES, "weights": weights, "steps": 3}
        cases[name] = ("learned", asked)
        cases[f"config {name}"] = ("config", {"recipe": recipe, "pictures": PICTURES})
    cases["no classes"] = ("config", {"recipe": RECIPE, "pictures": PICTURES | {"labels": None, "classes": []}})
    for schedule in SCHEDULES:
        cases[schedule] = ("times", {"recipe": RECIPE | {"schedule": schedule}, "pictures": PICTURES})
    config = json.loads(network_of(RECIPE).to_json_string())
    cases["initial"] = ("initial", {"config": config, "seed": 5})
    cases["ndtr"] = ("ndtr", {"values": NDTR})
    cases["rates"] = ("rates", {"recipe": RECIPE, "steps": [0, 10, 49, 50, 500, 999]})
    cases["uniform"] = ("uniform", {"seed": 5, "number": 77, "n": 9})
    folder = tmp_path_factory.mktemp("learning")
    asked, answered = folder / "cases.json", folder / "answers.json"
    asked.write_text(json.dumps(list(cases.values())))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=120)
    return dict(zip(cases, json.loads(answered.read_text()), strict=True))


def test_uniform_numbers_are_numpys(answers):
    stream = 1 * 2**48 + 77
    expected = np.random.Generator(np.random.Philox(key=[5, stream])).random(9, dtype=np.float32)
    assert floats(answers["uniform"]).tolist() == expected.tolist()


def test_the_distribution_of_t_is_the_library_s(answers):
    expected = torch.special.ndtr(torch.tensor(NDTR, dtype=torch.float64))
    assert (torch.tensor(answers["ndtr"], dtype=torch.float64) - expected).abs().max() < 1e-15
    for schedule in SCHEDULES:
        expected = time_distribution(settings(RECIPE | {"schedule": schedule}))
        assert abs(floats(answers[schedule], dtype=np.float64).numpy() - expected).max() < 1e-12


def test_the_learning_rate_is_the_trainer_s(answers):
    expected = [learning_rate(settings(RECIPE), step) for step in (0, 10, 49, 50, 500, 999)]
    assert answers["rates"] == pytest.approx(expected, rel=1e-12)


def test_initial_weights_are_those_of_the_library(answers):
    """Of the same shapes, with the same tensors of zeros and ones, and as large elsewhere."""
    expected = make_network(settings(RECIPE), 3).state_dict()
    assert set(answers["initial"]) == set(expected)
    for name, theirs in expected.items():
        ours = floats(answers["initial"][name], *theirs.shape)
        if theirs.unique().numel() == 1:
            assert torch.equal(ours, theirs), name
        elif theirs.numel() > 500:  # a standard deviation then has an error of some 3 %
            assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.15), name


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_gradients_and_steps_are_the_trainer_s(answers, name, monkeypatch):
    monkeypatch.setattr(optimisers, "torch_precision", lambda *_: "fp32")  # bfloat16 has too few digits to compare
    recipe, found = RECIPE | OBJECTIVES[name], answers[name]
    config, network = settings(recipe), network_of(recipe)
    model, ema = model_of(recipe, network), EMA(network, config.ema)
    optimizer = optimisers.make_optimizer(network, config)
    before = {key: parameter.detach().clone() for key, parameter in network.named_parameters()}
    for step, ours in enumerate(found["steps"]):
        loss = _loss(recipe, model, ours)
        assert ours["loss"] == pytest.approx(loss.item(), rel=1e-5)
        network.zero_grad()
        loss.backward()
        # Each of the two sums in float32 in its own order; the weights of later steps also differ by what that leaves.
        apart = _apart(ours["gradient"], {key: p.grad for key, p in network.named_parameters()})
        assert apart < 1e-5
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        assert ours["norm"] == pytest.approx(norm.item(), rel=1e-5)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        optimizer.step()
        ema.update(network)
    for which, theirs in (("latest", network), ("averages", ema.network)):
        for key, parameter in theirs.named_parameters():
            apart = (floats(found[which][key], *parameter.shape) - parameter).norm()
            # The gradient of a key's bias is 0, so Adam steps by the sign of what rounding has left of it.
            assert apart < (1e-4 if key.endswith("to_k.bias") else 1e-6) * parameter.norm(), key
            assert key.endswith("to_k.bias") or apart < 1e-3 * (parameter - before[key]).norm(), key


def _loss(recipe, model, drawn):
    """The trainer's loss of a step's examples."""
    x_0, eps = (floats(drawn[which], 8, 1, SIDE, SIDE) for which in ("x0", "eps"))
    t, labels = torch.tensor(drawn["t"]), torch.tensor(drawn["labels"])
    min_snr = settings(recipe).min_snr if recipe["weight"] else None
    return loss(model, x_0, labels, t, eps, min_snr=min_snr).mean()


def _apart(ours, theirs):
    """How far tensors are apart, as a share of their size."""
    assert set(ours) == set(theirs)
    squares = sum((floats(ours[key], *value.shape) - value).square().sum() for key, value in theirs.items())
    return (squares / sum(value.square().sum() for value in theirs.values())).sqrt().item()


def test_labels_are_left_out_as_often_as_asked(answers):
    labels = [label for name in OBJECTIVES for step in answers[name]["steps"] for label in step["labels"]]
    assert set(labels) == {0, 1, 2, 3}  # 3 is no class
    step, *_ = answers["v lognormal "]["steps"]
    pictures = floats(step["x0"], 8, SIDE, SIDE)
    for picture, label in zip(pictures, step["labels"], strict=True):
        (number,) = [i for i in range(COUNT) if torch.equal(from_uint8(IMAGES[i : i + 1])[0, 0], picture)]
        assert label in (PICTURES["labels"][number], 3)


@pytest.mark.parametrize("name", ["epsilon lognormal ", "x0 lognormal ", "v lognormal ", "flow lognormal "])
def test_the_error_of_x_0_is_measured_at_each_time(answers, name):
    recipe, found = RECIPE | OBJECTIVES[name], answers[name]
    network = network_of(recipe)
    network.load_state_dict({k: floats(found["latest"][k], *v.shape) for k, v in network.state_dict().items()})
    model = model_of(recipe, wrap(network, precision="fp32", engine="torch"))
    chosen = [j * COUNT // 8 for j in range(8)]
    x_0 = from_uint8(torch.tensor(IMAGES[chosen]))
    streams = (np.random.Generator(np.random.Philox(key=[5, 5 * 2**48 + j])) for j in range(8))
    eps = torch.tensor(np.stack([s.standard_normal((1, SIDE, SIDE), dtype=np.float32) for s in streams]))
    for share, error in zip(TIMES, found["errors"], strict=True):
        t = round(share * 1000)
        labels = torch.tensor([PICTURES["labels"][i] for i in chosen])
        x0 = predict(model, q_sample(model.schedule, x_0, t, eps), t, labels).x0_hat
        assert error == pytest.approx(127.5 * (x0 - x_0).square().mean().sqrt().item(), rel=1e-4)


@pytest.mark.parametrize("name", [*OBJECTIVES, "no classes"])
def test_the_files_of_a_model_are_the_trainer_s(answers, name):
    found = answers[name if name == "no classes" else f"config {name}"]
    recipe = RECIPE | OBJECTIVES.get(name, {})
    network, model = network_of(recipe), model_of(recipe, network_of(recipe))
    if name == "no classes":
        network = make_network(settings(recipe), 0)
        model = make_model(network, settings(recipe), make_schedule(settings(recipe)), None, "EMA")
    expected = {"config.json": json.loads(network.to_json_string()), **json_contents(model, network)}
    assert set(found) == set(expected)
    for file, contents in expected.items():
        contents.pop("_diffusers_version", None)  # diffusers made none of them
        betas = [each.pop("trained_betas", [0]) for each in (found[file], contents)]
        assert betas[0] == pytest.approx(betas[1], rel=1e-12)
        assert found[file] == contents
