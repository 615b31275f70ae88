"""OpenAI's files of weights against what their modules computed with them (`record_openai_unets.py`)."""

import json

import numpy as np
import pytest
import record_openai_unets as recorded
import torch
from record_openai_unets import CASES, CHAIN, FILE, SIGMAS, TIMES, images, weights

import ddpm_core
from ddpm_core import CheckpointError
from ddpm_core.__main__ import main
from ddpm_core.checkpoint.openai.convert import convert

OUTPUTS = np.load(FILE)


def write(path, case, change=None):
    """The file of a case; change: of its tensors."""
    shapes = json.loads(str(OUTPUTS[f"{case}: shapes"]))
    content = weights(shapes, [*CASES].index(case))
    for name, value in (change or {}).items():
        content |= {name: value(content.get(name)) if callable(value) else value}
        if content[name] is None:
            del content[name]
    torch.save(content, path)
    return path


def converted(folder, case):
    file = write(folder / "model000100.pt", case)
    convert(file, folder / "model", CASES[case][2])
    return ddpm_core.load(folder / "model", device="cpu", precision="fp32", engine="torch")


@pytest.mark.parametrize("case", [case for case, (package, *_) in CASES.items() if package != "cm"])
def test_a_converted_file_computes_what_their_module_does(tmp_path, case):
    model, seed = converted(tmp_path, case), [*CASES].index(case)
    side = max(16, 2 ** (len(model.network.unet.config["block_out_channels"]) - 1))
    labels = torch.tensor([0, 5, 999]) if model.num_classes else None
    found = model.network(torch.from_numpy(images(seed, side)), torch.tensor(TIMES), labels)
    expected = OUTPUTS[f"{case}: output"]
    # sums of some hundred float32 products, in another order
    np.testing.assert_allclose(found[..., :: side // 8, :: side // 8], expected, rtol=1e-5, atol=1e-5)


def test_a_chain_with_learned_variance_is_theirs(tmp_path):
    """Their p_sample_loop, 50 of 4000 steps of the cosine schedule, with our noise."""
    model = converted(tmp_path, "cifar10")
    assert (model.schedule.T, model.schedule.name, model.variance) == (4000, "cosine", "learned_range")
    seeds = CHAIN["seeds"]
    x_T = recorded.noise(seeds, 0, 16)
    *_, last = ddpm_core.trajectory(model, seeds, CHAIN["steps"], x_T=x_T)
    np.testing.assert_allclose(last.x, OUTPUTS["chain"], atol=1e-4)
