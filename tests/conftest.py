"""For every test: one thread per worker, and random inputs that are the same in each run."""

import pytest
import torch
from hypothesis import settings

from ddpm_core.engines import choose as engine

torch.set_num_threads(1)
# No deadline: the machine may be busy. Derandomised: a red run can be repeated.
settings.register_profile("seeded", deadline=None, derandomize=True)
settings.load_profile("seeded")


@pytest.fixture
def torch_engine(monkeypatch):
    """Models load as where neither OpenVINO (converting takes a second) nor native bf16 (it rounds) is to be had."""
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    monkeypatch.setattr(engine, "torch_precision", lambda precision, device: precision.replace("auto", "fp32"))
