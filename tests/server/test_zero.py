"""Runs on ZeroGPU, with a stand-in for the package `spaces`."""

import sys
import time

import pytest
import torch
import toylab

import ddpm_core
from ddpm_core import runs
from ui.machine import zero_gpu
from ui.models.loaded import Models
from ui.runs.jobs import Job

SHARED = {"seeds": range(7, 9), "clip": True}
LANES = [{"steps": 3, "sampler": "ddpm", "variance": "beta", "spacing": "linspace", "eta": 0.0}]


def lanes_of(model):
    """The lanes with the chains that this model takes."""
    return [runs.Lane(model, runs.make_chain(model, condition=runs.Condition(), n=2, **lane)) for lane in LANES]


@pytest.fixture
def spaces(monkeypatch):
    import spaces

    monkeypatch.setattr(zero_gpu, "on_gpu", None)
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(spaces, "quota", 1000.0)
    monkeypatch.setattr(spaces, "asked", [])
    monkeypatch.setattr(spaces, "decorated", [])
    zero_gpu.prepare()
    return spaces


@pytest.fixture(scope="module")
def model():
    return ddpm_core.load("cifar10-tiny", engine="torch", device="cpu")


def test_elsewhere_nothing_needs_the_package(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setitem(sys.modules, "spaces", None)  # an import of it fails
    zero_gpu.prepare()
    assert zero_gpu.on_gpu is None


def test_a_run_in_the_process_with_the_gpu_gives_the_same_steps(spaces, model):
    assert len(spaces.decorated) == 1  # declared before the page is served
    torch.zeros(1 << 20).sum()  # this process has used torch's threads
    steps = list(zero_gpu.side_by_side(lanes_of(model), LANES, SHARED, 2e9, pytest.fail))
    alone = list(ddpm_core.side_by_side(model, lanes=LANES, **SHARED))
    assert len(steps) == len(alone) == 3
    for (lane, step), (_, expected) in zip(steps, alone, strict=True):
        assert lane == 0 and (step.t, step.s, step.sigma) == (expected.t, expected.s, expected.sigma)
        assert torch.allclose(step.x, expected.x, atol=1e-4)
    assert spaces.asked == [16]  # 15 s to start and 3 steps


def test_the_requested_time_grows_with_steps_images_and_network_up_to_the_most():
    def asked(steps, images, flop, guidance=None):
        shared = SHARED | {"seeds": range(images)}
        return zero_gpu.seconds(["x"], [{"steps": steps, "guidance": guidance}], shared, flop)

    assert asked(10, 1, 2e9) < asked(1000, 1, 2e9) < asked(1000, 16, 2e9) < asked(1000, 16, 2e9, guidance=2.0)
    assert asked(100, 1, 5e11) > asked(100, 1, 2e9)
    assert asked(1000, 16, 5e11) == zero_gpu.MOST <= 120 / 1.5  # a second of a Blackwell counts 1.5


def test_without_quota_the_run_goes_on_without_a_gpu_and_says_so(spaces, torch_engine, monkeypatch):
    monkeypatch.setattr(spaces, "quota", 5.0)
    services = toylab.toy_services(Models(device="cpu"))
    job = Job(toylab.sampling(services, toylab.script("cifar10-tiny", steps=2, count=1)), services)
    updates = list(job.updates())
    assert updates[-1].state == "finished"
    assert "no GPU time left for you today" in job.notice
    assert job.recording.x_0[0].shape == (1, 3, 32, 32)


def test_a_gpu_that_is_taken_away_ends_the_run_with_one_sentence(spaces, model, monkeypatch):
    monkeypatch.setattr(zero_gpu, "on_gpu", spaces.GPU(_never_ends, duration=1))
    with pytest.raises(zero_gpu.Interrupted, match="time of the GPU for this run was used up: take fewer steps"):
        list(zero_gpu.side_by_side(lanes_of(model), LANES, SHARED, 2e9, pytest.fail))


@pytest.mark.parametrize("done", [0, 1])
def test_an_error_on_the_gpu_is_not_told_as_used_up_time(spaces, model, monkeypatch, done):
    def fails(*_):
        yield from [(0, None)] * done
        raise RuntimeError("CUDA error: out of memory")

    told = []
    monkeypatch.setattr(zero_gpu, "on_gpu", spaces.GPU(fails, duration=9))
    run = zero_gpu.side_by_side(lanes_of(model), LANES, SHARED, 2e9, told.append)
    if done:
        with pytest.raises(zero_gpu.Interrupted, match=r"The GPU failed in this run \(RuntimeError\): start it again"):
            list(run)
    else:
        assert len(list(run)) == 3
        assert told == ["The GPU failed (RuntimeError): this run goes on without one"]


def _never_ends(*_):
    while True:
        yield 0, None
        time.sleep(0.1)
